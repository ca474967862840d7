//! What has become of an event.

use crate::agenda::ScheduledEvent;
use crate::store::StoreError;
use postrider_engine::{DeliveryId, DeliveryRecord, DeliveryState, EventId, Outcome, Wall};
use std::collections::BTreeSet;
use std::str::FromStr;

/// What has become of an event, over all its deliveries. A delivery that was resent counts as
/// what its resend has become. Where no record of a resend is left, what was resent counts as what it
/// says itself.
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

/// The name of a state of an event was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no state of an event: expected scheduled, refused, pending, retrying, failed, \
     discarded, delivered or no_subscribers"
)]
pub struct InvalidEventState(String);

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
        let counted = counted(&deliveries, |record| (record.id, record.resent_as));
        let states = counted.iter().map(|record| EventState::of(record.state));
        let state = states.min().unwrap_or(EventState::NoSubscribers);
        let delivered_at = counted.iter().filter_map(|record| record.ended_at).max();
        let attempts: usize = deliveries.iter().map(|record| record.attempts.len()).sum();
        let failures = deliveries.iter().flat_map(|record| &record.attempts).filter(|attempt| {
            !matches!(&attempt.outcome, Outcome::Response(it) if (200..300).contains(&it.status))
        });
        let last_failure = failures.max_by_key(|attempt| (attempt.started_at, attempt.id));
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

/// The records that say what has become of an event: those that were not resent. Where they have been
/// dropped, those whose resend is gone: nothing tells what has become of that. `resent` gives the id of
/// a record, and that of its resend.
fn counted<T>(
    deliveries: &[T],
    resent: impl Fn(&T) -> (DeliveryId, Option<DeliveryId>),
) -> Vec<&T> {
    let all = deliveries.iter();
    let current: Vec<_> = all.filter(|&it| resent(it).1.is_none()).collect();
    if !current.is_empty() {
        return current;
    }
    let known: BTreeSet<DeliveryId> = deliveries.iter().map(|it| resent(it).0).collect();
    let is_gone = |by: DeliveryId| !known.contains(&by);
    let all = deliveries.iter();
    all.filter(|&it| resent(it).1.is_some_and(is_gone))
        .collect()
}

/// What the state of an event is made of: a delivery's id, its state, and its resend.
#[cfg(feature = "sqlite")]
pub(crate) type Part = (DeliveryId, DeliveryState, Option<DeliveryId>);

impl EventState {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Scheduled,
        Self::Refused,
        Self::Pending,
        Self::Retrying,
        Self::Failed,
        Self::Discarded,
        Self::Delivered,
        Self::NoSubscribers,
    ];

    /// `scheduled`, `refused`, `pending`, `retrying`, `failed`, `discarded`, `delivered`,
    /// `no_subscribers`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Refused => "refused",
            Self::Pending => "pending",
            Self::Retrying => "retrying",
            Self::Failed => "failed",
            Self::Discarded => "discarded",
            Self::Delivered => "delivered",
            Self::NoSubscribers => "no_subscribers",
        }
    }

    fn of(state: DeliveryState) -> Self {
        match state {
            DeliveryState::Pending => Self::Pending,
            DeliveryState::Retrying { .. } => Self::Retrying,
            DeliveryState::Failed(_) => Self::Failed,
            DeliveryState::Discarded => Self::Discarded,
            DeliveryState::Delivered => Self::Delivered,
        }
    }

    /// That of an event with these deliveries: the same as in its [`EventStatus`].
    #[cfg(feature = "sqlite")]
    pub(crate) fn of_all(deliveries: &[Part]) -> Self {
        let counted = counted(deliveries, |(id, _, resent_as)| (*id, *resent_as));
        let states = counted.iter().map(|(_, state, _)| Self::of(*state));
        states.min().unwrap_or(Self::NoSubscribers)
    }
}

impl FromStr for EventState {
    type Err = InvalidEventState;

    fn from_str(text: &str) -> Result<Self, InvalidEventState> {
        let found = Self::ALL.into_iter().find(|state| state.name() == text);
        found.ok_or_else(|| InvalidEventState(text.chars().take(64).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider_engine::{
        EndpointId, Event, EventHeaders, FailReason, LaneId, OrderingKey, PayloadType, Seq,
        TenantId,
    };
    use std::sync::Arc;

    const FAILED: DeliveryState = DeliveryState::Failed(FailReason::Exhausted);

    /// A record that ended at the time of its number, if it ended.
    fn record(number: u64, state: DeliveryState, resent_as: Option<u128>) -> DeliveryRecord {
        let event = Event {
            id: EventId::from_u128(1),
            tenant: TenantId::default(),
            event_type: "a.b".parse().unwrap(),
            payload: "{}".into(),
            payload_type: PayloadType::default(),
            headers: EventHeaders::default(),
            ordering_key: OrderingKey::none(),
            published_at: Wall(0),
        };
        DeliveryRecord {
            id: DeliveryId::from_u128(number.into()),
            event: Arc::new(event),
            lane: LaneId {
                endpoint: EndpointId::from_u128(1),
                key: OrderingKey::none(),
            },
            seq: Seq(number),
            ordinal: None,
            state,
            attempts: Vec::new(),
            ended_at: state.is_end().then_some(Wall(number)),
            resend_of: None,
            resent_as: resent_as.map(DeliveryId::from_u128),
            replay: None,
        }
    }

    #[test]
    fn every_state_of_an_event_has_a_name_that_is_read_back() {
        for state in EventState::ALL {
            assert_eq!(state.name().parse(), Ok(state));
        }
        assert!("sending".parse::<EventState>().is_err());
    }

    #[test]
    fn no_event_is_delivered_of_which_nothing_says_when() {
        const DELIVERED: DeliveryState = DeliveryState::Delivered;
        for (deliveries, state, at) in [
            (vec![], EventState::NoSubscribers, None),
            (
                vec![record(1, FAILED, Some(2)), record(2, DELIVERED, None)],
                EventState::Delivered,
                Some(2),
            ),
            // From here on the record of the resend was dropped.
            (vec![record(1, FAILED, Some(9))], EventState::Failed, None),
            (
                vec![record(1, FAILED, Some(2)), record(2, DELIVERED, Some(9))],
                EventState::Delivered,
                Some(2),
            ),
            (
                vec![record(1, FAILED, Some(9)), record(2, DELIVERED, None)],
                EventState::Delivered,
                Some(2),
            ),
            (
                vec![record(1, DELIVERED, Some(9)), record(2, FAILED, Some(9))],
                EventState::Failed,
                None,
            ),
        ] {
            #[cfg(feature = "sqlite")]
            {
                let parts = deliveries.iter();
                let parts = parts.map(|it| (it.id, it.state, it.resent_as));
                assert_eq!(EventState::of_all(&parts.collect::<Vec<_>>()), state);
            }
            let status = EventStatus::of(EventId::from_u128(1), deliveries);
            assert_eq!((status.state, status.delivered_at), (state, at.map(Wall)));
        }
    }
}
