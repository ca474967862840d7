//! Delivers webhooks in order, through storms.
//!
//! ```no_run
//! use postrider::{MemoryBounds, MemoryStore, Postrider};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let postrider = Postrider::builder()
//!     .store(MemoryStore::bounded(MemoryBounds::default()))
//!     .start()
//!     .await?;
//! let endpoint = postrider
//!     .register_endpoint("https://merchant.example/webhooks", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")
//!     .await?;
//! let event = postrider
//!     .submit_event(&endpoint, "payment.succeeded", br#"{"amount":4200}"#)
//!     .await?;
//! let status = postrider.event_status(&event).await?;
//! println!("{:?} after {} attempts", status.state, status.attempts);
//! postrider.shutdown().await;
//! # Ok(())
//! # }
//! ```

pub mod agenda;
pub mod audit;
mod builder;
mod clock;
pub mod descriptors;
pub mod egress;
mod endpoint_url;
mod ensure;
mod event_outline;
mod events;
mod facts;
mod history;
mod letters;
pub mod outbox;
mod outline;
mod overview;
mod place;
mod postrider;
mod readiness;
mod reading;
#[cfg(feature = "receive")]
pub mod receive;
pub mod records;
pub mod replay;
mod search;
mod shell;
mod statistics;
mod status;
pub mod store;
mod submission;
pub mod transport;
mod vetting;
mod waiting;
mod waiting_lanes;

pub use agenda::{
    ScheduleError, Scheduled, ScheduledCursor, ScheduledEvent, ScheduledPage, ScheduledQuery,
};
pub use audit::{AuditLog, AuditPage, AuditQuery};
pub use builder::{Builder, StartError};
pub use clock::{Clock, SystemClock};
pub use endpoint_url::{EndpointUrl, Host, InvalidUrl};
pub use ensure::{EnsureError, Ensured};
pub use event_outline::{EventOutline, EventOutlinePage, EventOutlineQuery};
pub use events::{EventCursor, EventFilter, EventPage, EventPlace, EventQuery, EventRecord};
pub use facts::{Facts, FactsError, Observer, TypedFact};
pub use history::{
    AttemptSummary, Cursor, DeadLetterGroup, DeliveryFilter, DeliveryPage, DeliveryQuery,
    DeliverySummary, Direction, InvalidCursor, InvalidState, StateKind, Statistics, SummaryPage,
};
pub use letters::{LetterCounts, LetterGroup, LetterGrouping};
#[cfg(feature = "sqlite")]
pub use outbox::{Outbox, OutboxError};
pub use outline::{DeliveryOutline, OutlinePage};
pub use overview::{
    EndpointCounts, EndpointPage, EndpointQuery, InvalidStatus, Overview, StatusKind, TenantCounts,
};
pub use place::StorePlace;
pub use postrider::Postrider;
pub use postrider_engine as engine;
pub use postrider_engine::signature;
pub use postrider_engine::{
    Attempt, AttemptId, AttemptResult, BackfillError, BatchPolicy, BodyTooLarge, BreakerPolicy,
    ClientIdentity, Closed, DeliveryId, DeliveryRecord, DeliveryState, DisabledReason,
    DiscardError, Drained, Endpoint, EndpointError, EndpointId, EndpointName, EndpointSpec,
    EndpointStatus, Event, EventHeaders, EventId, EventPattern, EventType, Fact, FailReason,
    Failure, FailureKind, Filter, FilterProblem, Footprint, Full, Had, HeaderLines,
    InvalidEventHeaders, InvalidFilter, InvalidName, InvalidPayloadType, InvalidSpec,
    InvalidTemplate, LaneId, Ledger, Limits, MemoryBounds, NewDelivery, Note, NoteId, OnFailed,
    Ordering, OrderingKey, Outcome, PayloadForm, PayloadType, PhaseTimes, PingError, PublishError,
    Published, RateLimit, Repeat, ReplayId, ResendError, Response, RetryError, RetryPolicy,
    Schedule, Secret, Sending, Sent, SentBody, SignatureForm, Template, TemplateProblem, TenantId,
    Wall,
};
pub use readiness::NotReady;
pub use reading::LaneRecord;
pub use records::{Record, RecordChange, RecordError, Records};
pub use replay::{
    Replay, ReplayAct, ReplayError, ReplayPage, ReplayQuery, ReplayReport, ReplayRequest,
    ReplayState, SkipReason,
};
/// The SQLite that this crate is built with, for applications that publish in their own
/// transactions: see [`outbox`].
#[cfg(feature = "sqlite")]
pub use rusqlite;
pub use search::{EventSearch, EventSummary, FoundEvents};
pub use statistics::{Hour, Latency};
pub use status::{EventState, EventStatus, InvalidEventState, ReadError};
#[cfg(feature = "sqlite")]
pub use store::SqliteStore;
pub use store::{MemoryStore, Store};
pub use submission::Submission;
pub use waiting::{Cause, Wait, WaitQuery};
pub use waiting_lanes::{LaneCursor, LanePage, LaneQuery, WaitingLane};

/// The snippets of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
