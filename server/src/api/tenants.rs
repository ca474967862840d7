//! `/v1/tenants`: for keys for all tenants. The tenant `default` needs no set-up.

use super::Api;
use super::caller::{AllTenants, Caller, Manage, Read};
use super::extract::{Id, Json, Query};
use super::keys_routes::NamedQuery;
use super::page::{self, Page};
use super::problem::{Code, Problem};
use super::time::Time;
use axum::extract::State;
use axum::http::StatusCode;
use postrider::TenantId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whoever owns endpoints, events and keys.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Tenant {
    /// Its name.
    #[schema(example = "acme")]
    id: String,
    /// For people.
    description: String,
    /// When it was made.
    created_at: Time,
}

/// A new tenant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TenantForm {
    /// Its name.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = "^[A-Za-z0-9._-]+$",
        example = "acme"
    )]
    id: String,
    /// For people.
    #[serde(default)]
    #[schema(max_length = 1024)]
    description: String,
}

/// All of them are kept under this one.
fn home() -> TenantId {
    TenantId::default()
}

#[utoipa::path(
    post, path = "/v1/tenants", tag = "Tenants", request_body = TenantForm,
    summary = "Make a tenant",
    responses((status = CREATED, description = "Made.", body = Tenant))
)]
pub(crate) async fn create(
    State(api): State<Api>,
    _: Caller<AllTenants<Manage>>,
    Json(form): Json<TenantForm>,
) -> Result<(StatusCode, axum::Json<Tenant>), Problem> {
    let id: TenantId = form
        .id
        .parse()
        .map_err(|error| Problem::new(Code::InvalidBody, &error).at("/id", error))?;
    if form.description.chars().count() > 1024 {
        let detail = "use at most 1,024 characters";
        return Err(Problem::new(Code::InvalidBody, detail).at("/description", detail));
    }
    if id == TenantId::default() {
        return Err(Problem::new(
            Code::AlreadyExists,
            "the tenant default is always there",
        ));
    }
    let tenant = Tenant {
        id: form.id,
        description: form.description,
        created_at: api.now().into(),
    };
    let tenant = api.tenants().add(&home(), id.as_str(), tenant).await?;
    Ok((StatusCode::CREATED, axum::Json((*tenant).clone())))
}

#[utoipa::path(
    get, path = "/v1/tenants", tag = "Tenants", params(NamedQuery), summary = "List tenants",
    responses((status = OK, description = "A page of tenants, without `default`.", body = Page<Tenant>))
)]
pub(crate) async fn list(
    State(api): State<Api>,
    _: Caller<AllTenants<Read>>,
    Query(query): Query<NamedQuery>,
) -> Result<axum::Json<Page<Tenant>>, Problem> {
    let all = api.tenants().of(&home());
    let at = (query.cursor.as_deref(), page::most(query.limit)?);
    let page = page::of_memory(&all, |tenant| &tenant.id, at, |tenant| (**tenant).clone());
    Ok(axum::Json(page))
}

#[utoipa::path(
    delete, path = "/v1/tenants/{id}", tag = "Tenants", params(("id" = String, Path)),
    summary = "Delete a tenant",
    description = "One that has endpoints, sources or keys is not deleted: delete those first. Its \
                   history stays until its retention is over.",
    responses((status = NO_CONTENT, description = "Deleted."))
)]
pub(crate) async fn delete(
    State(api): State<Api>,
    _: Caller<AllTenants<Manage>>,
    Id(id): Id<TenantId>,
) -> Result<StatusCode, Problem> {
    let endpoints = api.postrider().endpoints_of(&id, None, 1).await?;
    let in_use = !endpoints.is_empty()
        || !api.keys().list(Some(&id)).is_empty()
        || !api.sources().of(&id).is_empty();
    if in_use {
        let detail = format!("tenant {id} has endpoints, sources or keys: delete them first");
        return Err(Problem::new(Code::InUse, detail));
    }
    if api.tenants().remove(&home(), id.as_str()).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Problem::not_found(format_args!("tenant {id}")))
}
