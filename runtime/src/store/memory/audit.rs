//! Who did what, in memory.

use super::MemoryStore;
use crate::audit::{AuditLog, AuditPage, AuditQuery};
use crate::history::Direction;
use crate::records::RecordError;
use crate::store::{StoreError, StoreFuture};
use postrider_engine::{Note, NoteId, TenantId};
use std::collections::{BTreeMap, BTreeSet};
use std::future::ready;
use std::sync::{Arc, MutexGuard, PoisonError};

/// Notes that are kept; the oldest go first.
const KEPT_MAX: usize = 10_000;

/// Of these, those of one tenant: half.
const KEPT_TENANT_MAX: usize = KEPT_MAX / 2;

/// The notes, by id.
#[derive(Debug, Default)]
pub(super) struct Notes {
    all: BTreeMap<NoteId, Note>,
    of: BTreeMap<TenantId, BTreeSet<NoteId>>,
}

impl Notes {
    /// Keeps a note, unless it is there: one may ride on several changes.
    pub(super) fn keep(&mut self, note: Note) {
        let id = note.id;
        if self.all.contains_key(&id) {
            return;
        }
        if let Some(tenant) = &note.tenant {
            let theirs = self.of.entry(tenant.clone()).or_default();
            theirs.insert(id);
            let beyond = theirs.first().filter(|_| theirs.len() > KEPT_TENANT_MAX);
            let beyond = beyond.copied();
            self.all.insert(id, note);
            if let Some(oldest) = beyond {
                self.drop_one(oldest);
            }
        } else {
            self.all.insert(id, note);
        }
        let oldest = self.all.first_key_value().map(|(id, _)| *id);
        if let Some(oldest) = oldest.filter(|_| self.all.len() > KEPT_MAX) {
            self.drop_one(oldest);
        }
    }

    fn drop_one(&mut self, id: NoteId) {
        let Some(tenant) = self.all.remove(&id).and_then(|note| note.tenant) else {
            return;
        };
        if let Some(theirs) = self.of.get_mut(&tenant) {
            theirs.remove(&id);
            if theirs.is_empty() {
                self.of.remove(&tenant);
            }
        }
    }

    fn page(&self, query: &AuditQuery) -> AuditPage {
        let (from, until) = query.ids();
        let (from, until) = (NoteId::from_u128(from), NoteId::from_u128(until.max(from)));
        let between = self.all.range(from..until).map(|(_, note)| note);
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
        assert_eq!(notes.all.len(), KEPT_MAX);
        assert_eq!(notes.all.keys().next(), Some(&NoteId::from_u128(3)));
    }

    #[test]
    fn a_tenant_that_writes_very_many_notes_drops_its_own() {
        let mut notes = Notes::default();
        let of = |number, tenant: Option<&str>| Note {
            id: NoteId::from_u128(number),
            tenant: tenant.map(|tenant| tenant.parse().unwrap()),
            target: None,
            value: "who".into(),
        };
        notes.keep(of(1, Some("blue")));
        notes.keep(of(2, None));
        for number in 0..KEPT_MAX as u128 {
            notes.keep(of(10 + number, Some("red")));
        }
        assert_eq!(notes.all.len(), 2 + KEPT_TENANT_MAX);
        let first: Vec<u128> = notes.all.keys().take(2).map(|id| id.as_u128()).collect();
        assert_eq!(first, [1, 2]);
        let kept: usize = notes.of.values().map(BTreeSet::len).sum();
        assert_eq!(kept, 1 + KEPT_TENANT_MAX);
    }
}
