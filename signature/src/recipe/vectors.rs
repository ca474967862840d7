//! Requests that the providers' own libraries have signed: see `tests/providers/make.mjs`.

use super::{Algorithm, Fields, PROVIDERS, Received, Recipe, RecipeVerifier, Refusal, provider};
use crate::{Secret, Verified};
use serde_json::Value;
use std::borrow::Cow;

/// A body that is JSON, or is not.
pub(super) struct Body(Option<Value>);

impl Body {
    pub(super) fn of(body: &[u8]) -> Self {
        Self(serde_json::from_slice(body).ok())
    }
}

impl Fields for Body {
    fn text(&self, pointer: &str) -> Option<Cow<'_, str>> {
        match self.0.as_ref()?.pointer(pointer)? {
            Value::String(text) => Some(Cow::Borrowed(text)),
            value @ (Value::Number(_) | Value::Bool(_)) => Some(Cow::Owned(value.to_string())),
            _ => None,
        }
    }

    fn length(&self, pointer: &str) -> Option<usize> {
        Some(self.0.as_ref()?.pointer(pointer)?.as_array()?.len())
    }
}

/// A request as a vector has it.
#[derive(Clone)]
struct Vector {
    provider: String,
    secret: String,
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: String,
    now: u64,
}

fn vectors() -> Vec<Vector> {
    let all: Value = serde_json::from_str(include_str!("../../vectors/providers.json")).unwrap();
    let vectors = all["vectors"].as_array().unwrap().iter();
    let read = |vector: &Value| {
        let text = |name: &str| vector[name].as_str().unwrap().to_owned();
        let headers = vector["headers"].as_object().unwrap().iter();
        let header =
            |(name, value): (&String, &Value)| (name.clone(), value.as_str().unwrap().to_owned());
        Vector {
            provider: text("provider"),
            secret: text("secret"),
            method: text("method"),
            url: text("url"),
            headers: headers.map(header).collect(),
            body: text("body"),
            now: vector["now"].as_u64().unwrap(),
        }
    };
    vectors.map(read).collect()
}

impl Vector {
    fn recipe(&self) -> Recipe<'static> {
        provider(&self.provider).unwrap()
    }

    fn verifier(&self) -> RecipeVerifier {
        let secret = Secret::parse(self.secret.as_str()).unwrap();
        RecipeVerifier::new(&self.recipe(), &[secret]).unwrap()
    }

    /// What comes of the request with this verifier.
    fn given<T>(&self, look: impl FnOnce(&Received<'_, '_>) -> T) -> T {
        let headers = self.headers.iter();
        let headers: Vec<(&str, &[u8])> = headers
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        look(&Received {
            method: &self.method,
            urls: &[self.url.as_str()],
            headers: &headers,
            body: self.body.as_bytes(),
            fields: &Body::of(self.body.as_bytes()),
        })
    }

    fn verdict(&self) -> Result<Option<u64>, Refusal> {
        self.given(|request| {
            let verified = self.verifier().verify(request, self.now);
            verified.map(|Verified { timestamp, .. }| timestamp)
        })
    }

    fn code(&self) -> Option<&'static str> {
        self.verdict().err().map(|refusal| refusal.code())
    }
}

#[test]
fn what_a_provider_has_signed_is_accepted() {
    for vector in vectors() {
        let verdict = vector.verdict();
        let verdict = verdict.unwrap_or_else(|error| panic!("{}: {error}", vector.provider));
        let covers_time = vector.verifier().covers_timestamp();
        assert_eq!(
            verdict,
            covers_time.then_some(vector.now),
            "{}",
            vector.provider
        );
    }
}

#[test]
fn every_provider_of_the_table_has_a_vector() {
    let vectors = vectors();
    for (name, _) in PROVIDERS {
        assert!(vectors.iter().any(|it| it.provider == *name), "{name}");
    }
    let mut names: Vec<&str> = PROVIDERS.iter().map(|(name, _)| *name).collect();
    names.dedup();
    assert_eq!(names.len(), PROVIDERS.len());
    assert!(names.is_sorted());
}

#[test]
fn another_secret_is_refused() {
    for mut vector in vectors() {
        vector.secret = match vector.recipe().algorithm {
            // The generator of P-256, and a key of RFC 8032, section 7.1, test 2.
            Algorithm::EcdsaP256 => "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
            Algorithm::Ed25519 => "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            _ => "0123456789abcdef",
        }
        .to_owned();
        assert_eq!(vector.code(), Some("NO_MATCH"), "{}", vector.provider);
    }
}

#[test]
fn another_body_is_refused_where_it_is_signed() {
    for mut vector in vectors() {
        let is_signed = vector.recipe().signed.contains("{body}");
        vector.body.push(' ');
        let expected = match &*vector.provider {
            _ if is_signed => Some("NO_MATCH"),
            // The form and the digest in the URL.
            "twilio" if vector.url.contains("bodySHA256") => Some("BODY_DIGEST"),
            "twilio" => Some("NO_MATCH"),
            _ => None,
        };
        assert_eq!(vector.code(), expected, "{}", vector.provider);
    }
}

#[test]
fn a_signed_field_that_differs_is_refused() {
    for (name, from, to) in [
        ("adyen", "1130", "9130"),
        ("adyen", "TestMerchant", "AnyMerchant"),
        ("mailgun", "\"token\": \"", "\"token\": \"0"),
        ("microsoft_graph", "secretClientValue", "another"),
    ] {
        for mut vector in vectors() {
            if vector.provider == name {
                // The last one: in an array, one wrong element is enough.
                let at = vector.body.rfind(from).unwrap();
                vector.body.replace_range(at..at + from.len(), to);
                assert_eq!(vector.code(), Some("NO_MATCH"), "{name}");
            }
        }
    }
}

#[test]
fn an_old_request_is_refused_where_the_time_is_signed() {
    for mut vector in vectors() {
        vector.now += 301;
        let expected = vector
            .verifier()
            .covers_timestamp()
            .then_some("TIMESTAMP_TOO_OLD");
        assert_eq!(vector.code(), expected, "{}", vector.provider);
    }
}

#[test]
fn another_url_is_refused_where_it_is_signed() {
    for mut vector in vectors() {
        vector.url = vector.url.replace("https://", "http://");
        let expected = vector.verifier().covers_url().then_some("NO_MATCH");
        assert_eq!(vector.code(), expected, "{}", vector.provider);
        let cause = vector.given(|request| vector.verifier().explain(request, vector.now));
        let cause = cause.map(|cause| cause.code());
        assert_eq!(cause, expected.map(|_| "OTHER_URL"), "{}", vector.provider);
    }
}

#[test]
fn the_provider_is_told_that_has_signed() {
    let vector = vectors().into_iter().find(|it| it.provider == "zoom");
    let vector = vector.unwrap();
    let secret = Secret::parse(vector.secret.as_str()).unwrap();
    let wrong = RecipeVerifier::new(&provider("gitea").unwrap(), &[secret]).unwrap();
    let cause = vector.given(|request| wrong.explain(request, vector.now));
    let cause = cause.unwrap();
    assert_eq!(cause.code(), "OTHER_PROVIDER");
    assert!(cause.to_string().contains("`zoom`"), "{cause}");
}
