//! The log of events: numbers of rows are the order of their commits.

use super::StoreFault;
use super::history::LOOKED_AT_MAX;
use super::rows::{self, EVENT_COLUMNS, EVENT_WIDTH};
use crate::events::{EventCursor, EventPage, EventPlace, EventQuery, EventRecord};
use crate::history::{Direction, READ_BYTES_MAX};
use postrider_engine::{EventId, EventType, TenantId, Wall};
use rusqlite::{Connection, OptionalExtension, Row, ToSql};
use std::sync::Arc;

/// The calendar may have been set back by so much between two events: searched by time, they are
/// found all the same.
pub(super) const SET_BACK_MS: u64 = 3_600_000;

/// Places of columns of the event.
const TYPE: usize = 2;
const PUBLISHED_AT: usize = 4;
const PAYLOAD: usize = 5;

pub(super) fn event(
    connection: &Connection,
    id: EventId,
) -> Result<Option<EventRecord>, StoreFault> {
    let mut select = connection.prepare_cached(&format!(
        "SELECT {EVENT_COLUMNS}, e.idempotency, e.number FROM postrider_event e WHERE e.id = ?1"
    ))?;
    let mut rows = select.query([id.as_u128().to_be_bytes()])?;
    rows.next()?.map(record).transpose()
}

pub(super) fn newest(connection: &Connection) -> Result<Option<EventCursor>, StoreFault> {
    let newest = "SELECT max(number) FROM postrider_event";
    let newest: Option<i64> = connection.query_row(newest, [], |row| row.get(0))?;
    let newest = newest.map(rows::unsigned).transpose()?;
    Ok(newest.map(EventCursor))
}

pub(super) fn page(connection: &Connection, query: &EventQuery) -> Result<EventPage, StoreFault> {
    let mut page = EventPage::default();
    let snapshot = connection.unchecked_transaction()?;
    let (from, until) = between(&snapshot, query)?;
    let tenant = query.filter.tenant.as_ref().map(TenantId::as_str);
    let mut select = snapshot.prepare_cached(&statement(query))?;
    let all: [&dyn ToSql; 3] = [&from, &until, &tenant];
    let bound = if tenant.is_some() {
        &all[..]
    } else {
        &all[..2]
    };
    let mut rows = select.query(bound)?;
    let (mut looked_at, mut bytes) = (0, 0);
    while let Some(row) = rows.next()? {
        let is_full = page.events.len() >= query.most || bytes >= READ_BYTES_MAX;
        if is_full || looked_at >= LOOKED_AT_MAX {
            page.next = page.through;
            break;
        }
        looked_at += 1;
        page.through = Some(EventCursor(rows::unsigned(row.get(EVENT_WIDTH + 1)?)?));
        let event_type = row.get_ref(TYPE)?.as_str().map_err(rows::damaged)?;
        let event_type: EventType = event_type.parse().map_err(rows::damaged)?;
        let published_at = Wall(rows::unsigned(row.get(PUBLISHED_AT)?)?);
        if query.filter.takes(published_at, &event_type) {
            bytes += row.get_ref(PAYLOAD)?.as_bytes().map_or(0, <[u8]>::len);
            page.events.push(record(row)?);
        }
    }
    Ok(page)
}

fn statement(query: &EventQuery) -> String {
    let (index, tenant) = match query.filter.tenant {
        Some(_) => ("INDEXED BY postrider_event_tenant", "AND e.tenant = ?3"),
        None => ("", ""),
    };
    let order = match query.direction {
        Direction::NewestFirst => "DESC",
        Direction::OldestFirst => "ASC",
    };
    format!(
        "SELECT {EVENT_COLUMNS}, e.idempotency, e.number FROM postrider_event e {index}
         WHERE e.number >= ?1 AND e.number < ?2 {tenant} ORDER BY e.number {order}"
    )
}

fn record(row: &Row<'_>) -> Result<EventRecord, StoreFault> {
    let key: Option<String> = row.get(EVENT_WIDTH)?;
    let number = rows::unsigned(row.get(EVENT_WIDTH + 1)?)?;
    Ok(EventRecord {
        event: Arc::new(rows::event(row, 0)?),
        idempotency_key: key.map(Into::into),
        place: EventPlace::Published(EventCursor(number)),
    })
}

/// The numbers between which the page is: the first one, and the one after the last. Times are
/// looked for by halving: the log is in their order, but for what the calendar was set back.
pub(super) fn between(connection: &Connection, query: &EventQuery) -> rusqlite::Result<(i64, i64)> {
    let (from, until) = query.places();
    let (mut from, mut until) = (rows::signed(from), rows::signed(until));
    if let Some(at) = query.filter.from {
        let at = Wall(at.0.saturating_sub(SET_BACK_MS));
        from = from.max(first_at(connection, at)?);
    }
    if let Some(at) = query.filter.until {
        let at = Wall(at.0.saturating_add(SET_BACK_MS));
        until = until.min(first_at(connection, at)?);
    }
    Ok((from, until))
}

/// The number of the first event that was published then or later, or the one after the last.
fn first_at(connection: &Connection, at: Wall) -> rusqlite::Result<i64> {
    let ends = "SELECT coalesce(min(number), 0), coalesce(max(number), 0) + 1
                FROM (SELECT min(number) AS number FROM postrider_event
                      UNION ALL SELECT max(number) FROM postrider_event)";
    let (mut low, mut high): (i64, i64) =
        connection.query_row(ends, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut select = connection.prepare_cached(
        "SELECT number, published_at FROM postrider_event
         WHERE number >= ?1 AND number < ?2 ORDER BY number LIMIT 1",
    )?;
    while low < high {
        let middle = low + (high - low) / 2;
        let found = select.query_row([middle, high], |row| Ok((row.get(0)?, row.get(1)?)));
        let found: Option<(i64, i64)> = found.optional()?;
        match found.filter(|(_, published_at)| *published_at < rows::signed(at.0)) {
            Some((earlier, _)) => low = earlier + 1,
            None => high = middle,
        }
    }
    Ok(low)
}
