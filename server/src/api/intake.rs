//! What requests and their answers hold in memory, and for how long a body may come: bounded over all
//! of them, with a share for each address.

use super::extract::read;
use super::inbound::sender;
use super::problem::{Code, Problem};
use super::{Api, Networks};
use crate::budget::{Budget, Held, Peer, Spent};
use crate::metrics::Metrics;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Frame, SizeHint};
use std::convert::Infallible;
use std::error::Error;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, Sleep, sleep_until, timeout};

/// What all requests under way may hold, in bytes.
const REQUESTS_BYTES_MAX: u64 = 64 << 20;

/// What requests to sources may hold beside those, whose bodies may be large, in bytes; and what those
/// of one address may, as long as there is as much: the largest body, in each of its copies, and what is
/// noted of its values.
const LARGE_BYTES_MAX: u64 = 256 << 20;
const LARGE_BYTES_LEAST: u64 = 192 << 20;

/// From here on a body is large, in bytes; and from here on one with events to publish, which is mostly a
/// batch.
const LARGE_BODY_BYTES: u64 = 1 << 20;
const LARGE_PUBLISHED_BYTES: u64 = 8 << 20;

/// What answers may hold that are made and not yet sent, in bytes: an address may have half of it, which
/// is more than the largest payload.
const ANSWERS_BYTES_MAX: u64 = 64 << 20;

/// What answers may hold beside that of requests that have changed something, in bytes.
const DONE_BYTES_MAX: u64 = 16 << 20;

/// What a request counts for beside its head and its body, in bytes.
const REQUEST_BYTES: u64 = 8 << 10;

/// What an address may have of the two, as long as there is any: more than a small request takes, and
/// a small answer that is counted.
const REQUEST_BYTES_LEAST: u64 = 4 * REQUEST_BYTES;
const ANSWER_BYTES_LEAST: u64 = 4 * SMALL_ANSWER_BYTES;

/// How often a body is in memory while its request is worked on: as it came, read, and handed on.
const COPIES: u64 = 3;

/// An answer up to this size is not counted, in bytes: it fits into a socket's buffer.
const SMALL_ANSWER_BYTES: u64 = 4 << 10;

/// What is handed to a connection at once, in bytes.
const CHUNK_BYTES: usize = 16 << 10;

/// A body has this long, from its head on.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Requests that read, under way or in the queue for it, and those that read at once. So many that the
/// last one of the queue has its turn in time, though each of those before it takes a second.
const READS_MAX: u64 = 48;
const READS_AT_ONCE_MAX: usize = 6;

/// A request that reads waits this long for its turn.
const READ_WAIT: Duration = Duration::from_secs(10);

/// The only route below `/v1` that is read for as long as its reader likes: it has bounds of its own.
const STREAM: &str = "/v1/stream";

/// Routes that need no room: they read nothing that comes with a request.
const PROBES: [&str; 2] = ["/livez", "/readyz"];

/// What the requests share.
pub(crate) struct Intake {
    requests: Arc<Budget>,
    large: Arc<Budget>,
    answers: Arc<Budget>,
    /// Where those of finished changes have room when the others have none.
    done: Arc<Budget>,
    reads: Arc<Budget>,
    turns: Semaphore,
}

/// Why a request was refused before anybody looked at what it says: the values of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turned {
    /// Its body was not complete in time.
    Late,
    /// All requests together hold as much as they may.
    Full,
    /// Those from its address do.
    Share,
    /// Too many wait to read.
    Reads,
    /// Too much of what was answered has not been read.
    Unread,
}

impl Turned {
    pub(crate) const ALL: [Self; 5] = [
        Self::Late,
        Self::Full,
        Self::Share,
        Self::Reads,
        Self::Unread,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::Full => "full",
            Self::Share => "share",
            Self::Reads => "reads",
            Self::Unread => "unread",
        }
    }

    fn of(spent: Spent) -> Self {
        match spent {
            Spent::Total => Self::Full,
            Spent::Share => Self::Share,
        }
    }

    fn problem(self) -> Problem {
        let busy = |detail: &str| Problem::new(Code::Busy, detail).retry_after(1);
        match self {
            Self::Late => {
                let detail = format!("the body was not complete after {BODY_TIMEOUT:?}");
                Problem::new(Code::RequestTimeout, detail)
            }
            Self::Full => busy("the requests under way hold as many bytes as they may"),
            Self::Share => {
                busy("the requests under way from this address hold as many bytes as they may")
            }
            Self::Reads => busy("too many requests wait to read"),
            Self::Unread => busy("too many bytes of answers have not been read yet"),
        }
    }
}

/// What a request holds; shared with whatever reads its body.
#[derive(Clone)]
pub(super) struct Room {
    held: Arc<Mutex<Held>>,
    metrics: Metrics,
}

impl Room {
    /// Room for so many bytes more, until the request has been answered.
    pub(super) fn grow(&self, bytes: u64) -> Result<(), Problem> {
        self.try_grow(bytes).map_err(Turned::problem)
    }

    /// Has its room where large bodies have theirs, if a body may come that is one: so they take none
    /// from the others, however many come.
    pub(super) fn for_body(&self, intake: &Intake, body: &Body, most: u64) -> Result<(), Problem> {
        let size = body.size_hint();
        let bytes = size.upper().unwrap_or(most).min(most);
        if bytes <= LARGE_BODY_BYTES {
            return Ok(());
        }
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        match held.of_other(&intake.large) {
            Ok(large) => *held = large,
            Err(spent) => {
                let why = Turned::of(spent);
                self.metrics.request_turned(why);
                return Err(why.problem());
            }
        }
        Ok(())
    }

    fn try_grow(&self, bytes: u64) -> Result<(), Turned> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.grow(bytes).map_err(|spent| {
            let why = Turned::of(spent);
            self.metrics.request_turned(why);
            why
        })
    }
}

/// Reads a body with events to publish, of at most so many bytes. A large one has its room where those of
/// sources have theirs.
pub(super) async fn read_published(
    api: &Api,
    head: &Parts,
    body: Body,
    most: usize,
) -> Result<Bytes, Problem> {
    let bound = u64::try_from(most).unwrap_or(u64::MAX);
    let bytes = body.size_hint().upper().unwrap_or(bound).min(bound);
    if bytes > LARGE_PUBLISHED_BYTES
        && let Some(room) = head.extensions.get::<Room>()
    {
        room.for_body(api.intake(), &body, bound)?;
    }
    read(body, most).await
}

impl Default for Intake {
    fn default() -> Self {
        Self {
            requests: Budget::new(REQUESTS_BYTES_MAX, REQUEST_BYTES_LEAST),
            large: Budget::new(LARGE_BYTES_MAX, LARGE_BYTES_LEAST),
            answers: Budget::new(ANSWERS_BYTES_MAX, ANSWER_BYTES_LEAST),
            done: Budget::new(DONE_BYTES_MAX, ANSWER_BYTES_LEAST),
            reads: Budget::new(READS_MAX, 1),
            turns: Semaphore::new(READS_AT_ONCE_MAX),
        }
    }
}

impl Intake {
    /// Waits for a turn to read.
    async fn turn(&self, peer: Peer) -> Result<Turn<'_>, Turned> {
        let place = self.reads.take(peer, 1).map_err(|_| Turned::Reads)?;
        match timeout(READ_WAIT, self.turns.acquire()).await {
            Ok(Ok(turn)) => Ok(Turn {
                _turn: turn,
                _place: place,
            }),
            _ => Err(Turned::Reads),
        }
    }
}

/// A turn to read, until this is dropped.
pub(super) struct Turn<'i> {
    _turn: SemaphorePermit<'i>,
    _place: Held,
}

/// Whoever asks to read by a request that looks like a change: its handler finds that out.
pub(crate) struct Reader(Peer);

impl<S: Send + Sync> FromRequestParts<S> for Reader {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<Peer>();
        Ok(Self(peer.copied().unwrap_or_default()))
    }
}

impl Reader {
    /// Waits for a turn to read.
    pub(super) async fn turn<'a>(&self, api: &'a Api) -> Result<Turn<'a>, Problem> {
        api.intake().turn(self.0).await.map_err(|why| {
            api.options().metrics.request_turned(why);
            why.problem()
        })
    }
}

/// Wraps the routes.
pub(super) async fn bound(api: &Api, request: Request, next: Next) -> Response {
    // Whoever asks whether the server lives asks most of all when it has no room.
    if PROBES.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let metrics = api.options().metrics.clone();
    let turned = |why: Turned| {
        metrics.request_turned(why);
        why.problem().into_response()
    };
    let intake = api.intake();
    let peer = peer(&request, api.trusted_proxies());
    let bytes = REQUEST_BYTES + head_bytes(request.headers());
    let held = match intake.requests.take(peer, bytes) {
        Ok(held) => Arc::new(Mutex::new(held)),
        Err(spent) => return turned(Turned::of(spent)),
    };
    let reads = is_read(&request);
    let changes = !request.method().is_safe();
    let room = Room {
        held,
        metrics: metrics.clone(),
    };
    let mut request = bounded(request, room.clone());
    request.extensions_mut().insert(peer);
    let response = if reads {
        let _turn = match intake.turn(peer).await {
            Ok(turn) => turn,
            Err(why) => return turned(why),
        };
        next.run(request).await
    } else if changes {
        let room = room.clone();
        ToItsEnd::new(async move {
            let response = next.run(request).await;
            drop(room);
            response
        })
        .await
    } else {
        next.run(request).await
    };
    // Whoever read the body has let go of it long ago; what became of it is there until now.
    drop(room);
    let bytes = response.body().size_hint().exact().unwrap_or(0);
    if bytes <= SMALL_ANSWER_BYTES {
        return response;
    }
    if let Ok(held) = intake.answers.take(peer, bytes) {
        return handed_out(response, held).await;
    }
    if !changes {
        return turned(Turned::Unread);
    }
    // It is done: whoever is told to come again would do it twice.
    match intake.done.take(peer, bytes) {
        Ok(held) => handed_out(response, held).await,
        Err(_) => {
            metrics.request_turned(Turned::Unread);
            without_body(response)
        }
    }
}

/// The status, which says that it is done, and nothing more.
fn without_body(response: Response) -> Response {
    let (mut head, _) = response.into_parts();
    head.headers.remove(CONTENT_LENGTH);
    head.headers.remove(CONTENT_TYPE);
    Response::from_parts(head, Body::empty())
}

/// A change comes to its end, whoever still waits for it: given up in the middle it would be on record,
/// and what is in memory would not know of it. It goes on in a task of its own when it is given up here;
/// nearly none is, and a task for each costs more than that.
struct ToItsEnd(Option<Pin<Box<dyn Future<Output = Response> + Send>>>);

impl ToItsEnd {
    fn new(change: impl Future<Output = Response> + Send + 'static) -> Self {
        Self(Some(Box::pin(change)))
    }
}

impl Future for ToItsEnd {
    type Output = Response;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Response> {
        // One that has ended, or panicked, is not there any more.
        let Some(mut change) = self.0.take() else {
            return Poll::Pending;
        };
        let polled = change.as_mut().poll(context);
        if polled.is_pending() {
            self.0 = Some(change);
        }
        polled
    }
}

impl Drop for ToItsEnd {
    fn drop(&mut self) {
        // Without a runtime the process ends.
        if let (Some(change), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(change);
        }
    }
}

fn is_read(request: &Request) -> bool {
    let path = request.uri().path();
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    reads && path.starts_with("/v1/") && path != STREAM
}

/// Whoever sent the request, seen through the proxies in front, if that is known.
fn peer(request: &Request, trusted: &Networks) -> Peer {
    let sender = sender(request.extensions(), request.headers(), trusted);
    sender.map_or_else(Peer::default, |address| Peer::of(address, trusted))
}

fn head_bytes(headers: &HeaderMap) -> u64 {
    let lines = headers.iter();
    let lines = lines.map(|(name, value)| name.as_str().len() + value.len());
    lines.sum::<usize>() as u64
}

/// The request with a body that is counted and has a deadline.
fn bounded(mut request: Request, room: Room) -> Request {
    request.extensions_mut().insert(room.clone());
    let until = Instant::now() + BODY_TIMEOUT;
    request.map(|body| {
        Body::new(Counted {
            body,
            room,
            until,
            sleep: None,
        })
    })
}

/// A body whose bytes are counted as they come.
struct Counted {
    body: Body,
    room: Room,
    until: Instant,
    /// There is one as soon as something has to be waited for.
    sleep: Option<Pin<Box<Sleep>>>,
}

/// Why a body is not read to its end.
#[derive(Debug, thiserror::Error)]
enum CutShort {
    #[error("{}", .0.name())]
    Turned(Turned),
    #[error(transparent)]
    Broken(axum::Error),
}

impl hyper::body::Body for Counted {
    type Data = Bytes;
    type Error = CutShort;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutShort>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            // A stream of HTTP/2 that is given up without an error looks like one that has ended.
            if frame.is_none() && self.body.size_hint().lower() > 0 {
                let short = axum::Error::new("it ends before its length");
                return Poll::Ready(Some(Err(CutShort::Broken(short))));
            }
            return Poll::Ready(frame.map(|frame| {
                let frame = frame.map_err(CutShort::Broken)?;
                let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
                self.room
                    .try_grow(bytes * COPIES)
                    .map_err(CutShort::Turned)?;
                Ok(frame)
            }));
        }
        let until = self.until;
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(sleep_until(until)));
        if sleep.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        self.room.metrics.request_turned(Turned::Late);
        Poll::Ready(Some(Err(CutShort::Turned(Turned::Late))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Why a body broke off.
pub(super) fn broken_off(error: &axum::Error) -> Problem {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(CutShort::Turned(why)) = error.downcast_ref() {
            return why.problem();
        }
        cause = error.source();
    }
    Problem::new(Code::BadJson, format_args!("the body broke off: {error}"))
}

/// What a JSON text takes in memory as a tree of values, at most, in bytes: every object has a node of
/// its own, and every element a place.
pub(super) fn tree_bytes(text: &[u8]) -> u64 {
    const OBJECT: u64 = 640;
    const ELEMENT: u64 = 72;
    let byte = |byte: &u8| match byte {
        b'{' => OBJECT,
        b'[' | b',' | b':' => ELEMENT,
        _ => 1,
    };
    text.iter().map(byte).sum()
}

/// What is noted of a body while something is looked up in it, at most, in bytes: where each value and
/// each name is, the members of objects that are asked about, the fields of a form.
pub(super) fn notes_bytes(body: &[u8]) -> u64 {
    const VALUE: u64 = 48;
    const MEMBER: u64 = 64;
    const FIELD: u64 = 192;
    let byte = |byte: &u8| match byte {
        b'{' | b'[' | b',' => VALUE,
        b':' => MEMBER,
        b'&' => FIELD,
        _ => 0,
    };
    body.iter().map(byte).sum()
}

/// An answer that is held until it has been sent.
struct Kept {
    bytes: Bytes,
    #[expect(dead_code, reason = "held, not looked at")]
    held: Held,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The answer, handed to the connection as that takes it. What is held goes back when the last byte
/// has been sent, wherever it waits until then.
async fn handed_out(response: Response, held: Held) -> Response {
    let (head, body) = response.into_parts();
    match body.collect().await {
        Ok(all) => {
            let bytes = all.to_bytes();
            let rest = Bytes::from_owner(Kept { bytes, held });
            Response::from_parts(head, Body::new(Chunks { rest }))
        }
        Err(error) => Problem::new(Code::Internal, error).into_response(),
    }
}

struct Chunks {
    rest: Bytes,
}

impl hyper::body::Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let most = self.rest.len().min(CHUNK_BYTES);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(most)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

#[cfg(test)]
mod tests;
