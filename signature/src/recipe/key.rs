//! Keys, made ready once, of whichever algorithm.

use super::{Algorithm, KeyForm};
use crate::ed25519::{SIGNATURE_BYTES, VerifyingKey};
use crate::encoding::decode_base64_secret;
use crate::secret::{HMAC_PREFIX, Secret, SecretKind, VERIFYING_PREFIX};
use base64ct::{Base64, Encoding as _};
use hmac::{Hmac, KeyInit as _, Mac};
use p256::ecdsa;
use p256::ecdsa::signature::Verifier as _;
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use std::borrow::Cow;
use subtle::{Choice, ConstantTimeEq as _};
use zeroize::Zeroizing;

/// What stands before the point of a P-256 key in its DER: RFC 5480, section 2.
const P256_HEAD: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A key, ready for use.
#[derive(Clone)]
pub(super) enum Key {
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
    Sha512(Hmac<Sha512>),
    Ed25519(VerifyingKey),
    EcdsaP256(Box<ecdsa::VerifyingKey>),
    Token(Secret),
}

impl Algorithm {
    /// How long a signature is, in bytes, if that is fixed.
    pub(super) const fn signature_bytes(self) -> Option<usize> {
        match self {
            Self::HmacSha1 => Some(20),
            Self::HmacSha256 => Some(32),
            Self::HmacSha512 => Some(64),
            Self::Ed25519 => Some(SIGNATURE_BYTES),
            Self::EcdsaP256 | Self::Token => None,
        }
    }

    pub(super) const fn is_hmac(self) -> bool {
        matches!(self, Self::HmacSha1 | Self::HmacSha256 | Self::HmacSha512)
    }
}

impl Key {
    /// The key of a secret, or what is expected instead.
    pub(super) fn prepare(
        algorithm: Algorithm,
        form: KeyForm,
        secret: &Secret,
    ) -> Result<Self, &'static str> {
        match algorithm {
            Algorithm::HmacSha1 | Algorithm::HmacSha256 | Algorithm::HmacSha512 => {
                if secret.kind() != SecretKind::Hmac {
                    return Err("it is an ed25519 key, and the signature is an HMAC");
                }
                Ok(Self::hmac(algorithm, &hmac_key(form, secret)?))
            }
            Algorithm::Ed25519 => ed25519(secret).map(Self::Ed25519),
            Algorithm::EcdsaP256 => p256_key(secret.expose_secret_text())
                .map(|key| Self::EcdsaP256(Box::new(key)))
                .ok_or(
                    "a P-256 public key is expected: PEM, or the base64 of its DER, which begins \
                     with `MFkw`",
                ),
            Algorithm::Token => Ok(Self::Token(secret.clone())),
        }
    }

    /// The key of an HMAC. (For what is no HMAC, there is none: SHA-256 stands for it.)
    pub(super) fn hmac(algorithm: Algorithm, key: &[u8]) -> Self {
        let keyed = match algorithm {
            Algorithm::HmacSha1 => Hmac::new_from_slice(key).map(Self::Sha1),
            Algorithm::HmacSha512 => Hmac::new_from_slice(key).map(Self::Sha512),
            _ => Hmac::new_from_slice(key).map(Self::Sha256),
        };
        let Ok(keyed) = keyed else {
            unreachable!("RFC 2104, section 2: the key can be of any length")
        };
        keyed
    }

    /// Whether it has made one of the signatures over these pieces. HMACs and tokens are compared
    /// in constant time, with each of the signatures.
    pub(super) fn made_one(&self, pieces: &[Cow<'_, [u8]>], signatures: &[Vec<u8>]) -> Choice {
        match self {
            Self::Sha1(keyed) => equals_one(&mac(keyed, pieces), signatures),
            Self::Sha256(keyed) => equals_one(&mac(keyed, pieces), signatures),
            Self::Sha512(keyed) => equals_one(&mac(keyed, pieces), signatures),
            Self::Token(secret) => equals_one(secret.expose_secret_text().as_bytes(), signatures),
            // All that is compared below is public: the key, the message and the signature.
            Self::Ed25519(key) => {
                let message = joined(pieces);
                any(signatures, |given| {
                    let given = <&[u8; SIGNATURE_BYTES]>::try_from(given);
                    given.is_ok_and(|given| key.verifies(&message, given))
                })
            }
            Self::EcdsaP256(key) => {
                let message = joined(pieces);
                any(signatures, |given| {
                    ecdsa::Signature::from_der(given)
                        .or_else(|_| ecdsa::Signature::from_slice(given))
                        .is_ok_and(|given| key.verify(&message, &given).is_ok())
                })
            }
        }
    }
}

fn mac<M: Mac + Clone>(keyed: &M, pieces: &[Cow<'_, [u8]>]) -> Zeroizing<Vec<u8>> {
    let mut mac = keyed.clone();
    for piece in pieces {
        mac.update(piece);
    }
    Zeroizing::new(mac.finalize().into_bytes().as_slice().to_vec())
}

fn joined(pieces: &[Cow<'_, [u8]>]) -> Vec<u8> {
    let mut message = Vec::with_capacity(pieces.iter().map(|piece| piece.len()).sum());
    for piece in pieces {
        message.extend_from_slice(piece);
    }
    message
}

fn equals_one(own: &[u8], signatures: &[Vec<u8>]) -> Choice {
    let hits = signatures.iter().map(|given| own.ct_eq(given));
    hits.fold(Choice::from(0), |one, hit| one | hit)
}

fn any(signatures: &[Vec<u8>], verifies: impl Fn(&[u8]) -> bool) -> Choice {
    Choice::from(u8::from(signatures.iter().any(|given| verifies(given))))
}

fn hmac_key(form: KeyForm, secret: &Secret) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    let text = secret.expose_secret_text();
    match form {
        KeyForm::Text => Ok(Zeroizing::new(text.as_bytes().to_vec())),
        KeyForm::Hex => hex::decode(text)
            .map(Zeroizing::new)
            .map_err(|_| "hex digits are expected, two for each byte of the key"),
        KeyForm::Base64 => decode_base64_secret(text.strip_prefix(HMAC_PREFIX).unwrap_or(text))
            .ok_or("base64 of the standard alphabet (with `+` and `/`) is expected"),
    }
}

fn ed25519(secret: &Secret) -> Result<VerifyingKey, &'static str> {
    const EXPECTED: &str = "an ed25519 public key is expected: 64 hex digits, the base64 of 32 \
                            bytes, or a `whpk_` key";
    let text = secret.expose_secret_text();
    let bytes = || {
        let bytes = hex::decode(text).ok();
        bytes.or_else(|| decode_base64_secret(text).map(|bytes| bytes.to_vec()))
    };
    let prepared = match secret.kind() {
        SecretKind::Ed25519Verifying => VerifyingKey::prepare(secret),
        SecretKind::Ed25519Signing => return Err(EXPECTED),
        SecretKind::Hmac => {
            let bytes = bytes().ok_or(EXPECTED)?;
            let text = format!("{VERIFYING_PREFIX}{}", Base64::encode_string(&bytes));
            VerifyingKey::prepare(&Secret::parse(text).map_err(|_| EXPECTED)?)
        }
    };
    prepared.map_err(|_| EXPECTED)
}

/// A public key in PEM, in base64 of DER, or as its point alone.
fn p256_key(text: &str) -> Option<ecdsa::VerifyingKey> {
    let lines = text.lines().filter(|line| !line.starts_with("-----"));
    let text: String = lines.flat_map(str::split_whitespace).collect();
    let bytes = hex::decode(&text).ok();
    let bytes = bytes.or_else(|| decode_base64_secret(&text).map(|bytes| bytes.to_vec()))?;
    let point = bytes.strip_prefix(&P256_HEAD).unwrap_or(&bytes);
    ecdsa::VerifyingKey::from_sec1_bytes(point).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(algorithm: Algorithm, form: KeyForm, text: &str) -> Result<Key, &'static str> {
        Key::prepare(algorithm, form, &Secret::parse(text).unwrap())
    }

    #[test]
    fn an_hmac_key_is_the_text_or_what_it_decodes_to() {
        let mac = |form, text| {
            let key = prepared(Algorithm::HmacSha1, form, text).unwrap();
            let Key::Sha1(keyed) = key else {
                panic!("another algorithm")
            };
            mac(&keyed, &[Cow::Borrowed(&b"body"[..])]).to_vec()
        };
        let text = mac(KeyForm::Text, "key!");
        assert_eq!(mac(KeyForm::Hex, "6b657921"), text);
        assert_eq!(mac(KeyForm::Base64, "a2V5IQ=="), text);
        assert_eq!(mac(KeyForm::Base64, "whsec_a2V5IQ"), text);
        for (form, wrong) in [(KeyForm::Hex, "xyz"), (KeyForm::Base64, "a_b")] {
            assert!(prepared(Algorithm::HmacSha512, form, wrong).is_err());
        }
        let public = "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
        assert!(prepared(Algorithm::HmacSha256, KeyForm::Text, public).is_err());
    }

    #[test]
    fn a_public_key_is_known_in_each_of_its_forms() {
        for text in [
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
            "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
        ] {
            assert!(prepared(Algorithm::Ed25519, KeyForm::Text, text).is_ok());
        }
        assert!(prepared(Algorithm::Ed25519, KeyForm::Text, "d75a98").is_err());
        // The generator of the curve: SEC 2, section 2.4.2.
        let point = "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\
                     4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
        let der = [&P256_HEAD[..], &hex::decode(point).unwrap()].concat();
        let base64 = Base64::encode_string(&der);
        let (head, rest) = base64.split_at(64);
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{head}\n{rest}\n-----END PUBLIC KEY-----\n");
        for text in [point, &base64, &pem] {
            assert!(prepared(Algorithm::EcdsaP256, KeyForm::Text, text).is_ok());
        }
        let off = point.replace("6b17d1f2", "6b17d1f3");
        assert!(prepared(Algorithm::EcdsaP256, KeyForm::Text, &off).is_err());
    }
}
