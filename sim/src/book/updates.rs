//! What changes for an endpoint, and what waits no longer.

use super::{Book, first_lane};
use crate::book::LanePage;
use crate::trace::Wire;
use postrider_engine::{
    Change, DeliveryId, DeliveryState, EndpointId, EndpointUpdate, LaneId, Ordering, Wall,
};
use std::sync::Arc;

impl Book {
    /// Whether the next attempt of a delivery was asked for and has not left.
    #[must_use]
    pub fn is_urgent(&self, delivery: DeliveryId) -> bool {
        self.urgent.contains(&delivery)
    }

    pub(super) fn updated(&mut self, update: &EndpointUpdate, at_ms: u64) {
        let Some(page) = self.endpoints.get_mut(&update.endpoint) else {
            return;
        };
        page.changed_ms = at_ms;
        let record = &mut page.durable;
        let mut is_reordered = false;
        if let Some(spec) = &update.spec {
            if spec.ordering != record.spec.ordering {
                is_reordered = true;
                let of_it = |(id, _): &(&LaneId, &mut LanePage)| id.endpoint == update.endpoint;
                let lanes = self.lanes.range_mut(first_lane(update.endpoint)..);
                for (_, lane) in lanes.take_while(of_it) {
                    lane.unordered = true;
                }
            }
            record.spec = Arc::clone(spec);
        }
        if let Some(secrets) = &update.secrets {
            record.secrets.clone_from(secrets);
        }
        if update.spec.is_some() || update.secrets.is_some() {
            record.revision += 1;
        }
        record.status = update.status.unwrap_or(record.status);
        record.health = update.health.unwrap_or(record.health);
        if let Some(at) = update.due {
            record.health.cut(at);
            for id in self.pending_of(update.endpoint) {
                self.is_due(id, at);
            }
        }
        if is_reordered {
            // Another one than was asked for may be the next.
            for id in self.pending_of(update.endpoint) {
                self.urgent.remove(&id);
            }
        }
    }

    fn pending_of(&self, endpoint: EndpointId) -> Vec<DeliveryId> {
        let lanes = self.lanes_of(endpoint);
        let pending = lanes.flat_map(|(_, lane)| lane.pending.values().copied());
        pending.collect()
    }

    /// A delivery is due at this time, if it was due later.
    fn is_due(&mut self, id: DeliveryId, at: Wall) {
        if let Some(page) = self.deliveries.get_mut(&id)
            && let DeliveryState::Retrying { due } = &mut page.state
        {
            *due = at.min(*due);
        }
    }

    /// Its next attempt was asked for; or one is under way already.
    pub(super) fn hurried(&mut self, change: &Change) {
        let Change::RetryNow {
            delivery, with, at, ..
        } = change
        else {
            return;
        };
        let id = *delivery;
        for due in std::iter::once(delivery).chain(with) {
            self.is_due(*due, *at);
        }
        let is_under_way = self.in_flight.contains_key(&id) || self.recording.contains_key(&id);
        if !is_under_way && self.may_go_first(id) {
            self.urgent.insert(id);
        }
    }

    /// Whether its lane lets it go first: that may be otherwise since it was asked for.
    fn may_go_first(&self, id: DeliveryId) -> bool {
        let Some(page) = self.deliveries.get(&id) else {
            return false;
        };
        let lane = self.lanes.get(&page.lane);
        let Some(lane) = lane.filter(|lane| lane.stopped_at.is_none()) else {
            return false;
        };
        let owner = self.endpoints.get(&page.lane.endpoint);
        let ordered = owner.is_some_and(|it| it.durable.spec.ordering == Ordering::Fifo);
        !ordered || lane.pending.values().next() == Some(&id)
    }

    /// A request leaves: whether its attempt was asked for. Those of a batch leave together.
    pub(super) fn leaves_urgently(&mut self, wire: &Wire) -> bool {
        if self.urgent.remove(&wire.delivery) {
            return true;
        }
        let first = self.in_flight.get(&wire.request());
        first.is_some_and(|first| !wire.is_first() && first.urgent)
    }
}
