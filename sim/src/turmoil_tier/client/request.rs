//! An event as a request to the API.

use crate::turmoil_tier::api::KEY;
use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::Full;
use postrider::engine::{NewEvent, Target};
use serde::Serialize;
use serde_json::value::RawValue;
use std::error::Error;

/// The body of `POST /v1/events`.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    event_type: &'a str,
    payload: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ordering_key: Option<&'a str>,
}

/// The request; the same bytes each time.
pub(super) fn of(event: &NewEvent, with_key: bool) -> Result<Request<Full<Bytes>>, Box<dyn Error>> {
    let body = Body {
        event_type: event.event_type.as_str(),
        payload: serde_json::from_slice(&event.payload)?,
        endpoint_id: match event.target {
            Target::Endpoint(id) => Some(id.to_string()),
            Target::Subscribers => None,
        },
        ordering_key: event.ordering_key.get(),
    };
    let mut request = Request::builder()
        .method(Method::POST)
        .uri("/v1/events")
        .header(header::HOST, "sender")
        .header(header::AUTHORIZATION, format!("Bearer {KEY}"))
        .header(header::CONTENT_TYPE, "application/json")
        .header("postrider-tenant", event.tenant.as_str());
    if let Some(key) = event.idempotency_key.as_deref().filter(|_| with_key) {
        request = request.header("idempotency-key", key);
    }
    Ok(request.body(serde_json::to_vec(&body)?.into())?)
}
