//! How much there is in memory, of a tenant or of all of them.

use super::Hours;
use crate::history::accepted_at;
use crate::overview::{EndpointPage, EndpointQuery, Overview, TenantCounts};
use crate::statistics::{Hour, MS_PER_HOUR};
use postrider_engine::{DeliveryState, Endpoint, EndpointId, MemoryStore, TenantId, Wall};
use std::collections::{BTreeMap, BTreeSet};

/// Every so many endpoints those are forgotten of which nothing is told any more.
const LOOK_EVERY: usize = 4_096;

/// Whose an endpoint is, also once it has been deleted: its hours are told until they are dropped.
#[derive(Debug, Default)]
pub(super) struct Owners(BTreeMap<EndpointId, TenantId>);

impl Owners {
    /// A new endpoint.
    pub(super) fn add(&mut self, endpoint: &Endpoint, held: &MemoryStore, hours: &Hours) {
        if self.0.len() % LOOK_EVERY == LOOK_EVERY - 1 {
            let told: BTreeSet<EndpointId> = hours.0.keys().map(|(_, of)| *of).collect();
            self.0
                .retain(|id, _| held.endpoint(*id).is_some() || told.contains(id));
        }
        self.0.insert(endpoint.id, endpoint.spec.tenant.clone());
    }

    fn is_of(&self, endpoint: EndpointId, tenant: Option<&TenantId>) -> bool {
        tenant.is_none_or(|tenant| self.0.get(&endpoint) == Some(tenant))
    }
}

/// What there is of a tenant, or of all, and its hours.
pub(super) fn overview(
    held: &MemoryStore,
    (hours, owners): (&Hours, &Owners),
    tenant: Option<&TenantId>,
    (from, until): (Wall, Wall),
) -> Overview {
    let first = from.0 / MS_PER_HOUR;
    let between = first..until.0.div_ceil(MS_PER_HOUR);
    let mut sums: BTreeMap<u64, Hour> = BTreeMap::new();
    for ((at, endpoint), hour) in &hours.0 {
        if between.contains(at) && owners.is_of(*endpoint, tenant) {
            let add = |sum: &mut Hour| sum.add(hour);
            sums.entry(*at)
                .and_modify(add)
                .or_insert_with(|| hour.clone());
        }
    }
    let pending = held.deliveries().find(|record| {
        !record.state.is_end() && tenant.is_none_or(|tenant| record.event.tenant == *tenant)
    });
    Overview {
        now: counts(held, tenant),
        oldest_pending: pending.map(|record| accepted_at(record.id)),
        hours: sums.into_values().collect(),
        since: Wall(first * MS_PER_HOUR),
    }
}

/// What there is now of a tenant, or of all.
pub(super) fn counts(held: &MemoryStore, tenant: Option<&TenantId>) -> TenantCounts {
    let endpoints = held.endpoints().filter(|endpoint| {
        let owner = &endpoint.spec.tenant;
        tenant.is_none_or(|tenant| tenant == owner)
    });
    let mut counts = TenantCounts {
        endpoints: endpoints.count() as u64,
        ..TenantCounts::default()
    };
    for record in held.deliveries() {
        if tenant.is_some_and(|tenant| record.event.tenant != *tenant) {
            continue;
        }
        counts.pending += u64::from(!record.state.is_end());
        let has_failed = matches!(record.state, DeliveryState::Failed(_));
        counts.dead_letters += u64::from(has_failed && record.resent_as.is_none());
    }
    counts
}

/// A page of endpoints.
pub(super) fn find_endpoints(held: &MemoryStore, query: &EndpointQuery) -> EndpointPage {
    let candidates = held.endpoints().filter(|endpoint| {
        let owner = &endpoint.spec.tenant;
        Some(endpoint.id) > query.after
            && query.tenant.as_ref().is_none_or(|tenant| tenant == owner)
            && query.takes_state(endpoint.status, &endpoint.health)
    });
    let matcher = query.matcher();
    let mut page = EndpointPage::default();
    let mut last = None;
    for endpoint in candidates {
        if page.endpoints.len() >= query.most {
            page.next = last;
            break;
        }
        last = Some(endpoint.id);
        if matcher.takes(&endpoint.spec) {
            page.endpoints.push(endpoint.clone());
        }
    }
    page
}
