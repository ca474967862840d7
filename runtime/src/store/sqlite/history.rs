//! What people read: pages of deliveries, dead letters by their reasons, and statistics.

use super::StoreFault;
use super::hours::{self, HOUR_COLUMNS};
use super::keyed::Keyed;
use super::lanes::known_owner;
use super::merge::{Merged, Stream};
use super::reads::{self, RECORD};
use super::rows::{self, DELIVERY_COLUMNS, DELIVERY_WIDTH, DeliveryRow, EVENT_COLUMNS};
use super::waiting;
use crate::history::{
    Cursor, DeadLetterGroup, DeliveryFilter, DeliveryPage, DeliveryQuery, Room, StateKind,
    accepted_at,
};
use crate::statistics::{Hour, MS_PER_HOUR};
use postrider_engine::{
    AttemptResult, DeliveryId, DeliveryState, EndpointId, EventId, FailReason, TenantId, Wall,
};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

/// Records that are looked at for one page, at most.
pub(super) const LOOKED_AT_MAX: usize = 5_000;

/// The place of the event's type after the columns of its delivery.
const EVENT_TYPE: usize = 2;

pub(super) fn page(
    connection: &Connection,
    query: &DeliveryQuery,
) -> Result<DeliveryPage, StoreFault> {
    let mut page = DeliveryPage::default();
    let snapshot = connection.unchecked_transaction()?;
    let keyed = Keyed::of(&snapshot, &query.filter)?;
    let Some(candidates) = candidates(&snapshot, query, keyed.as_ref())? else {
        return Ok(page);
    };
    let mut select = snapshot.prepare_cached(&format!(
        "SELECT {DELIVERY_COLUMNS}, {EVENT_COLUMNS}, {RECORD} WHERE d.number = ?1"
    ))?;
    let mut attempts = reads::attempts(&snapshot)?;
    let mut room = Room::new();
    page.next = look_at(candidates, query.most, |id, number| {
        let mut rows = select.query([number])?;
        let missing = || StoreFault::Damaged(format!("delivery {id} is missing"));
        let row = rows.next()?.ok_or_else(missing)?;
        let delivery = DeliveryRow::read(row)?;
        let event_type = row.get_ref(DELIVERY_WIDTH + EVENT_TYPE)?.as_str();
        let event_type = event_type.map_err(rows::damaged)?;
        let event_type = event_type.parse().map_err(rows::damaged)?;
        let resent_as = delivery.resent_as.map(DeliveryId::from_u128);
        if keyed.as_ref().is_some_and(|it| !it.has(delivery.lane))
            || !query.filter.takes(delivery.state, resent_as, &event_type)
            || !query
                .filter
                .takes_place(delivery.number_in_lane()?, delivery.resend_of.is_some())
            || !ended_so(&snapshot, &query.filter, &delivery)?
        {
            return Ok(Looked::Passed);
        }
        let mut own = Room::new();
        let record = reads::record(row, &delivery, &mut attempts, (None, &mut own))?;
        if !room.add(&own) && !page.deliveries.is_empty() {
            return Ok(Looked::NoRoom);
        }
        page.deliveries.push(record);
        Ok(Looked::Taken)
    })?;
    Ok(page)
}

/// What has come of a look at a delivery.
pub(super) enum Looked {
    /// It is on the page.
    Taken,
    /// It does not match.
    Passed,
    /// The page ends before it.
    NoRoom,
}

/// Looks at deliveries that may be on a page, each by its id and number, until that has so many, or
/// enough was looked at. Gives where the next page begins.
pub(super) fn look_at(
    mut candidates: Merged<'_>,
    most: usize,
    mut look: impl FnMut(DeliveryId, i64) -> Result<Looked, StoreFault>,
) -> Result<Option<Cursor>, StoreFault> {
    let mut last = None;
    let (mut looked_at, mut taken) = (0, 0);
    while let Some((id, number)) = candidates.next()? {
        if taken >= most || looked_at >= LOOKED_AT_MAX {
            return Ok(last);
        }
        looked_at += 1;
        match look(id, number)? {
            Looked::Taken => taken += 1,
            Looked::Passed => (),
            Looked::NoRoom => return Ok(last),
        }
        last = Some(Cursor(id));
    }
    Ok(None)
}

/// Whether its last attempt ended as is asked for.
pub(super) fn ended_so(
    connection: &Connection,
    filter: &DeliveryFilter,
    delivery: &DeliveryRow,
) -> Result<bool, StoreFault> {
    if !filter.asks_for_end() {
        return Ok(true);
    }
    let mut select = connection.prepare_cached(
        "SELECT status, failure FROM postrider_attempt WHERE delivery = ?1 AND place = ?2",
    )?;
    let last = select.query_row(params![delivery.number, delivery.attempts], |row| {
        Ok((row.get::<_, Option<u16>>(0)?, row.get::<_, Option<i64>>(1)?))
    });
    let last = match last.optional()? {
        Some((Some(status), _)) => Some(AttemptResult::Status(status)),
        Some((None, Some(failure))) => Some(AttemptResult::Failure(rows::read_failure(failure)?)),
        _ => None,
    };
    Ok(filter.takes_end(last))
}

/// Where to look: the smallest lists that hold all that match. `None` if there can be nothing.
pub(super) fn candidates<'a>(
    connection: &'a Connection,
    query: &DeliveryQuery,
    keyed: Option<&Keyed>,
) -> Result<Option<Merged<'a>>, StoreFault> {
    let filter = &query.filter;
    let (between, direction) = (query.ids(), query.direction);
    let few = keyed.map(|it| it.few(connection, filter)).transpose()?;
    if let Some(few) = few.flatten() {
        return Merged::given(connection, few, between, direction).map(Some);
    }
    let owners = owners(connection, filter)?;
    if let Some(event) = filter.event {
        let given = of_event(connection, event, filter.tenant.as_ref())?;
        let given = given.into_iter().filter(|(_, owner)| {
            let owners = owners.as_deref();
            filter.endpoint.is_none() || owners.is_some_and(|owners| owners.contains(owner))
        });
        let given = given.map(|(delivery, _)| delivery).collect();
        return Merged::given(connection, given, between, direction).map(Some);
    }
    let Some(owners) = owners else {
        if waiting::only(filter)
            && let Some(few) = waiting::few_of_all(connection)?
        {
            return Merged::given(connection, few, between, direction).map(Some);
        }
        return Merged::of(connection, [Stream::All], between, direction).map(Some);
    };
    if waiting::only(filter)
        && let Some(few) = waiting::few(connection, &owners)?
    {
        return Merged::given(connection, few, between, direction).map(Some);
    }
    // Each once: a list that is merged twice would show its deliveries twice.
    let asked_for = |it: &FailReason| filter.reasons.is_empty() || filter.reasons.contains(it);
    let reasons: Vec<FailReason> = FailReason::ALL.into_iter().filter(asked_for).collect();
    let reasons = &reasons[..];
    let dead = |owner| {
        let detail = |reason: &FailReason| rows::state(DeliveryState::Failed(*reason)).1;
        reasons
            .iter()
            .map(move |reason| Stream::Dead(owner, detail(reason)))
    };
    let streams: Vec<Stream> = if only_dead(filter) {
        owners.into_iter().flat_map(dead).collect()
    } else if only_failed(filter) {
        owners.into_iter().map(Stream::Failed).collect()
    } else {
        owners.into_iter().map(Stream::Owner).collect()
    };
    Merged::of(connection, streams, between, direction).map(Some)
}

fn only_dead(filter: &DeliveryFilter) -> bool {
    filter.dead && filter.resent_since.is_none()
}

fn only_failed(filter: &DeliveryFilter) -> bool {
    filter.dead || filter.states == [StateKind::Failed] || !filter.reasons.is_empty()
}

/// The owners whose deliveries match; `None` for all of them.
pub(super) fn owners(
    connection: &Connection,
    filter: &DeliveryFilter,
) -> Result<Option<Vec<i64>>, StoreFault> {
    let endpoint = filter.endpoint.map(|id| id.as_u128().to_be_bytes());
    let tenant = filter.tenant.as_ref().map(TenantId::as_str);
    let (which, bound): (_, Vec<&dyn ToSql>) = match (&endpoint, &tenant) {
        (None, None) if !only_failed(filter) => return Ok(None),
        (None, None) => return owners_of_failed(connection, only_dead(filter)).map(Some),
        (Some(endpoint), None) => ("WHERE endpoint = ?1", vec![endpoint]),
        (None, Some(tenant)) => ("WHERE tenant = ?1", vec![tenant]),
        (Some(endpoint), Some(tenant)) => (
            "WHERE endpoint = ?1 AND tenant = ?2",
            vec![endpoint, tenant],
        ),
    };
    let mut select =
        connection.prepare_cached(&format!("SELECT number FROM postrider_owner {which}"))?;
    let found = select.query_map(&bound[..], |row| row.get(0))?;
    Ok(Some(found.collect::<Result<_, _>>()?))
}

/// A delivery's id and number, and its owner.
type Candidate = ((u128, i64), i64);

/// The deliveries of an event, if it is this tenant's.
fn of_event(
    connection: &Connection,
    event: EventId,
    tenant: Option<&TenantId>,
) -> Result<Vec<Candidate>, StoreFault> {
    let mut known = connection
        .prepare_cached("SELECT number, first, count, tenant FROM postrider_event WHERE id = ?1")?;
    let known = known.query_row([event.as_u128().to_be_bytes()], |row| {
        let numbers: [i64; 3] = [row.get(0)?, row.get(1)?, row.get(2)?];
        Ok((numbers, row.get::<_, String>(3)?))
    });
    let Some(([number, first, count], owned_by)) = known.optional()? else {
        return Ok(Vec::new());
    };
    if tenant.is_some_and(|tenant| tenant.as_str() != owned_by) {
        return Ok(Vec::new());
    }
    let mut select = connection.prepare_cached(
        "SELECT id, number, owner FROM postrider_delivery WHERE number >= ?1 AND number < ?2
         UNION ALL
         SELECT id, number, owner FROM postrider_delivery INDEXED BY postrider_delivery_resend
         WHERE event = ?3 AND resend_of IS NOT NULL
         UNION ALL
         SELECT d.id, d.number, d.owner FROM postrider_backfill b
         CROSS JOIN postrider_delivery d ON d.id = b.delivery WHERE b.event = ?3",
    )?;
    let mut rows = select.query([first, first + count, number])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(((id_at(row, 0)?, row.get(1)?), row.get(2)?));
    }
    Ok(found)
}

/// The owners of which deliveries have failed, or that have dead letters, found in the index of these
/// from one to the next.
fn owners_of_failed(connection: &Connection, dead: bool) -> Result<Vec<i64>, StoreFault> {
    let mut next = connection.prepare_cached(match dead {
        true => {
            "SELECT min(owner) FROM postrider_delivery INDEXED BY postrider_delivery_letter
             WHERE owner > ?1 AND state = 3 AND resent_as IS NULL"
        }
        false => {
            "SELECT min(owner) FROM postrider_delivery INDEXED BY postrider_delivery_dead
             WHERE owner > ?1 AND state = 3"
        }
    })?;
    let mut owners = Vec::new();
    let mut last = 0_i64;
    while let Some(owner) = next.query_row([last], |row| row.get::<_, Option<i64>>(0))? {
        owners.push(owner);
        last = owner;
    }
    Ok(owners)
}

/// The dead letters of a tenant, or of all, counted by endpoint and reason: from an index that holds
/// nothing else.
pub(super) fn dead_letter_groups(
    connection: &Connection,
    tenant: Option<&TenantId>,
) -> Result<Vec<DeadLetterGroup>, StoreFault> {
    let snapshot = connection.unchecked_transaction()?;
    let filter = DeliveryFilter {
        tenant: tenant.cloned(),
        dead: true,
        ..DeliveryFilter::default()
    };
    let mut known = snapshot
        .prepare_cached("SELECT endpoint, tenant FROM postrider_owner WHERE number = ?1")?;
    let mut select = snapshot.prepare_cached(
        "SELECT detail, count(*), min(id), max(id)
         FROM postrider_delivery INDEXED BY postrider_delivery_letter
         WHERE owner = ?1 AND state = 3 AND resent_as IS NULL GROUP BY detail ORDER BY detail",
    )?;
    let mut groups = Vec::new();
    for owner in owners(&snapshot, &filter)?.unwrap_or_default() {
        let mut rows = select.query([owner])?;
        while let Some(row) = rows.next()? {
            let DeliveryState::Failed(reason) = rows::read_state(3, row.get(0)?)? else {
                unreachable!("the state 3 is a failure")
            };
            let (endpoint, tenant) = known.query_row([owner], |row| {
                Ok((row.get::<_, [u8; 16]>(0)?, row.get::<_, String>(1)?))
            })?;
            groups.push(DeadLetterGroup {
                tenant: tenant.parse().map_err(rows::damaged)?,
                endpoint: EndpointId::from_u128(u128::from_be_bytes(endpoint)),
                reason,
                count: rows::unsigned(row.get(1)?)?,
                oldest: accepted_at(DeliveryId::from_u128(id_at(row, 2)?)),
                newest: accepted_at(DeliveryId::from_u128(id_at(row, 3)?)),
            });
        }
    }
    // Those of one endpoint are in the order of their reasons.
    groups.sort_by_key(|group| group.endpoint);
    Ok(groups)
}

pub(super) fn id_at(row: &Row<'_>, at: usize) -> Result<u128, StoreFault> {
    rows::id(row.get_ref(at)?.as_blob().map_err(rows::damaged)?)
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
