//! The sender's disk: what the store holds outlives its process, and each change becomes durable
//! at one moment that the trace shows.

use super::stage::{Stage, State, Who};
use crate::chance::Chance;
use crate::plan::{self, When};
use crate::shadow::{Cut, Shadow};
use crate::trace::What;
use bytes::Bytes;
use postrider::engine::{
    Attempt, BatchId, Change, CommitError, Load, Loaded, MemoryStore, Outcome, Phase, Receipt,
    Recovered, Wall,
};
use postrider::records::Records;
use postrider::store::{Store, StoreError, StoreFuture};
use postrider::{
    DeadLetterGroup, DeliveryId, DeliveryPage, DeliveryQuery, DeliveryRecord, Endpoint,
    EndpointCounts, EndpointId, EndpointPage, EndpointQuery, EventCursor, EventId, EventPage,
    EventQuery, EventRecord, FailureKind, Hour, LaneRecord, Ledger, NotReady, OrderingKey,
    OutlinePage, Overview, TenantCounts, TenantId,
};
use std::future::ready;
use std::sync::Arc;

/// What the disk holds, and how it behaves.
pub(super) struct Disk {
    pub(super) held: MemoryStore,
    pace: plan::Disk,
    chance: Chance,
    /// The changes that are being written together.
    group: Vec<(BatchId, Change)>,
    group_number: u64,
    /// The group is written and not yet synced.
    syncing: bool,
    /// The write of the group has failed somewhere.
    torn: bool,
    /// The engine's number of the next change of this life.
    next_batch: u64,
    /// Whether nothing fits at all, if not all fits.
    pub(super) full: Option<bool>,
    pub(super) slow_ms: u64,
    pub(super) write_error: bool,
    pub(super) read_error: bool,
    /// The real store, if the plan has it.
    real: Option<Shadow>,
    /// What the real store has done that it must not do.
    pub(super) broke: Option<String>,
}

/// The store that the sender is given.
pub(super) struct DiskStore(pub(super) Arc<Stage>);

/// How long something takes, and what strikes while it does.
struct Work {
    spans_ms: [u64; 2],
    strikes: Vec<(u64, usize)>,
}

impl Disk {
    pub(super) fn new(pace: plan::Disk, bounds: plan::StoreBounds, chance: Chance) -> Self {
        let (real, broke) = Shadow::of(pace.real, chance);
        Self {
            held: MemoryStore::bounded(bounds.bounds()),
            pace,
            chance,
            group: Vec::new(),
            group_number: 0,
            syncing: false,
            torn: false,
            next_batch: 0,
            full: None,
            slow_ms: 0,
            write_error: false,
            read_error: false,
            real,
            broke,
        }
    }

    /// Asks the real store, if it is there and has not broken its word.
    fn ask(&mut self, ask: impl FnOnce(&mut Shadow) -> Result<(), String>) {
        if let Some(real) = &mut self.real
            && self.broke.is_none()
        {
            self.broke = ask(real).err();
        }
    }

    fn load(&mut self, load: &Load) -> Loaded {
        let loaded = self.held.load(load);
        self.ask(|real| real.load(load, &loaded));
        loaded
    }

    fn start(&mut self) -> Recovered {
        let recovered = self.held.recover();
        self.ask(|real| real.recover(&recovered));
        recovered
    }

    /// A process begins to number its changes.
    pub(super) fn begin_life(&mut self) {
        self.next_batch = 0;
    }

    fn begin(&mut self, changes: Vec<Change>) -> [u64; 2] {
        self.group_number += 1;
        self.syncing = false;
        for change in changes {
            self.next_batch += 1;
            self.group.push((BatchId(self.next_batch), change));
        }
        let mut rolls = self.chance.of("commit", self.group_number, 0);
        let write_ms = rolls.up_to(self.pace.write_max_ms);
        [write_ms, rolls.up_to(self.pace.sync_max_ms) + self.slow_ms]
    }

    fn fits(&self, change: &Change) -> bool {
        self.full
            .is_none_or(|wholly| !wholly && !change.makes_more())
    }

    fn apply(&mut self, change: &Change) -> Result<Receipt, CommitError> {
        if self.fits(change) {
            self.held.apply(change.clone())
        } else {
            Err(CommitError::Full)
        }
    }

    /// The real store ends with the group under way: how much of it is durable, if it is asked.
    fn cut_off(&mut self, power: bool) -> Option<usize> {
        let fitting = self.group.iter().map(|(_, change)| change);
        let fitting = fitting.filter(|change| self.fits(change)).cloned();
        let fitting: Vec<Change> = fitting.collect();
        let cut = match power {
            _ if self.torn => Cut::Failure,
            true => Cut::PowerLoss,
            false => Cut::Kill,
        };
        match self.real.as_mut()?.end(&fitting, cut) {
            Ok(true) => Some(self.group.len()),
            Ok(false) => Some(0),
            Err(said) => {
                self.broke.get_or_insert(said);
                Some(0)
            }
        }
    }

    /// The process ends: what is left of the group becomes durable, the rest is lost.
    pub(super) fn lose(&mut self, power: bool) -> (Vec<(Change, Receipt)>, Vec<BatchId>) {
        let mut rolls = self.chance.of("crash", self.group_number, 0);
        let whole = self.group.len();
        let asked = self.cut_off(power);
        let left = if let Some(left) = asked {
            left
        } else if power || self.torn || !self.syncing {
            usize::try_from(rolls.up_to(whole as u64)).unwrap_or(whole)
        } else {
            whole
        };
        let mut durable = Vec::new();
        let mut lost = Vec::new();
        for (place, (batch, change)) in std::mem::take(&mut self.group).into_iter().enumerate() {
            let receipt = (place < left).then(|| self.apply(&change));
            match receipt {
                Some(Ok(receipt)) => durable.push((change, receipt)),
                // What finds no room was never written.
                Some(Err(_)) | None => lost.push(batch),
            }
        }
        if asked.is_some_and(|left| left > 0) {
            self.ask(|real| real.adopt(&durable));
        }
        self.torn = false;
        self.write_error = false;
        self.read_error = false;
        (durable, lost)
    }
}

impl State {
    /// A change is durable.
    pub(super) fn durable(&mut self, change: Change, receipt: Receipt) {
        match (&change, &receipt) {
            (Change::Publish(publish), Receipt::Published(_)) => {
                let made = publish.deliveries.iter().map(|delivery| delivery.id);
                self.deliveries.extend(made);
            }
            (Change::Resend { new, .. }, Receipt::Resent(_)) => self.deliveries.push(*new),
            (Change::AddEndpoint(endpoint), Receipt::Applied) => {
                self.known_endpoints.push(endpoint.id);
            }
            _ => (),
        }
        // The engine gives a request up before or after these, and its task ends a little later:
        // other tasks may be first. The trace has it where it belongs.
        match change {
            Change::Attempted(ref end) if is_unanswered(&end.attempt.outcome) => {
                self.given_up(end.delivery, end.attempt.number);
                self.note(What::Durable { change, receipt });
            }
            Change::Discard { delivery, .. } => {
                // Of an endpoint that is deleted the engine lets the request finish.
                let is_there = match &receipt {
                    Receipt::Discarded { placed, .. } => {
                        self.disk.held.endpoint(placed.lane.endpoint).is_some()
                    }
                    _ => false,
                };
                self.note(What::Durable { change, receipt });
                let of_it = |(id, _): &&(DeliveryId, u32)| is_there && *id == delivery;
                let under_way: Vec<_> = self.under_way.iter().filter(of_it).copied().collect();
                for (delivery, number) in under_way {
                    self.given_up(delivery, number);
                }
            }
            change => self.note(What::Durable { change, receipt }),
        }
    }

    /// The group is synced.
    fn synced(&mut self) -> Vec<Result<Receipt, CommitError>> {
        if self.disk.write_error {
            self.disk.torn = true;
            let failed = || Err(CommitError::Failed("input/output error".to_owned()));
            return self.disk.group.iter().map(|_| failed()).collect();
        }
        let group = std::mem::take(&mut self.disk.group);
        let mut receipts = Vec::with_capacity(group.len());
        let mut made = Vec::new();
        for (batch, change) in group {
            let receipt = self.disk.apply(&change);
            if let Ok(receipt) = &receipt {
                made.push((change.clone(), receipt.clone()));
            }
            match &receipt {
                Ok(receipt) => self.durable(change, receipt.clone()),
                Err(error) => self.note(What::NotDurable {
                    batch,
                    error: error.clone(),
                }),
            }
            receipts.push(receipt);
        }
        self.disk.ask(|real| real.commit(&made));
        receipts
    }

    fn strikes_at(&mut self, when: When, stage: &Stage) -> Vec<(u64, usize)> {
        let most = stage.plan.disk.write_max_ms + stage.plan.disk.sync_max_ms;
        let due = self.counted.remove(&when).unwrap_or_default();
        let in_ms = |index: usize| stage.chance.of("strike", index as u64, 0).up_to(most);
        due.into_iter().map(|index| (in_ms(index), index)).collect()
    }
}

fn is_unanswered(outcome: &Outcome) -> bool {
    let Outcome::Failure(failure) = outcome else {
        return false;
    };
    failure.kind == FailureKind::Timeout(Phase::Unanswered)
}

impl DiskStore {
    fn begin_commit(&self, changes: Vec<Change>) -> Work {
        let mut state = self.0.state();
        let mut strikes = Vec::new();
        for _ in &changes {
            state.counts.commits += 1;
            let when = When::Commit(state.counts.commits);
            strikes.extend(state.strikes_at(when, &self.0));
        }
        Work {
            spans_ms: state.disk.begin(changes),
            strikes,
        }
    }

    fn begin_load(&self, load: &Load) -> (Work, bool) {
        let mut state = self.0.state();
        state.note(What::LoadAsked(load.clone()));
        state.counts.loads += 1;
        let number = state.counts.loads;
        let strikes = state.strikes_at(When::Load(number), &self.0);
        let mut rolls = self.0.chance.of("read", number, 0);
        let read_ms = rolls.up_to(state.disk.pace.write_max_ms);
        let work = Work {
            spans_ms: [read_ms, 0],
            strikes,
        };
        (work, rolls.percent(50))
    }

    /// Time passes, and what strikes meanwhile strikes.
    async fn work(&self, mut work: Work, between: impl Fn(&mut State)) {
        work.strikes.sort_unstable();
        let mut strikes = work.strikes.into_iter().peekable();
        let mut at_ms = 0;
        let mut end_ms = 0;
        for span_ms in work.spans_ms {
            end_ms += span_ms;
            while let Some((in_ms, index)) = strikes.next_if(|(in_ms, _)| *in_ms <= end_ms) {
                self.0.sleep_ms(in_ms.saturating_sub(at_ms)).await;
                at_ms = at_ms.max(in_ms);
                self.0.strike(index);
                self.0.still_alive(Who::Sender).await;
            }
            self.0.sleep_ms(end_ms - at_ms).await;
            at_ms = end_ms;
            between(&mut self.0.state());
        }
        for (_, index) in strikes {
            self.0.strike(index);
        }
        self.0.still_alive(Who::Sender).await;
    }

    async fn commit(self: Arc<Self>, changes: Vec<Change>) -> Vec<Result<Receipt, CommitError>> {
        let work = self.begin_commit(changes);
        self.work(work, |state| state.disk.syncing = true).await;
        self.0.state().synced()
    }

    async fn load(self: Arc<Self>, load: Load) -> Result<Loaded, StoreError> {
        let (work, at_end) = self.begin_load(&load);
        let begun = (!at_end).then(|| self.0.state().disk.load(&load));
        self.work(work, |_| ()).await;
        let mut state = self.0.state();
        if state.disk.read_error {
            return Err(StoreError("input/output error".to_owned()));
        }
        let loaded = begun.unwrap_or_else(|| state.disk.load(&load));
        state.note(What::Loaded {
            lane: loaded.lane.clone(),
            deliveries: loaded.deliveries.len(),
            through: loaded.through,
        });
        Ok(loaded)
    }

    /// The engine's clock begins with what this returns.
    fn recover(&self) -> Result<Recovered, StoreError> {
        let mut state = self.0.state();
        if state.disk.read_error {
            return Err(StoreError("input/output error".to_owned()));
        }
        state.born_ms = Some(state.now_ms());
        Ok(state.disk.start())
    }

    fn answer<T: Send + 'static>(
        &self,
        read: impl FnOnce(&MemoryStore) -> T,
    ) -> StoreFuture<Result<T, StoreError>> {
        Box::pin(ready(Ok(read(&self.0.state().disk.held))))
    }
}

impl Store for DiskStore {
    fn recover(self: Arc<Self>) -> StoreFuture<Result<Recovered, StoreError>> {
        Box::pin(ready(DiskStore::recover(&self)))
    }

    fn commit(
        self: Arc<Self>,
        changes: Vec<Change>,
    ) -> StoreFuture<Vec<Result<Receipt, CommitError>>> {
        let stage = Arc::clone(&self.0);
        Box::pin(async move {
            let work = DiskStore::commit(self, changes);
            stage.alive(Who::Sender, work).await
        })
    }

    fn load(self: Arc<Self>, load: Load) -> StoreFuture<Result<Loaded, StoreError>> {
        let stage = Arc::clone(&self.0);
        Box::pin(async move {
            let work = DiskStore::load(self, load);
            stage.alive(Who::Sender, work).await
        })
    }

    fn records(self: Arc<Self>) -> Option<Arc<dyn Records>> {
        Some(self.0.door.records())
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
        _: TenantId,
        _: Option<EndpointId>,
        _: usize,
    ) -> StoreFuture<Result<Vec<Endpoint>, StoreError>> {
        Box::pin(ready(Err(no_history())))
    }

    fn lanes(
        self: Arc<Self>,
        _: EndpointId,
        _: Option<OrderingKey>,
        _: usize,
    ) -> StoreFuture<Result<Vec<LaneRecord>, StoreError>> {
        Box::pin(ready(Err(no_history())))
    }

    fn dead_letter_groups(
        self: Arc<Self>,
        _: Option<TenantId>,
    ) -> StoreFuture<Result<Vec<DeadLetterGroup>, StoreError>> {
        Box::pin(ready(Err(no_history())))
    }

    fn overview(
        self: Arc<Self>,
        _: Option<TenantId>,
        _: Wall,
        _: Wall,
    ) -> StoreFuture<Result<Overview, StoreError>> {
        Box::pin(ready(Err(no_history())))
    }

    fn tenant_counts(
        self: Arc<Self>,
        _: Vec<TenantId>,
    ) -> StoreFuture<Result<Vec<TenantCounts>, StoreError>> {
        Box::pin(ready(Err(no_history())))
    }

    fn endpoint_counts(
        self: Arc<Self>,
        _: Vec<EndpointId>,
        _: Wall,
        _: Wall,
    ) -> StoreFuture<Result<Vec<EndpointCounts>, StoreError>> {
        Box::pin(ready(Err(no_history())))
    }

    fn find_endpoints(
        self: Arc<Self>,
        _: EndpointQuery,
    ) -> StoreFuture<Result<EndpointPage, StoreError>> {
        Box::pin(ready(Err(no_history())))
    }

    fn deliveries_of(
        self: Arc<Self>,
        event: EventId,
    ) -> StoreFuture<Result<Option<Vec<DeliveryRecord>>, StoreError>> {
        self.answer(|held| held.deliveries_of(event))
    }

    fn event(self: Arc<Self>, _: EventId) -> StoreFuture<Result<Option<EventRecord>, StoreError>> {
        Box::pin(ready(Err(no_history())))
    }

    fn events(self: Arc<Self>, _: EventQuery) -> StoreFuture<Result<EventPage, StoreError>> {
        Box::pin(ready(Err(no_history())))
    }

    fn newest_event(self: Arc<Self>) -> StoreFuture<Result<Option<EventCursor>, StoreError>> {
        Box::pin(ready(Err(no_history())))
    }

    fn delivery(
        self: Arc<Self>,
        id: DeliveryId,
    ) -> StoreFuture<Result<Option<DeliveryRecord>, StoreError>> {
        self.answer(|held| held.delivery(id))
    }

    fn attempts(
        self: Arc<Self>,
        _: DeliveryId,
        _: u32,
        _: usize,
    ) -> StoreFuture<Result<Vec<Attempt>, StoreError>> {
        Box::pin(ready(Err(no_history())))
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
            dead.take(most).collect()
        })
    }

    fn deliveries(
        self: Arc<Self>,
        _: DeliveryQuery,
    ) -> StoreFuture<Result<DeliveryPage, StoreError>> {
        Box::pin(ready(Err(no_history())))
    }

    fn outlines(self: Arc<Self>, _: DeliveryQuery) -> StoreFuture<Result<OutlinePage, StoreError>> {
        Box::pin(ready(Err(no_history())))
    }

    fn hours(
        self: Arc<Self>,
        _: EndpointId,
        _: Wall,
        _: Wall,
    ) -> StoreFuture<Result<Vec<Hour>, StoreError>> {
        Box::pin(ready(Err(no_history())))
    }

    fn oldest_pending(self: Arc<Self>) -> StoreFuture<Result<Option<Wall>, StoreError>> {
        Box::pin(ready(Err(no_history())))
    }

    fn size_bytes(self: Arc<Self>) -> StoreFuture<Result<u64, StoreError>> {
        Box::pin(ready(Err(no_history())))
    }

    fn probe(self: Arc<Self>) -> StoreFuture<Result<(), NotReady>> {
        Box::pin(ready(Ok(())))
    }

    fn ledger(self: Arc<Self>, endpoint: EndpointId) -> StoreFuture<Result<Ledger, StoreError>> {
        self.answer(|held| held.ledger(endpoint))
    }
}

/// Nobody in the simulation reads as people do.
fn no_history() -> StoreError {
    StoreError("the simulation keeps no history".to_owned())
}
