//! What is sent of an event, to whom of the subscribers, and how it is signed.

use super::harness::*;
use crate::signature::{HeaderNames, Scheme, Secret, SecretKind, Verifier};
use crate::{
    EndpointChange, EndpointError, EndpointSpec, Fact, Filter, InvalidSpec, Limits, NewEvent,
    PayloadForm, PrepareError, SignatureForm, Target, Template, Undecided,
};
use std::sync::Arc;
use std::time::Duration;

fn filtered(filter: &str) -> EndpointSpec {
    EndpointSpec {
        filter: Some(filter.parse::<Filter>().unwrap()),
        ..spec()
    }
}

fn formed(form: PayloadForm) -> EndpointSpec {
    EndpointSpec {
        payload_form: form,
        ..spec()
    }
}

fn signed(signatures: Vec<SignatureForm>) -> EndpointSpec {
    EndpointSpec {
        signatures,
        ..spec()
    }
}

/// Publishes to all subscribers.
fn publish(bench: &mut Bench, payload: &str) -> usize {
    let nobody = crate::EndpointId::from_u128(0);
    let call = bench.submit(NewEvent {
        target: Target::Subscribers,
        ..event(nobody, "", payload)
    });
    bench.published(call).unwrap().deliveries.len()
}

fn ed25519() -> Secret {
    let secret = Secret::generate_ed25519([9; 32]);
    assert_eq!(secret.kind(), SecretKind::Ed25519Signing);
    secret
}

#[test]
fn subscribers_get_only_what_fits_their_filter() {
    let mut bench = Bench::new();
    bench.endpoint(filtered(r#"{"amount": {"$gt": 10}}"#));
    bench.endpoint(filtered(r#"{"amount": {"$lte": 10}}"#));
    let plain = bench.endpoint(spec());
    assert_eq!(publish(&mut bench, r#"{"amount": 11}"#), 2);
    assert_eq!(publish(&mut bench, r#"{"n": 11}"#), 1);
    assert_eq!(publish(&mut bench, "not json"), 1);
    let last = bench.host.sent.last().unwrap();
    assert_eq!(last.request.route.endpoint, plain);
}

/// What the last publish has told of filters.
fn undecided(bench: &mut Bench) -> Option<Undecided> {
    let facts = std::mem::take(&mut bench.host.facts);
    facts.into_iter().rev().find_map(|fact| match fact {
        Fact::FiltersUndecided { undecided, .. } => Some(undecided),
        _ => None,
    })
}

#[test]
fn a_filter_reads_a_payload_that_a_strict_parser_refuses() {
    let mut bench = Bench::new();
    bench.endpoint(filtered(r#"{"amount": 12345678901234567890123}"#));
    for (payload, count) in [
        (
            r#"{"amount": 12345678901234567890123, "note": "caf\ud83d"}"#,
            1,
        ),
        (
            "\u{feff}{\"amount\": 12345678901234567890123, \"far\": 1e400}",
            1,
        ),
        (r#"{"amount": 12345678901234567890124}"#, 0),
    ] {
        assert_eq!(publish(&mut bench, payload), count, "{payload}");
        assert_eq!(undecided(&mut bench), None, "{payload}");
    }
}

#[test]
fn endpoints_whose_filters_cannot_be_judged_are_told_of() {
    let mut bench = Bench::new();
    bench.endpoint(filtered(r#"{"amount": {"$gt": 10}}"#));
    bench.endpoint(filtered(r#"{"amount": {"$not": 10}}"#));
    let parts = (0..30).map(|number| format!(r#"{{"list": {{"$contains": {number}}}}}"#));
    let costly = format!(r#"{{"$or": [{}]}}"#, parts.collect::<Vec<_>>().join(","));
    bench.endpoint(filtered(&costly));
    assert_eq!(publish(&mut bench, r#"{"amount": 11}"#), 2);
    assert_eq!(undecided(&mut bench), None);
    assert_eq!(publish(&mut bench, r#"{"amount": 11"#), 0);
    let unreadable = Undecided {
        unreadable: 3,
        too_costly: 0,
    };
    assert_eq!(undecided(&mut bench), Some(unreadable));
    let long = format!(r#"{{"amount": 11, "list": [{}-1]}}"#, "-1,".repeat(60_000));
    assert_eq!(publish(&mut bench, &long), 2);
    let too_costly = Undecided {
        unreadable: 0,
        too_costly: 1,
    };
    assert_eq!(undecided(&mut bench), Some(too_costly));
}

#[test]
fn costly_filters_of_others_leave_each_filter_its_steps() {
    let mut bench = Bench::with(Limits {
        filter_steps_max: 100_000,
        ..Limits::default()
    });
    for first in 0..10 {
        let numbers = (first..).step_by(10).take(10);
        let list = numbers.map(|number| format!(r#"{{"list": {{"$contains": {number}}}}}"#));
        let costly = format!(r#"{{"$or": [{}]}}"#, list.collect::<Vec<_>>().join(","));
        bench.endpoint(filtered(&costly));
    }
    bench.endpoint(filtered(r#"{"amount": {"$gt": 10}}"#));
    let long = format!(r#"{{"list": [{}-1], "amount": 11}}"#, "-1,".repeat(5_000));
    assert_eq!(publish(&mut bench, &long), 1);
    let undecided = undecided(&mut bench).unwrap();
    assert_eq!((undecided.unreadable, undecided.too_costly), (0, 10));
}

#[test]
fn filters_that_are_equal_use_up_their_steps_once() {
    let mut bench = Bench::with(Limits {
        filter_steps_max: 30_000,
        ..Limits::default()
    });
    for _ in 0..10 {
        bench.endpoint(filtered(r#"{"list": {"$contains": 1}}"#));
    }
    // Some 20,000 steps: two different filters of this kind would be too many.
    let long = format!(r#"{{"list": [{}1]}}"#, "-1,".repeat(5_000));
    assert_eq!(publish(&mut bench, &long), 10);
    assert_eq!(undecided(&mut bench), None);
    bench.endpoint(filtered(r#"{"list": {"$contains": 2}}"#));
    assert_eq!(publish(&mut bench, &long), 10);
    let too_costly = Undecided {
        unreadable: 0,
        too_costly: 1,
    };
    assert_eq!(undecided(&mut bench), Some(too_costly));
}

#[test]
fn a_filter_that_is_undecided_counts_for_each_endpoint_that_has_it() {
    let mut bench = Bench::with(Limits {
        filter_steps_max: 0,
        ..Limits::default()
    });
    for _ in 0..3 {
        bench.endpoint(filtered(r#"{"list": {"$contains": 1}}"#));
    }
    let long = format!(r#"{{"list": [{}1]}}"#, "-1,".repeat(5_000));
    for (payload, unreadable, too_costly) in [("{", 3, 0), (&long, 0, 3)] {
        assert_eq!(publish(&mut bench, payload), 0);
        let told = Undecided {
            unreadable,
            too_costly,
        };
        assert_eq!(undecided(&mut bench), Some(told));
    }
}

#[test]
fn what_is_sent_to_one_endpoint_passes_its_filter() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(filtered(r#"{"amount": {"$gt": 10}}"#));
    bench.publish(endpoint, "", "not json");
    assert_eq!(bench.under_way(), ["not json"]);
}

#[test]
fn the_body_has_the_form_that_the_endpoint_asks_for_and_is_what_is_signed() {
    let template = Template::new("t", 1, r#"{"n": "{{data.n}}", "of": "{{delivery_id}}"}"#);
    let mut bench = Bench::new();
    for (form, start) in [
        (PayloadForm::Raw, r#"{"n": 1.0}"#),
        (
            PayloadForm::Envelope,
            r#"{"type":"test.made","timestamp":"2025-"#,
        ),
        (
            PayloadForm::Template(template.unwrap()),
            r#"{"n": 1.0, "of": "dlv_"#,
        ),
    ] {
        let endpoint = bench.register(formed(form)).unwrap();
        bench.publish(endpoint.id, "", r#"{"n": 1.0}"#);
        let request = bench.host.sent.last().unwrap().request.clone();
        let prepared = request.prepare().unwrap();
        assert!(
            prepared.body.starts_with(start.as_bytes()),
            "{:?}",
            prepared.body
        );
        let secrets = [endpoint.secrets[0].secret.clone()];
        let verifier = Verifier::new(Scheme::Postrider, &secrets).unwrap();
        let headers = prepared.headers.iter();
        let pairs = headers.map(|(name, value)| (&**name, value.as_bytes()));
        let verified = verifier.verify(pairs, &prepared.body, request.at.unix_seconds());
        assert!(verified.is_ok(), "{verified:?}");
    }
}

#[test]
fn every_attempt_has_the_same_envelope() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(EndpointSpec {
        payload_form: PayloadForm::Envelope,
        ..retrying(&[5_000])
    });
    bench.publish(endpoint, "", "1");
    bench.respond(status(500));
    bench.advance(ms(5_000));
    let sent = bench.sent();
    assert_eq!((sent.len(), &sent[0]), (2, &sent[1]));
}

#[test]
fn a_body_over_the_bound_cannot_be_prepared() {
    let limits = Limits {
        rendered_bytes_max: 40,
        ..Limits::default()
    };
    let mut bench = Bench::with(limits);
    let endpoint = bench.endpoint(formed(PayloadForm::Envelope));
    bench.publish(endpoint, "", "1");
    let error = bench.host.sent[0].request.prepare().unwrap_err();
    assert!(matches!(error, PrepareError::Body(_)));
    assert!(error.to_string().contains("40 bytes (rendered_bytes_max)"));
}

#[test]
fn a_request_is_signed_in_every_form() {
    let mut bench = Bench::new();
    let acme = SignatureForm {
        scheme: Scheme::TimestampedSha256,
        header_names: HeaderNames {
            signature: Some("X-Acme-Signature".to_owned()),
            ..HeaderNames::default()
        },
    };
    let forms = vec![SignatureForm::of(Scheme::Stripe), acme];
    let endpoint = bench.endpoint(signed(forms));
    bench.publish(endpoint, "", "{}");
    let prepared = bench.host.sent[0].request.prepare().unwrap();
    let names: Vec<&str> = prepared.headers.iter().map(|(name, _)| *name).collect();
    let signatures = [
        "stripe-signature",
        "x-webhook-timestamp",
        "x-acme-signature",
    ];
    assert_eq!(names[7..], signatures);
}

#[test]
fn a_secret_that_a_form_cannot_use_is_refused_whenever_the_two_meet() {
    let mut bench = Bench::new();
    let github = || signed(vec![SignatureForm::of(Scheme::Github)]);
    let refused = |answer: Result<_, EndpointError>| {
        let error = answer.map(|_: crate::Endpoint| ()).unwrap_err();
        assert!(matches!(
            error,
            EndpointError::Invalid(InvalidSpec::Secret(_))
        ));
        assert!(
            error.to_string().contains("`github` has no ed25519 form"),
            "{error}"
        );
    };
    let register = crate::Command::Register(Box::new(github()), Some(ed25519()));
    let call = bench.command(register);
    refused(bench.endpoint_answer(call));
    let endpoint = bench.endpoint(github());
    let rotation = |secret| EndpointChange::RotateSecret {
        secret: Some(secret),
        overlap: Duration::ZERO,
    };
    refused(bench.change(endpoint, rotation(ed25519())));
    let endpoint = bench.endpoint(spec());
    bench.change(endpoint, rotation(ed25519())).unwrap();
    let change = EndpointChange::Spec(Box::new(github()));
    refused(bench.change(endpoint, change));
}

#[test]
fn a_secret_that_can_be_guessed_is_refused_and_one_on_record_stays() {
    let mut bench = Bench::new();
    let short = || "whsec_AAECAwQFBgcICQoLDA0O".parse::<Secret>().unwrap();
    let refused = EndpointError::Invalid(InvalidSpec::SecretShort { least: 16 });
    let register = |secret| crate::Command::Register(Box::new(spec()), Some(secret));
    let call = bench.command(register(short()));
    assert_eq!(bench.endpoint_answer(call).unwrap_err(), refused);
    let call = bench.command(register("0123456789abcdef".parse().unwrap()));
    let endpoint = bench.endpoint_answer(call).unwrap().id;
    let rotation = EndpointChange::RotateSecret {
        secret: Some(short()),
        overlap: ms(1_000),
    };
    let error = bench.change(endpoint, rotation).unwrap_err();
    assert_eq!(error, refused);
    assert!(error.to_string().contains("24 or more"), "{error}");
    // One of before there was a bound signs on, also after a restart and a change.
    let limits = Limits {
        secret_bytes_min: 0,
        ..Limits::default()
    };
    let mut before = Bench::with(limits);
    let call = before.command(register(short()));
    let endpoint = before.endpoint_answer(call).unwrap().id;
    before.limits = Limits::default();
    before.crash();
    before
        .change(endpoint, EndpointChange::Spec(Box::new(spec())))
        .unwrap();
    before.publish(endpoint, "", "{}");
    assert!(before.host.under_way[0].request.prepare().is_ok());
}

#[test]
fn a_secret_that_is_over_keeps_no_form_from_being_chosen() {
    let mut bench = Bench::new();
    let call = bench.command(crate::Command::Register(Box::new(spec()), Some(ed25519())));
    let endpoint = bench.endpoint_answer(call).unwrap().id;
    let rotation = EndpointChange::RotateSecret {
        secret: None,
        overlap: ms(1_000),
    };
    bench.change(endpoint, rotation).unwrap();
    bench.advance(ms(1_000));
    let github = signed(vec![SignatureForm::of(Scheme::Github)]);
    let changed = bench.change(endpoint, EndpointChange::Spec(Box::new(github)));
    assert_eq!(changed.unwrap().secrets.len(), 1);
    // A start at a calendar that has jumped back finds no secret that cannot sign.
    bench.host.now.wall = EPOCH;
    bench.crash();
    bench.publish(endpoint, "", "{}");
    assert!(bench.host.under_way[0].request.prepare().is_ok());
}

#[test]
fn descriptions_and_metadata_are_checked_and_kept() {
    let mut bench = Bench::new();
    let described = |description: &str, metadata: &str| EndpointSpec {
        description: description.into(),
        metadata: metadata.into(),
        ..spec()
    };
    let good = described("ERP, main line\n\tof Bern", r#" {"team": ["a"]} "#);
    let endpoint = bench.register(good.clone()).unwrap();
    assert_eq!(endpoint.spec, Arc::new(good));
    let long = "x".repeat(1_025);
    for (description, metadata, error) in [
        ("a\u{7}", "{}", InvalidSpec::Description { most: 1_024 }),
        (&long, "{}", InvalidSpec::Description { most: 1_024 }),
        ("", "[]", InvalidSpec::Metadata { most: 4_096 }),
        ("", "{", InvalidSpec::Metadata { most: 4_096 }),
        (
            "",
            &format!("{{}}{}", " ".repeat(4_095)),
            InvalidSpec::Metadata { most: 4_096 },
        ),
    ] {
        let refused = bench.register(described(description, metadata));
        assert_eq!(refused.err(), Some(EndpointError::Invalid(error)));
    }
}
