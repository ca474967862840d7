//! Deliveries without what is large of them: a look at the row of the delivery and at the type of its
//! event, none at attempts or payloads.

use super::StoreFault;
use super::history::{Looked, candidates, ended_so, look_at};
use super::keyed::Keyed;
use super::rows::{self, DELIVERY_COLUMNS, DELIVERY_WIDTH, DeliveryRow};
use crate::history::DeliveryQuery;
use crate::outline::{DeliveryOutline, OutlinePage};
use postrider_engine::{DeliveryId, EndpointId, EndpointStatus, EventType, TenantId, Wall};
use rusqlite::Connection;
use std::collections::BTreeMap;

/// An endpoint, and whether it gets deliveries; `None` if it has been deleted.
type Owner = (EndpointId, Option<EndpointStatus>);

pub(super) fn page(
    connection: &Connection,
    query: &DeliveryQuery,
) -> Result<OutlinePage, StoreFault> {
    let mut page = OutlinePage::default();
    let snapshot = connection.unchecked_transaction()?;
    let keyed = Keyed::of(&snapshot, &query.filter)?;
    let Some(candidates) = candidates(&snapshot, query, keyed.as_ref())? else {
        return Ok(page);
    };
    // The type stands before the payload in its row, so no page of a large payload is read.
    let mut select = snapshot.prepare_cached(&format!(
        "SELECT {DELIVERY_COLUMNS}, e.type, e.tenant FROM postrider_delivery d
         JOIN postrider_event e ON e.number = d.event WHERE d.number = ?1"
    ))?;
    let mut owners: BTreeMap<i64, Owner> = BTreeMap::new();
    page.next = look_at(candidates, query.most, |id, number| {
        let mut found = select.query([number])?;
        let missing = || StoreFault::Damaged(format!("delivery {id} is missing"));
        let row = found.next()?.ok_or_else(missing)?;
        let delivery = DeliveryRow::read(row)?;
        let event_type = row.get_ref(DELIVERY_WIDTH)?.as_str();
        let event_type: EventType = event_type
            .map_err(rows::damaged)?
            .parse()
            .map_err(rows::damaged)?;
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
        let owner = match owners.get(&delivery.owner) {
            Some(known) => *known,
            None => {
                let read = owner(&snapshot, delivery.owner)?;
                owners.insert(delivery.owner, read);
                read
            }
        };
        let tenant = row.get_ref(DELIVERY_WIDTH + 1)?.as_str();
        let tenant = tenant.map_err(rows::damaged)?.parse();
        let of = (tenant.map_err(rows::damaged)?, event_type);
        page.deliveries.push(outline(&delivery, of, owner)?);
        Ok(Looked::Taken)
    })?;
    Ok(page)
}

fn outline(
    delivery: &DeliveryRow,
    (tenant, event_type): (TenantId, EventType),
    (endpoint, endpoint_status): Owner,
) -> Result<DeliveryOutline, StoreFault> {
    let ended_at = delivery.ended_at.map(rows::unsigned).transpose()?;
    Ok(DeliveryOutline {
        id: DeliveryId::from_u128(delivery.id),
        tenant,
        event_type,
        endpoint,
        endpoint_status,
        state: delivery.state,
        ended_at: ended_at.map(Wall),
        resent_as: delivery.resent_as.map(DeliveryId::from_u128),
    })
}

fn owner(connection: &Connection, number: i64) -> Result<Owner, StoreFault> {
    let mut select = connection.prepare_cached(
        "SELECT o.endpoint, e.status FROM postrider_owner o
         LEFT JOIN postrider_endpoint e ON e.id = o.endpoint WHERE o.number = ?1",
    )?;
    let found = select.query_row([number], |row| {
        Ok((row.get::<_, [u8; 16]>(0)?, row.get::<_, Option<i64>>(1)?))
    });
    let (endpoint, status) = found?;
    let status = status.map(rows::read_status).transpose()?;
    let endpoint = EndpointId::from_u128(u128::from_be_bytes(endpoint));
    Ok((endpoint, status))
}
