//! Whether the files are still those that were opened. SQLite does not ask: it goes on writing into
//! a file that nobody will find again, and what was acknowledged goes with the process.
//!
//! The database also counts its commits, and the lock file keeps how many there were. So a start
//! finds out that the log, which has the last ones, was lost before it.

use super::held::{FileId, Lock, take_file};
use super::key_file::KeyFile;
use super::{OpenError, SchemaError, beside, real, schema};
use crate::transport::is_shortage;
use rusqlite::Connection;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// Nothing is acknowledged later than this after the files were looked at.
pub(super) const EVERY: Duration = Duration::from_millis(500);

/// What is odd is looked at again: another process may have been writing.
const LOOKS: usize = 3;
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// A lock file that others hold is tried so often.
const LOCK_TRIES: usize = 30;

/// The head of a database (<https://www.sqlite.org/fileformat.html#the_database_header>).
const HEAD: usize = 100;
const MAGIC: &[u8] = b"SQLite format 3\0";

/// The head of a log and of a page in it (<https://www.sqlite.org/walformat.html>).
const LOG_HEAD: usize = 32;
const LOG_MAGIC: u32 = 0x377f_0682;
const PAGE_HEAD: u64 = 24;

/// What has become of a file.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    #[error("{0} has gone while it was in use: {PUT_BACK}")]
    Gone(PathBuf),
    #[error("another file was put in the place of {0} while it was in use: {PUT_BACK}")]
    Replaced(PathBuf),
    #[error("{0} was emptied or written over while it was in use: {PUT_BACK}")]
    Overwritten(PathBuf),
    #[error(
        "{0} was removed, and another process has made it again: only one may use the database; stop it"
    )]
    TakenOver(PathBuf),
    #[error(
        "another key was put into {0} while the database was in use: put the one back that sealed its secrets, and start again"
    )]
    OtherKey(PathBuf),
    #[error("{path} cannot be used any more: {error}: mend that, and start again")]
    Unusable { path: PathBuf, error: io::Error },
}

const PUT_BACK: &str =
    "put it back, or restore a backup, and start again (\"Lost files\" in docs/operating.md)";

/// Looks at the files of a store.
pub(super) struct Watch {
    path: PathBuf,
    log_path: PathBuf,
    log: File,
    /// Never opened: closing it would let go of SQLite's locks on it.
    index: (PathBuf, FileId),
    database_was: Shape,
    log_was: Shape,
    /// Commits that are in the file; those that the lock file knows of.
    commits: i64,
    noted: Option<i64>,
    key: Option<KeyFile>,
    looked_at: Instant,
    is_lost: bool,
    /// The last to go: see there.
    lock: Lock,
}

/// What may only grow.
#[derive(Clone, Copy, Debug, Default)]
struct Shape {
    bytes: u64,
    changes: u32,
}

impl Watch {
    /// Begins to look at the files that this connection has open.
    pub(super) fn begin(
        path: &Path,
        lock: Lock,
        key: Option<KeyFile>,
        connection: &Connection,
    ) -> Result<Self, OpenError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |error| OpenError::File { path, error }
        };
        // SQLite puts its files beside the one that a symbolic link leads to.
        let real = real(path);
        let log_path = beside(&real, "wal");
        let index = beside(&real, "shm");
        let index_is = fs::metadata(&index).map_err(at(&index))?;
        let commits = schema::meta(connection, schema::COMMITS).map_err(SchemaError::Sqlite)?;
        let mut watch = Self {
            path: path.to_owned(),
            log: File::open(&log_path).map_err(at(&log_path))?,
            log_path,
            index: (index, FileId::of(&index_is)),
            database_was: Shape::default(),
            log_was: Shape::default(),
            commits,
            noted: None,
            key,
            looked_at: Instant::now(),
            is_lost: false,
            lock,
        };
        watch
            .look(connection)
            .map_err(|lost| OpenError::Lost(lost.to_string()))?;
        Ok(watch)
    }

    /// How long it is until the files should be looked at.
    pub(super) fn left(&self) -> Duration {
        // Idle, twice as rarely: nothing is acknowledged then.
        (2 * EVERY).saturating_sub(self.looked_at.elapsed())
    }

    /// The number of a commit that is about to be made.
    pub(super) fn next_commit(&self) -> i64 {
        self.commits + 1
    }

    /// A commit was made durable. Looks at the files if that is due: only then may it be
    /// acknowledged.
    pub(super) fn committed(&mut self, connection: &Connection) -> Result<(), Lost> {
        self.commits += 1;
        self.keep_note();
        match self.looked_at.elapsed() >= EVERY {
            true => self.look(connection),
            false => Ok(()),
        }
    }

    /// Looks at the files.
    pub(super) fn look(&mut self, connection: &Connection) -> Result<(), Lost> {
        let looked = match self.look_at_all(connection) {
            // What this machine is short of says nothing about the files: the next look does.
            Err(Lost::Unusable { error, .. }) if is_shortage(&error) => Ok(()),
            looked => looked,
        };
        if looked.is_err() {
            self.lock.set_lost();
            self.lock.descriptor().before_close(connection);
            self.is_lost = true;
        }
        self.looked_at = Instant::now();
        looked
    }

    fn look_at_all(&mut self, connection: &Connection) -> Result<(), Lost> {
        is_there(&self.path, &self.lock.database)?;
        is_there(&self.log_path, &self.log)?;
        let (index, id) = &self.index;
        is_the_one(index, *id)?;
        let mut looks = 1;
        while let Err(lost) = self.look_inside(connection) {
            if looks == LOOKS || !matches!(lost, Lost::Overwritten(_)) {
                return Err(lost);
            }
            looks += 1;
            thread::sleep(BETWEEN_LOOKS);
        }
        self.keep_lock_file()?;
        if let Some(key) = &mut self.key {
            key.look()?;
        }
        self.keep_note();
        Ok(())
    }

    /// A full disk may refuse it; the next commit, or the next look, tries again.
    fn keep_note(&mut self) {
        if self.noted != Some(self.commits) {
            let noted = note(&self.lock, Some(self.commits));
            self.noted = noted.is_ok().then_some(self.commits);
        }
    }

    fn look_inside(&mut self, connection: &Connection) -> Result<(), Lost> {
        let (bytes, head) = head_of(&self.lock.database, HEAD, &self.path)?;
        let overwritten = || Lost::Overwritten(self.path.clone());
        let Some(head) = head.filter(|it| it.starts_with(MAGIC)) else {
            return Err(overwritten());
        };
        let database = Shape {
            bytes,
            changes: number(&head, 24),
        };
        let page = match u64::from(number(&head, 16) >> 16) {
            1 => 65_536,
            bytes => bytes,
        };
        let was = self.database_was;
        // An application may make its database smaller; then its head says so.
        let is_cut = bytes < was.bytes && bytes < u64::from(number(&head, 28)) * page;
        if is_cut || database.changes < was.changes {
            return Err(overwritten());
        }
        let log = self.log_now(connection, page)?;
        (self.database_was, self.log_was) = (database, log);
        Ok(())
    }

    /// The log. Whoever brings all of it into the database may empty it; then SQLite counts no pages.
    fn log_now(&self, connection: &Connection, page: u64) -> Result<Shape, Lost> {
        let (bytes, head) = head_of(&self.log, LOG_HEAD, &self.log_path)?;
        let was = self.log_was;
        if bytes < was.bytes || bytes == 0 {
            let pages = pages_in_log(connection).unwrap_or(0);
            let needed = LOG_HEAD as u64 + pages * (page + PAGE_HEAD);
            if pages > 0 && bytes < needed {
                return Err(Lost::Overwritten(self.log_path.clone()));
            }
        }
        let changes = match head {
            Some(head) if number(&head, 0) & !1 == LOG_MAGIC => number(&head, 12),
            None if bytes == 0 => was.changes,
            _ => return Err(Lost::Overwritten(self.log_path.clone())),
        };
        match changes < was.changes {
            true => Err(Lost::Overwritten(self.log_path.clone())),
            false => Ok(Shape { bytes, changes }),
        }
    }

    /// Older versions ask for the lock file alone: if it was removed, it is put back.
    fn keep_lock_file(&mut self) -> Result<(), Lost> {
        let path = self.lock.file_path.clone();
        if is_there(&path, &self.lock.file).is_ok() {
            return Ok(());
        }
        // One that is starting has it for a moment, until it finds that the database is locked.
        let mut tries = 1;
        self.lock.file = loop {
            match take_file(&path, &self.path) {
                Ok(file) => break file,
                Err(OpenError::File { path, error }) => return Err(Lost::Unusable { path, error }),
                Err(_) if tries < LOCK_TRIES => tries += 1,
                Err(_) => return Err(Lost::TakenOver(path)),
            }
            thread::sleep(BETWEEN_LOOKS);
        };
        self.noted = None;
        tracing::warn!(file = %path.display(), "postrider.store.lock_file_was_gone");
        Ok(())
    }
}

impl Drop for Watch {
    /// After a clean end there is no log that could be lost.
    fn drop(&mut self) {
        if !self.is_lost {
            // What stays there asks for no more than there is.
            let _ = note(&self.lock, None);
        }
    }
}

/// Whether the file of this name is the one that is open.
fn is_there(path: &Path, open: &File) -> Result<(), Lost> {
    let unusable = |error| Lost::Unusable {
        path: path.to_owned(),
        error,
    };
    is_the_one(path, FileId::of(&open.metadata().map_err(unusable)?))
}

fn is_the_one(path: &Path, id: FileId) -> Result<(), Lost> {
    let path = path.to_owned();
    match fs::metadata(&path) {
        Ok(there) if FileId::of(&there) == id => Ok(()),
        Ok(_) => Err(Lost::Replaced(path)),
        Err(error) if is_gone(&error) => Err(Lost::Gone(path)),
        Err(error) => Err(Lost::Unusable { path, error }),
    }
}

fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

/// The size of a file, and its first bytes if it has so many.
fn head_of(file: &File, bytes: usize, path: &Path) -> Result<(u64, Option<Vec<u8>>), Lost> {
    let read = || {
        let size = file.metadata()?.len();
        let mut head = vec![0; bytes];
        #[cfg(unix)]
        match std::os::unix::fs::FileExt::read_exact_at(file, &mut head, 0) {
            Ok(()) => return Ok((size, Some(head))),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => (),
            Err(error) => return Err(error),
        }
        head.clear();
        Ok((size, None))
    };
    read().map_err(|error| Lost::Unusable {
        path: path.to_owned(),
        error,
    })
}

fn number(head: &[u8], at: usize) -> u32 {
    let bytes = head.get(at..at + 4).and_then(|it| it.try_into().ok());
    u32::from_be_bytes(bytes.unwrap_or_default())
}

/// How many pages SQLite believes to be in the log
/// (<https://www.sqlite.org/pragma.html#pragma_wal_checkpoint>).
fn pages_in_log(connection: &Connection) -> rusqlite::Result<u64> {
    let mut ask = connection.prepare("PRAGMA wal_checkpoint(NOOP)")?;
    let pages: i64 = ask.query_row([], |row| row.get(1))?;
    Ok(u64::try_from(pages).unwrap_or(0))
}

/// Keeps in the lock file how many commits are durable, and in which file; or that no log is
/// expected.
fn note(lock: &Lock, commits: Option<i64>) -> io::Result<()> {
    let text = match commits {
        Some(commits) => format!("{commits:020} {:020}\n", lock.inode()),
        None => String::new(),
    };
    #[cfg(unix)]
    std::os::unix::fs::FileExt::write_all_at(&lock.file, text.as_bytes(), 0)?;
    match text.is_empty() {
        true => lock.file.set_len(0),
        false => Ok(()),
    }
}

/// Asks the lock file whether this database had more commits when it was open last.
pub(super) fn check_note(
    path: &Path,
    lock: &Lock,
    connection: &Connection,
) -> Result<(), OpenError> {
    let Some((noted, _)) = noted(lock) else {
        return Ok(());
    };
    let found = schema::commits(connection).map_err(SchemaError::Sqlite)?;
    match found < noted {
        false => Ok(()),
        true => Err(OpenError::Behind {
            path: path.to_owned(),
            log: beside(&real(path), "wal"),
            lock: lock.file_path.clone(),
            found,
            noted,
        }),
    }
}

/// What the lock file remembers is of another database.
pub(super) fn forget_note(lock: &Lock) -> Result<(), OpenError> {
    let path = lock.file_path.clone();
    let forgotten = lock.file.set_len(0);
    forgotten.map_err(|error| OpenError::File { path, error })
}

/// Asks the lock file whether the log is that of this database: SQLite would write it into any.
pub(super) fn check_log(path: &Path, lock: &Lock) -> Result<(), OpenError> {
    let log = beside(&real(path), "wal");
    let is_other = noted(lock).is_some_and(|(_, inode)| inode != lock.inode());
    match is_other && fs::metadata(&log).is_ok_and(|it| it.len() > 0) {
        false => Ok(()),
        true => Err(OpenError::OtherLog {
            path: path.to_owned(),
            log,
            lock: lock.file_path.clone(),
        }),
    }
}

/// What the lock file says: how many commits, in which file.
fn noted(lock: &Lock) -> Option<(i64, u64)> {
    let text = fs::read_to_string(&lock.file_path).ok()?;
    let (commits, inode) = text.trim().split_once(' ')?;
    Some((commits.parse().ok()?, inode.parse().ok()?))
}
