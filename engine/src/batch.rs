//! What the core asks its store to make durable, and what the store answers.

use crate::delivery::{Attempt, DeliveryState, Event, LaneId, Ordinal, Seq, Spot};
use crate::endpoint::{
    DisabledReason, Endpoint, EndpointSecret, EndpointSpec, EndpointStatus, Health,
};
use crate::id::{DeliveryId, EndpointId, EventId, ReplayId};
use crate::note::Note;
use crate::time::Wall;
use std::sync::Arc;

/// The number of a batch: counts up from 1 in each run of the core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct BatchId(pub u64);

/// One change that becomes durable as a whole or not at all.
///
/// A host may write many batches with one sync, but applies them in the order given and answers
/// each.
#[derive(Clone, Debug)]
pub struct Batch {
    /// By which it is answered.
    pub id: BatchId,
    /// What is to change.
    pub change: Change,
    /// What is noted of it for people, if anything is. The host makes it durable with the change,
    /// unless the store's answer is that nothing has changed ([`Receipt::has_changed`]).
    pub note: Option<Box<Note>>,
}

/// What is to change.
#[derive(Clone, Debug)]
pub enum Change {
    /// An event with its deliveries and its idempotency key. Answered by
    /// [`Receipt::Published`], [`Receipt::Duplicate`] or [`Receipt::KeyReused`].
    Publish(Publish),
    /// An attempt ended. If its delivery has ended in the meantime nothing changes and the answer
    /// is [`Receipt::Stale`]; otherwise [`Receipt::Applied`].
    Attempted(Arc<Attempted>),
    /// An endpoint is new. [`Receipt::Applied`].
    AddEndpoint(Box<Endpoint>),
    /// An endpoint changes. [`Receipt::Applied`].
    ChangeEndpoint(Arc<EndpointUpdate>),
    /// An endpoint goes. Its pending deliveries end as `discarded`, except those listed.
    /// [`Receipt::Applied`].
    DeleteEndpoint {
        /// Which.
        endpoint: EndpointId,
        /// Deliveries whose request is under way: their result will still be recorded.
        keep: Vec<DeliveryId>,
        /// When.
        at: Wall,
    },
    /// A delivery that has ended is made anew, at the end of its lane, or, if its lane stopped at
    /// it, in its place. [`Receipt::Resent`], [`Receipt::Stale`] or [`Receipt::Refused`].
    Resend {
        /// The delivery that has ended.
        of: DeliveryId,
        /// The one to make.
        new: DeliveryId,
        /// The replay that makes it, if one does. It makes each delivery anew once: if it has made
        /// this one, nothing changes and the answer is [`Receipt::Stale`].
        replay: Option<ReplayId>,
        /// When.
        at: Wall,
    },
    /// An endpoint gets an event that it has missed: a delivery where none was, at the end of its
    /// lane. [`Receipt::Backfilled`], or [`Receipt::Refused`], also if the endpoint has, or had, a
    /// delivery of the event: of such an event and endpoint there is never a second one.
    ///
    /// A store that has dropped deliveries of the event need not know to which endpoints they went: it
    /// refuses all endpoints that were there an hour after the event was published.
    Backfill {
        /// The event.
        event: EventId,
        /// The endpoint that has missed it.
        endpoint: EndpointId,
        /// The lane is that of the event's ordering key; otherwise the endpoint's own.
        ordered: bool,
        /// The delivery to make.
        new: DeliveryId,
        /// The replay that makes it.
        replay: ReplayId,
        /// When.
        at: Wall,
    },
    /// A pending or failed delivery ends as `discarded`. [`Receipt::Discarded`] or
    /// [`Receipt::Refused`].
    Discard {
        /// Which.
        delivery: DeliveryId,
        /// Only if it is a dead letter: it has failed, and was not made anew.
        dead: bool,
        /// When.
        at: Wall,
    },
    /// A delivery that has not ended waits for its next attempt no longer: if that is due later than
    /// `at`, it is due at `at`. [`Receipt::Due`] or [`Receipt::Refused`].
    RetryNow {
        /// Which.
        delivery: DeliveryId,
        /// Those that have failed with it in one batch, and go with it again.
        with: Vec<DeliveryId>,
        /// It is refused if one before it in its lane has not ended.
        ordered: bool,
        /// When.
        at: Wall,
    },
}

impl Change {
    /// Whether it makes a store larger by more than a line of history: what a store without room
    /// refuses, while it goes on recording results.
    #[must_use]
    pub fn makes_more(&self) -> bool {
        matches!(
            self,
            Self::Publish(_) | Self::Resend { .. } | Self::Backfill { .. } | Self::AddEndpoint(_)
        )
    }
}

/// An event with its deliveries and its idempotency key.
#[derive(Clone, Debug)]
pub struct Publish {
    /// What happened.
    pub event: Arc<Event>,
    /// One per endpoint that gets it.
    pub deliveries: Arc<[NewDelivery]>,
    /// If the publisher gave a key.
    pub idempotency: Option<Idempotency>,
    /// It was published for one endpoint, whatever others subscribe to: these have not missed it.
    pub addressed: bool,
    /// It comes out of the store's outbox, from which it goes in the same step. If it is not there
    /// any more, it was published before: [`Receipt::Duplicate`]. A store without an outbox has
    /// nothing to take it out of.
    pub from_outbox: bool,
}

/// A delivery to make. It gets the next place of its lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDelivery {
    /// Its id.
    pub id: DeliveryId,
    /// Where it queues.
    pub lane: LaneId,
    /// There was no room for it (`pending_deliveries_endpoint_max` and its like): it ends as it is
    /// made, as a dead letter ([`crate::FailReason::QueueFull`]). It takes its place all the same.
    pub queue_full: bool,
}

/// Makes a repeated publish harmless. Keys belong to the event's tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// The publisher's key.
    pub key: Arc<str>,
    /// SHA-256 over all that makes the content: a repeat must have the same.
    pub digest: [u8; 32],
}

/// An attempt that ended, and what follows for its delivery, lane and endpoint.
#[derive(Clone, Debug)]
pub struct Attempted {
    /// The delivery.
    pub delivery: DeliveryId,
    /// Its lane.
    pub lane: LaneId,
    /// Its place there.
    pub seq: Seq,
    /// The attempt.
    pub attempt: Attempt,
    /// The delivery's state from now on.
    pub state: DeliveryState,
    /// The lane stops at this delivery until it is resent or discarded.
    pub stop_lane: bool,
    /// The endpoint's health, if it changed.
    pub health: Option<Health>,
    /// The endpoint is disabled.
    pub disable: Option<DisabledReason>,
}

/// What changes of an endpoint; the rest stays.
#[derive(Clone, Debug)]
pub struct EndpointUpdate {
    /// Which.
    pub endpoint: EndpointId,
    /// Its new spec.
    pub spec: Option<Arc<EndpointSpec>>,
    /// Its new secrets.
    pub secrets: Option<Vec<EndpointSecret>>,
    /// Its new status.
    pub status: Option<EndpointStatus>,
    /// Its new health.
    pub health: Option<Health>,
    /// Nothing of it waits for longer than until then: what is to be retried later is due then, and
    /// breaker and hold ([`Health::cut`]) end then. This comes after the rest.
    pub due: Option<Wall>,
}

/// What the store answers once a batch is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// The event is new; what its deliveries got, in the order of the batch.
    Published(Vec<Spot>),
    /// The same event was published before under this idempotency key.
    Duplicate(EventId),
    /// Another event was.
    KeyReused(EventId),
    /// Done.
    Applied,
    /// Nothing changed: the delivery had ended before.
    Stale,
    /// The new delivery.
    Resent(Placed),
    /// The delivery of an event that was missed.
    Backfilled(Placed),
    /// What was discarded.
    Discarded {
        /// The delivery.
        placed: Placed,
        /// Whether it was pending; otherwise it was a dead letter.
        was_pending: bool,
    },
    /// The delivery that is due.
    Due(Placed),
    /// Nothing changed.
    Refused(Refusal),
}

impl Receipt {
    /// Whether the change was made.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        match self {
            Self::Published(_)
            | Self::Applied
            | Self::Resent(_)
            | Self::Backfilled(_)
            | Self::Discarded { .. }
            | Self::Due(_) => true,
            Self::Duplicate(_) | Self::KeyReused(_) | Self::Stale | Self::Refused(_) => false,
        }
    }
}

/// A delivery, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The delivery.
    pub delivery: DeliveryId,
    /// Its event.
    pub event: EventId,
    /// Its lane.
    pub lane: LaneId,
    /// Its place there.
    pub seq: Seq,
    /// Where its event stands in the sequence of the lane.
    pub ordinal: Option<Ordinal>,
    /// The size of its payload.
    pub payload_bytes: u32,
}

/// Why the store changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No such delivery.
    NoSuchDelivery,
    /// No such event of the endpoint's tenant.
    NoSuchEvent,
    /// Its endpoint has been deleted.
    NoSuchEndpoint(EndpointId),
    /// It has not ended.
    StillPending,
    /// It has ended.
    AlreadyEnded,
    /// It has failed, and was made anew.
    AlreadyResent,
    /// This one is before it in its lane, and has not ended.
    BehindHead(DeliveryId),
    /// The endpoint has a delivery of the event, or had one, or may have had one.
    AlreadyReached,
    /// The event was published for one endpoint alone.
    Addressed,
}

/// Why a batch did not become durable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// There is no room. Nothing was written; it can be tried again.
    #[error("the store is full")]
    Full,
    /// It is not known what was written. The core stops: acknowledging could be a lie, and so
    /// could refusing.
    #[error("the store failed: {0}")]
    Failed(String),
}
