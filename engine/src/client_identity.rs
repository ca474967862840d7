//! A client certificate with its private key.

use postrider_signature::content_digest;
use std::fmt;
use std::sync::Arc;

/// A certificate with its private key, by which receivers know who sends (mutual TLS). Cheap to clone.
///
/// To the engine both are opaque texts; the host reads them as PEM. `Debug` shows neither.
#[derive(Clone)]
pub struct ClientIdentity(Arc<Parts>);

struct Parts {
    certificates: Box<str>,
    private_key: Box<str>,
    fingerprint: u128,
}

impl ClientIdentity {
    /// The most bytes of certificates and key together.
    pub const BYTES_MAX: usize = 32 * 1024;

    /// An identity of these texts: the certificate and, behind it, those between it and its authority;
    /// and its private key.
    #[must_use]
    pub fn new(certificates: impl Into<Box<str>>, private_key: impl Into<Box<str>>) -> Self {
        let (certificates, private_key) = (certificates.into(), private_key.into());
        let digest = content_digest(&[certificates.as_bytes(), private_key.as_bytes()]);
        let fingerprint = digest
            .iter()
            .take(16)
            .fold(0, |all, byte| (all << 8) | u128::from(*byte));
        Self(Arc::new(Parts {
            certificates,
            private_key,
            fingerprint,
        }))
    }

    /// The certificates, which are no secret.
    #[must_use]
    pub fn certificates(&self) -> &str {
        &self.0.certificates
    }

    /// The private key, which is one.
    #[must_use]
    pub fn expose_private_key(&self) -> &str {
        &self.0.private_key
    }

    /// Tells it from every other identity, without giving anything of it away.
    #[must_use]
    pub fn fingerprint(&self) -> u128 {
        self.0.fingerprint
    }

    /// How many bytes both texts have.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.certificates.len() + self.0.private_key.len()
    }
}

impl PartialEq for ClientIdentity {
    fn eq(&self, other: &Self) -> bool {
        self.0.fingerprint == other.0.fingerprint
    }
}

impl Eq for ClientIdentity {}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientIdentity(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_identities_are_the_same_if_both_of_their_texts_are() {
        let one = ClientIdentity::new("ab", "c");
        assert_eq!(one, ClientIdentity::new("ab", "c"));
        for other in [("a", "bc"), ("ab", "d"), ("ad", "c")] {
            assert_ne!(one, ClientIdentity::new(other.0, other.1), "{other:?}");
        }
        assert!(!format!("{one:?}").contains("ab"));
    }
}
