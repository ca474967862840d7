//! The transport over reqwest.

use super::answer::Answer;
use super::body::{self, Rest};
use super::config::TransportConfig;
use super::connect::blocked;
use super::limits::TransportLimits;
use super::progress::Progress;
use super::request::WireRequest;
use super::{Shortage, Timed, Transport, failure, lookups, shortage};
use crate::egress::{BlockedName, EgressGuard};
use crate::{EndpointUrl, Host};
use http::Method;
use postrider_engine::{Failure, FailureKind, Outcome};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, ClientBuilder, Proxy, Request, Url, redirect};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::time::{Instant, timeout_at};

/// The most headers of an HTTP/1 response. reqwest tells nothing of one with more.
const HEADERS_MAX: usize = 1024;

tokio::task_local! {
    /// Whether the attempt that this task makes is looking up a name.
    static LOOKING_UP: Arc<AtomicBool>;
}

/// Sends through a `reqwest::Client`, for services that need what its builder offers, such as a
/// proxy, a local address or TCP keep-alive. What [`HyperTransport`](super::HyperTransport) does
/// is done here as well, but:
///
/// - A timeout is [`Resolve`](postrider_engine::Phase::Resolve) or
///   [`Response`](postrider_engine::Phase::Response): reqwest does not tell how far a connection
///   is. For the same reason the time until the first byte has the look-up and the connection in it.
/// - A request that crosses with the closing of an idle connection fails as
///   [`Reset`](FailureKind::Reset), and 408 and 421 are answers like any other: reqwest does not
///   tell an old connection from a new one.
/// - The head of an HTTP/1 response is bounded by hyper's defaults, a flood of interim responses
///   by the deadline alone.
/// - An untidy head is read as far as hyper reads it: over HTTP/1 a header in it may be folded, have
///   a space before its colon, or be none at all. More than 1,024 headers, a head that is too long,
///   contradictory lengths, a NUL, and anything untidy over HTTP/2 are failures, and the connection
///   may be used again after such a head.
/// - The peer's address is checked when the head of the response has arrived, not before the
///   request is sent. The address that is dialled was vetted before.
/// - A connection whose receiver reads nothing may outlive its attempts, until the receiver closes it.
///   On Linux the builder's `tcp_user_timeout` ends it.
/// - A request with a client certificate of its own fails: whom a client appears as is one for all.
/// - Of [`PoolLimits`](super::PoolLimits) only `idle_per_origin_max` and `idle_timeout` hold.
///
/// What the builder was given with `resolve`, `resolve_to_addrs`, `unix_socket` or
/// `connector_layer` goes past the guard.
pub struct ReqwestTransport {
    client: Client,
    guard: EgressGuard,
    limits: TransportLimits,
    proxied: bool,
}

impl ReqwestTransport {
    /// A transport over the client that the builder makes. Redirects, proxies, decompression, DNS
    /// and TLS are set here, over whatever the builder was given for them.
    ///
    /// # Errors
    ///
    /// The builder's.
    pub fn new(builder: ClientBuilder, config: TransportConfig) -> Result<Self, reqwest::Error> {
        Self::with_resolver(builder, config, SystemResolver)
    }

    /// The same with a resolver of one's own. The addresses it gives are vetted.
    ///
    /// # Errors
    ///
    /// The builder's.
    pub fn with_resolver(
        builder: ClientBuilder,
        config: TransportConfig,
        resolver: impl Resolve + 'static,
    ) -> Result<Self, reqwest::Error> {
        let resolver = GuardedResolver {
            resolver,
            guard: config.guard.clone(),
            trusted: None,
        };
        Self::build(builder.no_proxy(), config, resolver)
    }

    /// The same through a proxy, which may be at a private address. Every request goes through
    /// it.
    ///
    /// The proxy resolves the names of receivers, so it has to keep requests from private
    /// addresses; here only addresses written as such in a URL are vetted.
    ///
    /// # Errors
    ///
    /// The builder's, or the URL is not one of a proxy.
    pub fn through_proxy(
        builder: ClientBuilder,
        config: TransportConfig,
        proxy: Url,
    ) -> Result<Self, reqwest::Error> {
        let resolver = GuardedResolver {
            resolver: SystemResolver,
            guard: config.guard.clone(),
            trusted: proxy.host_str().map(str::to_owned),
        };
        let builder = builder.no_proxy().proxy(Proxy::all(proxy)?);
        let transport = Self::build(builder, config, resolver)?;
        Ok(Self {
            proxied: true,
            ..transport
        })
    }

    fn build<R: Resolve + 'static>(
        builder: ClientBuilder,
        config: TransportConfig,
        resolver: GuardedResolver<R>,
    ) -> Result<Self, reqwest::Error> {
        let limits = &config.limits;
        let head_bytes_max = u32::try_from(limits.head_bytes_max()).unwrap_or(u32::MAX);
        let client = builder
            .redirect(redirect::Policy::none())
            .referer(false)
            // Another crate may have switched the features on.
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .dns_resolver(resolver)
            .tls_backend_preconfigured(config.tls_with_alpn())
            .pool_max_idle_per_host(limits.pool.idle_per_origin_max)
            .pool_idle_timeout(limits.pool.idle_timeout)
            .http1_allow_obsolete_multiline_headers_in_responses(true)
            .http1_allow_spaces_after_header_name_in_responses(true)
            .http1_ignore_invalid_headers_in_responses(true)
            .http1_max_headers(HEADERS_MAX)
            .http2_max_header_list_size(head_bytes_max)
            .http2_initial_stream_window_size(super::http2::STREAM_WINDOW_BYTES)
            .http2_initial_connection_window_size(super::http2::CONNECTION_WINDOW_BYTES)
            .build()?;
        let TransportConfig { guard, limits, .. } = config;
        Ok(Self {
            client,
            guard,
            limits,
            proxied: false,
        })
    }

    async fn timed(&self, request: &WireRequest, deadline: Instant) -> Timed {
        let mut progress = Progress::new();
        let looking_up = Arc::new(AtomicBool::new(false));
        let attempt = self.attempt(request, &mut progress);
        let attempt = LOOKING_UP.scope(Arc::clone(&looking_up), attempt);
        let ended = timeout_at(deadline, attempt).await;
        let phases = Some(progress.times());
        let outcome = match ended {
            Ok(Ok(())) => progress.finish(),
            Ok(Err(failure)) => progress.fail(failure),
            Err(_) => {
                if looking_up.load(Ordering::Relaxed) {
                    progress.dial(None);
                }
                progress.at_deadline()
            }
        };
        Timed { outcome, phases }
    }

    async fn attempt(&self, request: &WireRequest, progress: &mut Progress) -> Result<(), Failure> {
        let refused = |error| Failure::new(FailureKind::BlockedAddress, error);
        request.url.check_scheme(&self.guard).map_err(refused)?;
        // reqwest resolves names only.
        request.url.check_literal(&self.guard).map_err(blocked)?;
        if request.identity.is_some() {
            let why = "this transport has no client certificates of single endpoints";
            return Err(Failure::new(FailureKind::Tls, why));
        }
        progress.connected();
        let sent = self.client.execute(message(request)?).await;
        let headed = Instant::now();
        let response = sent.map_err(|error| failure_of(error, request.url.is_https()))?;
        if !self.proxied {
            self.check_peer(response.remote_addr(), &request.url)?;
        }
        let took = headed.duration_since(progress.started());
        let (head, body) = http::Response::from(response).into_parts();
        let kept_max = request.response_bytes_max;
        let answer = Answer::new(head.status, &head.headers, &self.limits, kept_max, took)?;
        let answer = progress.answered(answer, headed);
        body::read(
            body,
            answer,
            Rest::Drain(self.limits.drain_bytes_max),
            headed,
            |_| (),
        )
        .await;
        Ok(())
    }

    fn check_peer(&self, peer: Option<SocketAddr>, url: &EndpointUrl) -> Result<(), Failure> {
        let unknown = || Failure::new(FailureKind::BlockedAddress, "the peer's address is unknown");
        let checked = self.guard.check_socket(peer.ok_or_else(unknown)?);
        checked.map_err(|why| match url.host() {
            Host::Address(_) => blocked(why),
            Host::Name(_) => Failure::new(FailureKind::BlockedAddress, BlockedName),
        })
    }
}

/// The request as reqwest takes it; it sets `host` and `content-length` itself.
fn message(request: &WireRequest) -> Result<Request, Failure> {
    // Every endpoint URL is a URL, so this does not fail.
    let url = Url::parse(request.url.as_str())
        .map_err(|error| Failure::new(FailureKind::Internal, error))?;
    let mut message = Request::new(Method::POST, url);
    for (name, value) in request.end_to_end_headers() {
        message.headers_mut().append(name, value.clone());
    }
    *message.body_mut() = Some(request.body.clone().into());
    Ok(message)
}

fn failure_of(error: reqwest::Error, is_https: bool) -> Failure {
    // The URL may hold a secret.
    let error = error.without_url();
    let causes = || failure::chain(&error);
    if causes().any(|cause| cause.is::<BlockedName>()) {
        return Failure::new(FailureKind::BlockedAddress, BlockedName);
    }
    let io_cause = || causes().find_map(|cause| cause.downcast_ref::<io::Error>());
    let is_short = || {
        io_cause().is_some_and(|it| {
            failure::carries::<Shortage>(it) || shortage::is_shortage(failure::innermost(it))
        })
    };
    let kind = if error.is_connect()
        && (is_short() || error.is_dns() && shortage::has_no_descriptors())
    {
        FailureKind::Local
    } else if error.is_dns() {
        FailureKind::Dns
    } else if error.is_connect() {
        match io_cause() {
            Some(error) if failure::carries::<rustls::Error>(error) => FailureKind::Tls,
            // The connection was made, and then broke off in the handshake.
            Some(error) if is_https && is_cut(error) => FailureKind::Tls,
            _ => FailureKind::Connect,
        }
    } else if let Some(error) = causes().find_map(|cause| cause.downcast_ref::<hyper::Error>()) {
        failure::kind_of_hyper(error)
    } else {
        io_cause().map_or(FailureKind::Internal, failure::kind_of_io)
    };
    Failure::new(kind, failure::describe(&error))
}

fn is_cut(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(
        failure::innermost(error).kind(),
        BrokenPipe | ConnectionReset | UnexpectedEof
    )
}

impl Transport for ReqwestTransport {
    fn send(
        &self,
        request: WireRequest,
        deadline: Instant,
    ) -> Pin<Box<dyn Future<Output = Outcome> + Send + '_>> {
        Box::pin(async move { self.timed(&request, deadline).await.outcome })
    }

    fn send_timed(
        &self,
        request: WireRequest,
        deadline: Instant,
    ) -> Pin<Box<dyn Future<Output = Timed> + Send + '_>> {
        Box::pin(async move { self.timed(&request, deadline).await })
    }
}

/// Vets what another resolver gives.
struct GuardedResolver<R> {
    resolver: R,
    guard: EgressGuard,
    /// The host of the proxy, whose addresses are not vetted.
    trusted: Option<String>,
}

impl<R: Resolve> Resolve for GuardedResolver<R> {
    fn resolve(&self, name: Name) -> Resolving {
        // Asked from within the attempt; a lookup that nobody waits for any more counts nowhere.
        let looking_up = LOOKING_UP.try_with(Arc::clone).unwrap_or_default();
        let trusted = self.trusted.as_deref() == Some(name.as_str());
        let guard = self.guard.clone();
        let lookup = self.resolver.resolve(name);
        looking_up.store(true, Ordering::Relaxed);
        Box::pin(async move {
            let found = lookup.await;
            looking_up.store(false, Ordering::Relaxed);
            let addresses: Vec<SocketAddr> = found?.collect();
            if addresses.is_empty() {
                return Err("the name has no addresses".into());
            }
            if !trusted {
                // One address that is refused refuses the name.
                let mut checked = addresses.iter().map(|it| guard.check(it.ip()));
                if checked.any(|checked| checked.is_err()) {
                    return Err(BlockedName.into());
                }
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// The resolver of the operating system.
struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // reqwest puts the port of the URL in place of 0.
            let found = lookups::look_up(name.as_str()).await?;
            let found: Vec<SocketAddr> = found.to_vec();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

impl fmt::Debug for ReqwestTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestTransport")
            .field("limits", &self.limits)
            .field("proxied", &self.proxied)
            .finish_non_exhaustive()
    }
}
