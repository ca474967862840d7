//! A copy of the database while it is in use.

use super::SqliteStore;
use super::seal::sync_directory;
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

impl SqliteStore {
    /// Copies the database into a new file, while it is in use: the copy is what the store held at
    /// one moment, and is synced when this returns. It is made without gaps, so it is smaller than
    /// the original. The keys are not copied: without them (`NAME-key`, or those that were given)
    /// the secrets of the endpoints in the copy cannot be read.
    ///
    /// To restore it, open it, or put it in the place of a database that nobody has open; the
    /// `-wal` and `-shm` files of that one must go.
    ///
    /// # Errors
    ///
    /// [`BackupError`]. What was written by then is removed.
    pub async fn backup(self: &Arc<Self>, path: impl AsRef<Path>) -> Result<(), BackupError> {
        let path = path.as_ref().to_owned();
        let store = Arc::clone(self);
        let copying = tokio::task::spawn_blocking(move || {
            let copy = |fault: StoreFault| BackupError::Copy(fault.to_string());
            let reader = store.reader().map_err(copy)?;
            copy_to(&reader, &path).map(drop)
        });
        let stopped = |error: tokio::task::JoinError| BackupError::Copy(error.to_string());
        copying.await.map_err(stopped)?
    }

    /// Copies a database into a new file, whether or not a store has it open, in this process or in
    /// another one: it only reads. What is said at [`SqliteStore::backup`] holds for this copy, too.
    /// Gives the size of the copy in bytes. Takes as long as reading all of the database does: not
    /// for a thread of an asynchronous runtime.
    ///
    /// # Errors
    ///
    /// [`BackupError`]. What was written by then is removed.
    pub fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<u64, BackupError> {
        let from = from.as_ref();
        let there = from.try_exists().map_err(|error| at(from, error))?;
        if !there {
            return Err(BackupError::NoDatabase(from.to_owned()));
        }
        let copy = |error: rusqlite::Error| BackupError::Copy(error.to_string());
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(from, flags).map_err(copy)?;
        connection.busy_timeout(BUSY).map_err(copy)?;
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
/// it. Gives its size in bytes.
fn copy_to(connection: &Connection, path: &Path) -> Result<u64, BackupError> {
    if path.try_exists().map_err(|error| at(path, error))? {
        return Err(BackupError::Exists(path.to_owned()));
    }
    let unfinished = beside(path, "unfinished");
    let made = fill(connection, &unfinished).and_then(|bytes| {
        put_in_place(&unfinished, path)?;
        Ok(bytes)
    });
    // After a failure, what is left of it helps nobody; otherwise it is another name of the copy,
    // or gone.
    let _ = fs::remove_file(&unfinished);
    let bytes = made?;
    sync_directory(path).map_err(|error| at(path, error))?;
    Ok(bytes)
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
    let copied = connection.execute("VACUUM INTO ?1", [name]);
    copied.map_err(|error| BackupError::Copy(error.to_string()))?;
    // A write handle: some systems sync nothing through another one.
    let written = File::options().write(true).open(path).map_err(file)?;
    written.sync_all().map_err(file)?;
    Ok(written.metadata().map_err(file)?.len())
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
