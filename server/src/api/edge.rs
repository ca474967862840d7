//! What every request passes on its way in and out: a request id, the last touch of a problem,
//! the headers that keep browsers careful.

use super::problem::{Code, Problem};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::time::Instant;

/// The header that carries the request's id, in and out.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// An id that comes with a request is taken over if it is no longer than this.
const REQUEST_ID_BYTES_MAX: usize = 64;

/// Wraps the whole router.
pub(crate) async fn pass(mut request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    let start = Instant::now();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    if let Ok(value) = HeaderValue::from_str(&id) {
        request.headers_mut().insert(REQUEST_ID, value);
    }
    let response = next.run(request).await;
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
        if status >= 500 {
            let (code, detail) = (problem.code(), problem.detail());
            tracing::warn!(request = %id, code, detail, "postrider.api.refused");
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

/// Where there is no route. A browser that is sent to the server itself finds out what it is; that
/// is no route, so that an application into which the API is merged may have one of its own.
pub(crate) async fn no_route(request: Request) -> Response {
    if request.uri().path() == "/" && matches!(*request.method(), Method::GET | Method::HEAD) {
        return super::openapi::home().into_response();
    }
    let detail = format!("route {} {}", request.method(), request.uri().path());
    Problem::not_found(detail).into_response()
}

fn request_id(headers: &HeaderMap) -> String {
    let given = headers
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok());
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
