//! The public vectors: what others sign is accepted, and what is wrong is refused for the reason
//! stated there.

use serde_json::Value;

use crate::key::HmacKey;
use crate::{Message, Scheme, Secret, SecretKind, Signer, Verifier};

fn vectors() -> Value {
    serde_json::from_str(include_str!("../vectors/signatures.json")).unwrap()
}

fn text<'v>(vector: &'v Value, field: &str) -> &'v str {
    vector[field].as_str().unwrap()
}

/// The vectors name three of the schemes otherwise.
fn scheme(vector: &Value) -> Scheme {
    match text(vector, "scheme") {
        "standard-webhooks" => Scheme::Standard,
        "timestamped-v1-hex" => Scheme::TimestampedV1,
        "timestamped-sha256-hex" => Scheme::TimestampedSha256,
        name => name.parse().unwrap(),
    }
}

fn headers(vector: &Value) -> Vec<(&str, &[u8])> {
    let headers = vector["headers"].as_object().unwrap();
    headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str().unwrap().as_bytes()))
        .collect()
}

#[test]
fn every_vector_gets_the_verdict_that_it_states() {
    let vectors = vectors();
    let vectors = vectors["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), 60);
    for vector in vectors {
        let secret = Secret::parse(text(vector, "secret")).unwrap();
        let verifier = Verifier::new(scheme(vector), &[secret]).unwrap();
        let now = vector["now"].as_u64().unwrap();
        let body = text(vector, "body").as_bytes();
        let verdict = verifier.verify(headers(vector), body, now);
        match text(vector, "verdict") {
            "accept" => assert!(verdict.is_ok(), "{}: {verdict:?}", vector["name"]),
            "refuse" => assert_eq!(
                verdict.map_err(|error| error.code()),
                Err(text(vector, "why")),
                "{}",
                vector["name"]
            ),
            other => panic!("{}: unknown verdict {other}", vector["name"]),
        }
    }
}

#[test]
fn the_signer_writes_what_the_accepted_vectors_have() {
    let mut written = 0;
    for vector in vectors()["vectors"].as_array().unwrap() {
        let secret = Secret::parse(text(vector, "secret")).unwrap();
        if text(vector, "verdict") != "accept" || secret.kind() == SecretKind::Ed25519Verifying {
            continue;
        }
        let theirs = headers(vector);
        let id = theirs.iter().find(|(name, _)| name.ends_with("-id"));
        let message = Message {
            id: id.map_or("", |(_, id)| core::str::from_utf8(id).unwrap()),
            timestamp: vector["now"].as_u64().unwrap(),
            body: text(vector, "body").as_bytes(),
        };
        let signer = Signer::new(scheme(vector), &[secret]).unwrap();
        let ours = signer.sign(&message).unwrap();
        assert_eq!(ours.len(), theirs.len(), "{}", vector["name"]);
        for (name, value) in theirs {
            let ours = ours.iter().find(|header| header.name == name).unwrap();
            let theirs = core::str::from_utf8(value).unwrap();
            // Some vectors have other signatures beside the right one, or are in upper case.
            let (ours, theirs) = (ours.value.to_lowercase(), theirs.to_lowercase());
            let (_, signature) = ours.split_once("v1=").unwrap_or(("", &ours));
            assert!(
                theirs.contains(signature),
                "{}: {ours} is not in {theirs}",
                vector["name"]
            );
        }
        written += 1;
    }
    assert_eq!(written, 47);
}

#[test]
fn an_hmac_is_that_of_rfc_4231() {
    let vectors = vectors();
    let vectors = vectors["hmac_sha256"].as_array().unwrap();
    assert_eq!(vectors.len(), 2);
    for vector in vectors {
        let key = HmacKey::new(&hex::decode(text(vector, "key_hex")).unwrap());
        let mac = key.sign(&[text(vector, "data").as_bytes()]);
        assert_eq!(hex::encode(mac), text(vector, "mac"), "{}", vector["name"]);
    }
}
