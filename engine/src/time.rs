//! The two clocks the engine is given. It has none of its own.

use std::fmt;
use std::time::Duration;

/// A reading of a clock that never goes back: milliseconds since an arbitrary start.
///
/// Timeouts, delays and rates are judged by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(pub u64);

/// A reading of the calendar: milliseconds since 1970-01-01T00:00:00Z (Unix time).
///
/// Signatures, ids and whatever must survive a restart are stamped with it. It may jump.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wall(pub u64);

/// Both clocks, read at the same moment. The host injects it with every input, and a test can
/// skew one against the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// The clock that never goes back.
    pub mono: Mono,
    /// The calendar.
    pub wall: Wall,
}

impl Mono {
    /// This moment moved later by `duration`; stops at the end of time instead of wrapping.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// How long ago `earlier` was; zero if it is still to come.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Wall {
    /// This moment moved later by `duration`; stops at the end of time instead of wrapping.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// How long ago `earlier` was; zero if it is still to come.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// Unix time in whole seconds, as signatures carry it.
    #[must_use]
    pub fn unix_seconds(self) -> u64 {
        self.0 / 1000
    }
}

impl fmt::Display for Mono {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}s", self.0 / 1000, self.0 % 1000)
    }
}

/// `duration` in whole milliseconds, at most `u64::MAX`.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
