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

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{BodyExt as _, Full};
    use postrider_engine::signature::{Scheme, Secret, Verifier};
    use std::convert::Infallible;
    use std::future::poll_fn;

    /// Says how long the body is. As with a limit of concurrency, a clone is not ready until it
    /// has been polled itself.
    #[derive(Default)]
    struct Polled {
        is_ready: bool,
    }

    impl Clone for Polled {
        fn clone(&self) -> Self {
            Self::default()
        }
    }

    impl Service<Request<Body>> for Polled {
        type Response = Response<Full<Bytes>>;
        type Error = Infallible;
        type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            self.is_ready = true;
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Request<Body>) -> Self::Future {
            assert!(self.is_ready, "called without having been polled");
            self.is_ready = false;
            Box::pin(async {
                let body = request.into_body().collect().await.unwrap().to_bytes();
                Ok(Response::new(Full::from(body.len().to_string())))
            })
        }
    }

    #[tokio::test]
    async fn any_service_is_called_once_it_is_ready_whatever_the_types_of_the_bodies() {
        let secret = Secret::parse("It's a Secret to Everybody").unwrap();
        let verifier = Verifier::new(Scheme::Github, &[secret]).unwrap();
        let layer = VerifyLayer::new(Receiver::new(verifier));
        let mut service = layer.layer(Polled::default());
        for _ in 0..2 {
            // The example of GitHub's documentation.
            let request = Request::post("/")
                .header(
                    "x-hub-signature-256",
                    "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
                )
                .body(Full::<Bytes>::from("Hello, World!"))
                .unwrap();
            poll_fn(|cx| Service::<Request<Full<Bytes>>>::poll_ready(&mut service, cx))
                .await
                .unwrap();
            let response = service.call(request).await.unwrap();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body, "13");
        }
    }
}
