//! A source as it is kept, and as it is used.

use super::answer::Answer;
use super::carried;
use super::checks::refused;
use super::custom::Custom;
use super::handshake::{Handshake, HandshakeKind};
use super::proof::Proof;
use crate::api::networks::Networks;
use crate::api::problem::{Code, Problem};
use crate::api::time::Time;
use crate::quiet::Quiet;
use axum::http::HeaderMap;
use postrider::engine::SourceId;
use postrider::signature::Scheme;
use postrider::{EventHeaders, Secret, TenantId};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::sync::Arc;
use utoipa::ToSchema;

/// Whose webhooks they are: how they are signed, and where their type and their id are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// Stripe.
    Stripe,
    /// GitHub.
    Github,
    /// Shopify.
    Shopify,
    /// Slack: events, slash commands and interactions.
    Slack,
    /// Standard Webhooks, with the headers `webhook-…`.
    Standard,
    /// Standard Webhooks, with the headers `svix-…`.
    Svix,
    /// Adyen: payments, of which the fields that matter are signed.
    Adyen,
    /// Asana.
    Asana,
    /// Bitbucket, in the cloud and on one's own machines.
    Bitbucket,
    /// Calendly.
    Calendly,
    /// Discord: events and interactions.
    Discord,
    /// Dropbox.
    Dropbox,
    /// Gitea, Forgejo and Gogs.
    Gitea,
    /// GitLab, whose secret token is in the request.
    Gitlab,
    /// HubSpot, version 3 of its signatures.
    Hubspot,
    /// Intercom.
    Intercom,
    /// Linear.
    Linear,
    /// Mailgun, which does not sign the event itself.
    Mailgun,
    /// Meta: WhatsApp, Messenger, Instagram, Facebook.
    Meta,
    /// Microsoft Graph, whose `clientState` is in the request.
    MicrosoftGraph,
    /// Paddle Billing.
    Paddle,
    /// Paystack.
    Paystack,
    /// Twilio SendGrid: signed event webhooks.
    Sendgrid,
    /// Square, which signs the URL, too.
    Square,
    /// Twilio, which signs the URL, too.
    Twilio,
    /// Twitch: EventSub.
    Twitch,
    /// Typeform.
    Typeform,
    /// WooCommerce.
    Woocommerce,
    /// Xero.
    Xero,
    /// Zendesk.
    Zendesk,
    /// Zoom.
    Zoom,
    /// Anybody else: the source says how.
    Custom,
}

impl Provider {
    /// The name, as it is written in a source.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stripe => "stripe",
            Self::Github => "github",
            Self::Shopify => "shopify",
            Self::Slack => "slack",
            Self::Standard => "standard",
            Self::Svix => "svix",
            Self::Adyen => "adyen",
            Self::Asana => "asana",
            Self::Bitbucket => "bitbucket",
            Self::Calendly => "calendly",
            Self::Discord => "discord",
            Self::Dropbox => "dropbox",
            Self::Gitea => "gitea",
            Self::Gitlab => "gitlab",
            Self::Hubspot => "hubspot",
            Self::Intercom => "intercom",
            Self::Linear => "linear",
            Self::Mailgun => "mailgun",
            Self::Meta => "meta",
            Self::MicrosoftGraph => "microsoft_graph",
            Self::Paddle => "paddle",
            Self::Paystack => "paystack",
            Self::Sendgrid => "sendgrid",
            Self::Square => "square",
            Self::Twilio => "twilio",
            Self::Twitch => "twitch",
            Self::Typeform => "typeform",
            Self::Woocommerce => "woocommerce",
            Self::Xero => "xero",
            Self::Zendesk => "zendesk",
            Self::Zoom => "zoom",
            Self::Custom => "custom",
        }
    }

    /// The scheme that it signs by; `None` for `custom`, where the source says it, and for those that
    /// have a row.
    pub(super) fn scheme(self) -> Option<Scheme> {
        match self {
            Self::Stripe => Some(Scheme::Stripe),
            Self::Github => Some(Scheme::Github),
            Self::Shopify => Some(Scheme::Shopify),
            Self::Slack => Some(Scheme::Slack),
            Self::Standard => Some(Scheme::Standard),
            Self::Svix => Some(Scheme::Svix),
            _ => None,
        }
    }
}

/// A source, as it is kept: sealed, as the secrets are in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SourceRecord {
    pub(crate) id: String,
    pub(crate) tenant: String,
    pub(crate) name: String,
    pub(crate) provider: Provider,
    pub(crate) secrets: Vec<SourceSecret>,
    /// How many secrets it has had: the number of the newest one.
    pub(crate) secrets_given: u32,
    pub(crate) tolerance_s: u32,
    pub(crate) allowed_networks: Networks,
    pub(crate) event_prefix: String,
    pub(crate) custom: Option<Custom>,
    /// The URL that the provider was given, if its owner has said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
    #[serde(default)]
    pub(crate) answer: Answer,
    #[serde(default)]
    pub(crate) handshake: Handshake,
    /// The largest body, in bytes, if it is not the usual bound.
    #[serde(default)]
    pub(crate) body_bytes_max: Option<u64>,
    /// The headers that events keep, in lower case, if they are not what is usual for the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) headers: Option<Vec<String>>,
    pub(crate) created_at: Time,
}

impl SourceRecord {
    /// Whether nothing proves who sends.
    pub(crate) fn is_unsigned(&self) -> bool {
        self.custom.as_ref().is_some_and(Custom::is_unsigned)
    }

    /// The headers that its events keep, in lower case.
    pub(super) fn header_names(&self) -> Vec<&str> {
        match &self.headers {
            Some(names) => names.iter().map(String::as_str).collect(),
            None => self.provider.headers().to_vec(),
        }
    }

    /// Whether it has no secret, and its handshake is to bring the first one.
    pub(crate) fn awaits_secret(&self) -> bool {
        self.secrets.is_empty() && self.handshake.brings_secret(self.provider.name())
    }
}

/// A secret of a source.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SourceSecret {
    /// By which it is removed: counts from 1 in each source, and is never given again.
    pub(crate) id: u32,
    #[serde(serialize_with = "expose", deserialize_with = "take")]
    pub(crate) secret: Secret,
    /// What was left out of it as it was given, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
    pub(crate) created_at: Time,
}

/// Only for the record, which the store seals.
fn expose<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose_secret_text())
}

fn take<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    let text = String::deserialize(deserializer)?;
    Secret::parse(text).map_err(de::Error::custom)
}

/// A source with everything made ready that a request needs.
pub(crate) struct Source {
    id: SourceId,
    tenant: TenantId,
    record: Arc<SourceRecord>,
    proof: Proof,
    /// What is logged of requests that are refused.
    refusals: Quiet,
}

/// Lines of the log about requests to one source that are refused, in a second.
const REFUSALS_PER_SECOND: u32 = 2;

impl Source {
    /// A problem if the record cannot be used: it names the place.
    pub(crate) fn prepare(record: Arc<SourceRecord>) -> Result<Self, Problem> {
        let broken = |error: &dyn std::fmt::Display| Problem::new(Code::Internal, error);
        let proof = Proof::of(&record)?;
        let mut named = record.headers.iter().flatten();
        let signature = proof.signature_header();
        if let Some(place) = named.position(|name| carried::is_signature(name, signature)) {
            let detail = "it has the signature or the secret, which is not kept";
            return Err(refused(&format!("/headers/{place}"), detail));
        }
        Ok(Self {
            id: record.id.parse().map_err(|error| broken(&error))?,
            tenant: record.tenant.parse()?,
            proof,
            record,
            refusals: Quiet::per_second(REFUSALS_PER_SECOND),
        })
    }

    pub(crate) fn id(&self) -> SourceId {
        self.id
    }

    pub(crate) fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    pub(crate) fn name(&self) -> &str {
        &self.record.name
    }

    pub(crate) fn provider(&self) -> Provider {
        self.record.provider
    }

    pub(crate) fn event_prefix(&self) -> &str {
        &self.record.event_prefix
    }

    pub(crate) fn allowed_networks(&self) -> &Networks {
        &self.record.allowed_networks
    }

    pub(crate) fn proof(&self) -> &Proof {
        &self.proof
    }

    pub(crate) fn url(&self) -> Option<&str> {
        self.record.url.as_deref()
    }

    pub(crate) fn refusals(&self) -> &Quiet {
        &self.refusals
    }

    pub(crate) fn custom(&self) -> Option<&Custom> {
        self.record.custom.as_ref()
    }

    /// What an event keeps of the headers of its request.
    pub(crate) fn kept_headers(&self, headers: &HeaderMap) -> EventHeaders {
        carried::kept(self.record.header_names().into_iter(), headers)
    }

    pub(crate) fn handshake(&self) -> &Handshake {
        &self.record.handshake
    }

    /// In which way its provider asks whether it is there.
    pub(crate) fn handshake_kind(&self) -> HandshakeKind {
        self.record.handshake.kind(self.provider().name())
    }

    pub(crate) fn record(&self) -> &SourceRecord {
        &self.record
    }
}
