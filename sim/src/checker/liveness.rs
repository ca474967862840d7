//! I6: once all is well, everything ends. An endpoint that is told active and whose receiver
//! answers within its timeout has nothing pending in the end, but for lanes that have stopped at a
//! dead letter. What waits for a dead receiver, or one that is slower than the timeout, is not
//! forgotten: the endpoint is asked again within the longest wait that its policy, its breaker,
//! its rate and its batches allow.

use super::Checker;
use crate::book::{Book, EndpointPage, GRACE_MS};
use crate::trace::{Line, Stop, What};
use crate::waits::{longest, ms};
use postrider_engine::EndpointStatus;

/// For the disk, at its slowest.
const DISK_MS: u64 = 10_000;

#[derive(Default)]
pub(super) struct Liveness {
    /// The run came to its planned end, with the sender up.
    ended: bool,
    at_ms: u64,
}

impl Checker for Liveness {
    fn promise(&self) -> &'static str {
        "liveness"
    }

    fn see(&mut self, line: &Line, book: &Book) -> Result<(), String> {
        self.at_ms = line.at_ms;
        if let What::Stopped(Stop::End) = line.what {
            self.ended = book.up;
        }
        Ok(())
    }

    fn end(&mut self, book: &Book) -> Result<(), String> {
        if !self.ended || !book.healed {
            return Ok(());
        }
        let call = book.calls.iter().next();
        if let Some((call, (_, wish))) = call {
            return Err(format!("call {} has no answer: {wish:?}", call.0));
        }
        for (id, page) in &book.endpoints {
            let active = page.told.status == EndpointStatus::Active;
            if page.is_leaving() || !active || !page.known {
                continue;
            }
            let lanes = book.lanes_of(*id);
            let mut stuck = lanes.filter(|(_, lane)| lane.stopped_at.is_none());
            let stuck = stuck.find(|(_, lane)| !lane.pending.is_empty());
            let Some((lane, pending)) = stuck else {
                continue;
            };
            let count = pending.pending.len();
            if answers(page, book) {
                return Err(format!("{count} are pending in {lane:?} to the end"));
            }
            self.is_asked(page, book)
                .map_err(|said| format!("{count} are pending in {lane:?}, {said}"))?;
        }
        Ok(())
    }
}

impl Liveness {
    /// A dead receiver is asked again and again.
    fn is_asked(&self, page: &EndpointPage, book: &Book) -> Result<(), String> {
        let spec = &page.told.spec;
        let cooldown = spec
            .breaker
            .map_or(0, |it| ms(it.cooldown.max(it.cooldown_max)));
        let rate = spec.rate_limit.map_or(0, |limit| ms(limit.per));
        let filling = spec.batch.map_or(0, |batch| ms(batch.wait));
        // What a receiver has asked for before it died, and the pauses after that.
        let held = 2 * ms(spec.retry.retry_after_max);
        let wait = longest(&spec.retry) + cooldown + held + rate + filling;
        let wait = wait + ms(spec.timeout) + GRACE_MS + DISK_MS;
        // The sender's clock may be a little slow, and others have their turn, too.
        let wait = wait + wait / 10;
        let asked_ms = page.last_sent_ms.unwrap_or(0);
        let since_ms = asked_ms.max(page.changed_ms).max(book.up_since_ms);
        if since_ms + wait < self.at_ms {
            return Err(format!("nothing is sent since {asked_ms} ms"));
        }
        Ok(())
    }
}

/// Its receiver is well, and not slower than the timeout.
fn answers(page: &EndpointPage, book: &Book) -> bool {
    let spec = &page.told.spec;
    let Some(number) = Book::receiver_of(&spec.url) else {
        return true;
    };
    let latency = book
        .plan
        .receivers
        .get(number)
        .map_or(0, |it| it.latency_max_ms);
    // The sender's clock may be fast, and a simulated host has ticks.
    let slowest = (latency + 1) * 11 / 10 + 3 * book.slack_ms();
    !book.plan.end.dead.contains(&number) && ms(spec.timeout) > slowest
}
