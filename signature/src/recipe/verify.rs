//! Verifying by a recipe.

use super::key::Key;
use super::problem::{RecipeError, Refusal};
use super::reading::{At, Claim, Made, is_form};
use super::{Received, Recipe};
use crate::request::SIGNATURES_MAX;
use crate::secret::Secret;
use crate::timestamp;
use crate::verify::{Verified, Verifier, first_hit};
use core::fmt;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// Verifies requests by one [`Recipe`] with one or more secrets.
///
/// The keys are made ready once; clones share them.
///
/// ```
/// use postrider_signature::{NoFields, Received, RecipeVerifier, Secret, provider};
///
/// let recipe = provider("gitlab").expect("it is in the table");
/// let verifier = RecipeVerifier::new(&recipe, &[Secret::parse("a token")?])?;
/// let request = Received {
///     method: "POST",
///     urls: &[],
///     headers: &[("X-Gitlab-Token", b"a token")],
///     body: b"{}",
///     fields: &NoFields,
/// };
/// assert!(verifier.verify(&request, 1_700_000_000).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct RecipeVerifier {
    pub(super) made: Arc<Made>,
    pub(super) keys: Arc<[Key]>,
    /// For [`RecipeVerifier::explain`], which tries them in other forms.
    pub(super) secrets: Arc<[Secret]>,
    pub(super) tolerance_seconds: u64,
}

impl RecipeVerifier {
    /// A verifier that accepts what any of the secrets has signed.
    ///
    /// # Errors
    ///
    /// [`RecipeError`] if the parts of the recipe do not fit together, if there is no secret, or more
    /// than 16, or one that is no key of the form that is expected.
    pub fn new(recipe: &Recipe<'_>, secrets: &[Secret]) -> Result<Self, RecipeError> {
        let made = Made::of(recipe)?;
        match secrets.len() {
            0 => return Err(RecipeError::NoSecret),
            given if given > SIGNATURES_MAX => return Err(RecipeError::TooManySecrets { given }),
            _ => {}
        }
        let mut keys = Vec::with_capacity(secrets.len());
        for (index, secret) in secrets.iter().enumerate() {
            let key = Key::prepare(recipe.algorithm, recipe.key, secret);
            keys.push(key.map_err(|problem| RecipeError::Secret { index, problem })?);
        }
        Ok(Self {
            made: Arc::new(made),
            keys: keys.into(),
            secrets: secrets.into(),
            tolerance_seconds: Verifier::TOLERANCE_SECONDS_DEFAULT,
        })
    }

    /// Sets how far the time may be from now, as [`Verifier::tolerance_seconds`] does.
    #[must_use]
    pub fn tolerance_seconds(self, tolerance_seconds: u64) -> Self {
        Self {
            tolerance_seconds,
            ..self
        }
    }

    /// The header with the signature, in lower case, if it is in one.
    #[must_use]
    pub fn signature_header(&self) -> Option<&str> {
        match &self.made.signature {
            At::Header(name) => Some(name),
            At::Field(_) => None,
        }
    }

    /// Whether a signature covers the time it was made at.
    #[must_use]
    pub fn covers_timestamp(&self) -> bool {
        self.made.covers_time()
    }

    /// Whether the URL is signed.
    #[must_use]
    pub fn covers_url(&self) -> bool {
        self.made.signs_url()
    }

    /// Verifies one request, judged at this Unix time, in seconds.
    ///
    /// Every secret is tried against every signature; HMACs and tokens are compared in constant time.
    /// Where the elements of an array are signed, the signature of each has to be right.
    ///
    /// # Errors
    ///
    /// [`Refusal`], of which [`Refusal::code`] is stable.
    pub fn verify<'h>(
        &self,
        request: &Received<'h, '_>,
        now_unix_seconds: u64,
    ) -> Result<Verified<'h>, Refusal> {
        self.made.check_single(request)?;
        let mut first = None;
        for index in 0..self.made.items(request)? {
            let claim = self.made.claim(request, index)?;
            if let Some(unix_seconds) = claim.unix_seconds {
                timestamp::judge(unix_seconds, now_unix_seconds, self.tolerance_seconds)?;
            }
            self.check_digest(request)?;
            let key_index = self
                .matching(&claim, request, &self.keys)
                .ok_or_else(|| self.no_match())?;
            first.get_or_insert(Verified {
                key_index,
                timestamp: claim.unix_seconds,
                id: claim.id,
            });
        }
        first.ok_or_else(|| self.no_match())
    }

    pub(super) fn no_match(&self) -> Refusal {
        Refusal::NoMatch {
            place: self.made.signature.named(),
        }
    }

    /// Whether the signatures of all elements are right with these keys, whenever they were made.
    pub(super) fn holds(&self, request: &Received<'_, '_>, keys: &[Key]) -> bool {
        let Ok(items) = self.made.items(request) else {
            return false;
        };
        (0..items).all(|index| {
            let claim = self.made.claim(request, index);
            claim.is_ok_and(|claim| self.matching(&claim, request, keys).is_some())
        })
    }

    /// The first key that has made one of the signatures, over any of the URLs.
    fn matching(
        &self,
        claim: &Claim<'_>,
        request: &Received<'_, '_>,
        keys: &[Key],
    ) -> Option<usize> {
        let urls: &[&str] = if self.made.signs_url() {
            request.urls
        } else {
            &[""]
        };
        let urls = urls.iter().filter(|url| self.has_digest(url, request));
        urls.copied().find_map(|url| {
            let pieces = self.made.signed(claim, request, url);
            first_hit(
                keys.iter()
                    .map(|key| key.made_one(&pieces, &claim.signatures)),
            )
        })
    }

    fn check_digest(&self, request: &Received<'_, '_>) -> Result<(), Refusal> {
        match &self.made.body_digest {
            Some(parameter) if !request.urls.iter().any(|url| self.has_digest(url, request)) => {
                Err(Refusal::BodyDigest {
                    parameter: parameter.clone(),
                })
            }
            _ => Ok(()),
        }
    }

    /// Whether the URL tells the digest of the body, where it has to.
    fn has_digest(&self, url: &str, request: &Received<'_, '_>) -> bool {
        let Some(parameter) = &self.made.body_digest else {
            return true;
        };
        if request.body.is_empty() || is_form(request) {
            return true;
        }
        let digest = hex::encode(Sha256::digest(request.body));
        let (_, query) = url.split_once('?').unwrap_or_default();
        query.split('&').any(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            name == parameter && value.eq_ignore_ascii_case(&digest)
        })
    }
}

impl fmt::Debug for RecipeVerifier {
    /// Without the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecipeVerifier")
            .field("recipe", &self.made)
            .field("keys", &self.keys.len())
            .field("tolerance_seconds", &self.tolerance_seconds)
            .finish_non_exhaustive()
    }
}
