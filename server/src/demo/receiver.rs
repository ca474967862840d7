//! The receivers: an HTTP server on the loopback for each endpoint, which behaves as planned and
//! writes down what it sees.

use super::data::{self, Entry, Journal};
use super::plan::EndpointPlan;
use crate::input::unix_seconds;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use postrider::signature::{KeyError, Scheme, Sequence, Verifier};
use postrider::{EventId, Secret};
use serde::{Deserialize, Serialize};
use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};
use tokio::time::sleep;

/// Connections that may wait to be accepted: more than one endpoint makes at once.
const BACKLOG: u32 = 128;

/// The payload of an event.
#[derive(Deserialize, Serialize)]
pub(super) struct Payload {
    /// The number of the endpoint.
    pub(super) endpoint: usize,
    /// The number of the event among those of the endpoint, from 0, in the order of submission.
    pub(super) sequence: usize,
}

/// A port that is bound, so that nobody else can have it, but refuses connections until it is
/// served.
pub(super) struct Reserved {
    socket: TcpSocket,
    address: SocketAddr,
}

/// What a receiver was sent, in the order in which it was.
#[derive(Default)]
pub(super) struct Log {
    pub(super) sightings: Vec<Sighting>,
    /// Requests whose signature is wrong, or that carry no event of this endpoint.
    pub(super) invalid: u64,
}

/// One line of the log, about the event with this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sighting {
    /// A request came in whole. It named this event.
    Arrived(usize, EventId),
    /// The request is about to be answered with this status.
    Answered(usize, u16),
}

impl Log {
    /// How many requests came, right or wrong.
    pub(super) fn requests(&self) -> u64 {
        let arrived = self
            .sightings
            .iter()
            .filter(|it| matches!(it, Sighting::Arrived(..)));
        arrived.count() as u64 + self.invalid
    }
}

/// A receiver at work.
pub(super) struct Receiver {
    index: usize,
    plan: Arc<EndpointPlan>,
    verifiers: [Verifier; 2],
    journal: Option<Arc<Journal>>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    log: Log,
    /// How often each event has come.
    arrivals: Vec<usize>,
    hung: usize,
}

impl Reserved {
    /// This port, or one that is free.
    pub(super) fn new(port: Option<u16>) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind((Ipv4Addr::LOCALHOST, port.unwrap_or(0)).into())?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/hooks", self.address)
    }

    /// Accepts connections from now on.
    pub(super) fn serve(self, receiver: Arc<Receiver>) -> io::Result<()> {
        let listener = self.socket.listen(BACKLOG)?;
        tokio::spawn(accept(listener, receiver));
        Ok(())
    }
}

async fn accept(listener: TcpListener, receiver: Arc<Receiver>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, most likely: some will be closed.
            sleep(Duration::from_millis(10)).await;
            continue;
        };
        // Without it answers are a little late, and that is all.
        let _ = stream.set_nodelay(true);
        let receiver = Arc::clone(&receiver);
        let service = service_fn(move |request| Arc::clone(&receiver).receive(request));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        // A connection ends as its other end wants it to: with a time-out, for example.
        tokio::spawn(async move { connection.await.ok() });
    }
}

impl Receiver {
    /// A receiver that has seen what is in the entries before.
    pub(super) fn new(
        index: usize,
        plan: Arc<EndpointPlan>,
        before: &[Entry],
        journal: Option<Arc<Journal>>,
    ) -> Result<Self, KeyError> {
        let secret = Secret::generate_hmac(plan.secret);
        let verifier = |scheme| Verifier::new(scheme, std::slice::from_ref(&secret));
        let (log, hung) = data::seen(before, index);
        let mut arrivals = vec![0; plan.events.len()];
        for sighting in &log.sightings {
            if let Sighting::Arrived(sequence, _) = *sighting
                && let Some(count) = arrivals.get_mut(sequence)
            {
                *count += 1;
            }
        }
        Ok(Self {
            index,
            verifiers: [verifier(Scheme::Standard)?, verifier(Scheme::BodyHex)?],
            journal,
            seen: Mutex::new(Seen {
                log,
                arrivals,
                hung,
            }),
            plan,
        })
    }

    /// The log; what is seen from now on is in another.
    pub(super) fn take_log(&self) -> Log {
        std::mem::take(&mut self.seen().log)
    }

    async fn receive(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Empty<Bytes>>, hyper::Error> {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let Some((sequence, event)) = self.read(&head.headers, &body) else {
            self.seen().log.invalid += 1;
            return Ok(answer(StatusCode::BAD_REQUEST));
        };
        let Some(status) = self.arrived(sequence, event) else {
            return pending().await;
        };
        // A request that overtakes this one can now be seen to.
        tokio::task::yield_now().await;
        let mut seen = self.seen();
        seen.log
            .sightings
            .push(Sighting::Answered(sequence, status));
        self.write_down(Entry::Answered(self.index, sequence, status));
        drop(seen);
        Ok(answer(StatusCode::from_u16(status).unwrap_or_default()))
    }

    /// Which event it is, if both signatures are right and it belongs here.
    fn read(&self, headers: &HeaderMap, body: &[u8]) -> Option<(usize, EventId)> {
        let now = unix_seconds();
        let pairs = || {
            headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_bytes()))
        };
        let [standard, body_hex] = &self.verifiers;
        let verified = standard.verify(pairs(), body, now).ok()?;
        body_hex.verify(pairs(), body, now).ok()?;
        let payload: Payload = serde_json::from_slice(body).ok()?;
        let is_here = payload.endpoint == self.index && payload.sequence < self.plan.events.len();
        let (event, _) = Sequence::split(verified.id?);
        let event = event.parse().ok()?;
        is_here.then_some((payload.sequence, event))
    }

    /// Notes a request and gives its answer; `None` if it is to get none.
    fn arrived(&self, sequence: usize, event: EventId) -> Option<u16> {
        let mut seen = self.seen();
        seen.log.sightings.push(Sighting::Arrived(sequence, event));
        self.write_down(Entry::Arrived(self.index, sequence, event));
        seen.arrivals[sequence] += 1;
        if seen.hung < self.plan.hangs {
            seen.hung += 1;
            self.write_down(Entry::Silent(self.index, sequence));
            return None;
        }
        Some(
            self.plan.events[sequence]
                .answers
                .to_request(seen.arrivals[sequence]),
        )
    }

    /// In the order in which it was seen: whoever calls holds what was seen.
    fn write_down(&self, entry: Entry) {
        if let Some(journal) = &self.journal {
            journal.add(entry);
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn answer(status: StatusCode) -> Response<Empty<Bytes>> {
    let mut response = Response::new(Empty::new());
    *response.status_mut() = status;
    response
}
