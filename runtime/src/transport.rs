//! Transports: one HTTP POST out, one [`Outcome`] back.
//!
//! [`HyperTransport`] is the one to use. It is hyper over a [`Dial`], so that a simulator can
//! swap the network for its own. [`ReqwestTransport`] goes through a `reqwest::Client`, for
//! services that have one already. Both keep the same rules:
//!
//! - Every address is vetted by the [`EgressGuard`](crate::egress::EgressGuard) before the first
//!   packet, and the address that was vetted is the one that is dialled.
//! - One deadline covers everything from the lookup of the name to the last byte read.
//! - The status decides. What becomes of the body after it does not matter, nor is it waited for
//!   longer than 5 s from the head, and a head that is not as tidy as it should be is read as far as
//!   it can be: the receiver has handled the request.
//! - A redirect is an answer like any other and is never followed.
//! - Nothing of a response is unbounded: see [`TransportLimits`]. No body is ever decompressed.
//! - No proxy is taken from the environment. One that is given is a part of the [`Uplink`].
//! - What this machine is short of is no fault of the receiver's: see [`Shortage`].
//! - A pooled connection that turns out to be dead costs no attempt.

mod answer;
mod body;
mod config;
mod connect;
mod dial;
mod failure;
mod head;
mod http1;
mod http2;
mod hyper;
mod identities;
mod limits;
mod lookups;
mod pool;
mod progress;
mod proxy;
mod request;
#[cfg(feature = "reqwest")]
mod reqwest;
mod shortage;
mod stopwatch;
mod stream;
pub mod tls;
mod uplink;

pub use config::TransportConfig;
pub use dial::{Dial, TokioDial};
pub use hyper::HyperTransport;
pub use limits::{PoolLimits, TransportLimits};
pub use proxy::{InvalidProxy, Proxy};

pub use request::WireRequest;
#[cfg(feature = "reqwest")]
pub use reqwest::ReqwestTransport;
pub use shortage::Shortage;
pub(crate) use shortage::tell as tell_of_shortage;
#[cfg(feature = "sqlite")]
pub(crate) use shortage::{has_no_descriptors, is_shortage};
pub use uplink::{AddressFamily, Uplink};

use crate::EndpointUrl;
use postrider_engine::{ClientIdentity, Outcome, PhaseTimes, TenantId};
use std::net::IpAddr;
use std::pin::Pin;
use tokio::time::Instant;

/// How an attempt ended, and how long it took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timed {
    /// How it ended.
    pub outcome: Outcome,
    /// How long its phases took, if the transport measures them.
    pub phases: Option<PhaseTimes>,
}

/// Sends requests.
pub trait Transport: Send + Sync + 'static {
    /// The addresses that the host of a URL has now; `None` if that is not known. Asked when an
    /// endpoint is registered, so that a mistake is found early; what counts is where a request
    /// goes when it is sent.
    fn resolve<'a>(
        &'a self,
        url: &'a EndpointUrl,
    ) -> Pin<Box<dyn Future<Output = Option<Vec<IpAddr>>> + Send + 'a>> {
        let _ = url;
        Box::pin(std::future::ready(None))
    }

    /// From now on the requests of this tenant appear as this identity in TLS handshakes, where they
    /// have none of their own; `None` for nobody. False if this transport cannot do that.
    fn identify(&self, tenant: &TenantId, identity: Option<ClientIdentity>) -> bool {
        let _ = (tenant, identity);
        false
    }

    /// Sends the request and says how it ended, at `deadline` at the latest. Whatever goes wrong
    /// is an [`Outcome`].
    ///
    /// If the head of the response has arrived by the deadline, the outcome is the response with
    /// as much of its body as came, at most 5 s after the head; otherwise it is a timeout that names
    /// its phase. Dropping the future gives the request up and closes what it was using.
    fn send(
        &self,
        request: WireRequest,
        deadline: Instant,
    ) -> Pin<Box<dyn Future<Output = Outcome> + Send + '_>>;

    /// The same, and how long the phases took. This is what the engine asks; a transport that does
    /// not measure them has [`Transport::send`] alone.
    fn send_timed(
        &self,
        request: WireRequest,
        deadline: Instant,
    ) -> Pin<Box<dyn Future<Output = Timed> + Send + '_>> {
        let sent = self.send(request, deadline);
        Box::pin(async move {
            Timed {
                outcome: sent.await,
                phases: None,
            }
        })
    }
}
