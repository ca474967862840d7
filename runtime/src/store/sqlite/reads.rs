//! What is read from a database. Every connection may be asked; each call is one statement or one
//! snapshot.

use super::lanes::{self, known_owner, lane_id};
use super::rows::{
    self, ATTEMPT_COLUMNS, DELIVERY_COLUMNS, DELIVERY_WIDTH, DeliveryRow, EVENT_COLUMNS,
    EVENT_WIDTH,
};
use super::seal::KeyRing;
use super::spec;
use super::{BUSY, StoreFault};
use crate::history::{Room, accepted_at};
use crate::reading::LaneRecord;
use postrider_engine::{
    DeliveryId, DeliveryRecord, DeliveryState, Endpoint, EndpointId, EndpointStatus, Event,
    EventId, Health, LaneId, Ledger, Load, Loaded, LoadedDelivery, OrderingKey, Recovered,
    RecoveredDelivery, RecoveredEndpoint, RecoveredLane, ReplayId, Seq, TenantId, Wall,
};
use rusqlite::{CachedStatement, Connection, OpenFlags, OptionalExtension, Row, params};
use std::path::Path;
use std::sync::Arc;

pub(super) const ENDPOINT_COLUMNS: &str = "id, tenant, spec, secrets, status, failures, failing_since, \
     open_until, created_at, revision, held_until";

/// How an endpoint stands, from [`ENDPOINT_COLUMNS`].
pub(super) fn standing_of(row: &Row<'_>) -> Result<(EndpointStatus, Health), StoreFault> {
    let time = |at: usize| -> Result<Option<Wall>, StoreFault> {
        let value: Option<i64> = row.get(at)?;
        value.map(|at| rows::unsigned(at).map(Wall)).transpose()
    };
    let health = Health {
        failures: row.get(5)?,
        failing_since: time(6)?,
        open_until: time(7)?,
        held_until: time(10)?,
    };
    Ok((rows::read_status(row.get(4)?)?, health))
}

/// A connection that reads.
pub(super) fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(32);
    // What it sorts needs no descriptor, and the log is opened now.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(connection)
}

/// An endpoint, from [`ENDPOINT_COLUMNS`].
pub(super) fn endpoint_of(row: &Row<'_>, keys: &KeyRing) -> Result<Endpoint, StoreFault> {
    let id = EndpointId::from_u128(u128::from_be_bytes(row.get(0)?));
    let tenant: TenantId = row
        .get::<_, String>(1)?
        .parse()
        .map_err(|_| StoreFault::Damaged(format!("the tenant of {id} is no name")))?;
    let place = spec::Place {
        keys,
        tenant: &tenant,
        endpoint: id,
    };
    let spec = spec::from_json(&row.get::<_, String>(2)?, &place)?;
    let (status, health) = standing_of(row)?;
    Ok(Endpoint {
        id,
        spec: Arc::new(spec),
        secrets: keys.open_secrets(&tenant, id, &row.get::<_, Vec<u8>>(3)?)?,
        status,
        health,
        created_at: Wall(rows::unsigned(row.get(8)?)?),
        revision: rows::unsigned(row.get(9)?)?,
    })
}

pub(super) fn endpoint(
    connection: &Connection,
    keys: &KeyRing,
    id: EndpointId,
) -> Result<Option<Endpoint>, StoreFault> {
    let mut select = connection.prepare_cached(&format!(
        "SELECT {ENDPOINT_COLUMNS} FROM postrider_endpoint WHERE id = ?1"
    ))?;
    let mut rows = select.query([id.as_u128().to_be_bytes()])?;
    rows.next()?.map(|row| endpoint_of(row, keys)).transpose()
}

pub(super) fn endpoints(
    connection: &Connection,
    keys: &KeyRing,
) -> Result<Vec<Endpoint>, StoreFault> {
    let mut select = connection.prepare_cached(&format!(
        "SELECT {ENDPOINT_COLUMNS} FROM postrider_endpoint ORDER BY id"
    ))?;
    let mut rows = select.query([])?;
    let mut endpoints = Vec::new();
    while let Some(row) = rows.next()? {
        endpoints.push(endpoint_of(row, keys)?);
    }
    Ok(endpoints)
}

/// At most so many endpoints of a tenant, oldest first, after this one.
pub(super) fn endpoints_of(
    connection: &Connection,
    keys: &KeyRing,
    (tenant, after, most): (&TenantId, Option<EndpointId>, usize),
) -> Result<Vec<Endpoint>, StoreFault> {
    let mut select = connection.prepare_cached(&format!(
        "SELECT {ENDPOINT_COLUMNS} FROM postrider_endpoint INDEXED BY postrider_endpoint_tenant
         WHERE tenant = ?1 AND id > ?2 ORDER BY id LIMIT ?3"
    ))?;
    // Every id is greater than no bytes at all.
    let after = after.map(|id| id.as_u128().to_be_bytes());
    let after = after.as_ref().map_or(&[][..], |id| &id[..]);
    let mut rows = select.query(params![tenant.as_str(), after, rows::signed(most as u64)])?;
    let mut endpoints = Vec::new();
    while let Some(row) = rows.next()? {
        endpoints.push(endpoint_of(row, keys)?);
    }
    Ok(endpoints)
}

pub(super) fn load(connection: &Connection, load: &Load) -> Result<Loaded, StoreFault> {
    let mut loaded = Loaded {
        lane: load.lane.clone(),
        deliveries: Vec::new(),
        through: load.after,
    };
    // One snapshot: the tail is that of the rows.
    let snapshot = connection.unchecked_transaction()?;
    let Some(lane) = lanes::find(&snapshot, &load.lane)? else {
        return Ok(loaded);
    };
    let mut select = snapshot.prepare_cached(&format!(
        "SELECT {DELIVERY_COLUMNS}, {EVENT_COLUMNS}
         FROM postrider_delivery d JOIN postrider_event e ON e.number = d.event
         WHERE d.lane = ?1 AND d.state <= 1 AND d.seq > ?2
         ORDER BY d.seq"
    ))?;
    let mut rows = select.query(params![lane.number, rows::signed(load.after.0)])?;
    let mut bytes = 0_usize;
    while let Some(row) = rows.next()? {
        let delivery = DeliveryRow::read(row)?;
        bytes = bytes.saturating_add(usize::try_from(delivery.bytes).unwrap_or(usize::MAX));
        let enough = loaded.deliveries.len() >= load.deliveries_max || bytes > load.bytes_max;
        if enough && !loaded.deliveries.is_empty() {
            return Ok(loaded);
        }
        let seq = Seq(rows::unsigned(delivery.seq)?);
        loaded.deliveries.push(LoadedDelivery {
            id: DeliveryId::from_u128(delivery.id),
            seq,
            ordinal: delivery.ordinal_in(lane.epoch)?,
            event: Arc::new(rows::event(row, DELIVERY_WIDTH)?),
            attempts: delivery.attempts,
            state: delivery.state,
        });
        loaded.through = seq;
    }
    loaded.through = Seq(rows::unsigned(lane.tail)?).max(load.after);
    nothing_is_hidden(&snapshot, &lane)?;
    Ok(loaded)
}

/// A lane has been read to its end: as many deliveries are found in it as it counts, or a flipped
/// bit hides one. They are few: those that were read now and those that the core has at hand.
fn nothing_is_hidden(connection: &Connection, lane: &lanes::Found) -> Result<(), StoreFault> {
    let mut count = connection
        .prepare_cached("SELECT count(*) FROM postrider_delivery WHERE lane = ?1 AND state <= 1")?;
    let found: i64 = count.query_row([lane.number], |row| row.get(0))?;
    if found == lane.pending {
        return Ok(());
    }
    Err(StoreFault::Damaged(format!(
        "lane {} counts {} pending deliveries, and {found} are found",
        lane.number, lane.pending
    )))
}

/// What a core needs to go on. Reads endpoints, and lanes that hold something: of each its place
/// and what waits for a retry, not what waits its turn.
pub(super) fn recover(connection: &Connection, keys: &KeyRing) -> Result<Recovered, StoreFault> {
    let mut recovered = Recovered::default();
    for endpoint in endpoints(connection, keys)? {
        let mut select = connection.prepare_cached(
            "SELECT pending, pending_bytes FROM postrider_owner WHERE endpoint = ?1",
        )?;
        let id = endpoint.id.as_u128().to_be_bytes();
        let (pending, bytes) = select.query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))?;
        recovered.endpoints.push(RecoveredEndpoint {
            endpoint,
            pending_deliveries: rows::unsigned(pending)?,
            pending_bytes: rows::unsigned(bytes)?,
        });
    }
    let mut select = connection.prepare_cached(
        "SELECT l.number, l.endpoint, l.key, l.tail, l.stopped_at
         FROM postrider_lane l JOIN postrider_endpoint e ON e.id = l.endpoint
         WHERE l.pending > 0 OR l.stopped_at IS NOT NULL
         ORDER BY l.endpoint, l.key",
    )?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let id = lane_id(row.get(1)?, &row.get::<_, String>(2)?)?;
        let stopped: Option<[u8; 16]> = row.get(4)?;
        let tail = Seq(rows::unsigned(row.get(3)?)?);
        let lane = recover_lane(connection, row.get(0)?, id, tail)?;
        recovered.lanes.push(RecoveredLane {
            stopped_at: stopped.map(|id| DeliveryId::from_u128(u128::from_be_bytes(id))),
            ..lane
        });
    }
    Ok(recovered)
}

fn recover_lane(
    connection: &Connection,
    number: i64,
    id: LaneId,
    tail: Seq,
) -> Result<RecoveredLane, StoreFault> {
    let mut fresh = connection.prepare_cached(
        "SELECT seq FROM postrider_delivery
         WHERE lane = ?1 AND state <= 1 AND state = 0 ORDER BY seq LIMIT 1",
    )?;
    let fresh: Option<i64> = fresh.query_row([number], |row| row.get(0)).optional()?;
    let after = match fresh {
        Some(seq) => Seq(rows::unsigned(seq)?.saturating_sub(1)),
        None => tail,
    };
    let mut select = connection.prepare_cached(&format!(
        "SELECT {DELIVERY_COLUMNS}, e.id
         FROM postrider_delivery d JOIN postrider_event e ON e.number = d.event
         WHERE d.lane = ?1 AND d.state = 1 ORDER BY d.seq"
    ))?;
    let mut rows = select.query([number])?;
    let mut retrying = Vec::new();
    while let Some(row) = rows.next()? {
        let delivery = DeliveryRow::read(row)?;
        let event: [u8; 16] = row.get(DELIVERY_WIDTH)?;
        if let DeliveryState::Retrying { due } = delivery.state {
            retrying.push(RecoveredDelivery {
                id: DeliveryId::from_u128(delivery.id),
                event: EventId::from_u128(u128::from_be_bytes(event)),
                seq: Seq(rows::unsigned(delivery.seq)?),
                payload_bytes: u32::try_from(delivery.bytes).unwrap_or(u32::MAX),
                attempts: delivery.attempts,
                due,
            });
        }
    }
    Ok(RecoveredLane {
        id,
        after,
        tail,
        retrying,
        stopped_at: None,
    })
}

/// The rest of a record after the columns of its delivery and its event, and where they are.
pub(super) const RECORD: &str = "l.endpoint, l.key, l.epoch FROM postrider_delivery d
     JOIN postrider_event e ON e.number = d.event
     JOIN postrider_lane l ON l.number = d.lane";

/// Reads the attempts of a delivery.
pub(super) fn attempts(connection: &Connection) -> rusqlite::Result<CachedStatement<'_>> {
    connection.prepare_cached(&format!(
        "SELECT {ATTEMPT_COLUMNS} FROM postrider_attempt WHERE delivery = ?1 ORDER BY place"
    ))
}

/// A whole record, from the columns of its delivery and its event, and [`RECORD`]. `before` is the
/// event of the record before, which may be the same.
pub(super) fn record(
    row: &Row<'_>,
    delivery: &DeliveryRow,
    attempts: &mut CachedStatement<'_>,
    (before, room): (Option<&Arc<Event>>, &mut Room),
) -> Result<DeliveryRecord, StoreFault> {
    let id = rows::id(
        row.get_ref(DELIVERY_WIDTH)?
            .as_blob()
            .map_err(rows::damaged)?,
    )?;
    let event = match before.filter(|before| before.id.as_u128() == id) {
        Some(before) => Arc::clone(before),
        None => {
            let event = rows::event(row, DELIVERY_WIDTH)?;
            room.hold(&event.payload);
            Arc::new(event)
        }
    };
    let mut made = Vec::new();
    let mut found = attempts.query([delivery.number])?;
    while let Some(row) = found.next()? {
        made.push(rows::attempt(row, room)?);
    }
    let ended_at = delivery.ended_at.map(rows::unsigned).transpose()?;
    let lane = DELIVERY_WIDTH + EVENT_WIDTH;
    Ok(DeliveryRecord {
        id: DeliveryId::from_u128(delivery.id),
        event,
        lane: lane_id(row.get(lane)?, &row.get::<_, String>(lane + 1)?)?,
        seq: Seq(rows::unsigned(delivery.seq)?),
        ordinal: delivery.ordinal_in(row.get(lane + 2)?)?,
        state: delivery.state,
        attempts: made,
        ended_at: ended_at.map(Wall),
        resend_of: delivery.resend_of.map(DeliveryId::from_u128),
        resent_as: delivery.resent_as.map(DeliveryId::from_u128),
        replay: delivery.replay.map(ReplayId::from_u128),
    })
}

fn records(
    connection: &Connection,
    what: &str,
    by: &[&dyn rusqlite::ToSql],
    room: &mut Room,
) -> Result<Vec<DeliveryRecord>, StoreFault> {
    let snapshot = connection.unchecked_transaction()?;
    records_in(&snapshot, what, by, room)
}

/// Of this snapshot.
fn records_in(
    snapshot: &Connection,
    what: &str,
    by: &[&dyn rusqlite::ToSql],
    room: &mut Room,
) -> Result<Vec<DeliveryRecord>, StoreFault> {
    let mut select = snapshot.prepare_cached(&format!(
        "SELECT {DELIVERY_COLUMNS}, {EVENT_COLUMNS}, {RECORD} {what}"
    ))?;
    let mut attempts = attempts(snapshot)?;
    let mut rows = select.query(by)?;
    let mut records: Vec<DeliveryRecord> = Vec::new();
    while let Some(row) = rows.next()? {
        let delivery = DeliveryRow::read(row)?;
        let before = records.last().map(|record| &record.event);
        let next = record(row, &delivery, &mut attempts, (before, &mut *room))?;
        records.push(next);
    }
    Ok(records)
}

pub(super) fn delivery(
    connection: &Connection,
    id: DeliveryId,
) -> Result<Option<DeliveryRecord>, StoreFault> {
    let id = id.as_u128().to_be_bytes();
    let mut room = Room::new();
    Ok(records(connection, "WHERE d.id = ?1", &[&id], &mut room)?.pop())
}

pub(super) fn deliveries_of(
    connection: &Connection,
    event: EventId,
) -> Result<Option<Vec<DeliveryRecord>>, StoreFault> {
    let id = event.as_u128().to_be_bytes();
    let mut known = connection
        .prepare_cached("SELECT number, first, count FROM postrider_event WHERE id = ?1")?;
    let known = known.query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    let Some((number, first, count)): Option<(i64, i64, i64)> = known.optional()? else {
        return Ok(None);
    };
    let made = "WHERE d.number >= ?1 AND d.number < ?2 ORDER BY d.number";
    let mut room = Room::new();
    let mut found = records(connection, made, &[&first, &(first + count)], &mut room)?;
    let later = "WHERE d.number IN (
                     SELECT number FROM postrider_delivery INDEXED BY postrider_delivery_resend
                     WHERE event = ?1 AND resend_of IS NOT NULL
                     UNION ALL
                     SELECT g.number FROM postrider_backfill b
                     CROSS JOIN postrider_delivery g ON g.id = b.delivery WHERE b.event = ?1)
                 ORDER BY d.number";
    found.extend(records(connection, later, &[&number], &mut room)?);
    Ok(Some(found))
}

pub(super) fn dead_letters(
    connection: &Connection,
    endpoint: EndpointId,
    after: Option<DeliveryId>,
    most: usize,
) -> Result<Vec<DeliveryRecord>, StoreFault> {
    let Some(owner) = known_owner(connection, endpoint)? else {
        return Ok(Vec::new());
    };
    let after = after.map_or(0, DeliveryId::as_u128).to_be_bytes();
    let most = rows::signed(most as u64);
    let what = "WHERE d.owner = ?1 AND d.state = 3 AND d.resent_as IS NULL AND d.id > ?2
         ORDER BY d.id LIMIT ?3";
    records(connection, what, &[&owner, &after, &most], &mut Room::new())
}

/// At most so many lanes of an endpoint that hold something or have stopped, after this key.
pub(super) fn lanes(
    connection: &Connection,
    (endpoint, after, most): (EndpointId, Option<OrderingKey>, usize),
) -> Result<Vec<LaneRecord>, StoreFault> {
    let snapshot = connection.unchecked_transaction()?;
    // No key stands as the empty one.
    let (after, than) = match &after {
        Some(after) => (after.get().unwrap_or_default(), ">"),
        None => ("", ">="),
    };
    let mut select = snapshot.prepare_cached(&format!(
        "SELECT number, endpoint, key, pending, stopped_at
         FROM postrider_lane INDEXED BY postrider_lane_live
         WHERE (pending > 0 OR stopped_at IS NOT NULL) AND endpoint = ?1 AND key {than} ?2
         ORDER BY key LIMIT ?3"
    ))?;
    let endpoint = endpoint.as_u128().to_be_bytes();
    let mut rows = select.query(params![endpoint, after, rows::signed(most as u64)])?;
    let mut room = Room::new();
    let mut lanes = Vec::new();
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(0)?;
        let stopped: Option<[u8; 16]> = row.get(4)?;
        let head = match &stopped {
            Some(id) => records_in(&snapshot, "WHERE d.id = ?1", &[id], &mut room)?,
            None => {
                let first = "WHERE d.lane = ?1 AND d.state <= 1 ORDER BY d.seq LIMIT 1";
                records_in(&snapshot, first, &[&number], &mut room)?
            }
        };
        lanes.push(LaneRecord {
            key: lane_id(row.get(1)?, &row.get::<_, String>(2)?)?.key,
            pending: rows::unsigned(row.get(3)?)?,
            head: head.into_iter().next(),
            stopped_at: stopped.map(|id| DeliveryId::from_u128(u128::from_be_bytes(id))),
        });
    }
    Ok(lanes)
}

/// When the oldest delivery that has not ended was accepted: from an index of those, by their
/// numbers, which are in the order in which they were made.
pub(super) fn oldest_pending(connection: &Connection) -> Result<Option<Wall>, StoreFault> {
    let mut select = connection.prepare_cached(
        "SELECT id FROM postrider_delivery INDEXED BY postrider_delivery_oldest
         WHERE state <= 1 ORDER BY number LIMIT 1",
    )?;
    let oldest: Option<[u8; 16]> = select.query_row([], |row| row.get(0)).optional()?;
    let oldest = oldest.map(|id| DeliveryId::from_u128(u128::from_be_bytes(id)));
    Ok(oldest.map(accepted_at))
}

pub(super) fn ledger(connection: &Connection, id: EndpointId) -> Result<Ledger, StoreFault> {
    let mut select = connection.prepare_cached(
        "SELECT accepted, pending, delivered, failed, discarded
         FROM postrider_owner
         WHERE endpoint = ?1 AND EXISTS (SELECT 1 FROM postrider_endpoint WHERE id = ?1)",
    )?;
    let mut rows = select.query([id.as_u128().to_be_bytes()])?;
    let Some(row) = rows.next()? else {
        return Ok(Ledger::default());
    };
    let count = |at: usize| -> Result<u64, StoreFault> { rows::unsigned(row.get(at)?) };
    Ok(Ledger {
        accepted: count(0)?,
        pending: count(1)?,
        delivered: count(2)?,
        failed: count(3)?,
        discarded: count(4)?,
    })
}
