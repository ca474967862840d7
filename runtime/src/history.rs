//! Looking at what was delivered: by endpoint, state, event type and time, page by page.

mod room;
mod summary;

pub(crate) use room::{READ_BYTES_MAX, Room};
pub use summary::{AttemptSummary, DeliverySummary, SummaryPage};

use crate::Postrider;
use crate::statistics::Hour;
use crate::status::ReadError;
use postrider_engine::{
    AttemptResult, DeliveryId, DeliveryRecord, DeliveryState, EndpointId, EventId, EventPattern,
    EventType, FailReason, FailureKind, OrderingKey, TenantId, Wall,
};
use std::fmt;
use std::str::FromStr;

impl Postrider {
    /// A page of deliveries with their attempts, newest first unless said otherwise.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn deliveries(&self, query: DeliveryQuery) -> Result<DeliveryPage, ReadError> {
        Ok(self.store().deliveries(query).await?)
    }
}

/// Which deliveries are asked for. The default asks for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// Only those of events of this tenant.
    pub tenant: Option<TenantId>,
    /// Only those of this event.
    pub event: Option<EventId>,
    /// Only those to this endpoint; it may have been deleted since.
    pub endpoint: Option<EndpointId>,
    /// Only those in one of these states; empty for any.
    pub states: Vec<StateKind>,
    /// Only those of events that match one of these; empty for any.
    pub event_types: Vec<EventPattern>,
    /// Only those that were accepted then or later.
    pub from: Option<Wall>,
    /// Only those that were accepted earlier.
    pub until: Option<Wall>,
    /// Only those in lanes with this key; [`OrderingKey::none`] for those in lanes without one.
    pub ordering_key: Option<OrderingKey>,
    /// Only those whose last attempt was answered with this status.
    pub status: Option<u16>,
    /// Only those whose last attempt was answered with such a status: 2 for 2xx, to 5 for 5xx.
    pub status_class: Option<u8>,
    /// Only those whose last attempt was not answered, for this reason.
    pub failure: Option<FailureKind>,
    /// Only those that failed for one of these reasons; empty for whatever has become of them.
    pub reasons: Vec<FailReason>,
    /// Only dead letters: those that failed and were neither resent nor discarded.
    pub dead: bool,
    /// Only first deliveries of events (none that is made anew) that are numbered higher than this in
    /// their lanes ([`Ordinal::number`](postrider_engine::Ordinal)). Mostly with `endpoint` and
    /// `ordering_key`, which name one lane.
    pub beyond: Option<u64>,
    /// With `dead`: also those that were resent then or later. A replay sets it by itself.
    pub resent_since: Option<Wall>,
}

/// Dead letters of one endpoint that failed for the same reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterGroup {
    /// Whose they are.
    pub tenant: TenantId,
    /// The endpoint; it may have been deleted since.
    pub endpoint: EndpointId,
    /// Why they failed.
    pub reason: FailReason,
    /// How many there are.
    pub count: u64,
    /// When the oldest of them was accepted.
    pub oldest: Wall,
    /// When the newest of them was accepted.
    pub newest: Wall,
}

/// A state of deliveries, without its details.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StateKind {
    /// No attempt has ended yet.
    Pending,
    /// The last attempt failed, another one will come.
    Retrying,
    /// Answered with 2xx.
    Delivered,
    /// Given up after its attempts.
    Failed,
    /// Given up by hand, or its endpoint was deleted.
    Discarded,
}

/// `pending`, `retrying`, `delivered`, `failed` or `discarded` was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no state: expected pending, retrying, delivered, failed or discarded")]
pub struct InvalidState(String);

/// In which order a page is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// As people read: the newest first.
    #[default]
    NewestFirst,
    /// As things happened: the oldest first.
    OldestFirst,
}

/// A page of deliveries, as it is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryQuery {
    /// Which deliveries.
    pub filter: DeliveryFilter,
    /// In which order.
    pub direction: Direction,
    /// Where the page before ended; `None` for the first one.
    pub after: Option<Cursor>,
    /// How many at most.
    pub most: usize,
}

/// A page of deliveries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryPage {
    /// Deliveries that match, each with its attempts. There may be fewer than were asked for, or
    /// none, while there are more to come: a page looks at a bounded number of records, and holds
    /// 4 MiB of payloads and attempts, or one delivery. Of one that has more, the headers and bodies
    /// of its later attempts are left out, and the bodies marked as cut.
    pub deliveries: Vec<DeliveryRecord>,
    /// Where the next page begins; `None` if there is nothing more.
    pub next: Option<Cursor>,
}

/// A place in a list of deliveries. Its text is for handing back, not for reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor(pub(crate) DeliveryId);

/// The text is no cursor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no cursor: hand back the one that came with the page before, unchanged")]
pub struct InvalidCursor;

/// What has come of the deliveries to an endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    /// The hours in which something happened, oldest first.
    pub hours: Vec<Hour>,
    /// All of them together.
    pub total: Hour,
}

impl DeliveryFilter {
    /// The ids between which the deliveries are: the first one, and the one after the last.
    pub(crate) fn ids(&self) -> (u128, u128) {
        let first = |wall: Option<Wall>| wall.map(|wall| DeliveryId::first_at(wall).as_u128());
        let from = first(self.from).unwrap_or(0);
        (from, first(self.until).unwrap_or(u128::MAX))
    }

    /// Whether state and event type are among those asked for.
    pub(crate) fn takes(
        &self,
        state: DeliveryState,
        resent_as: Option<DeliveryId>,
        event_type: &EventType,
    ) -> bool {
        let since = self.resent_since;
        let is_late = |new| since.is_some_and(|since| accepted_at(new) >= since);
        let kind = StateKind::of(state);
        let reason = match state {
            DeliveryState::Failed(reason) => Some(reason),
            _ => None,
        };
        let failed_so = reason.is_some_and(|reason| self.reasons.contains(&reason));
        (self.states.is_empty() || self.states.contains(&kind))
            && (self.reasons.is_empty() || failed_so)
            && (!self.dead || (reason.is_some() && resent_as.is_none_or(is_late)))
            && (self.event_types.is_empty()
                || self.event_types.iter().any(|it| it.matches(event_type)))
    }
}

impl DeliveryFilter {
    /// Whether a delivery with this number in its lane, and made anew or not, is among those asked for.
    pub(crate) fn takes_place(&self, number: Option<u64>, is_resend: bool) -> bool {
        self.beyond
            .is_none_or(|most| !is_resend && number.is_some_and(|it| it > most))
    }

    /// Whether the last attempt ended as is asked for.
    pub(crate) fn takes_end(&self, last: Option<AttemptResult>) -> bool {
        let status = match last {
            Some(AttemptResult::Status(status)) => Some(status),
            _ => None,
        };
        let failure = match last {
            Some(AttemptResult::Failure(kind)) => Some(kind),
            _ => None,
        };
        let class = status.map(|status| status / 100);
        self.status.is_none_or(|wanted| status == Some(wanted))
            && self
                .status_class
                .is_none_or(|wanted| class == Some(wanted.into()))
            && self.failure.is_none_or(|kind| failure == Some(kind))
    }

    /// Whether it depends on how the last attempt ended.
    #[cfg(feature = "sqlite")]
    pub(crate) fn asks_for_end(&self) -> bool {
        self.status.is_some() || self.status_class.is_some() || self.failure.is_some()
    }
}

/// When a delivery was accepted: its id says so.
pub(crate) fn accepted_at(id: DeliveryId) -> Wall {
    // The upper 48 of 128 bits: nothing is lost.
    Wall((id.as_u128() >> 80) as u64)
}

impl DeliveryQuery {
    /// The ids between which this page is: the first one, and the one after the last.
    pub(crate) fn ids(&self) -> (u128, u128) {
        let (from, until) = self.filter.ids();
        match (self.after.map(|after| after.0.as_u128()), self.direction) {
            (None, _) => (from, until),
            (Some(after), Direction::NewestFirst) => (from, until.min(after)),
            (Some(after), Direction::OldestFirst) => (from.max(after.saturating_add(1)), until),
        }
    }
}

impl StateKind {
    const ALL: [Self; 5] = [
        Self::Pending,
        Self::Retrying,
        Self::Delivered,
        Self::Failed,
        Self::Discarded,
    ];

    /// That of a state.
    #[must_use]
    pub fn of(state: DeliveryState) -> Self {
        match state {
            DeliveryState::Pending => Self::Pending,
            DeliveryState::Retrying { .. } => Self::Retrying,
            DeliveryState::Delivered => Self::Delivered,
            DeliveryState::Failed(_) => Self::Failed,
            DeliveryState::Discarded => Self::Discarded,
        }
    }

    /// `pending`, `retrying`, `delivered`, `failed`, `discarded`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Retrying => "retrying",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Discarded => "discarded",
        }
    }
}

impl FromStr for StateKind {
    type Err = InvalidState;

    fn from_str(text: &str) -> Result<Self, InvalidState> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == text);
        found.ok_or_else(|| InvalidState(text.chars().take(64).collect()))
    }
}

impl fmt::Display for StateKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0.as_u128())
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let is_ours = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let id = u128::from_str_radix(text, 16).ok().filter(|_| is_ours);
        id.map(|id| Self(DeliveryId::from_u128(id)))
            .ok_or(InvalidCursor)
    }
}

impl Statistics {
    pub(crate) fn of(hours: Vec<Hour>, from: Wall) -> Self {
        let mut total = Hour::new(hours.first().map_or(from, |hour| hour.start));
        for hour in &hours {
            total.add(hour);
        }
        Self { hours, total }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_and_nothing_else_is() {
        let cursor = Cursor(DeliveryId::from_u128(0x1234));
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in [
            "",
            "12",
            "+0000000000000000000000000001234",
            &"g".repeat(32),
        ] {
            assert_eq!(text.parse::<Cursor>(), Err(InvalidCursor), "{text}");
        }
    }

    #[test]
    fn every_state_has_a_name_that_is_read_back() {
        for kind in StateKind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
        }
        assert!("sending".parse::<StateKind>().is_err());
    }

    #[test]
    fn a_page_lies_between_the_times_and_beyond_the_cursor() {
        let at = |ms| DeliveryId::first_at(Wall(ms)).as_u128();
        let mut query = DeliveryQuery {
            filter: DeliveryFilter {
                from: Some(Wall(10)),
                until: Some(Wall(20)),
                ..DeliveryFilter::default()
            },
            ..DeliveryQuery::default()
        };
        assert_eq!(query.ids(), (at(10), at(20)));
        query.after = Some(Cursor(DeliveryId::from_u128(at(15))));
        assert_eq!(query.ids(), (at(10), at(15)));
        query.direction = Direction::OldestFirst;
        assert_eq!(query.ids(), (at(15) + 1, at(20)));
    }
}
