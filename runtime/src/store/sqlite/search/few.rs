//! The events that can match, by an index, if these are few.

use super::super::StoreFault;
use super::super::history::LOOKED_AT_MAX;
use super::super::rows::signed;
use crate::search::EventSearch;
use crate::status::EventState;
use postrider_engine::TenantId;
use rusqlite::{Connection, OptionalExtension, Params, ToSql};
use std::collections::BTreeSet;

/// The numbers of all events that can match, and of some others; `None` if they are not known to be
/// at most [`LOOKED_AT_MAX`].
pub(super) fn events(
    connection: &Connection,
    search: &EventSearch,
    owner: Option<i64>,
) -> Result<Option<BTreeSet<i64>>, StoreFault> {
    let mut few = Few {
        connection,
        numbers: BTreeSet::new(),
        left: LOOKED_AT_MAX,
    };
    let tenant = search.query.filter.tenant.as_ref();
    let is_few = if let (Some(key), Some(tenant)) = (&search.idempotency_key, tenant) {
        few.add(
            "SELECT e.number FROM postrider_idempotency i
             CROSS JOIN postrider_event e ON e.id = i.event
             WHERE i.tenant = ?1 AND i.key = ?2 LIMIT ?3",
            |limit| (tenant.as_str(), &**key, limit),
        )?
    } else {
        few.by_owner(owner)? || few.by_state(search)?
    };
    Ok(is_few.then_some(few.numbers))
}

/// Events in the gathering.
struct Few<'a> {
    connection: &'a Connection,
    numbers: BTreeSet<i64>,
    /// How many index entries may still be read.
    left: usize,
}

impl Few<'_> {
    /// Adds what this statement finds. False if that is more than may be read.
    fn add<P: Params>(
        &mut self,
        statement: &str,
        bound: impl FnOnce(i64) -> P,
    ) -> Result<bool, StoreFault> {
        let mut select = self.connection.prepare_cached(statement)?;
        // One more than may be read tells that there are too many.
        let limit = signed(self.left as u64).saturating_add(1);
        let mut rows = select.query(bound(limit))?;
        while let Some(row) = rows.next()? {
            let Some(left) = self.left.checked_sub(1) else {
                return Ok(false);
            };
            self.left = left;
            self.numbers.insert(row.get(0)?);
        }
        Ok(true)
    }

    /// Begins anew after what was too much.
    fn forget(&mut self) {
        self.numbers.clear();
        self.left = LOOKED_AT_MAX;
    }

    /// Those with a delivery in a state of which there is an index, if only such are asked for. It may be
    /// a delivery of any owner: the state of an event is that of all its deliveries together.
    fn by_state(&mut self, search: &EventSearch) -> Result<bool, StoreFault> {
        let states = &search.states;
        let indexed = |state: &EventState| {
            matches!(
                state,
                EventState::Pending
                    | EventState::Retrying
                    | EventState::Failed
                    | EventState::NoSubscribers
            )
        };
        if states.is_empty() || !states.iter().all(indexed) {
            return Ok(false);
        }
        let has = |state| states.contains(&state);
        let mut is_few = true;
        if has(EventState::NoSubscribers) {
            is_few &= self.add(
                "SELECT number FROM postrider_event INDEXED BY postrider_event_for_nobody
                 WHERE count = 0 LIMIT ?1",
                |limit| [limit],
            )?;
        }
        let of = self.owners(search)?;
        let waits = has(EventState::Pending) || has(EventState::Retrying);
        for owner in of {
            if is_few && waits {
                is_few = self.waiting(owner)?;
            }
            // Also those that were resent: the record of a resend may be dropped before them.
            if is_few && has(EventState::Failed) {
                is_few = self.add(
                    "SELECT event FROM postrider_delivery INDEXED BY postrider_delivery_dead
                     WHERE owner = ?1 AND state = 3 LIMIT ?2",
                    |limit| [owner, limit],
                )?;
            }
        }
        if !is_few {
            self.forget();
        }
        Ok(is_few)
    }

    /// The owners of the tenant, or all.
    fn owners(&self, search: &EventSearch) -> Result<Vec<i64>, StoreFault> {
        let tenant = search.query.filter.tenant.as_ref().map(TenantId::as_str);
        let (which, bound): (_, Vec<&dyn ToSql>) = match &tenant {
            Some(tenant) => ("WHERE tenant = ?1", vec![tenant]),
            None => ("", vec![]),
        };
        let mut select = self
            .connection
            .prepare_cached(&format!("SELECT number FROM postrider_owner {which}"))?;
        let found = select.query_map(&bound[..], |row| row.get(0))?;
        Ok(found.collect::<Result<_, _>>()?)
    }

    /// Those with a delivery of this owner that has not ended.
    fn waiting(&mut self, owner: i64) -> Result<bool, StoreFault> {
        let mut account = self.connection.prepare_cached(
            "SELECT endpoint FROM postrider_owner WHERE number = ?1 AND pending > 0",
        )?;
        let endpoint: Option<[u8; 16]> = account.query_row([owner], |row| row.get(0)).optional()?;
        let Some(endpoint) = endpoint else {
            return Ok(true);
        };
        self.add(
            "SELECT d.event FROM postrider_lane l INDEXED BY postrider_lane_live
             CROSS JOIN postrider_delivery d INDEXED BY postrider_delivery_pending
                 ON d.lane = l.number AND d.state <= 1
             WHERE l.endpoint = ?1 AND (l.pending > 0 OR l.stopped_at IS NOT NULL) LIMIT ?2",
            |limit| (endpoint, limit),
        )
    }

    /// Those with a delivery of this owner.
    fn by_owner(&mut self, owner: Option<i64>) -> Result<bool, StoreFault> {
        let Some(owner) = owner else {
            return Ok(false);
        };
        let is_few = self.add(
            "SELECT event FROM postrider_delivery INDEXED BY postrider_delivery_owner
             WHERE owner = ?1 LIMIT ?2",
            |limit| [owner, limit],
        )?;
        if !is_few {
            self.forget();
        }
        Ok(is_few)
    }
}
