//! `/v1/dead-letters`: deliveries that have failed and wait for somebody's decision.

use super::Api;
use super::audit;
use super::caller::{Caller, Manage, Read};
use super::deliveries::{self, DeliveryView, Resent, one};
use super::extract::{Json, Query};
use super::page::{self, Page};
use super::problem::{Code, Problem};
use super::time::Time;
use axum::extract::State;
use axum::response::Response;
use postrider::{DeliveryFilter, DeliveryId, DeliveryQuery, Direction, Postrider};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

/// Dead letters in one request.
const AT_ONCE_MAX: usize = 100;

/// Groups in one answer.
const GROUPS_MAX: usize = 1_000;

/// Dead letters of one endpoint with one reason.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeadLetterGroup {
    /// The endpoint.
    endpoint_id: String,
    /// `rejected`, `gone`, `redirected`, `exhausted` or `queue_full`.
    reason: &'static str,
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
    /// The groups, by endpoint and reason: the first 1,000.
    groups: Vec<DeadLetterGroup>,
    /// How many are not shown.
    groups_left_out: usize,
}

impl DeadLetterGroups {
    fn of(found: &[postrider::DeadLetterGroup]) -> Self {
        let groups = found.iter().take(GROUPS_MAX).map(|group| DeadLetterGroup {
            endpoint_id: group.endpoint.to_string(),
            reason: group.reason.name(),
            count: group.count,
            oldest: group.oldest.into(),
            newest: group.newest.into(),
        });
        Self {
            groups: groups.collect(),
            groups_left_out: found.len().saturating_sub(GROUPS_MAX),
        }
    }
}

#[utoipa::path(
    get, path = "/v1/dead-letters/groups", tag = "Dead letters",
    summary = "Count dead letters by endpoint and reason",
    responses((status = OK, description = "The groups.", body = DeadLetterGroups))
)]
pub(crate) async fn groups(
    State(api): State<Api>,
    caller: Caller<Read>,
) -> Result<axum::Json<DeadLetterGroups>, Problem> {
    let tenant = caller.tenant();
    let found = api.postrider().dead_letter_groups(tenant).await?;
    Ok(axum::Json(DeadLetterGroups::of(&found)))
}

/// Which dead letters.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// Only those of this endpoint.
    endpoint_id: Option<String>,
    /// Only those of these event types, with commas between.
    event_type: Option<String>,
    /// How many at most: 1 to 250.
    #[param(minimum = 1, maximum = 250, default = 50)]
    limit: Option<u16>,
    /// `next` of the page before.
    cursor: Option<String>,
}

#[utoipa::path(
    get, path = "/v1/dead-letters", tag = "Dead letters", params(ListQuery),
    summary = "List dead letters, oldest first",
    responses((status = OK, description = "A page of deliveries that failed and were neither resent nor discarded.", body = Page<DeliveryView>))
)]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller<Read>,
    Query(query): Query<ListQuery>,
) -> Result<Response, Problem> {
    let tenant = caller.tenant();
    let query = DeliveryQuery {
        filter: DeliveryFilter {
            tenant: Some(tenant.clone()),
            endpoint: one(query.endpoint_id.as_deref(), "endpoint_id")?,
            event_types: page::list(query.event_type.as_deref(), "event_type")?,
            dead: true,
            ..DeliveryFilter::default()
        },
        direction: Direction::OldestFirst,
        after: page::cursor(query.cursor.as_deref())?,
        most: page::most(query.limit)?,
    };
    deliveries::shown(&api, query).await
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
    async fn each(
        &self,
        api: &Api,
        caller: &Caller<Manage>,
        act: Act,
    ) -> Result<axum::Json<ChosenResults>, Problem> {
        if self.ids.is_empty() || self.ids.len() > AT_ONCE_MAX {
            let detail = format!("use 1 to {AT_ONCE_MAX} ids; a replay takes any number");
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
    caller: Caller<Manage>,
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
    use postrider::{EndpointId, FailReason, Wall};

    #[test]
    fn groups_beyond_the_most_are_counted() {
        let group = |number| postrider::DeadLetterGroup {
            endpoint: EndpointId::from_u128(number),
            reason: FailReason::Exhausted,
            count: 1,
            oldest: Wall(0),
            newest: Wall(1),
        };
        let found: Vec<_> = (0..1_003).map(group).collect();
        let shown = DeadLetterGroups::of(&found);
        assert_eq!((shown.groups.len(), shown.groups_left_out), (1_000, 3));
        let shown = DeadLetterGroups::of(&found[..7]);
        assert_eq!((shown.groups.len(), shown.groups_left_out), (7, 0));
    }
}
