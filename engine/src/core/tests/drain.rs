//! Shutting down: what is under way may finish, up to a deadline.

use super::harness::{Bench, event, ms, no_answer, retrying, spec, status};
use crate::{
    Answer, CallId, Closed, Command, CommitError, DeliveryState, Drained, EndpointError,
    EndpointSpec, Input, PublishError, Reason,
};
use std::time::Duration;

fn drain(bench: &mut Bench, within: Duration) -> CallId {
    let call = bench.call();
    let deadline = bench.host.now.mono.after(within);
    bench.input(Input::Drain(call, deadline));
    call
}

#[test]
fn an_idle_core_is_drained_at_once() {
    let mut bench = Bench::new();
    let call = drain(&mut bench, ms(1000));
    assert_eq!(bench.drained(call), Some(Drained::default()));
    assert_eq!((bench.reason, bench.host.armed), (Reason::Drained, None));
}

#[test]
fn what_is_under_way_finishes_and_nothing_starts() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(retrying(&[10]));
    let first = bench.publish(endpoint, "k", "a");
    bench.publish(endpoint, "k", "b");
    let retried = bench.publish(endpoint, "l", "c");
    let call = drain(&mut bench, ms(1000));
    assert_eq!(bench.reason, Reason::Draining);
    bench.respond(status(200));
    assert_eq!(bench.drained(call), None);
    bench.respond(no_answer());
    let left = Drained {
        pending: 2,
        cancelled: 0,
        store_failed: false,
    };
    assert_eq!(bench.drained(call), Some(left));
    bench.advance(ms(5000));
    assert_eq!(bench.reason, Reason::Drained);
    assert_eq!(bench.sent(), ["a", "c"]);
    assert_eq!(bench.state_of(first), DeliveryState::Delivered);
    assert!(matches!(
        bench.state_of(retried),
        DeliveryState::Retrying { .. }
    ));
}

#[test]
fn new_submissions_and_changes_are_refused() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(spec());
    bench.publish(endpoint, "", "a");
    drain(&mut bench, ms(1000));
    let call = bench.submit(event(endpoint, "", "b"));
    let draining = Closed::Draining;
    assert_eq!(bench.published(call), Err(PublishError::Closed(draining)));
    let Some(Answer::Deleted(Err(error))) = bench.delete(endpoint) else {
        panic!("a deletion is refused");
    };
    assert_eq!(error, EndpointError::Closed(draining));
    assert_eq!(bench.register(spec()), Err(EndpointError::Closed(draining)));
}

#[test]
fn what_is_still_under_way_at_the_deadline_is_cancelled_and_kept() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(spec());
    let event = bench.publish(endpoint, "", "a");
    let attempt = bench.host.sent[0].request.attempt;
    let call = drain(&mut bench, ms(1000));
    bench.advance(ms(999));
    assert!(bench.host.cancelled.is_empty());
    bench.advance(ms(1));
    assert_eq!(bench.host.cancelled, [attempt]);
    let left = Drained {
        pending: 1,
        cancelled: 1,
        store_failed: false,
    };
    assert_eq!(bench.drained(call), Some(left));
    bench.input(Input::AttemptDone(attempt, status(200), Default::default()));
    assert_eq!(bench.state_of(event), DeliveryState::Pending);
    bench.crash();
    assert_eq!(
        bench.under_way(),
        ["a"],
        "it is sent again after the restart"
    );
}

#[test]
fn a_publish_that_is_being_recorded_is_answered_before_the_end() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(spec());
    bench.host.hold_commits = true;
    let publish = bench.submit(event(endpoint, "", "a"));
    let call = drain(&mut bench, ms(100));
    // The timer does not spin while only the store can help.
    bench.advance(ms(1000));
    assert_eq!((bench.reason, bench.host.armed), (Reason::Draining, None));
    assert_eq!(bench.drained(call), None);
    bench.release_commits();
    assert!(bench.published(publish).is_ok());
    assert_eq!(bench.drained(call).map(|drained| drained.pending), Some(1));
    assert!(bench.host.sent.is_empty());
}

#[test]
fn a_store_that_stays_full_does_not_hold_up_the_end() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(spec());
    bench.publish(endpoint, "", "a");
    bench.host.hold_commits = true;
    bench.respond(status(200));
    let delete = bench.command(Command::Delete(endpoint));
    bench.fail_commit(CommitError::Full);
    bench.fail_commit(CommitError::Full);
    let call = drain(&mut bench, ms(500));
    bench.advance(ms(500));
    assert_eq!(bench.drained(call).map(|drained| drained.pending), Some(1));
    assert!(matches!(bench.take(delete), Some(Answer::Deleted(Err(_)))));
    bench.advance(ms(5000));
    assert!(
        bench.host.commits.is_empty(),
        "nothing is given to the store any more"
    );
    assert_eq!(bench.reason, Reason::Drained);
}

/// Found by a seed: with two results out of step, one of them was always with the store.
#[test]
fn a_store_that_is_full_and_slow_does_not_hold_up_the_end() {
    let mut bench = Bench::new();
    for payload in ["a", "b"] {
        let endpoint = bench.endpoint(spec());
        bench.publish(endpoint, "", payload);
    }
    let call = drain(&mut bench, ms(3_000));
    bench.host.hold_commits = true;
    bench.respond(status(200));
    bench.respond(status(200));
    for _ in 0..6 {
        // By the time that it is given again, the other one is still with the store.
        bench.fail_commit(CommitError::Full);
        if let Some(drained) = bench.drained(call) {
            assert_eq!(drained.pending, 2);
            return;
        }
        bench.advance(ms(1_000));
    }
    panic!("the drain ends soon after its deadline");
}

#[test]
fn a_host_that_does_not_answer_is_given_up_at_the_attempts_deadline() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(EndpointSpec {
        timeout: ms(100),
        ..retrying(&[])
    });
    let event = bench.publish(endpoint, "", "a");
    let call = drain(&mut bench, ms(60_000));
    bench.advance(ms(1100));
    assert_eq!(
        bench.drained(call).map(|drained| drained.cancelled),
        Some(0)
    );
    assert!(bench.state_of(event).is_end());
}

#[test]
fn a_store_that_fails_ends_a_drain() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(spec());
    bench.publish(endpoint, "", "a");
    let call = drain(&mut bench, ms(1000));
    bench.input(Input::StoreFailed);
    let left = Drained {
        pending: 1,
        cancelled: 0,
        store_failed: true,
    };
    assert_eq!(bench.drained(call), Some(left));
    assert_eq!(bench.host.cancelled.len(), 1);
    assert_eq!(bench.reason, Reason::StoreFailed);
}

#[test]
fn a_second_drain_is_answered_at_once() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(spec());
    bench.publish(endpoint, "", "a");
    let first = drain(&mut bench, ms(1000));
    let second = drain(&mut bench, ms(1000));
    assert_eq!(
        bench.drained(second).map(|drained| drained.pending),
        Some(1)
    );
    bench.respond(status(200));
    assert_eq!(bench.drained(first).map(|drained| drained.pending), Some(0));
}
