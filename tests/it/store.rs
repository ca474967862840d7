//! The stores keep what they promise.

use postrider::{MemoryBounds, MemoryStore};
use std::sync::Arc;

#[tokio::test]
async fn the_store_in_memory_conforms() {
    let make = || Arc::new(MemoryStore::bounded(MemoryBounds::default()));
    postrider::store::conformance::check(make).await;
}
