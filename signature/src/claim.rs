//! Verifying in two halves, for hosts that have faster HMACs than this crate, or no whole body.

use zeroize::Zeroizing;

use crate::key::{Key, PartialHmac};
use crate::request::{Request, Signature};
use crate::scheme::Form;
use crate::secret::SecretKind;
use crate::timestamp;
use crate::verify::{Verifier, VerifyError, first_hit, hit};

/// What the headers of a request claim: see [`Verifier::read`].
pub struct Claim<'h> {
    pub(crate) form: &'static Form,
    pub(crate) request: Request<'h>,
}

impl<'h> Claim<'h> {
    /// What is signed before the body, in pieces.
    #[must_use]
    pub fn signed_prefix(&self) -> [&[u8]; 4] {
        let [a, b, c, d, _] = self.request.pieces(self.form, b"");
        [a, b, c, d]
    }

    /// When it was sent, if the scheme covers it: Unix time, in seconds.
    #[must_use]
    pub fn timestamp(&self) -> Option<u64> {
        self.request
            .timestamp
            .map(|timestamp| timestamp.unix_seconds)
    }

    /// The id of the message, if the scheme covers it.
    #[must_use]
    pub fn id(&self) -> Option<&'h str> {
        self.request.id
    }

    /// What is left to be proven.
    #[must_use]
    pub fn into_signatures(self) -> Signatures {
        Signatures(self.request.signatures)
    }
}

/// The HMACs of a body that comes in parts, one with each key: see [`Verifier::begin_hmacs`].
pub struct Hmacs(Vec<PartialHmac>);

impl Hmacs {
    /// Takes the next part.
    pub fn update(&mut self, part: &[u8]) {
        for hmac in &mut self.0 {
            hmac.update(part);
        }
    }

    /// The HMACs, in the order of the keys, for [`Verifier::settle`].
    #[must_use]
    pub fn finish(self) -> Vec<[u8; 32]> {
        self.0.into_iter().map(PartialHmac::finish).collect()
    }
}

/// The signatures of a request, well-formed and not compared yet: see [`Verifier::settle`].
pub struct Signatures(Vec<Signature>);

impl Verifier {
    /// The first half of [`verify`](Self::verify), for a host that has faster HMACs than this crate:
    /// what the headers claim, well-formed and in time, and **proven by nothing**. The host makes
    /// the HMAC of [`Claim::signed_prefix`] and the body with each [`hmac_key`](Self::hmac_key),
    /// and [`settle`](Self::settle) compares them.
    ///
    /// # Errors
    ///
    /// All of [`VerifyError`] but [`VerifyError::NoMatch`].
    pub fn read<'h>(
        &self,
        headers: impl IntoIterator<Item = (&'h str, &'h [u8])>,
        now_unix_seconds: u64,
    ) -> Result<Claim<'h>, VerifyError> {
        let form = self.scheme.form();
        let request = Request::read(form, &self.names, headers)?;
        let claim = Claim { form, request };
        if let Some(timestamp) = claim.timestamp() {
            timestamp::judge(timestamp, now_unix_seconds, self.tolerance_seconds)?;
        }
        Ok(claim)
    }

    /// The second half: which key made one of the signatures of [`Claim::into_signatures`], counted
    /// from 0, given the HMACs that the host has made with each key, in the order of the keys; more
    /// than there are keys are not looked at. They are compared in constant time.
    ///
    /// # Errors
    ///
    /// [`VerifyError::NoMatch`].
    pub fn settle(
        &self,
        signatures: &Signatures,
        hmacs: &[[u8; 32]],
    ) -> Result<usize, VerifyError> {
        let hmacs = hmacs.iter().take(self.keys.len());
        let hits = hmacs.map(|hmac| hit(hmac, &signatures.0));
        first_hit(hits).ok_or_else(|| self.no_match())
    }

    /// The key of the HMACs of one secret, for a host that makes them itself. `None` if it is an
    /// ed25519 key: then only [`verify`](Self::verify) is of use.
    #[must_use]
    pub fn hmac_key(&self, index: usize) -> Option<Zeroizing<Vec<u8>>> {
        let secret = self.secrets.get(index)?;
        match secret.kind() {
            SecretKind::Hmac => self.scheme.form().key.key_of(secret).ok(),
            SecretKind::Ed25519Signing | SecretKind::Ed25519Verifying => None,
        }
    }

    /// Begins the HMACs with each key, for a body that comes in parts: the first one is
    /// [`Claim::signed_prefix`]. `None` if one of the keys is an ed25519 key, which needs the whole.
    #[must_use]
    pub fn begin_hmacs(&self) -> Option<Hmacs> {
        let begun = self.keys.iter().map(|key| match key {
            Key::Hmac(key) => Some(key.begin()),
            Key::Ed25519(_) => None,
        });
        begun.collect::<Option<Vec<_>>>().map(Hmacs)
    }
}
