//! `/v1/lanes`: where something waits, over all endpoints.

use super::Api;
use super::caller::{Caller, Read, TENANT_HEADER};
use super::cursors::Of;
use super::deliveries::{DeliveryView, one};
use super::extract::Query;
use super::page::{self, Page};
use super::problem::{Code, Problem};
use super::wait::{self, WaitView};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use postrider::{DeliveryRecord, EndpointId, LaneQuery, TenantId, WaitingLane, Wall};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Which lanes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// Only those of this endpoint.
    endpoint_id: Option<String>,
    /// Only those of this tenant, by its name or id; `*` for those of all, with a key for all tenants.
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
    /// The tenant's name; its id, if it is deleted.
    tenant: String,
    /// The ordering key; `null` for the endpoint's own lane.
    ordering_key: Option<String>,
    /// Deliveries that have not ended.
    depth: u64,
    /// The first of these.
    head: DeliveryView,
    /// For how long the head has been waiting, in milliseconds.
    head_age_ms: u64,
    /// How its last attempt ended.
    error: Option<String>,
    /// The dead letter at which the lane has stopped.
    stopped_at: Option<String>,
}

impl WaitingLaneView {
    fn of(lane: &WaitingLane, tenant: String, wait: Option<WaitView>, now: Wall) -> Self {
        let head = &lane.head;
        let age = now.since(head.event.published_at).as_millis();
        let failed = head.attempts.last();
        Self {
            endpoint_id: lane.id.endpoint.to_string(),
            tenant,
            ordering_key: lane.id.key.get().map(str::to_owned),
            depth: lane.pending,
            head: DeliveryView::of(head).waiting(wait),
            head_age_ms: u64::try_from(age).unwrap_or(u64::MAX),
            error: failed.map(|attempt| attempt.outcome.to_string()),
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
    headers: HeaderMap,
    Query(query): Query<ListQuery>,
) -> Result<Response, Problem> {
    let seen_by = caller.tenant();
    let endpoint: Option<EndpointId> = one(query.endpoint_id.as_deref(), "endpoint_id")?;
    let after = query.cursor.as_deref();
    let asked = LaneQuery {
        tenant: whose(&api, &caller, &headers, query.tenant.as_deref())?,
        endpoint,
        after: after
            .map(|text| api.cursors().find(seen_by, Of::Lanes, text))
            .transpose()?,
        most: page::most(query.limit)?,
    };
    let found = api.postrider().waiting_lanes(asked).await?;
    let heads: Vec<&DeliveryRecord> = found.lanes.iter().map(|lane| &lane.head).collect();
    let waits = wait::of(&api, &heads).await;
    let names = found.lanes.iter();
    let names: Vec<String> = names
        .map(|lane| api.tenants().name_of(&lane.tenant))
        .collect();
    let next = found
        .next
        .map(|next| api.cursors().hide(seen_by, Of::Lanes, next));
    let now = api.now();
    let shown = move || {
        let lanes = found.lanes.iter().zip(names).zip(waits);
        let shown = lanes.map(|((lane, name), wait)| WaitingLaneView::of(lane, name, wait, now));
        Page {
            data: shown.collect(),
            next,
        }
    };
    page::answer(shown).await
}

/// The tenant whose lanes are asked for; `None` for all.
fn whose(
    api: &Api,
    caller: &Caller<Read>,
    headers: &HeaderMap,
    asked: Option<&str>,
) -> Result<Option<TenantId>, Problem> {
    let Some(asked) = asked else {
        return Ok(Some(caller.tenant().clone()));
    };
    let found = api.tenants().find(asked);
    let is_own = found.as_ref() == Some(caller.tenant());
    if caller.bound_to().is_some() && !is_own {
        let detail = "tenant: this key is for one tenant, and may name that one only";
        return Err(Problem::new(Code::Forbidden, detail));
    }
    if headers.contains_key(TENANT_HEADER) && !is_own {
        let detail = format!("tenant: {TENANT_HEADER} names another one: leave one of them out");
        return Err(Problem::new(Code::InvalidQuery, detail));
    }
    match found {
        _ if asked == "*" => Ok(None),
        None => Err(Problem::not_found(format_args!("tenant {asked}"))),
        found => Ok(found),
    }
}
