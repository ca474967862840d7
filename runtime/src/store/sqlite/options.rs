//! How a file is opened.

use super::schema::Home;
use super::{KeyRing, OpenError, Retention, SqliteStore};
use crate::clock::{Clock, SystemClock};
use std::path::Path;
use std::sync::Arc;

/// How a file is opened. [`SqliteStore::options`] makes one.
pub struct SqliteOptions {
    pub(super) keys: Option<KeyRing>,
    pub(super) home: Home,
    pub(super) retention: Retention,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) anew: bool,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            keys: None,
            home: Home::default(),
            retention: Retention::default(),
            clock: Arc::new(SystemClock),
            anew: false,
        }
    }
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

    /// How long records are kept. Default: [`Retention::default`].
    #[must_use]
    pub fn retention(mut self, retention: Retention) -> Self {
        self.retention = retention;
        self
    }

    /// The calendar that retention goes by. Default: the system's.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Makes a new database, also beside a key that is there already; refused if there is one.
    /// Default: it is made only where nothing says that there was one before.
    #[must_use]
    pub fn anew(mut self) -> Self {
        self.anew = true;
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
