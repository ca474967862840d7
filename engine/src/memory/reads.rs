//! What can be read from the store in memory.

use super::{DeliveryRecord, Ledger, MemoryStore, StoredLane};
use crate::delivery::{Attempt, DeliveryState, Event, LaneId, Ordinal, Seq};
use crate::endpoint::Endpoint;
use crate::id::{DeliveryId, EndpointId, EventId};
use crate::input::{
    Loaded, LoadedDelivery, Recovered, RecoveredDelivery, RecoveredEndpoint, RecoveredLane,
};
use crate::names::OrderingKey;
use crate::output::Load;
use crate::time::Wall;
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;

/// A lane that holds something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldLane<'a> {
    /// Its key.
    pub key: &'a OrderingKey,
    /// Deliveries that have not ended.
    pub pending: u64,
    /// The first of these.
    pub first: Option<DeliveryId>,
    /// The dead letter at which it has stopped.
    pub stopped_at: Option<DeliveryId>,
}

/// A delivery as it is held: nothing of it is copied.
#[derive(Clone, Copy, Debug)]
pub struct HeldDelivery<'a> {
    /// Its id.
    pub id: DeliveryId,
    /// Its event.
    pub event: &'a Event,
    /// Its lane; the endpoint of that may have been deleted since.
    pub lane: &'a LaneId,
    /// Where its event stands in its lane.
    pub ordinal: Option<Ordinal>,
    /// What has become of it.
    pub state: DeliveryState,
    /// When it ended.
    pub ended_at: Option<Wall>,
    /// The delivery that it makes anew.
    pub resend_of: Option<DeliveryId>,
    /// The delivery that made it anew last.
    pub resent_as: Option<DeliveryId>,
    /// The last attempt that has ended.
    pub last_attempt: Option<&'a Attempt>,
}

impl MemoryStore {
    /// The deliveries with these ids, oldest first.
    pub fn held_deliveries(
        &self,
        ids: Range<DeliveryId>,
    ) -> impl DoubleEndedIterator<Item = HeldDelivery<'_>> {
        self.deliveries.range(ids).map(|(id, stored)| HeldDelivery {
            id: *id,
            event: &stored.event,
            lane: &stored.lane,
            ordinal: stored.ordinal,
            state: stored.state,
            ended_at: stored.ended_at,
            resend_of: stored.resends.as_ref().and_then(|resends| resends.of),
            resent_as: stored.resends.as_ref().and_then(|resends| resends.by),
            last_attempt: stored.attempts.last(),
        })
    }

    /// The lanes of an endpoint that hold something or have stopped, by their keys.
    pub fn held_lanes(&self, endpoint: EndpointId) -> impl Iterator<Item = HeldLane<'_>> {
        let lanes = self.lanes_of(endpoint).map(|(id, lane)| held(id, lane));
        lanes.filter(|lane| lane.pending > 0 || lane.stopped_at.is_some())
    }

    /// The ordering key and the epoch of the lane that this endpoint's receiver knows by this name.
    #[must_use]
    pub fn lane_named(&self, endpoint: EndpointId, name: &str) -> Option<(OrderingKey, u64)> {
        let mut lanes = self.lanes_of(endpoint);
        let (id, lane) = lanes.find(|(id, _)| id.name() == name)?;
        Some((id.key.clone(), lane.epoch))
    }

    /// The lanes of all endpoints in which something waits.
    pub fn all_held_lanes(&self) -> impl Iterator<Item = (&LaneId, HeldLane<'_>)> {
        let lanes = self.lanes.iter().map(|(id, lane)| (&**id, held(id, lane)));
        lanes.filter(|(_, lane)| lane.pending > 0)
    }

    /// The next deliveries of a lane, as [`Load`] describes it.
    #[must_use]
    pub fn load(&self, load: &Load) -> Loaded {
        let mut loaded = Loaded {
            lane: load.lane.clone(),
            deliveries: Vec::new(),
            through: load.after,
        };
        let Some(lane) = self.lanes.get(&load.lane) else {
            return loaded;
        };
        let mut bytes = 0_usize;
        for (seq, id) in lane.pending.range(load.after.next()..) {
            let Some(stored) = self.deliveries.get(id) else {
                continue;
            };
            bytes = bytes.saturating_add(stored.event.payload.len());
            let enough = loaded.deliveries.len() >= load.deliveries_max || bytes > load.bytes_max;
            if enough && !loaded.deliveries.is_empty() {
                return loaded;
            }
            loaded.deliveries.push(LoadedDelivery {
                id: *id,
                seq: *seq,
                ordinal: stored.ordinal,
                event: stored.event.clone(),
                attempts: u32::try_from(stored.attempts.len()).unwrap_or(u32::MAX),
                state: stored.state,
            });
            loaded.through = *seq;
        }
        loaded.through = lane.tail.max(load.after);
        loaded
    }

    /// What a core needs to go on from here.
    #[must_use]
    pub fn recover(&self) -> Recovered {
        let endpoints = self.endpoints.values().map(|endpoint| {
            let pending = self
                .lanes_of(endpoint.id)
                .flat_map(|(_, lane)| lane.pending.values());
            let bytes = pending.filter_map(|id| self.deliveries.get(id));
            RecoveredEndpoint {
                endpoint: endpoint.clone(),
                pending_deliveries: self.ledger(endpoint.id).pending,
                pending_bytes: bytes.map(|record| record.event.payload.len() as u64).sum(),
            }
        });
        let here = self.lanes.iter().filter(|(id, lane)| {
            self.endpoints.contains_key(&id.endpoint)
                && (!lane.pending.is_empty() || lane.stopped_at.is_some())
        });
        let lanes = here.map(|(id, lane)| self.recover_lane(id, lane));
        Recovered {
            endpoints: endpoints.collect(),
            lanes: lanes.collect(),
        }
    }

    fn recover_lane(&self, id: &LaneId, lane: &StoredLane) -> RecoveredLane {
        let pending = || {
            lane.pending
                .values()
                .filter_map(|id| Some((*id, self.deliveries.get(id)?)))
        };
        let fresh = pending().find(|(_, stored)| stored.state == DeliveryState::Pending);
        let retrying = pending().filter_map(|(id, stored)| match stored.state {
            DeliveryState::Retrying { due } => Some(RecoveredDelivery {
                id,
                event: stored.event.id,
                seq: stored.seq,
                payload_bytes: u32::try_from(stored.event.payload.len()).unwrap_or(u32::MAX),
                attempts: u32::try_from(stored.attempts.len()).unwrap_or(u32::MAX),
                due,
            }),
            _ => None,
        });
        RecoveredLane {
            id: id.clone(),
            after: fresh.map_or(lane.tail, |(_, stored)| stored.seq.previous()),
            tail: lane.tail,
            retrying: retrying.collect(),
            stopped_at: lane.stopped_at.map(|(_, delivery)| delivery),
        }
    }

    /// The lanes of an endpoint.
    pub(super) fn lanes_of(
        &self,
        endpoint: EndpointId,
    ) -> impl Iterator<Item = (&Arc<LaneId>, &StoredLane)> {
        let first = LaneId {
            endpoint,
            key: OrderingKey::none(),
        };
        self.lanes
            .range(first..)
            .take_while(move |(id, _)| id.endpoint == endpoint)
    }

    /// An endpoint.
    #[must_use]
    pub fn endpoint(&self, id: EndpointId) -> Option<&Endpoint> {
        self.endpoints.get(&id)
    }

    /// Every endpoint, oldest first.
    pub fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.endpoints.values()
    }

    /// A delivery, as long as its record is kept.
    #[must_use]
    pub fn delivery(&self, id: DeliveryId) -> Option<DeliveryRecord> {
        self.deliveries.get(&id).map(|stored| stored.record(id))
    }

    /// The body of the request of an attempt, as it was sent; `None` if it is not on record.
    #[must_use]
    pub fn request_body(&self, delivery: DeliveryId, number: u32) -> Option<Bytes> {
        let stored = self.deliveries.get(&delivery)?;
        let at = stored.attempts.iter().position(|it| it.number == number)?;
        let body = stored.attempts[at].sent.body.as_ref()?;
        if body.is_payload {
            return Some(stored.event.payload.clone());
        }
        self.bodies.of((delivery, at + 1)).cloned()
    }

    /// Every delivery on record, oldest first.
    pub fn deliveries(&self) -> impl DoubleEndedIterator<Item = DeliveryRecord> {
        self.deliveries
            .iter()
            .map(|(id, stored)| stored.record(*id))
    }

    /// The deliveries of an event, resends included; `None` if the event is not known (any more).
    #[must_use]
    pub fn deliveries_of(&self, event: EventId) -> Option<Vec<DeliveryRecord>> {
        let event = self.events.get(&event)?;
        Some(
            event
                .deliveries
                .iter()
                .filter_map(|id| self.delivery(*id))
                .collect(),
        )
    }

    /// The dead letters of an endpoint, oldest first.
    pub fn dead_letters(&self, endpoint: EndpointId) -> impl Iterator<Item = DeliveryRecord> {
        let dead = self
            .deliveries
            .iter()
            .filter(move |(_, stored)| stored.lane.endpoint == endpoint && stored.is_dead());
        dead.map(|(id, stored)| stored.record(*id))
    }

    /// Deliveries to an endpoint that have not ended.
    #[must_use]
    pub fn pending(&self, endpoint: EndpointId) -> u64 {
        let lanes = self.lanes_of(endpoint);
        lanes.map(|(_, lane)| lane.pending.len() as u64).sum()
    }

    /// The oldest delivery that has not ended.
    #[must_use]
    pub fn oldest_pending(&self) -> Option<DeliveryId> {
        let mut pending = self.deliveries.iter().filter(|(_, it)| !it.state.is_end());
        pending.next().map(|(id, _)| *id)
    }

    /// Payload bytes of deliveries that have not ended, and of dead letters, counted once per
    /// delivery.
    #[must_use]
    pub fn payload_bytes(&self) -> usize {
        self.kept_bytes
    }

    /// Whether it has no room for one more delivery, however small.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.kept >= self.bounds.deliveries_max || self.kept_bytes >= self.bounds.payload_bytes_max
    }

    /// The account of an endpoint.
    #[must_use]
    pub fn ledger(&self, endpoint: EndpointId) -> Ledger {
        self.ledgers.get(&endpoint).copied().unwrap_or_default()
    }

    /// The last place that was assigned in a lane.
    #[must_use]
    pub fn tail(&self, lane: &LaneId) -> Seq {
        self.lanes
            .get(lane)
            .map_or(Seq::default(), |lane| lane.tail)
    }
}

fn held<'a>(id: &'a LaneId, lane: &StoredLane) -> HeldLane<'a> {
    HeldLane {
        key: &id.key,
        pending: lane.pending.len() as u64,
        first: lane.pending.values().next().copied(),
        stopped_at: lane.stopped_at.map(|(_, delivery)| delivery),
    }
}
