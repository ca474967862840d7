//! The transport over hyper.

use super::answer::Answer;
use super::body::{self, Rest};
use super::config::TransportConfig;
use super::connect::{Connected, Connector};
use super::dial::{Dial, TokioDial};
use super::http1::{Http1, Unanswered};
use super::http2::Http2;
use super::identities::Identities;
use super::limits::TransportLimits;
use super::pool::{Checkout, Lease, Pool, Slot};
use super::progress::Progress;
use super::request::WireRequest;
use super::{Timed, Transport, failure};
use crate::EndpointUrl;
use http::Response;
use postrider_engine::{ClientIdentity, Failure, FailureKind, Outcome, Repeat, TenantId};
use std::borrow::Cow;
use std::fmt::{self, Write};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use tokio::time::{Instant, timeout_at};

type HttpPool<D> = Pool<Box<Http1<<D as Dial>::Stream>>, Http2>;
type HttpLease<D> = Lease<Box<Http1<<D as Dial>::Stream>>, Http2>;
type HttpSlot<D> = Slot<Box<Http1<<D as Dial>::Stream>>, Http2>;

/// Sends over HTTP/1.1, or HTTP/2 where TLS negotiates it, on connections of its own.
///
/// On a connection that was used before, a request that fails without a byte in answer, or is
/// answered 408 or 421, is sent once more on a new connection within the same attempt, whose outcome
/// says so, as does the second request: see [`Repeat`] and
/// [`REPEAT_HEADER`](postrider_engine::REPEAT_HEADER). Receivers close idle connections when they
/// please, and some say 408 when they do. That a request may so arrive twice is what webhook receivers
/// are told to expect; one that may not has a new connection ([`WireRequest::send_again`]).
pub struct HyperTransport<D: Dial = TokioDial> {
    connector: Connector<D>,
    pool: Arc<HttpPool<D>>,
    limits: TransportLimits,
    identities: Identities,
}

impl HyperTransport {
    /// A transport over the operating system's network.
    #[must_use]
    pub fn new(config: TransportConfig) -> Self {
        Self::with_dial(config, TokioDial)
    }
}

impl<D: Dial> HyperTransport<D> {
    /// A transport over another network.
    #[must_use]
    pub fn with_dial(config: TransportConfig, dial: D) -> Self {
        let tls = config.tls_with_alpn();
        let TransportConfig {
            guard,
            limits,
            uplink,
            ..
        } = config;
        Self {
            connector: Connector::new(dial, guard, tls, uplink),
            pool: Pool::new(limits.pool.clone()),
            limits,
            identities: Identities::default(),
        }
    }

    /// The number of connections kept for the next request.
    #[must_use]
    pub fn idle_connections(&self) -> usize {
        self.pool.idle()
    }

    /// Closes the connections that are kept for the next request.
    pub fn close_idle_connections(&self) {
        self.pool.close_idle();
    }

    async fn timed(&self, request: &WireRequest, deadline: Instant) -> Timed {
        let mut progress = Progress::new();
        let ended = timeout_at(deadline, self.attempt(request, deadline, &mut progress)).await;
        let phases = Some(progress.times());
        let outcome = match ended {
            Ok(Ok(())) => progress.finish(),
            Ok(Err(failure)) => progress.fail(failure),
            Err(_) => progress.at_deadline(),
        };
        Timed { outcome, phases }
    }

    /// Returns when the response has been read as far as it is kept; it is in `progress`.
    async fn attempt(
        &self,
        request: &WireRequest,
        deadline: Instant,
        progress: &mut Progress,
    ) -> Result<(), Failure> {
        let url = &request.url;
        let guard = self.connector.guard();
        let refused = |error| Failure::new(FailureKind::BlockedAddress, error);
        url.check_scheme(guard).map_err(refused)?;
        let identity = self.identity_of(request);
        let origin = origin(request, guard.scope(&request.tenant), identity.as_ref());
        // What must not be sent again goes out on a connection that nothing was sent on before.
        let mut newer_than = (!request.send_again).then(|| self.pool.mark());
        let may_share = url.is_https() && request.send_again;
        loop {
            let now = progress.started();
            let sent = match self.pool.checkout(&origin, may_share, newer_than, now) {
                Checkout::Exclusive(lease) => self.send_http1(request, lease, progress, true).await,
                Checkout::Shared(slot) => self.send_http2(request, slot, progress, true).await,
                Checkout::Wait(dialing, settled) => {
                    progress.wait_for(dialing);
                    settled.await;
                    continue;
                }
                Checkout::Dial(permit) => {
                    progress.dial(permit.dialing());
                    // Boxed because it is rare and large: it would be a part of every attempt.
                    let whose = (guard.of(&request.tenant), identity.as_ref());
                    let connect =
                        self.connector
                            .connect(url, whose, &self.limits, (deadline, progress));
                    let sent = match Box::pin(connect).await? {
                        Connected::Http1(connection) => {
                            let lease = permit.exclusive(connection);
                            self.send_http1(request, lease, progress, false).await
                        }
                        Connected::Http2(connection) => {
                            let slot = permit.shared(connection);
                            self.send_http2(request, slot, progress, false).await
                        }
                    };
                    return sent.map_err(|unanswered| unanswered.failure);
                }
            };
            match sent {
                Err(Unanswered {
                    again: Some(why), ..
                }) if request.send_again && !progress.is_repeat() => {
                    progress.repeat(why);
                    newer_than = Some(self.pool.mark());
                }
                sent => return sent.map_err(|unanswered| unanswered.failure),
            }
        }
    }

    /// As whom the request appears in a handshake, if there is one.
    fn identity_of(&self, request: &WireRequest) -> Option<ClientIdentity> {
        if !request.url.is_https() {
            return None;
        }
        let own = request.identity.clone();
        own.or_else(|| self.identities.of(&request.tenant))
    }

    async fn send_http1(
        &self,
        request: &WireRequest,
        mut lease: HttpLease<D>,
        progress: &mut Progress,
        used_before: bool,
    ) -> Result<(), Unanswered> {
        progress.connected();
        let message = request.to_http1(progress.repeated()).map_err(unsendable)?;
        let response = lease.send(message).await?;
        let headed = Instant::now();
        let (answer, body) = self.answer(request, response, headed, progress, used_before)?;
        let drain_bytes_max = self.limits.drain_bytes_max;
        if lease.read(body, answer, drain_bytes_max, headed).await && request.send_again {
            lease.give_back(headed);
        }
        Ok(())
    }

    async fn send_http2(
        &self,
        request: &WireRequest,
        mut slot: HttpSlot<D>,
        progress: &mut Progress,
        used_before: bool,
    ) -> Result<(), Unanswered> {
        progress.connected();
        let message = request.to_http2(progress.repeated()).map_err(unsendable)?;
        let response = slot.send(message).await;
        let headed = Instant::now();
        let answer =
            response.and_then(|sent| self.answer(request, sent, headed, progress, used_before));
        // One that is about the connection retires it, and so does one that is alone on it.
        let is_of_receiver = answer
            .as_ref()
            .map_or_else(|it| it.again.is_none(), |_| true);
        if is_of_receiver && request.send_again {
            slot.answered();
        }
        let (answer, body) = answer?;
        // To give up a stream costs little; nothing is drained for the sake of the connection.
        body::read(body, answer, Rest::Drain(0), headed, |_| ()).await;
        Ok(())
    }

    /// From here on the attempt has an answer, unless the request has to be sent again: on a
    /// connection that was used before, an answer may be about the connection.
    fn answer<'a, B>(
        &self,
        request: &WireRequest,
        response: Response<B>,
        headed: Instant,
        progress: &'a mut Progress,
        used_before: bool,
    ) -> Result<(&'a mut Answer, B), Unanswered> {
        let (head, body) = response.into_parts();
        let asked = Repeat::asked_by(head.status.as_u16());
        let may_repeat = request.send_again && used_before && !progress.is_repeat();
        if asked.is_some() && may_repeat {
            let detail = format_args!("answered {} on a used connection", head.status);
            return Err(Unanswered {
                failure: Failure::new(FailureKind::Reset, detail),
                again: asked,
            });
        }
        let kept_max = request.response_bytes_max;
        let took = headed.duration_since(progress.started());
        let answer = Answer::new(head.status, &head.headers, &self.limits, kept_max, took);
        let answer = answer.map_err(|failure| Unanswered {
            failure,
            again: None,
        })?;
        Ok((progress.answered(answer, headed), body))
    }
}

/// What a connection can be used for again: one that was made under the rules of a tenant, or as
/// somebody, is only for requests under the same rules and as the same.
fn origin<'r>(
    request: &'r WireRequest,
    scope: Option<u64>,
    identity: Option<&ClientIdentity>,
) -> Cow<'r, str> {
    let mut origin = Cow::Borrowed(request.url.origin());
    // No origin has a space. Nothing keeps a text from being written to.
    if let Some(scope) = scope {
        let _ = write!(origin.to_mut(), " {scope}");
    }
    if let Some(identity) = identity {
        let _ = write!(origin.to_mut(), " as {:x}", identity.fingerprint());
    }
    if !request.send_again {
        origin.to_mut().push_str(" once");
    }
    origin
}

/// Every [`EndpointUrl`](crate::EndpointUrl) is also a [`http::Uri`], so this does not happen.
fn unsendable(error: impl std::error::Error + 'static) -> Unanswered {
    let failure = Failure::new(FailureKind::Internal, failure::describe(&error));
    Unanswered {
        failure,
        again: None,
    }
}

impl<D: Dial> Transport for HyperTransport<D> {
    fn resolve<'a>(
        &'a self,
        url: &'a EndpointUrl,
    ) -> Pin<Box<dyn Future<Output = Option<Vec<IpAddr>>> + Send + 'a>> {
        Box::pin(self.connector.look_up(url))
    }

    fn identify(&self, tenant: &TenantId, identity: Option<ClientIdentity>) -> bool {
        self.identities.set(tenant, identity);
        true
    }

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

impl<D: Dial> fmt::Debug for HyperTransport<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperTransport")
            .field("idle_connections", &self.idle_connections())
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
