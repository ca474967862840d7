//! Recipes that somebody writes, and what is refused of them.

use super::vectors::Body;
use super::{
    Algorithm, Encoded, KeyForm, NoFields, Place, Received, Recipe, RecipeError, RecipeVerifier,
    SignedTime, TimePlace, TimeUnit, provider,
};
use crate::{Message, Scheme, Secret, Signer};

const NOW: u64 = 1_700_000_000;

/// The body with HMAC-SHA256, in hex, in `x-sig`.
const PLAIN: Recipe<'static> = Recipe {
    algorithm: Algorithm::HmacSha256,
    key: KeyForm::Text,
    encoding: Encoded::Hex,
    signature: Place::Header("X-Sig"),
    prefix: "",
    separator: None,
    signed: "{body}",
    timestamp: None,
    id_header: None,
    body_digest: None,
};

const IN_HEADER: Option<SignedTime<'static>> = Some(SignedTime {
    place: TimePlace::Header("x-time"),
    unit: TimeUnit::Seconds,
});

fn verifier(recipe: &Recipe<'_>) -> RecipeVerifier {
    RecipeVerifier::new(recipe, &[Secret::parse("text").unwrap()]).unwrap()
}

fn refused_part(recipe: &Recipe<'_>) -> &'static str {
    let secret = Secret::parse("text").unwrap();
    match RecipeVerifier::new(recipe, &[secret]) {
        Err(RecipeError::Part { part, .. }) => part,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it is accepted"),
    }
}

/// The code of the refusal; none, if it is accepted.
fn code(recipe: &Recipe<'_>, headers: &[(&str, &[u8])], body: &[u8]) -> Option<&'static str> {
    let request = Received {
        method: "POST",
        urls: &[],
        headers,
        body,
        fields: &Body::of(body),
    };
    let verdict = verifier(recipe).verify(&request, NOW);
    verdict.err().map(|refusal| refusal.code())
}

/// What the scheme signs, as pairs.
fn signed(scheme: Scheme, body: &[u8]) -> Vec<(String, String)> {
    let signer = Signer::new(scheme, &[Secret::parse("text").unwrap()]).unwrap();
    let message = Message {
        id: "msg_1",
        timestamp: NOW,
        body,
    };
    let headers = signer.sign(&message).unwrap();
    let headers = headers.into_iter();
    headers
        .map(|header| (header.name.to_owned(), header.value))
        .collect()
}

#[test]
fn the_built_in_schemes_can_be_said_as_recipes() {
    let time = |place| {
        let unit = TimeUnit::Seconds;
        Some(SignedTime { place, unit })
    };
    let standard = Recipe {
        encoding: Encoded::Base64,
        signature: Place::Header("webhook-signature"),
        prefix: "v1,",
        separator: Some(' '),
        signed: "{id}.{timestamp}.{body}",
        timestamp: time(TimePlace::Header("webhook-timestamp")),
        id_header: Some("webhook-id"),
        ..PLAIN
    };
    let stripe = Recipe {
        signature: Place::Header("stripe-signature"),
        prefix: "v1=",
        separator: Some(','),
        signed: "{timestamp}.{body}",
        timestamp: time(TimePlace::Item("t=")),
        ..PLAIN
    };
    let slack = Recipe {
        signature: Place::Header("x-slack-signature"),
        prefix: "v0=",
        signed: "v0:{timestamp}:{body}",
        timestamp: time(TimePlace::Header("x-slack-request-timestamp")),
        ..PLAIN
    };
    for (scheme, recipe) in [
        (Scheme::Standard, standard),
        (Scheme::Stripe, stripe),
        (Scheme::Slack, slack),
    ] {
        let headers = signed(scheme, b"{}");
        let headers: Vec<(&str, &[u8])> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        assert_eq!(code(&recipe, &headers, b"{}"), None, "{scheme}");
        assert_eq!(
            code(&recipe, &headers, b"{ }"),
            Some("NO_MATCH"),
            "{scheme}"
        );
        let cut = &headers[..headers.len() - 1];
        assert_eq!(
            code(&recipe, cut, b"{}"),
            Some("MISSING_HEADER"),
            "{scheme}"
        );
    }
}

#[test]
fn what_cannot_be_signed_is_refused() {
    let token = Recipe {
        algorithm: Algorithm::Token,
        encoding: Encoded::Plain,
        ..PLAIN
    };
    let in_body = Place::Field("/sig");
    for (part, recipe) in [
        ("signed", token),
        (
            "signed",
            Recipe {
                signed: "{url}",
                ..PLAIN
            },
        ),
        (
            "signed",
            Recipe {
                signed: "{timestamp}{body}",
                ..PLAIN
            },
        ),
        (
            "signed",
            Recipe {
                signature: in_body,
                ..PLAIN
            },
        ),
        (
            "signed",
            Recipe {
                signed: "{field:/a/*/b}{field:/c/*/d}",
                ..PLAIN
            },
        ),
    ] {
        assert_eq!(refused_part(&recipe), part, "{recipe:?}");
    }
}

#[test]
fn parts_that_do_not_fit_together_are_refused_by_name() {
    for (part, recipe) in [
        (
            "timestamp",
            Recipe {
                timestamp: IN_HEADER,
                ..PLAIN
            },
        ),
        (
            "encoding",
            Recipe {
                encoding: Encoded::Plain,
                ..PLAIN
            },
        ),
        (
            "signature",
            Recipe {
                signature: Place::Header("a b"),
                ..PLAIN
            },
        ),
        (
            "signature",
            Recipe {
                signature: Place::Field("sig"),
                ..PLAIN
            },
        ),
        (
            "id_header",
            Recipe {
                id_header: Some("x-id"),
                ..PLAIN
            },
        ),
        (
            "id_header",
            Recipe {
                signed: "{id}{body}",
                ..PLAIN
            },
        ),
        (
            "body_digest",
            Recipe {
                body_digest: Some("hash"),
                ..PLAIN
            },
        ),
        (
            "separator",
            Recipe {
                separator: Some('a'),
                ..PLAIN
            },
        ),
    ] {
        assert_eq!(refused_part(&recipe), part, "{recipe:?}");
    }
}

#[test]
fn a_token_is_the_secret_itself() {
    let token = |prefix, encoding| Recipe {
        algorithm: Algorithm::Token,
        signature: Place::Header("authorization"),
        encoding,
        prefix,
        signed: "",
        ..PLAIN
    };
    let bearer = token("Bearer ", Encoded::Plain);
    for (value, expected) in [
        ("Bearer text", None),
        ("bearer text", None),
        ("Bearer text2", Some("NO_MATCH")),
        ("Bearer tex", Some("NO_MATCH")),
        ("text", Some("MALFORMED_SIGNATURE")),
    ] {
        let headers = [("Authorization", value.as_bytes())];
        assert_eq!(code(&bearer, &headers, b""), expected, "{value}");
    }
    let basic = token("Basic ", Encoded::Base64);
    assert_eq!(
        code(&basic, &[("authorization", b"Basic dGV4dA==")], b""),
        None
    );
}

#[test]
fn a_signature_or_a_time_that_is_not_well_formed_is_told() {
    let zeros = "0".repeat(64);
    let timed = Recipe {
        signed: "{timestamp}{body}",
        timestamp: IN_HEADER,
        ..PLAIN
    };
    let sound = ("x-sig", zeros.as_bytes());
    let none: &[(&str, &[u8])] = &[];
    for (headers, expected) in [
        (none, "MISSING_HEADER"),
        (&[sound], "MISSING_HEADER"),
        (&[sound, ("x-time", b"1.5")], "MALFORMED_TIMESTAMP"),
        (&[sound, ("x-time", b"1700000000")], "NO_MATCH"),
        (
            &[sound, ("x-time", b"1"), ("x-time", b"2")],
            "MALFORMED_HEADER",
        ),
        (
            &[("x-sig", b"00"), ("x-time", b"1700000000")],
            "MALFORMED_SIGNATURE",
        ),
        (
            &[("x-sig", b"\xff"), ("x-time", b"1700000000")],
            "MALFORMED_HEADER",
        ),
    ] {
        assert_eq!(code(&timed, headers, b""), Some(expected), "{headers:?}");
    }
    let many = vec![sound; 17];
    assert_eq!(code(&PLAIN, &many, b""), Some("MALFORMED_SIGNATURE"));
    assert_eq!(code(&PLAIN, &many[..16], b""), Some("NO_MATCH"));
}

#[test]
fn where_every_element_is_signed_there_has_to_be_one() {
    let graph = provider("microsoft_graph").unwrap();
    for (body, expected) in [
        (r#"{"value": [{"clientState": "text"}]}"#, None),
        (r#"{"value": []}"#, Some("MISSING_FIELD")),
        ("{}", Some("MISSING_FIELD")),
        ("no JSON", Some("MISSING_FIELD")),
        (
            r#"{"value": [{"clientState": "text"}, {}]}"#,
            Some("MISSING_FIELD"),
        ),
        (
            r#"{"value": [{"clientState": "text"}, {"clientState": "no"}]}"#,
            Some("NO_MATCH"),
        ),
    ] {
        assert_eq!(code(&graph, &[], body.as_bytes()), expected, "{body}");
    }
}

#[test]
fn the_usual_causes_are_found() {
    let hmac = |secret: &str, body: &[u8]| {
        let secret = Secret::parse(secret).unwrap();
        let signer = Signer::new(Scheme::BodyHex, &[secret]).unwrap();
        let message = Message {
            id: "msg_1",
            timestamp: NOW,
            body,
        };
        signer.sign(&message).unwrap()[0].value.clone()
    };
    let cause = |secret: &str, signature: &str, body: &[u8]| {
        let secret = Secret::parse(secret).unwrap();
        let verifier = RecipeVerifier::new(&PLAIN, &[secret]).unwrap();
        let request = Received {
            method: "POST",
            urls: &[],
            headers: &[("x-sig", signature.as_bytes()), ("content-length", b"9")],
            body,
            fields: &NoFields,
        };
        let cause = verifier.explain(&request, NOW);
        cause.map(|cause| cause.code())
    };
    let right = hmac("text", b"{\"a\": 1}\n");
    assert_eq!(cause("text", &right, b"{\"a\": 1}\n"), None);
    assert_eq!(
        cause("text", &right, b"{\"a\": 1}"),
        Some("TRAILING_NEWLINE")
    );
    assert_eq!(
        cause("text\n", &right, b"{\"a\": 1}\n"),
        Some("SECRET_WHITESPACE")
    );
    assert_eq!(cause("other", &right, b"{}"), Some("BODY_LENGTH"));
    assert_eq!(
        cause("dGV4dA==", &right, b"{\"a\": 1}\n"),
        Some("SECRET_DECODED")
    );
    let spaced = hmac("text", br#"{"a": 1}"#);
    assert_eq!(
        cause("text", &spaced, br#"{"a":1}"#),
        Some("JSON_REWRITTEN")
    );
}
