//! What happened to an event, step by step, and why an endpoint did or did not get it.

use super::Api;
use super::caller::{Caller, Read};
use super::endpoints;
use super::extract::{Id, Query};
use super::problem::Problem;
use super::reach::{Reach, Whose};
use super::time::Time;
use axum::extract::State;
use postrider::engine::{Filter, Verdict};
use postrider::{
    DeliveryRecord, DeliveryState, Endpoint, EndpointId, EndpointStatus, Event, EventId,
    EventRecord,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A step in the life of an event.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Step {
    /// When.
    at: Time,
    /// `accepted`, `attempted`, `delivered`, `failed`, `discarded` or `retry_due`.
    what: &'static str,
    /// Which delivery.
    delivery_id: Option<String>,
    /// To which endpoint.
    endpoint_id: Option<String>,
    /// For people: `attempt 2: HTTP 503 after 12 ms`.
    detail: String,
}

/// The life of an event.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Timeline {
    /// The event.
    event_id: String,
    /// What happened, oldest first: the first 10,000 steps.
    steps: Vec<Step>,
    /// How many are not shown.
    steps_left_out: usize,
}

/// Steps in one answer.
const STEPS_MAX: usize = 10_000;

#[utoipa::path(
    get, path = "/v1/events/{id}/timeline", tag = "Events",
    params(("id" = String, Path), Whose),
    summary = "What happened to an event, step by step",
    responses((status = OK, description = "The steps, oldest first.", body = Timeline))
)]
pub(crate) async fn timeline(
    State(api): State<Api>,
    caller: Caller<Read>,
    Id(id): Id<EventId>,
    Query(whose): Query<Whose>,
) -> Result<axum::Json<Timeline>, Problem> {
    let reach = whose.reach(&api, &caller)?;
    let record = reach.event(&api, id).await?;
    let status = api.postrider().event_status(&id).await?;
    let went = match status.deliveries.len() {
        0 => "to no endpoint".to_owned(),
        count => format!("with {count} deliveries"),
    };
    let mut steps = vec![Step {
        at: record.event.published_at.into(),
        what: "accepted",
        delivery_id: None,
        endpoint_id: None,
        detail: format!("{} {went}", record.event.event_type),
    }];
    for delivery in &status.deliveries {
        steps_of(delivery, &mut steps);
    }
    steps.sort_by_key(|step| step.at);
    let steps_left_out = steps.len().saturating_sub(STEPS_MAX);
    steps.truncate(STEPS_MAX);
    Ok(axum::Json(Timeline {
        event_id: id.to_string(),
        steps,
        steps_left_out,
    }))
}

fn steps_of(delivery: &DeliveryRecord, steps: &mut Vec<Step>) {
    let mut step = |at: Time, what, detail| {
        steps.push(Step {
            at,
            what,
            delivery_id: Some(delivery.id.to_string()),
            endpoint_id: Some(delivery.lane.endpoint.to_string()),
            detail,
        });
    };
    for attempt in &delivery.attempts {
        let ended = postrider::Wall(attempt.started_at.0 + attempt.duration_ms);
        let (number, outcome, ms) = (attempt.number, &attempt.outcome, attempt.duration_ms);
        step(
            ended.into(),
            "attempted",
            format!("attempt {number}: {outcome} after {ms} ms"),
        );
    }
    match (delivery.state, delivery.ended_at) {
        (DeliveryState::Retrying { due }, _) => {
            step(due.into(), "retry_due", "the next attempt".to_owned());
        }
        (DeliveryState::Delivered, Some(at)) => {
            step(at.into(), "delivered", "answered with 2xx".to_owned());
        }
        (DeliveryState::Failed(reason), Some(at)) => step(at.into(), "failed", reason.to_string()),
        (DeliveryState::Discarded, Some(at)) => {
            step(at.into(), "discarded", "given up".to_owned());
        }
        _ => (),
    }
}

/// Whose delivery is to be explained.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExplainQuery {
    /// The endpoint.
    endpoint_id: String,
    /// Look among what this tenant has, by name or id; `*` for what all have, with a key for all tenants.
    tenant: Option<String>,
}

/// Why an endpoint did or did not get an event.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Explanation {
    /// The event.
    event_id: String,
    /// The endpoint.
    endpoint_id: String,
    /// Whether there is a delivery of the event to it.
    has_delivery: bool,
    /// The reasons, the first one first. What an endpoint is now may not be what it was then.
    reasons: Vec<String>,
}

#[utoipa::path(
    get, path = "/v1/events/{id}/explain", tag = "Events",
    params(("id" = String, Path), ExplainQuery),
    summary = "Why an endpoint did or did not get an event",
    responses((status = OK, description = "The reasons.", body = Explanation))
)]
pub(crate) async fn explain(
    State(api): State<Api>,
    caller: Caller<Read>,
    Id(id): Id<EventId>,
    Query(query): Query<ExplainQuery>,
) -> Result<axum::Json<Explanation>, Problem> {
    let reach = Reach::of(&api, &caller, query.tenant.as_deref())?;
    let record = reach.event(&api, id).await?;
    let endpoint = query.endpoint_id.parse::<EndpointId>();
    let endpoint = endpoint.map_err(|_| Problem::not_found("such endpoint"))?;
    let endpoint = endpoints::owned(&api, &record.event.tenant, endpoint).await?;
    let status = api.postrider().event_status(&id).await?;
    let deliveries = status.deliveries.iter();
    let own: Vec<_> = deliveries
        .filter(|it| it.lane.endpoint == endpoint.id)
        .collect();
    let reasons = if own.is_empty() {
        why_not(&record, &endpoint, status.deliveries.is_empty())
    } else {
        own.iter().map(|delivery| why(delivery)).collect()
    };
    Ok(axum::Json(Explanation {
        event_id: id.to_string(),
        endpoint_id: endpoint.id.to_string(),
        has_delivery: !own.is_empty(),
        reasons,
    }))
}

fn why(delivery: &DeliveryRecord) -> String {
    let last = delivery.attempts.last();
    let last = last.map_or_else(
        || "no attempt has ended yet".to_owned(),
        |attempt| {
            format!(
                "the last of {} attempts: {}",
                attempt.number, attempt.outcome
            )
        },
    );
    format!(
        "delivery {} is {}; {last}",
        delivery.id,
        delivery.state.name()
    )
}

/// Why an endpoint with this filter does not get this event, or may not have got it.
fn filtered_out(filter: &Filter, event: &Event) -> Option<String> {
    let (most, least) = (Filter::STEPS_MAX, Filter::STEPS_MIN);
    let verdict = |steps| filter.verdict_with(&event.payload, &event.headers, steps);
    Some(match verdict(most) {
        Verdict::Match if verdict(least) == Verdict::Match => return None,
        Verdict::Match => format!(
            "its content filter matches, but looks at more than {least} bytes of the payload: \
             beside other costly filters it may not have been judged"
        ),
        Verdict::NoMatch => "its content filter does not match the payload".to_owned(),
        Verdict::Unreadable(why) => {
            format!("it has a content filter, and the payload cannot be read as JSON: {why}")
        }
        Verdict::TooCostly => {
            format!("its content filter would look at more than {most} bytes of the payload")
        }
    })
}

fn why_not(record: &EventRecord, endpoint: &Endpoint, has_none: bool) -> Vec<String> {
    let event = &record.event;
    let spec = &endpoint.spec;
    let mut reasons = Vec::new();
    if endpoint.created_at > event.published_at {
        let (made, published) = (Time(endpoint.created_at), Time(event.published_at));
        reasons.push(format!(
            "the endpoint was registered at {made}, after the event was published at {published}"
        ));
    }
    if !spec
        .event_types
        .iter()
        .any(|pattern| pattern.matches(&event.event_type))
    {
        reasons.push(format!(
            "none of its event types covers `{}`",
            event.event_type
        ));
    }
    let filter = spec.filter.as_ref();
    reasons.extend(filter.and_then(|filter| filtered_out(filter, event)));
    if matches!(endpoint.status, EndpointStatus::Disabled(_)) {
        reasons.push("it is disabled: events for it are refused".to_owned());
    }
    if reasons.is_empty() && !has_none {
        reasons.push("the event was published to other endpoints only".to_owned());
    }
    if reasons.is_empty() {
        reasons.push(
            "as it is now it would get the event: it was changed, or enabled, since".to_owned(),
        );
    }
    reasons
}
