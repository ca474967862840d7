//! Who did what, in memory.

use super::MemoryStore;
use crate::audit::{AuditLog, AuditPage, AuditQuery};
use crate::history::Direction;
use crate::records::RecordError;
use crate::store::{StoreError, StoreFuture};
use postrider_engine::{Note, NoteId};
use std::collections::BTreeMap;
use std::future::ready;
use std::sync::{Arc, MutexGuard, PoisonError};

/// Notes that are kept; the oldest go first.
const KEPT_MAX: usize = 10_000;

/// The notes, by id.
#[derive(Debug, Default)]
pub(super) struct Notes(BTreeMap<NoteId, Note>);

impl Notes {
    /// Keeps a note, unless it is there: one may ride on several changes.
    pub(super) fn keep(&mut self, note: Note) {
        self.0.entry(note.id).or_insert(note);
        if self.0.len() > KEPT_MAX {
            self.0.pop_first();
        }
    }

    fn page(&self, query: &AuditQuery) -> AuditPage {
        let (from, until) = query.ids();
        let (from, until) = (NoteId::from_u128(from), NoteId::from_u128(until.max(from)));
        let between = self.0.range(from..until).map(|(_, note)| note);
        let between = between.filter(|note| {
            let is_theirs = query.tenant.is_none() || query.tenant == note.tenant;
            is_theirs && (query.target.is_none() || query.target == note.target)
        });
        let most = query.most.saturating_add(1);
        let notes = match query.direction {
            Direction::NewestFirst => between.rev().take(most).cloned().collect(),
            Direction::OldestFirst => between.take(most).cloned().collect(),
        };
        AuditPage::of(notes, query.most)
    }
}

impl MemoryStore {
    pub(super) fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AuditLog for MemoryStore {
    fn write(self: Arc<Self>, note: Note) -> StoreFuture<Result<(), RecordError>> {
        self.notes().keep(note);
        Box::pin(ready(Ok(())))
    }

    fn page(self: Arc<Self>, query: AuditQuery) -> StoreFuture<Result<AuditPage, StoreError>> {
        let page = self.notes().page(&query);
        Box::pin(ready(Ok(page)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_too_many_notes_the_newest_are_kept() {
        let mut notes = Notes::default();
        let count = KEPT_MAX as u128 + 3;
        for number in 0..count {
            notes.keep(Note {
                id: NoteId::from_u128(number),
                tenant: None,
                target: None,
                value: "who".into(),
            });
        }
        assert_eq!(notes.0.len(), KEPT_MAX);
        assert_eq!(notes.0.keys().next(), Some(&NoteId::from_u128(3)));
    }
}
