//! Rate limits and breakers delay. They consume no attempt and never reorder.

use super::harness::{Bench, ms, retrying, spec, status};
use crate::{BreakerPolicy, EndpointChange, EndpointSpec, Fact, RateLimit, Reason};

fn limited(requests: u32, burst: u32) -> EndpointSpec {
    EndpointSpec {
        rate_limit: Some(RateLimit {
            requests,
            per: ms(1000),
            burst,
        }),
        ..spec()
    }
}

fn breaking(failures: u32, cooldown_ms: u64, delays_ms: &[u64]) -> EndpointSpec {
    EndpointSpec {
        breaker: Some(BreakerPolicy {
            failures,
            cooldown: ms(cooldown_ms),
            cooldown_max: ms(4 * cooldown_ms),
        }),
        ..retrying(delays_ms)
    }
}

fn sent_at(bench: &Bench) -> Vec<u64> {
    bench.host.sent.iter().map(|sent| sent.at.mono.0).collect()
}

#[test]
fn a_rate_limit_spaces_requests_and_keeps_their_order() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(limited(2, 2));
    for text in ["a", "b", "c", "d", "e"] {
        bench.publish(endpoint, "", text);
    }
    for _ in 0..3 {
        bench.respond_ok_to_all();
        assert_eq!(bench.reason, Reason::Admission);
        bench.advance_to_alarm();
    }
    bench.respond_ok_to_all();
    assert_eq!(bench.sent().concat(), "abcde");
    assert_eq!(sent_at(&bench), [0, 0, 500, 1000, 1500]);
    let first_attempts = bench.host.sent.iter().all(|sent| sent.request.number == 1);
    assert!(first_attempts);
}

#[test]
fn a_rate_limit_holds_over_all_lanes_of_its_endpoint_and_for_no_other() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(limited(1, 1));
    let other = bench.endpoint(spec());
    for key in ["a", "b", "c"] {
        bench.publish(endpoint, key, key);
    }
    bench.publish(other, "", "other");
    assert_eq!(bench.under_way(), ["a", "other"]);
    bench.advance(ms(2000));
    assert_eq!(sent_at(&bench), [0, 0, 1000, 2000]);
}

#[test]
fn a_lifted_rate_limit_lets_everything_go() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(limited(1, 1));
    for key in ["a", "b", "c"] {
        bench.publish(endpoint, key, key);
    }
    bench
        .change(endpoint, EndpointChange::Spec(Box::new(spec())))
        .unwrap();
    assert_eq!(bench.under_way(), ["a", "b", "c"]);
}

#[test]
fn an_open_breaker_holds_everything_back_and_probes_with_one() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(breaking(2, 1000, &[10, 10, 10, 10]));
    for key in ["a", "b", "c"] {
        bench.publish(endpoint, key, key);
    }
    bench.respond_to_text("a", status(500));
    bench.respond_to_text("b", status(500));
    bench.respond_to_text("c", status(500));
    bench.advance(ms(999));
    assert_eq!(
        (bench.host.sent.len(), bench.reason),
        (3, Reason::Admission)
    );
    assert_eq!(bench.core.footprint().payload_bytes, 0);
    bench.advance(ms(1));
    assert_eq!(bench.under_way(), ["a"], "one probe");
    bench.advance(ms(5));
    bench.respond(status(500));
    bench.advance(ms(1999));
    assert_eq!(bench.host.sent.len(), 4, "the cooldown has doubled");
    bench.advance(ms(1));
    bench.respond(status(200));
    assert_eq!(bench.under_way().len(), 2, "a success lets everything go");
    bench.respond_ok_to_all();
    let attempts: Vec<u32> = bench
        .host
        .sent
        .iter()
        .map(|sent| sent.request.number)
        .collect();
    assert_eq!(
        attempts.iter().max(),
        Some(&3),
        "waiting has consumed no attempt"
    );
    let closed = |fact: &Fact| matches!(fact, Fact::BreakerClosed { .. });
    assert!(bench.host.facts.iter().any(closed));
}

#[test]
fn a_breaker_keeps_the_order_of_a_lane() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(breaking(1, 100, &[10, 10]));
    for text in ["a", "b"] {
        bench.publish(endpoint, "", text);
    }
    bench.respond(status(500));
    bench.advance(ms(100));
    bench.respond(status(500));
    bench.advance(ms(200));
    bench.respond_ok_to_all();
    assert_eq!(bench.sent().concat(), "aaab");
}

#[test]
fn a_straggler_neither_ends_the_probe_nor_lets_another_one_out() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(breaking(1, 100, &[10, 10]));
    let mut events = Vec::new();
    for key in ["a", "b", "c"] {
        events.push(bench.publish(endpoint, key, key));
    }
    bench.respond_to_text("a", status(500));
    bench.advance(ms(100));
    assert_eq!(bench.under_way(), ["b", "c", "a"], "a is the probe");
    bench.respond_to_text("b", status(500));
    let straggler = bench.delivery_of(events[2]).id;
    bench.discard(straggler);
    bench.advance(ms(5000));
    assert_eq!(bench.under_way(), ["a"]);
    bench.respond(status(200));
    bench.respond_ok_to_all();
    assert_eq!(bench.reason, Reason::Idle);
}

#[test]
fn a_probe_that_is_cancelled_makes_way_for_another() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(breaking(1, 100, &[10, 10]));
    let event = bench.publish(endpoint, "", "a");
    bench.publish(endpoint, "", "b");
    bench.respond(status(500));
    bench.advance(ms(100));
    assert_eq!(bench.under_way(), ["a"]);
    let delivery = bench.delivery_of(event).id;
    bench.discard(delivery);
    assert_eq!(bench.under_way(), ["b"]);
}

#[test]
fn enabling_closes_the_breaker() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(breaking(1, 10_000, &[10, 10]));
    bench.publish(endpoint, "", "a");
    bench.respond(status(500));
    bench.advance(ms(10));
    assert!(bench.under_way().is_empty());
    bench.change(endpoint, EndpointChange::Enable).unwrap();
    assert_eq!(bench.under_way(), ["a"]);
}

#[test]
fn a_breaker_that_closes_early_leaves_only_the_rate_limit_to_wait_for() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(EndpointSpec {
        rate_limit: limited(10, 3).rate_limit,
        ..breaking(1, 60_000, &[1000, 1000])
    });
    bench.publish(endpoint, "a", "a");
    bench.publish(endpoint, "b", "b");
    bench.respond_to_text("a", status(500));
    bench.publish(endpoint, "c", "c");
    bench.publish(endpoint, "d", "d");
    assert_eq!(bench.under_way(), ["b"]);
    // A request from before the breaker opened is answered well.
    bench.respond_to_text("b", status(200));
    assert_eq!(bench.under_way(), ["c"]);
    bench.advance(ms(100));
    assert_eq!(
        bench.under_way(),
        ["c", "d"],
        "a tenth of a second, not a minute"
    );
}
