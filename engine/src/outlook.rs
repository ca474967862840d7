//! What a delivery waits for.

use crate::endpoint::EndpointStatus;
use crate::id::DeliveryId;
use crate::time::Mono;

/// What a delivery that has not ended waits for, as the core sees it at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// An attempt is under way, or its result is being recorded.
    pub sending: bool,
    /// The status of its endpoint.
    pub status: EndpointStatus,
    /// The dead letter at which its lane has stopped.
    pub stopped_at: Option<DeliveryId>,
    /// The delivery that goes before it, as far as that is at hand.
    pub behind: Option<DeliveryId>,
    /// Its lane keeps an order, and what goes first there was not read yet: the store knows it.
    pub unread: bool,
    /// Its backoff is over then.
    pub due: Option<Mono>,
    /// Whether its endpoint is held because the receiver has asked for time.
    pub hold: Kept,
    /// Whether the breaker of its endpoint lets nothing through.
    pub breaker: Kept,
    /// The rate limit lets the next attempt through then.
    pub rate_until: Option<Mono>,
}

/// Whether something keeps attempts from starting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kept {
    /// It does not.
    #[default]
    No,
    /// Until this time.
    Until(Mono),
    /// Until an attempt that is under way has ended.
    ByOthers,
}

impl From<Result<(), Option<Mono>>> for Kept {
    fn from(ready: Result<(), Option<Mono>>) -> Self {
        match ready {
            Ok(()) => Self::No,
            Err(Some(until)) => Self::Until(until),
            Err(None) => Self::ByOthers,
        }
    }
}
