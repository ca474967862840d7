//! Several events in one request.

use super::harness::*;
use crate::signature::{Scheme, Sequence, Verifier};
use crate::{
    BatchPolicy, Command, CommitError, DeliveryState, EndpointChange, EndpointError, EndpointId,
    EndpointSpec, EventId, Fact, FailReason, Input, InvalidSpec, Limits, OnFailed, Ordering,
    PayloadForm, Reason, Secret,
};
use std::time::Duration;

fn batching(events_max: u32, wait_ms: u64) -> EndpointSpec {
    EndpointSpec {
        batch: Some(BatchPolicy {
            events_max,
            wait: ms(wait_ms),
        }),
        ..retrying(&[1_000, 2_000])
    }
}

fn publish(bench: &mut Bench, to: EndpointId, payloads: &[&str]) -> Vec<EventId> {
    let publish = |payload: &&str| bench.publish(to, "", payload);
    payloads.iter().map(publish).collect()
}

fn states(bench: &Bench, events: &[EventId]) -> Vec<&'static str> {
    let state = |event: &EventId| bench.state_of(*event).name();
    events.iter().map(state).collect()
}

#[test]
fn a_batch_leaves_when_it_is_full() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(batching(3, 5_000));
    let events = publish(&mut bench, endpoint, &["1", "2"]);
    assert!(bench.under_way().is_empty());
    assert_eq!(bench.reason, Reason::Filling);
    publish(&mut bench, endpoint, &["3", "4"]);
    assert_eq!(bench.under_way(), ["[1,2,3]"]);
    bench.respond(status(200));
    assert_eq!(states(&bench, &events), ["delivered", "delivered"]);
    assert!(bench.under_way().is_empty(), "the fourth waits");
}

#[test]
fn a_batch_leaves_when_its_first_event_has_waited_for_long_enough() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(batching(10, 500));
    publish(&mut bench, endpoint, &["1"]);
    bench.advance(ms(300));
    publish(&mut bench, endpoint, &["2"]);
    bench.advance(ms(199));
    assert!(bench.under_way().is_empty());
    bench.advance(ms(1));
    assert_eq!(bench.under_way(), ["[1,2]"]);
    publish(&mut bench, endpoint, &["3"]);
    bench.advance(ms(800));
    bench.respond(status(200));
    assert_eq!(bench.under_way(), ["[3]"], "it has waited behind them");
}

#[test]
fn a_calendar_that_jumps_back_keeps_no_batch_waiting() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(batching(10, 500));
    publish(&mut bench, endpoint, &["1"]);
    bench.host.now.wall.0 -= 3_600_000;
    bench.advance(ms(500));
    assert_eq!(bench.under_way(), ["[1]"]);
}

#[test]
fn without_a_wait_what_is_there_goes() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(batching(10, 0));
    publish(&mut bench, endpoint, &["1", "2", "3"]);
    assert_eq!(bench.under_way(), ["[1]"]);
    bench.respond(status(200));
    assert_eq!(bench.under_way(), ["[2,3]"]);
}

#[test]
fn a_batch_is_signed_once_and_told_by_its_first_event() {
    let mut bench = Bench::new();
    let secret: Secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD".parse().unwrap();
    let spec = EndpointSpec {
        payload_form: PayloadForm::Envelope,
        ..batching(2, 500)
    };
    let register = Command::Register(Box::new(spec), Some(secret.clone()));
    let call = bench.command(register);
    let endpoint = bench.endpoint_answer(call).unwrap().id;
    let events = publish(&mut bench, endpoint, &["1", "not json"]);
    let request = bench.host.under_way[0].request.clone();
    let prepared = request.prepare().unwrap();
    let body = String::from_utf8(prepared.body.to_vec()).unwrap();
    let data = |text: &str| body.find(&format!("\"data\":{text}}}")).unwrap();
    assert!(body.starts_with("[{") && data("1") < data("\"not json\"") && body.ends_with("}]"));
    let header = |name: &str| {
        let mut headers = prepared.headers.iter();
        headers.find(|(known, _)| *known == name).unwrap().1.clone()
    };
    assert_eq!(header("x-batch-size"), "2");
    assert_eq!(header("x-event-id"), events[0].to_string());
    let headers = prepared.headers.iter();
    let pairs = headers.map(|(name, value)| (&**name, value.as_bytes()));
    let verifier = Verifier::new(Scheme::Postrider, &[secret]).unwrap();
    let verified = verifier.verify(pairs, &prepared.body, EPOCH.unix_seconds());
    let id = verified.unwrap().id.unwrap().to_owned();
    let (bare, sequence) = Sequence::split(&id);
    assert!(bare.starts_with("bat_") && bare.len() == 30, "{id}");
    assert_eq!(sequence.unwrap().runs(), [(1, 2)]);
}

/// The message id of the request under way.
fn message_id(bench: &Bench) -> String {
    let prepared = bench.host.under_way[0].request.prepare().unwrap();
    let mut headers = prepared.headers.iter();
    let id = headers.find(|(name, _)| *name == "webhook-id");
    id.unwrap().1.to_string()
}

#[test]
fn a_batch_that_failed_goes_again_as_it_was() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(batching(3, 100));
    let events = publish(&mut bench, endpoint, &["1", "2"]);
    bench.advance(ms(100));
    let id = message_id(&bench);
    bench.host.facts.clear();
    bench.respond(status(500));
    assert_eq!(states(&bench, &events), ["retrying", "retrying"]);
    let later = publish(&mut bench, endpoint, &["3", "4"]);
    bench.advance(ms(1_000));
    assert_eq!(bench.under_way(), ["[1,2]"]);
    assert_eq!(message_id(&bench), id, "a receiver knows it again");
    assert_eq!(bench.host.under_way[0].request.number, 2);
    bench.respond(status(200));
    assert_eq!(states(&bench, &events), ["delivered", "delivered"]);
    assert_eq!(bench.under_way(), ["[3,4]"], "they have waited");
    assert_ne!(message_id(&bench), id);
    bench.respond(status(400));
    let rejected = DeliveryState::Failed(FailReason::Rejected);
    for event in later {
        assert_eq!(bench.state_of(event), rejected);
    }
    let ends = bench
        .host
        .facts
        .iter()
        .filter(|fact| matches!(fact, Fact::AttemptEnded { .. }));
    assert_eq!(ends.count(), 6, "each has its attempts");
}

#[test]
fn each_member_has_the_attempt_on_its_record() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(batching(2, 100));
    let events = publish(&mut bench, endpoint, &["1", "2"]);
    bench.respond(status(500));
    let records = events.iter().map(|event| bench.delivery_of(*event));
    let attempts: Vec<_> = records.map(|record| record.attempts[0].clone()).collect();
    assert_eq!(attempts[0], attempts[1]);
    assert_eq!(attempts[0].outcome, status(500));
    let health = bench.host.store.endpoint(endpoint).unwrap().health;
    assert_eq!(health.failures, 1, "it is one failure of its endpoint");
}

#[test]
fn the_lane_goes_on_when_all_results_are_durable() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(batching(2, 0));
    publish(&mut bench, endpoint, &["0", "1", "2", "3"]);
    bench.respond(status(200));
    assert_eq!(bench.under_way(), ["[1,2]"]);
    bench.host.hold_commits = true;
    bench.respond(status(200));
    assert!(bench.host.apply_next(None));
    bench.settle();
    assert!(bench.under_way().is_empty());
    assert_eq!(bench.core.footprint().slots, 1);
    bench.release_commits();
    assert_eq!(bench.under_way(), ["[3]"]);
}

#[test]
fn after_a_crash_between_two_results_nothing_is_lost_or_reordered() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(batching(3, 100));
    for ok in [true, false] {
        let events = publish(&mut bench, endpoint, &["1", "2", "3"]);
        bench.host.hold_commits = true;
        bench.respond(status(if ok { 200 } else { 500 }));
        assert!(bench.host.apply_next(None));
        bench.crash();
        bench.host.hold_commits = false;
        publish(&mut bench, endpoint, &["4"]);
        bench.advance(ms(1_100));
        if ok {
            assert_eq!(bench.under_way(), ["[2,3,4]"]);
        } else {
            assert_eq!(bench.under_way(), ["[1]"], "it has had an attempt");
            bench.respond(status(200));
            assert_eq!(bench.under_way(), ["[2,3,4]"]);
        }
        bench.respond(status(200));
        assert_eq!(states(&bench, &events), ["delivered"; 3]);
    }
}

#[test]
fn a_member_that_is_discarded_leaves_the_others_under_way() {
    for discarded in [0, 1] {
        let mut bench = Bench::new();
        let endpoint = bench.endpoint(batching(2, 100));
        let events = publish(&mut bench, endpoint, &["1", "2"]);
        let delivery = bench.delivery_of(events[discarded]).id;
        bench.discard(delivery);
        assert!(bench.host.cancelled.is_empty());
        bench.respond(status(200));
        let mut expected = ["delivered"; 2];
        expected[discarded] = "discarded";
        assert_eq!(states(&bench, &events), expected);
        assert_eq!(bench.delivery_of(events[discarded]).attempts.len(), 0);
        assert_eq!(bench.core.footprint().slots, 0);
    }
}

#[test]
fn a_batch_of_which_all_is_discarded_is_given_up() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(batching(2, 100));
    let events = publish(&mut bench, endpoint, &["1", "2"]);
    for event in events {
        let delivery = bench.delivery_of(event).id;
        bench.discard(delivery);
    }
    assert_eq!(bench.host.cancelled.len(), 1);
    assert_eq!(bench.core.footprint().slots, 0);
    assert_eq!(bench.reason, Reason::Idle);
}

#[test]
fn a_member_that_is_discarded_while_its_result_is_recorded_stays_discarded() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(batching(2, 100));
    let events = publish(&mut bench, endpoint, &["1", "2"]);
    let delivery = bench.delivery_of(events[1]).id;
    bench.host.hold_commits = true;
    bench.command(Command::Discard(delivery));
    bench.respond(status(500));
    bench.release_commits();
    assert_eq!(states(&bench, &events), ["retrying", "discarded"]);
    assert_eq!(bench.core.footprint().slots, 0);
}

#[test]
fn a_pause_lets_a_batch_finish_and_holds_the_next() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(batching(2, 100));
    let events = publish(&mut bench, endpoint, &["1", "2", "3"]);
    bench.change(endpoint, EndpointChange::Pause).unwrap();
    bench.respond(status(200));
    bench.advance(ms(200));
    assert_eq!(
        states(&bench, &events),
        ["delivered", "delivered", "pending"]
    );
    bench.change(endpoint, EndpointChange::Resume).unwrap();
    assert_eq!(bench.under_way(), ["[3]"]);
}

#[test]
fn a_deletion_lets_a_batch_finish() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(batching(2, 60_000));
    let events = publish(&mut bench, endpoint, &["1", "2", "3"]);
    bench.delete(endpoint);
    bench.respond(status(200));
    assert_eq!(
        states(&bench, &events),
        ["delivered", "delivered", "discarded"]
    );
    assert_eq!(bench.core.footprint().timers, 0);
    assert_eq!(bench.core.footprint().endpoints, 0);
}

#[test]
fn a_410_fails_all_and_disables_once() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(batching(2, 100));
    let events = publish(&mut bench, endpoint, &["1", "2"]);
    bench.respond(status(410));
    assert_eq!(states(&bench, &events), ["failed"; 2]);
    let disabled = |fact: &&Fact| matches!(fact, Fact::EndpointDisabled { .. });
    assert_eq!(bench.host.facts.iter().filter(disabled).count(), 1);
}

#[test]
fn a_full_store_holds_the_lane_until_every_result_is_recorded() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(batching(2, 0));
    publish(&mut bench, endpoint, &["0", "1", "2", "3"]);
    bench.respond(status(200));
    bench.host.hold_commits = true;
    bench.respond(status(200));
    bench.fail_commit(CommitError::Full);
    bench.release();
    assert!(bench.under_way().is_empty());
    bench.advance(ms(1_000));
    assert_eq!(bench.under_way(), ["[3]"]);
}

#[test]
fn what_waits_in_the_store_is_read_for_a_batch() {
    let mut bench = Bench::with(Limits {
        window_deliveries_max: 2,
        ..Limits::default()
    });
    let endpoint = bench.endpoint(batching(5, 100));
    bench.change(endpoint, EndpointChange::Pause).unwrap();
    publish(&mut bench, endpoint, &["1", "2", "3", "4", "5", "6", "7"]);
    bench.change(endpoint, EndpointChange::Resume).unwrap();
    assert_eq!(bench.under_way(), ["[1,2,3,4,5]"], "more than the window");
    bench.advance(ms(100));
    bench.respond(status(200));
    assert_eq!(bench.under_way(), ["[6,7]"]);
}

#[test]
fn a_batch_is_bounded_in_bytes() {
    let mut bench = Bench::with(Limits {
        batch_bytes_max: 10,
        ..Limits::default()
    });
    let endpoint = bench.endpoint(batching(5, 100));
    publish(
        &mut bench,
        endpoint,
        &["11111", "22222", "3", "4444444444444444", "5"],
    );
    bench.advance(ms(100));
    for body in ["[11111,22222]", "[3]", "[4444444444444444]", "[5]"] {
        assert_eq!(bench.under_way(), [body]);
        bench.respond(status(200));
    }
}

#[test]
fn where_memory_is_short_a_batch_is_smaller() {
    let mut bench = Bench::with(Limits {
        payload_bytes_max: 8,
        window_bytes_max: 20,
        window_bytes_endpoint_max: 20,
        ..Limits::default()
    });
    let endpoint = bench.endpoint(batching(10, 100));
    let payloads: Vec<String> = (10_000_000..10_000_010)
        .map(|it: u32| it.to_string())
        .collect();
    let payloads: Vec<&str> = payloads.iter().map(String::as_str).collect();
    let events = publish(&mut bench, endpoint, &payloads);
    bench.advance(ms(100));
    while !bench.under_way().is_empty() {
        assert!(bench.host.under_way[0].request.deliveries().count() <= 3);
        bench.respond(status(200));
    }
    assert_eq!(states(&bench, &events), ["delivered"; 10]);
    let sent: String = bench.sent().concat();
    assert_eq!(sent.replace("][", ","), format!("[{}]", payloads.join(",")));
}

#[test]
fn a_drain_leaves_what_fills() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(batching(5, 100));
    publish(&mut bench, endpoint, &["1"]);
    let call = bench.call();
    let deadline = bench.host.now.mono.after(ms(500));
    bench.input(Input::Drain(call, deadline));
    assert_eq!(bench.drained(call).map(|drained| drained.pending), Some(1));
}

#[test]
fn a_policy_that_cannot_be_kept_is_refused() {
    let mut bench = Bench::new();
    let mut refused = |spec: EndpointSpec| match bench.register(spec) {
        Err(EndpointError::Invalid(error)) => error,
        other => panic!("{other:?}"),
    };
    for (events_max, wait_ms) in [(1, 0), (101, 0), (2, 60_001)] {
        assert_eq!(refused(batching(events_max, wait_ms)), InvalidSpec::Batch);
    }
    let unordered = EndpointSpec {
        ordering: Ordering::None,
        ..batching(2, 0)
    };
    assert_eq!(refused(unordered), InvalidSpec::BatchOrder);
    let stopping = EndpointSpec {
        on_failed: OnFailed::Stop,
        ..batching(2, 0)
    };
    assert_eq!(refused(stopping), InvalidSpec::BatchOrder);
}

#[test]
fn a_policy_comes_and_goes_with_the_spec() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(batching(5, 60_000));
    publish(&mut bench, endpoint, &["1", "2"]);
    assert!(bench.under_way().is_empty());
    let alone = EndpointSpec {
        batch: None,
        ..batching(2, 0)
    };
    bench
        .change(endpoint, EndpointChange::Spec(Box::new(alone)))
        .unwrap();
    assert_eq!(bench.under_way(), ["1"]);
    assert_eq!(bench.core.footprint().timers, 0);
    let together = EndpointChange::Spec(Box::new(batching(2, 0)));
    bench.change(endpoint, together).unwrap();
    bench.respond(status(200));
    assert_eq!(bench.under_way(), ["[2]"]);
}

#[test]
fn a_shorter_wait_counts_for_what_waits() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(batching(5, 60_000));
    publish(&mut bench, endpoint, &["1"]);
    bench.advance(ms(300));
    let sooner = EndpointChange::Spec(Box::new(batching(5, 500)));
    bench.change(endpoint, sooner).unwrap();
    bench.advance(ms(199));
    assert!(bench.under_way().is_empty());
    bench.advance(ms(1));
    assert_eq!(bench.under_way(), ["[1]"]);
}

#[test]
fn lanes_fill_beside_each_other() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(batching(2, 1_000));
    for (key, payload) in [("a", "1"), ("b", "2"), ("a", "3"), ("c", "4")] {
        bench.publish(endpoint, key, payload);
    }
    assert_eq!(bench.under_way(), ["[1,3]"]);
    bench.advance(Duration::from_secs(1));
    assert_eq!(bench.under_way(), ["[1,3]", "[2]", "[4]"]);
}
