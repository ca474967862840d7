//! What SQLite asks a file system for besides files, and the one call that makes it known.

use super::{Code, Disks, NAME, failed};
use rsqlite_vfs::{OsCallback, SQLiteIoMethods, SQLiteVfs, VfsResult, register_vfs};
use std::time::Duration;

/// Makes the file system known to SQLite, for as long as the process lives; whether it did.
#[allow(unsafe_code)] // SQLite is C: see below
pub(super) fn register() -> bool {
    // SAFETY: both types below keep the layout, the version and every callback that the crate gives
    // them, and agree on the data, which is none. SQLite is built to be used by several threads, and
    // so is everything behind the callbacks: it is reached through a lock. The caller holds the lock
    // of the known disks, so nobody registers the same name at the same time. What is registered is
    // never freed.
    let registered = unsafe { register_vfs::<Files, FileSystem>(NAME, (), false) };
    registered
        .map(|registration| registration.into_raw())
        .is_ok()
}

struct Files;

impl SQLiteIoMethods for Files {
    type Store = Disks;
}

struct FileSystem;

impl SQLiteVfs<Files> for FileSystem {
    type Os = Nothing;

    fn os((): &()) -> &Nothing {
        &Nothing
    }
}

/// A simulated machine has no clock, and lends nobody the real one. SQLite takes its random numbers
/// from its default file system, and nobody waits for a lock on a disk of their own.
struct Nothing;

impl OsCallback for Nothing {
    fn sleep(&self, _: Duration) {}

    fn random(&self, _: &mut [u8]) -> usize {
        0
    }

    fn epoch_timestamp_in_ms(&self) -> VfsResult<i64> {
        Err(failed(Code::Error))
    }
}
