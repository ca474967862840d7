//! What has come of an endpoint's deliveries, and where its lanes stand.

use super::Api;
use super::caller::{Caller, Read};
use super::deliveries::DeliveryView;
use super::extract::{Id, Query};
use super::page::{self, Filling};
use super::problem::{Code, Problem};
use super::reach::Reach;
use super::time::Time;
use super::wait::{self, WaitView};
use axum::extract::State;
use postrider::Hour as HourRecord;
use postrider::engine::OrderingKey;
use postrider::{EndpointId, LaneRecord, WaitQuery, Wall};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};

/// Hours that are shown, if nothing is said.
const HOURS_DEFAULT: u64 = 24;

/// The most hours: a quarter of a year.
const HOURS_MAX: u64 = 24 * 92;

/// For how long.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StatsQuery {
    /// The last so many hours: 1 to 2,208.
    #[param(minimum = 1, maximum = 2208, default = 24)]
    hours: Option<u64>,
    /// Look among what this tenant has, by name or id; `*` for what all have, with a key for all tenants.
    tenant: Option<String>,
}

/// The account of an endpoint, and its last hours.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EndpointStats {
    /// The endpoint.
    endpoint_id: String,
    /// Deliveries that were ever accepted. Each is in exactly one of the next four.
    total: u64,
    /// Of these, not ended.
    pending: u64,
    /// Of these, delivered.
    delivered: u64,
    /// Of these, dead letters and those that were resent.
    failed: u64,
    /// Of these, given up by hand.
    discarded: u64,
    /// The part of the attempts in the time asked for that succeeded, 0 to 1.
    success_rate: Option<f64>,
    /// How long half of the attempts in that time took at most, in milliseconds.
    latency_p50_ms: Option<u64>,
    /// How long 95 of 100 took at most.
    latency_p95_ms: Option<u64>,
    /// How long 99 of 100 took at most.
    latency_p99_ms: Option<u64>,
    /// The hours in which something happened, oldest first.
    hours: Vec<HourView>,
}

/// An hour of an endpoint.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HourView {
    /// When it begins.
    start: Time,
    /// Deliveries that were accepted, resends included.
    accepted: u64,
    /// Deliveries that were delivered.
    delivered: u64,
    /// Deliveries that failed.
    failed: u64,
    /// Pending deliveries that were given up.
    discarded: u64,
    /// Attempts that ended.
    attempts: u64,
    /// Of these, those that were not answered with 2xx.
    attempts_failed: u64,
    /// How long 95 of 100 attempts took at most, in milliseconds.
    latency_p95_ms: Option<u64>,
}

pub(super) fn percentile(hour: &HourRecord, part: f64) -> Option<u64> {
    let duration = hour.latency.percentile(part)?;
    u64::try_from(duration.as_millis()).ok()
}

impl HourView {
    pub(super) fn of(hour: &HourRecord) -> Self {
        Self {
            start: hour.start.into(),
            accepted: hour.accepted,
            delivered: hour.delivered,
            failed: hour.failed,
            discarded: hour.discarded,
            attempts: hour.attempts,
            attempts_failed: hour.attempts_failed,
            latency_p95_ms: percentile(hour, 0.95),
        }
    }
}

/// How many hours are asked for.
pub(super) fn check_hours(asked: Option<u64>) -> Result<u64, Problem> {
    let hours = asked.unwrap_or(HOURS_DEFAULT);
    if (1..=HOURS_MAX).contains(&hours) {
        return Ok(hours);
    }
    let detail = format!("hours: use 1 to {HOURS_MAX}");
    Err(Problem::new(Code::InvalidQuery, detail))
}

/// The time of the last so many hours, this one included.
pub(super) fn last_hours(api: &Api, hours: u64) -> (Wall, Wall) {
    let now = api.now();
    let from = Wall(now.0.saturating_sub(hours * 3_600_000));
    (from, now.after(Duration::from_millis(1)))
}

#[utoipa::path(
    get, path = "/v1/endpoints/{id}/stats", tag = "Endpoints",
    params(("id" = String, Path), StatsQuery), summary = "Count what has come of its deliveries",
    responses((status = OK, description = "The account and the last hours.", body = EndpointStats))
)]
pub(crate) async fn stats(
    State(api): State<Api>,
    caller: Caller<Read>,
    Id(id): Id<EndpointId>,
    Query(query): Query<StatsQuery>,
) -> Result<axum::Json<EndpointStats>, Problem> {
    let reach = Reach::of(&api, &caller, query.tenant.as_deref())?;
    reach.endpoint(&api, id).await?;
    let hours = check_hours(query.hours)?;
    let ledger = api.postrider().ledger(&id).await?;
    let (from, until) = last_hours(&api, hours);
    let statistics = api.postrider().statistics(&id, from, until).await?;
    Ok(axum::Json(EndpointStats {
        endpoint_id: id.to_string(),
        total: ledger.accepted,
        pending: ledger.pending,
        delivered: ledger.delivered,
        failed: ledger.failed,
        discarded: ledger.discarded,
        success_rate: statistics.total.success_rate(),
        latency_p50_ms: percentile(&statistics.total, 0.5),
        latency_p95_ms: percentile(&statistics.total, 0.95),
        latency_p99_ms: percentile(&statistics.total, 0.99),
        hours: statistics.hours.iter().map(HourView::of).collect(),
    }))
}

/// Which page of the lanes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LanesQuery {
    /// How many at most: 1 to 250.
    #[param(minimum = 1, maximum = 250, default = 50)]
    limit: Option<u16>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Look among what this tenant has, by name or id; `*` for what all have, with a key for all tenants.
    tenant: Option<String>,
}

/// Where the lanes of an endpoint stand.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Lanes {
    /// Those with something pending, and those that have stopped.
    data: Vec<LaneView>,
    /// Hand it back as `cursor` for the next page; `null` on the last one.
    next: Option<String>,
}

/// A lane.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LaneView {
    /// The ordering key; `null` for the endpoint's own lane.
    ordering_key: Option<String>,
    /// Deliveries that have not ended.
    depth: u64,
    /// The delivery that all others wait for.
    head: Option<DeliveryView>,
    /// For how long the head has been waiting, in milliseconds.
    head_age_ms: Option<u64>,
    /// How its last attempt ended.
    error: Option<String>,
    /// The dead letter at which the lane has stopped.
    stopped_at: Option<String>,
}

#[utoipa::path(
    get, path = "/v1/endpoints/{id}/lanes", tag = "Endpoints",
    params(("id" = String, Path), LanesQuery), summary = "Where its lanes stand",
    responses((status = OK, description = "A page of lanes.", body = Lanes))
)]
pub(crate) async fn lanes(
    State(api): State<Api>,
    caller: Caller<Read>,
    Id(id): Id<EndpointId>,
    Query(query): Query<LanesQuery>,
) -> Result<axum::Json<Lanes>, Problem> {
    let reach = Reach::of(&api, &caller, query.tenant.as_deref())?;
    reach.endpoint(&api, id).await?;
    let most = page::most(query.limit)?;
    let mut after = match query.cursor.as_deref() {
        None => None,
        // The endpoint's own lane comes first and has no key.
        Some("-") => Some(OrderingKey::none()),
        Some(text) => page::cursor(text.strip_prefix('='))?,
    };
    let now = api.now();
    let mut filling = Filling::new(most);
    let more = loop {
        let found = api.postrider().lanes(&id, after, READ_MAX).await?;
        let heads = found.iter().filter_map(|lane| lane.head.as_ref());
        let heads: Vec<WaitQuery> = heads.map(WaitQuery::from).collect();
        let mut waits = wait::of(&api, &heads).await.into_iter();
        let mut rest = found.iter().map(|lane| {
            let wait = lane.head.as_ref().and_then(|_| waits.next().flatten());
            (lane, LaneView::of(&api, lane, wait, now))
        });
        if rest.any(|(lane, shown)| !filling.add(&cursor(lane), shown)) {
            break true;
        }
        after = found.last().map(|last| last.key.clone());
        if found.len() < READ_MAX {
            break false;
        }
    };
    let page = filling.page(more);
    Ok(axum::Json(Lanes {
        data: page.data,
        next: page.next,
    }))
}

/// Lanes that are read at once: each comes with the payload of its head.
const READ_MAX: usize = 16;

/// The place of a lane in the list.
fn cursor(lane: &LaneRecord) -> String {
    match lane.key.get() {
        None => "-".to_owned(),
        Some(key) => format!("={key}"),
    }
}

impl LaneView {
    fn of(api: &Api, lane: &LaneRecord, wait: Option<WaitView>, now: Wall) -> Self {
        let head = lane.head.as_ref();
        let failed = head.and_then(|head| head.attempts.last());
        Self {
            ordering_key: lane.key.get().map(str::to_owned),
            depth: lane.pending,
            head: head.map(|head| DeliveryView::of(api, head, wait)),
            head_age_ms: head.map(|head| {
                let age = now.since(head.event.published_at);
                u64::try_from(age.as_millis()).unwrap_or(u64::MAX)
            }),
            error: failed.map(|attempt| attempt.outcome.to_string()),
            stopped_at: lane.stopped_at.map(|id| id.to_string()),
        }
    }
}
