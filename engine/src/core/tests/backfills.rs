//! Giving an endpoint what it has missed.

use super::harness::{Bench, ordering_key, spec, status};
use crate::{
    Answer, BackfillError, Command, DeliveryId, EndpointChange, EndpointId, EndpointSpec, EventId,
    Fact, Full, Limits, NewEvent, Ordering, ReplayId, Target,
};
use bytes::Bytes;

const REPLAY: ReplayId = ReplayId::from_u128(7);

fn publish(bench: &mut Bench, key: &str, payload: &'static str) -> EventId {
    let call = bench.submit(NewEvent {
        tenant: "default".parse().unwrap(),
        target: Target::Subscribers,
        event_type: "a.b".parse().unwrap(),
        payload: Bytes::from_static(payload.as_bytes()),
        payload_type: crate::PayloadType::default(),
        headers: crate::EventHeaders::default(),
        ordering_key: ordering_key(key),
        idempotency_key: None,
    });
    bench.published(call).unwrap().event
}

fn backfill(
    bench: &mut Bench,
    event: EventId,
    endpoint: EndpointId,
) -> Result<DeliveryId, BackfillError> {
    let call = bench.command(Command::Backfill(event, endpoint, REPLAY));
    match bench.take(call) {
        Some(Answer::Backfilled(answer)) => answer,
        other => panic!("not answered: {other:?}"),
    }
}

#[test]
fn what_was_missed_goes_out_behind_what_waits_in_the_order_in_which_it_is_given() {
    let mut bench = Bench::new();
    let missed = ["1", "2"].map(|text| publish(&mut bench, "", text));
    let endpoint = bench.endpoint(spec());
    for text in ["3", "4"] {
        publish(&mut bench, "", text);
    }
    for event in missed {
        let delivery = backfill(&mut bench, event, endpoint).unwrap();
        let record = bench.host.store.delivery(delivery).unwrap();
        assert_eq!((record.event.id, record.replay), (event, Some(REPLAY)));
    }
    publish(&mut bench, "", "5");
    for _ in 0..5 {
        bench.respond(status(200));
    }
    assert_eq!(bench.sent(), ["3", "4", "1", "2", "5"]);
    let told = bench.host.facts.iter();
    let told = told.filter(|fact| matches!(fact, Fact::Backfilled { .. }));
    assert_eq!(told.count(), 2);
    assert_eq!(bench.core.footprint().pending_deliveries, 0);
}

#[test]
fn nothing_is_given_twice_not_even_after_a_restart() {
    let mut bench = Bench::new();
    let missed = publish(&mut bench, "", "1");
    let endpoint = bench.endpoint(spec());
    let had = publish(&mut bench, "", "2");
    let reached = |event| Err(BackfillError::AlreadyReached(event));
    assert_eq!(backfill(&mut bench, had, endpoint), reached(had));
    backfill(&mut bench, missed, endpoint).unwrap();
    assert_eq!(backfill(&mut bench, missed, endpoint), reached(missed));
    bench.crash();
    assert_eq!(backfill(&mut bench, missed, endpoint), reached(missed));
    assert_eq!(bench.core.footprint().pending_deliveries, 2);
}

#[test]
fn what_was_published_for_one_endpoint_is_not_given_to_another() {
    let mut bench = Bench::new();
    let owner = bench.endpoint(spec());
    let event = bench.publish(owner, "", "1");
    let other = bench.endpoint(spec());
    let addressed = Err(BackfillError::Addressed(event));
    assert_eq!(backfill(&mut bench, event, other), addressed);
}

#[test]
fn an_endpoint_that_takes_no_events_is_given_none() {
    let mut bench = Bench::new();
    let event = publish(&mut bench, "", "1");
    let endpoint = bench.endpoint(spec());
    bench.change(endpoint, EndpointChange::Disable).unwrap();
    let disabled = Err(BackfillError::EndpointDisabled(endpoint));
    assert_eq!(backfill(&mut bench, event, endpoint), disabled);
    bench.change(endpoint, EndpointChange::Enable).unwrap();
    let unknown = EventId::from_u128(1);
    let no_event = Err(BackfillError::NoSuchEvent(unknown));
    assert_eq!(backfill(&mut bench, unknown, endpoint), no_event);
    bench.delete(endpoint).unwrap();
    let gone = Err(BackfillError::NoSuchEndpoint(endpoint));
    assert_eq!(backfill(&mut bench, event, endpoint), gone);
}

#[test]
fn another_tenants_event_is_not_there() {
    let mut bench = Bench::new();
    let event = publish(&mut bench, "", "1");
    let stranger = bench.endpoint(EndpointSpec {
        tenant: "other".parse().unwrap(),
        ..spec()
    });
    let no_event = Err(BackfillError::NoSuchEvent(event));
    assert_eq!(backfill(&mut bench, event, stranger), no_event);
}

#[test]
fn its_lane_is_that_of_the_key_where_there_is_an_order() {
    let mut bench = Bench::new();
    let event = publish(&mut bench, "k", "1");
    for (ordering, key) in [(Ordering::Fifo, "k"), (Ordering::None, "")] {
        let endpoint = bench.endpoint(EndpointSpec { ordering, ..spec() });
        let delivery = backfill(&mut bench, event, endpoint).unwrap();
        let lane = bench.host.store.delivery(delivery).unwrap().lane;
        assert_eq!((lane.endpoint, lane.key), (endpoint, ordering_key(key)));
    }
}

#[test]
fn half_of_what_may_be_pending_is_left_for_what_is_new() {
    // Of sixteen an endpoint may have four pending.
    let mut bench = Bench::with(Limits {
        pending_deliveries_max: 16,
        ..Limits::default()
    });
    let missed = ["1", "2", "3"].map(|text| publish(&mut bench, "", text));
    let endpoint = bench.endpoint(spec());
    bench.change(endpoint, EndpointChange::Pause).unwrap();
    for event in &missed[..2] {
        backfill(&mut bench, *event, endpoint).unwrap();
    }
    let full = Full::EndpointDeliveries { endpoint, most: 2 };
    let full = Err(BackfillError::Full(full));
    assert_eq!(backfill(&mut bench, missed[2], endpoint), full);
    for text in ["4", "5"] {
        publish(&mut bench, "", text);
    }
    assert_eq!(bench.core.footprint().pending_deliveries, 4);
}
