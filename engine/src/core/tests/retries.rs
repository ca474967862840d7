//! How often, when, and what for.

use super::harness::{Bench, asking, event, ms, no_answer, retrying, spec, status};
use crate::{
    AttemptResult, CommitError, DeliveryState, DisabledReason, EndpointChange, EndpointSpec,
    EndpointStatus, Fact, FailReason, Failure, FailureKind, Input, Outcome, Phase, PublishError,
    Reason, RetryPolicy,
};
use std::time::Duration;

#[test]
fn an_endpoint_that_never_answers_well_gets_exactly_one_attempt_and_its_retries() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(retrying(&[10, 20, 30]));
    let event = bench.publish(endpoint, "", "a");
    for delay in [10, 20, 30] {
        bench.respond(status(503));
        assert_eq!(bench.advance_to_alarm(), ms(delay));
    }
    bench.respond(status(503));
    assert_eq!(
        bench.state_of(event),
        DeliveryState::Failed(FailReason::Exhausted)
    );
    assert_eq!(bench.host.sent.len(), 4);
    let numbers: Vec<u32> = bench
        .host
        .sent
        .iter()
        .map(|sent| sent.request.number)
        .collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
    assert_eq!(bench.delivery_of(event).attempts.len(), 4);
    assert_eq!(bench.reason, Reason::Idle);
}

#[test]
fn every_attempt_carries_the_same_event_and_an_id_of_its_own() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(retrying(&[10]));
    bench.publish(endpoint, "", "a");
    bench.respond(status(500));
    bench.advance(ms(10));
    let [first, second] = &bench.host.sent[..] else {
        panic!("two attempts");
    };
    assert_eq!(first.request.event.id, second.request.event.id);
    assert_eq!(first.request.delivery, second.request.delivery);
    assert_ne!(first.request.attempt, second.request.attempt);
}

#[test]
fn delays_stay_within_their_jitter() {
    let mut bench = Bench::new();
    let jittered = EndpointSpec {
        breaker: None,
        retry: RetryPolicy::default(),
        ..spec()
    };
    let endpoint = bench.endpoint(jittered);
    bench.publish(endpoint, "", "a");
    for delay in [5_000, 20_000, 80_000, 320_000, 1_280_000_u64] {
        bench.respond(status(500));
        let waited = bench.advance_to_alarm();
        assert!(
            waited >= ms(delay * 8 / 10) && waited <= ms(delay * 12 / 10),
            "{waited:?}"
        );
    }
}

#[test]
fn retry_after_is_honoured_up_to_its_clamp() {
    let mut bench = Bench::new();
    let mut polite = retrying(&[10, 10, 10]);
    polite.retry.retry_after_max = Duration::from_secs(60);
    let endpoint = bench.endpoint(polite);
    bench.publish(endpoint, "", "a");
    for (asked, waited) in [("7", 7_000), ("86400", 60_000), ("-1", 10)] {
        bench.respond(asking(503, &[("retry-after", asked)]));
        assert_eq!(bench.advance_to_alarm(), ms(waited));
    }
}

#[test]
fn a_rejection_is_one_attempt_and_a_redirect_is_not_followed() {
    for (code, reason) in [
        (400, FailReason::Rejected),
        (421, FailReason::Rejected),
        (499, FailReason::Rejected),
        (302, FailReason::Redirected),
    ] {
        let mut bench = Bench::new();
        let endpoint = bench.endpoint(spec());
        let event = bench.publish(endpoint, "", "a");
        bench.respond(status(code));
        assert_eq!(bench.state_of(event), DeliveryState::Failed(reason));
        assert_eq!(bench.host.sent.len(), 1);
        assert_eq!(bench.reason, Reason::Idle);
    }
}

#[test]
fn not_now_is_retried_unless_its_owner_takes_it_as_no() {
    for code in [408, 425, 429] {
        let mut bench = Bench::new();
        let endpoint = bench.endpoint(retrying(&[10]));
        bench.publish(endpoint, "", "a");
        bench.respond(status(code));
        bench.advance(ms(10));
        assert_eq!(bench.sent(), ["a", "a"], "{code}");

        let mut strict = retrying(&[10]);
        strict.retry.also_retry = Vec::new();
        let endpoint = bench.endpoint(strict);
        let event = bench.publish(endpoint, "", "b");
        bench.respond_to_text("b", status(code));
        assert_eq!(
            bench.state_of(event),
            DeliveryState::Failed(FailReason::Rejected),
            "{code}"
        );
    }
}

#[test]
fn a_status_that_is_also_retried_is_retried() {
    let mut bench = Bench::new();
    let mut patient = retrying(&[10]);
    patient.retry.also_retry = vec![409];
    let endpoint = bench.endpoint(patient);
    bench.publish(endpoint, "", "a");
    bench.respond(status(409));
    bench.advance(ms(10));
    assert_eq!(bench.sent(), ["a", "a"]);
}

#[test]
fn a_host_that_never_answers_costs_the_attempt_its_deadline_and_a_grace() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(EndpointSpec {
        timeout: ms(500),
        ..retrying(&[100])
    });
    let event = bench.publish(endpoint, "", "a");
    let sent = bench.host.sent[0].clone();
    assert_eq!(sent.deadline, sent.at.mono.after(ms(500)));
    bench.advance(ms(1499));
    assert!(bench.host.cancelled.is_empty());
    bench.advance(ms(1));
    assert_eq!(bench.host.cancelled, [sent.request.attempt]);
    let Outcome::Failure(failure) = &bench.delivery_of(event).attempts[0].outcome else {
        panic!("there was no answer");
    };
    assert_eq!(failure.kind, FailureKind::Timeout(Phase::Unanswered));
    // Its answer comes too late: it is not heard.
    bench.input(Input::AttemptDone(
        sent.request.attempt,
        status(200),
        Default::default(),
    ));
    assert!(matches!(
        bench.state_of(event),
        DeliveryState::Retrying { .. }
    ));
    bench.advance(ms(100));
    assert_eq!(bench.sent(), ["a", "a"]);
}

#[test]
fn an_answer_is_heard_once() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(spec());
    let event = bench.publish(endpoint, "", "a");
    let attempt = bench.host.sent[0].request.attempt;
    bench.respond(status(200));
    bench.input(Input::AttemptDone(attempt, status(500), Default::default()));
    assert_eq!(bench.state_of(event), DeliveryState::Delivered);
    assert_eq!(bench.delivery_of(event).attempts.len(), 1);
}

#[test]
fn a_head_that_comes_after_the_timeout_counts_as_no_answer() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(EndpointSpec {
        timeout: ms(500),
        ..retrying(&[100])
    });
    bench.publish(endpoint, "", "a");
    let Outcome::Response(mut late) = status(200) else {
        unreachable!()
    };
    late.head_ms = 501;
    bench.respond(Outcome::Response(late));
    let timeout = AttemptResult::Failure(FailureKind::Timeout(Phase::Response));
    let told =
        |fact: &Fact| matches!(fact, Fact::AttemptEnded { result, .. } if *result == timeout);
    assert!(bench.host.facts.iter().any(told));
}

#[test]
fn gone_ends_the_delivery_and_disables_the_endpoint_and_keeps_its_queue() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(spec());
    let first = bench.publish(endpoint, "", "a");
    let second = bench.publish(endpoint, "", "b");
    bench.respond(status(410));
    let gone = EndpointStatus::Disabled(DisabledReason::Gone);
    assert_eq!(bench.host.store.endpoint(endpoint).unwrap().status, gone);
    assert_eq!(
        bench.state_of(first),
        DeliveryState::Failed(FailReason::Gone)
    );
    assert_eq!(bench.state_of(second), DeliveryState::Pending);
    assert_eq!(bench.reason, Reason::Held);
    assert_eq!(bench.core.footprint().payload_bytes, 0);
    let call = bench.submit(event(endpoint, "", "c"));
    assert_eq!(
        bench.published(call),
        Err(PublishError::EndpointDisabled(endpoint))
    );
    bench.change(endpoint, EndpointChange::Enable).unwrap();
    assert_eq!(bench.under_way(), ["b"]);
}

#[test]
fn an_endpoint_that_fails_for_too_long_is_disabled_at_its_next_failure() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(EndpointSpec {
        disable_after: Some(ms(150)),
        ..retrying(&[100, 100, 100])
    });
    bench.publish(endpoint, "", "a");
    let status_of = |bench: &Bench| bench.host.store.endpoint(endpoint).unwrap().status;
    for _ in 0..2 {
        bench.respond(status(500));
        bench.advance(ms(100));
        assert_eq!(status_of(&bench), EndpointStatus::Active);
    }
    bench.respond(status(500));
    assert_eq!(
        status_of(&bench),
        EndpointStatus::Disabled(DisabledReason::Failing)
    );
}

#[test]
fn fewer_retries_hold_for_what_has_begun() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(retrying(&[10, 10, 10]));
    let event = bench.publish(endpoint, "", "a");
    bench.respond(status(500));
    bench
        .change(endpoint, EndpointChange::Spec(Box::new(retrying(&[]))))
        .unwrap();
    bench.advance(ms(10));
    bench.respond(no_answer());
    assert_eq!(
        bench.state_of(event),
        DeliveryState::Failed(FailReason::Exhausted)
    );
    assert_eq!(bench.host.sent.len(), 2);
}

#[test]
fn a_result_that_finds_the_store_full_is_recorded_later_and_holds_its_lane() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(spec());
    let event = bench.publish(endpoint, "", "a");
    bench.publish(endpoint, "", "b");
    bench.host.hold_commits = true;
    bench.respond(status(200));
    for _ in 0..3 {
        bench.fail_commit(CommitError::Full);
        assert_eq!(bench.reason, Reason::Storing);
        assert!(bench.host.commits.is_empty());
        assert_eq!(bench.advance_to_alarm(), Duration::from_secs(1));
    }
    assert_eq!(bench.sent(), ["a"]);
    bench.release_commits();
    assert_eq!(bench.state_of(event), DeliveryState::Delivered);
    assert_eq!(bench.sent(), ["a", "b"]);
}

/// What a host says that is short of something.
fn short() -> Outcome {
    Outcome::Failure(Failure::new(FailureKind::Local, "no descriptors"))
}

#[test]
fn what_the_host_could_not_send_is_no_attempt() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(retrying(&[10]));
    let event = bench.publish(endpoint, "", "a");
    let behind = bench.publish(endpoint, "", "b");
    for _ in 0..5 {
        bench.respond(short());
        assert_eq!(bench.state_of(event), DeliveryState::Pending);
        assert!(bench.delivery_of(event).attempts.is_empty());
        assert_eq!(bench.advance_to_alarm(), ms(1_000));
    }
    bench.respond(status(503));
    assert_eq!(bench.advance_to_alarm(), ms(10));
    bench.respond(status(200));
    assert_eq!(bench.state_of(event), DeliveryState::Delivered);
    assert_eq!(bench.delivery_of(event).attempts.len(), 2);
    bench.respond(status(200));
    assert_eq!(bench.state_of(behind), DeliveryState::Delivered, "in order");
    let put_back = |fact: &&Fact| matches!(fact, Fact::AttemptPutBack { number: 1, .. });
    assert_eq!(bench.host.facts.iter().filter(put_back).count(), 5);
    assert_eq!(bench.reason, Reason::Idle);
}

#[test]
fn a_host_that_is_short_says_nothing_about_its_endpoint() {
    let mut bench = Bench::new();
    let breaking = EndpointSpec {
        retry: RetryPolicy::never(),
        ..EndpointSpec::new("https://example.com/")
    };
    let endpoint = bench.endpoint(breaking);
    let event = bench.publish(endpoint, "", "a");
    for _ in 0..50 {
        bench.respond(short());
        bench.advance_to_alarm();
    }
    bench.respond(status(200));
    assert_eq!(bench.state_of(event), DeliveryState::Delivered);
    let is_health = |fact: &Fact| {
        matches!(
            fact,
            Fact::BreakerOpened { .. } | Fact::EndpointDisabled { .. }
        )
    };
    assert!(!bench.host.facts.iter().any(is_health));
}

#[test]
fn a_delivery_whose_endpoint_is_gone_ends_though_the_host_was_short() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(retrying(&[10]));
    let event = bench.publish(endpoint, "", "a");
    bench.delete(endpoint);
    bench.respond(short());
    assert_eq!(bench.state_of(event), DeliveryState::Discarded);
    assert_eq!(bench.reason, Reason::Idle);
}
