//! What the core knows of a tenant.

use crate::endpoint_state::Tally;
use crate::subscriptions::Subscriptions;

/// What the core knows of a tenant, while it has endpoints or anything is pending for it.
#[derive(Default)]
pub(crate) struct TenantState {
    /// How many endpoints it has.
    pub(crate) endpoints: usize,
    /// What these want.
    pub(crate) subscriptions: Subscriptions,
    /// Endpoints that are being recorded.
    pub(crate) registering: usize,
    /// Over all its endpoints.
    pub(crate) pending: Tally,
}

impl TenantState {
    /// Whether there is nothing to know of it.
    pub(crate) fn is_empty(&self) -> bool {
        self.endpoints == 0 && self.registering == 0 && self.pending == Tally::default()
    }
}
