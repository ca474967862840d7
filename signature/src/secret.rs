//! Secrets as people hold them: text.

use core::fmt;
use core::str::FromStr;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::ed25519::VerifyingKey;
use crate::encoding::decode_base64_secret;
use crate::key::KeyProblem;
use crate::scheme::Encoding;

/// Before the base64 of an HMAC key: Standard Webhooks, "Signature scheme".
pub(crate) const HMAC_PREFIX: &str = "whsec_";
/// Before the base64 of an ed25519 signing key.
pub(crate) const SIGNING_PREFIX: &str = "whsk_";
/// Before the base64 of an ed25519 verifying key.
pub(crate) const VERIFYING_PREFIX: &str = "whpk_";

/// A signing secret, or a verifying key, as text.
///
/// | text | what it is |
/// |---|---|
/// | `whsec_` and base64 | an HMAC key: under `standard` and `svix` the decoded bytes, of which the specification asks for 24 to 64; under every other scheme the UTF-8 bytes of the whole text |
/// | `whsk_` and base64 | an ed25519 signing key: the seed of 32 bytes, or it and its public half |
/// | `whpk_` and base64 | an ed25519 verifying key: 32 bytes. It is public, and cannot sign |
/// | any other text | an HMAC key: its UTF-8 bytes |
///
/// Base64 is decoded only behind one of these prefixes, and for an HMAC only under `standard` and
/// `svix`; elsewhere `whsec_` is a part of the key: see [`Scheme`](crate::Scheme). So whether
/// the base64 is sound is found out by [`Signer::new`](crate::Signer::new) and
/// [`Verifier::new`](crate::Verifier::new). It is the standard alphabet of RFC 4648 section 4,
/// padded or not; the URL-safe alphabet is refused, as a guess between the two could be wrong.
/// A secret is taken as it is: white space around it is a part of it.
///
/// It is erased from memory when dropped, compared in constant time, and not printed by `Debug`;
/// there is no `Display`. Only [`expose_secret_text`](Self::expose_secret_text) gives it away.
#[derive(Clone)]
pub struct Secret {
    text: Zeroizing<String>,
}

/// What a [`Secret`] is used for, as told by its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecretKind {
    /// Signs and verifies HMACs.
    Hmac,
    /// `whsk_`: makes ed25519 signatures.
    Ed25519Signing,
    /// `whpk_`: verifies ed25519 signatures. Public.
    Ed25519Verifying,
}

/// A text is not a [`Secret`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The text is empty, or nothing but white space.
    #[error("the secret is empty: a signature made with it could be made by anyone; give one")]
    Empty,
    /// A prefix stands alone.
    #[error("nothing follows `{prefix}` in the secret: give the whole of it, base64 included")]
    OnlyPrefix {
        /// The prefix.
        prefix: &'static str,
    },
}

impl Secret {
    /// Takes a secret as it is: see the table at [`Secret`]. A `String` is taken over, not copied.
    ///
    /// # Errors
    ///
    /// [`SecretError`] for an empty text, or a prefix with nothing behind it.
    pub fn parse(text: impl Into<String>) -> Result<Self, SecretError> {
        let text = Zeroizing::new(text.into());
        if text.trim_ascii().is_empty() {
            return Err(SecretError::Empty);
        }
        for prefix in [HMAC_PREFIX, SIGNING_PREFIX, VERIFYING_PREFIX] {
            if text
                .strip_prefix(prefix)
                .is_some_and(|rest| rest.trim_ascii().is_empty())
            {
                return Err(SecretError::OnlyPrefix { prefix });
            }
        }
        Ok(Self { text })
    }

    /// A new `whsec_` secret, of 32 bytes that the caller has drawn from a cryptographic random
    /// source. This crate has none, so that it is the same in a simulation and in production.
    #[must_use]
    pub fn generate_hmac(random: [u8; 32]) -> Self {
        Self::from_key(HMAC_PREFIX, &Zeroizing::new(random))
    }

    /// A new `whsk_` secret, an ed25519 signing key, of 32 bytes that the caller has drawn from a
    /// cryptographic random source. Its receivers get [`verifying_key`](Self::verifying_key).
    #[must_use]
    pub fn generate_ed25519(random: [u8; 32]) -> Self {
        Self::from_key(SIGNING_PREFIX, &Zeroizing::new(random))
    }

    /// The `whpk_` key that verifies what this `whsk_` key signs; of a `whpk_` key, itself.
    ///
    /// # Errors
    ///
    /// [`KeyProblem`] if the secret is for HMACs or is not a sound key.
    pub fn verifying_key(&self) -> Result<Self, KeyProblem> {
        Ok(Self::from_key(
            VERIFYING_PREFIX,
            &VerifyingKey::prepare(self)?.to_bytes(),
        ))
    }

    /// What the secret is used for, as told by its prefix.
    #[must_use]
    pub fn kind(&self) -> SecretKind {
        if self.text.starts_with(SIGNING_PREFIX) {
            SecretKind::Ed25519Signing
        } else if self.text.starts_with(VERIFYING_PREFIX) {
            SecretKind::Ed25519Verifying
        } else {
            SecretKind::Hmac
        }
    }

    /// How many bytes of it have to be guessed, at most: of `whsec_` and base64 as many as it decodes
    /// to, of `whsec_` and anything else those behind the prefix, of any other text all of them.
    ///
    /// Whoever has seen one request can try secrets against its signature, as fast as a machine
    /// hashes: fewer than 16 bytes are few, and Standard Webhooks asks for 24 at least.
    #[must_use]
    pub fn strength_bytes(&self) -> usize {
        match (self.kind(), self.text.strip_prefix(HMAC_PREFIX)) {
            (SecretKind::Ed25519Signing | SecretKind::Ed25519Verifying, _) => 32,
            (SecretKind::Hmac, None) => self.text.len(),
            (SecretKind::Hmac, Some(rest)) => {
                decode_base64_secret(rest).map_or(rest.len(), |key| key.len())
            }
        }
    }

    /// The secret itself, to be stored or shown once to its owner. The name is long so that the
    /// use is seen in review: what is returned here must not reach a log.
    #[must_use]
    pub fn expose_secret_text(&self) -> &str {
        &self.text
    }

    fn from_key(prefix: &str, key: &[u8; 32]) -> Self {
        // Large enough from the start: a string that grows leaves copies behind.
        let mut text = Zeroizing::new(String::with_capacity(prefix.len() + 44));
        text.push_str(prefix);
        Encoding::Base64.append(key, &mut text);
        Self { text }
    }
}

impl FromStr for Secret {
    type Err = SecretError;

    /// As [`Secret::parse`].
    fn from_str(text: &str) -> Result<Self, SecretError> {
        Self::parse(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({:?}, redacted)", self.kind())
    }
}

/// In constant time for texts of one length; that two differ in length may be seen.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.text.as_bytes().ct_eq(other.text.as_bytes()).into()
    }
}

impl Eq for Secret {}

impl zeroize::ZeroizeOnDrop for Secret {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_or_blank_secret_is_refused() {
        for text in ["", " ", "\n\t"] {
            assert_eq!(Secret::parse(text), Err(SecretError::Empty));
        }
    }

    #[test]
    fn a_prefix_alone_is_refused() {
        for prefix in [HMAC_PREFIX, SIGNING_PREFIX, VERIFYING_PREFIX] {
            assert_eq!(
                Secret::parse(prefix),
                Err(SecretError::OnlyPrefix { prefix })
            );
            assert_eq!(
                prefix.parse::<Secret>(),
                Err(SecretError::OnlyPrefix { prefix })
            );
        }
    }

    #[test]
    fn the_prefix_tells_what_a_secret_is_for() {
        for (text, kind) in [
            ("whsec_AAAA", SecretKind::Hmac),
            ("whsk_AAAA", SecretKind::Ed25519Signing),
            ("whpk_AAAA", SecretKind::Ed25519Verifying),
            ("It's a Secret to Everybody", SecretKind::Hmac),
            (" whsk_AAAA", SecretKind::Hmac),
        ] {
            assert_eq!(Secret::parse(text).unwrap().kind(), kind, "{text}");
        }
    }

    #[test]
    fn nothing_of_a_secret_is_printed() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        assert_eq!(format!("{secret:?}"), "Secret(Hmac, redacted)");
    }

    #[test]
    fn the_prefix_and_its_base64_make_a_secret_no_stronger() {
        for (text, bytes) in [
            ("hunter2", 7),
            ("whsec_hunter2", 7),
            ("whsec_MDEyMzQ1Njc4OWFiY2RlZg==", 16),
            ("whsec_00112233445566778899", 15),
            ("whsec_not-base64_but-long", 19),
            ("\u{e9}", 2),
        ] {
            let secret = Secret::parse(text).unwrap();
            assert_eq!(secret.strength_bytes(), bytes, "{text}");
        }
        assert_eq!(Secret::generate_hmac([7; 32]).strength_bytes(), 32);
        assert_eq!(Secret::generate_ed25519([7; 32]).strength_bytes(), 32);
    }

    #[test]
    fn secrets_are_equal_when_their_texts_are() {
        let secret = Secret::parse("hunter2").unwrap();
        assert_eq!(secret, secret.clone());
        assert_ne!(secret, Secret::parse("hunter3").unwrap());
        assert_ne!(secret, Secret::parse("hunter22").unwrap());
    }

    #[test]
    fn a_generated_secret_is_the_base64_of_the_random_bytes() {
        let secret = Secret::generate_hmac([0; 32]);
        assert_eq!(
            secret.expose_secret_text(),
            "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
        );
    }

    /// RFC 8032, section 7.1, test 1.
    #[test]
    fn the_verifying_key_is_that_of_rfc_8032() {
        let mut seed = [0; 32];
        let hex = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        hex::decode_to_slice(hex, &mut seed).unwrap();
        let signing = Secret::generate_ed25519(seed);
        let verifying = signing.verifying_key().unwrap();
        assert_eq!(signing.kind(), SecretKind::Ed25519Signing);
        assert_eq!(
            verifying.expose_secret_text(),
            "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
        );
        assert_eq!(verifying.verifying_key(), Ok(verifying.clone()));
    }

    #[test]
    fn an_hmac_secret_has_no_verifying_key() {
        assert_eq!(
            Secret::generate_hmac([7; 32]).verifying_key(),
            Err(KeyProblem::NotEd25519)
        );
    }
}
