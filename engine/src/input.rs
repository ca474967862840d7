//! What a host tells the core.

use crate::batch::{BatchId, CommitError, Receipt};
use crate::delivery::{DeliveryState, Event, LaneId, Ordinal, Seq};
use crate::endpoint::{Endpoint, EndpointSpec};
use crate::error::PublishError;
use crate::event_headers::EventHeaders;
use crate::id::{AttemptId, DeliveryId, EndpointId, EventId, ReplayId};
use crate::limits::Limits;
use crate::names::{EventType, OrderingKey, TenantId};
use crate::note::Note;
use crate::outcome::Outcome;
use crate::payload_type::PayloadType;
use crate::sent::Sent;
use crate::time::{Mono, Wall};
use bytes::Bytes;
use postrider_signature::Secret;
use std::sync::Arc;
use std::time::Duration;

/// The number of a call, chosen by the host: the answer carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallId(pub u64);

/// What a host tells the core.
#[derive(Debug)]
pub enum Input {
    /// Someone submits an event. Answered by [`crate::Answer::Published`].
    Publish(CallId, NewEvent),
    /// The host has found an event in the store's outbox, under this id. Answered by
    /// [`crate::Answer::Published`].
    FromOutbox(CallId, EventId, NewEvent),
    /// An administrator wants something.
    Command(CallId, Command),
    /// The same, with what is to be noted of it: the note goes into the batch that the command makes.
    Noted(CallId, Command, Box<Note>),
    /// A batch is durable.
    Committed(BatchId, Receipt),
    /// A batch is not.
    CommitFailed(BatchId, CommitError),
    /// A [`crate::Output::Load`] is answered.
    Loaded(Loaded),
    /// The store cannot be read: the core stops as after [`CommitError::Failed`].
    StoreFailed,
    /// A request ended, and this was sent. Exactly one per [`crate::Output::Send`], except after a
    /// [`crate::Output::Cancel`]: then none or one.
    AttemptDone(AttemptId, Outcome, Box<Sent>),
    /// Take no new submissions, start nothing, finish what is under way; at the deadline give it
    /// up. Answered by [`crate::Answer::Drained`].
    Drain(CallId, Mono),
    /// The armed time has come, or the host wants the core to look at the clock.
    Tick,
}

/// An event to publish.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// Who publishes it.
    pub tenant: TenantId,
    /// Where it goes.
    pub target: Target,
    /// What kind it is.
    pub event_type: EventType,
    /// The exact bytes to send. The core keeps this value: it should not be a slice of a larger
    /// buffer.
    pub payload: Bytes,
    /// What these bytes are.
    pub payload_type: PayloadType,
    /// What is told beside them.
    pub headers: EventHeaders,
    /// Which lane of each endpoint it goes to.
    pub ordering_key: OrderingKey,
    /// A repeat with the same key and content gives the same event.
    pub idempotency_key: Option<Arc<str>>,
}

impl NewEvent {
    /// Whether its sizes are within the bounds.
    ///
    /// # Errors
    ///
    /// [`PublishError::PayloadTooLarge`] and [`PublishError::IdempotencyKey`].
    pub fn check(&self, limits: &Limits) -> Result<(), PublishError> {
        let (bytes, most) = (self.payload.len(), limits.payload_bytes_max);
        if bytes > most {
            return Err(PublishError::PayloadTooLarge { bytes, most });
        }
        let most = limits.idempotency_key_bytes_max;
        let key = self.idempotency_key.as_deref();
        if key.is_some_and(|key| key.is_empty() || key.len() > most) {
            return Err(PublishError::IdempotencyKey { most });
        }
        Ok(())
    }

    /// SHA-256 over everything that a repeat with the same idempotency key must have in common.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        crate::core::digest(self)
    }
}

/// Where an event goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// To this endpoint of the tenant, whatever it subscribes to and filters.
    Endpoint(EndpointId),
    /// To every active or paused endpoint of the tenant that subscribes to its type, and whose
    /// filter, if it has one, its payload fits.
    Subscribers,
}

/// What an administrator wants.
#[derive(Debug)]
pub enum Command {
    /// A new endpoint, with this secret or a generated one. [`crate::Answer::Endpoint`].
    Register(Box<EndpointSpec>, Option<Secret>),
    /// A change of an endpoint. [`crate::Answer::Endpoint`].
    Change(EndpointId, EndpointChange),
    /// An endpoint goes; what is pending for it is discarded. [`crate::Answer::Deleted`].
    Delete(EndpointId),
    /// A delivery that has ended is made anew, with a full set of attempts. With its endpoint, where
    /// the host knows it, also the bounds of that endpoint and its tenant are kept.
    /// [`crate::Answer::Resent`].
    Resend(DeliveryId, Option<EndpointId>),
    /// The same, as part of a replay: refused if that replay has made it anew before.
    /// [`crate::Answer::Resent`].
    Replay(DeliveryId, Option<EndpointId>, ReplayId),
    /// An endpoint is given an event that it has missed, as part of a replay: a delivery at the end of
    /// the event's lane. Refused if it has, or had, a delivery of that event. Of what may be pending
    /// of the endpoint and of its tenant such deliveries take half, so that new events find room.
    /// [`crate::Answer::Backfilled`].
    Backfill(EventId, EndpointId, ReplayId),
    /// A pending delivery or a dead letter is given up. [`crate::Answer::Discarded`].
    Discard(DeliveryId),
    /// The same, only if it is a dead letter: what was made anew meanwhile stays as it is.
    /// [`crate::Answer::Discarded`].
    DiscardDead(DeliveryId),
    /// The next attempt of a delivery that waits in this lane starts now, whatever backoff, breaker
    /// and hold say; the rate limit and the bounds on what is under way still hold. Only the first
    /// one of its lane, where there is an order. [`crate::Answer::RetriedNow`].
    RetryNow(DeliveryId, LaneId),
    /// One request to an endpoint at once, with this event's type and payload (where it goes and its
    /// keys do not count): signed and formed as always, but outside of its lanes, whether or not
    /// it is paused or disabled. It is no attempt of anything. If it is answered with 2xx, the
    /// endpoint has a clean bill of health, and what waits for it is due. [`crate::Answer::Pinged`].
    Ping(EndpointId, Box<NewEvent>),
    /// The same to an endpoint that is not registered, nor will be by this: so that whoever would
    /// register it with this secret knows first whether it answers. The event's tenant is the
    /// endpoint's. [`crate::Answer::Pinged`].
    PingUnregistered(Box<EndpointSpec>, Secret, Box<NewEvent>),
}

/// A change of an endpoint.
#[derive(Clone, Debug)]
pub enum EndpointChange {
    /// Hold its deliveries back; requests under way finish.
    Pause,
    /// Go on after a pause. What waits is due; breaker and hold wait no longer, and let attempts
    /// through one by one, as always at their end.
    Resume,
    /// Hold its deliveries back and refuse events for it.
    Disable,
    /// Go on after it was disabled, with a clean bill of health. What waits is due.
    Enable,
    /// Everything its owner decides. The tenant stays. A new URL has a clean bill of health. With a
    /// new URL or another retry policy, what waits is due.
    Spec(Box<EndpointSpec>),
    /// A new secret (generated if `None`); the ones before go on signing for `overlap`, each for no
    /// longer than it was promised before. What both sign, and in which header, says
    /// [`Scheme`](postrider_signature::Scheme). Refused if more than
    /// [`Limits::secrets_max`](crate::Limits::secrets_max) would sign.
    RotateSecret {
        /// The new one.
        secret: Option<Secret>,
        /// How long both sign. Usually [`EndpointChange::OVERLAP`].
        overlap: Duration,
    },
    /// The overlap of rotations ends now: the newest secret signs alone.
    EndOverlap,
}

impl EndpointChange {
    /// The usual overlap of a rotation: 24 h.
    pub const OVERLAP: Duration = Duration::from_secs(86_400);
}

/// The next deliveries of a lane, from the store.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The lane.
    pub lane: LaneId,
    /// Deliveries that have not ended, with places after the one asked for, in order, starting
    /// with the first.
    pub deliveries: Vec<LoadedDelivery>,
    /// Every delivery that has not ended up to this place is among them.
    pub through: Seq,
}

/// A delivery from the store.
#[derive(Clone, Debug)]
pub struct LoadedDelivery {
    /// The delivery.
    pub id: DeliveryId,
    /// Its place.
    pub seq: Seq,
    /// Where its event stands in the sequence of the lane.
    pub ordinal: Option<Ordinal>,
    /// Its event.
    pub event: Arc<Event>,
    /// Attempts that are recorded.
    pub attempts: u32,
    /// Its state: `Pending` or `Retrying`.
    pub state: DeliveryState,
}

/// What a store holds when a core starts on it.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    /// Every endpoint.
    pub endpoints: Vec<RecoveredEndpoint>,
    /// Every lane with a delivery that has not ended, or that has stopped.
    pub lanes: Vec<RecoveredLane>,
}

/// An endpoint, and how much is pending for it.
#[derive(Clone, Debug)]
pub struct RecoveredEndpoint {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Deliveries that have not ended.
    pub pending_deliveries: u64,
    /// Their payload bytes.
    pub pending_bytes: u64,
}

/// A lane, without reading all that waits in it.
#[derive(Clone, Debug)]
pub struct RecoveredLane {
    /// The lane.
    pub id: LaneId,
    /// Every delivery up to this place has ended, except those in `retrying`.
    pub after: Seq,
    /// The last place that was assigned.
    pub tail: Seq,
    /// Deliveries that have had an attempt and wait for the next one, in order.
    pub retrying: Vec<RecoveredDelivery>,
    /// The dead letter at which the lane has stopped.
    pub stopped_at: Option<DeliveryId>,
}

/// A delivery that waits for its next attempt.
#[derive(Clone, Debug)]
pub struct RecoveredDelivery {
    /// The delivery.
    pub id: DeliveryId,
    /// Its event.
    pub event: EventId,
    /// Its place.
    pub seq: Seq,
    /// The size of its payload.
    pub payload_bytes: u32,
    /// Attempts that are recorded.
    pub attempts: u32,
    /// When the next one is due.
    pub due: Wall,
}
