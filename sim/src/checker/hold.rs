//! Row 48: `Retry-After` with 429 or 503 holds the whole endpoint: nothing is sent to it, in
//! whatever lane, before the time that its receiver has asked for is over, within the clamp of the
//! policy. Of two such times the later one counts. It outlives a restart, by the calendar; another
//! URL and enabling by hand end it, and so does whatever makes what waits for the endpoint due. Then
//! one request comes first, and no other before that one has ended and a second has passed. A request
//! that was asked for passes by; if it is delivered, the hold is over.
//!
//! Under turmoil a request may be noted a little after it left: for that long after a change of the
//! model nothing is judged, and of what ends beside a change of the endpoint nothing is believed.

use super::Checker;
use crate::book::Book;
use crate::trace::{Line, Reply, What, Wire, Wish};
use crate::verdict::Verdict;
use crate::waits::ms;
use postrider_engine::{
    Attempted, CallId, Change, DeliveryId, Endpoint, EndpointChange, EndpointId, Fact, Footprint,
    Mono, Wall,
};
use std::collections::BTreeMap;

/// After the first request so long a pause, at least.
const PAUSE_MS: u64 = 1_000;

#[derive(Default)]
pub(super) struct Holds {
    held: BTreeMap<EndpointId, Held>,
    /// What the engine must tell in this turn.
    owed: Vec<(EndpointId, Mono)>,
    /// What must be on record with the result of a request, by its first delivery.
    records: BTreeMap<DeliveryId, Wall>,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    /// The receiver has asked to be left alone until then.
    until: Mono,
    first: First,
    since_ms: u64,
}

/// The first request after the hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    ToCome,
    UnderWay(DeliveryId),
    /// It has ended; others may follow from then on.
    Ended(Mono),
}

impl Checker for Holds {
    fn promise(&self) -> &'static str {
        "hold"
    }

    fn see(&mut self, line: &Line, book: &Book) -> Result<(), String> {
        match &line.what {
            What::Started { .. } => self.started(line, book),
            What::Outcome { delivery, .. } | What::Cancelled { delivery, .. } => {
                self.ended(line, *delivery, book);
            }
            What::Answered {
                call,
                reply: Reply::Endpoint(Ok(endpoint)),
            } => self.changed(*call, endpoint, line, book),
            What::Durable {
                change: Change::ChangeEndpoint(update),
                ..
            } if update.due.is_some() => self.is_over(update.endpoint, line),
            What::Sent(wire) if wire.is_first() => return self.sent(wire, line, book),
            What::Fact(Fact::EndpointHeld { endpoint, until }) if book.is_exact() => {
                return self.told(*endpoint, *until);
            }
            What::Durable {
                change: Change::Attempted(end),
                ..
            } => return self.recorded(end, book),
            _ => (),
        }
        Ok(())
    }

    fn weigh(&mut self, _: &Footprint, book: &Book) -> Result<(), String> {
        match std::mem::take(&mut self.owed).first() {
            Some((endpoint, until)) if book.is_exact() => Err(format!(
                "nobody is told that {endpoint} is held until {}",
                until.0
            )),
            _ => Ok(()),
        }
    }
}

impl Holds {
    fn told(&mut self, endpoint: EndpointId, until: Mono) -> Result<(), String> {
        let place = self.owed.iter().position(|owed| *owed == (endpoint, until));
        let place = place.ok_or_else(|| {
            format!(
                "{endpoint} is told to be held until {}, and is not",
                until.0
            )
        })?;
        self.owed.swap_remove(place);
        Ok(())
    }

    /// A fresh process goes on with what is durable, by the calendar.
    fn started(&mut self, line: &Line, book: &Book) {
        *self = Self::default();
        for (id, page) in book.endpoints.iter().filter(|(_, page)| !page.deleted) {
            let record = &page.durable;
            let Some(until) = record.health.held_until else {
                continue;
            };
            let most = ms(record.spec.retry.retry_after_max);
            let left = until.0.saturating_sub(line.now.wall.0).min(most);
            self.hold(*id, Mono(line.now.mono.0 + left), line.at_ms);
        }
    }

    fn hold(&mut self, id: EndpointId, until: Mono, since_ms: u64) {
        let held = Held {
            until,
            first: First::ToCome,
            since_ms,
        };
        self.held.insert(id, held);
    }

    fn sent(&mut self, wire: &Wire, line: &Line, book: &Book) -> Result<(), String> {
        let id = wire.delivery;
        let Some(page) = book.endpoint_of(id) else {
            return Ok(());
        };
        let endpoint = page.told.id;
        let Some(held) = self.held.get_mut(&endpoint) else {
            return Ok(());
        };
        let judged = book.is_exact()
            || line.at_ms >= held.since_ms + book.slack_ms() && !is_changing(endpoint, book);
        // One that was asked for passes by.
        let judged = judged && !book.is_urgent(id);
        let from = match held.first {
            First::Ended(pause) => pause.max(held.until),
            _ => held.until,
        };
        if line.now.mono.0 + book.slack_ms() < from.0 && judged {
            let left = from.0 - line.now.mono.0;
            return Err(format!(
                "{id} is sent to {endpoint}, which is held for {left} ms"
            ));
        }
        let first = held.first;
        match first {
            First::UnderWay(first) if judged => {
                return Err(format!("{id} is sent to {endpoint} beside {first}"));
            }
            First::UnderWay(_) => (),
            // It left before the model knew of the hold.
            _ if line.now.mono < from => (),
            First::ToCome => {
                held.first = First::UnderWay(id);
                held.since_ms = line.at_ms;
            }
            First::Ended(_) => {
                self.held.remove(&endpoint);
            }
        }
        Ok(())
    }

    fn ended(&mut self, line: &Line, id: DeliveryId, book: &Book) {
        let (What::Outcome { number, .. } | What::Cancelled { number, .. }) = line.what else {
            return;
        };
        let flight = book.in_flight.get(&id);
        let Some(flight) = flight.filter(|flight| flight.wire.number == number) else {
            return;
        };
        let (endpoint, wire) = (flight.endpoint, &flight.wire);
        let ending = book.ending(line);
        let goes_on = ending.is_none() && book.has_others_in_flight(wire);
        if goes_on || book.has_others_recording(wire) {
            // Its request speaks once, by another of its deliveries.
            return;
        }
        if !book.is_exact() && is_changing(endpoint, book) {
            self.held.remove(&endpoint);
            return;
        }
        let ending = ending.filter(|ending| ending.counts);
        let asked = ending.as_ref().and_then(|ending| ending.asked_for_ms());
        let delivered = ending.as_ref().map(|ending| ending.verdict) == Some(Verdict::Delivered);
        let takes_again = flight.urgent && delivered;
        let before = self.held.get(&endpoint).copied();
        let was_first = before.is_some_and(|it| it.first == First::UnderWay(wire.request()));
        if let Some(asked_ms) = asked {
            let until = Mono(line.now.mono.0.saturating_add(asked_ms));
            let later = before.is_none_or(|held| held.until < until);
            if later {
                self.owed.push((endpoint, until));
                let recorded = Wall(line.now.wall.0.saturating_add(asked_ms));
                self.records.insert(wire.request(), recorded);
            }
            let until = before.map_or(until, |held| held.until.max(until));
            self.hold(endpoint, until, line.at_ms);
        } else if was_first && let Some(held) = self.held.get_mut(&endpoint) {
            held.since_ms = line.at_ms;
            // One that says nothing leaves its place to another one.
            held.first = First::ToCome;
            if ending.is_some() {
                held.first = First::Ended(Mono(line.now.mono.0 + PAUSE_MS));
            }
        }
        if takes_again {
            self.is_over(endpoint, line);
        }
    }

    /// What was asked for is over, and so is the pause after the first request.
    fn is_over(&mut self, endpoint: EndpointId, line: &Line) {
        if let Some(held) = self.held.get_mut(&endpoint) {
            let now = line.now.mono;
            held.until = now.min(held.until);
            if let First::Ended(pause) = held.first {
                held.first = First::Ended(now.min(pause));
            }
            held.since_ms = line.at_ms;
        }
    }

    /// Until when it is held is durable with the result that says so.
    fn recorded(&mut self, end: &Attempted, book: &Book) -> Result<(), String> {
        let Some(until) = self.records.remove(&end.delivery) else {
            return Ok(());
        };
        let before = book.endpoints.get(&end.lane.endpoint);
        let before = before.and_then(|page| page.durable.health.held_until);
        let recorded = end.health.map_or(before, |health| health.held_until);
        if recorded == Some(until) || !book.is_exact() {
            return Ok(());
        }
        Err(format!(
            "{} is held until {}, and {recorded:?} is recorded",
            end.lane.endpoint, until.0
        ))
    }

    fn changed(&mut self, call: CallId, endpoint: &Endpoint, line: &Line, book: &Book) {
        let wish = book.calls.get(&call).map(|(_, wish)| wish);
        let before = book.endpoints.get(&endpoint.id);
        let moved = before.is_some_and(|page| page.told.spec.url != endpoint.spec.url);
        let most = ms(endpoint.spec.retry.retry_after_max);
        match wish {
            Some(Wish::Change(_, EndpointChange::Enable)) => {
                self.held.remove(&endpoint.id);
            }
            Some(Wish::Change(_, EndpointChange::Spec(_))) if moved || most == 0 => {
                self.held.remove(&endpoint.id);
            }
            Some(Wish::Change(_, EndpointChange::Spec(_))) => {
                if let Some(held) = self.held.get_mut(&endpoint.id) {
                    let latest = Mono(line.now.mono.0 + most);
                    held.until = held.until.min(latest);
                    if let First::Ended(pause) = held.first {
                        held.first = First::Ended(pause.min(latest));
                    }
                    held.since_ms = line.at_ms;
                }
            }
            _ => (),
        }
    }
}

/// A change of it is under way.
fn is_changing(endpoint: EndpointId, book: &Book) -> bool {
    let of_it = |wish: &Wish| matches!(wish, Wish::Change(id, _) if *id == endpoint);
    book.calls.values().any(|(_, wish)| of_it(wish))
}
