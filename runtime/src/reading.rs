//! What the handle reads for people and for those who read along.

use crate::events::{EventCursor, EventPage, EventQuery, EventRecord};
use crate::postrider::Postrider;
use crate::status::ReadError;
use postrider_engine::EventId;

impl Postrider {
    /// An event, as long as its record is kept.
    ///
    /// # Errors
    ///
    /// [`ReadError::NoSuchEvent`] also for one whose record has been dropped.
    pub async fn event(&self, event: &EventId) -> Result<EventRecord, ReadError> {
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

    /// The place of the newest event on record: whoever reads along from now on begins after it.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn newest_event(&self) -> Result<Option<EventCursor>, ReadError> {
        Ok(self.store().newest_event().await?)
    }
}
