//! Records of whoever embeds the store: each value is sealed, as the secrets of endpoints are.

use super::file::Growth;
use super::seal::{KeyRing, Sealed};
use super::{SqliteStore, StoreFault, rows};
use crate::records::{Record, RecordChange, RecordError, Records};
use crate::store::{StoreError, StoreFuture};
use postrider_engine::{Note, TenantId};
use rusqlite::{Connection, OptionalExtension, params};
use std::sync::Arc;

/// Records that are sealed anew at once.
const AT_ONCE: usize = 100;

impl SqliteStore {
    fn change_record(
        self: &Arc<Self>,
        change: RecordChange,
        note: Option<Note>,
    ) -> StoreFuture<Result<bool, RecordError>> {
        let done = change.check().map(|()| {
            let growth = change.growth();
            self.beside(move |file| {
                file.beside_commits_with_room(growth, |making| {
                    let is_changed = change.make(making.connection, making.keys)?;
                    if let Some(note) = note.as_ref().filter(|_| is_changed) {
                        making.write_note(note)?;
                    }
                    Ok(is_changed)
                })
            })
        });
        Box::pin(async move {
            done?.await.map_err(|fault| match fault {
                fault if fault.is_full() => RecordError::Full,
                fault => StoreError::from(fault).into(),
            })
        })
    }
}

impl Records for SqliteStore {
    fn put(self: Arc<Self>, record: Record) -> StoreFuture<Result<(), RecordError>> {
        let done = self.change_record(RecordChange::Put(record), None);
        Box::pin(async move { done.await.map(drop) })
    }

    fn put_new(self: Arc<Self>, record: Record) -> StoreFuture<Result<bool, RecordError>> {
        self.change_record(RecordChange::PutNew(record), None)
    }

    fn remove(
        self: Arc<Self>,
        kind: &'static str,
        tenant: TenantId,
        id: Arc<str>,
    ) -> StoreFuture<Result<bool, RecordError>> {
        self.change_record(RecordChange::Remove(kind, tenant, id), None)
    }

    fn change_noted(
        self: Arc<Self>,
        change: RecordChange,
        note: Note,
    ) -> StoreFuture<Result<bool, RecordError>> {
        self.change_record(change, Some(note))
    }

    fn get(
        self: Arc<Self>,
        kind: &'static str,
        tenant: TenantId,
        id: Arc<str>,
    ) -> StoreFuture<Result<Option<Record>, RecordError>> {
        let read = self.read(move |connection, keys| get(connection, keys, (kind, tenant, id)));
        Box::pin(async move { Ok(read.await?) })
    }

    fn list(
        self: Arc<Self>,
        kind: &'static str,
        tenant: Option<TenantId>,
        after: Option<(TenantId, Arc<str>)>,
        most: usize,
    ) -> StoreFuture<Result<Vec<Record>, RecordError>> {
        let read = self.read(move |connection, keys| {
            list(connection, keys, (kind, tenant.as_ref(), after), most)
        });
        Box::pin(async move { Ok(read.await?) })
    }
}

impl RecordChange {
    /// Whether its sizes are within the bounds.
    fn check(&self) -> Result<(), RecordError> {
        match self {
            Self::Put(record) | Self::PutNew(record) => record.check(),
            Self::Remove(..) => Ok(()),
        }
    }

    fn growth(&self) -> Growth {
        match self {
            Self::Put(_) | Self::PutNew(_) => Growth::More,
            Self::Remove(..) => Growth::Less,
        }
    }

    /// Makes it. What it gives is what whoever asked is told.
    fn make(&self, connection: &Connection, keys: &KeyRing) -> Result<bool, StoreFault> {
        match self {
            Self::Put(record) => write(connection, keys, record, "REPLACE"),
            Self::PutNew(record) => write(connection, keys, record, "IGNORE"),
            Self::Remove(kind, tenant, id) => {
                let mut delete = connection.prepare_cached(
                    "DELETE FROM postrider_record WHERE kind = ?1 AND tenant = ?2 AND id = ?3",
                )?;
                Ok(delete.execute(params![kind, tenant.as_str(), &**id])? > 0)
            }
        }
    }
}

/// Writes a record; says whether anything was written.
fn write(
    connection: &Connection,
    keys: &KeyRing,
    record: &Record,
    if_known: &str,
) -> Result<bool, StoreFault> {
    let sealed = keys.seal(&sealed(record), &record.value)?;
    let mut insert = connection.prepare_cached(&format!(
        "INSERT OR {if_known} INTO postrider_record (kind, tenant, id, value)
         VALUES (?1, ?2, ?3, ?4)"
    ))?;
    let (tenant, id) = (record.tenant.as_str(), &*record.id);
    Ok(insert.execute(params![record.kind, tenant, id, sealed])? > 0)
}

fn sealed(record: &Record) -> Sealed<'_> {
    Sealed::Record(record.kind, &record.tenant, &record.id)
}

fn get(
    connection: &Connection,
    keys: &KeyRing,
    (kind, tenant, id): (&'static str, TenantId, Arc<str>),
) -> Result<Option<Record>, StoreFault> {
    let mut select = connection.prepare_cached(
        "SELECT value FROM postrider_record WHERE kind = ?1 AND tenant = ?2 AND id = ?3",
    )?;
    let found = select.query_row(params![kind, tenant.as_str(), &*id], |row| row.get(0));
    let Some(found): Option<Vec<u8>> = found.optional()? else {
        return Ok(None);
    };
    let value = keys.open(&Sealed::Record(kind, &tenant, &id), &found)?;
    let value = bytes::Bytes::copy_from_slice(&value);
    Ok(Some(Record {
        kind,
        tenant,
        id,
        value,
    }))
}

/// Of which kind, of which tenant, and after which one.
type Which<'a> = (
    &'static str,
    Option<&'a TenantId>,
    Option<(TenantId, Arc<str>)>,
);

fn list(
    connection: &Connection,
    keys: &KeyRing,
    (kind, tenant, after): Which<'_>,
    most: usize,
) -> Result<Vec<Record>, StoreFault> {
    // No tenant and no id is as short.
    let (after_tenant, after_id) = match &after {
        Some((tenant, id)) => (tenant.as_str(), &**id),
        None => ("", ""),
    };
    let (which, tenant, id) = match tenant.map(TenantId::as_str) {
        None => ("(tenant, id) > (?2, ?3)", after_tenant, after_id),
        Some(only) if only < after_tenant => return Ok(Vec::new()),
        Some(only) if only == after_tenant => ("tenant = ?2 AND id > ?3", only, after_id),
        Some(only) => ("tenant = ?2 AND id > ?3", only, ""),
    };
    let mut select = connection.prepare_cached(&format!(
        "SELECT tenant, id, value FROM postrider_record
         WHERE kind = ?1 AND {which} ORDER BY tenant, id LIMIT ?4"
    ))?;
    let mut rows = select.query(params![kind, tenant, id, rows::signed(most as u64)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let tenant: TenantId = text(row, 0)?.parse().map_err(rows::damaged)?;
        let id: Arc<str> = text(row, 1)?.into();
        let value = row.get_ref(2)?.as_blob().map_err(rows::damaged)?;
        let value = keys.open(&Sealed::Record(kind, &tenant, &id), value)?;
        found.push(Record {
            kind,
            tenant,
            id,
            value: bytes::Bytes::copy_from_slice(&value),
        });
    }
    Ok(found)
}

fn text<'a>(row: &'a rusqlite::Row<'_>, at: usize) -> Result<&'a str, StoreFault> {
    row.get_ref(at)?.as_str().map_err(rows::damaged)
}

/// Seals with the first key what another one has sealed.
pub(super) fn seal_anew(connection: &Connection, keys: &KeyRing) -> Result<(), StoreFault> {
    let current = keys.current();
    let mut select = connection.prepare_cached(&format!(
        "SELECT kind, tenant, id, value FROM postrider_record
         WHERE substr(value, 2, {}) IS NOT ?1 LIMIT {AT_ONCE}",
        current.len()
    ))?;
    let mut update = connection.prepare_cached(
        "UPDATE postrider_record SET value = ?4 WHERE kind = ?1 AND tenant = ?2 AND id = ?3",
    )?;
    loop {
        let old = select.query_map([current], |row| {
            let named: [String; 3] = [row.get(0)?, row.get(1)?, row.get(2)?];
            Ok((named, row.get::<_, Vec<u8>>(3)?))
        })?;
        let old: Vec<_> = old.collect::<Result<_, _>>()?;
        if old.is_empty() {
            return Ok(());
        }
        for ([kind, tenant, id], value) in old {
            let owner = tenant.parse().map_err(rows::damaged)?;
            let sealed = Sealed::Record(&kind, &owner, &id);
            let value = keys.open(&sealed, &value)?;
            update.execute(params![kind, tenant, id, keys.seal(&sealed, &value)?])?;
        }
    }
}
