//! What has been given to the store, and what counts against the store's bounds.

use crate::book::Book;
use postrider_engine::{BatchId, Change, DeliveryId, DeliveryState, EventId, Receipt};
use std::collections::BTreeMap;

#[derive(Default)]
pub(super) struct Room {
    /// What the store has not answered, and needs room.
    asked: BTreeMap<BatchId, Change>,
    /// Deliveries that have not ended, and dead letters.
    kept: usize,
    kept_bytes: usize,
}

impl Room {
    pub(super) fn started(&mut self) {
        self.asked.clear();
    }

    pub(super) fn asked(&mut self, batch: BatchId, change: &Change) {
        let needs_room = matches!(
            change,
            Change::Publish(_) | Change::AddEndpoint(_) | Change::Resend { .. }
        );
        if needs_room {
            self.asked.insert(batch, change.clone());
        }
    }

    pub(super) fn lost(&mut self, batch: BatchId) -> Option<Change> {
        self.asked.remove(&batch)
    }

    /// Payload bytes of the events that the store has not answered.
    pub(super) fn commit_bytes(&self) -> usize {
        let bytes = self.asked.values().map(|change| match change {
            Change::Publish(publish) => publish.event.payload.len(),
            _ => 0,
        });
        bytes.sum()
    }

    /// Endpoints that are being recorded.
    pub(super) fn registering(&self) -> usize {
        let is_new = |change: &&Change| matches!(change, Change::AddEndpoint(_));
        self.asked.values().filter(is_new).count()
    }

    /// Whether the store has room for it.
    pub(super) fn fits(&self, change: &Change, book: &Book) -> bool {
        let (count, bytes) = match change {
            Change::Publish(publish) => {
                let count = publish.deliveries.len();
                (count, count * publish.event.payload.len())
            }
            Change::Resend { of, .. } => (1, bytes_of(*of, book)),
            _ => (0, 0),
        };
        let bounds = book.plan.store_bounds();
        self.kept + count <= bounds.deliveries_max
            && self.kept_bytes + bytes <= bounds.payload_bytes_max
    }

    pub(super) fn durable(
        &mut self,
        change: &Change,
        receipt: &Receipt,
        book: &Book,
    ) -> Result<(), String> {
        let mine = self.asked.iter().find(|(_, asked)| same(asked, change));
        if let Some(batch) = mine.map(|(batch, _)| *batch) {
            self.asked.remove(&batch);
        }
        if let Receipt::Published(_) | Receipt::Resent(_) = receipt
            && !self.fits(change, book)
        {
            return Err("the store takes more than it has room for".to_owned());
        }
        match (change, receipt) {
            (Change::Publish(publish), Receipt::Published(_)) => {
                let count = publish.deliveries.len();
                self.kept += count;
                self.kept_bytes += count * publish.event.payload.len();
            }
            (Change::Resend { of, .. }, Receipt::Resent(_)) => {
                self.kept += 1;
                self.kept_bytes += bytes_of(*of, book);
                if is_dead(*of, book) {
                    self.leaves(*of, book);
                }
            }
            (Change::Attempted(end), Receipt::Applied)
                if end.state.is_end() && !matches!(end.state, DeliveryState::Failed(_)) =>
            {
                self.leaves(end.delivery, book);
            }
            (Change::Discard { delivery, .. }, Receipt::Discarded { was_pending, .. })
                if *was_pending || is_dead(*delivery, book) =>
            {
                self.leaves(*delivery, book);
            }
            (Change::DeleteEndpoint { endpoint, keep, .. }, Receipt::Applied) => {
                let pending = book.lanes_of(*endpoint);
                let pending = pending.flat_map(|(_, lane)| lane.pending.values());
                for id in pending.filter(|id| !keep.contains(id)) {
                    self.leaves(*id, book);
                }
            }
            _ => (),
        }
        Ok(())
    }

    fn leaves(&mut self, id: DeliveryId, book: &Book) {
        self.kept = self.kept.saturating_sub(1);
        self.kept_bytes = self.kept_bytes.saturating_sub(bytes_of(id, book));
    }
}

fn same(asked: &Change, change: &Change) -> bool {
    match (asked, change) {
        (Change::Publish(one), Change::Publish(other)) => one.event.id == other.event.id,
        (Change::AddEndpoint(one), Change::AddEndpoint(other)) => one.id == other.id,
        (Change::Resend { new: one, .. }, Change::Resend { new: other, .. }) => one == other,
        _ => false,
    }
}

fn is_dead(id: DeliveryId, book: &Book) -> bool {
    book.deliveries.get(&id).is_some_and(|page| page.is_dead())
}

fn bytes_of(id: DeliveryId, book: &Book) -> usize {
    let event: Option<EventId> = book.deliveries.get(&id).map(|page| page.event);
    let page = event.and_then(|event| book.events.get(&event));
    page.map_or(0, |page| page.event.payload.len())
}
