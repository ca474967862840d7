//! How attempts end, and what follows.

use super::Core;
use crate::batch::{Attempted, Change, Receipt};
use crate::breaker::Turned;
use crate::commits::Next;
use crate::delivery::{Attempt, DeliveryState, FailReason, Seq};
use crate::endpoint::{DisabledReason, EndpointStatus, OnFailed, Ordering};
use crate::endpoint_state::{Answered, Existence, Judged, Pass};
use crate::fact::{Fact, Of};
use crate::id::AttemptId;
use crate::lane::{Member, Phase};
use crate::outcome::{Failure, FailureKind, Outcome, Phase as AttemptPhase};
use crate::output::Output;
use crate::retry::{Verdict, asks_for_time};
use crate::sent::Sent;
use crate::slab::Key;
use crate::time::{Mono, Now};
use crate::timers::Alarm;
use std::sync::Arc;
use std::time::Duration;

/// A host that is short of something is left alone for so long.
const LOCAL_PAUSE: Duration = Duration::from_secs(1);

/// A request that is under way.
pub(super) struct InFlight {
    pub(super) endpoint: Key,
    pub(super) lane: Key,
    pub(super) first: Member,
    /// Those that go with it.
    pub(super) more: Vec<Member>,
    /// All have had the same number of attempts.
    pub(super) number: u32,
    pub(super) started: Now,
    pub(super) deadline: Mono,
    /// The endpoint's revision that it was made with.
    pub(super) revision: u64,
    pub(super) failing: bool,
    pub(super) pass: Pass,
}

/// What becomes of a delivery after an attempt.
struct Decision {
    state: DeliveryState,
    answered: Answered,
    /// When the next attempt is due, if one is.
    due: Mono,
}

impl Core {
    pub(super) fn attempt_done(&mut self, id: AttemptId, outcome: Outcome, sent: Box<Sent>) {
        // One that was cancelled, or answered twice, is not known any more.
        match self.attempts.remove(&id) {
            Some(flight) if is_local(&outcome) && self.is_here(flight.endpoint) => {
                self.put_back(id, &flight);
            }
            Some(flight) => self.end_attempt(id, flight, outcome, sent),
            None => self.ping_done(id, outcome, sent),
        }
    }

    /// A request starts that must have been answered by then, and a little.
    pub(super) fn expect_answer_by(&mut self, deadline: Mono) {
        let overdue_at = deadline.after(super::ANSWER_GRACE);
        self.overdue_at = Some(self.overdue_at.map_or(overdue_at, |at| at.min(overdue_at)));
    }

    /// Ends the attempts that their host has forgotten.
    pub(super) fn end_overdue(&mut self) {
        if self.overdue_at.is_none_or(|at| at > self.now.mono) {
            return;
        }
        for id in self.overdue() {
            self.outputs.push_back(Output::Cancel(id));
            let kind = FailureKind::Timeout(AttemptPhase::Unanswered);
            let failure = Failure::new(kind, "the host did not answer by the deadline");
            self.attempt_done(id, Outcome::Failure(failure), Box::default());
        }
        self.overdue_at = self
            .deadlines()
            .map(|(_, deadline)| deadline.after(super::ANSWER_GRACE))
            .min();
    }

    fn overdue(&self) -> Vec<AttemptId> {
        let is_overdue = |deadline: Mono| deadline.after(super::ANSWER_GRACE) <= self.now.mono;
        self.deadlines()
            .filter(|(_, deadline)| is_overdue(*deadline))
            .map(|(id, _)| id)
            .collect()
    }

    /// The requests under way, and by when they must have ended.
    fn deadlines(&self) -> impl Iterator<Item = (AttemptId, Mono)> {
        let attempts = self.attempts.iter().map(|(id, it)| (*id, it.deadline));
        let pings = self.pings.iter().map(|(id, it)| (*id, it.deadline));
        attempts.chain(pings)
    }

    fn is_here(&self, endpoint: Key) -> bool {
        let state = self.endpoints.get(endpoint);
        state.is_some_and(|state| state.existence == Existence::Here)
    }

    /// The host could not send the request. Its receiver has had no part in that: nothing is recorded,
    /// and its deliveries are sent after a pause.
    fn put_back(&mut self, id: AttemptId, flight: &InFlight) {
        self.abandon(flight);
        let due = self.now.mono.after(LOCAL_PAUSE);
        for member in flight.members() {
            self.wait(
                flight.endpoint,
                flight.lane,
                (member.seq, flight.number - 1),
                due,
            );
            self.observe(Fact::AttemptPutBack {
                of: member.of,
                attempt: id,
                number: flight.number,
            });
        }
        if flight.pass.was_asked_for() {
            self.ask_again(flight.endpoint, flight.lane, flight.first);
        }
        self.wake_lane(flight.lane);
        self.settle(flight.lane);
        self.forget_if_gone(flight.endpoint);
    }

    fn end_attempt(&mut self, id: AttemptId, flight: InFlight, outcome: Outcome, sent: Box<Sent>) {
        let Some(lane) = self.lanes.get_mut(flight.lane) else {
            return;
        };
        let lane_id = lane.id.clone();
        for member in flight.members() {
            let Some(entry) = lane.entry_mut(member.seq) else {
                return;
            };
            assert_eq!(entry.phase, Phase::Sending(id), "an attempt ends once");
            entry.phase = Phase::Recording;
        }
        let batched = !flight.more.is_empty();
        // A lane has one batch at most; beside it a single attempt may end, once order is given up.
        if batched {
            lane.batch_left = 1 + flight.more.len();
        }
        let timeout = flight.deadline.since(flight.started.mono);
        let outcome = in_time(outcome, timeout);
        let decision = self.decide(&flight, &outcome);
        let (health, disable) = self.judge(&flight, &decision);
        let stop_lane = matches!(decision.state, DeliveryState::Failed(_))
            && self.endpoints.get(flight.endpoint).is_some_and(|state| {
                state.record.spec.on_failed == OnFailed::Stop && state.existence == Existence::Here
            });
        let first = Attempted {
            delivery: flight.first.of.delivery,
            lane: lane_id,
            seq: flight.first.seq,
            attempt: Attempt {
                id,
                number: flight.number,
                sent,
                started_at: flight.started.wall,
                duration_ms: self.now.mono.0 - flight.started.mono.0,
                outcome,
            },
            state: decision.state,
            stop_lane,
            health,
            disable,
        };
        let more = flight.more.iter().zip(flight.members());
        let more: Vec<_> = more
            .map(|(it, before)| (*it, end_with(&first, it, before)))
            .collect();
        for (member, end) in std::iter::once((flight.first, first)).chain(more) {
            let end = Arc::new(end);
            let next = Next::Attempted {
                end: end.clone(),
                of: member.of,
                endpoint: flight.endpoint,
                lane: flight.lane,
                failing: flight.failing,
                due: decision.due,
                batched,
            };
            self.commit(Change::Attempted(end), next);
        }
    }

    /// One more result is durable. Whether its attempt is over with it.
    pub(super) fn result_recorded(&mut self, lane: Key, batched: bool) -> bool {
        let Some(lane) = self.lanes.get_mut(lane) else {
            return true;
        };
        if batched {
            lane.batch_left -= 1;
            if lane.batch_left > 0 {
                return false;
            }
        }
        lane.in_flight -= 1;
        true
    }

    fn decide(&mut self, flight: &InFlight, outcome: &Outcome) -> Decision {
        let now = self.now;
        let Some(state) = self.endpoints.get(flight.endpoint) else {
            unreachable!("an endpoint stays until its requests have ended")
        };
        let policy = &state.record.spec.retry;
        let decided = |state, answered| Decision {
            state,
            answered,
            due: now.mono,
        };
        let asked_for = asks_for_time(outcome, policy, now.wall);
        let or_not_now = |answered| asked_for.map_or(answered, Answered::NotNow);
        let failed = or_not_now(Answered::Failed);
        match Verdict::of(outcome, policy, now.wall) {
            Verdict::Delivered => decided(DeliveryState::Delivered, Answered::Delivered),
            Verdict::Fail(reason) => {
                decided(DeliveryState::Failed(reason), or_not_now(Answered::Refused))
            }
            Verdict::Retry { .. } if state.existence != Existence::Here => {
                decided(DeliveryState::Discarded, failed)
            }
            Verdict::Retry { .. } if flight.number > policy.retries() => {
                decided(DeliveryState::Failed(FailReason::Exhausted), failed)
            }
            Verdict::Retry { asked } => {
                let delay = policy.draw(flight.number, asked, &mut self.chance);
                Decision {
                    state: DeliveryState::Retrying {
                        due: now.wall.after(delay),
                    },
                    answered: failed,
                    due: now.mono.after(delay),
                }
            }
        }
    }

    /// Takes the end into the endpoint's health, unless it was sent to another revision of the
    /// endpoint (a URL that has changed since says nothing about the new one).
    fn judge(
        &mut self,
        flight: &InFlight,
        decision: &Decision,
    ) -> (Option<crate::Health>, Option<DisabledReason>) {
        let now = self.now;
        let Some(state) = self.endpoints.get_mut(flight.endpoint) else {
            return (None, None);
        };
        if state.record.revision != flight.revision || state.existence != Existence::Here {
            state.abandoned(flight.pass, now.mono);
            return (None, None);
        }
        let before = state.record.health;
        let Judged { turned, held } = state.judge(decision.answered, flight.pass, now);
        let disable = match decision.state {
            DeliveryState::Failed(FailReason::Gone) => Some(DisabledReason::Gone),
            _ if state.has_failed_for_too_long(now.wall) => Some(DisabledReason::Failing),
            _ => None,
        };
        let active = !matches!(state.record.status, EndpointStatus::Disabled(_));
        let health = state.record.health;
        let endpoint = state.id();
        if let Some(until) = held {
            self.observe(Fact::EndpointHeld { endpoint, until });
            self.shed(flight.endpoint);
        }
        match turned {
            Turned::No => (),
            Turned::Opened(until) => {
                self.observe(Fact::BreakerOpened { endpoint, until });
                self.shed(flight.endpoint);
            }
            Turned::Closed => {
                self.observe(Fact::BreakerClosed { endpoint });
                self.wake_endpoint(flight.endpoint);
            }
        }
        (
            (health != before).then_some(health),
            disable.filter(|_| active),
        )
    }

    /// The end of an attempt is durable. `slot` is the one that is free now, and whether it is one
    /// for failing endpoints; none while other results of the same request are being recorded.
    #[expect(
        clippy::too_many_arguments,
        reason = "the fields of one Next, taken apart"
    )]
    pub(super) fn attempt_recorded(
        &mut self,
        end: &Attempted,
        of: Of,
        endpoint: Key,
        lane_key: Key,
        slot: Option<bool>,
        due: Mono,
        receipt: &Receipt,
    ) {
        if *receipt == Receipt::Applied {
            self.tell(end, of);
            match end.state {
                DeliveryState::Retrying { .. } => {
                    self.wait(endpoint, lane_key, (end.seq, end.attempt.number), due);
                }
                _ => self.end_delivery(endpoint, lane_key, end),
            }
            if let Some(reason) = end.disable {
                self.disabled(endpoint, reason);
            }
        } else {
            // It was discarded meanwhile. After the deletion of its endpoint it is still here.
            self.take_entry(endpoint, lane_key, end.seq);
        }
        if let Some(failing) = slot {
            self.release_slot(endpoint, failing);
        }
        self.wake_lane(lane_key);
        self.settle(lane_key);
        self.forget_if_gone(endpoint);
    }

    fn tell(&mut self, end: &Attempted, of: Of) {
        let attempt = &end.attempt;
        self.observe(Fact::AttemptEnded {
            of,
            attempt: attempt.id,
            number: attempt.number,
            result: (&attempt.outcome).into(),
            duration_ms: attempt.duration_ms,
        });
        let attempts = attempt.number;
        self.observe(match end.state {
            DeliveryState::Pending => return,
            DeliveryState::Retrying { due } => Fact::RetryScheduled { of, due },
            DeliveryState::Delivered => Fact::Delivered { of, attempts },
            DeliveryState::Failed(reason) => Fact::Failed {
                of,
                attempts,
                reason,
            },
            DeliveryState::Discarded => Fact::Discarded { of },
        });
    }

    /// A delivery that has had so many attempts waits for its next one; its lane lets go of what it
    /// holds.
    fn wait(&mut self, endpoint: Key, lane_key: Key, (seq, attempts): (Seq, u32), due: Mono) {
        let Some(lane) = self.lanes.get_mut(lane_key) else {
            return;
        };
        let Some(entry) = lane.entry_mut(seq) else {
            return;
        };
        entry.attempts = attempts;
        let alarm = Alarm::Retry {
            lane: lane_key,
            seq,
        };
        entry.phase = Phase::Waiting(self.timers.set(due, alarm));
        let bytes = entry.bytes_at_hand();
        entry.event = None;
        self.let_go(endpoint, bytes);
        let ordering = self.endpoints.get(endpoint).map(|state| state.ordering());
        if ordering == Some(Ordering::Fifo) {
            // All that is behind it waits, too.
            self.shed_lane(endpoint, lane_key);
        }
    }

    fn end_delivery(&mut self, endpoint: Key, lane_key: Key, end: &Attempted) {
        self.take_entry(endpoint, lane_key, end.seq);
        if let Some(lane) = self.lanes.get_mut(lane_key)
            && end.stop_lane
        {
            lane.stopped_at = Some(end.delivery);
        }
    }

    /// A delivery that has ended leaves its lane.
    fn take_entry(&mut self, endpoint: Key, lane_key: Key, seq: Seq) {
        let lane = self.lanes.get_mut(lane_key);
        if let Some(entry) = lane.and_then(|lane| lane.end(seq)) {
            self.count_end(endpoint, u64::from(entry.payload_bytes));
            self.let_go(endpoint, entry.bytes_at_hand());
        }
    }

    /// A delivery is not pending any more.
    pub(super) fn count_end(&mut self, endpoint: Key, bytes: u64) {
        self.uncount_pending(endpoint, 1, bytes);
    }

    /// The endpoint has disabled itself.
    fn disabled(&mut self, endpoint: Key, reason: DisabledReason) {
        let Some(state) = self.endpoints.get_mut(endpoint) else {
            return;
        };
        state.record.status = EndpointStatus::Disabled(reason);
        let endpoint_id = state.id();
        self.observe(Fact::EndpointDisabled {
            endpoint: endpoint_id,
            reason,
        });
        self.shed(endpoint);
    }
}

/// The end of what went in the same request as `first`, right behind `before`. What follows for the
/// endpoint follows once, and the body is kept once.
fn end_with(first: &Attempted, member: &Member, before: &Member) -> Attempted {
    let mut end = Attempted {
        delivery: member.of.delivery,
        seq: member.seq,
        health: None,
        disable: None,
        ..first.clone()
    };
    if let Some(body) = &mut end.attempt.sent.body {
        // Not the first: that may have been discarded, and then each of the others would keep it.
        body.kept_with = Some(before.of.delivery);
    }
    end
}

fn is_local(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Failure(failure) if failure.kind == FailureKind::Local)
}

/// An answer whose head came after the timeout is none: it counts as failed, and the event is sent again.
pub(super) fn in_time(outcome: Outcome, timeout: Duration) -> Outcome {
    match outcome {
        Outcome::Response(response) if u128::from(response.head_ms) > timeout.as_millis() => {
            let detail = format!(
                "HTTP {} came after {} ms",
                response.status, response.head_ms
            );
            Outcome::Failure(Failure::new(
                FailureKind::Timeout(AttemptPhase::Response),
                detail,
            ))
        }
        other => other,
    }
}
