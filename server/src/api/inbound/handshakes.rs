//! Providers that ask whether anybody is there, before they send webhooks or now and then. Nothing of it
//! is published. Which way a source answers in is a [`HandshakeKind`].

use super::InboundAnswer;
use super::content::{Kind, Said};
use super::reading::header;
use crate::api::Api;
use crate::api::audit::{Act, names};
use crate::api::handlers::Reply;
use crate::api::problem::{Code, Problem};
use crate::api::sources::{HandshakeKind, Provider, Source};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use postrider::signature::{Message, Scheme, Signer};
use postrider::{Note, Secret};
use serde_json::json;
use subtle::ConstantTimeEq;

/// The header by which a provider brings the secret that it will sign with.
const HOOK_SECRET: &str = "x-hook-secret";

/// What kind of message it is, for Twitch.
const TWITCH_TYPE: &str = "twitch-eventsub-message-type";

/// The longest text that is given back, in bytes.
const ECHO_BYTES_MAX: usize = 4_096;

/// What a verified request asks for that is no webhook.
pub(super) enum Greeting {
    /// This answer.
    Reply(Reply),
    /// That this URL is asked for.
    Confirm(String),
}

/// The answer to what the query of a request asks for, if it does: these requests are not signed.
pub(super) fn of_query(
    source: &Source,
    method: &Method,
    query: Option<&str>,
) -> Result<Option<Reply>, Problem> {
    let field = |name: &str| {
        let mut fields = url::form_urlencoded::parse(query.unwrap_or("").as_bytes());
        let found = fields.find(|(field, _)| field == name);
        found.map(|(_, text)| text.into_owned())
    };
    let is_get = *method == Method::GET;
    let given_back = match source.handshake_kind() {
        HandshakeKind::HubChallenge if is_get => {
            let token = field("hub.verify_token").unwrap_or_default();
            let expected = source.handshake().verify_token();
            let is_it = |it: &str| bool::from(it.as_bytes().ct_eq(token.as_bytes()));
            if !expected.is_none_or(is_it) {
                let detail = "VERIFY_TOKEN_DIFFERS";
                return Err(Problem::new(Code::SignatureRefused, detail));
            }
            field("hub.challenge")
        }
        HandshakeKind::ChallengeQuery if is_get => field("challenge"),
        HandshakeKind::ValidationToken => field("validationToken"),
        _ => None,
    };
    given_back.map(echo).transpose()
}

/// The text, as such: no browser takes it for a page.
fn echo(text: String) -> Result<Reply, Problem> {
    if text.len() > ECHO_BYTES_MAX {
        let detail = format!("a challenge has at most {ECHO_BYTES_MAX} bytes");
        return Err(Problem::new(Code::InvalidParameter, detail));
    }
    Reply::text(text).map_err(|error| Problem::new(Code::InvalidParameter, error))
}

/// The answer to a request that brings the secret of the source, if it does. A new secret is taken once,
/// and only if the source waits for one; from then on it verifies what comes.
pub(super) async fn of_secret(
    api: &Api,
    source: &Source,
    headers: &HeaderMap,
) -> Result<Option<Response>, Problem> {
    if source.handshake_kind() != HandshakeKind::HookSecret {
        return Ok(None);
    }
    let Some(value) = headers.get(HOOK_SECRET) else {
        return Ok(None);
    };
    let Ok(text) = value.to_str() else {
        let detail = "X-Hook-Secret: send visible ASCII characters";
        return Err(Problem::new(Code::InvalidHeader, detail));
    };
    let is_it = |secret: &Secret| {
        let known = secret.expose_secret_text().as_bytes();
        bool::from(known.ct_eq(text.as_bytes()))
    };
    if !source.record().secrets.iter().any(|it| is_it(&it.secret)) {
        learn(api, source, text).await?;
    }
    Ok(Some(with_secret(value)))
}

fn with_secret(value: &HeaderValue) -> Response {
    let mut response = Reply::empty().into_response();
    response.headers_mut().insert(HOOK_SECRET, value.clone());
    response
}

async fn learn(api: &Api, source: &Source, text: &str) -> Result<(), Problem> {
    let unexpected = || Problem::new(Code::SignatureRefused, "HOOK_SECRET_NOT_EXPECTED");
    if !source.handshake().learns_secret() {
        return Err(unexpected());
    }
    let note = api.own_note(Act::SourceUpdate, names(&[("add_secrets", true)]))?;
    let note = Note {
        tenant: Some(source.tenant().clone()),
        target: Some(source.id().to_string().into()),
        ..note
    };
    let now = api.now().into();
    let changed = api
        .sources()
        .change(source.tenant(), source.id(), Some(note), |record| {
            // Of two that come at once, one is believed.
            match record.handshake.learns_secret() {
                true => record.with_learnt(text, now),
                false => Err(unexpected()),
            }
        });
    match changed.await? {
        Some(_) => Ok(()),
        None => Err(Problem::not_found(format_args!("source {}", source.id()))),
    }
}

/// What a verified request asks for, if it is no webhook.
pub(super) fn of_body(source: &Source, headers: &HeaderMap, said: &Said<'_>) -> Option<Greeting> {
    let is = |pointer: &str, text: &str| said.text_at(pointer).is_some_and(|it| it == text);
    let reply = match source.handshake_kind() {
        HandshakeKind::ChallengeBody => {
            let kind = header(headers, TWITCH_TYPE);
            if kind.is_some_and(|kind| kind != "webhook_callback_verification") {
                return None;
            }
            echo(said.text_at("/challenge")?).ok()
        }
        // Slack's own is read with its events.
        HandshakeKind::UrlVerification if source.provider() != Provider::Slack => {
            let is_asked = said.kind == Kind::Plain && is("/type", "url_verification");
            let challenge = is_asked.then(|| said.text_at("/challenge"))??;
            let answer = InboundAnswer::Challenge { challenge };
            Reply::json(&serde_json::to_value(&answer).ok()?).ok()
        }
        HandshakeKind::PlainToken if is("/event", "endpoint.url_validation") => {
            let token = said.text_at("/payload/plainToken")?;
            let newest = source.record().secrets.last()?;
            let hmac = hmac_hex(&newest.secret, &token)?;
            Reply::json(&json!({ "plainToken": token, "encryptedToken": hmac })).ok()
        }
        // An interaction has a token, an event a version.
        HandshakeKind::Ping if is("/type", "1") && said.text_at("/token").is_some() => {
            Reply::json(&json!({ "type": 1 })).ok()
        }
        HandshakeKind::Ping if is("/type", "0") && said.text_at("/version").is_some() => {
            Reply::new(204, None, "").ok()
        }
        HandshakeKind::SubscribeUrl if is("/Type", "SubscriptionConfirmation") => {
            return said.text_at("/SubscribeURL").map(Greeting::Confirm);
        }
        _ => None,
    };
    reply.map(Greeting::Reply)
}

/// HMAC-SHA256 in hexadecimal digits: the form of a signature of GitHub without its label.
fn hmac_hex(secret: &Secret, text: &str) -> Option<String> {
    let signer = Signer::new(Scheme::Github, std::slice::from_ref(secret)).ok()?;
    let message = Message {
        id: "",
        timestamp: 0,
        body: text.as_bytes(),
    };
    let signed = signer.sign(&message).ok()?;
    let hmac = signed.first()?.value.strip_prefix("sha256=")?;
    Some(hmac.to_owned())
}

/// Whether a request that was refused is one that a provider sends unsigned when a webhook is made, and
/// that this source lets pass: it has no signature, and says nothing.
pub(super) fn is_unsigned_ping(source: &Source, headers: &HeaderMap, body: &[u8]) -> bool {
    let signature = source.proof().signature_header();
    let provider = source.provider().name();
    source.handshake().takes_unsigned_pings(provider)
        && !headers.contains_key(signature)
        && says_nothing(body)
}

/// Nothing but the number of a webhook, as WooCommerce sends it.
fn says_nothing(body: &[u8]) -> bool {
    let body = body.trim_ascii();
    let number = body.strip_prefix(b"webhook_id=");
    body.is_empty() || number.is_some_and(|it| !it.is_empty() && it.iter().all(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_zoom_is_the_hmac_of_its_token() {
        // A vector that many have computed.
        let secret = Secret::parse("key").unwrap();
        let text = "The quick brown fox jumps over the lazy dog";
        let hmac = "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8";
        assert_eq!(hmac_hex(&secret, text).as_deref(), Some(hmac));
    }

    #[test]
    fn a_ping_says_nothing() {
        for body in ["", " \n", "webhook_id=17"] {
            assert!(says_nothing(body.as_bytes()), "{body:?}");
        }
        for body in ["webhook_id=", "webhook_id=17&a=b", "{}", "webhook_id=x"] {
            assert!(!says_nothing(body.as_bytes()), "{body:?}");
        }
    }
}
