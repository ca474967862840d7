//! The log of events in memory.

use super::MemoryStore;
use crate::delivery::Event;
use crate::id::{DeliveryId, EndpointId, EventId, ReplayId};
use crate::names::TenantId;
use std::collections::BTreeMap;
use std::ops::RangeBounds;
use std::sync::Arc;

/// An event on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoggedEvent<'a> {
    /// Its place in the order in which events were accepted. No other event gets it.
    pub place: u64,
    /// The event.
    pub event: &'a Arc<Event>,
    /// Its publisher's idempotency key.
    pub idempotency_key: Option<&'a Arc<str>>,
    /// It was published for one endpoint.
    pub addressed: bool,
}

#[derive(Debug)]
pub(super) struct StoredEvent {
    pub(super) event: Arc<Event>,
    place: u64,
    pub(super) deliveries: Vec<DeliveryId>,
    /// It was published for one endpoint.
    pub(super) addressed: bool,
    /// The records of some of the deliveries with which it was published are gone.
    pub(super) has_forgotten: bool,
    /// Endpoints that it was given to later, and by which replay.
    pub(super) backfilled: BTreeMap<EndpointId, ReplayId>,
    key: Option<Box<(TenantId, Arc<str>)>>,
}

impl MemoryStore {
    /// An event, as long as its record is kept.
    #[must_use]
    pub fn event(&self, id: EventId) -> Option<LoggedEvent<'_>> {
        self.events.get(&id).map(StoredEvent::logged)
    }

    /// The events on record in these places, by their places.
    pub fn events(
        &self,
        places: impl RangeBounds<u64>,
    ) -> impl DoubleEndedIterator<Item = LoggedEvent<'_>> {
        let logged = self.log.range(places);
        logged.filter_map(|(_, id)| self.event(*id))
    }

    pub(super) fn record_event(
        &mut self,
        (event, addressed): (Arc<Event>, bool),
        deliveries: Vec<DeliveryId>,
        key: Option<(TenantId, Arc<str>)>,
    ) {
        self.last_place += 1;
        let place = self.last_place;
        self.log.insert(place, event.id);
        let stored = StoredEvent {
            place,
            deliveries,
            addressed,
            has_forgotten: false,
            backfilled: BTreeMap::new(),
            key: key.map(Box::new),
            event,
        };
        self.events.insert(stored.event.id, stored);
    }

    /// An event that went to nobody goes, unless somebody was given it later: then it goes with the
    /// last of these deliveries.
    pub(super) fn forget_event_for_nobody(&mut self, id: EventId) {
        let event = self.events.get(&id);
        if event.is_some_and(|event| event.deliveries.is_empty()) {
            self.forget_event(id);
        }
    }

    pub(super) fn forget_event(&mut self, id: EventId) {
        let Some(event) = self.events.remove(&id) else {
            return;
        };
        self.log.remove(&event.place);
        if let Some(key) = event.key {
            self.keys.remove(&*key);
        }
    }
}

impl StoredEvent {
    fn logged(&self) -> LoggedEvent<'_> {
        LoggedEvent {
            place: self.place,
            event: &self.event,
            idempotency_key: self.key.as_ref().map(|key| &key.1),
            addressed: self.addressed,
        }
    }
}
