//! What the trace has shown so far: the model that checkers compare with.
//!
//! It believes the store's durable changes, the receivers and the callers, never the engine.

use crate::plan::{Plan, Tier};
use crate::trace::{Line, Reply, Stop, What, Wire, Wish};
use postrider::engine::{
    Attempted, CallId, Change, EndpointUpdate, LaneId, Now, Receipt, Refusal, Seq,
};
use postrider::{
    DeliveryId, DeliveryState, DisabledReason, Endpoint, EndpointId, EndpointStatus, Event,
    EventId, Fact, Ordering,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the trace has shown so far.
#[derive(Debug)]
pub struct Book {
    /// The plan of the run.
    pub plan: Arc<Plan>,
    /// The sender's life; 0 before the first.
    pub life: u32,
    /// Whether the sender runs.
    pub up: bool,
    /// When the sender last started, in true time.
    pub up_since_ms: u64,
    /// The drain that was asked for in this life: the call, and its deadline in true time.
    pub draining: Option<(CallId, u64)>,
    /// Whether all is well again.
    pub healed: bool,
    /// Durable events.
    pub events: BTreeMap<EventId, EventPage>,
    /// Durable deliveries.
    pub deliveries: BTreeMap<DeliveryId, DeliveryPage>,
    /// Lanes that hold, or held, anything.
    pub lanes: BTreeMap<LaneId, LanePage>,
    /// Durable endpoints, deleted ones too.
    pub endpoints: BTreeMap<EndpointId, EndpointPage>,
    /// The endpoints of the plan that were registered.
    pub registered: BTreeMap<usize, EndpointId>,
    /// Calls that wait for an answer.
    pub calls: BTreeMap<CallId, (Option<usize>, Wish)>,
    /// Requests that the engine has sent in this life and not heard of.
    pub in_flight: BTreeMap<DeliveryId, Flight>,
    /// Faults that last, by place in the plan.
    pub faults: BTreeSet<usize>,
    /// Requests that were sent.
    pub attempts: u64,
}

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
    /// It is deleted.
    pub deleted: bool,
}

/// A request that is under way.
#[derive(Clone, Debug)]
pub struct Flight {
    /// The request.
    pub wire: Arc<Wire>,
    /// When it left, in true time.
    pub sent_ms: u64,
    /// The endpoint as it was told when it left.
    pub endpoint: EndpointId,
}

impl Book {
    /// An empty book.
    #[must_use]
    pub fn new(plan: Arc<Plan>) -> Self {
        Self {
            plan,
            life: 0,
            up: false,
            up_since_ms: 0,
            draining: None,
            healed: false,
            events: BTreeMap::new(),
            deliveries: BTreeMap::new(),
            lanes: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            registered: BTreeMap::new(),
            calls: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            faults: BTreeSet::new(),
            attempts: 0,
        }
    }

    /// Whether lines stand in the exact order in which the engine took and gave them. Under
    /// turmoil answers and facts reach their line a little later.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.plan.tier == Tier::World
    }

    /// Takes a line in. Checkers have seen it before.
    pub fn take(&mut self, line: &Line) {
        match &line.what {
            What::Started { life } => self.started(*life, line.at_ms),
            What::Stopped(stop) => self.stopped(*stop),
            What::Called { call, step, wish } => {
                if let Wish::Drain { deadline_ms } = wish {
                    self.draining.get_or_insert((*call, *deadline_ms));
                }
                self.calls.insert(*call, (*step, wish.clone()));
            }
            What::Answered { call, reply } => self.answered(*call, reply),
            What::Durable { change, receipt } => self.durable(line, change, receipt),
            What::Sent(wire) => self.sent(line.at_ms, wire),
            What::Arrived { wire, .. } => {
                if let Some(delivery) = self.deliveries.get_mut(&wire.delivery) {
                    delivery.arrived += 1;
                }
            }
            What::Outcome { delivery, .. } | What::Cancelled { delivery, .. } => {
                self.in_flight.remove(delivery);
            }
            What::Fact(fact) => self.fact(fact),
            What::Fault { index, .. } => {
                self.faults.insert(*index);
            }
            What::FaultOver { index } => {
                self.faults.remove(index);
            }
            What::Healed => self.healed = true,
            What::CommitAsked { .. }
            | What::NotDurable { .. }
            | What::LoadAsked(_)
            | What::Loaded { .. }
            | What::Responded { .. }
            | What::Audit(_) => (),
        }
    }

    fn started(&mut self, life: u32, at_ms: u64) {
        self.life = life;
        self.up = true;
        self.up_since_ms = at_ms;
        self.draining = None;
        for endpoint in self.endpoints.values_mut() {
            endpoint.told = endpoint.durable.clone();
        }
    }

    fn stopped(&mut self, _stop: Stop) {
        self.up = false;
        self.in_flight.clear();
    }

    fn answered(&mut self, call: CallId, reply: &Reply) {
        let wish = self.calls.remove(&call);
        match reply {
            Reply::Published(Ok(published)) => {
                if let Some(event) = self.events.get_mut(&published.event) {
                    event.acknowledged = true;
                }
            }
            Reply::Endpoint(Ok(endpoint)) => {
                if let Some((_, Wish::Register(number))) = wish {
                    self.registered.insert(number, endpoint.id);
                }
                if let Some(page) = self.endpoints.get_mut(&endpoint.id) {
                    page.told = (**endpoint).clone();
                    if let Some((_, Wish::Register(number))) = wish {
                        page.number = number;
                    }
                }
            }
            _ => (),
        }
    }

    fn sent(&mut self, at_ms: u64, wire: &Arc<Wire>) {
        self.attempts += 1;
        let Some(delivery) = self.deliveries.get_mut(&wire.delivery) else {
            return;
        };
        delivery.sent += 1;
        let flight = Flight {
            wire: Arc::clone(wire),
            sent_ms: at_ms,
            endpoint: delivery.lane.endpoint,
        };
        self.in_flight.insert(wire.delivery, flight);
    }

    fn fact(&mut self, fact: &Fact) {
        if let Fact::EndpointDisabled { endpoint, reason } = fact
            && let Some(page) = self.endpoints.get_mut(endpoint)
        {
            page.told.status = EndpointStatus::Disabled(*reason);
        }
    }

    fn durable(&mut self, line: &Line, change: &Change, receipt: &Receipt) {
        let at_ms = line.at_ms;
        match (change, receipt) {
            (Change::Publish(publish), Receipt::Published(places)) => {
                let key = publish.idempotency.as_ref();
                let page = EventPage {
                    event: Arc::clone(&publish.event),
                    deliveries: publish
                        .deliveries
                        .iter()
                        .map(|delivery| delivery.id)
                        .collect(),
                    key: key.map(|key| (Arc::clone(&key.key), key.digest)),
                    acknowledged: false,
                };
                self.events.insert(publish.event.id, page);
                for (delivery, seq) in publish.deliveries.iter().zip(places) {
                    let event = publish.event.id;
                    self.made(delivery.id, event, delivery.lane.clone(), *seq, None, at_ms);
                }
            }
            (Change::Attempted(end), Receipt::Applied) => self.attempted(end, at_ms),
            (Change::AddEndpoint(endpoint), Receipt::Applied) => {
                let page = EndpointPage {
                    number: usize::MAX,
                    durable: (**endpoint).clone(),
                    told: (**endpoint).clone(),
                    deleted: false,
                };
                self.endpoints.insert(endpoint.id, page);
            }
            (Change::ChangeEndpoint(update), Receipt::Applied) => self.updated(update),
            (Change::DeleteEndpoint { endpoint, keep, .. }, Receipt::Applied) => {
                self.deleted(*endpoint, keep, at_ms);
            }
            (Change::Resend { of, new, .. }, Receipt::Resent(placed)) => {
                if let Some(original) = self.deliveries.get_mut(of) {
                    original.resent_as = Some(*new);
                }
                if let Some(lane) = self.lanes.get_mut(&placed.lane)
                    && lane.stopped_at == Some(*of)
                {
                    lane.stopped_at = None;
                }
                self.made(
                    *new,
                    placed.event,
                    placed.lane.clone(),
                    placed.seq,
                    Some(*of),
                    at_ms,
                );
            }
            (Change::Discard { delivery, .. }, Receipt::Discarded { .. }) => {
                self.ended(*delivery, DeliveryState::Discarded, at_ms);
            }
            _ => (),
        }
    }

    fn made(
        &mut self,
        id: DeliveryId,
        event: EventId,
        lane: LaneId,
        seq: Seq,
        resend_of: Option<DeliveryId>,
        at_ms: u64,
    ) {
        let ordering = self
            .endpoints
            .get(&lane.endpoint)
            .map(|page| page.durable.spec.ordering);
        let page = self.lanes.entry(lane.clone()).or_default();
        if page.pending.is_empty()
            || page
                .pending
                .first_key_value()
                .is_some_and(|(at, _)| *at > seq)
        {
            page.first_since_ms = at_ms;
        }
        page.pending.insert(seq, id);
        page.unordered |= ordering == Some(Ordering::None);
        let delivery = DeliveryPage {
            event,
            lane,
            seq,
            state: DeliveryState::Pending,
            attempts: 0,
            sent: 0,
            arrived: 0,
            resend_of,
            resent_as: None,
            since_ms: at_ms,
            ended_ms: None,
        };
        self.deliveries.insert(id, delivery);
    }

    fn attempted(&mut self, end: &Attempted, at_ms: u64) {
        if let Some(delivery) = self.deliveries.get_mut(&end.delivery) {
            delivery.attempts = end.attempt.number;
            delivery.state = end.state;
        }
        if end.state.is_end() {
            self.ended(end.delivery, end.state, at_ms);
        }
        if end.stop_lane
            && let Some(lane) = self.lanes.get_mut(&end.lane)
        {
            lane.stopped_at = Some(end.delivery);
        }
        if let Some(page) = self.endpoints.get_mut(&end.lane.endpoint) {
            if let Some(health) = end.health {
                page.durable.health = health;
                page.told.health = health;
            }
            if let Some(reason) = end.disable {
                page.durable.status = EndpointStatus::Disabled(reason);
            }
        }
    }

    fn updated(&mut self, update: &EndpointUpdate) {
        let Some(page) = self.endpoints.get_mut(&update.endpoint) else {
            return;
        };
        let record = &mut page.durable;
        if let Some(spec) = &update.spec {
            if spec.ordering != record.spec.ordering {
                let of_it = |(id, _): &(&LaneId, &mut LanePage)| id.endpoint == update.endpoint;
                for (_, lane) in self.lanes.iter_mut().filter(of_it) {
                    lane.unordered = true;
                }
            }
            record.spec = Arc::clone(spec);
        }
        if let Some(secrets) = &update.secrets {
            record.secrets.clone_from(secrets);
        }
        if update.spec.is_some() || update.secrets.is_some() {
            record.revision += 1;
        }
        record.status = update.status.unwrap_or(record.status);
        record.health = update.health.unwrap_or(record.health);
    }

    fn deleted(&mut self, endpoint: EndpointId, keep: &[DeliveryId], at_ms: u64) {
        if let Some(page) = self.endpoints.get_mut(&endpoint) {
            page.deleted = true;
            page.durable.status = EndpointStatus::Disabled(DisabledReason::Manual);
        }
        let of_it = |(id, _): &(&LaneId, &LanePage)| id.endpoint == endpoint;
        let lanes = self.lanes.iter().filter(of_it);
        let pending: Vec<DeliveryId> = lanes
            .flat_map(|(_, lane)| lane.pending.values().copied())
            .filter(|id| !keep.contains(id))
            .collect();
        for id in pending {
            self.ended(id, DeliveryState::Discarded, at_ms);
        }
    }

    fn ended(&mut self, id: DeliveryId, state: DeliveryState, at_ms: u64) {
        let Some(delivery) = self.deliveries.get_mut(&id) else {
            return;
        };
        delivery.state = state;
        delivery.ended_ms = Some(at_ms);
        let Some(lane) = self.lanes.get_mut(&delivery.lane) else {
            return;
        };
        let was_first = lane
            .pending
            .first_key_value()
            .is_some_and(|(_, first)| *first == id);
        if lane.pending.remove(&delivery.seq).is_some() && was_first {
            lane.first_since_ms = at_ms;
        }
        if lane.stopped_at == Some(id) && state == DeliveryState::Discarded {
            lane.stopped_at = None;
        }
    }

    /// The endpoint of a delivery, as the engine has told it.
    #[must_use]
    pub fn endpoint_of(&self, delivery: DeliveryId) -> Option<&EndpointPage> {
        let delivery = self.deliveries.get(&delivery)?;
        self.endpoints.get(&delivery.lane.endpoint)
    }

    /// The receiver that a URL of a plan leads to.
    #[must_use]
    pub fn receiver_of(url: &str) -> Option<usize> {
        let host = url.split("://r").nth(1)?;
        host.split('.').next()?.parse().ok()
    }

    /// Both clocks as one would read them now, for a line that the sender does not write.
    #[must_use]
    pub fn is_refusal(receipt: &Receipt) -> Option<&Refusal> {
        match receipt {
            Receipt::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// Whether a delivery's retry is due at this reading of the clocks.
    #[must_use]
    pub fn is_due(state: DeliveryState, now: Now) -> bool {
        match state {
            DeliveryState::Pending => true,
            DeliveryState::Retrying { due } => now.wall >= due,
            _ => false,
        }
    }
}
