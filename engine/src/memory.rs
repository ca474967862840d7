//! The store in memory: bounded, lost with the process, and the model that every other store is
//! measured against.
//!
//! A plain data structure: what it is told it has done when the call returns.

mod backfills;
mod bodies;
mod discards;
mod due;
mod events;
mod reads;
mod resends;

pub use backfills::Had;
pub use events::LoggedEvent;
pub use reads::{HeldDelivery, HeldLane};

use crate::batch::{Attempted, Change, CommitError, EndpointUpdate, Publish, Receipt};
use crate::delivery::{
    Attempt, DeliveryState, Event, FailReason, HeaderLines, LaneId, Ordinal, Seq, Spot,
};
use crate::endpoint::{Endpoint, EndpointStatus};
use crate::id::{AttemptId, DeliveryId, EndpointId, EventId, ReplayId};
use crate::names::TenantId;
use crate::time::Wall;
use bodies::{AttemptPlace, Bodies};
use bytes::Bytes;
use events::StoredEvent;
use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU64;
use std::sync::Arc;

/// How much a [`MemoryStore`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryBounds {
    /// Deliveries that have not ended, and dead letters. One more is refused with
    /// [`CommitError::Full`]. Default 100,000.
    pub deliveries_max: usize,
    /// Payload bytes of those, counted once per delivery. Default 256 MiB.
    pub payload_bytes_max: usize,
    /// Records of deliveries that were delivered or discarded; the oldest are dropped, and with
    /// the last delivery of an event the event and its idempotency key. Default 10,000.
    pub ended_max: usize,
}

impl Default for MemoryBounds {
    fn default() -> Self {
        Self {
            deliveries_max: 100_000,
            payload_bytes_max: 256 << 20,
            ended_max: 10_000,
        }
    }
}

/// What is recorded of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryRecord {
    /// Its id.
    pub id: DeliveryId,
    /// Its event.
    pub event: Arc<Event>,
    /// Its lane.
    pub lane: LaneId,
    /// Its place there.
    pub seq: Seq,
    /// Where its event stands in the sequence of the lane; `None` if it is from before events were
    /// counted.
    pub ordinal: Option<Ordinal>,
    /// What has become of it.
    pub state: DeliveryState,
    /// Its attempts, first to last. In memory only the last one keeps its request headers and its
    /// response body.
    pub attempts: Vec<Attempt>,
    /// When it ended.
    pub ended_at: Option<Wall>,
    /// The delivery that it makes anew.
    pub resend_of: Option<DeliveryId>,
    /// The delivery that makes it anew: it is not a dead letter any more.
    pub resent_as: Option<DeliveryId>,
    /// The replay that made it, if one did.
    pub replay: Option<ReplayId>,
}

/// The account of an endpoint: every accepted delivery is in exactly one of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Deliveries that were accepted, resends included.
    pub accepted: u64,
    /// Of these, not ended.
    pub pending: u64,
    /// Of these, delivered.
    pub delivered: u64,
    /// Of these, failed and not discarded since.
    pub failed: u64,
    /// Of these, discarded.
    pub discarded: u64,
}

/// The store in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    bounds: MemoryBounds,
    endpoints: BTreeMap<EndpointId, Endpoint>,
    ledgers: BTreeMap<EndpointId, Ledger>,
    events: BTreeMap<EventId, StoredEvent>,
    /// Events by their places.
    log: BTreeMap<u64, EventId>,
    last_place: u64,
    deliveries: BTreeMap<DeliveryId, Box<StoredDelivery>>,
    bodies: Bodies,
    lanes: BTreeMap<Arc<LaneId>, StoredLane>,
    keys: BTreeMap<(TenantId, Arc<str>), ([u8; 32], EventId)>,
    /// What has been delivered or discarded, and events for nobody, in the order in which they
    /// ended.
    ended: VecDeque<Ended>,
    /// No lane that was forgotten had a place above this one.
    forgotten_tail: Seq,
    /// No lane that was forgotten had an epoch above this one.
    forgotten_epoch: u64,
    /// What counts against the bounds.
    kept: usize,
    kept_bytes: usize,
}

/// A [`DeliveryRecord`] in few bytes: there are many.
#[derive(Debug)]
struct StoredDelivery {
    event: Arc<Event>,
    lane: Arc<LaneId>,
    seq: Seq,
    ordinal: Option<Ordinal>,
    state: DeliveryState,
    attempts: Vec<Attempt>,
    ended_at: Option<Wall>,
    resends: Option<Box<Resends>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Resends {
    of: Option<DeliveryId>,
    by: Option<DeliveryId>,
    replay: Option<ReplayId>,
}

#[derive(Clone, Copy, Debug)]
enum Ended {
    Delivery(DeliveryId),
    Event(EventId),
}

#[derive(Debug, Default)]
struct StoredLane {
    tail: Seq,
    epoch: u64,
    /// The number of the last event in this epoch.
    numbered: u64,
    pending: BTreeMap<Seq, DeliveryId>,
    stopped_at: Option<(Seq, DeliveryId)>,
}

impl MemoryStore {
    /// An empty store that holds so much.
    #[must_use]
    pub fn bounded(bounds: MemoryBounds) -> Self {
        Self {
            bounds,
            ..Self::default()
        }
    }

    /// Makes a change, as [`Change`] describes it.
    ///
    /// # Errors
    ///
    /// [`CommitError::Full`] if a new delivery does not fit. Nothing has changed then.
    pub fn apply(&mut self, change: Change) -> Result<Receipt, CommitError> {
        match change {
            Change::Publish(publish) => self.publish(publish),
            Change::Attempted(end) => Ok(self.attempted(&end)),
            Change::AddEndpoint(endpoint) => {
                self.ledgers.entry(endpoint.id).or_default();
                self.endpoints.insert(endpoint.id, *endpoint);
                Ok(Receipt::Applied)
            }
            Change::ChangeEndpoint(update) => {
                self.change_endpoint(&update);
                Ok(Receipt::Applied)
            }
            Change::DeleteEndpoint { endpoint, keep, at } => {
                self.delete_endpoint(endpoint, &keep, at);
                Ok(Receipt::Applied)
            }
            Change::Resend {
                of, new, replay, ..
            } => self.resend(of, new, replay),
            Change::Backfill {
                event,
                endpoint,
                ordered,
                new,
                replay,
                ..
            } => self.backfill(event, (endpoint, ordered), (new, replay)),
            Change::Discard { delivery, dead, at } => Ok(self.discard(delivery, dead, at)),
            Change::RetryNow {
                delivery,
                with,
                ordered,
                at,
            } => Ok(self.retry_now(delivery, &with, (ordered, at))),
        }
    }

    fn publish(&mut self, publish: Publish) -> Result<Receipt, CommitError> {
        let Publish {
            event,
            deliveries,
            idempotency,
            addressed,
            from_outbox: _,
        } = publish;
        let key = idempotency.map(|given| {
            let owned = (event.tenant.clone(), given.key);
            (owned, given.digest)
        });
        if let Some((known, digest)) = key
            .as_ref()
            .and_then(|(key, digest)| self.keys.get(key).map(|known| (*known, *digest)))
        {
            let (known_digest, earlier) = known;
            let same = known_digest == digest;
            return Ok(if same {
                Receipt::Duplicate(earlier)
            } else {
                Receipt::KeyReused(earlier)
            });
        }
        self.make_room(deliveries.len(), event.payload.len())?;
        let mut spots = Vec::with_capacity(deliveries.len());
        for new in deliveries.iter() {
            spots.push(self.enqueue(new.id, &new.lane, &event, None));
            if new.queue_full {
                let full = DeliveryState::Failed(FailReason::QueueFull);
                self.end(new.id, full, event.published_at);
            }
        }
        if let Some((key, digest)) = &key {
            self.keys.insert(key.clone(), (*digest, event.id));
        }
        let id = event.id;
        let made = deliveries.iter().map(|new| new.id).collect();
        self.record_event((event, addressed), made, key.map(|(key, _)| key));
        if deliveries.is_empty() {
            self.ended(Ended::Event(id));
        }
        Ok(Receipt::Published(spots))
    }

    fn make_room(&mut self, deliveries: usize, payload: usize) -> Result<(), CommitError> {
        let bytes = deliveries.saturating_mul(payload);
        if self.kept + deliveries > self.bounds.deliveries_max
            || self.kept_bytes.saturating_add(bytes) > self.bounds.payload_bytes_max
        {
            return Err(CommitError::Full);
        }
        self.kept += deliveries;
        self.kept_bytes += bytes;
        Ok(())
    }

    fn enqueue(
        &mut self,
        id: DeliveryId,
        lane_id: &LaneId,
        event: &Arc<Event>,
        made_by: Option<(Resends, Option<Ordinal>)>,
    ) -> Spot {
        let key = match self.lanes.get_key_value(lane_id) {
            Some((key, _)) => key.clone(),
            None => Arc::new(lane_id.clone()),
        };
        // Places grow even over the lives of a lane.
        let tail = self.forgotten_tail;
        let epoch = event.published_at.0.max(self.forgotten_epoch + 1);
        let new = || StoredLane {
            tail,
            epoch,
            numbered: 0,
            pending: BTreeMap::new(),
            stopped_at: None,
        };
        let lane = self.lanes.entry(key.clone()).or_insert_with(new);
        let of = made_by.and_then(|(resends, _)| resends.of);
        let in_place = lane.stopped_at.filter(|(_, at)| Some(*at) == of);
        let seq = if let Some((seq, _)) = in_place {
            lane.stopped_at = None;
            seq
        } else {
            lane.tail = lane.tail.next();
            lane.tail
        };
        lane.pending.insert(seq, id);
        let ordinal = match made_by {
            Some((resends, ordinal)) if resends.of.is_some() => ordinal,
            _ => lane.next_ordinal(),
        };
        if let Some(ledger) = self.ledgers.get_mut(&lane_id.endpoint) {
            ledger.accepted += 1;
            ledger.pending += 1;
        }
        let stored = StoredDelivery {
            event: event.clone(),
            lane: key,
            seq,
            ordinal,
            state: DeliveryState::Pending,
            attempts: Vec::new(),
            ended_at: None,
            resends: made_by.map(|(resends, _)| Box::new(resends)),
        };
        self.deliveries.insert(id, Box::new(stored));
        Spot { seq, ordinal }
    }

    fn attempted(&mut self, end: &Attempted) -> Receipt {
        let body = end.attempt.sent.body.as_ref();
        let with = body.and_then(|body| self.last_attempt(body.kept_with?, end.attempt.id));
        let live = self
            .deliveries
            .get_mut(&end.delivery)
            .filter(|it| !it.state.is_end());
        let Some(delivery) = live else {
            return Receipt::Stale;
        };
        if let Some(last) = delivery.attempts.last_mut() {
            forget_body(last);
        }
        if delivery.attempts.is_empty() {
            // Most deliveries take one attempt.
            delivery.attempts.reserve_exact(1);
        }
        delivery.attempts.push(end.attempt.recorded());
        if let Some(made) = body.and_then(|body| body.made.as_ref()) {
            let place = (end.delivery, delivery.attempts.len());
            self.bodies.keep(place, made, with);
        }
        delivery.state = end.state;
        if end.stop_lane
            && let Some(lane) = self.lanes.get_mut(&end.lane)
        {
            lane.stopped_at = Some((end.seq, end.delivery));
        }
        if end.state.is_end() {
            let at = end.attempt.started_at.0 + end.attempt.duration_ms;
            self.end(end.delivery, end.state, Wall(at));
        }
        if (end.health.is_some() || end.disable.is_some())
            && let Some(endpoint) = self.endpoints.get_mut(&end.lane.endpoint)
        {
            endpoint.health = end.health.unwrap_or(endpoint.health);
            endpoint.status = end
                .disable
                .map_or(endpoint.status, EndpointStatus::Disabled);
        }
        Receipt::Applied
    }

    /// The place of the last attempt of a delivery, if it is this one.
    fn last_attempt(&self, delivery: DeliveryId, id: AttemptId) -> Option<AttemptPlace> {
        let attempts = &self.deliveries.get(&delivery)?.attempts;
        let is_this = attempts.last().is_some_and(|last| last.id == id);
        is_this.then_some((delivery, attempts.len()))
    }

    /// A pending delivery ends.
    fn end(&mut self, id: DeliveryId, state: DeliveryState, at: Wall) {
        let Some(delivery) = self.deliveries.get_mut(&id) else {
            return;
        };
        delivery.state = state;
        delivery.ended_at = Some(at);
        let (payload, lane_id, seq) = (
            delivery.event.payload.len(),
            delivery.lane.clone(),
            delivery.seq,
        );
        if let Some(lane) = self.lanes.get_mut(&lane_id) {
            lane.pending.remove(&seq);
        }
        self.forget_idle(&lane_id);
        if let Some(ledger) = self.ledgers.get_mut(&lane_id.endpoint) {
            ledger.pending -= 1;
            match state {
                DeliveryState::Delivered => ledger.delivered += 1,
                DeliveryState::Failed(_) => ledger.failed += 1,
                _ => ledger.discarded += 1,
            }
        }
        if !matches!(state, DeliveryState::Failed(_)) {
            self.retire(id, payload);
        }
    }

    /// Forgets a lane that holds nothing, unless it is the endpoint's own.
    fn forget_idle(&mut self, id: &LaneId) {
        let stays = id.key.get().is_none() && self.endpoints.contains_key(&id.endpoint);
        let Some(lane) = self.lanes.get(id) else {
            return;
        };
        if !stays && lane.pending.is_empty() && lane.stopped_at.is_none() {
            self.forgotten_tail = self.forgotten_tail.max(lane.tail);
            self.forgotten_epoch = self.forgotten_epoch.max(lane.epoch);
            self.lanes.remove(id);
        }
    }

    /// A delivery counts no longer as kept, but as ended.
    fn retire(&mut self, id: DeliveryId, payload: usize) {
        self.kept -= 1;
        self.kept_bytes -= payload;
        self.ended(Ended::Delivery(id));
    }

    fn ended(&mut self, ended: Ended) {
        self.ended.push_back(ended);
        while self.ended.len() > self.bounds.ended_max {
            match self.ended.pop_front() {
                Some(Ended::Delivery(oldest)) => self.forget(oldest),
                Some(Ended::Event(oldest)) => self.forget_event_for_nobody(oldest),
                None => return,
            }
        }
    }

    fn forget(&mut self, id: DeliveryId) {
        let Some(gone) = self.deliveries.remove(&id) else {
            return;
        };
        self.bodies.forget(id);
        let Some(event) = self.events.get_mut(&gone.event.id) else {
            return;
        };
        event.deliveries.retain(|delivery| *delivery != id);
        let resends = gone.resends.as_deref();
        let is_first = resends.is_none_or(|it| it.of.is_none() && it.replay.is_none());
        event.has_forgotten |= is_first;
        if event.deliveries.is_empty() {
            self.forget_event(gone.event.id);
        }
    }

    fn change_endpoint(&mut self, update: &EndpointUpdate) {
        let Some(endpoint) = self.endpoints.get_mut(&update.endpoint) else {
            return;
        };
        if let Some(status) = update.status {
            endpoint.status = status;
        }
        if let Some(health) = update.health {
            endpoint.health = health;
        }
        if let Some(spec) = &update.spec {
            endpoint.spec = spec.clone();
        }
        if let Some(secrets) = &update.secrets {
            endpoint.secrets.clone_from(secrets);
        }
        if update.spec.is_some() || update.secrets.is_some() {
            endpoint.revision += 1;
        }
        if let Some(at) = update.due {
            endpoint.health.cut(at);
            self.make_due(update.endpoint, at);
        }
    }

    fn delete_endpoint(&mut self, id: EndpointId, keep: &[DeliveryId], at: Wall) {
        self.endpoints.remove(&id);
        let pending: Vec<DeliveryId> = self
            .lanes_of(id)
            .flat_map(|(_, lane)| lane.pending.values().copied())
            .filter(|delivery| !keep.contains(delivery))
            .collect();
        for delivery in pending {
            self.end(delivery, DeliveryState::Discarded, at);
        }
        self.ledgers.remove(&id);
        let idle: Vec<Arc<LaneId>> = self.lanes_of(id).map(|(id, _)| id.clone()).collect();
        for lane in idle {
            if let Some(lane) = self.lanes.get_mut(&lane) {
                lane.stopped_at = None;
            }
            self.forget_idle(&lane);
        }
    }
}

impl StoredLane {
    /// That of one more event.
    fn next_ordinal(&mut self) -> Option<Ordinal> {
        self.numbered += 1;
        let number = NonZeroU64::new(self.numbered)?;
        let epoch = self.epoch;
        Some(Ordinal { epoch, number })
    }
}

impl StoredDelivery {
    /// It failed and was not made anew.
    fn is_dead(&self) -> bool {
        let resent = self
            .resends
            .as_ref()
            .is_some_and(|resends| resends.by.is_some());
        matches!(self.state, DeliveryState::Failed(_)) && !resent
    }

    fn record(&self, id: DeliveryId) -> DeliveryRecord {
        let resends = self.resends.as_deref().copied().unwrap_or_default();
        DeliveryRecord {
            id,
            event: self.event.clone(),
            lane: (*self.lane).clone(),
            seq: self.seq,
            ordinal: self.ordinal,
            state: self.state,
            attempts: self.attempts.clone(),
            ended_at: self.ended_at,
            resend_of: resends.of,
            resent_as: resends.by,
            replay: resends.replay,
        }
    }
}

/// Drops what is large of an attempt that is not the last one any more.
fn forget_body(attempt: &mut Attempt) {
    attempt.sent.headers = HeaderLines::default();
    if let crate::Outcome::Response(response) = &mut attempt.outcome
        && !response.body.is_empty()
    {
        response.body = Bytes::new();
        response.body_cut = true;
    }
}
