//! Secrets as people paste them.

use crate::secret::{HMAC_PREFIX, Secret, SecretError};
use crate::{KeyProblem, Scheme};
use core::fmt;

/// What was not a part of a secret, and was left out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mend {
    /// White space or line ends around it.
    WhiteSpace,
    /// `v1,` before `whsec_`, as some services show a list of secrets.
    Version,
}

impl fmt::Display for Mend {
    /// A sentence for whoever gave the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WhiteSpace => "white space around it was left out",
            Self::Version => "`v1,` before `whsec_` was left out",
        })
    }
}

impl Secret {
    /// Takes a secret without what cannot be a part of a provider's: see [`Mend`].
    ///
    /// # Errors
    ///
    /// As [`Secret::parse`].
    pub fn pasted(text: &str) -> Result<(Self, Vec<Mend>), SecretError> {
        let mut mends = Vec::new();
        let trimmed = text.trim();
        if trimmed.len() < text.len() {
            mends.push(Mend::WhiteSpace);
        }
        let bare = trimmed
            .strip_prefix("v1,")
            .filter(|rest| rest.starts_with(HMAC_PREFIX));
        if bare.is_some() {
            mends.push(Mend::Version);
        }
        Ok((Self::parse(bare.unwrap_or(trimmed))?, mends))
    }

    /// The key of the same text as the reference libraries of Standard Webhooks read it, for a secret
    /// without `whsec_` of a scheme that decodes what follows that: they decode any text. `None` where
    /// there is no such key, or where it is shorter than the 24 bytes that the specification asks for.
    #[must_use]
    pub fn decoded_without_prefix(&self, scheme: Scheme) -> Option<Self> {
        const BYTES_MIN: usize = 24;
        let text = self.expose_secret_text();
        if text.starts_with(HMAC_PREFIX) {
            return None;
        }
        let prefixed = Self::parse([HMAC_PREFIX, text].concat()).ok()?;
        let is_decoded = scheme.form().key == crate::scheme::KeyRule::Decoded;
        let key: Result<_, KeyProblem> = scheme.form().key.key_of(&prefixed);
        let is_key = is_decoded && key.is_ok_and(|key| key.len() >= BYTES_MIN);
        is_key.then_some(prefixed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pasted_around_a_secret_is_left_out() {
        for (text, taken, mends) in [
            ("whsec_AAAA", "whsec_AAAA", &[] as &[Mend]),
            (" \twhsec_AAAA\r\n", "whsec_AAAA", &[Mend::WhiteSpace]),
            ("v1,whsec_AAAA", "whsec_AAAA", &[Mend::Version]),
            (
                "v1,whsec_AAAA\n",
                "whsec_AAAA",
                &[Mend::WhiteSpace, Mend::Version],
            ),
            ("v1,text", "v1,text", &[]),
            ("two words", "two words", &[]),
        ] {
            let (secret, found) = Secret::pasted(text).unwrap();
            assert_eq!(secret.expose_secret_text(), taken);
            assert_eq!(found, mends, "{text:?}");
        }
        assert_eq!(Secret::pasted(" \n").unwrap_err(), SecretError::Empty);
    }

    #[test]
    fn base64_without_its_prefix_is_a_key_where_it_is_decoded() {
        let decoded = |text: &str, scheme| {
            let secret = Secret::parse(text).unwrap();
            let decoded = secret.decoded_without_prefix(scheme);
            decoded.map(|it| it.expose_secret_text().to_owned())
        };
        let text = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let whole = format!("whsec_{text}");
        assert_eq!(decoded(text, Scheme::Standard).as_ref(), Some(&whole));
        assert_eq!(decoded(text, Scheme::Svix).as_ref(), Some(&whole));
        assert_eq!(decoded(text, Scheme::Github), None);
        assert_eq!(decoded(&whole, Scheme::Standard), None);
        assert_eq!(decoded("AAAA", Scheme::Standard), None);
        assert_eq!(
            decoded("it's no base64, but long enough", Scheme::Standard),
            None
        );
    }
}
