//! Events that are accepted now and due later.
//!
//! Until its time has come, by the calendar, such an event stands in the store's agenda: it has its
//! id, it is as durable as any other, and it can be looked at and cancelled. Then it is published
//! as if it were submitted at that moment: its subscribers are those of that moment, and it comes
//! after what its lanes hold by then. If it cannot be accepted then (its endpoint has gone or is
//! disabled), it is kept with the reason, among those of [`Postrider::refused_in_outbox`].

use crate::history::InvalidCursor;
use crate::postrider::Postrider;
use crate::status::ReadError;
use crate::store::{StoreError, StoreFuture};
use crate::submission::Submission;
use postrider_engine::{
    EndpointId, Event, EventId, Full, NewEvent, Note, PublishError, Published, Target, TenantId,
    Wall,
};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// The longest time for which an event is kept for later: 365 days.
pub const DELAY_MAX: Duration = Duration::from_secs(365 * 86_400);

/// Events that are kept for later, at most.
pub const SCHEDULED_MAX: u64 = 1_000_000;

/// Of these, those of one tenant.
pub const SCHEDULED_TENANT_MAX: u64 = SCHEDULED_MAX / 2;

/// What has become of an event that was to be published later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scheduled {
    /// It is published then.
    Later {
        /// The event.
        event: EventId,
        /// When.
        due: Wall,
        /// It had been scheduled before, under the same idempotency key, for that time.
        duplicate: bool,
    },
    /// It was published: its time had come, or an event with the same idempotency key had been
    /// published before.
    Now(Published),
}

/// Why an event was not accepted for later.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// It would not have been accepted now, either.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The store has no place for it.
    #[error(
        "this store keeps nothing for later: publish it when its time has come, or use a store in \
         a file"
    )]
    NotKept,
    /// It is due too late.
    #[error("it is due in more than {} days: publish it nearer to its time", DELAY_MAX.as_secs() / 86_400)]
    TooLate,
    /// There are too many.
    #[error(
        "{SCHEDULED_MAX} events wait for their time already: try again when some have come due"
    )]
    TooMany,
    /// Its tenant has as many as it may.
    #[error(
        "{SCHEDULED_TENANT_MAX} events of this tenant wait for their time already: try again when \
         some have come due"
    )]
    TooManyOfTenant,
    /// The store cannot be used. It may have been accepted.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system gives no randomness.
    #[error("the system gives no randomness: {0}")]
    Randomness(String),
}

/// An event that waits for its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduledEvent {
    /// The event, as it will be published: `published_at` is when it is due.
    pub event: Arc<Event>,
    /// The endpoint it is for; `None` for all subscribers.
    pub endpoint: Option<EndpointId>,
    /// Its publisher's idempotency key.
    pub idempotency_key: Option<Arc<str>>,
    /// When it is due.
    pub due: Wall,
    /// Why it was not accepted when its time had come, if it was not.
    pub refused: Option<String>,
}

/// A page of events that wait for their time, as it is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScheduledQuery {
    /// Only those of this tenant.
    pub tenant: Option<TenantId>,
    /// Where the page before ended; `None` for the first one.
    pub after: Option<ScheduledCursor>,
    /// How many at most.
    pub most: usize,
}

/// A page of events that wait for their time, the next one first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScheduledPage {
    /// The events; fewer than were asked for if they are large.
    pub events: Vec<ScheduledEvent>,
    /// Where the next page begins; `None` if there is nothing more.
    pub next: Option<ScheduledCursor>,
}

/// A place among the events that wait for their time. Its text is for handing back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScheduledCursor {
    pub(crate) due: u64,
    pub(crate) number: u64,
}

/// Where a store keeps events for later. Those whose time has come are given out by its
/// [`OutboxSource`](crate::outbox::OutboxSource).
pub trait Agenda: Send + Sync + 'static {
    /// Keeps an event for later, or says that its key is known: also one of an event that waits.
    fn schedule(self: Arc<Self>, new: NewScheduled) -> StoreFuture<Result<Noted, StoreError>>;

    /// Drops an event that waits for its time. False if it does not (any more). Of this and its
    /// being published, one happens.
    fn cancel(self: Arc<Self>, event: EventId) -> StoreFuture<Result<bool, StoreError>>;

    /// The same, and keeps the note of it in the same step, if the event is dropped. A store that
    /// has no [`AuditLog`](crate::AuditLog) leaves the note out.
    fn cancel_noted(
        self: Arc<Self>,
        event: EventId,
        note: Note,
    ) -> StoreFuture<Result<bool, StoreError>> {
        drop(note);
        self.cancel(event)
    }

    /// An event that waits for its time, or was refused when it had come.
    fn find(
        self: Arc<Self>,
        event: EventId,
    ) -> StoreFuture<Result<Option<ScheduledEvent>, StoreError>>;

    /// A page of those that wait.
    fn page(
        self: Arc<Self>,
        query: ScheduledQuery,
    ) -> StoreFuture<Result<ScheduledPage, StoreError>>;
}

/// An event to keep for later.
#[derive(Clone, Debug)]
pub struct NewScheduled {
    /// The id it will have.
    pub id: EventId,
    /// What is to be published.
    pub event: NewEvent,
    /// When.
    pub due: Wall,
}

/// What a store says of an event that it was to keep for later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noted {
    /// It is kept.
    New,
    /// The same event is known under this key: when it is due, if it is kept for later.
    Known(EventId, Option<Wall>),
    /// Another event has its key.
    KeyReused(EventId),
    /// [`SCHEDULED_MAX`] are kept.
    TooMany,
    /// [`SCHEDULED_TENANT_MAX`] of its tenant are kept.
    TooManyOfTenant,
    /// There is no room.
    Full,
}

impl Postrider {
    /// Accepts an event now and publishes it then: at once, if that time has come. A calendar that
    /// jumps takes it along.
    ///
    /// # Errors
    ///
    /// [`ScheduleError`] says why it was not accepted, and what to do.
    pub async fn schedule(
        &self,
        submission: Submission,
        due: Wall,
    ) -> Result<Scheduled, ScheduleError> {
        let now = self.wall();
        if due <= now {
            return Ok(Scheduled::Now(self.publish(submission).await?));
        }
        if Duration::from_millis(due.0 - now.0) > DELAY_MAX {
            return Err(ScheduleError::TooLate);
        }
        self.check_open().map_err(PublishError::from)?;
        let agenda = self.store().agenda().ok_or(ScheduleError::NotKept)?;
        let event = submission.check().map_err(PublishError::from)?;
        event.check(self.limits())?;
        self.check_target(&event).await?;
        let mut random = [0; 16];
        getrandom::fill(&mut random)
            .map_err(|error| ScheduleError::Randomness(error.to_string()))?;
        let id = EventId::from_parts(now, u128::from_be_bytes(random));
        match agenda.schedule(NewScheduled { id, event, due }).await? {
            Noted::New => Ok(Scheduled::Later {
                event: id,
                due,
                duplicate: false,
            }),
            Noted::Known(event, Some(due)) => Ok(Scheduled::Later {
                event,
                due,
                duplicate: true,
            }),
            Noted::Known(event, None) => Ok(Scheduled::Now(Published {
                event,
                deliveries: [].into(),
                duplicate: true,
            })),
            Noted::KeyReused(event) => Err(PublishError::IdempotencyKeyReused(event).into()),
            Noted::TooMany => Err(ScheduleError::TooMany),
            Noted::TooManyOfTenant => Err(ScheduleError::TooManyOfTenant),
            Noted::Full => Err(PublishError::Full(Full::Store).into()),
        }
    }

    /// A page of events that wait for their time, the next one first.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn scheduled(&self, query: ScheduledQuery) -> Result<ScheduledPage, ReadError> {
        match self.store().agenda() {
            Some(agenda) => Ok(agenda.page(query).await?),
            None => Ok(ScheduledPage::default()),
        }
    }

    /// Drops an event that waits for its time; its idempotency key is free again. False if it does
    /// not wait: it was published, or there is no such event.
    ///
    /// # Errors
    ///
    /// If the store cannot be written.
    pub async fn cancel_scheduled(&self, event: &EventId) -> Result<bool, ReadError> {
        let Some(agenda) = self.store().agenda() else {
            return Ok(false);
        };
        Ok(match self.note().cloned() {
            Some(note) => agenda.cancel_noted(*event, note).await?,
            None => agenda.cancel(*event).await?,
        })
    }

    /// An event that is not published.
    pub(crate) async fn unpublished(
        &self,
        event: &EventId,
    ) -> Result<Option<ScheduledEvent>, StoreError> {
        match self.store().agenda() {
            Some(agenda) => agenda.find(*event).await,
            None => Ok(None),
        }
    }

    /// Whether its endpoint is there now: most mistakes are found while someone can be told.
    async fn check_target(&self, event: &NewEvent) -> Result<(), ScheduleError> {
        let Target::Endpoint(id) = event.target else {
            return Ok(());
        };
        let known = self.store().endpoint(id).await?;
        match known.filter(|endpoint| endpoint.spec.tenant == event.tenant) {
            Some(_) => Ok(()),
            None => Err(PublishError::NoSuchEndpoint(id).into()),
        }
    }
}

impl fmt::Display for ScheduledCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.due, self.number)
    }
}

impl FromStr for ScheduledCursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let is_ours = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_ours {
            return Err(InvalidCursor);
        }
        let number = |part: &str| u64::from_str_radix(part, 16).map_err(|_| InvalidCursor);
        Ok(Self {
            due: number(&text[..16])?,
            number: number(&text[16..])?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_the_agenda_is_read_back_and_nothing_else_is() {
        let cursor = ScheduledCursor {
            due: 7,
            number: u64::MAX,
        };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in ["", "12", &"+".repeat(32), &"g".repeat(32)] {
            assert_eq!(text.parse::<ScheduledCursor>(), Err(InvalidCursor));
        }
    }
}
