//! Which endpoints get an event, what a repeat is, and what is refused.

use super::harness::{Bench, event, ordering_key, spec, status};
use crate::{
    Answer, Closed, Command, CommitError, EndpointChange, EndpointId, EndpointSpec, EventHeaders,
    Fact, Full, Input, Limits, MemoryBounds, NewEvent, PayloadType, PublishError, Published,
    Reason, Target, TenantId,
};
use bytes::Bytes;

fn for_subscribers(tenant: &str, event_type: &str) -> NewEvent {
    NewEvent {
        tenant: tenant.parse().unwrap(),
        target: Target::Subscribers,
        event_type: event_type.parse().unwrap(),
        payload: Bytes::from_static(b"{}"),
        payload_type: PayloadType::default(),
        headers: EventHeaders::default(),
        ordering_key: ordering_key(""),
        idempotency_key: None,
    }
}

fn with_key(to: EndpointId, key: &str, payload: &str) -> NewEvent {
    NewEvent {
        idempotency_key: Some(key.into()),
        ..event(to, "", payload)
    }
}

fn subscriber(bench: &mut Bench, tenant: &str, patterns: &[&str]) -> EndpointId {
    let patterns = patterns.iter().map(|pattern| pattern.parse().unwrap());
    bench.endpoint(EndpointSpec {
        tenant: tenant.parse().unwrap(),
        event_types: patterns.collect(),
        ..spec()
    })
}

#[test]
fn an_event_goes_to_the_subscribers_of_its_type_and_tenant() {
    let mut bench = Bench::new();
    let all = subscriber(&mut bench, "shop", &["*"]);
    let payments = subscriber(&mut bench, "shop", &["refund.made", "payment.*"]);
    let refunds = subscriber(&mut bench, "shop", &["refund.made"]);
    let other = subscriber(&mut bench, "other", &["*"]);
    let paused = subscriber(&mut bench, "shop", &["payment.made"]);
    let disabled = subscriber(&mut bench, "shop", &["*"]);
    bench.change(paused, EndpointChange::Pause).unwrap();
    bench.change(disabled, EndpointChange::Disable).unwrap();
    let call = bench.submit(for_subscribers("shop", "payment.made"));
    let published = bench.published(call).unwrap();
    let deliveries = bench.host.store.deliveries_of(published.event).unwrap();
    let told = published.deliveries.iter().map(|new| (new.id, &new.lane));
    assert!(told.eq(deliveries.iter().map(|record| (record.id, &record.lane))));
    let to: Vec<EndpointId> = deliveries
        .iter()
        .map(|record| record.lane.endpoint)
        .collect();
    assert_eq!(to, [all, payments, paused]);
    assert!(!to.contains(&refunds) && !to.contains(&other));
}

#[test]
fn an_event_for_nobody_is_accepted() {
    let mut bench = Bench::new();
    let call = bench.submit(for_subscribers("nobody", "payment.made"));
    assert_eq!(
        bench.published(call).map(|published| published.deliveries),
        Ok([].into())
    );
    assert_eq!(bench.reason, Reason::Idle);
}

#[test]
fn an_endpoint_of_another_tenant_is_not_there() {
    let mut bench = Bench::new();
    let endpoint = subscriber(&mut bench, "shop", &["*"]);
    for tenant in ["other", "default"] {
        let call = bench.submit(NewEvent {
            tenant: tenant.parse().unwrap(),
            ..event(endpoint, "", "a")
        });
        assert_eq!(
            bench.published(call),
            Err(PublishError::NoSuchEndpoint(endpoint))
        );
    }
    assert!(bench.host.sent.is_empty());
}

#[test]
fn a_change_does_not_move_an_endpoint_to_another_tenant() {
    let mut bench = Bench::new();
    let endpoint = subscriber(&mut bench, "shop", &["*"]);
    let changed = bench
        .change(endpoint, EndpointChange::Spec(Box::new(spec())))
        .unwrap();
    assert_eq!(changed.spec.tenant, "shop".parse::<TenantId>().unwrap());
}

#[test]
fn a_repeat_with_the_same_key_and_content_is_the_same_event() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(spec());
    let first = bench.submit(with_key(endpoint, "key", "a"));
    let first = bench.published(first).unwrap();
    bench.respond(status(200));
    let repeat = bench.submit(with_key(endpoint, "key", "a"));
    let same = Published {
        event: first.event,
        deliveries: [].into(),
        duplicate: true,
    };
    assert_eq!(bench.published(repeat), Ok(same));
    assert_eq!(bench.sent(), ["a"]);
    assert_eq!(bench.core.footprint().pending_deliveries, 0);
}

#[test]
fn a_repeat_with_other_content_is_refused() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(spec());
    let first = bench.submit(with_key(endpoint, "key", "a"));
    let first = bench.published(first).unwrap().event;
    let keyed = NewEvent {
        ordering_key: ordering_key("k"),
        ..with_key(endpoint, "key", "a")
    };
    for other in [with_key(endpoint, "key", "b"), keyed] {
        let call = bench.submit(other);
        assert_eq!(
            bench.published(call),
            Err(PublishError::IdempotencyKeyReused(first))
        );
    }
    assert_eq!(bench.core.footprint().pending_deliveries, 1);
}

#[test]
fn concurrent_repeats_make_one_event() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(spec());
    bench.host.hold_commits = true;
    let calls = [0; 3].map(|_| bench.submit(with_key(endpoint, "key", "a")));
    bench.release();
    let answers = calls.map(|call| bench.published(call).unwrap());
    assert!(
        answers
            .iter()
            .all(|published| published.event == answers[0].event)
    );
    assert_eq!(
        answers.map(|published| published.duplicate),
        [false, true, true]
    );
    bench.respond_ok_to_all();
    assert_eq!(bench.sent(), ["a"]);
}

#[test]
fn a_key_belongs_to_its_tenant() {
    let mut bench = Bench::new();
    let mut events = ["one", "two"].map(|tenant| {
        let call = bench.submit(NewEvent {
            idempotency_key: Some("key".into()),
            ..for_subscribers(tenant, "payment.made")
        });
        bench.published(call).unwrap().event
    });
    events.sort();
    assert_ne!(events[0], events[1]);
}

#[test]
fn what_is_too_large_is_refused_by_name() {
    let mut bench = Bench::with(Limits {
        payload_bytes_max: 3,
        idempotency_key_bytes_max: 3,
        ..Limits::default()
    });
    let endpoint = bench.endpoint(spec());
    let call = bench.submit(event(endpoint, "", "four"));
    let too_large = PublishError::PayloadTooLarge { bytes: 4, most: 3 };
    assert_eq!(bench.published(call), Err(too_large));
    for key in ["", "four"] {
        let call = bench.submit(with_key(endpoint, key, "a"));
        assert_eq!(
            bench.published(call),
            Err(PublishError::IdempotencyKey { most: 3 })
        );
    }
    assert_eq!(bench.core.footprint().pending_deliveries, 0);
}

#[test]
fn a_full_store_refuses_and_nothing_stays_reserved() {
    let bounds = MemoryBounds {
        deliveries_max: 1,
        ..MemoryBounds::default()
    };
    let mut bench = Bench::bounded(Limits::default(), bounds);
    let endpoint = bench.endpoint(spec());
    bench.publish(endpoint, "", "a");
    let call = bench.submit(event(endpoint, "", "b"));
    assert_eq!(bench.published(call), Err(PublishError::Full(Full::Store)));
    assert_eq!(bench.core.footprint().pending_deliveries, 1);
    bench.respond(status(200));
    bench.publish(endpoint, "", "c");
    assert_eq!(bench.under_way(), ["c"]);
}

#[test]
fn the_bound_of_pending_deliveries_is_told_and_gives_way_when_deliveries_end() {
    let mut bench = Bench::with(Limits {
        pending_deliveries_max: 2,
        pending_bytes_max: 10,
        pending_deliveries_endpoint_max: Some(9),
        pending_deliveries_tenant_max: Some(9),
        pending_bytes_endpoint_max: Some(99),
        pending_bytes_tenant_max: Some(99),
        ..Limits::default()
    });
    let endpoint = bench.endpoint(spec());
    let dead = bench.publish(endpoint, "", "dead");
    bench.respond(status(400));
    bench.publish(endpoint, "", "a");
    let call = bench.submit(event(endpoint, "", "10 letters"));
    let bytes = Full::PendingBytes { most: 10 };
    assert_eq!(bench.published(call), Err(PublishError::Full(bytes)));
    bench.publish(endpoint, "", "b");
    let call = bench.submit(event(endpoint, "", "c"));
    let most = Full::PendingDeliveries { most: 2 };
    assert_eq!(bench.published(call), Err(PublishError::Full(most)));
    let delivery = bench.delivery_of(dead).id;
    let refused = bench.resend(delivery);
    assert!(
        matches!(refused, Some(Answer::Resent(Err(_)))),
        "{refused:?}"
    );
    bench.respond(status(200));
    bench.publish(endpoint, "", "d");
}

#[test]
fn resends_that_are_being_recorded_count_as_pending() {
    let mut bench = Bench::with(Limits {
        pending_deliveries_max: 1,
        ..Limits::default()
    });
    let endpoint = bench.endpoint(spec());
    let dead = bench.publish(endpoint, "", "a");
    bench.respond(status(400));
    let delivery = bench.delivery_of(dead).id;
    bench.host.hold_commits = true;
    bench.command(Command::Resend(delivery, None));
    let second = bench.command(Command::Resend(delivery, None));
    assert!(matches!(bench.take(second), Some(Answer::Resent(Err(_)))));
    bench.release();
    assert_eq!(bench.core.footprint().pending_deliveries, 1);
}

#[test]
fn publishers_are_refused_while_the_store_is_behind() {
    let mut bench = Bench::with(Limits {
        commit_bytes_max: 4,
        commits_in_flight_max: 3,
        ..Limits::default()
    });
    let endpoint = bench.endpoint(spec());
    bench.host.hold_commits = true;
    let large = bench.submit(event(endpoint, "", "one event always fits"));
    let behind = Err(PublishError::Full(Full::Commits));
    let call = bench.submit(event(endpoint, "", "a"));
    assert_eq!(bench.published(call), behind);
    bench.release_commits();
    assert!(bench.published(large).is_ok());
    for _ in 0..3 {
        bench.submit(event(endpoint, "", "a"));
    }
    let call = bench.submit(event(endpoint, "", ""));
    assert_eq!(bench.published(call), behind);
    assert_eq!(bench.core.footprint().pending_deliveries, 4);
}

#[test]
fn a_store_that_has_failed_refuses_everything_and_stops_all_requests() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(spec());
    bench.publish(endpoint, "k", "a");
    bench.publish(endpoint, "l", "b");
    bench.host.hold_commits = true;
    let publish = bench.submit(event(endpoint, "", "c"));
    let change = bench.command(Command::Change(endpoint, EndpointChange::Pause));
    let waits = bench.command(Command::Change(endpoint, EndpointChange::Resume));
    bench.respond(status(200));
    let facts = bench.host.facts.len();
    bench.fail_commit(CommitError::Failed("disk".into()));
    let failed = Closed::StoreFailed;
    assert_eq!(bench.published(publish), Err(PublishError::Closed(failed)));
    for call in [change, waits] {
        assert_eq!(bench.endpoint_answer(call), Err(failed.into()));
    }
    assert_eq!(bench.host.cancelled.len(), 1);
    assert_eq!(bench.reason, Reason::StoreFailed);
    assert_eq!(bench.host.armed, None);
    bench.host.commits.clear();
    let late = bench.submit(event(endpoint, "", "d"));
    assert_eq!(bench.published(late), Err(PublishError::Closed(failed)));
    bench.advance(std::time::Duration::from_secs(100));
    bench.input(Input::StoreFailed);
    assert_eq!(bench.sent(), ["a", "b"]);
    assert!(bench.host.commits.is_empty());
    let told = |fact: &Fact| matches!(fact, Fact::Delivered { .. } | Fact::Accepted { .. });
    assert!(
        !bench.host.facts[facts..].iter().any(told),
        "nothing is told as durable"
    );
}
