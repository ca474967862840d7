//! From a URL to a connection: resolve, vet, dial, check, shake hands.

mod tunnel;

use super::dial::Dial;
use super::failure::{carries, describe, of_hyper};
use super::http1::Http1;
use super::http2::Http2;
use super::limits::TransportLimits;
use super::progress::Progress;
use super::shortage::Shortage;
use super::stream::{HeadWatch, Stream};
use super::tls::{ALPN_HTTP2, with_identity};
use super::uplink::Uplink;
use crate::EndpointUrl;
use crate::egress::{Blocked, BlockedName, EgressGuard};
use crate::endpoint_url::Host;
use crate::vetting::is_localhost;
use postrider_engine::{ClientIdentity, Failure, FailureKind, Phase};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Makes connections to where the guard lets requests go.
pub(crate) struct Connector<D> {
    dial: D,
    guard: EgressGuard,
    tls: Arc<ClientConfig>,
    uplink: Uplink,
}

/// A connection, by the protocol it speaks.
pub(crate) enum Connected<D: Dial> {
    Http1(Box<Http1<D::Stream>>),
    Http2(Http2),
}

impl<D: Dial> Connector<D> {
    pub(crate) fn new(dial: D, guard: EgressGuard, tls: ClientConfig, uplink: Uplink) -> Self {
        Self {
            dial,
            guard,
            tls: Arc::new(tls),
            uplink,
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

    /// Makes a connection that `guard` allows, as `identity`, ready for a request. `progress` follows
    /// it.
    pub(crate) async fn connect(
        &self,
        url: &EndpointUrl,
        (guard, identity): (EgressGuard, Option<&ClientIdentity>),
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
        let stream = match self.uplink.proxy_to(&addresses, &guard) {
            None => self.dial(&vetted, limits.dials_max, deadline).await?,
            Some(proxy) => {
                let most = addresses.len().min(limits.dials_max);
                let targets = proxy.targets(url, &addresses[..most]);
                self.tunnel(proxy, &targets, deadline).await?
            }
        };

        let watch = HeadWatch::new(limits.head_bytes_max());
        let stream = if url.is_https() {
            progress.enter(Phase::Tls);
            let stream = self.shake_hands(url.host(), stream, identity).await?;
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
    /// name with public and private addresses is an attack on whoever picks the private one. There are
    /// none if the proxy looks up the name.
    async fn resolve(
        &self,
        url: &EndpointUrl,
        guard: &EgressGuard,
        progress: &mut Progress,
    ) -> Result<Vec<SocketAddr>, Failure> {
        let mut addresses = match url.host() {
            Host::Address(address) => vec![SocketAddr::new(address, url.port())],
            Host::Name(name) if self.uplink.leaves_names_to_proxy() => {
                // To the proxy this is the proxy itself.
                let own = guard.check(Ipv4Addr::LOCALHOST.into());
                return match own.err().filter(|_| is_localhost(name)) {
                    Some(why) => Err(blocked_host(why, true)),
                    None => Ok(Vec::new()),
                };
            }
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
        addresses.retain(|it| guard.is_own_receiver(*it) || self.uplink.takes(it.ip()));
        if addresses.is_empty() {
            let why = "it has no address of the kind that this server sends to \
                       (address_family, source_address)";
            return Err(Failure::new(FailureKind::Connect, why));
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
            let source = match vetted.guard.is_own_receiver(*address) {
                true => None,
                false => self.uplink.source_for(address.ip()),
            };
            let dialled = self.dial.connect_from(*address, source);
            failure = match timeout_at(until, dialled).await {
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
        identity: Option<&ClientIdentity>,
    ) -> Result<TlsStream<D::Stream>, Failure> {
        let name = match host {
            Host::Address(address) => Ok(ServerName::from(address)),
            Host::Name(name) => ServerName::try_from(name.to_owned()),
        };
        let name = name.map_err(|error| Failure::new(FailureKind::Tls, describe(&error)))?;
        let config = match identity {
            None => Arc::clone(&self.tls),
            Some(identity) => {
                let config = with_identity(&self.tls, identity);
                let unusable = |error| Failure::new(FailureKind::Tls, error);
                Arc::new(config.map_err(unusable)?)
            }
        };
        let stream = TlsConnector::from(config).connect(name, stream).await;
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
