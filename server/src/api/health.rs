//! `/livez` and `/readyz`: for whoever watches the process. They need no key.

use super::Api;
use super::problem::{Code, Problem};
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

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
    description = "A commit was made durable just now. 503 while the store cannot commit, or the \
                   server is shutting down.",
    responses((status = OK, description = "They can.", body = Health))
)]
pub(crate) async fn readyz(State(api): State<Api>) -> Result<axum::Json<Health>, Problem> {
    let ready = api.postrider().probe().await;
    ready.map_err(|error| Problem::new(Code::StoreFailed, error).retry_after(1))?;
    Ok(axum::Json(Health { status: "ok" }))
}
