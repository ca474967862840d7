//! One run: random inputs, random answers, and what must hold after each.

use crate::core::tests::harness::{Bench, Sent, asking, event, no_answer, ordering_key, status};
use crate::core::{Core, State};
use crate::{
    Answer, BatchId, BatchPolicy, BreakerPolicy, CallId, Closed, Command, CommitError, DeliveryId,
    DeliveryState, EndpointChange, EndpointId, EndpointSpec, EndpointStatus, EventHeaders, EventId,
    Fact, Input, LaneId, Limits, Load, Loaded, MemoryBounds, NewEvent, OnFailed, Ordering, Outcome,
    PayloadType, PublishError, RateLimit, Reason, Receipt, ReplayId, RetryPolicy, Schedule, Seq,
    Target, TenantId,
};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// xorshift64*, by Vigna: the test's own source of chance.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % sides
    }

    pub(super) fn percent(&mut self, chance: u64) -> bool {
        self.roll(100) < chance
    }

    fn of<T: Copy>(&mut self, things: &[T]) -> Option<T> {
        let index = self.roll((things.len() as u64).max(1));
        things.get(usize::try_from(index).unwrap()).copied()
    }

    fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.roll(len as u64)).unwrap()
    }
}

/// What the store has done and not answered.
type Applied = (BatchId, Result<Receipt, CommitError>);

pub(super) struct Chaos {
    pub(super) bench: Bench,
    pub(super) dice: Dice,
    pub(super) endpoints: Vec<EndpointId>,
    /// Durable, but the core does not know yet.
    pub(super) applied: VecDeque<Applied>,
    pub(super) read: Vec<Loaded>,
    /// Calls that have not been answered.
    calls: BTreeSet<CallId>,
    /// Events that were accepted, with the number of their deliveries.
    accepted: BTreeMap<EventId, usize>,
    deliveries: Vec<DeliveryId>,
    /// How often each delivery has been told to have ended.
    ended: BTreeMap<DeliveryId, Vec<&'static str>>,
    /// Requests up to here were looked at, and facts.
    sent_seen: usize,
    facts_seen: usize,
    /// Commits may find the store full.
    fills_up: bool,
    /// How readily loads are answered, in per cent.
    load_speed: u64,
    crashes: bool,
    drains: bool,
}

impl Chaos {
    pub(super) fn new(seed: u64) -> Self {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..4 {
            dice.roll(2);
        }
        let attempts_max = usize::try_from(1 + dice.roll(12)).unwrap();
        let limits = Limits {
            payload_bytes_max: 64,
            batch_bytes_max: dice.index(200),
            pending_deliveries_max: 60,
            pending_bytes_max: 2_000,
            commits_in_flight_max: 24,
            commit_bytes_max: 200,
            attempts_max,
            attempts_failing_max: 1 + dice.index(attempts_max),
            window_deliveries_max: 1 + dice.index(5),
            window_bytes_max: dice.index(400),
            window_bytes_endpoint_max: dice.index(200),
            endpoints_max: 6,
            endpoints_tenant_max: Some(6),
            endpoint_changes_max: 2,
            ..Limits::default()
        };
        let mut bench = Bench::bounded(limits, MemoryBounds::default());
        let endpoints = 1 + dice.roll(4);
        let endpoints = (0..endpoints).map(|_| bench.endpoint(random_spec(&mut dice)));
        let endpoints = endpoints.collect();
        bench.host.hold_commits = true;
        bench.host.hold_loads = true;
        Self {
            endpoints,
            fills_up: dice.percent(30),
            load_speed: [100, 40, 10][dice.index(3)],
            crashes: dice.percent(40),
            drains: dice.percent(20),
            bench,
            dice,
            applied: VecDeque::new(),
            read: Vec::new(),
            calls: BTreeSet::new(),
            accepted: BTreeMap::new(),
            deliveries: Vec::new(),
            ended: BTreeMap::new(),
            sent_seen: 0,
            facts_seen: 0,
        }
    }

    pub(super) fn step(&mut self) {
        match self.dice.roll(100) {
            0..20 => self.publish(),
            20..36 => self.apply(),
            36..52 => self.answer_commit(),
            52..58 => self.read(),
            58..64 if self.dice.percent(self.load_speed) => self.answer_load(),
            58..64 => (),
            64..80 => self.end_attempt(),
            80..87 => self.pass_time(),
            87..99 => self.administrate(),
            _ => match self.dice.roll(4) {
                0 if self.crashes => self.crash(),
                1 if self.drains => self.drain_and_restart(),
                _ => self.input(Input::Tick),
            },
        }
    }

    /// Gives an input and looks at what came of it.
    pub(super) fn input(&mut self, input: Input) {
        self.bench.input(input);
        self.check();
    }

    fn publish(&mut self) {
        let key = self.dice.of(&["", "", "a", "b", "c"]).unwrap();
        let target = match self.dice.of(&self.endpoints) {
            Some(endpoint) if self.dice.percent(80) => Target::Endpoint(endpoint),
            _ => Target::Subscribers,
        };
        let idempotency = self
            .dice
            .percent(20)
            .then(|| format!("key{}", self.dice.roll(5)));
        let payload = vec![b'x'; self.dice.index(65)];
        let event = NewEvent {
            tenant: TenantId::default(),
            target,
            event_type: "test.made".parse().unwrap(),
            payload: Bytes::from(payload),
            payload_type: PayloadType::default(),
            headers: EventHeaders::default(),
            ordering_key: ordering_key(key),
            idempotency_key: idempotency.map(Into::into),
        };
        let call = self.call();
        self.input(Input::Publish(call, event));
    }

    pub(super) fn call(&mut self) -> CallId {
        let call = self.bench.call();
        self.calls.insert(call);
        call
    }

    pub(super) fn apply(&mut self) {
        let full = self.fills_up && self.dice.percent(10);
        let error = full.then_some(CommitError::Full);
        if self.bench.host.apply_next(error) {
            let answer = self.bench.host.inbox.pop_back().unwrap();
            self.applied.push_back(match answer {
                Input::Committed(batch, receipt) => (batch, Ok(receipt)),
                Input::CommitFailed(batch, error) => (batch, Err(error)),
                other => panic!("not an answer to a commit: {other:?}"),
            });
        }
    }

    pub(super) fn answer_commit(&mut self) {
        match self.applied.pop_front() {
            None => self.apply(),
            Some((batch, Ok(receipt))) => self.input(Input::Committed(batch, receipt)),
            Some((batch, Err(error))) => self.input(Input::CommitFailed(batch, error)),
        }
    }

    pub(super) fn read(&mut self) {
        if self.bench.host.read_next()
            && let Some(Input::Loaded(loaded)) = self.bench.host.inbox.pop_back()
        {
            self.read.push(loaded);
        }
    }

    pub(super) fn answer_load(&mut self) {
        if self.read.is_empty() {
            return self.read();
        }
        let index = self.dice.index(self.read.len());
        let loaded = self.read.swap_remove(index);
        self.input(Input::Loaded(loaded));
    }

    fn end_attempt(&mut self) {
        if self.bench.host.under_way.is_empty() {
            return;
        }
        let index = self.dice.index(self.bench.host.under_way.len());
        let attempt = self.bench.host.under_way[index].request.attempt;
        let outcome = self.outcome();
        // Most of them are heard once; a cancelled or forgotten one may be heard late.
        if self.dice.percent(95) {
            self.bench.host.under_way.swap_remove(index);
        }
        self.input(Input::AttemptDone(attempt, outcome, Default::default()));
        self.bench
            .host
            .under_way
            .retain(|sent| sent.request.attempt != attempt);
    }

    fn outcome(&mut self) -> Outcome {
        match self.dice.roll(20) {
            0..9 => status(200),
            9..11 => status(400),
            11 if self.dice.percent(30) => status(410),
            12 => asking(429, &[("Retry-After", "1")]),
            13 => status(301),
            14..17 => no_answer(),
            _ => status(500),
        }
    }

    fn pass_time(&mut self) {
        let armed = self.bench.host.armed.filter(|_| self.dice.percent(50));
        let now = self.bench.host.now.mono;
        let by = Duration::from_millis(1 + self.dice.roll(400));
        self.bench.move_clocks(armed.unwrap_or(now.after(by)));
        self.input(Input::Tick);
    }

    fn administrate(&mut self) {
        let Some(endpoint) = self.dice.of(&self.endpoints) else {
            return;
        };
        let change = |change| Some(Command::Change(endpoint, change));
        let command = match self.dice.roll(26) {
            0..3 => change(EndpointChange::Pause),
            3..6 => change(EndpointChange::Resume),
            6 => change(EndpointChange::Disable),
            7..10 => change(EndpointChange::Enable),
            10..13 => change(EndpointChange::Spec(Box::new(random_spec(&mut self.dice)))),
            13 => change(EndpointChange::RotateSecret {
                secret: None,
                overlap: Duration::from_millis(self.dice.roll(500)),
            }),
            14 if self.dice.percent(40) => Some(Command::Delete(endpoint)),
            15 => Some(Command::Register(
                Box::new(random_spec(&mut self.dice)),
                None,
            )),
            16 => Some(Command::Ping(endpoint, Box::new(ping(endpoint)))),
            17..20 => self
                .dice
                .of(&self.deliveries)
                .map(|it| Command::Resend(it, None)),
            20..22 => self.dice.of(&self.deliveries).and_then(|it| {
                let lane = self.bench.host.store.delivery(it)?.lane;
                Some(Command::RetryNow(it, lane))
            }),
            22..24 => self.dice.of(&self.deliveries).map(Command::Discard),
            _ => {
                let events: Vec<EventId> = self.accepted.keys().copied().collect();
                let event = self.dice.of(&events);
                event.map(|event| Command::Backfill(event, endpoint, ReplayId::from_u128(1)))
            }
        };
        if let Some(command) = command {
            let call = self.call();
            self.input(Input::Command(call, command));
        }
    }

    fn crash(&mut self) {
        self.applied.clear();
        self.read.clear();
        self.calls.clear();
        self.bench.crash();
        self.endpoints = self
            .bench
            .host
            .store
            .endpoints()
            .map(|endpoint| endpoint.id)
            .collect();
        self.check();
    }

    fn drain_and_restart(&mut self) {
        let call = self.bench.call();
        let deadline = self
            .bench
            .host
            .now
            .mono
            .after(Duration::from_millis(self.dice.roll(900)));
        self.input(Input::Drain(call, deadline));
        for turn in 0.. {
            assert!(turn < 10_000, "a drain ends");
            if let Some(drained) = self.bench.drained(call) {
                let store = &self.bench.host.store;
                let pending = store.endpoints().map(|it| store.ledger(it.id).pending);
                assert_eq!(drained.pending, pending.sum::<u64>(), "what a drain leaves");
                assert_eq!(self.bench.reason, Reason::Drained);
                return self.crash();
            }
            match self.dice.roll(6) {
                0 => self.publish(),
                1 => self.apply(),
                2 => self.answer_commit(),
                3 => self.answer_load(),
                4 => self.end_attempt(),
                _ => self.pass_time(),
            }
        }
    }

    fn check(&mut self) {
        self.check_facts();
        self.check_requests();
        self.check_accounts();
        self.check_answers();
        for endpoint in self.bench.core.by_id.keys() {
            if !self.endpoints.contains(endpoint) {
                self.endpoints.push(*endpoint);
            }
        }
    }

    /// P6, P2, P3: what is sent is on record, its turn has come, and it is the only one.
    fn check_requests(&mut self) {
        let new = self.bench.host.sent.split_off(self.sent_seen);
        for sent in &new {
            if sent.request.event.event_type.as_str() == PING {
                let record = self.bench.host.store.delivery(sent.request.delivery);
                assert!(record.is_none(), "a ping is not on record");
                continue;
            }
            let members: Vec<DeliveryId> = sent.request.deliveries().map(|(_, id)| id).collect();
            for (place, delivery) in members.iter().enumerate() {
                self.check_request(sent, *delivery, &members[..place]);
            }
            self.deliveries.extend(members);
        }
        self.bench.host.sent.extend(new);
        self.sent_seen = self.bench.host.sent.len();
    }

    /// `before` go in the same request.
    fn check_request(&self, sent: &Sent, delivery: DeliveryId, before: &[DeliveryId]) {
        let host = &self.bench.host;
        let request = &sent.request;
        assert_eq!(
            self.bench.core.state,
            State::Running,
            "nothing starts once it stops"
        );
        let record = host.store.delivery(delivery);
        let record = record.expect("what is sent is on record");
        let ended = self.ended.get(&delivery);
        assert!(ended.is_none(), "{delivery} is sent and has ended");
        let numbered = u32::try_from(record.attempts.len()).unwrap() + 1;
        // A result that is durable, but not known to the core, may be of an earlier attempt only.
        assert_eq!(request.number, numbered, "attempts are counted");
        if let DeliveryState::Retrying { due } = record.state {
            assert!(sent.at.wall >= due, "no retry comes early");
        }
        let same = |other: &&Sent| has(other, |id| id == delivery);
        assert_eq!(
            host.under_way.iter().filter(same).count(),
            1,
            "one request at a time"
        );
        let Some(endpoint) = endpoint_of(&self.bench.core, record.lane.endpoint) else {
            panic!("nothing is sent to an endpoint that is gone");
        };
        assert_eq!(
            endpoint.status,
            EndpointStatus::Active,
            "status in the core"
        );
        let most = endpoint.spec.batch.map_or(1, |batch| batch.events_max);
        assert!(before.len() < most as usize, "a batch has a bound");
        if endpoint.spec.ordering == Ordering::Fifo {
            self.check_turn(&record.lane, record.seq, delivery, before);
        }
    }

    fn check_turn(&self, lane: &LaneId, seq: Seq, delivery: DeliveryId, before: &[DeliveryId]) {
        let host = &self.bench.host;
        let pending = host.store.load(&Load {
            lane: lane.clone(),
            after: Seq(0),
            deliveries_max: 1 + before.len(),
            bytes_max: usize::MAX,
        });
        let mut pending = pending.deliveries.iter();
        if let Some(first) = pending.find(|other| !before.contains(&other.id)) {
            assert!(
                first.seq >= seq,
                "{delivery} starts before {} has ended",
                first.id
            );
        }
        let in_lane = host.under_way.iter().filter(|other| {
            has(other, |id| {
                let record = host.store.delivery(id);
                record.is_some_and(|record| record.lane == *lane)
            })
        });
        assert_eq!(in_lane.count(), 1, "one request per lane");
    }

    /// P3: a delivery ends once.
    fn check_facts(&mut self) {
        for fact in self.bench.host.facts.split_off(self.facts_seen) {
            let (of, end) = match fact {
                Fact::Delivered { of, .. } => (of, "delivered"),
                Fact::Failed { of, .. } => (of, "failed"),
                Fact::Discarded { of } => (of, "discarded"),
                _ => continue,
            };
            let ends = self.ended.entry(of.delivery).or_default();
            ends.push(end);
            assert!(
                matches!(ends[..], [_] | ["failed", "discarded"]),
                "{} has ended as {ends:?}",
                of.delivery
            );
        }
        self.bench.host.facts.clear();
    }

    fn check_accounts(&self) {
        let store = &self.bench.host.store;
        for endpoint in store.endpoints() {
            let ledger = store.ledger(endpoint.id);
            let sum = ledger.pending + ledger.delivered + ledger.failed + ledger.discarded;
            assert_eq!(ledger.accepted, sum, "{ledger:?}");
        }
    }

    /// P1: what is answered is on record. Every call is answered once.
    fn check_answers(&mut self) {
        let store = &self.bench.host.store;
        while let Some((call, answer)) = self.bench.host.answers.pop_first() {
            if let Answer::Drained(_) = answer {
                self.bench.host.answers.insert(call, answer);
                return;
            }
            assert!(self.calls.remove(&call), "{call:?} waits for {answer:?}");
            match answer {
                Answer::Published(Ok(published)) => {
                    let deliveries = store.deliveries_of(published.event).expect("accepted");
                    self.deliveries
                        .extend(deliveries.iter().map(|record| record.id));
                    if !published.duplicate {
                        self.accepted
                            .insert(published.event, published.deliveries.len());
                    }
                }
                Answer::Published(Err(PublishError::Closed(closed))) => {
                    assert_eq!(closed, Closed::Draining);
                }
                Answer::Resent(Ok(delivery)) | Answer::Backfilled(Ok(delivery)) => {
                    assert!(store.delivery(delivery).is_some());
                    self.deliveries.push(delivery);
                }
                _ => (),
            }
        }
    }

    /// At the end: nobody waits, and everything that was accepted has ended.
    pub(super) fn check_end(&self) {
        assert!(
            self.calls.is_empty(),
            "calls without an answer: {:?}",
            self.calls
        );
        let store = &self.bench.host.store;
        for (event, deliveries) in &self.accepted {
            let records = store.deliveries_of(*event).unwrap();
            let first = records.iter().filter(|record| record.resend_of.is_none());
            let published = first.clone().filter(|record| record.replay.is_none());
            assert_eq!(published.count(), *deliveries, "{event}");
            let to: BTreeSet<EndpointId> = first.clone().map(|it| it.lane.endpoint).collect();
            assert_eq!(to.len(), first.count(), "{event} is given to each once");
        }
        for delivery in &self.deliveries {
            let record = store.delivery(*delivery).unwrap();
            let gone = store.endpoint(record.lane.endpoint).is_none();
            assert!(
                record.state.is_end() || gone,
                "{delivery} is {:?}",
                record.state
            );
        }
    }

    pub(super) fn stop_faults(&mut self) {
        self.fills_up = false;
    }
}

/// Whether a request has such a delivery.
fn has(sent: &Sent, is_meant: impl Fn(DeliveryId) -> bool) -> bool {
    sent.request.deliveries().any(|(_, id)| is_meant(id))
}

fn endpoint_of(core: &Core, id: EndpointId) -> Option<&crate::Endpoint> {
    let key = core.by_id.get(&id)?;
    core.endpoints.get(*key).map(|state| &state.record)
}

const PING: &str = "ping";

fn ping(endpoint: EndpointId) -> NewEvent {
    NewEvent {
        event_type: PING.parse().unwrap(),
        ..event(endpoint, "", "ping")
    }
}

fn random_spec(dice: &mut Dice) -> EndpointSpec {
    let fifo = dice.percent(80);
    let delays = (0..dice.roll(4)).map(|_| Duration::from_millis(dice.roll(600)));
    let schedule = Schedule::Delays(delays.collect());
    let url = format!("https://receiver.example/{}", dice.roll(2));
    let stops = fifo && dice.percent(30);
    let batches = fifo && !stops && dice.percent(40);
    EndpointSpec {
        batch: batches.then(|| BatchPolicy {
            events_max: u32::try_from(2 + dice.roll(5)).unwrap(),
            wait: Duration::from_millis(dice.roll(300)),
        }),
        ordering: if fifo { Ordering::Fifo } else { Ordering::None },
        on_failed: if stops {
            OnFailed::Stop
        } else {
            OnFailed::Continue
        },
        timeout: Duration::from_millis(100 + dice.roll(400)),
        retry: RetryPolicy {
            also_retry: vec![429],
            retry_after_max: Duration::from_millis(700),
            ..RetryPolicy::with_schedule(schedule)
        },
        concurrency: u32::try_from(1 + dice.roll(4)).unwrap(),
        rate_limit: dice.percent(25).then(|| RateLimit {
            requests: 1,
            per: Duration::from_millis(1 + dice.roll(200)),
            burst: u32::try_from(1 + dice.roll(3)).unwrap(),
        }),
        breaker: dice.percent(50).then(|| BreakerPolicy {
            failures: u32::try_from(1 + dice.roll(3)).unwrap(),
            cooldown: Duration::from_millis(dice.roll(400)),
            cooldown_max: Duration::from_millis(1000),
        }),
        disable_after: dice.percent(20).then(|| Duration::from_millis(500)),
        ..EndpointSpec::new(url)
    }
}
