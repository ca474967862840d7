//! The lanes of all endpoints in which something waits, by the age of what waits first.

use super::StoreFault;
use super::history::{LOOKED_AT_MAX, owners};
use super::lanes::lane_id;
use super::rows;
use super::summaries;
use crate::history::DeliveryFilter;
use crate::waiting_lanes::{LaneCursor, LanePage, LaneQuery, WaitingLane};
use postrider_engine::{DeliveryId, TenantId};
use rusqlite::{Connection, OptionalExtension, Row, Rows, params};

/// What is read of every delivery that is looked at. Deliveries have their numbers in the order in
/// which they were made.
const COLUMNS: &str =
    "d.number, d.lane, d.seq, l.endpoint, l.key, l.pending, l.stopped_at, o.tenant";

/// What waits first in each lane.
const HEADS: &str = "SELECT (SELECT d.number FROM postrider_delivery d
         WHERE d.lane = l.number AND d.state <= 1 ORDER BY d.seq LIMIT 1)
     FROM postrider_lane l INDEXED BY postrider_lane_live
     WHERE (l.pending > 0 OR l.stopped_at IS NOT NULL)";

pub(super) fn page(connection: &Connection, query: &LaneQuery) -> Result<LanePage, StoreFault> {
    let snapshot = connection.unchecked_transaction()?;
    let mut making = Making {
        snapshot: &snapshot,
        query,
        page: LanePage::default(),
        last: None,
        looked_at: 0,
    };
    let after = query.after.map_or(0, |after| after.0);
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    match heads(&snapshot, query)? {
        Some(numbers) => making.these(numbers.into_iter().filter(|number| *number > after))?,
        None => making.all(after)?,
    }
    Ok(making.page)
}

/// The numbers of the heads of all lanes that are asked for, in their order, if these lanes are few: so
/// no backlog is looked through, however long it is.
fn heads(snapshot: &Connection, query: &LaneQuery) -> Result<Option<Vec<i64>>, StoreFault> {
    let filter = DeliveryFilter {
        endpoint: query.endpoint,
        tenant: query.tenant.clone(),
        ..DeliveryFilter::default()
    };
    // One more than may be read tells that there are too many.
    let limit = rows::signed(LOOKED_AT_MAX as u64).saturating_add(1);
    let mut found = Vec::new();
    let Some(owners) = owners(snapshot, &filter)? else {
        let mut select = snapshot.prepare_cached(&format!("{HEADS} LIMIT ?1"))?;
        let are_few = take(select.query([limit])?, &mut found)?;
        return Ok(are_few.then(|| in_order(found)));
    };
    let mut account = snapshot
        .prepare_cached("SELECT endpoint FROM postrider_owner WHERE number = ?1 AND pending > 0")?;
    let mut select = snapshot.prepare_cached(&format!("{HEADS} AND l.endpoint = ?2 LIMIT ?1"))?;
    for owner in owners {
        let endpoint = account.query_row([owner], |row| row.get::<_, [u8; 16]>(0));
        if let Some(endpoint) = endpoint.optional()?
            && !take(select.query(params![limit, endpoint])?, &mut found)?
        {
            return Ok(None);
        }
    }
    Ok(Some(in_order(found)))
}

/// Takes the heads of these lanes. False if the lanes are more than a page looks at.
fn take(mut lanes: Rows<'_>, heads: &mut Vec<Option<i64>>) -> Result<bool, StoreFault> {
    while let Some(row) = lanes.next()? {
        if heads.len() >= LOOKED_AT_MAX {
            return Ok(false);
        }
        heads.push(row.get(0)?);
    }
    Ok(true)
}

/// Nothing waits in a lane that has stopped at its last delivery.
fn in_order(heads: Vec<Option<i64>>) -> Vec<i64> {
    let mut numbers: Vec<i64> = heads.into_iter().flatten().collect();
    numbers.sort_unstable();
    numbers
}

/// A page in the making.
struct Making<'a> {
    snapshot: &'a Connection,
    query: &'a LaneQuery,
    page: LanePage,
    /// The last delivery that was looked at.
    last: Option<LaneCursor>,
    looked_at: usize,
}

impl Making<'_> {
    /// Goes through the deliveries with these numbers.
    fn these(&mut self, numbers: impl Iterator<Item = i64>) -> Result<(), StoreFault> {
        let snapshot = self.snapshot;
        let mut select = snapshot.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM postrider_delivery d
             JOIN postrider_lane l ON l.number = d.lane
             JOIN postrider_owner o ON o.number = d.owner WHERE d.number = ?1"
        ))?;
        for number in numbers {
            let mut rows = select.query([number])?;
            if let Some(row) = rows.next()?
                && !self.look(row)?
            {
                break;
            }
        }
        Ok(())
    }

    /// Goes through all that waits, after this number.
    fn all(&mut self, after: i64) -> Result<(), StoreFault> {
        let snapshot = self.snapshot;
        let mut select = snapshot.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM postrider_delivery d INDEXED BY postrider_delivery_oldest
             CROSS JOIN postrider_lane l ON l.number = d.lane
             CROSS JOIN postrider_owner o ON o.number = d.owner
             WHERE d.state <= 1 AND d.number > ?1 ORDER BY d.number"
        ))?;
        let mut rows = select.query([after])?;
        while let Some(row) = rows.next()? {
            if !self.look(row)? {
                break;
            }
        }
        Ok(())
    }

    /// Looks at a delivery, and adds its lane if it is the head of one that is asked for. False if the
    /// page ends before it.
    fn look(&mut self, row: &Row<'_>) -> Result<bool, StoreFault> {
        if self.page.lanes.len() >= self.query.most || self.looked_at >= LOOKED_AT_MAX {
            self.page.next = self.last;
            return Ok(false);
        }
        self.looked_at += 1;
        let number: i64 = row.get(0)?;
        self.last = Some(LaneCursor(rows::unsigned(number)?.into()));
        if is_asked_for(row, self.query)? && is_head(self.snapshot, row)? {
            let found = lane(self.snapshot, row, number)?;
            self.page.lanes.extend(found);
        }
        Ok(true)
    }
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

fn lane(
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
