//! Receivers that ask for time.

use super::{Act, Answer, Plan, Tier, Weighted};
use crate::chance::Chance;

/// The longest pause between two rounds after a hold, and so many of them, at most.
const PAUSE_MAX_MS: u64 = 80_000;
const PAUSES_MAX: u64 = 20;

impl Plan {
    /// Draws who takes one request at a time and says 429 to the others. Apart from all the rest: the
    /// other runs know nothing of it.
    pub(super) fn draw_one_every(&mut self, chance: Chance) {
        let longest_ms = match self.tier {
            Tier::World => 5_000,
            Tier::Turmoil => 400,
        };
        for (index, receiver) in self.receivers.iter_mut().enumerate() {
            let mut rolls = chance.of("one every", index as u64, 0);
            if rolls.percent(12) {
                let answer = Answer::OneEvery(rolls.between(100, longest_ms));
                receiver.answers.push(Weighted { answer, weight: 60 });
            }
        }
    }

    /// A bound on what holds add to the time in which a healed world comes to rest.
    pub(super) fn hold_waits_ms(&self) -> u64 {
        let changed = self.workload.iter().filter_map(|step| match &step.act {
            Act::Change(_, spec) => Some(&**spec),
            _ => None,
        });
        let all = self.endpoints.iter().chain(changed);
        let longest = all.map(|it| it.retry.retry_after_max_ms).max().unwrap_or(0);
        longest + PAUSES_MAX * longest.clamp(1_000, PAUSE_MAX_MS)
    }
}
