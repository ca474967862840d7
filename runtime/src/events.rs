//! The log of events: what was accepted, in the order in which it was.

use crate::agenda::ScheduledEvent;
use crate::history::{Direction, InvalidCursor};
use postrider_engine::{Event, EventPattern, EventType, TenantId, Wall};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// An event on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRecord {
    /// The event.
    pub event: Arc<Event>,
    /// Its publisher's idempotency key.
    pub idempotency_key: Option<Arc<str>>,
    /// Where it stands.
    pub place: EventPlace,
}

/// Where an event stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventPlace {
    /// It was published: its place in the log.
    Published(EventCursor),
    /// It is to be published then.
    Scheduled(Wall),
    /// It was to be published then, and could not be accepted.
    Refused(Wall),
}

/// A place in the log of events: it grows from one event to the next, and none is given away
/// twice. Its text is for handing back, not for reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventCursor(pub(crate) u64);

/// Which events are asked for. The default asks for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Only those of this tenant.
    pub tenant: Option<TenantId>,
    /// Only those whose type matches one of these; empty for any.
    pub event_types: Vec<EventPattern>,
    /// Only those that were published then or later. Times are searched for as if the calendar had
    /// never been set back by more than an hour: where it was, events around that moment may be
    /// missing from a list by time.
    pub from: Option<Wall>,
    /// Only those that were published earlier.
    pub until: Option<Wall>,
}

/// A page of the log of events, as it is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventQuery {
    /// Which events.
    pub filter: EventFilter,
    /// In which order.
    pub direction: Direction,
    /// Where the page before ended; `None` for the first one.
    pub after: Option<EventCursor>,
    /// How many at most.
    pub most: usize,
}

/// A page of the log of events, in the order in which they were accepted.
///
/// Whoever reads along asks for [`Direction::OldestFirst`] and goes on after `next`, or, at the
/// end, after `through`: so no event is missed and none is seen twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventPage {
    /// Events that match. There may be fewer than were asked for, or none, while there are more to
    /// come: a page looks at a bounded number of records.
    pub events: Vec<EventRecord>,
    /// Where the next page begins; `None` if there is nothing more now.
    pub next: Option<EventCursor>,
    /// The last record that was looked at, whether or not it matched; `None` if there was none.
    pub through: Option<EventCursor>,
}

impl EventRecord {
    /// That of an event which waits for its time, or was refused then.
    pub(crate) fn of_unpublished(waiting: ScheduledEvent) -> Self {
        Self {
            event: waiting.event,
            idempotency_key: waiting.idempotency_key,
            place: match waiting.refused {
                Some(_) => EventPlace::Refused(waiting.due),
                None => EventPlace::Scheduled(waiting.due),
            },
        }
    }
}

impl EventPlace {
    /// The place in the log, of one that was published.
    #[must_use]
    pub fn cursor(self) -> Option<EventCursor> {
        match self {
            Self::Published(cursor) => Some(cursor),
            Self::Scheduled(_) | Self::Refused(_) => None,
        }
    }
}

impl EventFilter {
    /// Whether type and time are among those asked for.
    pub(crate) fn takes(&self, published_at: Wall, event_type: &EventType) -> bool {
        self.from.is_none_or(|from| published_at >= from)
            && self.until.is_none_or(|until| published_at < until)
            && (self.event_types.is_empty()
                || self.event_types.iter().any(|it| it.matches(event_type)))
    }
}

impl EventQuery {
    /// The places between which this page is: the first one, and the one after the last.
    pub(crate) fn places(&self) -> (u64, u64) {
        match (self.after.map(|after| after.0), self.direction) {
            (None, _) => (0, u64::MAX),
            (Some(after), Direction::NewestFirst) => (0, after),
            (Some(after), Direction::OldestFirst) => (after.saturating_add(1), u64::MAX),
        }
    }
}

impl fmt::Display for EventCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for EventCursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let is_ours = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let place = u64::from_str_radix(text, 16).ok().filter(|_| is_ours);
        place.map(Self).ok_or(InvalidCursor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_the_log_is_read_back_and_nothing_else_is() {
        let cursor = EventCursor(0x1234);
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in ["", "12", "+000000000001234", &"g".repeat(16)] {
            assert_eq!(text.parse::<EventCursor>(), Err(InvalidCursor), "{text}");
        }
    }
}
