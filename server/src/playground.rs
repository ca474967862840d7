//! The playground: a receiver of the server's own, whose paths behave as receivers of others do, for
//! trying out what becomes of a delivery.
//!
//! It keeps no bodies and verifies nothing. It is bounded, as everything is that others can reach.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper::header::{HeaderValue, RETRY_AFTER};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::{BTreeMap, VecDeque};
use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

/// Connections at the same time. One that comes beyond is closed at once, and its attempt fails.
const CONNECTIONS_MAX: usize = 128;

/// The largest head of a request, in bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// The largest body that is read to its end, in bytes. None of it is kept.
const BODY_BYTES_MAX: usize = 16 << 20;

/// A head, and then a body, has to be there within this time.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection ends by itself after this: no attempt takes longer.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(3_600);

/// Events of which it is known how often they came; the one that came first is forgotten first.
const EVENTS_MAX: usize = 4_096;

/// Bytes of an event's id by which it is known.
const ID_BYTES_MAX: usize = 64;

/// What is answered late is answered after this time.
const SLOW: Duration = Duration::from_secs(3);

/// What `Retry-After` says, in seconds.
const RETRY_AFTER_S: u16 = 5;

/// How often an event is refused before it is taken, where the receiver recovers.
const FAILURES: u32 = 2;

/// Headers that may have the id of the event.
const ID_HEADERS: [&str; 2] = ["x-event-id", "webhook-id"];

/// How a path of the receiver behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Behaviour {
    Ok,
    FailsTwice,
    NeverAnswers,
    Gone,
    RateLimited,
    Slow,
}

impl Behaviour {
    pub(crate) const ALL: [Self; 6] = [
        Self::Ok,
        Self::FailsTwice,
        Self::NeverAnswers,
        Self::Gone,
        Self::RateLimited,
        Self::Slow,
    ];

    /// Its name, which is its path, too.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::FailsTwice => "fails_twice",
            Self::NeverAnswers => "never_answers",
            Self::Gone => "gone",
            Self::RateLimited => "rate_limited",
            Self::Slow => "slow",
        }
    }

    /// For people.
    pub(crate) fn description(self) -> &'static str {
        match self {
            Self::Ok => "answers 200",
            Self::FailsTwice => "answers each event with 500 twice, then with 200",
            Self::NeverAnswers => "never answers: each attempt ends at its time-out",
            Self::Gone => "answers 410: the receiver wants nothing any more",
            Self::RateLimited => {
                "answers each event with 429 and Retry-After: 5 once, then with 200"
            }
            Self::Slow => "answers 200 after 3 seconds",
        }
    }

    fn at(path: &str) -> Option<Self> {
        let name = path.strip_prefix('/')?;
        Self::ALL.into_iter().find(|it| it.name() == name)
    }
}

/// The receiver of the playground, at work on a loopback port of its own. Clones are the same one; it
/// ends with the last of them.
///
/// Requests reach it only if the egress guard lets them:
/// [`EgressGuard::letting_through`](postrider::egress::EgressGuard::letting_through) opens its
/// [`address`](Self::address) and nothing else.
#[derive(Clone, Debug)]
pub struct Playground(Arc<Working>);

#[derive(Debug)]
struct Working {
    address: SocketAddr,
    task: AbortHandle,
}

impl Drop for Working {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Playground {
    /// Takes a free loopback port, and receives there.
    ///
    /// # Errors
    ///
    /// What the system says if it gives none.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(accept(listener)).abort_handle();
        Ok(Self(Arc::new(Working { address, task })))
    }

    /// Where it receives.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// The URL of the path that behaves like this.
    pub(crate) fn url(&self, behaviour: Behaviour) -> String {
        format!("http://{}/{}", self.0.address, behaviour.name())
    }
}

/// Until it is aborted. Its connections end with it.
async fn accept(listener: TcpListener) {
    let seen = Arc::new(Seen::default());
    let mut connections = JoinSet::new();
    loop {
        let accepted = listener.accept().await;
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = accepted else {
            // Out of file descriptors, most likely: some will be closed.
            sleep(Duration::from_millis(10)).await;
            continue;
        };
        if connections.len() < CONNECTIONS_MAX {
            connections.spawn(serve(stream, Arc::clone(&seen)));
        }
    }
}

async fn serve(stream: TcpStream, seen: Arc<Seen>) {
    let service = service_fn(move |request| answer(Arc::clone(&seen), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(READ_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        // A connection that waits for a next request would hold a place.
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // It ends as its other end wants it to, or when its time is over.
    let _ = timeout(CONNECTION_TIMEOUT, connection).await;
}

async fn answer(
    seen: Arc<Seen>,
    request: Request<Incoming>,
) -> Result<Response<Empty<Bytes>>, io::Error> {
    let (head, body) = request.into_parts();
    let Some(behaviour) = Behaviour::at(head.uri.path()) else {
        return Ok(status(StatusCode::NOT_FOUND));
    };
    match timeout(READ_TIMEOUT, drain(body)).await {
        Ok(true) => (),
        Ok(false) => return Ok(status(StatusCode::PAYLOAD_TOO_LARGE)),
        Err(_) => return Ok(status(StatusCode::REQUEST_TIMEOUT)),
    }
    let before = seen.count(behaviour, event_id(&head.headers));
    Ok(match behaviour {
        Behaviour::FailsTwice if before < FAILURES => status(StatusCode::INTERNAL_SERVER_ERROR),
        Behaviour::RateLimited if before == 0 => {
            let mut response = status(StatusCode::TOO_MANY_REQUESTS);
            let seconds = HeaderValue::from(RETRY_AFTER_S);
            response.headers_mut().insert(RETRY_AFTER, seconds);
            response
        }
        Behaviour::Gone => status(StatusCode::GONE),
        Behaviour::NeverAnswers => pending().await,
        Behaviour::Slow => {
            sleep(SLOW).await;
            status(StatusCode::OK)
        }
        Behaviour::Ok | Behaviour::FailsTwice | Behaviour::RateLimited => status(StatusCode::OK),
    })
}

fn status(status: StatusCode) -> Response<Empty<Bytes>> {
    let mut response = Response::new(Empty::new());
    *response.status_mut() = status;
    response
}

/// Reads a body to its end, and keeps nothing of it. False if it is too large, or breaks off.
async fn drain(body: Incoming) -> bool {
    let mut body = Limited::new(body, BODY_BYTES_MAX);
    while let Some(frame) = body.frame().await {
        if frame.is_err() {
            return false;
        }
    }
    true
}

/// The id of the event, or its first bytes; empty for a request without one.
fn event_id(headers: &HeaderMap) -> &[u8] {
    let found = ID_HEADERS.iter().find_map(|name| headers.get(*name));
    let id = found.map_or(&[][..], HeaderValue::as_bytes);
    &id[..id.len().min(ID_BYTES_MAX)]
}

/// How often each event has come.
#[derive(Default)]
struct Seen(Mutex<Known>);

type Key = (Behaviour, Box<[u8]>);

#[derive(Default)]
struct Known {
    counts: BTreeMap<Key, u32>,
    /// The first one first.
    order: VecDeque<Key>,
}

impl Seen {
    /// How often it has come before.
    fn count(&self, behaviour: Behaviour, event: &[u8]) -> u32 {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key: Key = (behaviour, event.into());
        if let Some(count) = known.counts.get_mut(&key) {
            let before = *count;
            *count = before.saturating_add(1);
            return before;
        }
        if known.order.len() >= EVENTS_MAX
            && let Some(first) = known.order.pop_front()
        {
            known.counts.remove(&first);
        }
        known.order.push_back(key.clone());
        known.counts.insert(key, 1);
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_counted_by_path_and_the_first_one_is_forgotten_first() {
        let seen = Seen::default();
        let of = |event: u32| seen.count(Behaviour::Ok, &event.to_be_bytes());
        assert_eq!([of(0), of(0), of(0)], [0, 1, 2]);
        assert_eq!(seen.count(Behaviour::Slow, &0_u32.to_be_bytes()), 0);
        for event in 1..u32::try_from(EVENTS_MAX).unwrap() {
            assert_eq!(of(event), 0, "{event}");
        }
        assert_eq!(of(0), 0, "it was forgotten");
        let known = seen.0.lock().unwrap();
        assert_eq!(known.counts.len(), EVENTS_MAX);
        assert_eq!(known.order.len(), EVENTS_MAX);
    }

    #[test]
    fn an_id_is_found_in_either_header_and_cut() {
        let mut headers = HeaderMap::new();
        assert_eq!(event_id(&headers), b"");
        headers.insert("webhook-id", HeaderValue::from_static("msg_1"));
        assert_eq!(event_id(&headers), b"msg_1");
        let long = HeaderValue::from_str(&"a".repeat(1_000)).unwrap();
        headers.insert("x-event-id", long);
        assert_eq!(event_id(&headers).len(), ID_BYTES_MAX);
    }

    #[test]
    fn each_behaviour_is_found_at_its_own_path() {
        for behaviour in Behaviour::ALL {
            let path = format!("/{}", behaviour.name());
            assert_eq!(Behaviour::at(&path), Some(behaviour));
        }
        assert_eq!(Behaviour::at("/nothing"), None);
        assert_eq!(Behaviour::at("ok"), None);
    }
}
