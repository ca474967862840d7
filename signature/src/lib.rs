//! Signs and verifies webhooks: Standard Webhooks and the forms of Svix, Stripe, GitHub, Shopify
//! and Slack, with plain forms for the simplest receivers. See [`Scheme`]. What other providers sign
//! is verified by a [`Recipe`].
//!
//! Pure: the time and the randomness are arguments, and the same inputs give the same outputs,
//! byte for byte, on any machine. No input makes it panic.
//!
//! A sender makes a [`Signer`] once for each endpoint:
//!
//! ```
//! use postrider_signature::{Message, Scheme, Secret, Signer};
//!
//! let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")?;
//! let signer = Signer::new(Scheme::Standard, &[secret])?;
//! let headers = signer.sign(&Message {
//!     id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
//!     timestamp: 1_614_265_330, // Unix time, in seconds
//!     body: br#"{"test": 2432232314}"#,
//! })?;
//! assert_eq!(headers[2].name, "webhook-signature");
//! assert_eq!(headers[2].value, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A receiver verifies the exact bytes it was sent, before it parses them:
//!
//! ```
//! use postrider_signature::{Scheme, Secret, Verifier};
//!
//! let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")?;
//! let verifier = Verifier::new(Scheme::Standard, &[secret])?;
//! let headers: [(&str, &[u8]); 3] = [
//!     ("Webhook-Id", b"msg_p5jXN8AQM9LWM0D4loKWxJek"),
//!     ("Webhook-Timestamp", b"1614265330"),
//!     ("Webhook-Signature", b"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
//! ];
//! let now = 1_614_265_330 + 60;
//! let verified = verifier.verify(headers, br#"{"test": 2432232314}"#, now)?;
//! assert_eq!(verified.id, Some("msg_p5jXN8AQM9LWM0D4loKWxJek")); // by which repeats are known
//!
//! // A body that was parsed and written again is not what was signed, and that is found out.
//! let rewritten = br#"{"test":2432232314}"#;
//! let error = verifier.verify(headers, rewritten, now).unwrap_err();
//! assert_eq!(error.code(), "NO_MATCH");
//! let cause = verifier.explain(headers, rewritten, now).expect("a likely cause");
//! assert_eq!(cause.code(), "JSON_REWRITTEN");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cause;
mod claim;
mod digest;
mod ed25519;
mod encoding;
mod explain;
mod gaps;
mod headers;
mod json;
mod key;
mod pasted;
#[cfg(feature = "recipes")]
mod recipe;
mod request;
mod scheme;
mod secret;
mod sequence;
mod sign;
mod timestamp;
mod verify;

pub use cause::Cause;
pub use claim::{Claim, Hmacs, Signatures};
pub use digest::content_digest;
pub use gaps::{Arrival, Gaps, GapsError};
pub use headers::{HeaderNameError, HeaderNames};
pub use key::{KeyError, KeyProblem};
pub use pasted::Mend;
#[cfg(feature = "recipes")]
pub use recipe::{
    Algorithm, Encoded, Fields, KeyForm, NoFields, PROVIDERS, Place, Received, Recipe, RecipeError,
    RecipeVerifier, Refusal, SignedTime, TimePlace, TimeUnit, provider, signed_as,
};
pub use scheme::{Scheme, UnknownScheme};
pub use secret::{Secret, SecretError, SecretKind};
pub use sequence::{Sequence, number_bytes};
pub use sign::{Message, SignError, SignedHeader, Signer};
pub use verify::{HeaderProblem, SignatureProblem, Verified, Verifier, VerifyError};

#[cfg(test)]
mod explanations;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod vectors;
