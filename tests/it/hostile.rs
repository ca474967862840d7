//! A receiver that does what receivers do on bad days: real sockets on the loopback, bytes written
//! by hand.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "all of it is test code, of which clippy knows the test functions only"
)]

mod behaviour;
mod http2;
mod tls;

pub(crate) use behaviour::Behaviour;
pub(crate) use http2::Http2Behaviour;
pub(crate) use tls::Authority;

use rustls::ServerConfig;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// A listener and what it has seen. Stops when dropped.
pub(crate) struct Receiver {
    address: SocketAddr,
    seen: Arc<Seen>,
    hang_up: watch::Sender<()>,
    accepting: JoinHandle<()>,
}

/// What a receiver has seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    connections: AtomicUsize,
    open: AtomicUsize,
    requests: Mutex<Vec<Vec<u8>>>,
    streams: AtomicUsize,
    streams_at_once: AtomicUsize,
}

/// How a receiver talks.
#[derive(Clone)]
enum Talk {
    Plain(Behaviour),
    Tls(TlsAcceptor, Behaviour),
    Http2(TlsAcceptor, Http2Behaviour),
}

impl Receiver {
    /// Listens without TLS.
    pub(crate) async fn start(behaviour: Behaviour) -> Self {
        Self::listen(Talk::Plain(behaviour)).await
    }

    /// Listens for HTTP/1.1 over TLS.
    pub(crate) async fn start_tls(config: ServerConfig, behaviour: Behaviour) -> Self {
        Self::listen(Talk::Tls(TlsAcceptor::from(Arc::new(config)), behaviour)).await
    }

    /// Listens for HTTP/2 over TLS.
    pub(crate) async fn start_http2(config: ServerConfig, behaviour: Http2Behaviour) -> Self {
        Self::listen(Talk::Http2(TlsAcceptor::from(Arc::new(config)), behaviour)).await
    }

    /// A listener that must never be reached.
    pub(crate) async fn canary() -> Self {
        Self::start(Behaviour::Answer(OK.into())).await
    }

    async fn listen(talk: Talk) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        let (hang_up, hung_up) = watch::channel(());
        let accepting = tokio::spawn(accept(listener, talk, Arc::clone(&seen), hung_up));
        Self {
            address,
            seen,
            hang_up,
            accepting,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// A URL of this receiver under a host name or address.
    pub(crate) fn url(&self, scheme: &str, host: &str) -> String {
        format!("{scheme}://{host}:{}/hooks?key=1", self.port())
    }

    /// The plain URL by address.
    pub(crate) fn http(&self) -> String {
        self.url("http", "127.0.0.1")
    }

    /// Closes all connections that are open now.
    pub(crate) fn hang_up(&self) {
        self.hang_up.send_replace(());
    }

    /// Connections accepted so far.
    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// Connections that neither side has closed.
    pub(crate) fn open(&self) -> usize {
        self.seen.open.load(Ordering::SeqCst)
    }

    /// Waits until so many connections are open.
    pub(crate) async fn until_open(&self, expected: usize) {
        for _ in 0..200 {
            if self.open() == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} connections are open, not {expected}", self.open());
    }

    /// The requests read to their end, head and body as they came. Of an HTTP/2 request: its URI.
    pub(crate) fn requests(&self) -> Vec<String> {
        let requests = self.seen.requests.lock().unwrap();
        requests
            .iter()
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
            .collect()
    }

    /// The most HTTP/2 streams that were open at once.
    pub(crate) fn streams_at_once(&self) -> usize {
        self.seen.streams_at_once.load(Ordering::SeqCst)
    }
}

/// An answer with nothing wrong.
pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

impl Drop for Receiver {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Seen {
    fn request(&self, bytes: Vec<u8>) {
        self.requests.lock().unwrap().push(bytes);
    }
}

/// Counts a connection as open for as long as it lives.
struct Open(Arc<Seen>);

impl Open {
    fn new(seen: Arc<Seen>) -> Self {
        seen.connections.fetch_add(1, Ordering::SeqCst);
        seen.open.fetch_add(1, Ordering::SeqCst);
        Self(seen)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn accept(listener: TcpListener, talk: Talk, seen: Arc<Seen>, hung_up: watch::Receiver<()>) {
    while let Ok((stream, _)) = listener.accept().await {
        let open = Open::new(Arc::clone(&seen));
        let mut hung_up = hung_up.clone();
        hung_up.mark_unchanged();
        let talk = talk.clone();
        tokio::spawn(async move {
            let seen = Arc::clone(&open.0);
            tokio::select! {
                biased;
                _ = hung_up.changed() => {}
                () = speak(stream, talk, &seen) => {}
            }
            drop(open);
        });
    }
}

async fn speak(stream: TcpStream, talk: Talk, seen: &Arc<Seen>) {
    match talk {
        Talk::Plain(behaviour) => {
            if matches!(behaviour, Behaviour::Reset(_)) {
                // Closing then sends a reset, not a regular end.
                stream.set_zero_linger().unwrap();
            }
            behaviour.follow(stream, seen).await;
        }
        Talk::Tls(acceptor, behaviour) => {
            if let Ok(stream) = acceptor.accept(stream).await {
                behaviour.follow(stream, seen).await;
            }
        }
        Talk::Http2(acceptor, behaviour) => {
            if let Ok(stream) = acceptor.accept(stream).await {
                behaviour.follow(stream, seen).await;
            }
        }
    }
}

trait Wire: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Wire for T {}
