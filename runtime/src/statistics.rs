//! What has come of an endpoint's deliveries, by the hour.

use hdrhistogram::Histogram;
#[cfg(feature = "sqlite")]
use hdrhistogram::serialization::{Deserializer, Serializer, V2Serializer};
use postrider_engine::{Attempt, DeliveryState, Outcome, Wall};
use std::time::Duration;

/// Milliseconds of an hour.
pub(crate) const MS_PER_HOUR: u64 = 3_600_000;

/// Longer durations count as this one: an hour.
const LONGEST_MS: u64 = MS_PER_HOUR;

/// An hour of one endpoint. Deliveries count in the hour in which they were accepted, and again in
/// the one in which they ended; attempts in the one in which they ended.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Hour {
    /// When it begins.
    pub start: Wall,
    /// Deliveries that were accepted, resends included.
    pub accepted: u64,
    /// Deliveries that were delivered.
    pub delivered: u64,
    /// Deliveries that failed.
    pub failed: u64,
    /// Pending deliveries that were discarded.
    pub discarded: u64,
    /// Attempts that ended.
    pub attempts: u64,
    /// Of these, those that were not answered with 2xx.
    pub attempts_failed: u64,
    /// How long the attempts took.
    pub latency: Latency,
}

impl Hour {
    /// An hour in which nothing has happened yet.
    #[must_use]
    pub fn new(start: Wall) -> Self {
        Self {
            start,
            accepted: 0,
            delivered: 0,
            failed: 0,
            discarded: 0,
            attempts: 0,
            attempts_failed: 0,
            latency: Latency::default(),
        }
    }

    /// The part of the attempts that succeeded, from 0 to 1; `None` without attempts.
    #[must_use]
    #[allow(clippy::cast_precision_loss)] // counts of attempts are far below 2^52
    pub fn success_rate(&self) -> Option<f64> {
        let succeeded = self.attempts.saturating_sub(self.attempts_failed);
        (self.attempts > 0).then(|| succeeded as f64 / self.attempts as f64)
    }

    /// Adds another hour to it, to look at a longer time.
    pub fn add(&mut self, other: &Self) {
        self.start = self.start.min(other.start);
        self.accepted += other.accepted;
        self.delivered += other.delivered;
        self.failed += other.failed;
        self.discarded += other.discarded;
        self.attempts += other.attempts;
        self.attempts_failed += other.attempts_failed;
        self.latency.add(&other.latency);
    }

    /// An attempt has ended.
    pub(crate) fn attempted(&mut self, attempt: &Attempt) {
        self.attempts += 1;
        let succeeded = match &attempt.outcome {
            Outcome::Response(response) => (200..300).contains(&response.status),
            Outcome::Failure(_) => false,
        };
        self.attempts_failed += u64::from(!succeeded);
        self.latency.record(attempt.duration_ms);
    }

    /// A pending delivery has ended.
    pub(crate) fn ended(&mut self, state: DeliveryState) {
        match state {
            DeliveryState::Delivered => self.delivered += 1,
            DeliveryState::Failed(_) => self.failed += 1,
            _ => self.discarded += 1,
        }
    }
}

/// How long attempts took: a histogram from 1 ms to an hour, within 1 %.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Latency(Option<Histogram<u32>>);

impl Latency {
    /// The duration that this part of the attempts, from 0 to 1, did not take longer than; `None`
    /// without attempts.
    #[must_use]
    pub fn percentile(&self, part: f64) -> Option<Duration> {
        let durations = self.0.as_ref().filter(|durations| !durations.is_empty())?;
        let ms = durations.value_at_quantile(part);
        Some(Duration::from_millis(ms))
    }

    fn record(&mut self, ms: u64) {
        if let Some(durations) = self.counted() {
            durations.saturating_record(ms);
        }
    }

    fn add(&mut self, other: &Self) {
        if let (Some(durations), Some(more)) = (self.counted(), &other.0) {
            // Both have the same bounds: whatever one holds fits into the other.
            let _ = durations.add(more);
        }
    }

    fn counted(&mut self) -> Option<&mut Histogram<u32>> {
        if self.0.is_none() {
            // These bounds are valid: there is always a histogram.
            self.0 = Histogram::new_with_bounds(1, LONGEST_MS, 2).ok();
        }
        self.0.as_mut()
    }

    /// As it is stored: HdrHistogram's own form, version 2; nothing for no attempts.
    #[cfg(feature = "sqlite")]
    pub(crate) fn to_bytes(&self, serializer: &mut V2Serializer) -> Vec<u8> {
        let mut bytes = Vec::new();
        if let Some(durations) = self.0.as_ref().filter(|durations| !durations.is_empty()) {
            // A vector takes whatever is written to it.
            let _ = serializer.serialize(durations, &mut bytes);
        }
        bytes
    }

    /// Adds what [`Latency::to_bytes`] gave.
    #[cfg(feature = "sqlite")]
    pub(crate) fn add_bytes(&mut self, mut bytes: &[u8]) -> Result<(), String> {
        if bytes.is_empty() {
            return Ok(());
        }
        let read = Deserializer::new().deserialize(&mut bytes);
        let more: Histogram<u32> = read.map_err(|error| error.to_string())?;
        let durations = self.counted().ok_or("no histogram")?;
        durations.add(more).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(durations: impl IntoIterator<Item = u64>) -> Latency {
        let mut latency = Latency::default();
        for ms in durations {
            latency.record(ms);
        }
        latency
    }

    #[test]
    fn percentiles_are_right_within_a_percent() {
        let latency = taken(1..=1_000);
        for (part, ms) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1_000.0)] {
            let found = latency.percentile(part).unwrap().as_secs_f64() * 1e3;
            assert!((found / ms - 1.0).abs() <= 0.01, "{part}: {found}");
        }
        assert_eq!(Latency::default().percentile(0.5), None);
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn a_histogram_is_read_back_as_it_was_written() {
        let latency = taken([0, 1, 20, 20, 30_000, u64::MAX]);
        let mut read = Latency::default();
        let bytes = latency.to_bytes(&mut V2Serializer::new());
        read.add_bytes(&bytes).unwrap();
        assert_eq!(read, latency);
        assert!(read.add_bytes(b"something else").is_err());
    }

    #[test]
    fn hours_add_up_to_a_longer_time() {
        let mut sum = Hour::new(Wall(2 * MS_PER_HOUR));
        sum.attempts = 3;
        let mut other = Hour::new(Wall(MS_PER_HOUR));
        other.attempts = 1;
        other.attempts_failed = 1;
        other.latency = taken([7]);
        sum.add(&other);
        assert_eq!(sum.start, Wall(MS_PER_HOUR));
        assert_eq!(sum.success_rate(), Some(0.75));
        assert_eq!(sum.latency.percentile(1.0), Some(Duration::from_millis(7)));
    }
}
