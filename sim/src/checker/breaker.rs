//! An independent model of every breaker: after so many failed outcomes in a row nothing is sent
//! before the cooldown is over, then one request at a time, and the cooldown doubles with each of
//! these that fails, up to its cap. A request that was asked for does not wait for that; and what
//! makes an endpoint's deliveries due ends the wait. One that says nothing (it was discarded, say) counts
//! as if it had not been sent.
//!
//! Under turmoil a request may be noted a little after it left, and a change of the endpoint a
//! little after it holds: for that long after a change of the model nothing is judged, nor for an
//! endpoint of which a change is under way. Whether an outcome beside a change counts cannot be
//! told there: the endpoint is not judged again before a success makes an end of the doubt.

use super::Checker;
use crate::book::{Book, Recording};
use crate::trace::{Line, Reply, What, Wish};
use crate::verdict::Verdict;
use crate::waits::ms;
use postrider_engine::{
    BreakerPolicy, CallId, Change, DeliveryId, Endpoint, EndpointChange, EndpointId, Fact,
    Footprint, Mono, Now,
};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
pub(super) struct Breakers {
    /// Those that are not closed.
    open: BTreeMap<EndpointId, State>,
    /// Those of which it is not known.
    unsure: BTreeSet<EndpointId>,
    /// What the engine must tell in this turn: that a breaker has opened until then, or closed.
    owed: Vec<(EndpointId, Option<Mono>)>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    mode: Mode,
    /// Requests that were let through since it opened, and failed.
    probes: u32,
    since_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Until(Mono),
    /// It may be early: if it says nothing, all is as it was before.
    Probing(DeliveryId, Mono),
}

impl Checker for Breakers {
    fn promise(&self) -> &'static str {
        "breaker"
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
            } => self.changed(*call, endpoint, book),
            What::Durable {
                change: Change::ChangeEndpoint(update),
                ..
            } if update.due.is_some() => self.cut(update.endpoint, line),
            What::Sent(wire) if wire.is_first() => return self.sent(wire.delivery, line, book),
            What::Fact(Fact::BreakerOpened { endpoint, until }) if book.is_exact() => {
                return self.told(*endpoint, Some(*until));
            }
            What::Fact(Fact::BreakerClosed { endpoint }) if book.is_exact() => {
                return self.told(*endpoint, None);
            }
            _ => (),
        }
        Ok(())
    }

    fn weigh(&mut self, _: &Footprint, book: &Book) -> Result<(), String> {
        let owed = std::mem::take(&mut self.owed);
        match owed.first() {
            Some((endpoint, until)) if book.is_exact() => Err(format!(
                "nobody is told of the breaker of {endpoint}: {until:?}"
            )),
            _ => Ok(()),
        }
    }
}

impl Breakers {
    fn told(&mut self, endpoint: EndpointId, until: Option<Mono>) -> Result<(), String> {
        let place = self.owed.iter().position(|owed| *owed == (endpoint, until));
        let place = place.ok_or_else(|| {
            format!("the breaker of {endpoint} is told to be what it is not: {until:?}")
        })?;
        self.owed.swap_remove(place);
        Ok(())
    }

    /// A fresh process goes on with what is durable, by the calendar.
    fn started(&mut self, line: &Line, book: &Book) {
        self.open.clear();
        self.unsure.clear();
        self.owed.clear();
        for (id, page) in book.endpoints.iter().filter(|(_, page)| !page.deleted) {
            let record = &page.durable;
            if let (Some(until), Some(policy)) = (record.health.open_until, record.spec.breaker) {
                let longest = ms(policy.cooldown.max(policy.cooldown_max));
                let left = until.0.saturating_sub(line.now.wall.0).min(longest);
                let state = State {
                    mode: Mode::Until(Mono(line.now.mono.0 + left)),
                    probes: 0,
                    since_ms: line.at_ms,
                };
                self.open.insert(*id, state);
            }
        }
    }

    /// It waits no longer, and lets one request through.
    fn cut(&mut self, endpoint: EndpointId, line: &Line) {
        if let Some(state) = self.open.get_mut(&endpoint) {
            let (Mode::Until(until) | Mode::Probing(_, until)) = &mut state.mode;
            *until = line.now.mono.min(*until);
            state.since_ms = line.at_ms;
        }
    }

    fn sent(&mut self, id: DeliveryId, line: &Line, book: &Book) -> Result<(), String> {
        let Some(page) = book.endpoint_of(id) else {
            return Ok(());
        };
        let Some(state) = self.open.get_mut(&page.told.id) else {
            return Ok(());
        };
        let endpoint = page.told.id;
        // It was asked for: then it is the probe, if none is out.
        let urgent = book.is_urgent(id);
        let judged = book.is_exact()
            || line.at_ms >= state.since_ms + book.slack_ms() && !is_changing(endpoint, book);
        let judged = judged && !urgent;
        match state.mode {
            Mode::Until(until) if judged && line.now.mono.0 + book.slack_ms() < until.0 => {
                let left = until.0 - line.now.mono.0;
                return Err(format!(
                    "{id} is sent to {endpoint}, whose breaker stays open for {left} ms"
                ));
            }
            Mode::Probing(probe, _) if judged => {
                return Err(format!(
                    "{id} is sent to {endpoint}, whose breaker has let {probe} through"
                ));
            }
            // It left before, with the one whose failure opened the breaker.
            Mode::Until(until) if line.now.mono < until && !urgent => (),
            Mode::Probing(..) => (),
            Mode::Until(until) => {
                state.mode = Mode::Probing(id, until);
                state.since_ms = line.at_ms;
            }
        }
        Ok(())
    }

    fn ended(&mut self, line: &Line, id: DeliveryId, book: &Book) {
        let (endpoint, wire) = match book.in_flight.get(&id) {
            Some(flight) if Some(flight.wire.number) == number(&line.what) => {
                (flight.endpoint, &flight.wire)
            }
            _ => return,
        };
        let probed = self.open.get(&endpoint).copied();
        let request = wire.request();
        let is_it = |state: State| matches!(state.mode, Mode::Probing(id, _) if id == request);
        let probe = probed.is_some_and(is_it);
        let ending = book.ending(line);
        let goes_on = ending.is_none() && book.has_others_in_flight(wire);
        if goes_on || book.has_others_recording(wire) {
            // Its request speaks once, by another of its deliveries.
            return;
        }
        let ending = ending.filter(|ending| ending.counts);
        let (Some(ending), Some(page)) = (ending, book.endpoints.get(&endpoint)) else {
            if probe
                && let Some(state) = self.open.get_mut(&endpoint)
                && let Mode::Probing(_, until) = state.mode
            {
                // It says nothing: the next one waits for as long as it would have before.
                state.mode = Mode::Until(until);
                state.since_ms = line.at_ms;
            }
            return;
        };
        if !book.is_exact() && is_changing(endpoint, book) {
            self.unsure.insert(endpoint);
            self.open.remove(&endpoint);
            return;
        }
        if ending.asked_for_ms().is_some() || !matches!(ending.verdict, Verdict::Failed { .. }) {
            self.unsure.remove(&endpoint);
            if self.open.remove(&endpoint).is_some() {
                self.owed.push((endpoint, None));
            }
            return;
        }
        if self.unsure.contains(&endpoint) {
            return;
        }
        let Some(policy) = page.told.spec.breaker else {
            return;
        };
        let probes = match probed {
            None if failures(&ending) < policy.failures => return,
            None => 0,
            Some(state) if probe => state.probes.saturating_add(1),
            Some(_) => return,
        };
        let until = cooled(line.now, &policy, probes);
        self.owed.push((endpoint, Some(until)));
        let state = State {
            mode: Mode::Until(until),
            probes,
            since_ms: line.at_ms,
        };
        self.open.insert(endpoint, state);
    }

    fn changed(&mut self, call: CallId, endpoint: &Endpoint, book: &Book) {
        let wish = book.calls.get(&call).map(|(_, wish)| wish);
        let before = book.endpoints.get(&endpoint.id);
        let moved = before.is_some_and(|page| page.told.spec.url != endpoint.spec.url);
        let cleared = match wish {
            Some(Wish::Change(_, EndpointChange::Enable)) => true,
            Some(Wish::Change(_, EndpointChange::Spec(_))) => {
                moved || endpoint.spec.breaker.is_none()
            }
            _ => false,
        };
        if cleared {
            self.open.remove(&endpoint.id);
        }
    }
}

/// A change of it is under way.
fn is_changing(endpoint: EndpointId, book: &Book) -> bool {
    let of_it = |wish: &Wish| matches!(wish, Wish::Change(id, _) if *id == endpoint);
    book.calls.values().any(|(_, wish)| of_it(wish))
}

fn number(what: &What) -> Option<u32> {
    match what {
        What::Outcome { number, .. } | What::Cancelled { number, .. } => Some(*number),
        _ => None,
    }
}

fn failures(ending: &Recording) -> u32 {
    ending.health.1.failures
}

/// When the next request may go, after so many failed probes.
fn cooled(now: Now, policy: &BreakerPolicy, probes: u32) -> Mono {
    let most = ms(policy.cooldown_max.max(policy.cooldown));
    let mut cooldown = ms(policy.cooldown);
    for _ in 0..probes.min(64) {
        cooldown = cooldown.saturating_mul(2).min(most);
    }
    Mono(now.mono.0.saturating_add(cooldown.min(most)))
}
