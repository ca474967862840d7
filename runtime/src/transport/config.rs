//! What a transport is made of.

use super::limits::TransportLimits;
use super::tls;
use super::uplink::Uplink;
use crate::egress::EgressGuard;
use rustls::ClientConfig;
use std::sync::Arc;

/// What a transport is made of.
#[derive(Clone, Debug)]
pub struct TransportConfig {
    /// Where requests may go.
    pub guard: EgressGuard,
    /// Whom to trust, by which clock, and as whom to appear. If it names no ALPN protocols,
    /// HTTP/2 and HTTP/1.1 are offered.
    pub tls: ClientConfig,
    /// How much is read and kept.
    pub limits: TransportLimits,
    /// How requests leave this machine. [`ReqwestTransport`](super::ReqwestTransport) leaves that to its
    /// builder.
    pub uplink: Uplink,
}

impl TransportConfig {
    /// Trusts the [public certificate authorities](tls::public_roots), by the system's clock,
    /// within the default limits.
    ///
    /// # Errors
    ///
    /// See [`tls::client_config`].
    pub fn new(guard: EgressGuard) -> Result<Self, rustls::Error> {
        let tls = tls::client_config(tls::public_roots(), Arc::new(tls::DefaultTimeProvider))?;
        Ok(Self {
            guard,
            tls,
            limits: TransportLimits::default(),
            uplink: Uplink::default(),
        })
    }

    /// The TLS settings with the protocols to offer filled in.
    pub(crate) fn tls_with_alpn(&self) -> ClientConfig {
        let mut config = self.tls.clone();
        if config.alpn_protocols.is_empty() {
            config.alpn_protocols = tls::ALPN.map(<[u8]>::to_vec).into();
        }
        config
    }
}
