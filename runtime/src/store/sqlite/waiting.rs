//! Deliveries that have not ended, where these are few among many that have.

use super::StoreFault;
use super::history::{LOOKED_AT_MAX, id_at};
use crate::history::{DeliveryFilter, StateKind};
use rusqlite::{Connection, OptionalExtension};

/// Whether a filter asks for such deliveries only.
pub(super) fn only(filter: &DeliveryFilter) -> bool {
    let waits = |kind: &StateKind| matches!(kind, StateKind::Pending | StateKind::Retrying);
    !filter.states.is_empty() && filter.states.iter().all(waits)
}

/// The ids and numbers of those of these owners; `None` if they are more than a page looks at.
pub(super) fn few(
    connection: &Connection,
    owners: &[i64],
) -> Result<Option<Vec<(u128, i64)>>, StoreFault> {
    let mut account = connection.prepare_cached(
        "SELECT endpoint, pending FROM postrider_owner WHERE number = ?1 AND pending > 0",
    )?;
    let mut endpoints = Vec::new();
    let mut pending = 0_usize;
    for owner in owners {
        let found = account.query_row([owner], |row| {
            Ok((row.get::<_, [u8; 16]>(0)?, row.get::<_, i64>(1)?))
        });
        if let Some((endpoint, count)) = found.optional()? {
            endpoints.push(endpoint);
            pending = pending.saturating_add(usize::try_from(count).unwrap_or(usize::MAX));
        }
        if pending > LOOKED_AT_MAX {
            return Ok(None);
        }
    }
    let mut select = connection.prepare_cached(
        "SELECT d.id, d.number FROM postrider_lane l INDEXED BY postrider_lane_live
         CROSS JOIN postrider_delivery d INDEXED BY postrider_delivery_pending
             ON d.lane = l.number AND d.state <= 1
         WHERE l.endpoint = ?1 AND (l.pending > 0 OR l.stopped_at IS NOT NULL)",
    )?;
    let mut few = Vec::with_capacity(pending);
    for endpoint in endpoints {
        let mut rows = select.query([endpoint])?;
        while let Some(row) = rows.next()? {
            few.push((id_at(row, 0)?, row.get(1)?));
        }
    }
    Ok(Some(few))
}

/// Those of all owners; `None` if they are more than a page looks at.
pub(super) fn few_of_all(connection: &Connection) -> Result<Option<Vec<(u128, i64)>>, StoreFault> {
    let mut account =
        connection.prepare_cached("SELECT coalesce(sum(pending), 0) FROM postrider_owner")?;
    let pending: i64 = account.query_row([], |row| row.get(0))?;
    let pending = usize::try_from(pending).unwrap_or(usize::MAX);
    if pending > LOOKED_AT_MAX {
        return Ok(None);
    }
    let mut select = connection.prepare_cached(
        "SELECT id, number FROM postrider_delivery INDEXED BY postrider_delivery_oldest
         WHERE state <= 1",
    )?;
    let mut few = Vec::with_capacity(pending);
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        few.push((id_at(row, 0)?, row.get(1)?));
    }
    Ok(Some(few))
}
