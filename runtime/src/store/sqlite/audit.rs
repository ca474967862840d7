//! Who did what: notes, each written in the transaction of the change that it tells of.

use super::changes::Changes;
use super::file::Growth;
use super::retention::STEP;
use super::rows::{self, signed};
use super::schema::{self, AUDIT_KEY};
use super::seal::{KeyRing, Sealed};
use super::{SqliteStore, StoreFault};
use crate::audit::{AuditLog, AuditPage, AuditQuery};
use crate::history::Direction;
use crate::records::RecordError;
use crate::store::{StoreError, StoreFuture};
use postrider_engine::{Note, NoteId, TenantId, Wall};
use rusqlite::{Connection, Row, ToSql, params};
use std::sync::Arc;

/// Notes that are sealed anew at once.
const AT_ONCE: usize = 1_000;

impl AuditLog for SqliteStore {
    fn write(self: Arc<Self>, note: Note) -> StoreFuture<Result<(), RecordError>> {
        let done = self.beside(move |file| {
            file.beside_commits_with_room(Growth::More, |making| making.write_note(&note))
        });
        Box::pin(async move {
            done.await.map_err(|fault| match fault {
                fault if fault.is_full() => RecordError::Full,
                fault => StoreError::from(fault).into(),
            })
        })
    }

    fn page(self: Arc<Self>, query: AuditQuery) -> StoreFuture<Result<AuditPage, StoreError>> {
        self.read(move |connection, keys| page(connection, keys, &query))
    }
}

impl Changes<'_> {
    /// Writes a note, unless it is there: one may ride on several changes.
    pub(super) fn write_note(&self, note: &Note) -> Result<(), StoreFault> {
        let value = self.keys.seal(&sealed(note), &note.value)?;
        let mut insert = self.connection.prepare_cached(
            "INSERT OR IGNORE INTO postrider_audit (id, tenant, target, value)
             VALUES (?1, ?2, ?3, ?4)",
        )?;
        insert.execute(params![
            note.id.as_u128().to_be_bytes(),
            note.tenant.as_ref().map(TenantId::as_str),
            note.target.as_deref(),
            value,
        ])?;
        Ok(())
    }

    /// Drops some of the notes that are older than that, and of those beyond the newest `most`;
    /// gives how many.
    pub(super) fn drop_notes(&self, before: Wall, most: u64) -> Result<usize, StoreFault> {
        let mut old = self.connection.prepare_cached(&format!(
            "DELETE FROM postrider_audit WHERE number IN (
                 SELECT number FROM postrider_audit WHERE id < ?1 ORDER BY id LIMIT {STEP})"
        ))?;
        let first_kept = NoteId::first_at(before).as_u128().to_be_bytes();
        let dropped = old.execute([first_kept])?;
        // The numbers are dense: those that are dropped are the first.
        let mut beyond = self.connection.prepare_cached(&format!(
            "DELETE FROM postrider_audit WHERE number IN (
                 SELECT number FROM postrider_audit
                 WHERE number <= (SELECT max(number) FROM postrider_audit) - ?1
                 ORDER BY number LIMIT {STEP})"
        ))?;
        Ok(dropped + beyond.execute([signed(most)])?)
    }
}

fn sealed(note: &Note) -> Sealed<'_> {
    Sealed::Note(note.id, note.tenant.as_ref(), note.target.as_deref())
}

const COLUMNS: &str = "id, tenant, target, value";

fn read(row: &Row<'_>, keys: &KeyRing) -> Result<Note, StoreFault> {
    let id: [u8; 16] = row.get(0)?;
    let tenant: Option<String> = row.get(1)?;
    let target: Option<String> = row.get(2)?;
    let tenant = tenant.map(|text| text.parse::<TenantId>()).transpose();
    let mut note = Note {
        id: NoteId::from_u128(u128::from_be_bytes(id)),
        tenant: tenant.map_err(rows::damaged)?,
        target: target.map(Arc::from),
        value: bytes::Bytes::new(),
    };
    let value = row.get_ref(3)?.as_blob().map_err(rows::damaged)?;
    let value = keys.open(&sealed(&note), value)?;
    note.value = bytes::Bytes::copy_from_slice(&value);
    Ok(note)
}

fn page(
    connection: &Connection,
    keys: &KeyRing,
    query: &AuditQuery,
) -> Result<AuditPage, StoreFault> {
    let (from, until) = query.ids();
    let (from, until) = (from.to_be_bytes(), until.to_be_bytes());
    let most = signed(query.most.saturating_add(1) as u64);
    let tenant = query.tenant.as_ref().map(TenantId::as_str);
    let target = query.target.as_deref();
    let mut bound: Vec<&dyn ToSql> = vec![&from, &until, &most];
    let mut which = "id >= ?1 AND id < ?2".to_owned();
    if tenant.is_some() {
        bound.push(&tenant);
        which += &format!(" AND tenant = ?{}", bound.len());
    }
    if target.is_some() {
        bound.push(&target);
        which += &format!(" AND target = ?{}", bound.len());
    }
    // A thing has fewer notes than its tenant.
    let index = match (tenant, target) {
        (_, Some(_)) => "postrider_audit_target",
        (Some(_), None) => "postrider_audit_tenant",
        (None, None) => "postrider_audit_id",
    };
    let order = match query.direction {
        Direction::NewestFirst => "DESC",
        Direction::OldestFirst => "ASC",
    };
    let mut select = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM postrider_audit INDEXED BY {index}
         WHERE {which} ORDER BY id {order} LIMIT ?3"
    ))?;
    let mut rows = select.query(&bound[..])?;
    let mut notes = Vec::new();
    while let Some(row) = rows.next()? {
        notes.push(read(row, keys)?);
    }
    Ok(AuditPage::of(notes, query.most))
}

/// Seals with the first key what another one has sealed. There may be very many, so they are looked
/// at only if the key is not the one of the last start.
pub(super) fn seal_anew(connection: &Connection, keys: &KeyRing) -> Result<(), StoreFault> {
    let current = keys.current();
    let name = current.try_into().map_or(0, i64::from_be_bytes);
    let newest: Option<i64> =
        connection.query_row("SELECT max(number) FROM postrider_audit", [], |row| {
            row.get(0)
        })?;
    let sealed_with = schema::meta(connection, AUDIT_KEY)?;
    // Where there never was a note, nothing is written.
    if sealed_with == name || (newest.is_none() && sealed_with == 0) {
        return Ok(());
    }
    let mut select = connection.prepare_cached(&format!(
        "SELECT {COLUMNS}, number FROM postrider_audit
         WHERE number > ?1 AND substr(value, 2, {}) IS NOT ?2 ORDER BY number LIMIT {AT_ONCE}",
        current.len()
    ))?;
    let mut update =
        connection.prepare_cached("UPDATE postrider_audit SET value = ?2 WHERE number = ?1")?;
    let mut after = -1_i64;
    loop {
        let mut old = Vec::new();
        let mut rows = select.query(params![after, current])?;
        while let Some(row) = rows.next()? {
            old.push((row.get::<_, i64>(4)?, read(row, keys)?));
        }
        drop(rows);
        let Some((last, _)) = old.last() else {
            break;
        };
        after = *last;
        for (number, note) in &old {
            update.execute(params![number, keys.seal(&sealed(note), &note.value)?])?;
        }
    }
    schema::set_meta(connection, AUDIT_KEY, name)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::lanes::Lanes;
    use super::*;

    const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn note(number: u64) -> Note {
        Note {
            id: NoteId::from_parts(Wall(number), u128::from(number)),
            tenant: None,
            target: None,
            value: "who".into(),
        }
    }

    #[test]
    fn of_too_many_notes_the_newest_are_kept_a_step_at_a_time() {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::migrate(&mut connection, schema::Home::Own).unwrap();
        let keys = KeyRing::new([KEY]).unwrap();
        let mut lanes = Lanes::default();
        let changes = Changes {
            connection: &connection,
            lanes: &mut lanes,
            keys: &keys,
            keeps_bodies: true,
        };
        let count = STEP as u64 + 50;
        for number in 1..=count {
            changes.write_note(&note(number)).unwrap();
        }
        assert_eq!(changes.drop_notes(Wall(0), 10).unwrap(), STEP);
        assert_eq!(changes.drop_notes(Wall(0), 10).unwrap(), 40);
        assert_eq!(changes.drop_notes(Wall(0), 10).unwrap(), 0);
        assert_eq!(changes.drop_notes(Wall(count), 10).unwrap(), 9);
        let all = AuditQuery {
            most: 10,
            ..AuditQuery::default()
        };
        let page = page(&connection, &keys, &all).unwrap();
        assert_eq!(page.notes, [note(count)]);
    }
}
