//! `/v1/replays`: one act over many deliveries, by filter and time range.

use super::Api;
use super::audit::Act;
use super::caller::{Caller, Manage, Read};
use super::deliveries::Order;
use super::extract::{Id, Json, Query};
use super::intake::Reader;
use super::page::{self, Filling, Page};
use super::problem::{Code, Problem};
use super::reach::Reach;
use super::replay_view::{DryRun, ReplayView};
use super::time::Time;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use postrider::engine::ReplayId;
use postrider::{
    DeliveryFilter, EndpointId, EventPattern, Note, Replay, ReplayQuery, ReplayRequest, StateKind,
    TenantId,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::num::NonZeroU32;
use utoipa::{IntoParams, ToSchema};

/// The highest rate; nobody waits for less than that.
const RATE_MAX: u32 = 1_000_000;

/// Event types of one replay.
const EVENT_TYPES_MAX: usize = 128;

/// What is to be made anew.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplayForm {
    /// Only deliveries to this endpoint.
    #[serde(default)]
    endpoint_id: Option<String>,
    /// In these states: `failed` (the default), `delivered`, `discarded`.
    #[serde(default = "failed")]
    #[schema(min_items = 1, max_items = 3)]
    states: Vec<ReplayedState>,
    /// Of these event types: types or families.
    #[serde(default)]
    #[schema(max_items = 128)]
    event_types: Vec<String>,
    /// Accepted then or later.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    from: Option<Time>,
    /// Accepted earlier. Never later than now.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Time>,
    /// How many in a second, at most.
    #[serde(default)]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 1_000_000)]
    per_second: Option<NonZeroU32>,
    /// Only count them.
    #[serde(default)]
    dry_run: bool,
}

/// A state in which a delivery has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReplayedState {
    /// Given up after its attempts.
    Failed,
    /// Answered with 2xx.
    Delivered,
    /// Given up by hand.
    Discarded,
}

fn failed() -> Vec<ReplayedState> {
    vec![ReplayedState::Failed]
}

impl ReplayForm {
    fn request(&self, tenant: &TenantId) -> Result<ReplayRequest, Problem> {
        let states = self.states.iter().map(|state| match state {
            ReplayedState::Failed => StateKind::Failed,
            ReplayedState::Delivered => StateKind::Delivered,
            ReplayedState::Discarded => StateKind::Discarded,
        });
        check_rate(self.per_second)?;
        let event_types = event_types(&self.event_types, "/event_types")?;
        if !(1..=3).contains(&self.states.len()) {
            let detail = "name one to three states";
            return Err(Problem::new(Code::InvalidBody, detail).at("/states", detail));
        }
        Ok(ReplayRequest {
            filter: DeliveryFilter {
                tenant: Some(tenant.clone()),
                endpoint: endpoint(self.endpoint_id.as_deref(), "/endpoint_id")?,
                states: states.collect(),
                event_types,
                from: self.from.map(|time| time.0),
                until: self.until.map(|time| time.0),
                ..DeliveryFilter::default()
            },
            per_second: self.per_second,
            ..ReplayRequest::default()
        })
    }
}

/// Refuses a rate that nobody waits for.
pub(super) fn check_rate(per_second: Option<NonZeroU32>) -> Result<(), Problem> {
    if per_second.is_some_and(|rate| rate.get() > RATE_MAX) {
        let detail = format!("use at most {RATE_MAX}");
        return Err(Problem::new(Code::InvalidValue, &detail).at("/per_second", detail));
    }
    Ok(())
}

/// The endpoint at this place of a body.
pub(super) fn endpoint(text: Option<&str>, at: &str) -> Result<Option<EndpointId>, Problem> {
    let id = text.map(str::parse::<EndpointId>).transpose();
    id.map_err(|error| Problem::new(Code::InvalidValue, &error).at(at, error))
}

/// The event types at this place of a body.
pub(super) fn event_types(texts: &[String], at: &str) -> Result<Vec<EventPattern>, Problem> {
    if texts.len() > EVENT_TYPES_MAX {
        let detail = format!("use at most {EVENT_TYPES_MAX}");
        return Err(Problem::new(Code::InvalidBody, &detail).at(at, detail));
    }
    let types = texts.iter().enumerate().map(|(place, text)| {
        text.parse().map_err(|error: postrider::InvalidName| {
            Problem::new(Code::InvalidValue, &error).at(format!("{at}/{place}"), error)
        })
    });
    types.collect()
}

/// Starts a replay, and notes that, or says what it would do.
pub(super) async fn run(
    api: &Api,
    reader: &Reader,
    (request, dry_run): (ReplayRequest, bool),
    note: Note,
) -> Result<Response, Problem> {
    if dry_run {
        // It reads as much as the largest of lists, and more.
        let _turn = reader.turn(api).await?;
        let report = api.postrider().report_replay(&request).await?;
        return Ok(axum::Json(DryRun::of(&report)).into_response());
    }
    let replay = api.postrider().noting(note).begin_replay(request).await?;
    let view = ReplayView::of(api, &replay);
    Ok((StatusCode::ACCEPTED, axum::Json(view)).into_response())
}

/// Which replays.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// `newest` (the default) or `oldest` first.
    #[param(inline)]
    order: Option<Order>,
    /// Those of this tenant, by name or id; `*` for those of all, with a key for all tenants.
    tenant: Option<String>,
    /// How many at most: 1 to 250.
    #[param(minimum = 1, maximum = 250, default = 50)]
    limit: Option<u16>,
    /// `next` of the page before.
    cursor: Option<String>,
}

#[utoipa::path(
    post, path = "/v1/replays", tag = "Replays", request_body = ReplayForm,
    summary = "Make many deliveries anew",
    description = "In the order in which they were accepted. It goes on after a restart, and makes \
                   each delivery anew once. What it passes over stays as it is.",
    responses(
        (status = ACCEPTED, description = "Started.", body = ReplayView),
        (status = OK, description = "A dry run: what it would do.", body = DryRun)
    )
)]
pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller<Manage>,
    reader: Reader,
    Json(form): Json<ReplayForm>,
) -> Result<Response, Problem> {
    let request = form.request(caller.tenant())?;
    let detail = json!({ "states": form.states, "per_second": form.per_second });
    let note = caller.note(&api, Act::ReplayStart, None, detail)?;
    run(&api, &reader, (request, form.dry_run), note).await
}

#[utoipa::path(
    get, path = "/v1/replays", tag = "Replays", params(ListQuery), summary = "List replays",
    responses((status = OK, description = "A page of the replays on record.", body = Page<ReplayView>))
)]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller<Read>,
    Query(query): Query<ListQuery>,
) -> Result<axum::Json<Page<ReplayView>>, Problem> {
    let reach = Reach::of(&api, &caller, query.tenant.as_deref())?;
    let most = page::most(query.limit)?;
    let asked = ReplayQuery {
        tenant: reach.tenant().cloned(),
        state: None,
        direction: query.order.unwrap_or_default().direction(),
        after: page::cursor(query.cursor.as_deref())?,
        // One more says whether there is a next page.
        most: most + 1,
    };
    let found = api.postrider().replays(asked).await?;
    let mut filling = Filling::new(most);
    let mut rest = found.iter();
    let more = rest.any(|it| !filling.add(&it.id.to_string(), ReplayView::of(&api, it)));
    Ok(axum::Json(filling.page(more)))
}

#[utoipa::path(
    get, path = "/v1/replays/{id}", tag = "Replays", params(("id" = String, Path)),
    summary = "How far a replay has come",
    responses((status = OK, description = "The replay.", body = ReplayView))
)]
pub(crate) async fn get(
    State(api): State<Api>,
    caller: Caller<Read>,
    Id(id): Id<ReplayId>,
) -> Result<axum::Json<ReplayView>, Problem> {
    let replay = owned(&api, caller.tenant(), id).await?;
    Ok(axum::Json(ReplayView::of(&api, &replay)))
}

#[utoipa::path(
    post, path = "/v1/replays/{id}/cancel", tag = "Replays", params(("id" = String, Path)),
    summary = "Stop a replay for good",
    description = "What it has done by then stays so. One that has ended stays as it is.",
    responses((status = OK, description = "The replay as it is now.", body = ReplayView))
)]
pub(crate) async fn cancel(
    State(api): State<Api>,
    caller: Caller<Manage>,
    Id(id): Id<ReplayId>,
) -> Result<axum::Json<ReplayView>, Problem> {
    owned(&api, caller.tenant(), id).await?;
    let note = caller.note(&api, Act::ReplayCancel, Some(&id), json!({}))?;
    let replay = api.postrider().noting(note).cancel_replay(&id).await?;
    Ok(axum::Json(ReplayView::of(&api, &replay)))
}

async fn owned(api: &Api, tenant: &TenantId, id: ReplayId) -> Result<Replay, Problem> {
    let replay = api.postrider().replay_status(&id).await?;
    if replay.request.filter.tenant.as_ref() == Some(tenant) {
        return Ok(replay);
    }
    Err(Problem::not_found(format_args!("replay {id}")))
}
