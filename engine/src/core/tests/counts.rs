//! What is counted for those who watch.

use super::harness::{Bench, ms, retrying, status};
use crate::lane::Lane;
use crate::{
    BreakerPolicy, Command, EndpointChange, EndpointSpec, Fact, Limits, Output, RateLimit,
};

#[test]
fn endpoints_are_counted_by_what_holds_them_back() {
    let mut bench = Bench::new();
    let breaker = BreakerPolicy {
        failures: 1,
        cooldown: ms(1_000),
        cooldown_max: ms(1_000),
    };
    let failing = bench.endpoint(EndpointSpec {
        breaker: Some(breaker),
        ..retrying(&[60_000])
    });
    let paused = bench.endpoint(retrying(&[]));
    let disabled = bench.endpoint(retrying(&[]));
    bench.change(paused, EndpointChange::Pause).unwrap();
    bench.change(disabled, EndpointChange::Disable).unwrap();
    let counts = |bench: &Bench| {
        let it = bench.core.footprint();
        let held = (it.endpoints_paused, it.endpoints_disabled, it.breakers_open);
        (held, it.lanes_active, it.lane_depth_max)
    };
    assert_eq!(counts(&bench), ((1, 1, 0), 0, 0));
    bench.publish(failing, "a", "1");
    bench.publish(failing, "b", "2");
    bench.publish(failing, "b", "3");
    bench.respond_to_text("1", status(500));
    assert_eq!(counts(&bench), ((1, 1, 1), 2, 2));
    bench.respond_to_text("2", status(200));
    assert_eq!(counts(&bench), ((1, 1, 0), 2, 1));
    bench.respond_to_text("3", status(200));
    bench.delete(failing).unwrap();
    bench.change(paused, EndpointChange::Resume).unwrap();
    assert_eq!(counts(&bench), ((0, 1, 0), 0, 0));
}

#[test]
fn every_delivery_that_goes_with_its_endpoint_is_told_or_counted() {
    let mut bench = Bench::with(Limits {
        window_deliveries_max: 2,
        ..Limits::default()
    });
    let endpoint = bench.endpoint(retrying(&[]));
    for number in 0..10 {
        bench.publish(endpoint, "", &number.to_string());
    }
    assert_eq!(bench.core.footprint().lane_depth_max, 10);
    bench.delete(endpoint).unwrap();
    let facts = bench.host.facts.iter();
    let told = facts
        .clone()
        .filter(|it| matches!(it, Fact::Discarded { .. }));
    let told = told.count() as u64;
    let untold = facts.clone().find_map(|fact| match fact {
        Fact::EndpointDeleted { untold, .. } => Some(*untold),
        _ => None,
    });
    // The first one is under way, and stays.
    assert_eq!(untold, Some(9 - told));
    assert!(told < 9, "the window is smaller");
    bench.respond(status(200));
    let delivered = |fact: &Fact| matches!(fact, Fact::Delivered { .. });
    assert!(bench.host.facts.iter().any(delivered));
}

#[test]
fn lanes_that_are_asked_for_are_counted_while_they_wait_for_their_turn() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(EndpointSpec {
        rate_limit: Some(RateLimit {
            requests: 1,
            per: ms(60_000),
            burst: 1,
        }),
        ..retrying(&[3_600_000])
    });
    let event = bench.publish(endpoint, "a", "a");
    bench.respond(status(500));
    let delivery = bench.delivery_of(event);
    // Beside queues, which may take more room for other reasons.
    let held = |bench: &Bench| {
        let lanes: usize = bench.core.lanes.iter().map(Lane::bytes).sum();
        let outputs = bench.core.outputs.capacity() * size_of::<Output>();
        let held = bench.core.footprint();
        (held.timers, held.state_bytes - lanes - outputs)
    };
    let before = held(&bench);
    bench.command(Command::RetryNow(delivery.id, delivery.lane));
    assert!(bench.under_way().is_empty(), "the rate limit holds");
    let asked = held(&bench);
    assert_eq!(before.0, asked.0);
    assert!(before.1 < asked.1, "{before:?} {asked:?}");
}
