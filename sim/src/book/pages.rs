//! What the book knows of one thing.

use crate::trace::Wire;
use crate::verdict::{Verdict, asks_for_time};
use postrider_engine::{
    CallId, DeliveryId, DeliveryState, Endpoint, EndpointId, EndpointSpec, EndpointStatus, Event,
    EventId, Health, LaneId, Now, Outcome, Seq, Wall,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A durable event.
#[derive(Clone, Debug)]
pub struct EventPage {
    /// The event.
    pub event: Arc<Event>,
    /// Its first deliveries, without resends.
    pub deliveries: Vec<DeliveryId>,
    /// The idempotency key and the digest of its content.
    pub key: Option<(Arc<str>, [u8; 32])>,
    /// Its publisher was told that it is accepted.
    pub acknowledged: bool,
}

/// A durable delivery.
#[derive(Clone, Debug)]
pub struct DeliveryPage {
    /// Its event.
    pub event: EventId,
    /// Its lane.
    pub lane: LaneId,
    /// Its place there.
    pub seq: Seq,
    /// What is durable of its state.
    pub state: DeliveryState,
    /// Attempts that are durable.
    pub attempts: u32,
    /// Requests that were sent, repeats after crashes included.
    pub sent: u32,
    /// Requests that arrived at a receiver.
    pub arrived: u32,
    /// The delivery that it makes anew.
    pub resend_of: Option<DeliveryId>,
    /// The delivery that makes it anew.
    pub resent_as: Option<DeliveryId>,
    /// When it became durable, in true time.
    pub since_ms: u64,
    /// When it ended, in true time.
    pub ended_ms: Option<u64>,
    /// The engine has said that it ended.
    pub told_end: bool,
}

impl DeliveryPage {
    /// It failed and was not made anew.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        matches!(self.state, DeliveryState::Failed(_)) && self.resent_as.is_none()
    }
}

/// A lane.
#[derive(Clone, Debug, Default)]
pub struct LanePage {
    /// Deliveries that have not ended, by place.
    pub pending: BTreeMap<Seq, DeliveryId>,
    /// The dead letter at which it has stopped.
    pub stopped_at: Option<DeliveryId>,
    /// Its endpoint's order was given up at some time: nothing can be said about it.
    pub unordered: bool,
    /// Since when its first delivery has been the first, in true time.
    pub first_since_ms: u64,
    /// Requests under way.
    pub flying: u32,
}

/// A durable endpoint.
#[derive(Clone, Debug)]
pub struct EndpointPage {
    /// Its place in the plan.
    pub number: usize,
    /// As it is durable.
    pub durable: Endpoint,
    /// As the engine has said that it is: what has been durable *and* told.
    pub told: Endpoint,
    /// When either changed last, or its deletion was asked for, in true time.
    pub changed_ms: u64,
    /// The engine has said that it is registered, or has started with it.
    pub known: bool,
    /// The call that deletes it, while it is not refused.
    pub leaving: Option<CallId>,
    /// Its deletion is durable.
    pub deleted: bool,
    /// How well it has answered, by the outcomes that the engine was told.
    pub health: Health,
    /// When the last request left, in true time.
    pub last_sent_ms: Option<u64>,
    /// Requests under way.
    pub flying: u32,
    /// Outcomes that are not durable yet.
    pub recording: u32,
}

/// A request that is under way.
#[derive(Clone, Debug)]
pub struct Flight {
    /// The request.
    pub wire: Arc<Wire>,
    /// When it left, in true time.
    pub sent_ms: u64,
    /// Its endpoint.
    pub endpoint: EndpointId,
    /// The revision of the endpoint that was told when it left.
    pub revision: u64,
    /// By which calendar it left is not to be seen.
    pub unsure: bool,
    /// Its attempt was asked for, whatever breaker and hold say.
    pub urgent: bool,
}

/// An attempt that the engine knows to have ended, and that is not durable yet.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The request.
    pub wire: Arc<Wire>,
    /// The clocks when the engine was told.
    pub at: Now,
    /// The same in true time.
    pub at_ms: u64,
    /// What it was told; `None` if it had to give the request up itself.
    pub outcome: Option<Arc<Outcome>>,
    /// What that means.
    pub verdict: Verdict,
    /// The endpoint as it was told then.
    pub spec: Arc<EndpointSpec>,
    /// Its status then.
    pub status: EndpointStatus,
    /// By which calendar the request left is not to be seen.
    pub left_unsure: bool,
    /// It was being deleted, or was deleted.
    pub leaving: bool,
    /// It counts for the health of the endpoint, which has not changed since it was sent.
    pub counts: bool,
    /// The health before and after.
    pub health: (Health, Health),
}

impl EndpointPage {
    /// The page of an endpoint that is new.
    #[must_use]
    pub fn new(endpoint: &Endpoint, at_ms: u64) -> Self {
        Self {
            number: usize::MAX,
            durable: endpoint.clone(),
            told: endpoint.clone(),
            changed_ms: at_ms,
            known: false,
            leaving: None,
            deleted: false,
            health: endpoint.health,
            last_sent_ms: None,
            flying: 0,
            recording: 0,
        }
    }

    /// It is being deleted, or is.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.deleted || self.leaving.is_some()
    }
}

impl Recording {
    /// How long the receiver asks that the endpoint be left alone, in milliseconds.
    #[must_use]
    pub fn asked_for_ms(&self) -> Option<u64> {
        let outcome = self.outcome.as_deref()?;
        let policy = &self.spec.retry;
        asks_for_time(outcome, self.wire.timeout_ms, policy, self.at.wall)
    }
}

/// Whether the receiver asks that the endpoint be left alone.
pub(super) fn asks(
    outcome: Option<&Arc<Outcome>>,
    wire: &Wire,
    page: &EndpointPage,
    wall: Wall,
) -> bool {
    let policy = &page.told.spec.retry;
    let asked = outcome.and_then(|it| asks_for_time(it, wire.timeout_ms, policy, wall));
    asked.is_some()
}

/// Takes an outcome into the health of an endpoint. Until when it is held is the promise `hold`.
pub(super) fn judge(health: &mut Health, verdict: Verdict, asks: bool, wall: Wall) {
    match verdict {
        // It asks for time: no success, and no failure either.
        _ if asks => {
            health.failing_since.get_or_insert(wall);
        }
        Verdict::Delivered => *health = Health::default(),
        Verdict::Refused(_) => {
            health.failures = 0;
            health.failing_since.get_or_insert(wall);
        }
        Verdict::Failed { .. } => {
            health.failures = health.failures.saturating_add(1);
            health.failing_since.get_or_insert(wall);
        }
    }
}
