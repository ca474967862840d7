//! Deliveries that are made anew.

use super::{MemoryStore, Resends, StoredDelivery};
use crate::batch::{CommitError, Placed, Receipt, Refusal};
use crate::delivery::Spot;
use crate::id::{DeliveryId, ReplayId};

impl MemoryStore {
    pub(super) fn resend(
        &mut self,
        of: DeliveryId,
        new: DeliveryId,
        replay: Option<ReplayId>,
    ) -> Result<Receipt, CommitError> {
        let Some(original) = self.deliveries.get(&of) else {
            return Ok(Receipt::Refused(Refusal::NoSuchDelivery));
        };
        if !original.state.is_end() {
            return Ok(Receipt::Refused(Refusal::StillPending));
        }
        if replay.is_some() && self.replayed_by(original) == replay {
            return Ok(Receipt::Stale);
        }
        let lane = original.lane.clone();
        if !self.endpoints.contains_key(&lane.endpoint) {
            return Ok(Receipt::Refused(Refusal::NoSuchEndpoint(lane.endpoint)));
        }
        let event = original.event.clone();
        let was_dead = original.is_dead();
        let ordinal = original.ordinal;
        self.make_room(1, event.payload.len())?;
        let resends = Resends {
            of: Some(of),
            by: None,
            replay,
        };
        let made_by = Some((resends, ordinal));
        let Spot { seq, ordinal } = self.enqueue(new, &lane, &event, made_by);
        if let Some(stored) = self.events.get_mut(&event.id) {
            stored.deliveries.push(new);
        }
        if let Some(original) = self.deliveries.get_mut(&of) {
            original.resends.get_or_insert_default().by = Some(new);
        }
        if was_dead {
            self.retire(of, event.payload.len());
        }
        let payload_bytes = u32::try_from(event.payload.len()).unwrap_or(u32::MAX);
        Ok(Receipt::Resent(Placed {
            delivery: new,
            event: event.id,
            lane: (*lane).clone(),
            seq,
            ordinal,
            payload_bytes,
        }))
    }

    /// The replay that has made it anew, if that is how it was made anew last.
    fn replayed_by(&self, original: &StoredDelivery) -> Option<ReplayId> {
        let by = original.resends.as_ref()?.by?;
        self.deliveries.get(&by)?.resends.as_ref()?.replay
    }
}
