//! The receiver: answers 200 at `/`, and nothing at all at `/hang`. At `/timed` it notes how long ago
//! a request was published, and at `/figures` it tells.

use crate::backlog::clock;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::mem;
use std::sync::{Arc, Mutex};
use tokio::net::TcpSocket;

/// What came to `/timed` since somebody asked.
#[derive(Default)]
struct Timed {
    /// When the first request came.
    first: Option<u64>,
    /// How long it took from being published to its arrival; not of those that were published
    /// before the sender started.
    latencies: Vec<u64>,
}

pub(crate) fn run() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(serve());
}

async fn serve() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(4_096).unwrap();
    println!("{}", listener.local_addr().unwrap());
    let timed = Arc::new(Mutex::new(Timed::default()));
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let timed = Arc::clone(&timed);
        let service = service_fn(move |request| answer(request, Arc::clone(&timed)));
        let http = hyper::server::conn::http1::Builder::new();
        tokio::spawn(http.serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(
    request: Request<Incoming>,
    timed: Arc<Mutex<Timed>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    if path == "/hang" {
        return std::future::pending().await;
    }
    if path == "/figures" {
        let figures = mem::take(&mut *timed.lock().unwrap()).figures();
        return Ok(Response::new(figures.into()));
    }
    // Read to the end, so that the connection can be used again.
    let body = body.collect().await;
    if path == "/timed" {
        let body = body.unwrap().to_bytes();
        let published = str::from_utf8(&body[..20]).unwrap().parse().unwrap();
        timed.lock().unwrap().came(published);
    }
    Ok(Response::new(Full::default()))
}

impl Timed {
    fn came(&mut self, published: u64) {
        let now = clock();
        self.first.get_or_insert(now);
        if published > 0 {
            self.latencies.push(now - published);
        }
    }

    /// When the first came, how many were timed, and their 99th percentile.
    fn figures(mut self) -> String {
        self.latencies.sort_unstable();
        let count = self.latencies.len();
        let p99 = self.latencies.get(count * 99 / 100).unwrap_or(&0);
        format!("{} {count} {p99}", self.first.unwrap_or(0))
    }
}
