//! The database itself: one connection that writes. It blocks, and knows no thread and no runtime:
//! [`super::SqliteStore`] gives it a thread of its own, the simulation calls it as it is.

use super::changes::Changes;
use super::lanes::Lanes;
use super::reserve::Reserve;
use super::seal::KeyRing;
use super::{BUSY, OpenError, SchemaError, StoreFault, reads, schema};
use crate::store::StoreError;
use postrider_engine::{
    Change, CommitError, DeliveryRecord, EndpointId, EventId, Ledger, Load, Loaded, Receipt,
    Recovered,
};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::path::Path;
use std::sync::Arc;

/// One SQLite file, opened to be written. All calls wait for the disk.
pub struct SqliteFile {
    connection: Connection,
    keys: Arc<KeyRing>,
    reserve: Option<Reserve>,
    lanes: Lanes,
    /// What is recorded is not known any more.
    failed: Option<String>,
}

/// One answer for each change.
pub(super) type Answers = Vec<Result<Receipt, CommitError>>;

impl SqliteFile {
    /// Opens the file through a file system of SQLite's that the caller has registered, and keeps
    /// everybody else out for as long as it is open. There is no lock file, no key file and no
    /// reserve beside it.
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub fn open_on(vfs: &str, name: &str, keys: KeyRing) -> Result<Self, OpenError> {
        let connection = Connection::open_with_flags_and_vfs(name, OpenFlags::default(), vfs);
        let connection = connection.map_err(SchemaError::Sqlite)?;
        let exclusive = connection.pragma_update(None, "locking_mode", "EXCLUSIVE");
        exclusive.map_err(SchemaError::Sqlite)?;
        Self::prepared(connection, Arc::new(keys), None)
    }

    /// Opens the file of the system's, without asking whether another process has it.
    pub(super) fn open(
        path: &Path,
        keys: Arc<KeyRing>,
        reserve: Reserve,
    ) -> Result<Self, OpenError> {
        let connection = Connection::open(path).map_err(SchemaError::Sqlite)?;
        Self::prepared(connection, keys, Some(reserve))
    }

    fn prepared(
        mut connection: Connection,
        keys: Arc<KeyRing>,
        reserve: Option<Reserve>,
    ) -> Result<Self, OpenError> {
        prepare(&connection).map_err(SchemaError::Sqlite)?;
        schema::migrate(&mut connection)?;
        Ok(Self {
            connection,
            keys,
            reserve,
            lanes: Lanes::default(),
            failed: None,
        })
    }

    /// The connection: for planting faults in it.
    #[doc(hidden)]
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Makes the changes in one transaction, in their order, and returns when they are synced: one
    /// answer each. All or none of them are there after a crash.
    ///
    /// [`CommitError::Full`] answers what found no room; nothing of it is there, and it can be
    /// asked again. After [`CommitError::Failed`] all that follows fails, too: the file must be
    /// opened anew.
    pub fn commit(&mut self, changes: &[Change]) -> Vec<Result<Receipt, CommitError>> {
        if let Some(reason) = &self.failed {
            return failed(changes, reason);
        }
        // Without the reserve there is no room for anything that makes more.
        let mut may_grow = self.reserve.as_mut().is_none_or(Reserve::is_there);
        loop {
            let error = match self.transact(changes, may_grow) {
                Ok(receipts) => return receipts,
                Err(error) => error,
            };
            self.lanes.forget();
            if !error.is_full() {
                let reason = error.to_string();
                self.failed = Some(reason.clone());
                return failed(changes, &reason);
            }
            if !may_grow && !self.reserve.as_mut().is_some_and(Reserve::give_up) {
                return changes.iter().map(|_| Err(CommitError::Full)).collect();
            }
            may_grow = false;
        }
    }

    /// Makes all of them, or none. What would make more is refused unless it may.
    fn transact(&mut self, changes: &[Change], may_grow: bool) -> Result<Answers, StoreFault> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut answers = Vec::with_capacity(changes.len());
        let mut making = Changes {
            connection: &transaction,
            lanes: &mut self.lanes,
            keys: &self.keys,
        };
        for change in changes {
            if may_grow || !grows(change) {
                answers.push(Ok(making.make(change)?));
            } else {
                answers.push(Err(CommitError::Full));
            }
        }
        self.lanes.flush(&transaction)?;
        transaction.commit()?;
        Ok(answers)
    }

    /// Ends what a crash has left half-done, and says what there is: what a core needs to go on.
    /// All of it is durable then.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or written.
    pub fn recover(&mut self) -> Result<Recovered, StoreError> {
        // First of all: what is written next could harm the end of the log that it is appended to.
        self.make_durable()?;
        Ok(self.recovered()?)
    }

    /// What a killed process has written and not synced is there for the next one, and would be
    /// lost with the power. It must not be: it may be sent now, and a repeat of it is acknowledged
    /// without anything being written.
    fn make_durable(&self) -> Result<(), StoreFault> {
        // It says whether a reader held it up. The log is synced all the same.
        let mut checkpoint = self.connection.prepare("PRAGMA wal_checkpoint(TRUNCATE)")?;
        Ok(checkpoint.query_row([], |_| Ok(()))?)
    }

    /// The next deliveries of a lane.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn load(&self, load: &Load) -> Result<Loaded, StoreError> {
        Ok(reads::load(&self.connection, load)?)
    }

    /// The deliveries of an event, resends included; `None` if the event is not known.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn deliveries_of(&self, event: EventId) -> Result<Option<Vec<DeliveryRecord>>, StoreError> {
        Ok(reads::deliveries_of(&self.connection, event)?)
    }

    /// The account of an endpoint.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn ledger(&self, endpoint: EndpointId) -> Result<Ledger, StoreError> {
        Ok(reads::ledger(&self.connection, endpoint)?)
    }

    fn recovered(&mut self) -> Result<Recovered, StoreFault> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut changes = Changes {
            connection: &transaction,
            lanes: &mut self.lanes,
            keys: &self.keys,
        };
        changes.discard_orphans()?;
        changes.seal_anew()?;
        self.lanes.flush(&transaction)?;
        let recovered = reads::recover(&transaction, &self.keys)?;
        transaction.commit()?;
        Ok(recovered)
    }
}

/// Whether it makes the database larger by more than a line of history.
fn grows(change: &Change) -> bool {
    matches!(
        change,
        Change::Publish(_) | Change::Resend { .. } | Change::AddEndpoint(_)
    )
}

fn failed(changes: &[Change], reason: &str) -> Answers {
    let failed = || Err(CommitError::Failed(reason.to_owned()));
    changes.iter().map(|_| failed()).collect()
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(64);
    write_ahead(connection)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", -32_768)?;
    Ok(())
}

/// Switches to the write-ahead log. Without it the last transaction could be lost with the power:
/// nothing makes it durable that a journal is deleted.
fn write_ahead(connection: &Connection) -> rusqlite::Result<()> {
    let mut switch = connection.prepare("PRAGMA journal_mode = WAL")?;
    let mut rows = switch.query([])?;
    let mut mode = String::new();
    // The new mode is written after its name is given: that this failed, only the next step says.
    while let Some(row) = rows.next()? {
        mode = row.get(0)?;
    }
    if mode == "wal" {
        return Ok(());
    }
    // SQLite calls it no error that it has stayed as it was.
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN);
    let said = format!("its journal is in the mode `{mode}`, and not in `wal`");
    Err(rusqlite::Error::SqliteFailure(code, Some(said)))
}
