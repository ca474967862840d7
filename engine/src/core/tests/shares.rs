//! What one endpoint or one tenant may use of what may be pending.

use super::harness::{Bench, event, ordering_key, spec, status};
use crate::{
    Answer, Command, DeliveryState, EndpointChange, EndpointError, EndpointId, EndpointSpec,
    EventHeaders, Fact, FailReason, Full, Input, Ledger, Limits, NewEvent, OnFailed, PayloadType,
    PublishError, ResendError, Target,
};
use bytes::Bytes;

const QUEUE_FULL: DeliveryState = DeliveryState::Failed(FailReason::QueueFull);

/// Of sixteen deliveries a tenant may have eight pending, an endpoint four.
fn bench() -> Bench {
    Bench::with(Limits {
        pending_deliveries_max: 16,
        endpoints_max: 8,
        ..Limits::default()
    })
}

fn paused(bench: &mut Bench, tenant: &str, on_failed: OnFailed) -> EndpointId {
    let id = bench.endpoint(EndpointSpec {
        tenant: tenant.parse().unwrap(),
        on_failed,
        ..spec()
    });
    bench.change(id, EndpointChange::Pause).unwrap();
    id
}

fn of(tenant: &str, target: Target) -> NewEvent {
    NewEvent {
        tenant: tenant.parse().unwrap(),
        target,
        event_type: "a.b".parse().unwrap(),
        payload: Bytes::from_static(b"{}"),
        payload_type: PayloadType::default(),
        headers: EventHeaders::default(),
        ordering_key: ordering_key(""),
        idempotency_key: None,
    }
}

fn fill(bench: &mut Bench, endpoint: EndpointId, count: usize) {
    for _ in 0..count {
        let tenant = bench.core.endpoints.iter();
        let tenant = tenant.filter(|it| it.id() == endpoint);
        let tenant = tenant.map(|it| it.record.spec.tenant.to_string()).next();
        let call = bench.submit(of(&tenant.unwrap(), Target::Endpoint(endpoint)));
        bench.published(call).unwrap();
    }
}

fn refused(bench: &mut Bench, event: NewEvent) -> Full {
    let call = bench.submit(event);
    match bench.published(call) {
        Err(PublishError::Full(full)) => full,
        other => panic!("it is not full: {other:?}"),
    }
}

#[test]
fn a_full_endpoint_is_passed_over_and_the_others_get_the_event() {
    let mut bench = bench();
    let full = paused(&mut bench, "a", OnFailed::Continue);
    let open = bench.endpoint(EndpointSpec {
        tenant: "a".parse().unwrap(),
        ..spec()
    });
    fill(&mut bench, full, 4);
    let call = bench.submit(of("a", Target::Subscribers));
    let published = bench.published(call).unwrap();
    let told: Vec<_> = (published.deliveries.iter())
        .map(|new| (new.lane.endpoint, new.queue_full))
        .collect();
    assert_eq!(told, [(full, true), (open, false)]);
    let passed_over = bench
        .host
        .store
        .delivery(published.deliveries[0].id)
        .unwrap();
    assert_eq!(
        (passed_over.state, passed_over.attempts.len()),
        (QUEUE_FULL, 0)
    );
    let of = |fact: &Fact| match fact {
        Fact::Failed {
            of,
            attempts: 0,
            reason: FailReason::QueueFull,
        } => Some(of.delivery),
        _ => None,
    };
    let told: Vec<_> = bench.host.facts.iter().filter_map(of).collect();
    assert_eq!(told, [passed_over.id]);
    let ledger = bench.host.store.ledger(full);
    let expected = Ledger {
        accepted: 5,
        pending: 4,
        failed: 1,
        ..Ledger::default()
    };
    assert_eq!(ledger, expected);
    assert_eq!(bench.sent().len(), 1);
    assert_eq!(bench.core.footprint().pending_deliveries, 5);
}

#[test]
fn what_was_passed_over_can_be_sent_again_and_its_lane_has_gone_on() {
    let mut bench = bench();
    let full = paused(&mut bench, "default", OnFailed::Continue);
    let open = bench.endpoint(spec());
    for text in ["1", "2", "3", "4"] {
        bench.publish(full, "", text);
    }
    let call = bench.submit(NewEvent {
        payload: Bytes::from_static(b"5"),
        ..of("default", Target::Subscribers)
    });
    let passed_over = bench.published(call).unwrap().deliveries[0].clone();
    assert_eq!(passed_over.lane.endpoint, full);
    bench.respond_ok_to_all();
    assert_eq!(bench.sent(), ["5"], "to {open}");
    bench.change(full, EndpointChange::Resume).unwrap();
    bench.respond(status(200));
    bench.publish(full, "", "6");
    let resent = bench.resend(passed_over.id);
    assert!(matches!(resent, Some(Answer::Resent(Ok(_)))), "{resent:?}");
    for _ in 0..5 {
        bench.respond(status(200));
    }
    assert_eq!(bench.sent(), ["5", "1", "2", "3", "4", "6", "5"]);
    assert_eq!(bench.core.footprint().pending_deliveries, 0);
}

#[test]
fn an_event_that_would_go_nowhere_is_refused_with_the_endpoint_s_name() {
    let mut bench = bench();
    let endpoint = paused(&mut bench, "a", OnFailed::Continue);
    fill(&mut bench, endpoint, 4);
    let expected = Full::EndpointDeliveries { endpoint, most: 4 };
    for target in [Target::Endpoint(endpoint), Target::Subscribers] {
        assert_eq!(refused(&mut bench, of("a", target)), expected);
    }
    assert!(expected.to_string().contains(&endpoint.to_string()));
    let other = paused(&mut bench, "b", OnFailed::Continue);
    fill(&mut bench, other, 4);
}

#[test]
fn an_endpoint_that_stops_at_a_dead_letter_is_not_passed_over() {
    let mut bench = bench();
    let endpoint = paused(&mut bench, "a", OnFailed::Stop);
    paused(&mut bench, "a", OnFailed::Continue);
    fill(&mut bench, endpoint, 4);
    let full = refused(&mut bench, of("a", Target::Subscribers));
    assert_eq!(full, Full::EndpointDeliveries { endpoint, most: 4 });
}

#[test]
fn a_tenant_that_has_used_its_share_leaves_room_for_the_others() {
    let mut bench = bench();
    let own = [0; 3].map(|_| paused(&mut bench, "a", OnFailed::Continue));
    let other = paused(&mut bench, "b", OnFailed::Continue);
    fill(&mut bench, own[0], 4);
    fill(&mut bench, own[1], 4);
    let full = refused(&mut bench, of("a", Target::Endpoint(own[2])));
    assert_eq!(full, Full::TenantDeliveries { most: 8 });
    fill(&mut bench, other, 4);
    let deleted = bench.delete(own[0]);
    assert!(matches!(deleted, Some(Answer::Deleted(Ok(())))));
    fill(&mut bench, own[2], 4);
}

#[test]
fn bytes_have_shares_too_and_one_event_always_fits() {
    let mut bench = Bench::with(Limits {
        pending_bytes_max: 40,
        ..Limits::default()
    });
    let endpoint = paused(&mut bench, "default", OnFailed::Continue);
    bench.publish(endpoint, "", "more than ten letters");
    let full = refused(&mut bench, event(endpoint, "", ""));
    assert_eq!(full, Full::EndpointBytes { endpoint, most: 10 });
    let other = paused(&mut bench, "default", OnFailed::Continue);
    let full = refused(&mut bench, event(other, "", "a"));
    assert_eq!(full, Full::TenantBytes { most: 20 });
}

#[test]
fn a_share_is_counted_while_the_store_has_not_answered_and_given_back_if_it_refuses() {
    let mut bench = bench();
    let endpoint = paused(&mut bench, "a", OnFailed::Continue);
    bench.host.hold_commits = true;
    let target = Target::Endpoint(endpoint);
    let calls: Vec<_> = (0..4).map(|_| bench.submit(of("a", target))).collect();
    let full = refused(&mut bench, of("a", target));
    assert_eq!(full, Full::EndpointDeliveries { endpoint, most: 4 });
    bench.fail_commit(crate::CommitError::Full);
    bench.release();
    assert!(bench.published(calls[1]).is_ok() || bench.published(calls[0]).is_err());
    fill(&mut bench, endpoint, 1);
    refused(&mut bench, of("a", target));
}

#[test]
fn a_restart_finds_the_shares_used_up_as_they_were() {
    let mut bench = bench();
    let endpoint = paused(&mut bench, "a", OnFailed::Continue);
    fill(&mut bench, endpoint, 4);
    bench.crash();
    let full = refused(&mut bench, of("a", Target::Endpoint(endpoint)));
    assert_eq!(full, Full::EndpointDeliveries { endpoint, most: 4 });
}

#[test]
fn a_resend_keeps_the_bounds_of_its_endpoint() {
    let mut bench = bench();
    let endpoint = bench.endpoint(spec());
    let dead = bench.publish(endpoint, "", "a");
    bench.respond(status(400));
    let dead = bench.delivery_of(dead).id;
    bench.change(endpoint, EndpointChange::Pause).unwrap();
    fill(&mut bench, endpoint, 4);
    let call = bench.command(Command::Resend(dead, Some(endpoint)));
    let full = Full::EndpointDeliveries { endpoint, most: 4 };
    let answer = bench.take(call);
    let expected = ResendError::Full(full);
    assert!(
        matches!(&answer, Some(Answer::Resent(Err(error))) if *error == expected),
        "{answer:?}"
    );
}

#[test]
fn what_comes_out_of_the_outbox_is_never_refused_for_a_share() {
    let mut bench = bench();
    let endpoint = paused(&mut bench, "a", OnFailed::Stop);
    fill(&mut bench, endpoint, 4);
    let call = bench.call();
    let id = crate::EventId::from_u128(77);
    bench.input(Input::FromOutbox(call, id, of("a", Target::Subscribers)));
    bench.settle();
    let published = bench.published(call).unwrap();
    assert!(published.deliveries[0].queue_full);
    assert_eq!(bench.state_of(id), QUEUE_FULL);
}

#[test]
fn a_tenant_has_at_most_its_share_of_the_endpoints() {
    let mut bench = bench();
    for _ in 0..4 {
        paused(&mut bench, "a", OnFailed::Continue);
    }
    let more = |tenant: &str| EndpointSpec {
        tenant: tenant.parse().unwrap(),
        ..spec()
    };
    let full = EndpointError::Full(Full::TenantEndpoints { most: 4 });
    assert_eq!(bench.register(more("a")).err(), Some(full));
    bench.register(more("b")).unwrap();
}
