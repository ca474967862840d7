//! How a source shows a provider that it is there, before the first webhook or now and then.

use crate::api::problem::{Code, Problem};
use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

/// The longest token, in bytes.
const TOKEN_BYTES_MAX: usize = 256;

/// The ways in which providers ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HandshakeKind {
    /// Not at all.
    None,
    /// `GET` with `hub.challenge`: Meta, WhatsApp, Strava, WebSub.
    HubChallenge,
    /// `?validationToken=`: Microsoft Graph.
    ValidationToken,
    /// `GET` with `?challenge=`: Dropbox.
    ChallengeQuery,
    /// A signed body with `type: url_verification` and a `challenge`, given back as JSON: Slack.
    UrlVerification,
    /// A signed body with a `challenge`, given back as text: Twitch.
    ChallengeBody,
    /// A signed body with a `plainToken`, given back with its HMAC: Zoom.
    PlainToken,
    /// A signed body that is a ping by its `type`: Discord.
    Ping,
    /// The header `X-Hook-Secret`, given back: Asana. It brings the secret.
    HookSecret,
    /// A signed body with a `SubscribeURL`, which is asked for: Amazon SNS.
    SubscribeUrl,
}

/// Which handshake each provider has; all others have none. A provider of the same name that is added
/// later finds its own here.
const USUAL: &[(&str, HandshakeKind)] = &[
    ("asana", HandshakeKind::HookSecret),
    ("discord", HandshakeKind::Ping),
    ("dropbox", HandshakeKind::ChallengeQuery),
    ("facebook", HandshakeKind::HubChallenge),
    ("graph", HandshakeKind::ValidationToken),
    ("instagram", HandshakeKind::HubChallenge),
    ("meta", HandshakeKind::HubChallenge),
    ("microsoft_graph", HandshakeKind::ValidationToken),
    ("slack", HandshakeKind::UrlVerification),
    ("sns", HandshakeKind::SubscribeUrl),
    ("twitch", HandshakeKind::ChallengeBody),
    ("whatsapp", HandshakeKind::HubChallenge),
    ("zoom", HandshakeKind::PlainToken),
];

/// Providers that send something unsigned when a webhook is made, and give up if it is refused.
const PINGS_UNSIGNED: &[&str] = &["woocommerce"];

/// How a source answers a provider that asks whether it is there.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Handshake {
    /// In which way the provider asks. Default: that of the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<HandshakeKind>,
    /// What `hub.verify_token` has to be. Without one, any is taken. Never shown again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 256, write_only)]
    verify_token: Option<String>,
    /// Take the secret that the next `X-Hook-Secret` brings, once: whoever sends it first is believed. A
    /// source that has none refuses what comes before (`NO_SECRET_YET`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    learn_secret: bool,
    /// Answer an unsigned request that says nothing (an empty body, or `webhook_id` alone) with 200, and
    /// publish nothing. Default: only for `woocommerce`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unsigned_pings: Option<bool>,
}

/// The same as it is shown.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HandshakeView {
    /// In which way the provider asks.
    kind: HandshakeKind,
    /// Whether `hub.verify_token` has to be a certain one.
    has_verify_token: bool,
    /// Whether the next `X-Hook-Secret` brings a secret.
    learn_secret: bool,
    /// Whether unsigned requests that say nothing are answered with 200.
    unsigned_pings: bool,
}

impl fmt::Debug for Handshake {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake")
            .field("kind", &self.kind)
            .field("learn_secret", &self.learn_secret)
            .field("unsigned_pings", &self.unsigned_pings)
            .finish_non_exhaustive()
    }
}

impl Handshake {
    /// A problem that names the place, if it cannot be used.
    pub(super) fn check(&self) -> Result<(), Problem> {
        let length = self.verify_token.as_ref().map(String::len);
        if length.is_some_and(|length| !(1..=TOKEN_BYTES_MAX).contains(&length)) {
            let detail = format!("use 1 to {TOKEN_BYTES_MAX} bytes");
            let problem = Problem::new(Code::InvalidValue, &detail);
            return Err(problem.at("/handshake/verify_token", detail));
        }
        Ok(())
    }

    /// In which way this provider asks.
    pub(crate) fn kind(&self, provider: &str) -> HandshakeKind {
        self.kind.unwrap_or_else(|| {
            let usual = USUAL.iter().find(|(name, _)| *name == provider);
            usual.map_or(HandshakeKind::None, |(_, kind)| *kind)
        })
    }

    pub(crate) fn verify_token(&self) -> Option<&str> {
        self.verify_token.as_deref()
    }

    pub(crate) fn learns_secret(&self) -> bool {
        self.learn_secret
    }

    /// Whether the next handshake of this provider brings a secret that is taken.
    pub(super) fn brings_secret(&self, provider: &str) -> bool {
        self.learn_secret && self.kind(provider) == HandshakeKind::HookSecret
    }

    /// The same once a secret was learnt.
    pub(crate) fn learnt(&self) -> Self {
        Self {
            learn_secret: false,
            ..self.clone()
        }
    }

    pub(crate) fn takes_unsigned_pings(&self, provider: &str) -> bool {
        self.unsigned_pings
            .unwrap_or_else(|| PINGS_UNSIGNED.contains(&provider))
    }

    pub(super) fn view(&self, provider: &str) -> HandshakeView {
        HandshakeView {
            kind: self.kind(provider),
            has_verify_token: self.verify_token.is_some(),
            learn_secret: self.learn_secret,
            unsigned_pings: self.takes_unsigned_pings(provider),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_answers_as_its_provider_asks_unless_it_says_otherwise() {
        let usual = Handshake::default();
        assert_eq!(usual.kind("zoom"), HandshakeKind::PlainToken);
        assert_eq!(usual.kind("stripe"), HandshakeKind::None);
        assert!(usual.takes_unsigned_pings("woocommerce"));
        assert!(!usual.takes_unsigned_pings("custom"));
        let own = r#"{"kind": "hub_challenge", "unsigned_pings": false}"#;
        let own: Handshake = serde_json::from_str(own).unwrap();
        assert_eq!(own.kind("custom"), HandshakeKind::HubChallenge);
        assert!(!own.takes_unsigned_pings("woocommerce"));
    }

    #[test]
    fn a_secret_is_brought_where_the_provider_brings_one_and_it_is_waited_for() {
        let learns: Handshake = serde_json::from_str(r#"{"learn_secret": true}"#).unwrap();
        assert!(learns.brings_secret("asana"));
        assert!(!learns.brings_secret("stripe"));
        assert!(!learns.learnt().brings_secret("asana"));
        assert!(!Handshake::default().brings_secret("asana"));
    }

    #[test]
    fn no_name_is_in_the_table_twice() {
        assert!(USUAL.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
