//! What waits no longer.

use super::MemoryStore;
use crate::batch::{Placed, Receipt, Refusal};
use crate::delivery::DeliveryState;
use crate::id::{DeliveryId, EndpointId};
use crate::time::Wall;

impl MemoryStore {
    pub(super) fn retry_now(
        &mut self,
        id: DeliveryId,
        with: &[DeliveryId],
        (ordered, at): (bool, Wall),
    ) -> Receipt {
        let Some(delivery) = self.deliveries.get_mut(&id) else {
            return Receipt::Refused(Refusal::NoSuchDelivery);
        };
        if delivery.state.is_end() {
            return Receipt::Refused(Refusal::AlreadyEnded);
        }
        let lane = self.lanes.get(&delivery.lane);
        let first = lane.and_then(|lane| lane.pending.values().next());
        if let Some(head) = first.filter(|head| ordered && **head != id) {
            return Receipt::Refused(Refusal::BehindHead(*head));
        }
        delivery.state = due_by(delivery.state, at);
        let payload = delivery.event.payload.len();
        let placed = Placed {
            delivery: id,
            event: delivery.event.id,
            lane: (*delivery.lane).clone(),
            seq: delivery.seq,
            ordinal: delivery.ordinal,
            payload_bytes: u32::try_from(payload).unwrap_or(u32::MAX),
        };
        self.be_due(with, at);
        Receipt::Due(placed)
    }

    /// What is to be retried later than `at` is due then.
    pub(super) fn make_due(&mut self, endpoint: EndpointId, at: Wall) {
        let pending: Vec<DeliveryId> = self
            .lanes_of(endpoint)
            .flat_map(|(_, lane)| lane.pending.values().copied())
            .collect();
        self.be_due(&pending, at);
    }

    fn be_due(&mut self, deliveries: &[DeliveryId], at: Wall) {
        for id in deliveries {
            if let Some(delivery) = self.deliveries.get_mut(id) {
                delivery.state = due_by(delivery.state, at);
            }
        }
    }
}

fn due_by(state: DeliveryState, at: Wall) -> DeliveryState {
    match state {
        DeliveryState::Retrying { due } => DeliveryState::Retrying { due: due.min(at) },
        other => other,
    }
}
