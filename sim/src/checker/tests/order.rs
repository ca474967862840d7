//! Order, ends, and what must be durable first.

use super::*;
use postrider_engine::{Fact, Of};

#[test]
fn a_delivery_that_is_not_the_first_of_its_lane_is_sent() {
    let mut scene = Scene::of("order");
    let endpoint = scene.endpoint();
    let (first, second) = (scene.publish(endpoint), scene.publish(endpoint));
    assert!(scene.red(scene.sends(second)).contains("before"));

    let mut scene = Scene::of("order");
    let endpoint = scene.endpoint();
    let (_, next) = (scene.publish(endpoint), scene.publish(endpoint));
    scene.attempt(first, status(200));
    scene.ok(scene.sends(next));
}

#[test]
fn two_of_a_lane_are_under_way_at_once() {
    let mut scene = Scene::of("order");
    let endpoint = scene.endpoint();
    let first = scene.publish(endpoint);
    scene.ok(scene.sends(first));
    let second = scene.publish(endpoint);
    assert!(scene.red(scene.sends(second)).contains("while another"));
}

#[test]
fn a_place_is_given_that_is_not_after_the_last() {
    let mut scene = Scene::of("order");
    let endpoint = scene.endpoint();
    scene.publish(endpoint);
    let (change, _) = scene.publication(endpoint, None);
    let receipt = Receipt::Published(vec![Seq(1).into()]);
    assert!(
        scene
            .red(What::Durable { change, receipt })
            .contains("after")
    );
}

#[test]
fn a_stopped_lane_goes_on() {
    let mut scene = Scene::of("order");
    let endpoint = scene.endpoint();
    let (first, second) = (scene.publish(endpoint), scene.publish(endpoint));
    scene.ok(scene.sends(first));
    scene.ok(scene.hears(first, status(400)));
    let mut end = scene.end_of(first);
    end.stop_lane = true;
    scene.ok(durable(end));
    assert!(scene.red(scene.sends(second)).contains("stopped"));
}

#[test]
fn a_delivery_that_has_ended_is_sent_or_ends_again() {
    let mut scene = Scene::of("one_end");
    let endpoint = scene.endpoint();
    let id = scene.publish(endpoint);
    scene.ok(scene.sends(id));
    scene.ok(scene.hears(id, status(200)));
    let end = scene.end_of(id);
    scene.ok(durable(end.clone()));
    assert!(scene.red(scene.sends(id)).contains("is delivered"));
    assert!(scene.red(durable(end)).contains("was delivered"));
}

#[test]
fn a_delivery_is_told_to_end_twice() {
    let mut scene = Scene::of("one_end");
    let endpoint = scene.endpoint();
    let of = of(scene.publish(endpoint), endpoint);
    let reason = FailReason::Rejected;
    let attempts = 1;
    scene.ok(What::Fact(Fact::Failed {
        of,
        attempts,
        reason,
    }));
    scene.ok(What::Fact(Fact::Discarded { of }));
    scene.red(What::Fact(Fact::Discarded { of }));
}

#[test]
fn a_delivery_is_sent_while_it_is_under_way() {
    let mut scene = Scene::of("one_end");
    let endpoint = scene.endpoint();
    let id = scene.publish(endpoint);
    scene.ok(scene.sends(id));
    assert!(scene.red(scene.sends(id)).contains("under way"));
}

#[test]
fn other_deliveries_are_acknowledged_than_were_made() {
    let mut scene = Scene::of("durable_first");
    let endpoint = scene.endpoint();
    let (change, receipt) = scene.publication(endpoint, None);
    let Change::Publish(publish) = change.clone() else {
        panic!("not a publication");
    };
    scene.ok(What::Durable { change, receipt });
    let mut other = publish.deliveries.to_vec();
    other[0].id = DeliveryId::from_u128(99);
    for told in [&[][..], &other] {
        let call = scene.call(Wish::Publish(new_event(endpoint, None)));
        let reply = Reply::Published(Ok(Published {
            event: publish.event.id,
            deliveries: told.into(),
            duplicate: false,
        }));
        let red = scene.red(What::Answered { call, reply });
        assert!(red.contains("are acknowledged"), "{red}");
    }
}

#[test]
fn something_is_said_before_it_is_durable() {
    let mut scene = Scene::of("durable_first");
    let endpoint = scene.endpoint();
    let call = scene.call(Wish::Publish(new_event(endpoint, None)));
    let reply = accepted(EventId::from_u128(99), &[]);
    assert!(scene.red(What::Answered { call, reply }).contains("first"));

    let id = scene.publish(endpoint);
    let of = of(id, endpoint);
    let said = What::Fact(Fact::Delivered { of, attempts: 1 });
    assert!(scene.red(said.clone()).contains("Pending"));
    scene.attempt(id, status(200));
    scene.ok(said);
}

#[test]
fn an_attempt_leaves_before_the_one_before_is_durable() {
    let mut scene = Scene::of("durable_first");
    let endpoint = scene.endpoint();
    let id = scene.publish(endpoint);
    let mut wire = scene.wire(id);
    wire.number = 2;
    scene.red(What::Sent(Arc::new(wire)));
    scene.ok(scene.sends(id));
}

fn of(delivery: DeliveryId, endpoint: EndpointId) -> Of {
    let event = EventId::from_u128(delivery.as_u128());
    Of {
        delivery,
        event,
        endpoint,
    }
}
