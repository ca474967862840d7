//! The portal: a platform gives its customers a link, with which they see and mend what is theirs.
//!
//! A session is a key of the tenant that ends soon, and may do what the link says: so whatever holds
//! for keys holds for it.

mod addresses;
mod links;
mod theme;

pub use addresses::{FrameOrigins, InvalidAddress, PublicUrl};
pub(crate) use links::Links;
pub(crate) use theme::Theme;

use super::Api;
use super::audit::Act;
use super::caller::{Caller, Manage};
use super::extract::Json;
use super::keys::{KeyRecord, NewKey, Scope};
use super::problem::{Code, Problem};
use super::time::Time;
use axum::extract::{Path, State};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{StatusCode, header};
use links::NewLink;
use postrider::{Note, TenantId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::num::NonZeroU32;
use std::time::Duration;
use utoipa::ToSchema;

/// How long a link can be used, if nothing is said.
const LINK: Duration = Duration::from_secs(3_600);

/// The longest.
const LINK_MAX: Duration = Duration::from_secs(30 * 86_400);

/// How long a session lasts, if nothing is said, in seconds.
const SESSION_S: u32 = 8 * 3_600;

/// The longest.
const SESSION_S_MAX: u32 = 30 * 86_400;

/// Requests of one session in a second: a page makes some at once.
const RATE: NonZeroU32 = match NonZeroU32::new(50) {
    Some(rate) => rate,
    None => NonZeroU32::MIN,
};

/// What a link allows beside reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum PortalAct {
    /// Send deliveries and dead letters again.
    Retry,
    /// Make, change, delete and try out endpoints, and see their secrets.
    ManageEndpoints,
    /// Send test events to endpoints that are registered.
    Test,
}

impl PortalAct {
    fn scope(self) -> Scope {
        match self {
            Self::Retry => Scope::Retry,
            Self::ManageEndpoints => Scope::ManageEndpoints,
            Self::Test => Scope::Test,
        }
    }
}

/// A new link to the portal.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LinkForm {
    /// What it allows beside reading; nothing, if it is left out.
    #[serde(default)]
    #[schema(max_items = 3, example = json!(["retry"]))]
    acts: Vec<PortalAct>,
    /// Until when it can be used: in an hour, if this is left out; in 30 days at the latest.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Time>,
    /// How long its user stays signed in, in seconds.
    #[serde(default = "default_session_s")]
    #[schema(minimum = 60, maximum = 2_592_000, default = 28_800)]
    session_s: u32,
    /// How the portal looks.
    #[serde(default)]
    theme: Theme,
}

fn default_session_s() -> u32 {
    SESSION_S
}

/// A link to the portal of one tenant. It signs in once.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LinkView {
    /// Its id, by which it is revoked.
    #[schema(example = "plk_01jd9x2m5tewh8q0v6n3r4y7za")]
    id: String,
    /// What to give to the customer. The token is behind the `#`, so that no server and no log sees it.
    url: String,
    /// The token: shown this once.
    token: String,
    /// The name of the tenant.
    tenant: String,
    /// What a session has.
    scopes: Vec<Scope>,
    /// Until when it can be used.
    expires_at: Time,
    /// How the portal looks.
    theme: Theme,
}

impl LinkForm {
    fn checked(self, tenant: TenantId, maker: &KeyRecord, now: Time) -> Result<NewLink, Problem> {
        if self.acts.len() > 3 {
            let detail = "there are three acts";
            return Err(Problem::new(Code::InvalidBody, detail).at("/acts", detail));
        }
        if !(60..=SESSION_S_MAX).contains(&self.session_s) {
            let detail = format!("use 60 to {SESSION_S_MAX} seconds");
            return Err(Problem::new(Code::InvalidBody, &detail).at("/session_s", detail));
        }
        let expires_at = self.expires_at.unwrap_or_else(|| now.0.after(LINK).into());
        if expires_at <= now || expires_at.0 > now.0.after(LINK_MAX) {
            let detail = "use a time within the next 30 days";
            return Err(Problem::new(Code::InvalidValue, detail).at("/expires_at", detail));
        }
        let mut scopes = vec![Scope::Read];
        scopes.extend(self.acts.iter().map(|act| act.scope()));
        scopes.sort_unstable();
        scopes.dedup();
        Ok(NewLink {
            tenant,
            scopes,
            theme: self.theme.checked()?,
            session_s: self.session_s,
            made_by: (!maker.is_given()).then(|| maker.id.clone()),
            expires_at,
        })
    }
}

/// The address of this server, as its user sees it.
fn base(api: &Api, parts: &Parts) -> String {
    if let Some(url) = api.options().public_url.get() {
        return url.to_owned();
    }
    let host = parts.headers.get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok());
    let host = host.or_else(|| parts.uri.authority().map(Authority::as_str));
    host.map_or_else(String::new, |host| format!("http://{host}"))
}

#[utoipa::path(
    post, path = "/v1/portal-links", tag = "Portal", request_body = LinkForm,
    summary = "Make a link to the portal of the tenant",
    description = "For a customer of a platform: it signs in once, until it expires. Who has signed in \
                   reads what is the tenant's and does what `acts` allow; keys, tenants and the log of \
                   who did what are out of reach. `url` begins as the setting `public_url` says, or else as \
                   this request.",
    responses((status = CREATED, description = "Made. `token` is shown this once.", body = LinkView))
)]
pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller<Manage>,
    parts: Parts,
    Json(form): Json<LinkForm>,
) -> Result<(StatusCode, axum::Json<LinkView>), Problem> {
    let now = api.now();
    let tenant = caller.tenant().clone();
    let new = form.checked(tenant, caller.key(), now.into())?;
    let detail = json!({ "scopes": new.scopes, "session_s": new.session_s });
    let note = caller.note(&api, Act::PortalLinkCreate, None, detail)?;
    let (link, token) = api.portal_links().add(new, now, note).await?;
    let view = LinkView {
        id: link.id.clone(),
        url: format!("{}/portal/#portal={token}", base(&api, &parts)),
        token,
        tenant: api.tenants().name_of(caller.tenant()),
        scopes: link.scopes.clone(),
        expires_at: link.expires_at,
        theme: link.theme.clone(),
    };
    Ok((StatusCode::CREATED, axum::Json(view)))
}

#[utoipa::path(
    delete, path = "/v1/portal-links/{id}", tag = "Portal", params(("id" = String, Path)),
    summary = "Revoke a link that nobody has used",
    description = "Sessions are keys: who has signed in goes on until the key is revoked, or ends.",
    responses((status = NO_CONTENT, description = "Revoked."))
)]
pub(crate) async fn revoke(
    State(api): State<Api>,
    caller: Caller<Manage>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let note = caller.note(&api, Act::PortalLinkRevoke, Some(&id), json!({}))?;
    let links = api.portal_links();
    let own = links.of(caller.tenant());
    if own.iter().any(|link| link.id == id) && links.take(&id, Some(note)).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Problem::not_found("such link: it was used, or has expired"))
}

/// What a customer signs in with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    /// The token of a link.
    #[schema(max_length = 256, write_only)]
    token: String,
}

/// A session of the portal.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionView {
    /// A key for the API: shown this once.
    key: String,
    /// When it ends.
    expires_at: Time,
    /// What it may do.
    scopes: Vec<Scope>,
    /// The name of its tenant.
    tenant: String,
    /// How the portal looks.
    theme: Theme,
}

fn unknown() -> Problem {
    let detail = "the link was used, has expired, or was never made: ask for a new one";
    Problem::new(Code::Unauthorized, detail)
}

#[utoipa::path(
    post, path = "/v1/portal-sessions", tag = "Portal", security(()), request_body = SignIn,
    summary = "Sign in to the portal",
    description = "Needs no key but the token of a link, which is used up by it.",
    responses((status = CREATED, description = "Signed in. `key` is shown this once.", body = SessionView))
)]
pub(crate) async fn sign_in(
    State(api): State<Api>,
    Json(form): Json<SignIn>,
) -> Result<(StatusCode, axum::Json<SessionView>), Problem> {
    let links = api.portal_links();
    links.find(&form.token, api.now()).ok_or_else(unknown)?;
    // Two at once with one link would both make a key.
    let _turn = links.turn().await;
    let now = api.now();
    let link = links.find(&form.token, now);
    let link = link.ok_or_else(unknown)?;
    let tenant: TenantId = link.tenant.parse()?;
    // The deletion of the tenant waits for this request.
    let _hold = api.tenants().hold(&tenant).ok_or_else(unknown)?;
    let made_by = match &link.made_by {
        Some(id) => Some(api.keys().living(id, now).ok_or_else(unknown)?),
        None => None,
    };
    api.keys().drop_ended_sessions(now).await?;
    // No later and no faster than the key that made the link.
    let end: Time = now.after(Duration::from_secs(link.session_s.into())).into();
    let maker = made_by.as_ref();
    let maker_end = maker.and_then(|key| key.expires_at);
    let rate = maker.and_then(|key| key.requests_per_second);
    let expires_at = maker_end.map_or(end, |at| at.min(end));
    let new = NewKey {
        name: format!("portal link {}", link.id),
        scopes: link.scopes.clone(),
        tenant: Some(tenant.clone()),
        requests_per_second: Some(rate.map_or(RATE, |rate| rate.min(RATE))),
        expires_at: Some(expires_at),
        made_by,
        portal: Some(link.theme.clone()),
    };
    let detail = json!({ "scopes": new.scopes });
    let note = api.portal_note(Act::PortalSignIn, (&link.id, &new.name), detail)?;
    // If there is no room for a key, the link can be used later.
    let (record, key) = api.keys().make(new, now, None).await?;
    let note = Note {
        tenant: Some(tenant.clone()),
        target: Some(record.id.as_str().into()),
        ..note
    };
    // Until then nobody knows the key; it is known only to whoever has used the link up.
    let taken = links.take(&link.id, Some(note)).await;
    if !matches!(taken, Ok(true)) {
        api.keys().revoke(None, &record.id, None).await?;
        return Err(taken.err().unwrap_or_else(unknown));
    }
    let view = SessionView {
        key,
        expires_at,
        scopes: link.scopes.clone(),
        tenant: api.tenants().name_of(&tenant),
        theme: link.theme.clone(),
    };
    Ok((StatusCode::CREATED, axum::Json(view)))
}
