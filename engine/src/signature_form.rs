//! How the requests of an endpoint are signed.

use crate::custom_headers::is_reserved;
use crate::error::InvalidSpec;
use crate::limits::Limits;
use postrider_signature::{HeaderNames, Scheme, Secret, Signer};

/// One way in which every request of an endpoint is signed, with every secret that is live.
///
/// An endpoint may have several, for receivers that are being changed over from one to another.
/// They share its secrets: what [`Scheme::Postrider`] says of bodies that are not JSON is true of
/// any scheme that signs the body alone beside one that signs more with the same key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureForm {
    /// What is signed, and how it is written.
    pub scheme: Scheme,
    /// Other names for the headers than the scheme's.
    pub header_names: HeaderNames,
}

impl Default for SignatureForm {
    fn default() -> Self {
        Self::of(Scheme::Postrider)
    }
}

impl SignatureForm {
    /// This scheme, with its own header names.
    #[must_use]
    pub fn of(scheme: Scheme) -> Self {
        let header_names = HeaderNames::default();
        Self {
            scheme,
            header_names,
        }
    }

    /// What signs so with these secrets.
    pub(crate) fn signer(&self, secrets: &[Secret]) -> Result<Signer, InvalidSpec> {
        Ok(Signer::new(self.scheme, secrets)?.header_names(&self.header_names)?)
    }

    /// Whether this secret can sign so.
    pub(crate) fn can_use(&self, secret: &Secret) -> bool {
        Signer::new(self.scheme, std::slice::from_ref(secret)).is_ok()
    }
}

/// Checks that every header of a request has a name of its own.
pub(crate) fn check(
    forms: &[SignatureForm],
    headers: &[(String, String)],
    limits: &Limits,
) -> Result<(), InvalidSpec> {
    let most = limits.signatures_max;
    if forms.is_empty() || forms.len() > most {
        return Err(InvalidSpec::Signatures { most });
    }
    let mut names: Vec<String> = Vec::new();
    for form in forms {
        for name in form.header_names.of(form.scheme)? {
            let is_custom = headers
                .iter()
                .any(|(custom, _)| custom.eq_ignore_ascii_case(&name));
            let is_taken = is_custom || names.iter().any(|other| *other == name);
            let name = name.into_owned();
            if is_reserved(&name) {
                return Err(InvalidSpec::HeaderReserved { name });
            }
            if is_taken {
                return Err(InvalidSpec::SignatureHeaderTaken { name });
            }
            names.push(name);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(forms: &[SignatureForm], headers: &[(&str, &str)]) -> Result<(), InvalidSpec> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let headers: Vec<_> = headers.iter().map(owned).collect();
        check(forms, &headers, &Limits::default())
    }

    fn signed_in(scheme: Scheme, name: &str) -> SignatureForm {
        let header_names = HeaderNames {
            signature: Some(name.to_owned()),
            ..HeaderNames::default()
        };
        SignatureForm {
            scheme,
            header_names,
        }
    }

    #[test]
    fn every_scheme_is_accepted_with_its_own_names() {
        for scheme in Scheme::ALL {
            assert_eq!(
                checked(&[SignatureForm::of(scheme)], &[]),
                Ok(()),
                "{scheme}"
            );
        }
    }

    #[test]
    fn one_to_four_forms_are_accepted() {
        let forms = [
            Scheme::Postrider,
            Scheme::Stripe,
            Scheme::Github,
            Scheme::Slack,
        ];
        let mut forms: Vec<_> = forms.into_iter().map(SignatureForm::of).collect();
        assert_eq!(checked(&forms, &[]), Ok(()));
        forms.push(SignatureForm::of(Scheme::Shopify));
        let refused = Err(InvalidSpec::Signatures { most: 4 });
        assert_eq!(checked(&forms, &[]), refused);
        assert_eq!(checked(&[], &[]), refused);
    }

    #[test]
    fn no_two_headers_have_the_same_name() {
        let taken = |name: &str| Err(InvalidSpec::SignatureHeaderTaken { name: name.into() });
        let postrider = SignatureForm::default();
        let body = SignatureForm::of(Scheme::BodyHex);
        assert_eq!(
            checked(&[postrider.clone(), body], &[]),
            taken("x-signature")
        );
        let body = signed_in(Scheme::BodyHex, "X-Acme-Signature");
        assert_eq!(checked(&[postrider, body.clone()], &[]), Ok(()));
        let custom = [("x-acme-SIGNATURE", "1")];
        assert_eq!(checked(&[body], &custom), taken("x-acme-signature"));
    }

    #[test]
    fn the_headers_of_an_overlap_have_names_of_their_own() {
        let taken = |name: &str| Err(InvalidSpec::SignatureHeaderTaken { name: name.into() });
        let body = || signed_in(Scheme::BodyHex, "X-Acme");
        for custom in ["X-Acme-Next", "x-acme-next-3"] {
            let expected = taken(&custom.to_lowercase());
            assert_eq!(checked(&[body()], &[(custom, "1")]), expected);
            let other = signed_in(Scheme::Github, custom);
            assert_eq!(checked(&[body(), other], &[]), expected);
        }
        // A list needs no further header.
        let stripe = signed_in(Scheme::Stripe, "X-Acme");
        assert_eq!(checked(&[stripe], &[("x-acme-next", "1")]), Ok(()));
    }

    #[test]
    fn names_of_the_protocol_and_of_the_engine_are_not_for_signatures() {
        for name in [
            "host",
            "content-type",
            "x-event-id",
            "x-forwarded-for",
            "postrider-x",
        ] {
            let reserved = InvalidSpec::HeaderReserved { name: name.into() };
            assert_eq!(
                checked(&[signed_in(Scheme::BodyHex, name)], &[]),
                Err(reserved)
            );
        }
        assert!(matches!(
            checked(&[signed_in(Scheme::BodyHex, "a b")], &[]),
            Err(InvalidSpec::SignatureHeaderName(_))
        ));
    }
}
