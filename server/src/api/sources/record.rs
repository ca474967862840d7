//! A source as it is kept, and as it is used.

use super::answer::Answer;
use super::custom::Custom;
use super::handshake::{Handshake, HandshakeKind};
use crate::api::networks::Networks;
use crate::api::problem::{Code, Problem};
use crate::api::time::Time;
use crate::quiet::Quiet;
use postrider::engine::SourceId;
use postrider::signature::{Scheme, Verifier};
use postrider::{Secret, TenantId};
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
            Self::Custom => "custom",
        }
    }

    /// How its requests are signed; `None` for `custom`, where the source says it.
    fn scheme(self) -> Option<Scheme> {
        match self {
            Self::Stripe => Some(Scheme::Stripe),
            Self::Github => Some(Scheme::Github),
            Self::Shopify => Some(Scheme::Shopify),
            Self::Slack => Some(Scheme::Slack),
            Self::Standard => Some(Scheme::Standard),
            Self::Svix => Some(Scheme::Svix),
            Self::Custom => None,
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
    #[serde(default)]
    pub(crate) answer: Answer,
    #[serde(default)]
    pub(crate) handshake: Handshake,
    /// The largest body, in bytes, if it is not the usual bound.
    #[serde(default)]
    pub(crate) body_bytes_max: Option<u64>,
    pub(crate) created_at: Time,
}

/// A secret of a source.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SourceSecret {
    /// By which it is removed: counts from 1 in each source, and is never given again.
    pub(crate) id: u32,
    #[serde(serialize_with = "expose", deserialize_with = "take")]
    pub(crate) secret: Secret,
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
    verifier: Verifier,
    /// What is logged of requests that are refused.
    refusals: Quiet,
}

/// Lines of the log about requests to one source that are refused, in a second.
const REFUSALS_PER_SECOND: u32 = 2;

impl Source {
    /// A problem if the record cannot be used: it names the place.
    pub(crate) fn prepare(record: Arc<SourceRecord>) -> Result<Self, Problem> {
        let broken = |error: &dyn std::fmt::Display| Problem::new(Code::Internal, error);
        let scheme = match (record.provider.scheme(), &record.custom) {
            (Some(scheme), _) => scheme,
            (None, Some(custom)) => custom.scheme()?,
            (None, None) => return Err(broken(&"a custom source without its form")),
        };
        let secrets: Vec<Secret> = record.secrets.iter().map(|it| it.secret.clone()).collect();
        let wrong = |error: &dyn std::fmt::Display, pointer: &str| {
            Problem::new(Code::InvalidValue, error).at(pointer, error)
        };
        let verifier = Verifier::new(scheme, &secrets).map_err(|e| wrong(&e, "/secrets"))?;
        let verifier = match &record.custom {
            Some(custom) => verifier
                .header_names(&custom.header_names())
                .map_err(|error| wrong(&error, "/custom"))?,
            None => verifier,
        };
        Ok(Self {
            id: record.id.parse().map_err(|error| broken(&error))?,
            tenant: record.tenant.parse()?,
            verifier: verifier.tolerance_seconds(record.tolerance_s.into()),
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

    pub(crate) fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    pub(crate) fn refusals(&self) -> &Quiet {
        &self.refusals
    }

    pub(crate) fn custom(&self) -> Option<&Custom> {
        self.record.custom.as_ref()
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
