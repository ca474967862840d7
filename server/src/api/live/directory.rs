//! Whose an endpoint is, and who wants operational events. The engine has a bound for the number of
//! endpoints, so this has one, too.

use super::OWN_FAMILY;
use postrider::{
    Endpoint, EndpointId, EndpointStatus, EventPattern, EventType, Postrider, ReadError, TenantId,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What is known of an endpoint.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) tenant: TenantId,
    pub(super) url: Arc<str>,
    pub(super) status: EndpointStatus,
    /// Those of its patterns that can cover an operational event.
    own: Box<[EventPattern]>,
}

impl Known {
    fn of(endpoint: &Endpoint) -> Self {
        let patterns = endpoint.spec.event_types.iter();
        let own = patterns.filter(|it| it.as_str().starts_with(OWN_FAMILY));
        Self {
            tenant: endpoint.spec.tenant.clone(),
            url: Arc::clone(&endpoint.spec.url),
            status: endpoint.status,
            own: own.cloned().collect(),
        }
    }

    /// Whether operational events go to it, as far as it is known now.
    pub(super) fn is_subscribed(&self) -> bool {
        !self.own.is_empty()
    }

    fn accepts(&self, event_type: &EventType) -> bool {
        !matches!(self.status, EndpointStatus::Disabled(_))
            && self.own.iter().any(|it| it.matches(event_type))
    }
}

/// All endpoints.
#[derive(Default)]
pub(crate) struct Directory {
    endpoints: BTreeMap<EndpointId, Known>,
    /// Those that subscribe to operational events, by tenant.
    subscribed: BTreeMap<TenantId, BTreeSet<EndpointId>>,
}

impl Directory {
    /// Reads all of them; gives those whose breaker was open, too.
    pub(super) async fn load(postrider: &Postrider) -> Result<(Self, Vec<EndpointId>), ReadError> {
        let mut directory = Self::default();
        let mut open = Vec::new();
        for endpoint in postrider.endpoints().await? {
            directory.put(&endpoint);
            open.extend(endpoint.health.open_until.map(|_| endpoint.id));
        }
        Ok((directory, open))
    }

    pub(super) fn get(&self, endpoint: EndpointId) -> Option<&Known> {
        self.endpoints.get(&endpoint)
    }

    /// Puts in what is on record of an endpoint. What was known before.
    pub(super) fn put(&mut self, endpoint: &Endpoint) -> Option<Known> {
        let before = self.remove(endpoint.id);
        let known = Known::of(endpoint);
        if known.is_subscribed() {
            let subscribed = self.subscribed.entry(known.tenant.clone()).or_default();
            subscribed.insert(endpoint.id);
        }
        self.endpoints.insert(endpoint.id, known);
        before
    }

    pub(super) fn set_status(&mut self, endpoint: EndpointId, status: EndpointStatus) {
        if let Some(known) = self.endpoints.get_mut(&endpoint) {
            known.status = status;
        }
    }

    pub(super) fn remove(&mut self, endpoint: EndpointId) -> Option<Known> {
        let known = self.endpoints.remove(&endpoint)?;
        if let Some(subscribed) = self.subscribed.get_mut(&known.tenant) {
            subscribed.remove(&endpoint);
            if subscribed.is_empty() {
                self.subscribed.remove(&known.tenant);
            }
        }
        Some(known)
    }

    /// Whether an endpoint of the tenant would get an operational event of this type.
    pub(super) fn wants(&self, tenant: &TenantId, event_type: &EventType) -> bool {
        let subscribed = self.subscribed.get(tenant).into_iter().flatten();
        let mut known = subscribed.filter_map(|id| self.endpoints.get(id));
        known.any(|known| known.accepts(event_type))
    }

    /// Whether the tenant has a subscriber to any operational event.
    pub(super) fn has_subscribers(&self, tenant: &TenantId) -> bool {
        self.subscribed.contains_key(tenant)
    }

    /// The tenants with a subscriber to this type.
    pub(super) fn tenants_that_want(&self, event_type: &EventType) -> Vec<TenantId> {
        let tenants = self.subscribed.keys();
        let wanting = tenants.filter(|tenant| self.wants(tenant, event_type));
        wanting.cloned().collect()
    }
}
