//! `/v1/stats`: what has come of the deliveries of a tenant, or of all of them.

use super::Api;
use super::caller::{Caller, Read};
use super::extract::Query;
use super::problem::Problem;
use super::reach::Reach;
use super::stats::{HourView, check_hours, last_hours, percentile};
use super::time::Time;
use axum::extract::State;
use postrider::{Hour, Overview};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Of whom, and for how long.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TenantStatsQuery {
    /// The last so many hours: 1 to 2,208.
    #[param(minimum = 1, maximum = 2208, default = 24)]
    hours: Option<u64>,
    /// Of this tenant, by name or id; `*` for all of them, with a key for all tenants.
    tenant: Option<String>,
}

/// What there is now, and the last hours.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TenantStats {
    /// Deliveries that were accepted in the time asked for, resends included.
    accepted: u64,
    /// Deliveries that were delivered in that time.
    delivered: u64,
    /// Deliveries that failed in that time.
    failed: u64,
    /// Pending deliveries that were given up in that time.
    discarded: u64,
    /// Deliveries that have not ended by now.
    pending: u64,
    /// Dead letters by now.
    dead_letters: u64,
    /// Endpoints by now.
    endpoints: u64,
    /// When the oldest delivery that has not ended was accepted.
    oldest_pending_at: Option<Time>,
    /// The part of the attempts in the time asked for that succeeded, 0 to 1.
    success_rate: Option<f64>,
    /// How long half of the attempts in that time took at most, in milliseconds.
    latency_p50_ms: Option<u64>,
    /// How long 95 of 100 took at most.
    latency_p95_ms: Option<u64>,
    /// How long 99 of 100 took at most.
    latency_p99_ms: Option<u64>,
    /// When the first of the hours begins that are told: later than was asked for, where very many
    /// endpoints had something to do.
    since: Time,
    /// The hours in which something happened, oldest first.
    hours: Vec<HourView>,
}

#[utoipa::path(
    get, path = "/v1/stats", tag = "Operation", params(TenantStatsQuery),
    summary = "Count what has come of all deliveries",
    responses((status = OK, description = "What there is now, and the last hours.", body = TenantStats))
)]
pub(crate) async fn stats(
    State(api): State<Api>,
    caller: Caller<Read>,
    Query(query): Query<TenantStatsQuery>,
) -> Result<axum::Json<TenantStats>, Problem> {
    let reach = Reach::of(&api, &caller, query.tenant.as_deref())?;
    let hours = check_hours(query.hours)?;
    let (from, until) = last_hours(&api, hours);
    let overview = api
        .postrider()
        .overview(reach.tenant(), from, until)
        .await?;
    Ok(axum::Json(TenantStats::of(&overview)))
}

impl TenantStats {
    fn of(overview: &Overview) -> Self {
        let mut total = Hour::new(overview.since);
        for hour in &overview.hours {
            total.add(hour);
        }
        Self {
            accepted: total.accepted,
            delivered: total.delivered,
            failed: total.failed,
            discarded: total.discarded,
            pending: overview.now.pending,
            dead_letters: overview.now.dead_letters,
            endpoints: overview.now.endpoints,
            oldest_pending_at: overview.oldest_pending.map(Time),
            success_rate: total.success_rate(),
            latency_p50_ms: percentile(&total, 0.5),
            latency_p95_ms: percentile(&total, 0.95),
            latency_p99_ms: percentile(&total, 0.99),
            since: overview.since.into(),
            hours: overview.hours.iter().map(HourView::of).collect(),
        }
    }
}
