//! Who did what: notes, each written in the transaction of the change that it tells of.

use super::changes::Changes;
use super::file::Growth;
use super::rows::{self, signed};
use super::schema::{self, AUDIT_KEY};
use super::seal::{KeyRing, Sealed};
use super::{SqliteStore, StoreFault};
use crate::audit::{AuditLog, AuditPage, AuditQuery, NOTES_TENANT_MAX};
use crate::history::Direction;
use crate::records::RecordError;
use crate::store::{StoreError, StoreFuture};
use postrider_engine::{Note, NoteId, TenantId};
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
        self.write_note_within(note, NOTES_TENANT_MAX)
    }

    /// The same, where a tenant has at most so many.
    pub(super) fn write_note_within(&self, note: &Note, share: u64) -> Result<(), StoreFault> {
        let value = self.keys.seal(&sealed(note), &note.value)?;
        let mut insert = self.connection.prepare_cached(
            "INSERT OR IGNORE INTO postrider_audit (id, tenant, target, value)
             VALUES (?1, ?2, ?3, ?4)",
        )?;
        let written = insert.execute(params![
            note.id.as_u128().to_be_bytes(),
            note.tenant.as_ref().map(TenantId::as_str),
            note.target.as_deref(),
            value,
        ])?;
        if written > 0 {
            self.count_note(note.tenant.as_ref(), share)?;
        }
        Ok(())
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

/// Whether the notes are to be sealed anew: there may be very many, so they are looked at only if the
/// key is not the one of the last start.
pub(super) fn has_old_seals(connection: &Connection, keys: &KeyRing) -> Result<bool, StoreFault> {
    let newest: Option<i64> =
        connection.query_row("SELECT max(number) FROM postrider_audit", [], |row| {
            row.get(0)
        })?;
    let sealed_with = schema::meta(connection, AUDIT_KEY)?;
    // Where there never was a note, nothing is written.
    Ok(sealed_with != name_of(keys.current()) && (newest.is_some() || sealed_with != 0))
}

fn name_of(key: &[u8]) -> i64 {
    key.try_into().map_or(0, i64::from_be_bytes)
}

/// Seals some with the first key that another one has sealed, of those after this number; gives the
/// last of them. If there are no more, it is on record that the other keys are not needed for notes.
pub(super) fn seal_some_anew(
    connection: &Connection,
    keys: &KeyRing,
    after: i64,
) -> Result<Option<i64>, StoreFault> {
    let current = keys.current();
    let mut select = connection.prepare_cached(&format!(
        "SELECT {COLUMNS}, number FROM postrider_audit
         WHERE number > ?1 AND substr(value, 2, {}) IS NOT ?2 ORDER BY number LIMIT {AT_ONCE}",
        current.len()
    ))?;
    let mut old = Vec::new();
    let mut rows = select.query(params![after, current])?;
    while let Some(row) = rows.next()? {
        old.push((row.get::<_, i64>(4)?, read(row, keys)?));
    }
    drop(rows);
    let mut update =
        connection.prepare_cached("UPDATE postrider_audit SET value = ?2 WHERE number = ?1")?;
    for (number, note) in &old {
        update.execute(params![number, keys.seal(&sealed(note), &note.value)?])?;
    }
    let last = old.last().map(|(number, _)| *number);
    if last.is_none() {
        schema::set_meta(connection, AUDIT_KEY, name_of(current))?;
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::super::lanes::Lanes;
    use super::*;
    use postrider_engine::Wall;

    fn ring(digits: &[&str]) -> KeyRing {
        let keys: Vec<String> = digits.iter().map(|digit| digit.repeat(64)).collect();
        KeyRing::new(keys.iter().map(String::as_str)).unwrap()
    }

    #[test]
    fn notes_are_sealed_anew_a_step_at_a_time_and_the_old_key_is_needed_until_the_last() {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::migrate(&mut connection, schema::Home::Own).unwrap();
        let (old, both, new) = (ring(&["1"]), ring(&["2", "1"]), ring(&["2"]));
        let mut lanes = Lanes::default();
        let changes = Changes {
            connection: &connection,
            lanes: &mut lanes,
            keys: &old,
            keeps_bodies: true,
        };
        let count = AT_ONCE + 5;
        for number in 1..=count as u64 {
            let note = Note {
                id: NoteId::from_parts(Wall(number), u128::from(number)),
                tenant: None,
                target: None,
                value: "who".into(),
            };
            changes.write_note(&note).unwrap();
        }
        let readable = |keys| {
            let all = AuditQuery {
                most: 2 * AT_ONCE,
                ..AuditQuery::default()
            };
            page(&connection, keys, &all).map(|page| page.notes.len())
        };
        let first = seal_some_anew(&connection, &both, -1).unwrap();
        assert_eq!(first, Some(AT_ONCE as i64));
        assert!(readable(&old).is_err() && readable(&new).is_err());
        // Whoever is interrupted begins again: what is sealed anew is passed over.
        assert!(has_old_seals(&connection, &both).unwrap());
        let second = seal_some_anew(&connection, &both, -1).unwrap();
        assert_eq!(second, Some(count as i64));
        assert!(has_old_seals(&connection, &both).unwrap());
        assert_eq!(
            seal_some_anew(&connection, &both, count as i64).unwrap(),
            None
        );
        assert!(!has_old_seals(&connection, &both).unwrap());
        assert_eq!(readable(&new).unwrap(), count);
    }
}
