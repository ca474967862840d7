//! TLS settings.

mod identity;
mod roots;

pub(crate) use identity::with_identity;
pub use identity::{InvalidIdentity, check_identity};
pub use roots::{InvalidRoots, add_roots, system_roots};

use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls::time_provider::TimeProvider;
use std::sync::Arc;

pub use rustls::RootCertStore;
pub use rustls::time_provider::DefaultTimeProvider;

/// The protocols offered in the handshake, the preferred one first
/// ([RFC 7301](https://www.rfc-editor.org/rfc/rfc7301)).
pub(crate) const ALPN: [&[u8]; 2] = [ALPN_HTTP2, b"http/1.1"];

/// HTTP/2 over TLS ([RFC 9113 section 3.2](https://www.rfc-editor.org/rfc/rfc9113#section-3.2)).
pub(crate) const ALPN_HTTP2: &[u8] = b"h2";

/// The certificate authorities that browsers trust, as compiled in from Mozilla's list.
#[must_use]
pub fn public_roots() -> RootCertStore {
    RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned())
}

/// A client configuration that trusts `roots`, judges certificates by `time`, and offers HTTP/2
/// and HTTP/1.1. Its cryptography is ring, whatever the process default.
///
/// # Errors
///
/// The provider supports no version of TLS; ring does.
pub fn client_config(
    roots: RootCertStore,
    time: Arc<dyn TimeProvider>,
) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let mut config = ClientConfig::builder_with_details(provider, time)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = ALPN.map(<[u8]>::to_vec).into();
    Ok(config)
}
