//! Deliveries in memory without what is large of them.

use crate::history::{Cursor, DeliveryFilter, DeliveryQuery, Direction};
use crate::outline::{DeliveryOutline, OutlinePage};
use postrider_engine::{AttemptResult, DeliveryId, HeldDelivery, MemoryStore};

/// Deliveries that are looked at for one page, at most.
const LOOKED_AT_MAX: usize = 5_000;

/// A page of outlines.
pub(super) fn page(held: &MemoryStore, query: &DeliveryQuery) -> OutlinePage {
    let (from, until) = query.ids();
    let ids = DeliveryId::from_u128(from)..DeliveryId::from_u128(until.max(from));
    let between = held.held_deliveries(ids);
    let between: Box<dyn Iterator<Item = HeldDelivery<'_>>> = match query.direction {
        Direction::NewestFirst => Box::new(between.rev()),
        Direction::OldestFirst => Box::new(between),
    };
    let mut page = OutlinePage::default();
    let mut last = None;
    for (looked_at, delivery) in between.enumerate() {
        if page.deliveries.len() >= query.most || looked_at >= LOOKED_AT_MAX {
            page.next = last;
            break;
        }
        last = Some(Cursor(delivery.id));
        if is_asked_for(&query.filter, &delivery) {
            page.deliveries.push(outline(held, &delivery));
        }
    }
    page
}

fn outline(held: &MemoryStore, delivery: &HeldDelivery<'_>) -> DeliveryOutline {
    let endpoint = held.endpoint(delivery.lane.endpoint);
    DeliveryOutline {
        id: delivery.id,
        tenant: delivery.event.tenant.clone(),
        event_type: delivery.event.event_type.clone(),
        endpoint: delivery.lane.endpoint,
        endpoint_status: endpoint.map(|endpoint| endpoint.status),
        state: delivery.state,
        ended_at: delivery.ended_at,
        resent_as: delivery.resent_as,
    }
}

fn is_asked_for(filter: &DeliveryFilter, delivery: &HeldDelivery<'_>) -> bool {
    let event = delivery.event;
    let last = delivery.last_attempt;
    let number = delivery.ordinal.map(|it| it.number.get());
    filter.tenant.as_ref().is_none_or(|it| *it == event.tenant)
        && filter.event.is_none_or(|it| it == event.id)
        && filter
            .endpoint
            .is_none_or(|it| it == delivery.lane.endpoint)
        && (filter.ordering_key.as_ref()).is_none_or(|it| *it == delivery.lane.key)
        && filter.takes(delivery.state, delivery.resent_as, &event.event_type)
        && filter.takes_place(number, delivery.resend_of.is_some())
        && filter.takes_end(last.map(|attempt| AttemptResult::from(&attempt.outcome)))
}
