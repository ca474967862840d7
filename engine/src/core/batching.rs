//! Lanes whose deliveries go together: what they wait for, and what becomes of a request's members.

use super::Core;
use super::attempts::InFlight;
use crate::batch_policy::BatchPolicy;
use crate::delivery::Seq;
use crate::endpoint_state::EndpointState;
use crate::id::{AttemptId, DeliveryId};
use crate::lane::{Batching, Lane, Member, Step};
use crate::output::Output;
use crate::slab::Key;
use crate::timers::Alarm;
use std::time::Duration;

impl Core {
    /// What a lane of this endpoint can do next.
    pub(super) fn step_of(&self, state: &EndpointState, lane: &Lane) -> Step {
        match state.record.spec.batch {
            None => lane.step(state.ordering(), self.limits.window_deliveries_max),
            Some(policy) => {
                let mut batching = self.batching(lane.endpoint, policy);
                if lane.is_urgent() {
                    batching.wait = Duration::ZERO;
                }
                lane.batch_step(&batching)
            }
        }
    }

    /// The same; and if it has to wait for its batch to fill, sees to it that it wakes up.
    pub(super) fn next_step(&mut self, key: Key) -> Option<Step> {
        let lane = self.lanes.get_mut(key)?;
        let state = self.endpoints.get(lane.endpoint)?;
        if state.record.spec.batch.is_some() {
            lane.begin_filling(self.now);
        }
        let step = self.step_of(state, self.lanes.get(key)?);
        self.wake_at(key, step);
        Some(step)
    }

    fn wake_at(&mut self, key: Key, step: Step) {
        let Some(lane) = self.lanes.get_mut(key) else {
            return;
        };
        let until = match step {
            Step::Fill(until) => Some(until),
            _ => None,
        };
        if lane.fill_timer.map(|timer| timer.at()) == until {
            return;
        }
        if let Some(timer) = lane.fill_timer.take() {
            self.timers.clear(timer);
        }
        lane.fill_timer = until.map(|at| self.timers.set(at, Alarm::Fill { lane: key }));
    }

    /// What was read, and has to wait for more now, stays at hand only where it has room: else it is
    /// read again when it goes.
    pub(super) fn keep_while_filling(&mut self, endpoint: Key, key: Key) {
        let has_room = self.room(endpoint) > 0;
        let Some(lane) = self.lanes.get_mut(key) else {
            return;
        };
        if lane.fill_timer.is_some() && !has_room {
            let bytes = lane.let_go();
            self.let_go(endpoint, bytes);
        }
    }

    /// A lane goes, or has nothing more to wait for.
    pub(super) fn stop_filling(&mut self, key: Key) {
        self.wake_at(key, Step::Wait);
    }

    /// A batch has waited for long enough.
    pub(super) fn filled(&mut self, key: Key) {
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.fill_timer = None;
            self.wake_lane(key);
        }
    }

    fn batching(&self, endpoint: Key, policy: BatchPolicy) -> Batching {
        Batching {
            events_max: policy.events_max as usize,
            bytes_max: self.limits.batch_bytes_max,
            wait: policy.wait,
            now: self.now.mono,
            can_read: self.room(endpoint) >= self.limits.payload_bytes_max,
        }
    }

    /// Deliveries that a lane of the endpoint may keep at hand: a whole batch at least.
    pub(super) fn window_max(&self, state: &EndpointState) -> usize {
        let batch = state.record.spec.batch;
        let batch = batch.map_or(0, |policy| policy.events_max as usize);
        self.limits.window_deliveries_max.max(batch)
    }

    /// A delivery was discarded while its request is under way. The request goes on for the others
    /// in it; if there are none, it is given up.
    pub(super) fn leave_flight(&mut self, attempt: AttemptId, seq: Seq) {
        let Some(flight) = self.attempts.get_mut(&attempt) else {
            return;
        };
        if flight.lose(seq) {
            return;
        }
        self.outputs.push_back(Output::Cancel(attempt));
        if let Some(flight) = self.attempts.remove(&attempt) {
            self.abandon(&flight);
        }
    }
}

impl InFlight {
    /// The deliveries in it.
    pub(super) fn members(&self) -> impl Iterator<Item = &Member> {
        std::iter::once(&self.first).chain(&self.more)
    }

    /// Bytes that it holds besides itself.
    pub(super) fn more_bytes(&self) -> usize {
        self.more.capacity() * size_of::<Member>()
    }

    pub(super) fn has(&self, delivery: DeliveryId) -> bool {
        self.members().any(|member| member.of.delivery == delivery)
    }

    /// One of its deliveries has ended. Whether there are others.
    fn lose(&mut self, seq: Seq) -> bool {
        if self.more.is_empty() {
            return false;
        }
        if self.first.seq == seq {
            self.first = self.more.remove(0);
        } else {
            self.more.retain(|member| member.seq != seq);
        }
        true
    }
}
