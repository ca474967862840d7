//! Operational events: what Postrider itself publishes to the tenant concerned, `postrider.…`.
//!
//! The hub finds out what is worth one; [`Publisher`] makes it. What a delivery of an operational
//! event brings about is never worth one, so that nothing goes round in circles: see [`Troubles`].
//! `docs/operational-events.md` says what may be missing and what may come twice.

mod catch_up;
mod publisher;
mod troubles;

pub(super) use publisher::Publisher;
pub(super) use troubles::{Change, Troubles};

use super::time::Time;
use postrider::{DeliveryRecord, EndpointId, EventType, FailReason, Submission, TenantId, Wall};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::LazyLock;

/// What the publisher is told.
#[derive(Debug)]
pub(super) enum Told {
    /// Something has become of an endpoint.
    Endpoint(EndpointTold),
    /// A delivery failed, for this reason.
    Failed(postrider::DeliveryId, FailReason),
    /// Facts were missed: look at the dead letters of these tenants.
    CatchUp(Vec<TenantId>),
}

/// Something that has become of an endpoint.
#[derive(Debug)]
pub(super) struct EndpointTold {
    pub(super) what: What,
    pub(super) endpoint: EndpointId,
    pub(super) tenant: TenantId,
    pub(super) url: Arc<str>,
    pub(super) reason: Option<&'static str>,
    pub(super) at: Wall,
}

/// What can become of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Disabled,
    Enabled,
    Deleted,
    Failing,
    Recovered,
}

impl What {
    const ALL: [Self; 5] = [
        Self::Disabled,
        Self::Enabled,
        Self::Deleted,
        Self::Failing,
        Self::Recovered,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Disabled => "postrider.endpoint.disabled",
            Self::Enabled => "postrider.endpoint.enabled",
            Self::Deleted => "postrider.endpoint.deleted",
            Self::Failing => "postrider.endpoint.failing",
            Self::Recovered => "postrider.endpoint.recovered",
        }
    }

    /// The type of its event.
    pub(super) fn event_type(self) -> &'static EventType {
        static TYPES: LazyLock<Vec<EventType>> = LazyLock::new(|| {
            let names = What::ALL.iter();
            names.filter_map(|what| what.name().parse().ok()).collect()
        });
        // All of the names are types, in the order of the variants: see the test.
        &TYPES[self as usize]
    }
}

/// The type of the event about a delivery that failed.
const FAILED: &str = "postrider.delivery.failed";

/// The same, as a type.
pub(super) fn failed() -> &'static EventType {
    static FAILED_TYPE: LazyLock<Option<EventType>> = LazyLock::new(|| FAILED.parse().ok());
    // It is a type: see the test.
    FAILED_TYPE
        .as_ref()
        .unwrap_or_else(|| What::Disabled.event_type())
}

impl EndpointTold {
    fn submission(&self) -> Submission {
        let name = self.what.name();
        let mut payload = json!({
            "endpoint_id": self.endpoint.to_string(),
            "url": &*self.url,
            "at": Time(self.at),
        });
        if let Some(reason) = self.reason {
            payload["reason"] = reason.into();
        }
        // An endpoint may be disabled many times; a time tells them apart.
        let key = format!("op:{name}:{}:{}", self.endpoint, self.at.0);
        submission(name, &self.tenant, self.endpoint, &payload, key)
    }
}

/// The event about a delivery that failed. The same for the same delivery, whenever it is made.
fn failure(record: &DeliveryRecord, reason: FailReason) -> Submission {
    let endpoint = record.lane.endpoint;
    let at = record.ended_at.unwrap_or(record.event.published_at);
    let payload = json!({
        "delivery_id": record.id.to_string(),
        "event_id": record.event.id.to_string(),
        "event_type": record.event.event_type.as_str(),
        "endpoint_id": endpoint.to_string(),
        "reason": reason.name(),
        "attempts": record.attempts.last().map_or(0, |last| last.number),
        "at": Time(at),
    });
    let key = format!("op:{FAILED}:{}", record.id);
    submission(FAILED, &record.event.tenant, endpoint, &payload, key)
}

/// In a lane for each endpoint that is told about: its story keeps its order, and neither waits
/// for the others nor for the tenant's own events.
fn submission(
    event_type: &str,
    tenant: &TenantId,
    about: EndpointId,
    payload: &Value,
    key: String,
) -> Submission {
    Submission::new(event_type, payload.to_string())
        .tenant(tenant.as_str())
        .ordering_key(format!("postrider:{about}"))
        .idempotency_key(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_types_are_those_of_their_names() {
        for what in What::ALL {
            assert_eq!(what.event_type().as_str(), what.name());
            assert!(super::super::live::is_operational(what.event_type()));
        }
        assert_eq!(failed().as_str(), FAILED);
    }
}
