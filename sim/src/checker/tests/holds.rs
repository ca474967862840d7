//! `Retry-After` belongs to the endpoint.

use super::*;
use crate::trace::Stop;
use postrider_engine::{EndpointChange, Fact};

fn scene() -> (Scene, EndpointId, Vec<DeliveryId>) {
    let mut scene = Scene::of("hold");
    let plan = EndpointPlan {
        fifo: false,
        ..EndpointPlan::of(0)
    };
    let endpoint = scene.endpoint_of(&plan);
    let ids = (0..4).map(|_| scene.publish(endpoint)).collect();
    (scene, endpoint, ids)
}

fn asking(status: u16, seconds: u64) -> Outcome {
    let Outcome::Response(mut response) = super::status(status) else {
        unreachable!()
    };
    let header = ("retry-after".to_owned(), seconds.to_string());
    response.headers.push(header);
    Outcome::Response(response)
}

/// A delivery is sent, and its receiver asks for time; that is durable.
fn is_held(scene: &mut Scene, id: DeliveryId, outcome: Outcome, seconds: u64) {
    scene.ok(scene.sends(id));
    scene.ok(scene.hears(id, outcome));
    let mut end = scene.end_of(id);
    let after = scene.book.recording[&id].health.1;
    let health = end.health.get_or_insert(after);
    health.held_until = Some(Wall(scene.now().wall.0 + seconds * 1_000));
    scene.ok(durable(end));
}

#[test]
fn something_is_sent_while_the_endpoint_is_held() {
    for (status, red) in [(429, true), (503, true), (500, false), (425, false)] {
        let (mut scene, _, ids) = scene();
        is_held(&mut scene, ids[0], asking(status, 5), 5);
        scene.pass(4_999);
        let said = scene.see(scene.sends(ids[1]));
        assert_eq!(said.is_err(), red, "{status}: {said:?}");
    }
    let (mut scene, _, ids) = scene();
    is_held(&mut scene, ids[0], asking(429, 5), 5);
    scene.pass(5_000);
    scene.ok(scene.sends(ids[1]));
    assert!(scene.red(scene.sends(ids[2])).contains("beside"));
    scene.ok(scene.hears(ids[1], status(200)));
    scene.pass(999);
    assert!(scene.red(scene.sends(ids[2])).contains("held for 1 ms"));
    scene.pass(1);
    scene.ok(scene.sends(ids[2]));
    scene.ok(scene.sends(ids[3]));
}

#[test]
fn a_hold_outlives_a_restart_and_ends_by_hand() {
    let (mut scene, endpoint, ids) = scene();
    is_held(&mut scene, ids[0], asking(429, 5), 5);
    scene.ok(What::Stopped(Stop::Killed));
    scene.ok(What::Started { life: 2 });
    scene.pass(4_999);
    assert!(scene.red(scene.sends(ids[1])).contains("held for 1 ms"));

    let (mut scene, _, ids) = self::scene();
    is_held(&mut scene, ids[0], asking(429, 5), 5);
    let call = scene.call(Wish::Change(endpoint, EndpointChange::Enable));
    let record = Box::new(scene.book.endpoints[&endpoint].durable.clone());
    scene.ok(What::Answered {
        call,
        reply: Reply::Endpoint(Ok(record)),
    });
    scene.ok(scene.sends(ids[1]));
    scene.ok(scene.sends(ids[2]));
}

#[test]
fn until_when_it_is_held_is_not_recorded() {
    let (mut scene, _, ids) = scene();
    scene.ok(scene.sends(ids[0]));
    scene.ok(scene.hears(ids[0], asking(503, 5)));
    let end = scene.end_of(ids[0]);
    assert!(scene.red(durable(end)).contains("is recorded"));
}

#[test]
fn nobody_is_told_of_a_hold_or_of_a_wrong_one() {
    let (mut scene, endpoint, ids) = scene();
    let weigh = |scene: &mut Scene| scene.checker.weigh(&Footprint::default(), &scene.book);
    let held = |until| What::Fact(Fact::EndpointHeld { endpoint, until });
    is_held(&mut scene, ids[0], asking(503, 5), 5);
    let until = Mono(scene.now().mono.0 + 5_000);
    scene.red(held(Mono(until.0 + 1)));
    scene.ok(held(until));
    assert_eq!(weigh(&mut scene), Ok(()));
    scene.red(held(until));
    scene.pass(5_000);
    is_held(&mut scene, ids[1], asking(429, 3), 3);
    assert!(weigh(&mut scene).is_err());
}
