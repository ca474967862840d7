//! Trying out what is not saved: an endpoint, a filter, a template. Nothing of it is kept.

use super::Api;
use super::attempts::AttemptView;
use super::caller::{Caller, ManageEndpoints, Read};
use super::endpoint_form::TemplateRef;
use super::endpoints::{self, NewEndpoint, take};
use super::event_headers;
use super::events::body_bytes_max;
use super::extract::{self, Json, check_media_type, parse, read};
use super::problem::{Code, Problem};
use super::raw::{self, Members};
use axum::extract::{Request, State};
use bytes::Bytes;
use postrider::engine::json::compact;
use postrider::engine::{PayloadForm, RenderContext, Verdict};
use postrider::{
    DeliveryId, Event, EventHeaders, EventId, EventType, Filter, InvalidFilter, OrderingKey,
    PayloadType, Template, TenantId,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// What a filter or a template takes beside a payload, in bytes, with room for escapes.
const BESIDE_BYTES_MAX: usize = 128 << 10;

/// An endpoint that is tried out: what its owner decides, and what it is sent.
pub(crate) struct TriedEndpoint;

impl ToSchema for TriedEndpoint {
    fn name() -> std::borrow::Cow<'static, str> {
        "TriedEndpoint".into()
    }
}

impl PartialSchema for TriedEndpoint {
    /// That of a new endpoint, with two fields more.
    fn schema() -> RefOr<Schema> {
        let mut schema = NewEndpoint::schema();
        if let RefOr::T(Schema::Object(form)) = &mut schema {
            let event_type = ObjectBuilder::new()
                .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
                .max_length(Some(EventType::CHARS_MAX))
                .description(Some("The event type. Default `postrider.ping`."));
            let payload = ObjectBuilder::new()
                .schema_type(SchemaType::AnyValue)
                .description(Some("The payload. Default: a ping with the time."));
            form.properties
                .insert("event_type".to_owned(), event_type.into());
            form.properties.insert("payload".to_owned(), payload.into());
        }
        schema
    }
}

#[utoipa::path(
    post, path = "/v1/endpoints/test", tag = "Endpoints", request_body = TriedEndpoint,
    summary = "Send a test event to an endpoint that is not registered",
    description = "One request, formed and signed as the endpoint would get it, with the secret that \
                   is given or with a new one. Nothing is kept: neither the endpoint nor what comes \
                   back. `verify` changes nothing here. Needs the scope `manage`, or `manage_endpoints`: \
                   the caller says where the request goes.",
    responses((status = OK, description = "What came back; `status` is `null` if nothing did.", body = AttemptView))
)]
pub(crate) async fn endpoint(
    State(api): State<Api>,
    caller: Caller<ManageEndpoints>,
    Json(mut body): Json<Members>,
) -> Result<axum::Json<AttemptView>, Problem> {
    take::<bool>(&mut body, "verify")?;
    let event_type: Option<String> = take(&mut body, "event_type")?;
    let payload = body
        .remove("payload")
        .filter(|payload| !raw::is_null(payload));
    let (spec, secret) = endpoints::formed(&api, caller.tenant(), body, None)?;
    let secret = secret.map_or_else(endpoints::new_secret, Ok)?;
    let submission = endpoints::tested(&api, event_type, payload.as_deref());
    let sent = api.postrider().ping_unregistered(spec, secret, submission);
    Ok(axum::Json(AttemptView::of(&sent.await?)))
}

/// A filter, and a payload to try it on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FilterTry {
    /// The filter, as an endpoint would have it.
    #[schema(value_type = Object, example = json!({"amount": {"$gt": 10_000}}))]
    filter: Box<RawValue>,
    /// The payload.
    #[schema(value_type = Value, example = json!({"amount": 25_000}))]
    payload: Box<RawValue>,
    /// The headers of the event, for `$headers`.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// The type of the event. Filters do not look at it: the answer says what it depends on
    /// beside.
    #[serde(default, deserialize_with = "extract::maybe_text")]
    #[schema(
        value_type = Option<String>,
        min_length = 1,
        max_length = 128,
        pattern = r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$"
    )]
    event_type: Option<EventType>,
}

/// What a filter says of a payload.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FilterTried {
    /// Whether an endpoint with this filter gets the payload.
    matches: bool,
    /// Why, for people.
    detail: String,
}

#[utoipa::path(
    post, path = "/v1/filters/try", tag = "Endpoints", request_body = FilterTry,
    summary = "Try a content filter on a payload",
    description = "Needs the scope `read`. Nothing is kept.",
    responses((status = OK, description = "Whether it matches.", body = FilterTried))
)]
pub(crate) async fn filter(
    State(api): State<Api>,
    _: Caller<Read>,
    request: Request,
) -> Result<axum::Json<FilterTried>, Problem> {
    let form: FilterTry = large(&api, request).await?;
    let filter = compact(form.filter.get()).parse::<Filter>();
    let filter = filter.map_err(|error: InvalidFilter| {
        let pointer = format!("/filter{}", error.pointer);
        Problem::new(Code::InvalidValue, &error).at(pointer, &error.problem)
    })?;
    let headers = event_headers::given(&form.headers, Code::InvalidValue)?;
    let (matches, mut detail) = judged(&filter, form.payload.get().as_bytes(), &headers);
    if let Some(event_type) = form.event_type.filter(|_| matches) {
        detail +=
            &format!("; an endpoint gets the event if its event types cover `{event_type}`, too");
    }
    Ok(axum::Json(FilterTried { matches, detail }))
}

/// Whether a filter matches, and why.
fn judged(filter: &Filter, payload: &[u8], headers: &EventHeaders) -> (bool, String) {
    let (most, least) = (Filter::STEPS_MAX, Filter::STEPS_MIN);
    let verdict = |steps| filter.verdict_with(payload, headers, steps);
    match verdict(most) {
        Verdict::Match if verdict(least) == Verdict::Match => {
            (true, "the payload matches".to_owned())
        }
        Verdict::Match => {
            let detail = format!(
                "the payload matches, but the filter looks at more than {least} bytes of it: beside \
                 other costly filters it may not be judged"
            );
            (true, detail)
        }
        Verdict::NoMatch => (false, "the payload does not match".to_owned()),
        Verdict::Unreadable(why) => (false, format!("the payload cannot be read as JSON: {why}")),
        Verdict::TooCostly => (
            false,
            format!("the filter would look at more than {most} bytes of the payload"),
        ),
    }
}

/// A template, and an event to try it on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TemplateTry {
    /// `{"name": …, "version": …}` for one that is on record; a string for the text of a template;
    /// any other JSON is a template itself.
    #[schema(value_type = Value, example = json!({"event": "{{type}}", "total": "{{data.amount}}"}))]
    template: Box<RawValue>,
    /// The type of the event.
    #[serde(deserialize_with = "extract::text")]
    #[schema(
        value_type = String,
        min_length = 1,
        max_length = 128,
        pattern = r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$",
        example = "payment.succeeded"
    )]
    event_type: EventType,
    /// The payload.
    #[schema(value_type = Value, example = json!({"amount": 4200}))]
    payload: Box<RawValue>,
    /// The headers of the event.
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

/// What a template makes of an event.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TemplateTried {
    /// The body of a request, as an endpoint would get it.
    body: String,
    /// Its media type.
    content_type: &'static str,
}

#[utoipa::path(
    post, path = "/v1/templates/try", tag = "Templates", request_body = TemplateTry,
    summary = "Try a template on an event",
    description = "Needs the scope `read`. The ids and the time of the event are those of a sample. \
                   Nothing is kept.",
    responses((status = OK, description = "What a receiver would get.", body = TemplateTried))
)]
pub(crate) async fn template(
    State(api): State<Api>,
    caller: Caller<Read>,
    request: Request,
) -> Result<axum::Json<TemplateTried>, Problem> {
    let form: TemplateTry = large(&api, request).await?;
    let tenant = caller.tenant();
    let template = chosen(&api, tenant, &form.template)?;
    let now = api.now();
    let event = Event {
        id: EventId::from_parts(now, 0),
        tenant: tenant.clone(),
        event_type: form.event_type,
        payload: Bytes::copy_from_slice(form.payload.get().as_bytes()),
        payload_type: PayloadType::default(),
        headers: event_headers::given(&form.headers, Code::InvalidValue)?,
        ordering_key: OrderingKey::none(),
        published_at: now,
    };
    let most = api.postrider().limits().rendered_bytes_max;
    let sending = RenderContext {
        delivery: DeliveryId::from_parts(now, 0),
        attempt: 1,
        at: now,
    };
    let body = PayloadForm::Template(template).render(&event, &sending, most);
    let body = body.map_err(|error| refused(&error))?;
    Ok(axum::Json(TemplateTried {
        body: String::from_utf8_lossy(&body).into_owned(),
        content_type: "application/json",
    }))
}

/// The template that is meant.
fn chosen(api: &Api, tenant: &TenantId, given: &RawValue) -> Result<Template, Problem> {
    if raw::is_object(given)
        && let Ok(known) = serde_json::from_str::<TemplateRef>(given.get())
    {
        let found = api.named_template(tenant, &known.name, known.version);
        return found.ok_or_else(|| refused(&"there is no such template in this version"));
    }
    let text = serde_json::from_str::<String>(given.get());
    let text = text.unwrap_or_else(|_| given.get().to_owned());
    // As it would be kept, if it is JSON; if it is not, the refusal names the place in it.
    let compact = serde_json::from_str::<&RawValue>(&text).map(|json| compact(json.get()));
    let template = Template::new("tried", 1, &compact.unwrap_or(text));
    template.map_err(|error| refused(&error))
}

fn refused(detail: &impl std::fmt::Display) -> Problem {
    Problem::new(Code::InvalidValue, detail).at("/template", detail)
}

/// A form that has a payload of the largest size in it, and room for the rest.
async fn large<T: DeserializeOwned>(api: &Api, request: Request) -> Result<T, Problem> {
    let (head, body) = request.into_parts();
    check_media_type(&head.headers)?;
    parse(&read(body, body_bytes_max(api) + BESIDE_BYTES_MAX).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_says_whether_and_why() {
        let filter: Filter = r#"{"amount": {"$gt": 100}}"#.parse().unwrap();
        let none = EventHeaders::default();
        let (matches, detail) = judged(&filter, br#"{"amount": 101}"#, &none);
        assert!(matches && detail == "the payload matches", "{detail}");
        let (matches, detail) = judged(&filter, br#"{"amount": 100}"#, &none);
        assert!(!matches && detail.contains("does not"), "{detail}");
        let (matches, detail) = judged(&filter, b"{", &none);
        assert!(!matches && detail.contains("cannot be read"), "{detail}");
    }
}
