//! Pages of what is held in memory.

use crate::events::{EventCursor, EventPage, EventPlace, EventQuery, EventRecord};
use crate::history::{
    Cursor, DeadLetterGroup, DeliveryFilter, DeliveryPage, DeliveryQuery, DeliverySummary,
    Direction, READ_BYTES_MAX, Room, accepted_at,
};
use crate::waiting_lanes::{LaneCursor, LanePage, LaneQuery, WaitingLane};
use postrider_engine::{
    Attempt, AttemptResult, DeliveryId, DeliveryRecord, DeliveryState, LoggedEvent, MemoryStore,
    TenantId,
};
use std::collections::BTreeMap;
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
    let mut bytes = 0;
    for logged in &mut between {
        if page.events.len() >= query.most || bytes >= READ_BYTES_MAX {
            page.next = page.through;
            break;
        }
        page.through = Some(EventCursor(logged.place));
        let given = logged.event;
        let is_theirs = filter.tenant.as_ref().is_none_or(|it| *it == given.tenant);
        if is_theirs && filter.takes(given.published_at, &given.event_type) {
            bytes += given.payload.len();
            page.events.push(event(logged));
        }
    }
    page
}

/// A page of deliveries.
pub(super) fn deliveries(held: &MemoryStore, query: &DeliveryQuery) -> DeliveryPage {
    let (from, until) = query.ids();
    let between = held.deliveries().filter(|record| {
        (from..until).contains(&record.id.as_u128()) && is_asked_for(&query.filter, record)
    });
    let between: Box<dyn Iterator<Item = DeliveryRecord>> = match query.direction {
        Direction::NewestFirst => Box::new(between.rev()),
        Direction::OldestFirst => Box::new(between),
    };
    let mut page = DeliveryPage::default();
    let mut room = Room::new();
    for record in between {
        let mut own = Room::new();
        let record = own.fit_record(record);
        let fits = room.add(&own) || page.deliveries.is_empty();
        if !fits || page.deliveries.len() >= query.most {
            page.next = page.deliveries.last().map(|last| Cursor(last.id));
            break;
        }
        page.deliveries.push(record);
    }
    page
}

/// At most so many attempts of a delivery with numbers above `after`, as far as there is room.
pub(super) fn attempts(
    held: &MemoryStore,
    (delivery, after, most): (DeliveryId, u32, usize),
) -> Vec<Attempt> {
    let record = held.delivery(delivery);
    let all = record.into_iter().flat_map(|record| record.attempts);
    let mut room = Room::new();
    let mut found = Vec::new();
    for mut attempt in all.filter(|it| it.number > after).take(most) {
        let mut own = Room::new();
        own.fit(&mut attempt);
        if !room.add(&own) && !found.is_empty() {
            break;
        }
        found.push(attempt);
    }
    found
}

fn is_asked_for(filter: &DeliveryFilter, record: &DeliveryRecord) -> bool {
    let last = record.attempts.last();
    let event = &record.event;
    let number = record.ordinal.map(|it| it.number.get());
    filter.tenant.as_ref().is_none_or(|it| *it == event.tenant)
        && filter.event.is_none_or(|it| it == event.id)
        && filter.endpoint.is_none_or(|it| it == record.lane.endpoint)
        && (filter.ordering_key.as_ref()).is_none_or(|it| *it == record.lane.key)
        && filter.takes(record.state, record.resent_as, &event.event_type)
        && filter.takes_place(number, record.resend_of.is_some())
        && filter.takes_end(last.map(|attempt| AttemptResult::from(&attempt.outcome)))
}

/// A page of the lanes in which something waits, by the ids of what waits first.
pub(super) fn waiting_lanes(held: &MemoryStore, query: &LaneQuery) -> LanePage {
    let after = query.after.map(|after| DeliveryId::from_u128(after.0));
    let lanes = held.all_held_lanes().filter_map(|(id, lane)| {
        let first = lane.first.filter(|first| Some(*first) > after)?;
        let is_asked_for = query
            .endpoint
            .is_none_or(|endpoint| endpoint == id.endpoint);
        is_asked_for.then_some((first, id, lane))
    });
    let mut lanes: Vec<_> = lanes.collect();
    lanes.sort_by_key(|(first, _, _)| *first);
    let mut page = LanePage::default();
    let mut last = None;
    for (first, id, lane) in lanes {
        let Some(head) = held.delivery(first) else {
            continue;
        };
        let theirs = query.tenant.as_ref();
        if theirs.is_some_and(|tenant| *tenant != head.event.tenant) {
            continue;
        }
        if page.lanes.len() >= query.most {
            page.next = last;
            break;
        }
        last = Some(LaneCursor(first.as_u128()));
        page.lanes.push(WaitingLane {
            id: id.clone(),
            tenant: head.event.tenant.clone(),
            pending: lane.pending,
            head: DeliverySummary::of(&head),
            stopped_at: lane.stopped_at,
        });
    }
    page
}

/// The dead letters of a tenant, or of all, counted by endpoint and reason.
pub(super) fn dead_letter_groups(
    held: &MemoryStore,
    tenant: Option<&TenantId>,
) -> Vec<DeadLetterGroup> {
    let mut groups = BTreeMap::new();
    for record in held.deliveries() {
        let DeliveryState::Failed(reason) = record.state else {
            continue;
        };
        let owner = &record.event.tenant;
        if record.resent_as.is_some() || tenant.is_some_and(|tenant| tenant != owner) {
            continue;
        }
        let endpoint = record.lane.endpoint;
        let at = accepted_at(record.id);
        let group = groups.entry((endpoint, reason)).or_insert(DeadLetterGroup {
            tenant: owner.clone(),
            endpoint,
            reason,
            count: 0,
            oldest: at,
            newest: at,
        });
        group.count += 1;
        group.newest = at;
    }
    groups.into_values().collect()
}
