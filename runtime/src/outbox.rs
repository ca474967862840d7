//! The transactional outbox: an application publishes in its own transaction, and the event exists
//! if and only if that transaction commits.
//!
//! The application and Postrider share one SQLite database, opened by
//! [`SqliteOptions::in_application_database`](crate::store::sqlite::SqliteOptions::in_application_database).
//! [`Outbox::publish_in`] writes the event into a table of that database, in whatever transaction
//! the application has open. The running engine finds it there (at once after [`Outbox::hint`],
//! otherwise within 50 ms or so), and takes it out in the very transaction that accepts it: no
//! event is lost between the two, and none is accepted twice.
//!
//! Events are accepted in the order in which their transactions committed. One that can never be
//! accepted (its endpoint is not there or is disabled, its idempotency key was used for other
//! content) is marked, told in the log, and kept until someone decides:
//! [`Postrider::refused_in_outbox`], [`Postrider::retry_refused`], [`Postrider::discard_refused`].
//! While there is no room, everything waits, and nothing is marked.
//!
//! An application may read every table of Postrider's, but write none, not even the outbox except
//! by [`Outbox::publish_in`]: the engine remembers what it has written.

#[cfg(feature = "sqlite")]
mod application;
mod pump;

#[cfg(feature = "sqlite")]
pub use application::{Outbox, OutboxError};
pub(crate) use pump::Pump;

use crate::postrider::Postrider;
use crate::status::ReadError;
use crate::store::{StoreError, StoreFuture};
use postrider_engine::{EndpointId, EventId, NewEvent, Wall};
use std::sync::Arc;

/// The outbox of a store, as the engine sees it.
///
/// Whoever implements it for a store of their own must also honour
/// [`Publish::from_outbox`](postrider_engine::Publish) there.
pub trait OutboxSource: Send + Sync + 'static {
    /// The first events that wait: those of the store's [`Agenda`](crate::agenda::Agenda) whose
    /// time has come now, in the order of their times, and then those that wait for no time, in
    /// the order in which they were committed. At most `most`, and not much more than a few MiB.
    /// Those that are marked as refused do not wait.
    fn waiting(
        self: Arc<Self>,
        most: usize,
        now: Wall,
    ) -> StoreFuture<Result<Vec<Waiting>, StoreError>>;

    /// When the next event of the agenda is due.
    fn next_due(self: Arc<Self>) -> StoreFuture<Result<Option<Wall>, StoreError>>;

    /// Whether something may have come since `waiting` was asked last. Asked whenever
    /// [`look_again`](Self::look_again) ends.
    fn has_changed(self: Arc<Self>) -> StoreFuture<Result<bool, StoreError>>;

    /// Ends when someone says that something has come: at once, if they said so since it last
    /// ended.
    fn hinted(self: Arc<Self>) -> StoreFuture<()>;

    /// Ends when it is time to look whether others have written: 20 times a second or so, by the
    /// time of the system, since a runtime's may be paused and jump. Never if only this process
    /// writes, and gives a hint each time: then nobody looks for nothing.
    fn look_again(self: Arc<Self>) -> StoreFuture<()> {
        Box::pin(std::future::pending())
    }

    /// Marks these as refused, with the reason.
    fn refuse(
        self: Arc<Self>,
        refused: Vec<(EventId, String)>,
    ) -> StoreFuture<Result<(), StoreError>>;

    /// Those that are marked, in their order, after this one: at most `most`.
    fn refused(
        self: Arc<Self>,
        after: Option<EventId>,
        most: usize,
    ) -> StoreFuture<Result<Vec<RefusedEvent>, StoreError>>;

    /// Takes the mark away: it waits again, in its old place. False if it was not marked.
    fn retry(self: Arc<Self>, event: EventId) -> StoreFuture<Result<bool, StoreError>>;

    /// Drops one that is marked. False if it was not marked.
    fn discard(self: Arc<Self>, event: EventId) -> StoreFuture<Result<bool, StoreError>>;
}

/// An event that waits in an outbox.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The id it will have.
    pub id: EventId,
    /// What is to be published, or why it cannot be read.
    pub event: Result<NewEvent, String>,
}

/// An event that was committed by the application and that the engine cannot accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedEvent {
    /// The id that [`Outbox::publish_in`] gave.
    pub event: EventId,
    /// Who published it.
    pub tenant: String,
    /// The endpoint it is for; `None` for all subscribers.
    pub endpoint: Option<EndpointId>,
    /// What kind it is.
    pub event_type: String,
    /// The size of its payload.
    pub payload_bytes: u64,
    /// Why it was refused, and what to do.
    pub reason: String,
}

/// Refused events read in one go.
const REFUSED_PAGE: usize = 1_000;

impl Postrider {
    /// The first 1,000 events of the outbox that were refused, oldest first, after this one. None
    /// if the store has no outbox.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn refused_in_outbox(
        &self,
        after: Option<&EventId>,
    ) -> Result<Vec<RefusedEvent>, ReadError> {
        match self.store().outbox_source() {
            Some(source) => Ok(source.refused(after.copied(), REFUSED_PAGE).await?),
            None => Ok(Vec::new()),
        }
    }

    /// Lets the engine try a refused event of the outbox again: at once, before all that wait
    /// behind it. False if there is no such refused event.
    ///
    /// # Errors
    ///
    /// If the store cannot be written.
    pub async fn retry_refused(&self, event: &EventId) -> Result<bool, ReadError> {
        match self.store().outbox_source() {
            Some(source) => Ok(source.retry(*event).await?),
            None => Ok(false),
        }
    }

    /// Drops a refused event of the outbox for good. False if there is no such refused event.
    ///
    /// # Errors
    ///
    /// If the store cannot be written.
    pub async fn discard_refused(&self, event: &EventId) -> Result<bool, ReadError> {
        match self.store().outbox_source() {
            Some(source) => Ok(source.discard(*event).await?),
            None => Ok(false),
        }
    }
}
