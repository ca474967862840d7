//! The store in memory.

mod audit;
mod event_outlines;
mod outlines;
mod overview;
mod pages;
mod records;
mod replays;

use super::{Store, StoreError, StoreFuture};
use crate::audit::AuditLog;
use crate::event_outline::{EventOutlinePage, EventOutlineQuery};
use crate::events::{EventCursor, EventPage, EventQuery, EventRecord};
use crate::history::{DeadLetterGroup, DeliveryPage, DeliveryQuery, Room, Statistics, accepted_at};
use crate::outline::OutlinePage;
use crate::overview::{EndpointCounts, EndpointPage, EndpointQuery, Overview, TenantCounts};
use crate::place::StorePlace;
use crate::readiness::NotReady;
use crate::reading::LaneRecord;
use crate::records::Records;
use crate::replay::{Replay, ReplayLog};
use crate::statistics::{Hour, MS_PER_HOUR};
use crate::waiting_lanes::{LanePage, LaneQuery};
use audit::Notes;
use bytes::Bytes;
use overview::Owners;
use postrider_engine::{
    Attempt, Change, CommitError, DeliveryId, DeliveryRecord, Endpoint, EndpointId, EventId,
    HeldLane, Ledger, Load, Loaded, MemoryBounds, Note, OrderingKey, Receipt, Recovered, ReplayId,
    TenantId, Wall,
};
use records::Kept;
use std::collections::BTreeMap;
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A store that is lost with the process: for tests, and for those who want no disk. Bounded:
/// when it is full, publishing is refused and nothing is dropped.
#[derive(Debug, Default)]
pub struct MemoryStore {
    held: Mutex<postrider_engine::MemoryStore>,
    hours: Mutex<Hours>,
    owners: Mutex<Owners>,
    replays: Mutex<BTreeMap<ReplayId, Replay>>,
    records: Mutex<Kept>,
    notes: Mutex<Notes>,
}

/// Hours that are kept, over all endpoints; the oldest go first.
const HOURS_MAX: usize = 2_000;

/// Statistics by hour and endpoint.
#[derive(Debug, Default)]
struct Hours(BTreeMap<(u64, EndpointId), Hour>);

impl MemoryStore {
    /// An empty store that holds so much.
    #[must_use]
    pub fn bounded(bounds: MemoryBounds) -> Self {
        Self {
            held: Mutex::new(postrider_engine::MemoryStore::bounded(bounds)),
            hours: Mutex::default(),
            owners: Mutex::default(),
            replays: Mutex::default(),
            records: Mutex::default(),
            notes: Mutex::default(),
        }
    }

    fn held(&self) -> MutexGuard<'_, postrider_engine::MemoryStore> {
        // A panic between two changes leaves whole changes only.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn counted(&self) -> MutexGuard<'_, Hours> {
        self.hours.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn owners(&self) -> MutexGuard<'_, Owners> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.commit_noted(changes, Vec::new())
    }

    fn commit_noted(
        self: Arc<Self>,
        changes: Vec<Change>,
        notes: Vec<(usize, Note)>,
    ) -> StoreFuture<Vec<Result<Receipt, CommitError>>> {
        let mut held = self.held();
        let mut hours = self.counted();
        let mut owners = self.owners();
        let mut kept = self.notes();
        let mut notes = notes.into_iter().peekable();
        let receipts: Vec<_> = changes
            .into_iter()
            .enumerate()
            .map(|(place, change)| {
                let note = notes.next_if(|(of, _)| *of == place);
                if let Change::AddEndpoint(endpoint) = &change {
                    owners.add(endpoint, &held, &hours);
                }
                let counted = Counted::of(&change, &held);
                let receipt = held.apply(change)?;
                hours.count(&counted, &receipt);
                if let Some((_, note)) = note.filter(|_| receipt.has_changed()) {
                    kept.keep(note);
                }
                Ok(receipt)
            })
            .collect();
        drop((held, hours, owners, kept));
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

    fn endpoints_of(
        self: Arc<Self>,
        tenant: TenantId,
        after: Option<EndpointId>,
        most: usize,
    ) -> StoreFuture<Result<Vec<Endpoint>, StoreError>> {
        self.answer(|held| {
            let theirs = held
                .endpoints()
                .filter(|endpoint| endpoint.spec.tenant == tenant && Some(endpoint.id) > after);
            theirs.take(most).cloned().collect()
        })
    }

    fn deliveries_of(
        self: Arc<Self>,
        event: EventId,
    ) -> StoreFuture<Result<Option<Vec<DeliveryRecord>>, StoreError>> {
        self.answer(|held| {
            let mut room = Room::new();
            let all = held.deliveries_of(event)?.into_iter();
            Some(all.map(|record| room.fit_record(record)).collect())
        })
    }

    fn event(self: Arc<Self>, id: EventId) -> StoreFuture<Result<Option<EventRecord>, StoreError>> {
        self.answer(|held| held.event(id).map(pages::event))
    }

    fn events(self: Arc<Self>, query: EventQuery) -> StoreFuture<Result<EventPage, StoreError>> {
        self.answer(|held| pages::events(held, &query))
    }

    fn event_outlines(
        self: Arc<Self>,
        query: EventOutlineQuery,
    ) -> StoreFuture<Result<EventOutlinePage, StoreError>> {
        self.answer(|held| event_outlines::page(held, &query))
    }

    fn newest_event(self: Arc<Self>) -> StoreFuture<Result<Option<EventCursor>, StoreError>> {
        self.answer(|held| held.events(..).next_back().map(|it| EventCursor(it.place)))
    }

    fn delivery(
        self: Arc<Self>,
        id: DeliveryId,
    ) -> StoreFuture<Result<Option<DeliveryRecord>, StoreError>> {
        self.answer(|held| held.delivery(id).map(|it| Room::new().fit_record(it)))
    }

    fn attempts(
        self: Arc<Self>,
        delivery: DeliveryId,
        after: u32,
        most: usize,
    ) -> StoreFuture<Result<Vec<Attempt>, StoreError>> {
        self.answer(|held| pages::attempts(held, (delivery, after, most)))
    }

    fn request_body(
        self: Arc<Self>,
        delivery: DeliveryId,
        number: u32,
    ) -> StoreFuture<Result<Option<Bytes>, StoreError>> {
        self.answer(|held| held.request_body(delivery, number))
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
            let mut room = Room::new();
            dead.take(most).map(|it| room.fit_record(it)).collect()
        })
    }

    fn deliveries(
        self: Arc<Self>,
        query: DeliveryQuery,
    ) -> StoreFuture<Result<DeliveryPage, StoreError>> {
        self.answer(|held| pages::deliveries(held, &query))
    }

    fn outlines(
        self: Arc<Self>,
        query: DeliveryQuery,
    ) -> StoreFuture<Result<OutlinePage, StoreError>> {
        self.answer(|held| outlines::page(held, &query))
    }

    fn lanes(
        self: Arc<Self>,
        endpoint: EndpointId,
        after: Option<OrderingKey>,
        most: usize,
    ) -> StoreFuture<Result<Vec<LaneRecord>, StoreError>> {
        self.answer(|held| {
            let lanes = held.held_lanes(endpoint);
            let lanes = lanes.filter(|lane| Some(lane.key) > after.as_ref());
            let record = |lane: HeldLane<'_>| LaneRecord {
                key: lane.key.clone(),
                pending: lane.pending,
                head: lane
                    .stopped_at
                    .or(lane.first)
                    .and_then(|id| held.delivery(id)),
                stopped_at: lane.stopped_at,
            };
            lanes.take(most).map(record).collect()
        })
    }

    fn lane_named(
        self: Arc<Self>,
        endpoint: EndpointId,
        name: String,
    ) -> StoreFuture<Result<Option<(OrderingKey, u64)>, StoreError>> {
        self.answer(move |held| held.lane_named(endpoint, &name))
    }

    fn waiting_lanes(
        self: Arc<Self>,
        query: LaneQuery,
    ) -> StoreFuture<Result<LanePage, StoreError>> {
        self.answer(|held| pages::waiting_lanes(held, &query))
    }

    fn dead_letter_groups(
        self: Arc<Self>,
        tenant: Option<TenantId>,
    ) -> StoreFuture<Result<Vec<DeadLetterGroup>, StoreError>> {
        self.answer(|held| pages::dead_letter_groups(held, tenant.as_ref()))
    }

    fn overview(
        self: Arc<Self>,
        tenant: Option<TenantId>,
        from: Wall,
        until: Wall,
    ) -> StoreFuture<Result<Overview, StoreError>> {
        self.answer(|held| {
            let (hours, owners) = (self.counted(), self.owners());
            overview::overview(held, (&hours, &owners), tenant.as_ref(), (from, until))
        })
    }

    fn tenant_counts(
        self: Arc<Self>,
        tenants: Vec<TenantId>,
    ) -> StoreFuture<Result<Vec<TenantCounts>, StoreError>> {
        self.answer(|held| overview::counts_of(held, &tenants))
    }

    fn endpoint_counts(
        self: Arc<Self>,
        endpoints: Vec<EndpointId>,
        from: Wall,
        until: Wall,
    ) -> StoreFuture<Result<Vec<EndpointCounts>, StoreError>> {
        self.answer(|held| {
            let hours = self.counted();
            let dead = overview::dead_letters(held);
            let counts = |endpoint: &EndpointId| EndpointCounts {
                ledger: held.ledger(*endpoint),
                dead_letters: dead.get(endpoint).copied().unwrap_or_default(),
                total: Statistics::of(hours.of(*endpoint, from, until), from).total,
            };
            endpoints.iter().map(counts).collect()
        })
    }

    fn find_endpoints(
        self: Arc<Self>,
        query: EndpointQuery,
    ) -> StoreFuture<Result<EndpointPage, StoreError>> {
        self.answer(|held| overview::find_endpoints(held, &query))
    }

    fn hours(
        self: Arc<Self>,
        endpoint: EndpointId,
        from: Wall,
        until: Wall,
    ) -> StoreFuture<Result<Vec<Hour>, StoreError>> {
        let found = self.counted().of(endpoint, from, until);
        Box::pin(ready(Ok(found)))
    }

    fn ledger(self: Arc<Self>, endpoint: EndpointId) -> StoreFuture<Result<Ledger, StoreError>> {
        self.answer(|held| held.ledger(endpoint))
    }

    fn oldest_pending(self: Arc<Self>) -> StoreFuture<Result<Option<Wall>, StoreError>> {
        self.answer(|held| held.oldest_pending().map(accepted_at))
    }

    fn size_bytes(self: Arc<Self>) -> StoreFuture<Result<u64, StoreError>> {
        self.answer(|held| held.payload_bytes() as u64)
    }

    fn place(&self) -> StorePlace {
        StorePlace {
            kind: "memory",
            path: None,
        }
    }

    fn probe(self: Arc<Self>) -> StoreFuture<Result<(), NotReady>> {
        let is_full = self.held().is_full();
        Box::pin(ready(if is_full { Err(NotReady::Full) } else { Ok(()) }))
    }

    fn replay_log(self: Arc<Self>) -> Option<Arc<dyn ReplayLog>> {
        Some(self)
    }

    fn records(self: Arc<Self>) -> Option<Arc<dyn Records>> {
        Some(self)
    }

    fn audit_log(self: Arc<Self>) -> Option<Arc<dyn AuditLog>> {
        Some(self)
    }
}

/// What a change adds to the statistics, if it is made.
enum Counted {
    Accepted(Vec<EndpointId>, Wall),
    Attempted(Arc<postrider_engine::Attempted>, Wall),
    Resent(Wall),
    Discarded(Wall),
    Gone(EndpointId, u64, Wall),
    Nothing,
}

impl Counted {
    fn of(change: &Change, held: &postrider_engine::MemoryStore) -> Self {
        match change {
            Change::Publish(publish) => {
                let to = publish.deliveries.iter().map(|new| new.lane.endpoint);
                Self::Accepted(to.collect(), publish.event.published_at)
            }
            Change::Attempted(end) => {
                let at = end.attempt.started_at.0 + end.attempt.duration_ms;
                Self::Attempted(Arc::clone(end), Wall(at))
            }
            Change::Resend { at, .. } | Change::Backfill { at, .. } => Self::Resent(*at),
            Change::Discard { at, .. } => Self::Discarded(*at),
            Change::DeleteEndpoint { endpoint, keep, at } => {
                let pending = held.pending(*endpoint);
                let kept = keep.iter().filter_map(|id| held.delivery(*id));
                let kept = kept.filter(|it| it.lane.endpoint == *endpoint && !it.state.is_end());
                Self::Gone(*endpoint, pending - kept.count() as u64, *at)
            }
            Change::AddEndpoint(_) | Change::ChangeEndpoint(_) | Change::RetryNow { .. } => {
                Self::Nothing
            }
        }
    }
}

impl Hours {
    /// The hours of an endpoint, oldest first.
    fn of(&self, endpoint: EndpointId, from: Wall, until: Wall) -> Vec<Hour> {
        let between = from.0 / MS_PER_HOUR..until.0.div_ceil(MS_PER_HOUR);
        let found = self.0.iter();
        let found = found.filter(|((hour, of), _)| *of == endpoint && between.contains(hour));
        found.map(|(_, hour)| hour.clone()).collect()
    }

    fn at(&mut self, endpoint: EndpointId, at: Wall) -> &mut Hour {
        if self.0.len() > HOURS_MAX {
            self.0.pop_first();
        }
        let hour = at.0 / MS_PER_HOUR;
        let new = || Hour::new(Wall(hour * MS_PER_HOUR));
        self.0.entry((hour, endpoint)).or_insert_with(new)
    }

    fn count(&mut self, counted: &Counted, receipt: &Receipt) {
        match (counted, receipt) {
            (Counted::Accepted(to, at), Receipt::Published(_)) => {
                for endpoint in to {
                    self.at(*endpoint, *at).accepted += 1;
                }
            }
            (Counted::Attempted(end, at), Receipt::Applied) => {
                let hour = self.at(end.lane.endpoint, *at);
                hour.attempted(&end.attempt);
                if end.state.is_end() {
                    hour.ended(end.state);
                }
            }
            (Counted::Resent(at), Receipt::Resent(placed) | Receipt::Backfilled(placed)) => {
                self.at(placed.lane.endpoint, *at).accepted += 1;
            }
            (
                Counted::Discarded(at),
                Receipt::Discarded {
                    placed,
                    was_pending: true,
                },
            ) => self.at(placed.lane.endpoint, *at).discarded += 1,
            (Counted::Gone(endpoint, pending, at), _) if *pending > 0 => {
                self.at(*endpoint, *at).discarded += pending;
            }
            _ => (),
        }
    }
}
