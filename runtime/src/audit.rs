//! Who did what: a log of notes, each kept in one step with the change that it tells of.
//!
//! A [`Note`] rides on a handle ([`Postrider::noting`]) or on a change of a record
//! ([`Records::change_noted`](crate::Records::change_noted)). Of a note and its change both are kept
//! or none; what is refused leaves none. What a note says is the business of whoever embeds
//! Postrider, and sealed where secrets are.

use crate::history::Direction;
use crate::postrider::Postrider;
use crate::records::RecordError;
use crate::status::ReadError;
use crate::store::{StoreError, StoreFuture};
use postrider_engine::{Note, NoteId, TenantId, Wall};
use std::sync::Arc;

/// The most notes that a store keeps: the oldest go first.
pub const NOTES_MAX: u64 = 1_000_000;

/// Of these, those of one tenant: half. Whoever writes more drops their own.
pub const NOTES_TENANT_MAX: u64 = NOTES_MAX / 2;

/// Where a store keeps its notes.
pub trait AuditLog: Send + Sync + 'static {
    /// Keeps a note of what changes nothing that the store holds.
    fn write(self: Arc<Self>, note: Note) -> StoreFuture<Result<(), RecordError>>;

    /// A page of the notes.
    fn page(self: Arc<Self>, query: AuditQuery) -> StoreFuture<Result<AuditPage, StoreError>>;
}

/// A page of the notes, as it is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditQuery {
    /// Only those of this tenant.
    pub tenant: Option<TenantId>,
    /// Only those of what has this id.
    pub target: Option<Arc<str>>,
    /// Only those of then or later.
    pub from: Option<Wall>,
    /// Only earlier ones.
    pub until: Option<Wall>,
    /// In which order.
    pub direction: Direction,
    /// Where the page before ended.
    pub after: Option<NoteId>,
    /// How many at most.
    pub most: usize,
}

/// A page of the notes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditPage {
    /// The notes.
    pub notes: Vec<Note>,
    /// Where the next page begins; `None` if there is nothing more.
    pub next: Option<NoteId>,
}

impl AuditQuery {
    /// The ids between which this page is: the first one, and the one after the last.
    pub(crate) fn ids(&self) -> (u128, u128) {
        let first = |wall: Option<Wall>| wall.map(|wall| NoteId::first_at(wall).as_u128());
        let from = first(self.from).unwrap_or(0);
        let until = first(self.until).unwrap_or(u128::MAX);
        match (self.after.map(NoteId::as_u128), self.direction) {
            (None, _) => (from, until),
            (Some(after), Direction::NewestFirst) => (from, until.min(after)),
            (Some(after), Direction::OldestFirst) => (from.max(after.saturating_add(1)), until),
        }
    }
}

impl AuditPage {
    /// The page of these, of which one more was read than were asked for, if there is one.
    pub(crate) fn of(mut notes: Vec<Note>, most: usize) -> Self {
        let is_more = notes.len() > most;
        notes.truncate(most);
        let next = notes.last().map(|last| last.id).filter(|_| is_more);
        Self { notes, next }
    }
}

impl Postrider {
    /// A handle to the same one, with which changes are noted: the first change that is made by it
    /// is kept together with this note, in one step. What is only read or published by it leaves none,
    /// nor does a ping that makes nothing due.
    #[must_use]
    pub fn noting(&self, note: Note) -> Self {
        let mut handle = self.clone();
        handle.1 = Some(Box::new(note));
        handle
    }

    pub(crate) fn note(&self) -> Option<&Note> {
        self.1.as_deref()
    }

    /// A page of the notes on record; an empty one if the store keeps none.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn audit(&self, query: AuditQuery) -> Result<AuditPage, ReadError> {
        match self.store().audit_log() {
            Some(log) => Ok(log.page(query).await?),
            None => Ok(AuditPage::default()),
        }
    }

    /// Keeps a note of something that changes nothing that the store holds, such as a look at a
    /// secret. A store that keeps no notes leaves it out.
    ///
    /// # Errors
    ///
    /// If the store cannot be written.
    pub async fn write_note(&self, note: Note) -> Result<(), RecordError> {
        match self.store().audit_log() {
            Some(log) => log.write(note).await,
            None => Ok(()),
        }
    }
}
