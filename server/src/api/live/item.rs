//! What a stream shows beside the events themselves.

use crate::api::time::Time;
use postrider::engine::Of;
use postrider::{AttemptId, AttemptResult, EndpointId, EventId, EventType, Fact};
use serde::{Serialize, Serializer};
use std::fmt::Display;

/// Something that has happened.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    Started(StartedItem),
    Attempt(AttemptItem),
    Delivery(DeliveryItem),
    Endpoint(EndpointItem),
    /// So many were missed.
    Skipped(Option<u64>),
}

/// An attempt starts.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StartedItem {
    #[serde(flatten)]
    of: OfItem,
    #[serde(serialize_with = "optional_text")]
    event_type: Option<EventType>,
    #[serde(serialize_with = "text")]
    attempt_id: AttemptId,
    number: u32,
}

/// An attempt ended.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct AttemptItem {
    #[serde(flatten)]
    of: OfItem,
    #[serde(serialize_with = "optional_text")]
    event_type: Option<EventType>,
    #[serde(serialize_with = "text")]
    attempt_id: AttemptId,
    number: u32,
    status: Option<u16>,
    failure: Option<&'static str>,
    duration_ms: u64,
}

/// A delivery came to another state.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct DeliveryItem {
    #[serde(flatten)]
    of: OfItem,
    state: &'static str,
    attempts: Option<u32>,
    reason: Option<&'static str>,
    due: Option<Time>,
    /// The delivery that it makes anew.
    resend_of: Option<String>,
}

/// Something has become of an endpoint.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct EndpointItem {
    #[serde(serialize_with = "text")]
    pub(crate) endpoint_id: EndpointId,
    pub(crate) what: &'static str,
    pub(crate) reason: Option<&'static str>,
}

#[derive(Clone, Debug)]
struct OfItem(Of);

fn text<S: Serializer>(value: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn optional_text<S: Serializer>(
    value: &Option<impl Display>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}

impl Serialize for OfItem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut fields = serializer.serialize_struct("Of", 3)?;
        fields.serialize_field("delivery_id", &self.0.delivery.to_string())?;
        fields.serialize_field("event_id", &self.0.event.to_string())?;
        fields.serialize_field("endpoint_id", &self.0.endpoint.to_string())?;
        fields.end()
    }
}

impl Item {
    /// What a fact about an attempt or a delivery looks like. `attempts` were made of the delivery
    /// of the fact before.
    pub(crate) fn of(fact: &Fact, attempts: Option<u32>) -> Option<Self> {
        let delivery = |of, state| DeliveryItem {
            of: OfItem(of),
            state,
            attempts: None,
            reason: None,
            due: None,
            resend_of: None,
        };
        let item = match *fact {
            Fact::AttemptStarted {
                of,
                attempt,
                number,
            } => {
                return Some(Self::Started(StartedItem {
                    of: OfItem(of),
                    event_type: None,
                    attempt_id: attempt,
                    number,
                }));
            }
            Fact::AttemptEnded {
                of,
                attempt,
                number,
                result,
                duration_ms,
            } => return Some(Self::attempt(of, attempt, number, result, duration_ms)),
            Fact::RetryScheduled { of, due } => DeliveryItem {
                attempts,
                due: Some(due.into()),
                ..delivery(of, "retrying")
            },
            Fact::Delivered { of, attempts } => DeliveryItem {
                attempts: Some(attempts),
                ..delivery(of, "delivered")
            },
            Fact::Failed {
                of,
                attempts,
                reason,
            } => DeliveryItem {
                attempts: Some(attempts),
                reason: Some(reason.name()),
                ..delivery(of, "failed")
            },
            Fact::Discarded { of } => delivery(of, "discarded"),
            Fact::Resent { of, original } => DeliveryItem {
                attempts: Some(0),
                resend_of: Some(original.to_string()),
                ..delivery(of, "resent")
            },
            Fact::Backfilled { of } => DeliveryItem {
                attempts: Some(0),
                ..delivery(of, "backfilled")
            },
            Fact::Accepted { .. }
            | Fact::FiltersUndecided { .. }
            | Fact::AttemptPutBack { .. }
            | Fact::EndpointChanged { .. }
            | Fact::EndpointDisabled { .. }
            | Fact::EndpointDeleted { .. }
            | Fact::EndpointHeld { .. }
            | Fact::BreakerOpened { .. }
            | Fact::BreakerClosed { .. } => return None,
        };
        Some(Self::Delivery(item))
    }

    fn attempt(
        of: Of,
        attempt: AttemptId,
        number: u32,
        result: AttemptResult,
        duration_ms: u64,
    ) -> Self {
        let (status, failure) = match result {
            AttemptResult::Status(status) => (Some(status), None),
            AttemptResult::Failure(kind) => (None, Some(kind.name())),
        };
        Self::Attempt(AttemptItem {
            of: OfItem(of),
            event_type: None,
            attempt_id: attempt,
            number,
            status,
            failure,
            duration_ms,
        })
    }

    /// Whether it shows the type of its event.
    pub(crate) fn shows_type(&self) -> bool {
        matches!(self, Self::Started(_) | Self::Attempt(_))
    }

    /// Puts the type of its event in, where it shows one.
    pub(crate) fn set_type(&mut self, known: Option<&EventType>) {
        match self {
            Self::Started(it) => it.event_type = known.cloned(),
            Self::Attempt(it) => it.event_type = known.cloned(),
            Self::Delivery(_) | Self::Endpoint(_) | Self::Skipped(_) => (),
        }
    }

    /// The endpoint that it concerns.
    pub(crate) fn endpoint(&self) -> Option<EndpointId> {
        match self {
            Self::Started(it) => Some(it.of.0.endpoint),
            Self::Attempt(it) => Some(it.of.0.endpoint),
            Self::Delivery(it) => Some(it.of.0.endpoint),
            Self::Endpoint(it) => Some(it.endpoint_id),
            Self::Skipped(_) => None,
        }
    }

    /// The event that it concerns.
    pub(crate) fn event(&self) -> Option<EventId> {
        match self {
            Self::Started(it) => Some(it.of.0.event),
            Self::Attempt(it) => Some(it.of.0.event),
            Self::Delivery(it) => Some(it.of.0.event),
            Self::Endpoint(_) | Self::Skipped(_) => None,
        }
    }
}
