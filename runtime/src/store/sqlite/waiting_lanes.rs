//! The lanes of all endpoints in which something waits, by the age of what waits first.

use super::StoreFault;
use super::history::LOOKED_AT_MAX;
use super::lanes::lane_id;
use super::rows;
use super::summaries;
use crate::waiting_lanes::{LaneCursor, LanePage, LaneQuery, WaitingLane};
use postrider_engine::{DeliveryId, TenantId};
use rusqlite::{Connection, Row};

pub(super) fn page(connection: &Connection, query: &LaneQuery) -> Result<LanePage, StoreFault> {
    let mut page = LanePage::default();
    let snapshot = connection.unchecked_transaction()?;
    // Deliveries have their numbers in the order in which they were made.
    let mut select = snapshot.prepare_cached(
        "SELECT d.number, d.lane, d.seq, l.endpoint, l.key, l.pending, l.stopped_at, o.tenant
         FROM postrider_delivery d INDEXED BY postrider_delivery_oldest
         CROSS JOIN postrider_lane l ON l.number = d.lane
         CROSS JOIN postrider_owner o ON o.number = d.owner
         WHERE d.state <= 1 AND d.number > ?1 ORDER BY d.number",
    )?;
    let after = query.after.map_or(0, |after| after.0);
    let mut rows = select.query([i64::try_from(after).unwrap_or(i64::MAX)])?;
    let mut looked_at = 0;
    let mut last = None;
    while let Some(row) = rows.next()? {
        if page.lanes.len() >= query.most || looked_at >= LOOKED_AT_MAX {
            page.next = last;
            break;
        }
        looked_at += 1;
        let number: i64 = row.get(0)?;
        last = Some(LaneCursor(rows::unsigned(number)?.into()));
        if is_asked_for(row, query)? && is_head(&snapshot, row)? {
            page.lanes.extend(waiting(&snapshot, row, number)?);
        }
    }
    Ok(page)
}

fn is_asked_for(row: &Row<'_>, query: &LaneQuery) -> Result<bool, StoreFault> {
    let endpoint: [u8; 16] = row.get(3)?;
    let tenant = row.get_ref(7)?.as_str().map_err(rows::damaged)?;
    let wanted = query.endpoint.map(|id| id.as_u128().to_be_bytes());
    let theirs = query.tenant.as_ref().map(TenantId::as_str);
    Ok(wanted.is_none_or(|wanted| wanted == endpoint) && theirs.is_none_or(|it| it == tenant))
}

/// Whether nothing is before it in its lane: what makes a dead letter anew in its place is younger
/// than what it goes before.
fn is_head(snapshot: &Connection, row: &Row<'_>) -> Result<bool, StoreFault> {
    let mut before = snapshot.prepare_cached(
        "SELECT 1 FROM postrider_delivery p WHERE p.lane = ?1 AND p.state <= 1 AND p.seq < ?2",
    )?;
    let (lane, seq): (i64, i64) = (row.get(1)?, row.get(2)?);
    Ok(!before.exists([lane, seq])?)
}

fn waiting(
    snapshot: &Connection,
    row: &Row<'_>,
    number: i64,
) -> Result<Option<WaitingLane>, StoreFault> {
    let Some(head) = summaries::one(snapshot, number)? else {
        return Ok(None);
    };
    let stopped: Option<[u8; 16]> = row.get(6)?;
    Ok(Some(WaitingLane {
        id: lane_id(row.get(3)?, &row.get::<_, String>(4)?)?,
        tenant: head.tenant.clone(),
        pending: rows::unsigned(row.get(5)?)?,
        head,
        stopped_at: stopped.map(|id| DeliveryId::from_u128(u128::from_be_bytes(id))),
    }))
}
