//! Lanes, accounts and hours as the writer knows them: read once, changed in memory, and written once per
//! transaction, however many deliveries pass.

use super::StoreFault;
use super::due::Unfinished;
use super::hours::Hours;
use super::rows::{self, signed};
use super::schema::{self, FORGOTTEN_EPOCH, FORGOTTEN_EVENT, FORGOTTEN_TAIL};
use postrider_engine::{DeliveryState, EndpointId, LaneId, OrderingKey, Seq, TenantId, Wall};
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
    /// What the transaction adds to the accounts, by owner.
    accounts: BTreeMap<i64, Account>,
    /// Endpoints of which not everything is due yet that is to be.
    pub(super) unfinished: Unfinished,
    /// What the transaction adds to the statistics.
    pub(super) hours: Hours,
    /// The number of the next delivery, once it is known.
    next_delivery: Option<i64>,
    /// The number of the next event, once it is known.
    next_event: Option<i64>,
}

/// What is known of a lane.
pub(super) struct Lane {
    pub(super) id: LaneId,
    pub(super) owner: i64,
    tail: u64,
    pub(super) epoch: i64,
    /// The number of the last event in this epoch.
    numbered: i64,
    pending: i64,
    /// All its deliveries on record.
    kept: i64,
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

const COLUMNS: &str = "number, endpoint, key, tail, pending, stopped_seq, stopped_at, owner, kept, \
     epoch, numbered";

impl Lanes {
    /// The number of a lane, which is made at this time if it is not there.
    pub(super) fn named(
        &mut self,
        connection: &Connection,
        id: &LaneId,
        (tenant, at): (&TenantId, Wall),
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
        // Places grow even over the lives of a lane.
        let tail = schema::meta(connection, FORGOTTEN_TAIL)?;
        let epoch = signed(at.0).max(schema::meta(connection, FORGOTTEN_EPOCH)? + 1);
        let owner = owner_of(connection, id.endpoint, tenant)?;
        let mut insert = connection.prepare_cached(
            "INSERT INTO postrider_lane (owner, endpoint, key, tail, pending, kept, epoch)
             VALUES (?1, ?2, ?3, ?4, 0, 0, ?5)",
        )?;
        insert.execute(params![owner, endpoint, key, tail, epoch])?;
        let number = connection.last_insert_rowid();
        let lane = Lane {
            id: id.clone(),
            owner,
            tail: rows::unsigned(tail)?,
            epoch,
            numbered: 0,
            pending: 0,
            kept: 0,
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
            owner: row.get(7)?,
            tail: rows::unsigned(row.get(3)?)?,
            pending: row.get(4)?,
            kept: row.get(8)?,
            epoch: row.get(9)?,
            numbered: row.get(10)?,
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
        lane.kept += 1;
        let account = self.accounts.entry(lane.owner).or_default();
        account.accepted += 1;
        account.pending += 1;
        account.pending_bytes += bytes;
        self.dirty.insert(number);
        Ok(Seq(seq))
    }

    /// The number of the next delivery.
    pub(super) fn next_delivery(&mut self, connection: &Connection) -> rusqlite::Result<i64> {
        if let Some(next) = self.next_delivery {
            return Ok(next);
        }
        // An event names its deliveries by their numbers, also those that have been dropped: they
        // are not given away again while it is there. The last event names the highest.
        let last = "SELECT max(
             coalesce((SELECT max(number) FROM postrider_delivery), 0),
             coalesce((SELECT first + count - 1 FROM postrider_event
                       ORDER BY number DESC LIMIT 1), 0))";
        let last: i64 = connection.query_row(last, [], |row| row.get(0))?;
        Ok(*self.next_delivery.insert(last + 1))
    }

    /// That number was given away.
    pub(super) fn took_number(&mut self) {
        self.next_delivery = self.next_delivery.map(|next| next + 1);
    }

    /// The number of the next event: above that of every earlier one, also of those that have been
    /// dropped.
    pub(super) fn next_event(&mut self, connection: &Connection) -> rusqlite::Result<i64> {
        if let Some(next) = self.next_event {
            return Ok(next);
        }
        let last = "SELECT coalesce(max(number), 0) FROM postrider_event";
        let last: i64 = connection.query_row(last, [], |row| row.get(0))?;
        let last = last.max(schema::meta(connection, FORGOTTEN_EVENT)?);
        Ok(*self.next_event.insert(last + 1))
    }

    /// That number was given away.
    pub(super) fn took_event(&mut self) {
        self.next_event = self.next_event.map(|next| next + 1);
    }

    /// The record of an event goes.
    pub(super) fn dropped_event(
        &mut self,
        connection: &Connection,
        number: i64,
    ) -> rusqlite::Result<()> {
        // The newest one on record tells what comes next; without it, this does.
        if number + 1 == self.next_event(connection)? {
            schema::set_meta(connection, FORGOTTEN_EVENT, number)?;
        }
        Ok(())
    }

    /// The record of a delivery of a known lane, which has ended, goes.
    pub(super) fn dropped(&mut self, number: i64) {
        if let Some(lane) = self.known.get_mut(&number) {
            lane.kept -= 1;
            self.dirty.insert(number);
        }
    }

    /// The number of one more event in a known lane.
    pub(super) fn next_ordinal(&mut self, number: i64) -> Result<i64, StoreFault> {
        let missing = || StoreFault::Damaged(format!("lane {number} is missing"));
        let lane = self.known.get_mut(&number).ok_or_else(missing)?;
        lane.numbered += 1;
        self.dirty.insert(number);
        Ok(lane.numbered)
    }

    /// A pending delivery of a known lane has ended.
    pub(super) fn left(&mut self, number: i64, state: DeliveryState, bytes: i64) {
        let Some(lane) = self.known.get_mut(&number) else {
            return;
        };
        lane.pending -= 1;
        let account = self.accounts.entry(lane.owner).or_default();
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
        let account = self.accounts.entry(lane.owner).or_default();
        account.failed -= 1;
        account.discarded += 1;
        if lane.stopped.is_some_and(|(_, at)| at == id) {
            lane.stopped = None;
            self.dirty.insert(number);
        }
    }

    /// Writes what has changed, at the end of a transaction.
    pub(super) fn flush(&mut self, connection: &Connection) -> Result<(), StoreFault> {
        let mut update = connection.prepare_cached(
            "UPDATE postrider_lane
             SET tail = ?2, pending = ?3, stopped_seq = ?4, stopped_at = ?5, kept = ?6,
                 numbered = ?7
             WHERE number = ?1",
        )?;
        for number in std::mem::take(&mut self.dirty) {
            if self.known.get(&number).is_some_and(Lane::is_empty) {
                self.forget_lane(connection, number)?;
            } else if let Some(lane) = self.known.get(&number) {
                update.execute(params![
                    number,
                    signed(lane.tail),
                    lane.pending,
                    lane.stopped.map(|(seq, _)| seq),
                    lane.stopped.map(|(_, id)| id.to_be_bytes()),
                    lane.kept,
                    lane.numbered,
                ])?;
            }
        }
        let mut update = connection.prepare_cached(
            "UPDATE postrider_owner
             SET accepted = accepted + ?2, pending = pending + ?3,
                 pending_bytes = pending_bytes + ?4, delivered = delivered + ?5,
                 failed = failed + ?6, discarded = discarded + ?7
             WHERE number = ?1",
        )?;
        for (owner, account) in std::mem::take(&mut self.accounts) {
            update.execute(params![
                owner,
                account.accepted,
                account.pending,
                account.pending_bytes,
                account.delivered,
                account.failed,
                account.discarded,
            ])?;
        }
        self.hours.flush(connection)?;
        if self.known.len() > REMEMBERED_MAX {
            self.forget();
        }
        Ok(())
    }

    /// Nothing is on record of a lane any more.
    fn forget_lane(&mut self, connection: &Connection, number: i64) -> Result<(), StoreFault> {
        let Some(lane) = self.known.remove(&number) else {
            return Ok(());
        };
        self.numbers.remove(&lane.id);
        let tail = signed(lane.tail).max(schema::meta(connection, FORGOTTEN_TAIL)?);
        schema::set_meta(connection, FORGOTTEN_TAIL, tail)?;
        let epoch = lane.epoch.max(schema::meta(connection, FORGOTTEN_EPOCH)?);
        schema::set_meta(connection, FORGOTTEN_EPOCH, epoch)?;
        connection
            .prepare_cached("DELETE FROM postrider_lane WHERE number = ?1")?
            .execute([number])?;
        connection
            .prepare_cached(
                "DELETE FROM postrider_owner AS o WHERE number = ?1
                   AND NOT EXISTS (SELECT 1 FROM postrider_lane l WHERE l.endpoint = o.endpoint)
                   AND NOT EXISTS (SELECT 1 FROM postrider_endpoint e WHERE e.id = o.endpoint)",
            )?
            .execute([lane.owner])?;
        Ok(())
    }

    /// What is known may be wrong: the transaction was rolled back.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

impl Lane {
    /// Whether nothing is on record of it.
    fn is_empty(&self) -> bool {
        self.kept == 0 && self.pending == 0 && self.stopped.is_none()
    }
}

/// The number of an endpoint, which is made if it has none.
pub(super) fn owner_of(
    connection: &Connection,
    endpoint: EndpointId,
    tenant: &TenantId,
) -> rusqlite::Result<i64> {
    if let Some(number) = known_owner(connection, endpoint)? {
        return Ok(number);
    }
    let mut insert = connection
        .prepare_cached("INSERT INTO postrider_owner (endpoint, tenant) VALUES (?1, ?2)")?;
    insert.execute(params![endpoint.as_u128().to_be_bytes(), tenant.as_str()])?;
    Ok(connection.last_insert_rowid())
}

/// The number of an endpoint, if anything is on record of it.
pub(super) fn known_owner(
    connection: &Connection,
    endpoint: EndpointId,
) -> rusqlite::Result<Option<i64>> {
    let mut select =
        connection.prepare_cached("SELECT number FROM postrider_owner WHERE endpoint = ?1")?;
    let endpoint = endpoint.as_u128().to_be_bytes();
    select.query_row([endpoint], |row| row.get(0)).optional()
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

/// What a read needs to know of a lane.
pub(super) struct Found {
    pub(super) number: i64,
    pub(super) tail: i64,
    pub(super) pending: i64,
    pub(super) epoch: i64,
}

/// A lane, if it is there.
pub(super) fn find(connection: &Connection, id: &LaneId) -> rusqlite::Result<Option<Found>> {
    let mut select = connection.prepare_cached(
        "SELECT number, tail, pending, epoch FROM postrider_lane WHERE endpoint = ?1 AND key = ?2",
    )?;
    let endpoint = id.endpoint.as_u128().to_be_bytes();
    let key = id.key.get().unwrap_or_default();
    let found = select.query_row(params![endpoint, key], |row| {
        Ok(Found {
            number: row.get(0)?,
            tail: row.get(1)?,
            pending: row.get(2)?,
            epoch: row.get(3)?,
        })
    });
    found.optional()
}
