//! The names of the headers: those of the scheme, or others.

use std::borrow::Cow;

use crate::scheme::{Form, Scheme, TimestampPlace};

/// The longest header name in bytes.
const HEADER_NAME_BYTES_MAX: usize = 128;

/// Header names to use instead of those of the scheme; `None` keeps the scheme's.
///
/// ```
/// use postrider_signature::{HeaderNames, Scheme, Secret, Signer};
///
/// let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")?;
/// let signature = Some("X-Acme-Signature".into());
/// let names = HeaderNames { signature, ..HeaderNames::default() };
/// let signer = Signer::new(Scheme::BodyHex, &[secret])?.header_names(&names)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderNames {
    /// For the id of the message.
    pub id: Option<String>,
    /// For the timestamp.
    pub timestamp: Option<String>,
    /// For the signature.
    pub signature: Option<String>,
    /// For the second signature of the scheme `postrider`, instead of `x-signature`.
    pub body_signature: Option<String>,
}

impl HeaderNames {
    /// The names of all headers that a scheme sends with these, in lower case.
    ///
    /// # Errors
    ///
    /// [`HeaderNameError`] if a name is malformed, used twice, or for a header that the scheme
    /// does not send.
    pub fn of(
        &self,
        scheme: Scheme,
    ) -> Result<impl Iterator<Item = Cow<'static, str>>, HeaderNameError> {
        let names = Names::replaced(scheme.form(), self)?;
        let signature = Some(names.signature);
        let names = [names.id, names.timestamp, signature, names.body_signature];
        Ok(names.into_iter().flatten())
    }
}

/// A header name cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderNameError {
    /// Not a header name: empty, over 128 bytes, or with a character that RFC 9110, section 5.6.2,
    /// does not allow.
    #[error(
        "{name:?} is not a header name: use 1 to {HEADER_NAME_BYTES_MAX} letters, digits and `-`"
    )]
    Malformed {
        /// The name.
        name: String,
    },
    /// The same name is used for two headers.
    #[error("the header name {name:?} is used twice: give each header its own")]
    Repeated {
        /// The name, in lower case.
        name: String,
    },
    /// The scheme sends no such header.
    #[error("the scheme `{scheme}` has no header for the {part}: leave out the name {name:?}")]
    Unused {
        /// The name of the scheme.
        scheme: &'static str,
        /// What the name was given for: `id`, `timestamp` or `body signature`.
        part: &'static str,
        /// The name.
        name: String,
    },
}

/// The names in use, all in lower case, as HTTP/2 demands (RFC 9113, section 8.2.1).
#[derive(Clone, Debug)]
pub(crate) struct Names {
    pub(crate) id: Option<Name>,
    pub(crate) timestamp: Option<Name>,
    pub(crate) signature: Name,
    pub(crate) body_signature: Option<Name>,
}

/// A header name.
pub(crate) type Name = Cow<'static, str>;

impl Names {
    /// Those of the scheme.
    pub(crate) fn of(form: &Form) -> Self {
        Self {
            id: form.id_header.map(Cow::Borrowed),
            timestamp: match form.timestamp {
                TimestampPlace::Header(name) => Some(Cow::Borrowed(name)),
                TimestampPlace::Item(_) | TimestampPlace::Nowhere => None,
            },
            signature: Cow::Borrowed(form.signature_header),
            body_signature: form
                .signs_also
                .map(|also| Cow::Borrowed(also.signature_header)),
        }
    }

    /// Those of the scheme, replaced where `names` says so.
    pub(crate) fn replaced(form: &Form, names: &HeaderNames) -> Result<Self, HeaderNameError> {
        let mut own = Self::of(form);
        let parts = [
            ("id", own.id.as_mut(), &names.id),
            ("timestamp", own.timestamp.as_mut(), &names.timestamp),
            ("signature", Some(&mut own.signature), &names.signature),
            (
                "body signature",
                own.body_signature.as_mut(),
                &names.body_signature,
            ),
        ];
        for (part, own, name) in parts {
            match (own, name) {
                (_, None) => (),
                (Some(own), Some(name)) => *own = checked(name)?,
                (None, Some(name)) => {
                    return Err(HeaderNameError::Unused {
                        scheme: form.name,
                        part,
                        name: name.clone(),
                    });
                }
            }
        }
        own.distinct()
    }

    /// These, with `other`'s where both have one: to look for another scheme in the same headers.
    pub(crate) fn with_those_of(self, other: &Self) -> Self {
        let both =
            |own: Option<Name>, other: &Option<Name>| own.map(|own| other.clone().unwrap_or(own));
        Self {
            id: both(self.id, &other.id),
            timestamp: both(self.timestamp, &other.timestamp),
            signature: other.signature.clone(),
            body_signature: None,
        }
    }

    fn distinct(self) -> Result<Self, HeaderNameError> {
        let names = [
            self.id.as_deref(),
            self.timestamp.as_deref(),
            Some(&*self.signature),
            self.body_signature.as_deref(),
        ];
        for (index, name) in names.iter().enumerate() {
            if let Some(name) = name
                && names[..index].contains(&Some(name))
            {
                return Err(HeaderNameError::Repeated {
                    name: (*name).to_owned(),
                });
            }
        }
        Ok(self)
    }
}

fn checked(name: &str) -> Result<Name, HeaderNameError> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || name.len() > HEADER_NAME_BYTES_MAX || !name.bytes().all(token) {
        return Err(HeaderNameError::Malformed { name: name.into() });
    }
    Ok(Cow::Owned(name.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_in_lower_case() {
        let names = HeaderNames {
            signature: Some("X-Acme".into()),
            ..HeaderNames::default()
        };
        let names = Names::replaced(Scheme::Github.form(), &names).unwrap();
        assert_eq!(names.signature, "x-acme");
    }

    #[test]
    fn all_names_of_a_scheme_are_told() {
        let all = |names: &HeaderNames, scheme| names.of(scheme).unwrap().collect::<Vec<_>>();
        let own = HeaderNames::default();
        let standard = ["webhook-id", "webhook-timestamp", "webhook-signature"];
        assert_eq!(all(&own, Scheme::Standard), standard);
        assert_eq!(all(&own, Scheme::Postrider)[3], "x-signature");
        assert_eq!(all(&own, Scheme::Stripe), ["stripe-signature"]);
        let names = HeaderNames {
            timestamp: Some("X-Acme-Time".into()),
            ..own
        };
        let told = all(&names, Scheme::TimestampedV1);
        assert_eq!(told, ["x-acme-time", "x-webhook-signature"]);
    }

    #[test]
    fn what_is_no_header_name_is_refused() {
        for name in ["", "x y", "x:", "naïve", "x\r\ny", &"x".repeat(129)] {
            let names = HeaderNames {
                signature: Some(name.into()),
                ..HeaderNames::default()
            };
            let error = Names::replaced(Scheme::Github.form(), &names).unwrap_err();
            assert_eq!(error, HeaderNameError::Malformed { name: name.into() });
        }
    }

    #[test]
    fn a_name_for_a_header_the_scheme_does_not_send_is_refused() {
        for (scheme, part) in [
            (Scheme::BodyHex, "timestamp"),
            (Scheme::Slack, "id"),
            (Scheme::Svix, "body signature"),
        ] {
            let given = |name| (part == name).then(|| "x-acme".to_owned());
            let names = HeaderNames {
                id: given("id"),
                timestamp: given("timestamp"),
                signature: None,
                body_signature: given("body signature"),
            };
            let error = Names::replaced(scheme.form(), &names).unwrap_err();
            let expected = HeaderNameError::Unused {
                scheme: scheme.name(),
                part,
                name: "x-acme".into(),
            };
            assert_eq!(error, expected);
        }
    }

    #[test]
    fn one_name_for_two_headers_is_refused() {
        let names = HeaderNames {
            id: Some("Webhook-Signature".into()),
            ..HeaderNames::default()
        };
        let error = Names::replaced(Scheme::Postrider.form(), &names).unwrap_err();
        assert_eq!(
            error,
            HeaderNameError::Repeated {
                name: "webhook-signature".into()
            }
        );
    }

    #[test]
    fn the_schemes_own_names_are_header_names_in_lower_case() {
        for scheme in Scheme::ALL {
            let names = Names::of(scheme.form()).distinct().unwrap();
            for name in [
                names.id,
                names.timestamp,
                Some(names.signature),
                names.body_signature,
            ] {
                assert!(
                    name.is_none_or(|name| checked(&name).unwrap() == name),
                    "{scheme}"
                );
            }
        }
    }
}
