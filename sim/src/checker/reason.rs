//! Why the engine has nothing more to do is told truly after each turn: by it people find out what
//! a stuck lane waits for.
//!
//! The world tier alone hears it. Which of several timers is the next is not looked at.

use super::Checker;
use crate::book::Book;
use crate::trace::{Line, Reply, Stop, What};
use postrider_engine::{DeliveryState, Footprint, Reason};

#[derive(Default)]
pub(super) struct Reasons {
    /// A drain of this life has been answered.
    drained: bool,
    /// What was told last in this life, and what was held then.
    last: Option<(Reason, Footprint)>,
}

impl Checker for Reasons {
    fn promise(&self) -> &'static str {
        "reason"
    }

    fn see(&mut self, line: &Line, book: &Book) -> Result<(), String> {
        match &line.what {
            What::Started { .. } => *self = Self::default(),
            What::Answered {
                call,
                reply: Reply::Drained(_),
            } => self.drained |= book.draining.is_some_and(|(mine, _)| mine == *call),
            What::Stopped(stop) => {
                let wanted = match stop {
                    Stop::Drained => Reason::Drained,
                    Stop::StoreFailed => Reason::StoreFailed,
                    _ => return Ok(()),
                };
                return match self.last.take() {
                    Some((told, held)) => stops(told, wanted, &held),
                    None => Ok(()),
                };
            }
            _ => (),
        }
        Ok(())
    }

    fn rest(&mut self, told: Reason, held: &Footprint, book: &Book) -> Result<(), String> {
        self.last = Some((told, *held));
        let holds = match told {
            // That the store has failed is seen when the process stops for it.
            Reason::StoreFailed => true,
            _ if self.drained => told == Reason::Drained,
            _ if book.draining.is_some() => told == Reason::Draining,
            _ if held.attempts > 0 => told == Reason::Sending,
            _ if held.commits > 0 || held.slots > 0 => told == Reason::Storing,
            Reason::Idle => held.timers == 0 && held.pending_deliveries == 0,
            Reason::Held => held.timers == 0 && held.pending_deliveries > 0,
            Reason::Retry => held.timers > 0 && waits_for_retry(book),
            Reason::Admission => held.timers > 0 && (held.endpoints_held > 0 || is_limited(book)),
            Reason::Filling => held.timers > 0 && waits_for_more(book),
            _ => false,
        };
        if holds {
            return Ok(());
        }
        Err(format!("it rests for {told:?}: {held:?}"))
    }
}

/// A process that stops has given up what was under way, and answered whoever waited.
fn stops(told: Reason, wanted: Reason, held: &Footprint) -> Result<(), String> {
    if told == wanted && held.attempts == 0 && held.commits == 0 {
        return Ok(());
    }
    Err(format!(
        "it stops for {wanted:?} and rested for {told:?}: {held:?}"
    ))
}

fn waits_for_retry(book: &Book) -> bool {
    let mut pending = book.lanes.values().flat_map(|lane| lane.pending.values());
    pending.any(|id| {
        let state = book.deliveries.get(id).map(|page| page.state);
        matches!(state, Some(DeliveryState::Retrying { .. }))
    })
}

fn waits_for_more(book: &Book) -> bool {
    book.lanes.iter().any(|(id, lane)| {
        let page = book.endpoints.get(&id.endpoint);
        let batches = page.is_some_and(|page| page.told.spec.batch.is_some());
        batches && !lane.pending.is_empty()
    })
}

fn is_limited(book: &Book) -> bool {
    let mut here = book.endpoints.values().filter(|page| !page.deleted);
    here.any(|page| {
        let specs = [&page.told.spec, &page.durable.spec];
        let limited = |spec: &&std::sync::Arc<postrider_engine::EndpointSpec>| {
            spec.rate_limit.is_some() || spec.breaker.is_some()
        };
        specs.iter().any(limited)
    })
}
