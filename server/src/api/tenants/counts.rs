//! What a tenant has, counted.

use super::Tenant;
use crate::api::Api;
use crate::api::problem::Problem;
use postrider::TenantId;
use serde::Serialize;
use utoipa::ToSchema;

/// What a tenant has.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct TenantCountsView {
    /// Endpoints.
    endpoints: u64,
    /// Deliveries that have not ended.
    pending: u64,
    /// Dead letters.
    dead_letters: u64,
    /// Keys that are bound to it.
    keys: usize,
    /// Sources.
    sources: usize,
    /// Event types.
    event_types: usize,
    /// Templates.
    templates: usize,
}

/// Puts the counts beside what is shown of tenants; the store is asked once.
pub(super) async fn count(api: &Api, tenants: &mut [Tenant]) -> Result<(), Problem> {
    let ids = tenants.iter().map(|tenant| tenant.id.parse::<TenantId>());
    let ids: Vec<TenantId> = ids.collect::<Result<_, _>>()?;
    let found = api.postrider().tenant_counts(ids.clone()).await?;
    for ((tenant, id), counts) in tenants.iter_mut().zip(&ids).zip(found) {
        tenant.counts = Some(TenantCountsView {
            endpoints: counts.endpoints,
            pending: counts.pending,
            dead_letters: counts.dead_letters,
            keys: api.keys().count_of(id),
            sources: api.sources().of(id).len(),
            event_types: api.event_types().of(id).len(),
            templates: api.templates().of(id).len(),
        });
    }
    Ok(())
}
