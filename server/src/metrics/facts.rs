//! Counters, fed by facts as they happen.
//!
//! A fact costs an atomic addition, and an attempt a histogram beside it: all labels are there from
//! the start, so nothing is looked up and nothing is allocated.

use super::{Registrar, table};
use postrider::{AttemptResult, Fact, FailReason, FailureKind};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use std::time::Duration;

/// Upper bounds of the buckets for attempts, in seconds: up to the longest timeout there is.
const ATTEMPT_BUCKETS: [f64; 13] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 600.0,
];

/// The same for commits: a disk that syncs.
const COMMIT_BUCKETS: [f64; 11] = [
    0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5,
];

/// How an attempt ended, as a label.
const OUTCOMES: [&str; 15] = [
    "2xx",
    "3xx",
    "4xx",
    "5xx",
    "other",
    "dns",
    "blocked_address",
    "connect",
    "tls",
    "timeout",
    "reset",
    "malformed",
    "too_large",
    "internal",
    "local",
];

/// How a delivery ended, as labels.
const ENDS: [(&str, &str); 7] = [
    ("delivered", "none"),
    ("failed", "rejected"),
    ("failed", "gone"),
    ("failed", "redirected"),
    ("failed", "exhausted"),
    ("failed", "queue_full"),
    ("discarded", "none"),
];

/// The place among [`ENDS`] of what is discarded.
const DISCARDED: usize = ENDS.len() - 1;

pub(super) struct Counters {
    events: Counter,
    unsubscribed: Counter,
    deliveries: Counter,
    /// Endpoints that a filter did not decide on: unreadable, too costly.
    undecided: [Counter; 2],
    retries: Counter,
    /// In the order of [`OUTCOMES`].
    attempts: [Counter; OUTCOMES.len()],
    /// In the order of [`ENDS`].
    ended: [Counter; ENDS.len()],
    attempt_duration: Histogram,
    put_back: Counter,
    commit_duration: Histogram,
}

impl Counters {
    pub(super) fn new(registrar: &mut Registrar) -> Self {
        let attempts: Family<[(&str, &str); 1], Counter> = Family::default();
        let ended: Family<[(&str, &str); 2], Counter> = Family::default();
        let undecided: Family<[(&str, &str); 1], Counter> = Family::default();
        let counters = Self {
            events: registrar.add(&table::EVENTS, Counter::default()),
            unsubscribed: registrar.add(&table::UNSUBSCRIBED, Counter::default()),
            deliveries: registrar.add(&table::DELIVERIES, Counter::default()),
            attempts: OUTCOMES.map(|name| attempts.get_or_create_owned(&[("outcome", name)])),
            attempt_duration: registrar
                .add(&table::ATTEMPT_DURATION, Histogram::new(ATTEMPT_BUCKETS)),
            undecided: ["unreadable", "too_costly"]
                .map(|reason| undecided.get_or_create_owned(&[("reason", reason)])),
            retries: registrar.add(&table::RETRIES, Counter::default()),
            ended: ENDS.map(|(state, reason)| {
                ended.get_or_create_owned(&[("state", state), ("reason", reason)])
            }),
            put_back: registrar.add(&table::PUT_BACK, Counter::default()),
            commit_duration: registrar.add(&table::COMMIT_DURATION, Histogram::new(COMMIT_BUCKETS)),
        };
        registrar.add(&table::ATTEMPTS, attempts);
        registrar.add(&table::UNDECIDED, undecided);
        registrar.add(&table::ENDED, ended);
        counters
    }

    /// Counts a fact.
    pub(super) fn count(&self, fact: &Fact) {
        match *fact {
            Fact::Accepted { deliveries, .. } => {
                self.events.inc();
                self.unsubscribed.inc_by(u64::from(deliveries == 0));
                self.deliveries.inc_by(deliveries.into());
            }
            Fact::FiltersUndecided { undecided, .. } => {
                self.undecided[0].inc_by(undecided.unreadable.into());
                self.undecided[1].inc_by(undecided.too_costly.into());
            }
            Fact::AttemptEnded {
                result,
                duration_ms,
                ..
            } => {
                self.attempts[outcome(result)].inc();
                // Exact up to 285,000 years.
                self.attempt_duration.observe(duration_ms as f64 / 1e3);
            }
            Fact::RetryScheduled { .. } => {
                self.retries.inc();
            }
            Fact::Delivered { .. } => {
                self.ended[0].inc();
            }
            Fact::Failed { reason, .. } => {
                self.ended[1 + failure(reason)].inc();
            }
            Fact::Discarded { .. } => {
                self.ended[DISCARDED].inc();
            }
            Fact::EndpointDeleted { untold, .. } => {
                self.ended[DISCARDED].inc_by(untold);
            }
            Fact::Resent { .. } | Fact::Backfilled { .. } => {
                self.deliveries.inc();
            }
            Fact::AttemptPutBack { .. } => {
                self.put_back.inc();
            }
            Fact::AttemptStarted { .. }
            | Fact::EndpointChanged { .. }
            | Fact::EndpointDisabled { .. }
            | Fact::EndpointHeld { .. }
            | Fact::BreakerOpened { .. }
            | Fact::BreakerClosed { .. } => (),
        }
    }

    /// The store has answered a group of changes.
    pub(super) fn committed(&self, took: Duration) {
        self.commit_duration.observe(took.as_secs_f64());
    }
}

/// The place in [`OUTCOMES`].
fn outcome(result: AttemptResult) -> usize {
    match result {
        AttemptResult::Status(200..=299) => 0,
        AttemptResult::Status(300..=399) => 1,
        AttemptResult::Status(400..=499) => 2,
        AttemptResult::Status(500..=599) => 3,
        AttemptResult::Status(_) => 4,
        AttemptResult::Failure(FailureKind::Dns) => 5,
        AttemptResult::Failure(FailureKind::BlockedAddress) => 6,
        AttemptResult::Failure(FailureKind::Connect) => 7,
        AttemptResult::Failure(FailureKind::Tls) => 8,
        AttemptResult::Failure(FailureKind::Timeout(_)) => 9,
        AttemptResult::Failure(FailureKind::Reset) => 10,
        AttemptResult::Failure(FailureKind::Malformed) => 11,
        AttemptResult::Failure(FailureKind::TooLarge) => 12,
        AttemptResult::Failure(FailureKind::Internal) => 13,
        AttemptResult::Failure(FailureKind::Local) => 14,
    }
}

/// The place among the failures of [`ENDS`].
fn failure(reason: FailReason) -> usize {
    match reason {
        FailReason::Rejected => 0,
        FailReason::Gone => 1,
        FailReason::Redirected => 2,
        FailReason::Exhausted => 3,
        FailReason::QueueFull => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_is_counted_under_its_own_name() {
        for kind in FailureKind::ALL {
            let label = OUTCOMES[outcome(AttemptResult::Failure(kind))];
            assert!(kind.name().starts_with(label), "{kind} as {label}");
        }
        for (status, label) in [(204, "2xx"), (301, "3xx"), (499, "4xx"), (503, "5xx")] {
            assert_eq!(OUTCOMES[outcome(AttemptResult::Status(status))], label);
        }
        assert_eq!(OUTCOMES[outcome(AttemptResult::Status(600))], "other");
        for reason in FailReason::ALL {
            assert_eq!(ENDS[1 + failure(reason)], ("failed", reason.name()));
        }
    }
}
