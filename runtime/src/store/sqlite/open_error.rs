//! Why a store was not opened, and what to do.

use super::{SchemaError, SealError};
use std::io;
use std::path::PathBuf;

/// Why a store was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("{0} is in use by another process: stop that one first, or use another file")]
    InUse(PathBuf),
    /// A file could not be used.
    #[error("{path} cannot be used: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is no database of this Postrider.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// Secrets cannot be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// There was a database, and it is not there.
    #[error(
        "{path} is not there, or nothing is in it, and {left} beside it say that there was a \
         database: put it back, or restore a backup. To begin with nothing, move those files away \
         (a key can stay: see `SqliteOptions::anew`, or `postrider serve --new`)"
    )]
    Missing {
        /// The database.
        path: PathBuf,
        /// What it has left behind.
        left: String,
    },
    /// A new database was asked for, and there is one.
    #[error("{0} is there already: open it, or give the new database a name of its own")]
    IsThere(PathBuf),
    /// It holds less than was acknowledged.
    #[error(
        "{path} has {found} commits, and had {noted} when it was last in use: it was put back from \
         an older copy, or its log {log} was lost. Put the newest ones back; to go on with what is \
         there, remove {lock}"
    )]
    Behind {
        /// The database.
        path: PathBuf,
        /// Its log.
        log: PathBuf,
        /// What remembers the commits.
        lock: PathBuf,
        /// Commits in it.
        found: i64,
        /// Commits that were in it.
        noted: i64,
    },
    /// The log beside it belongs to another file.
    #[error(
        "{path} is another file than the one that the log {log} belongs to. If it was restored from \
         a backup, remove {log} and {lock}; if the whole directory was copied, remove {lock} alone"
    )]
    OtherLog {
        /// The database.
        path: PathBuf,
        /// The log.
        log: PathBuf,
        /// What remembers the file.
        lock: PathBuf,
    },
    /// It has several names, and a log belongs to one of them.
    #[error(
        "{path} has {names} names (hard links), and its log belongs to one of them: remove the \
         others (`find / -samefile {path}` tells them), or make a copy"
    )]
    Linked {
        /// One of the names.
        path: PathBuf,
        /// How many there are.
        names: u64,
    },
    /// The key is not there.
    #[error(
        "{path} is not there, and {database} has secrets that open with its key alone: put it back. \
         No other key is made in its place"
    )]
    NoKey {
        /// The file of the key.
        path: PathBuf,
        /// The database.
        database: PathBuf,
    },
    /// The key is another one.
    #[error(
        "{path} has another key than the one that {database} was sealed with: put that one back"
    )]
    WrongKey {
        /// The file of the key.
        path: PathBuf,
        /// The database.
        database: PathBuf,
    },
    /// The key file cannot be used.
    #[error("the key file {path} cannot be used: {error}")]
    Key {
        /// Which.
        path: PathBuf,
        /// Why.
        error: SealError,
    },
    /// A file has gone while it was being opened.
    #[error("{0}")]
    Lost(String),
}
