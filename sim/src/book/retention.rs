//! What a bounded store has forgotten: the oldest records of what was delivered, discarded or made
//! anew, and with the last delivery of an event the event and its idempotency key.

use super::Book;
use postrider_engine::{DeliveryId, EventId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The records of a store that keeps only so many of what has ended.
#[derive(Debug, Default)]
pub(super) struct Retention {
    /// What has ended, oldest first.
    ended: VecDeque<Ended>,
    /// How many deliveries of each event are kept, resends included.
    kept: BTreeMap<EventId, usize>,
    deliveries: BTreeSet<DeliveryId>,
    events: BTreeSet<EventId>,
}

#[derive(Clone, Copy, Debug)]
enum Ended {
    Delivery(DeliveryId, EventId),
    /// One that went to nobody.
    Event(EventId),
}

impl Book {
    /// The store need not know this delivery any more, nor must it.
    #[must_use]
    pub fn has_forgotten(&self, delivery: DeliveryId) -> bool {
        self.retention.deliveries.contains(&delivery)
    }

    /// The same of an event and its idempotency key.
    #[must_use]
    pub fn has_forgotten_event(&self, event: EventId) -> bool {
        self.retention.events.contains(&event)
    }

    pub(super) fn kept(&mut self, event: EventId) {
        *self.retention.kept.entry(event).or_default() += 1;
    }

    /// A delivery counts as ended from now on, and not as a dead letter.
    pub(super) fn retired(&mut self, id: DeliveryId) {
        if let Some(page) = self.deliveries.get(&id) {
            self.retention
                .ended
                .push_back(Ended::Delivery(id, page.event));
            self.retain();
        }
    }

    /// An event goes to so many; one for nobody has ended.
    pub(super) fn goes_to(&mut self, event: EventId, deliveries: usize) {
        if deliveries == 0 {
            self.retention.ended.push_back(Ended::Event(event));
            self.retain();
        }
    }

    fn retain(&mut self) {
        let retention = &mut self.retention;
        while retention.ended.len() > self.plan.store_bounds().ended_max {
            match retention.ended.pop_front() {
                Some(Ended::Delivery(id, event)) => {
                    retention.deliveries.insert(id);
                    let kept = retention.kept.entry(event).or_default();
                    *kept = kept.saturating_sub(1);
                    if *kept == 0 {
                        retention.events.insert(event);
                    }
                }
                Some(Ended::Event(event)) => {
                    retention.events.insert(event);
                }
                None => return,
            }
        }
    }
}
