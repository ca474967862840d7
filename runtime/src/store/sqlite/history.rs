//! What people read: pages of deliveries, and statistics.

use super::StoreFault;
use super::hours::{self, HOUR_COLUMNS};
use super::lanes::known_owner;
use super::reads::{self, RECORD};
use super::rows::{self, DELIVERY_COLUMNS, DELIVERY_WIDTH, DeliveryRow, EVENT_COLUMNS};
use crate::history::{Cursor, DeliveryPage, DeliveryQuery, Direction, StateKind};
use crate::statistics::{Hour, MS_PER_HOUR};
use postrider_engine::{DeliveryId, EndpointId, Wall};
use rusqlite::{Connection, ToSql, params};

/// Records that are looked at for one page, at most.
pub(super) const LOOKED_AT_MAX: usize = 5_000;

/// The place of the event's type after the columns of its delivery.
const EVENT_TYPE: usize = 2;

pub(super) fn page(
    connection: &Connection,
    query: &DeliveryQuery,
) -> Result<DeliveryPage, StoreFault> {
    let mut page = DeliveryPage::default();
    let owner = match query.filter.endpoint {
        None => None,
        Some(endpoint) => match known_owner(connection, endpoint)? {
            None => return Ok(page),
            owner => owner,
        },
    };
    let snapshot = connection.unchecked_transaction()?;
    let mut select = snapshot.prepare_cached(&statement(query))?;
    let mut attempts = reads::attempts(&snapshot)?;
    let (from, until) = query.ids();
    let (from, until) = (from.to_be_bytes(), until.to_be_bytes());
    let all: [&dyn ToSql; 3] = [&from, &until, &owner];
    let bound = if owner.is_some() { &all[..] } else { &all[..2] };
    let mut rows = select.query(bound)?;
    let mut last = None;
    let mut looked_at = 0;
    while let Some(row) = rows.next()? {
        if page.deliveries.len() >= query.most || looked_at >= LOOKED_AT_MAX {
            page.next = last.map(Cursor);
            break;
        }
        looked_at += 1;
        let delivery = DeliveryRow::read(row)?;
        last = Some(DeliveryId::from_u128(delivery.id));
        let event_type = row.get_ref(DELIVERY_WIDTH + EVENT_TYPE)?.as_str();
        let event_type = event_type.map_err(rows::damaged)?;
        let event_type = event_type.parse().map_err(rows::damaged)?;
        if query.filter.takes(delivery.state, &event_type) {
            let record = reads::record(row, &delivery, &mut attempts)?;
            page.deliveries.push(record);
        }
    }
    Ok(page)
}

fn statement(query: &DeliveryQuery) -> String {
    let owner = match query.filter.endpoint {
        // Failed ones have an index of their own.
        Some(_) if query.filter.states == [StateKind::Failed] => "AND d.owner = ?3 AND d.state = 3",
        Some(_) => "AND d.owner = ?3",
        None => "",
    };
    let order = match query.direction {
        Direction::NewestFirst => "DESC",
        Direction::OldestFirst => "ASC",
    };
    format!(
        "SELECT {DELIVERY_COLUMNS}, {EVENT_COLUMNS}, {RECORD}
         WHERE d.id >= ?1 AND d.id < ?2 {owner} ORDER BY d.id {order}"
    )
}

/// The hours of an endpoint that begin in this time, oldest first.
pub(super) fn hours(
    connection: &Connection,
    endpoint: EndpointId,
    (from, until): (Wall, Wall),
) -> Result<Vec<Hour>, StoreFault> {
    let Some(owner) = known_owner(connection, endpoint)? else {
        return Ok(Vec::new());
    };
    let mut select = connection.prepare_cached(&format!(
        "SELECT {HOUR_COLUMNS} FROM postrider_hour
         WHERE owner = ?1 AND hour >= ?2 AND hour < ?3 ORDER BY hour"
    ))?;
    let from = rows::signed(from.0 / MS_PER_HOUR);
    let until = rows::signed(until.0.div_ceil(MS_PER_HOUR));
    let mut rows = select.query(params![owner, from, until])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(hours::read(row)?);
    }
    Ok(found)
}
