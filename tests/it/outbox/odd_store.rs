//! A store in a file of which something is wrong.

use bytes::Bytes;
use postrider::outbox::{OutboxSource, RefusedEvent, Waiting};
use postrider::store::{SqliteStore, Store, StoreError, StoreFuture};
use postrider::{
    DeadLetterGroup, DeliveryId, DeliveryPage, DeliveryQuery, DeliveryRecord, Endpoint,
    EndpointCounts, EndpointId, EndpointPage, EndpointQuery, EventCursor, EventId, EventPage,
    EventQuery, EventRecord, Hour, LaneRecord, Ledger, NotReady, OrderingKey, OutlinePage,
    Overview, TenantCounts, TenantId,
};
use postrider_engine::{Attempt, Change, CommitError, Load, Loaded, Receipt, Recovered, Wall};
use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(super) struct OddStore {
    store: Arc<SqliteStore>,
    /// So many groups with an event in them find no room.
    refusals: AtomicUsize,
    sees_no_change: bool,
}

impl OddStore {
    pub(super) fn that_sees_no_change(store: Arc<SqliteStore>) -> Arc<Self> {
        Arc::new(Self {
            store,
            refusals: AtomicUsize::new(0),
            sees_no_change: true,
        })
    }

    pub(super) fn that_is_full(store: Arc<SqliteStore>, times: usize) -> Arc<Self> {
        Arc::new(Self {
            store,
            refusals: AtomicUsize::new(times),
            sees_no_change: false,
        })
    }

    pub(super) fn refusals_left(&self) -> usize {
        self.refusals.load(Ordering::Relaxed)
    }
}

impl Store for OddStore {
    fn recover(self: Arc<Self>) -> StoreFuture<Result<Recovered, StoreError>> {
        self.store.clone().recover()
    }

    fn commit(
        self: Arc<Self>,
        changes: Vec<Change>,
    ) -> StoreFuture<Vec<Result<Receipt, CommitError>>> {
        let is_event = |change: &Change| matches!(change, Change::Publish(_));
        let left = self.refusals_left();
        if left > 0 && changes.iter().all(is_event) {
            self.refusals.store(left - 1, Ordering::Relaxed);
            let full = changes.iter().map(|_| Err(CommitError::Full)).collect();
            return Box::pin(ready(full));
        }
        self.store.clone().commit(changes)
    }

    fn load(self: Arc<Self>, load: Load) -> StoreFuture<Result<Loaded, StoreError>> {
        self.store.clone().load(load)
    }

    fn endpoint(
        self: Arc<Self>,
        id: EndpointId,
    ) -> StoreFuture<Result<Option<Endpoint>, StoreError>> {
        self.store.clone().endpoint(id)
    }

    fn endpoints(self: Arc<Self>) -> StoreFuture<Result<Vec<Endpoint>, StoreError>> {
        self.store.clone().endpoints()
    }

    fn endpoints_of(
        self: Arc<Self>,
        tenant: TenantId,
        after: Option<EndpointId>,
        most: usize,
    ) -> StoreFuture<Result<Vec<Endpoint>, StoreError>> {
        self.store.clone().endpoints_of(tenant, after, most)
    }

    fn lanes(
        self: Arc<Self>,
        endpoint: EndpointId,
        after: Option<OrderingKey>,
        most: usize,
    ) -> StoreFuture<Result<Vec<LaneRecord>, StoreError>> {
        self.store.clone().lanes(endpoint, after, most)
    }

    fn dead_letter_groups(
        self: Arc<Self>,
        tenant: Option<TenantId>,
    ) -> StoreFuture<Result<Vec<DeadLetterGroup>, StoreError>> {
        self.store.clone().dead_letter_groups(tenant)
    }

    fn overview(
        self: Arc<Self>,
        tenant: Option<TenantId>,
        from: Wall,
        until: Wall,
    ) -> StoreFuture<Result<Overview, StoreError>> {
        self.store.clone().overview(tenant, from, until)
    }

    fn tenant_counts(
        self: Arc<Self>,
        tenants: Vec<TenantId>,
    ) -> StoreFuture<Result<Vec<TenantCounts>, StoreError>> {
        self.store.clone().tenant_counts(tenants)
    }

    fn endpoint_counts(
        self: Arc<Self>,
        endpoints: Vec<EndpointId>,
        from: Wall,
        until: Wall,
    ) -> StoreFuture<Result<Vec<EndpointCounts>, StoreError>> {
        self.store.clone().endpoint_counts(endpoints, from, until)
    }

    fn find_endpoints(
        self: Arc<Self>,
        query: EndpointQuery,
    ) -> StoreFuture<Result<EndpointPage, StoreError>> {
        self.store.clone().find_endpoints(query)
    }

    fn deliveries_of(
        self: Arc<Self>,
        event: EventId,
    ) -> StoreFuture<Result<Option<Vec<DeliveryRecord>>, StoreError>> {
        self.store.clone().deliveries_of(event)
    }

    fn event(self: Arc<Self>, id: EventId) -> StoreFuture<Result<Option<EventRecord>, StoreError>> {
        self.store.clone().event(id)
    }

    fn events(self: Arc<Self>, query: EventQuery) -> StoreFuture<Result<EventPage, StoreError>> {
        self.store.clone().events(query)
    }

    fn newest_event(self: Arc<Self>) -> StoreFuture<Result<Option<EventCursor>, StoreError>> {
        self.store.clone().newest_event()
    }

    fn delivery(
        self: Arc<Self>,
        id: DeliveryId,
    ) -> StoreFuture<Result<Option<DeliveryRecord>, StoreError>> {
        self.store.clone().delivery(id)
    }

    fn attempts(
        self: Arc<Self>,
        delivery: DeliveryId,
        after: u32,
        most: usize,
    ) -> StoreFuture<Result<Vec<Attempt>, StoreError>> {
        self.store.clone().attempts(delivery, after, most)
    }

    fn request_body(
        self: Arc<Self>,
        delivery: DeliveryId,
        number: u32,
    ) -> StoreFuture<Result<Option<Bytes>, StoreError>> {
        self.store.clone().request_body(delivery, number)
    }

    fn dead_letters(
        self: Arc<Self>,
        endpoint: EndpointId,
        after: Option<DeliveryId>,
        most: usize,
    ) -> StoreFuture<Result<Vec<DeliveryRecord>, StoreError>> {
        self.store.clone().dead_letters(endpoint, after, most)
    }

    fn deliveries(
        self: Arc<Self>,
        query: DeliveryQuery,
    ) -> StoreFuture<Result<DeliveryPage, StoreError>> {
        self.store.clone().deliveries(query)
    }

    fn outlines(
        self: Arc<Self>,
        query: DeliveryQuery,
    ) -> StoreFuture<Result<OutlinePage, StoreError>> {
        self.store.clone().outlines(query)
    }

    fn hours(
        self: Arc<Self>,
        endpoint: EndpointId,
        from: Wall,
        until: Wall,
    ) -> StoreFuture<Result<Vec<Hour>, StoreError>> {
        self.store.clone().hours(endpoint, from, until)
    }

    fn oldest_pending(self: Arc<Self>) -> StoreFuture<Result<Option<Wall>, StoreError>> {
        self.store.clone().oldest_pending()
    }

    fn size_bytes(self: Arc<Self>) -> StoreFuture<Result<u64, StoreError>> {
        self.store.clone().size_bytes()
    }

    fn probe(self: Arc<Self>) -> StoreFuture<Result<(), NotReady>> {
        self.store.clone().probe()
    }

    fn ledger(self: Arc<Self>, endpoint: EndpointId) -> StoreFuture<Result<Ledger, StoreError>> {
        self.store.clone().ledger(endpoint)
    }

    fn outbox_source(self: Arc<Self>) -> Option<Arc<dyn OutboxSource>> {
        let source = self.store.clone().outbox_source()?;
        if self.sees_no_change {
            return Some(Arc::new(Blind(source)));
        }
        Some(source)
    }
}

/// Does not see that the file has changed.
struct Blind(Arc<dyn OutboxSource>);

impl OutboxSource for Blind {
    fn waiting(
        self: Arc<Self>,
        most: usize,
        now: Wall,
    ) -> StoreFuture<Result<Vec<Waiting>, StoreError>> {
        self.0.clone().waiting(most, now)
    }

    fn next_due(self: Arc<Self>) -> StoreFuture<Result<Option<Wall>, StoreError>> {
        self.0.clone().next_due()
    }

    fn has_changed(self: Arc<Self>) -> StoreFuture<Result<bool, StoreError>> {
        Box::pin(ready(Ok(false)))
    }

    fn hinted(self: Arc<Self>) -> StoreFuture<()> {
        self.0.clone().hinted()
    }

    fn look_again(self: Arc<Self>) -> StoreFuture<()> {
        self.0.clone().look_again()
    }

    fn refuse(
        self: Arc<Self>,
        refused: Vec<(EventId, String)>,
    ) -> StoreFuture<Result<(), StoreError>> {
        self.0.clone().refuse(refused)
    }

    fn refused(
        self: Arc<Self>,
        after: Option<EventId>,
        most: usize,
    ) -> StoreFuture<Result<Vec<RefusedEvent>, StoreError>> {
        self.0.clone().refused(after, most)
    }

    fn retry(self: Arc<Self>, event: EventId) -> StoreFuture<Result<bool, StoreError>> {
        self.0.clone().retry(event)
    }

    fn discard(self: Arc<Self>, event: EventId) -> StoreFuture<Result<bool, StoreError>> {
        self.0.clone().discard(event)
    }
}
