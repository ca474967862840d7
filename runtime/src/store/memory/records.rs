//! Records in memory.

use super::MemoryStore;
use crate::records::{Record, RecordChange, RecordError, Records};
use crate::store::StoreFuture;
use bytes::Bytes;
use postrider_engine::{Note, TenantId};
use std::collections::BTreeMap;
use std::future::ready;
use std::ops::Bound;
use std::sync::{Arc, MutexGuard, PoisonError};

/// Records that are kept.
const RECORDS_MAX: usize = 100_000;

/// Bytes of their values.
const BYTES_MAX: usize = 64 << 20;

type Key = (&'static str, TenantId, Arc<str>);

/// The records, and how large their values are together.
#[derive(Default)]
pub(super) struct Kept {
    values: BTreeMap<Key, Bytes>,
    bytes: usize,
}

impl Kept {
    fn put(&mut self, record: Record) -> Result<(), RecordError> {
        record.check()?;
        let key = (record.kind, record.tenant, record.id);
        let before = self.values.get(&key);
        let count = self.values.len() + usize::from(before.is_none());
        let bytes = self.bytes - before.map_or(0, Bytes::len) + record.value.len();
        if count > RECORDS_MAX || bytes > BYTES_MAX {
            return Err(RecordError::Full);
        }
        self.bytes = bytes;
        self.values.insert(key, record.value);
        Ok(())
    }
}

/// Values may be secret: they are not shown.
impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Kept({} records)", self.values.len())
    }
}

fn record(((kind, tenant, id), value): (&Key, &Bytes)) -> Record {
    Record {
        kind,
        tenant: tenant.clone(),
        id: Arc::clone(id),
        value: value.clone(),
    }
}

impl MemoryStore {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Makes a change; false if nothing changes by it.
    fn make(&mut self, change: RecordChange) -> Result<bool, RecordError> {
        match change {
            RecordChange::Put(record) => self.put(record).map(|()| true),
            RecordChange::PutNew(record) => {
                let key = (record.kind, record.tenant.clone(), Arc::clone(&record.id));
                let is_new = !self.values.contains_key(&key);
                let done = if is_new { self.put(record) } else { Ok(()) };
                done.map(|()| is_new)
            }
            RecordChange::Remove(kind, tenant, id) => {
                let gone = self.values.remove(&(kind, tenant, id));
                self.bytes -= gone.as_ref().map_or(0, Bytes::len);
                Ok(gone.is_some())
            }
        }
    }
}

impl Records for MemoryStore {
    fn put(self: Arc<Self>, record: Record) -> StoreFuture<Result<(), RecordError>> {
        let done = self.kept().make(RecordChange::Put(record));
        Box::pin(ready(done.map(drop)))
    }

    fn put_new(self: Arc<Self>, record: Record) -> StoreFuture<Result<bool, RecordError>> {
        Box::pin(ready(self.kept().make(RecordChange::PutNew(record))))
    }

    fn remove(
        self: Arc<Self>,
        kind: &'static str,
        tenant: TenantId,
        id: Arc<str>,
    ) -> StoreFuture<Result<bool, RecordError>> {
        let done = self.kept().make(RecordChange::Remove(kind, tenant, id));
        Box::pin(ready(done))
    }

    fn change_noted(
        self: Arc<Self>,
        change: RecordChange,
        note: Note,
    ) -> StoreFuture<Result<bool, RecordError>> {
        let mut kept = self.kept();
        let done = kept.make(change);
        if done == Ok(true) {
            self.notes().keep(note);
        }
        drop(kept);
        Box::pin(ready(done))
    }

    fn get(
        self: Arc<Self>,
        kind: &'static str,
        tenant: TenantId,
        id: Arc<str>,
    ) -> StoreFuture<Result<Option<Record>, RecordError>> {
        let kept = self.kept();
        let found = kept.values.get_key_value(&(kind, tenant, id)).map(record);
        drop(kept);
        Box::pin(ready(Ok(found)))
    }

    fn list(
        self: Arc<Self>,
        kind: &'static str,
        tenant: Option<TenantId>,
        after: Option<(TenantId, Arc<str>)>,
        most: usize,
    ) -> StoreFuture<Result<Vec<Record>, RecordError>> {
        let kept = self.kept();
        let from = after.map_or(Bound::Unbounded, |(tenant, id)| {
            Bound::Excluded((kind, tenant, id))
        });
        let found = kept.values.range((from, Bound::Unbounded));
        let found = found.filter(|((of, owner, _), _)| {
            *of == kind && tenant.as_ref().is_none_or(|tenant| tenant == owner)
        });
        let found = found.take(most).map(record).collect();
        drop(kept);
        Box::pin(ready(Ok(found)))
    }
}
