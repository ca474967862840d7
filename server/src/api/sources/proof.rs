//! What proves that a request is a source's provider's.

use super::record::SourceRecord;
use super::secrets::to_verify;
use super::signature_form::refused_recipe;
use crate::api::problem::{Code, Problem};
use postrider::Secret;
use postrider::signature::{
    Cause, Received, Recipe, RecipeError, RecipeVerifier, Verified, Verifier, VerifyError, provider,
};

/// What is looked at in a request.
pub(crate) enum Proof {
    /// A signature of a scheme.
    Scheme(Verifier),
    /// A signature, or a token, of a recipe.
    Recipe(RecipeVerifier),
    /// Nothing: whoever reaches the source is believed.
    Nothing,
    /// What cannot be there yet: the secret is to be learnt. Every request is refused.
    Unlearnt,
}

/// Takes the place of a secret that is to be learnt while the rest is checked. Nothing is verified with it.
const STAND_IN: &str = "whsec_c3RhbmRzIGluIGZvciBhIHNlY3JldCB0byBsZWFybg==";

/// Why a request is refused.
pub(crate) struct Refused {
    /// Stable, in capitals.
    pub(crate) code: &'static str,
    /// For the log and the source's owner.
    pub(crate) error: String,
}

impl From<VerifyError> for Refused {
    fn from(error: VerifyError) -> Self {
        Self {
            code: error.code(),
            error: error.to_string(),
        }
    }
}

impl Refused {
    /// Of a source that has not learnt its secret.
    fn unlearnt() -> Self {
        Self {
            code: "NO_SECRET_YET",
            error: "the source waits for the handshake that brings its secret".to_owned(),
        }
    }
}

impl Proof {
    /// What this record asks for. A problem that names the place, if it cannot be used.
    pub(super) fn of(record: &SourceRecord) -> Result<Self, Problem> {
        let secrets: Vec<Secret> = record.secrets.iter().map(|it| it.secret.clone()).collect();
        if record.is_unsigned() {
            return Ok(Self::Nothing);
        }
        let scheme = match (record.provider.scheme(), &record.custom) {
            (Some(scheme), _) => scheme,
            (None, Some(custom)) => match custom.recipe() {
                Some(recipe) => return Self::of_recipe(&recipe?, record, &secrets),
                None => custom.scheme()?,
            },
            (None, None) => {
                let recipe = provider(record.provider.name()).ok_or_else(|| {
                    Problem::new(Code::Internal, "a custom source without its form")
                })?;
                return Self::of_recipe(&recipe, record, &secrets);
            }
        };
        let wrong = |error: &dyn std::fmt::Display, pointer: &str| {
            Problem::new(Code::InvalidValue, error).at(pointer, error)
        };
        let is_unlearnt = record.awaits_secret();
        let secrets = match is_unlearnt {
            true => vec![Secret::parse(STAND_IN).map_err(|e| wrong(&e, "/secrets"))?],
            false => to_verify(scheme, secrets),
        };
        let verifier = Verifier::new(scheme, &secrets).map_err(|e| wrong(&e, "/secrets"))?;
        let verifier = match &record.custom {
            Some(custom) => verifier
                .header_names(&custom.header_names())
                .map_err(|error| wrong(&error, "/custom"))?,
            None => verifier,
        };
        if is_unlearnt {
            return Ok(Self::Unlearnt);
        }
        Ok(Self::Scheme(
            verifier.tolerance_seconds(record.tolerance_s.into()),
        ))
    }

    fn of_recipe(
        recipe: &Recipe<'_>,
        record: &SourceRecord,
        secrets: &[Secret],
    ) -> Result<Self, Problem> {
        let verifier = match RecipeVerifier::new(recipe, secrets) {
            // The recipe itself is looked at before its secrets.
            Err(RecipeError::NoSecret) if record.awaits_secret() => return Ok(Self::Unlearnt),
            verifier => verifier.map_err(|error| refused_recipe(&error))?,
        };
        Ok(Self::Recipe(
            verifier.tolerance_seconds(record.tolerance_s.into()),
        ))
    }

    /// Verifies a request, judged at this Unix time, in seconds.
    pub(crate) fn verify<'h>(
        &self,
        request: &Received<'h, '_>,
        now: u64,
    ) -> Result<Verified<'h>, Refused> {
        match self {
            Self::Scheme(verifier) => {
                let headers = request.headers.iter().copied();
                let verified = verifier.verify(headers, request.body, now);
                verified.map_err(Refused::from)
            }
            Self::Recipe(verifier) => verifier.verify(request, now).map_err(|error| Refused {
                code: error.code(),
                error: error.to_string(),
            }),
            Self::Nothing => Ok(Verified {
                key_index: 0,
                timestamp: None,
                id: None,
            }),
            Self::Unlearnt => Err(Refused::unlearnt()),
        }
    }

    /// Why every request is refused, whatever it says, if that is so.
    pub(crate) fn refuses_all(&self) -> Option<Refused> {
        matches!(self, Self::Unlearnt).then(Refused::unlearnt)
    }

    /// The cause of a refusal, if one can be proved.
    pub(crate) fn explain(&self, request: &Received<'_, '_>, now: u64) -> Option<Cause> {
        match self {
            Self::Scheme(verifier) => {
                let headers = request.headers.iter().copied();
                verifier.explain(headers, request.body, now)
            }
            Self::Recipe(verifier) => verifier.explain(request, now),
            Self::Nothing | Self::Unlearnt => None,
        }
    }

    /// The header with the signature or the token, in lower case; empty, if it is in none.
    pub(crate) fn signature_header(&self) -> &str {
        match self {
            Self::Scheme(verifier) => verifier.looks_at().2,
            Self::Recipe(verifier) => verifier.signature_header().unwrap_or_default(),
            Self::Nothing | Self::Unlearnt => "",
        }
    }

    /// The verifier, where the signature is one of a scheme.
    pub(crate) fn verifier(&self) -> Option<&Verifier> {
        match self {
            Self::Scheme(verifier) => Some(verifier),
            Self::Recipe(_) | Self::Nothing | Self::Unlearnt => None,
        }
    }

    /// Whether fields of the body or the URL are looked at.
    pub(crate) fn is_recipe(&self) -> bool {
        matches!(self, Self::Recipe(_))
    }
}
