//! For services that receive webhooks: verifies requests in axum, as an extractor or as a tower
//! layer.
//!
//! Both are given a [`Receiver`]: the [`Verifier`] with the scheme and the secrets, and the bound
//! of a body. Both read the body as it came, up to that bound, verify those bytes, and give them
//! on unchanged.
//!
//! **The extractor** is [`Webhook`]. It takes its receiver from the state, so that routers with
//! different states verify under different secrets:
//!
//! ```
//! use axum::Router;
//! use axum::http::StatusCode;
//! use axum::routing::post;
//! use postrider::Secret;
//! use postrider::receive::{Receiver, Webhook};
//! use postrider::signature::{Scheme, Verifier};
//!
//! async fn paid(webhook: Webhook) -> StatusCode {
//!     // It comes again if the answer is lost: `webhook.id` tells that it is the same.
//!     match webhook.json::<serde_json::Value>() {
//!         Ok(payment) if payment["amount"].is_u64() => StatusCode::NO_CONTENT,
//!         _ => StatusCode::UNPROCESSABLE_ENTITY,
//!     }
//! }
//!
//! # fn routes() -> Result<Router, Box<dyn std::error::Error>> {
//! // While a secret is rotated both are given, the new one first.
//! let secret = Secret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
//! let receiver = Receiver::new(Verifier::new(Scheme::Standard, &[secret])?);
//! let payments: Router = Router::new().route("/payments", post(paid)).with_state(receiver);
//! # Ok(payments)
//! # }
//! # routes().unwrap();
//! ```
//!
//! A state of one's own implements `FromRef` for its receiver.
//!
//! **The layer** is [`VerifyLayer`]. What is behind it sees verified requests only, with the same
//! bytes as their body, and finds the [`Webhook`] in their extensions:
//!
//! ```
//! use axum::routing::post;
//! use axum::{Extension, Router};
//! use postrider::Secret;
//! use postrider::receive::{Receiver, VerifyLayer, Webhook};
//! use postrider::signature::{Scheme, Verifier};
//!
//! async fn pushed(Extension(webhook): Extension<Webhook>, body: String) {
//!     assert_eq!(webhook.body, body);
//! }
//!
//! # fn routes() -> Result<Router, Box<dyn std::error::Error>> {
//! let secret = Secret::parse("the secret of the repository")?;
//! let receiver = Receiver::new(Verifier::new(Scheme::Github, &[secret])?);
//! let pushes: Router = Router::new()
//!     .route("/pushes", post(pushed))
//!     .layer(VerifyLayer::new(receiver));
//! # Ok(pushes)
//! # }
//! # routes().unwrap();
//! ```
//!
//! # What is refused
//!
//! Whoever sent it is told the status and `{"code":"…"}`, and no more; the log is told why, by
//! `tracing` at the level `warn`. See [`Refusal`].
//!
//! | status | code | |
//! |---|---|---|
//! | 400 | one of [`VerifyError::code`] | it is not signed as it should be |
//! | 400 | `BODY_UNREADABLE` | it broke off within the body |
//! | 413 | `BODY_TOO_LARGE` | the body is longer than [`Receiver::body_bytes_max`] |
//!
//! How long a request may take is not bounded here: that is for the server, or for a layer
//! around this one.
//!
//! [`VerifyError::code`]: crate::signature::VerifyError::code

mod body;
mod extract;
mod layer;
mod refusal;

pub use layer::{Verify, VerifyLayer};
pub use refusal::Refusal;

use crate::clock::{Clock, SystemClock};
use axum_core::BoxError;
use bytes::Bytes;
use http::Request;
use http::request::Parts;
use hyper::body::Body;
use postrider_engine::signature::Verifier;
use serde::de::DeserializeOwned;
use std::fmt;
use std::sync::Arc;

/// How requests are verified: under which scheme, with which secrets, and up to which length.
///
/// Clones share all of it.
#[derive(Clone)]
pub struct Receiver {
    verifier: Arc<Verifier>,
    body_bytes_max: usize,
    clock: Arc<dyn Clock>,
}

impl Receiver {
    /// The longest body in bytes, unless set otherwise: 1 MiB.
    pub const BODY_BYTES_MAX_DEFAULT: usize = 1 << 20;

    /// Accepts what the verifier accepts, by the system's clock.
    #[must_use]
    pub fn new(verifier: Verifier) -> Self {
        Self {
            verifier: Arc::new(verifier),
            body_bytes_max: Self::BODY_BYTES_MAX_DEFAULT,
            clock: Arc::new(SystemClock),
        }
    }

    /// Sets the longest body in bytes; it may be exactly so long. The body is held in memory, in a
    /// buffer of at most twice its length. The limits of axum's own extractors do not apply.
    #[must_use]
    pub fn body_bytes_max(self, body_bytes_max: usize) -> Self {
        Self {
            body_bytes_max,
            ..self
        }
    }

    /// Sets the clock by which the age of a request is judged, when its body is complete.
    #[must_use]
    pub fn clock(self, clock: impl Clock) -> Self {
        Self {
            clock: Arc::new(clock),
            ..self
        }
    }

    /// Reads and verifies one request. Why it is refused is logged here, once for both ways in.
    async fn receive<B>(&self, request: Request<B>) -> Result<(Parts, Webhook), Refusal>
    where
        B: Body<Error: Into<BoxError>>,
    {
        let (head, body) = request.into_parts();
        let received = match body::read(body, self.body_bytes_max).await {
            Ok(body) => self.verify(&head, body),
            Err(refusal) => Err(refusal),
        };
        match received {
            Ok(webhook) => Ok((head, webhook)),
            Err(refusal) => {
                tracing::warn!(code = refusal.code(), %refusal, "postrider.webhook.refused");
                Err(refusal)
            }
        }
    }

    fn verify(&self, head: &Parts, body: Bytes) -> Result<Webhook, Refusal> {
        let headers = head.headers.iter();
        let headers = headers.map(|(name, value)| (name.as_str(), value.as_bytes()));
        let now_unix_seconds = self.clock.wall().0 / 1_000;
        let verified = self.verifier.verify(headers, &body, now_unix_seconds)?;
        Ok(Webhook {
            key_index: verified.key_index,
            id: verified.id.map(str::to_owned),
            timestamp: verified.timestamp,
            body,
        })
    }
}

impl fmt::Debug for Receiver {
    /// Without the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("verifier", &self.verifier)
            .field("body_bytes_max", &self.body_bytes_max)
            .finish_non_exhaustive()
    }
}

/// A webhook whose signature was right. As an argument of an axum handler it is the extractor.
///
/// It can come more than once, whoever sent it: keep the ids for as long as the tolerance of the
/// verifier lasts, and longer if the sender retries for longer. Clones share the body.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Which secret it was signed with, counted from 0 in the order they were given to the
    /// verifier; the first, if more than one match. In a rotation it tells who still signs with
    /// the old one.
    pub key_index: usize,
    /// The id of the message, the same at every repeat of it. `None` under the schemes that do
    /// not cover it.
    pub id: Option<String>,
    /// When it was sent: Unix time, in seconds. `None` under the schemes that do not cover it.
    pub timestamp: Option<u64>,
    /// The bytes that were signed, as they came. They need not be text.
    pub body: Bytes,
}

impl Webhook {
    /// Reads the body as JSON.
    ///
    /// A byte order mark before it is passed over.
    ///
    /// # Errors
    ///
    /// [`serde_json::Error`] if it is not JSON, or not of this shape. Its message may quote the
    /// body.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        let body = self.body.strip_prefix(b"\xef\xbb\xbf");
        serde_json::from_slice(body.unwrap_or(&self.body))
    }
}

impl fmt::Debug for Webhook {
    /// Without the body: it may hold what no log should.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("key_index", &self.key_index)
            .field("id", &self.id)
            .field("timestamp", &self.timestamp)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}
