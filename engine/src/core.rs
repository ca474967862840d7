//! The core: one state machine that decides what is sent, when, and when to stop.
//!
//! It does nothing by itself. A host gives it an [`Input`] with [`Core::handle`], takes what is to
//! be done with [`Core::poll`] until that says [`Output::Timeout`], and so on: mutate, drain,
//! mutate. [`crate::turn`] is that loop.

mod attempts;
mod backfill;
mod batching;
mod dead_letters;
mod dispatch;
mod drain;
mod endpoints;
mod judge;
mod outlook;
mod ping;
mod publish;
mod recover;
mod shares;
#[cfg(test)]
mod tests;
mod urgent;
mod window;

pub(crate) use publish::digest;

use crate::batch::{BatchId, Change, CommitError, Receipt};
use crate::breaker::Breaker;
use crate::commits::{Commits, Next};
use crate::endpoint::EndpointStatus;
use crate::endpoint_state::{EndpointState, Tally};
use crate::error::Closed;
use crate::fact::Fact;
use crate::id::{AttemptId, Chance, EndpointId};
use crate::input::{CallId, Input};
use crate::lane::Lane;
use crate::limits::Limits;
use crate::names::TenantId;
use crate::note::Note;
use crate::output::{Answer, Output, Reason};
use crate::slab::{Key, Slab};
use crate::tenant_state::TenantState;
use crate::time::{Mono, Now};
use crate::timers::{Alarm, Timers};
use attempts::InFlight;
use dispatch::Slots;
use ping::Ping;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// How long after an attempt's deadline the core waits for its host before it ends the attempt
/// itself.
pub(crate) const ANSWER_GRACE: Duration = Duration::from_secs(1);

/// How long a change that found the store full waits before it is tried again.
pub(crate) const RECOMMIT_DELAY: Duration = Duration::from_secs(1);

/// Decides what is sent, when, and when to stop.
pub struct Core {
    limits: Limits,
    chance: Chance,
    now: Now,
    state: State,
    endpoints: Slab<EndpointState>,
    by_id: BTreeMap<EndpointId, Key>,
    tenants: BTreeMap<TenantId, TenantState>,
    lanes: Slab<Lane>,
    attempts: BTreeMap<AttemptId, InFlight>,
    pings: BTreeMap<AttemptId, Ping>,
    /// No attempt and no ping is overdue before this.
    overdue_at: Option<Mono>,
    commits: Commits,
    /// What is to be noted of the commands that are not answered.
    notes: BTreeMap<CallId, Box<Note>>,
    timers: Timers,
    /// Endpoints with a lane that can start, in the order in which they came to it.
    ready: VecDeque<Key>,
    /// Endpoints that wait for one of the slots for failing ones.
    parked: VecDeque<Key>,
    slots: Slots,
    /// Deliveries that were accepted (or are being accepted) and have not ended.
    pending: Tally,
    /// Payload bytes that the windows of all lanes hold.
    window_bytes: usize,
    /// Payload bytes that are kept free for reads under way.
    loading_bytes: usize,
    /// Endpoints that are being recorded.
    registering: usize,
    outputs: VecDeque<Output>,
}

/// Whether the core works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    Draining {
        call: CallId,
        deadline: Mono,
        cancelled: u32,
    },
    Drained,
    StoreFailed,
}

impl Core {
    /// Takes an input and what the time that has passed brings about.
    ///
    /// # Panics
    ///
    /// If the outputs of the input before have not been polled: the host would act on a state
    /// that is not the core's any more.
    pub fn handle(&mut self, now: Now, input: Input) {
        assert!(
            self.outputs.is_empty(),
            "poll() until Output::Timeout before the next handle()"
        );
        // A clock that steps back is a host's error; time stands still until it is made good.
        self.now = Now {
            mono: now.mono.max(self.now.mono),
            wall: now.wall,
        };
        match input {
            Input::Publish(call, event) => self.publish(call, event, None),
            Input::FromOutbox(call, id, event) => self.publish(call, event, Some(id)),
            Input::Command(call, command) => self.command(call, command),
            Input::Noted(call, command, note) => {
                self.notes.insert(call, note);
                self.command(call, command);
            }
            Input::Committed(batch, receipt) => self.committed(batch, receipt),
            Input::CommitFailed(batch, error) => self.commit_failed(batch, error),
            Input::Loaded(loaded) => self.loaded(loaded),
            Input::StoreFailed => self.store_failed(),
            Input::AttemptDone(attempt, outcome, sent) => {
                self.attempt_done(attempt, outcome, sent);
            }
            Input::Drain(call, deadline) => self.drain(call, deadline),
            Input::Tick => (),
        }
        self.ring();
        self.end_overdue();
        self.dispatch();
        self.finish_draining();
    }

    /// The next thing to do. [`Output::Timeout`] ends the list.
    pub fn poll(&mut self) -> Output {
        self.outputs
            .pop_front()
            .unwrap_or_else(|| Output::Timeout(self.wakes_at(), self.reason()))
    }

    fn closed(&self) -> Option<Closed> {
        match self.state {
            State::Running => None,
            State::Draining { .. } | State::Drained => Some(Closed::Draining),
            State::StoreFailed => Some(Closed::StoreFailed),
        }
    }

    /// Whether a request is under way.
    fn is_sending(&self) -> bool {
        !self.attempts.is_empty() || !self.pings.is_empty()
    }

    /// Whether a drain has come to its deadline.
    fn is_past_deadline(&self) -> bool {
        matches!(self.state, State::Draining { deadline, .. } if self.now.mono >= deadline)
    }

    fn wakes_at(&self) -> Option<Mono> {
        let overdue_at = self.overdue_at.filter(|_| self.is_sending());
        match self.state {
            State::Running => {
                let timer = self.timers.next().map(|(at, _)| at);
                timer.into_iter().chain(overdue_at).min()
            }
            State::Draining { deadline, .. } => {
                let recommit = if self.commits.again.is_empty() || self.is_past_deadline() {
                    None
                } else {
                    self.timers.next().map(|(at, _)| at)
                };
                // Once the deadline is over only answers can help.
                let deadline = Some(deadline).filter(|at| *at > self.now.mono);
                recommit.into_iter().chain(overdue_at).chain(deadline).min()
            }
            State::Drained | State::StoreFailed => None,
        }
    }

    fn reason(&self) -> Reason {
        match self.state {
            State::Draining { .. } => Reason::Draining,
            State::Drained => Reason::Drained,
            State::StoreFailed => Reason::StoreFailed,
            State::Running if self.is_sending() => Reason::Sending,
            State::Running if self.commits.len() > 0 || self.slots.taken > 0 => Reason::Storing,
            State::Running => match self.timers.next() {
                Some((_, Alarm::Retry { .. })) => Reason::Retry,
                Some((_, Alarm::Admit { .. })) => Reason::Admission,
                Some((_, Alarm::Fill { .. })) => Reason::Filling,
                Some((_, Alarm::Recommit)) => Reason::Storing,
                None if self.pending.deliveries > 0 => Reason::Held,
                None => Reason::Idle,
            },
        }
    }

    fn answer(&mut self, call: CallId, answer: Answer) {
        self.notes.remove(&call);
        self.outputs.push_back(Output::Answer(call, answer));
    }

    fn observe(&mut self, fact: Fact) {
        self.outputs.push_back(Output::Observe(fact));
    }

    fn commit(&mut self, change: Change, next: Next) {
        // It stays until the answer: what finds the store full is given to it once more.
        let note = next.call().and_then(|call| self.notes.get(&call));
        let note = note.map(|note| Box::new(note.of(&change)));
        let id = self.commits.add(next);
        let batch = crate::Batch { id, change, note };
        self.outputs.push_back(Output::Commit(batch));
    }

    /// Rings the alarms whose time has come.
    fn ring(&mut self) {
        while let Some(alarm) = self.timers.take_due(self.now.mono) {
            match alarm {
                Alarm::Retry { lane, seq } => self.retry_due(lane, seq),
                Alarm::Fill { lane } => self.filled(lane),
                Alarm::Admit { endpoint } => {
                    if let Some(state) = self.endpoints.get_mut(endpoint) {
                        state.admit_timer = None;
                    }
                    self.wake_endpoint(endpoint);
                }
                // What finds the store full once a drain's deadline is over is given up.
                Alarm::Recommit if self.is_past_deadline() => (),
                Alarm::Recommit => {
                    while let Some((change, next)) = self.commits.again.pop_front() {
                        self.commit(change, next);
                    }
                }
            }
        }
    }

    fn committed(&mut self, batch: BatchId, receipt: Receipt) {
        let Some(next) = self.commits.take(batch) else {
            return;
        };
        match next {
            Next::Published {
                call,
                event,
                deliveries,
                undecided,
            } => {
                self.published(call, &event, &deliveries, undecided, receipt);
            }
            Next::Attempted {
                end,
                of,
                endpoint,
                lane,
                failing,
                due,
                batched,
            } => {
                let slot = self.result_recorded(lane, batched).then_some(failing);
                self.attempt_recorded(&end, of, endpoint, lane, slot, due, &receipt);
            }
            Next::Registered { call, endpoint } => self.registered(call, endpoint),
            Next::Changed {
                call,
                endpoint,
                update,
            } => self.changed(call, endpoint, &update),
            Next::Deleted {
                call,
                endpoint,
                id,
                keep,
            } => {
                self.deleted(call, endpoint, id, &keep);
            }
            Next::Resent { call, original } => self.resent(call, original, receipt),
            Next::Backfilled { call, event } => self.backfilled(call, event, receipt),
            Next::Discarded { call, delivery } => self.discarded(call, delivery, receipt),
            Next::RetriedNow { call, delivery } => self.retried_now(call, delivery, receipt),
            Next::Pinged {
                call,
                endpoint,
                update,
                attempt,
            } => {
                self.pinged(endpoint, &update);
                self.answer(call, Answer::Pinged(Ok(*attempt)));
            }
        }
    }

    fn commit_failed(&mut self, batch: BatchId, error: CommitError) {
        if let CommitError::Failed(_) = error {
            self.store_failed();
            return;
        }
        let Some(next) = self.commits.take(batch) else {
            return;
        };
        let change = match &next {
            Next::Attempted { end, .. } => Change::Attempted(end.clone()),
            Next::Deleted { id, keep, .. } => Change::DeleteEndpoint {
                endpoint: *id,
                keep: keep.clone(),
                at: self.now.wall,
            },
            _ => return self.refuse(next, crate::error::Full::Store.into()),
        };
        // What has happened must be recorded, and what is half-done finished.
        if self.commits.again.is_empty() {
            self.timers
                .set(self.now.mono.after(RECOMMIT_DELAY), Alarm::Recommit);
        }
        self.commits.again.push_back((change, next));
    }
}

/// Why a call that waits for the store gets nothing.
#[derive(Clone, Copy)]
enum Refused {
    Full(crate::error::Full),
    Closed(Closed),
}

impl From<crate::error::Full> for Refused {
    fn from(full: crate::error::Full) -> Self {
        Self::Full(full)
    }
}

/// Bytes that an ordered map holds per entry besides key and value, about: nodes are two thirds
/// full and have pointers.
const MAP_OVERHEAD_BYTES: usize = 16;

impl Core {
    /// The bounds it keeps.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn count(&self) -> crate::Footprint {
        let windows = self.lanes.iter().map(Lane::len).sum();
        let window_bytes: usize = self.lanes.iter().map(Lane::bytes).sum();
        let entry = size_of::<AttemptId>() + MAP_OVERHEAD_BYTES;
        let urgent: usize = self.endpoints.iter().map(|state| state.urgent.len()).sum();
        let more = self.attempts.values().map(InFlight::more_bytes);
        let attempts = self.attempts.len() * (size_of::<InFlight>() + entry) + more.sum::<usize>();
        let pings = self.pings.len() * (size_of::<Ping>() + entry);
        let ping_bytes: usize = self.pings.values().map(|ping| ping.payload_bytes).sum();
        let note = |note: &Note| size_of_val(note) + note.value.len() + MAP_OVERHEAD_BYTES;
        let notes: usize = self.notes.values().map(|it| note(it)).sum();
        let tenants = self.tenants.values();
        let subscriptions: usize = tenants.map(|it| it.subscriptions.bytes()).sum();
        let timer = size_of::<Alarm>() + 16 + MAP_OVERHEAD_BYTES;
        let queue = self.outputs.capacity() * size_of::<Output>();
        let status = |wanted: fn(&EndpointState) -> bool| {
            let endpoints = self.endpoints.iter();
            endpoints.filter(|state| wanted(state)).count()
        };
        let depths = self.lanes.iter().map(Lane::depth);
        crate::Footprint {
            endpoints: self.endpoints.len(),
            endpoints_paused: status(|it| it.record.status == EndpointStatus::Paused),
            endpoints_disabled: status(|it| {
                matches!(it.record.status, EndpointStatus::Disabled(_))
            }),
            breakers_open: status(|it| it.breaker != Breaker::Closed),
            endpoints_held: self
                .endpoints
                .iter()
                .filter(|it| it.hold.is_held(self.now.mono))
                .count(),
            lanes: self.lanes.len(),
            lanes_active: depths.clone().filter(|depth| *depth > 0).count(),
            lane_depth_max: depths.max().unwrap_or(0),
            window_deliveries: windows,
            attempts: self.attempts.len() + self.pings.len(),
            slots: self.slots.taken,
            commits: self.commits.len(),
            timers: self.timers.len(),
            pending_deliveries: self.pending.deliveries,
            pending_bytes: self.pending.bytes,
            payload_bytes: self.window_bytes + self.commits.bytes + ping_bytes,
            payload_bytes_bound: 0,
            state_bytes: size_of::<Self>()
                + window_bytes
                + self.lanes.bytes()
                + self.endpoints.bytes()
                + self.commits.queue_bytes()
                + attempts
                + pings
                + notes
                + subscriptions
                + urgent * (size_of::<Key>() + MAP_OVERHEAD_BYTES)
                + self.timers.len() * timer
                + queue,
        }
    }
}
