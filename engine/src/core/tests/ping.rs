//! Pings: one request, at once, of which nothing remains.

use super::harness::*;
use crate::signature::{Scheme, Secret, Verifier};
use crate::{
    Answer, Attempt, BatchPolicy, CallId, Closed, Command, CommitError, EndpointChange, EndpointId,
    EndpointSpec, FailureKind, Health, Input, InvalidSpec, Limits, NewEvent, Outcome, PayloadForm,
    Phase, PingError, Reason, Route,
};
use std::time::Duration;

fn ping(bench: &mut Bench, endpoint: EndpointId, payload: &str) -> CallId {
    let event = Box::new(event(endpoint, "", payload));
    bench.command(Command::Ping(endpoint, event))
}

fn pinged(bench: &mut Bench, call: CallId) -> Option<Result<Attempt, PingError>> {
    match bench.take(call) {
        Some(Answer::Pinged(answer)) => Some(answer),
        None => None,
        other => panic!("not an answer to a ping: {other:?}"),
    }
}

#[test]
fn a_ping_is_sent_at_once_and_its_end_is_told_and_not_recorded() {
    let mut bench = Bench::new();
    let endpoint = bench.register(EndpointSpec {
        payload_form: PayloadForm::Envelope,
        ..retrying(&[10])
    });
    let endpoint = endpoint.unwrap();
    bench.publish(endpoint.id, "", "first");
    let call = ping(&mut bench, endpoint.id, "7");
    assert_eq!(
        bench.host.under_way.len(),
        2,
        "it does not wait for its lane"
    );
    let sent = bench.host.under_way[1].clone();
    let prepared = sent.request.prepare().unwrap();
    assert!(prepared.body.ends_with(b"\"data\":7}"));
    let secrets = [endpoint.secrets[0].secret.clone()];
    let verifier = Verifier::new(Scheme::Postrider, &secrets).unwrap();
    let headers = prepared.headers.iter();
    let pairs = headers.map(|(name, value)| (&**name, value.as_bytes()));
    assert!(
        verifier
            .verify(pairs, &prepared.body, EPOCH.unix_seconds())
            .is_ok()
    );
    assert_eq!(bench.core.footprint().attempts, 2);

    bench.move_clocks(bench.host.now.mono.after(ms(12)));
    bench.host.facts.clear();
    bench.respond_to(sent.request.attempt, status(500));
    let attempt = pinged(&mut bench, call).unwrap().unwrap();
    assert_eq!((attempt.id, attempt.number), (sent.request.attempt, 1));
    assert_eq!((attempt.started_at, attempt.duration_ms), (EPOCH, 12));
    assert_eq!(attempt.outcome, status(500));
    assert!(bench.host.store.delivery(sent.request.delivery).is_none());
    let record = bench.host.store.endpoint(endpoint.id).unwrap();
    assert_eq!(record.health, Health::default());
    assert!(bench.host.facts.is_empty(), "nothing follows");
    bench.respond(status(200));
    assert_eq!(bench.reason, Reason::Idle);
    assert_eq!(bench.core.footprint().slots, 0);
    assert_eq!(bench.sent().len(), 2, "it is not repeated");
}

#[test]
fn what_is_not_registered_can_be_pinged_and_is_not_registered_by_it() {
    let mut bench = Bench::new();
    let secret: Secret = "a secret of its own".parse().unwrap();
    let spec = Box::new(EndpointSpec {
        tenant: "acme".parse().unwrap(),
        ..spec()
    });
    let event = Box::new(event(EndpointId::from_u128(7), "", "7"));
    let command = Command::PingUnregistered(spec, secret.clone(), event);
    let call = bench.command(command);
    let sent = bench.host.under_way[0].clone();
    assert_eq!(sent.request.route.revision, Route::UNREGISTERED);
    assert_eq!(sent.request.event.tenant.as_str(), "acme");
    let prepared = sent.request.prepare().unwrap();
    let verifier = Verifier::new(Scheme::Postrider, &[secret]).unwrap();
    let headers = prepared.headers.iter();
    let pairs = headers.map(|(name, value)| (&**name, value.as_bytes()));
    let verified = verifier.verify(pairs, &prepared.body, EPOCH.unix_seconds());
    assert!(verified.is_ok());
    bench.respond_to(sent.request.attempt, status(200));
    let attempt = pinged(&mut bench, call).unwrap().unwrap();
    assert_eq!(attempt.outcome, status(200));
    let footprint = bench.core.footprint();
    assert_eq!((footprint.endpoints, footprint.slots), (0, 0));
    let endpoint = sent.request.route.endpoint;
    assert!(bench.host.store.endpoint(endpoint).is_none());
    assert!(bench.host.facts.is_empty(), "nothing follows");
}

#[test]
fn what_could_not_be_registered_is_not_pinged() {
    let mut bench = Bench::new();
    let ping = |spec: EndpointSpec| {
        let event = event(EndpointId::from_u128(7), "", "7");
        Command::PingUnregistered(
            Box::new(spec),
            "a secret of its own".parse().unwrap(),
            Box::new(event),
        )
    };
    let no_time = EndpointSpec {
        timeout: Duration::ZERO,
        ..spec()
    };
    let call = bench.command(ping(no_time));
    let most = Duration::from_secs(600);
    let refused = Err(PingError::Invalid(InvalidSpec::Timeout { most }));
    assert_eq!(pinged(&mut bench, call), Some(refused));
    assert!(bench.host.sent.is_empty());
}

#[test]
fn what_is_paused_or_disabled_can_be_pinged() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(spec());
    for change in [EndpointChange::Pause, EndpointChange::Disable] {
        bench.change(endpoint, change).unwrap();
        let call = ping(&mut bench, endpoint, "hi");
        assert_eq!(bench.under_way(), ["hi"]);
        bench.respond(status(200));
        assert!(matches!(pinged(&mut bench, call), Some(Ok(_))));
    }
}

#[test]
fn a_ping_of_what_batches_is_an_array_of_one() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(EndpointSpec {
        batch: Some(BatchPolicy {
            events_max: 5,
            wait: ms(60_000),
        }),
        ..spec()
    });
    ping(&mut bench, endpoint, "7");
    assert_eq!(bench.under_way(), ["[7]"]);
}

#[test]
fn what_cannot_be_pinged_is_refused() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(spec());
    let nobody = EndpointId::from_u128(7);
    let call = ping(&mut bench, nobody, "hi");
    assert_eq!(
        pinged(&mut bench, call),
        Some(Err(PingError::NoSuchEndpoint(nobody)))
    );
    let foreign = NewEvent {
        tenant: "other".parse().unwrap(),
        ..event(endpoint, "", "hi")
    };
    let call = bench.command(Command::Ping(endpoint, Box::new(foreign)));
    assert_eq!(
        pinged(&mut bench, call),
        Some(Err(PingError::NoSuchEndpoint(endpoint)))
    );
    let most = Limits::default().payload_bytes_max;
    let call = ping(&mut bench, endpoint, &"x".repeat(most + 1));
    let too_large = PingError::PayloadTooLarge {
        bytes: most + 1,
        most,
    };
    assert_eq!(pinged(&mut bench, call), Some(Err(too_large)));
    bench.delete(endpoint);
    let call = ping(&mut bench, endpoint, "hi");
    assert_eq!(
        pinged(&mut bench, call),
        Some(Err(PingError::NoSuchEndpoint(endpoint)))
    );
    assert!(bench.host.sent.is_empty());
}

#[test]
fn pings_and_deliveries_share_the_slots() {
    let mut bench = Bench::with(Limits {
        attempts_max: 2,
        ..Limits::default()
    });
    let endpoint = bench.endpoint(spec());
    let first = ping(&mut bench, endpoint, "p1");
    let other = bench.endpoint(spec());
    bench.publish(endpoint, "", "d1");
    bench.publish(other, "", "d2");
    assert_eq!(bench.under_way(), ["p1", "d1"]);
    let second = ping(&mut bench, endpoint, "p2");
    assert_eq!(
        pinged(&mut bench, second),
        Some(Err(PingError::Busy { most: 2 }))
    );
    bench.respond_to_text("p1", status(200));
    assert!(pinged(&mut bench, first).is_some());
    assert_eq!(bench.under_way(), ["d1", "d2"], "what waits has the slot");
}

#[test]
fn pings_leave_most_of_the_slots_to_deliveries() {
    let mut bench = Bench::with(Limits {
        attempts_max: 9,
        ..Limits::default()
    });
    let endpoint = bench.endpoint(spec());
    let first = ping(&mut bench, endpoint, "p1");
    ping(&mut bench, endpoint, "p2");
    let refused = ping(&mut bench, endpoint, "p3");
    assert_eq!(
        pinged(&mut bench, refused),
        Some(Err(PingError::TooMany { most: 2 }))
    );
    bench.publish(endpoint, "", "d1");
    assert_eq!(bench.under_way(), ["p1", "p2", "d1"]);
    bench.respond_to_text("p1", status(200));
    assert!(pinged(&mut bench, first).is_some());
    ping(&mut bench, endpoint, "p4");
    assert_eq!(bench.under_way(), ["p2", "d1", "p4"]);
}

#[test]
fn a_ping_that_the_host_forgets_is_ended() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(EndpointSpec {
        timeout: ms(100),
        ..spec()
    });
    let call = ping(&mut bench, endpoint, "hi");
    bench.advance(ms(1_099));
    assert_eq!(pinged(&mut bench, call), None);
    bench.advance(ms(1));
    let Some(Ok(attempt)) = pinged(&mut bench, call) else {
        panic!("the ping has ended");
    };
    let Outcome::Failure(failure) = attempt.outcome else {
        panic!("as a failure");
    };
    assert_eq!(failure.kind, FailureKind::Timeout(Phase::Unanswered));
    assert_eq!(bench.host.cancelled, [attempt.id]);
    assert_eq!(bench.reason, Reason::Idle);
}

#[test]
fn an_answer_after_the_timeout_is_a_timeout() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(EndpointSpec {
        timeout: ms(100),
        ..spec()
    });
    let call = ping(&mut bench, endpoint, "hi");
    let Outcome::Response(mut late) = status(200) else {
        unreachable!("it is one");
    };
    late.head_ms = 101;
    bench.respond(Outcome::Response(late));
    let attempt = pinged(&mut bench, call).unwrap().unwrap();
    assert!(matches!(attempt.outcome, Outcome::Failure(_)));
}

#[test]
fn a_drain_waits_for_a_ping_and_gives_it_up_at_its_deadline() {
    for in_time in [true, false] {
        let mut bench = Bench::new();
        let endpoint = bench.endpoint(spec());
        let call = ping(&mut bench, endpoint, "hi");
        let drain = bench.call();
        let deadline = bench.host.now.mono.after(ms(500));
        bench.input(Input::Drain(drain, deadline));
        assert!(bench.drained(drain).is_none());
        let late = ping(&mut bench, endpoint, "late");
        let closed = Some(Err(PingError::Closed(Closed::Draining)));
        assert_eq!(pinged(&mut bench, late), closed);
        if in_time {
            bench.respond(status(200));
            assert!(matches!(pinged(&mut bench, call), Some(Ok(_))));
        } else {
            bench.advance(ms(500));
            assert_eq!(pinged(&mut bench, call), closed);
            assert_eq!(bench.host.cancelled.len(), 1);
        }
        assert_eq!(
            bench.drained(drain).map(|drained| drained.cancelled),
            Some(0)
        );
    }
}

#[test]
fn a_store_that_fails_ends_a_ping() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(spec());
    let call = ping(&mut bench, endpoint, "hi");
    bench.host.hold_commits = true;
    bench.submit(event(endpoint, "", "a"));
    bench.fail_commit(CommitError::Failed("gone".to_owned()));
    let closed = PingError::Closed(Closed::StoreFailed);
    assert_eq!(pinged(&mut bench, call), Some(Err(closed)));
    assert_eq!(bench.host.cancelled.len(), 1);
}
