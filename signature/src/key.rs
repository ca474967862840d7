//! Keys made ready once, so that a signature costs no more than the hashing of its message.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::sync::Arc;
use zeroize::Zeroizing;

use crate::encoding::decode_base64_secret;
use crate::scheme::{Form, KeyRule, Scheme};
use crate::secret::{HMAC_PREFIX, Secret, SecretKind};

/// The most secrets a signer or verifier takes. Two are needed for a rotation; and what a signer
/// sends must not exceed what a verifier reads: see
/// [`SIGNATURES_MAX`](crate::Verifier::SIGNATURES_MAX).
pub(crate) const SECRETS_MAX: usize = 16;

/// A signer or verifier cannot be made of these secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There are none.
    #[error("no secret is given: give at least one")]
    NoSecret,
    /// There are more than 16.
    #[error("{given} secrets are given, and at most {SECRETS_MAX} can be used: drop the oldest")]
    TooManySecrets {
        /// How many were given.
        given: usize,
    },
    /// One of them cannot be used.
    #[error("secret {} cannot be used: {problem}", index + 1)]
    Unusable {
        /// Its place among the secrets, from 0. (The message counts from 1.)
        index: usize,
        /// What is wrong.
        problem: KeyProblem,
    },
}

/// What is wrong with one secret. No message holds any part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyProblem {
    /// What follows the prefix is not base64.
    #[error(
        "what follows `{prefix}` is not base64 of the standard alphabet (with `+` and `/`): \
         copy the secret again, with no white space before or after{}",
        if *prefix == HMAC_PREFIX {
            "; a text that is no base64 signs under the schemes that take the text as the key, \
             such as `body-hex`, and here without `whsec_`"
        } else {
            ""
        }
    )]
    Base64 {
        /// The prefix.
        prefix: &'static str,
    },
    /// A `whsk_` key is neither 32 nor 64 bytes long.
    #[error("a `whsk_` key is 32 bytes, or 64 with its public half, and this one {bytes}")]
    SigningKeyLength {
        /// How long it is.
        bytes: usize,
    },
    /// The two halves of a `whsk_` key of 64 bytes are not of one pair.
    #[error("the public half of the `whsk_` key is not that of its private half: copy it again")]
    KeyPairMismatch,
    /// A `whpk_` key is not 32 bytes long.
    #[error("a `whpk_` key is 32 bytes, and this one {bytes}")]
    VerifyingKeyLength {
        /// How long it is.
        bytes: usize,
    },
    /// A `whpk_` key is no point of the curve, or one for which anyone can sign (RFC 8032
    /// section 5.1.3; points of small order).
    #[error("the `whpk_` key is not a sound ed25519 key: copy it again")]
    UnsoundVerifyingKey,
    /// A `whpk_` key was given to sign with.
    #[error("a `whpk_` key verifies and cannot sign: sign with its `whsk_` key")]
    CannotSign,
    /// The scheme has no ed25519 form. It is refused rather than taken as the text of an HMAC
    /// key: a `whpk_` key is public.
    #[error("the scheme `{scheme}` has no ed25519 form: use a `whsec_` secret, or `standard`")]
    NoEd25519Form {
        /// The scheme.
        scheme: Scheme,
    },
    /// An HMAC secret was given where an ed25519 key is needed.
    #[error("it is for HMACs, which have no verifying key: the receiver needs the secret itself")]
    NotEd25519,
    /// It is an ed25519 key, and this build has the feature `ed25519` switched off.
    #[error("it is an ed25519 key, which this build cannot use: switch on the feature `ed25519`")]
    NoEd25519,
}

/// One key, ready for use: `E` is a [`SigningKey`] in a signer, a [`VerifyingKey`] in a verifier.
#[derive(Clone)]
pub(crate) enum Key<E> {
    Hmac(HmacKey),
    Ed25519(E),
}

/// The state of an HMAC after the key: cloned for each message, which saves two of the blocks
/// that every message would cost (RFC 2104, section 4).
#[derive(Clone)]
pub(crate) struct HmacKey(Hmac<Sha256>);

impl<E> Key<E> {
    /// Makes all of `secrets` ready for `scheme`, in their order, and ed25519 keys by `ed25519`.
    pub(crate) fn prepare_all(
        scheme: Scheme,
        secrets: &[Secret],
        ed25519: fn(&Secret) -> Result<E, KeyProblem>,
    ) -> Result<Arc<[Self]>, KeyError> {
        match secrets.len() {
            0 => return Err(KeyError::NoSecret),
            given if given > SECRETS_MAX => return Err(KeyError::TooManySecrets { given }),
            _ => {}
        }
        let prepare = |secret: &Secret| match secret.kind() {
            SecretKind::Hmac => HmacKey::prepare(scheme.form().key, secret).map(Self::Hmac),
            _ if !scheme.supports_ed25519() => Err(KeyProblem::NoEd25519Form { scheme }),
            _ => ed25519(secret).map(Self::Ed25519),
        };
        let mut keys = Vec::with_capacity(secrets.len());
        for (index, secret) in secrets.iter().enumerate() {
            let key = prepare(secret).map_err(|problem| KeyError::Unusable { index, problem });
            keys.push(key?);
        }
        Ok(keys.into())
    }

    /// Makes those of `secrets` ready for `form` that are for HMACs, in their order.
    pub(crate) fn prepare_hmacs(form: &Form, secrets: &[Secret]) -> Result<Arc<[Self]>, KeyError> {
        let is_hmac = |(_, secret): &(usize, &Secret)| secret.kind() == SecretKind::Hmac;
        let keys = secrets.iter().enumerate().filter(is_hmac);
        let keys = keys.map(|(index, secret)| match HmacKey::prepare(form.key, secret) {
            Ok(key) => Ok(Self::Hmac(key)),
            Err(problem) => Err(KeyError::Unusable { index, problem }),
        });
        keys.collect()
    }
}

impl HmacKey {
    pub(crate) fn new(key: &[u8]) -> Self {
        let Ok(keyed) = Hmac::new_from_slice(key) else {
            unreachable!("RFC 2104, section 2: the key can be of any length")
        };
        Self(keyed)
    }

    fn prepare(rule: KeyRule, secret: &Secret) -> Result<Self, KeyProblem> {
        Ok(Self::new(&rule.key_of(secret)?))
    }

    pub(crate) fn sign(&self, pieces: &[&[u8]]) -> [u8; 32] {
        let mut hmac = self.begin();
        for piece in pieces {
            hmac.update(piece);
        }
        hmac.finish()
    }

    pub(crate) fn begin(&self) -> PartialHmac {
        PartialHmac(self.0.clone())
    }
}

/// The HMAC of what has come so far.
pub(crate) struct PartialHmac(Hmac<Sha256>);

impl PartialHmac {
    pub(crate) fn update(&mut self, part: &[u8]) {
        self.0.update(part);
    }

    pub(crate) fn finish(self) -> [u8; 32] {
        self.0.finalize().into_bytes().into()
    }
}

impl KeyRule {
    /// The bytes of the HMAC key.
    pub(crate) fn key_of(self, secret: &Secret) -> Result<Zeroizing<Vec<u8>>, KeyProblem> {
        let text = secret.expose_secret_text();
        match text.strip_prefix(HMAC_PREFIX) {
            Some(base64) if self == Self::Decoded => decode(HMAC_PREFIX, base64),
            _ => Ok(Zeroizing::new(text.as_bytes().to_vec())),
        }
    }
}

/// Decodes the base64 behind `prefix`. The cause of a failure is not passed on: it would quote a
/// character of the secret.
pub(crate) fn decode(prefix: &'static str, base64: &str) -> Result<Zeroizing<Vec<u8>>, KeyProblem> {
    decode_base64_secret(base64).ok_or(KeyProblem::Base64 { prefix })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ed25519::{SigningKey, VerifyingKey};
    use core::slice;

    fn problem(scheme: Scheme, secret: Secret) -> KeyProblem {
        match Key::prepare_all(scheme, &[secret], VerifyingKey::prepare) {
            Err(KeyError::Unusable { index: 0, problem }) => problem,
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("it is accepted"),
        }
    }

    #[test]
    fn keys_are_erased_when_dropped() {
        fn erased<T: zeroize::ZeroizeOnDrop>() {}
        // `Hmac` is not marked itself: it is made of two states of this type.
        erased::<Sha256>();
        erased::<Secret>();
    }

    #[test]
    fn the_number_of_secrets_is_bounded_both_ways() {
        let prepare = |secrets: &[Secret]| {
            Key::prepare_all(Scheme::Slack, secrets, SigningKey::prepare).err()
        };
        let secret = Secret::parse("a").unwrap();
        assert_eq!(prepare(&[]), Some(KeyError::NoSecret));
        assert_eq!(prepare(&vec![secret.clone(); 16]), None);
        assert_eq!(
            prepare(&vec![secret; 17]),
            Some(KeyError::TooManySecrets { given: 17 })
        );
    }

    #[test]
    fn base64_is_demanded_behind_whsec_where_it_is_decoded_and_nowhere_else() {
        for text in [
            "whsec_test_secret",
            "whsec_AAA\n",
            "whsec_AB",
            "whsec_A-_A",
            "whsec_====",
        ] {
            let secret = Secret::parse(text).unwrap();
            for scheme in Scheme::ALL {
                if scheme.form().key == KeyRule::Decoded {
                    let expected = KeyProblem::Base64 { prefix: "whsec_" };
                    assert_eq!(problem(scheme, secret.clone()), expected, "{scheme}");
                } else {
                    let keys =
                        Key::prepare_all(scheme, slice::from_ref(&secret), SigningKey::prepare);
                    assert!(keys.is_ok(), "{scheme}");
                }
            }
        }
    }

    #[test]
    fn padding_makes_no_difference_to_a_key() {
        let sign = |text: &str| {
            let secret = Secret::parse(text).unwrap();
            HmacKey::prepare(KeyRule::Decoded, &secret)
                .unwrap()
                .sign(&[b"body"])
        };
        assert_eq!(sign("whsec_AAAAAA=="), sign("whsec_AAAAAA"));
        assert_ne!(sign("whsec_AAAAAA=="), sign("AAAAAA=="));
    }

    #[test]
    fn an_ed25519_key_is_refused_by_schemes_without_such_a_form() {
        let signing = Secret::generate_ed25519([7; 32]);
        let verifying = signing.verifying_key().unwrap();
        for scheme in Scheme::ALL
            .into_iter()
            .filter(|scheme| !scheme.supports_ed25519())
        {
            let expected = KeyProblem::NoEd25519Form { scheme };
            assert_eq!(problem(scheme, signing.clone()), expected);
            assert_eq!(problem(scheme, verifying.clone()), expected);
        }
    }

    #[test]
    fn an_error_says_which_secret_and_nothing_of_it() {
        let secrets = [
            Secret::parse("a").unwrap(),
            Secret::parse("whsec_hunter2!").unwrap(),
        ];
        let error = Key::prepare_all(Scheme::Svix, &secrets, SigningKey::prepare)
            .err()
            .unwrap();
        assert_eq!(
            error.to_string(),
            "secret 2 cannot be used: what follows `whsec_` is not base64 of the standard \
             alphabet (with `+` and `/`): copy the secret again, with no white space before or \
             after; a text that is no base64 signs under the schemes that take the text as the \
             key, such as `body-hex`, and here without `whsec_`"
        );
    }
}
