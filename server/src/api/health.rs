//! `/livez` and `/readyz`: for whoever watches the process. They need no key.

use super::Api;
use super::problem::{Code, Problem};
use axum::extract::State;
use postrider::{NotReady, Postrider};
use serde::Serialize;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;
use utoipa::ToSchema;

/// What a probe has found is believed for so long: whoever asks needs no key, and each probe writes.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// What the last probe has found. Whoever asks during one waits for it.
#[derive(Default)]
pub(crate) struct Ready(Mutex<Option<(Instant, Result<(), NotReady>)>>);

impl Ready {
    async fn ask(&self, postrider: &Postrider) -> Result<(), NotReady> {
        postrider.check_open()?;
        let mut last = self.0.lock().await;
        if let Some((at, found)) = &*last
            && at.elapsed() < PROBE_EVERY
        {
            return found.clone();
        }
        let found = postrider.probe().await.map(drop);
        *last = Some((Instant::now(), found.clone()));
        found
    }
}

/// The process answers, or can take events.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`.
    status: &'static str,
}

#[utoipa::path(
    get, path = "/livez", tag = "Operation", security(()),
    summary = "Whether the process answers",
    responses((status = OK, description = "It does.", body = Health))
)]
pub(crate) async fn livez() -> axum::Json<Health> {
    axum::Json(Health { status: "ok" })
}

#[utoipa::path(
    get, path = "/readyz", tag = "Operation", security(()),
    summary = "Whether events can be accepted",
    description = "A commit was made durable less than a second ago. 503 while the store cannot commit, or the \
                   server is shutting down.",
    responses((status = OK, description = "They can.", body = Health))
)]
pub(crate) async fn readyz(State(api): State<Api>) -> Result<axum::Json<Health>, Problem> {
    let ready = api.ready().ask(api.postrider()).await;
    ready.map_err(|error| Problem::new(Code::StoreFailed, error).retry_after(1))?;
    Ok(axum::Json(Health { status: "ok" }))
}
