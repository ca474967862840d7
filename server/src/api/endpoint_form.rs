//! An endpoint as JSON: what its owner writes, and what is shown of it.

mod headers;
mod policies;
mod sending;

pub(crate) use headers::restored;
pub(crate) use policies::{BatchForm, BreakerForm, RateLimitForm, RetryForm, SignatureEntry};
pub(crate) use sending::{CertificateForm, restore_key};

use super::Api;
use super::endpoint_counts::{EndpointCountsView, SecretState, secrets};
use super::names::{DisabledReasonName, EndpointStatusName, HeldBy};
use super::problem::{Code, Problem};
use super::raw;
use super::time::Time;
use postrider::engine::json::compact;
use postrider::engine::{Health, PayloadForm, SignatureForm, Wall};
use postrider::{
    DisabledReason, Endpoint, EndpointSpec, EndpointStatus, HeaderLines, OnFailed, Ordering,
    Template, TenantId,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::time::Duration;
use utoipa::ToSchema;

/// The highest count that an owner can ask for.
const COUNT_MAX: u32 = 1_000_000;

/// What the owner of an endpoint decides. Only `url` is required.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EndpointForm {
    /// Where its requests go: `https://…`, or `http://…` where the operator allows it.
    #[schema(
        min_length = 1,
        max_length = 2048,
        example = "https://merchant.example/webhooks"
    )]
    pub(crate) url: String,
    /// For people. At most 1 KiB.
    #[serde(default)]
    #[schema(max_length = 1024)]
    pub(crate) description: String,
    /// Whatever you want to keep with it: a JSON object of at most 4 KiB.
    #[serde(default = "no_metadata")]
    #[schema(value_type = Object, additional_properties = true)]
    pub(crate) metadata: Box<RawValue>,
    /// The events it gets: `*`, a family such as `payment.*`, or a type. Operational events
    /// (`postrider.*`) are never part of `*`.
    #[serde(default = "every_type")]
    #[schema(min_items = 1, max_items = 128, example = json!(["payment.*"]))]
    pub(crate) event_types: Vec<String>,
    /// Only events whose payload matches, for example `{"amount": {"$gt": 10000}}`: operators
    /// `$eq $ne $gt $gte $lt $lte $in $nin $exists $startsWith $contains $elemMatch $and $or $not $at`.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub(crate) filter: Option<Box<RawValue>>,
    /// Whether deliveries keep their order.
    #[serde(default)]
    pub(crate) ordering: OrderingForm,
    /// What becomes of a lane whose first delivery has failed for good.
    #[serde(default)]
    pub(crate) on_failed: OnFailedForm,
    /// When to try again.
    #[serde(default)]
    pub(crate) retry: RetryForm,
    /// Headers added to every request, at most 32. Their values are kept as secrets are, and never
    /// shown again: `[secret]` stands for each. In a change `[secret]` keeps the value that is there.
    /// Names are compared without regard to case.
    #[serde(default)]
    #[schema(example = json!({"x-team": "payments"}))]
    pub(crate) headers: BTreeMap<String, String>,
    /// The `Content-Type` of its requests, whatever their body is; `null` for that of the body.
    #[serde(default)]
    #[schema(
        min_length = 3,
        max_length = 256,
        example = "application/json; charset=utf-8"
    )]
    pub(crate) content_type: Option<String>,
    /// The `User-Agent` of its requests; `null` for Postrider's own.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 256, example = "Acme-Webhooks/1.0")]
    pub(crate) user_agent: Option<String>,
    /// Whether the request of an attempt may be sent a second time, with `x-attempt-repeat`, where the
    /// first one met a connection that was being closed. `false` gives each request a connection of its
    /// own: with `retry.retries` 0 no event is sent twice.
    #[serde(default = "default_send_again")]
    pub(crate) send_again: bool,
    /// Shown to receivers that ask for it in the TLS handshake (mutual TLS); `null` for that of the
    /// tenant. In a change the key `[secret]` keeps the one that is there.
    #[serde(default)]
    pub(crate) client_certificate: Option<CertificateForm>,
    /// How its requests are signed: one to four schemes, each with its headers.
    #[serde(default = "default_signatures")]
    #[schema(min_items = 1, max_items = 4)]
    pub(crate) signatures: Vec<SignatureEntry>,
    /// What the body of a request is.
    #[serde(default)]
    pub(crate) payload_form: PayloadFormName,
    /// The template and its pinned version, for the payload form `template`.
    #[serde(default)]
    pub(crate) template: Option<TemplateRef>,
    /// Several events of a lane in one request, as a JSON array; `null` for one at a time.
    #[serde(default)]
    pub(crate) batch: Option<BatchForm>,
    /// The time of one attempt, from the look-up of the name to the last byte, in milliseconds. The
    /// status decides: what is unread of the body by then is cut.
    #[serde(default = "default_timeout_ms")]
    #[schema(minimum = 1, maximum = 600_000)]
    pub(crate) timeout_ms: u64,
    /// Attempts at the same time, over all lanes.
    #[serde(default = "default_concurrency")]
    #[schema(minimum = 1, maximum = 1024)]
    pub(crate) concurrency: u32,
    /// Requests a second that it takes; `null` for no limit.
    #[serde(default)]
    pub(crate) rate_limit: Option<RateLimitForm>,
    /// Holds attempts back while the endpoint does not answer; `null` for no breaker.
    #[serde(default = "default_breaker")]
    pub(crate) breaker: Option<BreakerForm>,
    /// Disable the endpoint once it has failed for this long without a success, in milliseconds;
    /// `null` for never.
    #[serde(default = "default_disable_after_ms")]
    #[schema(minimum = 0, maximum = 31_536_000_000_u64)]
    pub(crate) disable_after_ms: Option<u64>,
}

/// Whether deliveries keep their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OrderingForm {
    /// One at a time per lane, in the order of publishing.
    #[default]
    Fifo,
    /// Any order, up to `concurrency`.
    None,
}

/// What becomes of a lane whose first delivery has failed for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnFailedForm {
    /// The lane goes on with the next delivery.
    #[default]
    Continue,
    /// The lane stops until someone resends or discards the dead letter.
    Stop,
}

/// What the body of a request is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PayloadFormName {
    /// The payload, byte for byte.
    #[default]
    Raw,
    /// `{"type", "timestamp", "data"}`, as Standard Webhooks recommends.
    Envelope,
    /// What the template in `template` makes of it.
    Template,
}

/// A template of the tenant, in one version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TemplateRef {
    /// Its name.
    #[schema(max_length = 128)]
    pub(crate) name: String,
    /// The version that this endpoint keeps getting.
    #[schema(minimum = 1)]
    pub(crate) version: u32,
}

impl TemplateRef {
    /// Whether this is the template that an endpoint has.
    pub(crate) fn names(&self, current: Option<&PayloadForm>) -> bool {
        let is_it = |it: &Template| it.name() == self.name && it.version() == self.version;
        matches!(current, Some(PayloadForm::Template(current)) if is_it(current))
    }
}

/// An endpoint.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct EndpointView {
    /// Its id.
    #[schema(example = "ep_01jd9x2m5tewh8q0v6n3r4y7za")]
    pub(crate) id: String,
    /// The name of the tenant that owns it.
    pub(crate) tenant: String,
    /// The id of that tenant.
    pub(crate) tenant_id: String,
    /// By which it is made only once; `null` if it was registered without one.
    #[schema(example = "ledger")]
    pub(crate) name: Option<String>,
    /// What its owner has decided.
    #[serde(flatten)]
    pub(crate) form: EndpointForm,
    /// Whether it gets its deliveries: `active`, `paused` or `disabled`.
    #[schema(value_type = EndpointStatusName)]
    pub(crate) status: &'static str,
    /// Why it is disabled: `manual`, `gone` or `failing`.
    #[schema(value_type = Option<DisabledReasonName>)]
    pub(crate) disabled_reason: Option<&'static str>,
    /// Failed attempts since the last success.
    pub(crate) failures: u32,
    /// When the first of them ended.
    pub(crate) failing_since: Option<Time>,
    /// The breaker lets nothing through before this.
    pub(crate) breaker_open_until: Option<Time>,
    /// No attempt starts before this; what has passed is over, and attempts come back slowly.
    pub(crate) held_until: Option<Time>,
    /// What holds it until then: `retry_after` if its receiver has asked for time with 429 or 503
    /// and `Retry-After`, `breaker` if it does not answer.
    #[schema(value_type = Option<HeldBy>)]
    pub(crate) held_by: Option<&'static str>,
    /// When it was made.
    pub(crate) created_at: Time,
    /// Counts the changes of what its owner decides.
    pub(crate) revision: u64,
    /// The secrets that sign its requests, oldest first, without their text: when the older ones
    /// stop, a rotation is over.
    pub(crate) secrets: Vec<SecretState>,
    /// What has come of its deliveries: in lists, and when one endpoint is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) counts: Option<EndpointCountsView>,
    /// The secret that signs its requests: shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")]
    pub(crate) secret: Option<String>,
}

fn every_type() -> Vec<String> {
    vec!["*".to_owned()]
}

fn default_signatures() -> Vec<SignatureEntry> {
    let entry = |form: &SignatureForm| SignatureEntry::of(form);
    EndpointSpec::new("").signatures.iter().map(entry).collect()
}

fn default_send_again() -> bool {
    EndpointSpec::new("").sending.send_again
}

fn default_timeout_ms() -> u64 {
    ms(EndpointSpec::new("").timeout)
}

fn default_concurrency() -> u32 {
    EndpointSpec::new("").concurrency
}

fn default_breaker() -> Option<BreakerForm> {
    EndpointSpec::new("").breaker.map(BreakerForm::of)
}

fn default_disable_after_ms() -> Option<u64> {
    EndpointSpec::new("").disable_after.map(ms)
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn refused(pointer: &str, detail: impl std::fmt::Display) -> Problem {
    let detail = detail.to_string();
    Problem::new(Code::InvalidEndpoint, &detail).at(pointer, detail)
}

fn no_metadata() -> Box<RawValue> {
    // It is JSON.
    RawValue::from_string("{}".to_owned()).unwrap_or_default()
}

/// The text of an object without white space between its tokens: numbers stay as they are given.
pub(super) fn object(pointer: &str, value: &RawValue) -> Result<String, Problem> {
    if raw::is_object(value) {
        return Ok(compact(value.get()));
    }
    let detail = "expected an object";
    Err(Problem::new(Code::InvalidBody, detail).at(pointer, detail))
}

impl EndpointForm {
    /// The spec for a tenant. `template` is the text of the one that the form names.
    pub(crate) fn spec(
        &self,
        tenant: &TenantId,
        payload_form: PayloadForm,
    ) -> Result<EndpointSpec, Problem> {
        let mut spec = EndpointSpec::new(self.url.as_str());
        spec.tenant = tenant.clone();
        spec.description = self.description.as_str().into();
        spec.metadata = object("/metadata", &self.metadata)?.into();
        let patterns = self.event_types.iter().enumerate().map(|(place, pattern)| {
            let wrong = |error| refused(&format!("/event_types/{place}"), error);
            pattern.parse().map_err(wrong)
        });
        spec.event_types = patterns.collect::<Result<_, _>>()?;
        spec.filter = match &self.filter {
            Some(filter) => {
                let filter = object("/filter", filter)?.parse();
                Some(filter.map_err(|error| refused("/filter", error))?)
            }
            None => None,
        };
        spec.headers = self
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        spec.sending = self.sending();
        spec.ordering = match self.ordering {
            OrderingForm::Fifo => Ordering::Fifo,
            OrderingForm::None => Ordering::None,
        };
        spec.on_failed = match self.on_failed {
            OnFailedForm::Continue => OnFailed::Continue,
            OnFailedForm::Stop => OnFailed::Stop,
        };
        spec.retry = self.retry.policy()?;
        let signatures = self.signatures.iter().enumerate();
        let signatures = signatures.map(|(place, entry)| entry.form(place));
        spec.signatures = signatures.collect::<Result<_, _>>()?;
        spec.payload_form = payload_form;
        spec.batch = self.batch.map(BatchForm::policy);
        spec.timeout = Duration::from_millis(self.timeout_ms);
        spec.concurrency = self.concurrency;
        let rate = self.rate_limit;
        if rate.is_some_and(|it| it.requests.max(it.burst.unwrap_or(1)) > COUNT_MAX) {
            return Err(refused(
                "/rate_limit",
                format_args!("use at most {COUNT_MAX}"),
            ));
        }
        if self
            .breaker
            .is_some_and(|breaker| breaker.failures > COUNT_MAX)
        {
            return Err(refused("/breaker", format_args!("use at most {COUNT_MAX}")));
        }
        spec.rate_limit = rate.map(RateLimitForm::limit);
        spec.breaker = self.breaker.map(BreakerForm::policy);
        spec.disable_after = self.disable_after_ms.map(Duration::from_millis);
        Ok(spec)
    }

    /// What an owner would have written to get this spec. Values of headers and the private key are as
    /// they are: see [`EndpointForm::without_values`].
    pub(crate) fn of(spec: &EndpointSpec) -> Self {
        let (payload_form, template) = match &spec.payload_form {
            PayloadForm::Raw => (PayloadFormName::Raw, None),
            PayloadForm::Envelope => (PayloadFormName::Envelope, None),
            PayloadForm::Template(template) => {
                let name = template.name().to_owned();
                let version = template.version();
                let template = TemplateRef { name, version };
                (PayloadFormName::Template, Some(template))
            }
        };
        let filter = spec.filter.as_ref();
        Self {
            url: spec.url.to_string(),
            description: spec.description.to_string(),
            // Both were checked to be JSON when they came in.
            metadata: RawValue::from_string(spec.metadata.to_string())
                .unwrap_or_else(|_| no_metadata()),
            filter: filter
                .and_then(|filter| RawValue::from_string(filter.as_str().to_owned()).ok()),
            event_types: spec.event_types.iter().map(ToString::to_string).collect(),
            ordering: match spec.ordering {
                Ordering::Fifo => OrderingForm::Fifo,
                Ordering::None => OrderingForm::None,
            },
            on_failed: match spec.on_failed {
                OnFailed::Continue => OnFailedForm::Continue,
                OnFailed::Stop => OnFailedForm::Stop,
            },
            retry: RetryForm::of(&spec.retry),
            headers: spec.headers.iter().cloned().collect(),
            content_type: spec.sending.content_type.as_deref().map(str::to_owned),
            user_agent: spec.sending.user_agent.as_deref().map(str::to_owned),
            send_again: spec.sending.send_again,
            client_certificate: spec.sending.identity.as_ref().map(CertificateForm::of),
            signatures: spec.signatures.iter().map(SignatureEntry::of).collect(),
            payload_form,
            template,
            batch: spec.batch.map(BatchForm::of),
            timeout_ms: ms(spec.timeout),
            concurrency: spec.concurrency,
            rate_limit: spec.rate_limit.map(RateLimitForm::of),
            breaker: spec.breaker.map(BreakerForm::of),
            disable_after_ms: spec.disable_after.map(ms),
        }
    }

    /// The same, less the private key and the values of headers: whether one is a credential, no name
    /// tells.
    fn without_values(mut self) -> Self {
        for value in self.headers.values_mut() {
            HeaderLines::SECRET.clone_into(value);
        }
        if let Some(certificate) = &mut self.client_certificate {
            certificate.hide_key();
        }
        self
    }
}

impl EndpointView {
    /// What is shown of an endpoint: no secret.
    pub(crate) fn of(api: &Api, endpoint: &Endpoint) -> Self {
        let (status, disabled_reason) = match endpoint.status {
            EndpointStatus::Active => ("active", None),
            EndpointStatus::Paused => ("paused", None),
            EndpointStatus::Disabled(reason) => ("disabled", Some(reason_name(reason))),
        };
        let held = held(&endpoint.health);
        Self {
            id: endpoint.id.to_string(),
            tenant: api.tenants().name_of(&endpoint.spec.tenant),
            tenant_id: endpoint.spec.tenant.to_string(),
            name: endpoint.spec.name.as_ref().map(ToString::to_string),
            form: EndpointForm::of(&endpoint.spec).without_values(),
            status,
            disabled_reason,
            failures: endpoint.health.failures,
            failing_since: endpoint.health.failing_since.map(Time),
            breaker_open_until: endpoint.health.open_until.map(Time),
            held_until: held.map(|(until, _)| Time(until)),
            held_by: held.map(|(_, by)| by),
            created_at: endpoint.created_at.into(),
            revision: endpoint.revision,
            secrets: secrets(endpoint, api.now()),
            counts: None,
            secret: None,
        }
    }

    /// The same with its current secret.
    pub(crate) fn with_secret(api: &Api, endpoint: &Endpoint) -> Self {
        let current = endpoint.secrets.first();
        Self {
            secret: current.map(|current| current.secret.expose_secret_text().to_string()),
            ..Self::of(api, endpoint)
        }
    }
}

/// Until when nothing starts, and why.
fn held(health: &Health) -> Option<(Wall, &'static str)> {
    let by_breaker = health.open_until.map(|until| (until, "breaker"));
    let by_receiver = health.held_until.map(|until| (until, "retry_after"));
    by_breaker.max(by_receiver)
}

/// `manual`, `gone` or `failing`.
pub(crate) fn reason_name(reason: DisabledReason) -> &'static str {
    match reason {
        DisabledReason::Manual => "manual",
        DisabledReason::Gone => "gone",
        DisabledReason::Failing => "failing",
    }
}
