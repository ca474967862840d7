//! Records of whoever embeds the store: what a service around Postrider must not lose, beside the
//! events (its keys, its sources, its event types).
//!
//! A record is a value under a kind, a tenant and an id. Postrider does not look into it.

use crate::postrider::Postrider;
use crate::store::{StoreError, StoreFuture};
use bytes::Bytes;
use postrider_engine::{Note, TenantId};
use std::sync::Arc;

/// A record.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// What kind of record it is. Each kind has ids of its own.
    pub kind: &'static str,
    /// Whose it is. Each tenant has ids of its own.
    pub tenant: TenantId,
    /// Its id, of 1 to [`Record::ID_BYTES_MAX`] bytes.
    pub id: Arc<str>,
    /// Whatever it says, of at most [`Record::VALUE_BYTES_MAX`] bytes.
    pub value: Bytes,
}

/// A change of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordChange {
    /// See [`Records::put`].
    Put(Record),
    /// See [`Records::put_new`].
    PutNew(Record),
    /// See [`Records::remove`]: the kind, the tenant and the id.
    Remove(&'static str, TenantId, Arc<str>),
}

/// Where records are kept. When a call returns, what it has changed is as durable as this store
/// makes anything.
pub trait Records: Send + Sync + 'static {
    /// Keeps a record, in the place of what was kept under its kind, tenant and id.
    fn put(self: Arc<Self>, record: Record) -> StoreFuture<Result<(), RecordError>>;

    /// Keeps a record unless there is one under its kind, tenant and id: false if there is. Of two
    /// who call this at once, one gets true.
    fn put_new(self: Arc<Self>, record: Record) -> StoreFuture<Result<bool, RecordError>>;

    /// Drops a record. False if it was not there.
    fn remove(
        self: Arc<Self>,
        kind: &'static str,
        tenant: TenantId,
        id: Arc<str>,
    ) -> StoreFuture<Result<bool, RecordError>>;

    /// Makes a change, and keeps the note of it in the same step. If nothing changes (false), or
    /// the store has no [`AuditLog`](crate::AuditLog), the note is left out.
    fn change_noted(
        self: Arc<Self>,
        change: RecordChange,
        note: Note,
    ) -> StoreFuture<Result<bool, RecordError>> {
        drop(note);
        match change {
            RecordChange::Put(record) => {
                let done = self.put(record);
                Box::pin(async move { done.await.map(|()| true) })
            }
            RecordChange::PutNew(record) => self.put_new(record),
            RecordChange::Remove(kind, tenant, id) => self.remove(kind, tenant, id),
        }
    }

    /// A record.
    fn get(
        self: Arc<Self>,
        kind: &'static str,
        tenant: TenantId,
        id: Arc<str>,
    ) -> StoreFuture<Result<Option<Record>, RecordError>>;

    /// At most `most` records of a kind, of one tenant or of all, by tenant and id, that come
    /// after `after`.
    fn list(
        self: Arc<Self>,
        kind: &'static str,
        tenant: Option<TenantId>,
        after: Option<(TenantId, Arc<str>)>,
        most: usize,
    ) -> StoreFuture<Result<Vec<Record>, RecordError>>;
}

/// Why a record was not kept or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Its id has the wrong size.
    #[error("the id of the record is refused: use 1 to {most} bytes")]
    Id {
        /// The bound, in bytes.
        most: usize,
    },
    /// Its value is too large.
    #[error("the record has {bytes} bytes, the limit is {most}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The bound, in bytes.
        most: usize,
    },
    /// There is no room. Nothing was changed.
    #[error("the store has no room for another record: remove some, or give it more room")]
    Full,
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Record {
    /// The longest id, in bytes.
    pub const ID_BYTES_MAX: usize = 512;

    /// The largest value, in bytes.
    pub const VALUE_BYTES_MAX: usize = 1 << 20;

    /// Whether its sizes are within the bounds.
    pub(crate) fn check(&self) -> Result<(), RecordError> {
        let most = Self::ID_BYTES_MAX;
        if !(1..=most).contains(&self.id.len()) {
            return Err(RecordError::Id { most });
        }
        let (bytes, most) = (self.value.len(), Self::VALUE_BYTES_MAX);
        if bytes > most {
            return Err(RecordError::TooLarge { bytes, most });
        }
        Ok(())
    }
}

/// Values may be secret: they are not shown.
impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            kind, tenant, id, ..
        } = self;
        write!(
            f,
            "Record({kind} {tenant} {id}, {} bytes)",
            self.value.len()
        )
    }
}

impl Postrider {
    /// Where the store keeps records of whoever embeds it; `None` if it has no such place.
    #[must_use]
    pub fn records(&self) -> Option<Arc<dyn Records>> {
        self.store().records()
    }
}
