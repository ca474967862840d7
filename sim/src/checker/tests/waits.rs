//! Who waits, and for how long.

use super::*;
use crate::plan::FaultKind;
use crate::trace::Stop;

#[test]
fn a_healthy_endpoint_is_kept_waiting() {
    let mut scene = Scene::of("isolation");
    let endpoint = scene.endpoint();
    let id = scene.publish(endpoint);
    scene.pass(60);
    scene.ok(What::Healed);
    scene.pass(100);
    assert!(scene.red(What::Healed).contains("has waited"));

    // It has left in time.
    let mut scene = Scene::of("isolation");
    let endpoint = scene.endpoint();
    scene.publish(endpoint);
    scene.ok(scene.sends(id));
    scene.pass(12);
    scene.ok(What::Healed);
}

#[test]
fn an_endpoint_that_is_not_healthy_may_wait() {
    let storm = FaultKind::Storm {
        receiver: 0,
        for_ms: 1,
        percent: 1,
        answer: Answer::Hang,
    };
    for held in [true, false] {
        let mut scene = Scene::of("isolation");
        let endpoint = scene.endpoint();
        if held {
            scene.told(|record| record.status = EndpointStatus::Paused);
        } else {
            scene.ok(What::Fault {
                index: 0,
                kind: storm.clone(),
            });
        }
        scene.publish(endpoint);
        scene.pass(100_000);
        scene.ok(What::Healed);
        scene.ok(What::Healed);
    }
}

#[test]
fn a_wait_for_a_slot_is_longer_and_bounded() {
    let mut plan = plan();
    plan.bounds.attempts_max = 1;
    let mut scene = Scene::with("isolation", plan);
    let endpoint = scene.endpoint();
    scene.publish(endpoint);
    scene.pass(40_000);
    scene.ok(What::Healed);
    scene.pass(60_000);
    assert!(scene.red(What::Healed).contains("has waited"));
}

fn ended(dead: Vec<usize>, status: EndpointStatus) -> Result<(), String> {
    let mut plan = plan();
    plan.end.dead = dead;
    let mut scene = Scene::with("liveness", plan);
    let endpoint = scene.endpoint();
    scene.publish(endpoint);
    scene.told(|record| record.status = status);
    scene.ok(What::Healed);
    scene.pass(3_600_000 * 4);
    scene.ok(What::Stopped(Stop::End));
    scene.checker.end(&scene.book)
}

#[test]
fn something_is_pending_to_the_end() {
    let said = ended(Vec::new(), EndpointStatus::Active);
    assert!(said.unwrap_err().contains("to the end"));
    assert_eq!(ended(Vec::new(), EndpointStatus::Paused), Ok(()));
}

#[test]
fn a_dead_receiver_is_not_asked_any_more() {
    let said = ended(vec![0], EndpointStatus::Active);
    assert!(said.unwrap_err().contains("nothing is sent"));
}

#[test]
fn a_call_has_no_answer_to_the_end() {
    let mut scene = Scene::of("liveness");
    let endpoint = scene.endpoint();
    scene.ok(What::Healed);
    let call = scene.call(Wish::Delete(endpoint));
    scene.ok(What::Stopped(Stop::End));
    assert!(scene.checker.end(&scene.book).is_err());
    let reply = Reply::Nothing(postrider_engine::Closed::Crashed);
    scene.ok(What::Answered { call, reply });
    assert_eq!(scene.checker.end(&scene.book), Ok(()));
}
