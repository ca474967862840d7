//! The axum extractor.

use super::{Receiver, Refusal, Webhook};
use axum_core::extract::{FromRef, FromRequest, Request};

/// Reads the whole body and verifies it by the [`Receiver`] of the state. It must be the last
/// argument of its handler, as whatever takes the body.
impl<S> FromRequest<S> for Webhook
where
    Receiver: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let (_, webhook) = Receiver::from_ref(state).receive(request).await?;
        Ok(webhook)
    }
}
