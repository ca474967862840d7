//! What the trace has shown so far: the model that checkers compare with.
//!
//! It believes the store's durable changes, the receivers and the callers, never the engine.

mod pages;
mod requests;
mod retention;
mod slack;
mod updates;

use crate::by_id::ById;
use crate::plan::{FaultKind, Plan};
use crate::trace::{Line, Reply, What, Wire, Wish};
use crate::verdict::Verdict;
use postrider_engine::{
    Attempted, CallId, Change, DeliveryId, DeliveryState, DisabledReason, Endpoint, EndpointChange,
    EndpointId, EndpointStatus, EventId, Fact, FailReason, Health, LaneId, Ordering, OrderingKey,
    Receipt, Seq,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use pages::{DeliveryPage, EndpointPage, EventPage, Flight, LanePage, Recording};
use pages::{asks, judge};

/// How long after its deadline a request is given up by the engine itself, in milliseconds of the
/// sender's monotonic clock.
pub const GRACE_MS: u64 = 1_000;

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
    pub events: ById<EventId, EventPage>,
    /// Durable deliveries.
    pub deliveries: ById<DeliveryId, DeliveryPage>,
    /// Lanes that hold, or held, anything.
    pub lanes: BTreeMap<LaneId, LanePage>,
    /// Durable endpoints, deleted ones too.
    pub endpoints: BTreeMap<EndpointId, EndpointPage>,
    /// The endpoints of the plan that were registered.
    pub registered: BTreeMap<usize, EndpointId>,
    /// Calls that wait for an answer.
    pub calls: BTreeMap<CallId, (Option<usize>, Wish)>,
    /// Requests that the engine has sent in this life and not heard of.
    pub in_flight: ById<DeliveryId, Flight>,
    /// Attempts that have ended in this life and are not durable.
    pub recording: ById<DeliveryId, Recording>,
    /// Faults that last, by place in the plan.
    pub faults: BTreeSet<usize>,
    /// When the calendar jumped last, in true time.
    pub jumped_ms: Option<u64>,
    /// Attempts that began.
    pub attempts: u64,
    /// Requests that are under way: several attempts may go in one.
    pub requests: usize,
    /// Deliveries whose next attempt was asked for, in this life.
    urgent: BTreeSet<DeliveryId>,
    retention: retention::Retention,
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
            events: ById::default(),
            deliveries: ById::default(),
            lanes: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            registered: BTreeMap::new(),
            calls: BTreeMap::new(),
            in_flight: ById::default(),
            recording: ById::default(),
            faults: BTreeSet::new(),
            jumped_ms: None,
            attempts: 0,
            requests: 0,
            urgent: BTreeSet::new(),
            retention: retention::Retention::default(),
        }
    }

    /// Takes a line in. Checkers have seen it before.
    pub fn take(&mut self, line: &Line) {
        match &line.what {
            What::Started { life } => self.started(*life, line.at_ms),
            What::Stopped(_) => self.stopped(),
            What::Called { call, step, wish } => self.called(*call, *step, wish, line.at_ms),
            What::Answered { call, reply } => self.answered(*call, reply, line.at_ms),
            What::Durable { change, receipt } => self.durable(line, change, receipt),
            What::Sent(wire) => self.sent(line.at_ms, wire),
            What::Arrived { wire, .. } => {
                if let Some(delivery) = self.deliveries.get_mut(&wire.delivery) {
                    delivery.arrived += 1;
                }
            }
            What::Outcome {
                delivery, number, ..
            }
            | What::Cancelled { delivery, number } => {
                let ending = self.ending(line);
                self.landed(*delivery, *number, ending);
            }
            What::Fact(fact) => self.fact(fact, line.at_ms),
            What::Fault { index, kind } => {
                if matches!(kind, FaultKind::WallJump { .. }) {
                    self.jumped_ms = Some(line.at_ms);
                }
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
        self.recording.clear();
        self.urgent.clear();
        for endpoint in self.endpoints.values_mut() {
            endpoint.told = endpoint.durable.clone();
            endpoint.changed_ms = at_ms;
            endpoint.known = !endpoint.deleted;
            endpoint.leaving = None;
            endpoint.health = endpoint.durable.health;
            endpoint.recording = 0;
        }
    }

    fn stopped(&mut self) {
        self.up = false;
        self.in_flight.clear();
        self.requests = 0;
        for endpoint in self.endpoints.values_mut() {
            endpoint.flying = 0;
        }
        for lane in self.lanes.values_mut() {
            lane.flying = 0;
        }
    }

    fn called(&mut self, call: CallId, step: Option<usize>, wish: &Wish, at_ms: u64) {
        match wish {
            Wish::Drain { deadline_ms } if self.up => {
                self.draining.get_or_insert((call, *deadline_ms));
            }
            Wish::Delete(endpoint) if self.up => {
                if let Some(page) = self.endpoints.get_mut(endpoint) {
                    page.leaving.get_or_insert(call);
                    page.changed_ms = at_ms;
                }
            }
            _ => (),
        }
        self.calls.insert(call, (step, wish.clone()));
    }

    fn answered(&mut self, call: CallId, reply: &Reply, at_ms: u64) {
        let wish = self.calls.remove(&call).map(|(_, wish)| wish);
        match reply {
            Reply::Published(Ok(published)) => {
                if let Some(event) = self.events.get_mut(&published.event) {
                    event.acknowledged = true;
                }
            }
            Reply::Endpoint(Ok(endpoint)) => self.told(wish.as_ref(), endpoint, at_ms),
            Reply::Deleted(Err(_)) | Reply::Nothing(_) => {
                if let Some(Wish::Delete(endpoint)) = wish
                    && let Some(page) = self.endpoints.get_mut(&endpoint)
                    && page.leaving == Some(call)
                {
                    page.leaving = None;
                }
            }
            _ => (),
        }
    }

    /// The engine says what an endpoint is like from now on.
    fn told(&mut self, wish: Option<&Wish>, endpoint: &Endpoint, at_ms: u64) {
        if let Some(Wish::Register(number)) = wish {
            self.registered.insert(*number, endpoint.id);
        }
        let Some(page) = self.endpoints.get_mut(&endpoint.id) else {
            return;
        };
        match wish {
            Some(Wish::Register(number)) => page.number = *number,
            Some(Wish::Change(_, EndpointChange::Enable)) => page.health = Health::default(),
            Some(Wish::Change(_, EndpointChange::Spec(_)))
                if endpoint.spec.url != page.told.spec.url =>
            {
                page.health = Health::default();
            }
            _ => (),
        }
        page.told = endpoint.clone();
        page.changed_ms = at_ms;
        page.known = true;
    }

    fn sent(&mut self, at_ms: u64, wire: &Arc<Wire>) {
        let is_first = wire.is_first();
        self.attempts += 1;
        let Some(delivery) = self.deliveries.get_mut(&wire.delivery) else {
            return;
        };
        delivery.sent += 1;
        let endpoint = delivery.lane.endpoint;
        if let Some(lane) = self.lanes.get_mut(&delivery.lane) {
            lane.flying += 1;
        }
        let urgent = self.leaves_urgently(wire);
        let mut revision = 0;
        self.requests += usize::from(is_first);
        if let Some(page) = self.endpoints.get_mut(&endpoint) {
            page.flying += u32::from(is_first);
            page.last_sent_ms = Some(at_ms);
            revision = page.told.revision;
        }
        let flight = Flight {
            wire: Arc::clone(wire),
            sent_ms: at_ms,
            endpoint,
            revision,
            unsure: self.is_unsure_of_calendar(at_ms),
            urgent,
        };
        self.in_flight.insert(wire.delivery, flight);
    }

    /// What becomes of the request that this line ends, if it is one that the engine waits for
    /// and will record.
    #[must_use]
    pub fn ending(&self, line: &Line) -> Option<Recording> {
        let (delivery, number, outcome) = match &line.what {
            What::Outcome {
                delivery,
                number,
                outcome,
            } => (delivery, number, Some(outcome)),
            What::Cancelled { delivery, number } => (delivery, number, None),
            _ => return None,
        };
        let flight = self.in_flight.get(delivery)?;
        let wire = &flight.wire;
        if wire.number != *number {
            return None;
        }
        let page = self.endpoints.get(&flight.endpoint)?;
        let verdict = match outcome {
            Some(outcome) => {
                let policy = &page.told.spec.retry;
                Verdict::of(outcome, wire.timeout_ms, policy, line.now.wall)
            }
            None => {
                // Cancelled by a discard or a drain; or given up, because nobody has answered.
                let told = self.deliveries.get(delivery)?.told_end;
                let given_up = wire.at.mono.0 + wire.timeout_ms + GRACE_MS;
                if told || line.now.mono.0 < given_up {
                    return None;
                }
                Verdict::Failed { asked: None }
            }
        };
        let leaving = page.is_leaving();
        let counts =
            !leaving && page.told.revision == flight.revision && !self.has_others_recording(wire);
        let mut after = page.health;
        if counts {
            let asks = asks(outcome, wire, page, line.now.wall);
            judge(&mut after, verdict, asks, line.now.wall);
        }
        Some(Recording {
            wire: Arc::clone(wire),
            at: line.now,
            at_ms: line.at_ms,
            outcome: outcome.map(Arc::clone),
            verdict,
            spec: Arc::clone(&page.told.spec),
            status: page.told.status,
            left_unsure: flight.unsure,
            leaving,
            counts,
            health: (page.health, after),
        })
    }

    /// A request is not under way any more.
    fn landed(&mut self, delivery: DeliveryId, number: u32, ending: Option<Recording>) {
        let known = self.in_flight.get(&delivery);
        if known.is_none_or(|flight| flight.wire.number != number) {
            return;
        }
        let Some(flight) = self.in_flight.swap_remove(&delivery) else {
            return;
        };
        if let Some(page) = self.deliveries.get(&delivery)
            && let Some(lane) = self.lanes.get_mut(&page.lane)
        {
            lane.flying = lane.flying.saturating_sub(1);
        }
        let is_last = !self.has_others_in_flight(&flight.wire);
        let is_recording = self.has_others_recording(&flight.wire);
        self.requests = self.requests.saturating_sub(usize::from(is_last));
        if let Some(page) = self.endpoints.get_mut(&flight.endpoint) {
            page.flying = page.flying.saturating_sub(u32::from(is_last));
            if let Some(ending) = &ending {
                page.recording += u32::from(!is_recording);
                page.health = ending.health.1;
            }
        }
        if let Some(ending) = ending {
            self.recording.insert(delivery, ending);
        }
    }

    fn fact(&mut self, fact: &Fact, at_ms: u64) {
        match fact {
            Fact::EndpointDisabled { endpoint, reason } => {
                if let Some(page) = self.endpoints.get_mut(endpoint) {
                    page.told.status = EndpointStatus::Disabled(*reason);
                    page.changed_ms = at_ms;
                }
            }
            Fact::Delivered { of, .. } | Fact::Failed { of, .. } | Fact::Discarded { of } => {
                if let Some(delivery) = self.deliveries.get_mut(&of.delivery) {
                    delivery.told_end = true;
                }
            }
            _ => (),
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
                self.goes_to(publish.event.id, publish.deliveries.len());
                for (delivery, spot) in publish.deliveries.iter().zip(places) {
                    let (event, lane) = (publish.event.id, delivery.lane.clone());
                    self.made(delivery.id, event, lane, spot.seq, None, at_ms);
                    if delivery.queue_full {
                        let full = DeliveryState::Failed(FailReason::QueueFull);
                        self.ended(delivery.id, full, at_ms);
                    }
                }
            }
            (Change::Attempted(end), receipt) => {
                self.recorded(end);
                if *receipt == Receipt::Applied {
                    self.attempted(end, at_ms);
                }
            }
            (Change::AddEndpoint(endpoint), Receipt::Applied) => {
                let page = EndpointPage::new(endpoint, at_ms);
                self.endpoints.insert(endpoint.id, page);
            }
            (Change::ChangeEndpoint(update), Receipt::Applied) => self.updated(update, line.at_ms),
            (Change::DeleteEndpoint { endpoint, keep, .. }, Receipt::Applied) => {
                self.deleted(*endpoint, keep, at_ms);
            }
            (Change::Resend { of, new, .. }, Receipt::Resent(placed)) => {
                let mut was_dead = false;
                if let Some(original) = self.deliveries.get_mut(of) {
                    was_dead = original.is_dead();
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
                if was_dead {
                    self.retired(*of);
                }
            }
            (Change::RetryNow { .. }, Receipt::Due(_)) => self.hurried(change),
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
        // While a change of the order is durable and not told it can be either.
        let unordered = self.endpoints.get(&lane.endpoint).is_some_and(|page| {
            page.durable.spec.ordering == Ordering::None
                || page.told.spec.ordering == Ordering::None
        });
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
        page.unordered |= unordered;
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
            told_end: false,
        };
        self.deliveries.insert(id, delivery);
        self.kept(event);
    }

    fn attempted(&mut self, end: &Attempted, at_ms: u64) {
        if let Some(delivery) = self.deliveries.get_mut(&end.delivery) {
            delivery.attempts = end.attempt.number;
            if !end.state.is_end() {
                delivery.state = end.state;
            }
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
            }
            if let Some(reason) = end.disable {
                page.durable.status = EndpointStatus::Disabled(reason);
                page.changed_ms = at_ms;
            }
        }
    }

    fn deleted(&mut self, endpoint: EndpointId, keep: &[DeliveryId], at_ms: u64) {
        if let Some(page) = self.endpoints.get_mut(&endpoint) {
            page.deleted = true;
            page.changed_ms = at_ms;
            page.durable.status = EndpointStatus::Disabled(DisabledReason::Manual);
        }
        let pending: Vec<DeliveryId> = self
            .lanes_of(endpoint)
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
        // One that failed and was made anew counts as ended since then.
        let was_made_anew =
            matches!(delivery.state, DeliveryState::Failed(_)) && !delivery.is_dead();
        let retires = !matches!(state, DeliveryState::Failed(_)) && !was_made_anew;
        delivery.state = state;
        delivery.ended_ms = Some(at_ms);
        let Some(lane) = self.lanes.get_mut(&delivery.lane) else {
            return;
        };
        let was_first = lane
            .pending
            .first_key_value()
            .is_some_and(|(_, first)| *first == id);
        // The place of a dead letter may be that of the delivery that makes it anew.
        if lane.pending.get(&delivery.seq) == Some(&id) {
            lane.pending.remove(&delivery.seq);
        }
        if was_first {
            lane.first_since_ms = at_ms;
        }
        if lane.stopped_at == Some(id) && state == DeliveryState::Discarded {
            lane.stopped_at = None;
        }
        if retires {
            self.retired(id);
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
        let rest = url.strip_prefix("https://r");
        let rest = rest.or_else(|| url.strip_prefix("http://r"))?;
        let (number, _) = rest.split_once('.')?;
        number.parse().ok()
    }

    /// The lanes of an endpoint.
    pub fn lanes_of(&self, endpoint: EndpointId) -> impl Iterator<Item = (&LaneId, &LanePage)> {
        let lanes = self.lanes.range(first_lane(endpoint)..);
        lanes.take_while(move |(id, _)| id.endpoint == endpoint)
    }
}

/// The lane that stands before all others of an endpoint.
fn first_lane(endpoint: EndpointId) -> LaneId {
    LaneId {
        endpoint,
        key: OrderingKey::none(),
    }
}
