//! What is submitted, repeated and refused.

use super::*;
use postrider_engine::{Closed, Drained, PublishError};

#[test]
fn an_event_is_recorded_that_nobody_submitted() {
    let mut scene = Scene::of("invented");
    let endpoint = scene.endpoint();
    scene.publish(endpoint);
    let (change, receipt) = scene.publication(endpoint, None);
    assert!(
        scene
            .red(What::Durable { change, receipt })
            .contains("nobody")
    );
}

#[test]
fn an_event_goes_where_it_was_not_meant_to_go() {
    let mut scene = Scene::of("invented");
    let (one, other) = (scene.endpoint(), scene.endpoint());
    scene.call(Wish::Publish(new_event(one, None)));
    let (change, receipt) = scene.publication(other, None);
    assert!(
        scene
            .red(What::Durable { change, receipt })
            .contains("meant for")
    );
}

#[test]
fn subscribers_are_those_whose_patterns_match() {
    let mut scene = Scene::of("invented");
    let endpoint = scene.endpoint();
    let plan = EndpointPlan {
        kinds: vec![1],
        ..EndpointPlan::of(0)
    };
    let other = scene.endpoint_of(&plan);
    let wish = NewEvent {
        target: Target::Subscribers,
        ..new_event(endpoint, None)
    };
    scene.call(Wish::Publish(wish.clone()));
    let (change, receipt) = scene.publication(endpoint, None);
    scene.ok(What::Durable { change, receipt });
    scene.call(Wish::Publish(wish));
    let (change, receipt) = scene.publication(other, None);
    scene.red(What::Durable { change, receipt });
}

#[test]
fn a_refused_event_is_recorded_all_the_same() {
    let mut scene = Scene::of("invented");
    let endpoint = scene.endpoint();
    let call = scene.call(Wish::Publish(new_event(endpoint, None)));
    let (change, receipt) = scene.publication(endpoint, None);
    scene.ok(What::Durable { change, receipt });
    let error = PublishError::EndpointDisabled(endpoint);
    let reply = Reply::Published(Err(error));
    assert!(
        scene
            .red(What::Answered { call, reply })
            .contains("refused and recorded")
    );
}

#[test]
fn another_body_is_sent_than_was_submitted() {
    let mut scene = Scene::of("invented");
    let endpoint = scene.endpoint();
    let id = scene.publish(endpoint);
    let mut wire = scene.wire(id);
    wire.body = Bytes::from_static(b"{}");
    scene.red(What::Sent(Arc::new(wire)));
    scene.ok(scene.sends(id));
    let mut wire = scene.wire(id);
    wire.headers.retain(|(name, _)| name != "x-attempt");
    let (receiver, wire) = (0, Arc::new(wire));
    scene.red(What::Arrived { receiver, wire });
}

#[test]
fn a_discard_becomes_durable_that_nobody_asked_for() {
    let mut scene = Scene::of("invented");
    let endpoint = scene.endpoint();
    let change = Change::DeleteEndpoint {
        endpoint,
        keep: Vec::new(),
        at: Wall(0),
    };
    let receipt = Receipt::Applied;
    scene.red(What::Durable { change, receipt });
}

#[test]
fn one_key_makes_two_events() {
    let mut scene = Scene::of("idempotency");
    let endpoint = scene.endpoint();
    for made in 0..2 {
        scene.call(Wish::Publish(new_event(endpoint, Some("once"))));
        let (change, receipt) = scene.publication(endpoint, Some("once"));
        let said = scene.see(What::Durable { change, receipt });
        assert_eq!(said.is_err(), made == 1);
    }
}

#[test]
fn a_repeat_gets_another_event_and_other_content_the_same() {
    let mut scene = Scene::of("idempotency");
    let endpoint = scene.endpoint();
    let new = new_event(endpoint, Some("once"));
    let call = scene.call(Wish::Publish(new.clone()));
    let (change, receipt) = scene.publication(endpoint, Some("once"));
    let id = scene.published(call, change, receipt);
    let event = scene.book.deliveries[&id].event;

    let mut answer = |new: &NewEvent, reply: Reply| {
        let call = scene.call(Wish::Publish(new.clone()));
        scene.see(What::Answered { call, reply })
    };
    let other = NewEvent {
        payload: Bytes::from_static(b"{}"),
        ..new.clone()
    };
    let reused = || Reply::Published(Err(PublishError::IdempotencyKeyReused(event)));
    assert_eq!(answer(&new, accepted(event, &[])), Ok(()));
    assert_eq!(answer(&other, reused()), Ok(()));
    assert!(answer(&new, accepted(EventId::from_u128(9), &[])).is_err());
    assert!(answer(&other, accepted(event, &[])).is_err());
    assert!(answer(&new, reused()).is_err());
}

#[test]
fn a_drain_starts_something_or_takes_it() {
    let mut scene = Scene::of("shutdown");
    let endpoint = scene.endpoint();
    let id = scene.publish(endpoint);
    scene.call(Wish::Drain { deadline_ms: 2_000 });
    assert!(scene.red(scene.sends(id)).contains("after the drain"));
    let call = scene.call(Wish::Publish(new_event(endpoint, None)));
    let reply = Reply::Published(Err(PublishError::Closed(Closed::Draining)));
    scene.ok(What::Answered { call, reply });
    let call = scene.call(Wish::Publish(new_event(endpoint, None)));
    let reply = Reply::Published(Err(PublishError::EndpointDisabled(endpoint)));
    scene.red(What::Answered { call, reply });
}

#[test]
fn a_drain_is_late_or_tells_the_wrong_number() {
    let mut scene = Scene::of("shutdown");
    let endpoint = scene.endpoint();
    scene.publish(endpoint);
    let call = scene.call(Wish::Drain { deadline_ms: 2_000 });
    let answer = |pending| What::Answered {
        call,
        reply: Reply::Drained(Drained {
            pending,
            ..Drained::default()
        }),
    };
    scene.at_ms = 3_500;
    scene.ok(What::Healed);
    scene.at_ms = 3_600;
    assert!(scene.red(What::Healed).contains("deadline"));
    scene.red(answer(0));
    scene.call(Wish::Drain { deadline_ms: 2_000 });

    let mut scene = Scene::of("shutdown");
    let endpoint = scene.endpoint();
    scene.publish(endpoint);
    let call = scene.call(Wish::Drain { deadline_ms: 2_000 });
    let drained = Drained {
        pending: 1,
        ..Drained::default()
    };
    let reply = Reply::Drained(drained);
    scene.ok(What::Answered { call, reply });
}
