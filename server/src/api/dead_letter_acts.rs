//! `/v1/dead-letters/bulk`: all dead letters that match, sent again or given up.

use super::Api;
use super::audit::{Act, given};
use super::caller::{Caller, Manage};
use super::extract::Json;
use super::intake::Reader;
use super::list_filters;
use super::problem::{Code, Problem};
use super::replay_view::{DryRun, ReplayView};
use super::replays::{check_rate, endpoint, event_types, run};
use super::time::Time;
use axum::extract::State;
use axum::response::Response;
use postrider::{DeliveryFilter, FailReason, ReplayAct, ReplayRequest, TenantId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::num::NonZeroU32;
use utoipa::ToSchema;

/// What is to be done to which dead letters.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LetterBulk {
    /// What is done to each.
    act: LetterAct,
    /// Which dead letters: `{}` for all of the tenant.
    filter: LetterFilter,
    /// How many in a second, at most.
    #[serde(default)]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 1_000_000)]
    per_second: Option<NonZeroU32>,
    /// Only count them, and say what would be passed over.
    #[serde(default)]
    dry_run: bool,
}

/// What is done to a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LetterAct {
    /// It is sent again.
    Retry,
    /// It is given up.
    Discard,
}

/// Which dead letters: those that match all of this.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LetterFilter {
    /// Only those of this endpoint; it may be gone.
    #[serde(default)]
    endpoint_id: Option<String>,
    /// That failed for one of these reasons; empty for any.
    #[serde(default)]
    reasons: Vec<LetterReason>,
    /// Whose last attempt was answered with this status.
    #[serde(default)]
    #[schema(minimum = 100, maximum = 599)]
    status: Option<u16>,
    /// Of these event types: types or families; empty for any.
    #[serde(default)]
    #[schema(max_items = 128)]
    event_types: Vec<String>,
    /// Accepted then or later.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    from: Option<Time>,
    /// Accepted earlier. Never later than now.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Time>,
}

/// Why a delivery is a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LetterReason {
    /// The receiver refused it.
    Rejected,
    /// The receiver is gone for good.
    Gone,
    /// The receiver pointed elsewhere.
    Redirected,
    /// All attempts failed.
    Exhausted,
    /// There was no room for it.
    QueueFull,
}

impl LetterReason {
    fn reason(self) -> FailReason {
        match self {
            Self::Rejected => FailReason::Rejected,
            Self::Gone => FailReason::Gone,
            Self::Redirected => FailReason::Redirected,
            Self::Exhausted => FailReason::Exhausted,
            Self::QueueFull => FailReason::QueueFull,
        }
    }
}

impl LetterBulk {
    fn request(&self, tenant: &TenantId) -> Result<ReplayRequest, Problem> {
        let filter = &self.filter;
        check_rate(self.per_second)?;
        if list_filters::status(filter.status).is_err() {
            let detail = "use 100 to 599";
            return Err(Problem::new(Code::InvalidValue, detail).at("/filter/status", detail));
        }
        Ok(ReplayRequest {
            act: match self.act {
                LetterAct::Retry => ReplayAct::Resend,
                LetterAct::Discard => ReplayAct::Discard,
            },
            filter: DeliveryFilter {
                tenant: Some(tenant.clone()),
                endpoint: endpoint(filter.endpoint_id.as_deref(), "/filter/endpoint_id")?,
                reasons: filter.reasons.iter().map(|it| it.reason()).collect(),
                status: filter.status,
                event_types: event_types(&filter.event_types, "/filter/event_types")?,
                from: filter.from.map(|time| time.0),
                until: filter.until.map(|time| time.0),
                dead: true,
                ..DeliveryFilter::default()
            },
            per_second: self.per_second,
            ..ReplayRequest::default()
        })
    }

    /// What is noted of it: by what the dead letters were chosen, without the values.
    fn detail(&self) -> Value {
        let filter = given(&[
            ("endpoint_id", self.filter.endpoint_id.is_some()),
            ("reasons", !self.filter.reasons.is_empty()),
            ("status", self.filter.status.is_some()),
            ("event_types", !self.filter.event_types.is_empty()),
            ("from", self.filter.from.is_some()),
            ("until", self.filter.until.is_some()),
        ]);
        json!({ "act": self.act, "filter": filter, "per_second": self.per_second })
    }
}

#[utoipa::path(
    post, path = "/v1/dead-letters/bulk", tag = "Dead letters", request_body = LetterBulk,
    summary = "Send all dead letters that match again, or give them up",
    description = "In the order in which they were accepted, as a replay: it goes on after a restart, \
                   and `/v1/replays/{id}` says how far it is. What was no dead letter when it was asked \
                   for is no part of it. A dry run says beforehand what it will do and pass over.",
    responses(
        (status = ACCEPTED, description = "Started.", body = ReplayView),
        (status = OK, description = "A dry run: what it would do.", body = DryRun)
    )
)]
pub(crate) async fn bulk(
    State(api): State<Api>,
    caller: Caller<Manage>,
    reader: Reader,
    Json(form): Json<LetterBulk>,
) -> Result<Response, Problem> {
    let request = form.request(caller.tenant())?;
    let note = caller.note(&api, Act::DeadLettersBulk, None, form.detail())?;
    run(&api, &reader, (request, form.dry_run), note).await
}
