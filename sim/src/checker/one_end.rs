//! P3, I3: a delivery ends once, in the store and in what is told, and nothing is sent after.
//!
//! A discard is durable before the engine hears of it: until it is told, or until a restart, a
//! request may still leave; its result is stale.

use super::Checker;
use crate::book::{Book, DeliveryPage};
use crate::by_id::ById;
use crate::trace::{Line, What};
use postrider_engine::{Change, DeliveryId, DeliveryState, Fact, Receipt, Refusal};

#[derive(Default)]
pub(super) struct OneEnd {
    told: ById<DeliveryId, &'static str>,
}

impl Checker for OneEnd {
    fn promise(&self) -> &'static str {
        "one_end"
    }

    fn see(&mut self, line: &Line, book: &Book) -> Result<(), String> {
        match &line.what {
            What::Durable { change, receipt } => durable(change, receipt, book),
            What::Fact(fact) => self.told(fact),
            What::Sent(wire) => {
                let id = wire.delivery;
                if book.in_flight.contains_key(&id) {
                    return Err(format!("{id} is sent while it is under way"));
                }
                match book.deliveries.get(&id) {
                    Some(page) if has_ended(page, line.at_ms, book) => {
                        Err(format!("{id} is sent and is {}", page.state.name()))
                    }
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}

impl OneEnd {
    fn told(&mut self, fact: &Fact) -> Result<(), String> {
        let (of, end) = match fact {
            Fact::Delivered { of, .. } => (of, "delivered"),
            Fact::Failed { of, .. } => (of, "failed"),
            Fact::Discarded { of } => (of, "discarded"),
            _ => return Ok(()),
        };
        match self.told.insert(of.delivery, end) {
            None => Ok(()),
            Some("failed") if end == "discarded" => Ok(()),
            Some(before) => Err(format!("{} is told {before}, then {end}", of.delivery)),
        }
    }
}

/// It has ended, and the engine must know.
fn has_ended(page: &DeliveryPage, at_ms: u64, book: &Book) -> bool {
    let Some(ended_ms) = page.ended_ms else {
        return false;
    };
    // Under turmoil the line of a request stands a little later than it left.
    if at_ms < ended_ms + book.slack_ms() {
        return false;
    }
    page.state != DeliveryState::Discarded || page.told_end || ended_ms < book.up_since_ms
}

fn durable(change: &Change, receipt: &Receipt, book: &Book) -> Result<(), String> {
    let (id, fits) = match (change, receipt) {
        (Change::Attempted(end), Receipt::Applied) => (
            end.delivery,
            (|state| !DeliveryState::is_end(state)) as fn(_) -> _,
        ),
        (Change::Attempted(end), Receipt::Stale) => {
            (end.delivery, DeliveryState::is_end as fn(_) -> _)
        }
        (Change::Discard { delivery, .. }, Receipt::Discarded { was_pending, .. }) => {
            let pending: fn(_) -> _ = |state| !DeliveryState::is_end(state);
            let failed: fn(_) -> _ = |state| matches!(state, DeliveryState::Failed(_));
            (*delivery, if *was_pending { pending } else { failed })
        }
        (Change::Discard { delivery, .. }, Receipt::Refused(Refusal::AlreadyEnded)) => {
            let ended: fn(_) -> _ =
                |state| matches!(state, DeliveryState::Delivered | DeliveryState::Discarded);
            (*delivery, ended)
        }
        (Change::Resend { of, .. }, Receipt::Resent(_)) => {
            (*of, DeliveryState::is_end as fn(_) -> _)
        }
        _ => return Ok(()),
    };
    match book.deliveries.get(&id) {
        Some(page) if fits(page.state) => Ok(()),
        Some(page) => Err(format!("{id} was {}: {receipt:?}", page.state.name())),
        None => Err(format!("{id} is not known: {receipt:?}")),
    }
}
