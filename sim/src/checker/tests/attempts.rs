//! Attempts, what is recorded of them, and when they leave.

use super::*;
use postrider_engine::DisabledReason;

fn retried_at(scene: &Scene, id: DeliveryId, wait_ms: u64) -> What {
    let mut end = scene.end_of(id);
    let due = Wall(scene.book.recording[&id].at.wall.0 + wait_ms);
    end.state = DeliveryState::Retrying { due };
    durable(end)
}

/// A delivery whose first attempt has ended so and is not recorded.
fn heard(promise: &str, outcome: Outcome) -> (Scene, DeliveryId) {
    let mut scene = Scene::of(promise);
    let endpoint = scene.endpoint();
    let id = scene.publish(endpoint);
    scene.ok(scene.sends(id));
    scene.pass(5);
    scene.ok(scene.hears(id, outcome));
    (scene, id)
}

#[test]
fn a_retry_is_due_outside_the_jitter_or_the_clamp() {
    for (asked, waits, reds) in [
        (None, [800, 1_200], [700, 1_300]),
        (Some("2"), [2_000, 2_000], [1_000, 2_100]),
        (Some("-2"), [800, 1_200], [2_000, 700]),
        (
            Some("Fri, 31 Dec 9999 23:59:59 GMT"),
            [3_600_000, 3_600_000],
            [3_700_000, 1_000],
        ),
    ] {
        for wait in waits {
            let (mut scene, id) = heard("attempts", answered(503, asked, 5));
            scene.ok(retried_at(&scene, id, wait));
        }
        for wait in reds {
            let (mut scene, id) = heard("attempts", answered(503, asked, 5));
            scene.red(retried_at(&scene, id, wait));
        }
    }
}

#[test]
fn a_retry_leaves_before_it_is_due() {
    for (early_ms, jump_ms) in [(0, -3_600_000), (1, 3_600_000)] {
        let (mut scene, id) = heard("attempts", status(500));
        scene.ok(retried_at(&scene, id, 1_000));
        scene.pass(1_000 - early_ms);
        // The calendar does not count while the process lives.
        scene.skew_ms = jump_ms;
        let said = scene.see(scene.sends(id));
        assert_eq!(said.is_err(), early_ms > 0, "{said:?}");
    }
}

#[test]
fn a_fresh_process_goes_by_the_calendar() {
    for early_ms in [0, 10] {
        let (mut scene, id) = heard("attempts", status(500));
        scene.ok(retried_at(&scene, id, 1_000));
        scene.ok(What::Stopped(crate::trace::Stop::Killed));
        scene.pass(400);
        scene.ok(What::Started { life: 2 });
        scene.pass(600 - early_ms);
        let said = scene.see(scene.sends(id));
        assert_eq!(said.is_err(), early_ms > 0, "{said:?}");
    }
}

#[test]
fn a_number_is_sent_again_in_the_same_life() {
    let (mut scene, id) = heard("attempts", status(500));
    let mut wire = scene.wire(id);
    wire.number = 1;
    assert!(
        scene
            .red(What::Sent(Arc::new(wire.clone())))
            .contains("after 1")
    );

    let (mut scene, id) = heard("attempts", status(500));
    scene.ok(What::Stopped(crate::trace::Stop::Killed));
    scene.ok(What::Started { life: 2 });
    scene.ok(scene.sends(id));
}

#[test]
fn more_attempts_are_recorded_than_the_policy_has() {
    let mut scene = Scene::of("attempts");
    let mut plan = EndpointPlan::of(0);
    plan.retry.delays = crate::plan::Delays::Listed(Vec::new());
    let endpoint = scene.endpoint_of(&plan);
    let id = scene.publish(endpoint);
    scene.ok(scene.sends(id));
    scene.ok(scene.hears(id, status(500)));
    scene.red(retried_at(&scene, id, 0));
}

#[test]
fn something_else_is_recorded_than_what_follows() {
    for (outcome, wrong) in [
        (status(200), DeliveryState::Failed(FailReason::Rejected)),
        (status(302), DeliveryState::Delivered),
        (status(404), DeliveryState::Retrying { due: Wall(0) }),
        (status(500), DeliveryState::Delivered),
        (status(799), DeliveryState::Failed(FailReason::Rejected)),
        (answered(200, None, 30_001), DeliveryState::Delivered),
    ] {
        let (mut scene, id) = heard("oracle", outcome.clone());
        let mut end = scene.end_of(id);
        end.state = wrong;
        scene.red(durable(end));
    }
    let (mut scene, id) = heard("oracle", status(404));
    scene.ok(scene.ends(id));
}

#[test]
fn an_endpoint_that_is_gone_is_not_disabled() {
    let (mut scene, id) = heard("oracle", status(410));
    let mut end = scene.end_of(id);
    assert!(scene.red(durable(end.clone())).contains("disable"));

    let (mut scene, _) = heard("oracle", status(410));
    end.disable = Some(DisabledReason::Gone);
    scene.ok(durable(end));
}

#[test]
fn an_attempt_is_recorded_that_has_not_ended_or_twice() {
    let (mut scene, id) = heard("oracle", status(500));
    let end = scene.end_of(id);
    scene.ok(durable(end.clone()));
    assert!(scene.red(durable(end)).contains("has not ended"));
}

#[test]
fn an_outcome_is_never_recorded() {
    let (mut scene, id) = heard("oracle", status(200));
    scene.book.healed = true;
    scene.pass(60_000);
    scene.ok(What::Healed);
    assert!(scene.checker.end(&scene.book).is_err());
    scene.ok(scene.ends(id));
    assert_eq!(scene.checker.end(&scene.book), Ok(()));
}

#[test]
fn a_rejection_is_retried() {
    let (mut scene, id) = heard("rejected", status(404));
    assert!(
        scene
            .red(retried_at(&scene, id, 1_000))
            .contains("was rejected")
    );

    let (mut scene, id) = heard("rejected", status(404));
    scene.ok(scene.ends(id));
    scene.red(scene.sends(id));
}

#[test]
fn a_request_stays_under_way_beyond_its_grace() {
    for (late_ms, red) in [(0, false), (100, true)] {
        let mut scene = Scene::of("timeout");
        let endpoint = scene.endpoint();
        let id = scene.publish(endpoint);
        scene.ok(scene.sends(id));
        scene.pass(31_000 + late_ms);
        assert_eq!(scene.see(What::Healed).is_err(), red);
    }
}

#[test]
fn an_attempt_is_recorded_or_told_longer_than_it_took() {
    for (wrong_ms, told_ms) in [(0, 0), (1, 1), (0, 1)] {
        let (mut scene, id) = heard("attempts", status(200));
        let mut end = scene.end_of(id);
        end.attempt.duration_ms += wrong_ms;
        let duration_ms = end.attempt.duration_ms + told_ms;
        let attempt = end.attempt.id;
        let recorded = scene.see(durable(end));
        assert_eq!(recorded.is_err(), wrong_ms > 0, "{recorded:?}");
        let page = &scene.book.deliveries[&id];
        let of = postrider_engine::Of {
            delivery: id,
            event: page.event,
            endpoint: page.lane.endpoint,
        };
        let fact = postrider_engine::Fact::AttemptEnded {
            of,
            attempt,
            number: 1,
            result: postrider_engine::AttemptResult::Status(200),
            duration_ms,
        };
        let told = scene.see(What::Fact(fact));
        assert_eq!(
            wrong_ms == 0 && told.is_err(),
            told_ms > 0 && wrong_ms == 0,
            "{told:?}"
        );
    }
}
