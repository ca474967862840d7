//! Client certificates of tenants.

use postrider_engine::{ClientIdentity, TenantId};
use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

/// As whom the requests of each tenant appear.
#[derive(Debug, Default)]
pub(crate) struct Identities(RwLock<BTreeMap<TenantId, ClientIdentity>>);

impl Identities {
    /// From now on; `None` for nobody.
    pub(crate) fn set(&self, tenant: &TenantId, identity: Option<ClientIdentity>) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match identity {
            Some(identity) => known.insert(tenant.clone(), identity),
            None => known.remove(tenant),
        };
    }

    pub(crate) fn of(&self, tenant: &TenantId) -> Option<ClientIdentity> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.get(tenant).cloned()
    }
}
