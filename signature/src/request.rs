//! Reading the headers of a request that claims to be signed.

use crate::ed25519::SIGNATURE_BYTES;
use crate::headers::{HeaderNames, Names};
use crate::scheme::{Encoding, Form, List, TimestampPlace};
use crate::sign::is_id;
use crate::timestamp;
use crate::verify::{HeaderProblem, SignatureProblem, VerifyError};

/// The longest value of a header in bytes: more than twice what 16 ed25519 signatures need.
pub(crate) const HEADER_VALUE_BYTES_MAX: usize = 4096;

/// The most signatures that one request may carry, those of unknown versions included.
pub(crate) const SIGNATURES_MAX: usize = 16;

/// What a request claims: all well-formed, nothing proven.
pub(crate) struct Request<'h> {
    pub(crate) id: Option<&'h str>,
    pub(crate) timestamp: Option<Timestamp<'h>>,
    /// At least one, at most [`SIGNATURES_MAX`].
    pub(crate) signatures: Vec<Signature>,
}

/// The text is what was signed, leading zeros and all.
#[derive(Clone, Copy)]
pub(crate) struct Timestamp<'h> {
    pub(crate) text: &'h [u8],
    pub(crate) unix_seconds: u64,
}

/// A signature that is well-formed, of a version that the scheme knows.
pub(crate) enum Signature {
    Hmac([u8; 32]),
    Ed25519([u8; SIGNATURE_BYTES]),
}

impl<'h> Request<'h> {
    /// Reads the headers of this form. The first fault is told, in this order: a header that is
    /// repeated, too long or not text; then one missing or unsound, the id before the timestamp
    /// before the signatures.
    pub(crate) fn read(
        form: &Form,
        names: &Names,
        headers: impl IntoIterator<Item = (&'h str, &'h [u8])>,
    ) -> Result<Self, VerifyError> {
        let found = Found::find(form, names, headers)?;
        let id = match (&names.id, found.id) {
            (None, _) => None,
            (Some(name), None) => return Err(missing(name)),
            (Some(_), Some(id)) if is_id(id) => Some(id),
            (Some(name), Some(_)) => return Err(malformed(name, HeaderProblem::NotAnId)),
        };
        let timestamp = match (&names.timestamp, found.timestamp) {
            (None, _) => None,
            (Some(name), None) => return Err(missing(name)),
            (Some(name), Some(text)) => Some(Timestamp::parse(name, text.as_bytes())?),
        };
        let items = Items::of(form, names, &found.signatures)?;
        let timestamp = match form.timestamp {
            TimestampPlace::Nowhere | TimestampPlace::Header(_) => timestamp,
            TimestampPlace::Item(_) => Some(Timestamp::parse(
                &names.signature,
                items.timestamp.unwrap_or_default(),
            )?),
        };
        Ok(Self {
            id,
            timestamp,
            signatures: items.signatures(names)?,
        })
    }

    /// The signed bytes, in pieces, if the body is `body`.
    pub(crate) fn pieces<'a>(&'a self, form: &Form, body: &'a [u8]) -> [&'a [u8]; 5] {
        let timestamp = self.timestamp.map_or(&b""[..], |timestamp| timestamp.text);
        form.content
            .pieces(self.id.unwrap_or_default(), timestamp, body)
    }
}

impl<'h> Timestamp<'h> {
    fn parse(header: &str, text: &'h [u8]) -> Result<Self, VerifyError> {
        timestamp::parse(text)
            .map(|unix_seconds| Self { text, unix_seconds })
            .ok_or_else(|| VerifyError::MalformedTimestamp {
                header: header.into(),
            })
    }
}

/// The values of the headers that count.
#[derive(Default)]
struct Found<'h> {
    id: Option<&'h str>,
    timestamp: Option<&'h str>,
    signatures: Values<'h>,
}

/// The values of a header, of which there is one as a rule: that one needs no memory of its own.
#[derive(Default)]
struct Values<'h> {
    first: Option<&'h str>,
    others: Vec<&'h str>,
}

impl<'h> Values<'h> {
    fn push(&mut self, value: &'h str) {
        if self.first.is_none() {
            self.first = Some(value);
        } else {
            self.others.push(value);
        }
    }

    fn iter(&self) -> impl Iterator<Item = &'h str> {
        self.first.into_iter().chain(self.others.iter().copied())
    }
}

impl<'h> Found<'h> {
    /// Finds them by name, whatever the case. An id or a timestamp that is repeated is refused,
    /// even if the values are the same: nothing tells which one was signed.
    fn find(
        form: &Form,
        names: &Names,
        headers: impl IntoIterator<Item = (&'h str, &'h [u8])>,
    ) -> Result<Self, VerifyError> {
        let mut found = Self::default();
        for (name, value) in headers {
            let is = |own: &str| own.eq_ignore_ascii_case(name);
            let single = if names.id.as_deref().is_some_and(is) {
                &mut found.id
            } else if names.timestamp.as_deref().is_some_and(is) {
                &mut found.timestamp
            } else if is(&names.signature)
                || form.list == List::One && HeaderNames::is_next(name, &names.signature)
            {
                found.signatures.push(text(name, value)?);
                continue;
            } else {
                continue;
            };
            if single.replace(text(name, value)?).is_some() {
                return Err(malformed(name, HeaderProblem::Repeated));
            }
        }
        Ok(found)
    }
}

/// What the signature headers list.
struct Items<'a, 'h> {
    form: &'a Form,
    values: &'a Values<'h>,
    timestamp: Option<&'h [u8]>,
    signatures: usize,
}

impl<'a, 'h> Items<'a, 'h> {
    /// Counts what is listed, and finds the timestamp, if it is among it.
    fn of(form: &'a Form, names: &Names, values: &'a Values<'h>) -> Result<Self, VerifyError> {
        if values.first.is_none() {
            return Err(missing(&names.signature));
        }
        let mut items = Self {
            form,
            values,
            timestamp: None,
            signatures: 0,
        };
        for item in Self::split(form, values) {
            if let Some(text) = items.timestamp_in(item) {
                if items.timestamp.replace(text).is_some() {
                    return Err(malformed(&names.signature, HeaderProblem::Repeated));
                }
            } else if items.signatures == SIGNATURES_MAX {
                return Err(unsound(&names.signature, SignatureProblem::TooMany));
            } else {
                items.signatures += 1;
            }
        }
        Ok(items)
    }

    /// Splits the lists. A header that came twice may have been joined by a comma on its way
    /// (RFC 9110, section 5.3), so one of those, and white space, is tolerated around any item;
    /// and so lists are read under schemes that write one signature.
    fn split(form: &Form, values: &'a Values<'h>) -> impl Iterator<Item = &'h [u8]> {
        let separator = match form.list {
            List::Spaces => b' ',
            List::Commas | List::One => b',',
        };
        let items = values
            .iter()
            .flat_map(move |value| value.as_bytes().split(move |byte| *byte == separator));
        items.map(trimmed).filter(|item| !item.is_empty())
    }

    fn timestamp_in(&self, item: &'h [u8]) -> Option<&'h [u8]> {
        match self.form.timestamp {
            TimestampPlace::Item(label) => item.strip_prefix(label.as_bytes()),
            TimestampPlace::Nowhere | TimestampPlace::Header(_) => None,
        }
    }

    /// Decodes the signatures of known versions. Those that are malformed are passed over as long
    /// as one is not.
    fn signatures(&self, names: &Names) -> Result<Vec<Signature>, VerifyError> {
        let form = self.form;
        let label = form.hmac_label;
        let mut problem = SignatureProblem::Absent { label };
        let mut signatures = Vec::with_capacity(self.signatures);
        let listed = Self::split(form, self.values);
        for item in listed.filter(|item| self.timestamp_in(item).is_none()) {
            let behind = |label: &str| item.strip_prefix(label.as_bytes());
            let signature = match (form.ed25519_label.and_then(behind), behind(label)) {
                (Some(text), _) => form.encoding.decode(text).map(Signature::Ed25519),
                (None, Some(text)) => form.encoding.decode(text).map(Signature::Hmac),
                (None, None) => continue,
            };
            signatures.extend(signature);
            problem = SignatureProblem::Undecodable {
                label,
                expected: match form.encoding {
                    Encoding::Hex => "64 hex digits",
                    Encoding::Base64 => "the base64 of 32 bytes",
                },
            };
        }
        if signatures.is_empty() {
            Err(unsound(&names.signature, problem))
        } else {
            Ok(signatures)
        }
    }
}

/// An item of a list without what may stand around it.
fn trimmed(mut item: &[u8]) -> &[u8] {
    while let [b' ' | b'\t' | b',', rest @ ..] | [rest @ .., b' ' | b'\t' | b','] = item {
        item = rest;
    }
    item
}

fn text<'h>(name: &str, value: &'h [u8]) -> Result<&'h str, VerifyError> {
    if value.len() > HEADER_VALUE_BYTES_MAX {
        return Err(malformed(
            name,
            HeaderProblem::TooLong { bytes: value.len() },
        ));
    }
    core::str::from_utf8(value).map_err(|_| malformed(name, HeaderProblem::NotUtf8))
}

fn missing(name: &str) -> VerifyError {
    VerifyError::MissingHeader {
        header: name.into(),
    }
}

fn malformed(name: &str, problem: HeaderProblem) -> VerifyError {
    VerifyError::MalformedHeader {
        header: name.to_ascii_lowercase(),
        problem,
    }
}

fn unsound(name: &str, problem: SignatureProblem) -> VerifyError {
    VerifyError::MalformedSignature {
        header: name.into(),
        problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HeaderNames, Message, Scheme, Secret, Signer, Verifier};

    const NOW: u64 = 1_700_000_000;
    const HEX: &str = "0000000000000000000000000000000000000000000000000000000000000000";

    fn verifier(scheme: Scheme) -> Verifier {
        Verifier::new(scheme, &[Secret::parse("text").unwrap()]).unwrap()
    }

    fn error(scheme: Scheme, headers: &[(&str, &[u8])]) -> VerifyError {
        verifier(scheme)
            .verify(headers.iter().copied(), b"{}", NOW)
            .unwrap_err()
    }

    fn code(scheme: Scheme, headers: &[(&str, &str)]) -> &'static str {
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_bytes()))
            .collect();
        error(scheme, &headers).code()
    }

    /// The headers of a right request.
    fn signed(scheme: Scheme) -> Vec<(String, String)> {
        let signer = Signer::new(scheme, &[Secret::parse("text").unwrap()]).unwrap();
        let headers = signer
            .sign(&Message {
                id: "msg_1",
                timestamp: NOW,
                body: b"{}",
            })
            .unwrap();
        headers
            .into_iter()
            .map(|header| (header.name.to_owned(), header.value))
            .collect()
    }

    fn verdict(scheme: Scheme, headers: &[(String, String)]) -> Result<usize, &'static str> {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()));
        let verdict = verifier(scheme).verify(headers, b"{}", NOW);
        verdict
            .map(|verified| verified.key_index)
            .map_err(|error| error.code())
    }

    #[test]
    fn every_header_that_the_scheme_needs_must_be_there() {
        for scheme in Scheme::ALL {
            let headers = signed(scheme);
            // `postrider` sends one more than is verified.
            let needed = headers.len() - usize::from(scheme == Scheme::Postrider);
            for index in 0..needed {
                let mut headers = headers.clone();
                headers.remove(index);
                assert_eq!(verdict(scheme, &headers), Err("MISSING_HEADER"), "{scheme}");
            }
        }
    }

    #[test]
    fn header_names_are_found_in_any_case_and_order_among_others() {
        for scheme in Scheme::ALL {
            let mut headers = signed(scheme);
            headers.push(("content-type".into(), "application/json".into()));
            headers.reverse();
            for (name, _) in &mut headers {
                *name = name.to_uppercase();
            }
            assert_eq!(verdict(scheme, &headers), Ok(0), "{scheme}");
        }
    }

    #[test]
    fn a_repeated_id_or_timestamp_is_refused_even_if_it_is_the_same() {
        for scheme in Scheme::ALL {
            for header in signed(scheme)
                .into_iter()
                .filter(|(name, _)| !name.contains("hmac"))
            {
                let mut headers = signed(scheme);
                let repeatable = header.0.contains("signature") && scheme != Scheme::Stripe;
                headers.push(header);
                let expected = if repeatable {
                    Ok(0)
                } else {
                    Err("MALFORMED_HEADER")
                };
                assert_eq!(verdict(scheme, &headers), expected, "{scheme} {headers:?}");
            }
        }
    }

    #[test]
    fn a_second_signature_header_is_tried_too_joined_or_not() {
        for scheme in Scheme::ALL
            .into_iter()
            .filter(|scheme| *scheme != Scheme::Stripe)
        {
            let form = scheme.form();
            let wrong = match form.encoding {
                Encoding::Hex => format!("{}{HEX}", form.hmac_label),
                Encoding::Base64 => format!("{}{}=", form.hmac_label, &HEX.replace('0', "A")[..43]),
            };
            let mut headers = signed(scheme);
            headers.insert(0, (form.signature_header.into(), wrong.clone()));
            assert_eq!(verdict(scheme, &headers), Ok(0), "{scheme}");

            headers.remove(0);
            let right = headers
                .iter_mut()
                .find(|(name, _)| name == form.signature_header)
                .unwrap();
            right.1 = format!("{}, {wrong}", right.1);
            assert_eq!(verdict(scheme, &headers), Ok(0), "{scheme}");
        }
    }

    #[test]
    fn a_header_that_is_not_text_or_too_long_is_refused() {
        let latin_1 = error(Scheme::Github, &[("X-Hub-Signature-256", b"sha256=\xe9")]);
        assert_eq!(latin_1.code(), "MALFORMED_HEADER");
        assert_eq!(
            latin_1.to_string(),
            "the header `x-hub-signature-256` is not UTF-8 text: check that nothing on the way \
             changes its encoding"
        );
        let mut value = vec![b'a'; HEADER_VALUE_BYTES_MAX];
        assert_eq!(
            error(Scheme::BodyHex, &[("x-signature", &value)]).code(),
            "MALFORMED_SIGNATURE"
        );
        value.push(b'a');
        assert_eq!(
            error(Scheme::BodyHex, &[("x-signature", &value)]).code(),
            "MALFORMED_HEADER"
        );
        // Other headers are nobody's business.
        assert_eq!(
            error(Scheme::BodyHex, &[("cookie", &value)]).code(),
            "MISSING_HEADER"
        );
    }

    #[test]
    fn an_id_that_could_end_elsewhere_is_refused() {
        for id in ["", "msg.1", "msg 1", "é"] {
            let headers = [
                ("webhook-id", id),
                ("webhook-timestamp", "1700000000"),
                ("webhook-signature", "v1,AAAA"),
            ];
            assert_eq!(
                code(Scheme::Standard, &headers),
                "MALFORMED_HEADER",
                "{id:?}"
            );
        }
    }

    #[test]
    fn a_malformed_timestamp_is_refused_before_the_signature_is_read() {
        for timestamp in [
            "",
            "+1700000000",
            "1700000000 ",
            "1.7e9",
            "18446744073709551616",
        ] {
            let headers = [
                ("x-webhook-timestamp", timestamp),
                ("x-webhook-signature", "?"),
            ];
            assert_eq!(code(Scheme::TimestampedV1, &headers), "MALFORMED_TIMESTAMP");
            let stripe = format!("v1=?,t={timestamp}");
            let expected = match timestamp {
                // White space around an item of a list is none of its own.
                "1700000000 " => "MALFORMED_SIGNATURE",
                _ => "MALFORMED_TIMESTAMP",
            };
            assert_eq!(
                code(Scheme::Stripe, &[("stripe-signature", &stripe)]),
                expected
            );
        }
        let headers = [("stripe-signature", "v1=?")];
        assert_eq!(code(Scheme::Stripe, &headers), "MALFORMED_TIMESTAMP");
        let headers = [("stripe-signature", "t=1,t=1,v1=?")];
        assert_eq!(code(Scheme::Stripe, &headers), "MALFORMED_HEADER");
    }

    #[test]
    fn where_no_signature_can_be_tried_the_header_is_malformed() {
        for value in [
            "",
            " ",
            ",",
            "sha256=",
            "sha256=00",
            "sha1=00",
            HEX,
            "SHA256=00",
            "sha256",
        ] {
            let headers = [("x-hub-signature-256", value)];
            assert_eq!(
                code(Scheme::Github, &headers),
                "MALFORMED_SIGNATURE",
                "{value:?}"
            );
        }
        let one_is_sound = format!("sha1=00, sha256=zz, sha256={HEX}");
        assert_eq!(
            code(Scheme::Github, &[("x-hub-signature-256", &one_is_sound)]),
            "NO_MATCH"
        );
        let bare = [("x-hub-signature-256", HEX.as_bytes())];
        assert_eq!(
            error(Scheme::Github, &bare).to_string(),
            "the header `x-hub-signature-256` holds no signature that begins with `sha256=`: check \
             that the sender uses this scheme"
        );
    }

    #[test]
    fn a_signature_has_one_spelling_in_base64_but_for_its_padding() {
        let headers = signed(Scheme::Shopify);
        let value = &headers[0].1;
        let spelled = |value: &str| {
            let name = headers[0].0.clone();
            verdict(Scheme::Shopify, &[(name, value.to_owned())])
        };
        assert_eq!(spelled(value), Ok(0));
        assert_eq!(spelled(value.trim_end_matches('=')), Ok(0));
        // The last character has two bits to spare.
        let (head, last) = value.trim_end_matches('=').split_at(42);
        let next = char::from(last.as_bytes()[0] + 1);
        assert_eq!(
            spelled(&format!("{head}{next}=")),
            Err("MALFORMED_SIGNATURE")
        );
        let url_safe = value.replace('+', "-").replace('/', "_");
        assert_eq!(spelled(&url_safe).is_ok(), url_safe == *value);
    }

    #[test]
    fn more_signatures_than_are_tried_are_refused() {
        let list = |count: usize| vec![HEX; count].join(",");
        assert_eq!(
            code(Scheme::BodyHex, &[("x-signature", &list(16))]),
            "NO_MATCH"
        );
        assert_eq!(
            code(Scheme::BodyHex, &[("x-signature", &list(17))]),
            "MALFORMED_SIGNATURE"
        );
        let headers = vec![("x-signature", HEX); 17];
        assert_eq!(code(Scheme::BodyHex, &headers[..16]), "NO_MATCH");
        assert_eq!(code(Scheme::BodyHex, &headers), "MALFORMED_SIGNATURE");
    }

    #[test]
    fn what_the_most_secrets_sign_is_within_what_is_read() {
        for ed25519 in [false, true] {
            for scheme in Scheme::ALL
                .into_iter()
                .filter(|s| s.supports_ed25519() || !ed25519)
            {
                let generate = if ed25519 {
                    Secret::generate_ed25519
                } else {
                    Secret::generate_hmac
                };
                let secrets: Vec<_> = (0..16).map(|seed| generate([seed; 32])).collect();
                let signer = Signer::new(scheme, &secrets).unwrap();
                let message = Message {
                    id: "msg_1",
                    timestamp: NOW,
                    body: b"{}",
                };
                let headers = signer.sign(&message).unwrap();
                let verifier = Verifier::new(scheme, &secrets[15..]).unwrap();
                let headers = headers.iter().map(|header| header.as_pair());
                assert!(verifier.verify(headers, b"{}", NOW).is_ok(), "{scheme}");
            }
        }
    }

    #[test]
    fn other_header_names_are_looked_at_instead() {
        let names = HeaderNames {
            signature: Some("X-Acme".into()),
            ..HeaderNames::default()
        };
        let verifier = verifier(Scheme::BodyHex).header_names(&names).unwrap();
        let own = [("x-signature", HEX.as_bytes())];
        let error = verifier.verify(own, b"{}", NOW).unwrap_err();
        assert_eq!(
            error,
            VerifyError::MissingHeader {
                header: "x-acme".into()
            }
        );
        let error = verifier
            .verify([("X-ACME", HEX.as_bytes())], b"{}", NOW)
            .unwrap_err();
        assert_eq!(
            error,
            VerifyError::NoMatch {
                header: "x-acme".into()
            }
        );
    }
}
