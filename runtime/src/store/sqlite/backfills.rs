//! Deliveries of events that an endpoint has missed, and which events it has.

use super::StoreFault;
use super::changes::Changes;
use super::events::{SET_BACK_MS, between};
use super::history::{LOOKED_AT_MAX, id_at};
use super::lanes::known_owner;
use super::rows::{self, signed};
use crate::event_outline::{EventOutline, EventOutlinePage, EventOutlineQuery};
use crate::events::EventCursor;
use crate::history::READ_BYTES_MAX;
use bytes::Bytes;
use postrider_engine::{
    DeliveryId, EndpointId, EventHeaders, EventId, EventType, Had, LaneId, OrderingKey, Placed,
    Receipt, Refusal, ReplayId, Spot, TenantId, Wall,
};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

/// What says of an event to whom it went. `addressed` stands behind the payload, which is passed by to
/// read it: only where there can be anything to read.
const MADE: &str = "e.number, e.first, e.count, e.published_at, \
     CASE WHEN e.count = 1 THEN e.addressed ELSE 0 END";

/// How many columns these are.
const MADE_WIDTH: usize = 5;

/// An event, and the deliveries with which it was published.
struct Made {
    number: i64,
    first: i64,
    count: i64,
    published_at: i64,
    addressed: bool,
}

/// An endpoint that is there.
struct Owner {
    /// Its number, if anything is on record of it.
    number: Option<i64>,
    tenant: String,
    created_at: i64,
}

impl Made {
    /// From [`MADE`], which begin the row.
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            number: row.get(0)?,
            first: row.get(1)?,
            count: row.get(2)?,
            published_at: row.get(3)?,
            addressed: row.get(4)?,
        })
    }

    /// Whether an endpoint has had it.
    fn had_by(&self, connection: &Connection, owner: &Owner) -> Result<Had, StoreFault> {
        let numbers = [self.first, self.first + self.count];
        if let Some(number) = owner.number {
            let mut given = connection.prepare_cached(
                "SELECT replay FROM postrider_backfill WHERE event = ?1 AND owner = ?2",
            )?;
            let replay = given.query_row([self.number, number], |row| row.get::<_, [u8; 16]>(0));
            if let Some(replay) = replay.optional()? {
                let replay = ReplayId::from_u128(u128::from_be_bytes(replay));
                return Ok(Had::Backfilled(replay));
            }
            let mut made = connection.prepare_cached(
                "SELECT EXISTS (
                     SELECT 1 FROM postrider_delivery
                     WHERE number >= ?1 AND number < ?2 AND owner = ?4)
                   OR EXISTS (
                     SELECT 1 FROM postrider_delivery INDEXED BY postrider_delivery_resend
                     WHERE event = ?3 AND resend_of IS NOT NULL AND owner = ?4)",
            )?;
            let [first, end] = numbers;
            if made.query_row([first, end, self.number, number], |row| row.get(0))? {
                return Ok(Had::Delivery);
            }
        }
        // Of a record that was dropped it is not known whose it was.
        let was_there = owner.created_at <= self.published_at.saturating_add(signed(SET_BACK_MS));
        if was_there && self.count > 0 {
            let mut kept = connection.prepare_cached(
                "SELECT count(*) FROM postrider_delivery WHERE number >= ?1 AND number < ?2",
            )?;
            let kept: i64 = kept.query_row(numbers, |row| row.get(0))?;
            if kept < self.count {
                return Ok(Had::Delivery);
            }
        }
        Ok(Had::Nothing)
    }
}

fn owner(connection: &Connection, endpoint: EndpointId) -> rusqlite::Result<Option<Owner>> {
    let number = known_owner(connection, endpoint)?;
    let mut select = connection
        .prepare_cached("SELECT tenant, created_at FROM postrider_endpoint WHERE id = ?1")?;
    let found = select.query_row([endpoint.as_u128().to_be_bytes()], |row| {
        Ok(Owner {
            number,
            tenant: row.get(0)?,
            created_at: row.get(1)?,
        })
    });
    found.optional()
}

fn key_of(row: &Row<'_>, at: usize) -> Result<OrderingKey, StoreFault> {
    match row.get_ref(at)?.as_str().map_err(rows::damaged)? {
        "" => Ok(OrderingKey::none()),
        key => key.parse().map_err(rows::damaged),
    }
}

impl Changes<'_> {
    pub(super) fn backfill(
        &mut self,
        event: EventId,
        (endpoint, ordered): (EndpointId, bool),
        (new, replay): (DeliveryId, ReplayId),
        at: Wall,
    ) -> Result<Receipt, StoreFault> {
        let connection = self.connection;
        let Some(owner) = owner(connection, endpoint)? else {
            return Ok(Receipt::Refused(Refusal::NoSuchEndpoint(endpoint)));
        };
        let mut select = connection.prepare_cached(&format!(
            "SELECT {MADE}, e.key, length(e.payload) FROM postrider_event e
             WHERE e.id = ?1 AND e.tenant = ?2"
        ))?;
        let id = event.as_u128().to_be_bytes();
        let mut found = select.query(params![id, owner.tenant])?;
        let Some(row) = found.next()? else {
            return Ok(Receipt::Refused(Refusal::NoSuchEvent));
        };
        let made = Made::read(row)?;
        if made.had_by(connection, &owner)? != Had::Nothing {
            return Ok(Receipt::Refused(Refusal::AlreadyReached));
        }
        if made.addressed {
            return Ok(Receipt::Refused(Refusal::Addressed));
        }
        let key = match ordered {
            true => key_of(row, MADE_WIDTH)?,
            false => OrderingKey::none(),
        };
        let bytes: i64 = row.get(MADE_WIDTH + 1)?;
        let lane = LaneId { endpoint, key };
        let tenant: TenantId = owner.tenant.parse().map_err(rows::damaged)?;
        let number = self.lanes.named(connection, &lane, (&tenant, at))?;
        let made_by = Some((None, Some(replay)));
        let Spot { seq, ordinal } = self.enqueue(new, number, (made.number, bytes), made_by, at)?;
        self.keep_backfill(made.number, number, (new, replay))?;
        Ok(Receipt::Backfilled(Placed {
            delivery: new,
            event,
            lane,
            seq,
            ordinal,
            payload_bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
        }))
    }

    /// That stays known as long as the event does: also when the record of the delivery is dropped.
    fn keep_backfill(
        &mut self,
        event: i64,
        lane: i64,
        (new, replay): (DeliveryId, ReplayId),
    ) -> Result<(), StoreFault> {
        let owner = self.lanes.read(self.connection, lane)?.owner;
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO postrider_backfill (event, owner, delivery, replay)
             VALUES (?1, ?2, ?3, ?4)",
        )?;
        insert.execute(params![
            event,
            owner,
            new.as_u128().to_be_bytes(),
            replay.as_u128().to_be_bytes(),
        ])?;
        Ok(())
    }
}

/// A page of events, and whether the endpoint has had them.
pub(super) fn page(
    connection: &Connection,
    query: &EventOutlineQuery,
) -> Result<EventOutlinePage, StoreFault> {
    let snapshot = connection.unchecked_transaction()?;
    let (from, until) = between(&snapshot, &query.log())?;
    let owner = owner(&snapshot, query.endpoint)?;
    let tenant = query.tenant().map(TenantId::as_str);
    let mut select = snapshot.prepare_cached(&statement(query))?;
    let all: [&dyn ToSql; 3] = [&from, &until, &tenant];
    let bound = match tenant {
        Some(_) => &all[..],
        None => &all[..2],
    };
    let mut rows = select.query(bound)?;
    let mut page = EventOutlinePage::default();
    let (mut looked_at, mut bytes, mut through) = (0, 0, None);
    while let Some(row) = rows.next()? {
        let is_full = page.events.len() >= query.most || bytes >= READ_BYTES_MAX;
        if is_full || looked_at >= LOOKED_AT_MAX {
            page.next = through;
            break;
        }
        looked_at += 1;
        let made = Made::read(row)?;
        through = Some(EventCursor(rows::unsigned(made.number)?));
        let event_type = row.get_ref(MADE_WIDTH + 2)?.as_str();
        let event_type: EventType = event_type
            .map_err(rows::damaged)?
            .parse()
            .map_err(rows::damaged)?;
        let published_at = Wall(rows::unsigned(made.published_at)?);
        if !query.filter.takes(published_at, &event_type)
            || !query.takes_key(&key_of(row, MADE_WIDTH)?)
        {
            continue;
        }
        let had = match &owner {
            Some(owner) => made.had_by(&snapshot, owner)?,
            None => Had::Nothing,
        };
        let payload = payload(row, query)?;
        bytes += payload.as_ref().map_or(0, Bytes::len);
        page.events.push(EventOutline {
            place: EventCursor(rows::unsigned(made.number)?),
            id: EventId::from_u128(id_at(row, MADE_WIDTH + 1)?),
            event_type,
            payload,
            headers: headers(row, query)?,
            addressed: made.addressed,
            had,
        });
    }
    Ok(page)
}

fn statement(query: &EventOutlineQuery) -> String {
    let (index, tenant) = match query.tenant() {
        Some(_) => ("INDEXED BY postrider_event_tenant", "AND e.tenant = ?3"),
        None => ("", ""),
    };
    let payload = match query.payloads {
        true => ", e.payload, e.headers",
        false => "",
    };
    format!(
        "SELECT {MADE}, e.key, e.id, e.type{payload} FROM postrider_event e {index}
         WHERE e.number >= ?1 AND e.number < ?2 {tenant} ORDER BY e.number"
    )
}

fn headers(row: &Row<'_>, query: &EventOutlineQuery) -> Result<EventHeaders, StoreFault> {
    match query.payloads {
        true => rows::event_headers(row, MADE_WIDTH + 4),
        false => Ok(EventHeaders::default()),
    }
}

fn payload(row: &Row<'_>, query: &EventOutlineQuery) -> Result<Option<Bytes>, StoreFault> {
    if !query.payloads {
        return Ok(None);
    }
    let payload = row.get_ref(MADE_WIDTH + 3)?;
    let payload = payload.as_blob().map_err(rows::damaged)?;
    Ok(Some(Bytes::copy_from_slice(payload)))
}
