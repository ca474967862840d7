//! `/in/{source}`: where providers send their webhooks.

mod answers;
mod arriving;
mod confirm;
mod content;
mod handshakes;
mod peer;
mod proving;
mod reading;

pub(crate) use peer::sender;
pub(crate) use reading::header;

use super::Api;
use super::edge::check_single;
use super::extract::Id;
use super::handlers::{Inbound, Reply};
use super::intake::{Room, notes_bytes};
use super::problem::{Code, Problem};
use super::receipts::Receipt;
use super::sources::{Source, show_kept};
use crate::quiet::Quiet;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use content::Content;
use handshakes::Greeting;
use postrider::engine::SourceId;
use postrider::engine::json::Unreadable;
use postrider::{EventHeaders, EventId, PublishError, Submission};
use proving::{Proven, prove};
use reading::{Named, Reading};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// Lines of the log about requests that are refused, for all sources, in a second.
static REFUSALS: Quiet = Quiet::per_second(20);

/// Lines about bodies that cannot be read, likewise.
static UNREADABLE: Quiet = Quiet::per_second(1);

/// What a provider is answered.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum InboundAnswer {
    /// The event is durable.
    Received {
        /// Always.
        received: bool,
        /// The event.
        #[schema(example = "evt_01jd9x2m5tewh8q0v6n3r4y7za")]
        event_id: String,
        /// Whether it had come before.
        duplicate: bool,
    },
    /// Slack asks whether there is anybody.
    Challenge {
        /// What it has sent.
        challenge: String,
    },
}

/// In each answer for an event, whatever its body says: which event it is, and whether it had come before.
const EVENT_ID: &str = "postrider-event-id";
const DUPLICATE: &str = "postrider-duplicate";

#[utoipa::path(
    post, path = "/in/{source}", tag = "Inbound", security(()),
    params(("source" = String, Path, description = "The id of a source.")),
    request_body(content = String, description = "Whatever the provider sends, with its signature in the headers.", content_type = "*/*"),
    summary = "Take a webhook from a provider",
    description = "Needs no key: the provider's signature is verified. Answered when the event is \
                   durable, and not before. A repeat is answered in the same way and changes \
                   nothing. A provider that expects something else is answered that: see `answer` \
                   and `handshake` of its source.",
    responses((status = OK, description = "Taken.", body = InboundAnswer))
)]
pub(crate) async fn receive(
    State(api): State<Api>,
    Id(id): Id<SourceId>,
    request: Request,
) -> Result<Response, Problem> {
    let source = found(&api, id)?;
    let (head, body) = request.into_parts();
    let peer = sender(&head.extensions, &head.headers, api.trusted_proxies());
    let mut receipt = Receipt::begin(api.now().into(), peer);
    let answer = take(&api, &source, (&head, body), &mut receipt).await;
    finished(&api, &source, receipt, answer)
}

#[utoipa::path(
    get, path = "/in/{source}", tag = "Inbound", security(()),
    params(("source" = String, Path, description = "The id of a source.")),
    summary = "Show a provider that somebody is there",
    description = "Gives back the challenge in the query of a provider that asks in this way before it \
                   sends webhooks (`hub.challenge`, `challenge`, `validationToken`). Of other sources \
                   there is nothing to get.",
    responses((status = OK, description = "The challenge.", body = String, content_type = "text/plain"))
)]
pub(crate) async fn handshake(
    State(api): State<Api>,
    Id(id): Id<SourceId>,
    request: Request,
) -> Result<Response, Problem> {
    let source = found(&api, id)?;
    let (head, _) = request.into_parts();
    let peer = sender(&head.extensions, &head.headers, api.trusted_proxies());
    let mut receipt = Receipt::begin(api.now().into(), peer);
    let answer = check_network(&api, &source, &head)
        .and_then(|()| handshakes::of_query(&source, &head.method, head.uri.query()));
    match answer {
        Ok(None) => {
            let detail = "this source takes webhooks by POST, and has no challenge to give back";
            let post = HeaderValue::from_static("POST");
            Err(Problem::new(Code::MethodNotAllowed, detail).allow(Some(post)))
        }
        Ok(Some(reply)) => {
            receipt.explain(CHALLENGE_ANSWERED);
            finished(&api, &source, receipt, Ok(reply.into_response()))
        }
        Err(problem) => finished(&api, &source, receipt, Err(problem)),
    }
}

/// What the receipt of a handshake says.
const CHALLENGE_ANSWERED: &str = "the challenge of the provider was answered";

/// The source with this id, if its tenant lives.
fn found(api: &Api, id: SourceId) -> Result<Arc<Source>, Problem> {
    let source = api.sources().get(id);
    let source = source.filter(|source| api.tenants().lives(source.tenant()));
    source.ok_or_else(|| Problem::not_found(format_args!("source {id}")))
}

/// The answer, as its provider expects it, once the receipt is noted.
fn finished(
    api: &Api,
    source: &Source,
    mut receipt: Receipt,
    answer: Result<Response, Problem>,
) -> Result<Response, Problem> {
    if let Err(problem) = &answer {
        receipt.refused(problem);
    }
    api.receipts().note(source, receipt);
    answer.or_else(|problem| {
        match StatusCode::from_u16(problem.status()) {
            // It is a problem that nobody reads.
            Ok(status) if answers::is_refused_bare(source.provider().name()) => {
                Ok(status.into_response())
            }
            _ => Err(problem),
        }
    })
}

/// The same with a slash at the end of the path, which people write and proxies put there.
pub(super) fn with_slash() -> Router<Api> {
    Router::new().route("/in/{source}/", get(handshake).post(receive))
}

/// Takes a request to this source. What becomes of it is written into the receipt.
async fn take(
    api: &Api,
    source: &Source,
    (head, body): (&Parts, Body),
    receipt: &mut Receipt,
) -> Result<Response, Problem> {
    check_network(api, source, head)?;
    if let Some(custom) = source.custom() {
        check_single(&head.headers, custom.reads())?;
    }
    if let Some(row) = source.provider().row() {
        check_single(&head.headers, row.reads())?;
    }
    if let Some(reply) = handshakes::of_query(source, &head.method, head.uri.query())? {
        receipt.explain(CHALLENGE_ANSWERED);
        return Ok(reply.into_response());
    }
    if let Some(response) = handshakes::of_secret(api, source, &head.headers).await? {
        receipt.explain("the secret of the provider was given back");
        return Ok(response);
    }
    let room = head.extensions.get::<Room>();
    let most = api.body_bytes_max(source);
    if let Some(room) = room {
        room.for_body(api.intake(), &body, most)?;
    }
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let Some(proven) = prove(api, source, head, (body, most), receipt).await? else {
        receipt.explain("an unsigned ping was answered");
        return Ok(Reply::empty().into_response());
    };
    if let Some(room) = room {
        room.grow(notes_bytes(&proven.body))?;
    }
    take_verified(api, source, head, proven, receipt).await
}

/// Takes a request that its provider has signed.
async fn take_verified(
    api: &Api,
    source: &Source,
    head: &Parts,
    proven: Proven<'_>,
    receipt: &mut Receipt,
) -> Result<Response, Problem> {
    let content = proven.content(&head.headers);
    let (verified, body) = (&proven.verified, &proven.body);
    let said = content.read();
    let greeting = handshakes::of_body(source, &head.headers, &said);
    let reading = Reading::of(source, verified, &head.headers, &said);
    let usual = answers::usual(source.provider().name(), &said);
    drop(said);
    match greeting {
        Some(Greeting::Reply(reply)) => {
            receipt.explain(CHALLENGE_ANSWERED);
            return Ok(reply.into_response());
        }
        Some(Greeting::Confirm(url)) => {
            confirm::confirm(api, source.tenant(), &url).await?;
            receipt.explain("the subscription was confirmed");
            return Ok(Reply::empty().into_response());
        }
        None => (),
    }
    let named = match reading {
        Reading::Challenge(challenge) => {
            receipt.explain(CHALLENGE_ANSWERED);
            return Ok(axum::Json(InboundAnswer::Challenge { challenge }).into_response());
        }
        Reading::Event(named) => named,
    };
    receipt.named(named.id.as_deref());
    if let Some(why) = named.unreadable {
        unreadable(api, source, why);
    }
    let key = named.idempotency_key(source, verified, body);
    let told = source.kept_headers(&head.headers);
    let what = (&content, told.clone());
    let (event, duplicate) = publish(api, source, &named, key, what).await?;
    receipt.became(event, duplicate);
    let signature = source.proof().signature_header();
    let mut shown = super::handlers::shown(&head.headers, signature);
    show_kept(&told, &mut shown);
    let inbound = Inbound {
        source: source.id(),
        source_name: source.name().into(),
        provider: source.provider(),
        event_type: named.own_type.as_str().into(),
        event,
        payload: content.payload,
        headers: shown.into(),
    };
    let also = named.dotted(source);
    let given = api.handlers().run(source.tenant(), inbound, &also).await?;
    let reply = given.or_else(|| source.record().answer.reply()).or(usual);
    Ok(taken(reply, event, duplicate))
}

/// What is answered for an event that is durable.
fn taken(reply: Option<Reply>, event: EventId, duplicate: bool) -> Response {
    let event_id = event.to_string();
    let id = HeaderValue::from_str(&event_id);
    let mut response = match reply {
        Some(reply) => reply.into_response(),
        None => axum::Json(InboundAnswer::Received {
            received: true,
            event_id,
            duplicate,
        })
        .into_response(),
    };
    let headers = response.headers_mut();
    if let Ok(id) = id {
        headers.insert(EVENT_ID, id);
    }
    let duplicate = if duplicate { "true" } else { "false" };
    headers.insert(DUPLICATE, HeaderValue::from_static(duplicate));
    response
}

/// A verified body whose type or id cannot be read, as it is not JSON, is published all the same. It is
/// counted, and told in the log.
fn unreadable(api: &Api, source: &Source, why: Unreadable) {
    api.0.options.metrics.inbound_unreadable();
    if let Some(left_out) = UNREADABLE.turn() {
        tracing::warn!(source = %source.id(), %why, left_out, "postrider.inbound.unreadable");
    }
}

/// Whether a line about a request to this source may be written to the log now: how many were left out
/// since the last one.
fn turn(source: &Source) -> Option<u64> {
    let left_out = source.refusals().turn()?;
    REFUSALS.turn().map(|_| left_out)
}

fn check_network(api: &Api, source: &Source, head: &Parts) -> Result<(), Problem> {
    let allowed = source.allowed_networks();
    if allowed.is_empty() {
        return Ok(());
    }
    let refused = |detail: String| {
        if let Some(left_out) = turn(source) {
            tracing::warn!(source = %source.id(), detail, left_out, "postrider.inbound.refused");
        }
        Err(Problem::new(Code::SourceNetworkRefused, detail))
    };
    match sender(&head.extensions, &head.headers, api.trusted_proxies()) {
        Some(sender) if allowed.contains(sender) => Ok(()),
        Some(sender) => refused(format!(
            "{sender} is in none of the networks of this source"
        )),
        None => refused("it is not known which address the request comes from".to_owned()),
    }
}

/// The event, and whether it had come before. When this returns, it is durable.
async fn publish(
    api: &Api,
    source: &Source,
    named: &Named,
    key: Option<String>,
    (content, headers): (&Content, EventHeaders),
) -> Result<(EventId, bool), Problem> {
    let submission = Submission::new(named.event_type(source), &content.payload)
        .payload_type(content.payload_type.clone())
        .headers(headers)
        .tenant(source.tenant().as_str());
    let submission = match key {
        Some(key) => submission.idempotency_key(key),
        None => submission,
    };
    match api.postrider().publish(submission).await {
        Ok(published) => Ok((published.event, published.duplicate)),
        Err(PublishError::IdempotencyKeyReused(event)) => {
            // The provider says that it is the same. To refuse it would only make it come again.
            if let Some(left_out) = turn(source) {
                tracing::warn!(source = %source.id(), %event, left_out, "postrider.inbound.repeat_differs");
            }
            Ok((event, true))
        }
        Err(error) => Err(error.into()),
    }
}
