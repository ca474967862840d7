//! Each cause is told where it is the cause, and nowhere else.

use base64ct::{Base64, Encoding as _};
use core::slice;

use crate::key::HmacKey;
use crate::scheme::Content;
use crate::{Cause, HeaderNames, Message, Scheme, Secret, Signer, Verifier};

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
fn signed(scheme: Scheme, secret: &Secret, timestamp: u64, body: &str) -> Vec<(String, String)> {
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
    let pieces = Content::IdTimestampBody.pieces("msg_1", b"1700000000", BODY.as_bytes());
    let signature = format!("v1,{}", Base64::encode_string(&key.sign(&pieces)));
    let headers = [
        ("webhook-id".to_owned(), "msg_1".to_owned()),
        ("webhook-timestamp".to_owned(), NOW.to_string()),
        ("webhook-signature".to_owned(), signature),
    ];
    let verifier = verifier(Scheme::Standard, SECRET);
    assert_eq!(
        explain(&verifier, &headers, BODY),
        Some(Cause::SecretNotDecoded)
    );
}

#[test]
fn a_secret_that_the_sender_decoded_where_the_text_is_the_key_is_explained() {
    let (_, base64) = SECRET.split_once('_').unwrap();
    let decoded = HmacKey::new(&Base64::decode_vec(base64).unwrap());
    let without_prefix = HmacKey::new(base64.as_bytes());
    let whole = HmacKey::new(SECRET.as_bytes());
    for (key, receiver, cause) in [
        (&decoded, SECRET, Cause::SecretDecoded),
        (&decoded, base64, Cause::SecretDecoded),
        (&without_prefix, SECRET, Cause::SecretPrefixExtra),
        (&whole, base64, Cause::SecretPrefixMissing),
        (&whole, &format!("{SECRET}\n"), Cause::SecretWhitespace),
    ] {
        let signature = hex::encode(key.sign(&[BODY.as_bytes()]));
        for (scheme, header, label) in [
            (Scheme::BodyHex, "x-signature", ""),
            (Scheme::Github, "x-hub-signature-256", "sha256="),
        ] {
            let headers = [(header.to_owned(), format!("{label}{signature}"))];
            let verifier = verifier(scheme, receiver);
            let explained = explain(&verifier, &headers, BODY);
            assert_eq!(explained, Some(cause.clone()), "{scheme} {receiver:?}");
        }
    }
}

#[test]
fn a_request_of_another_scheme_is_explained_unless_it_is_right_under_both() {
    for sent in Scheme::ALL {
        let headers = signed(sent, &secret("text"), NOW, BODY);
        for scheme in Scheme::ALL {
            let right = matches!(
                (sent, scheme),
                (Scheme::Postrider, Scheme::Standard | Scheme::BodyHex)
                    | (Scheme::Standard, Scheme::Postrider)
            );
            // What `postrider` sends is `standard` to a receiver.
            let scheme_told = if sent == Scheme::Postrider {
                Scheme::Standard
            } else {
                sent
            };
            let expected = Cause::OtherScheme {
                scheme: scheme_told,
                header: sent.form().signature_header.into(),
            };
            let cause = explain(&verifier(scheme, "text"), &headers, BODY);
            let is_right = sent == scheme || right;
            assert_eq!(cause, (!is_right).then_some(expected), "{sent} as {scheme}");
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
        let hmac = key.sign(&content.pieces("msg_1", b"1700000000", BODY.as_bytes()));
        for value in [
            format!("v1={}", hex::encode(hmac)),
            format!("v1={}", Base64::encode_string(&hmac)),
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
