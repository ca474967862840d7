//! What the engine refuses, one type per operation. Each says what to do.

use crate::id::{DeliveryId, EndpointId, EventId};
use crate::names::InvalidName;
use postrider_signature::{HeaderNameError, KeyError, SecretError};
use std::time::Duration;

/// A bound of [`crate::Limits`] that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// `pending_deliveries_max`.
    #[error("{most} deliveries are pending (pending_deliveries_max)")]
    PendingDeliveries {
        /// The bound.
        most: u64,
    },
    /// `pending_bytes_max`.
    #[error("{most} payload bytes are pending (pending_bytes_max)")]
    PendingBytes {
        /// The bound.
        most: u64,
    },
    /// `pending_deliveries_tenant_max`.
    #[error("{most} deliveries of this tenant are pending (pending_deliveries_tenant_max)")]
    TenantDeliveries {
        /// The bound.
        most: u64,
    },
    /// `pending_bytes_tenant_max`.
    #[error("{most} payload bytes of this tenant are pending (pending_bytes_tenant_max)")]
    TenantBytes {
        /// The bound.
        most: u64,
    },
    /// `pending_deliveries_endpoint_max`.
    #[error(
        "{most} deliveries are pending for endpoint {endpoint} (pending_deliveries_endpoint_max)"
    )]
    EndpointDeliveries {
        /// The endpoint.
        endpoint: EndpointId,
        /// The bound.
        most: u64,
    },
    /// `pending_bytes_endpoint_max`.
    #[error(
        "{most} payload bytes are pending for endpoint {endpoint} (pending_bytes_endpoint_max)"
    )]
    EndpointBytes {
        /// The endpoint.
        endpoint: EndpointId,
        /// The bound.
        most: u64,
    },
    /// `commits_in_flight_max` or `commit_bytes_max`: the store is slower than the publishers.
    #[error(
        "the store is behind: too much waits to be written (commits_in_flight_max, commit_bytes_max)"
    )]
    Commits,
    /// The store's own bound, or its disk.
    #[error("the store is full")]
    Store,
    /// `endpoints_max`.
    #[error("{most} endpoints are registered (endpoints_max)")]
    Endpoints {
        /// The bound.
        most: usize,
    },
    /// `endpoints_tenant_max`.
    #[error("this tenant has {most} endpoints (endpoints_tenant_max)")]
    TenantEndpoints {
        /// The bound.
        most: usize,
    },
    /// `endpoint_changes_max`.
    #[error("{most} changes of this endpoint are waiting (endpoint_changes_max)")]
    Changes {
        /// The bound.
        most: usize,
    },
}

impl Full {
    /// Whether it is a bound of one tenant or of one endpoint: others are not concerned.
    #[must_use]
    pub fn is_share(self) -> bool {
        match self {
            Self::TenantDeliveries { .. }
            | Self::TenantBytes { .. }
            | Self::TenantEndpoints { .. }
            | Self::EndpointDeliveries { .. }
            | Self::EndpointBytes { .. }
            | Self::Changes { .. } => true,
            Self::PendingDeliveries { .. }
            | Self::PendingBytes { .. }
            | Self::Commits
            | Self::Store
            | Self::Endpoints { .. } => false,
        }
    }
}

/// Why nothing is taken any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// [`crate::Input::Drain`] was given.
    #[error("Postrider is shutting down; submit to another instance or after the restart")]
    Draining,
    /// A commit failed with an unknown outcome; only a restart can tell what is recorded.
    #[error(
        "the store failed, so delivery has stopped: mend it and restart; what was accepted is kept"
    )]
    StoreFailed,
    /// The host's own task has ended without being asked to. Said by hosts, never by the core.
    #[error(
        "Postrider has stopped unexpectedly: see the log, and restart; what was accepted is kept"
    )]
    Crashed,
}

/// Why an event was not accepted. Nothing of it was recorded, except where
/// [`PublishError::Closed`] says [`Closed::StoreFailed`]: then it may have been.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The endpoint is not there (any more).
    #[error("there is no endpoint {0}: register it, or use its current id")]
    NoSuchEndpoint(EndpointId),
    /// The endpoint is disabled.
    #[error("endpoint {0} is disabled: enable it first")]
    EndpointDisabled(EndpointId),
    /// The payload is larger than `payload_bytes_max`.
    #[error(
        "the payload has {bytes} bytes, the limit is {most} (payload_bytes_max): send a link to the data instead"
    )]
    PayloadTooLarge {
        /// Its size.
        bytes: usize,
        /// The bound.
        most: usize,
    },
    /// A bound was reached.
    #[error("not accepted: {0}; try again when deliveries have ended")]
    Full(#[from] Full),
    /// The idempotency key is empty or too long.
    #[error("the idempotency key is refused: use 1 to {most} bytes")]
    IdempotencyKey {
        /// The bound, in bytes.
        most: usize,
    },
    /// The idempotency key was used before, for other content.
    #[error(
        "the idempotency key belongs to event {0}, which has other content: use a new key for a new event"
    )]
    IdempotencyKeyReused(EventId),
    /// A name is of the wrong form.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// Nothing is accepted any more.
    #[error(transparent)]
    Closed(#[from] Closed),
}

/// Why an endpoint was not registered or changed. Nothing was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// The endpoint is not there (any more).
    #[error("there is no endpoint {0}")]
    NoSuchEndpoint(EndpointId),
    /// Something it asks for cannot be done.
    #[error(transparent)]
    Invalid(#[from] InvalidSpec),
    /// A bound was reached.
    #[error("not changed: {0}")]
    Full(#[from] Full),
    /// As many secrets as may be sign already, and a rotation with an overlap would add one.
    #[error(
        "not rotated: {most} secrets of this endpoint sign already (secrets_max), so the oldest \
         would stop before its overlap is over: wait until it is, end the overlap of those before, \
         or rotate with an overlap of 0, which ends all of them"
    )]
    Secrets {
        /// The bound.
        most: usize,
    },
    /// Nothing is accepted any more.
    #[error(transparent)]
    Closed(#[from] Closed),
}

/// What an endpoint cannot ask for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSpec {
    /// The URL is refused by the host.
    #[error("the URL is refused: {0}")]
    Url(String),
    /// A name stands for one endpoint: it cannot be registered beside another of that name.
    #[error("the name is refused here: an endpoint with a name is made by Postrider::ensure")]
    Named,
    /// The URL is empty or too long.
    #[error("the URL is refused: use 1 to {most} bytes")]
    UrlLength {
        /// The bound.
        most: usize,
    },
    /// No event type patterns, or too many.
    #[error("event_types is refused: give 1 to {most} patterns, [\"*\"] for every event")]
    EventTypes {
        /// The bound.
        most: usize,
    },
    /// The timeout is out of range.
    #[error("timeout is refused: use 1 ms to {} ms", most.as_millis())]
    Timeout {
        /// The bound: [`crate::Limits::timeout_max`].
        most: Duration,
    },
    /// The concurrency is out of range.
    #[error("concurrency is refused: use 1 to 1024")]
    Concurrency,
    /// A lane that stops needs an order to keep.
    #[error("on_failed = stop keeps an order: it cannot be combined with ordering = none")]
    StopWithoutOrder,
    /// The rate limit is out of range.
    #[error(
        "rate_limit is refused: use at least 1 request and a burst of at least 1, per 1 ms to 1 day"
    )]
    RateLimit,
    /// The breaker policy is out of range.
    #[error(
        "breaker is refused: use at least 1 failure and cooldowns of at most 1 day; leave it out for no breaker"
    )]
    Breaker,
    /// The batch policy is out of range.
    #[error("batch is refused: use 2 to 100 events and a wait of at most 60 s")]
    Batch,
    /// Batches keep an order, and fail as a whole.
    #[error(
        "batch is refused: it cannot be combined with ordering = none, nor with on_failed = stop"
    )]
    BatchOrder,
    /// Too many retries.
    #[error("retry is refused: at most {most} retries")]
    TooManyRetries {
        /// The bound.
        most: usize,
    },
    /// A delay is too long.
    #[error("retry is refused: no delay may be longer than {} days", most.as_secs() / 86_400)]
    RetryDelay {
        /// The bound.
        most: Duration,
    },
    /// The factor of an exponential schedule is out of range.
    #[error("retry.factor is refused: use 1 to 100")]
    RetryFactor,
    /// The jitter is out of range.
    #[error("retry.jitter_percent is refused: use 0 to 100")]
    Jitter,
    /// A status that cannot be made retriable.
    #[error(
        "retry.also_retry is refused: {status} is not between 400 and 499 (5xx are always retried, 3xx never)"
    )]
    AlsoRetry {
        /// The status.
        status: u16,
    },
    /// Too many custom headers, or too long ones.
    #[error("headers are refused: use at most {most}, {bytes_most} bytes together")]
    Headers {
        /// The bound.
        most: usize,
        /// The bound in bytes.
        bytes_most: usize,
    },
    /// A header name that HTTP does not allow.
    #[error("header name {name:?} is refused: use a token as in RFC 9110, section 5.6.2")]
    HeaderName {
        /// The name.
        name: String,
    },
    /// A header that is not the endpoint's to set.
    #[error("header {name:?} is refused: it belongs to the protocol or to Postrider")]
    HeaderReserved {
        /// The name.
        name: String,
    },
    /// A header that is given twice.
    #[error("header {name:?} is refused: it is given twice")]
    HeaderTwice {
        /// The name.
        name: String,
    },
    /// A header value that HTTP does not allow.
    #[error("the value of header {name:?} is refused: use visible ASCII, without spaces around it")]
    HeaderValue {
        /// The name.
        name: String,
    },
    /// What is to be the `Content-Type` is no media type.
    #[error(
        "content_type is refused: write type/subtype, such as text/xml; charset=utf-8, in at most \
         {most} bytes of visible ASCII"
    )]
    ContentType {
        /// The bound.
        most: usize,
    },
    /// What is to be the `User-Agent` cannot be the value of a header.
    #[error(
        "user_agent is refused: use 1 to {most} bytes of visible ASCII, without spaces around them"
    )]
    UserAgent {
        /// The bound.
        most: usize,
    },
    /// The client certificate is too large, or refused by the host.
    #[error("client_certificate is refused: {0}")]
    ClientIdentity(String),
    /// No signature, or too many.
    #[error("signatures is refused: give 1 to {most} forms")]
    Signatures {
        /// The bound.
        most: usize,
    },
    /// A header name for a signature cannot be used with its scheme.
    #[error("signatures is refused: {0}")]
    SignatureHeaderName(#[from] HeaderNameError),
    /// Two headers of a request would have the same name.
    #[error(
        "signatures is refused: {name:?} is the name of another header, too: give one of them another name"
    )]
    SignatureHeaderTaken {
        /// The name.
        name: String,
    },
    /// The description is too long, or has a control character.
    #[error(
        "description is refused: use at most {most} bytes, and no control characters but line feeds and tabs"
    )]
    Description {
        /// The bound.
        most: usize,
    },
    /// The metadata is not a JSON object, or too long.
    #[error("metadata is refused: give a JSON object of at most {most} bytes")]
    Metadata {
        /// The bound.
        most: usize,
    },
    /// The secret is too short.
    #[error(
        "the secret is refused: whoever sees one request could guess it; use at least {least} bytes \
         (secret_bytes_min), better 24 or more, or give none, and one is made"
    )]
    SecretShort {
        /// The bound: see [`Secret::strength_bytes`](postrider_signature::Secret::strength_bytes).
        least: usize,
    },
    /// The secret cannot sign.
    #[error(transparent)]
    Secret(#[from] KeyError),
    /// The text is not a secret.
    #[error(transparent)]
    SecretText(#[from] SecretError),
}

/// Why a delivery was not sent again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResendError {
    /// The delivery is not there (any more).
    #[error("there is no delivery {0}: it was never made, or its record has been dropped")]
    NoSuchDelivery(DeliveryId),
    /// It has not ended.
    #[error("delivery {0} is still being delivered: wait for its end, or discard it first")]
    StillPending(DeliveryId),
    /// The same replay has made it anew before.
    #[error("delivery {0} was already made anew by this replay")]
    AlreadyReplayed(DeliveryId),
    /// Its endpoint is not there any more.
    #[error("endpoint {0} of the delivery is not there any more")]
    NoSuchEndpoint(EndpointId),
    /// A bound was reached.
    #[error("not resent: {0}")]
    Full(#[from] Full),
    /// Nothing is accepted any more.
    #[error(transparent)]
    Closed(#[from] Closed),
}

/// Why an endpoint was not given an event that it has missed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackfillError {
    /// The event is not there (any more), or is another tenant's.
    #[error("there is no event {0}: it was never published, or its record has been dropped")]
    NoSuchEvent(EventId),
    /// The endpoint is not there (any more).
    #[error("there is no endpoint {0}: register it, or use its current id")]
    NoSuchEndpoint(EndpointId),
    /// The endpoint is disabled.
    #[error("endpoint {0} is disabled: enable it first")]
    EndpointDisabled(EndpointId),
    /// It has a delivery of that event, or had one, or, as records were dropped, may have had one.
    #[error("the endpoint has had event {0}: resend its delivery, if it is to be sent again")]
    AlreadyReached(EventId),
    /// The event was published for one endpoint alone.
    #[error("event {0} was published for one endpoint alone")]
    Addressed(EventId),
    /// A bound was reached.
    #[error("not made: {0}")]
    Full(#[from] Full),
    /// Nothing is accepted any more.
    #[error(transparent)]
    Closed(#[from] Closed),
}

/// Why the next attempt of a delivery does not start now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RetryError {
    /// The delivery is not there (any more), or its endpoint is being deleted.
    #[error("there is no delivery {0}: it was never made, or its record has been dropped")]
    NoSuchDelivery(DeliveryId),
    /// It has ended.
    #[error("delivery {0} has ended: resend it")]
    AlreadyEnded(DeliveryId),
    /// Another one of its lane goes first.
    #[error("delivery {delivery} waits behind delivery {head}: retry or discard that one")]
    BehindHead {
        /// The delivery.
        delivery: DeliveryId,
        /// The one before it.
        head: DeliveryId,
    },
    /// An attempt is under way, or its result is being recorded.
    #[error("an attempt of delivery {0} is under way: wait for its end")]
    Sending(DeliveryId),
    /// Its lane has stopped.
    #[error("the lane of delivery {delivery} has stopped at {at}: resend or discard that one")]
    Stopped {
        /// The delivery.
        delivery: DeliveryId,
        /// The dead letter at which its lane has stopped.
        at: DeliveryId,
    },
    /// Its endpoint is paused.
    #[error("endpoint {0} is paused: resume it, and all that waits for it goes out")]
    Paused(EndpointId),
    /// Its endpoint is disabled.
    #[error("endpoint {0} is disabled: enable it, and all that waits for it goes out")]
    Disabled(EndpointId),
    /// A bound was reached.
    #[error("not retried: {0}")]
    Full(#[from] Full),
    /// The host cannot read its store: whether there is such a delivery is not known. The core itself
    /// never says this.
    #[error("the store cannot be read: {0}")]
    Store(String),
    /// Nothing is sent any more.
    #[error(transparent)]
    Closed(#[from] Closed),
}

/// Why a delivery was not discarded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiscardError {
    /// The delivery is not there (any more).
    #[error("there is no delivery {0}: it was never made, or its record has been dropped")]
    NoSuchDelivery(DeliveryId),
    /// It was delivered or discarded before.
    #[error("delivery {0} has ended: only pending and failed deliveries can be discarded")]
    AlreadyEnded(DeliveryId),
    /// It was to be discarded as a dead letter, and was made anew before.
    #[error("delivery {0} is no dead letter any more: it was made anew")]
    AlreadyResent(DeliveryId),
    /// It was to be discarded as a dead letter, and has not ended.
    #[error("delivery {0} is no dead letter: it has not ended")]
    StillPending(DeliveryId),
    /// A bound was reached.
    #[error("not discarded: {0}")]
    Full(#[from] Full),
    /// Nothing is accepted any more.
    #[error(transparent)]
    Closed(#[from] Closed),
}

/// Why an endpoint was not pinged, or how it answered is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PingError {
    /// The endpoint is not there (any more).
    #[error("there is no endpoint {0}: register it, or use its current id")]
    NoSuchEndpoint(EndpointId),
    /// The payload is larger than `payload_bytes_max`.
    #[error("the payload has {bytes} bytes, the limit is {most} (payload_bytes_max)")]
    PayloadTooLarge {
        /// Its size.
        bytes: usize,
        /// The bound.
        most: usize,
    },
    /// As many requests are under way as may be.
    #[error("{most} requests are under way (attempts_max): try again when one has ended")]
    Busy {
        /// The bound.
        most: usize,
    },
    /// As many pings are under way as may be: most slots are for deliveries.
    #[error(
        "{most} test events are under way (an eighth of attempts_max): try again when one has ended"
    )]
    TooMany {
        /// The bound.
        most: usize,
    },
    /// A name is of the wrong form.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// What is not registered could not be: something it asks for cannot be done.
    #[error(transparent)]
    Invalid(#[from] InvalidSpec),
    /// Nothing is sent any more. A ping that was under way has been given up.
    #[error(transparent)]
    Closed(#[from] Closed),
}
