//! Serving the API on a listener: HTTP/1.1 and HTTP/2, bounded in connections and in patience, and
//! ended gracefully.

mod answer;
mod io;
mod watch;

use crate::api::Networks;
use crate::budget::{Budget, Held, Peer, Spent};
use crate::metrics::Metrics;
use crate::quiet::Quiet;
use answer::Answer;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::serve::Listener;
use http::{Request, Version};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use io::Watched;
use postrider::descriptors;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, watch as signal};
use tower_service::Service;
use watch::{Overdue, Watch};

/// The largest head of a request over HTTP/1, and what is read and written at once there, in bytes.
const BUFFER_BYTES: usize = 16 << 10;

/// The largest head of a request over HTTP/2, in bytes.
const HEAD_BYTES_MAX: u32 = 16 << 10;

/// Requests at the same time over one connection of HTTP/2.
const STREAMS_MAX: u32 = 100;

/// Requests at the same time over all connections, until the last byte of their answers has been sent:
/// an answer that is too small to be counted in bytes takes a place here.
const REQUESTS_MAX: u64 = 8_192;

/// Streams of HTTP/2 that were reset before they were looked at, and those that were reset because
/// they broke a rule: a client that makes more is hung up on.
const RESETS_MAX: usize = 20;
const FAULTS_MAX: usize = 200;

/// What a client of HTTP/2 may send before it is asked for more, in bytes: for a request, and for all
/// of a connection.
const STREAM_WINDOW_BYTES: u32 = 128 << 10;
const CONNECTION_WINDOW_BYTES: u32 = 256 << 10;

/// What waits to be sent of one answer of HTTP/2, in bytes.
const SEND_BUFFER_BYTES: usize = 64 << 10;

/// A client of HTTP/2 that says nothing for this long, with a request under way, is asked whether it
/// is there, and has this long to say so.
const PING_AFTER: Duration = Duration::from_secs(30);
const PONG_TIMEOUT: Duration = Duration::from_secs(10);

/// How connections are served.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Connections at the same time: 4,096 unless something else is said, and no more than the
    /// process may have open files for. One that comes beyond is closed at once. An address, or an
    /// IPv6 network of 48 bits, may have half of those that no other has.
    pub connections_max: usize,
    /// Networks of proxies: these may have all of the connections. None, unless they are named.
    pub trusted_proxies: Networks,
    /// Where connections are counted that were refused or given up.
    pub metrics: Metrics,
    /// How long requests under way have to finish when the server is to stop: 30 seconds unless
    /// something else is said. Then they are cut off.
    pub grace: Duration,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            connections_max: 4_096,
            trusted_proxies: Networks::default(),
            metrics: Metrics::default(),
            grace: Duration::from_secs(30),
        }
    }
}

/// Why a connection was refused or given up: the values of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    /// There are as many as there may be.
    Full,
    /// Its address has as many as it may have.
    Share,
    /// It sent no head in time.
    Head,
    /// It asked for nothing.
    Idle,
    /// It did not read what it had asked for.
    Unread,
    /// As many requests are under way as may be, or as its address may have.
    Requests,
}

impl Closed {
    pub(crate) const ALL: [Self; 6] = [
        Self::Full,
        Self::Share,
        Self::Head,
        Self::Idle,
        Self::Unread,
        Self::Requests,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Share => "share",
            Self::Head => "head",
            Self::Idle => "idle",
            Self::Unread => "unread",
            Self::Requests => "requests",
        }
    }
}

/// Cuts the connection off that a request came by: for a stream whose reader does not read. Whatever
/// else is under way there is cut off, too.
#[derive(Clone, Default)]
pub(crate) struct Cut(Arc<Notify>);

impl Cut {
    pub(crate) fn cut(&self) {
        self.0.notify_one();
    }
}

/// What all connections are told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    GoOn,
    /// Finish what is under way.
    Finish,
    /// End.
    End,
}

/// Lets requests in, and tells of them and of connections that were refused or given up.
struct Doorman {
    requests: Arc<Budget>,
    metrics: Metrics,
    /// In the order of [`Closed::ALL`].
    lines: [Quiet; Closed::ALL.len()],
}

impl Doorman {
    /// A place for a request of this owner.
    fn let_in(&self, peer: SocketAddr, owner: Peer) -> Result<Held, h2::Error> {
        self.requests.take(owner, 1).map_err(|_| {
            self.tell(peer, Closed::Requests);
            // An answer would wait to be read, as those do that are too many. Over HTTP/2 the client
            // is told that nothing was done; a connection of HTTP/1 ends.
            h2::Reason::REFUSED_STREAM.into()
        })
    }

    fn tell(&self, peer: SocketAddr, why: Closed) {
        self.metrics.connection_closed(why);
        // That of a client that has no more to ask is no trouble.
        if why == Closed::Idle {
            return;
        }
        if let Some(left_out) = self.lines[why as usize].turn() {
            let (peer, why) = (peer.ip(), why.name());
            tracing::warn!(%peer, why, left_out, "postrider.api.connection_refused");
        }
    }
}

/// Serves the routes until `stop` is done; then requests under way have until `grace` to finish.
/// Each request knows where it comes from: `ConnectInfo<SocketAddr>`.
///
/// A client has 10 seconds for the head of a request, from the moment it is connected, and 60 to read
/// an answer; 75 seconds without a request end the connection. Whoever reads nothing of what there is
/// for 30 seconds is cut off. `docs/operating.md` lists all of it.
///
/// Answers have several parts: a listener of TCP sets `TCP_NODELAY` (`axum::serve::ListenerExt::tap_io`), or
/// each waits 40 ms for the client's delayed acknowledgement.
pub async fn serve<L>(
    mut listener: L,
    routes: Router,
    stop: impl Future<Output = ()>,
    options: ServeOptions,
) where
    L: Listener<Addr = SocketAddr>,
{
    let room = descriptors::Budget::of_process().connections_max;
    let places = Budget::new(options.connections_max.min(room) as u64, 1);
    let doorman = Arc::new(Doorman {
        requests: Budget::new(REQUESTS_MAX, 1),
        metrics: options.metrics,
        lines: std::array::from_fn(|_| Quiet::per_second(1)),
    });
    let (order, orders) = signal::channel(Order::GoOn);
    let mut stop = pin!(stop);
    loop {
        let (io, peer) = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        let owner = Peer::of(peer.ip(), &options.trusted_proxies);
        let place = match places.take(owner, 1) {
            Ok(place) => place,
            Err(Spent::Total) => {
                doorman.tell(peer, Closed::Full);
                continue;
            }
            Err(Spent::Share) => {
                doorman.tell(peer, Closed::Share);
                continue;
            }
        };
        let guest = Guest {
            peer,
            owner,
            place,
            orders: orders.clone(),
            doorman: Arc::clone(&doorman),
        };
        tokio::spawn(guest.run(io, routes.clone()));
    }
    drop((listener, orders));
    order.send_replace(Order::Finish);
    let ended = tokio::time::timeout(options.grace, order.closed()).await;
    if ended.is_err() {
        tracing::warn!("postrider.api.cut_off");
        order.send_replace(Order::End);
    }
}

/// One connection.
struct Guest {
    peer: SocketAddr,
    owner: Peer,
    /// Held, not looked at.
    place: Held,
    orders: signal::Receiver<Order>,
    doorman: Arc<Doorman>,
}

impl Guest {
    async fn run<I>(self, io: I, routes: Router)
    where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let watch = Watch::begin();
        let cut = Cut::default();
        let service = self.service(cut.clone(), routes, Arc::clone(&watch));
        let builder = builder();
        let io = TokioIo::new(Watched::new(io, Arc::clone(&watch)));
        let mut connection = pin!(builder.serve_connection(io, service));
        let mut orders = self.orders.clone();
        let mut is_ending = false;
        loop {
            let why = tokio::select! {
                biased;
                // How a connection ends is its client's affair.
                _ = connection.as_mut() => break,
                () = cut.0.notified() => Some(Closed::Unread),
                order = ordered(&mut orders, is_ending) => match order {
                    Order::End => break,
                    _ => None,
                },
                why = watch.overdue() => Some(Closed::of(why)),
            };
            match why {
                // It may yet be told in the protocol that it is over.
                None | Some(Closed::Idle) if !is_ending => {
                    connection.as_mut().graceful_shutdown();
                    watch.end();
                    is_ending = true;
                    if why.is_some() {
                        self.doorman.tell(self.peer, Closed::Idle);
                    }
                }
                None | Some(Closed::Idle) => break,
                Some(why) => {
                    self.doorman.tell(self.peer, why);
                    break;
                }
            }
        }
        drop(self.place);
    }

    fn service(
        &self,
        cut: Cut,
        routes: Router,
        watch: Arc<Watch>,
    ) -> impl hyper::service::Service<
        Request<Incoming>,
        Response = http::Response<Answer>,
        Error = h2::Error,
        Future: Send + 'static,
    > + use<> {
        let (peer, owner) = (self.peer, self.owner);
        let doorman = Arc::clone(&self.doorman);
        hyper::service::service_fn(move |mut request: Request<Incoming>| {
            let under_way = watch.request(request.version() == Version::HTTP_2);
            let place = doorman.let_in(peer, owner);
            request.extensions_mut().insert(ConnectInfo(peer));
            request.extensions_mut().insert(cut.clone());
            let mut routes = routes.clone();
            async move {
                let held = (under_way, place?);
                let Ok(response) = routes.call(request.map(Body::new)).await;
                Ok::<_, h2::Error>(response.map(|body| Answer::new(body, held)))
            }
        })
    }
}

/// Waits until something else is ordered than to go on, or than to finish, if that is done already.
async fn ordered(orders: &mut signal::Receiver<Order>, is_ending: bool) -> Order {
    let is_news = |order: &Order| *order == Order::End || (*order == Order::Finish && !is_ending);
    // Without a sender nobody waits for the end.
    orders.wait_for(is_news).await.map_or(Order::End, |it| *it)
}

impl Closed {
    fn of(why: Overdue) -> Self {
        match why {
            Overdue::Head => Self::Head,
            Overdue::Idle => Self::Idle,
            Overdue::Unread => Self::Unread,
        }
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    let mut http1 = builder.http1();
    // The watch does that, and tells a head from a connection that is kept.
    http1
        .timer(TokioTimer::new())
        .header_read_timeout(None::<Duration>);
    http1.max_buf_size(BUFFER_BYTES);
    let mut http2 = builder.http2();
    http2
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_AFTER)
        .keep_alive_timeout(PONG_TIMEOUT)
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEAD_BYTES_MAX)
        .max_pending_accept_reset_streams(RESETS_MAX)
        .max_local_error_reset_streams(FAULTS_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES);
    builder
}

#[cfg(test)]
mod tests;
