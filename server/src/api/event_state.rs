//! The state of an event, as it is shown.

use postrider::EventState;
use serde::Serialize;
use utoipa::ToSchema;

/// The state of an event.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EventStateView {
    /// It waits for its time.
    Scheduled,
    /// It could not be accepted when its time had come.
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
    /// No endpoint got it.
    NoSubscribers,
}

impl From<EventState> for EventStateView {
    fn from(state: EventState) -> Self {
        match state {
            EventState::Scheduled => Self::Scheduled,
            EventState::Refused => Self::Refused,
            EventState::Pending => Self::Pending,
            EventState::Retrying => Self::Retrying,
            EventState::Failed => Self::Failed,
            EventState::Discarded => Self::Discarded,
            EventState::Delivered => Self::Delivered,
            EventState::NoSubscribers => Self::NoSubscribers,
        }
    }
}
