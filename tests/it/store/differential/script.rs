//! Random changes.

use super::*;

/// A change, before the places are known.
#[derive(Clone)]
pub(super) enum Step {
    Plain(Change),
    End(u128, DeliveryState, bool),
}

pub(super) struct Script {
    pub(super) rolls: Rolls,
    pub(super) next: u128,
    pub(super) made: Vec<u128>,
    pub(super) events: Vec<u128>,
}

impl Script {
    pub(super) fn of(&mut self, most: usize) -> u64 {
        self.rolls.up_to(most.saturating_sub(1) as u64)
    }

    pub(super) fn known(&mut self) -> u128 {
        let place = self.of(self.made.len());
        self.made[usize::try_from(place).unwrap()]
    }

    pub(super) fn step(&mut self) -> Step {
        let at = Wall(9_000);
        let kind = self.rolls.up_to(99);
        if self.made.is_empty() || kind < 40 {
            return self.publish();
        }
        let delivery = DeliveryId::from_u128(self.known());
        let endpoint_id = EndpointId::from_u128(self.rolls.between(1, 3).into());
        match kind {
            40..80 => {
                let state = match self.rolls.up_to(3) {
                    0 => DeliveryState::Delivered,
                    1 => DeliveryState::Failed(FailReason::Exhausted),
                    _ => DeliveryState::Retrying { due: Wall(77_000) },
                };
                let stops = matches!(state, DeliveryState::Failed(_)) && self.rolls.percent(50);
                Step::End(delivery.as_u128(), state, stops)
            }
            80..84 => Step::Plain(Change::Discard {
                delivery,
                dead: self.rolls.percent(40),
                at,
            }),
            84..88 => Step::Plain(Change::RetryNow {
                delivery,
                with: Vec::new(),
                ordered: self.rolls.percent(70),
                at,
            }),
            88..92 => self.backfill(endpoint_id, at),
            92..96 => {
                self.next += 1;
                let new = DeliveryId::from_u128(self.next);
                self.made.push(self.next);
                Step::Plain(Change::Resend {
                    of: delivery,
                    new,
                    replay: self.rolls.percent(50).then_some(ReplayId::from_u128(1)),
                    at,
                })
            }
            96 | 97 => Step::Plain(Change::DeleteEndpoint {
                endpoint: endpoint_id,
                keep: vec![delivery],
                at,
            }),
            _ => Step::Plain(Change::ChangeEndpoint(Arc::new(EndpointUpdate {
                endpoint: endpoint_id,
                spec: None,
                secrets: None,
                status: Some(EndpointStatus::Paused),
                health: Some(Health {
                    failures: 3,
                    failing_since: Some(Wall(5)),
                    open_until: None,
                    held_until: Some(Wall(7)),
                }),
                due: self.rolls.percent(50).then_some(Wall(5_000)),
            }))),
        }
    }

    pub(super) fn backfill(&mut self, endpoint: EndpointId, at: Wall) -> Step {
        let event = self.of(self.events.len());
        let event = self.events[usize::try_from(event).unwrap()];
        self.next += 1;
        self.made.push(self.next);
        Step::Plain(Change::Backfill {
            event: EventId::from_u128(event),
            endpoint,
            ordered: self.rolls.percent(80),
            new: DeliveryId::from_u128(self.next),
            replay: ReplayId::from_u128(2),
            at,
        })
    }

    pub(super) fn publish(&mut self) -> Step {
        let key = ["", "a", "b"][usize::try_from(self.rolls.up_to(2)).unwrap()];
        let mut to = Vec::new();
        for number in 1..=ENDPOINTS {
            if self.rolls.percent(50) {
                self.next += 1;
                to.push((self.next, lane(EndpointId::from_u128(number), key)));
                self.made.push(self.next);
            }
        }
        self.next += 1;
        let payload = "x".repeat(usize::try_from(self.rolls.up_to(40)).unwrap());
        let mut event = publish(self.next, &payload, &to);
        let kind = match self.rolls.up_to(3) {
            0 => PayloadType::new("application/xml; charset=utf-8", None),
            1 => PayloadType::new("application/json", Some("gzip")),
            _ => Ok(PayloadType::default()),
        };
        let topic = format!("topic/{}", self.rolls.up_to(9));
        let headers = match self.rolls.percent(30) {
            true => EventHeaders::new([("x-shop", "a.example"), ("x-topic", topic.as_str())]),
            false => Ok(EventHeaders::default()),
        };
        event.event = Arc::new(Event {
            payload_type: kind.unwrap(),
            headers: headers.unwrap(),
            ..Event::clone(&event.event)
        });
        self.events.push(self.next);
        event.addressed = to.len() == 1 && self.rolls.percent(30);
        if self.rolls.percent(30) {
            event.idempotency = Some(Idempotency {
                key: format!("key-{}", self.rolls.up_to(5)).into(),
                digest: [u8::try_from(self.rolls.up_to(1)).unwrap(); 32],
            });
        }
        Step::Plain(Change::Publish(event))
    }
}
