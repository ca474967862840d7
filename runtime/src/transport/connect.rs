//! From a URL to a connection: resolve, vet, dial, check, shake hands.

use super::dial::Dial;
use super::failure::{carries, describe, of_hyper};
use super::http1::Http1;
use super::http2::Http2;
use super::limits::TransportLimits;
use super::progress::Progress;
use super::shortage::Shortage;
use super::stream::{HeadWatch, Stream};
use super::tls::ALPN_HTTP2;
use crate::EndpointUrl;
use crate::egress::{Blocked, BlockedName, EgressGuard};
use crate::endpoint_url::Host;
use postrider_engine::{Failure, FailureKind, Phase};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Makes connections to where the guard lets requests go.
pub(crate) struct Connector<D> {
    dial: D,
    guard: EgressGuard,
    tls: TlsConnector,
}

/// A connection, by the protocol it speaks.
pub(crate) enum Connected<D: Dial> {
    Http1(Box<Http1<D::Stream>>),
    Http2(Http2),
}

impl<D: Dial> Connector<D> {
    pub(crate) fn new(dial: D, guard: EgressGuard, tls: ClientConfig) -> Self {
        Self {
            dial,
            guard,
            tls: TlsConnector::from(Arc::new(tls)),
        }
    }

    /// The rules for all tenants.
    pub(crate) fn guard(&self) -> &EgressGuard {
        &self.guard
    }

    /// The addresses of the host, whether or not they are allowed.
    pub(crate) async fn look_up(&self, url: &EndpointUrl) -> Option<Vec<IpAddr>> {
        match url.host() {
            Host::Address(address) => Some(vec![address]),
            Host::Name(name) => {
                let found = self.dial.resolve(name, url.port()).await.ok()?;
                Some(found.iter().map(SocketAddr::ip).collect())
            }
        }
    }

    /// Makes a connection that `guard` allows, ready for a request. `progress` follows it.
    pub(crate) async fn connect(
        &self,
        url: &EndpointUrl,
        guard: EgressGuard,
        limits: &TransportLimits,
        (deadline, progress): (Instant, &mut Progress),
    ) -> Result<Connected<D>, Failure> {
        let addresses = self.resolve(url, &guard, progress).await?;
        progress.enter(Phase::Connect);
        let vetted = Vetted {
            addresses: &addresses,
            guard: &guard,
            is_name: matches!(url.host(), Host::Name(_)),
        };
        let stream = self.dial(&vetted, limits.dials_max, deadline).await?;

        let watch = HeadWatch::new(limits.head_bytes_max());
        let stream = if url.is_https() {
            progress.enter(Phase::Tls);
            let stream = self.shake_hands(url.host(), stream).await?;
            let chosen = stream.get_ref().1.alpn_protocol();
            if chosen == Some(ALPN_HTTP2) {
                let stream = Stream::tls(stream, watch);
                let connection = Http2::new(stream, limits).await;
                return connection
                    .map(Connected::Http2)
                    .map_err(|error| of_hyper(&error));
            }
            Stream::tls(stream, Arc::clone(&watch))
        } else {
            Stream::plain(stream, Arc::clone(&watch))
        };
        let connection = Http1::new(stream, watch, limits).await;
        let connection = connection.map_err(|error| of_hyper(&error))?;
        Ok(Connected::Http1(Box::new(connection)))
    }

    /// The addresses of the host, all of them vetted. One that is refused refuses the name: a
    /// name with public and private addresses is an attack on whoever picks the private one.
    async fn resolve(
        &self,
        url: &EndpointUrl,
        guard: &EgressGuard,
        progress: &mut Progress,
    ) -> Result<Vec<SocketAddr>, Failure> {
        let addresses = match url.host() {
            Host::Address(address) => vec![SocketAddr::new(address, url.port())],
            Host::Name(name) => {
                progress.enter(Phase::Resolve);
                let found = self.dial.resolve(name, url.port()).await;
                found.map_err(|error| failed(FailureKind::Dns, &error))?
            }
        };
        if addresses.is_empty() {
            return Err(Failure::new(FailureKind::Dns, "the name has no addresses"));
        }
        let is_name = matches!(url.host(), Host::Name(_));
        for address in &addresses {
            let checked = guard.check_socket(*address);
            checked.map_err(|why| blocked_host(why, is_name))?;
        }
        Ok(addresses)
    }

    /// Dials the addresses in turn until one answers. Each gets an even share of the time that is
    /// left, so that a first one that swallows packets leaves time for the second.
    async fn dial(
        &self,
        vetted: &Vetted<'_>,
        dials_max: usize,
        deadline: Instant,
    ) -> Result<D::Stream, Failure> {
        let mut failure = Failure::new(FailureKind::Connect, "no address was dialled");
        let addresses = vetted.addresses;
        let addresses = &addresses[..addresses.len().min(dials_max)];
        for (address, left) in addresses.iter().zip((1..=addresses.len()).rev()) {
            let now = Instant::now();
            let share = deadline.saturating_duration_since(now) / u32::try_from(left).unwrap_or(1);
            // The attempt's own deadline ends the last one.
            let until = if left == 1 { deadline } else { now + share };
            failure = match timeout_at(until, self.dial.connect(*address)).await {
                Ok(Ok(stream)) => return self.check_peer(stream, vetted),
                Ok(Err(error)) if carries::<Shortage>(&error) => {
                    return Err(failed(FailureKind::Local, &error));
                }
                Ok(Err(error)) => {
                    let shown = vetted.shown(address);
                    let detail = format_args!("{shown}: {}", describe(&error));
                    Failure::new(FailureKind::Connect, detail)
                }
                Err(_) => {
                    let shown = vetted.shown(address);
                    let detail = format_args!("{shown}: no answer in its share of the time");
                    Failure::new(FailureKind::Timeout(Phase::Connect), detail)
                }
            };
        }
        Err(failure)
    }

    /// Vets the address that was reached: `0.0.0.0` reaches the loopback, and a network may
    /// redirect what it likes.
    fn check_peer(&self, stream: D::Stream, vetted: &Vetted<'_>) -> Result<D::Stream, Failure> {
        let peer = self.dial.peer(&stream);
        let peer = peer.map_err(|error| Failure::new(FailureKind::Connect, describe(&error)))?;
        let checked = vetted.guard.check_socket(peer);
        checked.map_err(|why| blocked_host(why, vetted.is_name))?;
        Ok(stream)
    }

    async fn shake_hands(
        &self,
        host: Host<'_>,
        stream: D::Stream,
    ) -> Result<TlsStream<D::Stream>, Failure> {
        let name = match host {
            Host::Address(address) => Ok(ServerName::from(address)),
            Host::Name(name) => ServerName::try_from(name.to_owned()),
        };
        let name = name.map_err(|error| Failure::new(FailureKind::Tls, describe(&error)))?;
        let stream = self.tls.connect(name, stream).await;
        stream.map_err(|error| Failure::new(FailureKind::Tls, describe(&error)))
    }
}

/// Addresses that were vetted.
struct Vetted<'a> {
    addresses: &'a [SocketAddr],
    guard: &'a EgressGuard,
    /// They are those of a name.
    is_name: bool,
}

impl Vetted<'_> {
    /// An address as it may be told to whoever owns the endpoint: what a name means inside a
    /// network is not for everybody.
    fn shown(&self, address: &SocketAddr) -> String {
        if self.is_name && EgressGuard::public_only().check(address.ip()).is_err() {
            return "an address of the name".to_owned();
        }
        address.to_string()
    }
}

/// Of a name it is not told which address it has.
fn blocked_host(why: Blocked, is_name: bool) -> Failure {
    if is_name {
        tracing::debug!(%why, "postrider.egress.name_refused");
        return Failure::new(FailureKind::BlockedAddress, BlockedName);
    }
    blocked(why)
}

/// This kind of failure, unless it is this machine's.
fn failed(kind: FailureKind, error: &std::io::Error) -> Failure {
    let kind = match carries::<Shortage>(error) {
        true => FailureKind::Local,
        false => kind,
    };
    Failure::new(kind, describe(error))
}

pub(crate) fn blocked(blocked: Blocked) -> Failure {
    Failure::new(FailureKind::BlockedAddress, blocked)
}
