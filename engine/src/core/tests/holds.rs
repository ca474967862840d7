//! `Retry-After` with 429 or 503 belongs to the endpoint.

use super::harness::{Bench, asking, event, ms, retrying, spec, status};
use crate::{
    BreakerPolicy, DeliveryState, DisabledReason, EndpointChange, EndpointId, EndpointSpec,
    EndpointStatus, EventId, Fact, FailReason, Mono, Ordering, Outcome, RateLimit, Reason,
    RetryPolicy,
};
use std::time::Duration;

fn not_now(status: u16, seconds: u64) -> Outcome {
    asking(status, &[("retry-after", &seconds.to_string())])
}

fn sent_at(bench: &Bench) -> Vec<u64> {
    bench.host.sent.iter().map(|sent| sent.at.mono.0).collect()
}

/// So many events, over so many ordering keys.
fn publish(bench: &mut Bench, endpoint: EndpointId, events: usize, keys: usize) -> Vec<EventId> {
    (0..events)
        .map(|number| {
            let key = format!("key-{}", number % keys);
            bench.publish(endpoint, &key, &number.to_string())
        })
        .collect()
}

#[test]
fn what_one_lane_is_asked_holds_for_all_and_only_for_this_endpoint() {
    for code in [429, 503] {
        let mut bench = Bench::new();
        let endpoint = bench.endpoint(retrying(&[10, 10]));
        let other = bench.endpoint(retrying(&[]));
        bench.publish(endpoint, "a", "a");
        bench.respond(not_now(code, 5));
        for key in ["b", "c", "d"] {
            bench.publish(endpoint, key, key);
        }
        bench.publish(other, "", "other");
        assert_eq!(bench.under_way(), ["other"], "{code}");
        assert_eq!(bench.core.footprint().endpoints_held, 1);
        let payloads = bench.core.footprint().payload_bytes;
        assert_eq!(payloads, "other".len(), "what waits is let go of");
        bench.respond(status(200));
        bench.advance(ms(4_999));
        assert_eq!(bench.host.sent.len(), 2, "{code}");
        bench.advance(ms(1));
        assert_eq!(bench.under_way().len(), 1, "one comes first");
        assert_eq!(bench.core.footprint().endpoints_held, 0);
    }
}

#[test]
fn it_holds_where_there_is_no_order_too_and_what_was_to_be_retried() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(EndpointSpec {
        ordering: Ordering::None,
        concurrency: 3,
        ..retrying(&[10, 10])
    });
    publish(&mut bench, endpoint, 6, 1);
    bench.respond_to_text("0", status(500));
    bench.respond_to_text("1", not_now(503, 7));
    let sent = bench.host.sent.len();
    bench.respond_to_text("2", status(200));
    bench.advance(ms(6_999));
    assert_eq!(bench.host.sent.len(), sent);
    bench.advance(ms(1));
    assert_eq!(bench.host.sent.len(), sent + 1);
}

#[test]
fn what_it_answers_meanwhile_does_not_end_the_hold_and_the_later_end_counts() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(retrying(&[10]));
    publish(&mut bench, endpoint, 5, 5);
    bench.respond_to_text("0", not_now(429, 5));
    bench.respond_to_text("1", status(200));
    bench.respond_to_text("2", not_now(429, 2));
    bench.advance(ms(1_000));
    bench.respond_to_text("3", not_now(503, 8));
    bench.respond_to_text("4", status(404));
    let held: Vec<&Fact> = bench
        .host
        .facts
        .iter()
        .filter(|fact| matches!(fact, Fact::EndpointHeld { .. }))
        .collect();
    let until = |at| Fact::EndpointHeld {
        endpoint,
        until: Mono(at),
    };
    assert_eq!(held, [&until(5_000), &until(9_000)]);
    bench.advance(ms(7_999));
    assert_eq!(bench.host.sent.len(), 5);
    bench.advance(ms(1));
    assert_eq!(bench.host.sent.len(), 6);
}

#[test]
fn the_clamp_and_answers_without_a_time_are_as_the_policy_says() {
    let mut bench = Bench::new();
    let mut strict = retrying(&[10]);
    strict.retry.retry_after_max = ms(3_000);
    let endpoint = bench.endpoint(strict);
    bench.publish(endpoint, "a", "a");
    bench.respond(not_now(429, 86_400));
    bench.advance(ms(2_999));
    bench.publish(endpoint, "b", "b");
    assert_eq!(bench.host.sent.len(), 1);
    bench.advance(ms(1));
    assert_eq!(bench.host.sent.len(), 2);
    for outcome in [
        status(429),
        not_now(429, 0),
        asking(503, &[("retry-after", "soon")]),
    ] {
        let endpoint = bench.endpoint(retrying(&[10]));
        bench.publish(endpoint, "a", "c");
        bench.respond_to_text("c", outcome);
        bench.publish(endpoint, "b", "d");
        assert!(bench.under_way().contains(&"d".to_owned()));
    }
}

#[test]
fn a_dead_letter_holds_the_endpoint_too() {
    let mut bench = Bench::new();
    let mut strict = retrying(&[]);
    strict.retry.also_retry = Vec::new();
    let endpoint = bench.endpoint(strict);
    let first = bench.publish(endpoint, "", "a");
    bench.publish(endpoint, "", "b");
    bench.respond(not_now(429, 5));
    let rejected = DeliveryState::Failed(FailReason::Rejected);
    assert_eq!(bench.state_of(first), rejected);
    bench.advance(ms(4_999));
    assert_eq!(bench.host.sent.len(), 1);
    bench.advance(ms(1));
    assert_eq!(bench.under_way(), ["b"]);
}

#[test]
fn a_hold_outlives_a_restart_by_the_calendar_and_within_the_clamp() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(retrying(&[10]));
    publish(&mut bench, endpoint, 3, 3);
    bench.respond_to_text("0", not_now(503, 60));
    bench.host.under_way.clear();
    bench.advance(ms(20_000));
    bench.crash();
    assert!(bench.under_way().is_empty());
    bench.advance(ms(39_999));
    assert!(bench.under_way().is_empty());
    bench.advance(ms(1));
    assert_eq!(bench.under_way().len(), 1, "and comes back slowly");
    let health = bench.host.store.endpoint(endpoint).unwrap().health;
    assert!(health.held_until.is_some());
    bench.respond(status(200));
    let health = bench.host.store.endpoint(endpoint).unwrap().health;
    assert_eq!(health, crate::Health::default());
}

#[test]
fn another_url_another_policy_and_enabling_by_hand_end_a_hold() {
    let moved = EndpointSpec {
        url: "https://other.example/".into(),
        ..retrying(&[10])
    };
    let mut shorter = retrying(&[10]);
    shorter.retry.retry_after_max = ms(2_000);
    // Whoever changes the policy has not said that the receiver takes all at once.
    for (change, wait_ms, sent) in [
        (EndpointChange::Spec(Box::new(moved)), 0, 3),
        (EndpointChange::Enable, 0, 3),
        (EndpointChange::Spec(Box::new(shorter)), 0, 2),
        (EndpointChange::Spec(Box::new(retrying(&[10]))), 60_000, 2),
    ] {
        let mut bench = Bench::new();
        let endpoint = bench.endpoint(retrying(&[10]));
        bench.publish(endpoint, "a", "a");
        bench.respond(not_now(503, 60));
        bench.publish(endpoint, "b", "b");
        let changed = bench.change(endpoint, change).unwrap();
        let until = changed.health.held_until;
        let left = until.map(|until| until.since(bench.host.now.wall));
        assert_eq!(left.unwrap_or_default(), ms(wait_ms));
        if wait_ms > 0 {
            bench.advance(ms(wait_ms - 1));
            assert_eq!(bench.host.sent.len(), 1);
            bench.advance(ms(1));
        }
        assert_eq!(bench.host.sent.len(), sent, "{wait_ms}");
    }
}

#[test]
fn not_now_is_no_outage_for_the_breaker_and_none_for_ever() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(EndpointSpec {
        breaker: Some(BreakerPolicy {
            failures: 2,
            ..BreakerPolicy::default()
        }),
        disable_after: Some(Duration::from_secs(30)),
        ..retrying(&[10; 20])
    });
    publish(&mut bench, endpoint, 4, 4);
    for text in ["0", "1", "2", "3"] {
        bench.respond_to_text(text, not_now(429, 10));
    }
    let opened = |fact: &Fact| matches!(fact, Fact::BreakerOpened { .. });
    assert!(!bench.host.facts.iter().any(opened));
    for _ in 0..3 {
        bench.advance(ms(10_000));
        assert_eq!(bench.under_way().len(), 1);
        bench.respond(not_now(429, 10));
    }
    assert!(!bench.host.facts.iter().any(opened));
    let disabled = bench.host.store.endpoint(endpoint).unwrap().status;
    let failing = EndpointStatus::Disabled(DisabledReason::Failing);
    assert_eq!(disabled, failing, "without a success it ends all the same");
}

#[test]
fn a_probe_that_hears_not_now_closes_the_breaker_and_the_hold_begins() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(EndpointSpec {
        breaker: Some(BreakerPolicy {
            failures: 1,
            cooldown: ms(1_000),
            cooldown_max: ms(1_000),
        }),
        ..retrying(&[10, 10, 10])
    });
    publish(&mut bench, endpoint, 3, 3);
    bench.respond_to_text("0", status(500));
    bench.respond_to_text("1", status(500));
    bench.respond_to_text("2", status(500));
    bench.advance(ms(1_000));
    bench.respond(not_now(503, 20));
    assert_eq!(bench.core.footprint().breakers_open, 0);
    bench.advance(ms(19_999));
    assert_eq!(bench.host.sent.len(), 4);
    bench.advance(ms(1));
    assert_eq!(bench.host.sent.len(), 5);
}

#[test]
fn a_hold_takes_nothing_from_the_rate_limit() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(EndpointSpec {
        rate_limit: Some(RateLimit {
            requests: 1,
            per: ms(10_000),
            burst: 2,
        }),
        ..retrying(&[10])
    });
    publish(&mut bench, endpoint, 4, 4);
    bench.respond_to_text("0", not_now(429, 20));
    bench.respond_to_text("1", status(200));
    bench.advance(ms(20_000));
    bench.respond_ok_to_all();
    bench.advance(ms(5_000));
    bench.respond_ok_to_all();
    assert_eq!(sent_at(&bench), [0, 0, 20_000, 25_000]);
}

/// A receiver that takes `most` requests in each second and answers the rest with 429 and
/// `Retry-After: 1`, as long as something is to be sent. Every answer takes 20 ms.
fn take_so_many_a_second(bench: &mut Bench, most: usize) {
    let mut taken: Vec<u64> = Vec::new();
    for step in 0.. {
        assert!(step < 100_000, "it goes on for ever: {:?}", bench.reason);
        while let Some(sent) = bench.host.under_way.first() {
            let attempt = sent.request.attempt;
            let second = bench.host.now.mono.0 / 1_000;
            let is_taken = taken.iter().filter(|it| **it == second).count() < most;
            if is_taken {
                taken.push(second);
                bench.respond_to(attempt, status(200));
            } else {
                bench.respond_to(attempt, not_now(429, 1));
            }
            bench.advance(ms(20));
        }
        if bench.reason == Reason::Idle {
            return;
        }
        bench.advance_to_alarm();
    }
}

#[test]
fn nothing_dies_of_a_receiver_that_takes_one_request_a_second() {
    for (events, keys) in [(20, 1), (20, 10), (20, 20), (120, 30)] {
        for ordering in [Ordering::Fifo, Ordering::None] {
            let mut bench = Bench::new();
            let endpoint = bench.endpoint(EndpointSpec {
                ordering,
                retry: RetryPolicy::default(),
                ..spec()
            });
            let published = publish(&mut bench, endpoint, events, keys);
            take_so_many_a_second(&mut bench, 1);
            for event in published {
                assert_eq!(bench.state_of(event), DeliveryState::Delivered);
            }
            let most = bench.host.sent.iter().map(|it| it.request.number).max();
            assert!(most <= Some(6), "{most:?} attempts of {events} over {keys}");
            let refused = bench.host.sent.len() - events;
            assert!(refused <= events, "{refused} of {events} over {keys}");
        }
    }
}

#[test]
fn what_was_published_while_it_was_held_keeps_its_order() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(retrying(&[10; 10]));
    for round in 0..10 {
        for key in ["x", "y"] {
            let call = bench.submit(event(endpoint, key, &format!("{key}{round}")));
            bench.published(call).unwrap();
        }
    }
    take_so_many_a_second(&mut bench, 2);
    let mut first_sent: Vec<String> = Vec::new();
    for text in bench.sent() {
        if !first_sent.contains(&text) {
            first_sent.push(text);
        }
    }
    for key in ["x", "y"] {
        let of_key: Vec<_> = first_sent.iter().filter(|it| it.starts_with(key)).collect();
        let expected: Vec<String> = (0..10).map(|round| format!("{key}{round}")).collect();
        assert_eq!(of_key, expected.iter().collect::<Vec<_>>());
    }
}
