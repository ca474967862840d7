//! Verifying: from the headers and the body of a request to who signed it, or why nobody did.

use core::fmt;
use std::sync::Arc;
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};

use crate::ed25519::VerifyingKey;
use crate::headers::{HeaderNameError, HeaderNames, Names};
use crate::key::{Key, KeyError};
use crate::request::{HEADER_VALUE_BYTES_MAX, SIGNATURES_MAX, Signature};
use crate::scheme::Scheme;
use crate::secret::Secret;
use crate::sign::ID_BYTES_MAX;

/// Verifies requests under one [`Scheme`] with one or more secrets.
///
/// The keys are made ready once; clones share them. They are erased from memory with the last.
#[derive(Clone)]
pub struct Verifier {
    pub(crate) scheme: Scheme,
    pub(crate) names: Names,
    pub(crate) keys: Arc<[Key<VerifyingKey>]>,
    /// For [`Verifier::explain`], which tries them in other forms.
    pub(crate) secrets: Arc<[Secret]>,
    pub(crate) tolerance_seconds: u64,
}

/// A request that was signed with one of the secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified<'h> {
    /// Which secret it was, counted from 0 in the order they were given; the first, if more than
    /// one match. In a rotation it tells who still signs with the old one.
    pub key_index: usize,
    /// When it was sent: Unix time, in seconds. `None` under the schemes that do not cover it.
    pub timestamp: Option<u64>,
    /// The id of the message, by which a repeat is recognised. `None` under the schemes that do
    /// not cover it.
    pub id: Option<&'h str>,
}

/// Why a request is refused.
///
/// The messages are for the receiver's log: they name the header and what to do, and hold no
/// secret, no signature and nothing of the body. Answer the sender no more than
/// [`code`](Self::code).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// A header that the scheme needs is not there.
    #[error(
        "the header `{header}` is missing: check that the sender uses this scheme, and that no \
         proxy removes the header"
    )]
    MissingHeader {
        /// Its name.
        header: String,
    },
    /// A header cannot be read.
    #[error("the header `{header}` {problem}")]
    MalformedHeader {
        /// Its name.
        header: String,
        /// What is wrong.
        problem: HeaderProblem,
    },
    /// The timestamp is not a number of seconds.
    #[error(
        "the timestamp in the header `{header}` is missing or malformed: it must be Unix time in \
         whole seconds, decimal digits and nothing else"
    )]
    MalformedTimestamp {
        /// The name of the header it is in.
        header: String,
    },
    /// There is no signature that could be tried.
    #[error("the header `{header}` {problem}")]
    MalformedSignature {
        /// Its name.
        header: String,
        /// What is wrong.
        problem: SignatureProblem,
    },
    /// It was signed too long ago.
    #[error(
        "the timestamp {timestamp} is {} s old, and {tolerance} s are tolerated: this may be an \
         old request sent again; if it is not, compare this machine's clock, which reads {now}",
        now.abs_diff(*timestamp)
    )]
    TimestampTooOld {
        /// When the request says it was signed: Unix time, in seconds.
        timestamp: u64,
        /// What it was judged by: Unix time, in seconds.
        now: u64,
        /// How many seconds it may be away from now.
        tolerance: u64,
    },
    /// It was signed in the future.
    #[error(
        "the timestamp {timestamp} is {} s in the future, and {tolerance} s are tolerated: compare \
         this machine's clock, which reads {now}; a time in milliseconds is refused too",
        timestamp.abs_diff(*now)
    )]
    TimestampTooNew {
        /// When the request says it was signed: Unix time, in seconds.
        timestamp: u64,
        /// What it was judged by: Unix time, in seconds.
        now: u64,
        /// How many seconds it may be away from now.
        tolerance: u64,
    },
    /// All is well-formed, and no signature was made with any of the secrets.
    #[error(
        "no signature in the header `{header}` was made with any of the secrets: verify the exact \
         bytes of the body, before any parsing, with the secret of this endpoint"
    )]
    NoMatch {
        /// The name of the header the signatures are in.
        header: String,
    },
}

/// What is wrong with a header. Reads as the rest of a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderProblem {
    /// It occurs more than once where once is allowed.
    #[error(
        "gives the id or the time more than once, and only one can be what was signed: send it once"
    )]
    Repeated,
    /// Its value is longer than 4096 bytes.
    #[error("is {bytes} bytes long, and at most {HEADER_VALUE_BYTES_MAX} are read")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// Its value is not UTF-8.
    #[error("is not UTF-8 text: check that nothing on the way changes its encoding")]
    NotUtf8,
    /// It is not a message id: see [`Message::id`](crate::Message::id). An id with a `.` in it
    /// would make it unclear where the id ends and the time begins, so that a signature could be
    /// claimed for another id, time and body.
    #[error(
        "is not a message id: 1 to {ID_BYTES_MAX} visible ASCII characters, none of them a `.`"
    )]
    NotAnId,
}

/// What is wrong with the signatures. Reads as the rest of a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureProblem {
    /// There is none of a version that the scheme knows.
    #[error(
        "holds no signature that begins with `{label}`: check that the sender uses this scheme"
    )]
    Absent {
        /// What an HMAC of this scheme begins with; empty if it needs nothing before it.
        label: &'static str,
    },
    /// None of those there are can be decoded.
    #[error("holds no sound signature: expected `{label}` and {expected}")]
    Undecodable {
        /// What an HMAC of this scheme begins with; empty if it needs nothing before it.
        label: &'static str,
        /// What must follow it.
        expected: &'static str,
    },
    /// There are more than 16, of known versions and others together.
    #[error("holds more than {SIGNATURES_MAX} signatures, and no more are tried")]
    TooMany,
}

impl VerifyError {
    /// The stable code: one for each variant, in capitals.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::MissingHeader { .. } => "MISSING_HEADER",
            Self::MalformedHeader { .. } => "MALFORMED_HEADER",
            Self::MalformedTimestamp { .. } => "MALFORMED_TIMESTAMP",
            Self::MalformedSignature { .. } => "MALFORMED_SIGNATURE",
            Self::TimestampTooOld { .. } => "TIMESTAMP_TOO_OLD",
            Self::TimestampTooNew { .. } => "TIMESTAMP_TOO_NEW",
            Self::NoMatch { .. } => "NO_MATCH",
        }
    }
}

impl Verifier {
    /// How far a timestamp may be from now, either way, unless set otherwise: five minutes, as
    /// the reference libraries of Standard Webhooks, Stripe and Slack have it.
    pub const TOLERANCE_SECONDS_DEFAULT: u64 = 300;

    /// The most signatures that a request may carry. More are refused as malformed, so that a
    /// stranger cannot buy work with a long header.
    pub const SIGNATURES_MAX: usize = SIGNATURES_MAX;

    /// A verifier that accepts what any of the secrets has signed. An ed25519 signature is
    /// verified by a `whpk_` key, or by its `whsk_` key.
    ///
    /// # Errors
    ///
    /// [`KeyError`] if there is no secret, or more than 16, or one that cannot be used with this
    /// scheme.
    pub fn new(scheme: Scheme, secrets: &[Secret]) -> Result<Self, KeyError> {
        Ok(Self {
            scheme,
            names: Names::of(scheme.form()),
            keys: Key::prepare_all(scheme, secrets, VerifyingKey::prepare)?,
            secrets: secrets.into(),
            tolerance_seconds: Self::TOLERANCE_SECONDS_DEFAULT,
        })
    }

    /// Sets how far a timestamp may be from now, either way, in seconds; it may be exactly so
    /// far. With 0 it must be now; with `u64::MAX` it is not judged. Of no effect under the
    /// schemes that cover no time.
    #[must_use]
    pub fn tolerance_seconds(self, tolerance_seconds: u64) -> Self {
        Self {
            tolerance_seconds,
            ..self
        }
    }

    /// Looks under other header names than the scheme's.
    ///
    /// # Errors
    ///
    /// [`HeaderNameError`] if a name is malformed, used twice, or for a header that the scheme
    /// does not send.
    pub fn header_names(self, names: &HeaderNames) -> Result<Self, HeaderNameError> {
        Ok(Self {
            names: Names::replaced(self.scheme.form(), names)?,
            ..self
        })
    }

    /// The scheme it verifies under.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Verifies one request: its headers (name and value, in any order and case; others are
    /// passed over), the exact bytes of its body, and the Unix time it is judged at, in seconds.
    ///
    /// Every secret is tried against every signature, and HMACs are compared in constant time.
    /// A signature header that is repeated is tried as often (except under `stripe`, where that
    /// repeats the time too, and is refused). Signatures of unknown versions are passed over.
    ///
    /// The first fault found is told: first of what headers must be there and well-formed, then
    /// of the time, then of the signature.
    ///
    /// # Errors
    ///
    /// [`VerifyError`], of which [`VerifyError::code`] is stable.
    pub fn verify<'h>(
        &self,
        headers: impl IntoIterator<Item = (&'h str, &'h [u8])>,
        body: &[u8],
        now_unix_seconds: u64,
    ) -> Result<Verified<'h>, VerifyError> {
        let claim = self.read(headers, now_unix_seconds)?;
        let pieces = claim.request.pieces(self.scheme.form(), body);
        match matching_key(&self.keys, &pieces, &claim.request.signatures) {
            Some(key_index) => Ok(Verified {
                key_index,
                timestamp: claim.timestamp(),
                id: claim.request.id,
            }),
            None => Err(self.no_match()),
        }
    }

    /// The names of the headers it looks at, in lower case: of the id and the timestamp, where the
    /// scheme has such, and of the signature.
    #[must_use]
    pub fn looks_at(&self) -> (Option<&str>, Option<&str>, &str) {
        let Names {
            id,
            timestamp,
            signature,
            ..
        } = &self.names;
        (id.as_deref(), timestamp.as_deref(), signature)
    }

    pub(crate) fn no_match(&self) -> VerifyError {
        VerifyError::NoMatch {
            header: self.names.signature.to_string(),
        }
    }
}

impl fmt::Debug for Verifier {
    /// Without the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("scheme", &self.scheme)
            .field("names", &self.names)
            .field("keys", &self.keys.len())
            .field("tolerance_seconds", &self.tolerance_seconds)
            .finish_non_exhaustive()
    }
}

/// The first key that made one of the signatures. All keys are tried, whatever is found, so that
/// the time taken tells neither how much of an HMAC is right nor which key is in use.
pub(crate) fn matching_key(
    keys: &[Key<VerifyingKey>],
    pieces: &[&[u8]],
    signatures: &[Signature],
) -> Option<usize> {
    let joined = if keys.iter().any(|key| matches!(key, Key::Ed25519(_))) {
        pieces.concat()
    } else {
        Vec::new()
    };
    first_hit(keys.iter().map(|key| match key {
        Key::Hmac(key) => hit(&key.sign(pieces), signatures),
        // All that is compared here is public: the key, the message and the signature.
        Key::Ed25519(key) => Choice::from(u8::from(signatures.iter().any(
            |signature| match signature {
                Signature::Ed25519(given) => key.verifies(&joined, given),
                Signature::Hmac(_) => false,
            },
        ))),
    }))
}

/// Whether this HMAC is one of the signatures.
pub(crate) fn hit(hmac: &[u8; 32], signatures: &[Signature]) -> Choice {
    signatures
        .iter()
        .fold(Choice::from(0), |hit, signature| match signature {
            Signature::Hmac(given) => hit | hmac.ct_eq(given),
            Signature::Ed25519(_) => hit,
        })
}

/// The first that is one, having looked at all.
pub(crate) fn first_hit(hits: impl Iterator<Item = Choice>) -> Option<usize> {
    let mut matched = Choice::from(0);
    let mut matching = 0_u8;
    for (index, hit) in (0_u8..).zip(hits) {
        matching.conditional_assign(&index, hit & !matched);
        matched |= hit;
    }
    bool::from(matched).then_some(usize::from(matching))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Message, Signer};

    const NOW: u64 = 1_700_000_000;

    fn secrets<const N: usize>(texts: [&str; N]) -> [Secret; N] {
        texts.map(|text| Secret::parse(text).unwrap())
    }

    /// The verdict of a receiver with one list of secrets on a request signed with another.
    fn between(signing: &[&Secret], verifying: &[&Secret], now: u64) -> Result<usize, VerifyError> {
        let owned = |secrets: &[&Secret]| secrets.iter().copied().cloned().collect::<Vec<_>>();
        let signer = Signer::new(Scheme::Postrider, &owned(signing)).unwrap();
        let message = Message {
            id: "msg_1",
            timestamp: NOW,
            body: b"{}",
        };
        let headers = signer.sign(&message).unwrap();
        let verifier = Verifier::new(Scheme::Postrider, &owned(verifying)).unwrap();
        let pairs = headers.iter().map(|header| header.as_pair());
        verifier
            .verify(pairs, b"{}", now)
            .map(|verified| verified.key_index)
    }

    #[test]
    fn the_first_key_that_matches_is_told() {
        let [a, b, c] = secrets(["a", "b", "c"]);
        assert_eq!(between(&[&a, &b], &[&c, &b, &a], NOW), Ok(1));
        assert_eq!(between(&[&a], &[&a, &a], NOW), Ok(0));
        assert_eq!(between(&[&c], &[&a, &b, &c], NOW), Ok(2));
    }

    #[test]
    fn a_request_of_an_overlap_is_right_for_each_of_its_secrets_alone() {
        let all = secrets(["newest", "between", "oldest"]);
        let message = Message {
            id: "msg_1",
            timestamp: NOW,
            body: b"{}",
        };
        for scheme in Scheme::ALL {
            let signer = Signer::new(scheme, &all).unwrap();
            let headers = signer.sign(&message).unwrap();
            for (index, secret) in all.iter().enumerate() {
                let verdict = |secrets: &[Secret], headers: &[(&str, &[u8])]| {
                    let verifier = Verifier::new(scheme, secrets).unwrap();
                    let verified = verifier.verify(headers.iter().copied(), b"{}", NOW);
                    verified.map(|verified| verified.key_index).ok()
                };
                let pairs: Vec<_> = headers.iter().map(|header| header.as_pair()).collect();
                assert_eq!(
                    verdict(core::slice::from_ref(secret), &pairs),
                    Some(0),
                    "{scheme}"
                );
                assert_eq!(verdict(&all, &pairs), Some(0), "{scheme} {index}");
                // As it was before, and as a proxy may join what came twice.
                let name = scheme.form().signature_header;
                let joined: Vec<_> = pairs
                    .iter()
                    .filter(|(header, _)| header.starts_with(name))
                    .map(|(_, value)| core::str::from_utf8(value).unwrap())
                    .collect();
                let joined = joined.join(", ");
                let others = pairs.iter().filter(|(header, _)| !header.starts_with(name));
                let listed: Vec<_> = others.copied().chain([(name, joined.as_bytes())]).collect();
                let alone = core::slice::from_ref(secret);
                assert_eq!(verdict(alone, &listed), Some(0), "{scheme}");
            }
        }
    }

    #[test]
    fn a_rotation_may_go_from_hmac_to_ed25519() {
        let [old] = secrets(["old"]);
        let new = Secret::generate_ed25519([7; 32]);
        let public = new.verifying_key().unwrap();
        let receiver = [&public, &old];
        assert_eq!(between(&[&old], &receiver, NOW), Ok(1));
        assert_eq!(between(&[&new, &old], &receiver, NOW), Ok(0));
        assert_eq!(between(&[&new], &receiver, NOW), Ok(0));
        assert_eq!(between(&[&new], &[&new], NOW), Ok(0));
    }

    #[test]
    fn the_time_is_judged_before_the_signature() {
        let [a, b] = secrets(["a", "b"]);
        assert_eq!(
            between(&[&a], &[&b], NOW + 301).unwrap_err().to_string(),
            "the timestamp 1700000000 is 301 s old, and 300 s are tolerated: this may be an old \
             request sent again; if it is not, compare this machine's clock, which reads 1700000301"
        );
        assert_eq!(
            between(&[&a], &[&a], NOW - 301).unwrap_err().to_string(),
            "the timestamp 1700000000 is 301 s in the future, and 300 s are tolerated: compare \
             this machine's clock, which reads 1699999699; a time in milliseconds is refused too"
        );
    }

    #[test]
    fn the_tolerance_can_be_set() {
        let secrets = secrets(["text"]);
        let signer = Signer::new(Scheme::Slack, &secrets).unwrap();
        let message = Message {
            id: "",
            timestamp: NOW,
            body: b"",
        };
        let headers = signer.sign(&message).unwrap();
        let is_accepted = |tolerance, now| {
            let verifier = Verifier::new(Scheme::Slack, &secrets).unwrap();
            let pairs = headers.iter().map(|header| header.as_pair());
            verifier
                .tolerance_seconds(tolerance)
                .verify(pairs, b"", now)
                .is_ok()
        };
        assert!(is_accepted(0, NOW));
        assert!(!is_accepted(0, NOW + 1));
        assert!(is_accepted(u64::MAX, 0));
        assert!(is_accepted(u64::MAX, u64::MAX));
    }

    /// A signature over `msg_1.1.2.{}` with the time 1 and the body `2.{}` must not be one of the
    /// id `msg_1.1`, the time 2 and the body `{}`.
    #[test]
    fn a_signature_cannot_be_claimed_for_another_cut_of_the_same_bytes() {
        let secrets = secrets(["text"]);
        let signer = Signer::new(Scheme::Standard, &secrets).unwrap();
        let message = Message {
            id: "msg_1",
            timestamp: 1,
            body: b"2.{}",
        };
        let headers = signer.sign(&message).unwrap();
        let verifier = Verifier::new(Scheme::Standard, &secrets).unwrap();
        let claimed: [(&str, &[u8]); 3] = [
            ("webhook-id", b"msg_1.1"),
            ("webhook-timestamp", b"2"),
            ("webhook-signature", headers[2].value.as_bytes()),
        ];
        let error = verifier.verify(claimed, b"{}", 2).unwrap_err();
        assert_eq!(error.code(), "MALFORMED_HEADER");
    }

    #[test]
    fn a_refusal_says_what_to_do_and_nothing_of_the_secret() {
        let [a, b] = secrets(["hunter2", "hunter3"]);
        let error = between(&[&a], &[&b], NOW).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no signature in the header `webhook-signature` was made with any of the secrets: \
             verify the exact bytes of the body, before any parsing, with the secret of this \
             endpoint"
        );
    }

    #[test]
    fn a_verifier_goes_between_threads_and_prints_no_secret() {
        fn shared<T: Send + Sync + Clone>(_: &T) {}
        let verifier = Verifier::new(Scheme::BodyHex, &secrets(["hunter2"])).unwrap();
        shared(&verifier);
        let printed = format!("{verifier:?}");
        assert!(
            printed.starts_with("Verifier { scheme: BodyHex, "),
            "{printed}"
        );
        assert!(
            printed.ends_with(", keys: 1, tolerance_seconds: 300, .. }"),
            "{printed}"
        );
    }
}
