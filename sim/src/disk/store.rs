//! The real store on a simulated disk.

use super::{Disk, FILE_SYSTEM};
use postrider::store::sqlite::{KeyRing, OpenError, SqliteFile};

/// Secrets of endpoints are sealed with it.
const KEY: &str = "5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed";

impl Disk {
    /// Opens the store on this disk, or makes it.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub fn open_store(&self) -> Result<SqliteFile, OpenError> {
        SqliteFile::open_on(FILE_SYSTEM, &self.file_name(), KeyRing::new([KEY])?)
    }
}
