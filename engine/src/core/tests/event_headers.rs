//! Headers of events: who gets the event for them, and with which of them.

use super::harness::*;
use crate::{
    BatchPolicy, EndpointId, EndpointSpec, EventHeaders, Fact, Filter, NewEvent, Request, Target,
};

fn headers(headers: &[(&str, &str)]) -> EventHeaders {
    EventHeaders::new(headers.iter().copied()).unwrap()
}

fn filtered(filter: &str) -> EndpointSpec {
    EndpointSpec {
        filter: Some(filter.parse::<Filter>().unwrap()),
        ..spec()
    }
}

/// Publishes to all subscribers, with this shop in a header, and gives how many get it.
fn publish(bench: &mut Bench, payload: &str, shop: Option<&str>) -> usize {
    let shop = shop.map(|shop| ("x-shop", shop));
    let call = bench.submit(NewEvent {
        target: Target::Subscribers,
        headers: headers(shop.as_slice()),
        ..event(EndpointId::from_u128(0), "", payload)
    });
    bench.published(call).unwrap().deliveries.len()
}

/// The values of the headers with this name.
fn values(request: &Request, name: &str) -> Vec<String> {
    let prepared = request.prepare().unwrap();
    let named = prepared.headers.iter();
    let named = named.filter(|(it, _)| it.eq_ignore_ascii_case(name));
    named.map(|(_, value)| value.to_string()).collect()
}

#[test]
fn filters_ask_for_headers_whatever_the_payload_is() {
    let mut bench = Bench::new();
    bench.endpoint(filtered(r#"{"$headers": {"X-Shop": "a.example"}}"#));
    bench.endpoint(filtered(r#"{"$headers": {"x-shop": "b.example"}}"#));
    bench.endpoint(filtered(
        r#"{"$headers": {"x-shop": {"$exists": true}}, "amount": {"$gt": 1}}"#,
    ));
    for (payload, shop, count) in [
        (r#"{"amount": 2}"#, Some("a.example"), 2),
        (r#"{"amount": 1}"#, Some("a.example"), 1),
        (r#"{"amount": 2}"#, Some("c.example"), 1),
        (r#"{"amount": 2}"#, None, 0),
        ("not json", Some("b.example"), 1),
    ] {
        assert_eq!(
            publish(&mut bench, payload, shop),
            count,
            "{payload} {shop:?}"
        );
    }
    let last = bench.host.facts.iter().rev().find_map(|fact| match fact {
        Fact::FiltersUndecided { undecided, .. } => Some(undecided.unreadable),
        _ => None,
    });
    assert_eq!(last, Some(1), "the third cannot judge what is not JSON");
}

#[test]
fn headers_are_sent_where_nothing_else_has_their_name() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(EndpointSpec {
        headers: vec![("X-Team".to_owned(), "blue".to_owned())],
        ..spec()
    });
    bench.submit(NewEvent {
        headers: headers(&[("X-GitHub-Event", "push"), ("x-team", "red")]),
        ..event(endpoint, "", "{}")
    });
    let request = &bench.host.sent[0].request;
    assert_eq!(values(request, "x-github-event"), ["push"]);
    assert_eq!(values(request, "x-team"), ["blue"]);
    let lines = request.prepare().unwrap().header_lines();
    assert!(lines.iter().any(|it| it == ("x-github-event", "push")));
}

#[test]
fn a_retry_after_a_crash_has_the_headers() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(retrying(&[1_000]));
    bench.submit(NewEvent {
        headers: headers(&[("x-github-event", "push")]),
        ..event(endpoint, "", "{}")
    });
    bench.respond(status(500));
    bench.crash();
    bench.advance(ms(2_000));
    assert_eq!(bench.host.sent.len(), 2);
    let retry = &bench.host.sent[1].request;
    assert_eq!(values(retry, "x-github-event"), ["push"]);
}

#[test]
fn a_batch_whose_events_may_differ_has_none() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(EndpointSpec {
        batch: Some(BatchPolicy {
            events_max: 2,
            wait: ms(5_000),
        }),
        ..spec()
    });
    for action in ["push", "ping"] {
        bench.submit(NewEvent {
            headers: headers(&[("x-github-event", action)]),
            ..event(endpoint, "", "{}")
        });
    }
    let request = &bench.host.sent[0].request;
    assert!(request.batches());
    assert_eq!(values(request, "x-github-event"), [""; 0]);
}
