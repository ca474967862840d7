//! How much there is of a tenant, of all of them, and of many endpoints at once.

use super::StoreFault;
use super::history::{self, LOOKED_AT_MAX};
use super::hours::{self, HOUR_COLUMNS};
use super::lanes::known_owner;
use super::reads::{self, ENDPOINT_COLUMNS};
use super::rows::{self, signed};
use super::seal::KeyRing;
use crate::history::{Statistics, accepted_at};
use crate::overview::{EndpointCounts, EndpointPage, EndpointQuery, Overview, TenantCounts};
use crate::statistics::{Hour, MS_PER_HOUR};
use postrider_engine::{DeliveryId, EndpointId, TenantId, Wall};
use rusqlite::{Connection, params};

/// Hours of endpoints that are added up for one overview; the hour in which that is reached is read
/// to its end.
const HOURS_READ_MAX: usize = 100_000;

/// Endpoints that are looked for in all hours of one overview together.
const HOURS_LOOKED_FOR_MAX: u64 = 1_000_000;

/// Lanes that are looked at for the oldest delivery of a tenant.
const LANES_LOOKED_AT_MAX: i64 = 50_000;

/// Specs that one page of endpoints reads, in bytes.
const SPEC_BYTES_MAX: usize = 4 << 20;

pub(super) fn overview(
    connection: &Connection,
    tenant: Option<&TenantId>,
    between: (Wall, Wall),
) -> Result<Overview, StoreFault> {
    let snapshot = connection.unchecked_transaction()?;
    let now = counts(&snapshot, tenant)?;
    let oldest_pending = match tenant {
        _ if now.pending == 0 => None,
        None => reads::oldest_pending(&snapshot)?,
        Some(tenant) => oldest_pending_of(&snapshot, tenant)?,
    };
    let (since, hours) = hours_of(&snapshot, tenant, between)?;
    Ok(Overview {
        now,
        oldest_pending,
        hours,
        since,
    })
}

pub(super) fn tenant_counts(
    connection: &Connection,
    tenants: &[TenantId],
) -> Result<Vec<TenantCounts>, StoreFault> {
    let snapshot = connection.unchecked_transaction()?;
    let all = tenants.iter();
    all.map(|tenant| counts(&snapshot, Some(tenant))).collect()
}

fn counts(connection: &Connection, tenant: Option<&TenantId>) -> Result<TenantCounts, StoreFault> {
    let count = |of_one: &str, of_all: &str| -> Result<u64, StoreFault> {
        let found: i64 = match tenant {
            Some(tenant) => connection
                .prepare_cached(of_one)?
                .query_row([tenant.as_str()], |row| row.get(0))?,
            None => connection
                .prepare_cached(of_all)?
                .query_row([], |row| row.get(0))?,
        };
        rows::unsigned(found)
    };
    Ok(TenantCounts {
        endpoints: count(
            "SELECT count(*) FROM postrider_endpoint WHERE tenant = ?1",
            "SELECT count(*) FROM postrider_endpoint",
        )?,
        pending: count(
            "SELECT coalesce(sum(pending), 0) FROM postrider_owner WHERE tenant = ?1",
            "SELECT coalesce(sum(pending), 0) FROM postrider_owner",
        )?,
        dead_letters: count(
            "SELECT count(*) FROM postrider_owner o
             CROSS JOIN postrider_delivery d INDEXED BY postrider_delivery_letter
             WHERE o.tenant = ?1 AND d.owner = o.number AND d.state = 3 AND d.resent_as IS NULL",
            "SELECT count(*) FROM postrider_delivery INDEXED BY postrider_delivery_letter
             WHERE state = 3 AND resent_as IS NULL",
        )?,
    })
}

/// When the oldest delivery of a tenant that has not ended was accepted. Among the oldest of all it
/// is found at once; where a backlog of others is in front of it, by the heads of its own lanes.
fn oldest_pending_of(
    connection: &Connection,
    tenant: &TenantId,
) -> Result<Option<Wall>, StoreFault> {
    let accepted = |id: [u8; 16]| accepted_at(DeliveryId::from_u128(u128::from_be_bytes(id)));
    let mut oldest = connection.prepare_cached(
        "SELECT id, (SELECT o.tenant = ?1 FROM postrider_owner o WHERE o.number = d.owner)
         FROM postrider_delivery d INDEXED BY postrider_delivery_oldest
         WHERE d.state <= 1 ORDER BY d.number LIMIT ?2",
    )?;
    let most = signed(LOOKED_AT_MAX as u64);
    let mut found = oldest.query(params![tenant.as_str(), most])?;
    while let Some(row) = found.next()? {
        if row.get::<_, Option<bool>>(1)? == Some(true) {
            return Ok(Some(accepted(row.get(0)?)));
        }
    }
    let mut heads = connection.prepare_cached(
        "SELECT min((SELECT d.id FROM postrider_delivery d
                     WHERE d.lane = l.number AND d.state <= 1 ORDER BY d.seq LIMIT 1))
         FROM (SELECT l.number FROM postrider_endpoint e
               CROSS JOIN postrider_lane l
               WHERE e.tenant = ?1 AND l.endpoint = e.id AND l.pending > 0
               LIMIT ?2) l",
    )?;
    let head = heads.query_row(params![tenant.as_str(), LANES_LOOKED_AT_MAX], |row| {
        row.get::<_, Option<[u8; 16]>>(0)
    })?;
    Ok(head.map(accepted))
}

/// The hours over all endpoints, oldest first, and from when on they are told. They are read from
/// the newest one on, as far as that goes.
fn hours_of(
    connection: &Connection,
    tenant: Option<&TenantId>,
    (from, until): (Wall, Wall),
) -> Result<(Wall, Vec<Hour>), StoreFault> {
    let first = from.0 / MS_PER_HOUR;
    let looked_for = owners(connection, tenant)?;
    let which = match tenant {
        Some(_) => "hour = ?1 AND owner IN (SELECT number FROM postrider_owner WHERE tenant = ?2)",
        // No tenant is named so.
        None => "hour = ?1 AND ?2 = ''",
    };
    let mut select = connection.prepare_cached(&format!(
        "SELECT {HOUR_COLUMNS} FROM postrider_hour WHERE {which}"
    ))?;
    let mut newest = connection
        .prepare_cached("SELECT max(hour) FROM postrider_hour WHERE hour >= ?1 AND hour < ?2")?;
    let mut found = Vec::new();
    let mut since = first;
    let mut end = signed(until.0.div_ceil(MS_PER_HOUR));
    let (mut read, mut looked) = (0, 0);
    while let Some(hour) = newest.query_row(params![signed(first), end], |row| {
        row.get::<_, Option<i64>>(0)
    })? {
        if read >= HOURS_READ_MAX || looked >= HOURS_LOOKED_FOR_MAX {
            since = rows::unsigned(hour)? + 1;
            break;
        }
        let mut sum: Option<Hour> = None;
        let mut rows = select.query(params![hour, tenant.map_or("", TenantId::as_str)])?;
        while let Some(row) = rows.next()? {
            let hour = hours::read(row)?;
            match &mut sum {
                Some(sum) => sum.add(&hour),
                None => sum = Some(hour),
            }
            read += 1;
        }
        found.extend(sum);
        looked += looked_for;
        end = hour;
    }
    found.reverse();
    Ok((Wall(since.saturating_mul(MS_PER_HOUR)), found))
}

/// How many owners each hour of a tenant is looked for by; of all tenants, every hour that is there
/// is read.
fn owners(connection: &Connection, tenant: Option<&TenantId>) -> Result<u64, StoreFault> {
    let Some(tenant) = tenant else {
        return Ok(0);
    };
    let mut count =
        connection.prepare_cached("SELECT count(*) FROM postrider_owner WHERE tenant = ?1")?;
    rows::unsigned(count.query_row([tenant.as_str()], |row| row.get(0))?)
}

pub(super) fn endpoint_counts(
    connection: &Connection,
    endpoints: &[EndpointId],
    (from, until): (Wall, Wall),
) -> Result<Vec<EndpointCounts>, StoreFault> {
    let snapshot = connection.unchecked_transaction()?;
    let mut dead = snapshot.prepare_cached(
        "SELECT count(*) FROM postrider_delivery INDEXED BY postrider_delivery_letter
         WHERE owner = ?1 AND state = 3 AND resent_as IS NULL",
    )?;
    let mut all = Vec::with_capacity(endpoints.len());
    for endpoint in endpoints {
        let dead_letters = match known_owner(&snapshot, *endpoint)? {
            Some(owner) => rows::unsigned(dead.query_row([owner], |row| row.get(0))?)?,
            None => 0,
        };
        let hours = history::hours(&snapshot, *endpoint, (from, until))?;
        all.push(EndpointCounts {
            ledger: reads::ledger(&snapshot, *endpoint)?,
            dead_letters,
            total: Statistics::of(hours, from).total,
        });
    }
    Ok(all)
}

/// A page of endpoints. What is known without the spec is asked first: reading that takes most of
/// the time.
pub(super) fn find_endpoints(
    connection: &Connection,
    keys: &KeyRing,
    query: &EndpointQuery,
) -> Result<EndpointPage, StoreFault> {
    let which = match query.tenant {
        Some(_) => "INDEXED BY postrider_endpoint_tenant WHERE tenant = ?1 AND id > ?2",
        // No tenant is named so.
        None => "WHERE ?1 = '' AND id > ?2",
    };
    let mut select = connection.prepare_cached(&format!(
        "SELECT {ENDPOINT_COLUMNS} FROM postrider_endpoint {which} ORDER BY id"
    ))?;
    // Every id is greater than no bytes at all.
    let after = query.after.map(|id| id.as_u128().to_be_bytes());
    let after = after.as_ref().map_or(&[][..], |id| &id[..]);
    let tenant = query.tenant.as_ref().map_or("", TenantId::as_str);
    let matcher = query.matcher();
    let mut rows = select.query(params![tenant, after])?;
    let mut page = EndpointPage::default();
    // The last one that was looked at, and the last of which the spec was read.
    let (mut last, mut last_read) = (None, None);
    let (mut looked_at, mut bytes) = (0, 0);
    while let Some(row) = rows.next()? {
        if looked_at >= LOOKED_AT_MAX || bytes >= SPEC_BYTES_MAX {
            page.next = last;
            break;
        }
        looked_at += 1;
        last = Some(EndpointId::from_u128(u128::from_be_bytes(row.get(0)?)));
        let (status, health) = reads::standing_of(row)?;
        if !query.takes_state(status, &health) {
            continue;
        }
        if page.endpoints.len() >= query.most {
            page.next = last_read;
            break;
        }
        last_read = last;
        bytes += row.get_ref(2)?.as_str().map_err(rows::damaged)?.len();
        let endpoint = reads::endpoint_of(row, keys)?;
        if matcher.takes(&endpoint.spec) {
            page.endpoints.push(endpoint);
        }
    }
    Ok(page)
}
