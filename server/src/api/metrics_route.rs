//! `/metrics`, and the times of the API's own requests.

use super::Api;
use super::caller::{AllTenants, Caller, Read};
use super::edge;
use super::problem::Problem;
use crate::metrics::METRICS_MEDIA_TYPE;
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::{Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::time::Instant;

#[utoipa::path(
    get, path = "/metrics", tag = "Operation",
    summary = "The metrics, for Prometheus",
    description = "Needs a key for all tenants, unless the setting `open_metrics` is on.",
    responses((status = OK, description = "The text format of OpenMetrics 1.0.", content_type = "application/openmetrics-text", body = String))
)]
pub(crate) async fn metrics(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    if !api.options().open_metrics {
        let (mut parts, _) = request.into_parts();
        Caller::<AllTenants<Read>>::from_request_parts(&mut parts, &api).await?;
    }
    let text = api.options().metrics.text(api.postrider()).await;
    let media_type = [(header::CONTENT_TYPE, METRICS_MEDIA_TYPE)];
    Ok((media_type, text).into_response())
}

/// Wraps the whole router: notes how long a request takes.
pub(crate) async fn time(State(api): State<Api>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let method = name(request.method());
    let response = edge::pass(&api, request, next).await;
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    let status = response.status().as_u16();
    let metrics = &api.options().metrics;
    metrics.api_request(route, method, status, start.elapsed());
    response
}

/// A method as a label: a client can make up others.
fn name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
