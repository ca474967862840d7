//! Who starts next: endpoints in turn, and of each endpoint its lanes in turn.

use super::{Core, State};
use crate::delivery::Seq;
use crate::endpoint_state::Held;
use crate::fact::Fact;
use crate::lane::{Lane, Member, Phase, Step};
use crate::output::Output;
use crate::request::{Behind, Request};
use crate::slab::Key;
use crate::timers::Alarm;

/// Attempts, and the reads before them, under way. A slot is held until the attempt's end is
/// recorded.
#[derive(Default)]
pub(super) struct Slots {
    pub(super) taken: usize,
    /// Of these, to endpoints that were failing when they started.
    pub(super) failing: usize,
}

/// An endpoint may hold this part of the slots that are still free, and always one. As slots get
/// scarce everybody's share shrinks, so that one endpoint with many lanes leaves room for the
/// others (the dynamic threshold of shared-memory switches, Choudhury and Hahne 1998).
const SHARE_OF_FREE: usize = 8;

impl Core {
    /// Starts whatever can start.
    pub(super) fn dispatch(&mut self) {
        if self.state != State::Running {
            return;
        }
        while self.slots.taken < self.limits.attempts_max {
            self.unpark();
            let Some(endpoint) = self.ready.pop_front() else {
                return;
            };
            let Some(state) = self.endpoints.get_mut(endpoint) else {
                continue;
            };
            state.queued = false;
            if let Some(lane) = self.next_lane(endpoint) {
                self.start(endpoint, lane);
                self.wake_endpoint(endpoint);
            }
        }
    }

    /// If a slot for failing endpoints is free, the one that has waited longest for it gets its
    /// turn. Whether it takes the slot is open: it is asked again each time.
    fn unpark(&mut self) {
        while self.slots.failing < self.limits.attempts_failing_max {
            let Some(endpoint) = self.parked.pop_front() else {
                return;
            };
            if let Some(state) = self.endpoints.get_mut(endpoint) {
                state.parked = false;
                self.ready.push_back(endpoint);
                return;
            }
        }
    }

    /// The endpoint's next lane, if it may start something now. If not, whatever frees it will
    /// wake it.
    fn next_lane(&mut self, endpoint: Key) -> Option<Key> {
        let free = self.limits.attempts_max.saturating_sub(self.slots.taken);
        let share = (free / SHARE_OF_FREE).max(1);
        if self.endpoints.get(endpoint)?.ready.is_empty() {
            return None;
        }
        let urgent = self.next_urgent(endpoint);
        if !self.admits(endpoint, share, urgent.is_some()) {
            return None;
        }
        let state = self.endpoints.get_mut(endpoint)?;
        if state.is_failing() && self.slots.failing >= self.limits.attempts_failing_max {
            state.queued = true;
            state.parked = true;
            self.parked.push_back(endpoint);
            return None;
        }
        if urgent.is_some() {
            // It keeps its place among the others, for what comes after.
            return urgent;
        }
        let lane = state.ready.pop_front()?;
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.queued = false;
        }
        Some(lane)
    }

    /// Whether the endpoint may start something (`urgent` if it was asked for) beside what it has under
    /// way, at most `most` in all. If only time keeps it, a timer is set.
    fn admits(&mut self, endpoint: Key, most: usize, urgent: bool) -> bool {
        let Some(state) = self.endpoints.get_mut(endpoint) else {
            return false;
        };
        let most = most.min(state.record.spec.concurrency as usize);
        if state.slots as usize >= most {
            return false;
        }
        let Err(held) = state.admits(urgent, self.now.mono) else {
            return true;
        };
        if let Held::Until(at) = held
            && state.admit_timer.is_none_or(|timer| timer.at() > at)
        {
            let timer = self.timers.set(at, Alarm::Admit { endpoint });
            if let Some(later) = state.admit_timer.replace(timer) {
                self.timers.clear(later);
            }
        }
        false
    }

    /// What was read for a lane goes out in the slot that the read has held. If it may not go
    /// now, it stays at hand only where it has room: else it is read again when its turn comes.
    pub(super) fn start_loaded(&mut self, endpoint: Key, lane: Key) {
        let Some(state) = self.endpoints.get(endpoint) else {
            return;
        };
        let (is_open, failing) = (state.is_open(self.now.mono), state.is_failing());
        let crowded = failing && self.slots.failing >= self.limits.attempts_failing_max;
        let free = self.state == State::Running && self.slots.taken < self.limits.attempts_max;
        let urgent = self.lanes.get(lane).is_some_and(Lane::is_urgent);
        if free && !crowded && self.admits(endpoint, usize::MAX, urgent) {
            self.start(endpoint, lane);
            self.again_if_urgent(endpoint, lane);
            return self.keep_while_filling(endpoint, lane);
        }
        if !is_open || self.room(endpoint) == 0 {
            self.shed_lane(endpoint, lane);
        }
        self.again_if_urgent(endpoint, lane);
        self.wake_lane_first(lane);
    }

    fn start(&mut self, endpoint: Key, lane_key: Key) {
        match self.next_step(lane_key) {
            Some(Step::Send(index)) => self.send(endpoint, lane_key, index, 1),
            Some(Step::SendBatch(count)) => self.send(endpoint, lane_key, 0, count),
            Some(Step::Load(after)) => self.load(endpoint, lane_key, after),
            Some(Step::Wait | Step::Fill(_)) | None => return,
        }
        self.wake_lane(lane_key);
    }

    /// Sends `count` entries in one request, from the one at `index` on.
    fn send(&mut self, endpoint: Key, lane_key: Key, index: usize, count: usize) {
        let now = self.now;
        let attempt = self.chance.attempt_id(now.wall);
        let Some(state) = self.endpoints.get_mut(endpoint) else {
            return;
        };
        let Some(lane) = self.lanes.get_mut(lane_key) else {
            return;
        };
        let endpoint_id = state.id();
        let Some((event, first, number)) = lane.begin(index, endpoint_id, attempt) else {
            return;
        };
        let (mut behind, mut more) = (Vec::new(), Vec::new());
        for index in index + 1..index + count {
            if let Some((event, member, _)) = lane.begin(index, endpoint_id, attempt) {
                behind.push(Behind {
                    delivery: member.of.delivery,
                    ordinal: member.ordinal,
                    event,
                });
                more.push(member);
            }
        }
        lane.in_flight += 1;
        let key = lane.id.key.clone();
        let pass = state.started(lane.take_urgent(first.seq), now.mono);
        let failing = state.is_failing();
        let deadline = now
            .mono
            .after(state.record.spec.timeout.min(self.limits.timeout_max));
        let revision = state.record.revision;
        let route = state.route_at(now.wall);
        self.take_slot(endpoint, failing);
        let flight = super::attempts::InFlight {
            endpoint,
            lane: lane_key,
            first,
            more,
            number,
            started: now,
            deadline,
            revision,
            failing,
            pass,
        };
        for Member { of, .. } in flight.members() {
            self.outputs
                .push_back(Output::Observe(Fact::AttemptStarted {
                    of: *of,
                    attempt,
                    number,
                }));
        }
        self.attempts.insert(attempt, flight);
        self.expect_answer_by(deadline);
        let request = Request {
            attempt,
            number,
            delivery: first.of.delivery,
            lane_key: key,
            ordinal: first.ordinal,
            event,
            behind,
            route,
            at: now.wall,
            body_bytes_max: self.limits.rendered_bytes_max,
        };
        self.outputs.push_back(Output::Send(request, deadline));
    }

    pub(super) fn take_slot(&mut self, endpoint: Key, failing: bool) {
        self.slots.taken += 1;
        self.slots.failing += usize::from(failing);
        if let Some(state) = self.endpoints.get_mut(endpoint) {
            state.slots += 1;
        }
    }

    pub(super) fn release_slot(&mut self, endpoint: Key, failing: bool) {
        self.slots.taken = self.slots.taken.saturating_sub(1);
        self.slots.failing = self.slots.failing.saturating_sub(usize::from(failing));
        if let Some(state) = self.endpoints.get_mut(endpoint) {
            state.slots = state.slots.saturating_sub(1);
            self.wake_endpoint(endpoint);
        }
    }

    /// Lets the endpoint take its turn, if it has a lane that can start.
    pub(super) fn wake_endpoint(&mut self, endpoint: Key) {
        let Some(state) = self.endpoints.get_mut(endpoint) else {
            return;
        };
        let recovered = state.parked && !state.is_failing();
        if recovered {
            state.parked = false;
            self.parked.retain(|parked| *parked != endpoint);
        }
        if recovered || (!state.queued && !state.ready.is_empty()) {
            state.queued = true;
            self.ready.push_back(endpoint);
        }
    }

    /// Lets the lane take its turn, if it can do something.
    pub(super) fn wake_lane(&mut self, lane: Key) {
        if let Some(endpoint) = self.queue_lane(lane, false) {
            self.wake_endpoint(endpoint);
        }
        self.wake_urgent(lane);
    }

    /// The same, ahead of the other lanes: its turn had come before.
    pub(super) fn wake_lane_first(&mut self, lane: Key) {
        let Some(endpoint) = self.queue_lane(lane, true) else {
            return;
        };
        if let Some(state) = self.endpoints.get_mut(endpoint)
            && !state.queued
        {
            state.queued = true;
            self.ready.push_front(endpoint);
        }
    }

    fn queue_lane(&mut self, key: Key, first: bool) -> Option<Key> {
        if self.lanes.get(key)?.queued {
            return None;
        }
        if let Step::Wait | Step::Fill(_) = self.next_step(key)? {
            return None;
        }
        let lane = self.lanes.get_mut(key)?;
        let state = self.endpoints.get_mut(lane.endpoint)?;
        lane.queued = true;
        if first {
            state.ready.push_front(key);
        } else {
            state.ready.push_back(key);
        }
        Some(lane.endpoint)
    }

    /// A delivery has waited long enough.
    pub(super) fn retry_due(&mut self, lane_key: Key, seq: Seq) {
        let Some(lane) = self.lanes.get_mut(lane_key) else {
            return;
        };
        let Some(entry) = lane.entry_mut(seq) else {
            return;
        };
        if let Phase::Waiting(_) = entry.phase {
            entry.phase = Phase::Ready;
            self.wake_lane(lane_key);
        }
    }
}
