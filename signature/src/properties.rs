//! What holds for every scheme, key, message and piece of garbage.

use base64ct::{Base64, Encoding as _};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use zeroize::Zeroizing;

use crate::key::HmacKey;
use crate::scheme::{Encoding, TimestampPlace};
use crate::{Message, Scheme, Secret, Signer, Verifier};

/// A header that can be changed.
type Header = (String, Vec<u8>);

fn signed(signer: &Signer, id: &str, timestamp: u64, body: &[u8]) -> Vec<Header> {
    let headers = signer
        .sign(&Message {
            id,
            timestamp,
            body,
        })
        .unwrap();
    headers
        .into_iter()
        .map(|header| (header.name.to_owned(), header.value.into_bytes()))
        .collect()
}

fn pairs(headers: &[Header]) -> impl Iterator<Item = (&str, &[u8])> + Clone {
    headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_slice()))
}

fn both_ends(scheme: Scheme, secret: Secret) -> (Signer, Verifier) {
    let secrets = [secret];
    (
        Signer::new(scheme, &secrets).unwrap(),
        Verifier::new(scheme, &secrets).unwrap(),
    )
}

fn schemes() -> impl Strategy<Value = Scheme> {
    select(Scheme::ALL.as_slice())
}

fn ids() -> impl Strategy<Value = String> {
    "[!-\\-/-~]{1,40}"
}

/// Secrets of every kind, the sound and the unsound.
fn secrets() -> impl Strategy<Value = Secret> {
    let text = prop_oneof![
        any::<String>(),
        "(whsec_|whsk_|whpk_)[A-Za-z0-9+/=_-]{0,90}",
        any::<[u8; 32]>().prop_map(|key| format!("whpk_{}", Base64::encode_string(&key))),
        vec(any::<u8>(), 1..80).prop_map(|key| format!("whsec_{}", Base64::encode_string(&key))),
        any::<[u8; 32]>().prop_map(|random| Secret::generate_ed25519(random)
            .expose_secret_text()
            .to_owned()),
    ];
    text.prop_filter_map("an empty secret", |text| Secret::parse(text).ok())
}

/// HMAC secrets, and ed25519 ones where the scheme takes them.
fn scheme_and_secret() -> impl Strategy<Value = (Scheme, Secret)> {
    (schemes(), any::<bool>(), any::<[u8; 32]>()).prop_map(|(scheme, ed25519, random)| {
        if ed25519 && scheme.supports_ed25519() {
            (scheme, Secret::generate_ed25519(random))
        } else {
            (scheme, Secret::generate_hmac(random))
        }
    })
}

/// Headers of the names that are looked at, with values that are nearly sound, or not at all.
fn headers() -> impl Strategy<Value = Vec<Header>> {
    let names: Vec<String> = Scheme::ALL
        .into_iter()
        .flat_map(|scheme| {
            let form = scheme.form();
            let timestamp = match form.timestamp {
                TimestampPlace::Header(name) => Some(name),
                TimestampPlace::Item(_) | TimestampPlace::Nowhere => None,
            };
            [
                form.id_header,
                timestamp,
                Some(form.signature_header),
                Some("content-length"),
            ]
        })
        .flatten()
        .map(str::to_uppercase)
        .collect();
    let signature =
        "((t=|v0=|v1=|v1,|v1a,|sha256=)?([0-9a-f]{64}|[A-Za-z0-9+/]{43}=|.{0,9})[, ]?){0,20}";
    let value = prop_oneof![
        vec(any::<u8>(), 0..200),
        signature.prop_map(String::into_bytes),
        "[0-9]{0,22}".prop_map(String::into_bytes),
        Just(b"1700000000".to_vec()),
    ];
    vec((select(names), value), 0..8)
}

/// Changes one bit of a signature's bytes. A bit of its text would not always do: hex may be in
/// either case.
fn flip_signature(scheme: Scheme, headers: &mut [Header], bit: usize) {
    let form = scheme.form();
    let (_, value) = headers
        .iter_mut()
        .find(|(name, _)| name == form.signature_header)
        .unwrap();
    let text = String::from_utf8(value.clone()).unwrap();
    let label = form.ed25519_label.filter(|label| text.starts_with(label));
    let label = label.unwrap_or(form.hmac_label);
    let start = text.find(label).unwrap() + label.len();
    let (head, signature) = text.split_at(start);
    let mut bytes = match form.encoding {
        Encoding::Hex => hex::decode(signature).unwrap(),
        Encoding::Base64 => Base64::decode_vec(signature).unwrap(),
    };
    let bit = bit % (bytes.len() * 8);
    bytes[bit / 8] ^= 1 << (bit % 8);
    let mut flipped = head.to_owned();
    form.encoding.append(&bytes, &mut flipped);
    *value = flipped.into_bytes();
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_signed_is_verified_and_read_back(
        (scheme, secret) in scheme_and_secret(),
        id in ids(),
        timestamp in any::<u64>(),
        body in vec(any::<u8>(), 0..300),
        away in 0_u64..=300,
    ) {
        let (signer, verifier) = both_ends(scheme, secret);
        let headers = signed(&signer, &id, timestamp, &body);
        for now in [timestamp.saturating_add(away), timestamp.saturating_sub(away)] {
            let verified = verifier.verify(pairs(&headers), &body, now).unwrap();
            prop_assert_eq!(verified.key_index, 0);
            prop_assert_eq!(verified.timestamp, scheme.covers_timestamp().then_some(timestamp));
            prop_assert_eq!(verified.id, scheme.form().id_header.map(|_| id.as_str()));
        }
    }

    #[test]
    fn a_flipped_bit_of_the_body_is_refused(
        (scheme, secret) in scheme_and_secret(),
        mut body in vec(any::<u8>(), 1..300),
        bit in any::<prop::sample::Index>(),
    ) {
        let (signer, verifier) = both_ends(scheme, secret);
        let headers = signed(&signer, "msg_1", 1_700_000_000, &body);
        let bit = bit.index(body.len() * 8);
        body[bit / 8] ^= 1 << (bit % 8);
        let error = verifier.verify(pairs(&headers), &body, 1_700_000_000).unwrap_err();
        prop_assert_eq!(error.code(), "NO_MATCH");
    }

    #[test]
    fn a_flipped_bit_of_the_signature_is_refused(
        (scheme, secret) in scheme_and_secret(),
        body in vec(any::<u8>(), 0..300),
        bit in any::<usize>(),
    ) {
        let (signer, verifier) = both_ends(scheme, secret);
        let mut headers = signed(&signer, "msg_1", 1_700_000_000, &body);
        flip_signature(scheme, &mut headers, bit);
        let error = verifier.verify(pairs(&headers), &body, 1_700_000_000).unwrap_err();
        prop_assert_eq!(error.code(), "NO_MATCH");
    }

    #[test]
    fn a_flipped_bit_of_the_id_or_the_timestamp_is_refused(
        (scheme, secret) in scheme_and_secret(),
        header in any::<prop::sample::Index>(),
        bit in any::<prop::sample::Index>(),
    ) {
        let (signer, verifier) = both_ends(scheme, secret);
        let verifier = verifier.tolerance_seconds(u64::MAX);
        let mut headers = signed(&signer, "msg_1", 1_700_000_000, b"{}");
        let mut covered: Vec<&mut [u8]> = headers
            .iter_mut()
            .filter_map(|(name, value)| match scheme.form().timestamp {
                _ if !name.contains("signature") => Some(value.as_mut_slice()),
                TimestampPlace::Item(label) => Some(&mut value[label.len()..label.len() + 10]),
                TimestampPlace::Header(_) | TimestampPlace::Nowhere => None,
            })
            .collect();
        prop_assume!(scheme.covers_timestamp());
        let count = covered.len();
        let value = &mut covered[header.index(count)];
        let bit = bit.index(value.len() * 8);
        value[bit / 8] ^= 1 << (bit % 8);
        let verdict = verifier.verify(pairs(&headers), b"{}", 1_700_000_000);
        prop_assert!(verdict.is_err());
    }

    #[test]
    fn a_host_that_makes_the_hmacs_itself_comes_to_the_same_verdict(
        scheme in schemes(),
        random in any::<[[u8; 32]; 3]>(),
        signs in 0_usize..3,
        trusts in 0_usize..3,
        body in vec(any::<u8>(), 0..300),
        away in 0_u64..600,
    ) {
        let secrets = random.map(Secret::generate_hmac);
        let signer = Signer::new(scheme, &secrets[signs..=signs]).unwrap();
        let verifier = Verifier::new(scheme, &secrets[trusts..]).unwrap();
        let headers = signed(&signer, "msg_1", 1_700_000_000, &body);
        let now = 1_700_000_000 + away;
        let hosts = verifier.read(pairs(&headers), now).and_then(|claim| {
            let prefix = claim.signed_prefix().concat();
            let keys = (0..).map_while(|index| verifier.hmac_key(index));
            let hmac = |key: Zeroizing<Vec<u8>>| HmacKey::new(&key).sign(&[&prefix, &body]);
            let hmacs: Vec<_> = keys.map(hmac).collect();
            assert_eq!(hmacs.len(), 3 - trusts);
            let mut parts = verifier.begin_hmacs().unwrap();
            parts.update(&prefix);
            body.chunks(7).for_each(|part| parts.update(part));
            assert_eq!(parts.finish(), hmacs);
            // More than there are keys make no difference, however many.
            let hmacs = [hmacs, vec![[0; 32]; 300]].concat();
            verifier.settle(&claim.into_signatures(), &hmacs)
        });
        let own = verifier.verify(pairs(&headers), &body, now);
        prop_assert_eq!(hosts, own.map(|verified| verified.key_index));
    }

    #[test]
    fn another_secret_is_refused(
        (scheme, secret) in scheme_and_secret(),
        other in secrets(),
        body in vec(any::<u8>(), 0..300),
    ) {
        prop_assume!(secret != other);
        let signer = Signer::new(scheme, &[secret]).unwrap();
        let headers = signed(&signer, "msg_1", 1_700_000_000, &body);
        if let Ok(verifier) = Verifier::new(scheme, &[other]) {
            let error = verifier.verify(pairs(&headers), &body, 1_700_000_000).unwrap_err();
            prop_assert_eq!(error.code(), "NO_MATCH");
        }
    }

    #[test]
    fn no_secret_header_or_body_makes_it_panic_or_is_accepted_unsigned(
        scheme in schemes(),
        secrets in vec(secrets(), 0..4),
        headers in headers(),
        body in vec(any::<u8>(), 0..300),
        now in any::<u64>(),
    ) {
        if let Ok(verifier) = Verifier::new(scheme, &secrets) {
            for now in [now, 1_700_000_000] {
                prop_assert!(verifier.verify(pairs(&headers), &body, now).is_err());
                let _ = verifier.explain(pairs(&headers), &body, now);
            }
        }
    }

    #[test]
    fn no_message_makes_the_signer_panic(
        scheme in schemes(),
        secrets in vec(secrets(), 0..4),
        id in any::<String>(),
        timestamp in any::<u64>(),
        body in vec(any::<u8>(), 0..300),
    ) {
        if let Ok(signer) = Signer::new(scheme, &secrets) {
            let _ = signer.sign(&Message { id: &id, timestamp, body: &body });
        }
    }

    #[test]
    fn in_a_rotation_any_common_secret_is_enough(
        scheme in schemes(),
        random in any::<[[u8; 32]; 4]>(),
        senders in 1_usize..4,
    ) {
        let secrets = random.map(Secret::generate_hmac);
        let signer = Signer::new(scheme, &secrets[..senders]).unwrap();
        let headers = signed(&signer, "msg_1", 1_700_000_000, b"{}");
        for (index, secret) in secrets.iter().enumerate() {
            let receiver = [secrets[3].clone(), secret.clone()];
            let verifier = Verifier::new(scheme, &receiver).unwrap();
            let verdict = verifier.verify(pairs(&headers), b"{}", 1_700_000_000);
            prop_assert_eq!(verdict.ok().map(|ok| ok.key_index), (index < senders).then_some(1));
        }
    }
}
