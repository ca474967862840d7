//! The policies of an endpoint as JSON.

use super::{ms, refused};
use crate::api::problem::Problem;
use postrider::engine::SignatureForm;
use postrider::signature::HeaderNames;
use postrider::{BatchPolicy, BreakerPolicy, RateLimit, RetryPolicy, Schedule};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::ToSchema;

/// When to try again: either `delays_ms`, or an exponential schedule. What is not given is as in the
/// default, 5 retries after 5 s, 20 s, 80 s, 320 s and 1,280 s, over about 28 minutes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RetryForm {
    /// One delay per retry, in milliseconds. Not together with `first_ms`, `factor`, `cap_ms` or
    /// `retries`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 64, example = json!([60_000, 300_000, 900_000]))]
    pub(crate) delays_ms: Option<Vec<u64>>,
    /// The delay before the second attempt. Default 5,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) first_ms: Option<u64>,
    /// How much longer each delay is than the one before. Default 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100)]
    pub(crate) factor: Option<f64>,
    /// The longest delay. Default one hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cap_ms: Option<u64>,
    /// Attempts after the first one. Default 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 64)]
    pub(crate) retries: Option<u32>,
    /// Each delay is drawn from its value ± this many per cent. Default 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 100)]
    pub(crate) jitter_percent: Option<u8>,
    /// The longest wait that a receiver may ask for with `Retry-After`; with 429 and 503 it holds the
    /// whole endpoint. Default one hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retry_after_max_ms: Option<u64>,
    /// Statuses from 400 to 499 that are retried instead of failing at once. Default 408, 425 and
    /// 429; an empty list retries none of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<ClientErrorStatus>>, example = json!([408, 425, 429]))]
    pub(crate) also_retry: Option<Vec<u16>>,
}

/// A status from 400 to 499.
#[derive(ToSchema)]
#[schema(value_type = u16, minimum = 400, maximum = 499)]
#[allow(dead_code)] // described, and checked by the engine
pub(crate) struct ClientErrorStatus(u16);

/// A signature scheme, and the names of its headers where they are not the scheme's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignatureEntry {
    /// `postrider` (Standard Webhooks, and `X-Signature` with the hex HMAC of the body),
    /// `standard`, `svix`, `stripe`, `github`, `shopify`, `slack`, `body-hex`, `timestamped-v1` or
    /// `timestamped-sha256`.
    #[schema(example = "postrider")]
    pub(crate) scheme: String,
    /// Instead of the scheme's header for the message's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 128)]
    pub(crate) id_header: Option<String>,
    /// Instead of the scheme's header for the timestamp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 128)]
    pub(crate) timestamp_header: Option<String>,
    /// Instead of the scheme's header for the signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 128)]
    pub(crate) signature_header: Option<String>,
    /// Instead of `X-Signature`, for the scheme `postrider`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 128)]
    pub(crate) body_signature_header: Option<String>,
}

/// When a request leaves that carries several events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BatchForm {
    /// With so many events …
    #[schema(minimum = 2, maximum = 100)]
    events_max: u32,
    /// … or when the first of them has waited for so many milliseconds.
    #[schema(maximum = 60_000)]
    wait_ms: u64,
}

/// So many requests in so much time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RateLimitForm {
    /// Requests …
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub(super) requests: u32,
    /// … in this many milliseconds.
    #[serde(default = "second_ms")]
    #[schema(minimum = 1, maximum = 86_400_000)]
    per_ms: u64,
    /// How many may go at once after a pause. Default: `requests`.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub(super) burst: Option<u32>,
}

/// When attempts are held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BreakerForm {
    /// Failures in a row that open it.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub(super) failures: u32,
    /// How long it stays open at first, in milliseconds.
    #[schema(maximum = 86_400_000)]
    cooldown_ms: u64,
    /// How long at most.
    #[schema(maximum = 86_400_000)]
    cooldown_max_ms: u64,
}

impl RetryForm {
    pub(super) fn policy(&self) -> Result<RetryPolicy, Problem> {
        let defaults = RetryPolicy::default();
        let exponential = self.first_ms.is_some()
            || self.factor.is_some()
            || self.cap_ms.is_some()
            || self.retries.is_some();
        let schedule = match (&self.delays_ms, defaults.schedule) {
            (Some(_), _) if exponential => {
                let detail = "give either delays_ms, or first_ms, factor, cap_ms and retries";
                return Err(refused("/retry", detail));
            }
            (Some(delays), _) => {
                Schedule::Delays(delays.iter().copied().map(Duration::from_millis).collect())
            }
            (
                None,
                Schedule::Exponential {
                    first,
                    factor,
                    cap,
                    retries,
                },
            ) => Schedule::Exponential {
                first: self.first_ms.map_or(first, Duration::from_millis),
                factor: self.factor.unwrap_or(factor),
                cap: self.cap_ms.map_or(cap, Duration::from_millis),
                retries: self.retries.unwrap_or(retries),
            },
            (None, delays) => delays,
        };
        let after = self.retry_after_max_ms.map(Duration::from_millis);
        Ok(RetryPolicy {
            schedule,
            jitter_percent: self.jitter_percent.unwrap_or(defaults.jitter_percent),
            retry_after_max: after.unwrap_or(defaults.retry_after_max),
            also_retry: self.also_retry.clone().unwrap_or(defaults.also_retry),
        })
    }

    pub(super) fn of(policy: &RetryPolicy) -> Self {
        let mut form = Self {
            jitter_percent: Some(policy.jitter_percent),
            retry_after_max_ms: Some(ms(policy.retry_after_max)),
            also_retry: Some(policy.also_retry.clone()),
            ..Self::default()
        };
        match &policy.schedule {
            Schedule::Exponential {
                first,
                factor,
                cap,
                retries,
            } => {
                form.first_ms = Some(ms(*first));
                form.factor = Some(*factor);
                form.cap_ms = Some(ms(*cap));
                form.retries = Some(*retries);
            }
            Schedule::Delays(delays) => {
                form.delays_ms = Some(delays.iter().copied().map(ms).collect());
            }
        }
        form
    }
}

impl SignatureEntry {
    pub(super) fn form(&self, place: usize) -> Result<SignatureForm, Problem> {
        let wrong = |error| refused(&format!("/signatures/{place}/scheme"), error);
        Ok(SignatureForm {
            scheme: self.scheme.parse().map_err(wrong)?,
            header_names: HeaderNames {
                id: self.id_header.clone(),
                timestamp: self.timestamp_header.clone(),
                signature: self.signature_header.clone(),
                body_signature: self.body_signature_header.clone(),
            },
        })
    }

    pub(super) fn of(form: &SignatureForm) -> Self {
        Self {
            scheme: form.scheme.name().to_owned(),
            id_header: form.header_names.id.clone(),
            timestamp_header: form.header_names.timestamp.clone(),
            signature_header: form.header_names.signature.clone(),
            body_signature_header: form.header_names.body_signature.clone(),
        }
    }
}

impl BatchForm {
    pub(super) fn policy(self) -> BatchPolicy {
        BatchPolicy {
            events_max: self.events_max,
            wait: Duration::from_millis(self.wait_ms),
        }
    }

    pub(super) fn of(policy: BatchPolicy) -> Self {
        Self {
            events_max: policy.events_max,
            wait_ms: ms(policy.wait),
        }
    }
}

impl RateLimitForm {
    pub(super) fn limit(self) -> RateLimit {
        RateLimit {
            requests: self.requests,
            per: Duration::from_millis(self.per_ms),
            burst: self.burst.unwrap_or(self.requests),
        }
    }

    pub(super) fn of(limit: RateLimit) -> Self {
        Self {
            requests: limit.requests,
            per_ms: ms(limit.per),
            burst: Some(limit.burst),
        }
    }
}

impl BreakerForm {
    pub(super) fn policy(self) -> BreakerPolicy {
        BreakerPolicy {
            failures: self.failures,
            cooldown: Duration::from_millis(self.cooldown_ms),
            cooldown_max: Duration::from_millis(self.cooldown_max_ms),
        }
    }

    pub(super) fn of(policy: BreakerPolicy) -> Self {
        Self {
            failures: policy.failures,
            cooldown_ms: ms(policy.cooldown),
            cooldown_max_ms: ms(policy.cooldown_max),
        }
    }
}

fn second_ms() -> u64 {
    1_000
}
