//! Deliveries in short: neither payloads are read, nor what was sent and answered, but for the headers
//! of the answer that a retry waits after.

use super::StoreFault;
use super::history::{Looked, candidates, id_at, look_at};
use super::keyed::Keyed;
use super::lanes::lane_id;
use super::rows::{self, DELIVERY_COLUMNS, DELIVERY_WIDTH, DeliveryRow};
use crate::history::{AttemptSummary, DeliveryQuery, DeliverySummary, SummaryPage};
use crate::waiting;
use postrider_engine::{
    AttemptResult, DeliveryId, DeliveryState, EventId, EventType, ReplayId, Seq, Wall,
};
use rusqlite::{CachedStatement, Connection, Row, params};

/// What is read beside a delivery's own columns, each from one row that is found by its number. Each
/// column stands before the long ones of its table, which are passed over.
const MORE: &str = "e.id, e.tenant, e.type, l.endpoint, l.key,
     a.number, a.started_at, a.duration_ms, a.status, a.failure, a.detail
     FROM postrider_delivery d
     JOIN postrider_event e ON e.number = d.event
     JOIN postrider_lane l ON l.number = d.lane
     LEFT JOIN postrider_attempt a ON a.delivery = d.number AND a.place = d.attempts";

/// Where these columns are.
const EVENT: usize = DELIVERY_WIDTH;
const LANE: usize = EVENT + 3;
const ATTEMPT: usize = LANE + 2;

pub(super) fn page(
    connection: &Connection,
    query: &DeliveryQuery,
) -> Result<SummaryPage, StoreFault> {
    let mut page = SummaryPage::default();
    let snapshot = connection.unchecked_transaction()?;
    let filter = &query.filter;
    let keyed = Keyed::of(&snapshot, filter)?;
    let Some(candidates) = candidates(&snapshot, query, keyed.as_ref())? else {
        return Ok(page);
    };
    let mut select = by_number(&snapshot)?;
    page.next = look_at(candidates, query.most, |id, number| {
        let mut rows = select.query([number])?;
        let missing = || StoreFault::Damaged(format!("delivery {id} is missing"));
        let row = rows.next()?.ok_or_else(missing)?;
        let delivery = DeliveryRow::read(row)?;
        let event_type = event_type(row)?;
        let resent_as = delivery.resent_as.map(DeliveryId::from_u128);
        if keyed.as_ref().is_some_and(|it| !it.has(delivery.lane))
            || !filter.takes(delivery.state, resent_as, &event_type)
            || !filter.takes_place(delivery.number_in_lane()?, delivery.resend_of.is_some())
        {
            return Ok(Looked::Passed);
        }
        let result = result(row)?;
        if !filter.takes_end(result) {
            return Ok(Looked::Passed);
        }
        let found = summary(&snapshot, row, &delivery, (event_type, result))?;
        page.deliveries.push(found);
        Ok(Looked::Taken)
    })?;
    Ok(page)
}

/// The delivery with this number.
pub(super) fn one(
    snapshot: &Connection,
    number: i64,
) -> Result<Option<DeliverySummary>, StoreFault> {
    let mut select = by_number(snapshot)?;
    let mut rows = select.query([number])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let delivery = DeliveryRow::read(row)?;
    let rest = (event_type(row)?, result(row)?);
    summary(snapshot, row, &delivery, rest).map(Some)
}

/// Reads a delivery's own columns, and [`MORE`].
fn by_number(connection: &Connection) -> rusqlite::Result<CachedStatement<'_>> {
    connection.prepare_cached(&format!(
        "SELECT {DELIVERY_COLUMNS}, {MORE} WHERE d.number = ?1"
    ))
}

fn event_type(row: &Row<'_>) -> Result<EventType, StoreFault> {
    let event_type = row.get_ref(EVENT + 2)?.as_str().map_err(rows::damaged)?;
    event_type.parse().map_err(rows::damaged)
}

/// How the last attempt ended, if there was one.
fn result(row: &Row<'_>) -> Result<Option<AttemptResult>, StoreFault> {
    let status: Option<u16> = row.get(ATTEMPT + 3)?;
    let failure: Option<i64> = row.get(ATTEMPT + 4)?;
    Ok(match (status, failure) {
        (Some(status), _) => Some(AttemptResult::Status(status)),
        (None, Some(failure)) => Some(AttemptResult::Failure(rows::read_failure(failure)?)),
        (None, None) => None,
    })
}

fn attempt(row: &Row<'_>, result: AttemptResult) -> Result<AttemptSummary, StoreFault> {
    let detail = match result {
        AttemptResult::Failure(_) => row.get(ATTEMPT + 5)?,
        AttemptResult::Status(_) => String::new(),
    };
    Ok(AttemptSummary {
        number: row.get(ATTEMPT)?,
        started_at: Wall(rows::unsigned(row.get(ATTEMPT + 1)?)?),
        duration_ms: rows::unsigned(row.get(ATTEMPT + 2)?)?,
        result,
        detail,
    })
}

/// Until when the receiver has asked for time, if the delivery waits for a retry: the headers of an
/// answer may be long, and are looked at only then.
fn asked_until(
    snapshot: &Connection,
    delivery: &DeliveryRow,
    last: &AttemptSummary,
) -> Result<Option<Wall>, StoreFault> {
    match (delivery.state, last.result) {
        (DeliveryState::Retrying { .. }, AttemptResult::Status(_)) => (),
        _ => return Ok(None),
    }
    let mut select = snapshot.prepare_cached(
        "SELECT headers FROM postrider_attempt WHERE delivery = ?1 AND place = ?2",
    )?;
    let headers: String = select.query_row(params![delivery.number, delivery.attempts], |row| {
        row.get(0)
    })?;
    let headers: Vec<(String, String)> = serde_json::from_str(&headers).map_err(rows::damaged)?;
    let asked = waiting::asked_until(&headers, (last.started_at, last.duration_ms));
    Ok(asked)
}

fn summary(
    snapshot: &Connection,
    row: &Row<'_>,
    delivery: &DeliveryRow,
    (event_type, result): (EventType, Option<AttemptResult>),
) -> Result<DeliverySummary, StoreFault> {
    let last_attempt = result.map(|result| attempt(row, result)).transpose()?;
    let asked_until = match &last_attempt {
        Some(last) => asked_until(snapshot, delivery, last)?,
        None => None,
    };
    let tenant = row.get_ref(EVENT + 1)?.as_str().map_err(rows::damaged)?;
    let ended_at = delivery.ended_at.map(rows::unsigned).transpose()?;
    Ok(DeliverySummary {
        id: DeliveryId::from_u128(delivery.id),
        event: EventId::from_u128(id_at(row, EVENT)?),
        tenant: tenant.parse().map_err(rows::damaged)?,
        event_type,
        lane: lane_id(row.get(LANE)?, &row.get::<_, String>(LANE + 1)?)?,
        seq: Seq(rows::unsigned(delivery.seq)?),
        state: delivery.state,
        asked_until,
        attempts: delivery.attempts,
        last_attempt,
        ended_at: ended_at.map(Wall),
        resend_of: delivery.resend_of.map(DeliveryId::from_u128),
        resent_as: delivery.resent_as.map(DeliveryId::from_u128),
        replay: delivery.replay.map(ReplayId::from_u128),
    })
}
