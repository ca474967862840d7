//! Requests as they were sent: how that stands in columns, and bodies that are not the payload of
//! their event. Such a body is kept once, with the first attempt that sent it; the others name that
//! attempt by its id, since numbers of deliveries that were dropped may be given away again.

use super::StoreFault;
use super::changes::Changes;
use super::rows::{self, ATTEMPT_COLUMNS, DeliveryRow, EVENT_COLUMNS, signed};
use crate::history::Room;
use bytes::Bytes;
use postrider_engine::{Attempt, AttemptId, DeliveryId, HeaderLines, PhaseTimes, Sent, SentBody};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// Stands for the number of a delivery: the body was not kept.
const NOT_KEPT: i64 = -1;

/// A delivery, by its number, and the attempt of it that keeps a body.
type Keeper = (i64, [u8; 16]);

/// Where the body of an attempt is kept, if it is not the payload.
#[derive(Default)]
pub(super) struct Keeping<'b> {
    pub(super) delivery: Option<i64>,
    pub(super) attempt: Option<[u8; 16]>,
    /// Here, then.
    pub(super) body: Option<&'b [u8]>,
}

/// Reads what was sent, from the columns from `url` on in [`ATTEMPT_COLUMNS`], which is at this place.
pub(super) fn read(row: &Row<'_>, at: usize, headers: HeaderLines) -> Result<Sent, StoreFault> {
    let bytes: Option<i64> = row.get(at + 1)?;
    let keeper: Option<i64> = row.get(at + 2)?;
    let body = bytes.map(|bytes| {
        Ok::<_, StoreFault>(SentBody {
            bytes: rows::unsigned(bytes)?,
            is_payload: keeper.is_none(),
            made: None,
            kept_with: None,
        })
    });
    let url: Option<String> = row.get(at)?;
    Ok(Sent {
        url: url.map(Into::into),
        headers,
        body: body.transpose()?,
        phases: phases(row, at + 3)?,
    })
}

fn phases(row: &Row<'_>, at: usize) -> Result<Option<PhaseTimes>, StoreFault> {
    let total_ms: Option<u32> = row.get(at + 5)?;
    let Some(total_ms) = total_ms else {
        return Ok(None);
    };
    Ok(Some(PhaseTimes {
        queued_ms: row.get(at)?,
        dns_ms: row.get(at + 1)?,
        connect_ms: row.get(at + 2)?,
        tls_ms: row.get(at + 3)?,
        first_byte_ms: row.get(at + 4)?,
        total_ms,
    }))
}

impl Changes<'_> {
    /// Where the body of this attempt, the last one of its delivery, is kept from now on.
    pub(super) fn keeping<'b>(
        &self,
        row: &DeliveryRow,
        attempt: &'b Attempt,
    ) -> Result<Keeping<'b>, StoreFault> {
        let Some(body) = attempt.sent.body.as_ref().filter(|it| !it.is_payload) else {
            return Ok(Keeping::default());
        };
        let nowhere = Keeping {
            delivery: Some(NOT_KEPT),
            ..Keeping::default()
        };
        let Some(made) = &body.made else {
            return Ok(nowhere);
        };
        let with = body
            .kept_with
            .map(|before| self.keeper_with(before, attempt));
        let keeper = match with.transpose()?.flatten() {
            Some(keeper) => Some(keeper),
            None => self.same_before(row, made)?,
        };
        Ok(match keeper {
            Some((delivery, attempt)) => Keeping {
                delivery: Some(delivery),
                attempt: Some(attempt),
                body: None,
            },
            None if self.keeps_bodies => Keeping {
                delivery: Some(row.number),
                attempt: Some(bytes_of(attempt.id)),
                body: Some(made),
            },
            None => nowhere,
        })
    }

    /// What keeps the body of a delivery that was sent before in the same request.
    fn keeper_with(
        &self,
        before: DeliveryId,
        attempt: &Attempt,
    ) -> Result<Option<Keeper>, StoreFault> {
        let mut select = self.connection.prepare_cached(
            "SELECT k.delivery, k.id FROM postrider_delivery d
             JOIN postrider_attempt a ON a.delivery = d.number AND a.place = d.attempts
             JOIN postrider_attempt k ON k.delivery = a.sent_keeper AND k.id = a.sent_attempt
             WHERE d.id = ?1 AND a.id = ?2",
        )?;
        let keeper = select.query_row(
            params![before.as_u128().to_be_bytes(), bytes_of(attempt.id)],
            |row| Ok((row.get(0)?, row.get(1)?)),
        );
        Ok(keeper.optional()?)
    }

    /// What keeps the body of the attempt before, if that is the same.
    fn same_before(&self, row: &DeliveryRow, made: &Bytes) -> Result<Option<Keeper>, StoreFault> {
        if row.attempts < 2 {
            return Ok(None);
        }
        let mut select = self.connection.prepare_cached(
            "SELECT k.delivery, k.id FROM postrider_attempt a
             JOIN postrider_attempt k ON k.delivery = a.sent_keeper AND k.id = a.sent_attempt
             WHERE a.delivery = ?1 AND a.place = ?2 AND k.sent_body = ?3",
        )?;
        let keeper = select.query_row(params![row.number, row.attempts - 1, &made[..]], |row| {
            Ok((row.get(0)?, row.get(1)?))
        });
        Ok(keeper.optional()?)
    }
}

fn bytes_of(id: AttemptId) -> [u8; 16] {
    id.as_u128().to_be_bytes()
}

/// At most so many attempts of a delivery with numbers above `after`, as far as there is room.
pub(super) fn attempts(
    connection: &Connection,
    (delivery, after, most): (DeliveryId, u32, usize),
) -> Result<Vec<Attempt>, StoreFault> {
    let mut select = connection.prepare_cached(&format!(
        "SELECT {ATTEMPT_COLUMNS} FROM postrider_attempt
         WHERE delivery = (SELECT number FROM postrider_delivery WHERE id = ?1) AND number > ?2
         ORDER BY place LIMIT ?3"
    ))?;
    let id = delivery.as_u128().to_be_bytes();
    let mut rows = select.query(params![id, after, signed(most as u64)])?;
    let mut room = Room::new();
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let mut own = Room::new();
        let attempt = rows::attempt(row, &mut own)?;
        if !room.add(&own) && !found.is_empty() {
            break;
        }
        found.push(attempt);
    }
    Ok(found)
}

/// The body of the request of an attempt, as it was sent; `None` if it is not on record.
pub(super) fn body(
    connection: &Connection,
    delivery: DeliveryId,
    number: u32,
) -> Result<Option<Bytes>, StoreFault> {
    let snapshot = connection.unchecked_transaction()?;
    let mut select = snapshot.prepare_cached(&format!(
        "SELECT {EVENT_COLUMNS}, a.sent_keeper, a.sent_attempt
         FROM postrider_delivery d
         JOIN postrider_attempt a ON a.delivery = d.number
         JOIN postrider_event e ON e.number = d.event
         WHERE d.id = ?1 AND a.number = ?2 AND a.sent_bytes IS NOT NULL"
    ))?;
    let mut rows = select.query(params![delivery.as_u128().to_be_bytes(), number])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let Some(keeper): Option<i64> = row.get(rows::EVENT_WIDTH)? else {
        return Ok(Some(rows::event(row, 0)?.payload));
    };
    let attempt: Option<[u8; 16]> = row.get(rows::EVENT_WIDTH + 1)?;
    let mut select = snapshot.prepare_cached(
        "SELECT sent_body FROM postrider_attempt WHERE delivery = ?1 AND id = ?2",
    )?;
    let kept = select.query_row(params![keeper, attempt], |row| {
        row.get::<_, Option<Vec<u8>>>(0)
    });
    Ok(kept.optional()?.flatten().map(Bytes::from))
}
