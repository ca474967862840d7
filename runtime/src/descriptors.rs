//! Descriptors: how many this process may have, and what they are for.
//!
//! A request under way takes one, a connection kept for the next request, a connection of a client,
//! and the store a few. When there are none, nothing is lost: requests are put back and the store
//! waits. But it is better to stay below, so whoever starts a process with few of them makes the
//! bounds smaller with a [`Budget`].

use postrider_engine::Limits;
use std::io;

/// For the store, the log, the runtime, and look-ups of names: never given to anything else.
const RESERVED: u64 = 64;

/// What the descriptors of a process are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// How many the process may have.
    pub descriptors: u64,
    /// Requests under way at the same time: three eighths of what is not reserved.
    pub attempts_max: usize,
    /// Connections kept for the next request: one eighth.
    pub idle_max: usize,
    /// Connections of clients: three eighths.
    pub connections_max: usize,
}

impl Budget {
    /// That of so many descriptors.
    #[must_use]
    pub fn of(descriptors: u64) -> Self {
        let free = descriptors.saturating_sub(RESERVED).max(8);
        let eighths = |parts: u64| usize::try_from(free / 8 * parts).unwrap_or(usize::MAX);
        Self {
            descriptors,
            attempts_max: eighths(3),
            idle_max: eighths(1),
            connections_max: eighths(3),
        }
    }

    /// That of this process.
    #[must_use]
    pub fn of_process() -> Self {
        Self::of(allowed())
    }

    /// Makes the bounds smaller where they are beyond this budget.
    #[must_use]
    pub fn bound(&self, limits: Limits) -> Limits {
        let attempts_max = limits.attempts_max.min(self.attempts_max);
        let failing = limits.attempts_failing_max;
        Limits {
            attempts_max,
            attempts_failing_max: failing.min(attempts_max.div_ceil(2)),
            ..limits
        }
    }
}

/// How many descriptors this process may have.
#[must_use]
pub fn allowed() -> u64 {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit};
        getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
    }
    #[cfg(not(unix))]
    u64::MAX
}

/// Lets this process have as many as it may without anybody's permission: the soft limit becomes the
/// hard one. For programs; a library leaves that to them. Gives how many it may have now.
///
/// # Errors
///
/// If the system refuses.
pub fn raise() -> io::Result<u64> {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit, setrlimit};
        let mut limit = getrlimit(Resource::Nofile);
        if limit.current != limit.maximum {
            limit.current = limit.maximum;
            setrlimit(Resource::Nofile, limit)?;
        }
    }
    Ok(allowed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_away_leaves_the_reserve() {
        for descriptors in [256, 1_024, 65_536] {
            let budget = Budget::of(descriptors);
            let given = budget.attempts_max + budget.idle_max + budget.connections_max;
            let left = descriptors - given as u64;
            assert!(left >= RESERVED, "{budget:?}");
            assert!(given as u64 >= descriptors / 2, "{budget:?}");
        }
        let least = Budget::of(10);
        assert!(
            least.attempts_max > 0 && least.connections_max > 0,
            "{least:?}"
        );
    }

    #[test]
    fn a_budget_makes_bounds_smaller_and_never_larger() {
        let limits = Budget::of(1_024).bound(Limits::default());
        assert_eq!(
            (limits.attempts_max, limits.attempts_failing_max),
            (360, 180)
        );
        assert_eq!(
            Budget::of(1 << 20).bound(Limits::default()),
            Limits::default()
        );
    }
}
