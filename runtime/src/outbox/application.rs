//! The application's side.

use crate::clock::{Clock, SystemClock};
use crate::submission::Submission;
use postrider_engine::{EventId, InvalidName, Limits, NewEvent, PublishError, Target};
use rusqlite::{Transaction, params};
use std::sync::Arc;
use tokio::sync::Notify;

/// Publishes events in an application's own transactions.
///
/// [`SqliteStore::outbox`](crate::store::SqliteStore::outbox) makes one that can
/// [`hint`](Self::hint). In a process without an engine, [`Outbox::default`] does: whichever
/// process runs the engine on this database finds the events by itself.
///
/// Connections should come from [`postrider::rusqlite`](crate::rusqlite), and set a
/// `busy_timeout`: the engine writes into the same file. Two builds of SQLite in one process break
/// each other's file locks.
#[derive(Clone, Debug)]
pub struct Outbox {
    limits: Limits,
    hint: Arc<Notify>,
}

/// Why an event was not put into the outbox. Nothing of it was written; the transaction can go on
/// or be rolled back.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// A name is of the wrong form.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// It is not within the bounds.
    #[error(transparent)]
    Bounds(#[from] PublishError),
    /// The database has no outbox.
    #[error(
        "the database has no table postrider_outbox: open it once with \
         SqliteStore::options().in_application_database() before anything is published"
    )]
    NoTables,
    /// The system gives no randomness.
    #[error("the system gives no randomness: {0}")]
    Randomness(getrandom::Error),
    /// SQLite says no.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

impl Default for Outbox {
    /// With the bounds of [`Limits::default`], for a process that runs no engine.
    fn default() -> Self {
        Self::hinting(Arc::default())
    }
}

impl Outbox {
    /// One whose hints arrive there.
    pub(crate) fn hinting(hint: Arc<Notify>) -> Self {
        Self {
            limits: Limits::default(),
            hint,
        }
    }

    /// The bounds of the engine, if they are not the default ones: what is beyond them is refused
    /// here instead of by the engine, when nobody can be told any more.
    #[must_use]
    pub fn limits(mut self, limits: &Limits) -> Self {
        self.limits = limits.clone();
        self
    }

    /// Puts the event into the outbox, as part of this transaction, and gives the id that it will
    /// have. If the transaction is rolled back, there is no such event.
    ///
    /// Whether its endpoint is there is only known when the engine takes it. A repeat with a known
    /// idempotency key becomes no event: the earlier one stands for it, under its own id.
    ///
    /// # Errors
    ///
    /// [`OutboxError`] says why it was not put there, and what to do.
    pub fn publish_in(
        &self,
        transaction: &Transaction<'_>,
        submission: Submission,
    ) -> Result<EventId, OutboxError> {
        let event = submission.check()?;
        event.check(&self.limits)?;
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(OutboxError::Randomness)?;
        let id = EventId::from_parts(SystemClock.wall(), u128::from_be_bytes(random));
        insert(transaction, id, &event).map_err(|error| missing_or(transaction, error))?;
        Ok(id)
    }

    /// Says that a transaction with an event in it has committed, so that the engine looks at once.
    /// Without it, or from another process, it looks a little later.
    pub fn hint(&self) {
        self.hint.notify_one();
    }
}

fn insert(transaction: &Transaction<'_>, id: EventId, event: &NewEvent) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO postrider_outbox (id, tenant, endpoint, type, key, idempotency, payload)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    let endpoint = match event.target {
        Target::Endpoint(endpoint) => Some(endpoint.as_u128().to_be_bytes()),
        Target::Subscribers => None,
    };
    insert.execute(params![
        id.as_u128().to_be_bytes(),
        event.tenant.as_str(),
        endpoint,
        event.event_type.as_str(),
        event.ordering_key.get().unwrap_or_default(),
        event.idempotency_key.as_deref(),
        &event.payload[..],
    ])?;
    // Apart, so that plain JSON goes into a database that no engine has brought to the newest schema.
    if let Some(headers) = event.headers.lines() {
        let mut told =
            transaction.prepare_cached("UPDATE postrider_outbox SET headers = ?2 WHERE id = ?1")?;
        told.execute(params![id.as_u128().to_be_bytes(), headers])?;
    }
    let kind = &event.payload_type;
    if kind.is_default() {
        return Ok(());
    }
    let mut typed = transaction
        .prepare_cached("UPDATE postrider_outbox SET media_type = ?2, coding = ?3 WHERE id = ?1")?;
    typed.execute(params![
        id.as_u128().to_be_bytes(),
        kind.media_type(),
        kind.coding(),
    ])?;
    Ok(())
}

/// The error, or that there is no table, if that is why.
fn missing_or(transaction: &Transaction<'_>, error: rusqlite::Error) -> OutboxError {
    match transaction.table_exists(None, "postrider_outbox") {
        Ok(false) => OutboxError::NoTables,
        _ => error.into(),
    }
}
