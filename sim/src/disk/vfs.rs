//! The disks of this process as SQLite sees them: one file system, in which the name of a file
//! begins with the number of its disk.

mod services;

use super::{Code, Platter};
use rsqlite_vfs::{
    AccessMode, DeviceCharacteristics, FileKind, LockLevel, OpenAccess, OpenOptions, OpenRequest,
    OpenedFile, SectorSize, SyncOptions, VfsError, VfsFile, VfsResult, VfsStore,
};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};

/// The name of the file system.
pub(super) const NAME: &str = "postrider-sim";

/// The disks that are there. A disk takes itself out when it goes.
static DISKS: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Known {
    is_registered: bool,
    last: u64,
    platters: BTreeMap<u64, Weak<Mutex<Platter>>>,
}

fn known() -> MutexGuard<'static, Known> {
    DISKS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a disk known to SQLite: its number.
pub(super) fn plug_in(platter: &Arc<Mutex<Platter>>) -> u64 {
    let mut known = known();
    if !known.is_registered {
        // It is refused only to a SQLite without memory; opening a file says so then.
        known.is_registered = services::register();
    }
    known.last += 1;
    let number = known.last;
    known.platters.insert(number, Arc::downgrade(platter));
    number
}

/// Nobody opens a file on it any more.
pub(super) fn unplug(number: u64) {
    known().platters.remove(&number);
}

/// The disk that a path begins with, and the file's name on it.
fn find(path: &str) -> VfsResult<(Arc<Mutex<Platter>>, &str)> {
    let disk = || {
        let (number, name) = path.split_once('/')?;
        let number: u64 = number.parse().ok()?;
        let platter = known().platters.get(&number).and_then(Weak::upgrade)?;
        Some((platter, name))
    };
    disk().ok_or_else(|| failed(Code::CantOpen))
}

/// SQLite has texts of its own for its codes.
fn failed(code: Code) -> VfsError {
    VfsError::new(code, "the simulated disk has failed".into())
}

fn held(platter: &Mutex<Platter>) -> MutexGuard<'_, Platter> {
    platter.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file that SQLite has open.
pub(super) enum Handle {
    Named {
        platter: Arc<Mutex<Platter>>,
        number: u64,
        /// The first sync makes the names in the directory durable, too: what SQLite's own file
        /// system does for logs and journals.
        syncs_directory: bool,
    },
    /// Nobody else sees it, and it is on no disk.
    Nameless(Vec<u8>),
}

/// The directory of all disks.
struct Disks;

impl VfsStore for Disks {
    type File = Handle;
    type AppData = ();

    fn open_file((): &(), request: OpenRequest<'_>) -> VfsResult<OpenedFile<Handle>> {
        let OpenRequest { filename, options } = request;
        let access = options.access();
        let is_temporary = matches!(
            options.kind(),
            Some(FileKind::TempDb | FileKind::TempJournal | FileKind::TransientDb)
        );
        let Some(filename) = filename.filter(|_| !is_temporary) else {
            let file = Handle::Nameless(Vec::new());
            return Ok(OpenedFile { file, access });
        };
        let (platter, name) = find(filename.path())?;
        let may_make = access == OpenAccess::ReadWrite;
        let number = held(&platter).open(name, may_make).map_err(failed)?;
        let is_log = matches!(options.kind(), Some(FileKind::Wal | FileKind::MainJournal));
        let file = Handle::Named {
            platter,
            number,
            syncs_directory: may_make && is_log,
        };
        Ok(OpenedFile { file, access })
    }

    fn close_file((): &(), _: Option<&str>, _: Handle, _: OpenOptions) -> VfsResult<()> {
        Ok(())
    }

    fn access((): &(), path: &str, _: AccessMode) -> VfsResult<bool> {
        let (platter, name) = find(path)?;
        let is_there = held(&platter).image.bytes_of(name).is_some();
        Ok(is_there)
    }

    fn full_pathname((): &(), path: &str) -> VfsResult<String> {
        Ok(path.to_owned())
    }

    fn delete_file((): &(), path: &str, _: bool) -> VfsResult<()> {
        let (platter, name) = find(path)?;
        held(&platter).delete(name).map_err(failed)
    }
}

/// SQLite's numbers are 64 bits wide.
fn small(number: u64) -> VfsResult<usize> {
    usize::try_from(number).map_err(|_| failed(Code::Io))
}

impl VfsFile for Handle {
    fn read(&mut self, into: &mut [u8], at: u64) -> VfsResult<usize> {
        let at = small(at)?;
        match self {
            Self::Named {
                platter, number, ..
            } => held(platter).read(*number, at, into).map_err(failed),
            Self::Nameless(bytes) => {
                let from = bytes.get(at..).unwrap_or_default();
                let count = from.len().min(into.len());
                into[..count].copy_from_slice(&from[..count]);
                Ok(count)
            }
        }
    }

    fn write(&mut self, data: &[u8], at: u64) -> VfsResult<()> {
        let at = small(at)?;
        match self {
            Self::Named {
                platter, number, ..
            } => held(platter).write(*number, at, data).map_err(failed),
            Self::Nameless(bytes) => {
                bytes.resize(bytes.len().max(at + data.len()), 0);
                bytes[at..at + data.len()].copy_from_slice(data);
                Ok(())
            }
        }
    }

    fn truncate(&mut self, size: u64) -> VfsResult<()> {
        let size = small(size)?;
        match self {
            Self::Named {
                platter, number, ..
            } => held(platter).truncate(*number, size).map_err(failed),
            Self::Nameless(bytes) => {
                bytes.truncate(size);
                Ok(())
            }
        }
    }

    fn sync(&mut self, _: SyncOptions) -> VfsResult<()> {
        if let Self::Named {
            platter,
            number,
            syncs_directory,
        } = self
        {
            let synced = held(platter).sync(*number, *syncs_directory);
            synced.map_err(failed)?;
            *syncs_directory = false;
        }
        Ok(())
    }

    fn size(&self) -> VfsResult<u64> {
        let bytes = match self {
            Self::Named {
                platter, number, ..
            } => held(platter).size(*number),
            Self::Nameless(bytes) => bytes.len(),
        };
        Ok(bytes as u64)
    }

    // Each disk is used by one connection.

    fn lock(&mut self, _: LockLevel) -> VfsResult<()> {
        Ok(())
    }

    fn unlock(&mut self, _: LockLevel) -> VfsResult<()> {
        Ok(())
    }

    fn check_reserved_lock(&self) -> VfsResult<bool> {
        Ok(false)
    }

    fn sector_size(&self) -> SectorSize {
        match SectorSize::new(512) {
            Some(size) if !self.is_powersafe() => size,
            _ => SectorSize::DEFAULT, // 4096
        }
    }

    fn device_characteristics(&self) -> DeviceCharacteristics {
        if self.is_powersafe() {
            DeviceCharacteristics::POWERSAFE_OVERWRITE
        } else {
            DeviceCharacteristics::NONE
        }
    }
}

impl Handle {
    /// As SQLite takes every disk to be where nobody says otherwise: what stands beside a write
    /// stays.
    fn is_powersafe(&self) -> bool {
        match self {
            Self::Named { platter, .. } => !held(platter).harms_neighbours,
            Self::Nameless(_) => true,
        }
    }
}
