//! What the handle reads for people and for those who read along.

use crate::events::{EventCursor, EventPage, EventQuery, EventRecord};
use crate::history::DeadLetterGroup;
use crate::postrider::Postrider;
use crate::status::ReadError;
use bytes::Bytes;
use postrider_engine::{
    Attempt, DeliveryId, DeliveryRecord, Endpoint, EndpointId, EventId, OrderingKey, TenantId,
};

/// A lane of an endpoint that holds something or has stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneRecord {
    /// Its key.
    pub key: OrderingKey,
    /// Deliveries that have not ended.
    pub pending: u64,
    /// What the others wait for: the dead letter at which the lane has stopped, or else the first
    /// delivery that has not ended.
    pub head: Option<DeliveryRecord>,
    /// The dead letter at which it has stopped, until that is resent or discarded.
    pub stopped_at: Option<DeliveryId>,
}

impl Postrider {
    /// An event, as long as its record is kept; also one that waits for its time.
    ///
    /// # Errors
    ///
    /// [`ReadError::NoSuchEvent`] also for one whose record has been dropped.
    pub async fn event(&self, event: &EventId) -> Result<EventRecord, ReadError> {
        if let Some(record) = self.store().event(*event).await? {
            return Ok(record);
        }
        if let Some(waiting) = self.unpublished(event).await? {
            return Ok(EventRecord::of_unpublished(waiting));
        }
        // It may have been published between the two.
        let record = self.store().event(*event).await?;
        record.ok_or(ReadError::NoSuchEvent(*event))
    }

    /// A page of events, newest first unless said otherwise. Asked for the oldest first, this is
    /// the log that whoever reads along remembers a place of: see [`EventPage`].
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn events(&self, query: EventQuery) -> Result<EventPage, ReadError> {
        Ok(self.store().events(query).await?)
    }

    /// At most `most` endpoints of a tenant, oldest first, after this one.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn endpoints_of(
        &self,
        tenant: &TenantId,
        after: Option<&EndpointId>,
        most: usize,
    ) -> Result<Vec<Endpoint>, ReadError> {
        let store = self.store();
        Ok(store
            .endpoints_of(tenant.clone(), after.copied(), most)
            .await?)
    }

    /// At most `most` lanes of an endpoint that hold something or have stopped, by their keys,
    /// after this one.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn lanes(
        &self,
        endpoint: &EndpointId,
        after: Option<OrderingKey>,
        most: usize,
    ) -> Result<Vec<LaneRecord>, ReadError> {
        Ok(self.store().lanes(*endpoint, after, most).await?)
    }

    /// At most `most` attempts of a delivery whose numbers are above `after`, first to last: as many
    /// as fit into 4 MiB, or one. The others come with the next call.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn attempts(
        &self,
        delivery: &DeliveryId,
        after: u32,
        most: usize,
    ) -> Result<Vec<Attempt>, ReadError> {
        Ok(self.store().attempts(*delivery, after, most).await?)
    }

    /// The body of the request of an attempt, byte for byte as it was sent. `None` if it is not on
    /// record: no request was made, the attempt is from before bodies were kept, the store had no room
    /// for it, or the record that kept it for all deliveries of the request has been dropped.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn request_body(
        &self,
        delivery: &DeliveryId,
        number: u32,
    ) -> Result<Option<Bytes>, ReadError> {
        Ok(self.store().request_body(*delivery, number).await?)
    }

    /// The dead letters of a tenant, or of all, counted by endpoint and reason, in this order. Pages of
    /// them are those of [`Postrider::deliveries`] with the filter `dead`.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn dead_letter_groups(
        &self,
        tenant: Option<&TenantId>,
    ) -> Result<Vec<DeadLetterGroup>, ReadError> {
        Ok(self.store().dead_letter_groups(tenant.cloned()).await?)
    }

    /// The place of the newest event on record: whoever reads along from now on begins after it.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn newest_event(&self) -> Result<Option<EventCursor>, ReadError> {
        Ok(self.store().newest_event().await?)
    }
}
