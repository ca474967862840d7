//! How a file is opened.

use super::schema::Home;
use super::{KeyRing, OpenError, SqliteStore};
use std::path::Path;

/// How a file is opened. [`SqliteStore::options`] makes one.
#[derive(Default)]
pub struct SqliteOptions {
    pub(super) keys: Option<KeyRing>,
    pub(super) home: Home,
}

impl SqliteOptions {
    /// Seals the secrets of endpoints with these keys. Default: a key in the file `NAME-key`,
    /// which is made if it is missing.
    #[must_use]
    pub fn keys(mut self, keys: KeyRing) -> Self {
        self.keys = Some(keys);
        self
    }

    /// The file is an application's database: Postrider's tables, whose names begin with
    /// `postrider_`, are made beside the application's. Default: a file with anything else in it
    /// is refused.
    #[must_use]
    pub fn in_application_database(mut self) -> Self {
        self.home = Home::Shared;
        self
    }

    /// Opens the file, or makes it.
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub fn open(self, path: impl AsRef<Path>) -> Result<SqliteStore, OpenError> {
        SqliteStore::with(path.as_ref(), self)
    }
}
