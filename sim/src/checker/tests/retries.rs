//! What leaves early because somebody has asked for it.

use super::*;
use crate::plan::{Breaker, Rate};
use postrider_engine::{EndpointChange, Placed};

/// A retry by hand, as it becomes durable.
fn is_due(scene: &Scene, id: DeliveryId) -> What {
    let page = &scene.book.deliveries[&id];
    What::Durable {
        change: Change::RetryNow {
            delivery: id,
            with: Vec::new(),
            ordered: false,
            at: scene.now().wall,
        },
        receipt: Receipt::Due(Placed {
            delivery: id,
            event: page.event,
            lane: page.lane.clone(),
            seq: page.seq,
            ordinal: None,
            payload_bytes: 24,
        }),
    }
}

/// What waits for this endpoint is due.
fn is_mended(scene: &Scene, endpoint: EndpointId) -> What {
    What::Durable {
        change: Change::ChangeEndpoint(Arc::new(EndpointUpdate {
            endpoint,
            spec: None,
            secrets: None,
            status: None,
            health: None,
            due: Some(scene.now().wall),
        })),
        receipt: Receipt::Applied,
    }
}

/// A delivery that is to be retried in a second.
fn waiting(scene: &mut Scene, endpoint: EndpointId) -> DeliveryId {
    let id = scene.publish(endpoint);
    scene.ok(scene.sends(id));
    scene.ok(scene.hears(id, status(500)));
    let mut end = scene.end_of(id);
    let due = Wall(scene.now().wall.0 + 1_000);
    end.state = DeliveryState::Retrying { due };
    scene.ok(durable(end));
    id
}

#[test]
fn a_retry_leaves_early_only_if_it_was_asked_for_or_its_endpoint_is_mended() {
    for (asked, red) in [(None, true), (Some(true), false), (Some(false), false)] {
        let mut scene = Scene::of("attempts");
        let endpoint = scene.endpoint();
        let id = waiting(&mut scene, endpoint);
        scene.pass(1);
        match asked {
            None => (),
            Some(true) => scene.ok(is_due(&scene, id)),
            Some(false) => scene.ok(is_mended(&scene, endpoint)),
        }
        let said = scene.see(scene.sends(id));
        assert_eq!(said.is_err(), red, "{asked:?}: {said:?}");
    }
}

#[test]
fn what_was_asked_for_before_a_restart_is_due_after_it() {
    let mut scene = Scene::of("attempts");
    let endpoint = scene.endpoint();
    let id = waiting(&mut scene, endpoint);
    scene.ok(is_due(&scene, id));
    scene.ok(What::Stopped(crate::trace::Stop::Killed));
    scene.ok(What::Started { life: 2 });
    scene.ok(scene.sends(id));
}

#[test]
fn one_request_that_was_asked_for_passes_an_open_breaker_and_no_other() {
    let mut scene = Scene::of("breaker");
    let plan = EndpointPlan {
        fifo: false,
        breaker: Some(Breaker {
            failures: 1,
            cooldown_ms: 1_000,
            cooldown_max_ms: 1_500,
        }),
        ..EndpointPlan::of(0)
    };
    let endpoint = scene.endpoint_of(&plan);
    let ids: Vec<DeliveryId> = (0..3).map(|_| scene.publish(endpoint)).collect();
    scene.attempt(ids[0], status(500));
    scene.ok(is_due(&scene, ids[1]));
    scene.ok(scene.sends(ids[1]));
    assert!(scene.red(scene.sends(ids[2])).contains("let"));
}

#[test]
fn an_endpoint_that_is_mended_lets_one_request_through() {
    let mut scene = Scene::of("breaker");
    let plan = EndpointPlan {
        fifo: false,
        breaker: Some(Breaker {
            failures: 1,
            cooldown_ms: 1_000,
            cooldown_max_ms: 1_500,
        }),
        ..EndpointPlan::of(0)
    };
    let endpoint = scene.endpoint_of(&plan);
    let ids: Vec<DeliveryId> = (0..3).map(|_| scene.publish(endpoint)).collect();
    scene.attempt(ids[0], status(500));
    scene.ok(is_mended(&scene, endpoint));
    scene.ok(scene.sends(ids[1]));
    assert!(scene.red(scene.sends(ids[2])).contains("let"));
}

#[test]
fn what_waits_is_made_due_only_where_its_endpoint_is_mended() {
    let mut scene = Scene::of("invented");
    let endpoint = scene.endpoint();
    scene.call(Wish::Change(endpoint, EndpointChange::Pause));
    let said = scene.red(is_mended(&scene, endpoint));
    assert!(said.contains("made due"), "{said}");
    let mut scene = Scene::of("invented");
    let endpoint = scene.endpoint();
    scene.call(Wish::Change(endpoint, EndpointChange::Resume));
    let What::Durable {
        change: Change::ChangeEndpoint(update),
        receipt,
    } = is_mended(&scene, endpoint)
    else {
        panic!("not a change of an endpoint");
    };
    let resumed = EndpointUpdate {
        status: Some(EndpointStatus::Active),
        ..(*update).clone()
    };
    scene.ok(What::Durable {
        change: Change::ChangeEndpoint(Arc::new(resumed)),
        receipt,
    });
}

/// So many milliseconds pass, and nothing has left: what is said of it.
fn after(scene: &mut Scene, wait_ms: u64) -> Result<(), String> {
    scene.pass(wait_ms);
    scene.see(What::Healed)
}

#[test]
fn what_was_asked_for_waits_with_nothing_to_wait_for() {
    let mut scene = Scene::of("prompt");
    let endpoint = scene.endpoint();
    let id = waiting(&mut scene, endpoint);
    scene.pass(100);
    scene.ok(is_due(&scene, id));
    assert_eq!(after(&mut scene, 8), Ok(()), "reads take their time");
    assert!(after(&mut scene, 1).unwrap_err().contains("asked for"));

    // It has left in time, or has ended, or its endpoint is paused.
    let mut scene = Scene::of("prompt");
    let endpoint = scene.endpoint();
    let id = waiting(&mut scene, endpoint);
    scene.ok(is_due(&scene, id));
    scene.ok(scene.sends(id));
    assert_eq!(after(&mut scene, 10_000), Ok(()));

    let mut scene = Scene::of("prompt");
    let endpoint = scene.endpoint();
    let id = waiting(&mut scene, endpoint);
    scene.ok(is_due(&scene, id));
    scene.told(|record| record.status = EndpointStatus::Paused);
    assert_eq!(after(&mut scene, 10_000), Ok(()));
}

#[test]
fn what_was_asked_for_waits_for_its_rate_limit_and_no_longer() {
    let mut scene = Scene::of("prompt");
    let rate = Rate {
        requests: 1,
        per_ms: 1_000,
        burst: 1,
    };
    let plan = EndpointPlan {
        rate: Some(rate),
        ..EndpointPlan::of(0)
    };
    let endpoint = scene.endpoint_of(&plan);
    let id = waiting(&mut scene, endpoint);
    scene.ok(is_due(&scene, id));
    assert_eq!(after(&mut scene, 1_010), Ok(()));
    assert!(after(&mut scene, 1).is_err());
}

#[test]
fn of_an_endpoint_that_is_mended_something_leaves_at_once() {
    let mut scene = Scene::of("prompt");
    let endpoint = scene.endpoint();
    waiting(&mut scene, endpoint);
    scene.ok(is_mended(&scene, endpoint));
    assert_eq!(after(&mut scene, 8), Ok(()));
    assert!(after(&mut scene, 1).unwrap_err().contains("made due"));

    let mut scene = Scene::of("prompt");
    let endpoint = scene.endpoint();
    let id = waiting(&mut scene, endpoint);
    scene.ok(is_mended(&scene, endpoint));
    scene.ok(scene.sends(id));
    assert_eq!(after(&mut scene, 10_000), Ok(()));

    // Nothing is said of one with a request under way: its end may be a failure.
    let mut scene = Scene::of("prompt");
    let endpoint = scene.endpoint();
    let id = scene.publish(endpoint);
    scene.ok(scene.sends(id));
    scene.ok(is_mended(&scene, endpoint));
    scene.ok(scene.hears(id, status(500)));
    scene.ok(scene.ends(id));
    assert_eq!(after(&mut scene, 10_000), Ok(()));
}
