//! Events as a backfill looks at them, in memory.

use crate::event_outline::{EventOutline, EventOutlinePage, EventOutlineQuery};
use crate::events::EventCursor;
use crate::history::READ_BYTES_MAX;
use postrider_engine::{Had, MemoryStore};

pub(super) fn page(held: &MemoryStore, query: &EventOutlineQuery) -> EventOutlinePage {
    let (from, until) = query.log().places();
    let mut page = EventOutlinePage::default();
    let mut through = None;
    let mut bytes = 0;
    for logged in held.events(from..until.max(from)) {
        if page.events.len() >= query.most || bytes >= READ_BYTES_MAX {
            page.next = through;
            break;
        }
        let place = EventCursor(logged.place);
        through = Some(place);
        let event = logged.event;
        let is_theirs = query.tenant().is_none_or(|it| *it == event.tenant);
        if !is_theirs
            || !query.filter.takes(event.published_at, &event.event_type)
            || !query.takes_key(&event.ordering_key)
        {
            continue;
        }
        let payload = query.payloads.then(|| event.payload.clone());
        bytes += payload.as_ref().map_or(0, bytes::Bytes::len);
        let had = held.had(event.id, query.endpoint);
        page.events.push(EventOutline {
            place,
            id: event.id,
            event_type: event.event_type.clone(),
            payload,
            headers: query.headers_of(event),
            addressed: logged.addressed,
            had: had.unwrap_or(Had::Nothing),
        });
    }
    page
}
