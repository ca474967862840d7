//! `/v1/dead-letters`: deliveries that have failed and wait for somebody's decision.

use super::Api;
use super::audit;
use super::caller::{Caller, Manage, Read, Retry};
use super::dead_letter_acts::LetterReason;
use super::dead_letter_filter::Asked;
use super::deliveries::{self, Resent};
use super::deliveries_short::{DeliveriesPage, View};
use super::extract::{Json, Query};
use super::page;
use super::problem::{Code, Problem};
use super::reach::Reach;
use super::time::Time;
use axum::extract::State;
use axum::response::Response;
use postrider::{
    DeliveryId, DeliveryQuery, Direction, FailReason, LetterCounts, LetterGrouping, Postrider,
    TenantId,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

/// Dead letters in one request.
const AT_ONCE_MAX: usize = 100;

/// Groups in one answer.
const GROUPS_MAX: usize = 1_000;

/// Dead letters of one endpoint with one reason, or of one event type.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeadLetterGroup {
    /// The name of their tenant; the id of one that was deleted.
    tenant: String,
    /// The endpoint.
    endpoint_id: String,
    /// `rejected`, `gone`, `redirected`, `exhausted` or `queue_full`; `null` if they are grouped by
    /// event type.
    #[schema(value_type = Option<LetterReason>)]
    reason: Option<&'static str>,
    /// The event type, if they are grouped by that.
    event_type: Option<String>,
    /// How many.
    count: u64,
    /// When the first of them was accepted.
    oldest: Time,
    /// When the last of them was.
    newest: Time,
}

/// The groups of a tenant.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeadLetterGroups {
    /// The groups, by endpoint and reason or event type: the first 1,000.
    groups: Vec<DeadLetterGroup>,
    /// How many are not shown. Of groups that are counted one by one 10,000 are known at most: then
    /// there may be more.
    groups_left_out: usize,
    /// How many letters are in these counts.
    counted: LettersCounted,
}

/// How far a count of dead letters has come.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LettersCounted {
    /// How many letters were counted, those of groups that are not shown included.
    letters: u64,
    /// Whether these are all that match. With a filter, or by event type, letters are counted one by
    /// one: the oldest 200,000 at most.
    is_complete: bool,
}

impl DeadLetterGroups {
    fn of(found: &LetterCounts, name: impl Fn(&TenantId) -> String) -> Self {
        let shown = found.groups.iter().take(GROUPS_MAX);
        let groups = shown.map(|group| DeadLetterGroup {
            tenant: name(&group.tenant),
            endpoint_id: group.endpoint.to_string(),
            reason: group.reason.map(FailReason::name),
            event_type: group.event_type.as_ref().map(ToString::to_string),
            count: group.count,
            oldest: group.oldest.into(),
            newest: group.newest.into(),
        });
        Self {
            groups: groups.collect(),
            groups_left_out: found.groups.len().saturating_sub(GROUPS_MAX),
            counted: LettersCounted {
                letters: found.letters,
                is_complete: found.is_complete,
            },
        }
    }
}

/// By what dead letters are grouped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) enum Grouping {
    /// By endpoint and reason.
    #[default]
    #[serde(rename = "reason")]
    Reason,
    /// By endpoint and event type.
    #[serde(rename = "endpoint,type")]
    EndpointType,
}

/// Which dead letters are counted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct GroupsQuery {
    /// `reason` (the default: by endpoint and reason) or `endpoint,type`.
    #[param(inline)]
    by: Option<Grouping>,
    /// Only those of this endpoint.
    endpoint_id: Option<String>,
    /// Only those that failed for one of these reasons, with commas between: `rejected`, `gone`,
    /// `redirected`, `exhausted`, `queue_full`.
    reason: Option<String>,
    /// Only those whose last attempt was answered with this status.
    #[param(minimum = 100, maximum = 599)]
    status: Option<u16>,
    /// Only those of these event types, with commas between.
    event_type: Option<String>,
    /// Only those that were accepted then or later.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Time>,
    /// Only those that were accepted earlier.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Time>,
    /// Those of this tenant, by name or id; `*` for those of all, with a key for all tenants.
    tenant: Option<String>,
}

#[utoipa::path(
    get, path = "/v1/dead-letters/groups", tag = "Dead letters", params(GroupsQuery),
    summary = "Count dead letters by endpoint and reason, or event type",
    responses((status = OK, description = "The groups.", body = DeadLetterGroups))
)]
pub(crate) async fn groups(
    State(api): State<Api>,
    caller: Caller<Read>,
    Query(query): Query<GroupsQuery>,
) -> Result<axum::Json<DeadLetterGroups>, Problem> {
    let asked = Asked {
        endpoint_id: query.endpoint_id.as_deref(),
        reason: query.reason.as_deref(),
        status: query.status,
        event_type: query.event_type.as_deref(),
        from: query.from,
        until: query.until,
    };
    let by = match query.by.unwrap_or_default() {
        Grouping::Reason => LetterGrouping::Reason,
        Grouping::EndpointType => LetterGrouping::EventType,
    };
    let reach = Reach::of(&api, &caller, query.tenant.as_deref())?;
    let filter = asked.filter(&reach)?;
    let found = api.postrider().count_dead_letters(filter, by).await?;
    let name = |tenant: &TenantId| api.tenants().name_of(tenant);
    Ok(axum::Json(DeadLetterGroups::of(&found, name)))
}

/// Which dead letters.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// Only those of this endpoint.
    endpoint_id: Option<String>,
    /// Only those that failed for one of these reasons, with commas between: `rejected`, `gone`,
    /// `redirected`, `exhausted`, `queue_full`.
    reason: Option<String>,
    /// Only those whose last attempt was answered with this status.
    #[param(minimum = 100, maximum = 599)]
    status: Option<u16>,
    /// Only those of these event types, with commas between.
    event_type: Option<String>,
    /// Only those that were accepted then or later.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Time>,
    /// Only those that were accepted earlier.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Time>,
    /// `full` (the default), or `short`: without attempts, but with their number and how the last one
    /// ended.
    #[param(inline)]
    view: Option<View>,
    /// Those of this tenant, by name or id; `*` for those of all, with a key for all tenants.
    tenant: Option<String>,
    /// How many at most: 1 to 250.
    #[param(minimum = 1, maximum = 250, default = 50)]
    limit: Option<u16>,
    /// `next` of the page before.
    cursor: Option<String>,
}

#[utoipa::path(
    get, path = "/v1/dead-letters", tag = "Dead letters", params(ListQuery),
    summary = "List dead letters, oldest first",
    responses((status = OK, description = "A page of deliveries that failed and were neither resent nor discarded.", body = DeliveriesPage))
)]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller<Read>,
    Query(query): Query<ListQuery>,
) -> Result<Response, Problem> {
    let asked = Asked {
        endpoint_id: query.endpoint_id.as_deref(),
        reason: query.reason.as_deref(),
        status: query.status,
        event_type: query.event_type.as_deref(),
        from: query.from,
        until: query.until,
    };
    let reach = Reach::of(&api, &caller, query.tenant.as_deref())?;
    let view = query.view;
    let query = DeliveryQuery {
        filter: asked.filter(&reach)?,
        direction: Direction::OldestFirst,
        after: page::cursor(query.cursor.as_deref())?,
        most: page::most(query.limit)?,
    };
    deliveries::shown(&api, query, view).await
}

/// Some dead letters.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Chosen {
    /// Their ids.
    #[schema(min_items = 1, max_items = 100)]
    ids: Vec<String>,
}

/// What has become of each.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChosenResults {
    /// In their order.
    results: Vec<ChosenResult>,
}

/// What has become of one.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChosenResult {
    /// The delivery.
    id: String,
    /// The one that makes it anew, if it was resent.
    resent: Option<Resent>,
    /// If it was not possible.
    problem: Option<Problem>,
}

/// What is done to a dead letter.
#[derive(Clone, Copy)]
enum Act {
    Resend,
    Discard,
}

impl Act {
    /// The delivery that makes it anew, if one does.
    async fn on(self, noting: &Postrider, id: DeliveryId) -> Result<Option<DeliveryId>, Problem> {
        match self {
            Self::Resend => Ok(Some(noting.resend(&id).await?)),
            Self::Discard => {
                noting.discard(&id).await?;
                Ok(None)
            }
        }
    }

    /// As it stands in the log.
    fn name(self) -> &'static str {
        match self {
            Self::Resend => "retry",
            Self::Discard => "discard",
        }
    }
}

impl Chosen {
    /// Does this to each, in their order, if it is the tenant's.
    async fn each<N>(
        &self,
        api: &Api,
        caller: &Caller<N>,
        act: Act,
    ) -> Result<axum::Json<ChosenResults>, Problem> {
        if self.ids.is_empty() || self.ids.len() > AT_ONCE_MAX {
            let detail =
                format!("use 1 to {AT_ONCE_MAX} ids; /v1/dead-letters/bulk takes any number");
            return Err(Problem::new(Code::InvalidBody, &detail).at("/ids", detail));
        }
        // One note rides on all of them: the first that is possible writes it.
        let detail = json!({ "act": act.name(), "ids": self.ids.len() });
        let note = caller.note(api, audit::Act::DeadLettersBulk, None, detail)?;
        let noting = api.postrider().noting(note);
        let mut results = Vec::with_capacity(self.ids.len());
        for text in &self.ids {
            let done = async {
                let id = text.parse();
                let id = id.map_err(|_| Problem::not_found("such delivery"))?;
                deliveries::owned(api, caller.tenant(), id).await?;
                act.on(&noting, id).await
            };
            let (new, problem) = match done.await {
                Ok(new) => (new, None),
                Err(problem) => (None, Some(problem)),
            };
            results.push(ChosenResult {
                id: text.clone(),
                resent: new.map(|new| Resent {
                    id: new.to_string(),
                    resend_of: text.clone(),
                }),
                problem,
            });
        }
        Ok(axum::Json(ChosenResults { results }))
    }
}

#[utoipa::path(
    post, path = "/v1/dead-letters/resend", tag = "Dead letters", request_body = Chosen,
    summary = "Send dead letters again, in this order",
    responses((status = OK, description = "A result for each.", body = ChosenResults))
)]
pub(crate) async fn resend(
    State(api): State<Api>,
    caller: Caller<Retry>,
    Json(chosen): Json<Chosen>,
) -> Result<axum::Json<ChosenResults>, Problem> {
    chosen.each(&api, &caller, Act::Resend).await
}

#[utoipa::path(
    post, path = "/v1/dead-letters/discard", tag = "Dead letters", request_body = Chosen,
    summary = "Give dead letters up",
    responses((status = OK, description = "A result for each.", body = ChosenResults))
)]
pub(crate) async fn discard(
    State(api): State<Api>,
    caller: Caller<Manage>,
    Json(chosen): Json<Chosen>,
) -> Result<axum::Json<ChosenResults>, Problem> {
    chosen.each(&api, &caller, Act::Discard).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider::{EndpointId, LetterGroup, Wall};

    #[test]
    fn groups_beyond_the_most_are_counted() {
        let group = |number| LetterGroup {
            tenant: TenantId::default(),
            endpoint: EndpointId::from_u128(number),
            reason: Some(FailReason::Exhausted),
            event_type: None,
            count: 1,
            oldest: Wall(0),
            newest: Wall(1),
        };
        for (count, expected) in [(1_003, (1_000, 3)), (7, (7, 0))] {
            let found = LetterCounts {
                groups: (0..count).map(group).collect(),
                letters: 5_000,
                is_complete: false,
            };
            let shown = DeadLetterGroups::of(&found, ToString::to_string);
            assert_eq!((shown.groups.len(), shown.groups_left_out), expected);
            let counted = shown.counted;
            assert_eq!((counted.letters, counted.is_complete), (5_000, false));
        }
    }
}
