//! `/v1/deliveries`: what was sent, what came back, and trying again.

use super::Api;
use super::attempts::AttemptView;
use super::audit::Act;
use super::caller::{Caller, Manage, Read, Retry};
use super::dead_letter_acts::LetterReason;
use super::deliveries_short::{DeliveriesPage, View};
use super::extract::{Id, Query};
use super::list_filters;
use super::names::DeliveryStateName;
use super::page::{self, Page};
use super::problem::{Code, Problem};
use super::reach::{Reach, Whose};
use super::time::Time;
use super::wait::{self, WaitView};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use postrider::{
    DeliveryFilter, DeliveryId, DeliveryQuery, DeliveryRecord, DeliveryState, Direction,
    EndpointId, RetryError, TenantId, WaitQuery,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

/// A delivery: one event to one endpoint.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeliveryView {
    /// Its id.
    #[schema(example = "dlv_01jd9x2m5tewh8q0v6n3r4y7za")]
    pub(crate) id: String,
    /// The name of its tenant; the id of one that was deleted.
    tenant: String,
    /// Its event.
    event_id: String,
    /// The type of its event.
    event_type: String,
    /// Its endpoint, which may be gone.
    endpoint_id: String,
    /// Its lane, if the publisher gave a key.
    ordering_key: Option<String>,
    /// Its place in its lane.
    place: u64,
    /// `pending`, `retrying`, `delivered`, `failed` or `discarded`.
    #[schema(value_type = DeliveryStateName)]
    state: &'static str,
    /// Why it failed: `rejected`, `gone`, `redirected`, `exhausted` or `queue_full`.
    #[schema(value_type = Option<LetterReason>)]
    reason: Option<&'static str>,
    /// When it was accepted.
    created_at: Time,
    /// When the next attempt may begin, if that is known: `until` of `wait`.
    next_attempt_at: Option<Time>,
    /// What it waits for; `null` for one that has ended.
    wait: Option<WaitView>,
    /// When it ended.
    ended_at: Option<Time>,
    /// The delivery that it makes anew.
    resend_of: Option<String>,
    /// The delivery that makes it anew.
    resent_as: Option<String>,
    /// The replay that made it.
    replay_id: Option<String>,
    /// Its attempts, first to last.
    attempts: Vec<AttemptView>,
}

impl DeliveryView {
    /// A delivery, and what it waits for.
    pub(crate) fn of(api: &Api, record: &DeliveryRecord, wait: Option<WaitView>) -> Self {
        let reason = match record.state {
            DeliveryState::Failed(reason) => Some(reason.name()),
            _ => None,
        };
        Self {
            id: record.id.to_string(),
            tenant: api.tenants().name_of(&record.event.tenant),
            event_id: record.event.id.to_string(),
            event_type: record.event.event_type.to_string(),
            endpoint_id: record.lane.endpoint.to_string(),
            ordering_key: record.lane.key.get().map(str::to_owned),
            place: record.seq.0,
            state: record.state.name(),
            reason,
            created_at: created_at(record),
            next_attempt_at: wait.as_ref().and_then(|wait| wait.until),
            wait,
            ended_at: record.ended_at.map(Time),
            resend_of: record.resend_of.map(|id| id.to_string()),
            resent_as: record.resent_as.map(|id| id.to_string()),
            replay_id: record.replay.map(|id| id.to_string()),
            attempts: record.attempts.iter().map(AttemptView::of).collect(),
        }
    }
}

/// An id carries its time.
fn created_at(record: &DeliveryRecord) -> Time {
    let ms = (record.id.as_u128() >> 80) as u64;
    Time(postrider::Wall(ms))
}

/// Which deliveries.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// Only those to this endpoint; it may be gone.
    endpoint_id: Option<String>,
    /// Only those of this event.
    event_id: Option<String>,
    /// Only those in one of these states: `pending`, `retrying`, `delivered`, `failed`,
    /// `discarded`, with commas between.
    state: Option<String>,
    /// Only those of these event types: types or families such as `payment.*`, with commas
    /// between.
    event_type: Option<String>,
    /// Only those in the lanes with this key; empty for those in lanes without one.
    ordering_key: Option<String>,
    /// Only those that failed for one of these reasons: `rejected`, `gone`, `redirected`,
    /// `exhausted`, `queue_full`, with commas between.
    reason: Option<String>,
    /// Only those whose last attempt was answered with this status.
    #[param(minimum = 100, maximum = 599)]
    status: Option<u16>,
    /// Only those whose last attempt was answered with this class of status: 2, 3, 4 or 5.
    #[param(minimum = 2, maximum = 5)]
    status_class: Option<u8>,
    /// Only those whose last attempt got no answer, for this reason: `dns`, `connect`,
    /// `timeout_connect`, …
    failure: Option<String>,
    /// Only those that were accepted then or later.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Time>,
    /// Only those that were accepted earlier.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Time>,
    /// `newest` (the default) or `oldest` first.
    #[param(inline)]
    order: Option<Order>,
    /// `full` (the default), or `short`: without attempts, but with their number and how the last one
    /// ended.
    #[param(inline)]
    view: Option<View>,
    /// Those of this tenant, by name or id; `*` for those of all, with a key for all tenants.
    tenant: Option<String>,
    /// How many at most: 1 to 250.
    #[param(minimum = 1, maximum = 250, default = 50)]
    limit: Option<u16>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// In which order a list is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Order {
    /// The newest first.
    #[default]
    Newest,
    /// The oldest first.
    Oldest,
}

impl Order {
    pub(crate) fn direction(self) -> Direction {
        match self {
            Self::Newest => Direction::NewestFirst,
            Self::Oldest => Direction::OldestFirst,
        }
    }
}

impl ListQuery {
    fn query(&self, reach: &Reach) -> Result<DeliveryQuery, Problem> {
        let class = self.status_class;
        if class.is_some_and(|class| !(2..=5).contains(&class)) {
            let detail = "status_class: use 2, 3, 4 or 5";
            return Err(Problem::new(Code::InvalidQuery, detail));
        }
        let failure = self.failure.as_deref().map(|name| {
            postrider::FailureKind::named(name).ok_or_else(|| {
                let all = postrider::FailureKind::ALL.map(postrider::FailureKind::name);
                let detail = format!("failure: use one of {}", all.join(", "));
                Problem::new(Code::InvalidParameter, detail)
            })
        });
        Ok(DeliveryQuery {
            filter: DeliveryFilter {
                tenant: reach.tenant().cloned(),
                endpoint: one(self.endpoint_id.as_deref(), "endpoint_id")?,
                event: one(self.event_id.as_deref(), "event_id")?,
                states: page::list(self.state.as_deref(), "state")?,
                event_types: page::list(self.event_type.as_deref(), "event_type")?,
                ordering_key: list_filters::ordering_key(self.ordering_key.as_deref())?,
                reasons: list_filters::reasons(self.reason.as_deref())?,
                status: list_filters::status(self.status)?,
                status_class: class,
                failure: failure.transpose()?,
                from: self.from.map(|time| time.0),
                until: self.until.map(|time| time.0),
                ..DeliveryFilter::default()
            },
            direction: self.order.unwrap_or_default().direction(),
            after: page::cursor(self.cursor.as_deref())?,
            most: page::most(self.limit)?,
        })
    }
}

/// A parameter that is an id.
pub(crate) fn one<T>(text: Option<&str>, name: &str) -> Result<Option<T>, Problem>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    let refused =
        |error: T::Err| Problem::new(Code::InvalidParameter, format_args!("{name}: {error}"));
    text.map(|text| text.parse().map_err(refused)).transpose()
}

#[utoipa::path(
    get, path = "/v1/deliveries", tag = "Deliveries", params(ListQuery),
    summary = "List deliveries with their attempts, or in short",
    responses((status = OK, description = "A page of deliveries.", body = DeliveriesPage))
)]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller<Read>,
    Query(query): Query<ListQuery>,
) -> Result<Response, Problem> {
    let reach = Reach::of(&api, &caller, query.tenant.as_deref())?;
    let view = query.view;
    let query = query.query(&reach)?;
    shown(&api, query, view).await
}

#[utoipa::path(
    get, path = "/v1/endpoints/{id}/deliveries", tag = "Endpoints",
    params(("id" = String, Path), ListQuery),
    summary = "List the deliveries to an endpoint",
    responses((status = OK, description = "A page of deliveries.", body = DeliveriesPage))
)]
pub(crate) async fn of_endpoint(
    State(api): State<Api>,
    caller: Caller<Read>,
    Id(id): Id<EndpointId>,
    Query(query): Query<ListQuery>,
) -> Result<Response, Problem> {
    let reach = Reach::of(&api, &caller, query.tenant.as_deref())?;
    reach.endpoint(&api, id).await?;
    let view = query.view;
    let mut query = query.query(&reach)?;
    query.filter.endpoint = Some(id);
    shown(&api, query, view).await
}

/// A page of deliveries in this form.
pub(crate) async fn shown(
    api: &Api,
    query: DeliveryQuery,
    view: Option<View>,
) -> Result<Response, Problem> {
    if view == Some(View::Short) {
        let found = api.postrider().delivery_summaries(query).await?;
        let asked: Vec<WaitQuery> = found.deliveries.iter().map(WaitQuery::from).collect();
        let waits = wait::of(api, &asked).await;
        let api = api.clone();
        let name = move |tenant: &TenantId| api.tenants().name_of(tenant);
        return page::answer(move || DeliveriesPage::short(&found, waits, name)).await;
    }
    let found = api.postrider().deliveries(query).await?;
    let asked: Vec<WaitQuery> = found.deliveries.iter().map(WaitQuery::from).collect();
    let waits = wait::of(api, &asked).await;
    let api = api.clone();
    let shown = move || {
        let rows = found.deliveries.iter().zip(waits);
        DeliveriesPage::Full(Page {
            data: rows
                .map(|(record, wait)| DeliveryView::of(&api, record, wait))
                .collect(),
            next: found.next.map(|next| next.to_string()),
        })
    };
    page::answer(shown).await
}

#[utoipa::path(
    get, path = "/v1/deliveries/{id}", tag = "Deliveries",
    params(("id" = String, Path), Whose),
    summary = "Get a delivery with the exact requests and responses",
    responses((status = OK, description = "The delivery.", body = DeliveryView))
)]
pub(crate) async fn get(
    State(api): State<Api>,
    caller: Caller<Read>,
    Id(id): Id<DeliveryId>,
    Query(whose): Query<Whose>,
) -> Result<axum::Json<DeliveryView>, Problem> {
    let reach = whose.reach(&api, &caller)?;
    let record = reach.delivery(&api, id).await?;
    let wait = wait::of(&api, &[WaitQuery::from(&record)]).await;
    let wait = wait.into_iter().next().flatten();
    Ok(axum::Json(DeliveryView::of(&api, &record, wait)))
}

/// A delivery that was made anew.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Resent {
    /// The new delivery.
    pub(crate) id: String,
    /// The one that it makes anew.
    pub(crate) resend_of: String,
}

/// A delivery that is sent again, or now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Retried {
    /// The new delivery; the same one, if it had not ended.
    id: String,
    /// The one that it makes anew; `null` if it is the same.
    resend_of: Option<String>,
}

#[utoipa::path(
    post, path = "/v1/deliveries/{id}/retry", tag = "Deliveries", params(("id" = String, Path)),
    summary = "Send a delivery again, or now",
    description = "One that has ended is made anew, with a full set of attempts, at the end of its \
                   lane (or in its place, if the lane stopped at it). The next attempt of one that \
                   waits starts at once, whatever backoff, `Retry-After` and breaker say; the \
                   endpoint's rate limit still holds. Where there is an order, only the first one \
                   of its lane can be sent.",
    responses((status = ACCEPTED, description = "The new delivery, or the one that waited.", body = Retried))
)]
pub(crate) async fn retry(
    State(api): State<Api>,
    caller: Caller<Retry>,
    Id(id): Id<DeliveryId>,
) -> Result<(StatusCode, axum::Json<Retried>), Problem> {
    let record = owned(&api, caller.tenant(), id).await?;
    let retried = |id: DeliveryId, resend_of: Option<DeliveryId>| {
        let retried = Retried {
            id: id.to_string(),
            resend_of: resend_of.map(|of| of.to_string()),
        };
        Ok((StatusCode::ACCEPTED, axum::Json(retried)))
    };
    let note = caller.note(&api, Act::DeliveryRetry, Some(&id), json!({}))?;
    let noting = api.postrider().noting(note);
    if !record.state.is_end() {
        match noting.retry_now(&id).await {
            Ok(()) => return retried(id, None),
            // It has ended meanwhile.
            Err(RetryError::AlreadyEnded(_)) => (),
            Err(error) => return Err(error.into()),
        }
    }
    let new = noting.resend(&id).await?;
    retried(new, Some(id))
}

#[utoipa::path(
    post, path = "/v1/deliveries/{id}/discard", tag = "Deliveries", params(("id" = String, Path)),
    summary = "Give a delivery up",
    description = "A pending one, or one that has failed. A request that is under way is cancelled; the \
                   receiver may have got it all the same.",
    responses((status = NO_CONTENT, description = "Discarded."))
)]
pub(crate) async fn discard(
    State(api): State<Api>,
    caller: Caller<Manage>,
    Id(id): Id<DeliveryId>,
) -> Result<StatusCode, Problem> {
    owned(&api, caller.tenant(), id).await?;
    let note = caller.note(&api, Act::DeliveryDiscard, Some(&id), json!({}))?;
    api.postrider().noting(note).discard(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The delivery, if it is the tenant's.
pub(crate) async fn owned(
    api: &Api,
    tenant: &TenantId,
    id: DeliveryId,
) -> Result<DeliveryRecord, Problem> {
    let record = api.postrider().delivery(&id).await?;
    if record.event.tenant == *tenant {
        return Ok(record);
    }
    Err(Problem::not_found(format_args!("delivery {id}")))
}
