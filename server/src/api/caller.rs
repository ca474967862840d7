//! Who asks, and what they may do.

use super::Api;
use super::keys::{KeyRecord, Scope};
use super::problem::{Code, Problem};
use super::tenants::Hold;
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
    /// Whether the request says for which tenant.
    names_tenant: bool,
    /// The deletion of the tenant waits for this request.
    _hold: Hold,
    need: PhantomData<N>,
}

/// What a route needs of a key.
pub(crate) trait Need: Send + Sync {
    /// Refuses a key that lacks it.
    fn check(key: &KeyRecord) -> Result<(), Problem>;
}

/// Nothing but that it is one.
pub(crate) struct Any;

/// [`Scope::Publish`].
pub(crate) struct Publish;

/// [`Scope::Manage`].
pub(crate) struct Manage;

/// [`Scope::Read`].
pub(crate) struct Read;

/// [`Scope::Retry`].
pub(crate) struct Retry;

/// [`Scope::ManageEndpoints`].
pub(crate) struct ManageEndpoints;

/// [`Scope::Test`].
pub(crate) struct Test;

/// One of the two.
pub(crate) struct Either<A, B>(PhantomData<(A, B)>);

/// A key for all tenants, which has this as well.
pub(crate) struct AllTenants<N>(PhantomData<N>);

/// A key that is no session of the portal, which has this as well.
pub(crate) struct NoPortal<N>(PhantomData<N>);

impl Need for Any {
    fn check(_: &KeyRecord) -> Result<(), Problem> {
        Ok(())
    }
}

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

impl Need for Retry {
    fn check(key: &KeyRecord) -> Result<(), Problem> {
        check(key, Scope::Retry)
    }
}

impl Need for ManageEndpoints {
    fn check(key: &KeyRecord) -> Result<(), Problem> {
        check(key, Scope::ManageEndpoints)
    }
}

impl Need for Test {
    fn check(key: &KeyRecord) -> Result<(), Problem> {
        check(key, Scope::Test)
    }
}

impl<A: Need, B: Need> Need for Either<A, B> {
    fn check(key: &KeyRecord) -> Result<(), Problem> {
        B::check(key).or_else(|_| A::check(key))
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

impl<N: Need> Need for NoPortal<N> {
    fn check(key: &KeyRecord) -> Result<(), Problem> {
        N::check(key)?;
        if key.portal.is_some() {
            let detail = "this is out of reach for a session of the portal";
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

    /// Whether the request itself says for which tenant, by a header.
    pub(crate) fn names_tenant(&self) -> bool {
        self.names_tenant
    }

    /// Whether the key is still one, and the tenant still there: for what goes on for longer than
    /// a request.
    pub(crate) fn is_valid(&self, api: &Api) -> bool {
        api.keys().knows(&self.key, api.now()) && api.tenants().lives(&self.tenant)
    }

    /// The tenant that the key is bound to; `None` for a key for all tenants.
    pub(crate) fn bound_to(&self) -> Option<TenantId> {
        self.key.tenant.as_ref().map(|_| self.tenant.clone())
    }

    /// The key itself.
    pub(crate) fn key(&self) -> &Arc<KeyRecord> {
        &self.key
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
        let now = api.now();
        let key = api.keys().recognise(text, now)?;
        let bound = bound(&key, api)?;
        api.keys().count(&key)?;
        api.keys().used(&key, now);
        N::check(&key)?;
        let tenant = match &bound {
            Some(bound) => check_named(bound, &parts.headers, api)?,
            None => chosen(&parts.headers, api)?,
        };
        let hold = api.tenants().hold(&tenant).ok_or_else(deleted)?;
        Ok(Self {
            key,
            tenant,
            names_tenant: parts.headers.contains_key(TENANT_HEADER),
            _hold: hold,
            need: PhantomData,
        })
    }
}

fn deleted() -> Problem {
    Problem::new(
        Code::Unauthorized,
        "the tenant of this key has been deleted",
    )
}

/// The tenant that the key is bound to, if it is bound to one; that has to be there.
fn bound(key: &KeyRecord, api: &Api) -> Result<Option<TenantId>, Problem> {
    let Some(tenant) = key.tenant.as_deref() else {
        return Ok(None);
    };
    let tenant: TenantId = tenant.parse()?;
    match api.tenants().lives(&tenant) {
        true => Ok(Some(tenant)),
        false => Err(deleted()),
    }
}

/// The tenant that a key for all of them chooses, by name or id.
fn chosen(headers: &HeaderMap, api: &Api) -> Result<TenantId, Problem> {
    let Some(asked) = named_tenant(headers)? else {
        return Ok(TenantId::default());
    };
    let found = api.tenants().find(asked.as_str());
    found.ok_or_else(|| {
        let detail = format!("tenant {asked}: make it with POST /v1/tenants");
        Problem::not_found(detail)
    })
}

/// A bound key may name its own tenant, and no other.
fn check_named(bound: &TenantId, headers: &HeaderMap, api: &Api) -> Result<TenantId, Problem> {
    let asked = named_tenant(headers)?;
    if asked.is_some_and(|asked| api.tenants().find(asked.as_str()).as_ref() != Some(bound)) {
        let detail = format!("this key is not for the tenant in {TENANT_HEADER}");
        return Err(Problem::new(Code::Forbidden, detail));
    }
    Ok(bound.clone())
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
