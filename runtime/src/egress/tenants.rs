//! Networks that are open to single tenants.

use ipnet::IpNet;
use postrider_engine::TenantId;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Networks that are open to one tenant each. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct TenantNetworks(Arc<RwLock<Known>>);

#[derive(Debug, Default)]
struct Known {
    /// Counts the changes.
    generation: u64,
    of: BTreeMap<TenantId, (u64, Arc<[IpNet]>)>,
}

impl TenantNetworks {
    /// From now on these, and no others, are open to the tenant.
    pub(super) fn set(&self, tenant: &TenantId, ranges: Vec<IpNet>) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.generation += 1;
        let generation = known.generation;
        if ranges.is_empty() {
            known.of.remove(tenant);
        } else {
            let entry = (generation, ranges.into());
            known.of.insert(tenant.clone(), entry);
        }
    }

    /// What is open to the tenant, and a number that no other list ever has.
    pub(super) fn of(&self, tenant: &TenantId) -> Option<(u64, Arc<[IpNet]>)> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.of.get(tenant).cloned()
    }
}
