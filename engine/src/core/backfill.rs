//! Giving an endpoint what it has missed: a delivery where none was.

use super::dead_letters::of;
use super::{Core, Refused};
use crate::batch::{Change, Receipt, Refusal};
use crate::commits::Next;
use crate::endpoint::Ordering;
use crate::endpoint_state::Existence;
use crate::error::BackfillError;
use crate::fact::Fact;
use crate::id::{EndpointId, EventId, ReplayId};
use crate::input::CallId;
use crate::output::Answer;

impl Core {
    pub(super) fn backfill(
        &mut self,
        call: CallId,
        event: EventId,
        (endpoint, replay): (EndpointId, ReplayId),
    ) {
        if let Err(error) = self.try_backfill(call, event, (endpoint, replay)) {
            self.answer(call, Answer::Backfilled(Err(error)));
        }
    }

    fn try_backfill(
        &mut self,
        call: CallId,
        event: EventId,
        (endpoint, replay): (EndpointId, ReplayId),
    ) -> Result<(), BackfillError> {
        self.check_open()?;
        let key = self.by_id.get(&endpoint);
        let state = key.and_then(|key| self.endpoints.get(*key));
        let here = state.filter(|state| state.existence == Existence::Here);
        let state = here.ok_or(BackfillError::NoSuchEndpoint(endpoint))?;
        if !state.accepts() {
            return Err(BackfillError::EndpointDisabled(endpoint));
        }
        let ordered = state.ordering() == Ordering::Fifo;
        self.check_half_shares(endpoint)?;
        self.reserve_resend()?;
        let at = self.now.wall;
        let change = Change::Backfill {
            event,
            endpoint,
            ordered,
            new: self.chance.delivery_id(at),
            replay,
            at,
        };
        self.commit(change, Next::Backfilled { call, event });
        Ok(())
    }

    pub(super) fn backfilled(&mut self, call: CallId, event: EventId, receipt: Receipt) {
        self.unreserve_resend();
        let answer = match receipt {
            Receipt::Backfilled(placed) => {
                let delivery = placed.delivery;
                self.observe(Fact::Backfilled { of: of(&placed) });
                self.place_resent(placed, None);
                Ok(delivery)
            }
            Receipt::Refused(refusal) => Err(match refusal {
                Refusal::NoSuchEndpoint(id) => BackfillError::NoSuchEndpoint(id),
                Refusal::AlreadyReached => BackfillError::AlreadyReached(event),
                Refusal::Addressed => BackfillError::Addressed(event),
                _ => BackfillError::NoSuchEvent(event),
            }),
            other => unreachable!("a backfill is not answered by {other:?}"),
        };
        self.answer(call, Answer::Backfilled(answer));
    }
}

impl From<Refused> for BackfillError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Full(full) => full.into(),
            Refused::Closed(closed) => closed.into(),
        }
    }
}
