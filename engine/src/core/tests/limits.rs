//! Slots, turns, and bytes: nobody takes what is another's, and nothing grows.

use super::harness::{Bench, event, ms, no_answer, retrying, spec, status};
use crate::{EndpointChange, EndpointSpec, Limits, Reason};

#[test]
fn an_endpoint_has_no_more_requests_than_its_concurrency() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(EndpointSpec {
        concurrency: 3,
        ..spec()
    });
    for key in ["a", "b", "c", "d", "e"] {
        bench.publish(endpoint, key, key);
    }
    assert_eq!(bench.under_way(), ["a", "b", "c"]);
    bench.respond(status(200));
    assert_eq!(bench.under_way(), ["b", "c", "d"]);
    bench
        .change(
            endpoint,
            EndpointChange::Spec(Box::new(EndpointSpec {
                concurrency: 4,
                ..spec()
            })),
        )
        .unwrap();
    assert_eq!(bench.under_way(), ["b", "c", "d", "e"]);
}

#[test]
fn there_are_never_more_requests_than_slots() {
    let mut bench = Bench::with(Limits {
        attempts_max: 4,
        ..Limits::default()
    });
    for _ in 0..9 {
        let endpoint = bench.endpoint(spec());
        bench.publish(endpoint, "", "a");
    }
    assert_eq!(bench.host.under_way.len(), 4);
    bench.respond(no_answer());
    assert_eq!(bench.host.under_way.len(), 4);
    bench.respond_ok_to_all();
    assert_eq!(bench.host.sent.len(), 9);
}

#[test]
fn a_slot_is_held_until_the_result_is_durable() {
    let mut bench = Bench::with(Limits {
        attempts_max: 1,
        ..Limits::default()
    });
    let [one, two] = [0; 2].map(|_| bench.endpoint(spec()));
    bench.publish(one, "", "a");
    bench.publish(two, "", "b");
    bench.host.hold_commits = true;
    bench.respond(status(200));
    assert!(bench.under_way().is_empty());
    assert_eq!(bench.core.footprint().slots, 1);
    bench.release_commits();
    assert_eq!(bench.under_way(), ["b"]);
}

#[test]
fn endpoints_take_turns() {
    let mut bench = Bench::with(Limits {
        attempts_max: 1,
        ..Limits::default()
    });
    let endpoints = [0; 3].map(|_| bench.endpoint(spec()));
    for round in ["1", "2", "3"] {
        for (name, endpoint) in ["a", "b", "c"].iter().zip(endpoints) {
            bench.publish(endpoint, round, name);
        }
    }
    bench.respond_ok_to_all();
    assert_eq!(bench.sent().concat(), "abcabcabc");
}

#[test]
fn the_lanes_of_an_endpoint_take_turns() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(EndpointSpec {
        concurrency: 1,
        ..spec()
    });
    for round in ["1", "2"] {
        for key in ["a", "b", "c"] {
            bench.publish(endpoint, key, &format!("{key}{round}"));
        }
    }
    bench.respond_ok_to_all();
    assert_eq!(bench.sent().concat(), "a1b1c1a2b2c2");
}

#[test]
fn a_thousand_lanes_of_one_endpoint_leave_room_for_another() {
    let mut bench = Bench::with(Limits {
        attempts_max: 64,
        ..Limits::default()
    });
    let crowd = bench.endpoint(EndpointSpec {
        concurrency: 1024,
        ..spec()
    });
    for lane in 0..1000 {
        bench.publish(crowd, &lane.to_string(), "crowd");
    }
    assert!(
        bench.host.under_way.len() < 16,
        "{}",
        bench.host.under_way.len()
    );
    let other = bench.endpoint(spec());
    bench.publish(other, "", "other");
    assert!(
        bench.under_way().contains(&"other".to_owned()),
        "it starts at once"
    );
}

#[test]
fn endpoints_that_fail_share_their_own_slots() {
    let mut bench = Bench::with(Limits {
        attempts_max: 32,
        attempts_failing_max: 2,
        ..Limits::default()
    });
    let failing = [0; 5].map(|_| bench.endpoint(retrying(&[100, 100])));
    for endpoint in failing {
        bench.publish(endpoint, "", "failing");
    }
    for _ in 0..5 {
        bench.respond(no_answer());
    }
    bench.advance(ms(100));
    assert_eq!(bench.under_way().len(), 2);
    let well = bench.endpoint(spec());
    bench.publish(well, "", "well");
    assert_eq!(bench.under_way(), ["failing", "failing", "well"]);
    bench.respond_ok_to_all();
    assert_eq!(bench.host.sent.len(), 5 + 5 + 1);
    assert_eq!(bench.reason, Reason::Idle);
}

#[test]
fn a_slot_for_failing_endpoints_goes_on_to_one_that_can_use_it() {
    let mut bench = Bench::with(Limits {
        attempts_failing_max: 1,
        ..Limits::default()
    });
    let endpoints = ["a", "b", "c"].map(|name| (bench.endpoint(retrying(&[100, 100])), name));
    for (endpoint, name) in endpoints {
        bench.publish(endpoint, "", name);
    }
    for _ in 0..3 {
        bench.respond(status(500));
    }
    bench.advance(ms(100));
    assert_eq!(bench.under_way(), ["a"]);
    // b is next, but holds its deliveries back when the slot comes.
    bench.change(endpoints[1].0, EndpointChange::Pause).unwrap();
    bench.respond(status(200));
    assert_eq!(bench.under_way(), ["c"]);
}

#[test]
fn an_endpoint_that_is_well_again_does_not_wait_for_a_slot_of_failing_ones() {
    let mut bench = Bench::with(Limits {
        attempts_failing_max: 1,
        ..Limits::default()
    });
    let hanging = bench.endpoint(retrying(&[100, 100]));
    let shaky = bench.endpoint(retrying(&[200, 200]));
    bench.publish(hanging, "", "hanging");
    bench.publish(shaky, "1", "slow");
    bench.publish(shaky, "2", "unlucky");
    bench.respond_to_text("hanging", no_answer());
    bench.respond_to_text("unlucky", no_answer());
    bench.advance(ms(200));
    assert_eq!(bench.under_way(), ["slow", "hanging"]);
    bench.respond_to_text("slow", status(200));
    assert_eq!(bench.under_way(), ["hanging", "unlucky"]);
}

#[test]
fn reads_side_by_side_bring_no_more_than_there_is_room_for() {
    let limits = Limits {
        payload_bytes_max: 100,
        attempts_max: 64,
        window_bytes_max: 1000,
        window_bytes_endpoint_max: 1000,
        ..Limits::default()
    };
    let mut bench = Bench::with(limits);
    let endpoint = bench.endpoint(EndpointSpec {
        concurrency: 8,
        ..spec()
    });
    bench.change(endpoint, EndpointChange::Pause).unwrap();
    let payload = "x".repeat(100);
    for _ in 0..10 {
        for key in ["a", "b", "c", "d", "e", "f", "g"] {
            bench.publish(endpoint, key, &payload);
        }
    }
    bench.host.hold_loads = true;
    bench.change(endpoint, EndpointChange::Resume).unwrap();
    assert_eq!(bench.host.loads.len(), 7);
    bench.release();
    let footprint = bench.core.footprint();
    // Seven are under way; what else is at hand is within the bound.
    assert!(footprint.payload_bytes <= 1000 + 700, "{footprint:?}");
    bench.respond_ok_to_all();
    assert_eq!(bench.host.sent.len(), 70);
}

#[test]
fn no_bytes_for_windows_only_mean_one_read_per_delivery() {
    let limits = Limits {
        window_bytes_max: 0,
        ..Limits::default()
    };
    let mut bench = Bench::with(limits);
    let endpoint = bench.endpoint(spec());
    for text in ["a", "b", "c"] {
        bench.publish(endpoint, "", text);
    }
    bench.respond_ok_to_all();
    assert_eq!(bench.sent(), ["a", "b", "c"]);
    assert_eq!(bench.host.loads_asked.len(), 3);
}

#[test]
fn a_thousand_events_for_a_paused_endpoint_hold_no_payload() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(spec());
    bench.change(endpoint, EndpointChange::Pause).unwrap();
    for number in 0..1000 {
        let call = bench.submit(event(endpoint, "", &number.to_string()));
        assert!(bench.published(call).is_ok());
    }
    let footprint = bench.core.footprint();
    assert_eq!(
        (footprint.payload_bytes, footprint.window_deliveries),
        (0, 0)
    );
    assert_eq!(footprint.pending_deliveries, 1000);
}

#[test]
fn a_lane_that_comes_and_goes_while_its_endpoint_is_paused_leaves_nothing() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(spec());
    bench.change(endpoint, EndpointChange::Pause).unwrap();
    for number in 0..100 {
        let event = bench.publish(endpoint, &number.to_string(), "a");
        let delivery = bench.delivery_of(event).id;
        bench.discard(delivery);
    }
    assert_eq!(bench.core.footprint().lanes, 0);
    assert!(
        bench
            .core
            .endpoints
            .iter()
            .all(|state| state.ready.is_empty())
    );
}
