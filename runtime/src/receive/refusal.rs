//! Why a request is refused, and what its sender is told.

use axum_core::BoxError;
use axum_core::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use postrider_engine::signature::VerifyError;

/// Why a request is refused.
///
/// The messages are for the receiver's log: they say what to do, and hold no secret, no signature
/// and nothing of the body. As a response it is the status and `{"code":"…"}`, and no more.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The body is longer than [`Receiver::body_bytes_max`](super::Receiver::body_bytes_max).
    /// The rest of it was not read.
    #[error(
        "the body is longer than {body_bytes_max} bytes: if such webhooks are to be expected, \
         raise `Receiver::body_bytes_max`"
    )]
    BodyTooLarge {
        /// What it may be at most.
        body_bytes_max: usize,
    },
    /// The request broke off within its body.
    #[error(
        "the body could not be read to its end: check that neither the sender nor a proxy gives \
         up the connection ({0})"
    )]
    BodyUnreadable(#[source] BoxError),
    /// The verifier refuses it.
    #[error(transparent)]
    Unverified(#[from] VerifyError),
}

impl Refusal {
    /// The stable code: [`VerifyError::code`], `BODY_TOO_LARGE` or `BODY_UNREADABLE`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::BodyTooLarge { .. } => "BODY_TOO_LARGE",
            Self::BodyUnreadable(_) => "BODY_UNREADABLE",
            Self::Unverified(error) => error.code(),
        }
    }

    /// The status of the response: 413 if the body is too long, else 400.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyUnreadable(_) | Self::Unverified(_) => StatusCode::BAD_REQUEST,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        // A code is capitals and `_`: there is nothing to escape.
        let json = format!(r#"{{"code":"{}"}}"#, self.code());
        (self.status(), [(CONTENT_TYPE, "application/json")], json).into_response()
    }
}
