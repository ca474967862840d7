//! What waits no longer.
//!
//! An endpoint may have a hundred thousand lanes. Some of what waits for it is made due in the
//! transaction that says so, and the rest step by step between two groups: how far that is, is on record
//! until it is done, and whatever starts does the rest first. What has had another attempt meanwhile
//! waits for what that says.

use super::StoreFault;
use super::changes::Changes;
use super::rows::{DELIVERY_COLUMNS, DeliveryRow, signed, unsigned};
use postrider_engine::{DeliveryId, DeliveryState, EndpointId, Receipt, Refusal, Wall};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeSet;

/// Lanes that a step looks at, and deliveries, at most.
const STEP: usize = 500;

/// The endpoints of which not everything is due yet that is to be, once they are known.
#[derive(Default)]
pub(super) struct Unfinished(Option<BTreeSet<EndpointId>>);

/// Up to where what waits for an endpoint is due: a lane, and a place in it.
struct Reached {
    key: String,
    seq: i64,
}

impl Unfinished {
    pub(super) fn known(
        &mut self,
        connection: &Connection,
    ) -> Result<&mut BTreeSet<EndpointId>, StoreFault> {
        if self.0.is_none() {
            let mut select = connection.prepare_cached("SELECT endpoint FROM postrider_due")?;
            let found = select.query_map([], |row| row.get::<_, [u8; 16]>(0))?;
            let id = |bytes| EndpointId::from_u128(u128::from_be_bytes(bytes));
            let found = found.map(|bytes| bytes.map(id));
            self.0 = Some(found.collect::<rusqlite::Result<_>>()?);
        }
        Ok(self.0.get_or_insert_default())
    }
}

impl Changes<'_> {
    pub(super) fn retry_now(
        &mut self,
        id: DeliveryId,
        with: &[DeliveryId],
        (ordered, at): (bool, Wall),
    ) -> Result<Receipt, StoreFault> {
        let Some(mut row) = self.delivery(id)? else {
            return Ok(Receipt::Refused(Refusal::NoSuchDelivery));
        };
        if row.state.is_end() {
            return Ok(Receipt::Refused(Refusal::AlreadyEnded));
        }
        if let Some(head) = self.head_before(&row)?.filter(|_| ordered) {
            return Ok(Receipt::Refused(Refusal::BehindHead(head)));
        }
        self.be_due(&mut row, at)?;
        for other in with {
            if let Some(mut other) = self.delivery(*other)? {
                self.be_due(&mut other, at)?;
            }
        }
        Ok(Receipt::Due(self.placed(&row)?))
    }

    /// The first delivery of its lane that has not ended, if that is another one.
    fn head_before(&self, row: &DeliveryRow) -> Result<Option<DeliveryId>, StoreFault> {
        let mut select = self.connection.prepare_cached(
            "SELECT d.id FROM postrider_delivery d
             WHERE d.lane = ?1 AND d.state <= 1 AND d.seq < ?2 ORDER BY d.seq LIMIT 1",
        )?;
        let head = select.query_row([row.lane, row.seq], |row| row.get::<_, [u8; 16]>(0));
        let head = head.optional()?;
        Ok(head.map(|id| DeliveryId::from_u128(u128::from_be_bytes(id))))
    }

    /// Neither what is to be retried, nor breaker and hold of an endpoint wait for longer than until
    /// then.
    pub(super) fn make_due(&mut self, endpoint: EndpointId, at: Wall) -> Result<(), StoreFault> {
        let bytes = endpoint.as_u128().to_be_bytes();
        // The least of nothing and a time is nothing.
        let mut cut = self.connection.prepare_cached(
            "UPDATE postrider_endpoint
             SET open_until = min(open_until, ?2), held_until = min(held_until, ?2)
             WHERE id = ?1",
        )?;
        // What was kept of a deleted endpoint waits as it did.
        if cut.execute(params![bytes, signed(at.0)])? == 0 {
            return Ok(());
        }
        // If it was made due before and not all of it is yet, this says more.
        self.leave_as_due(endpoint)?;
        let from = Reached {
            key: String::new(),
            seq: -1,
        };
        let Some(reached) = self.make_some_due(endpoint, at, &from)? else {
            return Ok(());
        };
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO postrider_due (endpoint, at, key, seq) VALUES (?1, ?2, ?3, ?4)",
        )?;
        insert.execute(params![bytes, signed(at.0), reached.key, reached.seq])?;
        self.lanes
            .unfinished
            .known(self.connection)?
            .insert(endpoint);
        Ok(())
    }

    /// Goes on with what is to be due. Whether there was anything.
    pub(super) fn make_more_due(&mut self) -> Result<bool, StoreFault> {
        let mut select = self
            .connection
            .prepare_cached("SELECT endpoint, at, key, seq FROM postrider_due LIMIT 1")?;
        let found = select.query_row([], |row| {
            let (key, seq) = (row.get(2)?, row.get(3)?);
            Ok((
                row.get::<_, [u8; 16]>(0)?,
                row.get::<_, i64>(1)?,
                Reached { key, seq },
            ))
        });
        let Some((bytes, at, from)) = found.optional()? else {
            return Ok(false);
        };
        let endpoint = EndpointId::from_u128(u128::from_be_bytes(bytes));
        let Some(reached) = self.make_some_due(endpoint, Wall(unsigned(at)?), &from)? else {
            self.leave_as_due(endpoint)?;
            return Ok(true);
        };
        let mut update = self
            .connection
            .prepare_cached("UPDATE postrider_due SET key = ?2, seq = ?3 WHERE endpoint = ?1")?;
        update.execute(params![bytes, reached.key, reached.seq])?;
        Ok(true)
    }

    /// Nothing more of an endpoint is to be made due.
    pub(super) fn leave_as_due(&mut self, endpoint: EndpointId) -> Result<(), StoreFault> {
        if !self
            .lanes
            .unfinished
            .known(self.connection)?
            .remove(&endpoint)
        {
            return Ok(());
        }
        let bytes = endpoint.as_u128().to_be_bytes();
        for statement in [
            "DELETE FROM postrider_due WHERE endpoint = ?1",
            "DELETE FROM postrider_due_kept WHERE endpoint = ?1",
        ] {
            self.connection
                .prepare_cached(statement)?
                .execute([bytes])?;
        }
        Ok(())
    }

    /// A delivery waits for another attempt: what its endpoint is to be made due by was said before.
    pub(super) fn keep_due(
        &mut self,
        endpoint: EndpointId,
        row: &DeliveryRow,
    ) -> Result<(), StoreFault> {
        let unfinished = self.lanes.unfinished.known(self.connection)?;
        if !unfinished.contains(&endpoint) {
            return Ok(());
        }
        let mut insert = self.connection.prepare_cached(
            "INSERT OR IGNORE INTO postrider_due_kept (delivery, endpoint) VALUES (?1, ?2)",
        )?;
        insert.execute(params![row.number, endpoint.as_u128().to_be_bytes()])?;
        Ok(())
    }

    /// Makes due what waits for an endpoint, as much of it as a step takes. Up to where; `None` if that
    /// was all.
    fn make_some_due(
        &mut self,
        endpoint: EndpointId,
        at: Wall,
        from: &Reached,
    ) -> Result<Option<Reached>, StoreFault> {
        let lanes = self.live_lanes(endpoint, &from.key)?;
        let is_all = lanes.len() < STEP;
        let mut left = STEP;
        let mut last = None;
        for (lane, key) in lanes {
            let after = if key == from.key { from.seq } else { -1 };
            let mut rows = self.retrying(lane, after, left)?;
            for row in &mut rows {
                if !self.is_kept(row)? {
                    self.be_due(row, at)?;
                }
            }
            left -= rows.len();
            let seq = rows.last().map_or(after, |row| row.seq);
            if left == 0 {
                return Ok(Some(Reached { key, seq }));
            }
            last = Some(key);
        }
        // Of the last one all is due.
        let seq = i64::MAX;
        Ok(last.filter(|_| !is_all).map(|key| Reached { key, seq }))
    }

    /// Lanes of an endpoint in which something waits, from this key on. What is to be retried was made
    /// by an earlier transaction: its lane is among these.
    fn live_lanes(
        &self,
        endpoint: EndpointId,
        from: &str,
    ) -> Result<Vec<(i64, String)>, StoreFault> {
        let mut select = self.connection.prepare_cached(&format!(
            "SELECT number, key FROM postrider_lane INDEXED BY postrider_lane_live
             WHERE (pending > 0 OR stopped_at IS NOT NULL) AND endpoint = ?1 AND key >= ?2
             ORDER BY key LIMIT {STEP}"
        ))?;
        let bytes = endpoint.as_u128().to_be_bytes();
        let lanes = select.query_map(params![bytes, from], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(lanes.collect::<Result<_, _>>()?)
    }

    /// Whether a delivery has had another attempt since its endpoint was to be made due.
    fn is_kept(&mut self, row: &DeliveryRow) -> Result<bool, StoreFault> {
        if self.lanes.unfinished.known(self.connection)?.is_empty() {
            return Ok(false);
        }
        let mut select = self
            .connection
            .prepare_cached("SELECT 1 FROM postrider_due_kept WHERE delivery = ?1")?;
        Ok(select.exists([row.number])?)
    }

    /// The next ones that wait for a retry, after this place.
    fn retrying(&self, lane: i64, after: i64, most: usize) -> Result<Vec<DeliveryRow>, StoreFault> {
        let mut select = self.connection.prepare_cached(&format!(
            "SELECT {DELIVERY_COLUMNS}
             FROM postrider_delivery d INDEXED BY postrider_delivery_retrying
             WHERE d.lane = ?1 AND d.state = 1 AND d.seq > ?2 ORDER BY d.seq LIMIT ?3"
        ))?;
        let mut rows = select.query([lane, after, signed(most as u64)])?;
        let mut retrying = Vec::new();
        while let Some(row) = rows.next()? {
            retrying.push(DeliveryRow::read(row)?);
        }
        Ok(retrying)
    }

    fn be_due(&self, row: &mut DeliveryRow, at: Wall) -> Result<(), StoreFault> {
        match row.state {
            DeliveryState::Retrying { due } if due > at => {
                row.state = DeliveryState::Retrying { due: at };
                self.write(row)
            }
            _ => Ok(()),
        }
    }
}
