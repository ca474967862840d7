//! The names of the headers: those of the scheme, or others.

use std::borrow::Cow;

use crate::key::SECRETS_MAX;
use crate::scheme::{Form, List, Scheme, TimestampPlace};

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
    /// What stands behind the name of a header that holds one signature in the name of the header
    /// that holds the newest secret's, while several are live: `x-signature` and
    /// `x-signature-next`. Those of secrets between the oldest and the newest have a number more,
    /// from 2 on: `x-signature-next-2`. See [`Scheme`].
    pub const NEXT: &str = "-next";

    /// Whether `name`, in any case, is that of a header with a further signature beside the header
    /// `signature`: see [`HeaderNames::NEXT`].
    #[must_use]
    pub fn is_next(name: &str, signature: &str) -> bool {
        let Some((head, rest)) = name.split_at_checked(signature.len()) else {
            return false;
        };
        let Some((next, number)) = rest.split_at_checked(Self::NEXT.len()) else {
            return false;
        };
        let is_number = |text: &str| (2..SECRETS_MAX).any(|number| number.to_string() == text);
        head.eq_ignore_ascii_case(signature)
            && next.eq_ignore_ascii_case(Self::NEXT)
            && (number.is_empty() || number.strip_prefix('-').is_some_and(is_number))
    }

    /// The names of all headers that a scheme sends with these, in lower case; last those of
    /// further signatures, which are sent while several secrets are live.
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
        let further = names.of_one_signature(scheme.form());
        let further: Vec<Name> = further.flat_map(|name| next_names(name)).collect();
        let signature = Some(names.signature);
        let names = [names.id, names.timestamp, signature, names.body_signature];
        Ok(names.into_iter().flatten().chain(further))
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
        own.distinct(form)
    }

    /// The names of the headers that hold one signature.
    pub(crate) fn of_one_signature(&self, form: &Form) -> impl Iterator<Item = &Name> {
        let holds_one = |form: &&Form| form.list == List::One;
        let signature = Some(form).filter(holds_one).map(|_| &self.signature);
        let also = form.signs_also.filter(holds_one);
        signature
            .into_iter()
            .chain(also.and(self.body_signature.as_ref()))
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

    fn distinct(self, form: &Form) -> Result<Self, HeaderNameError> {
        let names = [
            self.id.as_deref(),
            self.timestamp.as_deref(),
            Some(&*self.signature),
            self.body_signature.as_deref(),
        ];
        for (index, name) in names.iter().enumerate() {
            if let Some(name) = name
                && (names[..index].contains(&Some(name))
                    || self
                        .of_one_signature(form)
                        .any(|signature| HeaderNames::is_next(name, signature)))
            {
                return Err(HeaderNameError::Repeated {
                    name: (*name).to_owned(),
                });
            }
        }
        Ok(self)
    }
}

/// The names of the headers of further signatures beside this one, in the order of the secrets.
pub(crate) fn next_names(signature: &str) -> impl Iterator<Item = Name> {
    let next = format!("{signature}{}", HeaderNames::NEXT);
    let numbered = (2..SECRETS_MAX).map(|number| format!("{next}-{number}"));
    let names: Vec<Name> = numbered.map(Cow::Owned).collect();
    core::iter::once(Cow::Owned(next)).chain(names)
}

pub(crate) fn checked(name: &str) -> Result<Name, HeaderNameError> {
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
        let postrider = all(&own, Scheme::Postrider);
        let further = ["x-signature", "x-signature-next", "x-signature-next-2"];
        assert_eq!(postrider[3..6], further);
        assert_eq!(postrider.last().unwrap(), "x-signature-next-15");
        assert_eq!(all(&own, Scheme::Stripe), ["stripe-signature"]);
        let names = HeaderNames {
            timestamp: Some("X-Acme-Time".into()),
            ..own
        };
        let told = all(&names, Scheme::TimestampedV1);
        assert_eq!(told[..2], ["x-acme-time", "x-webhook-signature"]);
        assert_eq!(told[2], "x-webhook-signature-next");
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
    fn the_name_of_a_further_signature_is_no_name_for_another_header() {
        for (scheme, id, timestamp, signature) in [
            (Scheme::TimestampedV1, None, Some("X-Sig-Next"), "x-sig"),
            (Scheme::Slack, None, Some("x-sig-NEXT-2"), "X-Sig"),
            (Scheme::Postrider, Some("x-signature-next"), None, "x-sig"),
        ] {
            let names = HeaderNames {
                id: id.map(str::to_owned),
                timestamp: timestamp.map(str::to_owned),
                signature: Some(signature.to_owned()),
                body_signature: None,
            };
            let error = Names::replaced(scheme.form(), &names).unwrap_err();
            let name = id.or(timestamp).unwrap().to_ascii_lowercase();
            assert_eq!(error, HeaderNameError::Repeated { name }, "{scheme}");
        }
        // A list needs no further header.
        let names = HeaderNames {
            timestamp: Some("x-sig-next".into()),
            signature: Some("x-sig".into()),
            ..HeaderNames::default()
        };
        assert!(Names::replaced(Scheme::Standard.form(), &names).is_ok());
    }

    #[test]
    fn the_names_of_further_signatures_are_known_in_any_case() {
        let is_next = |name: &str| HeaderNames::is_next(name, "x-sig");
        for name in next_names("X-SIG") {
            assert!(
                is_next(&name) && is_next(&name.to_ascii_uppercase()),
                "{name}"
            );
        }
        for name in [
            "x-sig",
            "x-sig-",
            "x-sig-nex",
            "x-sig-next-",
            "x-sig-next-1",
            "x-sig-next-02",
            "x-sig-next-16",
            "x-sig-next2",
            "x-sig-nextt",
            "y-sig-next",
            "x-si\u{e9}-next",
            "",
        ] {
            assert!(!is_next(name), "{name}");
        }
    }

    #[test]
    fn the_schemes_own_names_are_header_names_in_lower_case() {
        for scheme in Scheme::ALL {
            let names = Names::of(scheme.form()).distinct(scheme.form()).unwrap();
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
