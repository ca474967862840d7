//! Who asks, and what they may do.

use super::Api;
use super::keys::{KeyRecord, Scope};
use super::problem::{Code, Problem};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use postrider::TenantId;
use std::sync::Arc;

/// By which a key for all tenants says for which one it acts.
pub(crate) const TENANT_HEADER: &str = "postrider-tenant";

/// Whoever has sent a request: a key that is valid, and the tenant that it acts for.
pub(crate) struct Caller {
    key: Arc<KeyRecord>,
    tenant: TenantId,
}

impl Caller {
    /// The tenant, if the key has this scope.
    pub(crate) fn may(&self, scope: Scope) -> Result<&TenantId, Problem> {
        let scopes = &self.key.scopes;
        let implied = scope == Scope::Read && scopes.contains(&Scope::Manage);
        if scopes.contains(&scope) || implied {
            return Ok(&self.tenant);
        }
        let detail = format!("this needs a key with the scope `{}`", scope.name());
        Err(Problem::new(Code::Forbidden, detail))
    }

    /// Whether the key is still one: for what goes on for longer than a request.
    pub(crate) fn is_valid(&self, api: &Api) -> bool {
        api.keys().knows(&self.key, api.now())
    }

    /// For what concerns all tenants.
    pub(crate) fn may_for_all(&self, scope: Scope) -> Result<(), Problem> {
        self.may(scope)?;
        if self.key.tenant.is_some() {
            return Err(Problem::new(
                Code::Forbidden,
                "this needs a key for all tenants",
            ));
        }
        Ok(())
    }

    /// The tenant that the key is bound to; `None` for a key for all tenants.
    pub(crate) fn bound_to(&self) -> Option<TenantId> {
        self.key.tenant.as_ref().map(|_| self.tenant.clone())
    }

    /// Whether it has all of these scopes, so that it may hand them on.
    pub(crate) fn has_all(&self, scopes: &[Scope]) -> bool {
        scopes.iter().all(|scope| self.may(*scope).is_ok())
    }
}

impl FromRequestParts<Api> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let text = bearer(&parts.headers)?;
        let key = api.keys().recognise(text, api.now())?;
        api.keys().count(&key)?;
        let asked = named_tenant(&parts.headers)?;
        let bound = match key.tenant.as_deref() {
            Some(tenant) => Some(tenant.parse::<TenantId>()?),
            None => None,
        };
        let tenant = match (bound, asked) {
            (None, None) => TenantId::default(),
            (None, Some(asked)) if api.knows_tenant(&asked) => asked,
            (None, Some(asked)) => {
                let detail = format!("tenant {asked}: make it with POST /v1/tenants");
                return Err(Problem::not_found(detail));
            }
            (Some(bound), asked) if asked.as_ref().is_none_or(|asked| *asked == bound) => bound,
            (Some(_), _) => {
                let detail = format!("this key is not for the tenant in {TENANT_HEADER}");
                return Err(Problem::new(Code::Forbidden, detail));
            }
        };
        Ok(Self { key, tenant })
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
