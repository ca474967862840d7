//! The certificate authorities that receivers are believed by, beside the public ones.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// Why certificate authorities cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum InvalidRoots {
    /// The text is not PEM.
    #[error("it cannot be read as PEM (-----BEGIN CERTIFICATE-----)")]
    Pem,
    /// There is none in it.
    #[error("there is no certificate in it")]
    Empty,
    /// One of them cannot be used.
    #[error("certificate {place} in it cannot be used: {error}")]
    Certificate {
        /// Which one, from 1.
        place: usize,
        /// Why.
        error: rustls::Error,
    },
    /// The system has none, or they cannot be read.
    #[error("no certificate authority of the system was found{why}")]
    NoSystem {
        /// What went wrong, if something has.
        why: String,
    },
}

/// Adds the authorities in a PEM text, as a file has them, and says how many there are.
///
/// # Errors
///
/// [`InvalidRoots`]; some may have been added then.
pub fn add_roots(roots: &mut RootCertStore, pem: &[u8]) -> Result<usize, InvalidRoots> {
    let mut added = 0;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| InvalidRoots::Pem)?;
        let place = added + 1;
        let result = roots.add(certificate);
        result.map_err(|error| InvalidRoots::Certificate { place, error })?;
        added = place;
    }
    match added {
        0 => Err(InvalidRoots::Empty),
        added => Ok(added),
    }
}

/// The authorities that this system believes; on Linux also those that `SSL_CERT_FILE` and
/// `SSL_CERT_DIR` name. Those that cannot be read are left out.
///
/// # Errors
///
/// [`InvalidRoots::NoSystem`] if there are none.
pub fn system_roots() -> Result<RootCertStore, InvalidRoots> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added > 0 {
        return Ok(roots);
    }
    let why = found.errors.first();
    let why = why.map_or_else(String::new, |error| format!(": {error}"));
    Err(InvalidRoots::NoSystem { why })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_no_authority_is_refused() {
        let added = |pem: &str| add_roots(&mut RootCertStore::empty(), pem.as_bytes());
        assert_eq!(added(""), Err(InvalidRoots::Empty));
        assert_eq!(added("MIIB"), Err(InvalidRoots::Empty));
        let broken = "-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----\n";
        assert_eq!(added(broken), Err(InvalidRoots::Pem));
        let other = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(
            added(other),
            Err(InvalidRoots::Certificate { place: 1, .. })
        ));
    }
}
