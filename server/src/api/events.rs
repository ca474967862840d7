//! `/v1/events`: publishing, and what has become of what was published.

use super::Api;
use super::caller::{Caller, Publish, Read};
use super::deliveries::DeliveryView;
use super::event_headers;
use super::event_state::EventStateView;
use super::extract::{self, Id, Query, check_media_type, parse};
use super::intake::read_published;
use super::page::{self, Filling};
use super::payload::{self, Fields, Given, Shown};
use super::problem::{Code, Problem};
use super::reach::Whose;
use super::time::Time;
use super::wait::{self, Waits};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use postrider::engine::json::Document;
use postrider::{
    DeliveryId, DeliveryState, EndpointId, EventId, EventRecord, EventStatus, EventType,
    FailReason, Published, ReadError, Scheduled, Submission, TenantId, WaitQuery,
};
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;
use utoipa::ToSchema;

/// Events in one batch.
const BATCH_MAX: usize = 100;

/// The largest batch, in bytes, unless a single event may be larger. Smaller than what takes its room
/// where large bodies have theirs: many batches at once hold no more than other requests.
const BATCH_BYTES: usize = 6 << 20;

/// Deliveries that are shown of what one request has published.
const DELIVERIES_SHOWN_MAX: usize = 1_000;

/// The longest key.
const KEY_CHARS_MAX: usize = 256;

/// The family of the events that Postrider itself publishes.
const RESERVED: &str = "postrider.";

/// An event to publish.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewEvent {
    /// What kind it is: parts of `A-Z a-z 0-9 _ -`, joined by dots. Not `postrider.…`.
    #[serde(rename = "type", deserialize_with = "extract::text")]
    #[schema(
        value_type = String,
        min_length = 1,
        max_length = 128,
        pattern = r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$",
        example = "payment.succeeded"
    )]
    event_type: EventType,
    /// Any JSON value. Receivers get its exact text, at most `payload_bytes_max` of the server (1 MiB). One of `payload`, `payload_text` and
    /// `payload_base64` is given.
    #[serde(default, deserialize_with = "payload::present")]
    #[schema(value_type = Value, required = false, example = json!({"amount": 4200, "currency": "CHF"}))]
    payload: Option<Box<RawValue>>,
    /// Instead, a text: XML, a form, CSV. Receivers get its UTF-8.
    #[serde(default, deserialize_with = "payload::present")]
    #[schema(value_type = String, required = false)]
    payload_text: Option<String>,
    /// Instead, any bytes, as base64.
    #[serde(default, deserialize_with = "payload::present")]
    #[schema(value_type = String, required = false)]
    payload_base64: Option<String>,
    /// The media type of the payload, with its parameters. Default: `application/json`; of a text
    /// `text/plain; charset=utf-8`; of bytes `application/octet-stream`.
    #[serde(default)]
    #[schema(example = "application/json")]
    content_type: Option<String>,
    /// How the bytes are coded, such as `gzip`. They are not decoded.
    #[serde(default)]
    content_encoding: Option<String>,
    /// Headers that go with the payload, at most 32 of 4 KiB together, for filters (`$headers`), templates
    /// (`{{headers.NAME}}`) and endpoints, which get them as headers of their requests. They are not
    /// signed, and no part of what a repeat has in common.
    #[serde(default)]
    #[schema(example = json!({"x-shop": "a.example"}))]
    headers: BTreeMap<String, String>,
    /// Only to this endpoint, whatever it subscribes to.
    #[serde(default)]
    endpoint_id: Option<String>,
    /// Keeps order among the events with the same key only, instead of all events to an endpoint.
    #[serde(default, deserialize_with = "extract::maybe_text")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 256)]
    ordering_key: Option<KeyText>,
    /// Accept it now, deliver it then; at most a year ahead.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    deliver_after: Option<Time>,
}

/// An event of a batch.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BatchItem {
    /// A repeat with this key and the same content gives the same event and nothing more.
    #[serde(default, deserialize_with = "extract::maybe_text")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 256)]
    idempotency_key: Option<KeyText>,
    /// The event.
    event: NewEvent,
}

/// A key as its schema describes it; the engine says whether it can be used.
#[derive(Debug)]
pub(crate) struct KeyText(String);

impl std::str::FromStr for KeyText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.chars().count() {
            1..=KEY_CHARS_MAX => Ok(Self(text.to_owned())),
            _ => Err(format!("use 1 to {KEY_CHARS_MAX} characters")),
        }
    }
}

/// Events to publish, in their order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Batch {
    /// The events.
    #[serde(deserialize_with = "up_to_batch_max")]
    #[schema(min_items = 1, max_items = 100)]
    events: Vec<BatchItem>,
}

/// No more than [`BATCH_MAX`]: what comes after is not read.
fn up_to_batch_max<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<BatchItem>, D::Error> {
    struct Items;

    impl<'de> Visitor<'de> for Items {
        type Value = Vec<BatchItem>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of events")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut items = Vec::new();
            while let Some(item) = list.next_element()? {
                if items.len() == BATCH_MAX {
                    return Err(Error::custom(format_args!("use 1 to {BATCH_MAX} events")));
                }
                items.push(item);
            }
            Ok(items)
        }
    }

    deserializer.deserialize_seq(Items)
}

/// An event that was accepted: it is durable.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Accepted {
    /// The event.
    #[schema(example = "evt_01jd9x2m5tewh8q0v6n3r4y7za")]
    id: String,
    /// Its deliveries: one for each endpoint that gets it, the first 1,000, or a like share for each
    /// event of a batch. Empty for one that is scheduled. `GET /v1/deliveries` with `event_id` lists
    /// all.
    deliveries: Vec<AcceptedDelivery>,
    /// How many of its deliveries are not shown.
    deliveries_left_out: usize,
    /// Whether it was accepted before, under the same idempotency key.
    duplicate: bool,
    /// When it will be delivered, if that is later.
    deliver_after: Option<Time>,
}

/// A delivery of an event that was accepted.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AcceptedDelivery {
    /// The delivery.
    id: String,
    /// Where it goes.
    endpoint_id: String,
    /// As much was pending for the endpoint as may be: this delivery is a dead letter with the reason
    /// `queue_full`, and no attempt was made.
    queue_full: bool,
}

/// What has become of an event of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BatchResult {
    /// The status that it would have had by itself: 202, or that of the problem.
    status: u16,
    /// If it was accepted.
    event: Option<Accepted>,
    /// If it was not.
    problem: Option<Problem>,
}

/// What has become of the events of a batch, in their order.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BatchResults {
    /// One for each event.
    results: Vec<BatchResult>,
}

impl NewEvent {
    fn given(&self) -> Result<Given<'_>, Problem> {
        let fields = Fields {
            json: self.payload.as_deref(),
            text: self.payload_text.as_deref(),
            base64: self.payload_base64.as_deref(),
            media_type: self.content_type.as_deref(),
            coding: self.content_encoding.as_deref(),
        };
        fields.read()
    }

    /// Checks it, and says what is to be published.
    async fn submission(
        &self,
        api: &Api,
        tenant: &TenantId,
        key: Option<&str>,
    ) -> Result<Submission, Problem> {
        let given = self.given()?;
        let event_type = self.event_type.as_str();
        api.check_payload(tenant, event_type, &given).await?;
        let destination = Destination {
            event_type,
            endpoint_id: self.endpoint_id.as_deref(),
            ordering_key: self.ordering_key.as_ref(),
        };
        let headers = event_headers::given(&self.headers, Code::InvalidEvent)?;
        let submission = destination.submission(tenant, key, &given)?;
        Ok(submission.headers(headers))
    }
}

/// What kind of event it is, and where it goes.
pub(crate) struct Destination<'a> {
    pub(crate) event_type: &'a str,
    pub(crate) endpoint_id: Option<&'a str>,
    pub(crate) ordering_key: Option<&'a KeyText>,
}

impl Destination<'_> {
    /// An event with this payload.
    pub(crate) fn submission(
        &self,
        tenant: &TenantId,
        key: Option<&str>,
        given: &Given<'_>,
    ) -> Result<Submission, Problem> {
        if self.event_type.starts_with(RESERVED) {
            let detail = "types that begin with `postrider.` are Postrider's own";
            return Err(Problem::new(Code::InvalidEvent, detail).at("/type", detail));
        }
        let mut submission = Submission::new(self.event_type, &given.bytes)
            .payload_type(given.kind.clone())
            .tenant(tenant.as_str());
        if let Some(id) = self.endpoint_id {
            let nothing = |_| {
                let detail = format!("endpoint {}", id.chars().take(64).collect::<String>());
                Problem::not_found(detail).at("/endpoint_id", "unknown")
            };
            submission = submission.to(&id.parse::<EndpointId>().map_err(nothing)?);
        }
        if let Some(key) = self.ordering_key {
            submission = submission.ordering_key(key.0.as_str());
        }
        if let Some(key) = key {
            submission = submission.idempotency_key(key);
        }
        Ok(submission)
    }
}

/// `Idempotency-Key`, if there is one.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let refused = || {
        let detail = "Idempotency-Key: use 1 to 256 visible ASCII characters";
        Problem::new(Code::InvalidHeader, detail)
    };
    let value = headers.get("idempotency-key");
    if value.is_some_and(|value| !(1..=KEY_CHARS_MAX).contains(&value.len())) {
        return Err(refused());
    }
    value
        .map(|value| value.to_str().map_err(|_| refused()))
        .transpose()
}

/// The largest body: a payload of the largest size in base64, and room for the rest.
pub(crate) fn body_bytes_max(api: &Api) -> usize {
    api.postrider().limits().payload_bytes_max.div_ceil(3) * 4 + (16 << 10)
}

#[utoipa::path(
    post, path = "/v1/events", tag = "Events", request_body = NewEvent,
    params(("idempotency-key" = Option<String>, Header, description = "A repeat with this key and the same content gives the same event and nothing more.", min_length = 1, max_length = 256)),
    summary = "Publish an event",
    description = "Answered when the event and its deliveries are durable, and not before.",
    responses((status = ACCEPTED, description = "Accepted.", body = Accepted))
)]
pub(crate) async fn publish(
    State(api): State<Api>,
    caller: Caller<Publish>,
    request: Request,
) -> Result<(StatusCode, axum::Json<Accepted>), Problem> {
    let tenant = caller.tenant();
    let (head, body) = request.into_parts();
    check_media_type(&head.headers)?;
    let key = idempotency_key(&head.headers)?;
    let body = read_published(&api, &head, body, body_bytes_max(&api)).await?;
    let event: NewEvent = parse(&body)?;
    let submission = event.submission(&api, tenant, key).await?;
    let accepted = publish_one(&api, submission, event.deliver_after).await?;
    Ok((StatusCode::ACCEPTED, axum::Json(accepted)))
}

/// Publishes an event, now or later.
pub(crate) async fn publish_one(
    api: &Api,
    submission: Submission,
    deliver_after: Option<Time>,
) -> Result<Accepted, Problem> {
    let most = DELIVERIES_SHOWN_MAX;
    match deliver_after {
        None => accepted(api, api.postrider().publish(submission).await?, most).await,
        Some(at) => scheduled(api, (submission, at), most).await,
    }
}

/// What is answered, with so many deliveries; those of a repeat are those of the first time, as far as
/// their record is still there.
async fn accepted(api: &Api, published: Published, most: usize) -> Result<Accepted, Problem> {
    let shown = |id: DeliveryId, endpoint: EndpointId, queue_full| AcceptedDelivery {
        id: id.to_string(),
        endpoint_id: endpoint.to_string(),
        queue_full,
    };
    let full = DeliveryState::Failed(FailReason::QueueFull);
    let (deliveries, count): (Vec<_>, _) = if published.duplicate {
        let known = match api.postrider().event_status(&published.event).await {
            Ok(status) => status.deliveries,
            Err(ReadError::NoSuchEvent(_)) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let first = || known.iter().filter(|it| it.resend_of.is_none());
        let of = first().take(most);
        let of = of.map(|it| shown(it.id, it.lane.endpoint, it.state == full));
        (of.collect(), first().count())
    } else {
        let new = &published.deliveries;
        let of = new.iter().take(most);
        let of = of.map(|it| shown(it.id, it.lane.endpoint, it.queue_full));
        (of.collect(), new.len())
    };
    Ok(Accepted {
        id: published.event.to_string(),
        deliveries_left_out: count - deliveries.len(),
        deliveries,
        duplicate: published.duplicate,
        deliver_after: None,
    })
}

/// Accepts an event for later.
async fn scheduled(
    api: &Api,
    (submission, at): (Submission, Time),
    most: usize,
) -> Result<Accepted, Problem> {
    match api.postrider().schedule(submission, at.0).await? {
        Scheduled::Now(published) => accepted(api, published, most).await,
        Scheduled::Later {
            event,
            due,
            duplicate,
        } => Ok(Accepted {
            id: event.to_string(),
            deliveries: Vec::new(),
            deliveries_left_out: 0,
            duplicate,
            deliver_after: Some(due.into()),
        }),
    }
}

#[utoipa::path(
    post, path = "/v1/events/batch", tag = "Events", request_body = Batch,
    summary = "Publish up to 100 events",
    description = "In their order. Each is accepted or refused by itself.",
    responses((status = OK, description = "A result for each event, in their order.", body = BatchResults))
)]
pub(crate) async fn publish_batch(
    State(api): State<Api>,
    caller: Caller<Publish>,
    request: Request,
) -> Result<axum::Json<BatchResults>, Problem> {
    let tenant = caller.tenant();
    let (head, body) = request.into_parts();
    check_media_type(&head.headers)?;
    let most = body_bytes_max(&api).max(BATCH_BYTES);
    let batch: Batch = parse(&read_published(&api, &head, body, most).await?)?;
    if batch.events.is_empty() {
        let detail = format!("use 1 to {BATCH_MAX} events");
        return Err(Problem::new(Code::InvalidBody, &detail).at("/events", detail));
    }
    let mut submissions = Vec::with_capacity(batch.events.len());
    for item in &batch.events {
        let key = item.idempotency_key.as_ref().map(|key| key.0.as_str());
        submissions.push(item.event.submission(&api, tenant, key).await);
    }
    let at_once = batch.events.iter().zip(&submissions);
    let at_once = at_once.filter(|(item, _)| item.event.deliver_after.is_none());
    let fit = at_once.filter_map(|(_, submission)| submission.as_ref().ok().cloned());
    let published = api.postrider().publish_all(fit.collect()).await;
    let mut published = published.into_iter();
    let most = DELIVERIES_SHOWN_MAX / batch.events.len();
    let mut results = Vec::with_capacity(batch.events.len());
    for (item, submission) in batch.events.iter().zip(submissions) {
        let result = match submission {
            Err(problem) => Err(problem),
            Ok(submission) if let Some(at) = item.event.deliver_after => {
                scheduled(&api, (submission, at), most).await
            }
            Ok(_) => match published.next() {
                Some(Ok(published)) => accepted(&api, published, most).await,
                Some(Err(error)) => Err(error.into()),
                None => Err(Problem::new(Code::Internal, "an event was not answered")),
            },
        };
        results.push(BatchResult::of(result));
    }
    Ok(axum::Json(BatchResults { results }))
}

impl BatchResult {
    fn of(result: Result<Accepted, Problem>) -> Self {
        match result {
            Ok(event) => Self {
                status: StatusCode::ACCEPTED.as_u16(),
                event: Some(event),
                problem: None,
            },
            Err(problem) => Self {
                status: problem.status(),
                event: None,
                problem: Some(problem),
            },
        }
    }
}

/// An event with everything that is known of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventDetail {
    /// Its id.
    id: String,
    /// The name of its tenant.
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
    /// That of its least advanced delivery: `pending`, `retrying`, `failed`, `discarded`,
    /// `delivered`; or `no_subscribers` if no endpoint got it; or `scheduled`, or `refused` if it
    /// could not be accepted at its time.
    state: EventStateView,
    /// Attempts that have ended, over all its deliveries.
    attempts: u32,
    /// How the last attempt that was no success ended.
    last_error: Option<String>,
    /// When the last of its deliveries was delivered, if all were.
    delivered_at: Option<Time>,
    /// When it is published, if that is later.
    deliver_after: Option<Time>,
    /// The media type of the payload.
    #[schema(example = "application/json")]
    content_type: String,
    /// How its bytes are coded, if they are.
    content_encoding: Option<String>,
    /// What it carries beside its payload: headers of the webhook that it was, or its publisher's.
    headers: BTreeMap<String, String>,
    /// The payload, if it is JSON to the letter, but for a byte order mark before it, and of a JSON type.
    #[schema(value_type = Value)]
    payload: Option<Box<RawValue>>,
    /// The payload as text, if it is not, also where it is read all the same: `payload_unreadable` says
    /// whether it is.
    payload_text: Option<String>,
    /// The payload as base64, if it is neither JSON nor text, or is coded.
    payload_base64: Option<String>,
    /// Why a payload of a JSON type cannot be read, if it cannot: endpoints with a filter did not get the event, and
    /// templates and envelopes have the payload as a string.
    payload_unreadable: Option<String>,
    /// Its deliveries, resends included: the first 4 MiB of them. `GET /v1/deliveries` with `event_id`
    /// lists all, page by page.
    deliveries: Vec<DeliveryView>,
    /// How many of its deliveries are not shown.
    deliveries_left_out: usize,
}

#[utoipa::path(
    get, path = "/v1/events/{id}", tag = "Events", params(("id" = String, Path), Whose),
    summary = "Get an event with its payload and its deliveries",
    responses((status = OK, description = "The event.", body = EventDetail))
)]
pub(crate) async fn get(
    State(api): State<Api>,
    caller: Caller<Read>,
    Id(id): Id<EventId>,
    Query(whose): Query<Whose>,
) -> Result<Response, Problem> {
    let reach = whose.reach(&api, &caller)?;
    let record = reach.event(&api, id).await?;
    let status = api.postrider().event_status(&id).await?;
    let asked: Vec<WaitQuery> = status.deliveries.iter().map(WaitQuery::from).collect();
    let waits = wait::of(&api, &asked).await;
    page::answer(move || detail(&api, &record, status, waits)).await
}

fn detail(api: &Api, record: &EventRecord, status: EventStatus, waits: Waits) -> EventDetail {
    let shown = Shown::of(&record.event);
    let kind = &record.event.payload_type;
    let mut filling = Filling::new(usize::MAX);
    let all = status.deliveries.iter().zip(waits);
    let mut all = all.map(|(it, wait)| DeliveryView::of(api, it, wait));
    while all.next().is_some_and(|it| filling.add("", it)) {}
    let deliveries = filling.data();
    EventDetail {
        id: record.event.id.to_string(),
        tenant: api.tenants().name_of(&record.event.tenant),
        event_type: record.event.event_type.to_string(),
        ordering_key: record.event.ordering_key.get().map(str::to_owned),
        idempotency_key: record.idempotency_key.as_deref().map(str::to_owned),
        published_at: record.event.published_at.into(),
        state: status.state.into(),
        attempts: status.attempts,
        last_error: status.last_error,
        delivered_at: status.delivered_at.map(Time),
        deliver_after: status.due.map(Time),
        content_type: kind.media_type().to_owned(),
        content_encoding: kind.coding().map(str::to_owned),
        headers: event_headers::shown(&record.event.headers),
        payload: shown.json,
        payload_text: shown.text,
        payload_base64: shown.base64,
        payload_unreadable: Document::read(&record.event.payload)
            .err()
            .filter(|_| kind.is_json())
            .map(|why| why.to_string()),
        deliveries_left_out: status.deliveries.len() - deliveries.len(),
        deliveries,
    }
}

/// The event, if it is the tenant's.
pub(crate) async fn owned(
    api: &Api,
    tenant: &TenantId,
    id: EventId,
) -> Result<EventRecord, Problem> {
    let record = api.postrider().event(&id).await?;
    if record.event.tenant == *tenant {
        return Ok(record);
    }
    Err(Problem::not_found(format_args!("event {id}")))
}
