//! What becomes of deliveries when their endpoint changes.

use super::harness::{Bench, event, ms, no_answer, retrying, spec, status};
use crate::signature::{Message, Scheme, Signer, Verifier};
use crate::{
    Answer, BreakerPolicy, Command, CommitError, DeliveryState, EndpointChange, EndpointError,
    EndpointSpec, EndpointStatus, Fact, Full, Limits, Ordering, PublishError, Reason, Request,
    Secret,
};

fn at(path: &str) -> EndpointSpec {
    EndpointSpec {
        url: format!("https://receiver.example/{path}").into(),
        ..retrying(&[100, 100])
    }
}

fn moved(path: &str) -> EndpointChange {
    EndpointChange::Spec(Box::new(at(path)))
}

#[test]
fn a_pause_lets_requests_finish_and_keeps_the_queue() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(spec());
    bench.publish(endpoint, "", "a");
    bench.publish(endpoint, "", "b");
    bench.change(endpoint, EndpointChange::Pause).unwrap();
    bench.publish(endpoint, "", "c");
    bench.respond(status(200));
    bench.advance(ms(10_000));
    assert_eq!(bench.sent(), ["a"]);
    assert_eq!(bench.reason, Reason::Held);
    assert_eq!(bench.core.footprint().payload_bytes, 0);
    bench.change(endpoint, EndpointChange::Resume).unwrap();
    bench.respond_ok_to_all();
    assert_eq!(bench.sent(), ["a", "b", "c"]);
}

#[test]
fn a_disabled_endpoint_refuses_events_and_keeps_its_queue() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(retrying(&[100]));
    bench.publish(endpoint, "", "a");
    bench.publish(endpoint, "", "b");
    bench.change(endpoint, EndpointChange::Disable).unwrap();
    bench.respond(status(500));
    let call = bench.submit(event(endpoint, "", "c"));
    assert_eq!(
        bench.published(call),
        Err(PublishError::EndpointDisabled(endpoint))
    );
    bench.advance(ms(1000));
    assert_eq!(bench.sent(), ["a"], "a retry that is due waits, too");
    bench.change(endpoint, EndpointChange::Enable).unwrap();
    bench.respond_ok_to_all();
    assert_eq!(bench.sent(), ["a", "a", "b"]);
}

#[test]
fn a_payload_that_is_read_for_a_paused_endpoint_is_let_go() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(retrying(&[100]));
    bench.publish(endpoint, "", "a");
    bench.respond(status(500));
    bench.host.hold_loads = true;
    bench.advance(ms(100));
    bench.change(endpoint, EndpointChange::Pause).unwrap();
    bench.release();
    assert_eq!(bench.core.footprint().payload_bytes, 0);
    bench.change(endpoint, EndpointChange::Resume).unwrap();
    bench.respond_ok_to_all();
    assert_eq!(bench.sent(), ["a", "a"]);
}

#[test]
fn a_deletion_discards_the_queue_and_records_what_is_under_way() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(spec());
    let first = bench.publish(endpoint, "", "a");
    let second = bench.publish(endpoint, "", "b");
    assert!(matches!(
        bench.delete(endpoint),
        Some(Answer::Deleted(Ok(())))
    ));
    assert_eq!(bench.state_of(second), DeliveryState::Discarded);
    assert_eq!(bench.state_of(first), DeliveryState::Pending);
    let call = bench.submit(event(endpoint, "", "c"));
    assert_eq!(
        bench.published(call),
        Err(PublishError::NoSuchEndpoint(endpoint))
    );
    bench.respond(status(200));
    assert_eq!(bench.state_of(first), DeliveryState::Delivered);
    assert_eq!(bench.reason, Reason::Idle);
    assert_eq!(bench.core.footprint().endpoints, 0);
    assert_eq!(bench.core.footprint().lanes, 0);
    assert_eq!(bench.core.footprint().pending_deliveries, 0);
}

#[test]
fn a_request_that_fails_after_the_deletion_is_discarded_and_not_retried() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(retrying(&[100]));
    let event = bench.publish(endpoint, "", "a");
    bench.delete(endpoint);
    bench.respond(no_answer());
    assert_eq!(bench.state_of(event), DeliveryState::Discarded);
    assert_eq!(bench.reason, Reason::Idle);
}

#[test]
fn a_retry_that_waits_goes_with_its_endpoint() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(retrying(&[100]));
    let event = bench.publish(endpoint, "k", "a");
    bench.respond(status(500));
    bench.delete(endpoint);
    assert_eq!(bench.state_of(event), DeliveryState::Discarded);
    let discarded = |fact: &&Fact| matches!(fact, Fact::Discarded { .. });
    assert_eq!(bench.host.facts.iter().filter(discarded).count(), 1);
    assert_eq!(bench.reason, Reason::Idle);
    assert_eq!(bench.host.armed, None);
}

#[test]
fn what_is_discarded_after_its_endpoint_is_not_pending_any_more() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(spec());
    let event = bench.publish(endpoint, "", "a");
    let delivery = bench.delivery_of(event).id;
    bench.delete(endpoint);
    assert!(matches!(
        bench.discard(delivery),
        Some(Answer::Discarded(Ok(())))
    ));
    // Found by a seed: its request went on, and its result was recorded for nothing.
    assert_eq!(bench.host.cancelled.len(), 1, "its request is given up");
    assert_eq!(bench.state_of(event), DeliveryState::Discarded);
    let footprint = bench.core.footprint();
    assert_eq!((footprint.slots, footprint.endpoints), (0, 0));
    assert_eq!(
        (footprint.pending_deliveries, footprint.payload_bytes),
        (0, 0)
    );
    assert_eq!(bench.reason, Reason::Idle);
}

#[test]
fn nothing_starts_while_a_deletion_is_being_recorded() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(spec());
    bench.publish(endpoint, "", "a");
    bench.publish(endpoint, "", "b");
    bench.host.hold_commits = true;
    let call = bench.command(Command::Delete(endpoint));
    let refused = bench.command(Command::Delete(endpoint));
    let Some(Answer::Deleted(Err(error))) = bench.take(refused) else {
        panic!("the second one is refused");
    };
    assert_eq!(error, EndpointError::NoSuchEndpoint(endpoint));
    bench.fail_commit(CommitError::Full);
    bench.respond(status(200));
    bench.release_commits();
    assert_eq!(bench.sent(), ["a"]);
    assert!(bench.take(call).is_none());
    bench.advance(ms(1000));
    bench.release_commits();
    assert!(matches!(bench.take(call), Some(Answer::Deleted(Ok(())))));
    assert_eq!(bench.reason, Reason::Idle);
}

#[test]
fn a_retry_goes_to_the_new_url() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(at("old"));
    bench.publish(endpoint, "", "a");
    bench.change(endpoint, moved("new")).unwrap();
    bench.respond(status(500));
    bench.advance(ms(100));
    let urls = bench
        .host
        .sent
        .iter()
        .map(|sent| sent.request.route.url.to_string());
    let urls: Vec<String> = urls.collect();
    assert_eq!(
        urls,
        [
            "https://receiver.example/old",
            "https://receiver.example/new"
        ]
    );
}

#[test]
fn what_the_old_url_answers_says_nothing_about_the_new_one() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(at("old"));
    bench.publish(endpoint, "k", "a");
    bench.publish(endpoint, "l", "b");
    bench.respond(status(500));
    let health = |bench: &Bench| bench.host.store.endpoint(endpoint).unwrap().health.failures;
    assert_eq!(health(&bench), 1);
    bench.change(endpoint, moved("new")).unwrap();
    assert_eq!(health(&bench), 0, "a new URL has a clean bill of health");
    bench.respond(status(410));
    let record = bench.host.store.endpoint(endpoint).unwrap();
    assert_eq!(
        (record.health.failures, record.status),
        (0, EndpointStatus::Active)
    );
}

#[test]
fn changes_of_one_endpoint_take_effect_in_the_order_given() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(spec());
    bench.host.hold_commits = true;
    let changes = [
        moved("1"),
        EndpointChange::Pause,
        moved("2"),
        EndpointChange::Resume,
    ];
    let calls = changes.map(|change| bench.command(Command::Change(endpoint, change)));
    assert_eq!(bench.host.commits.len(), 1, "one at a time");
    bench.release();
    let seen = calls.map(|call| {
        let record = bench.endpoint_answer(call).unwrap();
        (record.spec.url.to_string(), record.status, record.revision)
    });
    let url = |path: &str| format!("https://receiver.example/{path}");
    assert_eq!(
        seen,
        [
            (url("1"), EndpointStatus::Active, 2),
            (url("1"), EndpointStatus::Paused, 2),
            (url("2"), EndpointStatus::Paused, 3),
            (url("2"), EndpointStatus::Active, 3),
        ]
    );
    let recorded = bench.host.store.endpoint(endpoint).unwrap();
    assert_eq!(
        (&*recorded.spec.url, recorded.revision),
        (url("2").as_str(), 3)
    );
}

#[test]
fn a_change_that_does_not_fit_is_refused_and_the_next_one_is_made() {
    let mut bench = Bench::with(Limits {
        endpoint_changes_max: 1,
        ..Limits::default()
    });
    let endpoint = bench.endpoint(spec());
    bench.host.hold_commits = true;
    let change = |change| Command::Change(endpoint, change);
    let first = bench.command(change(EndpointChange::Disable));
    let second = bench.command(change(EndpointChange::Pause));
    let third = bench.command(change(EndpointChange::Disable));
    let refused = bench.endpoint_answer(third);
    assert_eq!(refused, Err(EndpointError::Full(Full::Changes { most: 1 })));
    bench.fail_commit(CommitError::Full);
    let refused = bench.endpoint_answer(first);
    assert_eq!(refused, Err(EndpointError::Full(Full::Store)));
    bench.release_commits();
    assert_eq!(
        bench.endpoint_answer(second).unwrap().status,
        EndpointStatus::Paused
    );
}

#[test]
fn no_more_endpoints_are_recorded_at_once_than_there_may_be() {
    let mut bench = Bench::with(Limits {
        endpoints_max: 2,
        endpoints_tenant_max: Some(2),
        ..Limits::default()
    });
    bench.host.hold_commits = true;
    let register = || Command::Register(Box::new(spec()), None);
    let calls = [0; 3].map(|_| bench.command(register()));
    let full = Err(EndpointError::Full(Full::Endpoints { most: 2 }));
    assert_eq!(bench.endpoint_answer(calls[2]), full);
    bench.fail_commit(CommitError::Full);
    let again = bench.command(register());
    bench.release_commits();
    assert!(bench.endpoint_answer(calls[1]).is_ok() && bench.endpoint_answer(again).is_ok());
    bench.host.hold_commits = false;
    assert_eq!(bench.register(spec()).err(), full.err());
}

#[test]
fn an_endpoint_that_loses_its_open_breaker_goes_on() {
    let mut bench = Bench::new();
    let breaker = BreakerPolicy {
        failures: 1,
        cooldown: ms(1000),
        cooldown_max: ms(1000),
    };
    let delays = [10, 10, 10, 10];
    let endpoint = bench.endpoint(EndpointSpec {
        breaker: Some(breaker),
        ..retrying(&delays)
    });
    bench.publish(endpoint, "", "a");
    bench.respond(status(500));
    bench.advance(ms(10));
    assert_eq!((bench.sent().len(), bench.reason), (1, Reason::Admission));
    bench
        .change(endpoint, EndpointChange::Spec(Box::new(retrying(&delays))))
        .unwrap();
    for sent in 2..=4 {
        assert_eq!(bench.sent().len(), sent);
        bench.respond(status(500));
        bench.advance(ms(10));
    }
}

#[test]
fn a_probe_from_before_the_breaker_closed_is_not_taken_for_the_next_one() {
    let mut bench = Bench::new();
    let breaker = BreakerPolicy {
        failures: 1,
        cooldown: ms(1000),
        cooldown_max: ms(1000),
    };
    let endpoint = bench.endpoint(EndpointSpec {
        breaker: Some(breaker),
        ordering: Ordering::None,
        ..retrying(&[60_000])
    });
    bench.publish(endpoint, "", "a");
    bench.publish(endpoint, "", "b");
    bench.respond_to_text("a", status(500));
    bench.publish(endpoint, "", "old probe");
    bench.advance(ms(1000));
    bench.respond_to_text("b", status(200));
    bench.publish(endpoint, "", "d");
    bench.respond_to_text("d", status(500));
    bench.publish(endpoint, "", "new probe");
    bench.publish(endpoint, "", "f");
    bench.advance(ms(1000));
    assert_eq!(bench.under_way(), ["old probe", "new probe"]);
    bench.respond_to_text("old probe", status(500));
    bench.advance(ms(5000));
    assert_eq!(bench.under_way(), ["new probe"]);
    bench.respond_to_text("new probe", status(200));
    assert_eq!(bench.under_way(), ["f"]);
}

/// Which of the secrets verify the request.
fn verified_by(request: &Request, secrets: &[&Secret]) -> Vec<bool> {
    let prepared = request.prepare().unwrap();
    let pairs = || {
        let headers = prepared.headers.iter();
        headers.map(|(name, value)| (&**name, value.as_bytes()))
    };
    let verifies = |secret: &&Secret| {
        let verifier = Verifier::new(Scheme::Postrider, &[(*secret).clone()]).unwrap();
        verifier
            .verify(pairs(), &prepared.body, request.at.unix_seconds())
            .is_ok()
    };
    secrets.iter().map(verifies).collect()
}

#[test]
fn both_secrets_sign_during_the_overlap_of_a_rotation_and_then_only_the_new_one() {
    let mut bench = Bench::new();
    let endpoint = bench.register(spec()).unwrap();
    let old = endpoint.secrets[0].secret.clone();
    let rotate = EndpointChange::RotateSecret {
        secret: None,
        overlap: ms(60_000),
    };
    bench.publish(endpoint.id, "", "before");
    bench.respond(status(200));
    let new = bench.change(endpoint.id, rotate).unwrap().secrets[0]
        .secret
        .clone();
    for wait in [59_999, 1, 0] {
        bench.publish(endpoint.id, "", "during, and after");
        bench.respond(status(200));
        bench.advance(ms(wait));
    }
    let requests = bench.host.sent.iter().map(|sent| &sent.request);
    let verified = requests.map(|request| verified_by(request, &[&old, &new]));
    let verified: Vec<Vec<bool>> = verified.collect();
    assert_eq!(
        verified,
        [[true, false], [true, true], [true, true], [false, true]]
    );
}

/// What a receiver that compares the whole of `X-Signature` with what this secret signs says of
/// each request; and of `X-Signature-Next`.
fn compared_whole(bench: &Bench, secret: &Secret) -> Vec<(bool, bool)> {
    let requests = bench.host.sent.iter().map(|sent| {
        let prepared = sent.request.prepare().unwrap();
        let signer = Signer::new(Scheme::BodyHex, std::slice::from_ref(secret)).unwrap();
        let message = Message {
            id: "",
            timestamp: 0,
            body: &prepared.body,
        };
        let expected = signer.sign(&message).unwrap().remove(0).value;
        let has = |name: &str| {
            let mut headers = prepared.headers.iter().filter(|header| header.0 == name);
            headers.any(|(_, value)| **value == *expected)
        };
        (has("x-signature"), has("x-signature-next"))
    });
    requests.collect()
}

#[test]
fn a_receiver_that_compares_one_signature_knows_the_old_secret_until_its_overlap_ends() {
    let mut bench = Bench::new();
    let endpoint = bench.register(spec()).unwrap();
    let mut secrets = vec![endpoint.secrets[0].secret.clone()];
    // Two rotations, half an overlap apart.
    for _ in 0..2 {
        let rotate = EndpointChange::RotateSecret {
            secret: None,
            overlap: ms(60_000),
        };
        let rotated = bench.change(endpoint.id, rotate).unwrap();
        secrets.push(rotated.secrets[0].secret.clone());
        bench.publish(endpoint.id, "", "a");
        bench.respond(status(200));
        bench.advance(ms(30_000));
    }
    // Now the first overlap is over, then the second one.
    for _ in 0..2 {
        bench.publish(endpoint.id, "", "a");
        bench.respond(status(200));
        bench.advance(ms(30_000));
    }
    let (yes, no) = ((true, false), (false, false));
    let next = (false, true);
    assert_eq!(compared_whole(&bench, &secrets[0]), [yes, yes, no, no]);
    assert_eq!(compared_whole(&bench, &secrets[1]), [next, no, yes, no]);
    assert_eq!(compared_whole(&bench, &secrets[2]), [no, next, next, yes]);
}

#[test]
fn an_overlap_that_is_ended_early_leaves_the_new_secret_alone() {
    let mut bench = Bench::new();
    let endpoint = bench.register(spec()).unwrap();
    let old = endpoint.secrets[0].secret.clone();
    let rotate = EndpointChange::RotateSecret {
        secret: None,
        overlap: ms(60_000),
    };
    let new = bench.change(endpoint.id, rotate).unwrap().secrets[0]
        .secret
        .clone();
    let ended = bench.change(endpoint.id, EndpointChange::EndOverlap);
    assert_eq!(ended.unwrap().secrets.len(), 1);
    // There is none to end any more.
    bench
        .change(endpoint.id, EndpointChange::EndOverlap)
        .unwrap();
    bench.crash();
    bench.publish(endpoint.id, "", "a");
    let sent = &bench.host.sent[0].request;
    assert_eq!(verified_by(sent, &[&old, &new]), [false, true]);
    assert_eq!(compared_whole(&bench, &new), [(true, false)]);
}

#[test]
fn the_fourth_rotation_in_an_overlap_is_refused_and_one_without_overlap_is_not() {
    let mut bench = Bench::new();
    let endpoint = bench.register(spec()).unwrap().id;
    let rotate = |overlap| EndpointChange::RotateSecret {
        secret: None,
        overlap: ms(overlap),
    };
    for _ in 0..3 {
        bench.change(endpoint, rotate(60_000)).unwrap();
    }
    let refused = bench.change(endpoint, rotate(60_000)).unwrap_err();
    assert_eq!(refused, EndpointError::Secrets { most: 4 });
    assert!(refused.to_string().contains("end the overlap"), "{refused}");
    assert_eq!(bench.change(endpoint, rotate(0)).unwrap().secrets.len(), 1);
}

#[test]
fn a_secret_whose_overlap_is_not_over_after_all_signs_again() {
    let mut bench = Bench::new();
    let endpoint = bench.register(spec()).unwrap();
    let old = endpoint.secrets[0].secret.clone();
    let rotate = EndpointChange::RotateSecret {
        secret: None,
        overlap: ms(60_000),
    };
    let new = bench.change(endpoint.id, rotate).unwrap().secrets[0]
        .secret
        .clone();
    let wall = bench.host.now.wall;
    // A clock that was an hour ahead is put right.
    for wall in [wall, wall.after(ms(3_600_000)), wall] {
        bench.host.now.wall = wall;
        bench.publish(endpoint.id, "", "a");
        bench.respond(status(200));
    }
    let requests = bench.host.sent.iter().map(|sent| &sent.request);
    let verified = requests.map(|request| verified_by(request, &[&old, &new]));
    let verified: Vec<Vec<bool>> = verified.collect();
    assert_eq!(verified, [[true, true], [false, true], [true, true]]);
}
