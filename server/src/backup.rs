//! `postrider backup`: a copy of the database while a server uses it.

use crate::Answer;
use crate::config::{Config, ConfigError};
use crate::serve::{DataArgs, database};
use postrider::rusqlite::{Connection, OpenFlags};
use serde_json::json;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a read waits for a writer that keeps everybody out for a moment.
const BUSY: Duration = Duration::from_secs(30);

/// Copy the database, also while a server runs
///
/// The copy is what the database held at one moment, without gaps, and is on the disk when this
/// returns. It does not hold the key that opens the secrets in it, `postrider.db-key`: keep that
/// in another place. To restore it, stop the server, put the copy in the place of `postrider.db`,
/// and remove `postrider.db-wal` and `postrider.db-shm`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The file to make; it must not be there
    file: PathBuf,
    #[command(flatten)]
    data: DataArgs,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackupFailed {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("there is no database {0}: say with --data where it is")]
    NoDatabase(PathBuf),
    #[error("{0} is there already: give the copy a name of its own")]
    Exists(PathBuf),
    #[error("{path} cannot be used: {error}")]
    File { path: PathBuf, error: io::Error },
    #[error("{path} cannot be copied: {error}")]
    Copy {
        path: PathBuf,
        error: postrider::rusqlite::Error,
    },
}

pub(crate) fn run(args: &Args) -> Result<Answer, BackupFailed> {
    let config = Config::of(&args.data.settings(None).values()?)?;
    let from = database(&config.data);
    let bytes = copy(&from, &args.file)?;
    let file = args.file.display().to_string();
    let text = match args.json {
        true => format!("{}\n", json!({ "file": file, "bytes": bytes })),
        false => format!(
            "{file}: {bytes} bytes\nits secrets open with {}-key alone: keep that in another place\n",
            from.display()
        ),
    };
    Ok(Answer { text, is_yes: true })
}

/// Makes the copy, under a name of its own until all of it is there; gives its size in bytes.
fn copy(from: &Path, to: &Path) -> Result<u64, BackupFailed> {
    let at = |path: &Path, error| BackupFailed::File {
        path: path.to_owned(),
        error,
    };
    if !from.try_exists().map_err(|error| at(from, error))? {
        return Err(BackupFailed::NoDatabase(from.to_owned()));
    }
    if to.try_exists().map_err(|error| at(to, error))? {
        return Err(BackupFailed::Exists(to.to_owned()));
    }
    // Beside the copy, so that it can take its place at once.
    let directory = to.parent().filter(|it| !it.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    let unfinished = tempfile::Builder::new()
        .prefix(".postrider-backup-")
        .tempdir_in(directory);
    let unfinished = unfinished.map_err(|error| at(directory, error))?;
    let copied = unfinished.path().join("copy.db");
    vacuum(from, &copied)?;
    // A write handle: some systems sync nothing through another one.
    let written = File::options().write(true).open(&copied);
    let synced = written.and_then(|file| file.sync_all().and_then(|()| file.metadata()));
    let bytes = synced.map_err(|error| at(&copied, error))?.len();
    // Unlike a rename it does not replace what somebody has put there meanwhile.
    fs::hard_link(&copied, to)
        .or_else(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Err(error),
            _ => fs::rename(&copied, to),
        })
        .map_err(|error| at(to, error))?;
    sync(directory).map_err(|error| at(directory, error))?;
    Ok(bytes)
}

/// What one moment of the database holds, in a new file. It only reads: the lock of the store keeps
/// a second writer away, and SQLite's own locks let readers in beside the first.
fn vacuum(from: &Path, to: &Path) -> Result<(), BackupFailed> {
    let failed = |error| BackupFailed::Copy {
        path: from.to_owned(),
        error,
    };
    let name = to.to_str().ok_or_else(|| BackupFailed::File {
        path: to.to_owned(),
        error: io::Error::new(io::ErrorKind::InvalidInput, "the name is not UTF-8"),
    })?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(from, flags).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    let copied = connection.execute("VACUUM INTO ?1", [name]);
    copied.map(drop).map_err(failed)
}

/// Makes the name of a new file durable.
#[cfg(unix)]
fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Elsewhere a directory cannot be synced.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
fn sync(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider::SqliteStore;

    #[test]
    fn a_copy_is_made_whether_the_store_is_open_or_not() {
        let directory = tempfile::tempdir().unwrap();
        let from = directory.path().join("postrider.db");
        let store = SqliteStore::open(&from).unwrap();
        let to = directory.path().join("copy.db");
        assert!(copy(&from, &to).unwrap() > 0);
        drop(store);
        copy(&from, &directory.path().join("later.db")).unwrap();
        drop(SqliteStore::open(&from).unwrap());
        let opened = Connection::open(&to).unwrap();
        let tables = opened.query_row(
            "SELECT count(*) FROM sqlite_schema WHERE name = 'postrider_event'",
            [],
            |row| row.get::<_, u32>(0),
        );
        assert_eq!(tables.unwrap(), 1);
        let names = fs::read_dir(directory.path()).unwrap();
        let left = names.filter(|name| {
            let name = name.as_ref().unwrap().file_name();
            name.to_string_lossy().starts_with(".postrider-backup-")
        });
        assert_eq!(left.count(), 0, "nothing unfinished is left");
    }

    #[test]
    fn nothing_is_overwritten_and_nothing_is_made_of_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let from = directory.path().join("postrider.db");
        let to = directory.path().join("copy.db");
        assert!(matches!(
            copy(&from, &to),
            Err(BackupFailed::NoDatabase(path)) if path == from
        ));
        drop(SqliteStore::open(&from).unwrap());
        fs::write(&to, "mine").unwrap();
        assert!(matches!(copy(&from, &to), Err(BackupFailed::Exists(_))));
        assert_eq!(fs::read(&to).unwrap(), b"mine");
    }
}
