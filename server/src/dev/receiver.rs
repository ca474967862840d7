//! The receiver: verifies what it gets, prints it, and answers.

use super::DevFailed;
use crate::client::{plain, say};
use crate::input::unix_seconds;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use postrider::Secret;
use postrider::signature::{Scheme, Verifier};
use serde_json::json;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::sleep;

/// The largest body that is read, in bytes: more than an event has.
const BODY_BYTES_MAX: usize = 1 << 20;

/// A receiver at work, until the process ends.
pub(super) struct Receiver {
    url: String,
}

/// What is done with each request.
struct Echo {
    verifier: Verifier,
    json: bool,
}

impl Receiver {
    /// Receives on a port of its own what is signed with this secret.
    pub(super) async fn start(secret: &Secret, json: bool) -> Result<Self, DevFailed> {
        let verifier = Verifier::new(Scheme::Postrider, std::slice::from_ref(secret))?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.map_err(DevFailed::System)?;
        let address = listener.local_addr().map_err(DevFailed::System)?;
        tokio::spawn(accept(listener, Arc::new(Echo { verifier, json })));
        Ok(Self {
            url: format!("http://{address}/hooks"),
        })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

async fn accept(listener: TcpListener, echo: Arc<Echo>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, most likely: some will be closed.
            sleep(Duration::from_millis(10)).await;
            continue;
        };
        let echo = Arc::clone(&echo);
        let service = service_fn(move |request| Arc::clone(&echo).receive(request));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        // A connection ends as its other end wants it to.
        tokio::spawn(async move { connection.await.ok() });
    }
}

impl Echo {
    async fn receive(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Empty<Bytes>>, io::Error> {
        let (head, body) = request.into_parts();
        let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
        let body = body.map_err(io::Error::other)?.to_bytes();
        let pairs = head.headers.iter();
        let pairs = pairs.map(|(name, value)| (name.as_str(), value.as_bytes()));
        let verified = self.verifier.verify(pairs, &body, unix_seconds());
        let text = |name: &str| {
            let value = head.headers.get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or("-").to_owned()
        };
        let (event_type, event) = (text("x-event-type"), text("x-event-id"));
        let refused = verified.err().map(|error| error.to_string());
        let body = String::from_utf8_lossy(&body);
        let line = match (self.json, &refused) {
            (true, _) => json!({
                "received": event, "type": event_type, "verified": refused.is_none(),
                "refused": refused, "body": body,
            })
            .to_string(),
            (false, None) => format!("received  {event}  {event_type}  {}", plain(&body)),
            (false, Some(why)) => format!("refused   {event}  {event_type}: {why}"),
        };
        // If nobody reads it, it is received all the same.
        let _ = say(&line);
        let mut response = Response::new(Empty::new());
        if refused.is_some() {
            *response.status_mut() = StatusCode::BAD_REQUEST;
        }
        Ok(response)
    }
}
