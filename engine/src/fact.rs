//! What the core tells whoever watches: traces, metrics, a live tail.

use crate::delivery::FailReason;
use crate::endpoint::{DisabledReason, EndpointStatus};
use crate::id::{AttemptId, DeliveryId, EndpointId, EventId};
use crate::outcome::{FailureKind, Outcome};
use crate::time::{Mono, Wall};

/// Something that has happened, and, where it changes what is recorded, is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// An event was accepted.
    Accepted {
        /// The event.
        event: EventId,
        /// To how many endpoints it goes.
        deliveries: u32,
    },
    /// Whether some endpoints want an event could not be told: they do not get it.
    FiltersUndecided {
        /// The event.
        event: EventId,
        /// How many endpoints, and why.
        undecided: Undecided,
    },
    /// A request is handed to the host.
    AttemptStarted {
        /// Its delivery.
        of: Of,
        /// The attempt.
        attempt: AttemptId,
        /// 1 for the first one of its delivery.
        number: u32,
    },
    /// An attempt that had started did not leave the host, which is short of something: it is
    /// none. Its delivery is sent a little later, with the same number.
    AttemptPutBack {
        /// Its delivery.
        of: Of,
        /// The attempt that was none.
        attempt: AttemptId,
        /// The number that the next one has, too.
        number: u32,
    },
    /// An attempt ended and its result is recorded.
    AttemptEnded {
        /// Its delivery.
        of: Of,
        /// The attempt.
        attempt: AttemptId,
        /// 1 for the first one of its delivery.
        number: u32,
        /// What came of it.
        result: AttemptResult,
        /// How long it took.
        duration_ms: u64,
    },
    /// The next attempt of a delivery is due then.
    RetryScheduled {
        /// The delivery.
        of: Of,
        /// When.
        due: Wall,
    },
    /// A delivery was delivered.
    Delivered {
        /// The delivery.
        of: Of,
        /// How many attempts it took.
        attempts: u32,
    },
    /// A delivery became a dead letter.
    Failed {
        /// The delivery.
        of: Of,
        /// How many attempts were made.
        attempts: u32,
        /// Why.
        reason: FailReason,
    },
    /// A delivery was discarded.
    Discarded {
        /// The delivery.
        of: Of,
    },
    /// A delivery that had ended is made anew.
    Resent {
        /// The new delivery.
        of: Of,
        /// The one that had ended.
        original: DeliveryId,
    },
    /// An endpoint is given an event that it has missed.
    Backfilled {
        /// The new delivery.
        of: Of,
    },
    /// An endpoint was registered or changed.
    EndpointChanged {
        /// The endpoint.
        endpoint: EndpointId,
        /// Its status from now on.
        status: EndpointStatus,
    },
    /// An endpoint disabled itself.
    EndpointDisabled {
        /// The endpoint.
        endpoint: EndpointId,
        /// Why.
        reason: DisabledReason,
    },
    /// An endpoint was deleted.
    EndpointDeleted {
        /// The endpoint.
        endpoint: EndpointId,
        /// Deliveries that were discarded with it without a fact of their own: they were in the
        /// store only.
        untold: u64,
    },
    /// The receiver of an endpoint asks for time (429 or 503 with `Retry-After`): no attempts before
    /// `until`, which is later than what it has asked for before.
    EndpointHeld {
        /// The endpoint.
        endpoint: EndpointId,
        /// When attempts start again.
        until: Mono,
    },
    /// A breaker opened: no attempts before `until`.
    BreakerOpened {
        /// The endpoint.
        endpoint: EndpointId,
        /// When it may probe.
        until: Mono,
    },
    /// A breaker closed: the endpoint answers again.
    BreakerClosed {
        /// The endpoint.
        endpoint: EndpointId,
    },
}

/// Endpoints whose filters could not tell whether they want an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Undecided {
    /// The payload cannot be read as JSON.
    pub unreadable: u32,
    /// The filter would have had to look at too many bytes of the payload.
    pub too_costly: u32,
}

/// Which delivery a fact is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Of {
    /// The delivery.
    pub delivery: DeliveryId,
    /// Its event.
    pub event: EventId,
    /// Its endpoint.
    pub endpoint: EndpointId,
}

/// The short form of an [`Outcome`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptResult {
    /// The receiver answered with this status.
    Status(u16),
    /// It did not answer.
    Failure(FailureKind),
}

impl From<&Outcome> for AttemptResult {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Response(response) => Self::Status(response.status),
            Outcome::Failure(failure) => Self::Failure(failure.kind),
        }
    }
}
