//! The outbox as the engine sees it: on a connection of its own, which writes no other table.

use super::held::Descriptor;
use super::{BUSY, StoreFault, rows};
use crate::outbox::{Outbox, OutboxSource, RefusedEvent, Waiting};
use crate::store::{StoreError, StoreFuture};
use bytes::Bytes;
use postrider_engine::{EndpointId, EventId, NewEvent, OrderingKey, Target, Wall};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::thread;
use std::time::Duration;
use tokio::sync::Notify;

/// Payload bytes after which no more events are read at once.
const BYTES_AT_ONCE: usize = 4 << 20;

/// How often the outbox is looked at if others may write into it, by the time of the system.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Knows the file, not the store: it does not keep that open.
pub(super) struct SqliteOutbox {
    path: PathBuf,
    descriptor: Descriptor,
    hint: Arc<Notify>,
    /// Given 20 times a second, as soon as others may write.
    look: Notify,
    looks: Once,
    /// There is no thread for that.
    no_thread: AtomicBool,
    opened: Mutex<Option<Opened>>,
    /// Nothing is opened any more. Asked and set by whoever has `opened`.
    is_closed: AtomicBool,
}

struct Opened {
    connection: Connection,
    /// SQLite's number for the last commit of somebody else that was there when the outbox was
    /// read last.
    seen: i64,
}

impl SqliteOutbox {
    /// What was written by this process waits, and can be looked at.
    pub(super) fn hint(&self) {
        self.hint.notify_one();
    }

    pub(super) fn new(path: &Path, descriptor: Descriptor) -> Self {
        Self {
            path: path.to_owned(),
            descriptor,
            hint: Arc::default(),
            look: Notify::new(),
            looks: Once::new(),
            no_thread: AtomicBool::new(false),
            opened: Mutex::new(None),
            is_closed: AtomicBool::new(false),
        }
    }

    pub(super) fn for_application(self: &Arc<Self>) -> Outbox {
        self.look_for_others();
        Outbox::hinting(Arc::clone(&self.hint))
    }

    /// Others may write from now on.
    pub(super) fn look_for_others(self: &Arc<Self>) {
        self.looks.call_once(|| {
            let outbox = Arc::downgrade(self);
            let thread = thread::Builder::new().name("postrider-outbox".to_owned());
            let started = thread.spawn(move || {
                while let Some(outbox) = outbox.upgrade() {
                    outbox.look.notify_one();
                    drop(outbox);
                    thread::sleep(LOOK_EVERY);
                }
            });
            if let Err(error) = started {
                tracing::warn!(%error, "postrider.outbox.no_thread: it is looked at by a timer");
                self.no_thread.store(true, Ordering::Release);
                // Whoever waits for the thread is to take the timer.
                self.look.notify_one();
            }
        });
    }

    fn open(&self) -> Result<Opened, StoreFault> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(BUSY)?;
        let seen = version(&connection)?;
        Ok(Opened { connection, seen })
    }

    /// Uses the connection on a thread that may wait for the disk.
    fn with<T: Send + 'static>(
        self: Arc<Self>,
        what: impl FnOnce(&mut Opened) -> Result<T, StoreFault> + Send + 'static,
    ) -> StoreFuture<Result<T, StoreError>> {
        Box::pin(async move {
            let asked = tokio::task::spawn_blocking(move || {
                let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
                let mut open = match opened.take() {
                    Some(open) => open,
                    None if self.is_closed.load(Ordering::Acquire) => {
                        return Err(StoreFault::Stopped);
                    }
                    None => self.open()?,
                };
                let done = what(&mut open);
                // After an error a new connection is worth a try.
                if done.is_ok() {
                    *opened = Some(open);
                }
                done
            });
            let done = asked.await.unwrap_or(Err(StoreFault::Stopped));
            done.map_err(StoreError::from)
        })
    }
}

impl SqliteOutbox {
    /// Closes the connection, once it is not used, and opens no other one.
    pub(super) fn close(&self) {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_closed.store(true, Ordering::Release);
        if let Some(open) = opened.take() {
            self.descriptor.before_close(&open.connection);
        }
    }
}

impl Drop for SqliteOutbox {
    /// The connection goes before the descriptor.
    fn drop(&mut self) {
        self.close();
    }
}

impl OutboxSource for SqliteOutbox {
    fn waiting(
        self: Arc<Self>,
        most: usize,
        now: Wall,
    ) -> StoreFuture<Result<Vec<Waiting>, StoreError>> {
        self.with(move |open| {
            // Before the table is read: whatever is committed in between is seen as a change.
            open.seen = version(&open.connection)?;
            waiting(&open.connection, most, now)
        })
    }

    fn next_due(self: Arc<Self>) -> StoreFuture<Result<Option<Wall>, StoreError>> {
        self.with(|open| next_due(&open.connection))
    }

    fn has_changed(self: Arc<Self>) -> StoreFuture<Result<bool, StoreError>> {
        self.with(|open| Ok(version(&open.connection)? != open.seen))
    }

    fn hinted(self: Arc<Self>) -> StoreFuture<()> {
        Box::pin(async move { self.hint.notified().await })
    }

    fn look_again(self: Arc<Self>) -> StoreFuture<()> {
        Box::pin(async move {
            match self.no_thread.load(Ordering::Acquire) {
                true => tokio::time::sleep(LOOK_EVERY).await,
                false => self.look.notified().await,
            }
        })
    }

    fn refuse(
        self: Arc<Self>,
        refused: Vec<(EventId, String)>,
    ) -> StoreFuture<Result<(), StoreError>> {
        self.with(move |open| {
            let transaction = open.connection.transaction()?;
            for (event, reason) in &refused {
                transaction.execute(
                    "UPDATE postrider_outbox SET refused = ?2 WHERE id = ?1",
                    params![blob(*event), reason],
                )?;
            }
            Ok(transaction.commit()?)
        })
    }

    fn refused(
        self: Arc<Self>,
        after: Option<EventId>,
        most: usize,
    ) -> StoreFuture<Result<Vec<RefusedEvent>, StoreError>> {
        self.with(move |open| refused(&open.connection, after, most))
    }

    fn retry(self: Arc<Self>, event: EventId) -> StoreFuture<Result<bool, StoreError>> {
        let hint = Arc::clone(&self.hint);
        self.with(move |open| {
            let done = open.connection.execute(
                "UPDATE postrider_outbox SET refused = NULL
                 WHERE id = ?1 AND refused IS NOT NULL",
                [blob(event)],
            )?;
            // A connection does not see its own commits as changes.
            hint.notify_one();
            Ok(done > 0)
        })
    }

    fn discard(self: Arc<Self>, event: EventId) -> StoreFuture<Result<bool, StoreError>> {
        self.with(move |open| {
            let done = open.connection.execute(
                "DELETE FROM postrider_outbox WHERE id = ?1 AND refused IS NOT NULL",
                [blob(event)],
            )?;
            Ok(done > 0)
        })
    }
}

/// Changes with each commit of another connection, in whatever process
/// (<https://www.sqlite.org/pragma.html#pragma_data_version>).
fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "data_version", |row| row.get(0))
}

fn blob(event: EventId) -> [u8; 16] {
    event.as_u128().to_be_bytes()
}

/// Those whose time has come, in the order of their times, and then those that wait for none, in
/// the order of their commits.
fn waiting(connection: &Connection, most: usize, now: Wall) -> Result<Vec<Waiting>, StoreFault> {
    let due = "INDEXED BY postrider_outbox_due
         WHERE refused IS NULL AND not_before IS NOT NULL AND not_before <= ?1
         ORDER BY not_before, number";
    let at_once = "INDEXED BY postrider_outbox_waiting
         WHERE refused IS NULL AND not_before IS NULL ORDER BY number";
    let now = rows::signed(now.0);
    let (mut waiting, mut bytes) = (Vec::new(), 0);
    for (which, bound) in [(due, &[now][..]), (at_once, &[])] {
        let mut select = connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM postrider_outbox {which}"))?;
        let mut rows = select.query(rusqlite::params_from_iter(bound))?;
        while waiting.len() < most
            && bytes < BYTES_AT_ONCE
            && let Some(row) = rows.next()?
        {
            bytes += row.get_ref(PAYLOAD)?.as_bytes().map_or(0, <[u8]>::len);
            waiting.push(Waiting {
                id: EventId::from_u128(u128::from_be_bytes(row.get(0)?)),
                // What it says was checked when it was put there; somebody else may have been at
                // it.
                event: event(row).map_err(|error| format!("it cannot be read: {error}")),
            });
        }
    }
    Ok(waiting)
}

fn next_due(connection: &Connection) -> Result<Option<Wall>, StoreFault> {
    let mut select = connection.prepare_cached(
        "SELECT not_before FROM postrider_outbox INDEXED BY postrider_outbox_due
         WHERE refused IS NULL AND not_before IS NOT NULL ORDER BY not_before LIMIT 1",
    )?;
    let due: Option<i64> = select.query_row([], |row| row.get(0)).optional()?;
    Ok(due.map(rows::unsigned).transpose()?.map(Wall))
}

/// What [`event`] reads, from 0. The payload is the one at [`PAYLOAD`].
pub(super) const COLUMNS: &str =
    "id, tenant, endpoint, type, key, idempotency, payload, media_type, coding, headers";

/// The place of the payload among these.
pub(super) const PAYLOAD: usize = 6;

/// How many these are.
pub(super) const WIDTH: usize = 10;

/// What is to be published, from the columns of its row.
pub(super) fn event(row: &Row<'_>) -> Result<NewEvent, Box<dyn std::error::Error>> {
    let endpoint: Option<[u8; 16]> = row.get(2)?;
    let target = match endpoint {
        Some(id) => Target::Endpoint(EndpointId::from_u128(u128::from_be_bytes(id))),
        None => Target::Subscribers,
    };
    let ordering_key = match row.get_ref(4)?.as_str()? {
        "" => OrderingKey::none(),
        key => key.parse()?,
    };
    let idempotency_key: Option<String> = row.get(5)?;
    Ok(NewEvent {
        tenant: row.get_ref(1)?.as_str()?.parse()?,
        target,
        event_type: row.get_ref(3)?.as_str()?.parse()?,
        payload: Bytes::copy_from_slice(row.get_ref(PAYLOAD)?.as_blob()?),
        payload_type: rows::payload_type(row, PAYLOAD + 1)?,
        headers: rows::event_headers(row, PAYLOAD + 3)?,
        ordering_key,
        idempotency_key: idempotency_key.map(Into::into),
    })
}

fn refused(
    connection: &Connection,
    after: Option<EventId>,
    most: usize,
) -> Result<Vec<RefusedEvent>, StoreFault> {
    let mut select = connection.prepare_cached(
        "SELECT id, tenant, endpoint, type, length(payload), refused FROM postrider_outbox
         WHERE refused IS NOT NULL
             AND number > coalesce((SELECT number FROM postrider_outbox WHERE id = ?1), 0)
         ORDER BY number LIMIT ?2",
    )?;
    let mut rows = select.query(params![after.map(blob), rows::signed(most as u64)])?;
    let mut refused = Vec::new();
    while let Some(row) = rows.next()? {
        let endpoint: Option<[u8; 16]> = row.get(2)?;
        refused.push(RefusedEvent {
            event: EventId::from_u128(u128::from_be_bytes(row.get(0)?)),
            tenant: row.get(1)?,
            endpoint: endpoint.map(|id| EndpointId::from_u128(u128::from_be_bytes(id))),
            event_type: row.get(3)?,
            payload_bytes: rows::unsigned(row.get(4)?)?,
            reason: row.get(5)?,
        });
    }
    Ok(refused)
}
