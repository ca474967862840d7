//! How long commits took, by which percentiles are told: within a quarter of the true value.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Four for each doubling of a microsecond, up to half an hour.
const BUCKETS: usize = 128;

/// Counts of commits by how long they took. A commit costs one addition.
pub(super) struct CommitTimes([AtomicU64; BUCKETS]);

impl Default for CommitTimes {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; BUCKETS])
    }
}

impl CommitTimes {
    /// A commit took so long.
    pub(super) fn note(&self, took: Duration) {
        self.0[bucket(took)].fetch_add(1, Ordering::Relaxed);
    }

    /// The milliseconds that so many of 100 commits did not take longer than; `None` if there were
    /// none.
    pub(super) fn percentile_ms(&self, percent: u64) -> Option<f64> {
        let counts: Vec<u64> = self
            .0
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .collect();
        let total: u64 = counts.iter().sum();
        let rank = (total * percent).div_ceil(100).max(1);
        let mut seen = 0;
        let found = counts.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        found.map(|place| longest_us(place) as f64 / 1e3)
    }
}

/// The place of the bucket for this time.
fn bucket(took: Duration) -> usize {
    let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let place = match us {
        0..4 => us,
        _ => {
            let exponent = us.ilog2();
            u64::from(exponent - 1) * 4 + (us >> (exponent - 2)) % 4
        }
    };
    usize::try_from(place).map_or(BUCKETS - 1, |place| place.min(BUCKETS - 1))
}

/// The longest time that a bucket counts, in microseconds.
fn longest_us(place: usize) -> u64 {
    let place = place as u64;
    match place {
        0..4 => place,
        _ => ((5 + place % 4) << (place / 4 - 1)) - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_is_counted_where_it_belongs() {
        for us in (0..4_096).chain([1 << 20, (1 << 30) + 7]) {
            let place = bucket(Duration::from_micros(us));
            let longest = longest_us(place);
            assert!(longest >= us && longest <= us + us / 4, "{us}: {longest}");
            assert!(place == 0 || longest_us(place - 1) < us, "{us}");
        }
        assert_eq!(bucket(Duration::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_are_those_of_what_was_noted() {
        let times = CommitTimes::default();
        assert_eq!(times.percentile_ms(50), None);
        for _ in 0..98 {
            times.note(Duration::from_micros(900));
        }
        times.note(Duration::from_millis(40));
        times.note(Duration::from_millis(40));
        let half = times.percentile_ms(50).unwrap();
        assert!((0.9..1.2).contains(&half), "{half}");
        let most = times.percentile_ms(99).unwrap();
        assert!((40.0..50.1).contains(&most), "{most}");
    }
}
