//! Whether the files are still those that were opened. SQLite does not ask: it goes on writing into
//! a file that nobody will find again, and what was acknowledged goes with the process.
//!
//! The database also counts its commits, and the lock file keeps how many there were. So a start
//! finds out that the log, which has the last ones, was lost before it.

use super::held::{FileId, Lock, take_file};
use super::key_file::KeyFile;
use super::patience::Told;
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
const LOOKS: usize = 100;
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
    /// How many pages SQLite had in the log.
    log_was: u64,
    /// Commits that are in the file; those that the lock file knows of.
    commits: i64,
    noted: Option<i64>,
    key: Option<KeyFile>,
    looked_at: Instant,
    is_lost: bool,
    lock_file_told: Told,
    /// The last to go: see there.
    lock: Lock,
}

/// The database, as its head tells it.
#[derive(Clone, Copy, Debug, Default)]
struct Shape {
    bytes: u64,
    /// How long it says that it is.
    claimed: u64,
    /// May only grow.
    changes: u32,
    /// The number of its schema.
    cookie: u32,
    /// Whether it is made smaller without a new schema (`auto_vacuum`).
    shrinks: bool,
}

impl Shape {
    fn of(bytes: u64, head: &[u8], page: u64) -> Self {
        Self {
            bytes,
            claimed: u64::from(number(head, 28)) * page,
            changes: number(head, 24),
            cookie: number(head, 40),
            shrinks: number(head, 52) != 0,
        }
    }

    /// Whether something was cut off since it was like that. An application may make its database
    /// smaller: a `VACUUM` makes a new schema and says the new length before it cuts.
    fn is_cut_since(&self, was: &Self) -> bool {
        let may_shrink = self.shrinks || self.cookie != was.cookie || was.claimed < was.bytes;
        self.bytes < was.bytes && (self.bytes < self.claimed || !may_shrink)
    }
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
            log_was: 0,
            commits,
            noted: None,
            key,
            looked_at: Instant::now(),
            is_lost: false,
            lock_file_told: Told::default(),
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

    /// A commit was made durable; it may have changed nothing. Looks at the files if that is due:
    /// only then may it be acknowledged.
    pub(super) fn committed(
        &mut self,
        connection: &Connection,
        has_written: bool,
    ) -> Result<(), Lost> {
        self.commits += i64::from(has_written);
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
        let (bytes, head) = bytes_of(&self.lock.database, (0, HEAD), &self.path)?;
        let overwritten = || Lost::Overwritten(self.path.clone());
        let Some(head) = head.filter(|it| it.starts_with(MAGIC)) else {
            return Err(overwritten());
        };
        let page = match u64::from(number(&head, 16) >> 16) {
            1 => 65_536,
            bytes => bytes,
        };
        let database = Shape::of(bytes, &head, page);
        let was = &self.database_was;
        if database.is_cut_since(was) || database.changes < was.changes {
            return Err(overwritten());
        }
        let log = self.log_now(connection, page)?;
        (self.database_was, self.log_was) = (database, log);
        Ok(())
    }

    /// The pages in the log. Whoever brings all of it into the database may empty it; then SQLite
    /// counts none.
    fn log_now(&self, connection: &Connection, page: u64) -> Result<u64, Lost> {
        let overwritten = || Lost::Overwritten(self.log_path.clone());
        let end_of = |pages: u64| LOG_HEAD as u64 + pages * (page + PAGE_HEAD);
        // Asked first: what is committed after that only makes the file longer.
        let pages = pages_in_log(connection).unwrap_or(0);
        let (bytes, head) = bytes_of(&self.log, (0, LOG_HEAD), &self.log_path)?;
        if pages > 0 && bytes < end_of(pages) {
            return Err(overwritten());
        }
        // Its other numbers are those of whichever connection has begun it: they may go back.
        match head {
            Some(head) if number(&head, 0) & !1 == LOG_MAGIC => (),
            None if bytes == 0 => (),
            _ => return Err(overwritten()),
        }
        // Into a log that was cut SQLite writes on where it was, and leaves a hole. A page that was
        // there may be written over by another one, and the whole log may be emptied, but no page
        // has the number 0: neither the last one of before nor one that has come since.
        let last = self.log_was.saturating_sub(1);
        let first = if pages > last { last } else { 0 };
        let before = (self.log_was > 0).then_some(last).filter(|it| *it >= pages);
        for place in (first..pages).chain(before) {
            let (_, page) = bytes_of(&self.log, (end_of(place), 4), &self.log_path)?;
            if page.is_some_and(|it| number(&it, 0) == 0) {
                return Err(overwritten());
            }
        }
        Ok(pages)
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
                Err(OpenError::File { path, error }) if self.lock.is_on_database => {
                    // A full disk, or one that is read-only: the other lock keeps everybody out.
                    if self.lock_file_told.is_due() {
                        let file = path.display();
                        tracing::warn!(%file, %error, "postrider.store.lock_file_is_gone");
                    }
                    return Ok(());
                }
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
    /// After a clean end there is no log that could be lost, unless an application has the database
    /// open.
    fn drop(&mut self) {
        let is_empty = match fs::metadata(&self.log_path) {
            Ok(log) => log.len() == 0,
            Err(error) => is_gone(&error),
        };
        let is_there = is_there(&self.path, &self.lock.database).is_ok();
        if !self.is_lost && is_empty && is_there {
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

/// The size of a file, and so many bytes at this place if it has them.
fn bytes_of(
    file: &File,
    (at, bytes): (u64, usize),
    path: &Path,
) -> Result<(u64, Option<Vec<u8>>), Lost> {
    let read = || {
        let size = file.metadata()?.len();
        let mut found = vec![0; bytes];
        #[cfg(unix)]
        match std::os::unix::fs::FileExt::read_exact_at(file, &mut found, at) {
            Ok(()) => return Ok((size, Some(found))),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => (),
            Err(error) => return Err(error),
        }
        let _ = at;
        found.clear();
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

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: u64 = 4_096;

    /// A database of so many pages, whose head says this of them and of the schema.
    fn shape(pages: u64, claimed: u64, cookie: u32) -> Shape {
        Shape {
            bytes: pages * PAGE,
            claimed: claimed * PAGE,
            changes: 1,
            cookie,
            shrinks: false,
        }
    }

    #[test]
    fn a_database_gets_shorter_by_a_vacuum_alone() {
        let was = shape(100, 100, 7);
        assert!(shape(50, 50, 7).is_cut_since(&was), "a shorter copy");
        assert!(shape(50, 100, 8).is_cut_since(&was), "not what it says");
        assert!(!shape(50, 50, 8).is_cut_since(&was), "a vacuum");
        assert!(!shape(200, 200, 7).is_cut_since(&was), "it grows");
        // A look while a vacuum is brought into the file: it is cut last.
        let between = shape(100, 50, 8);
        assert!(!between.is_cut_since(&was));
        assert!(!shape(50, 50, 8).is_cut_since(&between));
        let automatic = Shape {
            shrinks: true,
            ..shape(50, 50, 7)
        };
        assert!(!automatic.is_cut_since(&was));
    }
}
