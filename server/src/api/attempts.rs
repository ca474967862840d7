//! Attempts of deliveries: each request as it was sent, and what came back.

use super::Api;
use super::caller::{Caller, Read};
use super::extract::{Id, Query};
use super::names::{FailureName, RepeatReason};
use super::page::{self, Page};
use super::problem::Problem;
use super::reach::{Reach, Whose};
use super::time::Time;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::header;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use postrider::{Attempt, DeliveryId, Outcome, PhaseTimes, Repeat, SentBody};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// One HTTP request and what came back.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AttemptView {
    /// Its id.
    id: String,
    /// 1 for the first one of its delivery.
    number: u32,
    /// When it started.
    started_at: Time,
    /// How long it took, in milliseconds.
    duration_ms: u64,
    /// Where it went; `null` if no request was made, and for attempts of before this was kept.
    url: Option<String>,
    /// The headers as they were sent, in their order, each as `[name, value]`; `[secret]` stands for
    /// each value of the endpoint's own.
    #[schema(value_type = Vec<Vec<String>>)]
    request_headers: Vec<[String; 2]>,
    /// The body; `null` if no request was made, and for attempts of before this was kept.
    request_body: Option<RequestBodyView>,
    /// How long its phases took; `null` if they were not measured.
    phases: Option<PhasesView>,
    /// The status of the response; `null` if there was none.
    status: Option<u16>,
    /// The headers of the response, in their order, each as `[name, value]`. Repeated ones are all
    /// there.
    #[schema(value_type = Vec<Vec<String>>)]
    response_headers: Vec<[String; 2]>,
    /// The first 16 KiB of the response's body, as text.
    response_body: Option<String>,
    /// Whether there was more of it.
    response_body_cut: bool,
    /// Why the request was sent twice, the second time on a new connection: on one that had been
    /// used before, it met `connection_closed`, `request_timeout` (a 408) or `misdirected` (a 421).
    #[schema(value_type = Option<RepeatReason>)]
    repeated: Option<&'static str>,
    /// Why there was no response.
    #[schema(value_type = Option<FailureName>)]
    failure: Option<String>,
    /// What went wrong, for people.
    error: Option<String>,
}

/// The body of a request, without its bytes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RequestBodyView {
    /// How many bytes it had.
    bytes: u64,
    /// Whether it was the payload of the event, byte for byte. Otherwise it was made of it, by a
    /// template or an envelope, or it was that of a batch.
    is_payload: bool,
}

/// How long the phases of a request took, in milliseconds. `null`: the phase did not happen, such as
/// the look-up for a request on a connection that was used before. The phase in which the attempt
/// failed lasted until then.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PhasesView {
    /// Waiting for a connection that another request was making.
    queued_ms: Option<u32>,
    /// Looking up the name.
    dns_ms: Option<u32>,
    /// Making the TCP connection.
    connect_ms: Option<u32>,
    /// The TLS handshake.
    tls_ms: Option<u32>,
    /// Writing the request and waiting for the head of the response.
    first_byte_ms: Option<u32>,
    /// The whole, with the body of the response.
    total_ms: Option<u32>,
}

impl AttemptView {
    pub(crate) fn of(attempt: &Attempt) -> Self {
        let sent = &attempt.sent;
        let headers = sent.headers.iter();
        let headers = headers.map(|(name, value)| [name.to_owned(), value.to_owned()]);
        let mut view = Self {
            id: attempt.id.to_string(),
            number: attempt.number,
            started_at: attempt.started_at.into(),
            duration_ms: attempt.duration_ms,
            url: sent.url.as_deref().map(str::to_owned),
            request_headers: headers.collect(),
            request_body: sent.body.as_ref().map(RequestBodyView::of),
            phases: sent.phases.as_ref().map(PhasesView::of),
            status: None,
            response_headers: Vec::new(),
            response_body: None,
            response_body_cut: false,
            repeated: attempt.outcome.repeated().map(Repeat::name),
            failure: None,
            error: None,
        };
        match &attempt.outcome {
            Outcome::Response(response) => {
                let headers = response.headers.iter();
                let headers = headers.map(|(name, value)| [name.clone(), value.clone()]);
                view.status = Some(response.status);
                view.response_headers = headers.collect();
                view.response_body = Some(String::from_utf8_lossy(&response.body).into_owned());
                view.response_body_cut = response.body_cut;
                if !(200..300).contains(&response.status) {
                    view.error = Some(attempt.outcome.to_string());
                }
            }
            Outcome::Failure(failure) => {
                view.failure = Some(failure.kind.name().to_owned());
                view.error = Some(attempt.outcome.to_string());
            }
        }
        view
    }
}

impl RequestBodyView {
    fn of(body: &SentBody) -> Self {
        Self {
            bytes: body.bytes,
            is_payload: body.is_payload,
        }
    }
}

impl PhasesView {
    fn of(times: &PhaseTimes) -> Self {
        Self {
            queued_ms: times.queued_ms,
            dns_ms: times.dns_ms,
            connect_ms: times.connect_ms,
            tls_ms: times.tls_ms,
            first_byte_ms: times.first_byte_ms,
            total_ms: Some(times.total_ms),
        }
    }
}

/// Which attempts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AttemptsQuery {
    /// How many at most: 1 to 250.
    #[param(minimum = 1, maximum = 250, default = 50)]
    limit: Option<u16>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Look among what this tenant has, by name or id; `*` for what all have, with a key for all tenants.
    tenant: Option<String>,
}

/// A delivery and the number of an attempt, in the path. What is neither is not found.
pub(crate) struct AttemptPath {
    delivery: DeliveryId,
    number: u32,
}

impl<S: Send + Sync> FromRequestParts<S> for AttemptPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let nothing = || Problem::not_found("such thing: the path has no id of this kind");
        let texts = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((delivery, number)) = texts.map_err(|_| nothing())?;
        Ok(Self {
            delivery: delivery.parse().map_err(|_| nothing())?,
            number: number.parse().map_err(|_| nothing())?,
        })
    }
}

#[utoipa::path(
    get, path = "/v1/deliveries/{id}/attempts", tag = "Deliveries",
    params(("id" = String, Path), AttemptsQuery),
    summary = "List the attempts of a delivery, first to last",
    responses((status = OK, description = "A page of attempts.", body = Page<AttemptView>))
)]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller<Read>,
    Id(id): Id<DeliveryId>,
    Query(query): Query<AttemptsQuery>,
) -> Result<Response, Problem> {
    let most = page::most(query.limit)?;
    let after: Option<u32> = page::cursor(query.cursor.as_deref())?;
    let reach = Reach::of(&api, &caller, query.tenant.as_deref())?;
    let record = reach.delivery(&api, id).await?;
    let newest = record.attempts.last().map(|newest| newest.number);
    let found = api.postrider().attempts(&id, after.unwrap_or(0), most);
    let found = found.await?;
    let shown = move || Page {
        data: found.iter().map(AttemptView::of).collect(),
        next: found
            .last()
            .filter(|last| newest > Some(last.number))
            .map(|last| last.number.to_string()),
    };
    page::answer(shown).await
}

#[utoipa::path(
    get, path = "/v1/deliveries/{id}/attempts/{number}", tag = "Deliveries",
    params(("id" = String, Path), ("number" = u32, Path), Whose),
    summary = "Get an attempt",
    responses((status = OK, description = "The attempt.", body = AttemptView))
)]
pub(crate) async fn get(
    State(api): State<Api>,
    caller: Caller<Read>,
    path: AttemptPath,
    Query(whose): Query<Whose>,
) -> Result<axum::Json<AttemptView>, Problem> {
    let reach = whose.reach(&api, &caller)?;
    reach.delivery(&api, path.delivery).await?;
    let attempt = attempt(&api, &path).await?;
    Ok(axum::Json(AttemptView::of(&attempt)))
}

#[utoipa::path(
    get, path = "/v1/deliveries/{id}/attempts/{number}/request-body", tag = "Deliveries",
    params(("id" = String, Path), ("number" = u32, Path), Whose),
    summary = "Get the body of an attempt's request as it was sent",
    description = "Byte for byte. Not found if it is not on record: no request was made, the attempt \
                   is of before bodies were kept, there was no room for it, or it was that of a batch \
                   and went with the record of the first delivery in it.",
    responses((status = OK, description = "The bytes.", content_type = "application/octet-stream", body = String))
)]
pub(crate) async fn request_body(
    State(api): State<Api>,
    caller: Caller<Read>,
    path: AttemptPath,
    Query(whose): Query<Whose>,
) -> Result<Response, Problem> {
    let reach = whose.reach(&api, &caller)?;
    reach.delivery(&api, path.delivery).await?;
    attempt(&api, &path).await?;
    let AttemptPath { delivery, number } = path;
    let Some(body) = api.postrider().request_body(&delivery, number).await? else {
        let what = format_args!("body of attempt {number} of {delivery} on record");
        return Err(Problem::not_found(what));
    };
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::CONTENT_DISPOSITION, "attachment"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, body).into_response())
}

async fn attempt(api: &Api, path: &AttemptPath) -> Result<Attempt, Problem> {
    let AttemptPath { delivery, number } = *path;
    let before = number.saturating_sub(1);
    let found = api.postrider().attempts(&delivery, before, 1).await?;
    let found = found.into_iter().find(|it| it.number == number);
    found.ok_or_else(|| Problem::not_found(format_args!("attempt {number} of {delivery}")))
}
