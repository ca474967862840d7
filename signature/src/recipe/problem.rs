//! What can be wrong: with a recipe, with a secret, with a request.

use crate::request::SIGNATURES_MAX;
use crate::verify::{HeaderProblem, VerifyError};

/// A recipe, or a secret for it, cannot be used. No message holds any part of a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecipeError {
    /// There is no secret.
    #[error("no secret is given: give at least one")]
    NoSecret,
    /// There are more than 16.
    #[error("{given} secrets are given, and at most {SIGNATURES_MAX} can be used: drop the oldest")]
    TooManySecrets {
        /// How many were given.
        given: usize,
    },
    /// One of the secrets is no key of this form.
    #[error("secret {} cannot be used: {problem}", index + 1)]
    Secret {
        /// Its place among the secrets, from 0. (The message counts from 1.)
        index: usize,
        /// What is wrong, and what is expected.
        problem: &'static str,
    },
    /// The template of what is signed cannot be read.
    #[error("what is signed cannot be read at byte {at}: {problem}")]
    Template {
        /// Where, in bytes from 0.
        at: usize,
        /// What is wrong.
        problem: &'static str,
    },
    /// The parts do not fit together.
    #[error("`{part}` {problem}")]
    Part {
        /// The part, as a source names it.
        part: &'static str,
        /// What is wrong with it. Reads as the rest of a sentence.
        problem: &'static str,
    },
}

/// Why a request is refused. For the receiver's log: no message holds a secret, a signature or
/// anything of the body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A header or field that is needed is not there.
    #[error("{place} is missing: check that this provider sends it, and that no proxy removes it")]
    Missing {
        /// Which.
        place: String,
        /// Whether it is a field of the body.
        is_field: bool,
    },
    /// A header cannot be read.
    #[error("{place} {problem}")]
    Malformed {
        /// Which.
        place: String,
        /// What is wrong.
        problem: HeaderProblem,
    },
    /// The time is not in the form that is expected.
    #[error("the time in {place} is missing or malformed: expected {expected}")]
    MalformedTimestamp {
        /// Where it is.
        place: String,
        /// In words.
        expected: &'static str,
    },
    /// There is no signature that could be tried.
    #[error("{place} {problem}")]
    MalformedSignature {
        /// Where it is.
        place: String,
        /// What is wrong. Reads as the rest of a sentence.
        problem: String,
    },
    /// The time is too far from now.
    #[error(transparent)]
    Time(#[from] VerifyError),
    /// The URL is signed, and does not tell the digest of the body.
    #[error(
        "the parameter `{parameter}` of the URL is not the SHA-256 of the body: the body was changed \
         on its way, or is not signed at all"
    )]
    BodyDigest {
        /// The parameter.
        parameter: String,
    },
    /// All is well-formed, and no signature was made with any of the secrets.
    #[error(
        "no signature in {place} was made with any of the secrets: check that the secret is that of \
         this provider, and, where the URL is signed, that the source knows it"
    )]
    NoMatch {
        /// Where the signatures are.
        place: String,
    },
}

impl Refusal {
    /// The stable code, in capitals: the same as [`VerifyError::code`] where both know the case.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing { is_field: true, .. } => "MISSING_FIELD",
            Self::Missing { .. } => "MISSING_HEADER",
            Self::Malformed { .. } => "MALFORMED_HEADER",
            Self::MalformedTimestamp { .. } => "MALFORMED_TIMESTAMP",
            Self::MalformedSignature { .. } => "MALFORMED_SIGNATURE",
            Self::Time(error) => error.code(),
            Self::BodyDigest { .. } => "BODY_DIGEST",
            Self::NoMatch { .. } => "NO_MATCH",
        }
    }
}
