//! `POST /v1/events/raw`: an event whose payload is the body of the request, as it is.

use super::Api;
use super::caller::{Caller, Publish};
use super::events::{Accepted, Destination, KeyText, idempotency_key, publish_one};
use super::extract::{self, Query};
use super::intake::read_published;
use super::payload::{self, Given};
use super::problem::Problem;
use super::time::Time;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use postrider::EventType;
use serde::Deserialize;
use std::borrow::Cow;
use utoipa::IntoParams;

/// What is said of the event beside its payload.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RawQuery {
    /// What kind it is: parts of `A-Z a-z 0-9 _ -`, joined by dots. Not `postrider.…`.
    #[serde(rename = "type", deserialize_with = "extract::text")]
    #[param(
        value_type = String,
        min_length = 1,
        max_length = 128,
        pattern = r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$",
        example = "invoice.issued"
    )]
    event_type: EventType,
    /// Only to this endpoint, whatever it subscribes to.
    endpoint_id: Option<String>,
    /// Keeps order among the events with the same key only, instead of all events to an endpoint.
    #[serde(default, deserialize_with = "extract::maybe_text")]
    #[param(value_type = Option<String>, min_length = 1, max_length = 256)]
    ordering_key: Option<KeyText>,
    /// Accept it now, deliver it then; at most a year ahead.
    #[param(value_type = Option<String>, format = DateTime)]
    deliver_after: Option<Time>,
}

#[utoipa::path(
    post, path = "/v1/events/raw", tag = "Events",
    params(
        RawQuery,
        ("idempotency-key" = Option<String>, Header, description = "A repeat with this key and the same content gives the same event and nothing more.", min_length = 1, max_length = 256),
        ("content-encoding" = Option<String>, Header, description = "How the body is coded, such as `gzip`. It is not decoded.", max_length = 64, pattern = r"^[A-Za-z0-9+._-]+(, [A-Za-z0-9+._-]+)*$")
    ),
    request_body(content = String, description = "The payload, byte for byte. Its `Content-Type` and `Content-Encoding` travel with it to endpoints that get payloads as they are.", content_type = "*/*"),
    summary = "Publish the body of the request",
    description = "For XML, text, forms, multipart, binary and what is coded. Without a `Content-Type` \
                   the payload is `application/octet-stream`. Answered when the event and its \
                   deliveries are durable, and not before.",
    responses((status = ACCEPTED, description = "Accepted.", body = Accepted))
)]
pub(crate) async fn publish(
    State(api): State<Api>,
    caller: Caller<Publish>,
    Query(query): Query<RawQuery>,
    request: Request,
) -> Result<(StatusCode, axum::Json<Accepted>), Problem> {
    let tenant = caller.tenant();
    let (head, body) = request.into_parts();
    let key = idempotency_key(&head.headers)?;
    let kind = payload::of_body(&head.headers)?;
    let most = api.postrider().limits().payload_bytes_max;
    let body = read_published(&api, &head, body, most).await?;
    let given = Given {
        bytes: Cow::Borrowed(&body),
        kind,
    };
    let event_type = query.event_type.as_str();
    api.check_payload(tenant, event_type, &given).await?;
    let destination = Destination {
        event_type,
        endpoint_id: query.endpoint_id.as_deref(),
        ordering_key: query.ordering_key.as_ref(),
    };
    let submission = destination.submission(tenant, key, &given)?;
    let accepted = publish_one(&api, submission, query.deliver_after).await?;
    Ok((StatusCode::ACCEPTED, axum::Json(accepted)))
}
