//! Sending again, giving up, and lanes that stop.

use super::harness::{Bench, ms, retrying, spec, status};
use crate::{
    Answer, Command, DeliveryId, DeliveryState, DiscardError, EndpointChange, EndpointId,
    EndpointSpec, FailReason, OnFailed, Ordering, Reason, ResendError,
};

fn stopping(bench: &mut Bench) -> EndpointId {
    bench.endpoint(EndpointSpec {
        on_failed: OnFailed::Stop,
        ..retrying(&[100])
    })
}

fn made_anew(answer: Option<Answer>) -> DeliveryId {
    match answer {
        Some(Answer::Resent(Ok(delivery))) => delivery,
        other => panic!("not resent: {other:?}"),
    }
}

fn is_discarded(answer: Option<Answer>) -> bool {
    matches!(answer, Some(Answer::Discarded(Ok(()))))
}

#[test]
fn a_dead_letter_is_resent_at_the_end_of_its_lane_with_a_full_set_of_attempts() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(retrying(&[10]));
    let dead = bench.publish(endpoint, "", "a");
    bench.respond(status(500));
    bench.advance(ms(10));
    bench.respond(status(500));
    bench.publish(endpoint, "", "b");
    bench.publish(endpoint, "", "c");
    let original = bench.delivery_of(dead).id;
    let new = made_anew(bench.resend(original));
    bench.respond(status(200));
    bench.respond(status(200));
    bench.respond(status(500));
    bench.advance(ms(10));
    bench.respond(status(200));
    assert_eq!(bench.sent(), ["a", "a", "b", "c", "a", "a"]);
    let numbers: Vec<u32> = bench
        .host
        .sent
        .iter()
        .map(|sent| sent.request.number)
        .collect();
    assert_eq!(numbers, [1, 2, 1, 1, 1, 2]);
    let record = bench.host.store.delivery(original).unwrap();
    assert_eq!(record.resent_as, Some(new));
    assert_eq!(bench.host.store.dead_letters(endpoint).count(), 0);
}

#[test]
fn what_was_delivered_can_be_sent_again() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(spec());
    let event = bench.publish(endpoint, "k", "a");
    bench.respond(status(200));
    let original = bench.delivery_of(event).id;
    made_anew(bench.resend(original));
    bench.respond(status(200));
    assert_eq!(bench.sent(), ["a", "a"]);
    assert_eq!(bench.host.store.ledger(endpoint).delivered, 2);
    assert_eq!(bench.reason, Reason::Idle);
}

#[test]
fn a_lane_stops_at_its_dead_letter_and_other_lanes_do_not() {
    let mut bench = Bench::new();
    let endpoint = stopping(&mut bench);
    for (key, text) in [("k", "k1"), ("k", "k2"), ("l", "l1"), ("l", "l2")] {
        bench.publish(endpoint, key, text);
    }
    bench.respond_to_text("k1", status(400));
    bench.respond_ok_to_all();
    assert_eq!(bench.sent(), ["k1", "l1", "l2"]);
    assert_eq!(bench.reason, Reason::Held);
}

#[test]
fn a_stopped_lane_goes_on_with_the_resent_delivery_in_its_place() {
    let mut bench = Bench::new();
    let endpoint = stopping(&mut bench);
    let dead = bench.publish(endpoint, "", "a");
    bench.publish(endpoint, "", "b");
    bench.respond(status(400));
    bench.publish(endpoint, "", "c");
    let original = bench.delivery_of(dead).id;
    made_anew(bench.resend(original));
    assert_eq!(bench.under_way(), ["a"]);
    bench.respond_ok_to_all();
    assert_eq!(bench.sent(), ["a", "a", "b", "c"]);
}

#[test]
fn a_stopped_lane_stops_again_at_the_one_that_was_resent() {
    let mut bench = Bench::new();
    let endpoint = stopping(&mut bench);
    let event = bench.publish(endpoint, "", "a");
    bench.publish(endpoint, "", "b");
    for _ in 0..3 {
        bench.respond(status(400));
        assert!(bench.under_way().is_empty());
        let dead = bench.delivery_of(event).id;
        made_anew(bench.resend(dead));
    }
    bench.respond_ok_to_all();
    assert_eq!(bench.sent(), ["a", "a", "a", "a", "b"]);
}

#[test]
fn a_stopped_lane_goes_on_once_its_dead_letter_is_discarded() {
    let mut bench = Bench::new();
    let endpoint = stopping(&mut bench);
    let dead = bench.publish(endpoint, "k", "a");
    bench.publish(endpoint, "k", "b");
    bench.respond(status(400));
    let dead = bench.delivery_of(dead).id;
    assert!(is_discarded(bench.discard(dead)));
    assert_eq!(bench.under_way(), ["b"]);
    bench.respond_ok_to_all();
    let ledger = bench.host.store.ledger(endpoint);
    assert_eq!(
        (ledger.delivered, ledger.failed, ledger.discarded),
        (1, 0, 1)
    );
    assert_eq!(bench.reason, Reason::Idle);
}

#[test]
fn a_request_under_way_is_cancelled_when_its_delivery_is_discarded() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(spec());
    let event = bench.publish(endpoint, "", "a");
    bench.publish(endpoint, "", "b");
    let attempt = bench.host.sent[0].request.attempt;
    let delivery = bench.delivery_of(event).id;
    assert!(is_discarded(bench.discard(delivery)));
    assert_eq!(bench.host.cancelled, [attempt]);
    assert_eq!(bench.under_way(), ["b"]);
    bench.input(crate::Input::AttemptDone(
        attempt,
        status(200),
        Default::default(),
    ));
    assert_eq!(bench.state_of(event), DeliveryState::Discarded);
}

#[test]
fn a_delivery_can_be_discarded_wherever_it_waits() {
    let limits = crate::Limits {
        window_deliveries_max: 2,
        ..crate::Limits::default()
    };
    for (discarded, left) in [("0", "1234"), ("1", "0234"), ("2", "0134"), ("4", "0123")] {
        let mut bench = Bench::with(limits.clone());
        let endpoint = bench.endpoint(retrying(&[100]));
        let publish = |text: &str, bench: &mut Bench| bench.publish(endpoint, "k", text);
        let events = ["0", "1", "2", "3", "4"].map(|text| publish(text, &mut bench));
        bench.respond(status(500));
        let place: usize = discarded.parse().unwrap();
        let delivery = bench.delivery_of(events[place]).id;
        assert!(is_discarded(bench.discard(delivery)));
        bench.advance(ms(100));
        bench.respond_ok_to_all();
        assert_eq!(
            bench.sent().concat(),
            format!("0{left}"),
            "without {discarded}"
        );
        assert_eq!(bench.reason, Reason::Idle);
    }
}

#[test]
fn nothing_is_waited_for_once_the_delivery_that_waits_is_discarded() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(retrying(&[100]));
    let event = bench.publish(endpoint, "k", "a");
    bench.respond(status(500));
    let delivery = bench.delivery_of(event).id;
    assert!(is_discarded(bench.discard(delivery)));
    assert_eq!((bench.reason, bench.host.armed), (Reason::Idle, None));
    assert_eq!(bench.core.footprint().lanes, 0);
}

#[test]
fn a_lane_whose_unread_rest_is_discarded_comes_to_rest() {
    for order in [[1, 2], [2, 1]] {
        let mut bench = Bench::with(crate::Limits {
            window_deliveries_max: 1,
            ..crate::Limits::default()
        });
        let endpoint = bench.endpoint(spec());
        let events = ["a", "b", "c"].map(|text| bench.publish(endpoint, "k", text));
        for unread in order {
            let delivery = bench.delivery_of(events[unread]).id;
            assert!(is_discarded(bench.discard(delivery)));
        }
        bench.respond(status(200));
        assert_eq!(bench.reason, Reason::Idle);
        assert_eq!(bench.core.footprint().lanes, 0);
        assert!(
            bench.host.loads_asked.len() <= 1,
            "at most one that finds nothing"
        );
    }
}

#[test]
fn a_read_does_not_bring_back_what_was_discarded_while_it_was_under_way() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(EndpointSpec {
        concurrency: 1,
        ..spec()
    });
    bench.publish(endpoint, "other", "other");
    bench.publish(endpoint, "k", "a");
    bench.change(endpoint, EndpointChange::Pause).unwrap();
    bench.respond(status(200));
    // Now a is read again. While that is under way b and c arrive, and the read sees them.
    bench.host.hold_loads = true;
    bench.change(endpoint, EndpointChange::Resume).unwrap();
    let [_, last] = ["b", "c"].map(|text| bench.publish(endpoint, "k", text));
    let load = bench.host.loads.pop_front().unwrap();
    let seen = bench.host.store.load(&load);
    assert_eq!(seen.deliveries.len(), 3);
    // What is discarded then does not come back with it, even if the lane has let go of the rest.
    let last = bench.delivery_of(last).id;
    assert!(is_discarded(bench.discard(last)));
    bench.change(endpoint, EndpointChange::Pause).unwrap();
    bench.change(endpoint, EndpointChange::Resume).unwrap();
    bench.input(crate::Input::Loaded(seen));
    bench.release();
    bench.respond_ok_to_all();
    assert_eq!(bench.sent(), ["other", "a", "b"]);
}

#[test]
fn a_read_does_not_bring_what_was_discarded_before_it_came() {
    let mut bench = Bench::with(crate::Limits {
        window_deliveries_max: 2,
        ..crate::Limits::default()
    });
    let endpoint = bench.endpoint(spec());
    let events = ["a", "b", "c", "d"].map(|text| bench.publish(endpoint, "", text));
    let unread = events[3];
    bench.host.hold_loads = true;
    bench.respond(status(200));
    bench.respond(status(200));
    let load = bench.host.loads.pop_front().unwrap();
    let seen = bench.host.store.load(&load);
    let unread = bench.delivery_of(unread).id;
    assert!(is_discarded(bench.discard(unread)));
    bench.input(crate::Input::Loaded(seen));
    bench.release();
    bench.respond_ok_to_all();
    assert_eq!(bench.sent(), ["a", "b", "c"]);
}

#[test]
fn a_read_does_not_lose_what_was_resent_in_its_place_before_it_came() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(EndpointSpec {
        ordering: Ordering::None,
        ..retrying(&[100, 100])
    });
    let [_, second] = ["a", "b"].map(|text| bench.publish(endpoint, "", text));
    bench.respond_to_text("a", status(500));
    bench.host.hold_loads = true;
    bench.advance(ms(100));
    // While a is read again its lane learns to keep an order, and stops at b.
    let stopping = EndpointSpec {
        on_failed: OnFailed::Stop,
        ..retrying(&[100, 100])
    };
    let stopping = EndpointChange::Spec(Box::new(stopping));
    bench.change(endpoint, stopping).unwrap();
    bench.respond_to_text("b", status(400));
    let load = bench.host.loads.pop_front().unwrap();
    let seen = bench.host.store.load(&load);
    let second = bench.delivery_of(second).id;
    made_anew(bench.resend(second));
    bench.input(crate::Input::Loaded(seen));
    bench.release();
    bench.respond_ok_to_all();
    assert_eq!(bench.sent(), ["a", "b", "a", "b"]);
    assert_eq!(bench.reason, Reason::Idle);
}

#[test]
fn a_result_that_comes_after_the_discard_changes_nothing() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(spec());
    let event = bench.publish(endpoint, "", "a");
    bench.publish(endpoint, "", "b");
    let delivery = bench.delivery_of(event).id;
    bench.host.hold_commits = true;
    let call = bench.command(Command::Discard(delivery));
    bench.respond(status(200));
    assert_eq!(bench.sent(), ["a"]);
    bench.release_commits();
    assert!(is_discarded(bench.take(call)));
    assert_eq!(bench.state_of(event), DeliveryState::Discarded);
    assert_eq!(bench.under_way(), ["b"]);
    assert_eq!(bench.core.footprint().pending_deliveries, 1);
}

#[test]
fn a_dead_letter_that_was_made_anew_is_not_given_up_as_one() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(spec());
    let event = bench.publish(endpoint, "", "a");
    let letter = bench.delivery_of(event).id;
    let refused = |bench: &mut Bench| {
        let call = bench.command(Command::DiscardDead(letter));
        match bench.take(call) {
            Some(Answer::Discarded(Err(error))) => error,
            other => panic!("it is refused: {other:?}"),
        }
    };
    assert_eq!(refused(&mut bench), DiscardError::StillPending(letter));
    bench.respond(status(400));
    made_anew(bench.resend(letter));
    assert_eq!(refused(&mut bench), DiscardError::AlreadyResent(letter));
    let record = bench.host.store.delivery(letter).unwrap();
    assert!(matches!(record.state, DeliveryState::Failed(_)));
}

#[test]
fn what_cannot_be_resent_or_discarded_is_refused_by_name() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(spec());
    let event = bench.publish(endpoint, "", "a");
    let delivery = bench.delivery_of(event).id;
    let unknown = DeliveryId::from_u128(7);
    let Some(Answer::Resent(Err(error))) = bench.resend(delivery) else {
        panic!("it is refused");
    };
    assert_eq!(error, ResendError::StillPending(delivery));
    bench.respond(status(200));
    let Some(Answer::Discarded(Err(error))) = bench.discard(delivery) else {
        panic!("it is refused");
    };
    assert_eq!(error, DiscardError::AlreadyEnded(delivery));
    let Some(Answer::Resent(Err(error))) = bench.resend(unknown) else {
        panic!("it is refused");
    };
    assert_eq!(error, ResendError::NoSuchDelivery(unknown));
    let Some(Answer::Discarded(Err(error))) = bench.discard(unknown) else {
        panic!("it is refused");
    };
    assert_eq!(error, DiscardError::NoSuchDelivery(unknown));
    bench.delete(endpoint);
    let Some(Answer::Resent(Err(error))) = bench.resend(delivery) else {
        panic!("it is refused");
    };
    assert_eq!(error, ResendError::NoSuchEndpoint(endpoint));
    assert_eq!(bench.core.footprint().pending_deliveries, 0);
}

#[test]
fn a_discarded_dead_letter_is_accounted_for_once() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(spec());
    let event = bench.publish(endpoint, "", "a");
    bench.respond(status(400));
    assert_eq!(
        bench.state_of(event),
        DeliveryState::Failed(FailReason::Rejected)
    );
    let delivery = bench.delivery_of(event).id;
    assert!(is_discarded(bench.discard(delivery)));
    assert!(!is_discarded(bench.discard(delivery)));
    let ledger = bench.host.store.ledger(endpoint);
    assert_eq!(
        (ledger.accepted, ledger.failed, ledger.discarded),
        (1, 0, 1)
    );
}
