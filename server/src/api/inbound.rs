//! `/in/{source}`: where providers send their webhooks.

mod content;
mod peer;
mod reading;

pub(crate) use reading::header;

use super::Api;
use super::extract::{Id, read};
use super::handlers::Inbound;
use super::problem::{Code, Problem};
use super::sources::Source;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use bytes::Bytes;
use content::Content;
use postrider::engine::SourceId;
use postrider::engine::json::Unreadable;
use postrider::signature::Verified;
use postrider::{EventId, Limits, PublishError, Submission};
use reading::{Named, Reading};
use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::timeout;
use utoipa::ToSchema;

/// A provider has this long to send the body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

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
    check_network(&api, &source, &head)?;
    let body = read_in_time(body).await?;
    let verified = verify(&api, &source, &head, &body)?;
    let content = Content::of(&head.headers, body.clone());
    let said = content.read();
    let reading = Reading::of(&source, &verified, &head.headers, &said);
    drop(said);
    let named = match reading {
        Reading::Challenge(challenge) => {
            return Ok(axum::Json(InboundAnswer::Challenge { challenge }));
        }
        Reading::Event(named) => named,
    };
    if let Some(why) = named.unreadable {
        unreadable(&api, &source, why);
    }
    let key = named.idempotency_key(&source, &verified, &body);
    let (event, duplicate) = publish(&api, &source, &named, &key, &content.payload).await?;
    let (_, _, signature) = source.verifier().looks_at();
    let inbound = Inbound {
        source: id,
        source_name: source.name().into(),
        provider: source.provider(),
        event_type: named.own_type.as_str().into(),
        event,
        payload: content.payload,
        headers: super::handlers::shown(&head.headers, signature).into(),
    };
    let also = named.dotted(&source);
    api.handlers().run(source.tenant(), inbound, &also).await?;
    Ok(axum::Json(InboundAnswer::Received {
        received: true,
        event_id: event.to_string(),
        duplicate,
    }))
}

/// A verified body whose type or id cannot be read, as it is not JSON, is published all the same. It is
/// counted, and told in the log once a second at most.
fn unreadable(api: &Api, source: &Source, why: Unreadable) {
    static TOLD_AT_S: AtomicU64 = AtomicU64::new(0);
    api.0.options.metrics.inbound_unreadable();
    let now_s = api.now().0 / 1_000;
    if TOLD_AT_S.swap(now_s, Ordering::Relaxed) != now_s {
        tracing::warn!(source = %source.id(), %why, "postrider.inbound.unreadable");
    }
}

fn check_network(api: &Api, source: &Source, head: &Parts) -> Result<(), Problem> {
    let allowed = source.allowed_networks();
    if allowed.is_empty() {
        return Ok(());
    }
    let refused = |detail: String| {
        tracing::warn!(source = %source.id(), detail, "postrider.inbound.refused");
        Err(Problem::new(Code::SourceNetworkRefused, detail))
    };
    match peer::sender(head, api.trusted_proxies()) {
        Some(sender) if allowed.contains(sender) => Ok(()),
        Some(sender) => refused(format!(
            "{sender} is in none of the networks of this source"
        )),
        None => refused("it is not known which address the request comes from".to_owned()),
    }
}

async fn read_in_time(body: Body) -> Result<Bytes, Problem> {
    let read = timeout(
        BODY_TIMEOUT,
        read(body, Limits::default().payload_bytes_max),
    )
    .await;
    read.unwrap_or_else(|_| {
        let detail = format!("the body was not complete after {BODY_TIMEOUT:?}");
        Err(Problem::new(Code::InvalidBody, detail))
    })
}

/// The sender is told the code of a refusal, the log is told why.
fn verify<'h>(
    api: &Api,
    source: &Source,
    head: &'h Parts,
    body: &[u8],
) -> Result<Verified<'h>, Problem> {
    let headers = head.headers.iter();
    let headers = headers.map(|(name, value)| (name.as_str(), value.as_bytes()));
    let now_unix_seconds = api.now().0 / 1_000;
    let verified = source.verifier().verify(headers, body, now_unix_seconds);
    verified.map_err(|error| {
        let code = error.code();
        tracing::warn!(source = %source.id(), code, %error, "postrider.inbound.refused");
        Problem::new(Code::SignatureRefused, code)
    })
}

/// The event, and whether it had come before. When this returns, it is durable.
async fn publish(
    api: &Api,
    source: &Source,
    named: &Named,
    key: &str,
    payload: &Bytes,
) -> Result<(EventId, bool), Problem> {
    let submission = Submission::new(named.event_type(source), payload)
        .tenant(source.tenant().as_str())
        .idempotency_key(key);
    match api.postrider().publish(submission).await {
        Ok(published) => Ok((published.event, published.duplicate)),
        Err(PublishError::IdempotencyKeyReused(event)) => {
            // The provider says that it is the same. To refuse it would only make it come again.
            tracing::warn!(source = %source.id(), %event, "postrider.inbound.repeat_differs");
            Ok((event, true))
        }
        Err(error) => Err(error.into()),
    }
}
