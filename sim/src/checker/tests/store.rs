//! What the store holds.

use super::*;

fn audited(promise: &str, outcome: Outcome) -> (Scene, DeliveryId, Audit) {
    let mut scene = Scene::of(promise);
    let endpoint = scene.endpoint();
    let id = scene.publish(endpoint);
    scene.attempt(id, outcome);
    let audit = scene.audit();
    (scene, id, audit)
}

fn look(scene: &mut Scene, audit: Audit) -> Result<(), String> {
    scene.see(What::Audit(Box::new(audit)))
}

#[test]
fn an_acknowledged_event_is_lost_or_changed_in_the_store() {
    let (mut scene, _, audit) = audited("durable", status(200));
    assert_eq!(look(&mut scene, audit.clone()), Ok(()));
    let mut breaks = |change: fn(&mut Audit)| {
        let mut wrong = audit.clone();
        change(&mut wrong);
        look(&mut scene, wrong).unwrap_err()
    };
    assert!(breaks(|audit| audit.deliveries.clear()).contains("not in the store"));
    assert!(breaks(|audit| audit.deliveries[0].payload = Bytes::new()).contains("payload"));
    assert!(breaks(|audit| audit.deliveries[0].state = DeliveryState::Pending).contains("was"));
    assert!(breaks(|audit| audit.deliveries[0].attempts.clear()).contains("attempts"));
    assert!(breaks(|audit| audit.deliveries[0].seq = Seq(9)).contains("elsewhere"));
    assert!(breaks(|audit| audit.deliveries[0].ended_at = None).contains("ended"));
}

#[test]
fn a_dead_letter_is_forgotten_or_made_up() {
    let (mut scene, id, audit) = audited("dead_letters", status(404));
    assert_eq!(look(&mut scene, audit.clone()), Ok(()));
    let mut wrong = audit.clone();
    wrong.dead[0].1.clear();
    assert!(look(&mut scene, wrong).is_err());
    let mut wrong = audit;
    wrong.dead.clear();
    assert!(look(&mut scene, wrong).is_err());

    let (mut scene, _, mut audit) = audited("dead_letters", status(200));
    audit.dead[0].1.push(id);
    assert!(look(&mut scene, audit).is_err());
}

#[test]
fn a_dead_letter_that_is_discarded_is_none_any_more() {
    let (mut scene, id, audit) = audited("dead_letters", status(404));
    let page = &scene.book.deliveries[&id];
    let placed = postrider_engine::Placed {
        delivery: id,
        event: page.event,
        lane: page.lane.clone(),
        seq: page.seq,
        ordinal: None,
        payload_bytes: 0,
    };
    scene.ok(What::Durable {
        change: Change::Discard {
            delivery: id,
            dead: false,
            at: Wall(0),
        },
        receipt: Receipt::Discarded {
            placed,
            was_pending: false,
        },
    });
    assert!(look(&mut scene, audit).is_err());
    let audit = scene.audit();
    assert_eq!(look(&mut scene, audit), Ok(()));
}

#[test]
fn an_account_says_something_else_than_what_happened() {
    let (mut scene, _, audit) = audited("accounting", status(200));
    assert_eq!(look(&mut scene, audit.clone()), Ok(()));
    let mut wrong = audit.clone();
    wrong.ledgers[0].1.delivered = 2;
    assert!(look(&mut scene, wrong).unwrap_err().contains("add up"));
    let mut wrong = audit.clone();
    wrong.ledgers[0].1.delivered = 0;
    wrong.ledgers[0].1.failed = 1;
    assert!(
        look(&mut scene, wrong)
            .unwrap_err()
            .contains("account says")
    );
    let mut wrong = audit;
    wrong.ledgers.clear();
    assert!(look(&mut scene, wrong).unwrap_err().contains("no account"));
}

#[test]
fn the_engine_holds_more_than_its_bounds() {
    let mut scene = Scene::of("memory");
    let held = Footprint {
        payload_bytes_bound: 1_000,
        ..Footprint::default()
    };
    assert_eq!(scene.checker.weigh(&held, &scene.book), Ok(()));
    let heavy: [fn(&mut Footprint); 9] = [
        |held| held.attempts = 1,
        |held| held.slots = 4_097,
        |held| held.lanes = 1,
        |held| held.window_deliveries = 1,
        |held| held.commits = 20_000,
        |held| held.timers = 2,
        |held| held.pending_deliveries = 10_000_001,
        |held| held.payload_bytes = 1_001,
        |held| held.state_bytes = 10 << 20,
    ];
    for change in heavy {
        let mut held = held;
        change(&mut held);
        // What was held once may be held again: each in a life of its own.
        scene.ok(What::Started { life: 1 });
        assert!(scene.checker.weigh(&held, &scene.book).is_err(), "{held:?}");
    }
}

#[test]
fn the_engine_says_that_it_holds_less_than_it_can() {
    let mut scene = Scene::of("memory");
    scene.endpoint();
    let held = Footprint {
        endpoints: 1,
        state_bytes: 255,
        ..Footprint::default()
    };
    assert!(scene.checker.weigh(&held, &scene.book).is_err());
    let held = Footprint {
        state_bytes: 256,
        ..held
    };
    assert_eq!(scene.checker.weigh(&held, &scene.book), Ok(()));
}

#[test]
fn the_engine_holds_payloads_of_nothing_that_is_pending() {
    let mut scene = Scene::of("memory");
    let held = Footprint {
        // A read is under way.
        slots: 1,
        payload_bytes: 9,
        payload_bytes_bound: 1_000,
        pending_bytes: 8,
        ..Footprint::default()
    };
    assert!(scene.checker.weigh(&held, &scene.book).is_err());
    let held = Footprint {
        pending_bytes: 9,
        ..held
    };
    assert_eq!(scene.checker.weigh(&held, &scene.book), Ok(()));
}

#[test]
fn the_engine_counts_what_is_not_there_or_keeps_what_has_to_wait() {
    let mut scene = Scene::of("memory");
    let endpoint = scene.endpoint();
    scene.publish(endpoint);
    let held = Footprint {
        endpoints: 1,
        lanes: 1,
        window_deliveries: 1,
        pending_deliveries: 1,
        pending_bytes: 7,
        payload_bytes_bound: 1_000,
        state_bytes: 1_000,
        ..Footprint::default()
    };
    assert_eq!(scene.checker.weigh(&held, &scene.book), Ok(()));
    let wrong: [fn(&mut Footprint); 7] = [
        |held| held.endpoints = 2,
        |held| held.lanes = 9,
        |held| held.pending_bytes = 8,
        |held| held.pending_deliveries = 0,
        |held| held.pending_deliveries = 2,
        |held| held.payload_bytes = 1,
        |held| {
            held.slots = 1;
            held.attempts = 1;
        },
    ];
    for change in wrong {
        let mut held = held;
        change(&mut held);
        assert!(scene.checker.weigh(&held, &scene.book).is_err(), "{held:?}");
    }
}
