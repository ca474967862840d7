//! What every request passes on its way in and out: a request id, the last touch of a problem,
//! the headers that keep browsers careful.

use super::Api;
use super::caller::TENANT_HEADER;
use super::intake;
use super::problem::{Code, Problem};
use crate::quiet::Quiet;
use axum::extract::{OriginalUri, Request};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::time::Instant;

/// The header that carries the request's id, in and out.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// An id that comes with a request is taken over if it is no longer than this.
const REQUEST_ID_BYTES_MAX: usize = 64;

/// Headers of which a request has one at most: of two, one part of what stands in front of the server
/// might read the first, and another the second.
const SINGLE: [&str; 12] = [
    "host",
    "authorization",
    TENANT_HEADER,
    "idempotency-key",
    "content-type",
    "content-length",
    "last-event-id",
    "x-github-event",
    "x-github-delivery",
    "x-shopify-topic",
    "x-shopify-webhook-id",
    "x-shopify-event-id",
];

/// Lines of the log about refusals that are the server's, in a second.
static REFUSED: Quiet = Quiet::per_second(10);

/// Wraps the whole router.
pub(super) async fn pass(api: &Api, request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    let start = Instant::now();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let response = match check_headers(&request) {
        Ok(()) => intake::bound(api, request, next).await,
        Err(problem) => problem.into_response(),
    };
    let mut response = complete(response, &id);
    let ms = start.elapsed().as_millis();
    let status = response.status().as_u16();
    tracing::debug!(request = %id, %method, path, status, ms, "postrider.api.request");
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, value);
    }
    secure(headers);
    response
}

/// A problem gets the request's id; what axum refuses by itself becomes a problem.
fn complete(mut response: Response, id: &str) -> Response {
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        let status = response.status().as_u16();
        if (status >= 500 || status == 408)
            && let Some(left_out) = REFUSED.turn()
        {
            let (code, detail) = (problem.code(), problem.detail());
            tracing::warn!(request = %id, code, detail, left_out, "postrider.api.refused");
        }
        return problem.request_id(id).render();
    }
    match response.status().as_u16() {
        405 => {
            let allow = response.headers().get(header::ALLOW).cloned();
            let problem = Problem::new(Code::MethodNotAllowed, "this route has other methods");
            problem.allow(allow).request_id(id).render()
        }
        _ => response,
    }
}

/// Where there is no route. A browser that is sent to the server itself is led to the dashboard; that
/// is no route, so that an application into which the API is merged may have one of its own.
pub(crate) async fn no_route(request: Request) -> Response {
    if request.uri().path() == "/" && matches!(*request.method(), Method::GET | Method::HEAD) {
        let to = to_dashboard(&request);
        return (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response();
    }
    let detail = format!("route {} {}", request.method(), request.uri().path());
    Problem::not_found(detail).into_response()
}

/// The way to the dashboard from the root of the API, which has no slash at its end where another
/// application has nested it. `./`, since a colon in a name would make a scheme of it.
fn to_dashboard(request: &Request) -> String {
    let original = request.extensions().get::<OriginalUri>();
    let path = original.map_or(request.uri().path(), |uri| uri.0.path());
    match path.rsplit('/').next() {
        Some(last) if !last.is_empty() => format!("./{last}/ui/"),
        _ => "ui/".to_owned(),
    }
}

/// Refuses headers that come more than once.
pub(super) fn check_single<'n>(
    headers: &HeaderMap,
    names: impl IntoIterator<Item = &'n str>,
) -> Result<(), Problem> {
    // Most requests repeat nothing.
    if headers.len() == headers.keys_len() {
        return Ok(());
    }
    let is_twice = |name: &&str| headers.get_all(*name).iter().nth(1).is_some();
    match names.into_iter().find(is_twice) {
        Some(name) => {
            let detail = format!("{name}: send it once");
            Err(Problem::new(Code::InvalidHeader, detail))
        }
        None => Ok(()),
    }
}

/// Refuses a request that says something twice that can be so once only.
fn check_headers(request: &Request) -> Result<(), Problem> {
    let headers = request.headers();
    check_single(headers, SINGLE)?;
    // Over HTTP/2 the authority is in the request, and may be in this header as well (RFC 9113, section
    // 8.3.1).
    let is_http2 = request.version() == Version::HTTP_2;
    let host = headers.get(header::HOST).filter(|_| is_http2);
    let authority = request.uri().authority().map(Authority::as_str);
    let differs = |host: &HeaderValue| {
        authority.is_some_and(|it| !host.as_bytes().eq_ignore_ascii_case(it.as_bytes()))
    };
    if host.is_some_and(differs) {
        let detail = "host: it is not the :authority of the request";
        return Err(Problem::new(Code::InvalidHeader, detail));
    }
    Ok(())
}

fn request_id(headers: &HeaderMap) -> String {
    let mut lines = headers.get_all(REQUEST_ID).iter();
    // Of two, nobody knows which one is meant.
    let given = lines.next().filter(|_| lines.next().is_none());
    let given = given.and_then(|value| value.to_str().ok());
    let fits = |text: &&str| {
        (1..=REQUEST_ID_BYTES_MAX).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    given
        .filter(fits)
        .map_or_else(new_request_id, str::to_owned)
}

fn new_request_id() -> String {
    let mut random = [0; 12];
    // Without randomness ids repeat, which a log survives.
    let _ = getrandom::fill(&mut random);
    format!("req_{}", hex::encode(random))
}

/// For answers that no page should embed, run or guess at; pages set their own policy.
fn secure(headers: &mut HeaderMap) {
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in fixed {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn checked(version: Version, uri: &str, host: &str) -> Result<(), Problem> {
        let request = Request::builder().version(version).uri(uri);
        check_headers(&request.header("host", host).body(Body::empty()).unwrap())
    }

    #[test]
    fn a_host_that_is_not_the_authority_of_the_request_is_refused() {
        assert!(checked(Version::HTTP_2, "http://a.example/x", "A.example").is_ok());
        let refused = checked(Version::HTTP_2, "http://a.example/x", "b.example");
        assert_eq!(refused.unwrap_err().code(), "invalid_header");
        // Over HTTP/1 the request's line goes before the header (RFC 9112, section 3.2.2).
        assert!(checked(Version::HTTP_11, "http://a.example/x", "b.example").is_ok());
    }
}
