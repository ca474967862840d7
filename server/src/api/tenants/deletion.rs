//! The deletion of a tenant: what it has is ended, one small step after the other.
//!
//! It has been marked before, so nobody reaches it any more and nothing new comes. A process that
//! ends in between goes on at its next start.

use crate::api::endpoint_defaults::ID;
use crate::api::problem::Problem;
use crate::api::sources::receipts;
use crate::api::{Api, Shared};
use postrider::{
    EndpointError, ReadError, ReplayError, ReplayQuery, ReplayState, ScheduledQuery, TenantId,
};
use std::sync::Weak;
use std::time::Duration;
use tokio::time::sleep;

/// Things of one kind that are ended in one go.
const PAGE: usize = 32;

/// Between two looks at what there still is, and before what has failed is tried again.
const PAUSE: Duration = Duration::from_millis(200);

/// Why a step was not made. It is made again.
#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    #[error("{}", .0.detail())]
    Records(Problem),
}

impl From<Problem> for StepError {
    fn from(problem: Problem) -> Self {
        Self::Records(problem)
    }
}

/// Until nothing is left, or the server ends.
pub(in crate::api) async fn run(api: Weak<Shared>, tenant: TenantId) {
    loop {
        let Some(api) = api.upgrade().map(Api) else {
            return;
        };
        // Asked first: what a request has made before it let go is then found.
        let is_held = api.tenants().is_held(&tenant);
        match step(&api, &tenant).await {
            Ok(0) if !is_held => match api.tenants().end_deletion(&tenant).await {
                Ok(()) => {
                    tracing::info!(%tenant, "postrider.api.tenant_deleted");
                    return;
                }
                Err(problem) => warn(&tenant, problem.detail()),
            },
            Ok(_) => (),
            Err(StepError::Endpoint(EndpointError::Closed(_))) => return,
            Err(error) => warn(&tenant, &error.to_string()),
        }
        drop(api);
        sleep(PAUSE).await;
    }
}

fn warn(tenant: &TenantId, error: &str) {
    tracing::warn!(%tenant, error, "postrider.api.tenant_not_deleted");
}

/// Ends at most a page of each kind; how many things there were.
async fn step(api: &Api, tenant: &TenantId) -> Result<usize, StepError> {
    let mut ended = replays(api, tenant).await?;
    ended += endpoints(api, tenant).await?;
    ended += scheduled(api, tenant).await?;
    ended += records(api, tenant).await?;
    Ok(ended)
}

async fn replays(api: &Api, tenant: &TenantId) -> Result<usize, StepError> {
    let running = ReplayQuery {
        tenant: Some(tenant.clone()),
        state: Some(ReplayState::Running),
        most: PAGE,
        ..ReplayQuery::default()
    };
    let running = match api.postrider().replays(running).await {
        Err(ReplayError::NotKept) => Vec::new(),
        running => running?,
    };
    for replay in &running {
        api.postrider().cancel_replay(&replay.id).await?;
    }
    Ok(running.len())
}

async fn endpoints(api: &Api, tenant: &TenantId) -> Result<usize, StepError> {
    let found = api.postrider().endpoints_of(tenant, None, PAGE).await?;
    for endpoint in &found {
        match api.postrider().delete_endpoint(&endpoint.id).await {
            // It has been deleted meanwhile.
            Ok(()) | Err(EndpointError::NoSuchEndpoint(_)) => (),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(found.len())
}

async fn scheduled(api: &Api, tenant: &TenantId) -> Result<usize, StepError> {
    let page = api.postrider().scheduled(ScheduledQuery {
        tenant: Some(tenant.clone()),
        after: None,
        most: PAGE,
    });
    let page = page.await?;
    for waiting in &page.events {
        api.postrider().cancel_scheduled(&waiting.event.id).await?;
    }
    Ok(page.events.len())
}

/// Sources, keys, links to the portal, templates, event types, the defaults of endpoints and the client
/// certificate. That the tenant was deleted is noted; what follows from it is not.
async fn records(api: &Api, tenant: &TenantId) -> Result<usize, StepError> {
    let mut ended = 0;
    for source in api.sources().of(tenant).iter().take(PAGE) {
        receipts::remove_with(api, tenant, source.id(), None).await?;
        ended += 1;
    }
    for key in api.keys().list(Some(tenant)).iter().take(PAGE) {
        api.keys().revoke(Some(tenant), &key.id, None).await?;
        ended += 1;
    }
    for link in api.portal_links().of(tenant).iter().take(PAGE) {
        api.portal_links().take(&link.id, None).await?;
        ended += 1;
    }
    for template in api.templates().of(tenant).iter().take(PAGE) {
        api.templates()
            .remove(tenant, template.name(), None)
            .await?;
        ended += 1;
    }
    for event_type in api.event_types().of(tenant).iter().take(PAGE) {
        api.event_types()
            .remove(tenant, &event_type.name, None)
            .await?;
        ended += 1;
    }
    if api.endpoint_defaults().get(tenant, ID).is_some() {
        api.endpoint_defaults().remove(tenant, ID, None).await?;
        ended += 1;
    }
    if api.remove_certificate(tenant, None).await? {
        ended += 1;
    }
    Ok(ended)
}
