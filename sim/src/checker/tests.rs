//! Each checker goes red on a trace that breaks its promise, and stays green on the corrected one.

mod attempts;
mod calls;
mod endpoints;
mod holds;
mod order;
mod refusals;
mod retries;
mod store;
mod waits;

use super::{Checker, all};
use crate::book::Book;
use crate::plan::{
    Answer, Bounds, Delays, Disk, End, EndpointPlan, Plan, Receiver, Tier, Weighted,
};
use crate::trace::{Audit, Audited, Line, Reply, What, Wire, Wish};
use crate::verdict::Verdict;
use crate::world::EPOCH;
use bytes::Bytes;
use postrider_engine::signature::{Message, Scheme, Signer};
use postrider_engine::{
    Attempt, AttemptId, Attempted, CallId, Change, DeliveryId, DeliveryState, Endpoint, EndpointId,
    EndpointSecret, EndpointStatus, EndpointUpdate, Event, EventHeaders, EventId, FailReason,
    Footprint, Idempotency, LaneId, Ledger, Mono, NewDelivery, NewEvent, Now, OrderingKey, Outcome,
    PayloadType, Publish, Published, Receipt, Response, Secret, Seq, Target, Wall,
};
use std::sync::Arc;

const PAYLOAD: &[u8] = b"{\"n\":1}";

/// One checker, the book, and a trace that is made by hand.
struct Scene {
    checker: Box<dyn Checker>,
    book: Book,
    at_ms: u64,
    /// The calendar has jumped by so much.
    skew_ms: i64,
    lines: u64,
    last: u64,
}

/// A plan of one receiver that answers 200, and nothing else.
fn plan() -> Plan {
    Plan {
        version: crate::plan::VERSION,
        seed: 1,
        tier: Tier::World,
        story: String::new(),
        bounds: Bounds::default(),
        receivers: vec![Receiver {
            latency_min_ms: 10,
            latency_max_ms: 10,
            answers: vec![Weighted {
                answer: Answer::Status(200),
                weight: 1,
            }],
        }],
        endpoints: vec![EndpointPlan::of(0)],
        client: None,
        workload: Vec::new(),
        faults: Vec::new(),
        disk: Disk {
            write_max_ms: 1,
            sync_max_ms: 1,
            real: false,
        },
        mono_permille: 1_000,
        alarm_late_max_ms: 0,
        end: End {
            healed_at_ms: 1_000,
            dead: Vec::new(),
            within_ms: 1_000,
        },
    }
}

impl Scene {
    fn of(promise: &str) -> Self {
        Self::with(promise, plan())
    }

    /// In life 1, at one second.
    fn with(promise: &str, plan: Plan) -> Self {
        let checker = all().into_iter().find(|it| it.promise() == promise);
        let mut scene = Self {
            checker: checker.unwrap(),
            book: Book::new(Arc::new(plan)),
            at_ms: 1_000,
            skew_ms: 0,
            lines: 0,
            last: 0,
        };
        scene.ok(What::Started { life: 1 });
        scene
    }

    fn now(&self) -> Now {
        Now {
            mono: Mono(5_000 + self.at_ms),
            wall: Wall((EPOCH.0 + self.at_ms).saturating_add_signed(self.skew_ms)),
        }
    }

    fn see(&mut self, what: What) -> Result<(), String> {
        let line = Line {
            number: self.lines,
            at_ms: self.at_ms,
            now: self.now(),
            what,
        };
        self.lines += 1;
        let said = self.checker.see(&line, &self.book);
        self.book.take(&line);
        said
    }

    #[track_caller]
    fn ok(&mut self, what: What) {
        let shown = format!("{what:?}");
        if let Err(said) = self.see(what) {
            panic!("{said}: {shown}");
        }
    }

    #[track_caller]
    fn red(&mut self, what: What) -> String {
        let shown = format!("{what:?}");
        self.see(what).expect_err(&shown)
    }

    fn pass(&mut self, ms: u64) {
        self.at_ms += ms;
    }

    fn fresh(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn endpoint(&mut self) -> EndpointId {
        let mut plan = EndpointPlan::of(0);
        plan.retry.delays = Delays::Exponential {
            first_ms: 1_000,
            factor: 2.0,
            cap_ms: 3_600_000,
            retries: 5,
        };
        self.endpoint_of(&plan)
    }

    /// Registers an endpoint.
    fn endpoint_of(&mut self, plan: &EndpointPlan) -> EndpointId {
        let record = Box::new(Endpoint {
            id: EndpointId::from_u128(u128::from(self.fresh())),
            spec: Arc::new(plan.spec().unwrap()),
            secrets: vec![EndpointSecret {
                secret: secret(1),
                expires_at: None,
            }],
            status: EndpointStatus::Active,
            health: postrider_engine::Health::default(),
            created_at: self.now().wall,
            revision: 1,
        });
        let call = self.call(Wish::Register(0));
        self.ok(What::Durable {
            change: Change::AddEndpoint(record.clone()),
            receipt: Receipt::Applied,
        });
        let id = record.id;
        self.ok(What::Answered {
            call,
            reply: Reply::Endpoint(Ok(record)),
        });
        id
    }

    fn call(&mut self, wish: Wish) -> CallId {
        let call = CallId(self.fresh());
        self.ok(What::Called {
            call,
            step: None,
            wish,
        });
        call
    }

    /// What is told of an endpoint from now on.
    fn told(&mut self, change: impl FnOnce(&mut Endpoint)) {
        let (id, page) = self.book.endpoints.first_key_value().unwrap();
        let (id, mut record) = (*id, page.durable.clone());
        change(&mut record);
        let wish = postrider_engine::EndpointChange::Pause;
        let call = self.call(Wish::Change(id, wish));
        self.ok(What::Durable {
            change: Change::ChangeEndpoint(Arc::new(EndpointUpdate {
                endpoint: id,
                spec: Some(Arc::clone(&record.spec)),
                secrets: Some(record.secrets.clone()),
                status: Some(record.status),
                health: None,
                due: None,
            })),
            receipt: Receipt::Applied,
        });
        record.revision += 1;
        self.ok(What::Answered {
            call,
            reply: Reply::Endpoint(Ok(Box::new(record))),
        });
    }

    /// An accepted event and its delivery.
    fn publish(&mut self, endpoint: EndpointId) -> DeliveryId {
        let call = self.call(Wish::Publish(new_event(endpoint, None)));
        let (change, receipt) = self.publication(endpoint, None);
        self.published(call, change, receipt)
    }

    fn published(&mut self, call: CallId, change: Change, receipt: Receipt) -> DeliveryId {
        let Change::Publish(publish) = &change else {
            panic!("not a publication");
        };
        let id = publish.deliveries[0].id;
        let reply = accepted(publish.event.id, &publish.deliveries);
        self.ok(What::Durable { change, receipt });
        self.ok(What::Answered { call, reply });
        id
    }

    /// What becomes durable of an event at the end of its lane.
    fn publication(&mut self, endpoint: EndpointId, once: Option<&str>) -> (Change, Receipt) {
        let number = u128::from(self.fresh());
        let lane = lane(endpoint);
        let places = self.book.deliveries.values().filter(|it| it.lane == lane);
        let last = places.map(|page| page.seq.0).max().unwrap_or(0);
        let event = Event {
            id: EventId::from_u128(number),
            tenant: "t0".parse().unwrap(),
            event_type: "kind.k0".parse().unwrap(),
            payload: Bytes::from_static(PAYLOAD),
            payload_type: PayloadType::default(),
            headers: EventHeaders::default(),
            ordering_key: OrderingKey::none(),
            published_at: self.now().wall,
        };
        let publish = Publish {
            event: Arc::new(event),
            deliveries: Arc::new([NewDelivery {
                queue_full: false,
                id: DeliveryId::from_u128(number),
                lane,
            }]),
            idempotency: once.map(|key| Idempotency {
                key: key.into(),
                digest: [0; 32],
            }),
            addressed: false,
            from_outbox: false,
        };
        let receipt = Receipt::Published(vec![Seq(last + 1).into()]);
        (Change::Publish(publish), receipt)
    }

    /// The next request of a delivery, signed with the secrets that are told.
    fn wire(&self, id: DeliveryId) -> Wire {
        let page = &self.book.deliveries[&id];
        let told = &self.book.endpoints[&page.lane.endpoint].told;
        let now = self.now();
        let event = page.event.to_string();
        let live = told
            .secrets
            .iter()
            .filter(|it| it.expires_at.is_none_or(|at| at > now.wall));
        let live: Vec<Secret> = live.map(|it| it.secret.clone()).collect();
        let signer = Signer::new(Scheme::Postrider, &live).unwrap();
        let signed = signer.sign(&Message {
            id: &event,
            timestamp: now.wall.unix_seconds(),
            body: PAYLOAD,
        });
        let number = page.attempts + 1;
        let own = [
            ("x-event-type", "kind.k0".to_owned()),
            ("x-event-id", event.clone()),
            ("x-delivery-id", id.to_string()),
            ("x-attempt", number.to_string()),
        ];
        let own = own.map(|(name, value)| (name.to_owned(), value));
        let signed = signed.unwrap();
        let signed = signed
            .iter()
            .map(|it| (it.name.to_owned(), it.value.clone()));
        Wire {
            life: self.book.life,
            delivery: id,
            event: page.event,
            number,
            batch: Arc::default(),
            url: Arc::clone(&told.spec.url),
            headers: own.into_iter().chain(signed).collect(),
            body: Bytes::from_static(PAYLOAD),
            at: now,
            timeout_ms: crate::waits::ms(told.spec.timeout),
        }
    }

    fn sends(&self, id: DeliveryId) -> What {
        What::Sent(Arc::new(self.wire(id)))
    }

    fn arrives(&self, id: DeliveryId) -> What {
        What::Arrived {
            receiver: 0,
            wire: Arc::clone(&self.book.in_flight[&id].wire),
        }
    }

    /// The request under way ends so.
    fn hears(&self, id: DeliveryId, outcome: Outcome) -> What {
        What::Outcome {
            delivery: id,
            number: self.book.in_flight[&id].wire.number,
            outcome: Arc::new(outcome),
        }
    }

    /// What follows from the last outcome, as it should be recorded.
    fn end_of(&self, id: DeliveryId) -> Attempted {
        let page = &self.book.deliveries[&id];
        let recording = &self.book.recording[&id];
        let policy = &recording.spec.retry;
        let number = recording.wire.number;
        let left = u64::from(number) <= crate::waits::retries(policy);
        let state = match recording.verdict {
            Verdict::Delivered => DeliveryState::Delivered,
            Verdict::Refused(reason) => DeliveryState::Failed(reason),
            Verdict::Failed { asked } if left => DeliveryState::Retrying {
                due: Wall(recording.at.wall.0 + crate::waits::bounds(policy, number, asked).1),
            },
            Verdict::Failed { .. } => DeliveryState::Failed(FailReason::Exhausted),
        };
        let (before, after) = recording.health;
        Attempted {
            delivery: id,
            lane: page.lane.clone(),
            seq: page.seq,
            attempt: Attempt {
                sent: Box::default(),
                id: AttemptId::from_u128(u128::from(self.lines)),
                number,
                started_at: recording.wire.at.wall,
                duration_ms: recording.at.mono.0 - recording.wire.at.mono.0,
                outcome: recording.outcome.as_deref().cloned().unwrap(),
            },
            state,
            stop_lane: false,
            health: (after != before).then_some(after),
            disable: None,
        }
    }

    fn ends(&self, id: DeliveryId) -> What {
        durable(self.end_of(id))
    }

    /// One attempt from beginning to end.
    fn attempt(&mut self, id: DeliveryId, outcome: Outcome) {
        self.ok(self.sends(id));
        self.ok(self.hears(id, outcome));
        self.ok(self.ends(id));
    }

    /// What a true store would show.
    fn audit(&self) -> Audit {
        let deliveries = self.book.deliveries.iter().map(|(id, page)| Audited {
            id: *id,
            event: page.event,
            lane: page.lane.clone(),
            seq: page.seq,
            state: page.state,
            attempts: (1..=page.attempts).collect(),
            payload: Bytes::from_static(PAYLOAD),
            ended_at: page.state.is_end().then_some(Wall(1)),
        });
        let dead = |endpoint: &EndpointId| {
            let of_it = self.book.deliveries.iter();
            let of_it = of_it.filter(|(_, page)| page.lane.endpoint == *endpoint);
            of_it
                .filter(|(_, page)| matches!(page.state, DeliveryState::Failed(_)))
                .map(|(id, _)| *id)
                .collect()
        };
        let ledger = |endpoint: &EndpointId| {
            let mut ledger = Ledger::default();
            for page in self.book.deliveries.values() {
                let count = u64::from(page.lane.endpoint == *endpoint);
                ledger.accepted += count;
                match page.state {
                    DeliveryState::Delivered => ledger.delivered += count,
                    DeliveryState::Failed(_) => ledger.failed += count,
                    DeliveryState::Discarded => ledger.discarded += count,
                    _ => ledger.pending += count,
                }
            }
            ledger
        };
        let endpoints = || self.book.endpoints.keys();
        Audit {
            last: false,
            deliveries: deliveries.collect(),
            ledgers: endpoints().map(|id| (*id, ledger(id))).collect(),
            dead: endpoints().map(|id| (*id, dead(id))).collect(),
        }
    }
}

fn lane(endpoint: EndpointId) -> LaneId {
    LaneId {
        endpoint,
        key: OrderingKey::none(),
    }
}

fn secret(number: u8) -> Secret {
    Secret::generate_hmac([number; 32])
}

fn new_event(endpoint: EndpointId, once: Option<&str>) -> NewEvent {
    NewEvent {
        tenant: "t0".parse().unwrap(),
        target: Target::Endpoint(endpoint),
        event_type: "kind.k0".parse().unwrap(),
        payload: Bytes::from_static(PAYLOAD),
        payload_type: PayloadType::default(),
        headers: EventHeaders::default(),
        ordering_key: OrderingKey::none(),
        idempotency_key: once.map(Arc::from),
    }
}

fn accepted(event: EventId, deliveries: &[NewDelivery]) -> Reply {
    Reply::Published(Ok(Published {
        event,
        deliveries: deliveries.into(),
        duplicate: deliveries.is_empty(),
    }))
}

fn durable(end: Attempted) -> What {
    What::Durable {
        change: Change::Attempted(Arc::new(end)),
        receipt: Receipt::Applied,
    }
}

fn status(status: u16) -> Outcome {
    answered(status, None, 5)
}

fn answered(status: u16, retry_after: Option<&str>, head_ms: u64) -> Outcome {
    let header = retry_after.map(|text| ("Retry-After".to_owned(), text.to_owned()));
    Outcome::Response(Response {
        status,
        headers: header.into_iter().collect(),
        body: Bytes::new(),
        body_cut: false,
        head_ms,
        repeated: None,
    })
}
