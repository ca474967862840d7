//! What the core tells its host to do.

use crate::batch::{Batch, NewDelivery};
use crate::delivery::{Attempt, LaneId, Seq};
use crate::endpoint::Endpoint;
use crate::error::{
    BackfillError, DiscardError, EndpointError, PingError, PublishError, ResendError, RetryError,
};
use crate::fact::Fact;
use crate::id::{AttemptId, DeliveryId, EventId};
use crate::input::CallId;
use crate::request::Request;
use crate::time::Mono;
use std::sync::Arc;

/// What the core tells its host to do.
#[derive(Debug)]
pub enum Output {
    /// Make this durable, then say [`crate::Input::Committed`].
    Commit(Batch),
    /// Read the next deliveries of a lane, then say [`crate::Input::Loaded`].
    Load(Load),
    /// Send this, give up at the deadline, then say [`crate::Input::AttemptDone`].
    Send(Request, Mono),
    /// Stop this request; its outcome does not matter any more.
    Cancel(AttemptId),
    /// Hand this to the caller.
    Answer(CallId, Answer),
    /// This happened. May be ignored.
    Observe(Fact),
    /// There is nothing more to do before this time (`None`: before the next input), for this
    /// reason. Ends the outputs.
    Timeout(Option<Mono>, Reason),
}

/// Which deliveries to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// Of this lane.
    pub lane: LaneId,
    /// That come after this place and have not ended.
    pub after: Seq,
    /// At most so many.
    pub deliveries_max: usize,
    /// At most so many payload bytes; but always one delivery, if there is one.
    pub bytes_max: usize,
}

/// The answer to a call.
#[derive(Debug)]
pub enum Answer {
    /// To [`crate::Input::Publish`].
    Published(Result<Published, PublishError>),
    /// To [`crate::Command::Register`] and [`crate::Command::Change`]: the endpoint as it is now.
    Endpoint(Result<Box<Endpoint>, EndpointError>),
    /// To [`crate::Command::Delete`].
    Deleted(Result<(), EndpointError>),
    /// To [`crate::Command::Resend`]: the new delivery.
    Resent(Result<DeliveryId, ResendError>),
    /// To [`crate::Command::Backfill`]: the new delivery.
    Backfilled(Result<DeliveryId, BackfillError>),
    /// To [`crate::Command::Discard`] and [`crate::Command::DiscardDead`].
    Discarded(Result<(), DiscardError>),
    /// To [`crate::Command::RetryNow`]: it is durable that the attempt is due.
    RetriedNow(Result<(), RetryError>),
    /// To [`crate::Command::Ping`] and [`crate::Command::PingUnregistered`]: how the request ended.
    Pinged(Result<Attempt, PingError>),
    /// To [`crate::Input::Drain`].
    Drained(Drained),
}

/// An accepted event: it and its deliveries are durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The event.
    pub event: EventId,
    /// One for each endpoint that it goes to; none for a repeat.
    pub deliveries: Arc<[NewDelivery]>,
    /// It had been published before, under the same idempotency key.
    pub duplicate: bool,
}

/// What remains after a shutdown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Deliveries that have not ended. They are kept, as far as the store keeps anything.
    pub pending: u64,
    /// Requests that were given up at the deadline. They will be sent again.
    pub cancelled: u32,
    /// The store failed before the end: of what was being recorded nothing is known.
    pub store_failed: bool,
}

/// Why the core has nothing to do: what a stuck lane is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Nothing is pending.
    Idle,
    /// Requests are under way.
    Sending,
    /// The store has not answered.
    Storing,
    /// The next retry is due then.
    Retry,
    /// A rate limit or a breaker lets the next attempt through then.
    Admission,
    /// A batch waits for more, until then.
    Filling,
    /// What is pending is paused, disabled or stopped: it waits for an administrator.
    Held,
    /// Draining: waits for what is under way, at most until then.
    Draining,
    /// Drained: nothing will happen any more.
    Drained,
    /// The store failed: nothing will happen any more.
    StoreFailed,
}
