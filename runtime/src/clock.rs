//! The clocks of the host.

use postrider_engine::{Mono, Now, Wall};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// Where the engine's time comes from.
///
/// The monotonic clock is tokio's, so that a paused or simulated runtime is obeyed. The calendar
/// is this trait's only choice.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    fn wall(&self) -> Wall;
}

/// The system's calendar.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn wall(&self) -> Wall {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Wall(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

/// Turns tokio's instants into the engine's milliseconds and back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start(Instant);

impl Start {
    pub(crate) fn now() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn read(self, clock: &dyn Clock) -> Now {
        let passed = self.0.elapsed().as_millis();
        Now {
            mono: Mono(u64::try_from(passed).unwrap_or(u64::MAX)),
            wall: clock.wall(),
        }
    }

    /// The instant at which the engine's clock shows `at`.
    pub(crate) fn instant(self, at: Mono) -> Instant {
        // A time too far for an instant is as good as never.
        const NEVER: Duration = Duration::from_secs(100 * 365 * 86_400);
        let after = Duration::from_millis(at.0).min(NEVER);
        self.0 + after
    }
}
