//! What has become of an event.

use crate::agenda::ScheduledEvent;
use crate::store::StoreError;
use postrider_engine::{DeliveryId, DeliveryRecord, DeliveryState, EventId, Outcome, Wall};

/// What has become of an event, over all its deliveries. A delivery that was resent counts as
/// what its resend has become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventStatus {
    /// The event.
    pub event: EventId,
    /// Of all its deliveries together.
    pub state: EventState,
    /// Attempts that have ended, over all its deliveries.
    pub attempts: u32,
    /// How the last attempt that was no success ended: `HTTP 503`, `connect: …`; or why it was
    /// refused.
    pub last_error: Option<String>,
    /// When the last of its deliveries was delivered, if all of them were.
    pub delivered_at: Option<Wall>,
    /// When it is to be published, if it is not.
    pub due: Option<Wall>,
    /// Its deliveries, oldest first, each with its attempts.
    pub deliveries: Vec<DeliveryRecord>,
}

/// The state of an event: once it is published, that of its least advanced delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventState {
    /// It waits for its time.
    Scheduled,
    /// It could not be accepted when its time had come; it is kept with the reason.
    Refused,
    /// A delivery has had no attempt yet.
    Pending,
    /// A delivery waits for its next attempt.
    Retrying,
    /// Every delivery has ended, and one is a dead letter.
    Failed,
    /// Every delivery has ended, none is a dead letter, and one was discarded.
    Discarded,
    /// Every delivery was delivered.
    Delivered,
    /// It was accepted, and no endpoint got it: none subscribed to its type, or no filter matched.
    /// Nothing was delivered, and nothing will be.
    NoSubscribers,
}

/// Why nothing was read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// No such event.
    #[error("there is no event {0}: it was never accepted, or its record has been dropped")]
    NoSuchEvent(EventId),
    /// No such delivery.
    #[error("there is no delivery {0}: it was never made, or its record has been dropped")]
    NoSuchDelivery(DeliveryId),
    /// No such endpoint.
    #[error("there is no endpoint {0}")]
    NoSuchEndpoint(postrider_engine::EndpointId),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl EventStatus {
    pub(crate) fn of(event: EventId, deliveries: Vec<DeliveryRecord>) -> Self {
        let current = || {
            deliveries
                .iter()
                .filter(|record| record.resent_as.is_none())
        };
        let state = match current().map(EventState::of).min() {
            Some(state) => state,
            None if deliveries.is_empty() => EventState::NoSubscribers,
            // Of a delivery that was resent only the old record is left: what has failed is kept for
            // longer than what was delivered.
            None => EventState::Delivered,
        };
        let attempts: usize = deliveries.iter().map(|record| record.attempts.len()).sum();
        let failures = deliveries.iter().flat_map(|record| &record.attempts).filter(|attempt| {
            !matches!(&attempt.outcome, Outcome::Response(it) if (200..300).contains(&it.status))
        });
        let last_failure = failures.max_by_key(|attempt| (attempt.started_at, attempt.id));
        let delivered_at = current().filter_map(|record| record.ended_at).max();
        Self {
            event,
            state,
            attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
            last_error: last_failure.map(|attempt| attempt.outcome.to_string()),
            delivered_at: delivered_at.filter(|_| state == EventState::Delivered),
            due: None,
            deliveries,
        }
    }

    /// That of an event which waits for its time, or was refused then.
    pub(crate) fn of_unpublished(waiting: ScheduledEvent) -> Self {
        let state = match waiting.refused {
            Some(_) => EventState::Refused,
            None => EventState::Scheduled,
        };
        Self {
            event: waiting.event.id,
            state,
            attempts: 0,
            last_error: waiting.refused,
            delivered_at: None,
            due: Some(waiting.due),
            deliveries: Vec::new(),
        }
    }
}

impl EventState {
    fn of(record: &DeliveryRecord) -> Self {
        match record.state {
            DeliveryState::Pending => Self::Pending,
            DeliveryState::Retrying { .. } => Self::Retrying,
            DeliveryState::Failed(_) => Self::Failed,
            DeliveryState::Discarded => Self::Discarded,
            DeliveryState::Delivered => Self::Delivered,
        }
    }
}
