//! The database itself: one connection that writes. It blocks, and knows no thread and no runtime:
//! [`super::SqliteStore`] gives it a thread of its own, the simulation calls it as it is.

use super::changes::Changes;
use super::held::Lock;
use super::key_file::KeyFile;
use super::lanes::Lanes;
use super::patience::Patience;
use super::remains;
use super::reserve::Reserve;
use super::retention::Retention;
use super::schema::{self, COMMITS, Home, PROBES};
use super::seal::KeyRing;
use super::watch::{self, Watch};
use super::{BUSY, OpenError, SchemaError, StoreFault, agenda, audit, beside, reads, records};
use crate::store::StoreError;
use postrider_engine::{
    Change, CommitError, DeliveryRecord, EndpointId, EventId, Ledger, Load, Loaded, Note, Receipt,
    Recovered, Wall,
};
use rusqlite::{Connection, OpenFlags, TransactionBehavior, ffi};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// One SQLite file, opened to be written. All calls wait for the disk.
pub struct SqliteFile {
    pub(super) connection: Connection,
    keys: Arc<KeyRing>,
    reserve: Option<Reserve>,
    lanes: Lanes,
    /// When something found no room, if nothing that makes more has found any since.
    full_at: Option<Instant>,
    pub(super) scheduled: agenda::Count,
    /// What is recorded is not known any more.
    failed: Option<String>,
    /// After the connection: the last to go.
    watch: Option<Watch>,
}

/// The log is brought into the database when it has so many pages, of 4 KiB: pages that every
/// transaction writes are written there once for many.
const CHECKPOINT_PAGES: u32 = 4_000;

/// For so long it is believed that there is no room.
const FULL_FOR: Duration = Duration::from_secs(5);

/// Whether something leaves more or less in the file than was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Growth {
    More,
    Less,
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
        let connection = migrated(connection, Home::Own)?;
        Self::prepared(connection, Arc::new(keys))
    }

    /// Opens the file of the system's that the lock keeps. On a full disk the reserve's room goes to
    /// SQLite's own files, which a clean end has taken away.
    pub(super) fn open(
        path: &Path,
        lock: Lock,
        keys: Option<KeyRing>,
        home: Home,
    ) -> Result<Self, OpenError> {
        watch::check_log(path, &lock)?;
        let left = remains::of_tables(path);
        let reserve = beside(path, "reserve");
        let mut reserve = match reserve.exists() {
            true => Reserve::open(reserve),
            // It says that there is a database, so it comes after that.
            false => Reserve::later(reserve),
        };
        let connection = match connected(path, (&lock, &left), home) {
            Err(OpenError::Schema(SchemaError::Sqlite(error)))
                if is_full(&error) && reserve.give_up() =>
            {
                connected(path, (&lock, &left), home)?
            }
            connected => connected?,
        };
        let (key_file, keys) = match keys {
            Some(keys) => (None, keys),
            None => {
                let (file, keys) = KeyFile::of(&connection, path)?;
                (Some(file), keys)
            }
        };
        reserve.is_there();
        let watch = Watch::begin(path, lock, key_file, &connection)?;
        Ok(Self {
            reserve: Some(reserve),
            watch: Some(watch),
            ..Self::prepared(connection, Arc::new(keys))?
        })
    }

    fn prepared(mut connection: Connection, keys: Arc<KeyRing>) -> Result<Self, OpenError> {
        let patient = connection.busy_handler(Some(wait_for_application));
        patient.map_err(SchemaError::Sqlite)?;
        Ok(Self {
            connection,
            keys,
            reserve: None,
            lanes: Lanes::default(),
            full_at: None,
            scheduled: agenda::Count::default(),
            failed: None,
            watch: None,
        })
    }

    /// What opens what it has sealed.
    pub(super) fn keys(&self) -> Arc<KeyRing> {
        Arc::clone(&self.keys)
    }

    /// Why it cannot be used any more, if it cannot.
    pub(super) fn failure(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    /// How long it is until [`Self::look_if_due`] does something.
    pub(super) fn until_look(&self) -> Duration {
        const NEVER: Duration = Duration::from_secs(3_600);
        let watch = self.watch.as_ref().filter(|_| self.failed.is_none());
        watch.map_or(NEVER, Watch::left)
    }

    /// Looks whether the files are still there, if nobody has looked for a second.
    pub(super) fn look_if_due(&mut self) {
        if self.until_look().is_zero() {
            self.look();
        }
    }

    fn look(&mut self) {
        if let Some(reserve) = &mut self.reserve {
            reserve.look();
        }
        let looked = self.watch.as_mut().map(|it| it.look(&self.connection));
        if let Some(Err(lost)) = looked {
            self.failed = Some(lost.to_string());
        }
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
        self.commit_noted(changes, &[])
    }

    /// The same, with notes of some of them, each with the place of its change, in their order.
    pub(super) fn commit_noted(&mut self, changes: &[Change], notes: &[(usize, Note)]) -> Answers {
        if let Some(reason) = &self.failed {
            return failed(changes, reason);
        }
        // Without the reserve there is no room for anything that makes more.
        let mut may_grow = self.reserve.as_mut().is_none_or(Reserve::is_there);
        let mut waited = Patience::default();
        loop {
            let error = match self.transact((changes, notes), may_grow) {
                Ok(receipts) => {
                    self.remember_room(changes, &receipts);
                    return receipts;
                }
                Err(error) => error,
            };
            self.lanes.forget();
            if self.waits_for_room(&error, &mut waited) {
                continue;
            }
            if !error.is_full() {
                let reason = error.to_string();
                self.failed = Some(reason.clone());
                return failed(changes, &reason);
            }
            self.full_at = Some(Instant::now());
            if !may_grow && !self.reserve.as_mut().is_some_and(Reserve::give_up) {
                return changes.iter().map(|_| Err(CommitError::Full)).collect();
            }
            may_grow = false;
        }
    }

    /// Whether what makes more has found room.
    fn remember_room(&mut self, changes: &[Change], answers: &Answers) {
        let mut made = changes.iter().zip(answers);
        if answers.contains(&Err(CommitError::Full)) {
            self.full_at = Some(Instant::now());
        } else if made.any(|(change, answer)| change.makes_more() && answer.is_ok()) {
            self.full_at = None;
        }
    }

    /// Makes all of them, or none. What would make more is refused unless it may.
    fn transact(
        &mut self,
        (changes, notes): (&[Change], &[(usize, Note)]),
        may_grow: bool,
    ) -> Result<Answers, StoreFault> {
        self.in_transaction(|making| {
            making.keeps_bodies = may_grow;
            let mut answers = Vec::with_capacity(changes.len());
            let mut notes = notes.iter().peekable();
            for (place, change) in changes.iter().enumerate() {
                let note = notes.next_if(|(of, _)| *of == place);
                if !may_grow && change.makes_more() {
                    answers.push(Err(CommitError::Full));
                    continue;
                }
                let receipt = making.make(change)?;
                if let Some((_, note)) = note.filter(|_| receipt.has_changed()) {
                    making.write_note(note)?;
                }
                answers.push(Ok(receipt));
            }
            Ok(answers)
        })
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
        loop {
            let fault = match self.recovered() {
                Ok(recovered) => return Ok(recovered),
                Err(fault) => fault,
            };
            self.lanes.forget();
            if !fault.is_full() || !self.reserve.as_mut().is_some_and(Reserve::give_up) {
                return Err(fault.into());
            }
        }
    }

    /// What a killed process has written and not synced is there for the next one, and would be
    /// lost with the power. It must not be: it may be sent now, and a repeat of it is acknowledged
    /// without anything being written.
    fn make_durable(&self) -> Result<(), StoreFault> {
        // It says whether a reader held it up. The log is synced all the same.
        let mut checkpoint = self.connection.prepare("PRAGMA wal_checkpoint(TRUNCATE)")?;
        let done = checkpoint
            .query_row([], |_| Ok(()))
            .map_err(StoreFault::from);
        // Nor does it matter if the database has no room for what is in the log.
        done.or_else(|fault| if fault.is_full() { Ok(()) } else { Err(fault) })
    }

    /// Drops some of what is older than it need be kept; gives how many records that were. When
    /// it gives 0 there is nothing more to drop.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or written. If the disk is full, nothing has changed; after
    /// another error the file must be opened anew, as after one of [`Self::commit`].
    pub fn drop_old(&mut self, retention: &Retention, now: Wall) -> Result<usize, StoreError> {
        Ok(self.beside_commits(|changes| changes.drop_old(retention, now))?)
    }

    /// Goes on with what is to be due where very much waits for an endpoint, a step at a time: it is all
    /// due once this gives false. [`Self::recover`] does all that is left of it.
    ///
    /// # Errors
    ///
    /// As those of [`Self::drop_old`].
    pub fn make_more_due(&mut self) -> Result<bool, StoreError> {
        Ok(self.beside_commits(|changes| changes.make_more_due())?)
    }

    /// Whether [`Self::make_more_due`] has something to do.
    pub(super) fn has_more_due(&mut self) -> bool {
        let known = self.lanes.unfinished.known(&self.connection);
        known.is_ok_and(|endpoints| !endpoints.is_empty())
    }

    /// Makes a tiny change durable. It may find room where nothing else does, so it believes what
    /// others were told a moment ago.
    pub(super) fn probe(&mut self) -> Result<(), StoreFault> {
        self.look();
        if self.full_at.is_some_and(|at| at.elapsed() < FULL_FOR) {
            return Err(StoreFault::Full);
        }
        self.beside_commits_with_room(Growth::More, |changes| {
            let probes = schema::meta(changes.connection, PROBES)?;
            Ok(schema::set_meta(changes.connection, PROBES, probes + 1)?)
        })
    }

    /// Writes what no core has asked for, if there is room. What leaves less behind is given the
    /// reserve's.
    pub(super) fn beside_commits_with_room<T>(
        &mut self,
        growth: Growth,
        make: impl Fn(&mut Changes<'_>) -> Result<T, StoreFault>,
    ) -> Result<T, StoreFault> {
        let may_grow = self.reserve.as_mut().is_none_or(Reserve::is_there);
        if growth == Growth::More && !may_grow {
            return Err(StoreFault::Full);
        }
        loop {
            let fault = match self.beside_commits(&make) {
                Ok(made) => return Ok(made),
                Err(fault) => fault,
            };
            let give_up = |reserve: &mut Reserve| growth == Growth::Less && reserve.give_up();
            if !fault.is_full() || !self.reserve.as_mut().is_some_and(give_up) {
                return Err(fault);
            }
        }
    }

    /// Writes what no core has asked for.
    pub(super) fn beside_commits<T>(
        &mut self,
        make: impl Fn(&mut Changes<'_>) -> Result<T, StoreFault>,
    ) -> Result<T, StoreFault> {
        if let Some(reason) = &self.failed {
            return Err(StoreFault::Failed(reason.clone()));
        }
        let mut waited = Patience::default();
        loop {
            let fault = match self.in_transaction(&make) {
                Ok(made) => return Ok(made),
                Err(fault) => fault,
            };
            self.lanes.forget();
            if self.waits_for_room(&fault, &mut waited) {
                continue;
            }
            let is_shortage = self.watch.is_some() && fault.is_shortage();
            if !fault.is_full() && !is_shortage {
                self.failed = Some(fault.to_string());
            }
            return Err(fault);
        }
    }

    /// Waits for a moment if a file could not be opened; then it is worth another try. What was
    /// begun was rolled back: SQLite opens nothing once it has begun to commit.
    fn waits_for_room(&self, fault: &StoreFault, waited: &mut Patience) -> bool {
        match fault {
            StoreFault::Sqlite(error) if self.watch.is_some() => waited.for_room(error),
            _ => false,
        }
    }

    fn in_transaction<T>(
        &mut self,
        make: impl FnOnce(&mut Changes<'_>) -> Result<T, StoreFault>,
    ) -> Result<T, StoreFault> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut changes = Changes {
            connection: &transaction,
            lanes: &mut self.lanes,
            keys: &self.keys,
            keeps_bodies: true,
        };
        let before = transaction.total_changes();
        let made = make(&mut changes)?;
        self.lanes.flush(&transaction)?;
        // What changes nothing is not written, nor synced.
        let has_written = transaction.total_changes() != before;
        if let Some(watch) = self.watch.as_ref().filter(|_| has_written) {
            schema::set_meta(&transaction, COMMITS, watch.next_commit())?;
        }
        transaction.commit()?;
        if let Some(watch) = &mut self.watch {
            watch.committed(&self.connection, has_written)?;
        }
        Ok(made)
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
        let keys = Arc::clone(&self.keys);
        self.seal_notes_anew(&keys)?;
        let (recovered, is_sealed_anew) = self.in_transaction(|changes| {
            changes.discard_orphans()?;
            while changes.make_more_due()? {}
            let is_sealed_anew = changes.seal_anew()?;
            records::seal_anew(changes.connection, &keys)?;
            changes.lanes.flush(changes.connection)?;
            Ok((reads::recover(changes.connection, &keys)?, is_sealed_anew))
        })?;
        if is_sealed_anew {
            // Until then the database has the old pages, and the log the new ones.
            let mut checkpoint = self.connection.prepare("PRAGMA wal_checkpoint(PASSIVE)")?;
            let done = checkpoint.query_row([], |_| Ok(()));
            // If the database has no room for it now, a later one does it.
            done.map_err(StoreFault::from)
                .or_else(|fault| if fault.is_full() { Ok(()) } else { Err(fault) })?;
        }
        Ok(recovered)
    }

    /// In many transactions: there may be very many notes. Before anything else is done all of them
    /// are sealed with the first key, so that from now on the file needs no other.
    fn seal_notes_anew(&mut self, keys: &KeyRing) -> Result<(), StoreFault> {
        if !audit::has_old_seals(&self.connection, keys)? {
            return Ok(());
        }
        let mut after = Some(-1);
        while let Some(last) = after {
            after = self
                .in_transaction(|changes| audit::seal_some_anew(changes.connection, keys, last))?;
        }
        Ok(())
    }
}

/// A connection to the file that the lock keeps. It makes none: there is one.
fn connected(
    path: &Path,
    (lock, left): (&Lock, &[PathBuf]),
    home: Home,
) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(SchemaError::Sqlite)?;
    connection.busy_timeout(BUSY).map_err(SchemaError::Sqlite)?;
    let is_ours = schema::is_ours(&connection).map_err(SchemaError::Sqlite)?;
    match (is_ours, lock.anew) {
        (true, true) => return Err(OpenError::IsThere(path.to_owned())),
        (false, true) => watch::forget_note(lock)?,
        (_, false) => watch::check_note(path, lock, &connection)?,
    }
    let is_lost = !is_ours && !lock.anew && !left.is_empty();
    // Another application's tables are not lost.
    let empty = schema::has_no_tables(&connection).map_err(SchemaError::Sqlite)?;
    if is_lost && (empty || home == Home::Shared) {
        return Err(remains::missing(path, left));
    }
    migrated(connection, home)
}

fn migrated(mut connection: Connection, home: Home) -> Result<Connection, OpenError> {
    prepare(&connection).map_err(SchemaError::Sqlite)?;
    schema::migrate(&mut connection, home)?;
    // What it sorts needs no descriptor. Only now: the indexes of a migration may not fit into memory.
    let in_memory = connection.pragma_update(None, "temp_store", "MEMORY");
    in_memory.map_err(SchemaError::Sqlite)?;
    Ok(connection)
}

/// Whether a file could not be opened for want of room: SQLite's index of the log is made then, and
/// has an error code of its own.
fn is_full(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    code == Some(ffi::SQLITE_FULL) || code == Some(ffi::SQLITE_IOERR_SHMSIZE)
}

fn failed(changes: &[Change], reason: &str) -> Answers {
    let failed = || Err(CommitError::Failed(reason.to_owned()));
    changes.iter().map(|_| failed()).collect()
}

/// An application that writes into the same database has it locked. Giving up would be no answer:
/// what was asked is neither done nor refused.
fn wait_for_application(times: i32) -> bool {
    const EACH: Duration = Duration::from_millis(2);
    const TELL_EVERY: i32 = 2_500;
    if times > 0 && times % TELL_EVERY == 0 {
        tracing::warn!("postrider.store.locked_by_application");
    }
    thread::sleep(EACH);
    true
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(64);
    write_ahead(connection)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", -32_768)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_transaction_that_changes_nothing_writes_nothing() {
        let name = format!("nothing-written-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join("events.db");
        let lock = Lock::take(&path, Home::Own, false).unwrap();
        let mut file = SqliteFile::open(&path, lock, None, Home::Own).unwrap();
        file.recover().unwrap();
        file.probe().unwrap();
        let written = |file: &SqliteFile| {
            let log = fs::metadata(beside(&path, "wal")).unwrap();
            let commits = schema::meta(&file.connection, COMMITS).unwrap();
            (log.len(), log.modified().unwrap(), commits)
        };
        let before = written(&file);
        for _ in 0..5 {
            let dropped = file.drop_old(&Retention::default(), Wall(1)).unwrap();
            assert_eq!(dropped, 0);
        }
        assert_eq!(written(&file), before);
        file.probe().unwrap();
        let after = written(&file);
        assert_eq!(after.2, before.2 + 1);
        assert!(after.0 > before.0, "{before:?} {after:?}");
        drop(file);
        fs::remove_dir_all(directory).unwrap();
    }
}
