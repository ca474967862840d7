//! Sending again and giving up, by hand.

use super::{Core, Refused};
use crate::batch::{Change, Placed, Receipt, Refusal};
use crate::commits::Next;
use crate::error::{DiscardError, Full, ResendError};
use crate::fact::{Fact, Of};
use crate::id::{DeliveryId, EndpointId, ReplayId};
use crate::input::CallId;
use crate::lane::{Entry, Phase};
use crate::output::Answer;
use crate::slab::Key;

impl Core {
    pub(super) fn resend(
        &mut self,
        call: CallId,
        original: DeliveryId,
        endpoint: Option<EndpointId>,
        replay: Option<ReplayId>,
    ) {
        let shares = endpoint.map_or(Ok(()), |endpoint| self.check_shares(endpoint));
        let shares = shares.map_err(Refused::Full);
        let open = self.check_open().and(shares);
        if let Err(refused) = open.and_then(|()| self.reserve_resend()) {
            return self.answer(call, Answer::Resent(Err(refused.into())));
        }
        let at = self.now.wall;
        let new = self.chance.delivery_id(at);
        let change = Change::Resend {
            of: original,
            new,
            replay,
            at,
        };
        self.commit(change, Next::Resent { call, original });
    }

    /// Counts the new delivery as pending, if it fits. Its bytes are not known before the store
    /// has found it.
    pub(super) fn reserve_resend(&mut self) -> Result<(), Refused> {
        let limits = &self.limits;
        let (deliveries, bytes) = (limits.pending_deliveries_max, limits.pending_bytes_max);
        if self.pending.deliveries >= deliveries {
            return Err(Refused::Full(Full::PendingDeliveries { most: deliveries }));
        }
        if self.pending.bytes >= bytes {
            return Err(Refused::Full(Full::PendingBytes { most: bytes }));
        }
        self.pending.add(1, 0);
        Ok(())
    }

    /// Takes back what [`Core::reserve_resend`] counted.
    pub(super) fn unreserve_resend(&mut self) {
        self.pending.subtract(1, 0);
    }

    pub(super) fn resent(&mut self, call: CallId, original: DeliveryId, receipt: Receipt) {
        self.unreserve_resend();
        let placed = match receipt {
            Receipt::Resent(placed) => placed,
            Receipt::Refused(refusal) => {
                let error = match refusal {
                    Refusal::NoSuchEndpoint(id) => ResendError::NoSuchEndpoint(id),
                    Refusal::StillPending => ResendError::StillPending(original),
                    Refusal::NoSuchDelivery
                    | Refusal::AlreadyEnded
                    | Refusal::AlreadyResent
                    | Refusal::BehindHead(_)
                    | Refusal::NoSuchEvent
                    | Refusal::AlreadyReached
                    | Refusal::Addressed => ResendError::NoSuchDelivery(original),
                };
                return self.answer(call, Answer::Resent(Err(error)));
            }
            Receipt::Stale => {
                let error = ResendError::AlreadyReplayed(original);
                return self.answer(call, Answer::Resent(Err(error)));
            }
            other => unreachable!("a resend is not answered by {other:?}"),
        };
        let delivery = placed.delivery;
        self.observe(Fact::Resent {
            of: of(&placed),
            original,
        });
        self.place_resent(placed, Some(original));
        self.answer(call, Answer::Resent(Ok(delivery)));
    }

    pub(super) fn place_resent(&mut self, placed: Placed, original: Option<DeliveryId>) {
        // The endpoint is there: its deletion would have been answered after this.
        let Some(&endpoint) = self.by_id.get(&placed.lane.endpoint) else {
            return;
        };
        let bytes = u64::from(placed.payload_bytes);
        self.count_pending(endpoint, 1, bytes);
        let key = self.lane_of(endpoint, &placed.lane.key, placed.seq.previous());
        let Some(lane) = self.lanes.get_mut(key) else {
            return;
        };
        if original.is_some() && lane.stopped_at == original {
            lane.stopped_at = None;
            lane.read_again();
            lane.restore(Entry {
                delivery: placed.delivery,
                event_id: placed.event,
                seq: placed.seq,
                ordinal: placed.ordinal,
                event: None,
                payload_bytes: placed.payload_bytes,
                attempts: 0,
                phase: Phase::Ready,
            });
        } else {
            lane.extended_to(placed.seq);
        }
        self.wake_lane(key);
    }

    pub(super) fn discard(&mut self, call: CallId, delivery: DeliveryId, dead: bool) {
        if let Err(refused) = self.check_open() {
            return self.answer(call, Answer::Discarded(Err(refused.into())));
        }
        let change = Change::Discard {
            delivery,
            dead,
            at: self.now.wall,
        };
        self.commit(change, Next::Discarded { call, delivery });
    }

    pub(super) fn discarded(&mut self, call: CallId, delivery: DeliveryId, receipt: Receipt) {
        let (placed, was_pending) = match receipt {
            Receipt::Discarded {
                placed,
                was_pending,
            } => (placed, was_pending),
            Receipt::Refused(refusal) => {
                let error = match refusal {
                    Refusal::AlreadyEnded => DiscardError::AlreadyEnded(delivery),
                    Refusal::AlreadyResent => DiscardError::AlreadyResent(delivery),
                    Refusal::StillPending => DiscardError::StillPending(delivery),
                    _ => DiscardError::NoSuchDelivery(delivery),
                };
                return self.answer(call, Answer::Discarded(Err(error)));
            }
            other => unreachable!("a discard is not answered by {other:?}"),
        };
        self.observe(Fact::Discarded { of: of(&placed) });
        self.take_out(&placed, was_pending);
        self.answer(call, Answer::Discarded(Ok(())));
    }

    /// Takes a discarded delivery out of its lane, wherever it stands there.
    fn take_out(&mut self, placed: &Placed, was_pending: bool) {
        let Some((endpoint, key)) = self.whereabouts(placed) else {
            return;
        };
        if was_pending {
            self.count_end(endpoint, u64::from(placed.payload_bytes));
        }
        let Some(lane) = self.lanes.get_mut(key) else {
            return;
        };
        if lane.stopped_at == Some(placed.delivery) {
            lane.stopped_at = None;
        }
        let entry = if was_pending {
            lane.end(placed.seq)
        } else {
            None
        };
        if let Some(entry) = entry {
            self.let_go(endpoint, entry.bytes_at_hand());
            match entry.phase {
                Phase::Waiting(timer) => self.timers.clear(timer),
                Phase::Sending(attempt) => self.leave_flight(attempt, placed.seq),
                // A result on its way to the store will find that the delivery has ended.
                Phase::Ready | Phase::Recording => (),
            }
        }
        self.wake_lane(key);
        self.settle(key);
        self.forget_if_gone(endpoint);
    }

    /// The endpoint and the lane of a delivery. One whose endpoint was deleted is known by its
    /// request, while that is under way.
    fn whereabouts(&mut self, placed: &Placed) -> Option<(Key, Key)> {
        if let Some(&endpoint) = self.by_id.get(&placed.lane.endpoint) {
            let lane = self.lane_of(endpoint, &placed.lane.key, placed.seq);
            return Some((endpoint, lane));
        }
        let mut flights = self.attempts.values();
        let flight = flights.find(|flight| flight.has(placed.delivery))?;
        Some((flight.endpoint, flight.lane))
    }
}

pub(super) fn of(placed: &Placed) -> Of {
    Of {
        delivery: placed.delivery,
        event: placed.event,
        endpoint: placed.lane.endpoint,
    }
}

impl From<Refused> for ResendError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Full(full) => full.into(),
            Refused::Closed(closed) => closed.into(),
        }
    }
}

impl From<Refused> for DiscardError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Full(full) => full.into(),
            Refused::Closed(closed) => closed.into(),
        }
    }
}
