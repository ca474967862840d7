//! A copy of the database while it is in use.

use super::SqliteStore;
use super::seal::sync_directory;
use super::{StoreFault, beside};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
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
        let copying = tokio::task::spawn_blocking(move || store.copy_to(&path));
        let stopped = |error: tokio::task::JoinError| BackupError::Copy(error.to_string());
        copying.await.map_err(stopped)?
    }

    fn copy_to(&self, path: &Path) -> Result<(), BackupError> {
        let file = |error| BackupError::File {
            path: path.to_owned(),
            error,
        };
        if path.try_exists().map_err(file)? {
            return Err(BackupError::Exists(path.to_owned()));
        }
        // Whoever finds a file of the right name finds all of it.
        let unfinished = beside(path, "unfinished");
        let made = self.fill(&unfinished);
        if made.is_err() {
            // What is wrong is told; what is left of it helps nobody.
            let _ = fs::remove_file(&unfinished);
        }
        made?;
        fs::rename(&unfinished, path).map_err(file)?;
        sync_directory(path).map_err(file)
    }

    fn fill(&self, path: &Path) -> Result<(), BackupError> {
        let file = |error| BackupError::File {
            path: path.to_owned(),
            error,
        };
        if path.try_exists().map_err(file)? {
            fs::remove_file(path).map_err(file)?;
        }
        let name = path.to_str().ok_or_else(|| {
            let error = io::Error::new(io::ErrorKind::InvalidInput, "the name is not UTF-8");
            file(error)
        })?;
        let copy = |fault: StoreFault| BackupError::Copy(fault.to_string());
        let connection = self.reader().map_err(copy)?;
        let copied = connection.execute("VACUUM INTO ?1", [name]);
        copied.map_err(|error| copy(error.into()))?;
        // A write handle: some systems sync nothing through another one.
        let written = File::options().write(true).open(path).map_err(file)?;
        written.sync_all().map_err(file)
    }
}
