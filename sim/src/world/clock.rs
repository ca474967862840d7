//! The sender's two clocks, made from true time.

use postrider_engine::{Mono, Now, Wall};

/// 2025-01-01T00:00:00Z: where true time begins on a right calendar.
pub const EPOCH: Wall = Wall(1_735_689_600_000);

/// Two clocks that can be wrong in two ways: the monotonic one in its pace, the calendar by jumps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clocks {
    permille: u64,
    /// When this life of the sender began, in true time.
    start_ms: u64,
    /// What the monotonic clock showed then.
    start: Mono,
    skew_ms: i64,
}

impl Clocks {
    pub(super) fn new(permille: u64) -> Self {
        Self {
            permille: permille.clamp(500, 2_000),
            start_ms: 0,
            start: Mono(0),
            skew_ms: 0,
        }
    }

    /// The machine starts: its monotonic clock begins anew, its calendar does not.
    pub(super) fn restart(&mut self, at_ms: u64, start: Mono) {
        self.start_ms = at_ms;
        self.start = start;
    }

    pub(super) fn jump(&mut self, by_ms: i64) {
        self.skew_ms = self.skew_ms.saturating_add(by_ms);
    }

    pub(super) fn now(&self, at_ms: u64) -> Now {
        let passed = at_ms.saturating_sub(self.start_ms);
        Now {
            mono: Mono(self.start.0 + passed * self.permille / 1_000),
            wall: Wall((EPOCH.0 + at_ms).saturating_add_signed(self.skew_ms)),
        }
    }

    /// The first moment of true time at which the monotonic clock shows `at` or more.
    pub(super) fn when(&self, at: Mono) -> u64 {
        let left = at.0.saturating_sub(self.start.0);
        let passed = u128::from(left) * 1_000;
        let passed = passed.div_ceil(u128::from(self.permille));
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        self.start_ms.saturating_add(passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_rings_at_the_first_moment_that_shows_its_time() {
        for permille in [990, 1_000, 1_007] {
            let mut clocks = Clocks::new(permille);
            clocks.restart(5_000, Mono(77));
            for at in [77, 78, 500, 12_345] {
                let when = clocks.when(Mono(at));
                assert!(clocks.now(when).mono >= Mono(at));
                assert!(when == 5_000 || clocks.now(when - 1).mono < Mono(at));
            }
        }
    }

    #[test]
    fn a_jump_of_the_calendar_leaves_the_other_clock_alone() {
        let mut clocks = Clocks::new(1_000);
        let before = clocks.now(10);
        clocks.jump(-3_600_000);
        let after = clocks.now(10);
        assert_eq!(before.mono, after.mono);
        assert_eq!(before.wall.0 - after.wall.0, 3_600_000);
    }
}
