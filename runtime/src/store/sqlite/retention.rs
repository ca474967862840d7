//! Dropping what is old, a little at a time: delivery goes on between two steps.

use super::StoreFault;
use super::changes::Changes;
use super::rows::{self, signed};
use crate::audit::NOTES_MAX;
use crate::statistics::MS_PER_HOUR;
use postrider_engine::Wall;
use rusqlite::{OptionalExtension, params};
use std::time::Duration;

/// How long records are kept once they have ended. What has not ended is always kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Deliveries that were delivered or discarded, with their attempts; and with the last
    /// delivery of an event the event and its idempotency key. Default 30 days.
    pub ended: Duration,
    /// Deliveries that failed; but never the one at which a lane has stopped. Default 90 days.
    pub failed: Duration,
    /// Statistics by hour. Default 400 days.
    pub statistics: Duration,
    /// Notes of who did what; also of these only the newest [`NOTES_MAX`], and half as many of one
    /// tenant. Default 90 days.
    pub audit: Duration,
}

const DAY: Duration = Duration::from_secs(86_400);

impl Retention {
    /// Nothing is ever dropped.
    pub const FOREVER: Self = Self {
        ended: Duration::MAX,
        failed: Duration::MAX,
        statistics: Duration::MAX,
        audit: Duration::MAX,
    };
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            ended: 30 * DAY,
            failed: 90 * DAY,
            statistics: 400 * DAY,
            audit: 90 * DAY,
        }
    }
}

/// Records that one step drops, at most.
pub(super) const STEP: usize = 200;

/// A delivery that is to go.
struct Old {
    number: i64,
    event: i64,
    lane: i64,
}

impl Changes<'_> {
    /// Drops some of what is old; gives how many records that were. Fewer than [`STEP`]: there is
    /// nothing more.
    pub(super) fn drop_old(
        &mut self,
        retention: &Retention,
        now: Wall,
    ) -> Result<usize, StoreFault> {
        let before = |kept: Duration| {
            let kept = u64::try_from(kept.as_millis()).unwrap_or(u64::MAX);
            now.0.saturating_sub(kept)
        };
        let mut dropped = self.drop_deliveries(
            "state > 1 AND state <> 3 AND ended_at < ?1",
            before(retention.ended),
        )?;
        dropped += self.drop_deliveries(
            "state = 3 AND ended_at < ?1 AND NOT EXISTS (
                 SELECT 1 FROM postrider_lane l WHERE l.number = d.lane AND l.stopped_at = d.id)",
            before(retention.failed),
        )?;
        dropped += self.drop_events_for_nobody(before(retention.ended))?;
        dropped += self
            .connection
            .prepare_cached("DELETE FROM postrider_replay WHERE state <> 0 AND created_at < ?1")?
            .execute([signed(before(retention.ended))])?;
        let hour = before(retention.statistics) / MS_PER_HOUR;
        dropped += self
            .connection
            .prepare_cached(&format!(
                "DELETE FROM postrider_hour WHERE (owner, hour) IN (
                     SELECT owner, hour FROM postrider_hour WHERE hour < ?1
                     ORDER BY hour LIMIT {STEP})"
            ))?
            .execute([signed(hour)])?;
        dropped += self.drop_notes(Wall(before(retention.audit)), NOTES_MAX)?;
        Ok(dropped)
    }

    fn drop_deliveries(&mut self, which: &str, before: u64) -> Result<usize, StoreFault> {
        let mut select = self.connection.prepare_cached(&format!(
            "SELECT number, event, lane FROM postrider_delivery d
             WHERE {which} ORDER BY ended_at LIMIT {STEP}"
        ))?;
        let old = select.query_map([signed(before)], |row| {
            Ok(Old {
                number: row.get(0)?,
                event: row.get(1)?,
                lane: row.get(2)?,
            })
        })?;
        let old: Vec<Old> = old.collect::<Result<_, _>>()?;
        for delivery in &old {
            self.drop_delivery(delivery)?;
        }
        Ok(old.len())
    }

    fn drop_delivery(&mut self, old: &Old) -> Result<(), StoreFault> {
        for statement in [
            "DELETE FROM postrider_attempt WHERE delivery = ?1",
            "DELETE FROM postrider_delivery WHERE number = ?1",
        ] {
            let mut delete = self.connection.prepare_cached(statement)?;
            delete.execute([old.number])?;
        }
        self.lanes.read(self.connection, old.lane)?;
        self.lanes.dropped(old.lane);
        let mut others = self.connection.prepare_cached(
            "SELECT EXISTS (
                 SELECT 1 FROM postrider_delivery d JOIN postrider_event e ON e.number = ?1
                 WHERE d.number >= e.first AND d.number < e.first + e.count)
               OR EXISTS (
                 SELECT 1 FROM postrider_delivery
                 WHERE event = ?1 AND resend_of IS NOT NULL)
               OR EXISTS (
                 SELECT 1 FROM postrider_backfill b
                 CROSS JOIN postrider_delivery d ON d.id = b.delivery WHERE b.event = ?1)",
        )?;
        if others.query_row([old.event], |row| row.get(0))? {
            return Ok(());
        }
        self.drop_event(old.event)
    }

    fn drop_event(&mut self, number: i64) -> Result<(), StoreFault> {
        self.lanes.dropped_event(self.connection, number)?;
        self.connection
            .prepare_cached("DELETE FROM postrider_backfill WHERE event = ?1")?
            .execute([number])?;
        let mut delete = self.connection.prepare_cached(
            "DELETE FROM postrider_event WHERE number = ?1 RETURNING tenant, idempotency",
        )?;
        let dropped = delete.query_row([number], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?))
        });
        if let Some((tenant, Some(key))) = dropped.optional()? {
            self.connection
                .prepare_cached("DELETE FROM postrider_idempotency WHERE tenant = ?1 AND key = ?2")?
                .execute(params![tenant, key])?;
        }
        Ok(())
    }

    fn drop_events_for_nobody(&mut self, before: u64) -> Result<usize, StoreFault> {
        // One that somebody was given later goes with the last of these deliveries.
        let mut select = self.connection.prepare_cached(&format!(
            "SELECT number FROM postrider_event e
             WHERE count = 0 AND published_at < ?1 AND NOT EXISTS (
                 SELECT 1 FROM postrider_backfill b
                 CROSS JOIN postrider_delivery d ON d.id = b.delivery WHERE b.event = e.number)
             ORDER BY published_at LIMIT {STEP}"
        ))?;
        let old = select.query_map([rows::signed(before)], |row| row.get(0))?;
        let old: Vec<i64> = old.collect::<Result<_, _>>()?;
        for number in &old {
            self.drop_event(*number)?;
        }
        Ok(old.len())
    }
}
