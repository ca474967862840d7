//! The disks of this process as SQLite sees them: one file system, in which the name of a file
//! begins with the number of its disk.

use super::Platter;
use sqlite_plugin::flags::{AccessFlags, LockLevel, OpenKind, OpenOpts};
use sqlite_plugin::vars;
use sqlite_plugin::vfs::{RegisterOpts, Vfs, VfsHandle, VfsResult, register_static};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::CString;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};

/// The name of the file system.
pub(super) const NAME: &str = "postrider-sim";

/// The disks that are there. A disk takes itself out when it goes.
static DISKS: LazyLock<Disks> = LazyLock::new(Disks::default);

#[derive(Clone, Default)]
struct Disks(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    is_registered: bool,
    last: u64,
    platters: BTreeMap<u64, Weak<Mutex<Platter>>>,
}

/// Makes a disk known to SQLite: its number.
pub(super) fn plug_in(platter: &Arc<Mutex<Platter>>) -> u64 {
    let mut known = DISKS.known();
    if !known.is_registered {
        // It is refused only to a SQLite without memory; opening a file says so then.
        let options = RegisterOpts {
            make_default: false,
        };
        let name = CString::new(NAME).unwrap_or_default();
        known.is_registered = register_static(name, DISKS.clone(), options).is_ok();
    }
    known.last += 1;
    let number = known.last;
    known.platters.insert(number, Arc::downgrade(platter));
    number
}

/// Nobody opens a file on it any more.
pub(super) fn unplug(number: u64) {
    DISKS.known().platters.remove(&number);
}

impl Disks {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The disk that a path begins with, and the file's name on it.
    fn find<'a>(&self, path: &'a str) -> VfsResult<(Arc<Mutex<Platter>>, &'a str)> {
        let (number, name) = path.split_once('/').ok_or(vars::SQLITE_CANTOPEN)?;
        let number: u64 = number.parse().map_err(|_| vars::SQLITE_CANTOPEN)?;
        let platter = self.known().platters.get(&number).and_then(Weak::upgrade);
        Ok((platter.ok_or(vars::SQLITE_CANTOPEN)?, name))
    }
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

impl VfsHandle for Handle {
    fn readonly(&self) -> bool {
        false
    }

    fn in_memory(&self) -> bool {
        false
    }
}

fn held(platter: &Mutex<Platter>) -> MutexGuard<'_, Platter> {
    platter.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Vfs for Disks {
    type Handle = Handle;

    fn canonical_path<'a>(&self, path: Cow<'a, str>) -> VfsResult<Cow<'a, str>> {
        Ok(path)
    }

    fn open(&self, path: Option<&str>, options: OpenOpts) -> VfsResult<Handle> {
        let kind = options.kind();
        let Some(path) = path.filter(|_| !kind.is_temp()) else {
            return Ok(Handle::Nameless(Vec::new()));
        };
        let (platter, name) = self.find(path)?;
        let may_make = !options.mode().is_readonly();
        let number = held(&platter).open(name, may_make)?;
        let of_journals = matches!(kind, OpenKind::Wal | OpenKind::MainJournal);
        Ok(Handle::Named {
            platter,
            number,
            syncs_directory: may_make && of_journals,
        })
    }

    fn delete(&self, path: &str) -> VfsResult<()> {
        let (platter, name) = self.find(path)?;
        held(&platter).delete(name)
    }

    fn access(&self, path: &str, _: AccessFlags) -> VfsResult<bool> {
        let (platter, name) = self.find(path)?;
        let is_there = held(&platter).image.bytes_of(name).is_some();
        Ok(is_there)
    }

    fn file_size(&self, handle: &mut Handle) -> VfsResult<usize> {
        match handle {
            Handle::Named {
                platter, number, ..
            } => held(platter).size(*number),
            Handle::Nameless(bytes) => Ok(bytes.len()),
        }
    }

    fn truncate(&self, handle: &mut Handle, size: usize) -> VfsResult<()> {
        match handle {
            Handle::Named {
                platter, number, ..
            } => held(platter).truncate(*number, size),
            Handle::Nameless(bytes) => {
                bytes.truncate(size);
                Ok(())
            }
        }
    }

    fn write(&self, handle: &mut Handle, at: usize, data: &[u8]) -> VfsResult<usize> {
        match handle {
            Handle::Named {
                platter, number, ..
            } => held(platter).write(*number, at, data)?,
            Handle::Nameless(bytes) => {
                bytes.resize(bytes.len().max(at + data.len()), 0);
                bytes[at..at + data.len()].copy_from_slice(data);
            }
        }
        Ok(data.len())
    }

    fn read(&self, handle: &mut Handle, at: usize, data: &mut [u8]) -> VfsResult<usize> {
        match handle {
            Handle::Named {
                platter, number, ..
            } => held(platter).read(*number, at, data),
            Handle::Nameless(bytes) => {
                let from = bytes.get(at..).unwrap_or_default();
                let count = from.len().min(data.len());
                data[..count].copy_from_slice(&from[..count]);
                Ok(count)
            }
        }
    }

    fn sync(&self, handle: &mut Handle) -> VfsResult<()> {
        if let Handle::Named {
            platter,
            number,
            syncs_directory,
        } = handle
        {
            held(platter).sync(*number, *syncs_directory)?;
            *syncs_directory = false;
        }
        Ok(())
    }

    // Each disk is used by one connection.

    fn lock(&self, _: &mut Handle, _: LockLevel) -> VfsResult<()> {
        Ok(())
    }

    fn unlock(&self, _: &mut Handle, _: LockLevel) -> VfsResult<()> {
        Ok(())
    }

    fn check_reserved_lock(&self, _: &mut Handle) -> VfsResult<bool> {
        Ok(false)
    }

    fn close(&self, _: Handle) -> VfsResult<()> {
        Ok(())
    }

    fn sector_size(&self, handle: &mut Handle) -> VfsResult<i32> {
        Ok(if is_powersafe(handle) { 4_096 } else { 512 })
    }

    fn device_characteristics(&self, handle: &mut Handle) -> VfsResult<i32> {
        Ok(if is_powersafe(handle) {
            vars::SQLITE_IOCAP_POWERSAFE_OVERWRITE
        } else {
            0
        })
    }
}

/// As SQLite takes every disk to be where nobody says otherwise: what stands beside a write stays.
fn is_powersafe(handle: &Handle) -> bool {
    match handle {
        Handle::Named { platter, .. } => !held(platter).harms_neighbours,
        Handle::Nameless(_) => true,
    }
}
