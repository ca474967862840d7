//! Looking for events: by their keys, their endpoint, what has become of them, and what is in their
//! payload.

use crate::Postrider;
use crate::events::{EventCursor, EventQuery, EventRecord};
use crate::status::{EventState, EventStatus, ReadError};
use crate::store::{Store, StoreError};
use postrider_engine::{EndpointId, EventId, EventType, OrderingKey, TenantId, Wall};
use std::sync::Arc;

/// Which events of the log are looked for: all that is given must be so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventSearch {
    /// Of which tenant, types and time, in which order, from where on, and how many.
    pub query: EventQuery,
    /// Only those with this key; [`OrderingKey::none`] for those without one.
    pub ordering_key: Option<OrderingKey>,
    /// Only the one that was published under this key.
    pub idempotency_key: Option<Arc<str>>,
    /// Only those with a delivery to this endpoint; it may be gone.
    pub endpoint: Option<EndpointId>,
    /// Only those in one of these states; empty for any. Events that wait for their time, or were
    /// refused then, are not in the log.
    pub states: Vec<EventState>,
    /// Only those with this text in the bytes of their payload.
    pub payload: Option<Arc<str>>,
}

/// An event without its payload, and what has become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventSummary {
    /// Its id.
    pub id: EventId,
    /// Who published it.
    pub tenant: TenantId,
    /// What kind it is.
    pub event_type: EventType,
    /// Its key.
    pub ordering_key: OrderingKey,
    /// Its publisher's idempotency key.
    pub idempotency_key: Option<Arc<str>>,
    /// When it was published.
    pub published_at: Wall,
    /// How long its payload is, in bytes.
    pub payload_bytes: usize,
    /// How many deliveries it has on record, resends included.
    pub deliveries: usize,
    /// What has become of it.
    pub state: EventState,
    /// Its place in the log.
    pub place: EventCursor,
}

/// A page of events that were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundEvents {
    /// Events that match. There may be fewer than were asked for, or none, while there are more to
    /// come: a page looks at a bounded number of records, and at 64 MiB of payloads.
    pub events: Vec<EventSummary>,
    /// Where the next page begins; `None` if there is nothing more now.
    pub next: Option<EventCursor>,
}

/// Events that [`by_reading`] asks a store for at once, and how often.
const READ_MAX: usize = 250;
const READINGS_MAX: usize = 20;

impl Postrider {
    /// A page of events that are as asked for, newest first unless said otherwise.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn find_events(&self, search: EventSearch) -> Result<FoundEvents, ReadError> {
        Ok(self.store().find_events(search).await?)
    }
}

impl EventSearch {
    /// Whether these bytes have the text in them that is looked for. Text begins with the first byte
    /// of a character, so bytes that are no UTF-8 cannot hide it.
    pub(crate) fn takes_payload(&self, payload: &[u8]) -> bool {
        self.payload.as_deref().is_none_or(|text| {
            let mut chunks = payload.utf8_chunks();
            text.is_empty() || chunks.any(|chunk| chunk.valid().contains(text))
        })
    }

    /// Whether these keys are those that are looked for.
    pub(crate) fn takes_keys(&self, ordering: Option<&str>, idempotency: Option<&str>) -> bool {
        let by_order = self.ordering_key.as_ref();
        let by_repeat = self.idempotency_key.as_deref();
        by_order.is_none_or(|key| key.get() == ordering)
            && by_repeat.is_none_or(|key| Some(key) == idempotency)
    }

    /// Whether this state is among those that are looked for.
    pub(crate) fn takes_state(&self, state: EventState) -> bool {
        self.states.is_empty() || self.states.contains(&state)
    }
}

/// Finds them with what every store has.
pub(crate) async fn by_reading<S: Store + ?Sized>(
    store: Arc<S>,
    search: EventSearch,
) -> Result<FoundEvents, StoreError> {
    let mut found = FoundEvents::default();
    let mut through = search.query.after;
    let mut query = search.query.clone();
    query.most = READ_MAX;
    for _ in 0..READINGS_MAX {
        let page = Arc::clone(&store).events(query.clone()).await?;
        for record in page.events {
            if found.events.len() >= search.query.most {
                found.next = through;
                return Ok(found);
            }
            through = record.place.cursor();
            let summary = summary(&store, &record, &search).await?;
            found.events.extend(summary);
        }
        query.after = page.next;
        if page.next.is_none() {
            return Ok(found);
        }
    }
    found.next = query.after;
    Ok(found)
}

/// An event in short, if it is one of those that are looked for.
async fn summary<S: Store + ?Sized>(
    store: &Arc<S>,
    record: &EventRecord,
    search: &EventSearch,
) -> Result<Option<EventSummary>, StoreError> {
    let event = &record.event;
    let keys = (event.ordering_key.get(), record.idempotency_key.as_deref());
    let Some(place) = record.place.cursor() else {
        return Ok(None);
    };
    if !search.takes_keys(keys.0, keys.1) || !search.takes_payload(&event.payload) {
        return Ok(None);
    }
    // It may have been dropped since.
    let Some(deliveries) = Arc::clone(store).deliveries_of(event.id).await? else {
        return Ok(None);
    };
    let goes_to = |endpoint| deliveries.iter().any(|it| it.lane.endpoint == endpoint);
    let is_theirs = search.endpoint.is_none_or(goes_to);
    if !is_theirs {
        return Ok(None);
    }
    let status = EventStatus::of(event.id, deliveries);
    Ok(search.takes_state(status.state).then(|| EventSummary {
        id: event.id,
        tenant: event.tenant.clone(),
        event_type: event.event_type.clone(),
        ordering_key: event.ordering_key.clone(),
        idempotency_key: record.idempotency_key.clone(),
        published_at: event.published_at,
        payload_bytes: event.payload.len(),
        deliveries: status.deliveries.len(),
        state: status.state,
        place,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_beside_bytes_that_are_no_text() {
        let finds = |text: &str, payload: &[u8]| {
            let search = EventSearch {
                payload: Some(text.into()),
                ..EventSearch::default()
            };
            search.takes_payload(payload)
        };
        assert!(finds("amount\":1", br#"{"amount":12}"#));
        assert!(!finds("amount\":2", br#"{"amount":12}"#));
        assert!(finds("ü", "{\"a\":\"grün\"}".as_bytes()));
        assert!(finds("b", b"\xe2\x82b\xff"));
        assert!(finds("€c", b"\xe2\xe2\x82\xacc"));
        assert!(!finds("bc", b"b\xffc"));
        assert!(finds("", b"") && !finds("x", b""));
    }
}
