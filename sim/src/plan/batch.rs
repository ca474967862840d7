//! Endpoints whose events go together.

use super::{Act, Plan, Tier};
use crate::chance::{Chance, Rolls};
use postrider_engine::BatchPolicy;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A batch policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// A request leaves when so many wait, 2 to 100 …
    pub events_max: u32,
    /// … or the first of them has waited for so long, at most 60,000.
    pub wait_ms: u64,
}

impl Batch {
    /// The engine's policy.
    #[must_use]
    pub fn policy(self) -> BatchPolicy {
        BatchPolicy {
            events_max: self.events_max,
            wait: Duration::from_millis(self.wait_ms),
        }
    }
}

impl Plan {
    /// Every endpoint's policy that there ever is.
    pub(crate) fn batches(&self) -> impl Iterator<Item = Batch> {
        let changed = self.workload.iter().filter_map(|step| match &step.act {
            Act::Change(_, spec) => Some(&**spec),
            _ => None,
        });
        let all = self.endpoints.iter().chain(changed);
        all.filter_map(|endpoint| endpoint.batch)
    }

    /// A bound on what batches add to the time in which a healed world comes to rest: each of all
    /// events may wait once more.
    pub(super) fn batch_waits_ms(&self) -> u64 {
        let longest = self.batches().map(|batch| batch.wait_ms).max();
        longest.unwrap_or(0) * (self.workload.len() as u64 + 8)
    }

    /// Draws who batches. Apart from all the rest: the other runs know nothing of it.
    pub(super) fn draw_batches(&mut self, chance: Chance) {
        let mut rolls = chance.of("batches", 0, 0);
        if self.tier != Tier::World || !rolls.percent(35) {
            return;
        }
        let changed = self
            .workload
            .iter_mut()
            .filter_map(|step| match &mut step.act {
                Act::Change(_, spec) => Some(&mut **spec),
                _ => None,
            });
        for endpoint in self.endpoints.iter_mut().chain(changed) {
            if endpoint.fifo && !endpoint.stop_on_failed && rolls.percent(60) {
                endpoint.batch = Some(drawn(&mut rolls));
            }
        }
    }
}

fn drawn(rolls: &mut Rolls) -> Batch {
    let most = *rolls.pick(&[3, 8, 20, 100]).unwrap_or(&8);
    let longest = *rolls.pick(&[0, 50, 2_000, 60_000]).unwrap_or(&50);
    Batch {
        events_max: u32::try_from(rolls.between(2, most)).unwrap_or(2),
        wait_ms: rolls.up_to(longest),
    }
}
