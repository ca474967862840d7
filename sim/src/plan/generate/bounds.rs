//! The bounds of the engine and its store.

use super::{MINUTE, Swarm, index};
use crate::plan::Bounds;

impl Swarm {
    pub(super) fn bounds(&mut self) -> Bounds {
        let mut bounds = self.usual();
        if self.is_world() {
            self.tighten(&mut bounds);
        }
        bounds
    }

    fn usual(&mut self) -> Bounds {
        let rolls = &mut self.rolls;
        if rolls.percent(35) {
            return Bounds::default();
        }
        let attempts_max = index(rolls.between(16, 200));
        let window_bytes_endpoint_max = index(rolls.between(300, 8_000));
        Bounds {
            attempts_max,
            attempts_failing_max: index(rolls.between(2, attempts_max as u64 / 2)),
            window_deliveries_max: index(rolls.between(1, 16)),
            window_bytes_endpoint_max,
            window_bytes_max: window_bytes_endpoint_max * index(rolls.between(1, 6)),
            pending_deliveries_max: if rolls.percent(30) {
                rolls.between(20, 200)
            } else {
                1_000_000
            },
            commits_in_flight_max: index(rolls.between(20, 2_000)),
            ..Bounds::default()
        }
    }

    /// In some runs one bound or another is reached often. Drawn apart from all the rest: the
    /// other runs know nothing of it.
    fn tighten(&self, bounds: &mut Bounds) {
        let rolls = |purpose| {
            let mut rolls = self.chance.of(purpose, 0, 0);
            rolls.percent(12).then_some(rolls)
        };
        if let Some(mut rolls) = rolls("pending bytes") {
            bounds.pending_bytes_max = rolls.between(1_000, 20_000);
        }
        if let Some(mut rolls) = rolls("commit bytes") {
            bounds.commit_bytes_max = index(rolls.between(50, 2_000));
        }
        if let Some(mut rolls) = rolls("stored deliveries") {
            bounds.store.deliveries_max = index(rolls.between(10, 200));
        }
        if let Some(mut rolls) = rolls("stored bytes") {
            bounds.store.payload_bytes_max = index(rolls.between(1_000, 30_000));
        }
        if let Some(mut rolls) = rolls("records") {
            bounds.store.ended_max = index(rolls.up_to(200));
        }
        if let Some(mut rolls) = rolls("endpoints") {
            // Who finds no room tries again, twice a second.
            let too_few = u64::from(self.span_ms <= 15 * MINUTE);
            let few = rolls.up_to(too_few.min(self.endpoints as u64 - 1));
            bounds.endpoints_max = self.endpoints - index(few);
        }
    }
}
