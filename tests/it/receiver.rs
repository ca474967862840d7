//! A receiver on a real socket: notes every request and answers as the test says.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use postrider::egress::EgressGuard;
use postrider::signature::{Scheme, Verifier};
use postrider::{EndpointSpec, Postrider, RetryPolicy, Schedule, Secret};
use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::net::{TcpListener, TcpSocket};

pub(crate) const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// How a request is answered.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Status(u16),
    /// With this `Retry-After`.
    RetryAfter(u16, &'static str),
    /// After this time.
    Late(Duration, u16),
    Never,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) at: Instant,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// Whether both kinds of default signatures are right under this secret.
    pub(crate) fn is_signed_with(&self, secret: &str) -> bool {
        let default = [Scheme::Postrider, Scheme::BodyHex];
        default.into_iter().all(|it| self.is_signed_by(it, secret))
    }

    /// Whether the signature of this scheme is there and right under this secret.
    pub(crate) fn is_signed_by(&self, scheme: Scheme, secret: &str) -> bool {
        let secrets = [Secret::parse(secret).unwrap()];
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs();
        let headers = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()));
        let verifier = Verifier::new(scheme, &secrets).unwrap();
        verifier.verify(headers, &self.body, now).is_ok()
    }
}

/// A receiver that is down: its port refuses connections, and nobody else is given it.
pub(crate) struct Down {
    socket: TcpSocket,
    address: SocketAddr,
}

impl Down {
    pub(crate) fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        Self { socket, address }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/webhooks", self.address)
    }

    /// From now on it answers with this status.
    pub(crate) fn up(self, status: u16) -> Receiver {
        let listener = self.socket.listen(64).unwrap();
        Receiver::on(listener, move |_, _| Reply::Status(status))
    }
}

pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    /// A receiver whose `n`th request (from 0) is answered with `reply(n, request)`.
    pub(crate) async fn start(
        reply: impl Fn(usize, &Received) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, reply)
    }

    pub(crate) fn on(
        listener: TcpListener,
        reply: impl Fn(usize, &Received) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let reply = Arc::new(reply);
        let log = Arc::clone(&received);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, reply) = (Arc::clone(&log), Arc::clone(&reply));
                let service = service_fn(move |request| {
                    answer(request, Arc::clone(&log), Arc::clone(&reply))
                });
                let http = hyper::server::conn::http1::Builder::new();
                tokio::spawn(http.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, received }
    }

    /// Always this status.
    pub(crate) async fn answering(status: u16) -> Self {
        Self::start(move |_, _| Reply::Status(status)).await
    }

    /// Whatever status was set last.
    pub(crate) async fn changeable(status: u16) -> (Self, Arc<AtomicU16>) {
        let status = Arc::new(AtomicU16::new(status));
        let set = Arc::clone(&status);
        let reply = move |_, _: &Received| Reply::Status(status.load(Ordering::Relaxed));
        (Self::start(reply).await, set)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/webhooks", self.address)
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.received.lock().unwrap().len()
    }

    pub(crate) fn bodies(&self) -> Vec<String> {
        let bodies = self.received().into_iter().map(|it| it.body);
        bodies
            .map(|body| String::from_utf8(body.to_vec()).unwrap())
            .collect()
    }
}

async fn answer<F: Fn(usize, &Received) -> Reply>(
    request: Request<Incoming>,
    log: Arc<Mutex<Vec<Received>>>,
    reply: Arc<F>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return pending().await;
    };
    let request = Received {
        at: Instant::now(),
        headers: head.headers,
        body: body.to_bytes(),
    };
    let number = {
        let mut log = log.lock().unwrap();
        log.push(request.clone());
        log.len() - 1
    };
    let with = |status: u16| Response::builder().status(status);
    let response = match reply(number, &request) {
        Reply::Status(status) => with(status),
        Reply::RetryAfter(status, text) => with(status).header("retry-after", text),
        Reply::Late(wait, status) => {
            tokio::time::sleep(wait).await;
            with(status)
        }
        Reply::Never => pending().await,
    };
    Ok(response
        .body(Full::new(Bytes::from_static(b"answer")))
        .unwrap())
}

/// A Postrider that may send to loopback.
pub(crate) async fn postrider() -> Postrider {
    Postrider::builder()
        .egress(loopback())
        .start()
        .await
        .unwrap()
}

pub(crate) fn loopback() -> EgressGuard {
    "127.0.0.0/8".parse().unwrap()
}

/// A URL where nobody listens.
pub(crate) async fn closed() -> String {
    format!("http://{}/", closed_port())
}

/// An address where nobody listens. The port stays bound until the tests end: it refuses, and
/// no other test can be given it.
pub(crate) fn closed_port() -> SocketAddr {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    std::mem::forget(socket);
    address
}

/// An endpoint whose retries come after 20 ms, 40 ms, …, and whose attempts may take
/// longer than a slow machine needs.
pub(crate) fn hasty(url: &str, retries: u32) -> EndpointSpec {
    let mut spec = EndpointSpec::new(url);
    spec.retry = RetryPolicy::with_schedule(Schedule::Exponential {
        first: Duration::from_millis(20),
        factor: 2.0,
        cap: Duration::from_secs(1),
        retries,
    });
    spec.timeout = Duration::from_secs(10);
    spec
}

/// Waits until it holds, for at most 20 seconds.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    let give_up = Instant::now() + Duration::from_secs(20);
    while !holds().await {
        assert!(Instant::now() < give_up, "waited 20 s in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits for the end of an event, and says how it ended.
pub(crate) async fn end_of(
    postrider: &Postrider,
    event: &postrider::EventId,
) -> postrider::EventStatus {
    use postrider::EventState::{Pending, Retrying, Scheduled};
    until("the event ends", || async {
        let status = postrider.event_status(event).await.unwrap();
        !matches!(status.state, Scheduled | Pending | Retrying)
    })
    .await;
    postrider.event_status(event).await.unwrap()
}
