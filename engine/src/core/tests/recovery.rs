//! Going on from what the store holds.

use super::harness::{Bench, event, ms, no_answer, retrying, spec, status};
use crate::{
    BreakerPolicy, DeliveryState, EndpointChange, EndpointSpec, EndpointStatus, FailReason,
    NewEvent, OnFailed, Ordering, Reason, Wall,
};
use std::time::Duration;

#[test]
fn what_was_under_way_is_sent_again_with_the_same_event() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(spec());
    bench.publish(endpoint, "", "a");
    bench.publish(endpoint, "", "b");
    bench.crash();
    assert_eq!(bench.under_way(), ["a"]);
    let [before, after] = &bench.host.sent[..] else {
        panic!("one request in each life");
    };
    assert_eq!(before.request.event.id, after.request.event.id);
    assert_eq!(
        after.request.number, 1,
        "an attempt without a result does not count"
    );
    bench.respond_ok_to_all();
    assert_eq!(bench.sent(), ["a", "a", "b"]);
    assert_eq!(bench.reason, Reason::Idle);
}

#[test]
fn a_publish_that_was_not_durable_never_was() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(spec());
    bench.host.hold_commits = true;
    let call = bench.submit(event(endpoint, "", "a"));
    bench.crash();
    bench.release();
    assert!(bench.take(call).is_none());
    assert!(bench.host.sent.is_empty());
    assert_eq!(bench.reason, Reason::Idle);
}

#[test]
fn attempts_and_due_times_survive() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(retrying(&[1000, 1000]));
    let event = bench.publish(endpoint, "", "a");
    bench.publish(endpoint, "", "b");
    bench.respond(status(500));
    bench.advance(ms(400));
    bench.crash();
    assert_eq!((bench.under_way().len(), bench.reason), (0, Reason::Retry));
    assert_eq!(bench.advance_to_alarm(), ms(600));
    bench.respond(status(500));
    bench.advance(ms(1000));
    bench.respond(status(500));
    assert_eq!(
        bench.state_of(event),
        DeliveryState::Failed(FailReason::Exhausted)
    );
    bench.respond(status(200));
    assert_eq!(bench.sent(), ["a", "a", "a", "b"]);
}

#[test]
fn a_calendar_that_jumped_back_delays_no_retry_beyond_the_policy() {
    let mut bench = Bench::new();
    let mut policy = retrying(&[1000]);
    policy.retry.retry_after_max = ms(1000);
    let endpoint = bench.endpoint(policy);
    bench.publish(endpoint, "", "a");
    bench.respond(status(500));
    bench.host.now.wall = Wall(bench.host.now.wall.0 - 3_600_000);
    bench.crash();
    assert_eq!(bench.advance_to_alarm(), ms(1000));
    assert_eq!(bench.under_way(), ["a"]);
}

#[test]
fn a_calendar_that_jumps_while_it_runs_moves_no_retry() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(retrying(&[1000, 1000]));
    bench.publish(endpoint, "", "a");
    for jump in [3_600_000, -7_200_000] {
        bench.respond(status(500));
        let wall = bench.host.now.wall.0.saturating_add_signed(jump);
        bench.host.now.wall = Wall(wall);
        bench.advance(ms(999));
        assert!(bench.under_way().is_empty());
        bench.advance(ms(1));
        assert_eq!(bench.under_way(), ["a"]);
    }
}

#[test]
fn a_paused_endpoint_is_paused_after_the_restart() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(spec());
    bench.change(endpoint, EndpointChange::Pause).unwrap();
    bench.publish(endpoint, "", "a");
    bench.crash();
    assert_eq!((bench.under_way().len(), bench.reason), (0, Reason::Held));
    bench.change(endpoint, EndpointChange::Resume).unwrap();
    assert_eq!(bench.under_way(), ["a"]);
}

#[test]
fn a_stopped_lane_is_stopped_after_the_restart() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(EndpointSpec {
        on_failed: OnFailed::Stop,
        ..spec()
    });
    let dead = bench.publish(endpoint, "k", "a");
    bench.publish(endpoint, "k", "b");
    bench.respond(status(400));
    bench.crash();
    assert_eq!((bench.under_way().len(), bench.reason), (0, Reason::Held));
    let delivery = bench.delivery_of(dead).id;
    bench.resend(delivery);
    bench.crash();
    bench.respond_ok_to_all();
    assert_eq!(
        bench.sent(),
        ["a", "a", "a", "b"],
        "the resent one in its place"
    );
}

#[test]
fn an_open_breaker_is_open_after_the_restart() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(EndpointSpec {
        breaker: Some(BreakerPolicy {
            failures: 1,
            cooldown: ms(5000),
            cooldown_max: ms(5000),
        }),
        ..retrying(&[10, 10])
    });
    bench.publish(endpoint, "", "a");
    bench.respond(no_answer());
    bench.advance(ms(1000));
    bench.crash();
    bench.advance(ms(3999));
    assert_eq!(
        (bench.under_way().len(), bench.reason),
        (0, Reason::Admission)
    );
    bench.advance(ms(1));
    assert_eq!(bench.under_way(), ["a"]);
}

#[test]
fn an_unordered_lane_skips_nothing_when_a_retry_is_due_before_the_rest_is_read() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(EndpointSpec {
        ordering: Ordering::None,
        concurrency: 3,
        ..retrying(&[100])
    });
    for text in ["a", "b", "c", "d"] {
        bench.publish(endpoint, "", text);
    }
    bench.respond_to_text("c", status(500));
    bench.change(endpoint, EndpointChange::Pause).unwrap();
    bench.crash();
    // Now c is due, and a, b and d have not been read.
    bench.advance(ms(100));
    bench.change(endpoint, EndpointChange::Resume).unwrap();
    bench.respond_ok_to_all();
    let ledger = bench.host.store.ledger(endpoint);
    assert_eq!((ledger.delivered, ledger.pending), (4, 0));
    assert_eq!(bench.reason, Reason::Idle);
}

#[test]
fn a_lane_that_became_fifo_starts_with_its_first_after_the_restart() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(EndpointSpec {
        ordering: Ordering::None,
        concurrency: 3,
        ..retrying(&[100])
    });
    for text in ["a", "b", "c", "d"] {
        bench.publish(endpoint, "", text);
    }
    bench.respond_to_text("c", status(500));
    bench
        .change(endpoint, EndpointChange::Spec(Box::new(retrying(&[100]))))
        .unwrap();
    bench.host.sent.clear();
    bench.crash();
    bench.advance(ms(100));
    bench.respond_ok_to_all();
    assert_eq!(bench.sent(), ["a", "b", "c", "d"]);
}

#[test]
fn an_idempotency_key_survives() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(spec());
    let keyed = || NewEvent {
        idempotency_key: Some("key".into()),
        ..event(endpoint, "", "a")
    };
    let first = bench.submit(keyed());
    let first = bench.published(first).unwrap();
    bench.crash();
    let repeat = bench.submit(keyed());
    let repeat = bench.published(repeat).unwrap();
    assert_eq!((repeat.event, repeat.duplicate), (first.event, true));
}

#[test]
fn a_deletion_that_was_recorded_holds_and_one_that_was_not_does_not() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(spec());
    bench.publish(endpoint, "", "a");
    bench.host.hold_commits = true;
    bench.delete(endpoint);
    bench.crash();
    assert_eq!(
        bench.host.store.endpoint(endpoint).unwrap().status,
        EndpointStatus::Active
    );
    bench.release();
    bench.respond(status(200));
    bench.delete(endpoint);
    bench.crash();
    bench.advance(Duration::from_secs(60));
    assert_eq!(
        (bench.core.footprint().endpoints, bench.reason),
        (0, Reason::Idle)
    );
}

#[test]
fn the_same_seed_and_inputs_give_the_same_requests() {
    let run = || {
        let mut bench = Bench::new();
        let endpoint = bench.endpoint(EndpointSpec {
            breaker: None,
            ..spec()
        });
        for key in ["", "a", "b"] {
            bench.publish(endpoint, key, key);
        }
        for _ in 0..3 {
            bench.respond(status(500));
        }
        bench.advance(ms(2000));
        bench.respond_ok_to_all();
        format!("{:?} {:?}", bench.host.sent, bench.host.facts)
    };
    assert_eq!(run(), run());
}

#[test]
fn what_goes_first_in_a_lane_that_was_not_read_since_a_start_is_the_stores_to_say() {
    let mut bench = Bench::new();
    let breaker = BreakerPolicy {
        failures: 1,
        cooldown: ms(60_000),
        cooldown_max: ms(60_000),
    };
    let endpoint = bench.endpoint(EndpointSpec {
        breaker: Some(breaker),
        ..retrying(&[60_000])
    });
    let tried = bench.publish(endpoint, "x", "x");
    bench.respond(no_answer());
    let fresh = bench.publish(endpoint, "", "a");
    bench.crash();
    let unread = |event| {
        let delivery = bench.delivery_of(event);
        let now = bench.host.now.mono;
        let seen = bench.core.outlook(delivery.id, &delivery.lane, now);
        seen.unwrap().unread
    };
    assert!(unread(fresh));
    assert!(!unread(tried), "it is known from the start");
}
