//! The tower layer.

use super::Receiver;
use axum_core::BoxError;
use axum_core::body::Body;
use axum_core::response::IntoResponse as _;
use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Body as HttpBody;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// Lets verified requests through to a service, and answers the others itself.
///
/// The service is given the request with the same bytes as its body (an [`axum_core::body::Body`],
/// which is axum's), without trailers, and with the [`Webhook`](super::Webhook) in its extensions.
/// Its responses pass unchanged.
#[derive(Clone, Debug)]
pub struct VerifyLayer {
    receiver: Receiver,
}

impl VerifyLayer {
    /// A layer that verifies by this receiver.
    #[must_use]
    pub fn new(receiver: Receiver) -> Self {
        Self { receiver }
    }
}

impl<S> Layer<S> for VerifyLayer {
    type Service = Verify<S>;

    fn layer(&self, service: S) -> Verify<S> {
        Verify {
            service,
            receiver: self.receiver.clone(),
        }
    }
}

/// A service behind a [`VerifyLayer`].
#[derive(Clone, Debug)]
pub struct Verify<S> {
    service: S,
    receiver: Receiver,
}

impl<S, B, R> Service<Request<B>> for Verify<S>
where
    S: Service<Request<Body>, Response = Response<R>, Future: Send> + Clone + Send + 'static,
    B: HttpBody<Data: Send, Error: Into<BoxError>> + Send + 'static,
    R: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The service that was polled is the one that is ready, which its clone need not be.
        let other = self.service.clone();
        let mut ready = std::mem::replace(&mut self.service, other);
        let receiver = self.receiver.clone();
        Box::pin(async move {
            let (mut head, webhook) = match receiver.receive(request).await {
                Ok(received) => received,
                Err(refusal) => return Ok(refusal.into_response()),
            };
            let body = Body::from(webhook.body.clone());
            head.extensions.insert(webhook);
            let response = ready.call(Request::from_parts(head, body)).await?;
            Ok(response.map(Body::new))
        })
    }
}
