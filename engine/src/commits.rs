//! What the core has asked the store to record, and what follows once it has.

use crate::batch::{Attempted, BatchId, Change, EndpointUpdate, NewDelivery};
use crate::delivery::{Attempt, Event};
use crate::endpoint::Endpoint;
use crate::fact::{Of, Undecided};
use crate::id::{DeliveryId, EndpointId, EventId};
use crate::input::CallId;
use crate::slab::Key;
use crate::time::Mono;
use std::collections::VecDeque;
use std::sync::Arc;

/// What follows once a batch is durable.
pub(crate) enum Next {
    Published {
        call: CallId,
        event: Arc<Event>,
        deliveries: Arc<[NewDelivery]>,
        undecided: Undecided,
    },
    Attempted {
        end: Arc<Attempted>,
        of: Of,
        endpoint: Key,
        lane: Key,
        failing: bool,
        due: Mono,
        /// It is one of several results of one request.
        batched: bool,
    },
    Registered {
        call: CallId,
        endpoint: Box<Endpoint>,
    },
    Changed {
        call: CallId,
        endpoint: Key,
        update: Arc<EndpointUpdate>,
    },
    Deleted {
        call: CallId,
        endpoint: Key,
        id: EndpointId,
        keep: Vec<DeliveryId>,
    },
    Resent {
        call: CallId,
        original: DeliveryId,
    },
    Backfilled {
        call: CallId,
        event: EventId,
    },
    Discarded {
        call: CallId,
        delivery: DeliveryId,
    },
    RetriedNow {
        call: CallId,
        delivery: DeliveryId,
    },
    /// A ping went well, and that the endpoint is well is being recorded.
    Pinged {
        call: CallId,
        endpoint: Key,
        update: Arc<EndpointUpdate>,
        attempt: Box<Attempt>,
    },
}

impl Next {
    /// The call that is answered then.
    pub(crate) fn call(&self) -> Option<CallId> {
        match self {
            Self::Published { call, .. }
            | Self::Registered { call, .. }
            | Self::Changed { call, .. }
            | Self::Deleted { call, .. }
            | Self::Resent { call, .. }
            | Self::Backfilled { call, .. }
            | Self::Discarded { call, .. }
            | Self::RetriedNow { call, .. }
            | Self::Pinged { call, .. } => Some(*call),
            Self::Attempted { .. } => None,
        }
    }
}

/// The batches that the store has not answered, by number. The numbers are dense, so this is a
/// queue with an offset.
#[derive(Default)]
pub(crate) struct Commits {
    first: u64,
    waiting: VecDeque<Option<Next>>,
    /// How many of them wait.
    pub(crate) open: usize,
    /// Payload bytes of events among them.
    pub(crate) bytes: usize,
    /// Changes that found the store full and must not be given up.
    pub(crate) again: VecDeque<(Change, Next)>,
}

impl Commits {
    pub(crate) fn add(&mut self, next: Next) -> BatchId {
        if let Next::Published { event, .. } = &next {
            self.bytes += event.payload.len();
        }
        self.waiting.push_back(Some(next));
        self.open += 1;
        BatchId(self.first + self.waiting.len() as u64)
    }

    /// What follows on this batch; `None` if it was answered before or never given.
    pub(crate) fn take(&mut self, id: BatchId) -> Option<Next> {
        let index = usize::try_from(id.0.checked_sub(self.first + 1)?).ok()?;
        let next = self.waiting.get_mut(index)?.take()?;
        if let Next::Published { event, .. } = &next {
            self.bytes -= event.payload.len();
        }
        self.open -= 1;
        while let Some(None) = self.waiting.front() {
            self.waiting.pop_front();
            self.first += 1;
        }
        Some(next)
    }

    /// Batches that are not answered, and those to be given again.
    pub(crate) fn len(&self) -> usize {
        self.open + self.again.len()
    }

    /// Everything that is still waiting, in order.
    pub(crate) fn drain(&mut self) -> Vec<Next> {
        self.first += self.waiting.len() as u64;
        self.open = 0;
        self.bytes = 0;
        let again = self.again.drain(..).map(|(_, next)| next);
        self.waiting.drain(..).flatten().chain(again).collect()
    }

    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Next> {
        let again = self.again.iter().map(|(_, next)| next);
        self.waiting.iter().flatten().chain(again)
    }

    /// Bytes held by the queue itself.
    pub(crate) fn queue_bytes(&self) -> usize {
        self.waiting.capacity() * size_of::<Option<Next>>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resent(call: u64) -> Next {
        Next::Resent {
            call: CallId(call),
            original: DeliveryId::from_u128(0),
        }
    }

    #[test]
    fn answers_find_their_batch_in_any_order_and_only_once() {
        let mut commits = Commits::default();
        let ids: Vec<BatchId> = (0..4).map(|call| commits.add(resent(call))).collect();
        assert_eq!(ids[0], BatchId(1));
        for index in [2, 0, 1, 3] {
            let Some(Next::Resent { call, .. }) = commits.take(ids[index]) else {
                panic!("batch {index} is there");
            };
            assert_eq!(call.0, index as u64);
            assert!(commits.take(ids[index]).is_none());
        }
        assert_eq!(commits.len(), 0);
        assert_eq!(commits.add(resent(9)), BatchId(5));
    }
}
