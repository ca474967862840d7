//! `GET /v1/events`: looking for events, and the bytes of a payload.

use super::Api;
use super::caller::{Caller, Read};
use super::deliveries::{Order, one};
use super::event_state::EventStateView;
use super::extract::{Id, Query};
use super::list_filters;
use super::page::{self, Page};
use super::problem::{Code, Problem};
use super::reach::{Reach, Whose};
use super::time::Time;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use postrider::{EventFilter, EventId, EventQuery, EventSearch, EventState, EventSummary};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// An event, without its payload.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventView {
    /// Its id.
    id: String,
    /// The name of its tenant; the id of one that was deleted.
    tenant: String,
    /// Its type.
    #[serde(rename = "type")]
    event_type: String,
    /// Its key, if the publisher gave one.
    ordering_key: Option<String>,
    /// By which the publisher makes repeats harmless.
    idempotency_key: Option<String>,
    /// When it was accepted.
    published_at: Time,
    /// How long its payload is, in bytes.
    payload_bytes: usize,
    /// How many deliveries it has on record, resends included.
    delivery_count: usize,
    /// That of its least advanced delivery: `pending`, `retrying`, `failed`, `discarded`,
    /// `delivered`; or `no_subscribers` if no endpoint got it.
    state: EventStateView,
}

impl EventView {
    fn of(api: &Api, event: &EventSummary) -> Self {
        Self {
            id: event.id.to_string(),
            tenant: api.tenants().name_of(&event.tenant),
            event_type: event.event_type.to_string(),
            ordering_key: event.ordering_key.get().map(str::to_owned),
            idempotency_key: event.idempotency_key.as_deref().map(str::to_owned),
            published_at: event.published_at.into(),
            payload_bytes: event.payload_bytes,
            delivery_count: event.deliveries,
            state: event.state.into(),
        }
    }
}

/// In which form a list shows its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EventsForm {
    /// Without payloads.
    Short,
}

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// Only those of these types: types or families such as `payment.*`, with commas between.
    #[serde(rename = "type")]
    event_type: Option<String>,
    /// Only those in one of these states: `pending`, `retrying`, `failed`, `discarded`, `delivered`,
    /// `no_subscribers`, with commas between.
    state: Option<String>,
    /// Only those with a delivery to this endpoint; it may be gone.
    endpoint_id: Option<String>,
    /// Only those with this key; empty for those without one.
    ordering_key: Option<String>,
    /// Only the one that was published under this key.
    #[param(min_length = 1, max_length = 256)]
    idempotency_key: Option<String>,
    /// Only those with this text in the bytes of their payload. A page searches 64 MiB at most.
    #[param(min_length = 1, max_length = 256)]
    payload: Option<String>,
    /// Only those that were accepted then or later.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Time>,
    /// Only those that were accepted earlier.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Time>,
    /// `newest` (the default) or `oldest` first.
    #[param(inline)]
    order: Option<Order>,
    /// `short`, without payloads: there is no other form. `GET /v1/events/{id}/payload` has the
    /// payload of one.
    #[param(inline)]
    #[allow(dead_code)] // read so that another form is refused
    view: Option<EventsForm>,
    /// Those of this tenant, by name or id; `*` for those of all, with a key for all tenants.
    tenant: Option<String>,
    /// How many at most: 1 to 250.
    #[param(minimum = 1, maximum = 250, default = 50)]
    limit: Option<u16>,
    /// `next` of the page before.
    cursor: Option<String>,
}

impl ListQuery {
    fn search(&self, api: &Api, reach: &Reach) -> Result<EventSearch, Problem> {
        let query = EventQuery {
            filter: EventFilter {
                tenant: reach.tenant().cloned(),
                event_types: page::list(self.event_type.as_deref(), "type")?,
                from: self.from.map(|time| time.0),
                until: self.until.map(|time| time.0),
            },
            direction: self.order.unwrap_or_default().direction(),
            after: (self.cursor.as_deref())
                .map(|text| reach.find_event(api, text))
                .transpose()?,
            most: page::most(self.limit)?,
        };
        let idempotency_key =
            list_filters::text(self.idempotency_key.as_deref(), "idempotency_key")?;
        let payload = list_filters::text(self.payload.as_deref(), "payload")?;
        Ok(EventSearch {
            query,
            ordering_key: list_filters::ordering_key(self.ordering_key.as_deref())?,
            idempotency_key: idempotency_key.map(Into::into),
            endpoint: one(self.endpoint_id.as_deref(), "endpoint_id")?,
            states: states(self.state.as_deref())?,
            payload: payload.map(Into::into),
        })
    }
}

/// States of events that were published.
fn states(text: Option<&str>) -> Result<Vec<EventState>, Problem> {
    let states: Vec<EventState> = page::list(text, "state")?;
    let waits = |state: &EventState| matches!(state, EventState::Scheduled | EventState::Refused);
    if states.iter().any(waits) {
        let detail = "state: this list has events that were published; GET /v1/scheduled-events \
                      has those that wait for their time";
        return Err(Problem::new(Code::InvalidParameter, detail));
    }
    Ok(states)
}

#[utoipa::path(
    get, path = "/v1/events", tag = "Events", params(ListQuery),
    summary = "List events",
    description = "A page looks at a bounded number of records and of bytes, so with filters it may \
                   come back short, or empty, while `next` says that there is more to look at.",
    responses((status = OK, description = "A page of events, without their payloads.", body = Page<EventView>))
)]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller<Read>,
    Query(query): Query<ListQuery>,
) -> Result<axum::Json<Page<EventView>>, Problem> {
    let reach = Reach::of(&api, &caller, query.tenant.as_deref())?;
    let search = query.search(&api, &reach)?;
    let found = api.postrider().find_events(search).await?;
    Ok(axum::Json(Page {
        data: (found.events.iter())
            .map(|it| EventView::of(&api, it))
            .collect(),
        next: found.next.map(|next| reach.hide_event(&api, next)),
    }))
}

#[utoipa::path(
    get, path = "/v1/events/{id}/payload", tag = "Events",
    params(("id" = String, Path), Whose),
    summary = "Get the payload of an event, byte for byte",
    description = "As it was published, whatever a parser would make of it, and not decoded. JSON comes as \
                   `application/json`. What is not comes as `application/octet-stream`, so that no browser \
                   runs it, with its own type in `X-Payload-Content-Type` and its coding in \
                   `X-Payload-Content-Encoding`.",
    responses((
        status = OK, description = "The payload.",
        content((serde_json::Value = "application/json"), (String = "application/octet-stream"))
    ))
)]
pub(crate) async fn payload(
    State(api): State<Api>,
    caller: Caller<Read>,
    Id(id): Id<EventId>,
    Query(whose): Query<Whose>,
) -> Result<Response, Problem> {
    let reach = whose.reach(&api, &caller)?;
    let record = reach.event(&api, id).await?;
    let kind = &record.event.payload_type;
    let (media_type, ending) = match kind.is_json() {
        true => ("application/json", "json"),
        false => ("application/octet-stream", "bin"),
    };
    let headers = [
        (header::CONTENT_TYPE, media_type.to_owned()),
        // A browser keeps it, and does not show it as a page of this server.
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{id}.{ending}\""),
        ),
    ];
    let mut response = (headers, record.event.payload.clone()).into_response();
    let own = [
        ("x-payload-content-type", Some(kind.media_type())),
        ("x-payload-content-encoding", kind.coding()),
    ];
    for (name, value) in own.into_iter().filter(|_| !kind.is_default()) {
        if let Some(Ok(value)) = value.map(HeaderValue::from_str) {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}
