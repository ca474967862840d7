//! What an endpoint has that is registered without saying so: what its tenant has decided, else what
//! the operator has, else what is built in. Endpoints that are registered already keep what they
//! have.

use super::Api;
use super::audit::{Act, names};
use super::caller::{Caller, Manage, Read};
use super::endpoint_form::{EndpointForm, RetryForm, SignatureEntry};
use super::extract::{Json, parse};
use super::problem::{Code, Problem};
use super::raw::Members;
use axum::extract::State;
use postrider::engine::PayloadForm;
use postrider::{EndpointSpec, TenantId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::str::FromStr;
use std::time::Duration;
use utoipa::ToSchema;

/// What endpoints have that are registered without it. What is left out is as the operator of the
/// server has decided, else as it is built in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EndpointDefaults {
    /// When to try again, as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry: Option<RetryForm>,
    /// The time of one attempt, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 600_000)]
    timeout_ms: Option<u64>,
    /// How requests are signed: one to four schemes, each with its headers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 1, max_items = 4)]
    signatures: Option<Vec<SignatureEntry>>,
}

/// Why these cannot be defaults.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidDefaults(String);

impl FromStr for EndpointDefaults {
    type Err = InvalidDefaults;

    /// Reads a JSON object with any of `retry`, `timeout_ms` and `signatures`, each as
    /// `POST /v1/endpoints` takes it.
    fn from_str(text: &str) -> Result<Self, InvalidDefaults> {
        let value = serde_json::from_str(text);
        let value: Value = value.map_err(|error| InvalidDefaults(format!("not JSON: {error}")))?;
        let defaults: Self =
            serde_json::from_value(value).map_err(|error| InvalidDefaults(error.to_string()))?;
        let checked = defaults.check();
        checked.map_err(|problem| InvalidDefaults(problem.detail().to_owned()))?;
        Ok(defaults)
    }
}

impl EndpointDefaults {
    /// Adds what the body of a request leaves out.
    fn fill(&self, body: &mut Members) -> Result<(), Problem> {
        let text = serde_json::to_string(self);
        let text = text.map_err(|error| Problem::new(Code::Internal, error))?;
        body.fill(parse(text.as_bytes())?);
        Ok(())
    }

    /// Whether an endpoint could have these.
    fn check(&self) -> Result<(), Problem> {
        let mut body: Members = parse(br#"{"url":"https://merchant.example/"}"#)?;
        self.fill(&mut body)?;
        let form: EndpointForm = parse(body.text()?.get().as_bytes())?;
        let spec = form.spec(&TenantId::default(), PayloadForm::Raw)?;
        Ok(spec.check(&postrider::Limits::default())?)
    }
}

impl Api {
    /// Adds to what is said of an endpoint what its tenant and the operator have decided.
    pub(super) fn fill_defaults(
        &self,
        tenant: &TenantId,
        body: &mut Members,
    ) -> Result<(), Problem> {
        let is_said = body.get("timeout_ms").is_some();
        if let Some(own) = self.endpoint_defaults().get(tenant, ID) {
            own.fill(body)?;
        }
        self.options().endpoint_defaults.fill(body)?;
        if !is_said {
            self.cut_timeout(body)?;
        }
        Ok(())
    }

    /// Cuts a timeout that its owner has not said in this request to what the operator allows now.
    pub(super) fn cut_timeout(&self, body: &mut Members) -> Result<(), Problem> {
        let timeout = match body.get("timeout_ms") {
            Some(decided) => Duration::from_millis(parse(decided.get().as_bytes())?),
            None => EndpointSpec::new("").timeout,
        };
        let cut = timeout.min(self.postrider().limits().timeout_max);
        let cut = parse(cut.as_millis().to_string().as_bytes())?;
        body.set("timeout_ms".to_owned(), cut);
        Ok(())
    }
}

/// A tenant has one record of these.
pub(in crate::api) const ID: &str = "all";

#[utoipa::path(
    get, path = "/v1/endpoint-defaults", tag = "Endpoints",
    summary = "Get the defaults of the tenant's endpoints",
    responses((status = OK, description = "What the tenant has decided.", body = EndpointDefaults))
)]
pub(crate) async fn get(
    State(api): State<Api>,
    caller: Caller<Read>,
) -> Result<axum::Json<EndpointDefaults>, Problem> {
    let own = api.endpoint_defaults().get(caller.tenant(), ID);
    Ok(axum::Json(
        own.map(|own| (*own).clone()).unwrap_or_default(),
    ))
}

#[utoipa::path(
    put, path = "/v1/endpoint-defaults", tag = "Endpoints", request_body = EndpointDefaults,
    summary = "Set the defaults of the tenant's endpoints",
    description = "All of them at once: what is left out is as the operator has decided. They hold \
                   for endpoints that are registered from then on.",
    responses((status = OK, description = "What the tenant has decided.", body = EndpointDefaults))
)]
pub(crate) async fn put(
    State(api): State<Api>,
    caller: Caller<Manage>,
    Json(defaults): Json<EndpointDefaults>,
) -> Result<axum::Json<EndpointDefaults>, Problem> {
    defaults.check()?;
    let tenant = caller.tenant();
    let kept = api.endpoint_defaults();
    let detail = names(&[
        ("retry", defaults.retry.is_some()),
        ("timeout_ms", defaults.timeout_ms.is_some()),
        ("signatures", defaults.signatures.is_some()),
    ]);
    let note = caller.note(&api, Act::EndpointDefaultsSet, None, detail)?;
    let same = |_: &EndpointDefaults| Ok(defaults.clone());
    let changed = kept.change(tenant, ID, Some(note.clone()), same).await?;
    if changed.is_none() {
        kept.add(tenant, ID, defaults.clone(), Some(note)).await?;
    }
    Ok(axum::Json(defaults))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<EndpointDefaults, String> {
        text.parse()
            .map_err(|error: InvalidDefaults| error.to_string())
    }

    #[test]
    fn what_no_endpoint_could_have_is_no_default() {
        assert!(parsed("{}").is_ok());
        assert!(parsed(r#"{"retry": {"delays_ms": [1000]}, "timeout_ms": 5000}"#).is_ok());
        for (wrong, named) in [
            (r#"{"timeout_ms": 0}"#, "timeout"),
            (r#"{"retry": {"jitter_percent": 101}}"#, "jitter"),
            (r#"{"retry": {"also_retry": [500]}}"#, "also_retry"),
            (r#"{"signatures": [{"scheme": "rot13"}]}"#, "rot13"),
            (r#"{"signatures": []}"#, "signatures"),
            (r#"{"url": "https://a.example/"}"#, "url"),
            ("retry", "JSON"),
        ] {
            let error = parsed(wrong).unwrap_err();
            assert!(error.contains(named), "{wrong}: {error}");
        }
    }

    #[test]
    fn what_is_said_goes_before_a_default() {
        let defaults = parsed(r#"{"timeout_ms": 5000, "retry": {"retries": 2}}"#).unwrap();
        let mut body: Members = parse(br#"{"timeout_ms":7}"#).unwrap();
        defaults.fill(&mut body).unwrap();
        let filled = r#"{"timeout_ms":7,"retry":{"retries":2}}"#;
        assert_eq!(body.text().unwrap().get(), filled);
    }
}
