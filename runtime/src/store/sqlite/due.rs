//! What waits no longer.

use super::StoreFault;
use super::changes::{AT_ONCE, Changes};
use super::rows::{DELIVERY_COLUMNS, DeliveryRow, signed};
use postrider_engine::{DeliveryId, DeliveryState, EndpointId, Receipt, Refusal, Wall};
use rusqlite::{OptionalExtension, params};

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
        cut.execute(params![bytes, signed(at.0)])?;
        // What is to be retried was made by an earlier transaction: its lane is among these.
        let lanes: Vec<i64> = self
            .connection
            .prepare_cached(
                "SELECT number FROM postrider_lane INDEXED BY postrider_lane_live
                 WHERE (pending > 0 OR stopped_at IS NOT NULL) AND endpoint = ?1",
            )?
            .query_map([bytes], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for lane in lanes {
            self.make_lane_due(lane, at)?;
        }
        Ok(())
    }

    fn make_lane_due(&mut self, lane: i64, at: Wall) -> Result<(), StoreFault> {
        let mut after = -1;
        loop {
            let mut rows = self.retrying(lane, after)?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            after = last.seq;
            for row in &mut rows {
                self.be_due(row, at)?;
            }
        }
    }

    /// The next ones that wait for a retry, after this place.
    fn retrying(&self, lane: i64, after: i64) -> Result<Vec<DeliveryRow>, StoreFault> {
        let mut select = self.connection.prepare_cached(&format!(
            "SELECT {DELIVERY_COLUMNS}
             FROM postrider_delivery d INDEXED BY postrider_delivery_retrying
             WHERE d.lane = ?1 AND d.state = 1 AND d.seq > ?2 ORDER BY d.seq LIMIT {AT_ONCE}"
        ))?;
        let mut rows = select.query([lane, after])?;
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
