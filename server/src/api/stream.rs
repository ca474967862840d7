//! `/v1/stream`: what happens, as it happens: server-sent events (WHATWG HTML, section 9.2).

mod text;
mod writer;

use super::Api;
use super::caller::{Caller, Read};
use super::deliveries::one;
use super::deliveries_short::View;
use super::extract::Query;
use super::live::Wants;
use super::log_tail::Tail;
use super::page;
use super::problem::{Code, Problem};
use super::reach::Reach;
use crate::listen::Cut;
use axum::body::Body;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use postrider::{EventCursor, EventFilter};
use serde::Deserialize;
use utoipa::IntoParams;
use writer::Writer;

/// By which a client says what it has seen last (section 9.2.4).
const LAST_EVENT_ID: &str = "last-event-id";

/// The largest `per_second`.
const PER_SECOND_MAX: u32 = 1_000;

/// What is shown.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StreamQuery {
    /// Only these kinds: `event`, `attempt`, `delivery`, `endpoint`, `attempt.started`, with commas
    /// between. Without it, all but the last.
    types: Option<String>,
    /// Of events, attempts and deliveries only those of these event types: types or families such
    /// as `payment.*`, with commas between.
    event_type: Option<String>,
    /// Only what concerns this endpoint; of events those that go to it.
    endpoint_id: Option<String>,
    /// What this tenant has, by name or id; `*` for what all have, with `tenant` in each item, and with a
    /// key for all tenants.
    tenant: Option<String>,
    /// Begin after the event with this `id` of the stream; without it, now. `Last-Event-ID` goes
    /// before it.
    after: Option<String>,
    /// At most so many events in a second, and as many of all the other items together, 1 to 1,000: for
    /// who looks at them. `skipped` says that there were more.
    per_second: Option<u32>,
    /// `short`: events without their payloads. `full` if it is left out.
    #[param(inline)]
    view: Option<View>,
}

/// The kinds of what is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Event,
    Started,
    Attempt,
    Delivery,
    Endpoint,
}

impl std::str::FromStr for Kind {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "event" => Self::Event,
            "attempt.started" => Self::Started,
            "attempt" => Self::Attempt,
            "delivery" => Self::Delivery,
            "endpoint" => Self::Endpoint,
            _ => return Err("use event, attempt, delivery, endpoint or attempt.started"),
        })
    }
}

impl StreamQuery {
    fn wants(&self, reach: &Reach) -> Result<Wants, Problem> {
        let kinds: Vec<Kind> = page::list(self.types.as_deref(), "types")?;
        let wanted = |kind| kinds.is_empty() || kinds.contains(&kind);
        Ok(Wants {
            tenant: reach.tenant().cloned(),
            events: wanted(Kind::Event),
            // Who asks for nothing in particular has always seen one line for an attempt.
            starts: kinds.contains(&Kind::Started),
            attempts: wanted(Kind::Attempt),
            deliveries: wanted(Kind::Delivery),
            endpoints: wanted(Kind::Endpoint),
            event_types: page::list(self.event_type.as_deref(), "event_type")?,
            endpoint: one(self.endpoint_id.as_deref(), "endpoint_id")?,
            per_second: self.pace()?,
            is_short: self.view == Some(View::Short),
        })
    }

    fn pace(&self) -> Result<Option<u32>, Problem> {
        if self
            .per_second
            .is_none_or(|it| (1..=PER_SECOND_MAX).contains(&it))
        {
            return Ok(self.per_second);
        }
        let detail = format!("per_second: use 1 to {PER_SECOND_MAX}");
        Err(Problem::new(Code::InvalidQuery, detail))
    }

    /// The place in the log after which the client wants to begin.
    fn place(
        &self,
        headers: &HeaderMap,
        api: &Api,
        reach: &Reach,
    ) -> Result<Option<EventCursor>, Problem> {
        let refused = || {
            let detail = "hand back the last `id` of the stream, unchanged";
            Problem::new(Code::InvalidCursor, detail)
        };
        let header = headers.get(LAST_EVENT_ID);
        let header = header.map(|value| value.to_str().map_err(|_| refused()));
        // A client that has seen nothing yet may send an empty one.
        let header = header.transpose()?.filter(|text| !text.is_empty());
        let text = header.or(self.after.as_deref());
        text.map(|text| reach.find_event(api, text)).transpose()
    }
}

#[utoipa::path(
    get, path = "/v1/stream", tag = "Stream",
    params(
        StreamQuery,
        ("last-event-id" = Option<String>, Header, description = "Begin after the event with this `id` of the stream.")
    ),
    summary = "See what happens as it happens",
    description = "Server-sent events. `event: event` is an event that was accepted, in the order in \
                   which it was, with an `id`: whoever comes back with the last one misses none and \
                   sees none twice. `attempt`, `delivery` and `endpoint` tell what becomes of them, \
                   from now on; `attempt.started`, for who asks for it, that a request leaves (one \
                   that could not leave this host has no end: it starts again with the same \
                   number). `skipped` says that some of these were missed or left out, and where it is \
                   known how many (the history has them). The stream ends when its key does.",
    responses((status = OK, description = "A stream that does not end by itself.", content_type = "text/event-stream", body = String))
)]
pub(crate) async fn stream(
    State(api): State<Api>,
    caller: Caller<Read>,
    Query(query): Query<StreamQuery>,
    parts: Parts,
) -> Result<Response, Problem> {
    let reach = Reach::of(&api, &caller, query.tenant.as_deref())?;
    let wants = query.wants(&reach)?;
    let place = query.place(&parts.headers, &api, &reach)?;
    if api.live().is_closing() {
        let detail = "no stream is opened any more";
        return Err(Problem::new(Code::ShuttingDown, detail).retry_after(1));
    }
    let taken = api.live().place(caller.tenant())?;
    // What happens from here on is in the queue, and what was accepted is in the log.
    let items = api.live().subscribe(wants.clone());
    let tail = match wants.events {
        true => Some(tail(&api, &wants, place).await?),
        false => None,
    };
    let cut = parts.extensions.get::<Cut>().cloned();
    let (writer, body) = Writer::new(api, caller, wants);
    tokio::spawn(async move {
        writer.run(tail, items, cut).await;
        drop(taken);
    });
    let mut response = Body::new(body).into_response();
    let headers = response.headers_mut();
    let media_type = HeaderValue::from_static("text/event-stream");
    headers.insert(header::CONTENT_TYPE, media_type);
    // Proxies that gather answers before they pass them on would hold it up.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

async fn tail(api: &Api, wants: &Wants, place: Option<EventCursor>) -> Result<Tail, Problem> {
    let postrider = api.postrider().clone();
    let filter = EventFilter {
        tenant: wants.tenant.clone(),
        event_types: wants.event_types.clone(),
        ..EventFilter::default()
    };
    match place {
        Some(_) => Ok(Tail::after(postrider, filter, place)),
        None => Ok(Tail::newest(postrider, filter).await?),
    }
}
