//! Statistics by endpoint and hour: read once, added to in memory, and written once per
//! transaction.

use super::StoreFault;
use super::rows::{signed, unsigned};
use crate::statistics::{Hour, MS_PER_HOUR};
use hdrhistogram::serialization::V2Serializer;
use postrider_engine::Wall;
use rusqlite::{Connection, Row, params};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// Hours that are remembered between transactions: some kilobytes each.
const REMEMBERED_MAX: usize = 256;

/// An endpoint's number, and the hour.
type Key = (i64, i64);

pub(super) struct Hours {
    known: BTreeMap<Key, Hour>,
    /// Changed in this transaction.
    dirty: BTreeSet<Key>,
    serializer: V2Serializer,
}

impl Default for Hours {
    fn default() -> Self {
        Self {
            known: BTreeMap::new(),
            dirty: BTreeSet::new(),
            serializer: V2Serializer::new(),
        }
    }
}

/// Columns of `postrider_hour`, for [`read`].
pub(super) const HOUR_COLUMNS: &str =
    "hour, accepted, delivered, failed, discarded, attempts, attempts_failed, latency";

impl Hours {
    /// The hour of an endpoint, to add to.
    pub(super) fn at(
        &mut self,
        connection: &Connection,
        owner: i64,
        at: Wall,
    ) -> Result<&mut Hour, StoreFault> {
        let key = (owner, signed(at.0 / MS_PER_HOUR));
        self.dirty.insert(key);
        if let Entry::Vacant(unknown) = self.known.entry(key) {
            let mut select = connection.prepare_cached(&format!(
                "SELECT {HOUR_COLUMNS} FROM postrider_hour WHERE owner = ?1 AND hour = ?2"
            ))?;
            let mut rows = select.query(params![key.0, key.1])?;
            let hour = match rows.next()? {
                Some(row) => read(row)?,
                None => Hour::new(Wall(at.0 - at.0 % MS_PER_HOUR)),
            };
            unknown.insert(hour);
        }
        let missing = || StoreFault::Damaged("an hour is missing".to_owned());
        self.known.get_mut(&key).ok_or_else(missing)
    }

    /// Writes what has changed, at the end of a transaction.
    pub(super) fn flush(&mut self, connection: &Connection) -> Result<(), StoreFault> {
        let mut replace = connection.prepare_cached(
            "INSERT OR REPLACE INTO postrider_hour
                 (owner, hour, accepted, delivered, failed, discarded, attempts, attempts_failed,
                  latency)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?;
        for key in std::mem::take(&mut self.dirty) {
            if let Some(hour) = self.known.get(&key) {
                replace.execute(params![
                    key.0,
                    key.1,
                    signed(hour.accepted),
                    signed(hour.delivered),
                    signed(hour.failed),
                    signed(hour.discarded),
                    signed(hour.attempts),
                    signed(hour.attempts_failed),
                    hour.latency.to_bytes(&mut self.serializer),
                ])?;
            }
        }
        if self.known.len() > REMEMBERED_MAX {
            self.known.clear();
        }
        Ok(())
    }
}

/// An hour from its columns.
pub(super) fn read(row: &Row<'_>) -> Result<Hour, StoreFault> {
    let count = |at: usize| -> Result<u64, StoreFault> { unsigned(row.get(at)?) };
    let latency = row.get_ref(7)?.as_blob();
    let latency = latency.map_err(|error| StoreFault::Damaged(error.to_string()))?;
    let mut hour = Hour::new(Wall(count(0)?.saturating_mul(MS_PER_HOUR)));
    hour.accepted = count(1)?;
    hour.delivered = count(2)?;
    hour.failed = count(3)?;
    hour.discarded = count(4)?;
    hour.attempts = count(5)?;
    hour.attempts_failed = count(6)?;
    hour.latency
        .add_bytes(latency)
        .map_err(StoreFault::Damaged)?;
    Ok(hour)
}
