//! Where events and deliveries are kept.

pub mod conformance;
mod memory;
#[cfg(feature = "sqlite")]
pub mod sqlite;

pub use memory::MemoryStore;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStore;

use crate::agenda::Agenda;
use crate::audit::AuditLog;
use crate::event_outline::{self, EventOutlinePage, EventOutlineQuery};
use crate::events::{EventCursor, EventPage, EventQuery, EventRecord};
use crate::history::{DeadLetterGroup, DeliveryPage, DeliveryQuery, SummaryPage};
use crate::outbox::OutboxSource;
use crate::outline::OutlinePage;
use crate::overview::{EndpointCounts, EndpointPage, EndpointQuery, Overview, TenantCounts};
use crate::place::StorePlace;
use crate::readiness::NotReady;
use crate::reading::LaneRecord;
use crate::records::Records;
use crate::replay::ReplayLog;
use crate::search::{self, EventSearch, FoundEvents};
use crate::statistics::Hour;
use crate::waiting_lanes::{LanePage, LaneQuery};
use bytes::Bytes;
use postrider_engine::{
    Attempt, Change, CommitError, DeliveryId, DeliveryRecord, Endpoint, EndpointId, EventId,
    Ledger, Load, Loaded, Note, OrderingKey, Receipt, Recovered, TenantId, Wall,
};
use std::pin::Pin;
use std::sync::Arc;

/// What a store's methods return.
pub type StoreFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Where events and deliveries are kept.
///
/// [`conformance::check`] is what every implementation must pass. The engine gives it one call of
/// `commit` at a time; all others may come at any time.
pub trait Store: Send + Sync + 'static {
    /// What a core needs to go on.
    fn recover(self: Arc<Self>) -> StoreFuture<Result<Recovered, StoreError>>;

    /// Makes the changes, in their order, each as a whole or not at all, and returns when they are
    /// as durable as this store makes anything: one answer each, in their order.
    ///
    /// After [`CommitError::Failed`] nothing more is asked of the store.
    fn commit(
        self: Arc<Self>,
        changes: Vec<Change>,
    ) -> StoreFuture<Vec<Result<Receipt, CommitError>>>;

    /// As [`Store::commit`], with notes of some of the changes, each with the place of its change,
    /// in their order. A note is kept in the same step as its change, unless that changes nothing
    /// ([`Receipt::has_changed`]); one whose id is known already is kept once. A store that has no
    /// [`AuditLog`] leaves them out.
    fn commit_noted(
        self: Arc<Self>,
        changes: Vec<Change>,
        notes: Vec<(usize, Note)>,
    ) -> StoreFuture<Vec<Result<Receipt, CommitError>>> {
        drop(notes);
        self.commit(changes)
    }

    /// Reads the next deliveries of a lane. Sees whatever was committed before the call.
    fn load(self: Arc<Self>, load: Load) -> StoreFuture<Result<Loaded, StoreError>>;

    /// An endpoint.
    fn endpoint(
        self: Arc<Self>,
        id: EndpointId,
    ) -> StoreFuture<Result<Option<Endpoint>, StoreError>>;

    /// Every endpoint, oldest first.
    fn endpoints(self: Arc<Self>) -> StoreFuture<Result<Vec<Endpoint>, StoreError>>;

    /// At most `most` endpoints of a tenant, oldest first, that come after `after`.
    fn endpoints_of(
        self: Arc<Self>,
        tenant: TenantId,
        after: Option<EndpointId>,
        most: usize,
    ) -> StoreFuture<Result<Vec<Endpoint>, StoreError>>;

    /// The deliveries of an event, resends included; `None` if the event is not known.
    fn deliveries_of(
        self: Arc<Self>,
        event: EventId,
    ) -> StoreFuture<Result<Option<Vec<DeliveryRecord>>, StoreError>>;

    /// An event, with its place in the log.
    fn event(self: Arc<Self>, id: EventId) -> StoreFuture<Result<Option<EventRecord>, StoreError>>;

    /// A page of the log of events. Its order is that of the commits: an event that is not there
    /// yet comes after all that are. No place is given to a second event.
    fn events(self: Arc<Self>, query: EventQuery) -> StoreFuture<Result<EventPage, StoreError>>;

    /// A page of the log of events that are as asked for, in short. Where a store has no better way,
    /// it reads the log.
    fn find_events(
        self: Arc<Self>,
        search: EventSearch,
    ) -> StoreFuture<Result<FoundEvents, StoreError>> {
        Box::pin(search::by_reading(self, search))
    }

    /// A page of events as a backfill looks at them. It looks at a bounded number of records. Where a
    /// store has no better way, it reads the log.
    fn event_outlines(
        self: Arc<Self>,
        query: EventOutlineQuery,
    ) -> StoreFuture<Result<EventOutlinePage, StoreError>> {
        Box::pin(event_outline::by_reading(self, query))
    }

    /// The place of the newest event on record.
    fn newest_event(self: Arc<Self>) -> StoreFuture<Result<Option<EventCursor>, StoreError>>;

    /// A delivery.
    fn delivery(
        self: Arc<Self>,
        id: DeliveryId,
    ) -> StoreFuture<Result<Option<DeliveryRecord>, StoreError>>;

    /// At most `most` attempts of a delivery whose numbers are above `after`, first to last; as many
    /// as fit into 4 MiB, or one. None for a delivery that is not on record.
    fn attempts(
        self: Arc<Self>,
        delivery: DeliveryId,
        after: u32,
        most: usize,
    ) -> StoreFuture<Result<Vec<Attempt>, StoreError>>;

    /// The body of the request of an attempt, as it was sent. `None` if it is not on record: it is
    /// from before bodies were kept, or went with the delivery that was sent with it, or found no
    /// room.
    fn request_body(
        self: Arc<Self>,
        delivery: DeliveryId,
        number: u32,
    ) -> StoreFuture<Result<Option<Bytes>, StoreError>>;

    /// At most `most` dead letters of an endpoint, oldest first, that come after `after`.
    fn dead_letters(
        self: Arc<Self>,
        endpoint: EndpointId,
        after: Option<DeliveryId>,
        most: usize,
    ) -> StoreFuture<Result<Vec<DeliveryRecord>, StoreError>>;

    /// A page of deliveries.
    fn deliveries(
        self: Arc<Self>,
        query: DeliveryQuery,
    ) -> StoreFuture<Result<DeliveryPage, StoreError>>;

    /// A page of deliveries without their payloads and attempts. It looks at a bounded number of
    /// records, so that whoever counts millions holds up nobody.
    fn outlines(
        self: Arc<Self>,
        query: DeliveryQuery,
    ) -> StoreFuture<Result<OutlinePage, StoreError>>;

    /// The same page in short: what is left out need not be read.
    fn delivery_summaries(
        self: Arc<Self>,
        query: DeliveryQuery,
    ) -> StoreFuture<Result<SummaryPage, StoreError>> {
        let page = self.deliveries(query);
        Box::pin(async move { Ok(page.await?.into()) })
    }

    /// At most `most` lanes of an endpoint that hold something or have stopped, by their keys, that
    /// come after `after`.
    fn lanes(
        self: Arc<Self>,
        endpoint: EndpointId,
        after: Option<OrderingKey>,
        most: usize,
    ) -> StoreFuture<Result<Vec<LaneRecord>, StoreError>>;

    /// The ordering key and the epoch of the lane that this endpoint's receiver knows by this name
    /// ([`LaneId::name`](postrider_engine::LaneId::name)); `None` if none is on record.
    fn lane_named(
        self: Arc<Self>,
        endpoint: EndpointId,
        name: String,
    ) -> StoreFuture<Result<Option<(OrderingKey, u64)>, StoreError>> {
        drop((endpoint, name));
        Box::pin(async { Ok(None) })
    }

    /// A page of the lanes in which something waits, by the age of what waits first in each, the oldest
    /// first.
    fn waiting_lanes(
        self: Arc<Self>,
        query: LaneQuery,
    ) -> StoreFuture<Result<LanePage, StoreError>>;

    /// The dead letters of a tenant, or of all, counted by endpoint and reason, in this order.
    fn dead_letter_groups(
        self: Arc<Self>,
        tenant: Option<TenantId>,
    ) -> StoreFuture<Result<Vec<DeadLetterGroup>, StoreError>>;

    /// What there is of a tenant, or of all, and its hours from the one in which `from` lies, as far
    /// as they begin before `until`.
    fn overview(
        self: Arc<Self>,
        tenant: Option<TenantId>,
        from: Wall,
        until: Wall,
    ) -> StoreFuture<Result<Overview, StoreError>>;

    /// What there is now of these tenants, in their order.
    fn tenant_counts(
        self: Arc<Self>,
        tenants: Vec<TenantId>,
    ) -> StoreFuture<Result<Vec<TenantCounts>, StoreError>>;

    /// What there is of these endpoints, in their order, with the sum of their hours from the one in
    /// which `from` lies, as far as they begin before `until`.
    fn endpoint_counts(
        self: Arc<Self>,
        endpoints: Vec<EndpointId>,
        from: Wall,
        until: Wall,
    ) -> StoreFuture<Result<Vec<EndpointCounts>, StoreError>>;

    /// A page of endpoints, oldest first.
    fn find_endpoints(
        self: Arc<Self>,
        query: EndpointQuery,
    ) -> StoreFuture<Result<EndpointPage, StoreError>>;

    /// The hours of an endpoint from the one in which `from` lies, as far as they begin before
    /// `until` and something happened in them, oldest first.
    fn hours(
        self: Arc<Self>,
        endpoint: EndpointId,
        from: Wall,
        until: Wall,
    ) -> StoreFuture<Result<Vec<Hour>, StoreError>>;

    /// The account of an endpoint; all zero for one that is not there.
    fn ledger(self: Arc<Self>, endpoint: EndpointId) -> StoreFuture<Result<Ledger, StoreError>>;

    /// When the oldest delivery that has not ended was accepted.
    fn oldest_pending(self: Arc<Self>) -> StoreFuture<Result<Option<Wall>, StoreError>>;

    /// How many bytes this store takes.
    fn size_bytes(self: Arc<Self>) -> StoreFuture<Result<u64, StoreError>>;

    /// What kind of store this is, and where it keeps what it has: for people.
    fn place(&self) -> StorePlace {
        StorePlace::default()
    }

    /// Makes a tiny change durable, as [`Store::commit`] would.
    fn probe(self: Arc<Self>) -> StoreFuture<Result<(), NotReady>>;

    /// Ends when the store cannot be used any more, with the reason: also if nobody asks anything of
    /// it. Never for a store that cannot fail by itself.
    fn failed(self: Arc<Self>) -> StoreFuture<StoreError> {
        Box::pin(std::future::pending())
    }

    /// Where replays are kept, if this store keeps any.
    fn replay_log(self: Arc<Self>) -> Option<Arc<dyn ReplayLog>> {
        None
    }

    /// Where records of whoever embeds this store are kept, if it has such a place.
    fn records(self: Arc<Self>) -> Option<Arc<dyn Records>> {
        None
    }

    /// Where it is kept who did what, if this store has such a place.
    fn audit_log(self: Arc<Self>) -> Option<Arc<dyn AuditLog>> {
        None
    }

    /// Where events are kept for later, if this store has such a place.
    fn agenda(self: Arc<Self>) -> Option<Arc<dyn Agenda>> {
        None
    }

    /// Where applications put events in their own transactions, if this store has such a place.
    fn outbox_source(self: Arc<Self>) -> Option<Arc<dyn OutboxSource>> {
        None
    }
}

/// The store could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store cannot be read: {0}")]
pub struct StoreError(pub String);
