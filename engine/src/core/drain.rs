//! Coming to a stop: because the host wants it, or because the store has failed.

use super::attempts::InFlight;
use super::{Core, Refused, State};
use crate::commits::Next;
use crate::error::{Closed, EndpointError, Full, PublishError};
use crate::input::CallId;
use crate::output::{Answer, Drained, Output};
use crate::time::Mono;

impl Core {
    pub(super) fn drain(&mut self, call: CallId, deadline: Mono) {
        match self.state {
            State::Running => {
                self.state = State::Draining {
                    call,
                    deadline,
                    cancelled: 0,
                }
            }
            // A second one is answered with what is known now.
            _ => self.answer(call, Answer::Drained(self.remaining(0))),
        }
    }

    fn remaining(&self, cancelled: u32) -> Drained {
        Drained {
            pending: self.pending.deliveries,
            cancelled,
            store_failed: self.state == State::StoreFailed,
        }
    }

    /// Gives up what is under way once the deadline has come, and answers once nothing is.
    pub(super) fn finish_draining(&mut self) {
        let State::Draining {
            call,
            deadline,
            mut cancelled,
        } = self.state
        else {
            return;
        };
        if self.now.mono >= deadline && self.is_sending() {
            self.abandon_pings(Closed::Draining);
            for (id, flight) in std::mem::take(&mut self.attempts) {
                cancelled += 1;
                self.outputs.push_back(Output::Cancel(id));
                self.abandon(&flight);
            }
            self.state = State::Draining {
                call,
                deadline,
                cancelled,
            };
        }
        if self.is_sending() || self.commits.open > 0 {
            return;
        }
        if !self.commits.again.is_empty() {
            if self.now.mono < deadline {
                return;
            }
            // The store has had no room for these to the last.
            for next in self.commits.drain() {
                self.refuse(next, Refused::Full(Full::Store));
            }
        }
        self.state = State::Drained;
        self.answer(call, Answer::Drained(self.remaining(cancelled)));
    }

    /// A request was cancelled: its slot is free, and it says nothing about its endpoint.
    pub(super) fn abandon(&mut self, flight: &InFlight) {
        if let Some(lane) = self.lanes.get_mut(flight.lane) {
            lane.in_flight -= 1;
        }
        if let Some(state) = self.endpoints.get_mut(flight.endpoint) {
            state.abandoned(flight.pass);
        }
        self.release_slot(flight.endpoint, flight.failing);
    }

    /// What the store has recorded is not known any more: nothing may be acknowledged, and nothing
    /// sent.
    pub(super) fn store_failed(&mut self) {
        if self.state == State::StoreFailed {
            return;
        }
        let draining = match self.state {
            State::Draining {
                call, cancelled, ..
            } => Some((call, cancelled)),
            _ => None,
        };
        self.state = State::StoreFailed;
        for (id, _) in std::mem::take(&mut self.attempts) {
            self.outputs.push_back(Output::Cancel(id));
        }
        self.abandon_pings(Closed::StoreFailed);
        for next in self.commits.drain() {
            self.refuse(next, Refused::Closed(Closed::StoreFailed));
        }
        if let Some((call, cancelled)) = draining {
            self.answer(call, Answer::Drained(self.remaining(cancelled)));
        }
    }

    /// Tells whoever waits for a batch that it is not recorded.
    pub(super) fn refuse(&mut self, next: Next, refused: Refused) {
        match next {
            Next::Published {
                call,
                event,
                deliveries,
                ..
            } => {
                self.unreserve(&deliveries, &event);
                let error = match refused {
                    Refused::Full(full) => PublishError::Full(full),
                    Refused::Closed(closed) => PublishError::Closed(closed),
                };
                self.answer(call, Answer::Published(Err(error)));
            }
            Next::Registered { call, endpoint } => {
                self.registration_over(&endpoint.spec.tenant);
                self.answer(call, Answer::Endpoint(Err(refused.into())));
            }
            Next::Changed { call, endpoint, .. } => {
                self.answer(call, Answer::Endpoint(Err(refused.into())));
                self.next_change(endpoint);
            }
            Next::Deleted { call, .. } => {
                self.answer(call, Answer::Deleted(Err(EndpointError::from(refused))));
            }
            Next::Resent { call, .. } => {
                self.unreserve_resend();
                self.answer(call, Answer::Resent(Err(refused.into())));
            }
            Next::Backfilled { call, .. } => {
                self.unreserve_resend();
                self.answer(call, Answer::Backfilled(Err(refused.into())));
            }
            Next::Discarded { call, .. } => {
                self.answer(call, Answer::Discarded(Err(refused.into())));
            }
            Next::RetriedNow { call, .. } => {
                self.answer(call, Answer::RetriedNow(Err(refused.into())));
            }
            // How the endpoint has answered is known all the same.
            Next::Pinged { call, attempt, .. } => {
                self.answer(call, Answer::Pinged(Ok(*attempt)));
            }
            Next::Attempted { .. } => (),
        }
    }
}
