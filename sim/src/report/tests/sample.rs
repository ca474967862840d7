//! Made-up runs that have everything a report can show.
//!
//! Compiled twice: into the tests of this crate, and into the test binary, whose browser reads
//! the reports. Their parents say what `sim` is.

use super::sim::plan::{Answer, Fault, FaultKind, Plan, When};
use super::sim::trace::{Line, Reply, Stop, What, Wire, Wish};
use super::sim::{Checker, Keep, Run, Watch, book::Book};
use postrider_engine::{
    Attempt, AttemptId, Attempted, BatchId, CallId, Change, DeliveryId, DeliveryState, Drained,
    Endpoint, EndpointId, EndpointSpec, EndpointStatus, Event, EventHeaders, EventId, Fact,
    FailReason, Failure, FailureKind, LaneId, Mono, NewDelivery, Now, OrderingKey, Outcome,
    PayloadType, Publish, Published, Receipt, Response, Seq, Wall,
};
use std::sync::Arc;

const WALL_START: u64 = 1_760_000_000_000;
pub(crate) const DAY_MS: u64 = 86_400_000;

/// Tells what happened, in any order.
pub(crate) struct Teller {
    plan: Plan,
    told: Vec<(u64, What)>,
    crashes: Vec<(u64, u64)>,
    ids: u128,
    batches: u64,
}

/// What a receiver does with an attempt.
#[derive(Clone, Copy)]
pub(crate) enum Does {
    Status(u16),
    Hang,
}

impl Teller {
    pub(crate) fn new(plan: Plan) -> Self {
        Self {
            plan,
            told: vec![(0, What::Started { life: 1 })],
            crashes: Vec::new(),
            ids: 0,
            batches: 0,
        }
    }

    fn id(&mut self) -> u128 {
        self.ids += 1;
        // Looks like a UUIDv7: time first.
        (u128::from(WALL_START) << 80) | (0x7 << 76) | self.ids
    }

    pub(crate) fn say(&mut self, at_ms: u64, what: What) {
        self.told.push((at_ms, what));
    }

    fn commit(&mut self, at_ms: u64, took_ms: u64, change: &Change, receipt: Receipt) {
        self.batches += 1;
        let batch = BatchId(self.batches);
        let change = change.clone();
        self.say(
            at_ms,
            What::CommitAsked {
                batch,
                change: change.clone(),
            },
        );
        self.say(at_ms + took_ms, What::Durable { change, receipt });
    }

    /// The sender stops and starts again.
    pub(crate) fn crash(&mut self, at_ms: u64, down_ms: u64, stop: Stop) {
        self.crashes.push((at_ms, down_ms));
        self.say(at_ms, What::Stopped(stop));
        let life = u32::try_from(self.crashes.len()).unwrap() + 1;
        self.say(at_ms + down_ms, What::Started { life });
    }

    pub(crate) fn drain(&mut self, at_ms: u64, took_ms: u64) {
        let call = CallId(900_000 + at_ms);
        let wish = Wish::Drain {
            deadline_ms: at_ms + 10_000,
        };
        self.say(
            at_ms,
            What::Called {
                call,
                step: None,
                wish,
            },
        );
        let drained = Drained::default();
        self.say(
            at_ms + took_ms,
            What::Answered {
                call,
                reply: Reply::Drained(drained),
            },
        );
        self.crash(at_ms + took_ms + 1, 2_000, Stop::Drained);
    }

    pub(crate) fn fault(&mut self, at_ms: u64, for_ms: u64, kind: FaultKind) {
        let index = self.plan.faults.len();
        self.plan.faults.push(Fault {
            when: When::At(at_ms),
            kind: kind.clone(),
        });
        self.say(at_ms, What::Fault { index, kind });
        self.say(at_ms + for_ms, What::FaultOver { index });
    }

    pub(crate) fn endpoint(&mut self, at_ms: u64, receiver: usize) -> EndpointId {
        let id = EndpointId::from_u128(self.id());
        let endpoint = Endpoint {
            id,
            spec: Arc::new(EndpointSpec::new(format!("https://r{receiver}.example/p0"))),
            secrets: Vec::new(),
            status: EndpointStatus::Active,
            health: Default::default(),
            created_at: Wall(WALL_START + at_ms),
            revision: 1,
        };
        self.commit(
            at_ms,
            1,
            &Change::AddEndpoint(Box::new(endpoint)),
            Receipt::Applied,
        );
        id
    }

    pub(crate) fn fact(&mut self, at_ms: u64, fact: Fact) {
        self.say(at_ms, What::Fact(fact));
    }

    pub(crate) fn publish(&mut self, at_ms: u64, lane: &LaneId, seq: u64) -> DeliveryId {
        let event = EventId::from_u128(self.id());
        let delivery = DeliveryId::from_u128(self.id());
        let deliveries: Arc<[NewDelivery]> = [NewDelivery {
            queue_full: false,
            id: delivery,
            lane: lane.clone(),
        }]
        .into();
        let publish = Publish {
            event: Arc::new(Event {
                id: event,
                tenant: Default::default(),
                event_type: "kind.k0".parse().unwrap(),
                payload: "{}".into(),
                payload_type: PayloadType::default(),
                headers: EventHeaders::default(),
                ordering_key: lane.key.clone(),
                published_at: Wall(WALL_START + at_ms),
            }),
            deliveries: Arc::clone(&deliveries),
            idempotency: None,
            addressed: false,
            from_outbox: false,
        };
        let receipt = Receipt::Published(vec![Seq(seq).into()]);
        self.commit(at_ms, 2, &Change::Publish(publish), receipt);
        let published = Published {
            event,
            deliveries,
            duplicate: false,
        };
        let reply = Reply::Published(Ok(published));
        self.say(
            at_ms + 2,
            What::Answered {
                call: CallId(self.batches),
                reply,
            },
        );
        delivery
    }

    pub(crate) fn resend(&mut self, at_ms: u64, of: DeliveryId, lane: &LaneId) -> DeliveryId {
        let new = DeliveryId::from_u128(self.id());
        let change = Change::Resend {
            of,
            new,
            replay: None,
            at: Wall(WALL_START + at_ms),
        };
        let placed = postrider_engine::Placed {
            delivery: new,
            event: EventId::from_u128(of.as_u128() - 1),
            lane: lane.clone(),
            seq: Seq(999),
            ordinal: None,
            payload_bytes: 2,
        };
        self.commit(at_ms, 2, &change, Receipt::Resent(placed));
        new
    }

    /// An attempt of a delivery, and how its end is recorded. Returns when that is durable, or,
    /// if the sender stopped before, when it is up again.
    pub(crate) fn attempt(
        &mut self,
        at_ms: u64,
        (receiver, took_ms): (usize, u64),
        (delivery, lane, number): (DeliveryId, &LaneId, u32),
        does: Does,
        state: DeliveryState,
    ) -> Result<u64, u64> {
        let way = took_ms / 4;
        let over = at_ms + took_ms;
        let wire = self.wire(at_ms, receiver, delivery, number);
        self.say(at_ms, What::Sent(Arc::clone(&wire)));
        let crash = self
            .crashes
            .iter()
            .find(|(crash, _)| (at_ms..over + 3).contains(crash));
        let crash = crash.copied();
        let arrives = |at: u64| crash.is_none_or(|(crash, _)| at < crash);
        if arrives(at_ms + way) {
            self.say(at_ms + way, What::Arrived { receiver, wire });
            if let Does::Status(status) = does {
                let answer = Answer::Status(status);
                self.say(
                    at_ms + way * 3,
                    What::Responded {
                        receiver,
                        delivery,
                        number,
                        answer,
                    },
                );
            }
        }
        let outcome = outcome(does, took_ms);
        if arrives(over) {
            let outcome = Arc::new(outcome.clone());
            self.say(
                over,
                What::Outcome {
                    delivery,
                    number,
                    outcome,
                },
            );
        }
        if let Some((crash, down)) = crash {
            return Err(crash + down + 5);
        }
        let attempt = Attempt {
            sent: Box::default(),
            id: AttemptId::from_u128(self.id()),
            number,
            started_at: Wall(WALL_START + at_ms),
            duration_ms: took_ms,
            outcome,
        };
        let end = Attempted {
            delivery,
            lane: lane.clone(),
            seq: Seq(1),
            attempt,
            state,
            stop_lane: false,
            health: None,
            disable: None,
        };
        self.commit(over, 2, &Change::Attempted(Arc::new(end)), Receipt::Applied);
        Ok(over + 2)
    }

    fn wire(&self, at_ms: u64, receiver: usize, delivery: DeliveryId, number: u32) -> Arc<Wire> {
        Arc::new(Wire {
            life: 1,
            delivery,
            event: EventId::from_u128(delivery.as_u128() - 1),
            number,
            batch: Arc::default(),
            url: format!("https://r{receiver}.example/p0").into(),
            headers: vec![(
                "webhook-signature".to_owned(),
                "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnk=".to_owned(),
            )],
            body: "{}".into(),
            at: now(at_ms),
            timeout_ms: 30_000,
        })
    }

    /// The run, up to what breaks it, if anything does.
    pub(crate) fn run(mut self, broke: Option<Planted>) -> (Plan, Run) {
        self.told.sort_by_key(|(at_ms, _)| *at_ms);
        let checkers: Vec<Box<dyn Checker>> = match broke {
            Some(planted) => vec![Box::new(planted)],
            None => Vec::new(),
        };
        let mut watch = Watch::new(&Arc::new(self.plan.clone()), checkers, Keep::Trace);
        let mut end = 0;
        for (at_ms, what) in self.told {
            watch.note(at_ms, now(at_ms), what);
            end = at_ms;
            if watch.is_broken() {
                break;
            }
        }
        let run = watch.finish(end);
        (self.plan, run)
    }
}

/// A promise that breaks at the first request after a time.
pub(crate) struct Planted {
    pub(crate) from_ms: u64,
    pub(crate) said: &'static str,
}

impl Checker for Planted {
    fn promise(&self) -> &'static str {
        "order"
    }

    fn see(&mut self, line: &Line, _book: &Book) -> Result<(), String> {
        match line.what {
            What::Sent(_) if line.at_ms >= self.from_ms => Err(self.said.to_owned()),
            _ => Ok(()),
        }
    }
}

fn now(at_ms: u64) -> Now {
    Now {
        mono: Mono(at_ms),
        wall: Wall(WALL_START + at_ms),
    }
}

fn outcome(does: Does, took_ms: u64) -> Outcome {
    match does {
        Does::Status(status) => Outcome::Response(Response {
            status,
            headers: Vec::new(),
            body: Default::default(),
            body_cut: false,
            head_ms: took_ms,
            repeated: None,
        }),
        Does::Hang => Outcome::Failure(Failure::new(
            FailureKind::Timeout(postrider_engine::Phase::Response),
            "no head within the attempt's time",
        )),
    }
}

fn lane(endpoint: EndpointId, key: &str) -> LaneId {
    let key = match key {
        "" => OrderingKey::none(),
        key => key.parse().unwrap(),
    };
    LaneId { endpoint, key }
}

fn plan(receivers: usize) -> Plan {
    let receivers = vec!["{\"latency_min_ms\":1,\"latency_max_ms\":9,\"answers\":[]}"; receivers];
    let text = format!(
        r#"{{"version":1,"seed":18446744073709551557,"tier":"world","bounds":{{"attempts_max":8,
        "attempts_failing_max":4,"window_deliveries_max":64,"window_bytes_max":4096,
        "window_bytes_endpoint_max":1024,"pending_deliveries_max":1000,"commits_in_flight_max":8}},
        "receivers":[{}],"endpoints":[],"workload":[],"faults":[],
        "disk":{{"write_max_ms":1,"sync_max_ms":2}},"mono_permille":1000,
        "end":{{"healed_at_ms":9000,"dead":[],"within_ms":60000}}}}"#,
        receivers.join(",")
    );
    serde_json::from_str(&text).unwrap()
}

/// Three events, one fault: the third overtakes the second after a crash.
pub(crate) fn small(said: &'static str) -> (Plan, Run) {
    let mut teller = Teller::new(plan(1));
    let endpoint = teller.endpoint(3, 0);
    let lane = lane(endpoint, "key-0");
    teller.crash(1_450, 400, Stop::Killed);
    teller.fault(1_450, 400, FaultKind::Kill { down_ms: 400 });
    let first = teller.publish(20, &lane, 1);
    let second = teller.publish(140, &lane, 2);
    let third = teller.publish(260, &lane, 3);
    let retry = DeliveryState::Retrying {
        due: Wall(WALL_START + 2_900),
    };
    let _ = teller.attempt(
        30,
        (0, 180),
        (first, &lane, 1),
        Does::Status(200),
        DeliveryState::Delivered,
    );
    let _ = teller.attempt(215, (0, 260), (second, &lane, 1), Does::Status(503), retry);
    let _ = teller.attempt(
        1_380,
        (0, 200),
        (second, &lane, 2),
        Does::Status(503),
        retry,
    );
    let _ = teller.attempt(
        1_862,
        (0, 160),
        (third, &lane, 1),
        Does::Status(200),
        DeliveryState::Delivered,
    );
    teller.run(Some(Planted {
        from_ms: 1_500,
        said,
    }))
}

/// Three days, ten lanes, five hundred attempts in bursts, faults of every sort.
pub(crate) fn large(said: Option<&'static str>) -> (Plan, Run) {
    let mut teller = Teller::new(plan(4));
    let mut draw = Draw(7);
    let endpoints: Vec<EndpointId> = (0..4)
        .zip(10..)
        .map(|(receiver, at_ms)| teller.endpoint(at_ms, receiver))
        .collect();
    let keys = [
        &["key-0", "key-1", "key-10"][..],
        &["key-0", "key-2"],
        &["", "key-3", "key-4"],
        &["key-0", "key-1"],
    ];
    faults(&mut teller, &endpoints);
    for (receiver, endpoint) in endpoints.iter().enumerate() {
        for key in keys[receiver] {
            let lane = lane(*endpoint, key);
            burst(&mut teller, &mut draw, &lane, receiver, key.is_empty());
        }
    }
    teller.say(2 * DAY_MS, What::Healed);
    teller.say(3 * DAY_MS, What::Stopped(Stop::End));
    teller.run(said.map(|said| Planted {
        from_ms: 2 * DAY_MS + 9 * 3_600_000,
        said,
    }))
}

fn faults(teller: &mut Teller, endpoints: &[EndpointId]) {
    let hour = 3_600_000;
    teller.crash(9 * hour + 4_000, 1_500, Stop::Killed);
    teller.fault(9 * hour + 4_000, 1_500, FaultKind::Kill { down_ms: 1_500 });
    teller.fault(
        9 * hour + 9_000,
        20_000,
        FaultKind::SlowDisk {
            for_ms: 20_000,
            add_ms: 40,
        },
    );
    let storm = |receiver, answer| FaultKind::Storm {
        receiver,
        for_ms: 60_000,
        percent: 80,
        answer,
    };
    teller.fault(9 * hour + 2_000, 60_000, storm(1, Answer::Status(503)));
    teller.fault(20 * hour, 60_000, storm(2, Answer::Hang));
    teller.fault(
        20 * hour + 30_000,
        9_000,
        FaultKind::DiskFull {
            for_ms: 9_000,
            wholly: false,
        },
    );
    teller.crash(33 * hour + 7_000, 4_000, Stop::PowerLost);
    teller.fault(
        33 * hour + 7_000,
        4_000,
        FaultKind::PowerLoss { down_ms: 4_000 },
    );
    teller.fault(
        33 * hour + 20_000,
        30_000,
        FaultKind::ReceiverCrash {
            receiver: 3,
            down_ms: 30_000,
        },
    );
    teller.fault(34 * hour, 0, FaultKind::WallJump { by_ms: -3_600_000 });
    teller.plan.faults.push(Fault {
        when: When::Commit(90_000),
        kind: FaultKind::WriteError { down_ms: 10 },
    });
    teller.drain(44 * hour, 800);
    let breaker = |until| Fact::BreakerOpened {
        endpoint: endpoints[1],
        until: Mono(until),
    };
    teller.fact(9 * hour + 20_000, breaker(9 * hour + 50_000));
    teller.fact(
        9 * hour + 52_000,
        Fact::BreakerClosed {
            endpoint: endpoints[1],
        },
    );
    let status = |status| Fact::EndpointChanged {
        endpoint: endpoints[2],
        status,
    };
    teller.fact(20 * hour + 70_000, status(EndpointStatus::Paused));
    teller.fact(33 * hour, status(EndpointStatus::Active));
}

/// Bursts of events through one lane, one after the other, or all at once.
fn burst(teller: &mut Teller, draw: &mut Draw, lane: &LaneId, receiver: usize, at_once: bool) {
    let starts = [9, 20, 33, 44, 57].map(|hour| hour * 3_600_000);
    let mut seq = 0;
    for (number, start) in starts.into_iter().enumerate() {
        let mut free = start + draw.up_to(2_000);
        for _ in 0..6 + draw.up_to(3) {
            seq += 1;
            let publish = start + draw.up_to(6_000);
            let delivery = teller.publish(publish, lane, seq);
            let mut at = if at_once {
                publish + 3
            } else {
                free.max(publish + 3)
            };
            let bad = if number == 0 && receiver == 1 || number == 1 && receiver == 2 {
                60
            } else {
                8
            };
            at = attempts(teller, draw, at, receiver, (delivery, lane), bad);
            if draw.up_to(40) == 0 {
                let again = teller.resend(at + 5_000, delivery, lane);
                at = attempts(teller, draw, at + 5_010, receiver, (again, lane), 0);
            }
            free = at + 1;
        }
    }
}

/// Attempts of one delivery until it ends.
fn attempts(
    teller: &mut Teller,
    draw: &mut Draw,
    mut at: u64,
    receiver: usize,
    (delivery, lane): (DeliveryId, &LaneId),
    bad_percent: u64,
) -> u64 {
    let mut number = 1;
    loop {
        let bad = draw.up_to(99) < bad_percent;
        let took = if bad && receiver == 2 {
            30_000
        } else {
            40 + draw.up_to(700)
        };
        let does = match (bad, receiver) {
            (true, 2) => Does::Hang,
            (true, _) => Does::Status(503),
            (false, _) => Does::Status(200),
        };
        let wait = (1_000 << number) + draw.up_to(900);
        let state = match (bad, number) {
            (false, _) => DeliveryState::Delivered,
            (true, 5) => DeliveryState::Failed(FailReason::Exhausted),
            (true, _) => DeliveryState::Retrying {
                due: Wall(WALL_START + at + wait),
            },
        };
        match teller.attempt(at, (receiver, took), (delivery, lane, number), does, state) {
            Ok(over) if state.is_end() => return over,
            Ok(over) => {
                at = over + wait;
                number += 1;
            }
            Err(up) => at = up,
        }
    }
}

/// A stream of numbers that is the same each time.
struct Draw(u64);

impl Draw {
    fn up_to(&mut self, most: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % (most + 1)
    }
}
