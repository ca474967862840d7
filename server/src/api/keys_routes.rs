//! `/v1/keys`.

use super::Api;
use super::audit::Act;
use super::caller::{Caller, Manage};
use super::extract::{Json, Query};
use super::keys::{KeyRecord, NewKey, Scope};
use super::page::{self, Page};
use super::problem::{Code, Problem};
use super::time::Time;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use postrider::TenantId;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::num::NonZeroU32;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// A key of the API.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyView {
    /// Its id, which is also how its text begins.
    #[schema(example = "key_01jd9x2m5tewh8q0v6n3r4y7za")]
    id: String,
    /// For people.
    name: String,
    /// What it is for.
    scopes: Vec<Scope>,
    /// The name of the tenant that it is bound to; `null` for a key for all tenants.
    tenant: Option<String>,
    /// The id of that tenant.
    tenant_id: Option<String>,
    /// How many requests it may make in a second; `null` for no limit.
    requests_per_second: Option<u32>,
    /// When it was made.
    created_at: Time,
    /// When it ends; `null` for never.
    expires_at: Option<Time>,
    /// The key that made it, with which it ends; `null` for one that the operator made.
    made_by: Option<String>,
    /// When it was last used; `null` if it never was. After a crash the last minute may be missing.
    last_used_at: Option<Time>,
    /// Whether it is a session of the portal.
    portal: bool,
    /// The key itself: shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

impl KeyView {
    fn of(api: &Api, record: &KeyRecord) -> Self {
        let id: Option<TenantId> = record.tenant.as_deref().and_then(|id| id.parse().ok());
        Self {
            id: record.id.clone(),
            name: record.name.clone(),
            scopes: record.scopes.clone(),
            tenant: id.as_ref().map(|id| api.tenants().name_of(id)),
            tenant_id: record.tenant.clone(),
            requests_per_second: record.requests_per_second.map(NonZeroU32::get),
            created_at: record.created_at,
            expires_at: record.expires_at,
            made_by: record.made_by.clone(),
            last_used_at: api.keys().last_used(&record.id).map(Time),
            portal: record.portal.is_some(),
            key: None,
        }
    }
}

/// A new key.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyForm {
    /// For people.
    #[schema(min_length = 1, max_length = 128)]
    name: String,
    /// What it is for. A key cannot hand on what it does not have itself.
    #[schema(min_items = 1, max_items = 6)]
    scopes: Vec<Scope>,
    /// The tenant that it is bound to, by name or id. Left out: that of the key that makes it; for
    /// a key for all tenants, all.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9._-]+$")]
    tenant: Option<String>,
    /// How many requests it may make in a second. No more than the key that makes it, whose rate it
    /// has if this is left out; they count for that key, too.
    #[serde(default)]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 1_000_000)]
    requests_per_second: Option<NonZeroU32>,
    /// When it ends. No later than the key that makes it, with which it ends if this is left out.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Time>,
}

/// Which page of a list that is kept by name.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct NamedQuery {
    /// How many at most: 1 to 250.
    #[param(minimum = 1, maximum = 250, default = 50)]
    pub(crate) limit: Option<u16>,
    /// `next` of the page before.
    pub(crate) cursor: Option<String>,
}

#[utoipa::path(
    post, path = "/v1/keys", tag = "Keys", request_body = KeyForm, summary = "Make a key",
    responses((status = CREATED, description = "Made. `key` is shown this once.", body = KeyView))
)]
pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller<Manage>,
    Json(form): Json<KeyForm>,
) -> Result<(StatusCode, axum::Json<KeyView>), Problem> {
    if !(1..=128).contains(&form.name.chars().count()) || !(1..=6).contains(&form.scopes.len()) {
        let detail = "a key needs a name of 1 to 128 characters and one to six scopes";
        return Err(Problem::new(Code::InvalidBody, detail));
    }
    if form
        .requests_per_second
        .is_some_and(|rate| rate.get() > 1_000_000)
    {
        let detail = "use at most 1,000,000";
        return Err(Problem::new(Code::InvalidValue, detail).at("/requests_per_second", detail));
    }
    if !caller.has_all(&form.scopes) {
        let detail = "a key cannot hand on a scope that it does not have";
        return Err(Problem::new(Code::Forbidden, detail));
    }
    let tenant = bound_tenant(&api, &caller, form.tenant.as_deref())?;
    let (requests_per_second, expires_at) = handed_on(caller.key(), &form)?;
    let mut scopes = form.scopes;
    scopes.sort_unstable();
    scopes.dedup();
    let new = NewKey {
        name: form.name,
        scopes,
        tenant,
        requests_per_second,
        expires_at,
        made_by: Some(Arc::clone(caller.key())),
        portal: None,
    };
    let detail = json!({ "scopes": new.scopes });
    let note = caller.note(&api, Act::KeyCreate, None, detail)?;
    let (record, text) = api.keys().make(new, api.now(), Some(note)).await?;
    let view = KeyView {
        key: Some(text),
        ..KeyView::of(&api, &record)
    };
    Ok((StatusCode::CREATED, axum::Json(view)))
}

/// Rate and end of a key that this one makes: what is asked for, if it has as much itself.
fn handed_on(
    key: &KeyRecord,
    form: &KeyForm,
) -> Result<(Option<NonZeroU32>, Option<Time>), Problem> {
    let refused = |pointer: &str, detail: String| {
        Err(Problem::new(Code::Forbidden, &detail).at(pointer, detail))
    };
    let rate = match (key.requests_per_second, form.requests_per_second) {
        (Some(own), Some(wanted)) if wanted > own => {
            let detail = format!("the key that makes it has {own} requests a second");
            return refused("/requests_per_second", detail);
        }
        (own, wanted) => wanted.or(own),
    };
    let end = match (key.expires_at, form.expires_at) {
        (Some(own), Some(wanted)) if wanted.0 > own.0 => {
            let detail = "the key that makes it ends earlier".to_owned();
            return refused("/expires_at", detail);
        }
        (own, wanted) => wanted.or(own),
    };
    Ok((rate, end))
}

fn bound_tenant(
    api: &Api,
    caller: &Caller<Manage>,
    wanted: Option<&str>,
) -> Result<Option<TenantId>, Problem> {
    let wanted = wanted.map(str::parse::<TenantId>).transpose();
    let wanted =
        wanted.map_err(|error| Problem::new(Code::InvalidBody, &error).at("/tenant", error))?;
    let found = wanted.as_ref().map(|it| api.tenants().find(it.as_str()));
    match (caller.bound_to(), wanted, found) {
        (Some(own), Some(_), found) if found != Some(Some(own.clone())) => Err(Problem::new(
            Code::Forbidden,
            "a key of one tenant makes keys for that tenant only",
        )),
        (Some(own), _, _) => Ok(Some(own)),
        (None, Some(wanted), Some(None)) => {
            Err(Problem::not_found(format_args!("tenant {wanted}")).at("/tenant", "unknown"))
        }
        (None, _, found) => Ok(found.flatten()),
    }
}

#[utoipa::path(
    get, path = "/v1/keys", tag = "Keys", params(NamedQuery), summary = "List keys",
    responses((status = OK, description = "A page of keys, without their text.", body = Page<KeyView>))
)]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller<Manage>,
    Query(query): Query<NamedQuery>,
) -> Result<axum::Json<Page<KeyView>>, Problem> {
    let mut all = api.keys().list(caller.bound_to().as_ref());
    all.sort_unstable_by(|one, other| one.id.cmp(&other.id));
    let at = (query.cursor.as_deref(), page::most(query.limit)?);
    Ok(axum::Json(page::of_memory(
        &all,
        |key| &key.id,
        at,
        |key| KeyView::of(&api, key),
    )))
}

#[utoipa::path(
    delete, path = "/v1/keys/{id}", tag = "Keys", params(("id" = String, Path)),
    summary = "Revoke a key", description = "At once, and for good; and with it the keys that it has made, and those that they have made.",
    responses((status = NO_CONTENT, description = "Revoked."))
)]
pub(crate) async fn revoke(
    State(api): State<Api>,
    caller: Caller<Manage>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let note = caller.note(&api, Act::KeyRevoke, Some(&id), json!({}))?;
    let bound = caller.bound_to();
    if api.keys().revoke(bound.as_ref(), &id, Some(note)).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Problem::not_found("such key"))
}
