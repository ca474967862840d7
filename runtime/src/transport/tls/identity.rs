//! Client certificates, by which receivers know who sends (mutual TLS).

use postrider_engine::ClientIdentity;
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use std::sync::Arc;

/// Why a client certificate cannot be used. Holds nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIdentity {
    /// It is too long.
    #[error("use at most {max} bytes for certificate and key together", max = ClientIdentity::BYTES_MAX)]
    TooLong,
    /// The certificates cannot be read.
    #[error(
        "the certificate cannot be read: give it as PEM (-----BEGIN CERTIFICATE-----), and behind it \
         those between it and its authority"
    )]
    Certificate,
    /// The private key cannot be read.
    #[error(
        "the private key cannot be read: give it as PEM (-----BEGIN PRIVATE KEY-----), without a \
         passphrase"
    )]
    Key,
    /// The key is of a kind that is not supported.
    #[error(
        "the private key is of a kind that is not supported: use ECDSA (P-256, P-384), Ed25519 or RSA"
    )]
    KindOfKey,
    /// The key is that of another certificate.
    #[error("the private key does not belong to the first certificate")]
    Mismatch,
}

/// Whether a handshake can be made as this identity.
///
/// # Errors
///
/// [`InvalidIdentity`] says what of it cannot be used.
pub fn check_identity(identity: &ClientIdentity) -> Result<(), InvalidIdentity> {
    match identity.bytes() > ClientIdentity::BYTES_MAX {
        true => Err(InvalidIdentity::TooLong),
        false => certified(identity).map(|_| ()),
    }
}

/// The same configuration, appearing as this identity.
pub(crate) fn with_identity(
    config: &ClientConfig,
    identity: &ClientIdentity,
) -> Result<ClientConfig, InvalidIdentity> {
    let certified = certified(identity)?;
    let mut config = config.clone();
    config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(certified));
    // The sessions of the configuration are shared by all that were cloned from it, and one that has
    // begun as somebody goes on as the same.
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn certified(identity: &ClientIdentity) -> Result<CertifiedKey, InvalidIdentity> {
    let pem = identity.certificates().as_bytes();
    let chain: Result<Vec<CertificateDer<'static>>, _> =
        CertificateDer::pem_slice_iter(pem).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty());
    let chain = chain.ok_or(InvalidIdentity::Certificate)?;
    let key = PrivateKeyDer::from_pem_slice(identity.expose_private_key().as_bytes());
    let key = key.map_err(|_| InvalidIdentity::Key)?;
    let certified = CertifiedKey::from_der(chain, key, &ring::default_provider());
    certified.map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => InvalidIdentity::Mismatch,
        rustls::Error::InvalidCertificate(_) => InvalidIdentity::Certificate,
        _ => InvalidIdentity::KindOfKey,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_pem_is_told_apart() {
        let of = |certificates: &str, key: &str| {
            check_identity(&ClientIdentity::new(certificates, key)).unwrap_err()
        };
        // A certificate is read in the handshake; here it only has to be PEM.
        let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert_eq!(of("", key), InvalidIdentity::Certificate);
        assert_eq!(of("MIIB", key), InvalidIdentity::Certificate);
        assert_eq!(of(certificate, ""), InvalidIdentity::Key);
        assert_eq!(of(certificate, certificate), InvalidIdentity::Key);
        assert_eq!(of(certificate, key), InvalidIdentity::KindOfKey);
        let long = "k".repeat(ClientIdentity::BYTES_MAX);
        assert_eq!(of(certificate, &long), InvalidIdentity::TooLong);
    }
}
