//! The store in memory.

use super::{Store, StoreError, StoreFuture};
use postrider_engine::{
    Change, CommitError, DeliveryId, DeliveryRecord, Endpoint, EndpointId, EventId, Ledger, Load,
    Loaded, MemoryBounds, Receipt, Recovered,
};
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A store that is lost with the process: for tests, and for those who want no disk. Bounded:
/// when it is full, publishing is refused and nothing is dropped.
#[derive(Debug, Default)]
pub struct MemoryStore {
    held: Mutex<postrider_engine::MemoryStore>,
}

impl MemoryStore {
    /// An empty store that holds so much.
    #[must_use]
    pub fn bounded(bounds: MemoryBounds) -> Self {
        Self {
            held: Mutex::new(postrider_engine::MemoryStore::bounded(bounds)),
        }
    }

    fn held(&self) -> MutexGuard<'_, postrider_engine::MemoryStore> {
        // A panic between two changes leaves whole changes only.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer<T: Send + 'static>(
        &self,
        read: impl FnOnce(&postrider_engine::MemoryStore) -> T,
    ) -> StoreFuture<Result<T, StoreError>> {
        Box::pin(ready(Ok(read(&self.held()))))
    }
}

impl Store for MemoryStore {
    fn recover(self: Arc<Self>) -> StoreFuture<Result<Recovered, StoreError>> {
        self.answer(postrider_engine::MemoryStore::recover)
    }

    fn commit(
        self: Arc<Self>,
        changes: Vec<Change>,
    ) -> StoreFuture<Vec<Result<Receipt, CommitError>>> {
        let mut held = self.held();
        let receipts: Vec<_> = changes
            .into_iter()
            .map(|change| held.apply(change))
            .collect();
        Box::pin(ready(receipts))
    }

    fn load(self: Arc<Self>, load: Load) -> StoreFuture<Result<Loaded, StoreError>> {
        self.answer(|held| held.load(&load))
    }

    fn endpoint(
        self: Arc<Self>,
        id: EndpointId,
    ) -> StoreFuture<Result<Option<Endpoint>, StoreError>> {
        self.answer(|held| held.endpoint(id).cloned())
    }

    fn endpoints(self: Arc<Self>) -> StoreFuture<Result<Vec<Endpoint>, StoreError>> {
        self.answer(|held| held.endpoints().cloned().collect())
    }

    fn deliveries_of(
        self: Arc<Self>,
        event: EventId,
    ) -> StoreFuture<Result<Option<Vec<DeliveryRecord>>, StoreError>> {
        self.answer(|held| held.deliveries_of(event))
    }

    fn delivery(
        self: Arc<Self>,
        id: DeliveryId,
    ) -> StoreFuture<Result<Option<DeliveryRecord>, StoreError>> {
        self.answer(|held| held.delivery(id))
    }

    fn dead_letters(
        self: Arc<Self>,
        endpoint: EndpointId,
        after: Option<DeliveryId>,
        most: usize,
    ) -> StoreFuture<Result<Vec<DeliveryRecord>, StoreError>> {
        self.answer(|held| {
            let dead = held
                .dead_letters(endpoint)
                .filter(|record| Some(record.id) > after);
            dead.take(most).collect()
        })
    }

    fn ledger(self: Arc<Self>, endpoint: EndpointId) -> StoreFuture<Result<Ledger, StoreError>> {
        self.answer(|held| held.ledger(endpoint))
    }
}
