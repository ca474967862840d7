//! Keys and signatures of ed25519 (RFC 8032). Without the feature `ed25519` there are none: a key
//! is then refused with [`KeyProblem::NoEd25519`](crate::KeyProblem::NoEd25519), and the types below have no value.

/// The bytes of a signature.
pub(crate) const SIGNATURE_BYTES: usize = 64;

#[cfg(feature = "ed25519")]
mod keys {
    use super::SIGNATURE_BYTES;
    use crate::key::{KeyProblem, decode};
    use crate::secret::{SIGNING_PREFIX, Secret, SecretKind, VERIFYING_PREFIX};
    use ed25519_dalek::ed25519::signature::MultipartSigner as _;

    /// Makes signatures. Erased from memory when dropped.
    #[derive(Clone)]
    pub(crate) struct SigningKey(Box<ed25519_dalek::SigningKey>);

    /// Verifies signatures.
    #[derive(Clone)]
    pub(crate) struct VerifyingKey(Box<ed25519_dalek::VerifyingKey>);

    impl SigningKey {
        /// The key of a `whsk_` secret.
        pub(crate) fn prepare(secret: &Secret) -> Result<Self, KeyProblem> {
            let text = secret.expose_secret_text();
            let Some(base64) = text.strip_prefix(SIGNING_PREFIX) else {
                return Err(match secret.kind() {
                    SecretKind::Ed25519Verifying => KeyProblem::CannotSign,
                    SecretKind::Hmac | SecretKind::Ed25519Signing => KeyProblem::NotEd25519,
                });
            };
            let bytes = decode(SIGNING_PREFIX, base64)?;
            let key = if let Ok(seed) = bytes.as_slice().try_into() {
                ed25519_dalek::SigningKey::from_bytes(seed)
            } else if let Ok(pair) = bytes.as_slice().try_into() {
                ed25519_dalek::SigningKey::from_keypair_bytes(pair)
                    .map_err(|_| KeyProblem::KeyPairMismatch)?
            } else {
                return Err(KeyProblem::SigningKeyLength { bytes: bytes.len() });
            };
            Ok(Self(Box::new(key)))
        }

        pub(crate) fn sign(&self, pieces: &[&[u8]]) -> [u8; SIGNATURE_BYTES] {
            self.0.multipart_sign(pieces).to_bytes()
        }
    }

    impl VerifyingKey {
        /// The key of a `whpk_` secret, or that of its `whsk_` one.
        pub(crate) fn prepare(secret: &Secret) -> Result<Self, KeyProblem> {
            let Some(base64) = secret.expose_secret_text().strip_prefix(VERIFYING_PREFIX) else {
                let signing = SigningKey::prepare(secret)?;
                return Ok(Self(Box::new(signing.0.verifying_key())));
            };
            let bytes = decode(VERIFYING_PREFIX, base64)?;
            let point = bytes
                .as_slice()
                .try_into()
                .map_err(|_| KeyProblem::VerifyingKeyLength { bytes: bytes.len() })?;
            match ed25519_dalek::VerifyingKey::from_bytes(point) {
                Ok(key) if !key.is_weak() => Ok(Self(Box::new(key))),
                _ => Err(KeyProblem::UnsoundVerifyingKey),
            }
        }

        pub(crate) fn to_bytes(&self) -> [u8; 32] {
            self.0.to_bytes()
        }

        /// Strictly (RFC 8032, section 5.1.7): what only some libraries accept is refused, and so
        /// are points of small order.
        pub(crate) fn verifies(&self, message: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool {
            self.0.verify_strict(message, &signature.into()).is_ok()
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use base64ct::{Base64, Encoding as _};

        fn secret(prefix: &str, bytes: &[u8]) -> Secret {
            Secret::parse(format!("{prefix}{}", Base64::encode_string(bytes))).unwrap()
        }

        #[test]
        fn a_signing_key_is_erased_when_dropped() {
            fn erased<T: zeroize::ZeroizeOnDrop>() {}
            erased::<ed25519_dalek::SigningKey>();
        }

        #[test]
        fn a_signing_key_is_a_seed_or_a_pair() {
            let pair = ed25519_dalek::SigningKey::from_bytes(&[7; 32]).to_keypair_bytes();
            let of_seed = secret(SIGNING_PREFIX, &pair[..32]).verifying_key().unwrap();
            let of_pair = secret(SIGNING_PREFIX, &pair).verifying_key().unwrap();
            assert_eq!(of_seed, of_pair);
            assert_eq!(of_seed, secret(VERIFYING_PREFIX, &pair[32..]));
        }

        #[test]
        fn an_unsound_ed25519_key_is_refused_with_its_problem() {
            let mut pair = ed25519_dalek::SigningKey::from_bytes(&[7; 32]).to_keypair_bytes();
            pair[63] ^= 1;
            let mut identity = [0; 32];
            identity[0] = 1;
            for (secret, expected) in [
                (
                    secret(SIGNING_PREFIX, &[7; 31]),
                    KeyProblem::SigningKeyLength { bytes: 31 },
                ),
                (secret(SIGNING_PREFIX, &pair), KeyProblem::KeyPairMismatch),
                (
                    secret(VERIFYING_PREFIX, &[7; 33]),
                    KeyProblem::VerifyingKeyLength { bytes: 33 },
                ),
                (
                    secret(VERIFYING_PREFIX, &[2; 32]),
                    KeyProblem::UnsoundVerifyingKey,
                ),
                (
                    secret(VERIFYING_PREFIX, &identity),
                    KeyProblem::UnsoundVerifyingKey,
                ),
                (
                    Secret::parse("whpk_?").unwrap(),
                    KeyProblem::Base64 { prefix: "whpk_" },
                ),
            ] {
                assert_eq!(VerifyingKey::prepare(&secret).err(), Some(expected));
            }
        }
    }
}

#[cfg(not(feature = "ed25519"))]
mod keys {
    use super::SIGNATURE_BYTES;
    use crate::key::KeyProblem;
    use crate::secret::Secret;

    /// There is none.
    #[derive(Clone, Copy)]
    pub(crate) enum SigningKey {}

    /// There is none.
    #[derive(Clone, Copy)]
    pub(crate) enum VerifyingKey {}

    impl SigningKey {
        pub(crate) fn prepare(_: &Secret) -> Result<Self, KeyProblem> {
            Err(KeyProblem::NoEd25519)
        }

        pub(crate) fn sign(self, _: &[&[u8]]) -> [u8; SIGNATURE_BYTES] {
            match self {}
        }
    }

    impl VerifyingKey {
        pub(crate) fn prepare(_: &Secret) -> Result<Self, KeyProblem> {
            Err(KeyProblem::NoEd25519)
        }

        pub(crate) fn to_bytes(self) -> [u8; 32] {
            match self {}
        }

        pub(crate) fn verifies(self, _: &[u8], _: &[u8; SIGNATURE_BYTES]) -> bool {
            match self {}
        }
    }
}

pub(crate) use keys::{SigningKey, VerifyingKey};
