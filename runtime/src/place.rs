//! Where the store keeps what it has.

use crate::postrider::Postrider;
use std::path::PathBuf;

/// What kind of store it is, and where it keeps what it has: for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorePlace {
    /// `sqlite`, `memory`, or what a store of one's own calls itself.
    pub kind: &'static str,
    /// The file, if it is in one.
    pub path: Option<PathBuf>,
}

impl Default for StorePlace {
    /// A store that does not say.
    fn default() -> Self {
        Self {
            kind: "custom",
            path: None,
        }
    }
}

impl Postrider {
    /// What kind of store it has, and where that keeps what it has.
    #[must_use]
    pub fn store_place(&self) -> StorePlace {
        self.store().place()
    }
}
