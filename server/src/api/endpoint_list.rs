//! Looking at endpoints: one, or a list by what they are and how they stand.

use super::Api;
use super::caller::{Caller, Read};
use super::deliveries::one;
use super::endpoint_counts::count;
use super::endpoint_form::EndpointView;
use super::endpoints::owned;
use super::extract::{Id, Query};
use super::page::{self, Filling, Page};
use super::problem::{Code, Problem};
use super::reach::Reach;
use axum::extract::State;
use postrider::{EndpointId, EndpointQuery};
use serde::Deserialize;
use utoipa::IntoParams;

/// The longest text that is looked for, in characters.
const TEXT_CHARS_MAX: usize = 256;

/// Which endpoints.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// Only those in one of these states: `active`, `paused`, `disabled`, with commas between.
    state: Option<String>,
    /// Only those with this text in their URL, their name or their description, whatever the case.
    #[param(max_length = 256)]
    url: Option<String>,
    /// Only those that would get events of this type.
    event_type: Option<String>,
    /// Only those whose last attempt failed, whose breaker is open, or that were disabled because
    /// they failed or are gone.
    failing: Option<bool>,
    /// Those of this tenant, by name or id; `*` for those of all, with a key for all tenants.
    tenant: Option<String>,
    /// How many at most: 1 to 250.
    #[param(minimum = 1, maximum = 250, default = 50)]
    limit: Option<u16>,
    /// `next` of the page before.
    cursor: Option<String>,
}

impl ListQuery {
    fn query(&self, reach: &Reach) -> Result<EndpointQuery, Problem> {
        let text = self.url.as_deref().unwrap_or_default();
        if text.chars().count() > TEXT_CHARS_MAX {
            let detail = format!("url: use at most {TEXT_CHARS_MAX} characters");
            return Err(Problem::new(Code::InvalidParameter, detail));
        }
        Ok(EndpointQuery {
            tenant: reach.tenant().cloned(),
            statuses: page::list(self.state.as_deref(), "state")?,
            text: (!text.is_empty()).then(|| text.to_owned()),
            event_type: one(self.event_type.as_deref(), "event_type")?,
            failing: self.failing.unwrap_or_default(),
            after: page::cursor(self.cursor.as_deref())?,
            most: page::most(self.limit)?,
        })
    }
}

#[utoipa::path(
    get, path = "/v1/endpoints", tag = "Endpoints", params(ListQuery),
    summary = "List endpoints, oldest first",
    responses((status = OK, description = "A page of endpoints, without their secrets.", body = Page<EndpointView>))
)]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller<Read>,
    Query(query): Query<ListQuery>,
) -> Result<axum::Json<Page<EndpointView>>, Problem> {
    let reach = Reach::of(&api, &caller, query.tenant.as_deref())?;
    let query = query.query(&reach)?;
    let mut filling = Filling::new(query.most);
    let found = api.postrider().find_endpoints(query).await?;
    let mut ids = Vec::with_capacity(found.endpoints.len());
    for endpoint in &found.endpoints {
        let view = EndpointView::of(&api, endpoint);
        if !filling.add(&endpoint.id.to_string(), view) {
            break;
        }
        ids.push(endpoint.id);
    }
    let is_cut = ids.len() < found.endpoints.len();
    let mut page = filling.page(is_cut);
    if !is_cut {
        // It may be one that was looked at and does not match.
        page.next = found.next.map(|next| next.to_string());
    }
    count(&api, ids, &mut page.data).await?;
    Ok(axum::Json(page))
}

#[utoipa::path(
    get, path = "/v1/endpoints/{id}", tag = "Endpoints", params(("id" = String, Path)),
    summary = "Get an endpoint",
    responses((status = OK, description = "The endpoint, without its secret.", body = EndpointView))
)]
pub(crate) async fn get(
    State(api): State<Api>,
    caller: Caller<Read>,
    Id(id): Id<EndpointId>,
) -> Result<axum::Json<EndpointView>, Problem> {
    let endpoint = owned(&api, caller.tenant(), id).await?;
    let mut view = EndpointView::of(&api, &endpoint);
    count(&api, vec![id], std::slice::from_mut(&mut view)).await?;
    Ok(axum::Json(view))
}
