//! Starting on what a store holds.

use super::dispatch::Slots;
use super::{Core, State};
use crate::commits::Commits;
use crate::endpoint_state::EndpointState;
use crate::error::InvalidSpec;
use crate::id::Chance;
use crate::input::{Recovered, RecoveredLane};
use crate::lane::{Entry, Lane, Phase};
use crate::limits::Limits;
use crate::slab::Slab;
use crate::time::Now;
use crate::timers::{Alarm, Timers};
use std::collections::{BTreeMap, VecDeque};

impl Core {
    /// A core that goes on from what its store holds ([`Recovered::default`] for nothing).
    ///
    /// `seed` is its only source of chance: ids, jitter, generated secrets. Outside of tests it
    /// must come from the system's randomness and never be used twice. The first input should be
    /// [`crate::Input::Tick`].
    ///
    /// # Errors
    ///
    /// If a recorded endpoint has no secret that can sign.
    pub fn recover(
        limits: Limits,
        seed: [u8; 32],
        state: Recovered,
        now: Now,
    ) -> Result<Self, InvalidSpec> {
        let mut core = Self {
            limits,
            chance: Chance::new(seed),
            now,
            state: State::Running,
            endpoints: Slab::new(),
            by_id: BTreeMap::new(),
            tenants: BTreeMap::new(),
            lanes: Slab::new(),
            attempts: BTreeMap::new(),
            pings: BTreeMap::new(),
            overdue_at: None,
            commits: Commits::default(),
            notes: BTreeMap::new(),
            timers: Timers::default(),
            ready: VecDeque::new(),
            parked: VecDeque::new(),
            slots: Slots::default(),
            pending: crate::endpoint_state::Tally::default(),
            window_bytes: 0,
            loading_bytes: 0,
            registering: 0,
            outputs: VecDeque::new(),
        };
        for recovered in state.endpoints {
            let key = core.add_endpoint(EndpointState::new(recovered.endpoint, now)?);
            core.count_pending(key, recovered.pending_deliveries, recovered.pending_bytes);
        }
        for lane in state.lanes {
            core.recover_lane(lane);
        }
        Ok(core)
    }

    fn recover_lane(&mut self, recovered: RecoveredLane) {
        let Some(&endpoint) = self.by_id.get(&recovered.id.endpoint) else {
            return;
        };
        let key = self.lane_of(endpoint, &recovered.id.key, recovered.after);
        let Some(lane) = self.lanes.get_mut(key) else {
            return;
        };
        lane.extended_to(recovered.tail);
        lane.stopped_at = recovered.stopped_at;
        let delay_max = self
            .endpoints
            .get(endpoint)
            .map(|endpoint| endpoint.record.spec.retry.delay_max())
            .unwrap_or_default();
        for delivery in recovered.retrying {
            // The calendar may have jumped back while nothing ran: no wait is longer than the
            // policy's longest.
            let left = delivery.due.since(self.now.wall).min(delay_max);
            let due = self.now.mono.after(left);
            let timer = self.timers.set(
                due,
                Alarm::Retry {
                    lane: key,
                    seq: delivery.seq,
                },
            );
            lane.restore(Entry {
                delivery: delivery.id,
                event_id: delivery.event,
                seq: delivery.seq,
                ordinal: None,
                event: None,
                payload_bytes: delivery.payload_bytes,
                attempts: delivery.attempts,
                phase: Phase::Waiting(timer),
            });
        }
        self.wake_lane(key);
    }

    /// The lane of an endpoint for this ordering key; a new one, in which everything up to
    /// `after` has ended, if it holds nothing.
    pub(super) fn lane_of(
        &mut self,
        endpoint: crate::slab::Key,
        key: &crate::OrderingKey,
        after: crate::Seq,
    ) -> crate::slab::Key {
        let Some(state) = self.endpoints.get_mut(endpoint) else {
            unreachable!("a lane is asked for while its endpoint is there")
        };
        if let Some(lane) = state.lane(key) {
            return lane;
        }
        let id = crate::LaneId {
            endpoint: state.id(),
            key: key.clone(),
        };
        let lane = self.lanes.insert(Lane::new(id, endpoint, after));
        match key.get() {
            None => state.main = Some(lane),
            Some(_) => {
                state.keyed.insert(key.clone(), lane);
            }
        }
        lane
    }
}
