//! What has happened, for those who watch.

use postrider_engine::{EventType, Fact};
use std::time::Duration;
use tokio::sync::broadcast;

/// Facts as they happen, from [`crate::Postrider::subscribe`] on.
#[derive(Debug)]
pub struct Facts(pub(crate) broadcast::Receiver<TypedFact>);

/// A fact, and the type of its event where that is known without a read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypedFact {
    /// What has happened.
    pub fact: Fact,
    /// The type of its event: for [`Fact::AttemptStarted`], whose request has the event at hand.
    pub event_type: Option<EventType>,
}

/// Is told what happens as it happens, on the task that runs the engine: what it does must not
/// wait, and a panic of its ends the engine. Unlike [`Facts`] it misses nothing, so it can count.
pub trait Observer: Send + Sync + 'static {
    /// Something has happened.
    fn fact(&self, fact: &Fact);

    /// The store has answered so many changes, after this time: durable or refused.
    fn committed(&self, changes: usize, took: Duration) {
        let _ = (changes, took);
    }
}

/// Why there is no next fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FactsError {
    /// The reader was too slow: so many facts were skipped. The next call goes on after them.
    #[error("{0} facts were skipped: the reader is slower than they come")]
    Skipped(u64),
    /// Postrider has stopped.
    #[error("Postrider has stopped")]
    Stopped,
}

impl Facts {
    /// The next fact.
    ///
    /// # Errors
    ///
    /// [`FactsError::Skipped`] once after facts were missed; [`FactsError::Stopped`] at the end.
    pub async fn next(&mut self) -> Result<Fact, FactsError> {
        self.next_typed().await.map(|typed| typed.fact)
    }

    /// The next fact, with the type of its event where that is known without a read.
    ///
    /// # Errors
    ///
    /// Those of [`Facts::next`].
    pub async fn next_typed(&mut self) -> Result<TypedFact, FactsError> {
        self.0.recv().await.map_err(|error| match error {
            broadcast::error::RecvError::Lagged(count) => FactsError::Skipped(count),
            broadcast::error::RecvError::Closed => FactsError::Stopped,
        })
    }
}

/// Writes the fact to the log. The names are stable; nothing secret is in a fact.
pub(crate) fn trace(fact: &Fact) {
    match *fact {
        Fact::Accepted { event, deliveries } => {
            tracing::debug!(%event, deliveries, "postrider.event.accepted");
        }
        Fact::AttemptStarted {
            of,
            attempt,
            number,
        } => {
            tracing::debug!(
                delivery = %of.delivery, endpoint = %of.endpoint, %attempt, number,
                "postrider.attempt.started"
            );
        }
        Fact::AttemptPutBack { of, .. } => {
            tracing::debug!(delivery = %of.delivery, "postrider.attempt.put_back");
        }
        Fact::AttemptEnded {
            of,
            attempt,
            number,
            result,
            duration_ms,
        } => {
            tracing::debug!(
                delivery = %of.delivery, endpoint = %of.endpoint, %attempt, number, ?result,
                duration_ms, "postrider.attempt.ended"
            );
        }
        Fact::RetryScheduled { of, due } => {
            tracing::debug!(delivery = %of.delivery, due_ms = due.0, "postrider.retry.scheduled");
        }
        Fact::Delivered { of, attempts } => {
            tracing::debug!(
                delivery = %of.delivery, event = %of.event, endpoint = %of.endpoint, attempts,
                "postrider.delivery.delivered"
            );
        }
        Fact::Failed {
            of,
            attempts,
            reason,
        } => {
            tracing::warn!(
                delivery = %of.delivery, event = %of.event, endpoint = %of.endpoint, attempts,
                %reason, "postrider.delivery.failed"
            );
        }
        Fact::FiltersUndecided { event, undecided } => {
            tracing::info!(%event, ?undecided, "postrider.filters.undecided");
        }
        Fact::Discarded { of } => {
            tracing::info!(delivery = %of.delivery, "postrider.delivery.discarded");
        }
        Fact::Resent { of, original } => {
            tracing::info!(delivery = %of.delivery, %original, "postrider.delivery.resent");
        }
        Fact::Backfilled { of } => {
            tracing::debug!(delivery = %of.delivery, "postrider.delivery.backfilled");
        }
        Fact::EndpointChanged { .. }
        | Fact::EndpointDisabled { .. }
        | Fact::EndpointDeleted { .. }
        | Fact::EndpointHeld { .. }
        | Fact::BreakerOpened { .. }
        | Fact::BreakerClosed { .. } => trace_endpoint(fact),
    }
}

fn trace_endpoint(fact: &Fact) {
    match *fact {
        Fact::EndpointChanged { endpoint, status } => {
            tracing::info!(%endpoint, ?status, "postrider.endpoint.changed");
        }
        Fact::EndpointDisabled { endpoint, reason } => {
            tracing::warn!(%endpoint, ?reason, "postrider.endpoint.disabled");
        }
        Fact::EndpointDeleted { endpoint, .. } => {
            tracing::info!(%endpoint, "postrider.endpoint.deleted");
        }
        Fact::EndpointHeld { endpoint, .. } => {
            tracing::info!(%endpoint, "postrider.endpoint.held");
        }
        Fact::BreakerOpened { endpoint, .. } => {
            tracing::warn!(%endpoint, "postrider.breaker.opened");
        }
        Fact::BreakerClosed { endpoint } => {
            tracing::info!(%endpoint, "postrider.breaker.closed");
        }
        _ => (),
    }
}
