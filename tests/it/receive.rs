//! Services that receive webhooks: the extractor and the layer, on real sockets.
//!
//! What is true of one is true of the other, so every test runs over both.

mod bounds;
mod delivered;
mod verdicts;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Extension, Router};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use postrider::receive::{Receiver, VerifyLayer, Webhook};
use postrider::signature::{Message, Scheme, Secret, Signer, Verifier};
use postrider::{Clock, Wall};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::net::{TcpListener, TcpStream};

const NOW: u64 = 1_700_000_000;
const ID: &str = "msg_1";

/// The two ways to verify.
#[derive(Clone, Copy, Debug)]
enum Way {
    Extractor,
    Layer,
}

impl Way {
    const BOTH: [Self; 2] = [Self::Extractor, Self::Layer];
}

/// A clock that stands still, within the last millisecond of this second.
struct At(u64);

impl Clock for At {
    fn wall(&self) -> Wall {
        Wall(self.0 * 1_000 + 999)
    }
}

/// A clock that is moved by hand: seconds.
#[derive(Clone)]
struct Moved(Arc<AtomicU64>);

impl Clock for Moved {
    fn wall(&self) -> Wall {
        Wall(self.0.load(Ordering::Relaxed) * 1_000)
    }
}

impl Moved {
    fn to(seconds: u64) -> Self {
        Self(Arc::new(AtomicU64::new(seconds)))
    }

    fn on(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

/// A receiver at the time [`NOW`].
fn receiver(scheme: Scheme, secrets: &[&str]) -> Receiver {
    let verifier = Verifier::new(scheme, &parsed(secrets)).unwrap();
    Receiver::new(verifier).clock(At(NOW))
}

fn parsed(secrets: &[&str]) -> Vec<Secret> {
    let secrets = secrets.iter().map(|text| Secret::parse(*text).unwrap());
    secrets.collect()
}

/// A service on a real socket: notes what its handler is given, and answers it with 204.
struct Service {
    address: SocketAddr,
    handled: Arc<Mutex<Vec<Webhook>>>,
}

impl Service {
    async fn start(way: Way, receiver: Receiver) -> Self {
        let handled = Arc::new(Mutex::new(Vec::new()));
        let routes = routes(way, receiver, Arc::clone(&handled));
        let address = serve(routes).await;
        Self { address, handled }
    }

    fn handled(&self) -> Vec<Webhook> {
        self.handled.lock().unwrap().clone()
    }

    fn url(&self) -> String {
        format!("http://{}/webhooks", self.address)
    }
}

fn routes(way: Way, receiver: Receiver, handled: Arc<Mutex<Vec<Webhook>>>) -> Router {
    match way {
        Way::Extractor => {
            let handler = async move |webhook: Webhook| {
                handled.lock().unwrap().push(webhook);
                StatusCode::NO_CONTENT
            };
            Router::new()
                .route("/webhooks", post(handler))
                .with_state(receiver)
        }
        Way::Layer => {
            let handler = async move |Extension(webhook): Extension<Webhook>, body: Bytes| {
                assert_eq!(webhook.body, body, "the body that is passed on");
                handled.lock().unwrap().push(webhook);
                StatusCode::NO_CONTENT
            };
            Router::new()
                .route("/webhooks", post(handler))
                .layer(VerifyLayer::new(receiver))
        }
    }
}

async fn serve(routes: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    address
}

/// Header lines: names and values.
type Headers = Vec<(String, Vec<u8>)>;

/// The headers of a message that was signed at [`NOW`].
fn signed(scheme: Scheme, secrets: &[&str], body: &[u8]) -> Headers {
    signed_at(NOW, scheme, secrets, body)
}

fn signed_at(timestamp: u64, scheme: Scheme, secrets: &[&str], body: &[u8]) -> Headers {
    let signer = Signer::new(scheme, &parsed(secrets)).unwrap();
    let message = Message {
        id: ID,
        timestamp,
        body,
    };
    let headers = signer.sign(&message).unwrap().into_iter();
    headers
        .map(|header| (header.name.to_owned(), header.value.into_bytes()))
        .collect()
}

/// What came back.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    content_type: String,
    body: String,
}

impl Answer {
    /// What a handler answers.
    fn handled() -> Self {
        Self {
            status: 204,
            content_type: String::new(),
            body: String::new(),
        }
    }

    /// All that whoever is refused is told.
    fn refused(status: u16, code: &str) -> Self {
        Self {
            status,
            content_type: "application/json".to_owned(),
            body: format!("{{\"code\":\"{code}\"}}"),
        }
    }
}

async fn send(address: SocketAddr, headers: &Headers, body: impl Into<Body>) -> Answer {
    send_to("/webhooks", address, headers, body.into()).await
}

async fn send_to(path: &str, address: SocketAddr, headers: &Headers, body: Body) -> Answer {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let mut request = Request::post(path).header("host", "receiver.test");
    for (name, value) in headers {
        request = request.header(name, value.as_slice());
    }
    let response = sender.send_request(request.body(body).unwrap()).await;
    let (head, body) = response.unwrap().into_parts();
    let content_type = head.headers.get("content-type");
    Answer {
        status: head.status.as_u16(),
        content_type: content_type.map_or("", |it| it.to_str().unwrap()).into(),
        body: String::from_utf8(body.collect().await.unwrap().to_bytes().into()).unwrap(),
    }
}
