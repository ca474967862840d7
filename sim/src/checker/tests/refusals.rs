//! What is refused, what is taken, and what the engine says that it waits for.

use super::*;
use postrider_engine::{
    BatchId, CommitError, EndpointError, Full, PublishError, Reason, Refusal, ResendError,
};

fn refused(call: CallId, error: impl Into<PublishError>) -> What {
    let reply = Reply::Published(Err(error.into()));
    What::Answered { call, reply }
}

fn asked(change: Change) -> What {
    let batch = BatchId(1);
    What::CommitAsked { batch, change }
}

/// So much is held after a turn.
fn holding(scene: &mut Scene, change: fn(&mut Footprint)) {
    let mut held = Footprint::default();
    change(&mut held);
    assert_eq!(scene.checker.weigh(&held, &scene.book), Ok(()));
}

#[test]
fn an_event_is_refused_for_a_bound_that_is_far() {
    for (pending, red) in [(9, true), (10, false)] {
        let mut plan = plan();
        plan.bounds.pending_deliveries_max = 10;
        let mut scene = Scene::with("refused", plan);
        let endpoint = scene.endpoint();
        let held = Footprint {
            pending_deliveries: pending,
            ..Footprint::default()
        };
        assert_eq!(scene.checker.weigh(&held, &scene.book), Ok(()));
        let call = scene.call(Wish::Publish(new_event(endpoint, None)));
        let most = 10;
        let said = scene.see(refused(call, Full::PendingDeliveries { most }));
        assert_eq!(said.is_err(), red, "{said:?}");
    }
}

#[test]
fn an_event_is_taken_beyond_a_bound() {
    let bytes = PAYLOAD.len();
    for (room, red) in [(bytes, false), (bytes - 1, true)] {
        let mut plan = plan();
        plan.bounds.pending_bytes_max = 100;
        let mut scene = Scene::with("refused", plan);
        let endpoint = scene.endpoint();
        let held = Footprint {
            pending_bytes: 100 - room as u64,
            ..Footprint::default()
        };
        assert_eq!(scene.checker.weigh(&held, &scene.book), Ok(()));
        scene.call(Wish::Publish(new_event(endpoint, None)));
        let (change, _) = scene.publication(endpoint, None);
        assert_eq!(scene.see(asked(change)).is_err(), red);
    }
}

#[test]
fn an_event_waits_beside_others_beyond_their_bound() {
    let mut plan = plan();
    plan.bounds.commit_bytes_max = PAYLOAD.len();
    let mut scene = Scene::with("refused", plan);
    let endpoint = scene.endpoint();
    for beyond in [false, true] {
        holding(&mut scene, |_| ());
        let call = scene.call(Wish::Publish(new_event(endpoint, None)));
        let (change, _) = scene.publication(endpoint, None);
        if beyond {
            scene.ok(refused(call, Full::Commits));
            scene.call(Wish::Publish(new_event(endpoint, None)));
        }
        assert_eq!(scene.see(asked(change)).is_err(), beyond);
    }
}

#[test]
fn an_endpoint_that_is_there_is_said_not_to_be() {
    let mut scene = Scene::of("refused");
    let endpoint = scene.endpoint();
    let call = scene.call(Wish::Publish(new_event(endpoint, None)));
    scene.red(refused(call, PublishError::NoSuchEndpoint(endpoint)));
    let call = scene.call(Wish::Delete(endpoint));
    let reply = Reply::Deleted(Err(EndpointError::NoSuchEndpoint(EndpointId::from_u128(9))));
    scene.red(What::Answered { call, reply });
    let call = scene.call(Wish::Publish(new_event(endpoint, None)));
    scene.red(refused(call, PublishError::EndpointDisabled(endpoint)));
    let call = scene.call(Wish::Register(0));
    let most = 100_000;
    let reply = Reply::Endpoint(Err(Full::Endpoints { most }.into()));
    scene.red(What::Answered { call, reply });
}

#[test]
fn a_resend_is_refused_and_nobody_has_refused_it() {
    let mut scene = Scene::of("refused");
    let endpoint = scene.endpoint();
    let id = scene.publish(endpoint);
    let call = scene.call(Wish::Resend(id));
    let reply = || Reply::Resent(Err(ResendError::StillPending(id)));
    let reply_of = |call, reply| What::Answered { call, reply };
    assert!(scene.see(reply_of(call, reply())).is_err());
    let durable = |refusal| What::Durable {
        change: Change::Resend {
            of: id,
            new: DeliveryId::from_u128(99),
            replay: None,
            at: Wall(0),
        },
        receipt: Receipt::Refused(refusal),
    };
    let call = scene.call(Wish::Resend(id));
    assert!(
        scene
            .red(durable(Refusal::NoSuchDelivery))
            .contains("for nothing")
    );
    scene.ok(durable(Refusal::StillPending));
    scene.ok(reply_of(call, reply()));
}

#[test]
fn a_store_with_room_is_full_and_one_without_is_not() {
    for (most, full) in [(1, true), (2, false)] {
        let mut plan = plan();
        plan.bounds.store.deliveries_max = most;
        let mut scene = Scene::with("refused", plan);
        let endpoint = scene.endpoint();
        scene.publish(endpoint);
        scene.call(Wish::Publish(new_event(endpoint, None)));
        let (change, receipt) = scene.publication(endpoint, None);
        scene.ok(asked(change.clone()));
        let error = CommitError::Full;
        let batch = BatchId(1);
        assert_eq!(scene.see(What::NotDurable { batch, error }).is_err(), !full);
        assert_eq!(scene.see(What::Durable { change, receipt }).is_err(), full);
    }
}

#[test]
fn a_record_is_kept_beyond_the_bound_of_the_store() {
    for (most, red) in [(0, true), (1, false)] {
        let mut plan = plan();
        plan.bounds.store.ended_max = most;
        let mut scene = Scene::with("durable", plan);
        let endpoint = scene.endpoint();
        let id = scene.publish(endpoint);
        scene.attempt(id, status(200));
        let mut audit = scene.audit();
        let said = scene.see(What::Audit(Box::new(audit.clone())));
        assert_eq!(said.is_err(), red, "{said:?}");
        audit.deliveries.clear();
        let said = scene.see(What::Audit(Box::new(audit)));
        assert_eq!(said.is_err(), !red, "{said:?}");
    }
}

#[test]
fn it_rests_for_something_else_than_it_says() {
    type Case = (Reason, fn(&mut Footprint));
    let cases: [Case; 6] = [
        (Reason::Idle, |_| ()),
        (Reason::Held, |held| held.pending_deliveries = 1),
        (Reason::Sending, |held| held.attempts = 1),
        (Reason::Storing, |held| held.commits = 1),
        (Reason::Storing, |held| held.slots = 1),
        (Reason::StoreFailed, |_| ()),
    ];
    let all = [Reason::Idle, Reason::Held, Reason::Sending, Reason::Storing];
    for (reason, change) in cases {
        let mut held = Footprint::default();
        change(&mut held);
        let mut scene = Scene::of("reason");
        assert_eq!(scene.checker.rest(reason, &held, &scene.book), Ok(()));
        let others = all.iter().filter(|other| **other != reason);
        for other in others.filter(|_| reason != Reason::StoreFailed) {
            let said = scene.checker.rest(*other, &held, &scene.book);
            assert!(said.is_err(), "{other:?} for {reason:?}");
        }
    }
    let held = Footprint {
        timers: 1,
        ..Footprint::default()
    };
    for reason in [
        Reason::Idle,
        Reason::Retry,
        Reason::Admission,
        Reason::Draining,
    ] {
        let mut scene = Scene::of("reason");
        assert!(scene.checker.rest(reason, &held, &scene.book).is_err());
    }
}

#[test]
fn a_store_fails_and_what_is_under_way_goes_on() {
    for (attempts, red) in [(0, false), (1, true)] {
        let mut scene = Scene::of("reason");
        let held = Footprint {
            attempts,
            ..Footprint::default()
        };
        let told = scene.checker.rest(Reason::StoreFailed, &held, &scene.book);
        assert_eq!(told, Ok(()));
        let stopped = What::Stopped(crate::trace::Stop::StoreFailed);
        assert_eq!(scene.see(stopped).is_err(), red);
    }
}
