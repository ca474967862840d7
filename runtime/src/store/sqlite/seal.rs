//! Endpoint secrets, custom headers and records at rest: sealed with XChaCha20-Poly1305 (RFC 8439, with the extended
//! nonce of draft-irtf-cfrg-xchacha-03), bound to what they are and the key that sealed them:
//! secrets and headers to tenant and endpoint, records to kind, tenant and id, notes to id, tenant and
//! target.
//!
//! A sealed text is a version byte, the key's id (8 bytes), the nonce (24 bytes) and the
//! ciphertext with its tag.

use super::key_file::KeyFile;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use postrider_engine::{EndpointId, EndpointSecret, NoteId, Secret, TenantId, Wall};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::io;
use std::path::Path;
use zeroize::Zeroizing;

const VERSION: u8 = 1;
const KEY_ID_BYTES: usize = 8;
const NONCE_BYTES: usize = 24;

/// Keys that endpoint secrets, custom headers and records are sealed with. The first one seals; all of them open.
#[derive(Clone)]
pub struct KeyRing(Vec<SealingKey>);

#[derive(Clone)]
struct SealingKey {
    id: [u8; KEY_ID_BYTES],
    key: Zeroizing<[u8; 32]>,
}

/// Why secrets could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The ring has no key.
    #[error("a key ring needs at least one key")]
    NoKey,
    /// A key is not 64 hexadecimal digits.
    #[error("a sealing key is 64 hexadecimal digits (32 bytes)")]
    Key,
    /// The system gives no randomness.
    #[error("the system gives no randomness: {0}")]
    Randomness(getrandom::Error),
    /// The key file could not be read or made.
    #[error("the key file cannot be used: {0}")]
    File(#[from] io::Error),
    /// It was sealed with a key that is not in the ring.
    #[error("{0}: sealed with a key that is not in the key ring")]
    UnknownKey(String),
    /// It was changed since it was sealed, or is something else's.
    #[error("{0}: what was sealed is damaged")]
    Damaged(String),
}

/// What is sealed.
#[derive(Clone, Copy)]
pub(super) enum Sealed<'a> {
    /// The secrets of an endpoint.
    Secrets(&'a TenantId, EndpointId),
    /// The custom headers of an endpoint.
    Headers(&'a TenantId, EndpointId),
    /// The client certificate of an endpoint, with its private key.
    Identity(&'a TenantId, EndpointId),
    /// A record of this kind, tenant and id.
    Record(&'a str, &'a TenantId, &'a str),
    /// A note with this id, of this tenant and this target.
    Note(NoteId, Option<&'a TenantId>, Option<&'a str>),
}

#[derive(Serialize, Deserialize)]
struct SecretRecord {
    secret: String,
    expires_at: Option<u64>,
}

impl KeyRing {
    /// A ring of these keys, each 64 hexadecimal digits, the current one first.
    ///
    /// # Errors
    ///
    /// [`SealError::NoKey`], [`SealError::Key`].
    pub fn new<'a>(keys: impl IntoIterator<Item = &'a str>) -> Result<Self, SealError> {
        let keys = keys.into_iter().map(SealingKey::parse);
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            return Err(SealError::NoKey);
        }
        Ok(Self(keys))
    }

    /// The key in this file, which is made, readable by its owner alone, if it is not there. The
    /// second value says whether it was made.
    ///
    /// # Errors
    ///
    /// [`SealError::File`], [`SealError::Key`], [`SealError::Randomness`].
    pub fn in_file(path: &Path) -> Result<(Self, bool), SealError> {
        match KeyFile::read(path)? {
            Some((_, ring)) => Ok((ring, false)),
            None => Ok((KeyFile::make(path)?.1, true)),
        }
    }

    /// Seals the secrets of an endpoint with the first key.
    pub(super) fn seal_secrets(
        &self,
        tenant: &TenantId,
        endpoint: EndpointId,
        secrets: &[EndpointSecret],
    ) -> Result<Vec<u8>, SealError> {
        let what = Sealed::Secrets(tenant, endpoint);
        let records: Vec<SecretRecord> = secrets
            .iter()
            .map(|secret| SecretRecord {
                secret: secret.secret.expose_secret_text().to_owned(),
                expires_at: secret.expires_at.map(|at| at.0),
            })
            .collect();
        let text = serde_json::to_vec(&records).map_err(|_| what.damaged())?;
        self.seal(&what, &Zeroizing::new(text))
    }

    /// Opens what was sealed of an endpoint.
    pub(super) fn open_secrets(
        &self,
        tenant: &TenantId,
        endpoint: EndpointId,
        sealed: &[u8],
    ) -> Result<Vec<EndpointSecret>, SealError> {
        let what = Sealed::Secrets(tenant, endpoint);
        let text = self.open(&what, sealed)?;
        let records: Vec<SecretRecord> =
            serde_json::from_slice(&text).map_err(|_| what.damaged())?;
        let secrets = records.into_iter().map(|record| {
            Ok(EndpointSecret {
                secret: Secret::parse(record.secret).map_err(|_| what.damaged())?,
                expires_at: record.expires_at.map(Wall),
            })
        });
        secrets.collect()
    }

    /// Seals with the first key.
    pub(super) fn seal(&self, what: &Sealed<'_>, text: &[u8]) -> Result<Vec<u8>, SealError> {
        let key = self.0.first().ok_or(SealError::NoKey)?;
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(SealError::Randomness)?;
        let payload = Payload {
            msg: text,
            aad: &what.bound_to(key.id),
        };
        let sealed = key
            .cipher()
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| what.damaged())?;
        Ok([&[VERSION][..], &key.id, &nonce, &sealed].concat())
    }

    /// Opens what was sealed.
    pub(super) fn open(
        &self,
        what: &Sealed<'_>,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let damaged = || what.damaged();
        let (version, rest) = sealed.split_first().ok_or_else(damaged)?;
        let (id, rest) = rest
            .split_first_chunk::<KEY_ID_BYTES>()
            .ok_or_else(damaged)?;
        let (nonce, text) = rest
            .split_first_chunk::<NONCE_BYTES>()
            .ok_or_else(damaged)?;
        if *version != VERSION {
            return Err(damaged());
        }
        let key = self.0.iter().find(|key| key.id == *id);
        let key = key.ok_or_else(|| SealError::UnknownKey(what.to_string()))?;
        let payload = Payload {
            msg: text,
            aad: &what.bound_to(key.id),
        };
        let text = key.cipher().decrypt(&XNonce::from(*nonce), payload);
        Ok(Zeroizing::new(text.map_err(|_| damaged())?))
    }

    /// The id of the key that seals; it stands after the first byte of what is sealed.
    pub(super) fn current(&self) -> &[u8] {
        self.0.first().map_or(&[][..], |key| &key.id)
    }

    /// Whether it has the key with which this was sealed.
    pub(super) fn knows(&self, sealed: &[u8]) -> bool {
        let id = sealed.get(1..=KEY_ID_BYTES);
        self.0.iter().any(|key| Some(&key.id[..]) == id)
    }

    /// Whether this was sealed with another key than the first.
    pub(super) fn is_old(&self, sealed: &[u8]) -> bool {
        sealed.get(1..=KEY_ID_BYTES) != Some(self.current())
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing({} keys)", self.0.len())
    }
}

impl SealingKey {
    fn parse(text: &str) -> Result<Self, SealError> {
        let mut key = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text, key.as_mut()).map_err(|_| SealError::Key)?;
        // Names the key without giving it away.
        let digest = Sha256::new()
            .chain_update(b"postrider sealing key")
            .chain_update(*key)
            .finalize();
        let mut id = [0; KEY_ID_BYTES];
        id.copy_from_slice(&digest[..KEY_ID_BYTES]);
        Ok(Self { id, key })
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.key).into())
    }
}

impl Sealed<'_> {
    fn bound_to(&self, key: [u8; KEY_ID_BYTES]) -> Vec<u8> {
        match self {
            Self::Secrets(tenant, endpoint) => {
                let endpoint = endpoint.as_u128().to_be_bytes();
                [tenant.as_str().as_bytes(), &[0], &endpoint, &key].concat()
            }
            Self::Headers(tenant, endpoint) => {
                // Nor does a tenant begin so.
                let endpoint = endpoint.as_u128().to_be_bytes();
                [&[1], tenant.as_str().as_bytes(), &[0], &endpoint, &key].concat()
            }
            Self::Identity(tenant, endpoint) => {
                // Nor so.
                let endpoint = endpoint.as_u128().to_be_bytes();
                [&[3], tenant.as_str().as_bytes(), &[0], &endpoint, &key].concat()
            }
            Self::Record(kind, tenant, id) => {
                // No tenant begins so: what is bound to a record is never bound to an endpoint.
                let mut bound = vec![0];
                for part in [kind, tenant.as_str(), id] {
                    bound.extend((part.len() as u64).to_be_bytes());
                    bound.extend(part.as_bytes());
                }
                bound.extend(key);
                bound
            }
            Self::Note(id, tenant, target) => {
                // Nor does a tenant begin so.
                let mut bound = vec![2];
                bound.extend(id.as_u128().to_be_bytes());
                for part in [tenant.map(TenantId::as_str), *target] {
                    // What is not there is bound as such, and is no empty text.
                    let length = part.map_or(u64::MAX, |part| part.len() as u64);
                    bound.extend(length.to_be_bytes());
                    bound.extend(part.unwrap_or_default().as_bytes());
                }
                bound.extend(key);
                bound
            }
        }
    }

    fn damaged(&self) -> SealError {
        SealError::Damaged(self.to_string())
    }
}

impl fmt::Display for Sealed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secrets(_, endpoint) => write!(f, "the secrets of {endpoint}"),
            Self::Headers(_, endpoint) => write!(f, "the headers of {endpoint}"),
            Self::Identity(_, endpoint) => write!(f, "the client certificate of {endpoint}"),
            Self::Record(kind, tenant, id) => write!(f, "the record {kind} {id} of {tenant}"),
            Self::Note(id, ..) => write!(f, "the note {id}"),
        }
    }
}

/// A new file is there after a power loss only if its directory says so.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    match path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        Some(parent) => std::fs::File::open(parent)?.sync_all(),
        None => std::fs::File::open(".")?.sync_all(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const NEW: &str = "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn secrets() -> Vec<EndpointSecret> {
        vec![
            EndpointSecret {
                secret: Secret::generate_hmac([7; 32]),
                expires_at: None,
            },
            EndpointSecret {
                secret: Secret::generate_ed25519([8; 32]),
                expires_at: Some(Wall(9)),
            },
        ]
    }

    fn endpoint() -> (TenantId, EndpointId) {
        (TenantId::default(), EndpointId::from_u128(5))
    }

    #[test]
    fn what_is_sealed_opens_and_does_not_show_the_secret() {
        let (tenant, id) = endpoint();
        let ring = KeyRing::new([OLD]).unwrap();
        let sealed = ring.seal_secrets(&tenant, id, &secrets()).unwrap();
        let text = Secret::generate_hmac([7; 32]);
        let text = text.expose_secret_text().as_bytes();
        assert!(
            !sealed
                .windows(8)
                .any(|part| text.windows(8).any(|it| it == part))
        );
        assert_eq!(ring.open_secrets(&tenant, id, &sealed).unwrap(), secrets());
        assert_ne!(ring.seal_secrets(&tenant, id, &secrets()).unwrap(), sealed);
    }

    #[test]
    fn sealed_secrets_of_another_endpoint_tenant_or_byte_do_not_open() {
        let (tenant, id) = endpoint();
        let ring = KeyRing::new([OLD]).unwrap();
        let sealed = ring.seal_secrets(&tenant, id, &secrets()).unwrap();
        let other = EndpointId::from_u128(6);
        assert!(matches!(
            ring.open_secrets(&tenant, other, &sealed),
            Err(SealError::Damaged(_))
        ));
        let stranger = "acme".parse().unwrap();
        assert!(matches!(
            ring.open_secrets(&stranger, id, &sealed),
            Err(SealError::Damaged(_))
        ));
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert!(
                ring.open_secrets(&tenant, id, &damaged).is_err(),
                "byte {at}"
            );
            assert!(
                ring.open_secrets(&tenant, id, &sealed[..at]).is_err(),
                "cut at {at}"
            );
        }
    }

    #[test]
    fn a_sealed_record_opens_as_nothing_but_itself() {
        let (tenant, stranger) = (TenantId::default(), "acme".parse().unwrap());
        let ring = KeyRing::new([OLD]).unwrap();
        let record = Sealed::Record("key", &tenant, "ab");
        let sealed = ring.seal(&record, b"very secret").unwrap();
        assert!(!sealed.windows(4).any(|part| part == b"secr"));
        assert_eq!(ring.open(&record, &sealed).unwrap()[..], *b"very secret");
        for other in [
            Sealed::Record("keya", &tenant, "b"),
            Sealed::Record("key", &stranger, "ab"),
            Sealed::Record("key", &tenant, "a"),
            Sealed::Secrets(&tenant, EndpointId::from_u128(5)),
            Sealed::Headers(&tenant, EndpointId::from_u128(5)),
            Sealed::Identity(&tenant, EndpointId::from_u128(5)),
        ] {
            let opened = ring.open(&other, &sealed);
            assert!(matches!(opened, Err(SealError::Damaged(_))), "{other}");
        }
    }

    #[test]
    fn a_sealed_note_opens_as_nothing_but_itself() {
        let (tenant, stranger) = (TenantId::default(), "acme".parse().unwrap());
        let (one, other) = (NoteId::from_u128(1), NoteId::from_u128(2));
        let ring = KeyRing::new([OLD]).unwrap();
        let note = Sealed::Note(one, Some(&tenant), Some("ep_1"));
        let sealed = ring.seal(&note, b"who").unwrap();
        assert_eq!(ring.open(&note, &sealed).unwrap()[..], *b"who");
        for other in [
            Sealed::Note(other, Some(&tenant), Some("ep_1")),
            Sealed::Note(one, Some(&stranger), Some("ep_1")),
            Sealed::Note(one, None, Some("ep_1")),
            Sealed::Note(one, Some(&tenant), Some("ep_2")),
            Sealed::Note(one, Some(&tenant), None),
        ] {
            let opened = ring.open(&other, &sealed);
            assert!(matches!(opened, Err(SealError::Damaged(_))), "{other}");
        }
    }

    #[test]
    fn a_new_key_in_front_opens_what_the_old_one_sealed_and_knows_that_it_is_old() {
        let (tenant, id) = endpoint();
        let sealed = KeyRing::new([OLD])
            .unwrap()
            .seal_secrets(&tenant, id, &secrets());
        let sealed = sealed.unwrap();
        let ring = KeyRing::new([NEW, OLD]).unwrap();
        assert_eq!(ring.open_secrets(&tenant, id, &sealed).unwrap(), secrets());
        assert!(ring.is_old(&sealed));
        assert!(!ring.is_old(&ring.seal_secrets(&tenant, id, &secrets()).unwrap()));
        let alone = KeyRing::new([NEW])
            .unwrap()
            .open_secrets(&tenant, id, &sealed);
        assert!(matches!(alone, Err(SealError::UnknownKey(_))));
    }

    #[test]
    fn a_ring_without_keys_or_with_a_bad_one_is_refused() {
        assert!(matches!(KeyRing::new([]), Err(SealError::NoKey)));
        assert!(matches!(KeyRing::new(["abc"]), Err(SealError::Key)));
    }
}
