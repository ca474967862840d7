//! How much there is in memory, of a tenant or of all of them.

use super::Hours;
use crate::history::accepted_at;
use crate::overview::{EndpointPage, EndpointQuery, Overview, TenantCounts};
use crate::statistics::{Hour, MS_PER_HOUR};
use postrider_engine::{
    DeliveryId, DeliveryState, Endpoint, EndpointId, HeldDelivery, MemoryStore, TenantId, Wall,
};
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
    let pending = deliveries(held).find(|delivery| {
        !delivery.state.is_end() && tenant.is_none_or(|tenant| delivery.event.tenant == *tenant)
    });
    Overview {
        now: counts(held, tenant),
        oldest_pending: pending.map(|delivery| accepted_at(delivery.id)),
        hours: sums.into_values().collect(),
        since: Wall(first * MS_PER_HOUR),
    }
}

/// What there is now of a tenant, or of all.
fn counts(held: &MemoryStore, tenant: Option<&TenantId>) -> TenantCounts {
    let endpoints = held.endpoints().filter(|endpoint| {
        let owner = &endpoint.spec.tenant;
        tenant.is_none_or(|tenant| tenant == owner)
    });
    let mut counts = TenantCounts {
        endpoints: endpoints.count() as u64,
        ..TenantCounts::default()
    };
    for delivery in deliveries(held) {
        if tenant.is_none_or(|tenant| delivery.event.tenant == *tenant) {
            count(&mut counts, &delivery);
        }
    }
    counts
}

/// What there is now of these tenants, in their order. Each delivery is looked at once, however many
/// they are: whoever publishes waits meanwhile.
pub(super) fn counts_of(held: &MemoryStore, tenants: &[TenantId]) -> Vec<TenantCounts> {
    let none = |tenant| (tenant, TenantCounts::default());
    let mut known: BTreeMap<&TenantId, TenantCounts> = tenants.iter().map(none).collect();
    for endpoint in held.endpoints() {
        if let Some(counts) = known.get_mut(&endpoint.spec.tenant) {
            counts.endpoints += 1;
        }
    }
    for delivery in deliveries(held) {
        if let Some(counts) = known.get_mut(&delivery.event.tenant) {
            count(counts, &delivery);
        }
    }
    tenants.iter().map(|tenant| known[tenant]).collect()
}

/// The dead letters of each endpoint that has some.
pub(super) fn dead_letters(held: &MemoryStore) -> BTreeMap<EndpointId, u64> {
    let mut counts: BTreeMap<EndpointId, u64> = BTreeMap::new();
    for delivery in deliveries(held).filter(is_dead) {
        *counts.entry(delivery.lane.endpoint).or_default() += 1;
    }
    counts
}

fn count(counts: &mut TenantCounts, delivery: &HeldDelivery<'_>) {
    counts.pending += u64::from(!delivery.state.is_end());
    counts.dead_letters += u64::from(is_dead(delivery));
}

fn is_dead(delivery: &HeldDelivery<'_>) -> bool {
    matches!(delivery.state, DeliveryState::Failed(_)) && delivery.resent_as.is_none()
}

/// Every delivery, oldest first.
fn deliveries(held: &MemoryStore) -> impl Iterator<Item = HeldDelivery<'_>> {
    held.held_deliveries(DeliveryId::from_u128(0)..DeliveryId::from_u128(u128::MAX))
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
