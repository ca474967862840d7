//! Looking for events. Where an index names a few events that hold all that match, only these are
//! looked at; otherwise the log is, a bounded part for each page.

mod few;

use super::StoreFault;
use super::events::between;
use super::history::{LOOKED_AT_MAX, id_at};
use super::rows;
use crate::events::EventCursor;
use crate::history::Direction;
use crate::search::{EventSearch, EventSummary, FoundEvents};
use crate::status::{EventState, Part};
use postrider_engine::{DeliveryId, EndpointId, EventId, EventType, OrderingKey, TenantId, Wall};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

/// Deliveries that are looked at for one page, at most, and those of the event that reaches it.
const DELIVERIES_MAX: usize = 50_000;

/// Bytes of payloads that are searched for one page, at most, and those of the event that reaches it.
const PAYLOAD_BYTES_MAX: usize = 64 << 20;

/// What is read of every event that is looked at. Of the payload that is its length alone.
const COLUMNS: &str = "e.number, e.id, e.tenant, e.type, e.key, e.published_at, e.first, e.count, \
     e.idempotency, length(e.payload) FROM postrider_event e";

pub(super) fn find(
    connection: &Connection,
    search: &EventSearch,
) -> Result<FoundEvents, StoreFault> {
    let snapshot = connection.unchecked_transaction()?;
    let owner = match search.endpoint {
        None => None,
        Some(endpoint) => match own(&snapshot, endpoint, search)? {
            // It never got anything, or there is nothing left of that, or it is another tenant's.
            None => return Ok(FoundEvents::default()),
            known => known,
        },
    };
    let (from, until) = between(&snapshot, &search.query)?;
    let mut page = Page {
        connection: &snapshot,
        search,
        owner,
        found: FoundEvents::default(),
        through: None,
        events: 0,
        deliveries: 0,
        payload_bytes: 0,
    };
    match few::events(&snapshot, search, owner)? {
        Some(numbers) if from < until => {
            let numbers = numbers.range(from..until).copied();
            match search.query.direction {
                Direction::NewestFirst => page.these(numbers.rev())?,
                Direction::OldestFirst => page.these(numbers)?,
            }
        }
        Some(_) => (),
        None => page.log(from, until)?,
    }
    Ok(page.found)
}

/// The number of an endpoint, if anything is on record of it, and it is of the tenant that is asked
/// for. Of a stranger's it is not even looked how much it got: the answer would depend on that.
fn own(
    connection: &Connection,
    endpoint: EndpointId,
    search: &EventSearch,
) -> Result<Option<i64>, StoreFault> {
    let mut select = connection.prepare_cached(
        "SELECT number FROM postrider_owner
         WHERE endpoint = ?1 AND (?2 IS NULL OR tenant = ?2)",
    )?;
    let tenant = search.query.filter.tenant.as_ref().map(TenantId::as_str);
    let endpoint = endpoint.as_u128().to_be_bytes();
    let found = select.query_row(params![endpoint, tenant], |row| row.get(0));
    Ok(found.optional()?)
}

/// A page in the making.
struct Page<'a> {
    connection: &'a Connection,
    search: &'a EventSearch,
    owner: Option<i64>,
    found: FoundEvents,
    /// The last event that was looked at.
    through: Option<EventCursor>,
    events: usize,
    deliveries: usize,
    payload_bytes: usize,
}

/// The deliveries of an event.
#[derive(Default)]
struct Deliveries {
    parts: Vec<Part>,
    /// Whether one goes to the endpoint that is asked for.
    has_owner: bool,
}

impl Page<'_> {
    /// Goes through the events with these numbers.
    fn these(&mut self, numbers: impl Iterator<Item = i64>) -> Result<(), StoreFault> {
        let connection = self.connection;
        let mut select =
            connection.prepare_cached(&format!("SELECT {COLUMNS} WHERE e.number = ?1"))?;
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

    /// Goes through the log between these numbers.
    fn log(&mut self, from: i64, until: i64) -> Result<(), StoreFault> {
        let (connection, query) = (self.connection, &self.search.query);
        let tenant = query.filter.tenant.as_ref().map(TenantId::as_str);
        let (index, which) = match tenant {
            Some(_) => ("INDEXED BY postrider_event_tenant", "AND e.tenant = ?3"),
            None => ("", ""),
        };
        let order = match query.direction {
            Direction::NewestFirst => "DESC",
            Direction::OldestFirst => "ASC",
        };
        let mut select = connection.prepare_cached(&format!(
            "SELECT {COLUMNS} {index}
             WHERE e.number >= ?1 AND e.number < ?2 {which} ORDER BY e.number {order}"
        ))?;
        let all: [&dyn ToSql; 3] = [&from, &until, &tenant];
        let bound = if tenant.is_some() {
            &all[..]
        } else {
            &all[..2]
        };
        let mut rows = select.query(bound)?;
        while let Some(row) = rows.next()? {
            if !self.look(row)? {
                break;
            }
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.found.events.len() >= self.search.query.most
            || self.events >= LOOKED_AT_MAX
            || self.deliveries >= DELIVERIES_MAX
            || self.payload_bytes >= PAYLOAD_BYTES_MAX
    }

    /// Looks at an event, and adds it if it matches. False if the page ends before it.
    fn look(&mut self, row: &Row<'_>) -> Result<bool, StoreFault> {
        if self.is_full() {
            self.found.next = self.through;
            return Ok(false);
        }
        self.events += 1;
        let place = EventCursor(rows::unsigned(row.get(0)?)?);
        self.through = Some(place);
        let text = |at: usize| -> Result<&str, StoreFault> {
            row.get_ref(at)?.as_str().map_err(rows::damaged)
        };
        let (search, filter) = (self.search, &self.search.query.filter);
        let tenant: TenantId = text(2)?.parse().map_err(rows::damaged)?;
        let event_type: EventType = text(3)?.parse().map_err(rows::damaged)?;
        let published_at = Wall(rows::unsigned(row.get(5)?)?);
        let ordering_key = match text(4)? {
            "" => OrderingKey::none(),
            key => key.parse().map_err(rows::damaged)?,
        };
        let idempotency_key: Option<String> = row.get(8)?;
        if filter.tenant.as_ref().is_some_and(|it| *it != tenant)
            || !filter.takes(published_at, &event_type)
            || !search.takes_keys(ordering_key.get(), idempotency_key.as_deref())
        {
            return Ok(true);
        }
        let deliveries = self.deliveries(row)?;
        let state = EventState::of_all(&deliveries.parts);
        let payload_bytes = usize::try_from(row.get::<_, i64>(9)?).unwrap_or(usize::MAX);
        if (self.owner.is_some() && !deliveries.has_owner)
            || !search.takes_state(state)
            || !self.payload_matches(row, payload_bytes)?
        {
            return Ok(true);
        }
        self.found.events.push(EventSummary {
            id: EventId::from_u128(id_at(row, 1)?),
            tenant,
            event_type,
            ordering_key,
            idempotency_key: idempotency_key.map(Into::into),
            published_at,
            payload_bytes,
            deliveries: deliveries.parts.len(),
            state,
            place,
        });
        Ok(true)
    }

    /// Those of an event, with resends and what was made of it later.
    fn deliveries(&mut self, row: &Row<'_>) -> Result<Deliveries, StoreFault> {
        let [number, first, count]: [i64; 3] = [row.get(0)?, row.get(6)?, row.get(7)?];
        let mut found = Deliveries::default();
        let connection = self.connection;
        let mut select = connection.prepare_cached(
            "SELECT id, owner, state, detail, resent_as FROM postrider_delivery
             WHERE number >= ?1 AND number < ?2
             UNION ALL
             SELECT id, owner, state, detail, resent_as
             FROM postrider_delivery INDEXED BY postrider_delivery_resend
             WHERE event = ?3 AND resend_of IS NOT NULL
             UNION ALL
             SELECT d.id, d.owner, d.state, d.detail, d.resent_as FROM postrider_backfill b
             CROSS JOIN postrider_delivery d ON d.id = b.delivery WHERE b.event = ?3",
        )?;
        let mut rows = select.query([first, first + count, number])?;
        while let Some(row) = rows.next()? {
            self.deliveries += 1;
            found.has_owner |= self.owner == Some(row.get(1)?);
            let resent_as = row.get_ref(4)?.as_blob_or_null().map_err(rows::damaged)?;
            found.parts.push((
                DeliveryId::from_u128(id_at(row, 0)?),
                rows::read_state(row.get(2)?, row.get(3)?)?,
                resent_as
                    .map(rows::id)
                    .transpose()?
                    .map(DeliveryId::from_u128),
            ));
        }
        Ok(found)
    }

    /// Whether the text that is looked for is in the payload, which is read for that alone.
    fn payload_matches(&mut self, row: &Row<'_>, bytes: usize) -> Result<bool, StoreFault> {
        if self.search.payload.is_none() {
            return Ok(true);
        }
        self.payload_bytes = self.payload_bytes.saturating_add(bytes);
        let connection = self.connection;
        let mut select =
            connection.prepare_cached("SELECT payload FROM postrider_event WHERE number = ?1")?;
        let mut found = select.query([row.get::<_, i64>(0)?])?;
        match found.next()? {
            Some(row) => {
                let payload = row.get_ref(0)?.as_blob().map_err(rows::damaged)?;
                Ok(self.search.takes_payload(payload))
            }
            None => Ok(false),
        }
    }
}
