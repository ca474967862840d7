//! What need not wait any longer: one delivery whose next attempt is asked for, or all that waits for an
//! endpoint.

use super::{Core, Refused};
use crate::batch::{Change, EndpointUpdate, Placed, Receipt, Refusal};
use crate::breaker::Breaker;
use crate::commits::Next;
use crate::delivery::{Attempt, LaneId};
use crate::endpoint::{EndpointStatus, Health, Ordering};
use crate::endpoint_state::Existence;
use crate::error::RetryError;
use crate::fact::Fact;
use crate::id::DeliveryId;
use crate::input::CallId;
use crate::lane::{Lane, Member, Phase, Step};
use crate::output::Answer;
use crate::slab::Key;
use std::sync::Arc;

impl Core {
    pub(super) fn retry_now(&mut self, call: CallId, delivery: DeliveryId, lane: &LaneId) {
        if let Err(error) = self.try_retry_now(call, delivery, lane) {
            self.answer(call, Answer::RetriedNow(Err(error)));
        }
    }

    fn try_retry_now(
        &mut self,
        call: CallId,
        delivery: DeliveryId,
        lane: &LaneId,
    ) -> Result<(), RetryError> {
        self.check_open()?;
        let ordered = self.check_head(delivery, lane)?;
        let change = Change::RetryNow {
            delivery,
            with: self.batch_of(delivery, lane),
            ordered,
            at: self.now.wall,
        };
        self.commit(change, Next::RetriedNow { call, delivery });
        Ok(())
    }

    /// Refuses what cannot be sent now, as far as that is known here. Whether the store has to look
    /// for what is before it.
    fn check_head(&self, delivery: DeliveryId, id: &LaneId) -> Result<bool, RetryError> {
        let endpoint = self.by_id.get(&id.endpoint);
        let state = endpoint.and_then(|key| self.endpoints.get(*key));
        let state = state.filter(|state| state.existence == Existence::Here);
        let state = state.ok_or(RetryError::NoSuchDelivery(delivery))?;
        let lane = state.lane(&id.key).and_then(|key| self.lanes.get(key));
        let entry = lane.and_then(|lane| lane.entry_of(delivery));
        let is_sending =
            entry.is_some_and(|entry| matches!(entry.phase, Phase::Sending(_) | Phase::Recording));
        if is_sending {
            return Err(RetryError::Sending(delivery));
        }
        match lane.and_then(|lane| lane.stopped_at) {
            Some(at) if at == delivery => return Err(RetryError::AlreadyEnded(delivery)),
            Some(at) => return Err(RetryError::Stopped { delivery, at }),
            None => (),
        }
        match state.record.status {
            EndpointStatus::Active => (),
            EndpointStatus::Paused => return Err(RetryError::Paused(id.endpoint)),
            EndpointStatus::Disabled(_) => return Err(RetryError::Disabled(id.endpoint)),
        }
        let ordering = state.ordering();
        // One that is not at hand may have ended: the store knows that, and what is before it.
        let lane_at_hand = entry.and(lane);
        if let Some(head) = lane_at_hand.and_then(|lane| lane.ahead_of(delivery, ordering)) {
            return Err(RetryError::BehindHead { delivery, head });
        }
        Ok(ordering == Ordering::Fifo || entry.is_none())
    }

    /// Those that have failed in one batch with the head of this lane.
    fn batch_of(&self, head: DeliveryId, id: &LaneId) -> Vec<DeliveryId> {
        let endpoint = self.by_id.get(&id.endpoint);
        let state = endpoint.and_then(|key| self.endpoints.get(*key));
        let state = state.filter(|state| state.record.spec.batch.is_some());
        let lane = state.and_then(|state| self.lanes.get(state.lane(&id.key)?));
        let behind = lane.map(|lane| lane.failed_with(head));
        let behind = behind.into_iter().flatten();
        behind.map(|entry| entry.delivery).collect()
    }

    pub(super) fn retried_now(&mut self, call: CallId, delivery: DeliveryId, receipt: Receipt) {
        let answer = match receipt {
            Receipt::Due(placed) => {
                self.hurry(&placed);
                Ok(())
            }
            Receipt::Refused(Refusal::BehindHead(head)) => {
                Err(RetryError::BehindHead { delivery, head })
            }
            Receipt::Refused(Refusal::AlreadyEnded) => Err(RetryError::AlreadyEnded(delivery)),
            Receipt::Refused(_) => Err(RetryError::NoSuchDelivery(delivery)),
            other => unreachable!("a retry is not answered by {other:?}"),
        };
        self.answer(call, Answer::RetriedNow(answer));
    }

    /// A delivery is sent before all else of its endpoint, and passes breaker and hold by.
    fn hurry(&mut self, placed: &Placed) {
        let endpoint = self.by_id.get(&placed.lane.endpoint);
        let Some(state) = endpoint.and_then(|key| self.endpoints.get(*key)) else {
            return;
        };
        let Some(key) = state.lane(&placed.lane.key) else {
            return;
        };
        let batches = state.record.spec.batch.is_some();
        let ordering = state.ordering();
        // Its endpoint may keep an order since the store was asked: what goes before it now was not
        // asked for, and must not pass breaker and hold by in its place.
        let lane = self.lanes.get_mut(key).filter(|lane| {
            lane.stopped_at.is_none() && lane.ahead_of(placed.delivery, ordering).is_none()
        });
        let Some(timers) = lane.and_then(|lane| lane.hurry(placed.seq, batches)) else {
            return;
        };
        for timer in timers {
            self.timers.clear(timer);
        }
        self.wake_lane(key);
    }

    /// The endpoint's next lane whose turn was asked for.
    pub(super) fn next_urgent(&mut self, endpoint: Key) -> Option<Key> {
        loop {
            let state = self.endpoints.get(endpoint)?;
            let key = *state.urgent.first()?;
            let is_urgent = self.lanes.get(key).is_some_and(Lane::is_urgent);
            match self.next_step(key).filter(|_| is_urgent) {
                Some(Step::Send(_) | Step::SendBatch(_) | Step::Load(_)) => return Some(key),
                // It has been sent or has ended, or is being read: then it comes back.
                Some(Step::Wait | Step::Fill(_)) | None => {
                    self.endpoints.get_mut(endpoint)?.urgent.remove(&key);
                }
            }
        }
    }

    /// What was asked for could not leave this host: once its pause is over it still need not wait.
    pub(super) fn ask_again(&mut self, endpoint: Key, key: Key, first: Member) {
        let Some(state) = self.endpoints.get_mut(endpoint) else {
            return;
        };
        let ordering = state.ordering();
        let lane = self.lanes.get_mut(key);
        let lane = lane.filter(|lane| lane.ahead_of(first.of.delivery, ordering).is_none());
        if let Some(lane) = lane {
            lane.ask_again(first.seq);
            // It comes back once it can start.
            state.urgent.remove(&key);
        }
    }

    /// If something of the lane was asked for, and had to wait for something else of it, its turn has
    /// come as soon as it can start.
    pub(super) fn wake_urgent(&mut self, key: Key) {
        let lane = self.lanes.get(key).filter(|lane| lane.is_urgent());
        let Some(endpoint) = lane.map(|lane| lane.endpoint) else {
            return;
        };
        let step = self.next_step(key);
        if let Some(Step::Send(_) | Step::SendBatch(_) | Step::Load(_)) = step
            && let Some(state) = self.endpoints.get_mut(endpoint)
        {
            state.urgent.insert(key);
            self.wake_endpoint(endpoint);
        }
    }

    /// A lane was read: if something of it was asked for and has not been sent, its turn may have come.
    pub(super) fn again_if_urgent(&mut self, endpoint: Key, key: Key) {
        let Some(state) = self.endpoints.get_mut(endpoint) else {
            return;
        };
        if self.lanes.get(key).is_some_and(Lane::is_urgent) {
            state.urgent.insert(key);
        } else {
            state.urgent.remove(&key);
        }
    }

    /// All that waits for an endpoint is due, and breaker and hold wait no longer. Whoever calls this
    /// wakes it.
    pub(super) fn make_due(&mut self, endpoint: Key) {
        let now = self.now.mono;
        let Some(state) = self.endpoints.get_mut(endpoint) else {
            return;
        };
        state.breaker.cut(now);
        state.hold.end(now);
        for key in state.lanes() {
            let lane = self.lanes.get_mut(key);
            for timer in lane.map(Lane::stop_waiting).unwrap_or_default() {
                self.timers.clear(timer);
            }
        }
    }

    /// A ping was answered with 2xx: what waits for that endpoint need not. Whether that is being
    /// recorded, and the answer waits for it.
    pub(super) fn is_well(&mut self, endpoint: Key, call: CallId, attempt: &Attempt) -> bool {
        let open = self.check_open().is_ok();
        let Some(state) = self.endpoints.get(endpoint).filter(|_| open) else {
            return false;
        };
        let waits = |key| {
            let lane = self.lanes.get(key);
            lane.is_some_and(|lane| {
                let mut entries = lane.entries();
                entries.any(|entry| matches!(entry.phase, Phase::Waiting(_)))
            })
        };
        let is_unwell = state.record.health != Health::default()
            || state.breaker != Breaker::Closed
            || state.hold.is_held(self.now.mono);
        if state.existence != Existence::Here || !(is_unwell || state.lanes().any(waits)) {
            return false;
        }
        let update = Arc::new(EndpointUpdate {
            endpoint: state.id(),
            spec: None,
            secrets: None,
            status: None,
            health: Some(Health::default()),
            due: Some(self.now.wall),
        });
        let next = Next::Pinged {
            call,
            endpoint,
            update: Arc::clone(&update),
            attempt: Box::new(attempt.clone()),
        };
        self.commit(Change::ChangeEndpoint(update), next);
        true
    }

    /// It is recorded that an endpoint is well.
    pub(super) fn pinged(&mut self, endpoint: Key, update: &EndpointUpdate) {
        let before = self.endpoints.get(endpoint).map(|state| state.breaker);
        if self.apply_update(endpoint, update).is_none() {
            return;
        }
        if before.is_some_and(|breaker| breaker != Breaker::Closed) {
            self.observe(Fact::BreakerClosed {
                endpoint: update.endpoint,
            });
        }
        self.wake_all(endpoint);
    }
}

impl From<Refused> for RetryError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Full(full) => full.into(),
            Refused::Closed(closed) => closed.into(),
        }
    }
}
