//! I13: attempts and their times are what the policy says.
//!
//! Numbers count up by one; a number is sent again only by another life of the sender. A retry is
//! recorded only while the policy has attempts left, it is due within the bounds of the policy's
//! jitter or when the receiver asks for it, within its clamp, and it does not leave before, unless
//! somebody has asked for it, or its endpoint was resumed, enabled or mended since. What
//! was due is judged by the monotonic clock from the outcome on, and after a restart by the
//! calendar that the fresh process reads, but never for longer than the policy's longest wait.
//! When an attempt began and how long it took is recorded and told as it was (in the world tier).
//! Under turmoil what ends beside a change of its endpoint, or a jump of the calendar, is not judged:
//! which came first is not to be seen there.

use super::Checker;
use crate::book::{Book, Recording};
use crate::by_id::ById;
use crate::trace::{Line, What};
use crate::verdict::Verdict;
use crate::waits;
use postrider_engine::{
    Attempted, Change, DeliveryId, DeliveryState, Fact, Mono, Now, Receipt, Wall,
};

#[derive(Default)]
pub(super) struct Attempts {
    /// The life and the number of the last request of each delivery.
    last: ById<DeliveryId, (u32, u32)>,
    /// No retry leaves before this, in this life.
    due: ById<DeliveryId, Mono>,
    /// The number of the last attempt that is recorded, how long it took, and what follows.
    recorded: ById<DeliveryId, (u32, u64, DeliveryState)>,
}

impl Checker for Attempts {
    fn promise(&self) -> &'static str {
        "attempts"
    }

    fn see(&mut self, line: &Line, book: &Book) -> Result<(), String> {
        match &line.what {
            What::Started { .. } => {
                self.started(line.now, book);
                Ok(())
            }
            What::Sent(wire) => self.sent(wire.delivery, wire.number, wire.at, book),
            What::Fact(fact) => self.told(fact),
            What::Durable {
                change: Change::Attempted(end),
                ..
            } => match book.recording.get(&end.delivery) {
                Some(recording) => self.recorded(end, recording, book),
                // That nothing is recorded of itself is the oracle's.
                None => Ok(()),
            },
            What::Durable { change, receipt } => {
                self.made_due(change, receipt, book);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Attempts {
    /// A fresh process reads from the store what is due.
    fn started(&mut self, now: Now, book: &Book) {
        self.due.clear();
        for (lane, page) in &book.lanes {
            for id in page.pending.values() {
                let state = book.deliveries.get(id).map(|page| page.state);
                if let Some(DeliveryState::Retrying { due }) = state {
                    let endpoint = book.endpoints.get(&lane.endpoint);
                    let policy = endpoint.map(|page| &page.durable.spec.retry);
                    let longest = policy.map_or(0, waits::longest);
                    let left = due.0.saturating_sub(now.wall.0).min(longest);
                    // Rounding of the longest wait, one way.
                    let left = left.saturating_sub(u64::from(left == longest) * 2);
                    self.due.insert(*id, Mono(now.mono.0 + left));
                }
            }
        }
    }

    /// A retry was asked for, or its endpoint is mended: it need not wait.
    fn made_due(&mut self, change: &Change, receipt: &Receipt, book: &Book) {
        match (change, receipt) {
            (Change::RetryNow { delivery, with, .. }, Receipt::Due(_)) => {
                for id in std::iter::once(delivery).chain(with) {
                    self.due.swap_remove(id);
                }
            }
            (Change::ChangeEndpoint(update), _) if update.due.is_some() => {
                let lanes = book.lanes_of(update.endpoint);
                for id in lanes.flat_map(|(_, lane)| lane.pending.values()) {
                    self.due.swap_remove(id);
                }
            }
            _ => (),
        }
    }

    /// What is told of an attempt is what is recorded of it.
    fn told(&self, fact: &Fact) -> Result<(), String> {
        let (of, same) = match *fact {
            Fact::AttemptEnded {
                of,
                number,
                duration_ms,
                ..
            } => {
                let known = self.recorded.get(&of.delivery);
                let same = known.is_none_or(|it| (it.0, it.1) == (number, duration_ms));
                (of, same)
            }
            Fact::RetryScheduled { of, due } => {
                let known = self.recorded.get(&of.delivery);
                let same = known.is_none_or(|it| it.2 == DeliveryState::Retrying { due });
                (of, same)
            }
            _ => return Ok(()),
        };
        if same {
            return Ok(());
        }
        let id = of.delivery;
        Err(format!(
            "of {id} something else is told than recorded: {fact:?}"
        ))
    }

    fn sent(&mut self, id: DeliveryId, number: u32, at: Now, book: &Book) -> Result<(), String> {
        let (life, before) = self.last.insert(id, (book.life, number)).unwrap_or((0, 0));
        let next = if life == book.life {
            before + 1..=before + 1
        } else {
            before.max(1)..=before + 1
        };
        if !next.contains(&number) {
            return Err(format!("{id} is sent with number {number} after {before}"));
        }
        match self.due.swap_remove(&id) {
            Some(due) if at.mono.0 + book.slack_ms() < due.0 => {
                let early = due.0 - at.mono.0;
                Err(format!("attempt {number} of {id} leaves {early} ms early"))
            }
            _ => Ok(()),
        }
    }

    fn recorded(
        &mut self,
        end: &Attempted,
        recording: &Recording,
        book: &Book,
    ) -> Result<(), String> {
        let id = end.delivery;
        if book.is_exact() {
            timed(end, recording)?;
            let known = (end.attempt.number, end.attempt.duration_ms, end.state);
            self.recorded.insert(id, known);
        }
        let DeliveryState::Retrying { due } = end.state else {
            return Ok(());
        };
        if book.is_unsure_of(end.lane.endpoint, recording.at_ms) {
            return Ok(());
        }
        let number = end.attempt.number;
        let policy = &recording.spec.retry;
        let asked = match recording.verdict {
            Verdict::Failed { asked } => asked,
            _ => None,
        };
        let wait = due.0.saturating_sub(recording.at.wall.0);
        let (least, most) = waits::bounds(policy, number, asked);
        let fits = u64::from(number) <= waits::retries(policy)
            && wait >= least
            && wait <= most.saturating_add(book.slack_ms());
        if !fits {
            return Err(format!(
                "attempt {number} of {id} is followed after {wait} ms, not {least} to {most}, \
                 by a policy of {} retries",
                waits::retries(policy)
            ));
        }
        let Wall(now) = recording.at.wall;
        let due = recording
            .at
            .mono
            .0
            .saturating_add(due.0.saturating_sub(now));
        self.due.insert(id, Mono(due));
        Ok(())
    }
}

/// It began when it was sent, and took as long as the engine's clock says.
fn timed(end: &Attempted, recording: &Recording) -> Result<(), String> {
    let attempt = &end.attempt;
    let (sent, heard) = (recording.wire.at, recording.at);
    let took = heard.mono.0.saturating_sub(sent.mono.0);
    if attempt.started_at == sent.wall && attempt.duration_ms == took {
        return Ok(());
    }
    Err(format!(
        "attempt {} of {} took {took} ms from {} on, and is recorded with {} from {}",
        attempt.number, end.delivery, sent.wall.0, attempt.duration_ms, attempt.started_at.0
    ))
}
