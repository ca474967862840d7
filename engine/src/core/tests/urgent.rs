//! What does not wait: a delivery that is retried by hand, and all of an endpoint that is well again.

use super::harness::*;
use crate::{
    Answer, BatchPolicy, BreakerPolicy, CallId, Command, DeliveryId, DeliveryState, EndpointChange,
    EndpointId, EndpointSpec, EndpointStatus, Fact, Failure, FailureKind, Kept, LaneId, Mono,
    OnFailed, Ordering, Outcome, RateLimit, RetryError,
};

const HOUR_MS: u64 = 3_600_000;

fn retry(bench: &mut Bench, delivery: DeliveryId) -> CallId {
    let known = bench.host.store.delivery(delivery).unwrap();
    bench.command(Command::RetryNow(delivery, known.lane))
}

fn retried(bench: &mut Bench, delivery: DeliveryId) -> Result<(), RetryError> {
    let call = retry(bench, delivery);
    match bench.take(call) {
        Some(Answer::RetriedNow(answer)) => answer,
        other => panic!("not an answer to a retry: {other:?}"),
    }
}

fn publish(bench: &mut Bench, endpoint: EndpointId, key: &str, text: &str) -> DeliveryId {
    let event = bench.publish(endpoint, key, text);
    bench.delivery_of(event).id
}

fn breaking() -> EndpointSpec {
    EndpointSpec {
        breaker: Some(BreakerPolicy {
            failures: 1,
            cooldown: ms(HOUR_MS),
            cooldown_max: ms(4 * HOUR_MS),
        }),
        ..retrying(&[HOUR_MS, HOUR_MS, HOUR_MS])
    }
}

fn due(bench: &Bench, delivery: DeliveryId) -> Option<u64> {
    match bench.host.store.delivery(delivery).unwrap().state {
        DeliveryState::Retrying { due } => Some(due.0),
        _ => None,
    }
}

#[test]
fn a_head_that_waits_for_its_retry_is_sent_at_once_and_the_lane_keeps_its_order() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(retrying(&[HOUR_MS]));
    let first = publish(&mut bench, endpoint, "k", "a");
    publish(&mut bench, endpoint, "k", "b");
    bench.respond(status(500));
    bench.advance(ms(1_000));
    assert_eq!(retried(&mut bench, first), Ok(()));
    assert_eq!(bench.under_way(), ["a"]);
    bench.respond_ok_to_all();
    assert_eq!(bench.sent(), ["a", "a", "b"]);
    assert_eq!(bench.core.footprint().timers, 0);
}

#[test]
fn a_restart_right_after_a_retry_by_hand_does_not_wait_out_the_backoff() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(retrying(&[HOUR_MS]));
    let first = publish(&mut bench, endpoint, "", "a");
    bench.respond(status(500));
    bench.advance(ms(1_000));
    assert_eq!(retried(&mut bench, first), Ok(()));
    assert_eq!(due(&bench, first), Some(bench.host.now.wall.0));
    bench.crash();
    assert_eq!(bench.under_way(), ["a"]);
}

#[test]
fn it_is_the_probe_of_an_open_breaker() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(breaking());
    let first = publish(&mut bench, endpoint, "a", "a");
    bench.respond(no_answer());
    let second = publish(&mut bench, endpoint, "b", "b");
    assert!(bench.under_way().is_empty());
    assert_eq!(retried(&mut bench, first), Ok(()));
    bench.respond(no_answer());
    assert!(bench.under_way().is_empty(), "the others still wait");
    let opened = bench.host.facts.iter().rev().find_map(|fact| match fact {
        Fact::BreakerOpened { until, .. } => Some(*until),
        _ => None,
    });
    assert_eq!(opened, Some(Mono(2 * HOUR_MS)), "a failed probe doubles it");
    // One that has had no attempt is the head of its lane, too.
    assert_eq!(retried(&mut bench, second), Ok(()));
    assert_eq!(bench.under_way(), ["b"]);
    bench.respond(status(200));
    assert!(bench.host.facts.contains(&Fact::BreakerClosed { endpoint }));
}

#[test]
fn it_passes_a_hold_by_and_once_delivered_ends_it_in_rounds() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(retrying(&[HOUR_MS, HOUR_MS]));
    let first = publish(&mut bench, endpoint, "a", "a");
    bench.respond(asking(503, &[("retry-after", "3600")]));
    for key in ["b", "c", "d"] {
        publish(&mut bench, endpoint, key, key);
    }
    assert_eq!(retried(&mut bench, first), Ok(()));
    assert_eq!(bench.under_way(), ["a"]);
    bench.respond(status(500));
    assert!(bench.under_way().is_empty(), "a failure ends no hold");
    assert_eq!(retried(&mut bench, first), Ok(()));
    bench.respond(status(200));
    assert_eq!(bench.under_way().len(), 1, "the others come back slowly");
}

#[test]
fn one_that_could_not_leave_the_host_still_passes_a_hold_by() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(retrying(&[HOUR_MS]));
    let first = publish(&mut bench, endpoint, "a", "a");
    bench.respond(asking(503, &[("retry-after", "3600")]));
    publish(&mut bench, endpoint, "b", "b");
    assert_eq!(retried(&mut bench, first), Ok(()));
    let short = Failure::new(FailureKind::Local, "no descriptors");
    bench.respond(Outcome::Failure(short));
    assert!(bench.under_way().is_empty(), "it pauses");
    bench.advance(ms(1_000));
    assert_eq!(bench.under_way(), ["a"]);
}

#[test]
fn the_rate_limit_holds_for_it_as_for_all() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(EndpointSpec {
        rate_limit: Some(RateLimit {
            requests: 1,
            per: ms(10_000),
            burst: 1,
        }),
        ..breaking()
    });
    let first = publish(&mut bench, endpoint, "", "a");
    bench.respond(no_answer());
    assert_eq!(retried(&mut bench, first), Ok(()));
    assert!(bench.under_way().is_empty());
    bench.advance(ms(9_999));
    assert!(bench.under_way().is_empty());
    bench.advance(ms(1));
    assert_eq!(bench.under_way(), ["a"]);
}

#[test]
fn what_was_shed_is_read_again_first_also_where_the_read_takes_long() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(breaking());
    publish(&mut bench, endpoint, "a", "a");
    bench.respond(no_answer());
    let second = publish(&mut bench, endpoint, "b", "b");
    bench.crash();
    bench.host.hold_loads = true;
    assert_eq!(retried(&mut bench, second), Ok(()));
    assert_eq!(bench.host.loads.len(), 1);
    bench.release();
    assert_eq!(bench.under_way(), ["b"]);
}

#[test]
fn what_is_behind_another_one_is_refused_with_its_head() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(retrying(&[HOUR_MS]));
    let head = publish(&mut bench, endpoint, "", "a");
    let delivery = publish(&mut bench, endpoint, "", "b");
    bench.respond(status(500));
    let behind = Err(RetryError::BehindHead { delivery, head });
    assert_eq!(retried(&mut bench, delivery), behind);
    // Also where only the store knows what is before it.
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(breaking());
    publish(&mut bench, endpoint, "x", "x");
    bench.respond(no_answer());
    let head = publish(&mut bench, endpoint, "", "a");
    let delivery = publish(&mut bench, endpoint, "", "b");
    bench.crash();
    let behind = Err(RetryError::BehindHead { delivery, head });
    assert_eq!(retried(&mut bench, delivery), behind);
}

#[test]
fn what_cannot_be_sent_now_is_refused_and_nothing_changes() {
    let mut bench = Bench::new();
    let stopping = EndpointSpec {
        on_failed: OnFailed::Stop,
        ..retrying(&[HOUR_MS])
    };
    let endpoint = bench.endpoint(stopping);
    let delivery = publish(&mut bench, endpoint, "", "a");
    assert_eq!(
        retried(&mut bench, delivery),
        Err(RetryError::Sending(delivery))
    );
    bench.respond(status(500));
    let was_due = due(&bench, delivery);
    bench.change(endpoint, EndpointChange::Pause).unwrap();
    let paused = Err(RetryError::Paused(endpoint));
    assert_eq!(retried(&mut bench, delivery), paused);
    bench.change(endpoint, EndpointChange::Disable).unwrap();
    let disabled = Err(RetryError::Disabled(endpoint));
    assert_eq!(retried(&mut bench, delivery), disabled);
    assert_eq!(due(&bench, delivery), was_due);
    bench.change(endpoint, EndpointChange::Enable).unwrap();
    bench.respond(status(400));
    let ended = Err(RetryError::AlreadyEnded(delivery));
    assert_eq!(retried(&mut bench, delivery), ended);
    let next = publish(&mut bench, endpoint, "", "b");
    let stopped = Err(RetryError::Stopped {
        delivery: next,
        at: delivery,
    });
    assert_eq!(retried(&mut bench, next), stopped);
    let unknown = DeliveryId::from_u128(7);
    let lane = LaneId {
        endpoint,
        key: ordering_key("other"),
    };
    let call = bench.command(Command::RetryNow(unknown, lane));
    let Some(Answer::RetriedNow(Err(error))) = bench.take(call) else {
        panic!("it is refused");
    };
    assert_eq!(error, RetryError::NoSuchDelivery(unknown));
}

#[test]
fn an_attempt_that_began_while_the_store_was_asked_is_the_one() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(retrying(&[1_000, HOUR_MS]));
    let delivery = publish(&mut bench, endpoint, "", "a");
    bench.respond(status(500));
    bench.host.hold_commits = true;
    let call = retry(&mut bench, delivery);
    bench.advance(ms(1_000));
    assert_eq!(bench.under_way(), ["a"]);
    bench.release();
    assert!(matches!(bench.take(call), Some(Answer::RetriedNow(Ok(())))));
    bench.respond(status(500));
    assert!(bench.under_way().is_empty(), "the next one waits");
}

/// A breaker that is open for longer than the backoff lasts.
fn breaking_for_long() -> EndpointSpec {
    EndpointSpec {
        breaker: Some(BreakerPolicy {
            failures: 1,
            cooldown: ms(4 * HOUR_MS),
            cooldown_max: ms(4 * HOUR_MS),
        }),
        ..breaking()
    }
}

#[test]
fn an_order_that_came_while_the_store_was_asked_lets_nothing_else_pass_the_breaker() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(EndpointSpec {
        ordering: Ordering::None,
        ..breaking_for_long()
    });
    let all = ["a", "b"].map(|text| publish(&mut bench, endpoint, "", text));
    for _ in all {
        bench.respond(no_answer());
    }
    bench.advance(ms(HOUR_MS));
    assert!(bench.under_way().is_empty(), "the breaker is open");
    bench.host.hold_commits = true;
    let ordered = EndpointChange::Spec(Box::new(breaking_for_long()));
    bench.command(Command::Change(endpoint, ordered));
    let call = retry(&mut bench, all[1]);
    bench.release();
    assert!(matches!(bench.take(call), Some(Answer::RetriedNow(Ok(())))));
    assert!(bench.under_way().is_empty(), "the head waits");
    assert_eq!(retried(&mut bench, all[0]), Ok(()));
    assert_eq!(bench.under_way(), ["a"]);
}

#[test]
fn one_that_was_asked_for_while_others_of_its_lane_were_under_way_goes_after_them() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(EndpointSpec {
        ordering: Ordering::None,
        ..breaking_for_long()
    });
    let first = publish(&mut bench, endpoint, "", "a");
    publish(&mut bench, endpoint, "", "b");
    bench.respond(no_answer());
    let ordered = EndpointChange::Spec(Box::new(breaking_for_long()));
    bench.change(endpoint, ordered).unwrap();
    assert_eq!(bench.under_way(), ["b"]);
    assert_eq!(retried(&mut bench, first), Ok(()));
    // Another lane takes its turn meanwhile, and is kept back.
    publish(&mut bench, endpoint, "k", "c");
    assert_eq!(bench.under_way(), ["b"], "one at a time");
    bench.respond(no_answer());
    assert_eq!(bench.under_way(), ["a"]);
}

#[test]
fn one_that_has_ended_is_not_behind_what_came_after_it() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(retrying(&[HOUR_MS]));
    let ended = publish(&mut bench, endpoint, "", "a");
    publish(&mut bench, endpoint, "", "b");
    bench.respond(status(200));
    bench.respond(status(500));
    let answer = Err(RetryError::AlreadyEnded(ended));
    assert_eq!(retried(&mut bench, ended), answer);
}

#[test]
fn where_there_is_no_order_one_that_a_restart_has_not_read_yet_is_sent_first() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(EndpointSpec {
        ordering: Ordering::None,
        ..breaking_for_long()
    });
    let first = publish(&mut bench, endpoint, "", "a");
    publish(&mut bench, endpoint, "", "b");
    bench.respond_to_text("b", no_answer());
    bench.crash();
    bench.advance(ms(HOUR_MS));
    assert!(bench.under_way().is_empty(), "the breaker is open");
    assert_eq!(retried(&mut bench, first), Ok(()));
    assert_eq!(bench.under_way(), ["a"]);
}

#[test]
fn where_there_is_no_order_any_one_that_waits_can_be_retried() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(EndpointSpec {
        ordering: Ordering::None,
        ..breaking()
    });
    let texts = ["a", "b", "c"];
    let all = texts.map(|text| publish(&mut bench, endpoint, "", text));
    for _ in texts {
        bench.respond(no_answer());
    }
    assert!(bench.under_way().is_empty());
    for delivery in [all[2], all[1]] {
        assert_eq!(retried(&mut bench, delivery), Ok(()));
    }
    assert_eq!(bench.under_way(), ["c", "b"]);
}

#[test]
fn a_batch_that_fills_waits_no_longer() {
    let mut bench = Bench::new();
    let batch = BatchPolicy {
        events_max: 10,
        wait: ms(60_000),
    };
    let endpoint = bench.endpoint(EndpointSpec {
        batch: Some(batch),
        ..retrying(&[HOUR_MS])
    });
    let first = publish(&mut bench, endpoint, "", "1");
    publish(&mut bench, endpoint, "", "2");
    assert!(bench.under_way().is_empty());
    assert_eq!(retried(&mut bench, first), Ok(()));
    assert_eq!(bench.under_way(), ["[1,2]"]);
}

#[test]
fn a_batch_that_has_failed_goes_again_as_it_was_also_after_a_restart() {
    let mut bench = Bench::new();
    let batch = BatchPolicy {
        events_max: 2,
        wait: ms(0),
    };
    let endpoint = bench.endpoint(EndpointSpec {
        batch: Some(batch),
        ..retrying(&[HOUR_MS])
    });
    bench.change(endpoint, EndpointChange::Pause).unwrap();
    let first = publish(&mut bench, endpoint, "", "1");
    for text in ["2", "3"] {
        publish(&mut bench, endpoint, "", text);
    }
    bench.change(endpoint, EndpointChange::Resume).unwrap();
    assert_eq!(bench.under_way(), ["[1,2]"]);
    bench.respond(status(500));
    assert_eq!(retried(&mut bench, first), Ok(()));
    assert_eq!(bench.under_way(), ["[1,2]"]);
    bench.crash();
    assert_eq!(bench.under_way(), ["[1,2]"]);
}

#[test]
fn a_mended_endpoint_does_not_wait_out_its_backoff_also_after_a_restart() {
    let moved = EndpointSpec {
        url: "https://other.example/".into(),
        ..retrying(&[HOUR_MS])
    };
    let other_policy = retrying(&[HOUR_MS, HOUR_MS]);
    let changes = [
        [EndpointChange::Pause, EndpointChange::Resume],
        [EndpointChange::Disable, EndpointChange::Enable],
        [
            EndpointChange::EndOverlap,
            EndpointChange::Spec(Box::new(moved)),
        ],
        [
            EndpointChange::EndOverlap,
            EndpointChange::Spec(Box::new(other_policy)),
        ],
    ];
    for [before, change] in changes {
        let said = format!("{change:?}");
        let mut bench = Bench::new();
        let endpoint = bench.endpoint(retrying(&[HOUR_MS]));
        for key in ["a", "b"] {
            publish(&mut bench, endpoint, key, key);
        }
        bench.respond(status(500));
        bench.respond(status(500));
        bench.change(endpoint, before).unwrap();
        bench.advance(ms(1_000));
        assert!(bench.under_way().is_empty(), "{said}");
        bench.change(endpoint, change).unwrap();
        assert_eq!(bench.under_way(), ["a", "b"], "{said}");
        bench.crash();
        assert_eq!(bench.under_way(), ["a", "b"], "{said}");
    }
}

#[test]
fn a_change_of_something_else_leaves_the_backoff_alone() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(retrying(&[HOUR_MS]));
    publish(&mut bench, endpoint, "", "a");
    bench.respond(status(500));
    let slower = EndpointSpec {
        concurrency: 1,
        ..retrying(&[HOUR_MS])
    };
    let change = EndpointChange::Spec(Box::new(slower));
    bench.change(endpoint, change).unwrap();
    assert!(bench.under_way().is_empty());
}

#[test]
fn a_resumed_endpoint_whose_breaker_was_open_probes_with_one() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(breaking());
    for key in ["a", "b"] {
        publish(&mut bench, endpoint, key, key);
    }
    bench.respond(no_answer());
    bench.respond(no_answer());
    bench.change(endpoint, EndpointChange::Pause).unwrap();
    let resumed = bench.change(endpoint, EndpointChange::Resume).unwrap();
    assert_eq!(bench.under_way().len(), 1);
    assert_eq!(resumed.health.open_until, Some(bench.host.now.wall));
    bench.crash();
    assert_eq!(bench.under_way().len(), 1, "so it is after a restart");
}

#[test]
fn a_ping_that_went_well_sends_what_waits_and_closes_the_breaker() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(breaking());
    for key in ["a", "b"] {
        publish(&mut bench, endpoint, key, key);
    }
    bench.respond(no_answer());
    bench.respond(no_answer());
    for (code, under_way) in [(500, &[][..]), (204, &["a", "b"][..])] {
        let ping = Box::new(event(endpoint, "", "ping"));
        let call = bench.command(Command::Ping(endpoint, ping));
        bench.respond(status(code));
        assert!(matches!(bench.take(call), Some(Answer::Pinged(Ok(_)))));
        assert_eq!(bench.under_way(), under_way, "{code}");
    }
    assert!(bench.host.facts.contains(&Fact::BreakerClosed { endpoint }));
    let record = bench.host.store.endpoint(endpoint).unwrap();
    assert_eq!(record.health, crate::Health::default());
    bench.crash();
    assert_eq!(bench.under_way(), ["a", "b"]);
}

#[test]
fn a_ping_to_an_endpoint_that_is_well_is_not_recorded() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(spec());
    bench.host.hold_commits = true;
    let ping = Box::new(event(endpoint, "", "ping"));
    let call = bench.command(Command::Ping(endpoint, ping));
    bench.respond(status(200));
    assert!(bench.host.commits.is_empty());
    assert!(matches!(bench.take(call), Some(Answer::Pinged(Ok(_)))));
}

#[test]
fn a_ping_is_answered_also_where_the_store_has_no_room_for_what_follows() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(breaking());
    publish(&mut bench, endpoint, "", "a");
    bench.respond(no_answer());
    bench.host.hold_commits = true;
    let ping = Box::new(event(endpoint, "", "ping"));
    let call = bench.command(Command::Ping(endpoint, ping));
    bench.respond(status(200));
    assert!(bench.take(call).is_none(), "it waits for the record");
    bench.fail_commit(crate::CommitError::Full);
    assert!(matches!(bench.take(call), Some(Answer::Pinged(Ok(_)))));
    assert!(bench.under_way().is_empty());
}

#[test]
fn it_is_seen_what_a_delivery_waits_for() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(breaking());
    let head = publish(&mut bench, endpoint, "", "a");
    let next = publish(&mut bench, endpoint, "", "b");
    let lane = LaneId {
        endpoint,
        key: ordering_key(""),
    };
    let outlook = |bench: &Bench, delivery| {
        let now = bench.host.now.mono;
        bench.core.outlook(delivery, &lane, now).unwrap()
    };
    assert!(outlook(&bench, head).sending);
    assert_eq!(outlook(&bench, next).behind, Some(head));
    bench.respond(no_answer());
    let waits = outlook(&bench, head);
    assert_eq!(waits.due, Some(Mono(HOUR_MS)));
    assert_eq!(waits.breaker, Kept::Until(Mono(HOUR_MS)));
    assert_eq!((waits.hold, waits.behind), (Kept::No, None));
    bench.change(endpoint, EndpointChange::Pause).unwrap();
    assert_eq!(outlook(&bench, head).status, EndpointStatus::Paused);
    bench.delete(endpoint);
    let now = bench.host.now.mono;
    assert!(bench.core.outlook(head, &lane, now).is_none());
}
