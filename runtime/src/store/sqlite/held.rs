//! Keeping a second Postrider away from a database: by a lock on the database itself, so that no
//! file can be taken away to get in, and by the lock file that older versions ask for.
//!
//! **Closing any descriptor of a file lets go of all the locks that SQLite has on it in this
//! process** (POSIX, `fcntl(2)`). So the descriptor that is locked here is opened before SQLite opens
//! the file and closed after; and no file is opened that this process has open already.

use super::modes::open_or_make;
use super::remains;
use super::schema::Home;
use super::{OpenError, beside};
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use std::fs::{self, File, Metadata, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Which file something is, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileId {
    device: u64,
    pub(super) inode: u64,
}

impl FileId {
    #[cfg(unix)]
    pub(super) fn of(file: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self {
            device: file.dev(),
            inode: file.ino(),
        }
    }

    /// Elsewhere one file is as good as another.
    #[cfg(not(unix))]
    pub(super) fn of(_: &Metadata) -> Self {
        Self {
            device: 0,
            inode: 0,
        }
    }
}

/// A database that this process has open, or has open again and again.
struct Held {
    id: FileId,
    in_use: bool,
    file: Weak<File>,
    /// An application's database: its own connections live longer than a store.
    _kept: Option<Arc<File>>,
}

static HELD: Mutex<Vec<Held>> = Mutex::new(Vec::new());

/// Keeps others away for as long as it is there.
pub(super) struct Lock {
    id: FileId,
    /// The database. What SQLite has open may outlive this: see [`Lock::descriptor`].
    pub(super) database: Arc<File>,
    /// The lock file.
    pub(super) file: File,
    pub(super) file_path: PathBuf,
    /// Whether there must be no database of ours yet.
    pub(super) anew: bool,
    /// Whether the database itself is locked, and not the lock file alone.
    pub(super) is_on_database: bool,
    lost: Arc<AtomicBool>,
}

/// What whoever keeps a connection beside the store's must keep for longer than that.
#[derive(Clone)]
pub(super) struct Descriptor {
    _database: Arc<File>,
    lost: Arc<AtomicBool>,
}

impl Lock {
    /// Takes the database for this process; makes an empty one if none has ever been there.
    pub(super) fn take(path: &Path, home: Home, anew: bool) -> Result<Self, OpenError> {
        let file_path = beside(path, "lock");
        let file = take_file(&file_path, path)?;
        let mut all = HELD.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|held| held.in_use || held.file.strong_count() > 0);
        remains::look_for(path, anew)?;
        let known = fs::metadata(path).ok().map(|there| FileId::of(&there));
        let known = all.iter().position(|held| known == Some(held.id));
        let known = known.filter(|_| cfg!(unix)).map(|at| all.remove(at));
        if known.as_ref().is_some_and(|held| held.in_use) {
            all.extend(known);
            return Err(OpenError::InUse(path.to_owned()));
        }
        let database = match known.and_then(|held| held.file.upgrade()) {
            Some(database) => database,
            None => {
                let (database, _) = open_or_make(path).map_err(|error| at(path, error))?;
                Arc::new(database)
            }
        };
        let metadata = database.metadata().map_err(|error| at(path, error))?;
        let id = FileId::of(&metadata);
        let mut held = Held {
            id,
            in_use: false,
            file: Arc::downgrade(&database),
            _kept: (home == Home::Shared).then(|| Arc::clone(&database)),
        };
        let locked = lock_database(&database, path);
        held.in_use = locked.is_ok();
        all.push(held);
        let is_on_database = locked?;
        Ok(Self {
            id,
            database,
            file,
            file_path,
            anew,
            is_on_database,
            lost: Arc::default(),
        })
    }

    /// To be kept for longer than a connection that may outlive the store.
    pub(super) fn descriptor(&self) -> Descriptor {
        Descriptor {
            _database: Arc::clone(&self.database),
            lost: Arc::clone(&self.lost),
        }
    }

    /// The files are not those any more that were opened.
    pub(super) fn set_lost(&self) {
        self.lost.store(true, Ordering::Release);
    }

    /// The number of the file in its file system.
    pub(super) fn inode(&self) -> u64 {
        self.id.inode
    }
}

impl Descriptor {
    /// To be asked before a connection is closed: the last one to close removes the log by its name,
    /// which may be that of another file now.
    pub(super) fn before_close(&self, connection: &Connection) {
        if self.lost.load(Ordering::Acquire) {
            // It is set whatever happens, or SQLite does not know of it.
            let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let mut all = HELD.lock().unwrap_or_else(PoisonError::into_inner);
        // If it cannot be unlocked, it is when the process ends.
        let _ = self.database.unlock();
        // A child that is being started has this descriptor, too, for a moment.
        let _ = self.file.unlock();
        for held in all.iter_mut().filter(|held| held.id == self.id) {
            held.in_use = false;
        }
    }
}

/// Locks the lock file, which is made if it is not there.
pub(super) fn take_file(name: &Path, database: &Path) -> Result<File, OpenError> {
    let (file, _) = open_or_make(name).map_err(|error| at(name, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(database.to_owned())),
        Err(TryLockError::Error(error)) => Err(at(name, error)),
    }
}

/// `flock(2)`, which has nothing to do with the locks of SQLite. On other systems than Linux it may.
/// Says whether the database is locked.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn lock_database(database: &File, path: &Path) -> Result<bool, OpenError> {
    if is_on_network(database) {
        let database = path.display();
        tracing::warn!(%database, "postrider.store.on_network_file_system: use a local one");
        return Ok(false);
    }
    match database.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(at(path, error)),
    }
}

/// Whether `flock(2)` is made of those locks there that SQLite uses (NFS, CIFS, SMB2: see
/// `flock(2)`): it would keep SQLite out.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_on_network(database: &File) -> bool {
    const NETWORK: [u32; 3] = [0x6969, 0xff53_4d42, 0xfe53_4d42];
    let kind = rustix::fs::fstatfs(database).map(|it| u32::try_from(it.f_type));
    kind.is_ok_and(|it| it.is_ok_and(|it| NETWORK.contains(&it)))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn lock_database(_: &File, _: &Path) -> Result<bool, OpenError> {
    Ok(false)
}

fn at(path: &Path, error: std::io::Error) -> OpenError {
    OpenError::File {
        path: path.to_owned(),
        error,
    }
}
