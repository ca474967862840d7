//! `/v1/system`: what runs here, with which settings and bounds, and how its store does.

use super::Api;
use super::caller::{AllTenants, Caller, Read};
use super::page::PAGE_MAX;
use super::problem::Problem;
use super::time::Time;
use axum::extract::State;
use postrider::Limits;
use serde::Serialize;
use std::path::Path;
use utoipa::ToSchema;

/// A setting of the server, as it is shown. Secrets have no place here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Setting {
    /// What it is called in the configuration file.
    pub name: String,
    /// Its text; `null` if nobody has set it and it has no default.
    pub value: Option<String>,
    /// Where that was said: `flag`, `environment (…)`, a file, `default`, or `not set`.
    pub origin: String,
}

/// What runs here.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct System {
    /// The version of the server.
    version: &'static str,
    /// When it was started.
    started_at: Time,
    /// Where it keeps what it has.
    store: StoreView,
    /// How long the store takes to make changes durable, since the start.
    commits: Commits,
    /// The bounds that hold.
    limits: LimitsView,
    /// Every setting that is no secret, with its origin; empty for a server that is embedded.
    settings: Vec<Setting>,
    /// The names of the settings that are not shown.
    secrets_left_out: Vec<String>,
}

/// Where a server keeps what it has.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StoreView {
    /// `sqlite`, `memory`, or what a store of one's own calls itself.
    kind: &'static str,
    /// The file, if it is in one.
    path: Option<String>,
    /// How many bytes it takes.
    size_bytes: u64,
    /// How many bytes there are left for it on its disk, if that is known.
    free_disk_bytes: Option<u64>,
}

/// How long commits take, within a quarter of the true value; `null` without any.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Commits {
    /// How long half of them took at most, in milliseconds.
    p50_ms: Option<f64>,
    /// How long 99 of 100 took at most.
    p99_ms: Option<f64>,
}

/// The bounds that hold.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LimitsView {
    /// The largest payload, in bytes.
    payload_bytes_max: usize,
    /// The largest body that is made of a payload, in bytes.
    rendered_bytes_max: usize,
    /// The first bytes of a response body that are kept.
    response_bytes_max: usize,
    /// Deliveries that may be pending.
    pending_deliveries_max: u64,
    /// Their payload bytes.
    pending_bytes_max: u64,
    /// Deliveries of one tenant that may be pending.
    pending_deliveries_tenant_max: u64,
    /// Their payload bytes.
    pending_bytes_tenant_max: u64,
    /// Deliveries to one endpoint that may be pending.
    pending_deliveries_endpoint_max: u64,
    /// Their payload bytes.
    pending_bytes_endpoint_max: u64,
    /// Endpoints.
    endpoints_max: usize,
    /// Endpoints of one tenant.
    endpoints_tenant_max: usize,
    /// Attempts at the same time.
    attempts_max: usize,
    /// The longest time of one attempt, in milliseconds.
    attempt_timeout_max_ms: u64,
    /// The most that a page of a list holds.
    page_max: u16,
}

impl LimitsView {
    fn of(limits: &Limits) -> Self {
        let (tenant, endpoint) = (limits.tenant_share(), limits.endpoint_share());
        let timeout = limits.timeout_max.as_millis();
        Self {
            payload_bytes_max: limits.payload_bytes_max,
            rendered_bytes_max: limits.rendered_bytes_max,
            response_bytes_max: limits.response_bytes_max,
            pending_deliveries_max: limits.pending_deliveries_max,
            pending_bytes_max: limits.pending_bytes_max,
            pending_deliveries_tenant_max: tenant.deliveries,
            pending_bytes_tenant_max: tenant.bytes,
            pending_deliveries_endpoint_max: endpoint.deliveries,
            pending_bytes_endpoint_max: endpoint.bytes,
            endpoints_max: limits.endpoints_max,
            endpoints_tenant_max: limits.endpoints_of_tenant(),
            attempts_max: limits.attempts_max,
            attempt_timeout_max_ms: u64::try_from(timeout).unwrap_or(u64::MAX),
            page_max: PAGE_MAX,
        }
    }
}

#[utoipa::path(
    get, path = "/v1/system", tag = "Operation",
    summary = "What runs here, and how it is set up",
    description = "Needs a key for all tenants.",
    responses((status = OK, description = "The server, without its secrets.", body = System))
)]
pub(crate) async fn system(
    State(api): State<Api>,
    _: Caller<AllTenants<Read>>,
) -> Result<axum::Json<System>, Problem> {
    let place = api.postrider().store_place();
    let free_disk_bytes = match place.path.clone() {
        Some(path) => {
            let asked = tokio::task::spawn_blocking(move || free_bytes(&path));
            asked.await.ok().flatten()
        }
        None => None,
    };
    let options = api.options();
    Ok(axum::Json(System {
        version: env!("CARGO_PKG_VERSION"),
        started_at: api.started_at().into(),
        store: StoreView {
            kind: place.kind,
            path: place.path.map(|path| path.display().to_string()),
            size_bytes: api.postrider().size_bytes().await?,
            free_disk_bytes,
        },
        commits: Commits {
            p50_ms: options.metrics.commit_percentile_ms(50),
            p99_ms: options.metrics.commit_percentile_ms(99),
        },
        limits: LimitsView::of(api.postrider().limits()),
        settings: options.settings.clone(),
        secrets_left_out: options.secrets_left_out.clone(),
    }))
}

/// What may still be written to the disk of this file.
#[cfg(unix)]
fn free_bytes(path: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(path).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Elsewhere nobody says.
#[cfg(not(unix))]
fn free_bytes(_: &Path) -> Option<u64> {
    None
}
