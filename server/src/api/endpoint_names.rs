//! `/v1/endpoints/by-name/{name}`: an endpoint that is made only once.

use super::Api;
use super::audit::Act;
use super::caller::{Caller, ManageEndpoints};
use super::endpoint_form::EndpointView;
use super::endpoints::{NewEndpoint, formed};
use super::extract::Json;
use super::problem::Problem;
use super::raw::Members;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use postrider::Ensured;
use serde_json::json;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

/// An endpoint that is made only once: what its owner decides, and how it begins.
pub(crate) struct NamedEndpoint;

impl ToSchema for NamedEndpoint {
    fn name() -> std::borrow::Cow<'static, str> {
        "NamedEndpoint".into()
    }
}

impl PartialSchema for NamedEndpoint {
    /// That of a new one, which is not verified first.
    fn schema() -> RefOr<Schema> {
        let mut schema = NewEndpoint::schema();
        if let RefOr::T(Schema::Object(form)) = &mut schema {
            form.properties.remove("verify");
        }
        schema
    }
}

#[utoipa::path(
    put, path = "/v1/endpoints/by-name/{name}", tag = "Endpoints",
    params(("name" = String, Path, description = "1 to 128 characters of A-Z a-z 0-9 . _ -")),
    request_body = NamedEndpoint,
    summary = "Make sure that there is an endpoint of this name",
    description = "For programs that say at each start what they need: however often this is called, \
                   the tenant has one endpoint of the name. If there is one it becomes as the body \
                   says (what is left out gets its default), keeps its id and its status, and keeps \
                   its secret unless the body has another one: then the one before goes on signing \
                   for a day. The value `[secret]` of a header, or of a private key, keeps the \
                   one that it has.",
    responses(
        (status = OK, description = "It was there, and is as the body says.", body = EndpointView),
        (status = CREATED, description = "Registered. `secret` is shown this once.", body = EndpointView),
    )
)]
pub(crate) async fn ensure(
    State(api): State<Api>,
    caller: Caller<ManageEndpoints>,
    Path(name): Path<String>,
    Json(body): Json<Members>,
) -> Result<(StatusCode, axum::Json<EndpointView>), Problem> {
    let tenant = caller.tenant();
    let there = match name.parse() {
        Ok(name) => api.postrider().named_endpoint(tenant, &name).await?,
        // The name is refused below.
        Err(_) => None,
    };
    let kept = there.as_ref().map(|it| &*it.spec);
    let (spec, secret) = formed(&api, tenant, body, kept)?;
    // Of two who ask for a new name at the same time, one may be said to have made what it changed.
    let act = match there {
        Some(_) => Act::EndpointUpdate,
        None => Act::EndpointCreate,
    };
    let note = caller.note(&api, act, None, json!({ "by_name": true }))?;
    let noting = api.postrider().noting(note);
    let (endpoint, ensured) = noting.ensure(&name, spec, secret).await?;
    Ok(match ensured {
        Ensured::Made => {
            let view = EndpointView::with_secret(&api, &endpoint);
            (StatusCode::CREATED, axum::Json(view))
        }
        Ensured::Changed | Ensured::Unchanged => (
            StatusCode::OK,
            axum::Json(EndpointView::of(&api, &endpoint)),
        ),
    })
}
