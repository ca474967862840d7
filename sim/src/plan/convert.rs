//! What a plan's words mean to the engine.

use super::{Delays, EndpointPlan, Publish, Retry, To};
use bytes::Bytes;
use postrider_engine::{
    BreakerPolicy, EndpointId, EndpointSpec, EventHeaders, EventPattern, EventType, InvalidName,
    NewEvent, OnFailed, Ordering, OrderingKey, PayloadType, RateLimit, RetryPolicy, Schedule,
    Target, TenantId,
};
use std::sync::Arc;
use std::time::Duration;

/// The shortest payload: two numbers of eleven digits and a few brackets.
const PAYLOAD_BYTES_MIN: usize = 24;

impl EndpointPlan {
    /// An endpoint of this receiver with the engine's defaults.
    #[must_use]
    pub fn of(receiver: usize) -> Self {
        Self {
            tenant: 0,
            receiver,
            path: 0,
            at_ms: 0,
            kinds: Vec::new(),
            fifo: true,
            stop_on_failed: false,
            timeout_ms: 30_000,
            retry: Retry {
                delays: Delays::Exponential {
                    first_ms: 5_000,
                    factor: 4.0,
                    cap_ms: 3_600_000,
                    retries: 5,
                },
                jitter_percent: 20,
                retry_after_max_ms: 3_600_000,
                also_retry: vec![408, 425, 429],
            },
            concurrency: 16,
            batch: None,
            rate: None,
            breaker: Some(super::Breaker {
                failures: 10,
                cooldown_ms: 30_000,
                cooldown_max_ms: 600_000,
            }),
            disable_after_ms: Some(5 * 86_400_000),
            headers: Vec::new(),
        }
    }

    /// What is registered. `https` where the tier has TLS.
    ///
    /// # Errors
    ///
    /// Never for a plan that was generated: its names are valid.
    pub fn spec(&self) -> Result<EndpointSpec, InvalidName> {
        let url = format!("https://r{}.example/p{}", self.receiver, self.path);
        let mut spec = EndpointSpec::new(url);
        spec.tenant = tenant(self.tenant)?;
        if !self.kinds.is_empty() {
            let patterns = self
                .kinds
                .iter()
                .map(|kind| format!("kind.k{kind}").parse());
            spec.event_types = patterns.collect::<Result<Vec<EventPattern>, _>>()?;
        }
        spec.ordering = if self.fifo {
            Ordering::Fifo
        } else {
            Ordering::None
        };
        spec.on_failed = if self.stop_on_failed {
            OnFailed::Stop
        } else {
            OnFailed::Continue
        };
        spec.timeout = ms(self.timeout_ms);
        spec.retry = self.retry.policy();
        spec.concurrency = self.concurrency;
        spec.batch = self.batch.map(super::Batch::policy);
        spec.rate_limit = self.rate.map(|rate| RateLimit {
            requests: rate.requests,
            per: ms(rate.per_ms),
            burst: rate.burst,
        });
        spec.breaker = self.breaker.map(|breaker| BreakerPolicy {
            failures: breaker.failures,
            cooldown: ms(breaker.cooldown_ms),
            cooldown_max: ms(breaker.cooldown_max_ms),
        });
        spec.disable_after = self.disable_after_ms.map(ms);
        spec.headers.clone_from(&self.headers);
        Ok(spec)
    }
}

impl Retry {
    /// The engine's policy.
    #[must_use]
    pub fn policy(&self) -> RetryPolicy {
        let schedule = match &self.delays {
            Delays::Listed(delays) => Schedule::Delays(delays.iter().copied().map(ms).collect()),
            Delays::Exponential {
                first_ms,
                factor,
                cap_ms,
                retries,
            } => Schedule::Exponential {
                first: ms(*first_ms),
                factor: *factor,
                cap: ms(*cap_ms),
                retries: *retries,
            },
        };
        RetryPolicy {
            schedule,
            jitter_percent: self.jitter_percent,
            retry_after_max: ms(self.retry_after_max_ms),
            also_retry: self.also_retry.clone(),
        }
    }
}

impl Publish {
    /// The exact payload.
    #[must_use]
    pub fn payload(&self) -> Bytes {
        let mut payload = format!("{{\"n\":{},\"fill\":\"", self.content).into_bytes();
        let most = self.bytes.max(PAYLOAD_BYTES_MIN) - 2;
        payload.resize(most.max(payload.len()), b'.');
        payload.extend_from_slice(b"\"}");
        payload.into()
    }

    /// The event, if the endpoint that it goes to is known.
    ///
    /// # Errors
    ///
    /// Never for a plan that was generated: its names are valid.
    pub fn event(
        &self,
        endpoint: impl Fn(usize) -> Option<(EndpointId, u8)>,
    ) -> Result<Option<NewEvent>, InvalidName> {
        let (target, owner) = match self.to {
            To::Subscribers(tenant) => (Target::Subscribers, tenant),
            To::Endpoint(number) => match endpoint(number) {
                Some((id, tenant)) => (Target::Endpoint(id), tenant),
                None => return Ok(None),
            },
        };
        let ordering_key = match self.key {
            Some(key) => format!("key-{key}").parse::<OrderingKey>()?,
            None => OrderingKey::none(),
        };
        Ok(Some(NewEvent {
            tenant: tenant(owner)?,
            target,
            event_type: format!("kind.k{}", self.kind).parse::<EventType>()?,
            payload: self.payload(),
            payload_type: PayloadType::default(),
            headers: EventHeaders::default(),
            ordering_key,
            idempotency_key: self.once.map(|once| Arc::from(format!("once-{once}"))),
        }))
    }
}

fn tenant(number: u8) -> Result<TenantId, InvalidName> {
    format!("t{number}").parse()
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
