//! Pages of what is held in memory.

use crate::events::{EventCursor, EventPage, EventPlace, EventQuery, EventRecord};
use crate::history::{Cursor, DeliveryPage, DeliveryQuery, Direction};
use postrider_engine::{DeliveryRecord, LoggedEvent, MemoryStore};
use std::sync::Arc;

/// An event as it is read.
pub(super) fn event(logged: LoggedEvent<'_>) -> EventRecord {
    EventRecord {
        event: Arc::clone(logged.event),
        idempotency_key: logged.idempotency_key.map(Arc::clone),
        place: EventPlace::Published(EventCursor(logged.place)),
    }
}

/// A page of the log of events.
pub(super) fn events(held: &MemoryStore, query: &EventQuery) -> EventPage {
    let (from, until) = query.places();
    let between = held.events(from..until.max(from));
    let mut between: Box<dyn Iterator<Item = LoggedEvent<'_>>> = match query.direction {
        Direction::NewestFirst => Box::new(between.rev()),
        Direction::OldestFirst => Box::new(between),
    };
    let mut page = EventPage::default();
    let filter = &query.filter;
    for logged in &mut between {
        if page.events.len() >= query.most {
            page.next = page.through;
            break;
        }
        page.through = Some(EventCursor(logged.place));
        let given = logged.event;
        let is_theirs = filter.tenant.as_ref().is_none_or(|it| *it == given.tenant);
        if is_theirs && filter.takes(given.published_at, &given.event_type) {
            page.events.push(event(logged));
        }
    }
    page
}

/// A page of deliveries.
pub(super) fn deliveries(held: &MemoryStore, query: &DeliveryQuery) -> DeliveryPage {
    let (from, until) = query.ids();
    let between = held.deliveries().filter(|record| {
        let id = record.id.as_u128();
        (from..until).contains(&id)
            && query
                .filter
                .endpoint
                .is_none_or(|endpoint| record.lane.endpoint == endpoint)
            && query.filter.takes(record.state, &record.event.event_type)
    });
    let most = query.most.saturating_add(1);
    let mut deliveries: Vec<DeliveryRecord> = match query.direction {
        Direction::NewestFirst => between.rev().take(most).collect(),
        Direction::OldestFirst => between.take(most).collect(),
    };
    let is_more = deliveries.len() > query.most;
    deliveries.truncate(query.most);
    let next = deliveries.last().filter(|_| is_more);
    DeliveryPage {
        next: next.map(|last| Cursor(last.id)),
        deliveries,
    }
}
