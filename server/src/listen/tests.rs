use super::*;
use axum::body::Bytes;
use axum::response::IntoResponse;
use axum::routing::get;
use hyper::body::Frame;
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

/// A server with a clock that jumps to what is due as soon as nothing else is to be done.
struct Server {
    connections: mpsc::UnboundedSender<(DuplexStream, SocketAddr)>,
    metrics: Metrics,
    _stop: oneshot::Sender<()>,
    _serving: JoinHandle<()>,
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
const PING: &[u8] = &[0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];

/// Connections without sockets: the system may hand bytes on late, and a clock that jumps would not
/// wait for them.
struct Pipes(mpsc::UnboundedReceiver<(DuplexStream, SocketAddr)>);

impl Listener for Pipes {
    type Io = DuplexStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (DuplexStream, SocketAddr) {
        match self.0.recv().await {
            Some(connection) => connection,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        Ok((Ipv4Addr::LOCALHOST, 80).into())
    }
}

/// What a pipe holds, and much more than that.
const PIPE: usize = 64 << 10;
const LARGE: usize = 4 << 20;

/// A body without an end.
struct Endless;

impl hyper::body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b' '; 4_096])))))
    }
}

fn server(connections_max: usize) -> Server {
    let routes = Router::new()
        .route("/", get(|| async { "here" }))
        .route("/large", get(|| async { "x".repeat(LARGE) }))
        .route(
            "/endless",
            get(|| async { Body::new(Endless).into_response() }),
        );
    let (connections, accepted) = mpsc::unbounded_channel();
    let options = ServeOptions {
        connections_max,
        ..ServeOptions::default()
    };
    let metrics = options.metrics.clone();
    let (stop, stopped) = oneshot::channel();
    let stopped = async {
        let _ = stopped.await;
    };
    Server {
        connections,
        metrics,
        _stop: stop,
        _serving: tokio::spawn(serve(Pipes(accepted), routes, stopped, options)),
    }
}

impl Server {
    fn connect(&self) -> DuplexStream {
        self.connect_from(1)
    }

    /// From this address of the loopback.
    fn connect_from(&self, last: u8) -> DuplexStream {
        let (ours, theirs) = tokio::io::duplex(PIPE);
        let from = (Ipv4Addr::new(127, 0, 0, last), 4_096).into();
        self.connections.send((theirs, from)).unwrap();
        ours
    }

    fn closed(&self, why: Closed) -> u64 {
        self.metrics.connections_closed(why)
    }
}

/// Writes a byte every second until the other side hangs up. After how many seconds it did.
async fn drip(client: &mut DuplexStream, bytes: impl Iterator<Item = u8>) -> u64 {
    let start = Instant::now();
    for byte in bytes {
        let written = client.write_all(&[byte]).await;
        if written.is_err() || is_over(client, Duration::from_secs(1)).await {
            return start.elapsed().as_secs();
        }
    }
    panic!("all of it was taken")
}

/// Whether the other side hangs up within this time.
async fn is_over(client: &mut DuplexStream, within: Duration) -> bool {
    let mut buffer = [0; 4_096];
    let until_end = async { while client.read(&mut buffer).await.is_ok_and(|read| read > 0) {} };
    timeout(within, until_end).await.is_ok()
}

/// After how many seconds the other side hangs up.
async fn end(client: &mut DuplexStream) -> u64 {
    let start = Instant::now();
    assert!(is_over(client, Duration::from_secs(600)).await);
    start.elapsed().as_secs()
}

async fn ask(client: &mut DuplexStream, path: &str) {
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
}

async fn answer(client: &mut DuplexStream) -> String {
    let mut buffer = vec![0; 4_096];
    let read = client.read(&mut buffer).await.unwrap();
    String::from_utf8(buffer[..read].to_vec()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn who_sends_nothing_or_half_a_head_is_hung_up_on_after_ten_seconds() {
    let server = server(100);
    for begun in [
        &b""[..],
        b"GET / HT",
        b"GET / HTTP/1.1\r\nhost: x\r\n",
        &PREFACE[..9],
        PREFACE,
    ] {
        let mut client = server.connect();
        client.write_all(begun).await.unwrap();
        assert_eq!(end(&mut client).await, 10, "{begun:?}");
    }
    assert_eq!(server.closed(Closed::Head), 5);
}

#[tokio::test(start_paused = true)]
async fn bytes_that_drip_keep_no_connection() {
    let server = server(100);
    let head = b"GET / HTTP/1.1\r\nhost: x\r\nx-long: ".iter().copied();
    let head = head.chain(std::iter::repeat_n(b'x', 60));
    let took = drip(&mut server.connect(), head.clone()).await;
    assert!((9..=11).contains(&took), "{took}");
    let mut used = server.connect();
    ask(&mut used, "/").await;
    assert!(answer(&mut used).await.ends_with("here"));
    sleep(Duration::from_secs(30)).await;
    let took = drip(&mut used, head).await;
    assert!((9..=11).contains(&took), "{took}");
}

#[tokio::test(start_paused = true)]
async fn pings_of_http2_keep_no_connection() {
    let server = server(100);
    let mut client = server.connect();
    client
        .write_all(&[PREFACE, SETTINGS].concat())
        .await
        .unwrap();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(600) {
        let written = client.write_all(PING).await;
        if written.is_err() || is_over(&mut client, Duration::from_secs(1)).await {
            break;
        }
    }
    let took = start.elapsed().as_secs();
    assert!((9..=11).contains(&took), "{took}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_kept_between_requests_but_not_for_ever() {
    let server = server(100);
    let mut client = server.connect();
    for _ in 0..3 {
        ask(&mut client, "/").await;
        assert!(answer(&mut client).await.ends_with("here"));
        sleep(Duration::from_secs(70)).await;
    }
    assert!((4..=7).contains(&end(&mut client).await));
    assert_eq!(server.closed(Closed::Idle), 1);
}

#[tokio::test(start_paused = true)]
async fn who_reads_nothing_of_an_answer_or_a_stream_is_cut_off() {
    let server = server(100);
    for path in ["/large", "/endless"] {
        let mut client = server.connect();
        ask(&mut client, path).await;
        sleep(Duration::from_secs(62)).await;
        assert!(
            is_over(&mut client, Duration::from_millis(500)).await,
            "{path}"
        );
    }
    assert_eq!(server.closed(Closed::Unread), 2);
}

#[tokio::test]
async fn one_address_keeps_no_other_out() {
    let server = server(8);
    let mut held = Vec::new();
    for _ in 0..20 {
        held.push(server.connect_from(1));
    }
    let mut other = server.connect_from(2);
    ask(&mut other, "/").await;
    assert!(answer(&mut other).await.ends_with("here"));
    assert_eq!(server.closed(Closed::Share), 16);
    let mut refused = held.pop().unwrap();
    assert!(is_over(&mut refused, Duration::from_secs(5)).await);
}
