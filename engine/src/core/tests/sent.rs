//! What is recorded of requests.

use super::harness::*;
use crate::{BatchPolicy, Change, DeliveryId, EndpointSpec, Input, PayloadForm, Sending};
use bytes::Bytes;
use std::sync::Arc;

/// Ends the oldest request that is under way, and tells what was sent.
fn fail(bench: &mut Bench) -> Bytes {
    let request = bench.host.under_way.remove(0).request;
    let prepared = request.prepare().unwrap();
    let sent = Box::new(request.sent(&prepared, Arc::clone(&request.route.url)));
    bench.input(Input::AttemptDone(request.attempt, status(500), sent));
    prepared.body
}

fn formed(payload_form: PayloadForm) -> EndpointSpec {
    EndpointSpec {
        payload_form,
        ..retrying(&[1_000, 2_000])
    }
}

#[test]
fn a_body_is_found_by_its_attempt_whatever_it_was_made_of() {
    for (form, is_payload) in [(PayloadForm::Raw, true), (PayloadForm::Envelope, false)] {
        let mut bench = Bench::new();
        let endpoint = bench.endpoint(formed(form));
        let event = bench.publish(endpoint, "", "{}");
        let first = fail(&mut bench);
        bench.advance(ms(1_000));
        let second = fail(&mut bench);
        let record = bench.delivery_of(event);
        for (number, body) in [(1, first), (2, second)] {
            let sent = &record.attempts[number - 1].sent;
            assert_eq!(sent.url, Some(bench.host.sent[0].request.route.url.clone()));
            let about = sent.body.as_ref().unwrap();
            assert_eq!(about.bytes, body.len() as u64);
            assert_eq!(about.is_payload, is_payload);
            assert_eq!(about.made, None, "the bytes are kept beside the record");
            let number = u32::try_from(number).unwrap();
            let found = bench.host.store.request_body(record.id, number);
            assert_eq!(found, Some(body));
        }
    }
}

#[test]
fn the_body_of_a_batch_is_kept_with_its_first_delivery() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(EndpointSpec {
        batch: Some(BatchPolicy {
            events_max: 3,
            wait: ms(5_000),
        }),
        ..retrying(&[1_000])
    });
    let events = ["1", "2", "3"].map(|payload| bench.publish(endpoint, "", payload));
    let [first, second, third] = events.map(|event| bench.delivery_of(event).id);
    bench.host.hold_commits = true;
    assert_eq!(fail(&mut bench), "[1,2,3]");
    let kept = bench.host.commits.iter().map(|batch| match &batch.change {
        Change::Attempted(end) => {
            let body = end.attempt.sent.body.as_ref().unwrap();
            (end.delivery, body.kept_with)
        }
        other => panic!("not the end of an attempt: {other:?}"),
    });
    let kept: Vec<(DeliveryId, Option<DeliveryId>)> = kept.collect();
    // Each names the one before it: if one was discarded meanwhile, the body is kept once more.
    let expected = [(first, None), (second, Some(first)), (third, Some(second))];
    assert_eq!(kept, expected);
}

#[test]
fn an_own_content_type_and_user_agent_stand_in_the_place_of_the_usual_ones_and_on_record() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(EndpointSpec {
        sending: Sending {
            content_type: Some("text/xml; charset=utf-8".into()),
            user_agent: Some("Acme-Hooks/2".into()),
            ..Sending::default()
        },
        ..retrying(&[1_000])
    });
    let event = bench.publish(endpoint, "", "1");
    let request = bench.host.under_way[0].request.clone();
    let prepared = request.prepare().unwrap();
    let all = |name: &str| {
        let named = prepared.headers.iter().filter(|(known, _)| *known == name);
        named
            .map(|(_, value)| value.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(all("content-type"), ["text/xml; charset=utf-8"]);
    assert_eq!(all("user-agent"), ["Acme-Hooks/2"]);
    fail(&mut bench);
    let record = bench.delivery_of(event);
    let lines = record.attempts[0].sent.headers.clone();
    assert!(
        lines.iter().any(|it| it == ("user-agent", "Acme-Hooks/2")),
        "they are no secrets: {lines:?}"
    );
}
