//! `/v1/sources/{id}/receipts`: what has come to a source of late.

use super::owned;
use crate::api::Api;
use crate::api::caller::{Caller, Read};
use crate::api::extract::{Id, Query};
use crate::api::keys_routes::NamedQuery;
use crate::api::page::{self, Page};
use crate::api::problem::Problem;
use crate::api::receipts::Receipt;
use axum::extract::State;
use postrider::engine::SourceId;
use postrider::{Note, TenantId};

#[utoipa::path(
    get, path = "/v1/sources/{id}/receipts", tag = "Sources",
    params(("id" = String, Path), NamedQuery),
    summary = "List what has come to a source, newest first",
    description = "The last 200 requests, taken and refused, each with what has become of it; fewer \
                   where their texts are long. They are on record a second after they came. Under a \
                   flood some may be left out.",
    responses((status = OK, description = "A page of receipts. They hold no secrets and no bodies.", body = Page<Receipt>))
)]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller<Read>,
    Id(id): Id<SourceId>,
    Query(query): Query<NamedQuery>,
) -> Result<axum::Json<Page<Receipt>>, Problem> {
    let source = owned(&api, caller.tenant(), id)?;
    let before: Option<u64> = page::cursor(query.cursor.as_deref())?;
    let most = page::most(query.limit)?;
    let receipts = api.receipts().of(&source).await?;
    Ok(axum::Json(receipts.page(before, most)))
}

/// Removes a source with its receipts. False if the tenant has none with this id. The note is kept
/// with the source's end.
pub(crate) async fn remove_with(
    api: &Api,
    tenant: &TenantId,
    id: SourceId,
    note: Option<Note>,
) -> Result<bool, Problem> {
    let found = api.sources().get(id);
    if found.is_none_or(|source| source.tenant() != tenant) {
        return Ok(false);
    }
    // Held until the source is gone: what comes for it from then on is not written.
    let _not_written = api.receipts().forget(tenant, id).await?;
    api.sources().remove(tenant, id, note).await
}
