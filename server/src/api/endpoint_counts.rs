//! What stands beside an endpoint when it is shown: its counts, and until when its secrets sign.

use super::Api;
use super::endpoint_form::EndpointView;
use super::names::SecretKindName;
use super::problem::Problem;
use super::stats::{last_hours, percentile};
use super::time::Time;
use postrider::signature::SecretKind;
use postrider::{Endpoint, EndpointCounts, EndpointId, Wall};
use serde::Serialize;
use utoipa::ToSchema;

/// The hours of a day.
const DAY: u64 = 24;

/// The account of an endpoint, and its last day.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct EndpointCountsView {
    /// Deliveries that have not ended.
    pending: u64,
    /// Deliveries that were delivered, ever.
    delivered: u64,
    /// Deliveries that failed, ever, and were not discarded since.
    failed: u64,
    /// Deliveries that were given up, ever.
    discarded: u64,
    /// Deliveries that failed and were neither resent nor discarded.
    dead_letters: u64,
    /// What happened in the last 24 hours.
    last_day: LastDay,
}

/// What happened in the last 24 hours.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct LastDay {
    /// Deliveries that were accepted, resends included.
    accepted: u64,
    /// Deliveries that were delivered.
    delivered: u64,
    /// Deliveries that failed.
    failed: u64,
    /// Attempts that ended.
    attempts: u64,
    /// Of these, those that were not answered with 2xx.
    attempts_failed: u64,
    /// How long 95 of 100 attempts took at most, in milliseconds.
    latency_p95_ms: Option<u64>,
}

impl EndpointCountsView {
    fn of(counts: &EndpointCounts) -> Self {
        let EndpointCounts { ledger, total, .. } = counts;
        Self {
            pending: ledger.pending,
            delivered: ledger.delivered,
            failed: ledger.failed,
            discarded: ledger.discarded,
            dead_letters: counts.dead_letters,
            last_day: LastDay {
                accepted: total.accepted,
                delivered: total.delivered,
                failed: total.failed,
                attempts: total.attempts,
                attempts_failed: total.attempts_failed,
                latency_p95_ms: percentile(total, 0.95),
            },
        }
    }
}

/// Reads the counts of these endpoints at once, and puts them beside what is shown of each. Both are
/// in the same order.
pub(crate) async fn count(
    api: &Api,
    endpoints: Vec<EndpointId>,
    views: &mut [EndpointView],
) -> Result<(), Problem> {
    if endpoints.is_empty() {
        return Ok(());
    }
    let (from, until) = last_hours(api, DAY);
    let found = api.postrider().endpoint_counts(endpoints, from, until);
    for (view, counts) in views.iter_mut().zip(&found.await?) {
        view.counts = Some(EndpointCountsView::of(counts));
    }
    Ok(())
}

/// A secret that signs, without its text.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct SecretState {
    /// `hmac` or `ed25519`.
    #[schema(value_type = SecretKindName)]
    kind: &'static str,
    /// Until when it signs beside the newer ones; `null` for the newest one.
    signs_until: Option<Time>,
}

/// The secrets of an endpoint that sign now, oldest first.
pub(crate) fn secrets(endpoint: &Endpoint, now: Wall) -> Vec<SecretState> {
    let all = endpoint.secrets.iter().rev();
    let live = all.filter(|it| it.expires_at.is_none_or(|at| at > now));
    let states = live.map(|it| SecretState {
        kind: match it.secret.kind() {
            SecretKind::Hmac => "hmac",
            SecretKind::Ed25519Signing | SecretKind::Ed25519Verifying => "ed25519",
        },
        signs_until: it.expires_at.map(Time),
    });
    states.collect()
}
