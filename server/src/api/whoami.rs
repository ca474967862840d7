//! `/v1/whoami`: what a key may do.

use super::Api;
use super::caller::{Any, Caller};
use super::keys::Scope;
use super::portal::Theme;
use super::time::Time;
use axum::extract::State;
use serde::Serialize;
use std::num::NonZeroU32;
use utoipa::ToSchema;

/// A key, as it sees itself.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WhoAmI {
    /// The id of the key.
    #[schema(example = "key_01jd9x2m5tewh8q0v6n3r4y7za")]
    key_id: String,
    /// For people.
    name: String,
    /// What it is for. `manage` includes `read`.
    scopes: Vec<Scope>,
    /// The name of the tenant that it is bound to; `null` for a key for all tenants.
    tenant: Option<String>,
    /// The name of the tenant that this request acts for.
    #[schema(example = "default")]
    acting_for: String,
    /// When it ends; `null` for never.
    expires_at: Option<Time>,
    /// How many requests it may make in a second; `null` for no limit.
    requests_per_second: Option<u32>,
    /// What the calendar of the server shows.
    server_time: Time,
    /// How the portal looks that the key is a session of; `null` for all other keys.
    portal: Option<Theme>,
}

#[utoipa::path(
    get, path = "/v1/whoami", tag = "Keys", summary = "What this key may do",
    description = "With any key.",
    responses((status = OK, description = "The key, without its text.", body = WhoAmI))
)]
pub(crate) async fn whoami(State(api): State<Api>, caller: Caller<Any>) -> axum::Json<WhoAmI> {
    let key = caller.key();
    let acting_for = api.tenants().name_of(caller.tenant());
    axum::Json(WhoAmI {
        key_id: key.id.clone(),
        name: key.name.clone(),
        scopes: key.scopes.clone(),
        tenant: caller.bound_to().map(|_| acting_for.clone()),
        acting_for,
        expires_at: key.expires_at,
        requests_per_second: key.requests_per_second.map(NonZeroU32::get),
        server_time: api.now().into(),
        portal: key.portal.clone(),
    })
}
