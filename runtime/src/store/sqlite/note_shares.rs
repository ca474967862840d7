//! How many notes are kept, and how many of one tenant: whoever writes very many drops their own.
//!
//! Numbers in `postrider_meta` count them, so that nothing is scanned at each step. One that is not
//! there was never counted, or is zero.

use super::StoreFault;
use super::changes::Changes;
use super::retention::STEP;
use super::rows::signed;
use super::schema;
use postrider_engine::{NoteId, TenantId, Wall};
use rusqlite::{OptionalExtension, ToSql, params};
use std::collections::BTreeMap;

/// In `postrider_meta`: how many notes there are; with a colon and a tenant, how many of it.
const NOTES: &str = "notes";

impl Changes<'_> {
    /// Counts a note that was just written, and drops some of its tenant's beyond the newest
    /// `share`. What is of no tenant is the operator's, and has no share.
    pub(super) fn count_note(
        &self,
        tenant: Option<&TenantId>,
        share: u64,
    ) -> Result<(), StoreFault> {
        self.count_one(None)?;
        let Some(tenant) = tenant.map(TenantId::as_str) else {
            return Ok(());
        };
        let beyond = self.count_one(Some(tenant))?.saturating_sub(signed(share));
        if beyond > 0 {
            let oldest = "INDEXED BY postrider_audit_tenant WHERE tenant = ?1 ORDER BY id";
            self.drop_some(
                &format!("{oldest} LIMIT min(?2, {STEP})"),
                &[&tenant, &beyond],
            )?;
        }
        Ok(())
    }

    /// Drops some of the notes that are older than that, and of those beyond the newest `most`;
    /// gives how many.
    pub(super) fn drop_notes(&self, before: Wall, most: u64) -> Result<usize, StoreFault> {
        let first_kept = NoteId::first_at(before).as_u128().to_be_bytes();
        let old = format!("WHERE id < ?1 ORDER BY id LIMIT {STEP}");
        let dropped = self.drop_some(&old, &[&first_kept])?;
        let count = match self.counted(NOTES)? {
            Some(count) => count,
            None => self.count_all(None)?,
        };
        let beyond = count.saturating_sub(signed(most));
        if beyond <= 0 {
            return Ok(dropped);
        }
        let oldest = format!("ORDER BY number LIMIT min(?1, {STEP})");
        Ok(dropped + self.drop_some(&oldest, &[&beyond])?)
    }

    fn drop_some(&self, which: &str, bound: &[&dyn ToSql]) -> Result<usize, StoreFault> {
        let mut delete = self.connection.prepare_cached(&format!(
            "DELETE FROM postrider_audit
             WHERE number IN (SELECT number FROM postrider_audit {which}) RETURNING tenant"
        ))?;
        let mut rows = delete.query(bound)?;
        let mut gone: BTreeMap<Option<String>, u64> = BTreeMap::new();
        while let Some(row) = rows.next()? {
            *gone.entry(row.get(0)?).or_default() += 1;
        }
        drop(rows);
        let mut dropped = 0;
        for (tenant, count) in gone {
            if tenant.is_some() {
                self.uncount(&name(tenant.as_deref()), count)?;
            }
            dropped += count;
        }
        if dropped > 0 {
            self.uncount(NOTES, dropped)?;
        }
        Ok(usize::try_from(dropped).unwrap_or(usize::MAX))
    }

    fn counted(&self, name: &str) -> Result<Option<i64>, StoreFault> {
        let mut select = self
            .connection
            .prepare_cached("SELECT value FROM postrider_meta WHERE name = ?1")?;
        Ok(select.query_row([name], |row| row.get(0)).optional()?)
    }

    /// Counts one more; gives how many there are.
    fn count_one(&self, tenant: Option<&str>) -> Result<i64, StoreFault> {
        let mut more = self.connection.prepare_cached(
            "UPDATE postrider_meta SET value = value + 1 WHERE name = ?1 RETURNING value",
        )?;
        let counted = more.query_row([name(tenant)], |row| row.get(0));
        match counted.optional()? {
            Some(count) => Ok(count),
            None => self.count_all(tenant),
        }
    }

    fn uncount(&self, name: &str, count: u64) -> Result<(), StoreFault> {
        let mut fewer = self
            .connection
            .prepare_cached("UPDATE postrider_meta SET value = value - ?2 WHERE name = ?1")?;
        fewer.execute(params![name, signed(count)])?;
        // A tenant that is gone leaves nothing behind.
        let mut none = self
            .connection
            .prepare_cached("DELETE FROM postrider_meta WHERE name = ?1 AND value <= 0")?;
        none.execute([name])?;
        Ok(())
    }

    /// Counts what a version of before has written, once.
    fn count_all(&self, tenant: Option<&str>) -> Result<i64, StoreFault> {
        let count = "SELECT count(*) FROM postrider_audit";
        let count: i64 = match tenant {
            Some(tenant) => self.connection.query_row(
                &format!("{count} WHERE tenant = ?1"),
                [tenant],
                |row| row.get(0),
            )?,
            None => self.connection.query_row(count, [], |row| row.get(0))?,
        };
        if count > 0 {
            schema::set_meta(self.connection, &name(tenant), count)?;
        }
        Ok(count)
    }
}

fn name(tenant: Option<&str>) -> String {
    match tenant {
        Some(tenant) => format!("{NOTES}:{tenant}"),
        None => NOTES.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::lanes::Lanes;
    use super::super::seal::KeyRing;
    use super::*;
    use postrider_engine::Note;
    use rusqlite::Connection;

    const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn note(number: u64, tenant: Option<&str>) -> Note {
        Note {
            id: NoteId::from_parts(Wall(number), u128::from(number)),
            tenant: tenant.map(|tenant| tenant.parse().unwrap()),
            target: None,
            value: "who".into(),
        }
    }

    fn in_changes(test: impl FnOnce(&Changes<'_>)) {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::migrate(&mut connection, schema::Home::Own).unwrap();
        let keys = KeyRing::new([KEY]).unwrap();
        let mut lanes = Lanes::default();
        test(&Changes {
            connection: &connection,
            lanes: &mut lanes,
            keys: &keys,
            keeps_bodies: true,
        });
    }

    /// The times of the notes on record.
    fn kept(changes: &Changes<'_>) -> Vec<u64> {
        let mut select = changes
            .connection
            .prepare("SELECT id FROM postrider_audit ORDER BY id")
            .unwrap();
        let ids = select.query_map([], |row| row.get::<_, [u8; 16]>(0));
        let ids = ids.unwrap().map(|id| u128::from_be_bytes(id.unwrap()));
        ids.map(|id| u64::try_from(id >> 80).unwrap()).collect()
    }

    #[test]
    fn of_too_many_notes_the_newest_are_kept_a_step_at_a_time() {
        in_changes(|changes| {
            let count = STEP as u64 + 50;
            for number in 1..=count {
                changes.write_note(&note(number, None)).unwrap();
            }
            assert_eq!(changes.drop_notes(Wall(0), 10).unwrap(), STEP);
            assert_eq!(changes.drop_notes(Wall(0), 10).unwrap(), 40);
            assert_eq!(changes.drop_notes(Wall(0), 10).unwrap(), 0);
            assert_eq!(changes.drop_notes(Wall(count), 10).unwrap(), 9);
            assert_eq!(kept(changes), [count]);
        });
    }

    #[test]
    fn a_tenant_that_writes_very_many_notes_drops_its_own() {
        in_changes(|changes| {
            let write = |number, tenant| {
                let within = changes.write_note_within(&note(number, tenant), 5);
                within.unwrap();
            };
            write(1, Some("blue"));
            write(2, None);
            for number in 3..=60 {
                write(number, Some("red"));
            }
            // However often it is looked, what is not theirs stays: there are fewer than ten.
            assert_eq!(changes.drop_notes(Wall(0), 10).unwrap(), 0);
            assert_eq!(kept(changes), [1, 2, 56, 57, 58, 59, 60]);
            // What rides on a second change is counted once.
            write(60, Some("red"));
            assert_eq!(changes.counted(NOTES).unwrap(), Some(7));
            assert_eq!(changes.counted("notes:red").unwrap(), Some(5));
        });
    }

    #[test]
    fn notes_that_were_never_counted_are_counted_and_none_that_is_gone_is() {
        in_changes(|changes| {
            for number in 1..=20 {
                changes.write_note(&note(number, Some("red"))).unwrap();
            }
            let forget = "DELETE FROM postrider_meta WHERE name LIKE 'notes%'";
            changes.connection.execute(forget, []).unwrap();
            changes
                .write_note_within(&note(21, Some("red")), 8)
                .unwrap();
            assert_eq!(kept(changes), (14..=21).collect::<Vec<_>>());
            changes.connection.execute(forget, []).unwrap();
            assert_eq!(changes.drop_notes(Wall(0), 3).unwrap(), 5);
            assert_eq!(kept(changes), [19, 20, 21]);
            assert_eq!(changes.drop_notes(Wall(22), 3).unwrap(), 3);
            assert_eq!(changes.counted(NOTES).unwrap(), None);
        });
    }
}
