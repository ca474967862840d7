//! One request to an endpoint at once, beside everything that is recorded: so that its owner can
//! see whether it answers.

use super::Core;
use super::attempts::in_time;
use crate::delivery::{Attempt, Event};
use crate::endpoint::EndpointSpec;
use crate::endpoint_state::Existence;
use crate::error::{Closed, PingError};
use crate::id::{AttemptId, EndpointId};
use crate::input::{CallId, NewEvent};
use crate::names::OrderingKey;
use crate::outcome::Outcome;
use crate::output::{Answer, Output};
use crate::request::{Request, Route};
use crate::sent::Sent;
use crate::time::{Mono, Now};
use postrider_signature::Secret;
use std::sync::Arc;
use std::time::Duration;

/// Pings may hold this part of the slots, and always one: whoever may send a test event cannot hold up
/// what is to be delivered.
const PART_OF_SLOTS: usize = 8;

/// A ping that is under way. It holds a slot, and nothing of its endpoint.
pub(super) struct Ping {
    call: CallId,
    /// The endpoint, if it is registered, and the revision of it that it was made with.
    of: Option<(EndpointId, u64)>,
    started: Now,
    pub(super) deadline: Mono,
    pub(super) payload_bytes: usize,
}

impl Core {
    pub(super) fn ping(&mut self, call: CallId, endpoint: EndpointId, new: NewEvent) {
        if let Err(error) = self.try_ping(call, endpoint, new) {
            self.answer(call, Answer::Pinged(Err(error)));
        }
    }

    pub(super) fn ping_unregistered(
        &mut self,
        call: CallId,
        spec: EndpointSpec,
        secret: Secret,
        new: NewEvent,
    ) {
        if let Err(error) = self.try_ping_unregistered(call, spec, secret, new) {
            self.answer(call, Answer::Pinged(Err(error)));
        }
    }

    fn try_ping(
        &mut self,
        call: CallId,
        endpoint: EndpointId,
        new: NewEvent,
    ) -> Result<(), PingError> {
        self.check_ping(&new)?;
        let key = self.by_id.get(&endpoint).copied();
        let state = key.and_then(|key| self.endpoints.get_mut(key));
        let owned = state.filter(|state| {
            state.existence == Existence::Here && state.record.spec.tenant == new.tenant
        });
        let state = owned.ok_or(PingError::NoSuchEndpoint(endpoint))?;
        let (route, timeout) = (state.route_at(self.now.wall), state.record.spec.timeout);
        let of = Some((endpoint, state.record.revision));
        self.send_ping((call, of), new, route, timeout);
        Ok(())
    }

    fn try_ping_unregistered(
        &mut self,
        call: CallId,
        spec: EndpointSpec,
        secret: Secret,
        new: NewEvent,
    ) -> Result<(), PingError> {
        self.check_ping(&new)?;
        spec.check(&self.limits)?;
        let endpoint = self.new_endpoint(spec, secret, Route::UNREGISTERED);
        let route = Route::of(&endpoint, self.now.wall)?;
        endpoint.check_new_secret(&self.limits)?;
        let tenant = endpoint.spec.tenant.clone();
        let new = NewEvent { tenant, ..new };
        self.send_ping((call, None), new, Arc::new(route), endpoint.spec.timeout);
        Ok(())
    }

    /// Refuses what no endpoint could be sent now.
    fn check_ping(&self, new: &NewEvent) -> Result<(), PingError> {
        if let Some(closed) = self.closed() {
            return Err(closed.into());
        }
        let (bytes, most) = (new.payload.len(), self.limits.payload_bytes_max);
        if bytes > most {
            return Err(PingError::PayloadTooLarge { bytes, most });
        }
        let most = self.limits.attempts_max;
        if self.slots.taken >= most {
            return Err(PingError::Busy { most });
        }
        let most = most.div_ceil(PART_OF_SLOTS);
        if self.pings.len() >= most {
            return Err(PingError::TooMany { most });
        }
        Ok(())
    }

    fn send_ping(
        &mut self,
        (call, of): (CallId, Option<(EndpointId, u64)>),
        new: NewEvent,
        route: Arc<Route>,
        timeout: Duration,
    ) {
        let started = self.now;
        let deadline = started.mono.after(timeout.min(self.limits.timeout_max));
        let ping = Ping {
            call,
            of,
            started,
            deadline,
            payload_bytes: new.payload.len(),
        };
        let event = Event {
            id: self.chance.event_id(started.wall),
            tenant: new.tenant,
            event_type: new.event_type,
            payload: new.payload,
            payload_type: new.payload_type,
            headers: new.headers,
            ordering_key: new.ordering_key,
            published_at: started.wall,
        };
        let request = Request {
            attempt: self.chance.attempt_id(started.wall),
            number: 1,
            delivery: self.chance.delivery_id(started.wall),
            lane_key: OrderingKey::none(),
            ordinal: None,
            event: Arc::new(event),
            behind: Vec::new(),
            route,
            at: started.wall,
            body_bytes_max: self.limits.rendered_bytes_max,
        };
        self.slots.taken += 1;
        self.pings.insert(request.attempt, ping);
        self.expect_answer_by(deadline);
        self.outputs.push_back(Output::Send(request, deadline));
    }

    /// Answers whoever waits for the ping, once it is recorded what follows. One that is not known was
    /// given up before.
    pub(super) fn ping_done(&mut self, id: AttemptId, outcome: Outcome, sent: Box<Sent>) {
        let Some(ping) = self.end_ping(id) else {
            return;
        };
        let timeout = ping.deadline.since(ping.started.mono);
        let attempt = Attempt {
            id,
            number: 1,
            started_at: ping.started.wall,
            duration_ms: self.now.mono.0 - ping.started.mono.0,
            sent,
            outcome: in_time(outcome, timeout),
        };
        let went_well = match &attempt.outcome {
            Outcome::Response(response) => (200..300).contains(&response.status),
            Outcome::Failure(_) => false,
        };
        let of = ping.of.filter(|_| went_well);
        let key = of.and_then(|(id, revision)| {
            let key = *self.by_id.get(&id)?;
            let state = self.endpoints.get(key)?;
            // One to another URL, or with other secrets, says nothing of this one.
            (state.record.revision == revision).then_some(key)
        });
        let is_recorded = key.is_some_and(|key| self.is_well(key, ping.call, &attempt));
        if !is_recorded {
            self.answer(ping.call, Answer::Pinged(Ok(attempt)));
        }
    }

    /// Gives up every ping that is under way.
    pub(super) fn abandon_pings(&mut self, closed: Closed) {
        while let Some(id) = self.pings.keys().next().copied() {
            self.outputs.push_back(Output::Cancel(id));
            if let Some(ping) = self.end_ping(id) {
                self.answer(ping.call, Answer::Pinged(Err(closed.into())));
            }
        }
    }

    fn end_ping(&mut self, id: AttemptId) -> Option<Ping> {
        let ping = self.pings.remove(&id)?;
        self.slots.taken = self.slots.taken.saturating_sub(1);
        Some(ping)
    }
}
