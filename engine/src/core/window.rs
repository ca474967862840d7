//! The payloads at hand: reading them when a delivery's turn has come, letting go of them when it
//! has to wait.

use super::Core;
use crate::endpoint_state::Existence;
use crate::input::Loaded;
use crate::lane::LoadSlot;
use crate::output::{Load, Output};
use crate::slab::Key;

/// A read may bring this part of the bytes that are still free, and always one delivery: other
/// reads go on beside it.
const SHARE_OF_ROOM: usize = 4;

impl Core {
    /// Payload bytes that may still be taken in for an endpoint.
    pub(super) fn room(&self, endpoint: Key) -> usize {
        let held = self
            .endpoints
            .get(endpoint)
            .map_or(0, |state| state.window_bytes + state.loading_bytes);
        let all_held = self.window_bytes + self.loading_bytes;
        let own = self.limits.window_bytes_endpoint_max.saturating_sub(held);
        own.min(self.limits.window_bytes_max.saturating_sub(all_held))
    }

    /// Reads what comes after a place of the lane. Holds a slot until it is there.
    pub(super) fn load(&mut self, endpoint: Key, lane_key: Key, after: crate::Seq) {
        let Some((deliveries_max, bytes_max)) = self.part_to_load(endpoint, lane_key, after) else {
            return;
        };
        let (Some(lane), Some(state)) = (
            self.lanes.get_mut(lane_key),
            self.endpoints.get_mut(endpoint),
        ) else {
            return;
        };
        let load = Load {
            lane: lane.id.clone(),
            after,
            deliveries_max: deliveries_max.max(1),
            bytes_max,
        };
        let failing = state.is_failing();
        state.loading_bytes += bytes_max;
        self.loading_bytes += bytes_max;
        lane.load = Some(LoadSlot {
            after,
            tail: lane.tail,
            bytes: bytes_max,
            failing,
            stale: false,
        });
        self.take_slot(endpoint, failing);
        self.outputs.push_back(Output::Load(load));
    }

    /// How many deliveries and payload bytes a read may bring.
    fn part_to_load(&self, endpoint: Key, lane: Key, after: crate::Seq) -> Option<(usize, usize)> {
        let (lane, state) = (self.lanes.get(lane)?, self.endpoints.get(endpoint)?);
        let bytes = self.room(endpoint) / SHARE_OF_ROOM;
        if state.record.spec.batch.is_none() {
            let free = self.limits.window_deliveries_max.saturating_sub(lane.len());
            return Some((free, bytes));
        }
        let free = lane.room_after(after, self.window_max(state));
        let first = lane.entries().next();
        let begun = first.is_some_and(|first| first.seq <= after && first.event.is_some());
        // What joins a batch at hand has no slot of its own in which it could be too much.
        let bytes = if begun {
            bytes.max(self.limits.payload_bytes_max)
        } else {
            bytes
        };
        Some((free, bytes))
    }

    /// A read is over: what it held is free.
    pub(super) fn end_load(&mut self, endpoint: Key, slot: &LoadSlot) {
        self.loading_bytes -= slot.bytes;
        if let Some(state) = self.endpoints.get_mut(endpoint) {
            state.loading_bytes -= slot.bytes;
        }
        self.release_slot(endpoint, slot.failing);
    }

    pub(super) fn loaded(&mut self, loaded: Loaded) {
        // A read for an endpoint that was deleted meanwhile has given back its slot.
        let Some(&endpoint) = self.by_id.get(&loaded.lane.endpoint) else {
            return;
        };
        let Some(state) = self.endpoints.get(endpoint) else {
            return;
        };
        let Some(lane_key) = state.lane(&loaded.lane.key) else {
            return;
        };
        let Some(lane) = self.lanes.get_mut(lane_key) else {
            return;
        };
        let Some(slot) = lane.load.take() else { return };
        if !slot.stale {
            let bytes = lane.take_loaded(&slot, loaded);
            self.hold(endpoint, bytes);
        }
        self.end_load(endpoint, &slot);
        self.start_loaded(endpoint, lane_key);
        self.settle(lane_key);
    }

    /// Payload bytes have come into a lane of the endpoint.
    pub(super) fn hold(&mut self, endpoint: Key, bytes: usize) {
        self.window_bytes += bytes;
        if let Some(state) = self.endpoints.get_mut(endpoint) {
            state.window_bytes += bytes;
        }
    }

    /// Payload bytes have left a lane of the endpoint.
    pub(super) fn let_go(&mut self, endpoint: Key, bytes: usize) {
        debug_assert!(self.window_bytes >= bytes, "let go of more than was held");
        self.window_bytes = self.window_bytes.saturating_sub(bytes);
        if let Some(state) = self.endpoints.get_mut(endpoint) {
            state.window_bytes = state.window_bytes.saturating_sub(bytes);
        }
    }

    /// Lets go of the payloads of one lane that are not needed now.
    pub(super) fn shed_lane(&mut self, endpoint: Key, lane: Key) {
        let Some(ordering) = self.endpoints.get(endpoint).map(|state| state.ordering()) else {
            return;
        };
        let bytes = self
            .lanes
            .get_mut(lane)
            .map_or(0, |lane| lane.shed(ordering));
        self.let_go(endpoint, bytes);
    }

    /// Lets go of the payloads of an endpoint that will not be sent to for a while.
    pub(super) fn shed(&mut self, endpoint: Key) {
        let Some(state) = self.endpoints.get(endpoint) else {
            return;
        };
        let lanes: Vec<Key> = state.lanes().collect();
        for lane in lanes {
            self.shed_lane(endpoint, lane);
            let lanes = &self.lanes;
            if lanes
                .get(lane)
                .is_some_and(|lane| lane.fill_timer.is_some())
            {
                // It did not stand in line, and has to read again now.
                self.wake_lane(lane);
            }
        }
    }

    /// Forgets a lane that holds nothing. An endpoint keeps the lane without a key.
    pub(super) fn settle(&mut self, lane_key: Key) {
        let Some(lane) = self.lanes.get(lane_key).filter(|lane| lane.is_idle()) else {
            return;
        };
        let endpoint = lane.endpoint;
        let Some(state) = self.endpoints.get_mut(endpoint) else {
            return;
        };
        if lane.id.key.get().is_some() {
            state.keyed.remove(&lane.id.key);
            if lane.queued {
                state.ready.retain(|queued| *queued != lane_key);
            }
            self.stop_filling(lane_key);
            self.lanes.remove(lane_key);
        }
        self.forget_if_gone(endpoint);
    }

    /// Forgets an endpoint that was deleted, once nothing of it is under way.
    pub(super) fn forget_if_gone(&mut self, endpoint: Key) {
        let Some(state) = self.endpoints.get(endpoint) else {
            return;
        };
        if state.existence != Existence::Gone || state.slots > 0 {
            return;
        }
        if let Some(gone) = self.endpoints.remove(endpoint) {
            for lane in gone.lanes() {
                self.lanes.remove(lane);
            }
            if let Some(timer) = gone.admit_timer {
                self.timers.clear(timer);
            }
        }
    }
}
