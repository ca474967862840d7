//! Events as a backfill looks at them: what kind they are, and whether an endpoint has had them.

use crate::events::{EventCursor, EventFilter, EventQuery};
use crate::history::Direction;
use crate::store::{Store, StoreError};
use bytes::Bytes;
use postrider_engine::{
    DeliveryRecord, EndpointId, Event, EventHeaders, EventId, EventType, Had, OrderingKey, TenantId,
};
use std::sync::Arc;

/// Events of a tenant, as they are looked at for one of its endpoints, in the order in which they were
/// accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventOutlineQuery {
    /// The endpoint.
    pub endpoint: EndpointId,
    /// Which events.
    pub filter: EventFilter,
    /// Only those with this key; [`OrderingKey::none`] for those without one.
    pub ordering_key: Option<OrderingKey>,
    /// With their payloads.
    pub payloads: bool,
    /// Where the page before ended; `None` for the first one.
    pub after: Option<EventCursor>,
    /// How many at most.
    pub most: usize,
}

/// An event, and whether an endpoint has had it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventOutline {
    /// Its place in the log.
    pub place: EventCursor,
    /// Its id.
    pub id: EventId,
    /// What kind it is.
    pub event_type: EventType,
    /// Its payload, if it is asked for.
    pub payload: Option<Bytes>,
    /// Its headers, if its payload is asked for.
    pub headers: EventHeaders,
    /// It was published for one endpoint alone. A store need not say so of an event that the endpoint
    /// has had.
    pub addressed: bool,
    /// Whether the endpoint has had it.
    pub had: Had,
}

/// A page of events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventOutlinePage {
    /// Events that match. There may be fewer than were asked for, or none, while there are more to
    /// come: a page looks at a bounded number of records.
    pub events: Vec<EventOutline>,
    /// Where the next page begins; `None` if there is nothing more.
    pub next: Option<EventCursor>,
}

impl EventOutlineQuery {
    /// The page of the log in which they are.
    pub(crate) fn log(&self) -> EventQuery {
        EventQuery {
            filter: self.filter.clone(),
            direction: Direction::OldestFirst,
            after: self.after,
            most: self.most,
        }
    }

    /// The headers of an event, as far as they are asked for.
    pub(crate) fn headers_of(&self, event: &Event) -> EventHeaders {
        match self.payloads {
            true => event.headers.clone(),
            false => EventHeaders::default(),
        }
    }

    /// Whether this key is asked for.
    pub(crate) fn takes_key(&self, key: &OrderingKey) -> bool {
        self.ordering_key.as_ref().is_none_or(|asked| asked == key)
    }

    /// The tenant whose events are asked for.
    pub(crate) fn tenant(&self) -> Option<&TenantId> {
        self.filter.tenant.as_ref()
    }
}

/// Finds them with what every store has: what was published for one endpoint is not told apart.
pub(crate) async fn by_reading<S: Store + ?Sized>(
    store: Arc<S>,
    query: EventOutlineQuery,
) -> Result<EventOutlinePage, StoreError> {
    let page = Arc::clone(&store).events(query.log()).await?;
    let mut events = Vec::new();
    for record in page.events {
        let event = record.event;
        let Some(place) = record.place.cursor() else {
            continue;
        };
        if !query.takes_key(&event.ordering_key) {
            continue;
        }
        // It may have been dropped since.
        let Some(deliveries) = Arc::clone(&store).deliveries_of(event.id).await? else {
            continue;
        };
        events.push(EventOutline {
            place,
            id: event.id,
            event_type: event.event_type.clone(),
            payload: query.payloads.then(|| event.payload.clone()),
            headers: query.headers_of(&event),
            addressed: false,
            had: had_by(&deliveries, query.endpoint),
        });
    }
    Ok(EventOutlinePage {
        events,
        next: page.next,
    })
}

/// What these deliveries of an event say of an endpoint.
fn had_by(deliveries: &[DeliveryRecord], endpoint: EndpointId) -> Had {
    let mut had = Had::Nothing;
    for delivery in deliveries.iter().filter(|it| it.lane.endpoint == endpoint) {
        match delivery.replay.filter(|_| delivery.resend_of.is_none()) {
            Some(replay) => return Had::Backfilled(replay),
            None => had = Had::Delivery,
        }
    }
    had
}
