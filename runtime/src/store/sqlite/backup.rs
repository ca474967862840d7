//! A copy of the database while it is in use.

use super::seal::sync_directory;
use super::{SqliteStore, modes, schema};
use super::{StoreFault, beside};
use rusqlite::{Connection, OpenFlags};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long a read waits for a writer that keeps everybody out for a moment.
const BUSY: Duration = Duration::from_secs(30);

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is nothing to copy.
    #[error("there is no database {0}")]
    NoDatabase(PathBuf),
    /// What is there is no database of Postrider's, or nothing is left in it.
    #[error("{0} has no tables of Postrider's: nothing was copied")]
    NothingInIt(PathBuf),
    /// There is a file of that name.
    #[error("{0} is there already: give the copy a name of its own")]
    Exists(PathBuf),
    /// A file could not be used.
    #[error("{path} cannot be used: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The database could not be read, or the copy not be written.
    #[error("the database could not be copied: {0}")]
    Copy(String),
}

/// What is in a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Copied {
    /// The size of its file.
    pub bytes: u64,
    /// Endpoints.
    pub endpoints: u64,
    /// Events that are kept.
    pub events: u64,
    /// Deliveries that have not ended.
    pub pending: u64,
    /// Dead letters.
    pub dead_letters: u64,
}

impl SqliteStore {
    /// Copies the database into a new file, while it is in use: the copy is what the store held at
    /// one moment, and is synced when this returns. It is made without gaps, so it is smaller than
    /// the original. The keys are not copied: without them (`NAME-key`, or those that were given)
    /// the secrets of the endpoints in the copy cannot be read.
    ///
    /// To restore it, open it, or put it in the place of a database that nobody has open; the
    /// `-wal`, `-shm` and `-lock` files of that one must go.
    ///
    /// # Errors
    ///
    /// [`BackupError`]. What was written by then is removed.
    pub async fn backup(self: &Arc<Self>, path: impl AsRef<Path>) -> Result<Copied, BackupError> {
        let path = path.as_ref().to_owned();
        let store = Arc::clone(self);
        let copying = tokio::task::spawn_blocking(move || {
            let copy = |fault: StoreFault| BackupError::Copy(fault.to_string());
            let reader = store.reader().map_err(copy)?;
            let copied = copy_to(&reader, &path);
            store.readers().push(reader);
            copied
        });
        let stopped = |error: tokio::task::JoinError| BackupError::Copy(error.to_string());
        copying.await.map_err(stopped)?
    }

    /// Copies a database into a new file, whether or not a store has it open, in this process or in
    /// another one: it only reads. What is said at [`SqliteStore::backup`] holds for this copy, too.
    /// Takes as long as reading all of the database does: not
    /// for a thread of an asynchronous runtime.
    ///
    /// # Errors
    ///
    /// [`BackupError`]. What was written by then is removed.
    pub fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<Copied, BackupError> {
        let from = from.as_ref();
        let there = from.try_exists().map_err(|error| at(from, error))?;
        if !there {
            return Err(BackupError::NoDatabase(from.to_owned()));
        }
        let copy = |error: rusqlite::Error| BackupError::Copy(error.to_string());
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(from, flags).map_err(copy)?;
        connection.busy_timeout(BUSY).map_err(copy)?;
        if !schema::is_ours(&connection).map_err(copy)? {
            return Err(BackupError::NothingInIt(from.to_owned()));
        }
        copy_to(&connection, to.as_ref())
    }
}

fn at(path: &Path, error: io::Error) -> BackupError {
    BackupError::File {
        path: path.to_owned(),
        error,
    }
}

/// Makes the copy under another name, so that whoever finds a file of the right name finds all of
/// it. Gives what is in it.
fn copy_to(connection: &Connection, path: &Path) -> Result<Copied, BackupError> {
    if path.try_exists().map_err(|error| at(path, error))? {
        return Err(BackupError::Exists(path.to_owned()));
    }
    let unfinished = beside(path, "unfinished");
    let made = fill(connection, &unfinished).and_then(|bytes| {
        let copied = count(&unfinished, bytes)?;
        put_in_place(&unfinished, path)?;
        Ok(copied)
    });
    // After a failure, what is left of it helps nobody; otherwise it is another name of the copy,
    // or gone.
    let _ = fs::remove_file(&unfinished);
    let copied = made?;
    sync_directory(path).map_err(|error| at(path, error))?;
    Ok(copied)
}

fn fill(connection: &Connection, path: &Path) -> Result<u64, BackupError> {
    let file = |error| at(path, error);
    if path.try_exists().map_err(file)? {
        fs::remove_file(path).map_err(file)?;
    }
    let name = path.to_str().ok_or_else(|| {
        let error = io::Error::new(io::ErrorKind::InvalidInput, "the name is not UTF-8");
        file(error)
    })?;
    // Made for its owner alone; SQLite fills an empty file.
    modes::make(path).map_err(file)?;
    let copied = connection.execute("VACUUM INTO ?1", [name]);
    copied.map_err(|error| BackupError::Copy(error.to_string()))?;
    // A write handle: some systems sync nothing through another one.
    let written = File::options().write(true).open(path).map_err(file)?;
    written.sync_all().map_err(file)?;
    Ok(written.metadata().map_err(file)?.len())
}

/// Counts what is in a copy of so many bytes.
fn count(path: &Path, bytes: u64) -> Result<Copied, BackupError> {
    let wrong = |error: rusqlite::Error| BackupError::Copy(error.to_string());
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(wrong)?;
    let of = |what: &str| {
        let select = format!("SELECT count(*) FROM {what}");
        let counted = connection.query_row(&select, [], |row| row.get::<_, i64>(0));
        counted.map_err(wrong).map(i64::unsigned_abs)
    };
    // Each is counted from an index.
    Ok(Copied {
        bytes,
        endpoints: of("postrider_endpoint")?,
        events: of("postrider_event")?,
        pending: of("postrider_delivery WHERE state <= 1")?,
        dead_letters: of("postrider_delivery WHERE state = 3")?,
    })
}

/// Gives a file its name. A link, unlike a rename, does not replace what somebody has put there
/// meanwhile; not every file system has links.
fn put_in_place(unfinished: &Path, path: &Path) -> Result<(), BackupError> {
    let Err(error) = fs::hard_link(unfinished, path) else {
        return Ok(());
    };
    if error.kind() == io::ErrorKind::AlreadyExists {
        return Err(BackupError::Exists(path.to_owned()));
    }
    fs::rename(unfinished, path).map_err(|error| at(path, error))
}
