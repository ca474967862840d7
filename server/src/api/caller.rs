//! Who asks, and what they may do.

use super::Api;
use super::keys::{KeyRecord, Scope};
use super::problem::{Code, Problem};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use postrider::TenantId;
use std::marker::PhantomData;
use std::sync::Arc;

/// By which a key for all tenants says for which one it acts.
pub(crate) const TENANT_HEADER: &str = "postrider-tenant";

/// Whoever has sent a request: a key that is valid, and the tenant that it acts for.
///
/// That it has what the route needs is found out before anything else of the request is looked at:
/// a key that may not do something learns nothing of how it would be done.
pub(crate) struct Caller<N> {
    key: Arc<KeyRecord>,
    tenant: TenantId,
    need: PhantomData<N>,
}

/// What a route needs of a key.
pub(crate) trait Need: Send + Sync {
    /// Refuses a key that lacks it.
    fn check(key: &KeyRecord) -> Result<(), Problem>;
}

/// [`Scope::Publish`].
pub(crate) struct Publish;

/// [`Scope::Manage`].
pub(crate) struct Manage;

/// [`Scope::Read`].
pub(crate) struct Read;

/// A key for all tenants, which has this as well.
pub(crate) struct AllTenants<N>(PhantomData<N>);

impl Need for Publish {
    fn check(key: &KeyRecord) -> Result<(), Problem> {
        check(key, Scope::Publish)
    }
}

impl Need for Manage {
    fn check(key: &KeyRecord) -> Result<(), Problem> {
        check(key, Scope::Manage)
    }
}

impl Need for Read {
    fn check(key: &KeyRecord) -> Result<(), Problem> {
        check(key, Scope::Read)
    }
}

impl<N: Need> Need for AllTenants<N> {
    fn check(key: &KeyRecord) -> Result<(), Problem> {
        N::check(key)?;
        if key.tenant.is_some() {
            let detail = "this needs a key for all tenants";
            return Err(Problem::new(Code::Forbidden, detail));
        }
        Ok(())
    }
}

fn check(key: &KeyRecord, scope: Scope) -> Result<(), Problem> {
    if key.has(scope) {
        return Ok(());
    }
    let detail = format!("this needs a key with the scope `{}`", scope.name());
    Err(Problem::new(Code::Forbidden, detail))
}

impl<N> Caller<N> {
    /// The tenant that it acts for.
    pub(crate) fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Whether the key is still one: for what goes on for longer than a request.
    pub(crate) fn is_valid(&self, api: &Api) -> bool {
        api.keys().knows(&self.key, api.now())
    }

    /// The tenant that the key is bound to; `None` for a key for all tenants.
    pub(crate) fn bound_to(&self) -> Option<TenantId> {
        self.key.tenant.as_ref().map(|_| self.tenant.clone())
    }

    /// Whether it has all of these scopes, so that it may hand them on.
    pub(crate) fn has_all(&self, scopes: &[Scope]) -> bool {
        scopes.iter().all(|scope| self.key.has(*scope))
    }
}

impl<N: Need> FromRequestParts<Api> for Caller<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let text = bearer(&parts.headers)?;
        let key = api.keys().recognise(text, api.now())?;
        api.keys().count(&key)?;
        N::check(&key)?;
        let tenant = tenant_of(&key, &parts.headers, api)?;
        Ok(Self {
            key,
            tenant,
            need: PhantomData,
        })
    }
}

/// The tenant that the key is bound to, or that a key for all names.
fn tenant_of(key: &KeyRecord, headers: &HeaderMap, api: &Api) -> Result<TenantId, Problem> {
    let asked = named_tenant(headers)?;
    let bound = match key.tenant.as_deref() {
        Some(tenant) => Some(tenant.parse::<TenantId>()?),
        None => None,
    };
    match (bound, asked) {
        (None, None) => Ok(TenantId::default()),
        (None, Some(asked)) if api.knows_tenant(&asked) => Ok(asked),
        (None, Some(asked)) => {
            let detail = format!("tenant {asked}: make it with POST /v1/tenants");
            Err(Problem::not_found(detail))
        }
        (Some(bound), asked) if asked.as_ref().is_none_or(|asked| *asked == bound) => Ok(bound),
        (Some(_), _) => {
            let detail = format!("this key is not for the tenant in {TENANT_HEADER}");
            Err(Problem::new(Code::Forbidden, detail))
        }
    }
}

/// The token of `Authorization: Bearer …` (RFC 6750, section 2.1).
fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    let value = headers.get(header::AUTHORIZATION);
    let text = value.and_then(|value| value.to_str().ok());
    let token = text.and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    token.filter(|token| !token.is_empty()).ok_or_else(|| {
        Problem::new(
            Code::Unauthorized,
            "send Authorization: Bearer with an API key",
        )
    })
}

fn named_tenant(headers: &HeaderMap) -> Result<Option<TenantId>, Problem> {
    let Some(value) = headers.get(TENANT_HEADER) else {
        return Ok(None);
    };
    let refused = || {
        let detail = format!("{TENANT_HEADER}: use 1 to 64 characters of A-Z a-z 0-9 . _ -");
        Problem::new(Code::InvalidHeader, detail)
    };
    let text = value.to_str().map_err(|_| refused())?;
    text.parse().map(Some).map_err(|_| refused())
}
