//! Why a request that looks right is refused: the usual causes, tried one at a time.
//!
//! A cause in the body, the secret or the scheme is told only if a signature of the request is
//! right once it is undone: that is a proof and no guess. Two causes at once are not found.

use base64::Engine as _;
use core::slice;
use ed25519_dalek::VerifyingKey;
use zeroize::Zeroizing;

use crate::cause::Cause;
use crate::encoding::BASE64;
use crate::headers::{Name, Names};
use crate::json;
use crate::key::{HmacKey, Key, ed25519_verifying};
use crate::request::{HEADER_VALUE_BYTES_MAX, Request, SIGNATURES_MAX, Signature};
use crate::scheme::{Content, Encoding, Form, KeyRule, Scheme};
use crate::secret::{HMAC_PREFIX, Secret, SecretKind};
use crate::sign::is_id;
use crate::timestamp;
use crate::verify::{Verifier, matching_key};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl Verifier {
    /// Looks for the cause of a refusal, given the arguments of [`verify`](Self::verify) that led
    /// to it. `None` if the request is right, or if no single cause is found: then the secret is
    /// most likely another one, or the body was changed in a way that cannot be undone.
    ///
    /// It reads the body some hundred times at most. It is for a person who looks for a fault, not
    /// for every refused request; and as it tells how the receiver is set up, not for the sender.
    #[must_use]
    pub fn explain<'h>(
        &self,
        headers: impl IntoIterator<Item = (&'h str, &'h [u8])>,
        body: &[u8],
        now_unix_seconds: u64,
    ) -> Option<Cause> {
        let headers: Vec<_> = headers.into_iter().collect();
        let form = self.scheme.form();
        let request = Request::read(form, &self.names, headers.iter().copied()).ok();
        if let Some(request) = &request
            && signed_by(&self.keys, form, request, body)
        {
            return self.of_time(request, now_unix_seconds);
        }
        let of_request = |request: &Request<'_>| {
            of_body(&self.keys, form, request, body)
                .or_else(|| of_signed_time(&self.keys, form, request, body))
                .or_else(|| of_secret(&self.secrets, form, request, body))
        };
        request
            .as_ref()
            .and_then(of_request)
            .or_else(|| self.of_scheme(&headers, body))
            .or_else(|| self.of_content(&headers, body))
            .or_else(|| {
                request
                    .as_ref()
                    .and_then(|request| self.of_key_kind(request))
            })
            .or_else(|| of_length(&headers, body))
    }

    /// The signature is right: what remains is the time.
    fn of_time(&self, request: &Request<'_>, now: u64) -> Option<Cause> {
        let timestamp = request.timestamp?.unix_seconds;
        let tolerance = self.tolerance_seconds;
        let is_near = |timestamp: u64| timestamp::judge(timestamp, now, tolerance).is_ok();
        if is_near(timestamp) {
            None
        } else if is_near(timestamp / 1000) {
            Some(Cause::TimestampInMilliseconds)
        } else {
            Some(Cause::OutsideTolerance {
                seconds: timestamp.abs_diff(now),
                tolerance,
            })
        }
    }

    /// Another scheme: in its own headers, or in those that this verifier looks at.
    fn of_scheme(&self, headers: &[(&str, &[u8])], body: &[u8]) -> Option<Cause> {
        // `postrider` is verified as `standard`.
        let others = Scheme::ALL
            .into_iter()
            .filter(|scheme| *scheme != self.scheme && *scheme != Scheme::Postrider);
        for scheme in others {
            let form = scheme.form();
            let own = Names::of(form);
            let here = own.clone().with_those_of(&self.names);
            for names in [own, here] {
                let Ok(request) = Request::read(form, &names, headers.iter().copied()) else {
                    continue;
                };
                if self.secrets.iter().any(|secret| {
                    Key::prepare_all(scheme, slice::from_ref(secret), ed25519_verifying)
                        .is_ok_and(|keys| signed_by(&keys, form, &request, body))
                }) {
                    return Some(Cause::OtherScheme {
                        scheme,
                        header: names.signature.into(),
                    });
                }
            }
        }
        None
    }

    /// The header that this verifier looks at, however it is dressed, over any known content.
    fn of_content(&self, headers: &[(&str, &[u8])], body: &[u8]) -> Option<Cause> {
        let signature_values = || values(headers, slice::from_ref(&self.names.signature));
        let signatures: Vec<_> = signature_values()
            .flat_map(undressed)
            .take(SIGNATURES_MAX)
            .collect();
        let id = values(headers, &known_names(&self.names, |names| names.id)).find(|id| is_id(id));
        let timestamp = values(headers, &known_names(&self.names, |names| names.timestamp))
            .chain(signature_values().filter_map(|value| {
                value
                    .split(',')
                    .find_map(|item| item.trim().strip_prefix("t="))
            }))
            .find(|text| timestamp::parse(text).is_some());
        [
            Content::Body,
            Content::TimestampBody,
            Content::SlackBody,
            Content::IdTimestampBody,
        ]
        .into_iter()
        .filter(|content| match content {
            Content::Body => true,
            Content::TimestampBody | Content::SlackBody => timestamp.is_some(),
            Content::IdTimestampBody => timestamp.is_some() && id.is_some(),
        })
        .find(|content| {
            let (id, timestamp) = (id.unwrap_or_default(), timestamp.unwrap_or_default());
            matching_key(
                &self.keys,
                &content.pieces(id, timestamp, body),
                &signatures,
            )
            .is_some()
        })
        .map(|content| Cause::OtherContent {
            signed: content.text(),
        })
    }

    fn of_key_kind(&self, request: &Request<'_>) -> Option<Cause> {
        let hmac_keys = self
            .keys
            .iter()
            .filter(|key| matches!(key, Key::Hmac(_)))
            .count();
        let is_hmac = |signature: &Signature| matches!(signature, Signature::Hmac(_));
        if hmac_keys == 0 && request.signatures.iter().all(is_hmac) {
            Some(Cause::SignedWithHmac)
        } else if hmac_keys == self.keys.len() && !request.signatures.iter().any(is_hmac) {
            Some(Cause::SignedWithEd25519)
        } else {
            None
        }
    }
}

fn signed_by(keys: &[Key<VerifyingKey>], form: &Form, request: &Request<'_>, body: &[u8]) -> bool {
    matching_key(keys, &request.pieces(form, body), &request.signatures).is_some()
}

/// The body as it may have been before something on the way, or in the receiver, changed it.
fn of_body(
    keys: &[Key<VerifyingKey>],
    form: &Form,
    request: &Request<'_>,
    body: &[u8],
) -> Option<Cause> {
    let is = |body: &[u8]| signed_by(keys, form, request, body);
    let ends: [&[u8]; 2] = [b"\r\n", b"\n"];
    if body.strip_prefix(BYTE_ORDER_MARK).is_some_and(is) || is(&[BYTE_ORDER_MARK, body].concat()) {
        Some(Cause::ByteOrderMark)
    } else if ends
        .iter()
        .any(|end| body.strip_suffix(*end).is_some_and(is) || is(&[body, end].concat()))
    {
        Some(Cause::TrailingNewline)
    } else if is(&with_lf(body)) || is(&with_crlf(body)) {
        Some(Cause::LineEnds)
    } else if json::respaced(body).any(|body| is(&body)) {
        Some(Cause::JsonRewritten)
    } else {
        None
    }
}

fn with_lf(body: &[u8]) -> Vec<u8> {
    let next = body.iter().skip(1).map(Some).chain([None]);
    let kept = body
        .iter()
        .zip(next)
        .filter(|pair| *pair != (&b'\r', Some(&b'\n')));
    kept.map(|(byte, _)| *byte).collect()
}

fn with_crlf(body: &[u8]) -> Vec<u8> {
    with_lf(body)
        .split(|byte| *byte == b'\n')
        .collect::<Vec<_>>()
        .join(b"\r\n".as_slice())
}

/// The time that was signed, if the header gives it in the other unit.
fn of_signed_time(
    keys: &[Key<VerifyingKey>],
    form: &Form,
    request: &Request<'_>,
    body: &[u8],
) -> Option<Cause> {
    let given = request.timestamp?;
    let is = |text: &str| {
        let pieces = form
            .content
            .pieces(request.id.unwrap_or_default(), text, body);
        matching_key(keys, &pieces, &request.signatures).is_some()
    };
    let milliseconds = || is(&format!("{}000", given.text));
    let seconds = || is(&(given.unix_seconds / 1000).to_string());
    (milliseconds() || seconds()).then_some(Cause::TimestampInMilliseconds)
}

/// The key that the sender may have made of a secret.
fn of_secret(secrets: &[Secret], form: &Form, request: &Request<'_>, body: &[u8]) -> Option<Cause> {
    let is = |key: &[u8]| signed_by(&[Key::Hmac(HmacKey::new(key))], form, request, body);
    let decodes_to = |base64: &str| {
        let mut key = Zeroizing::new(Vec::with_capacity(base64.len()));
        BASE64
            .decode_vec(base64, &mut key)
            .is_ok_and(|()| !key.is_empty() && is(&key))
    };
    secrets
        .iter()
        .filter(|secret| secret.kind() == SecretKind::Hmac)
        .find_map(|secret| {
            let text = secret.expose_secret_text();
            let trimmed = text.trim();
            let behind = trimmed.strip_prefix(HMAC_PREFIX);
            let right_once_trimmed = match behind {
                Some(base64) if form.key == KeyRule::Decoded => decodes_to(base64),
                _ => is(trimmed.as_bytes()),
            };
            if trimmed != text && right_once_trimmed {
                Some(Cause::SecretWhitespace)
            } else if is(trimmed.as_bytes()) {
                Some(Cause::SecretNotDecoded)
            } else if behind.is_some_and(|behind| is(behind.as_bytes())) {
                Some(Cause::SecretPrefixExtra)
            } else if decodes_to(behind.unwrap_or(trimmed)) {
                Some(Cause::SecretPrefixMissing)
            } else {
                None
            }
        })
}

/// The header that a proxy or a server leaves as it was when it changes the body.
fn of_length(headers: &[(&str, &[u8])], body: &[u8]) -> Option<Cause> {
    let announced = values(headers, &["content-length".into()]).find_map(timestamp::parse)?;
    let received = u64::try_from(body.len()).ok()?;
    (announced != received).then_some(Cause::BodyLength {
        announced,
        received,
    })
}

/// The names of one kind of header: this verifier's first, then those of all schemes.
fn known_names(own: &Names, part: fn(Names) -> Option<Name>) -> Vec<Name> {
    let schemes = Scheme::ALL
        .into_iter()
        .map(|scheme| Names::of(scheme.form()));
    [own.clone()]
        .into_iter()
        .chain(schemes)
        .filter_map(part)
        .collect()
}

/// The values, where they are text, of the headers with one of these names.
fn values<'a, 'h>(
    headers: &'a [(&'h str, &'h [u8])],
    names: &'a [Name],
) -> impl Iterator<Item = &'h str> + use<'a, 'h> {
    let named = |name: &str| names.iter().any(|own| own.eq_ignore_ascii_case(name));
    headers
        .iter()
        .filter(move |(name, value)| named(name) && value.len() <= HEADER_VALUE_BYTES_MAX)
        .filter_map(|(_, value)| core::str::from_utf8(value).ok())
}

/// The HMACs in a signature header, whatever stands before them.
fn undressed(value: &str) -> impl Iterator<Item = Signature> {
    value.split([' ', ',', ';']).filter_map(|item| {
        let behind = item.split_once('=').map(|(_, behind)| behind);
        [Some(item), behind].into_iter().flatten().find_map(|text| {
            let hmac = Encoding::Hex
                .decode(text)
                .or_else(|| Encoding::Base64.decode(text));
            hmac.map(Signature::Hmac)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HeaderNames, Message, Signer};

    const NOW: u64 = 1_700_000_000;
    const BODY: &str = "{\"id\":\"evt_1\",\"amounts\":[1,2]}";
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn secret(text: &str) -> Secret {
        Secret::parse(text).unwrap()
    }

    fn verifier(scheme: Scheme, text: &str) -> Verifier {
        Verifier::new(scheme, &[secret(text)]).unwrap()
    }

    /// The headers of a message, in a form that can be changed.
    fn signed(
        scheme: Scheme,
        secret: &Secret,
        timestamp: u64,
        body: &str,
    ) -> Vec<(String, String)> {
        let signer = Signer::new(scheme, slice::from_ref(secret)).unwrap();
        let message = Message {
            id: "msg_1",
            timestamp,
            body: body.as_bytes(),
        };
        let headers = signer.sign(&message).unwrap();
        headers
            .into_iter()
            .map(|header| (header.name.to_owned(), header.value))
            .collect()
    }

    fn explain(verifier: &Verifier, headers: &[(String, String)], body: &str) -> Option<Cause> {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()));
        let refused = verifier
            .verify(headers.clone(), body.as_bytes(), NOW)
            .is_err();
        let cause = verifier.explain(headers, body.as_bytes(), NOW);
        assert!(
            refused || cause.is_none(),
            "a right request has no cause: {cause:?}"
        );
        cause
    }

    #[test]
    fn a_right_request_needs_no_explanation() {
        for scheme in Scheme::ALL {
            let headers = signed(scheme, &secret(SECRET), NOW, BODY);
            assert_eq!(
                explain(&verifier(scheme, SECRET), &headers, BODY),
                None,
                "{scheme}"
            );
        }
    }

    #[test]
    fn another_secret_or_another_body_is_not_explained_away() {
        for scheme in Scheme::ALL {
            let headers = signed(scheme, &secret(SECRET), NOW, BODY);
            assert_eq!(
                explain(&verifier(scheme, "another"), &headers, BODY),
                None,
                "{scheme}"
            );
            assert_eq!(
                explain(&verifier(scheme, SECRET), &headers, "{}"),
                None,
                "{scheme}"
            );
        }
    }

    #[test]
    fn a_changed_body_is_explained_under_every_scheme() {
        for (sent, received, cause) in [
            ("{}", "\u{feff}{}", Cause::ByteOrderMark),
            ("\u{feff}{}", "{}", Cause::ByteOrderMark),
            ("{}", "{}\n", Cause::TrailingNewline),
            ("{}", "{}\r\n", Cause::TrailingNewline),
            ("{}\n", "{}", Cause::TrailingNewline),
            ("{}\r\n", "{}", Cause::TrailingNewline),
            ("a\r\nb\r\n", "a\nb\n", Cause::LineEnds),
            ("a\nb\n", "a\r\nb\r\n", Cause::LineEnds),
            (
                BODY,
                "{\n  \"id\": \"evt_1\",\n  \"amounts\": [1, 2]\n}",
                Cause::JsonRewritten,
            ),
            (
                "{\"id\": \"evt_1\", \"amounts\": [1, 2]}",
                BODY,
                Cause::JsonRewritten,
            ),
        ] {
            for scheme in Scheme::ALL {
                let headers = signed(scheme, &secret(SECRET), NOW, sent);
                let explained = explain(&verifier(scheme, SECRET), &headers, received);
                assert_eq!(
                    explained,
                    Some(cause.clone()),
                    "{scheme}: {sent:?} {received:?}"
                );
            }
        }
    }

    #[test]
    fn a_changed_body_is_explained_under_ed25519_too() {
        let signing = Secret::generate_ed25519([7; 32]);
        let verifying = signing.verifying_key().unwrap();
        let headers = signed(Scheme::Standard, &signing, NOW, BODY);
        let verifier = Verifier::new(Scheme::Standard, &[verifying]).unwrap();
        let body = format!("{BODY}\n");
        assert_eq!(
            explain(&verifier, &headers, &body),
            Some(Cause::TrailingNewline)
        );
    }

    #[test]
    fn a_secret_in_another_form_is_explained() {
        let base64 = &SECRET[6..];
        for (sender, receiver, cause) in [
            ("text", "text\n", Cause::SecretWhitespace),
            ("text", " text ", Cause::SecretWhitespace),
            (
                SECRET,
                " whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                Cause::SecretWhitespace,
            ),
            (base64, SECRET, Cause::SecretPrefixExtra),
            (SECRET, base64, Cause::SecretPrefixMissing),
        ] {
            let headers = signed(Scheme::Standard, &secret(sender), NOW, BODY);
            let verifier = verifier(Scheme::Standard, receiver);
            assert_eq!(
                explain(&verifier, &headers, BODY),
                Some(cause),
                "{sender} {receiver}"
            );
        }
    }

    #[test]
    fn a_secret_that_the_sender_did_not_decode_is_explained() {
        let key = HmacKey::new(SECRET.as_bytes());
        let signature = hex::encode(key.sign(&[BODY.as_bytes()]));
        let headers = [("x-signature".to_owned(), signature)];
        let verifier = verifier(Scheme::BodyHex, SECRET);
        assert_eq!(
            explain(&verifier, &headers, BODY),
            Some(Cause::SecretNotDecoded)
        );
    }

    #[test]
    fn a_request_of_another_scheme_is_explained() {
        for sent in Scheme::ALL {
            let headers = signed(sent, &secret("text"), NOW, BODY);
            for scheme in Scheme::ALL {
                let (sent, scheme) = (
                    sent.form(),
                    Verifier::new(scheme, &[secret("text")]).unwrap(),
                );
                let explained = explain(&scheme, &headers, BODY);
                let same = sent.signature_header == scheme.scheme.form().signature_header
                    && sent.hmac_label == scheme.scheme.form().hmac_label
                    || sent.signs_also == Some(scheme.scheme.form());
                let is_other = matches!(explained, Some(Cause::OtherScheme { .. }));
                assert_eq!(
                    is_other, !same,
                    "{} as {}: {explained:?}",
                    sent.name, scheme.scheme
                );
            }
        }
    }

    #[test]
    fn another_scheme_in_the_header_looked_at_is_explained() {
        let names = HeaderNames {
            signature: Some("x-acme".into()),
            ..HeaderNames::default()
        };
        let signer = Signer::new(Scheme::Github, &[secret("text")]).unwrap();
        let signer = signer.header_names(&names).unwrap();
        let message = Message {
            id: "",
            timestamp: NOW,
            body: b"{}",
        };
        let headers = signer.sign(&message).unwrap();
        let verifier = verifier(Scheme::BodyHex, "text")
            .header_names(&names)
            .unwrap();
        let cause = verifier.explain(headers.iter().map(|header| header.as_pair()), b"{}", NOW);
        let expected = Cause::OtherScheme {
            scheme: Scheme::Github,
            header: "x-acme".into(),
        };
        assert_eq!(cause, Some(expected));
    }

    #[test]
    fn a_signature_over_other_content_is_explained() {
        let key = HmacKey::new(b"text");
        for (content, signed) in [
            (Content::Body, "{body}"),
            (Content::SlackBody, "v0:{timestamp}:{body}"),
            (Content::IdTimestampBody, "{id}.{timestamp}.{body}"),
        ] {
            let hmac = key.sign(&content.pieces("msg_1", "1700000000", BODY.as_bytes()));
            for value in [
                format!("v1={}", hex::encode(hmac)),
                format!("v1={}", BASE64.encode(hmac)),
            ] {
                let headers = [
                    ("webhook-id".to_owned(), "msg_1".to_owned()),
                    ("x-webhook-timestamp".to_owned(), "1700000000".to_owned()),
                    ("x-webhook-signature".to_owned(), value),
                ];
                let verifier = verifier(Scheme::TimestampedV1, "text");
                let explained = explain(&verifier, &headers, BODY);
                assert_eq!(explained, Some(Cause::OtherContent { signed }));
            }
        }
    }

    #[test]
    fn a_time_in_milliseconds_is_explained() {
        for scheme in Scheme::ALL
            .into_iter()
            .filter(|scheme| scheme.covers_timestamp())
        {
            let verifier = verifier(scheme, SECRET);
            let explain = |signed_at: u64, sent: u64| {
                let mut headers = signed(scheme, &secret(SECRET), signed_at, BODY);
                for (_, value) in &mut headers {
                    *value = value.replace(&signed_at.to_string(), &sent.to_string());
                }
                explain(&verifier, &headers, BODY)
            };
            let expected = Some(Cause::TimestampInMilliseconds);
            assert_eq!(explain(NOW * 1000, NOW * 1000), expected, "{scheme}");
            assert_eq!(explain(NOW * 1000, NOW), expected, "{scheme}");
            assert_eq!(explain(NOW, NOW * 1000), expected, "{scheme}");
        }
    }

    #[test]
    fn a_right_signature_of_another_time_is_a_matter_of_the_clock() {
        let verifier = verifier(Scheme::Postrider, SECRET);
        for (timestamp, seconds) in [(NOW - 301, 301), (NOW + 86_400, 86_400)] {
            let headers = signed(Scheme::Postrider, &secret(SECRET), timestamp, BODY);
            let cause = explain(&verifier, &headers, BODY);
            assert_eq!(
                cause,
                Some(Cause::OutsideTolerance {
                    seconds,
                    tolerance: 300
                })
            );
        }
    }

    #[test]
    fn the_other_kind_of_key_is_explained() {
        let signing = Secret::generate_ed25519([7; 32]);
        let headers = signed(Scheme::Standard, &signing, NOW, BODY);
        let cause = explain(&verifier(Scheme::Standard, SECRET), &headers, BODY);
        assert_eq!(cause, Some(Cause::SignedWithEd25519));

        let headers = signed(Scheme::Standard, &secret(SECRET), NOW, BODY);
        let verifier = Verifier::new(Scheme::Standard, &[signing]).unwrap();
        assert_eq!(
            explain(&verifier, &headers, BODY),
            Some(Cause::SignedWithHmac)
        );
    }

    #[test]
    fn a_body_that_was_cut_is_explained_by_its_announced_length() {
        let mut headers = signed(Scheme::Github, &secret("text"), NOW, BODY);
        headers.push(("Content-Length".into(), BODY.len().to_string()));
        let cause = explain(&verifier(Scheme::Github, "text"), &headers, "");
        let announced = BODY.len() as u64;
        assert_eq!(
            cause,
            Some(Cause::BodyLength {
                announced,
                received: 0
            })
        );
    }
}
