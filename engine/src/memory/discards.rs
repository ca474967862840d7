//! What is given up by hand.

use super::MemoryStore;
use crate::batch::{Placed, Receipt, Refusal};
use crate::delivery::DeliveryState;
use crate::id::DeliveryId;
use crate::time::Wall;

impl MemoryStore {
    /// A delivery is given up; if only a dead letter is asked for, nothing else.
    pub(super) fn discard(&mut self, id: DeliveryId, dead: bool, at: Wall) -> Receipt {
        let Some(delivery) = self.deliveries.get_mut(&id) else {
            return Receipt::Refused(Refusal::NoSuchDelivery);
        };
        let payload = delivery.event.payload.len();
        let placed = Placed {
            delivery: id,
            event: delivery.event.id,
            lane: (*delivery.lane).clone(),
            seq: delivery.seq,
            ordinal: delivery.ordinal,
            payload_bytes: u32::try_from(payload).unwrap_or(u32::MAX),
        };
        match delivery.state {
            DeliveryState::Delivered | DeliveryState::Discarded => {
                Receipt::Refused(Refusal::AlreadyEnded)
            }
            DeliveryState::Pending | DeliveryState::Retrying { .. } if dead => {
                Receipt::Refused(Refusal::StillPending)
            }
            DeliveryState::Failed(_) if dead && !delivery.is_dead() => {
                Receipt::Refused(Refusal::AlreadyResent)
            }
            DeliveryState::Pending | DeliveryState::Retrying { .. } => {
                self.end(id, DeliveryState::Discarded, at);
                Receipt::Discarded {
                    placed,
                    was_pending: true,
                }
            }
            DeliveryState::Failed(_) => {
                let was_dead = delivery.is_dead();
                delivery.state = DeliveryState::Discarded;
                if let Some(ledger) = self.ledgers.get_mut(&placed.lane.endpoint) {
                    ledger.failed -= 1;
                    ledger.discarded += 1;
                }
                if let Some(lane) = self.lanes.get_mut(&placed.lane)
                    && lane.stopped_at.is_some_and(|(_, at)| at == id)
                {
                    lane.stopped_at = None;
                    self.forget_idle(&placed.lane);
                }
                if was_dead {
                    self.retire(id, payload);
                }
                Receipt::Discarded {
                    placed,
                    was_pending: false,
                }
            }
        }
    }
}
