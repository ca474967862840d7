//! No request stays under way beyond its timeout and the second of grace in which the engine
//! waits for its host; by the sender's monotonic clock.

use super::Checker;
use crate::book::{Book, GRACE_MS};
use crate::trace::{Line, What};
use postrider_engine::DeliveryId;
use std::collections::BTreeSet;

/// A fast clock may pass over the very millisecond.
const ROUNDING_MS: u64 = 3;

#[derive(Default)]
pub(super) struct Timeout {
    /// Requests by when they must have ended.
    until: BTreeSet<(u64, DeliveryId, u32)>,
}

impl Checker for Timeout {
    fn promise(&self) -> &'static str {
        "timeout"
    }

    fn see(&mut self, line: &Line, book: &Book) -> Result<(), String> {
        if let What::Started { .. } | What::Stopped(_) = line.what {
            self.until.clear();
            return Ok(());
        }
        let late = ROUNDING_MS + book.slack_ms();
        while let Some((until, id, number)) = self.until.first().copied()
            && until + late < line.now.mono.0
        {
            self.until.pop_first();
            let flight = book.in_flight.get(&id);
            if flight.is_some_and(|flight| flight.wire.number == number) {
                let over = line.now.mono.0 - until;
                return Err(format!(
                    "attempt {number} of {id} is under way {over} ms after its grace"
                ));
            }
        }
        if let What::Sent(wire) = &line.what {
            let until = wire.at.mono.0 + wire.timeout_ms + GRACE_MS;
            self.until.insert((until, wire.delivery, wire.number));
        }
        Ok(())
    }
}
