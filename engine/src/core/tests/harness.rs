//! A host for tests. It answers commits and loads at once, or when the test says so.

use super::check;
use crate::core::Core;
use crate::{
    Answer, AttemptId, Batch, CallId, Change, Command, CommitError, DeliveryId, DeliveryRecord,
    DeliveryState, Drained, Endpoint, EndpointChange, EndpointError, EndpointId, EndpointSpec,
    EventHeaders, EventId, Fact, Failure, FailureKind, Input, Limits, Load, MemoryBounds,
    MemoryStore, Mono, NewEvent, Now, OrderingKey, Outcome, PayloadType, PublishError, Published,
    Reason, Request, Response, RetryPolicy, Schedule, Scheduler, Target, TenantId, Wall, turn,
};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// 2025-01-01T00:00:00Z.
pub(super) const EPOCH: Wall = Wall(1_735_689_600_000);

/// A request that was handed to the host.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) request: Request,
    pub(super) at: Now,
    pub(super) deadline: Mono,
}

impl Sent {
    /// The payload as text.
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.request.body().unwrap().into()).unwrap()
    }
}

pub(super) struct Host {
    pub(super) now: Now,
    pub(super) store: MemoryStore,
    pub(super) hold_commits: bool,
    pub(super) hold_loads: bool,
    /// Given and not applied, in order.
    pub(super) commits: VecDeque<Batch>,
    /// Asked for and not read.
    pub(super) loads: VecDeque<Load>,
    /// Every load that was ever asked for.
    pub(super) loads_asked: Vec<Load>,
    /// What the core hears next.
    pub(super) inbox: VecDeque<Input>,
    /// Not answered, in the order of sending.
    pub(super) under_way: Vec<Sent>,
    /// Everything that was ever sent.
    pub(super) sent: Vec<Sent>,
    pub(super) cancelled: Vec<AttemptId>,
    pub(super) answers: BTreeMap<CallId, Answer>,
    pub(super) facts: Vec<Fact>,
    pub(super) armed: Option<Mono>,
}

impl Scheduler for Host {
    fn now(&self) -> Now {
        self.now
    }

    fn arm(&mut self, at: Option<Mono>) {
        self.armed = at;
    }

    fn commit(&mut self, batch: Batch) {
        self.commits.push_back(batch);
        if !self.hold_commits {
            self.apply_next(None);
        }
    }

    fn load(&mut self, load: Load) {
        self.loads_asked.push(load.clone());
        self.loads.push_back(load);
        if !self.hold_loads {
            self.read_next();
        }
    }

    fn send(&mut self, request: Request, deadline: Mono) {
        let at = self.now;
        let sent = Sent {
            request,
            at,
            deadline,
        };
        self.under_way.push(sent.clone());
        self.sent.push(sent);
    }

    fn cancel(&mut self, attempt: AttemptId) {
        self.under_way
            .retain(|sent| sent.request.attempt != attempt);
        self.cancelled.push(attempt);
    }

    fn answer(&mut self, call: CallId, answer: Answer) {
        let earlier = self.answers.insert(call, answer);
        assert!(earlier.is_none(), "{call:?} is answered once");
    }

    fn observe(&mut self, fact: Fact) {
        self.facts.push(fact);
    }
}

impl Host {
    fn new(bounds: MemoryBounds) -> Self {
        Self {
            now: Now {
                mono: Mono(0),
                wall: EPOCH,
            },
            store: MemoryStore::bounded(bounds),
            hold_commits: false,
            hold_loads: false,
            commits: VecDeque::new(),
            loads: VecDeque::new(),
            loads_asked: Vec::new(),
            inbox: VecDeque::new(),
            under_way: Vec::new(),
            sent: Vec::new(),
            cancelled: Vec::new(),
            answers: BTreeMap::new(),
            facts: Vec::new(),
            armed: None,
        }
    }

    /// Makes the oldest batch durable, or not, and puts the answer on its way.
    pub(super) fn apply_next(&mut self, error: Option<CommitError>) -> bool {
        let Some(batch) = self.commits.pop_front() else {
            return false;
        };
        let applied = match error {
            Some(error) => Err(error),
            None => self.store.apply(batch.change),
        };
        self.inbox.push_back(match applied {
            Ok(receipt) => Input::Committed(batch.id, receipt),
            Err(error) => Input::CommitFailed(batch.id, error),
        });
        true
    }

    /// Reads for the oldest load and puts the answer on its way.
    pub(super) fn read_next(&mut self) -> bool {
        let Some(load) = self.loads.pop_front() else {
            return false;
        };
        let loaded = self.store.load(&load);
        self.inbox.push_back(Input::Loaded(loaded));
        true
    }
}

/// A core, its host, and the words that tests are written in.
pub(super) struct Bench {
    pub(super) core: Core,
    pub(super) host: Host,
    pub(super) reason: Reason,
    pub(super) limits: Limits,
    calls: u64,
    lives: u8,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(super) fn with(limits: Limits) -> Self {
        Self::bounded(limits, MemoryBounds::default())
    }

    pub(super) fn bounded(limits: Limits, bounds: MemoryBounds) -> Self {
        let host = Host::new(bounds);
        let state = host.store.recover();
        let core = Core::recover(limits.clone(), [1; 32], state, host.now).unwrap();
        Self {
            core,
            host,
            reason: Reason::Idle,
            limits,
            calls: 0,
            lives: 1,
        }
    }

    /// The process dies and starts again: only what the store has applied is left.
    pub(super) fn crash(&mut self) {
        self.host.commits.clear();
        self.host.loads.clear();
        self.host.inbox.clear();
        self.host.under_way.clear();
        self.host.armed = None;
        self.lives += 1;
        let state = self.host.store.recover();
        let seed = [self.lives; 32];
        self.core = Core::recover(self.limits.clone(), seed, state, self.host.now).unwrap();
        self.input(Input::Tick);
    }

    /// Gives one input and everything that the host answers at once.
    pub(super) fn input(&mut self, input: Input) -> Reason {
        self.host.inbox.push_back(input);
        self.settle()
    }

    /// Gives what the host has put on its way.
    pub(super) fn settle(&mut self) -> Reason {
        let mut turns = 0;
        while let Some(input) = self.host.inbox.pop_front() {
            turns += 1;
            assert!(turns < 20_000, "the core and its store go round in circles");
            self.reason = turn(&mut self.core, &mut self.host, input);
            check::core(&self.core);
        }
        self.reason
    }

    /// From now on everything is answered at once, starting with what was held back.
    pub(super) fn release(&mut self) {
        self.host.hold_commits = false;
        self.host.hold_loads = false;
        self.release_commits();
        while self.host.read_next() {}
        self.settle();
    }

    /// Applies and answers the batches that were held back.
    pub(super) fn release_commits(&mut self) {
        while self.host.apply_next(None) {}
        self.settle();
    }

    pub(super) fn fail_commit(&mut self, error: CommitError) {
        assert!(self.host.apply_next(Some(error)), "a batch waits");
        self.settle();
    }

    pub(super) fn call(&mut self) -> CallId {
        self.calls += 1;
        CallId(self.calls)
    }

    pub(super) fn command(&mut self, command: Command) -> CallId {
        let call = self.call();
        self.input(Input::Command(call, command));
        call
    }

    pub(super) fn submit(&mut self, event: NewEvent) -> CallId {
        let call = self.call();
        self.input(Input::Publish(call, event));
        call
    }

    pub(super) fn take(&mut self, call: CallId) -> Option<Answer> {
        self.host.answers.remove(&call)
    }

    pub(super) fn endpoint(&mut self, spec: EndpointSpec) -> EndpointId {
        self.register(spec).unwrap().id
    }

    pub(super) fn register(&mut self, spec: EndpointSpec) -> Result<Endpoint, EndpointError> {
        let call = self.command(Command::Register(Box::new(spec), None));
        self.endpoint_answer(call)
    }

    pub(super) fn change(
        &mut self,
        id: EndpointId,
        change: EndpointChange,
    ) -> Result<Endpoint, EndpointError> {
        let call = self.command(Command::Change(id, change));
        self.endpoint_answer(call)
    }

    pub(super) fn endpoint_answer(&mut self, call: CallId) -> Result<Endpoint, EndpointError> {
        match self.take(call) {
            Some(Answer::Endpoint(answer)) => answer.map(|endpoint| *endpoint),
            other => panic!("not an endpoint: {other:?}"),
        }
    }

    pub(super) fn published(&mut self, call: CallId) -> Result<Published, PublishError> {
        match self.take(call) {
            Some(Answer::Published(answer)) => answer,
            other => panic!("not an answer to a publish: {other:?}"),
        }
    }

    /// Publishes to one endpoint, with an ordering key unless it is empty.
    pub(super) fn publish(&mut self, to: EndpointId, key: &str, payload: &str) -> EventId {
        let call = self.submit(event(to, key, payload));
        self.published(call).unwrap().event
    }

    /// The only delivery of an event, or the last one that was made.
    pub(super) fn delivery_of(&self, event: EventId) -> DeliveryRecord {
        let deliveries = self.host.store.deliveries_of(event).unwrap();
        deliveries.into_iter().next_back().unwrap().clone()
    }

    pub(super) fn state_of(&self, event: EventId) -> DeliveryState {
        self.delivery_of(event).state
    }

    pub(super) fn resend(&mut self, delivery: DeliveryId) -> Option<Answer> {
        let call = self.command(Command::Resend(delivery, None));
        self.take(call)
    }

    pub(super) fn discard(&mut self, delivery: DeliveryId) -> Option<Answer> {
        let call = self.command(Command::Discard(delivery));
        self.take(call)
    }

    pub(super) fn delete(&mut self, endpoint: EndpointId) -> Option<Answer> {
        let call = self.command(Command::Delete(endpoint));
        self.take(call)
    }

    pub(super) fn drained(&mut self, call: CallId) -> Option<Drained> {
        match self.take(call) {
            None => None,
            Some(Answer::Drained(drained)) => Some(drained),
            other => panic!("not an answer to a drain: {other:?}"),
        }
    }

    /// Answers the oldest request that is under way.
    pub(super) fn respond(&mut self, outcome: Outcome) {
        let attempt = self.host.under_way[0].request.attempt;
        self.respond_to(attempt, outcome);
    }

    pub(super) fn respond_to(&mut self, attempt: AttemptId, outcome: Outcome) {
        self.host
            .under_way
            .retain(|sent| sent.request.attempt != attempt);
        self.input(Input::AttemptDone(attempt, outcome, Default::default()));
    }

    /// Answers the request with this payload.
    pub(super) fn respond_to_text(&mut self, text: &str, outcome: Outcome) {
        let found = self.host.under_way.iter().find(|sent| sent.text() == text);
        let attempt = found
            .unwrap_or_else(|| panic!("{text} is under way"))
            .request
            .attempt;
        self.respond_to(attempt, outcome);
    }

    /// Answers 200 until nothing is under way.
    pub(super) fn respond_ok_to_all(&mut self) {
        while !self.host.under_way.is_empty() {
            self.respond(status(200));
        }
    }

    /// The payloads of the requests under way, in the order of sending.
    pub(super) fn under_way(&self) -> Vec<String> {
        self.host.under_way.iter().map(Sent::text).collect()
    }

    /// The payloads of everything that was sent, in order.
    pub(super) fn sent(&self) -> Vec<String> {
        self.host.sent.iter().map(Sent::text).collect()
    }

    /// Moves both clocks on, and gives a tick whenever one was armed.
    pub(super) fn advance(&mut self, duration: Duration) {
        let end = self.host.now.mono.after(duration);
        let mut ticks_at_once = 0;
        while let Some(at) = self.host.armed.filter(|at| *at <= end) {
            ticks_at_once = if at > self.host.now.mono {
                0
            } else {
                ticks_at_once + 1
            };
            assert!(ticks_at_once < 3, "a timer that has rung is armed again");
            self.move_clocks(at);
            self.input(Input::Tick);
        }
        self.move_clocks(end);
        self.input(Input::Tick);
    }

    /// Moves both clocks to the time that was armed.
    pub(super) fn advance_to_alarm(&mut self) -> Duration {
        let at = self.host.armed.unwrap();
        let waited = at.since(self.host.now.mono);
        self.advance(waited);
        waited
    }

    pub(super) fn move_clocks(&mut self, to: Mono) {
        let passed = to.since(self.host.now.mono);
        self.host.now.mono = self.host.now.mono.max(to);
        self.host.now.wall = self.host.now.wall.after(passed);
    }
}

pub(super) fn event(to: EndpointId, key: &str, payload: &str) -> NewEvent {
    NewEvent {
        tenant: TenantId::default(),
        target: Target::Endpoint(to),
        event_type: "test.made".parse().unwrap(),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        payload_type: PayloadType::default(),
        headers: EventHeaders::default(),
        ordering_key: ordering_key(key),
        idempotency_key: None,
    }
}

pub(super) fn ordering_key(key: &str) -> OrderingKey {
    if key.is_empty() {
        OrderingKey::none()
    } else {
        key.parse().unwrap()
    }
}

pub(super) fn spec() -> EndpointSpec {
    EndpointSpec::new("https://receiver.example/")
}

/// A spec with these delays before its retries, without jitter and without a breaker.
pub(super) fn retrying(delays_ms: &[u64]) -> EndpointSpec {
    let delays = delays_ms.iter().map(|ms| Duration::from_millis(*ms));
    EndpointSpec {
        retry: RetryPolicy {
            jitter_percent: 0,
            ..RetryPolicy::with_schedule(Schedule::Delays(delays.collect()))
        },
        breaker: None,
        ..spec()
    }
}

pub(super) fn status(status: u16) -> Outcome {
    asking(status, &[])
}

/// An answer with headers.
pub(super) fn asking(status: u16, headers: &[(&str, &str)]) -> Outcome {
    let owned = |(name, value): &(&str, &str)| ((*name).into(), (*value).into());
    Outcome::Response(Response {
        status,
        headers: headers.iter().map(owned).collect(),
        body: Bytes::from_static(b"body"),
        body_cut: false,
        head_ms: 0,
        repeated: None,
    })
}

pub(super) fn no_answer() -> Outcome {
    Outcome::Failure(Failure::new(FailureKind::Connect, "refused"))
}

pub(super) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// What a change is about, for tests that look at what is being recorded.
pub(super) fn name(change: &Change) -> &'static str {
    match change {
        Change::Publish(_) => "publish",
        Change::Attempted(_) => "attempted",
        Change::AddEndpoint(_) => "add",
        Change::ChangeEndpoint(_) => "change",
        Change::DeleteEndpoint { .. } => "delete",
        Change::Resend { .. } => "resend",
        Change::Backfill { .. } => "backfill",
        Change::Discard { .. } => "discard",
        Change::RetryNow { .. } => "retry now",
    }
}
