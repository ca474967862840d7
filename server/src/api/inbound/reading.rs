//! What a verified request says: which event it is, and by what its repeats are known.

use super::content::{Kind, Said};
use crate::api::sources::{At, Provider, Row, Source, WithoutId};
use axum::http::HeaderMap;
use postrider::engine::json::Unreadable;
use postrider::signature::Verified;
use postrider::{EventType, Limits};
use sha2::{Digest, Sha256};

/// The type of an event whose provider names none.
const UNKNOWN: &str = "unknown";

/// What a verified request asks for.
pub(super) enum Reading {
    /// To show that its receiver is there, by giving this back.
    Challenge(String),
    /// To take an event.
    Event(Named),
}

/// An event, as its provider names it.
pub(super) struct Named {
    /// The provider's type.
    pub(super) own_type: String,
    /// The provider's id, if there is one: the same at every repeat.
    pub(super) id: Option<String>,
    /// Type or id are missing, and the body cannot be read.
    pub(super) unreadable: Option<Unreadable>,
    /// The id would be in the body.
    id_is_in_body: bool,
    /// By what repeats are known without an id.
    without_id: WithoutId,
}

impl Reading {
    pub(super) fn of(
        source: &Source,
        verified: &Verified<'_>,
        headers: &HeaderMap,
        content: &Said<'_>,
    ) -> Self {
        let header = |name: &str| header(headers, name);
        let id = verified.id.map(str::to_owned);
        let (own_type, id) = match source.provider() {
            Provider::Stripe => (content.text_at("/type"), content.id_at("/id")),
            Provider::Github => (github_type(headers, content), header("x-github-delivery")),
            Provider::Shopify => {
                let id = header("x-shopify-webhook-id").or_else(|| header("x-shopify-event-id"));
                (header("x-shopify-topic"), id)
            }
            Provider::Slack => match slack_challenge(content) {
                Some(challenge) => return Self::Challenge(challenge),
                None => (slack_type(content), content.id_at("/event_id")),
            },
            Provider::Standard | Provider::Svix => (content.text_at("/type"), id),
            Provider::Custom => {
                let text_at = |pointer: &str| content.text_at(pointer);
                let id_at = |pointer: &str| content.id_at(pointer);
                let custom = source.custom();
                (
                    custom.and_then(|it| it.event_type(headers, text_at)),
                    custom.and_then(|it| it.event_id(verified, headers, id_at)),
                )
            }
            provider => match provider.row() {
                Some(row) => {
                    let id = id.or_else(|| row_id(row, headers, content));
                    (row_type(row, headers, content), id)
                }
                None => (None, id),
            },
        };
        let id_is_in_body = match source.provider() {
            Provider::Stripe | Provider::Slack => true,
            Provider::Custom => source
                .custom()
                .is_some_and(|it| it.has_id_in_body(verified, content.begins_as_object())),
            provider => provider.row().is_some_and(Row::has_id_in_body),
        };
        let without_id = match (source.provider().row(), source.custom()) {
            (Some(row), _) => row.without_id,
            (None, Some(custom)) if custom.proves_no_body() => WithoutId::New,
            (None, _) => WithoutId::Signed,
        };
        let id = id.filter(|id| !id.is_empty());
        let is_whole = own_type.is_some() && id.is_some();
        Self::Event(Named {
            own_type: own_type.unwrap_or_else(|| UNKNOWN.to_owned()),
            id,
            unreadable: content.unreadable().filter(|_| !is_whole),
            id_is_in_body,
            without_id,
        })
    }
}

fn at(place: &At, headers: &HeaderMap, content: &Said<'_>) -> Option<String> {
    match place {
        At::Header(name) => header(headers, name),
        At::Field(pointer) => content.id_at(pointer),
        At::Fixed(text) => Some((*text).to_owned()),
    }
}

fn row_type(row: &Row, headers: &HeaderMap, content: &Said<'_>) -> Option<String> {
    let mut types = row.types.iter();
    let event = types.find_map(|place| at(place, headers, content))?;
    let then = row.then.as_ref();
    Some(match then.and_then(|place| at(place, headers, content)) {
        Some(then) => format!("{event}.{then}"),
        None => event,
    })
}

fn row_id(row: &Row, headers: &HeaderMap, content: &Said<'_>) -> Option<String> {
    let mut ids = row.ids.iter();
    ids.find_map(|place| at(place, headers, content))
}

/// The shortest run of zeros that is taken for no id.
const PLACEHOLDER_CHARS_MIN: usize = 8;

/// Whether an id is one that a provider gives to all that it sends to try things out, such as Stripe's
/// `evt_00000000000000`, or the empty UUID.
fn is_placeholder(id: &str) -> bool {
    let number = id.rsplit_once('_').map_or(id, |(_, number)| number);
    number.len() >= PLACEHOLDER_CHARS_MIN && number.bytes().all(|it| matches!(it, b'0' | b'-'))
}

/// The text of a header; none, if it is no visible ASCII.
pub(crate) fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// `pull_request.opened`: the event, and what was done, where the body says so.
fn github_type(headers: &HeaderMap, content: &Said<'_>) -> Option<String> {
    let event = header(headers, "x-github-event")?;
    Some(match content.text_at("/action") {
        Some(action) => format!("{event}.{action}"),
        None => event,
    })
}

fn slack_challenge(content: &Said<'_>) -> Option<String> {
    let kind = content.text_at("/type")?;
    (content.kind == Kind::Plain && kind == "url_verification")
        .then(|| content.text_at("/challenge"))?
}

fn slack_type(content: &Said<'_>) -> Option<String> {
    match content.kind {
        Kind::JsonInForm => Some("interaction".to_owned()),
        Kind::Form => content.text_at("/command").map(|_| "command".to_owned()),
        Kind::Plain => match content.text_at("/type")? {
            kind if kind == "event_callback" => {
                Some(format!("event.{}", content.text_at("/event/type")?))
            }
            kind => Some(kind),
        },
    }
}

impl Named {
    /// The type it is published under: the prefix, then the provider's, with `_` for whatever an
    /// event type cannot have, cut to the longest that is possible.
    pub(super) fn event_type(&self, source: &Source) -> String {
        let mut event_type = format!("{}.{}", source.event_prefix(), self.dotted(source));
        event_type.truncate(EventType::CHARS_MAX);
        event_type.truncate(event_type.trim_end_matches('.').len());
        event_type
    }

    /// The provider's type in the form of an event type.
    pub(super) fn dotted(&self, source: &Source) -> String {
        let slash = match source.provider() {
            // `orders/create` is their way to write `orders.create`.
            Provider::Shopify => '.',
            _ => '_',
        };
        let colon = match source.provider() {
            // `repo:push`, `zen:event-type:user.created`.
            Provider::Bitbucket | Provider::Zendesk => '.',
            _ => '_',
        };
        let character = |character: char| match character {
            'A'..='Z' | 'a'..='z' | '0'..='9' | '_' | '-' | '.' => character,
            '/' => slash,
            ':' => colon,
            _ => '_',
        };
        let text: String = self.own_type.chars().map(character).collect();
        let parts: Vec<&str> = text.split('.').filter(|part| !part.is_empty()).collect();
        match parts.as_slice() {
            [] => UNKNOWN.to_owned(),
            parts => parts.join("."),
        }
    }

    /// By which repeats are known: the provider's id. Where there is none, what was signed; but for an
    /// id that cannot be read: then the body, since a repeat is signed anew with another timestamp, and
    /// the id makes bodies of different events differ. None, where two events may be the same in all of
    /// that.
    pub(super) fn idempotency_key(
        &self,
        source: &Source,
        verified: &Verified<'_>,
        body: &[u8],
    ) -> Option<String> {
        let most = Limits::default().idempotency_key_bytes_max;
        let of = source.id();
        let hashed = |digest: &[u8]| format!("in:{of}:sha256:{}", hex::encode(digest));
        Some(match &self.id {
            // What a provider sends to try things out has one id and several bodies.
            Some(id) if is_placeholder(id) => {
                let digest = Sha256::new().chain_update(id).chain_update([0_u8]);
                hashed(&digest.chain_update(body).finalize())
            }
            Some(id) => {
                let key = format!("in:{of}:{id}");
                let fits = key.len() <= most && id.bytes().all(|byte| byte.is_ascii_graphic());
                if fits {
                    key
                } else {
                    hashed(&Sha256::digest(id))
                }
            }
            None if self.id_is_in_body && self.unreadable.is_some() => {
                hashed(&Sha256::digest(body))
            }
            None => match self.without_id {
                WithoutId::Signed => hashed(&digest_of_signed(verified, body)),
                WithoutId::Body => hashed(&Sha256::digest(body)),
                WithoutId::New => return None,
            },
        })
    }
}

/// A digest of what the signature covers.
fn digest_of_signed(verified: &Verified<'_>, body: &[u8]) -> [u8; 32] {
    let mut digest = Sha256::new();
    if let Some(id) = verified.id {
        digest.update(id);
        digest.update(".");
    }
    if let Some(timestamp) = verified.timestamp {
        digest.update(timestamp.to_string());
        digest.update(".");
    }
    digest.update(body);
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::is_placeholder;

    #[test]
    fn an_id_of_zeros_alone_is_a_placeholder() {
        for id in [
            "evt_00000000000000",
            "00000000-0000-0000-0000-000000000000",
            "evt_test_00000000",
        ] {
            assert!(is_placeholder(id), "{id}");
        }
        for id in [
            "evt_0000000000000a",
            "0",
            "evt_0",
            "10000000000",
            "evt_",
            "",
        ] {
            assert!(!is_placeholder(id), "{id}");
        }
    }
}
