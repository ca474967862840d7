//! The lanes with an ordering key: what is asked for by a key is in one of them.

use super::StoreFault;
use super::history::{LOOKED_AT_MAX, id_at};
use super::waiting;
use crate::history::DeliveryFilter;
use postrider_engine::TenantId;
use rusqlite::{Connection, ToSql};
use std::collections::BTreeSet;

/// The lanes that a filter names by their key.
pub(super) struct Keyed {
    lanes: BTreeSet<i64>,
    /// What has not ended in all of them.
    pending: i64,
}

impl Keyed {
    /// Those of the endpoint or the tenant that the filter asks for; `None` if it names no key.
    pub(super) fn of(
        connection: &Connection,
        filter: &DeliveryFilter,
    ) -> Result<Option<Self>, StoreFault> {
        let Some(key) = &filter.ordering_key else {
            return Ok(None);
        };
        // No key stands as the empty one.
        let key = key.get().unwrap_or_default();
        let endpoint = filter.endpoint.map(|id| id.as_u128().to_be_bytes());
        let tenant = filter.tenant.as_ref().map(TenantId::as_str);
        let (which, bound): (_, Vec<&dyn ToSql>) = match (&endpoint, &tenant) {
            (None, None) => ("", vec![&key]),
            (Some(endpoint), None) => ("WHERE o.endpoint = ?2", vec![&key, endpoint]),
            (None, Some(tenant)) => ("WHERE o.tenant = ?2", vec![&key, tenant]),
            (Some(endpoint), Some(tenant)) => (
                "WHERE o.endpoint = ?2 AND o.tenant = ?3",
                vec![&key, endpoint, tenant],
            ),
        };
        // The order of the tables is as it stands: a lane is found by its endpoint and its key.
        let mut select = connection.prepare_cached(&format!(
            "SELECT l.number, l.pending FROM postrider_owner o
             CROSS JOIN postrider_lane l ON l.endpoint = o.endpoint AND l.key = ?1 {which}"
        ))?;
        let mut keyed = Self {
            lanes: BTreeSet::new(),
            pending: 0,
        };
        let mut rows = select.query(&bound[..])?;
        while let Some(row) = rows.next()? {
            keyed.lanes.insert(row.get(0)?);
            keyed.pending = keyed.pending.saturating_add(row.get(1)?);
        }
        Ok(Some(keyed))
    }

    /// Whether a lane is one of them.
    pub(super) fn has(&self, lane: i64) -> bool {
        self.lanes.contains(&lane)
    }

    /// The ids and numbers of all that can match, if these are few: nothing if there is no such lane,
    /// or, if what has not ended is asked for, what waits in these lanes.
    pub(super) fn few(
        &self,
        connection: &Connection,
        filter: &DeliveryFilter,
    ) -> Result<Option<Vec<(u128, i64)>>, StoreFault> {
        if self.lanes.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let is_few = usize::try_from(self.pending).is_ok_and(|count| count <= LOOKED_AT_MAX);
        // The deliveries of one event are fewer still.
        if !waiting::only(filter) || !is_few || filter.event.is_some() {
            return Ok(None);
        }
        let mut select = connection.prepare_cached(
            "SELECT id, number FROM postrider_delivery INDEXED BY postrider_delivery_pending
             WHERE lane = ?1 AND state <= 1",
        )?;
        let mut found = Vec::new();
        for lane in &self.lanes {
            let mut rows = select.query([lane])?;
            while let Some(row) = rows.next()? {
                found.push((id_at(row, 0)?, row.get(1)?));
            }
        }
        Ok(Some(found))
    }
}
