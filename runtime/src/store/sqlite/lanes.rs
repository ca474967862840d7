//! Lanes and accounts as the writer knows them: read once, changed in memory, and written once per
//! transaction, however many deliveries pass.

use super::StoreFault;
use super::rows::{self, signed};
use postrider_engine::{DeliveryState, EndpointId, LaneId, OrderingKey, Seq};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::{BTreeMap, BTreeSet};

/// Lanes that are remembered between transactions.
const REMEMBERED_MAX: usize = 16_384;

#[derive(Default)]
pub(super) struct Lanes {
    known: BTreeMap<i64, Lane>,
    numbers: BTreeMap<LaneId, i64>,
    /// Changed in this transaction.
    dirty: BTreeSet<i64>,
    /// What the transaction adds to the accounts.
    accounts: BTreeMap<EndpointId, Account>,
}

/// What is known of a lane.
pub(super) struct Lane {
    pub(super) id: LaneId,
    tail: u64,
    pending: i64,
    /// The place and the delivery of the dead letter at which it has stopped.
    pub(super) stopped: Option<(i64, u128)>,
}

#[derive(Clone, Copy, Default)]
struct Account {
    accepted: i64,
    pending: i64,
    pending_bytes: i64,
    delivered: i64,
    failed: i64,
    discarded: i64,
}

const COLUMNS: &str = "number, endpoint, key, tail, pending, stopped_seq, stopped_at";

impl Lanes {
    /// The number of a lane, which is made if it is not there.
    pub(super) fn named(
        &mut self,
        connection: &Connection,
        id: &LaneId,
    ) -> Result<i64, StoreFault> {
        if let Some(number) = self.numbers.get(id) {
            return Ok(*number);
        }
        let endpoint = id.endpoint.as_u128().to_be_bytes();
        let key = id.key.get().unwrap_or_default();
        let mut select = connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM postrider_lane WHERE endpoint = ?1 AND key = ?2"
        ))?;
        let mut rows = select.query(params![endpoint, key])?;
        if let Some(row) = rows.next()? {
            return self.remember(row);
        }
        let mut insert = connection.prepare_cached(
            "INSERT INTO postrider_lane (endpoint, key, tail, pending) VALUES (?1, ?2, 0, 0)",
        )?;
        insert.execute(params![endpoint, key])?;
        let number = connection.last_insert_rowid();
        let lane = Lane {
            id: id.clone(),
            tail: 0,
            pending: 0,
            stopped: None,
        };
        self.numbers.insert(id.clone(), number);
        self.known.insert(number, lane);
        Ok(number)
    }

    /// A lane by its number.
    pub(super) fn read(
        &mut self,
        connection: &Connection,
        number: i64,
    ) -> Result<&mut Lane, StoreFault> {
        if !self.known.contains_key(&number) {
            let mut select = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM postrider_lane WHERE number = ?1"
            ))?;
            let mut rows = select.query([number])?;
            if let Some(row) = rows.next()? {
                self.remember(row)?;
            }
        }
        let missing = || StoreFault::Damaged(format!("lane {number} is missing"));
        self.known.get_mut(&number).ok_or_else(missing)
    }

    fn remember(&mut self, row: &Row<'_>) -> Result<i64, StoreFault> {
        let number = row.get(0)?;
        let lane = Lane {
            id: lane_id(row.get(1)?, &row.get::<_, String>(2)?)?,
            tail: rows::unsigned(row.get(3)?)?,
            pending: row.get(4)?,
            stopped: row
                .get::<_, Option<i64>>(5)?
                .zip(row.get::<_, Option<[u8; 16]>>(6)?)
                .map(|(seq, id)| (seq, u128::from_be_bytes(id))),
        };
        self.numbers.insert(lane.id.clone(), number);
        self.known.insert(number, lane);
        Ok(number)
    }

    /// It will be written.
    pub(super) fn touch(&mut self, number: i64) {
        self.dirty.insert(number);
    }

    /// A new delivery takes a place of a known lane: the next one, or that of the dead letter at
    /// which the lane has stopped, if it makes that one anew.
    pub(super) fn take_place(
        &mut self,
        number: i64,
        resend_of: Option<u128>,
        bytes: i64,
    ) -> Result<Seq, StoreFault> {
        let missing = || StoreFault::Damaged(format!("lane {number} is missing"));
        let lane = self.known.get_mut(&number).ok_or_else(missing)?;
        let in_place = lane.stopped.filter(|(_, at)| Some(*at) == resend_of);
        let seq = if let Some((seq, _)) = in_place {
            lane.stopped = None;
            rows::unsigned(seq)?
        } else {
            lane.tail += 1;
            lane.tail
        };
        lane.pending += 1;
        let account = self.accounts.entry(lane.id.endpoint).or_default();
        account.accepted += 1;
        account.pending += 1;
        account.pending_bytes += bytes;
        self.dirty.insert(number);
        Ok(Seq(seq))
    }

    /// A pending delivery of a known lane has ended.
    pub(super) fn left(&mut self, number: i64, state: DeliveryState, bytes: i64) {
        let Some(lane) = self.known.get_mut(&number) else {
            return;
        };
        lane.pending -= 1;
        let account = self.accounts.entry(lane.id.endpoint).or_default();
        account.pending -= 1;
        account.pending_bytes -= bytes;
        match state {
            DeliveryState::Delivered => account.delivered += 1,
            DeliveryState::Failed(_) => account.failed += 1,
            _ => account.discarded += 1,
        }
        self.dirty.insert(number);
    }

    /// A dead letter of a known lane was discarded.
    pub(super) fn gave_up_dead(&mut self, number: i64, id: u128) {
        let Some(lane) = self.known.get_mut(&number) else {
            return;
        };
        let account = self.accounts.entry(lane.id.endpoint).or_default();
        account.failed -= 1;
        account.discarded += 1;
        if lane.stopped.is_some_and(|(_, at)| at == id) {
            lane.stopped = None;
            self.dirty.insert(number);
        }
    }

    /// An endpoint is gone, and its account with it.
    pub(super) fn forget_account(&mut self, endpoint: EndpointId) {
        self.accounts.remove(&endpoint);
    }

    /// Writes what has changed, at the end of a transaction.
    pub(super) fn flush(&mut self, connection: &Connection) -> Result<(), StoreFault> {
        let mut update = connection.prepare_cached(
            "UPDATE postrider_lane
             SET tail = ?2, pending = ?3, stopped_seq = ?4, stopped_at = ?5
             WHERE number = ?1",
        )?;
        for number in std::mem::take(&mut self.dirty) {
            if let Some(lane) = self.known.get(&number) {
                update.execute(params![
                    number,
                    signed(lane.tail),
                    lane.pending,
                    lane.stopped.map(|(seq, _)| seq),
                    lane.stopped.map(|(_, id)| id.to_be_bytes()),
                ])?;
            }
        }
        let mut update = connection.prepare_cached(
            "UPDATE postrider_endpoint
             SET accepted = accepted + ?2, pending = pending + ?3,
                 pending_bytes = pending_bytes + ?4, delivered = delivered + ?5,
                 failed = failed + ?6, discarded = discarded + ?7
             WHERE id = ?1",
        )?;
        for (endpoint, account) in std::mem::take(&mut self.accounts) {
            update.execute(params![
                endpoint.as_u128().to_be_bytes(),
                account.accepted,
                account.pending,
                account.pending_bytes,
                account.delivered,
                account.failed,
                account.discarded,
            ])?;
        }
        if self.known.len() > REMEMBERED_MAX {
            self.forget();
        }
        Ok(())
    }

    /// What is known may be wrong: the transaction was rolled back.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

/// A lane's id from its columns.
pub(super) fn lane_id(endpoint: [u8; 16], key: &str) -> Result<LaneId, StoreFault> {
    let key = match key {
        "" => OrderingKey::none(),
        key => key
            .parse()
            .map_err(|_| StoreFault::Damaged(format!("`{key}` is no ordering key")))?,
    };
    Ok(LaneId {
        endpoint: EndpointId::from_u128(u128::from_be_bytes(endpoint)),
        key,
    })
}

/// The number of a lane, if it is there.
pub(super) fn number_of(
    connection: &Connection,
    id: &LaneId,
) -> rusqlite::Result<Option<(i64, i64)>> {
    let mut select = connection.prepare_cached(
        "SELECT number, tail FROM postrider_lane WHERE endpoint = ?1 AND key = ?2",
    )?;
    let endpoint = id.endpoint.as_u128().to_be_bytes();
    let key = id.key.get().unwrap_or_default();
    let found = select.query_row(params![endpoint, key], |row| Ok((row.get(0)?, row.get(1)?)));
    found.optional()
}
