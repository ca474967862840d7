//! What the engine refuses, as problems: one exhaustive match for each of its errors.

use super::problem::{Code, Problem};
use postrider::replay::ReplayError;
use postrider::store::StoreError;
use postrider::{
    Closed, DiscardError, EndpointError, EnsureError, Full, InvalidName, InvalidSpec, PingError,
    PublishError, ReadError, RecordError, ResendError, RetryError, ScheduleError,
};

/// When a bound is reached, it is worth coming back after this.
const FULL_RETRY_AFTER_S: u64 = 5;

impl From<Closed> for Problem {
    fn from(error: Closed) -> Self {
        match error {
            Closed::Draining => Self::new(Code::ShuttingDown, error).retry_after(1),
            Closed::StoreFailed | Closed::Crashed => Self::new(Code::StoreFailed, error),
        }
    }
}

impl From<Full> for Problem {
    fn from(error: Full) -> Self {
        let code = match error {
            Full::EndpointDeliveries { .. } | Full::EndpointBytes { .. } => Code::EndpointFull,
            Full::TenantDeliveries { .. }
            | Full::TenantBytes { .. }
            | Full::TenantEndpoints { .. } => Code::TenantFull,
            Full::PendingDeliveries { .. }
            | Full::PendingBytes { .. }
            | Full::Commits
            | Full::Store
            | Full::Endpoints { .. }
            | Full::Changes { .. } => Code::Full,
        };
        Self::new(code, error).retry_after(FULL_RETRY_AFTER_S)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "postrider.api.store_failed");
        Self::new(Code::StoreFailed, "the store cannot be read")
    }
}

impl From<InvalidName> for Problem {
    fn from(error: InvalidName) -> Self {
        Self::new(Code::InvalidEvent, error)
    }
}

impl From<InvalidSpec> for Problem {
    fn from(error: InvalidSpec) -> Self {
        let pointer = match &error {
            InvalidSpec::Named => "/name",
            InvalidSpec::Url(_) | InvalidSpec::UrlLength { .. } => "/url",
            InvalidSpec::EventTypes { .. } => "/event_types",
            InvalidSpec::Timeout { .. } => "/timeout_ms",
            InvalidSpec::Concurrency => "/concurrency",
            InvalidSpec::StopWithoutOrder => "/on_failed",
            InvalidSpec::RateLimit => "/rate_limit",
            InvalidSpec::Breaker => "/breaker",
            InvalidSpec::TooManyRetries { .. } | InvalidSpec::RetryDelay { .. } => "/retry",
            InvalidSpec::RetryFactor => "/retry/factor",
            InvalidSpec::Jitter => "/retry/jitter_percent",
            InvalidSpec::AlsoRetry { .. } => "/retry/also_retry",
            InvalidSpec::Headers { .. }
            | InvalidSpec::HeaderName { .. }
            | InvalidSpec::HeaderReserved { .. }
            | InvalidSpec::HeaderTwice { .. }
            | InvalidSpec::HeaderValue { .. } => "/headers",
            InvalidSpec::ContentType { .. } => "/content_type",
            InvalidSpec::UserAgent { .. } => "/user_agent",
            InvalidSpec::ClientIdentity(_) => "/client_certificate",
            InvalidSpec::Signatures { .. }
            | InvalidSpec::SignatureHeaderName(_)
            | InvalidSpec::SignatureHeaderTaken { .. } => "/signatures",
            InvalidSpec::Batch | InvalidSpec::BatchOrder => "/batch",
            InvalidSpec::Description { .. } => "/description",
            InvalidSpec::Metadata { .. } => "/metadata",
            InvalidSpec::Secret(_)
            | InvalidSpec::SecretText(_)
            | InvalidSpec::SecretShort { .. } => "/secret",
        };
        Self::new(Code::InvalidEndpoint, &error).at(pointer, error)
    }
}

impl From<PublishError> for Problem {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::NoSuchEndpoint(id) => {
                Self::not_found(format_args!("endpoint {id}")).at("/endpoint_id", "unknown")
            }
            PublishError::EndpointDisabled(_) => Self::new(Code::EndpointDisabled, error),
            PublishError::PayloadTooLarge { .. } => Self::new(Code::BodyTooLarge, error),
            PublishError::Full(full) => full.into(),
            PublishError::IdempotencyKey { .. } => Self::new(Code::InvalidEvent, error),
            PublishError::IdempotencyKeyReused(_) => Self::new(Code::IdempotencyKeyReused, error),
            PublishError::Name(name) => name.into(),
            PublishError::Closed(closed) => closed.into(),
        }
    }
}

impl From<ScheduleError> for Problem {
    fn from(error: ScheduleError) -> Self {
        match error {
            ScheduleError::Publish(error) => error.into(),
            ScheduleError::NotKept | ScheduleError::TooLate => {
                Self::new(Code::InvalidEvent, &error).at("/deliver_after", error)
            }
            ScheduleError::TooMany => Self::new(Code::Full, error).retry_after(FULL_RETRY_AFTER_S),
            ScheduleError::TooManyOfTenant => {
                Self::new(Code::TenantFull, error).retry_after(FULL_RETRY_AFTER_S)
            }
            ScheduleError::Store(error) => error.into(),
            ScheduleError::Randomness(_) => Self::new(Code::Internal, error),
        }
    }
}

impl From<EndpointError> for Problem {
    fn from(error: EndpointError) -> Self {
        match error {
            EndpointError::NoSuchEndpoint(id) => Self::not_found(format_args!("endpoint {id}")),
            EndpointError::Invalid(invalid) => invalid.into(),
            EndpointError::Full(full) => full.into(),
            EndpointError::Secrets { .. } => Self::new(Code::InUse, error),
            EndpointError::Closed(closed) => closed.into(),
        }
    }
}

impl From<EnsureError> for Problem {
    fn from(error: EnsureError) -> Self {
        match error {
            EnsureError::Name(error) => Self::new(Code::InvalidEndpoint, error),
            EnsureError::Endpoint(error) => error.into(),
            EnsureError::Read(error) => error.into(),
        }
    }
}

impl From<ResendError> for Problem {
    fn from(error: ResendError) -> Self {
        match error {
            ResendError::NoSuchDelivery(id) => Self::not_found(format_args!("delivery {id}")),
            ResendError::NoSuchEndpoint(_) => Self::new(Code::NotFound, error),
            ResendError::StillPending(_) => Self::new(Code::StillPending, error),
            ResendError::AlreadyReplayed(_) => Self::new(Code::AlreadyExists, error),
            ResendError::Full(full) => full.into(),
            ResendError::Closed(closed) => closed.into(),
        }
    }
}

impl From<RetryError> for Problem {
    fn from(error: RetryError) -> Self {
        match error {
            RetryError::NoSuchDelivery(id) => Self::not_found(format_args!("delivery {id}")),
            RetryError::AlreadyEnded(_) => Self::new(Code::AlreadyEnded, error),
            RetryError::BehindHead { .. } => Self::new(Code::BehindHead, error),
            RetryError::Sending(_) => Self::new(Code::Sending, error),
            RetryError::Stopped { .. } => Self::new(Code::LaneStopped, error),
            RetryError::Paused(_) => Self::new(Code::EndpointPaused, error),
            RetryError::Disabled(_) => Self::new(Code::EndpointDisabled, error),
            RetryError::Full(full) => full.into(),
            RetryError::Store(reason) => StoreError(reason).into(),
            RetryError::Closed(closed) => closed.into(),
        }
    }
}

impl From<DiscardError> for Problem {
    fn from(error: DiscardError) -> Self {
        match error {
            DiscardError::NoSuchDelivery(id) => Self::not_found(format_args!("delivery {id}")),
            DiscardError::AlreadyEnded(_) | DiscardError::AlreadyResent(_) => {
                Self::new(Code::AlreadyEnded, error)
            }
            DiscardError::StillPending(_) => Self::new(Code::StillPending, error),
            DiscardError::Full(full) => full.into(),
            DiscardError::Closed(closed) => closed.into(),
        }
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::NoSuchEvent(id) => Self::not_found(format_args!("event {id}")),
            ReadError::NoSuchDelivery(id) => Self::not_found(format_args!("delivery {id}")),
            ReadError::NoSuchEndpoint(id) => Self::not_found(format_args!("endpoint {id}")),
            ReadError::Store(error) => error.into(),
        }
    }
}

impl From<ReplayError> for Problem {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::NoSuchReplay(id) => Self::not_found(format_args!("replay {id}")),
            ReplayError::NotKept => Self::new(Code::NotFound, error),
            ReplayError::Store(error) => error.into(),
            ReplayError::NoEndpoint => Self::new(Code::InvalidValue, error),
            ReplayError::Randomness(_) => Self::new(Code::Internal, error),
            ReplayError::Closed(closed) => closed.into(),
        }
    }
}

impl From<PingError> for Problem {
    fn from(error: PingError) -> Self {
        match error {
            PingError::NoSuchEndpoint(id) => Self::not_found(format_args!("endpoint {id}")),
            PingError::PayloadTooLarge { .. } => Self::new(Code::BodyTooLarge, error),
            PingError::Busy { .. } | PingError::TooMany { .. } => {
                Self::new(Code::Busy, error).retry_after(1)
            }
            PingError::Name(name) => name.into(),
            PingError::Invalid(spec) => spec.into(),
            PingError::Closed(closed) => closed.into(),
        }
    }
}

impl From<RecordError> for Problem {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::Id { .. } => Self::new(Code::InvalidBody, error),
            RecordError::TooLarge { .. } => Self::new(Code::BodyTooLarge, error),
            RecordError::Full => Self::new(Code::Full, error),
            RecordError::Store(error) => error.into(),
        }
    }
}
