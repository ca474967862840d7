//! Decides what webhook to send, when, and when to stop.
//!
//! The engine is a state machine without futures, I/O, clocks or ambient randomness. A host gives
//! it [`Input`]s and does what its [`Output`]s say: it implements [`Scheduler`] and drives the
//! [`Core`] with [`turn`]. The crate `postrider` is such a host on tokio; a simulator is another.

pub mod base64;
mod batch;
mod batch_policy;
mod breaker;
mod client_identity;
mod commits;
mod core;
mod custom_headers;
mod delivery;
mod endpoint;
mod endpoint_state;
mod error;
mod event_headers;
mod fact;
mod filter;
mod footprint;
mod hold;
mod id;
mod input;
pub mod json;
mod lane;
mod limits;
mod memory;
mod names;
mod note;
mod outcome;
mod outlook;
mod output;
mod payload_form;
mod payload_type;
mod rate;
mod request;
mod retry;
mod retry_after;
mod scheduler;
mod sending;
mod sent;
mod signature_form;
mod slab;
mod sorted;
mod subscriptions;
mod template;
mod tenant_state;
mod time;
mod timers;

pub use self::core::Core;
pub use batch::{
    Attempted, Batch, BatchId, Change, CommitError, EndpointUpdate, Idempotency, NewDelivery,
    Placed, Publish, Receipt, Refusal,
};
pub use batch_policy::BatchPolicy;
pub use breaker::BreakerPolicy;
pub use client_identity::ClientIdentity;
pub use delivery::{
    Attempt, DeliveryState, Event, FailReason, HeaderLines, LaneId, Ordinal, Seq, Spot,
};
pub use endpoint::{
    DisabledReason, Endpoint, EndpointSecret, EndpointSpec, EndpointStatus, Health, OnFailed,
    Ordering,
};
pub use error::{
    BackfillError, Closed, DiscardError, EndpointError, Full, InvalidSpec, PingError, PublishError,
    ResendError, RetryError,
};
pub use event_headers::{EventHeaders, InvalidEventHeaders};
pub use fact::{AttemptResult, Fact, Of, Undecided};
pub use filter::{Filter, FilterProblem, InvalidFilter, Verdict};
pub use footprint::Footprint;
pub use id::{
    AttemptId, DeliveryId, EndpointId, EventId, InvalidId, KeyId, NoteId, PortalLinkId, ReplayId,
    SourceId, TenantUid,
};
pub use input::{
    CallId, Command, EndpointChange, Input, Loaded, LoadedDelivery, NewEvent, Recovered,
    RecoveredDelivery, RecoveredEndpoint, RecoveredLane, Target,
};
pub use limits::{Limits, Share};
pub use memory::{
    DeliveryRecord, Had, HeldDelivery, HeldLane, Ledger, LoggedEvent, MemoryBounds, MemoryStore,
};
pub use names::{EndpointName, EventPattern, EventType, InvalidName, OrderingKey, TenantId};
pub use note::Note;
pub use outcome::{Failure, FailureKind, Outcome, Phase, Repeat, Response};
pub use outlook::{Kept, Outlook};
pub use output::{Answer, Drained, Load, Output, Published, Reason};
pub use payload_form::{BodyTooLarge, PayloadForm, RenderContext};
pub use payload_type::{InvalidPayloadType, PayloadType};
pub use postrider_signature as signature;
pub use postrider_signature::Secret;
pub use rate::RateLimit;
pub use request::{Behind, PrepareError, Prepared, REPEAT_HEADER, Request, Route, USER_AGENT};
pub use retry::{RetryPolicy, Schedule, asked_for};
pub use scheduler::{Scheduler, turn};
pub use sending::Sending;
pub use sent::{PhaseTimes, Sent, SentBody};
pub use signature_form::SignatureForm;
pub use template::{InvalidTemplate, Template, TemplateProblem};
pub use time::{Mono, Now, Wall};
