//! Deliveries of events that an endpoint has missed.

use super::events::StoredEvent;
use super::{MemoryStore, Resends};
use crate::batch::{CommitError, Placed, Receipt, Refusal};
use crate::delivery::{LaneId, Spot};
use crate::endpoint::Endpoint;
use crate::id::{DeliveryId, EndpointId, EventId, ReplayId};
use crate::names::OrderingKey;
use std::sync::Arc;

/// The calendar may have been set back by so much between the publishing of an event and the
/// registration of an endpoint: which of the two was first is not known then.
const SET_BACK_MS: u64 = 3_600_000;

/// Whether an endpoint has had an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Had {
    /// It has not.
    Nothing,
    /// It has, or may have had: records of the event's deliveries were dropped, and the endpoint was
    /// there when it was published.
    Delivery,
    /// It was given it later, by this replay.
    Backfilled(ReplayId),
}

impl MemoryStore {
    pub(super) fn backfill(
        &mut self,
        event: EventId,
        (endpoint, ordered): (EndpointId, bool),
        (new, replay): (DeliveryId, ReplayId),
    ) -> Result<Receipt, CommitError> {
        let Some(owner) = self.endpoints.get(&endpoint) else {
            return Ok(Receipt::Refused(Refusal::NoSuchEndpoint(endpoint)));
        };
        let stored = self.events.get(&event);
        let theirs = stored.filter(|it| it.event.tenant == owner.spec.tenant);
        let Some(stored) = theirs else {
            return Ok(Receipt::Refused(Refusal::NoSuchEvent));
        };
        if self.had_by(stored, owner) != Had::Nothing {
            return Ok(Receipt::Refused(Refusal::AlreadyReached));
        }
        if stored.addressed {
            return Ok(Receipt::Refused(Refusal::Addressed));
        }
        let event = Arc::clone(&stored.event);
        let key = match ordered {
            true => event.ordering_key.clone(),
            false => OrderingKey::none(),
        };
        let lane = LaneId { endpoint, key };
        self.make_room(1, event.payload.len())?;
        let made_by = Resends {
            replay: Some(replay),
            ..Resends::default()
        };
        let made_by = Some((made_by, None));
        let Spot { seq, ordinal } = self.enqueue(new, &lane, &event, made_by);
        if let Some(stored) = self.events.get_mut(&event.id) {
            stored.deliveries.push(new);
            stored.backfilled.insert(endpoint, replay);
        }
        Ok(Receipt::Backfilled(Placed {
            delivery: new,
            event: event.id,
            lane,
            seq,
            ordinal,
            payload_bytes: u32::try_from(event.payload.len()).unwrap_or(u32::MAX),
        }))
    }

    /// Whether an endpoint has had an event; `None` if one of the two is not there.
    #[must_use]
    pub fn had(&self, event: EventId, endpoint: EndpointId) -> Option<Had> {
        let endpoint = self.endpoints.get(&endpoint)?;
        Some(self.had_by(self.events.get(&event)?, endpoint))
    }

    fn had_by(&self, event: &StoredEvent, endpoint: &Endpoint) -> Had {
        if let Some(replay) = event.backfilled.get(&endpoint.id) {
            return Had::Backfilled(*replay);
        }
        let mut made = event.deliveries.iter();
        let has_one = made.any(|id| {
            let delivery = self.deliveries.get(id);
            delivery.is_some_and(|it| it.lane.endpoint == endpoint.id)
        });
        let published_at = event.event.published_at.0;
        let was_there = endpoint.created_at.0 <= published_at.saturating_add(SET_BACK_MS);
        match has_one || (event.has_forgotten && was_there) {
            true => Had::Delivery,
            false => Had::Nothing,
        }
    }
}
