//! The stores keep what they promise.

mod audit;
mod backlog;
mod changes;
mod differential;
mod due;
mod durable;
mod files;
mod history;
mod records;
mod requests;
mod search;
mod tenants;
mod upkeep;
mod versions;

use postrider::{MemoryBounds, MemoryStore};
use std::sync::Arc;

#[tokio::test]
async fn the_store_in_memory_conforms() {
    let make = || Arc::new(MemoryStore::bounded(MemoryBounds::default()));
    postrider::store::conformance::check(make).await;
}

#[tokio::test]
async fn the_store_in_a_file_conforms() {
    let directory = tempfile::tempdir().unwrap();
    let number = std::cell::Cell::new(0);
    let make = || {
        number.set(number.get() + 1);
        let path = directory.path().join(format!("{}.db", number.get()));
        changes::open(path)
    };
    postrider::store::conformance::check(make).await;
}
