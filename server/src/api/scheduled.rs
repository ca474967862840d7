//! `/v1/scheduled-events`: events that are accepted and wait for their time.

use super::Api;
use super::audit::Act;
use super::caller::{Caller, Either, Manage, Publish, Read};
use super::cursors::Of;
use super::events::owned;
use super::extract::{Id, Query};
use super::keys_routes::NamedQuery;
use super::page::{self, Page};
use super::problem::Problem;
use super::time::Time;
use axum::extract::State;
use axum::http::StatusCode;
use postrider::{EventId, ScheduledEvent, ScheduledQuery};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

/// An event that waits for its time.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScheduledView {
    /// Its id.
    id: String,
    /// Its type.
    #[serde(rename = "type")]
    event_type: String,
    /// The endpoint that it is for; `null` for all subscribers of that time.
    endpoint_id: Option<String>,
    /// Its key, if the publisher gave one.
    ordering_key: Option<String>,
    /// By which the publisher makes repeats harmless.
    idempotency_key: Option<String>,
    /// When it is published.
    deliver_after: Time,
}

impl ScheduledView {
    fn of(waiting: &ScheduledEvent) -> Self {
        let event = &waiting.event;
        Self {
            id: event.id.to_string(),
            event_type: event.event_type.to_string(),
            endpoint_id: waiting.endpoint.map(|id| id.to_string()),
            ordering_key: event.ordering_key.get().map(str::to_owned),
            idempotency_key: waiting.idempotency_key.as_deref().map(str::to_owned),
            deliver_after: waiting.due.into(),
        }
    }
}

#[utoipa::path(
    get, path = "/v1/scheduled-events", tag = "Events", params(NamedQuery),
    summary = "List events that wait for their time, the next one first",
    responses((status = OK, description = "A page of events, without their payloads.", body = Page<ScheduledView>))
)]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller<Read>,
    Query(query): Query<NamedQuery>,
) -> Result<axum::Json<Page<ScheduledView>>, Problem> {
    let tenant = caller.tenant();
    let page = api.postrider().scheduled(ScheduledQuery {
        tenant: Some(tenant.clone()),
        after: (query.cursor.as_deref())
            .map(|text| api.cursors().find(tenant, Of::Scheduled, text))
            .transpose()?,
        most: page::most(query.limit)?,
    });
    let page = page.await?;
    Ok(axum::Json(Page {
        data: page.events.iter().map(ScheduledView::of).collect(),
        next: (page.next).map(|next| api.cursors().hide(tenant, Of::Scheduled, next)),
    }))
}

#[utoipa::path(
    delete, path = "/v1/scheduled-events/{id}", tag = "Events", params(("id" = String, Path)),
    summary = "Drop an event that waits for its time",
    description = "With the scope `publish` or `manage`. Of this and its being published, one happens. Its \
                   idempotency key is free again.",
    responses((status = NO_CONTENT, description = "Dropped."))
)]
pub(crate) async fn cancel(
    State(api): State<Api>,
    caller: Caller<Either<Publish, Manage>>,
    Id(id): Id<EventId>,
) -> Result<StatusCode, Problem> {
    owned(&api, caller.tenant(), id).await?;
    let note = caller.note(&api, Act::ScheduledEventCancel, Some(&id), json!({}))?;
    if api.postrider().noting(note).cancel_scheduled(&id).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Problem::not_found(format_args!(
        "event {id} that waits for its time"
    )))
}
