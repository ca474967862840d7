//! The rate limit of an endpoint: a token bucket in whole numbers.

use crate::time::{Mono, millis};
use std::time::Duration;

/// At most `requests` per `per` on average, and `burst` at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests per `per`, at least 1.
    pub requests: u32,
    /// The time in which they are counted: 1 ms to a day. Usually a second.
    pub per: Duration,
    /// Requests that may go out at once after a pause, at least 1.
    pub burst: u32,
}

impl RateLimit {
    /// `requests` per second, with bursts of as many.
    #[must_use]
    pub fn per_second(requests: u32) -> Self {
        Self {
            requests,
            per: Duration::from_secs(1),
            burst: requests,
        }
    }
}

/// A bucket's level is counted in request-milliseconds: each passing millisecond adds `requests`,
/// each request takes the milliseconds of `per`. No fraction is ever lost.
#[derive(Debug)]
pub(crate) struct Bucket {
    level: u64,
    filled: Mono,
}

impl Bucket {
    pub(crate) fn full(limit: &RateLimit, now: Mono) -> Self {
        Self {
            level: capacity(limit),
            filled: now,
        }
    }

    /// When the next request may go: `Ok` now, or not before the time given.
    pub(crate) fn ready(&mut self, limit: &RateLimit, now: Mono) -> Result<(), Mono> {
        let passed = now.0.saturating_sub(self.filled.0);
        let added = passed.saturating_mul(u64::from(limit.requests));
        self.level = self.level.saturating_add(added).min(capacity(limit));
        self.filled = self.filled.max(now);
        let missing = cost(limit).saturating_sub(self.level);
        if missing == 0 {
            return Ok(());
        }
        let wait = missing.div_ceil(u64::from(limit.requests.max(1)));
        Err(Mono(now.0.saturating_add(wait)))
    }

    /// When the next request may go, if not at `now`.
    pub(crate) fn next(&self, limit: &RateLimit, now: Mono) -> Option<Mono> {
        let mut then = Self {
            level: self.level,
            filled: self.filled,
        };
        then.ready(limit, now).err()
    }

    /// Takes what one request costs.
    pub(crate) fn take(&mut self, limit: &RateLimit) {
        self.level = self.level.saturating_sub(cost(limit));
    }
}

fn cost(limit: &RateLimit) -> u64 {
    millis(limit.per).max(1)
}

fn capacity(limit: &RateLimit) -> u64 {
    cost(limit).saturating_mul(u64::from(limit.burst.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_at_once_and_the_rest_at_the_rate() {
        let limit = RateLimit {
            requests: 3,
            per: Duration::from_secs(1),
            burst: 2,
        };
        let mut bucket = Bucket::full(&limit, Mono(0));
        let mut now = Mono(0);
        let mut sent = Vec::new();
        while sent.len() < 8 {
            match bucket.ready(&limit, now) {
                Ok(()) => {
                    bucket.take(&limit);
                    sent.push(now.0);
                }
                Err(at) => now = at,
            }
        }
        assert_eq!(sent, [0, 0, 334, 667, 1000, 1334, 1667, 2000]);
    }

    #[test]
    fn a_long_pause_fills_no_more_than_the_burst() {
        let limit = RateLimit::per_second(1);
        let mut bucket = Bucket::full(&limit, Mono(0));
        assert_eq!(bucket.ready(&limit, Mono(u64::MAX)), Ok(()));
        bucket.take(&limit);
        assert!(bucket.ready(&limit, Mono(u64::MAX)).is_err());
    }
}
