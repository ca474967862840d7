//! I13: attempts and their times are what the policy says.
//!
//! Numbers count up by one; a number is sent again only by another life of the sender. A retry is
//! recorded only while the policy has attempts left, it is due within the bounds of the policy's
//! jitter or when the receiver asks for it, within its clamp, and it does not leave before. What
//! was due is judged by the monotonic clock from the outcome on, and after a restart by the
//! calendar that the fresh process reads, but never for longer than the policy's longest wait.
//! Under turmoil what ends beside a change of its endpoint, or a jump of the calendar, is not judged:
//! which came first is not to be seen there.

use super::Checker;
use crate::book::{Book, Recording};
use crate::by_id::ById;
use crate::trace::{Line, What};
use crate::verdict::Verdict;
use crate::waits;
use postrider_engine::{Attempted, Change, DeliveryId, DeliveryState, Mono, Now, Wall};

#[derive(Default)]
pub(super) struct Attempts {
    /// The life and the number of the last request of each delivery.
    last: ById<DeliveryId, (u32, u32)>,
    /// No retry leaves before this, in this life.
    due: ById<DeliveryId, Mono>,
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
            What::Durable {
                change: Change::Attempted(end),
                ..
            } => match book.recording.get(&end.delivery) {
                Some(recording) => self.recorded(end, recording, book),
                // That nothing is recorded of itself is the oracle's.
                None => Ok(()),
            },
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
