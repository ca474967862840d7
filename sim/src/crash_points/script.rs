//! What a store is asked to do, from a seed: groups of changes as an engine would ask for them.

use crate::chance::{Chance, Rolls};
use bytes::Bytes;
use postrider_engine::{
    Attempt, AttemptId, Attempted, Change, DeliveryId, DeliveryState, DisabledReason, Endpoint,
    EndpointId, EndpointSecret, EndpointSpec, EndpointStatus, EndpointUpdate, Event, EventHeaders,
    EventId, EventType, FailReason, Failure, FailureKind, HeaderLines, Health, Idempotency,
    InvalidName, LaneId, NewDelivery, OrderingKey, Outcome, PayloadType, PhaseTimes, Publish,
    ReplayId, Response, Secret, Sent, SentBody, Seq, Wall,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Ordering keys in use.
const KEYS: [&str; 3] = ["", "a", "b"];

/// Changes in one group at most.
const CHANGES_MAX: u64 = 8;

/// A change; where deliveries stand is known to each store alone.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Plain(Change),
    End(Box<Attempted>),
}

/// What one store is asked to do from its first day to its last.
#[derive(Debug)]
pub(super) struct Script {
    /// Each is one transaction.
    pub(super) groups: Vec<Vec<Step>>,
    /// Before these groups the process is shut down and started again.
    pub(super) restarts: Vec<usize>,
    /// How many pages the log may have before they are brought into the database.
    pub(super) log_pages_max: u64,
    /// Everything there will ever be.
    pub(super) endpoints: Vec<EndpointId>,
    pub(super) events: Vec<EventId>,
}

struct Writer {
    rolls: Rolls,
    kind: EventType,
    last: u128,
    /// Not deleted yet.
    alive: Vec<EndpointId>,
    endpoints: Vec<EndpointId>,
    events: Vec<EventId>,
    deliveries: Vec<(DeliveryId, LaneId)>,
    /// How many of them are of groups before.
    settled: usize,
    attempts: BTreeMap<DeliveryId, u32>,
}

impl Script {
    /// The script of this seed.
    pub(super) fn of(seed: u64) -> Result<Self, InvalidName> {
        let mut writer = Writer {
            kind: "payment.succeeded".parse()?,
            rolls: Chance::new(seed).of("script", 0, 0),
            last: 1_000,
            alive: Vec::new(),
            endpoints: Vec::new(),
            events: Vec::new(),
            deliveries: Vec::new(),
            settled: 0,
            attempts: BTreeMap::new(),
        };
        let count = writer.rolls.between(4, 16);
        let log_pages_max = *writer.rolls.pick(&[1_000, 60, 12, 1]).unwrap_or(&1_000);
        let mut groups = vec![vec![writer.add_endpoint(), writer.add_endpoint()]];
        let mut restarts = Vec::new();
        for number in 1..count {
            let changes = writer.rolls.between(1, CHANGES_MAX);
            writer.settled = writer.deliveries.len();
            groups.push((0..changes).map(|_| writer.step()).collect());
            if writer.rolls.percent(12) {
                restarts.extend(usize::try_from(number));
            }
        }
        Ok(Self {
            groups,
            restarts,
            log_pages_max,
            endpoints: writer.endpoints,
            events: writer.events,
        })
    }

    /// Every lane that there may be.
    pub(super) fn lanes(&self) -> impl Iterator<Item = LaneId> {
        let of = |endpoint: &EndpointId| {
            let endpoint = *endpoint;
            KEYS.iter().map(move |key| lane(endpoint, key))
        };
        self.endpoints.iter().flat_map(of)
    }
}

fn lane(endpoint: EndpointId, key: &str) -> LaneId {
    let key = key.parse().unwrap_or_else(|_| OrderingKey::none());
    LaneId { endpoint, key }
}

impl Writer {
    fn next(&mut self) -> u128 {
        self.last += 1;
        self.last
    }

    fn at(&self) -> Wall {
        Wall(u64::try_from(self.last).unwrap_or(0) * 10)
    }

    fn is_settled(&self, id: DeliveryId) -> bool {
        let mut settled = self.deliveries.iter().take(self.settled);
        settled.any(|(it, _)| *it == id)
    }

    fn step(&mut self) -> Step {
        let delivery = self.rolls.pick(&self.deliveries).cloned();
        let (Some((id, lane)), Some(endpoint)) = (delivery, self.rolls.pick(&self.alive).copied())
        else {
            return if self.alive.is_empty() {
                self.add_endpoint()
            } else {
                self.publish()
            };
        };
        let at = self.at();
        match self.rolls.up_to(99) {
            0..34 => self.publish(),
            // Nothing is sent before it is durable, so its place is known by then.
            34..74 if self.is_settled(id) => self.end(id, lane),
            34..74 => self.publish(),
            74..79 => Step::Plain(Change::Discard {
                delivery: id,
                dead: false,
                at,
            }),
            79..82 => Step::Plain(Change::RetryNow {
                delivery: id,
                with: Vec::new(),
                ordered: false,
                at,
            }),
            82..89 => {
                let new = DeliveryId::from_u128(self.next());
                self.deliveries.push((new, lane));
                Step::Plain(Change::Resend {
                    of: id,
                    new,
                    replay: None,
                    at,
                })
            }
            89..92 => self.add_endpoint(),
            95..98 => self.backfill(endpoint),
            92..95 if self.alive.len() > 1 => {
                self.alive.retain(|it| *it != endpoint);
                let keep = if self.rolls.percent(50) {
                    vec![id]
                } else {
                    Vec::new()
                };
                Step::Plain(Change::DeleteEndpoint { endpoint, keep, at })
            }
            _ => self.change_endpoint(endpoint),
        }
    }

    /// An endpoint is given an event, which it may have had.
    fn backfill(&mut self, endpoint: EndpointId) -> Step {
        let Some(event) = self.rolls.pick(&self.events).copied() else {
            return self.publish();
        };
        let at = self.at();
        let new = DeliveryId::from_u128(self.next());
        self.deliveries.push((new, lane(endpoint, "")));
        Step::Plain(Change::Backfill {
            event,
            endpoint,
            ordered: false,
            new,
            replay: ReplayId::from_u128(1),
            at,
        })
    }

    fn add_endpoint(&mut self) -> Step {
        let id = EndpointId::from_u128(self.next());
        self.alive.push(id);
        self.endpoints.push(id);
        Step::Plain(Change::AddEndpoint(Box::new(Endpoint {
            id,
            spec: Arc::new(EndpointSpec::new("https://example.com/hooks")),
            secrets: vec![self.secret()],
            status: EndpointStatus::Active,
            health: Health::default(),
            created_at: self.at(),
            revision: 1,
        })))
    }

    fn secret(&mut self) -> EndpointSecret {
        EndpointSecret {
            secret: Secret::generate_hmac(self.rolls.bytes()),
            expires_at: self.rolls.percent(30).then(|| self.at()),
        }
    }

    fn change_endpoint(&mut self, endpoint: EndpointId) -> Step {
        let number = self.next();
        let spec = self.rolls.percent(30).then(|| {
            let url = format!("https://example.com/{number}");
            Arc::new(EndpointSpec::new(url))
        });
        let secrets = self.rolls.percent(30).then(|| vec![self.secret()]);
        let statuses = [
            EndpointStatus::Active,
            EndpointStatus::Paused,
            EndpointStatus::Disabled(DisabledReason::Manual),
        ];
        Step::Plain(Change::ChangeEndpoint(Arc::new(EndpointUpdate {
            endpoint,
            spec,
            secrets,
            status: self.rolls.pick(&statuses).copied(),
            health: self.rolls.percent(50).then(|| self.health()),
            due: self.rolls.percent(30).then(|| self.at()),
        })))
    }

    fn health(&mut self) -> Health {
        Health {
            failures: u32::try_from(self.rolls.up_to(9)).unwrap_or(0),
            failing_since: self.rolls.percent(50).then(|| self.at()),
            open_until: self.rolls.percent(50).then(|| self.at()),
            held_until: self.rolls.percent(50).then(|| self.at()),
        }
    }

    fn publish(&mut self) -> Step {
        let key = self.rolls.pick(&KEYS).copied().unwrap_or_default();
        let mut deliveries = Vec::new();
        for endpoint in self.alive.clone() {
            if self.rolls.percent(60) {
                let id = DeliveryId::from_u128(self.next());
                let lane = lane(endpoint, key);
                self.deliveries.push((id, lane.clone()));
                deliveries.push(NewDelivery {
                    id,
                    lane,
                    queue_full: false,
                });
            }
        }
        let event = EventId::from_u128(self.next());
        self.events.push(event);
        // One in ten does not fit into a page.
        let most = if self.rolls.percent(10) { 12_000 } else { 60 };
        let bytes = usize::try_from(self.rolls.up_to(most)).unwrap_or(0);
        let letter = b'a' + u8::try_from(self.rolls.up_to(25)).unwrap_or(0);
        let idempotency = self.rolls.percent(40).then(|| Idempotency {
            key: format!("key-{}", self.rolls.up_to(9)).into(),
            digest: [u8::from(self.rolls.percent(20)); 32],
        });
        Step::Plain(Change::Publish(Publish {
            event: Arc::new(Event {
                id: event,
                tenant: Default::default(),
                event_type: self.kind.clone(),
                payload: Bytes::from(vec![letter; bytes]),
                payload_type: PayloadType::default(),
                headers: EventHeaders::default(),
                ordering_key: key.parse().unwrap_or_else(|_| OrderingKey::none()),
                published_at: self.at(),
            }),
            deliveries: deliveries.into(),
            idempotency,
            addressed: false,
            from_outbox: false,
        }))
    }

    fn end(&mut self, delivery: DeliveryId, lane: LaneId) -> Step {
        let number = self.attempts.entry(delivery).or_default();
        *number += 1;
        let number = *number;
        let due = Wall(self.rolls.up_to(99_000));
        let states = [
            DeliveryState::Delivered,
            DeliveryState::Delivered,
            DeliveryState::Retrying { due },
            DeliveryState::Retrying { due },
            DeliveryState::Failed(FailReason::Exhausted),
            DeliveryState::Failed(FailReason::Rejected),
            DeliveryState::Failed(FailReason::Gone),
        ];
        let state = *self.rolls.pick(&states).unwrap_or(&states[0]);
        let is_failed = matches!(state, DeliveryState::Failed(_));
        let outcome = if state == DeliveryState::Delivered {
            Outcome::Response(Response {
                status: 204,
                headers: vec![("x-request-id".to_owned(), format!("r{number}"))],
                body: Bytes::from_static(b"thanks"),
                body_cut: false,
                head_ms: 12,
                repeated: None,
            })
        } else {
            Outcome::Failure(Failure::new(FailureKind::Reset, "it broke off"))
        };
        let is_gone = state == DeliveryState::Failed(FailReason::Gone);
        let attempt = Attempt {
            id: AttemptId::from_u128(self.next()),
            number,
            started_at: self.at(),
            duration_ms: self.rolls.up_to(30_000),
            sent: Box::new(sent(number)),
            outcome,
        };
        Step::End(Box::new(Attempted {
            delivery,
            lane,
            seq: Seq::default(),
            attempt,
            state,
            stop_lane: is_failed && self.rolls.percent(50),
            health: self.rolls.percent(50).then(|| self.health()),
            disable: is_gone.then_some(DisabledReason::Gone),
        }))
    }
}

/// What an attempt sent: the same body twice in a row, then another one.
fn sent(number: u32) -> Sent {
    let made = Bytes::from(format!("{{\"n\":{}}}", number / 2));
    Sent {
        url: Some("https://example.com/".into()),
        headers: HeaderLines::from_lines("x-attempt: 1\n"),
        body: Some(SentBody {
            bytes: made.len() as u64,
            is_payload: false,
            made: Some(made),
            kept_with: None,
        }),
        phases: Some(PhaseTimes {
            first_byte_ms: Some(number),
            total_ms: number,
            ..PhaseTimes::default()
        }),
    }
}
