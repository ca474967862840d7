//! What is beside a database before it is opened: whether one should be there.

use super::{OpenError, beside, real};
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};

/// A database that has gone is asked for and not made: what was accepted was in it. Files that a
/// database leaves behind say that there was one. An empty lock file says nothing: a first start that
/// was killed leaves it.
pub(super) fn look_for(path: &Path, anew: bool) -> Result<(), OpenError> {
    let bytes = match fs::metadata(path) {
        Ok(there) => {
            check_kind(path, &there)?;
            there.len()
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => {
            return Err(OpenError::File {
                path: path.to_owned(),
                error,
            });
        }
    };
    if bytes > 0 {
        return Ok(());
    }
    let left = left_beside(path, anew);
    match left.is_empty() {
        true => Ok(()),
        false => Err(missing(path, &left)),
    }
}

/// SQLite's log belongs to one name of a database: by another one, what is in it would be missed.
fn check_kind(path: &Path, there: &Metadata) -> Result<(), OpenError> {
    let path = path.to_owned();
    if !there.is_file() {
        let error = io::Error::other("it is no file");
        return Err(OpenError::File { path, error });
    }
    #[cfg(unix)]
    {
        let names = std::os::unix::fs::MetadataExt::nlink(there);
        if names > 1 {
            return Err(OpenError::Linked { path, names });
        }
    }
    Ok(())
}

/// The files that only a database leaves behind. A key may be brought along to a new one.
fn left_beside(path: &Path, anew: bool) -> Vec<PathBuf> {
    let log = ["wal", "shm"];
    let others: &[&str] = if anew { &[] } else { &["key", "reserve"] };
    let log = log.iter().map(|what| beside(&real(path), what));
    let names = log.chain(others.iter().map(|what| beside(path, what)));
    let mut left: Vec<_> = names.filter(|name| name.exists()).collect();
    // It says how much there was, unless that has ended cleanly.
    let lock = beside(path, "lock");
    let says = fs::metadata(&lock).is_ok_and(|it| it.len() > 0);
    left.extend(Some(lock).filter(|_| says && !anew));
    left
}

/// The files beside a database that only one with tables of ours leaves behind.
pub(super) fn of_tables(path: &Path) -> Vec<PathBuf> {
    let names = ["key", "reserve"].map(|what| beside(path, what));
    names.into_iter().filter(|name| name.exists()).collect()
}

/// What is said if they are there alone.
pub(super) fn missing(path: &Path, left: &[PathBuf]) -> OpenError {
    let left: Vec<String> = left.iter().map(|it| it.display().to_string()).collect();
    OpenError::Missing {
        path: path.to_owned(),
        left: left.join(", "),
    }
}
