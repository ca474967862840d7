//! What goes wrong between the store and its file.

use super::{SealError, watch};
use crate::store::StoreError;
use rusqlite::ErrorCode;

/// What goes wrong between this store and its file.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreFault {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error("the database is damaged: {0}")]
    Damaged(String),
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The files are not there any more.
    #[error(transparent)]
    Lost(#[from] watch::Lost),
    #[error("there is no room")]
    Full,
    #[error("the store has stopped")]
    Stopped,
    /// What is recorded has been unknown since this went wrong.
    #[error("{0}")]
    Failed(String),
}

impl StoreFault {
    pub(super) fn is_full(&self) -> bool {
        match self {
            Self::Full => true,
            Self::Sqlite(error) => error.sqlite_error_code() == Some(ErrorCode::DiskFull),
            _ => false,
        }
    }

    /// A file could not be opened, and nothing has changed. Whether descriptors were missing is not
    /// asked: others may have given some back since.
    pub(super) fn is_shortage(&self) -> bool {
        let code = match self {
            Self::Sqlite(error) => error.sqlite_error_code(),
            _ => None,
        };
        code == Some(ErrorCode::CannotOpen)
    }
}

impl From<StoreFault> for StoreError {
    fn from(fault: StoreFault) -> Self {
        Self(fault.to_string())
    }
}
