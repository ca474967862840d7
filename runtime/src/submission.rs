//! What a service submits.

use bytes::Bytes;
use postrider_engine::{EndpointId, EventHeaders, InvalidName, NewEvent, PayloadType, Target};
use std::sync::Arc;

/// An event to publish, and where it goes: to all subscribers of the tenant `default`, unless said
/// otherwise.
#[derive(Clone, Debug)]
pub struct Submission {
    event_type: String,
    payload: Bytes,
    payload_type: PayloadType,
    headers: EventHeaders,
    tenant: Option<String>,
    target: Target,
    ordering_key: Option<String>,
    idempotency_key: Option<Arc<str>>,
}

impl Submission {
    /// An event of this type with these exact bytes. The bytes are copied: an event that waits
    /// must not hold on to the buffer it was read from.
    pub fn new(event_type: impl Into<String>, payload: impl AsRef<[u8]>) -> Self {
        Self {
            event_type: event_type.into(),
            payload: Bytes::copy_from_slice(payload.as_ref()),
            payload_type: PayloadType::default(),
            headers: EventHeaders::default(),
            tenant: None,
            target: Target::Subscribers,
            ordering_key: None,
            idempotency_key: None,
        }
    }

    /// The bytes are of this type: endpoints that get them as they are get them under it. Unless said
    /// otherwise they are JSON.
    #[must_use]
    pub fn payload_type(mut self, payload_type: PayloadType) -> Self {
        self.payload_type = payload_type;
        self
    }

    /// With these headers beside its payload: see [`EventHeaders`]. A repeat with other headers is a
    /// repeat all the same.
    #[must_use]
    pub fn headers(mut self, headers: EventHeaders) -> Self {
        self.headers = headers;
        self
    }

    /// To this endpoint only, whatever it subscribes to.
    #[must_use]
    pub fn to(mut self, endpoint: &EndpointId) -> Self {
        self.target = Target::Endpoint(*endpoint);
        self
    }

    /// Published by this tenant.
    #[must_use]
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// Kept in order among the events with this key; not held up by those with other keys.
    #[must_use]
    pub fn ordering_key(mut self, key: impl Into<String>) -> Self {
        self.ordering_key = Some(key.into());
        self
    }

    /// A repeat with this key and the same content gives the same event and nothing more.
    #[must_use]
    pub fn idempotency_key(mut self, key: impl Into<Arc<str>>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// The same, with every name checked.
    pub(crate) fn check(self) -> Result<NewEvent, InvalidName> {
        Ok(NewEvent {
            tenant: self
                .tenant
                .map(|tenant| tenant.parse())
                .transpose()?
                .unwrap_or_default(),
            target: self.target,
            event_type: self.event_type.parse()?,
            payload: self.payload,
            payload_type: self.payload_type,
            headers: self.headers,
            ordering_key: self
                .ordering_key
                .map(|key| key.parse())
                .transpose()?
                .unwrap_or_default(),
            idempotency_key: self.idempotency_key,
        })
    }
}
