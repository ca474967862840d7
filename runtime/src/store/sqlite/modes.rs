//! Who may read the files: their owner alone, whatever the umask.

use super::{beside, real};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// What a file is made with.
#[cfg(unix)]
const MODE: u32 = 0o600;

/// A file or a directory that others than its owner may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loose {
    /// Which.
    pub path: PathBuf,
    /// Its permissions.
    pub mode: u32,
}

/// Opens a file to be written, and makes it for its owner alone if it is not there. The second value
/// says whether it was made.
pub(super) fn open_or_make(path: &Path) -> io::Result<(File, bool)> {
    match OpenOptions::new().read(true).write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => match make(path) {
            // Somebody was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let file = OpenOptions::new().read(true).write(true).open(path)?;
                Ok((file, false))
            }
            made => Ok((made?, true)),
        },
        opened => Ok((opened?, false)),
    }
}

/// Makes a file for its owner alone; it must not be there.
pub(super) fn make(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, MODE);
    let file = options.open(path)?;
    // A umask takes from the owner, too.
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(MODE))?;
    Ok(file)
}

/// The permissions of a file or a directory, if others than its owner may use it.
#[must_use]
pub fn loose(path: &Path) -> Option<Loose> {
    #[cfg(unix)]
    {
        let metadata = std::fs::metadata(path).ok()?;
        let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777;
        let path = path.to_owned();
        (mode & 0o077 != 0).then_some(Loose { path, mode })
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        None
    }
}

/// The files of the store at this path that others than their owner may use.
#[must_use]
pub fn loose_files(path: &Path) -> Vec<Loose> {
    let logs = ["wal", "shm"].map(|what| beside(&real(path), what));
    let others = ["key", "lock", "reserve"].map(|what| beside(path, what));
    let files = [path.to_owned()].into_iter().chain(logs).chain(others);
    files.filter_map(|file| loose(&file)).collect()
}

/// What others may read is told, and left as it is: somebody may have meant it.
pub(super) fn tell_loose(path: &Path) {
    for Loose { path, mode } in loose_files(path) {
        let file = path.display();
        tracing::warn!(%file, mode = %format_args!("{mode:o}"), "postrider.store.others_may_use: chmod 600");
    }
}
