//! Lanes keep their order, and nothing is sent before what makes it so is durable.

use super::harness::{Bench, event, ms, name, no_answer, retrying, spec, status};
use crate::{DeliveryState, EndpointSpec, FailReason, Limits, Ordering, Reason};

fn numbered(count: u32) -> Vec<String> {
    (0..count).map(|number| number.to_string()).collect()
}

#[test]
fn a_lane_sends_one_at_a_time_in_the_order_of_publishing() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(spec());
    for text in ["charge", "refund", "dispute"] {
        bench.publish(endpoint, "", text);
    }
    for text in ["charge", "refund", "dispute"] {
        assert_eq!(bench.under_way(), [text]);
        bench.respond(status(200));
    }
    assert_eq!(bench.reason, Reason::Idle);
}

#[test]
fn nothing_is_sent_or_answered_before_the_publish_is_durable() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(spec());
    bench.host.hold_commits = true;
    let call = bench.submit(event(endpoint, "", "a"));
    assert!(bench.host.sent.is_empty() && bench.take(call).is_none());
    assert_eq!(bench.reason, Reason::Storing);
    bench.release_commits();
    assert_eq!(bench.under_way(), ["a"]);
    assert!(bench.published(call).is_ok());
}

#[test]
fn the_next_starts_only_once_the_end_of_the_one_before_is_durable() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(spec());
    bench.publish(endpoint, "", "a");
    bench.publish(endpoint, "", "b");
    bench.host.hold_commits = true;
    bench.respond(status(200));
    assert_eq!(bench.sent(), ["a"]);
    assert_eq!(name(&bench.host.commits[0].change), "attempted");
    bench.release_commits();
    assert_eq!(bench.sent(), ["a", "b"]);
}

#[test]
fn a_retrying_delivery_holds_its_lane_until_its_end() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(retrying(&[100, 100]));
    bench.publish(endpoint, "", "a");
    bench.publish(endpoint, "", "b");
    bench.respond(status(500));
    bench.advance(ms(100));
    bench.respond(no_answer());
    bench.advance(ms(99));
    assert_eq!(bench.sent(), ["a", "a"]);
    bench.advance(ms(1));
    bench.respond(status(200));
    bench.respond(status(200));
    assert_eq!(bench.sent(), ["a", "a", "a", "b"]);
}

#[test]
fn a_dead_letter_lets_its_lane_go_on() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(spec());
    let dead = bench.publish(endpoint, "", "a");
    bench.publish(endpoint, "", "b");
    bench.respond(status(404));
    assert_eq!(
        bench.state_of(dead),
        DeliveryState::Failed(FailReason::Rejected)
    );
    assert_eq!(bench.under_way(), ["b"]);
}

#[test]
fn lanes_of_different_keys_do_not_wait_for_each_other() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(spec());
    for (key, text) in [
        ("k", "k1"),
        ("l", "l1"),
        ("k", "k2"),
        ("", "m1"),
        ("", "m2"),
    ] {
        bench.publish(endpoint, key, text);
    }
    assert_eq!(bench.under_way(), ["k1", "l1", "m1"]);
    bench.respond_to_text("m1", status(200));
    assert_eq!(bench.under_way(), ["k1", "l1", "m2"]);
    bench.respond_to_text("k1", status(200));
    assert_eq!(bench.under_way(), ["l1", "m2", "k2"]);
    bench.respond_ok_to_all();
    assert_eq!(
        bench.core.footprint().lanes,
        1,
        "lanes of keys are forgotten"
    );
}

#[test]
fn an_unordered_endpoint_overtakes_up_to_its_concurrency() {
    let mut bench = Bench::new();
    let unordered = EndpointSpec {
        ordering: Ordering::None,
        concurrency: 3,
        ..retrying(&[1000])
    };
    let endpoint = bench.endpoint(unordered);
    for text in numbered(5) {
        bench.publish(endpoint, "ignored", &text);
    }
    assert_eq!(bench.under_way(), ["0", "1", "2"]);
    bench.respond_to_text("1", status(200));
    bench.respond_to_text("0", status(500));
    assert_eq!(bench.under_way(), ["2", "3", "4"]);
    assert_eq!(bench.core.footprint().lanes, 1, "a key has nothing to keep");
    bench.advance(ms(1000));
    assert_eq!(bench.under_way(), ["2", "3", "4"]);
    bench.respond(status(200));
    assert_eq!(bench.under_way(), ["3", "4", "0"]);
}

#[test]
fn a_retry_on_an_unordered_lane_costs_the_others_no_second_read() {
    let mut bench = Bench::new();
    let unordered = EndpointSpec {
        ordering: Ordering::None,
        concurrency: 2,
        ..retrying(&[1000])
    };
    let endpoint = bench.endpoint(unordered);
    for text in numbered(8) {
        bench.publish(endpoint, "", &text);
    }
    bench.respond(status(500));
    bench.respond_ok_to_all();
    assert_eq!(bench.host.sent.len(), 8);
    assert!(bench.host.loads_asked.is_empty());
    bench.advance(ms(1000));
    assert_eq!(bench.host.loads_asked.len(), 1);
    bench.respond_ok_to_all();
    assert_eq!(bench.reason, Reason::Idle);
}

#[test]
fn a_lane_that_waits_holds_no_payload_and_reads_it_again_when_due() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(retrying(&[100]));
    for text in ["a", "b", "c"] {
        bench.publish(endpoint, "", text);
    }
    assert_eq!(bench.core.footprint().payload_bytes, 3);
    bench.respond(status(500));
    assert_eq!(bench.core.footprint().payload_bytes, 0);
    bench.publish(endpoint, "", "d");
    assert_eq!(bench.core.footprint().payload_bytes, 0);
    assert_eq!(bench.reason, Reason::Retry);
    assert!(bench.host.loads_asked.is_empty());
    bench.advance(ms(100));
    assert_eq!(bench.host.loads_asked.len(), 1);
    bench.respond_ok_to_all();
    assert_eq!(bench.sent(), ["a", "a", "b", "c", "d"]);
}

#[test]
fn ten_thousand_on_one_lane_need_no_more_memory_than_its_window() {
    let limits = Limits {
        window_deliveries_max: 8,
        ..Limits::default()
    };
    let mut bench = Bench::with(limits);
    let endpoint = bench.endpoint(spec());
    let texts = numbered(10_000);
    for text in &texts {
        bench.publish(endpoint, "", text);
    }
    let held = bench.core.footprint();
    assert_eq!(held.pending_deliveries, 10_000);
    assert_eq!(held.window_deliveries, 8);
    assert!(held.state_bytes < 16 << 10, "{held:?}");
    while !bench.host.under_way.is_empty() {
        bench.respond(status(200));
        assert!(bench.core.count().window_deliveries <= 8);
    }
    assert_eq!(bench.sent(), texts);
    assert_eq!(bench.reason, Reason::Idle);
}

#[test]
fn what_was_published_while_a_read_was_under_way_follows_in_order() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(retrying(&[100]));
    bench.publish(endpoint, "", "a");
    bench.publish(endpoint, "", "b");
    bench.respond(status(500));
    bench.host.hold_loads = true;
    bench.advance(ms(100));
    bench.publish(endpoint, "", "c");
    assert_eq!(bench.reason, Reason::Storing);
    bench.release();
    bench.publish(endpoint, "", "d");
    bench.respond_ok_to_all();
    assert_eq!(bench.sent(), ["a", "a", "b", "c", "d"]);
}

#[test]
fn a_change_from_unordered_to_fifo_waits_for_what_is_under_way() {
    let mut bench = Bench::new();
    let unordered = EndpointSpec {
        ordering: Ordering::None,
        concurrency: 2,
        ..retrying(&[100])
    };
    let endpoint = bench.endpoint(unordered);
    for text in numbered(5) {
        bench.publish(endpoint, "", &text);
    }
    let fifo = Box::new(retrying(&[100]));
    bench
        .change(endpoint, crate::EndpointChange::Spec(fifo))
        .unwrap();
    bench.respond_to_text("0", status(500));
    assert_eq!(bench.under_way(), ["1"]);
    bench.respond(status(200));
    assert!(bench.under_way().is_empty(), "0 holds the lane");
    bench.advance(ms(100));
    bench.respond_ok_to_all();
    assert_eq!(bench.sent(), ["0", "1", "0", "2", "3", "4"]);
}
