//! All routes, and their description: OpenAPI 3.1, generated from the code.

use super::problem::Problem;
use super::{
    Api, attempts, audit, backfill, client_certificates, dead_letter_acts, dead_letters,
    deliveries, endpoint_defaults, endpoint_list, endpoint_names, endpoints, event_types, events,
    events_list, events_raw, health, inbound, keys_routes, metrics_route, playground, portal,
    presets, receivers, replays, scheduled, sources, stats, stream, system, templates,
    tenant_stats, tenants, timeline, try_outs, waiting_lanes, whoami,
};
use axum::Router;
use axum::http::header;
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Postrider",
        description = "Delivers webhooks in order, through storms. Errors are \
                       `application/problem+json` with a stable `code`: see `/problems`.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    components(schemas(Problem)),
    security(("key" = []))
)]
struct Description;

/// Every route of the API, with its description.
#[rustfmt::skip] // one line for each path
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(Description::openapi())
        .merge(endpoint_routes())
        .routes(routes!(events::publish, events_list::list))
        .routes(routes!(events::publish_batch))
        .routes(routes!(events_raw::publish))
        .routes(routes!(events::get))
        .routes(routes!(events_list::payload))
        .routes(routes!(scheduled::list))
        .routes(routes!(scheduled::cancel))
        .routes(routes!(timeline::timeline))
        .routes(routes!(timeline::explain))
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::get))
        .routes(routes!(attempts::list))
        .routes(routes!(attempts::get))
        .routes(routes!(attempts::request_body))
        .routes(routes!(deliveries::retry))
        .routes(routes!(deliveries::discard))
        .routes(routes!(dead_letters::list))
        .routes(routes!(dead_letters::groups))
        .routes(routes!(dead_letters::resend))
        .routes(routes!(dead_letters::discard))
        .routes(routes!(dead_letter_acts::bulk))
        .routes(routes!(replays::create, replays::list))
        .routes(routes!(replays::get))
        .routes(routes!(replays::cancel))
        .routes(routes!(event_types::create, event_types::list))
        .routes(routes!(event_types::get, event_types::patch, event_types::delete))
        .routes(routes!(event_types::add_version))
        .routes(routes!(templates::create, templates::list))
        .routes(routes!(templates::get, templates::delete))
        .routes(routes!(try_outs::template))
        .routes(routes!(presets::list))
        .routes(routes!(keys_routes::create, keys_routes::list))
        .routes(routes!(keys_routes::revoke))
        .routes(routes!(whoami::whoami))
        .routes(routes!(tenant_stats::stats))
        .routes(routes!(portal::create))
        .routes(routes!(portal::revoke))
        .routes(routes!(portal::sign_in))
        .routes(routes!(tenants::create, tenants::list))
        .routes(routes!(tenants::get, tenants::patch, tenants::delete))
        .routes(routes!(audit::list))
        .routes(routes!(stream::stream))
        .routes(routes!(metrics_route::metrics))
        .routes(routes!(sources::create, sources::list))
        .routes(routes!(sources::get, sources::patch, sources::delete))
        .routes(routes!(sources::receipts::list))
        .routes(routes!(inbound::receive, inbound::handshake))
        .routes(routes!(receivers::resend))
        .routes(routes!(system::system))
        .routes(routes!(playground::playground))
        .routes(routes!(health::livez))
        .routes(routes!(health::readyz))
}

/// Those of endpoints, and of what is on its way to them.
#[rustfmt::skip] // one line for each path
fn endpoint_routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(endpoints::create, endpoint_list::list))
        .routes(routes!(endpoint_defaults::get, endpoint_defaults::put))
        .routes(routes!(client_certificates::get, client_certificates::put, client_certificates::delete))
        .routes(routes!(endpoint_list::get, endpoints::patch, endpoints::delete))
        .routes(routes!(endpoint_names::ensure))
        .routes(routes!(endpoints::pause))
        .routes(routes!(endpoints::resume))
        .routes(routes!(endpoints::enable))
        .routes(routes!(endpoints::disable))
        .routes(routes!(endpoints::rotate_secret))
        .routes(routes!(endpoints::end_overlap))
        .routes(routes!(endpoints::secret))
        .routes(routes!(endpoints::test))
        .routes(routes!(backfill::backfill))
        .routes(routes!(try_outs::endpoint))
        .routes(routes!(try_outs::filter))
        .routes(routes!(stats::stats))
        .routes(routes!(stats::lanes))
        .routes(routes!(waiting_lanes::list))
        .routes(routes!(deliveries::of_endpoint))
}

/// The description of the API: OpenAPI 3.1, as JSON.
#[must_use]
pub fn document() -> Value {
    let (_, mut description) = routes().split_for_parts();
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    if let Some(components) = &mut description.components {
        let scheme = SecurityScheme::Http(scheme);
        components
            .security_schemes
            .insert("key".to_owned(), scheme.into());
    }
    let mut document = serde_json::to_value(&description).unwrap_or_default();
    name_operations(&mut document);
    join_parts(&mut document);
    allow_both_forms(&mut document);
    take_one_payload(&mut document);
    add_problems(&mut document);
    document
}

/// Every operation has a name of its own, by which generated clients call it: its method and path.
fn name_operations(document: &mut Value) {
    for (path, item) in document["paths"].as_object_mut().into_iter().flatten() {
        let parts: String = path
            .split(['/', '-', '{', '}', '.'])
            .filter(|part| !part.is_empty())
            .map(|part| format!("_{part}"))
            .collect();
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            operation["operationId"] = format!("{method}{parts}").into();
        }
    }
}

/// A form within a form is described as all of its parts, each of which would refuse the fields of
/// the other: they become one.
fn join_parts(document: &mut Value) {
    let known = document["components"]["schemas"].clone();
    join_within(document, &known);
}

fn join_within(value: &mut Value, known: &Value) {
    if let Some(joined) = joined(value, known) {
        *value = joined;
    }
    match value {
        Value::Object(fields) => fields.values_mut().for_each(|it| join_within(it, known)),
        Value::Array(items) => items.iter_mut().for_each(|it| join_within(it, known)),
        _ => (),
    }
}

fn joined(schema: &Value, known: &Value) -> Option<Value> {
    let mut whole = schema.as_object()?.clone();
    let parts = whole.remove("allOf")?;
    let mut properties = Map::new();
    let mut required = Vec::new();
    for part in parts.as_array()? {
        let named = part["$ref"]
            .as_str()
            .and_then(|name| name.rsplit('/').next());
        let part = named.and_then(|name| known.get(name)).unwrap_or(part);
        properties.extend(part["properties"].as_object()?.clone());
        required.extend(part["required"].as_array().cloned().unwrap_or_default());
    }
    whole.insert("type".to_owned(), "object".into());
    whole.insert("properties".to_owned(), properties.into());
    whole.insert("required".to_owned(), required.into());
    Some(whole.into())
}

/// An event has its payload in one of three forms.
fn take_one_payload(document: &mut Value) {
    let forms = ["payload", "payload_text", "payload_base64"];
    let forms = forms.map(|form| json!({ "required": [form] }));
    document["components"]["schemas"]["NewEvent"]["oneOf"] = json!(forms);
}

/// An empty page has both of its forms, so it is not one of them alone.
fn allow_both_forms(document: &mut Value) {
    for name in ["DeliveriesPage", "EndpointsPage"] {
        let page = &mut document["components"]["schemas"][name];
        if let Some(page) = page.as_object_mut()
            && let Some(forms) = page.remove("oneOf")
        {
            page.insert("anyOf".to_owned(), forms);
        }
    }
}

/// Every route may answer with a problem.
fn add_problems(document: &mut Value) {
    let problem = json!({
        "description": "A problem: `code` says which.",
        "content": {
            "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } }
        }
    });
    let paths = document["paths"].as_object_mut();
    let operations = paths.into_iter().flat_map(Map::values_mut);
    let operations = operations
        .filter_map(Value::as_object_mut)
        .flat_map(Map::values_mut);
    for operation in operations {
        if let Some(responses) = operation["responses"].as_object_mut() {
            responses.insert("default".to_owned(), problem.clone());
        }
    }
}

static DOCUMENT: LazyLock<String> = LazyLock::new(|| document().to_string());

static REFERENCE: LazyLock<String> = LazyLock::new(|| super::reference::page(&document()));

static PROBLEMS: LazyLock<String> = LazyLock::new(super::reference::problems);

fn page(text: &'static LazyLock<String>) -> impl IntoResponse {
    let policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
                  frame-ancestors 'none'";
    (
        [(header::CONTENT_SECURITY_POLICY, policy)],
        Html(text.as_str()),
    )
}

/// The description itself, and pages made of it.
pub(super) fn pages() -> Router<Api> {
    let description = || async {
        let media_type = [(header::CONTENT_TYPE, "application/json")];
        (media_type, DOCUMENT.as_str()).into_response()
    };
    Router::new()
        .route("/openapi.json", get(description))
        .route("/reference", get(move || async move { page(&REFERENCE) }))
        .route("/problems", get(move || async move { page(&PROBLEMS) }))
}
