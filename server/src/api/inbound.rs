//! `/in/{source}`: where providers send their webhooks.

mod content;
mod peer;
mod proving;
mod reading;

pub(crate) use peer::sender;
pub(crate) use reading::header;

use super::Api;
use super::edge::check_single;
use super::extract::{Id, read};
use super::handlers::Inbound;
use super::intake::{Room, tree_bytes};
use super::problem::{Code, Problem};
use super::receipts::Receipt;
use super::sources::Source;
use crate::quiet::Quiet;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::routing::post;
use content::Content;
use postrider::engine::SourceId;
use postrider::engine::json::Unreadable;
use postrider::{EventId, Limits, PublishError, Submission};
use reading::{Named, Reading};
use serde::Serialize;
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

#[utoipa::path(
    post, path = "/in/{source}", tag = "Inbound", security(()),
    params(("source" = String, Path, description = "The id of a source.")),
    request_body(content = String, description = "Whatever the provider sends, with its signature in the headers.", content_type = "*/*"),
    summary = "Take a webhook from a provider",
    description = "Needs no key: the provider's signature is verified. Answered when the event is \
                   durable, and not before. A repeat is answered in the same way and changes \
                   nothing.",
    responses((status = OK, description = "Taken.", body = InboundAnswer))
)]
pub(crate) async fn receive(
    State(api): State<Api>,
    Id(id): Id<SourceId>,
    request: Request,
) -> Result<axum::Json<InboundAnswer>, Problem> {
    let source = api.sources().get(id);
    let source = source.filter(|source| api.tenants().lives(source.tenant()));
    let source = source.ok_or_else(|| Problem::not_found(format_args!("source {id}")))?;
    let (head, body) = request.into_parts();
    let peer = sender(&head.extensions, &head.headers, api.trusted_proxies());
    let mut receipt = Receipt::begin(api.now().into(), peer);
    let answer = take(&api, &source, (&head, body), &mut receipt).await;
    if let Err(problem) = &answer {
        receipt.refused(problem);
    }
    api.receipts().note(&source, receipt);
    answer.map(axum::Json)
}

/// The same with a slash at the end of the path, which people write and proxies put there.
pub(super) fn with_slash() -> Router<Api> {
    Router::new().route("/in/{source}/", post(receive))
}

/// Takes a request to this source. What becomes of it is written into the receipt.
async fn take(
    api: &Api,
    source: &Source,
    (head, body): (&Parts, Body),
    receipt: &mut Receipt,
) -> Result<InboundAnswer, Problem> {
    check_network(api, source, head)?;
    if let Some(custom) = source.custom() {
        check_single(&head.headers, custom.reads())?;
    }
    if let Some(row) = source.provider().row() {
        check_single(&head.headers, row.reads())?;
    }
    let body = read(body, Limits::default().payload_bytes_max).await?;
    receipt.got_body(body.len());
    let proven = proving::prove(api, source, head, body).map_err(|refused| {
        receipt.explain(&refused.explanation);
        refused.problem
    });
    let (verified, body) = proven?;
    if let Some(room) = head.extensions.get::<Room>() {
        room.grow(tree_bytes(&body))?;
    }
    let content = Content::of(&head.headers, body.clone());
    let said = content.read();
    let reading = Reading::of(source, &verified, &head.headers, &said);
    drop(said);
    let named = match reading {
        Reading::Challenge(challenge) => {
            receipt.explain("the challenge of the provider was answered");
            return Ok(InboundAnswer::Challenge { challenge });
        }
        Reading::Event(named) => named,
    };
    receipt.named(named.id.as_deref());
    if let Some(why) = named.unreadable {
        unreadable(api, source, why);
    }
    let key = named.idempotency_key(source, &verified, &body);
    let (event, duplicate) = publish(api, source, &named, key, &content).await?;
    receipt.became(event, duplicate);
    let signature = source.proof().signature_header();
    let inbound = Inbound {
        source: source.id(),
        source_name: source.name().into(),
        provider: source.provider(),
        event_type: named.own_type.as_str().into(),
        event,
        payload: content.payload,
        headers: super::handlers::shown(&head.headers, signature).into(),
    };
    let also = named.dotted(source);
    api.handlers().run(source.tenant(), inbound, &also).await?;
    Ok(InboundAnswer::Received {
        received: true,
        event_id: event.to_string(),
        duplicate,
    })
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
    content: &Content,
) -> Result<(EventId, bool), Problem> {
    let submission = Submission::new(named.event_type(source), &content.payload)
        .payload_type(content.payload_type.clone())
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
