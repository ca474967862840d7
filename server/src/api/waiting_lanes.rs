//! `/v1/lanes`: where something waits, over all endpoints.

use super::Api;
use super::caller::{Caller, Read};
use super::deliveries::one;
use super::deliveries_short::ShortDelivery;
use super::extract::Query;
use super::page::{self, Page};
use super::problem::Problem;
use super::reach::Reach;
use super::wait::{self, WaitView};
use axum::extract::State;
use axum::response::Response;
use postrider::{AttemptSummary, LaneQuery, WaitQuery, WaitingLane, Wall};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Which lanes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// Only those of this endpoint.
    endpoint_id: Option<String>,
    /// Those of this tenant, by name or id; `*` for those of all, with a key for all tenants.
    tenant: Option<String>,
    /// How many at most: 1 to 250.
    #[param(minimum = 1, maximum = 250, default = 50)]
    limit: Option<u16>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// A lane in which something waits.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WaitingLaneView {
    /// Its endpoint.
    endpoint_id: String,
    /// The name of its tenant; the id of one that was deleted.
    tenant: String,
    /// The ordering key; `null` for the endpoint's own lane.
    ordering_key: Option<String>,
    /// Deliveries that have not ended.
    depth: u64,
    /// The first of these, in short.
    head: ShortDelivery,
    /// For how long the head has been waiting, in milliseconds.
    head_age_ms: u64,
    /// How its last attempt ended.
    error: Option<String>,
    /// The dead letter at which the lane has stopped.
    stopped_at: Option<String>,
}

impl WaitingLaneView {
    fn of(api: &Api, lane: &WaitingLane, wait: Option<WaitView>, now: Wall) -> Self {
        let head = &lane.head;
        let age = now.since(head.accepted_at()).as_millis();
        let tenant = api.tenants().name_of(&lane.tenant);
        Self {
            endpoint_id: lane.id.endpoint.to_string(),
            tenant: tenant.clone(),
            ordering_key: lane.id.key.get().map(str::to_owned),
            depth: lane.pending,
            head: ShortDelivery::of(tenant, head, wait),
            head_age_ms: u64::try_from(age).unwrap_or(u64::MAX),
            error: head.last_attempt.as_ref().and_then(AttemptSummary::error),
            stopped_at: lane.stopped_at.map(|id| id.to_string()),
        }
    }
}

#[utoipa::path(
    get, path = "/v1/lanes", tag = "Deliveries", params(ListQuery),
    summary = "List the lanes in which something waits, the one with the oldest head first",
    responses((status = OK, description = "A page of lanes.", body = Page<WaitingLaneView>))
)]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller<Read>,
    Query(query): Query<ListQuery>,
) -> Result<Response, Problem> {
    let reach = Reach::of(&api, &caller, query.tenant.as_deref())?;
    let asked = LaneQuery {
        tenant: reach.tenant().cloned(),
        endpoint: one(query.endpoint_id.as_deref(), "endpoint_id")?,
        after: (query.cursor.as_deref())
            .map(|text| reach.find_lane(&api, text))
            .transpose()?,
        most: page::most(query.limit)?,
    };
    let found = api.postrider().waiting_lanes(asked).await?;
    let heads = found.lanes.iter().map(|lane| WaitQuery::from(&lane.head));
    let heads: Vec<WaitQuery> = heads.collect();
    let waits = wait::of(&api, &heads).await;
    let next = found.next.map(|next| reach.hide_lane(&api, next));
    let now = api.now();
    let shown = move || {
        let lanes = found.lanes.iter().zip(waits);
        let shown = lanes.map(|(lane, wait)| WaitingLaneView::of(&api, lane, wait, now));
        Page {
            data: shown.collect(),
            next,
        }
    };
    page::answer(shown).await
}
