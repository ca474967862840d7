//! Errors as they leave: `application/problem+json` (RFC 9457) with a stable code.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::fmt;
use utoipa::ToSchema;

/// What a client can tell errors apart by. The names are stable; there is a paragraph for each in
/// `docs/problems.md`, which is made of this table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    BadJson,
    InvalidBody,
    InvalidValue,
    InvalidQuery,
    InvalidParameter,
    InvalidHeader,
    InvalidCursor,
    Unauthorized,
    Forbidden,
    NotFound,
    PlaygroundOff,
    MethodNotAllowed,
    StillPending,
    AlreadyEnded,
    EndpointDisabled,
    EndpointPaused,
    BehindHead,
    Sending,
    LaneStopped,
    IdempotencyKeyReused,
    AlreadyExists,
    InUse,
    RequestTimeout,
    BodyTooLarge,
    UnsupportedMediaType,
    InvalidEndpoint,
    InvalidEvent,
    SchemaViolation,
    SchemaTooCostly,
    UnknownEventType,
    PingFailed,
    SignatureRefused,
    SourceNetworkRefused,
    RateLimited,
    HandlerFailed,
    ConfirmationFailed,
    Internal,
    Full,
    TenantFull,
    EndpointFull,
    Busy,
    ShuttingDown,
    StoreFailed,
}

/// A code, its name, its status, its title, and what to do.
struct Entry(Code, &'static str, u16, &'static str, &'static str);

#[rustfmt::skip] // one line for each code
const TABLE: &[Entry] = &[
    Entry(Code::BadJson, "bad_json", 400, "The body is not JSON", "Send a JSON document, in UTF-8; `detail` names the line and column."),
    Entry(Code::InvalidBody, "invalid_body", 400, "The body has the wrong form", "`errors` names each place by a JSON pointer and what is expected there. Fields that a route does not know are refused: a misspelt field would else be lost in silence."),
    Entry(Code::InvalidValue, "invalid_value", 422, "A value in the body has no meaning here", "The body has the right form; `errors` names the place, and `detail` says what is possible there."),
    Entry(Code::InvalidQuery, "invalid_query", 400, "The query has the wrong form", "Look up the parameters of the route; those that it does not know are refused."),
    Entry(Code::InvalidParameter, "invalid_parameter", 422, "A parameter of the query has no meaning", "`detail` names the parameter and what it may be."),
    Entry(Code::InvalidHeader, "invalid_header", 400, "A header has the wrong form", "`detail` names the header and what it may contain."),
    Entry(Code::InvalidCursor, "invalid_cursor", 422, "The cursor is not one of this list", "Hand back `next` of the page before, unchanged, with the same filters."),
    Entry(Code::Unauthorized, "unauthorized", 401, "There is no valid key in the request", "Send `Authorization: Bearer key_…` with a key that has neither been revoked nor expired."),
    Entry(Code::Forbidden, "forbidden", 403, "The key may not do this", "Use a key with the scope that `detail` names, or one for all tenants where another tenant is meant."),
    Entry(Code::NotFound, "not_found", 404, "There is nothing here", "Check the path and the id. What belongs to another tenant is not found either, and records are dropped when their retention is over."),
    Entry(Code::PlaygroundOff, "playground_off", 404, "The server has no playground", "Start it with `playground = true`, or try things out with `postrider dev`, which has one."),
    Entry(Code::MethodNotAllowed, "method_not_allowed", 405, "The route has no such method", "`Allow` lists the methods it has."),
    Entry(Code::StillPending, "still_pending", 409, "The delivery has not ended", "Wait for its end, or discard it first."),
    Entry(Code::AlreadyEnded, "already_ended", 409, "The delivery has ended", "Only pending and failed deliveries can be discarded."),
    Entry(Code::EndpointDisabled, "endpoint_disabled", 409, "The endpoint is disabled", "Enable it first."),
    Entry(Code::EndpointPaused, "endpoint_paused", 409, "The endpoint is paused", "Resume it: all that waits for it goes out then."),
    Entry(Code::BehindHead, "behind_head", 409, "Another delivery of the lane goes first", "`detail` names it: retry that one, or discard it."),
    Entry(Code::Sending, "sending", 409, "An attempt is under way", "Wait for its end."),
    Entry(Code::LaneStopped, "lane_stopped", 409, "The lane has stopped at a dead letter", "`detail` names it: resend or discard that one, and the lane goes on."),
    Entry(Code::IdempotencyKeyReused, "idempotency_key_reused", 409, "The idempotency key belongs to another event", "Use a new key for a new event; repeat the very same request to repeat one."),
    Entry(Code::AlreadyExists, "already_exists", 409, "There is one with this name already", "Use another name, or change the one that is there."),
    Entry(Code::InUse, "in_use", 409, "Something still depends on it", "`detail` says what: remove or change that first."),
    Entry(Code::RequestTimeout, "request_timeout", 408, "The request was not complete in time", "Send the body without a pause; the connection is closed. `detail` names the limit."),
    Entry(Code::BodyTooLarge, "body_too_large", 413, "The body is too large", "`detail` names the limit. Send a link to the data instead."),
    Entry(Code::UnsupportedMediaType, "unsupported_media_type", 415, "The body is not marked as JSON", "Send `Content-Type: application/json`."),
    Entry(Code::InvalidEndpoint, "invalid_endpoint", 422, "The endpoint cannot be made like this", "`detail` says what is refused and what is possible."),
    Entry(Code::InvalidEvent, "invalid_event", 422, "The event cannot be accepted like this", "`detail` says what is refused and what is possible."),
    Entry(Code::SchemaViolation, "schema_violation", 422, "The payload does not match the schema of its event type", "`errors` names each place by a JSON pointer. Mend the payload, add a version to the event type, or switch validation off."),
    Entry(Code::SchemaTooCostly, "schema_too_costly", 422, "Checking against the schema takes too much work", "Nothing was registered or accepted. `detail` names the bound: write the schema with fewer subschemas that apply at one place, fewer alternatives and patterns, or send less at once."),
    Entry(Code::UnknownEventType, "unknown_event_type", 422, "The event type is not in the catalogue", "Add it with `POST /v1/event-types`, or switch validation off."),
    Entry(Code::PingFailed, "ping_failed", 422, "The endpoint did not answer the ping with 2xx", "Nothing was registered. `detail` says what came back; mend the receiver, or leave `verify` out."),
    Entry(Code::SignatureRefused, "signature_refused", 401, "The signature is not valid", "Check the secret of the source, and that nothing between the provider and here rewrites the body. `detail` has the code of the refusal."),
    Entry(Code::SourceNetworkRefused, "source_network_refused", 403, "The request comes from a network that the source does not allow", "Add the network to `allowed_networks` of the source, or leave that empty."),
    Entry(Code::RateLimited, "rate_limited", 429, "The key is used too fast", "Wait for as many seconds as `Retry-After` says."),
    Entry(Code::HandlerFailed, "handler_failed", 500, "A handler of this application failed", "The event is accepted; the handler runs again when the provider repeats the request."),
    Entry(Code::ConfirmationFailed, "confirmation_failed", 502, "The subscription was not confirmed", "The URL that the provider has sent was not answered with 2xx, or no request may go there; the receipts of the source say which. The provider sends it again."),
    Entry(Code::Internal, "internal", 500, "Something is wrong with Postrider", "Give the request id to whoever runs this server: it is in the log."),
    Entry(Code::Full, "full", 503, "A bound is reached", "`detail` names the bound. Nothing was accepted; try again when deliveries have ended, or raise it."),
    Entry(Code::TenantFull, "tenant_full", 503, "A bound of the tenant is reached", "`detail` names the bound: the tenant has as many of these as it may. Others are not concerned. Nothing was accepted; try again when deliveries have ended, remove what is not needed, or ask the operator for more."),
    Entry(Code::EndpointFull, "endpoint_full", 503, "A bound of the endpoint is reached", "`detail` names the endpoint and the bound: as much is pending for it as may be. Nothing was accepted; mend the receiver, discard what is pending, or delete the endpoint. Where an event goes to other endpoints, too, it is accepted, and for a full one it is a dead letter with the reason `queue_full`."),
    Entry(Code::Busy, "busy", 503, "Every slot is taken", "Try again in a moment."),
    Entry(Code::ShuttingDown, "shutting_down", 503, "The server is shutting down", "Nothing was accepted; try again: another instance, or this one after its restart, will take it."),
    Entry(Code::StoreFailed, "store_failed", 503, "The store has failed", "Whether the request was carried out is unknown: repeat it with the same idempotency key once the server is back."),
];

impl Code {
    fn entry(self) -> &'static Entry {
        // Every code is in the table: see the test.
        TABLE
            .iter()
            .find(|entry| entry.0 == self)
            .unwrap_or(&TABLE[0])
    }
}

/// Name, status, title and remedy of each code.
pub(super) fn table() -> impl Iterator<Item = (&'static str, u16, &'static str, &'static str)> {
    let rows = TABLE.iter();
    rows.map(|Entry(_, name, status, title, remedy)| (*name, *status, *title, *remedy))
}

/// `docs/problems.md`.
#[must_use]
pub fn problems_page() -> String {
    let mut page = String::from(
        "# Problems\n\nEvery error of the API is `application/problem+json` (RFC 9457). `code` is \
         stable, `detail` is for people,\n`errors` names places in the body by JSON pointers (RFC \
         6901), and `request_id` finds the request in the\nlog. This page is made of the table in \
         `server/src/api/problem.rs`; the server shows it at `/problems`.\n",
    );
    for Entry(_, name, status, title, remedy) in TABLE {
        page.push_str(&format!("\n## {name}\n\n{status}: {title}. {remedy}\n"));
    }
    page
}

/// An error, as a client sees it (RFC 9457).
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(transparent)]
pub struct Problem(#[schema(inline)] Box<Said>);

/// What a problem says.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct Said {
    /// A page about the code, on this server.
    #[serde(rename = "type")]
    #[schema(example = "/problems#not_found")]
    type_uri: String,
    /// What the code means.
    title: &'static str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// By which programs tell errors apart.
    #[schema(example = "not_found")]
    code: &'static str,
    /// What is wrong with this request, for people.
    detail: String,
    /// Where in the body.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<Place>,
    /// Finds the request in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    #[serde(skip)]
    retry_after_s: Option<u64>,
    #[serde(skip)]
    allow: Option<HeaderValue>,
}

/// A place in the body, and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Place {
    /// A JSON pointer (RFC 6901); empty for the whole body.
    #[schema(example = "/retry/delays_ms/0")]
    pub(crate) pointer: String,
    /// What is wrong.
    pub(crate) detail: String,
}

impl Problem {
    /// A problem with this code.
    pub(crate) fn new(code: Code, detail: impl fmt::Display) -> Self {
        let Entry(_, name, status, title, _) = code.entry();
        Self(Box::new(Said {
            type_uri: format!("/problems#{name}"),
            title,
            status: *status,
            code: name,
            detail: detail.to_string(),
            errors: Vec::new(),
            request_id: None,
            retry_after_s: None,
            allow: None,
        }))
    }

    /// Names a place in the body.
    pub(crate) fn at(mut self, pointer: impl Into<String>, detail: impl fmt::Display) -> Self {
        self.0.errors.push(Place {
            pointer: pointer.into(),
            detail: detail.to_string(),
        });
        self
    }

    /// The same, found in a part of a larger body.
    pub(crate) fn below(mut self, pointer: &str) -> Self {
        for place in &mut self.0.errors {
            place.pointer.insert_str(0, pointer);
        }
        self
    }

    /// Something that is not there, or belongs to another tenant.
    pub(crate) fn not_found(what: impl fmt::Display) -> Self {
        Self::new(Code::NotFound, format!("there is no {what}"))
    }

    /// Tells the client when to try again.
    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.0.retry_after_s = Some(seconds);
        self
    }

    /// The methods that the route has.
    pub(crate) fn allow(mut self, methods: Option<HeaderValue>) -> Self {
        self.0.allow = methods;
        self
    }

    pub(crate) fn request_id(mut self, id: &str) -> Self {
        self.0.request_id = Some(id.to_owned());
        self
    }

    pub(crate) fn status(&self) -> u16 {
        self.0.status
    }

    pub(crate) fn code(&self) -> &'static str {
        self.0.code
    }

    /// Whether it is one with this code.
    pub(crate) fn is(&self, code: Code) -> bool {
        self.0.code == code.entry().1
    }

    pub(crate) fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The response with its body; what [`IntoResponse`] gives is completed to it on the way out,
    /// where the request's id is known.
    pub(crate) fn render(&self) -> Response {
        let status =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(self).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        let media_type = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, media_type);
        if let Some(seconds) = self.0.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(methods) = &self.0.allow {
            headers.insert(header::ALLOW, methods.clone());
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.render();
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_own_line_in_the_table() {
        for (place, entry) in TABLE.iter().enumerate() {
            assert_eq!(entry.0 as usize, place, "{}", entry.1);
            assert!(StatusCode::from_u16(entry.2).is_ok());
        }
        assert_eq!(TABLE.len(), Code::StoreFailed as usize + 1);
    }

    #[test]
    fn a_problem_says_when_to_come_back() {
        let response = Problem::new(Code::RateLimited, "slowly")
            .retry_after(3)
            .render();
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["retry-after"], "3");
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
    }
}
