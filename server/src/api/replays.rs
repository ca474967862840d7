//! `/v1/replays`: many deliveries made anew, by filter and time range.

use super::Api;
use super::audit::Act;
use super::caller::{Caller, Manage, Read};
use super::deliveries::{Order, one};
use super::extract::{Id, Json, Query};
use super::intake::Reader;
use super::page::{self, Filling, Page};
use super::problem::{Code, Problem};
use super::time::Time;
use axum::extract::State;
use axum::http::StatusCode;
use postrider::engine::ReplayId;
use postrider::{DeliveryFilter, Replay, ReplayRequest, ReplayState, StateKind, TenantId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::num::NonZeroU32;
use utoipa::{IntoParams, ToSchema};

/// The highest rate; nobody waits for less than that.
const RATE_MAX: u32 = 1_000_000;

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
        let types = self.event_types.iter().enumerate().map(|(place, text)| {
            text.parse().map_err(|error: postrider::InvalidName| {
                let pointer = format!("/event_types/{place}");
                Problem::new(Code::InvalidValue, &error).at(pointer, error)
            })
        });
        let states = self.states.iter().map(|state| match state {
            ReplayedState::Failed => StateKind::Failed,
            ReplayedState::Delivered => StateKind::Delivered,
            ReplayedState::Discarded => StateKind::Discarded,
        });
        if self.per_second.is_some_and(|rate| rate.get() > RATE_MAX) {
            let detail = format!("use at most {RATE_MAX}");
            return Err(Problem::new(Code::InvalidValue, &detail).at("/per_second", detail));
        }
        if self.event_types.len() > 128 {
            let detail = "use at most 128";
            return Err(Problem::new(Code::InvalidBody, detail).at("/event_types", detail));
        }
        if !(1..=3).contains(&self.states.len()) {
            let detail = "name one to three states";
            return Err(Problem::new(Code::InvalidBody, detail).at("/states", detail));
        }
        Ok(ReplayRequest {
            filter: DeliveryFilter {
                tenant: Some(tenant.clone()),
                endpoint: one(self.endpoint_id.as_deref(), "endpoint_id")?,
                states: states.collect(),
                event_types: types.collect::<Result<_, _>>()?,
                from: self.from.map(|time| time.0),
                until: self.until.map(|time| time.0),
                ..DeliveryFilter::default()
            },
            per_second: self.per_second,
        })
    }
}

/// A replay, and how far it has come.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReplayView {
    /// Its id; `null` for a dry run.
    id: Option<String>,
    /// `running`, `done`, `cancelled`, or `dry_run`.
    state: &'static str,
    /// Deliveries that it has made anew; of a dry run, that it would.
    resent: u64,
    /// Deliveries that it has passed over: their endpoint is gone, or somebody was quicker.
    skipped: u64,
    /// When it was asked for.
    created_at: Time,
}

impl ReplayView {
    fn of(replay: &Replay) -> Self {
        Self {
            id: Some(replay.id.to_string()),
            state: match replay.state {
                ReplayState::Running => "running",
                ReplayState::Done => "done",
                ReplayState::Cancelled => "cancelled",
            },
            resent: replay.resent,
            skipped: replay.skipped,
            created_at: replay.created_at.into(),
        }
    }
}

/// Which replays.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// `newest` (the default) or `oldest` first.
    #[param(inline)]
    order: Option<Order>,
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
                   each delivery anew once.",
    responses(
        (status = ACCEPTED, description = "Started.", body = ReplayView),
        (status = OK, description = "A dry run: what it would do.", body = ReplayView)
    )
)]
pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller<Manage>,
    reader: Reader,
    Json(form): Json<ReplayForm>,
) -> Result<(StatusCode, axum::Json<ReplayView>), Problem> {
    let request = form.request(caller.tenant())?;
    if form.dry_run {
        // It reads as much as the largest of lists, and more.
        let _turn = reader.turn(&api).await?;
        let view = ReplayView {
            id: None,
            state: "dry_run",
            resent: api.postrider().count_replay(&request).await?,
            skipped: 0,
            created_at: api.now().into(),
        };
        return Ok((StatusCode::OK, axum::Json(view)));
    }
    let detail = json!({ "states": form.states, "per_second": form.per_second });
    let note = caller.note(&api, Act::ReplayStart, None, detail)?;
    let id = api.postrider().noting(note).start_replay(request).await?;
    let replay = api.postrider().replay_status(&id).await?;
    Ok((StatusCode::ACCEPTED, axum::Json(ReplayView::of(&replay))))
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
    let tenant = caller.tenant();
    let order = query.order.unwrap_or_default();
    let after: Option<ReplayId> = page::cursor(query.cursor.as_deref())?;
    let mut filling = Filling::new(page::most(query.limit)?);
    let mut all = api.postrider().replays().await?;
    // An id begins with its time.
    all.sort_unstable_by_key(|it| it.id);
    if order == Order::Newest {
        all.reverse();
    }
    let comes_after = |it: &&Replay| match order {
        Order::Newest => after.is_none_or(|after| it.id < after),
        Order::Oldest => after.is_none_or(|after| it.id > after),
    };
    let mut rest = all
        .iter()
        .filter(|it| it.request.filter.tenant.as_ref() == Some(tenant))
        .filter(comes_after);
    let more = rest.any(|it| !filling.add(&it.id.to_string(), ReplayView::of(it)));
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
    Ok(axum::Json(ReplayView::of(&replay)))
}

#[utoipa::path(
    post, path = "/v1/replays/{id}/cancel", tag = "Replays", params(("id" = String, Path)),
    summary = "Stop a replay for good",
    description = "What it has made anew by then is delivered. One that has ended stays as it is.",
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
    Ok(axum::Json(ReplayView::of(&replay)))
}

async fn owned(api: &Api, tenant: &TenantId, id: ReplayId) -> Result<Replay, Problem> {
    let replay = api.postrider().replay_status(&id).await?;
    if replay.request.filter.tenant.as_ref() == Some(tenant) {
        return Ok(replay);
    }
    Err(Problem::not_found(format_args!("replay {id}")))
}
