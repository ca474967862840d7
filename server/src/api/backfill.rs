//! `/v1/endpoints/{id}/backfill`: what an endpoint has missed.

use super::Api;
use super::audit::{Act, given};
use super::caller::{Caller, Manage};
use super::endpoint_form::object;
use super::endpoints::owned;
use super::extract::{Id, Json};
use super::intake::Reader;
use super::problem::{Code, Problem};
use super::replay_view::{DryRun, ReplayView};
use super::replays::{check_rate, event_types, run};
use super::time::Time;
use axum::extract::State;
use axum::response::Response;
use postrider::{EndpointId, Filter, OrderingKey, ReplayRequest, TenantId};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::num::NonZeroU32;
use utoipa::ToSchema;

/// Which events an endpoint is to be given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BackfillForm {
    /// Published then or later.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    from: Option<Time>,
    /// Published earlier. Never later than now.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Time>,
    /// Of these event types: types or families. Others than those that the endpoint subscribes to are
    /// passed over.
    #[serde(default)]
    #[schema(max_items = 128)]
    event_types: Vec<String>,
    /// Only events with this ordering key; the empty text for those without one.
    #[serde(default)]
    ordering_key: Option<String>,
    /// Only events whose payload matches, beside the endpoint's own filter.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    filter: Option<Box<RawValue>>,
    /// How many in a second, at most.
    #[serde(default)]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 1_000_000)]
    per_second: Option<NonZeroU32>,
    /// Only count them, and say what would be passed over.
    #[serde(default)]
    dry_run: bool,
}

impl BackfillForm {
    fn request(&self, tenant: &TenantId, endpoint: EndpointId) -> Result<ReplayRequest, Problem> {
        check_rate(self.per_second)?;
        let mut request = ReplayRequest::backfill(tenant.clone(), endpoint);
        request.filter.event_types = event_types(&self.event_types, "/event_types")?;
        request.filter.from = self.from.map(|time| time.0);
        request.filter.until = self.until.map(|time| time.0);
        request.filter.ordering_key = self.key()?;
        request.payload = self.payload_filter()?;
        request.per_second = self.per_second;
        Ok(request)
    }

    fn key(&self) -> Result<Option<OrderingKey>, Problem> {
        let key = match self.ordering_key.as_deref() {
            None => return Ok(None),
            Some("") => return Ok(Some(OrderingKey::none())),
            Some(key) => key.parse::<OrderingKey>(),
        };
        key.map(Some)
            .map_err(|error| Problem::new(Code::InvalidValue, &error).at("/ordering_key", error))
    }

    fn payload_filter(&self) -> Result<Option<Filter>, Problem> {
        let Some(filter) = &self.filter else {
            return Ok(None);
        };
        let filter = object("/filter", filter)?.parse::<Filter>();
        filter
            .map(Some)
            .map_err(|error| Problem::new(Code::InvalidValue, &error).at("/filter", error))
    }

    /// What is noted of it: by what the events were chosen, without the values.
    fn detail(&self) -> Value {
        let filter = given(&[
            ("event_types", !self.event_types.is_empty()),
            ("ordering_key", self.ordering_key.is_some()),
            ("filter", self.filter.is_some()),
            ("from", self.from.is_some()),
            ("until", self.until.is_some()),
        ]);
        json!({ "filter": filter, "per_second": self.per_second })
    }
}

#[utoipa::path(
    post, path = "/v1/endpoints/{id}/backfill", tag = "Endpoints", params(("id" = String, Path)),
    request_body = BackfillForm, summary = "Give an endpoint what it has missed",
    description = "Makes a delivery of each event that the endpoint subscribes to now and has no \
                   delivery of: since it was not there yet, was disabled, or subscribed to something \
                   else. In the order in which the events were accepted, each behind what waits in its \
                   lane already. It is a replay: it goes on after a restart, and `/v1/replays/{id}` says \
                   how far it is. An endpoint never gets a second delivery of an event by it, however \
                   often it is started. A dry run says beforehand what it will do and pass over.",
    responses(
        (status = ACCEPTED, description = "Started.", body = ReplayView),
        (status = OK, description = "A dry run: what it would do.", body = DryRun)
    )
)]
pub(crate) async fn backfill(
    State(api): State<Api>,
    caller: Caller<Manage>,
    Id(id): Id<EndpointId>,
    reader: Reader,
    Json(form): Json<BackfillForm>,
) -> Result<Response, Problem> {
    owned(&api, caller.tenant(), id).await?;
    let request = form.request(caller.tenant(), id)?;
    let note = caller.note(&api, Act::EndpointBackfill, Some(&id), form.detail())?;
    run(&api, &reader, (request, form.dry_run), note).await
}
