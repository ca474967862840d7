//! An endpoint: what its owner asked for, and what became of it.

use crate::batch_policy::BatchPolicy;
use crate::breaker::BreakerPolicy;
use crate::custom_headers;
use crate::error::{EndpointError, InvalidSpec};
use crate::filter::Filter;
use crate::id::EndpointId;
use crate::limits::Limits;
use crate::names::{EndpointName, EventPattern, TenantId};
use crate::payload_form::PayloadForm;
use crate::rate::RateLimit;
use crate::retry::RetryPolicy;
use crate::sending::Sending;
use crate::signature_form::{self, SignatureForm};
use crate::time::Wall;
use postrider_signature::Secret;
use serde_json::value::RawValue;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What the owner of an endpoint decides. [`EndpointSpec::new`] has the defaults.
///
/// `Debug` leaves out the values of its headers, and serves for nothing but people.
#[derive(Clone, PartialEq)]
pub struct EndpointSpec {
    /// Who owns it.
    pub tenant: TenantId,
    /// By which it is made only once. Whoever registers or changes an endpoint leaves it alone: it is
    /// given when the endpoint is made, by what makes it only once, and stays.
    pub name: Option<EndpointName>,
    /// Where its requests go. To the engine an opaque text; the host gives it a meaning.
    pub url: Arc<str>,
    /// What its owner says of it. At most 1 KiB; default empty.
    pub description: Arc<str>,
    /// What its owner attaches to it: the text of a JSON object, at most 4 KiB. Means nothing to
    /// the engine. Default `{}`.
    pub metadata: Arc<str>,
    /// The events it gets of those that are published to all subscribers. Default `*`: all but
    /// Postrider's own.
    pub event_types: Vec<EventPattern>,
    /// Of these events, those with such a payload. Default: all.
    pub filter: Option<Filter>,
    /// What is sent of an event. Default: its payload as it is.
    pub payload_form: PayloadForm,
    /// How its requests are signed. 1 to 4; default [`Scheme::Postrider`].
    ///
    /// [`Scheme::Postrider`]: postrider_signature::Scheme::Postrider
    pub signatures: Vec<SignatureForm>,
    /// Headers added to every request. Names of the protocol and of the engine are refused. The
    /// values are kept as secrets are: they are not printed, nor recorded with attempts.
    pub headers: Vec<(String, String)>,
    /// How its requests are sent. Default: as most receivers take them.
    pub sending: Sending,
    /// Whether deliveries keep their order. Default: they do.
    pub ordering: Ordering,
    /// What becomes of a lane whose first delivery has failed for good. Default: it goes on.
    pub on_failed: OnFailed,
    /// The time of one attempt, from the look-up of the name to the last byte. 1 ms to 10 min;
    /// default 30 s. The status decides: if the head of the response has come by then, the attempt
    /// ends as its status says, and what is unread of the body is cut.
    pub timeout: Duration,
    /// When to try again.
    pub retry: RetryPolicy,
    /// Attempts at the same time, over all lanes. 1 to 1,024; default 16. With
    /// [`Ordering::None`] this is the only limit to how deliveries overtake each other.
    pub concurrency: u32,
    /// Events of a lane go together in one request. Only with [`Ordering::Fifo`] and
    /// [`OnFailed::Continue`]. Default: each goes alone.
    pub batch: Option<BatchPolicy>,
    /// Default: no limit.
    pub rate_limit: Option<RateLimit>,
    /// `None`: no breaker.
    pub breaker: Option<BreakerPolicy>,
    /// Disable the endpoint once it has failed for this long without a single success, judged
    /// at its next failure. `None`: never. Default 5 days.
    pub disable_after: Option<Duration>,
}

/// Whether the deliveries of an endpoint keep their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ordering {
    /// One at a time per lane, in the order of publishing.
    #[default]
    Fifo,
    /// Any order, up to the endpoint's concurrency.
    None,
}

/// What becomes of a lane whose first delivery has failed for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailed {
    /// The lane goes on with the next delivery.
    #[default]
    Continue,
    /// The lane stops until someone resends or discards the dead letter.
    Stop,
}

/// Whether an endpoint gets its deliveries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EndpointStatus {
    /// It does.
    #[default]
    Active,
    /// Its owner holds deliveries back; events are still accepted and queue up.
    Paused,
    /// It gets nothing, and events for it are refused; what was queued is kept.
    Disabled(DisabledReason),
}

/// Why an endpoint is disabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisabledReason {
    /// By hand.
    Manual,
    /// It answered 410 Gone (RFC 9110, section 15.5.11).
    Gone,
    /// It failed for longer than [`EndpointSpec::disable_after`].
    Failing,
}

/// How well an endpoint answers: what must outlive a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Failed attempts since the last success.
    pub failures: u32,
    /// When the first of them ended.
    pub failing_since: Option<Wall>,
    /// The breaker lets nothing through before this.
    pub open_until: Option<Wall>,
    /// Its receiver has asked to be left alone until then (429 or 503 with `Retry-After`). What is
    /// over stays on record until the next success.
    pub held_until: Option<Wall>,
}

impl Health {
    /// Neither breaker nor hold last for longer than until `at`.
    pub fn cut(&mut self, at: Wall) {
        for until in [&mut self.open_until, &mut self.held_until] {
            *until = until.map(|until| until.min(at));
        }
    }
}

/// A secret, and until when it signs.
#[derive(Clone, Debug, PartialEq)]
pub struct EndpointSecret {
    /// The secret.
    pub secret: Secret,
    /// `None` for the current one; for one that was rotated out, the end of its overlap.
    pub expires_at: Option<Wall>,
}

/// An endpoint as it is recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// Its id.
    pub id: EndpointId,
    /// What its owner asked for.
    pub spec: Arc<EndpointSpec>,
    /// The current secret first.
    pub secrets: Vec<EndpointSecret>,
    /// Whether it gets its deliveries.
    pub status: EndpointStatus,
    /// How well it answers.
    pub health: Health,
    /// When it was registered.
    pub created_at: Wall,
    /// Counts the changes of spec and secrets.
    pub revision: u64,
}

impl fmt::Debug for EndpointSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointSpec")
            .field("tenant", &self.tenant)
            .field("name", &self.name)
            .field("url", &self.url)
            .field("description", &self.description)
            .field("metadata", &self.metadata)
            .field("event_types", &self.event_types)
            .field("filter", &self.filter)
            .field("payload_form", &self.payload_form)
            .field("signatures", &self.signatures)
            .field("headers", &custom_headers::Names(&self.headers))
            .field("sending", &self.sending)
            .field("ordering", &self.ordering)
            .field("on_failed", &self.on_failed)
            .field("timeout", &self.timeout)
            .field("retry", &self.retry)
            .field("concurrency", &self.concurrency)
            .field("batch", &self.batch)
            .field("rate_limit", &self.rate_limit)
            .field("breaker", &self.breaker)
            .field("disable_after", &self.disable_after)
            .finish()
    }
}

impl EndpointSpec {
    /// A spec with this URL and the defaults.
    #[must_use]
    pub fn new(url: impl Into<Arc<str>>) -> Self {
        Self {
            tenant: TenantId::default(),
            name: None,
            url: url.into(),
            description: Arc::default(),
            metadata: "{}".into(),
            event_types: vec![EventPattern::all()],
            filter: None,
            payload_form: PayloadForm::Raw,
            signatures: vec![SignatureForm::default()],
            headers: Vec::new(),
            sending: Sending::default(),
            ordering: Ordering::Fifo,
            on_failed: OnFailed::Continue,
            timeout: Duration::from_secs(30),
            retry: RetryPolicy::default(),
            concurrency: 16,
            batch: None,
            rate_limit: None,
            breaker: Some(BreakerPolicy::default()),
            disable_after: Some(Duration::from_secs(5 * 86_400)),
        }
    }

    /// Checks everything but the meaning of the URL.
    ///
    /// # Errors
    ///
    /// The first thing that cannot be done, and what could.
    pub fn check(&self, limits: &Limits) -> Result<(), InvalidSpec> {
        if self.url.is_empty() || self.url.len() > limits.url_bytes_max {
            return Err(InvalidSpec::UrlLength {
                most: limits.url_bytes_max,
            });
        }
        let most = limits.description_bytes_max;
        let unfit = |c: char| c.is_control() && c != '\n' && c != '\t';
        if self.description.len() > most || self.description.contains(unfit) {
            return Err(InvalidSpec::Description { most });
        }
        let most = limits.metadata_bytes_max;
        if self.metadata.len() > most || !is_json_object(&self.metadata) {
            return Err(InvalidSpec::Metadata { most });
        }
        if self.event_types.is_empty() || self.event_types.len() > limits.event_types_max {
            return Err(InvalidSpec::EventTypes {
                most: limits.event_types_max,
            });
        }
        if !(Duration::from_millis(1)..=limits.timeout_max).contains(&self.timeout) {
            let most = limits.timeout_max;
            return Err(InvalidSpec::Timeout { most });
        }
        if !(1..=1_024).contains(&self.concurrency) {
            return Err(InvalidSpec::Concurrency);
        }
        if self.ordering == Ordering::None && self.on_failed == OnFailed::Stop {
            return Err(InvalidSpec::StopWithoutOrder);
        }
        if let Some(batch) = &self.batch {
            batch.check(self)?;
        }
        let day = Duration::from_secs(86_400);
        if let Some(rate) = self.rate_limit
            && !(rate.requests >= 1
                && rate.burst >= 1
                && (Duration::from_millis(1)..=day).contains(&rate.per))
        {
            return Err(InvalidSpec::RateLimit);
        }
        if let Some(breaker) = self.breaker
            && (breaker.failures == 0 || breaker.cooldown > day || breaker.cooldown_max > day)
        {
            return Err(InvalidSpec::Breaker);
        }
        custom_headers::check(&self.headers, limits)?;
        self.sending.check()?;
        signature_form::check(&self.signatures, &self.headers, limits)?;
        self.retry.check(limits)
    }
}

/// To the letter: it goes out as it is.
fn is_json_object(text: &str) -> bool {
    let is_json = serde_json::from_str::<&RawValue>(text).is_ok();
    is_json && text.trim_ascii_start().starts_with('{')
}

impl Endpoint {
    /// Its secrets under another spec, if they are not the same: one that is over and cannot sign
    /// in the new forms goes, as the calendar may yet jump back to when it was live.
    ///
    /// # Errors
    ///
    /// If one that is live cannot sign in the new forms.
    pub(crate) fn secrets_under(
        &self,
        spec: &EndpointSpec,
        wall: Wall,
    ) -> Result<Option<Vec<EndpointSecret>>, InvalidSpec> {
        let live: Vec<Secret> = self.signing(wall).map(|live| live.secret.clone()).collect();
        for form in &spec.signatures {
            form.signer(&live)?;
        }
        let signs = |secret: &Secret| spec.signatures.iter().all(|form| form.can_use(secret));
        let mut secrets = self.secrets.clone();
        secrets.retain(|it| signs(&it.secret));
        Ok((secrets.len() < self.secrets.len()).then_some(secrets))
    }

    /// Checks the current secret, which is new.
    pub(crate) fn check_new_secret(&self, limits: &Limits) -> Result<(), InvalidSpec> {
        let least = limits.secret_bytes_min;
        let is_short = |it: &&EndpointSecret| it.secret.strength_bytes() < least;
        match self.secrets.first().filter(is_short) {
            Some(_) => Err(InvalidSpec::SecretShort { least }),
            None => Ok(()),
        }
    }

    /// The secrets that sign at this time.
    pub(crate) fn signing(&self, wall: Wall) -> impl Iterator<Item = &EndpointSecret> {
        self.secrets
            .iter()
            .filter(move |secret| secret.expires_at.is_none_or(|at| at > wall))
    }

    /// The secrets after a rotation: the new one, then those whose overlap is not over. The older
    /// one never outlives the newer: with the oldest its overlap ends, and the next one is the
    /// oldest, until the new one is alone.
    ///
    /// # Errors
    ///
    /// If the oldest would have to go before its overlap is over.
    pub(crate) fn rotated(
        &self,
        secret: Secret,
        overlap: Duration,
        wall: Wall,
        limits: &Limits,
    ) -> Result<Vec<EndpointSecret>, EndpointError> {
        let end = wall.after(overlap);
        // A rotation that is asked for again changes nothing but the end.
        let is_repeat = |old: &&EndpointSecret| old.expires_at.is_none() && old.secret == secret;
        let kept = self.signing(wall).filter(|old| !is_repeat(old));
        let kept = kept.map(|old| EndpointSecret {
            secret: old.secret.clone(),
            expires_at: match old.expires_at {
                // One that comes back is valid beyond the end of the overlap it once had.
                Some(at) if old.secret != secret => Some(at.min(end)),
                _ => Some(end),
            },
        });
        let kept = kept.filter(|old| old.expires_at > Some(wall));
        let mut secrets: Vec<EndpointSecret> = kept.collect();
        let new = EndpointSecret {
            secret: secret.clone(),
            expires_at: None,
        };
        secrets.insert(0, new);
        let most = limits.secrets_max;
        if secrets.len() > most {
            return Err(EndpointError::Secrets { most });
        }
        Ok(secrets)
    }

    /// The current secret alone, if there are others.
    pub(crate) fn without_overlap(&self) -> Option<Vec<EndpointSecret>> {
        let current = |it: &&EndpointSecret| it.expires_at.is_none();
        (self.secrets.len() > 1).then(|| self.secrets.iter().filter(current).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut EndpointSpec)) -> Option<InvalidSpec> {
        let mut spec = EndpointSpec::new("https://example.com/");
        change(&mut spec);
        spec.check(&Limits::default()).err()
    }

    #[test]
    fn the_defaults_are_accepted() {
        assert_eq!(refused(|_| ()), None);
    }

    #[test]
    fn what_cannot_be_kept_is_refused_by_name() {
        let zero_rate = RateLimit {
            requests: 0,
            per: Duration::from_secs(1),
            burst: 1,
        };
        assert_eq!(
            refused(|s| s.timeout = Duration::ZERO),
            Some(InvalidSpec::Timeout {
                most: Duration::from_secs(600)
            })
        );
        assert_eq!(
            refused(|s| s.concurrency = 0),
            Some(InvalidSpec::Concurrency)
        );
        assert_eq!(
            refused(|s| s.rate_limit = Some(zero_rate)),
            Some(InvalidSpec::RateLimit)
        );
        assert_eq!(
            refused(|s| s.breaker = Some(BreakerPolicy {
                failures: 0,
                ..BreakerPolicy::default()
            })),
            Some(InvalidSpec::Breaker)
        );
        assert_eq!(
            refused(|s| {
                s.ordering = Ordering::None;
                s.on_failed = OnFailed::Stop;
            }),
            Some(InvalidSpec::StopWithoutOrder)
        );
        assert!(refused(|s| s.event_types.clear()).is_some());
        assert!(refused(|s| s.url = "".into()).is_some());
    }

    #[test]
    fn the_values_of_headers_are_not_printed() {
        let mut spec = EndpointSpec::new("https://example.com/");
        spec.headers = vec![("X-Team".to_owned(), "hunter2".to_owned())];
        let written = format!("{spec:?}");
        assert!(
            written.contains("X-Team") && !written.contains("hunter2"),
            "{written}"
        );
    }

    const HOUR: Duration = Duration::from_secs(3600);

    fn secret(text: &str) -> Secret {
        text.parse().unwrap()
    }

    /// An endpoint with the secret `one`.
    fn endpoint() -> Endpoint {
        Endpoint {
            id: EndpointId::from_u128(1),
            spec: Arc::new(EndpointSpec::new("https://example.com/")),
            secrets: vec![EndpointSecret {
                secret: secret("one"),
                expires_at: None,
            }],
            status: EndpointStatus::Active,
            health: Health::default(),
            created_at: Wall(0),
            revision: 0,
        }
    }

    fn rotate(endpoint: &mut Endpoint, to: &str, overlap: Duration, at: u64) {
        let rotated = endpoint.rotated(secret(to), overlap, Wall(at), &Limits::default());
        endpoint.secrets = rotated.unwrap();
    }

    /// The secrets that sign at this time, the newest first.
    fn live(endpoint: &Endpoint, at: u64) -> Vec<&str> {
        let live = endpoint.signing(Wall(at));
        live.map(|it| it.secret.expose_secret_text()).collect()
    }

    #[test]
    fn a_rotation_keeps_the_old_secret_for_the_overlap_only() {
        let mut endpoint = endpoint();
        rotate(&mut endpoint, "two", HOUR, 0);
        assert_eq!(live(&endpoint, 3_599_999), ["two", "one"]);
        assert_eq!(live(&endpoint, 3_600_000), ["two"]);
        rotate(&mut endpoint, "three", 10 * HOUR, 1);
        // A second rotation prolongs no overlap.
        assert_eq!(live(&endpoint, 3_600_000), ["three", "two"]);
        rotate(&mut endpoint, "four", Duration::ZERO, 2);
        // No overlap ends all others at once.
        assert_eq!(endpoint.secrets.len(), 1);
    }

    #[test]
    fn the_fourth_rotation_in_an_overlap_is_refused_until_there_is_room() {
        let mut endpoint = endpoint();
        for (number, to) in ["two", "three", "four"].into_iter().enumerate() {
            rotate(&mut endpoint, to, HOUR, number as u64);
        }
        let all = ["four", "three", "two", "one"];
        assert_eq!(live(&endpoint, 4), all);
        let limits = Limits::default();
        let refused = endpoint.rotated(secret("five"), HOUR, Wall(4), &limits);
        assert_eq!(refused, Err(EndpointError::Secrets { most: 4 }));
        let none = endpoint.rotated(secret("five"), Duration::ZERO, Wall(4), &limits);
        assert_eq!(none.unwrap().len(), 1);
        let later = endpoint.rotated(secret("five"), HOUR, Wall(3_600_000), &limits);
        assert_eq!(later.unwrap().len(), 4, "the first overlap is over");
        endpoint.secrets = endpoint.without_overlap().unwrap();
        assert_eq!(live(&endpoint, 4), ["four"]);
        assert_eq!(endpoint.without_overlap(), None);
    }

    #[test]
    fn the_same_rotation_again_is_no_second_one() {
        let mut endpoint = endpoint();
        for at in 0..10 {
            rotate(&mut endpoint, "two", HOUR, at);
        }
        assert_eq!(live(&endpoint, 10), ["two", "one"]);
        assert_eq!(live(&endpoint, 3_600_000), ["two"]);
    }

    /// A receiver that knows the oldest secret, and nothing else, is not to fail when that becomes
    /// the newest one again.
    #[test]
    fn a_secret_that_comes_back_goes_on_as_the_oldest() {
        let mut endpoint = endpoint();
        rotate(&mut endpoint, "two", HOUR, 0);
        rotate(&mut endpoint, "one", HOUR, 1_800_000);
        assert_eq!(live(&endpoint, 5_399_999), ["one", "two", "one"]);
        assert_eq!(live(&endpoint, 5_400_000), ["one"]);
    }
}
