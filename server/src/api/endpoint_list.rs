//! Looking at endpoints: one, or a list by what they are and how they stand.

use super::Api;
use super::caller::{Caller, Read};
use super::deliveries::one;
use super::endpoint_counts::count;
use super::endpoint_form::EndpointView;
use super::extract::{Id, Query};
use super::names::EndpointStatusName;
use super::page::{self, Filling, Page};
use super::problem::{Code, Problem};
use super::reach::{Reach, Whose};
use axum::extract::State;
use postrider::{Endpoint, EndpointId, EndpointQuery, EndpointStatus};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

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
    /// `full` (the default), or `names`: what an endpoint is known by, and nothing else.
    #[param(inline)]
    view: Option<EndpointsForm>,
    /// Those of this tenant, by name or id; `*` for those of all, with a key for all tenants.
    tenant: Option<String>,
    /// How many at most: 1 to 250.
    #[param(minimum = 1, maximum = 250, default = 50)]
    limit: Option<u16>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// In which form a list shows its endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EndpointsForm {
    /// Whole.
    #[default]
    Full,
    /// What they are known by.
    Names,
}

/// A page of endpoints, in the form that was asked for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum EndpointsPage {
    /// Without their secrets.
    Full(Page<EndpointView>),
    /// What they are known by.
    Names(Page<EndpointName>),
}

/// What an endpoint is known by.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EndpointName {
    /// Its id.
    #[schema(example = "ep_01jd9x2m5tewh8q0v6n3r4y7za")]
    id: String,
    /// Its name, if it has one.
    name: Option<String>,
    /// Where it is.
    url: String,
    /// `active`, `paused` or `disabled`.
    #[schema(value_type = EndpointStatusName)]
    state: &'static str,
    /// The name of its tenant.
    tenant: String,
}

impl EndpointName {
    fn of(api: &Api, endpoint: &Endpoint) -> Self {
        Self {
            id: endpoint.id.to_string(),
            name: endpoint.spec.name.as_ref().map(ToString::to_string),
            url: endpoint.spec.url.to_string(),
            state: match endpoint.status {
                EndpointStatus::Active => "active",
                EndpointStatus::Paused => "paused",
                EndpointStatus::Disabled(_) => "disabled",
            },
            tenant: api.tenants().name_of(&endpoint.spec.tenant),
        }
    }
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
    responses((status = OK, description = "A page of endpoints, without their secrets.", body = EndpointsPage))
)]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller<Read>,
    Query(query): Query<ListQuery>,
) -> Result<axum::Json<EndpointsPage>, Problem> {
    let reach = Reach::of(&api, &caller, query.tenant.as_deref())?;
    let view = query.view.unwrap_or_default();
    let query = query.query(&reach)?;
    let page = match view {
        EndpointsForm::Full => EndpointsPage::Full(full(&api, query).await?),
        EndpointsForm::Names => EndpointsPage::Names(names(&api, query).await?),
    };
    Ok(axum::Json(page))
}

async fn names(api: &Api, query: EndpointQuery) -> Result<Page<EndpointName>, Problem> {
    let found = api.postrider().find_endpoints(query).await?;
    let names = found.endpoints.iter();
    Ok(Page {
        data: names.map(|it| EndpointName::of(api, it)).collect(),
        next: found.next.map(|next| next.to_string()),
    })
}

async fn full(api: &Api, query: EndpointQuery) -> Result<Page<EndpointView>, Problem> {
    let mut filling = Filling::new(query.most);
    let found = api.postrider().find_endpoints(query).await?;
    let mut ids = Vec::with_capacity(found.endpoints.len());
    for endpoint in &found.endpoints {
        let view = EndpointView::of(api, endpoint);
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
    count(api, ids, &mut page.data).await?;
    Ok(page)
}

#[utoipa::path(
    get, path = "/v1/endpoints/{id}", tag = "Endpoints",
    params(("id" = String, Path), Whose),
    summary = "Get an endpoint",
    responses((status = OK, description = "The endpoint, without its secret.", body = EndpointView))
)]
pub(crate) async fn get(
    State(api): State<Api>,
    caller: Caller<Read>,
    Id(id): Id<EndpointId>,
    Query(whose): Query<Whose>,
) -> Result<axum::Json<EndpointView>, Problem> {
    let reach = whose.reach(&api, &caller)?;
    let endpoint = reach.endpoint(&api, id).await?;
    let mut view = EndpointView::of(&api, &endpoint);
    count(&api, vec![id], std::slice::from_mut(&mut view)).await?;
    Ok(axum::Json(view))
}
