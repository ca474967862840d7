//! Where an event stands in its lane, as its receiver is told.

use super::harness::{Bench, ms, retrying, spec, status};
use crate::signature::Sequence;
use crate::{BatchPolicy, EndpointId, EndpointSpec, Request};

/// The message id of a request.
fn id_of(request: &Request) -> String {
    let prepared = request.prepare().unwrap();
    let header = |name: &str| {
        let mut headers = prepared.headers.iter();
        headers.find(|(known, _)| *known == name).unwrap().1.clone()
    };
    let id = header("webhook-id").into_owned();
    let (_, place) = id.split_once(':').unwrap();
    assert_eq!(header("postrider-sequence"), place);
    id
}

/// The message ids of all requests that were sent.
fn ids(bench: &Bench) -> Vec<String> {
    let sent = bench.host.sent.iter();
    sent.map(|sent| id_of(&sent.request)).collect()
}

fn runs(id: &str) -> Vec<(u64, u64)> {
    let (bare, sequence) = Sequence::split(id);
    assert_eq!(bare.len(), 30, "{id}");
    sequence.unwrap().runs().to_vec()
}

fn publish(bench: &mut Bench, to: EndpointId, key: &str, payload: &str) {
    bench.publish(to, key, payload);
    bench.respond(status(200));
}

#[test]
fn the_events_of_a_lane_are_counted_from_one() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(spec());
    for payload in ["a", "b", "c"] {
        publish(&mut bench, endpoint, "", payload);
    }
    let ids = ids(&bench);
    let numbers: Vec<_> = ids.iter().map(|id| runs(id)).collect();
    assert_eq!(numbers, [[(1, 1)], [(2, 2)], [(3, 3)]]);
}

#[test]
fn lanes_have_names_of_their_own() {
    let mut bench = Bench::new();
    let endpoints = [bench.endpoint(spec()), bench.endpoint(spec())];
    for endpoint in endpoints {
        for key in ["", "a"] {
            publish(&mut bench, endpoint, key, "x");
        }
    }
    let ids = ids(&bench);
    let mut lanes: Vec<_> = ids
        .iter()
        .map(|id| Sequence::split(id).1.unwrap().lane().to_owned())
        .collect();
    assert!(lanes.iter().all(|lane| lane.len() == 16));
    lanes.sort();
    lanes.dedup();
    assert_eq!(lanes.len(), 4);
}

#[test]
fn every_attempt_and_every_resend_has_the_id_of_the_first() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(retrying(&[10]));
    let event = bench.publish(endpoint, "", "a");
    bench.respond(status(500));
    bench.advance(ms(10));
    bench.respond(status(500));
    let dead = bench.delivery_of(event).id;
    publish(&mut bench, endpoint, "", "b");
    bench.resend(dead);
    bench.respond(status(200));
    publish(&mut bench, endpoint, "", "c");
    let ids = ids(&bench);
    assert_eq!(ids[0], ids[1]);
    assert_eq!(ids[0], ids[3], "made anew");
    assert_eq!(runs(&ids[2]), [(2, 2)]);
    assert_eq!(runs(&ids[4]), [(3, 3)], "a resend uses up no number");
}

#[test]
fn what_is_given_up_leaves_its_number_behind() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(retrying(&[10]));
    bench.publish(endpoint, "", "a");
    let given_up = bench.publish(endpoint, "", "b");
    bench.publish(endpoint, "", "c");
    let given_up = bench.delivery_of(given_up).id;
    bench.discard(given_up);
    bench.respond(status(200));
    bench.respond(status(200));
    let ids = ids(&bench);
    assert_eq!(runs(&ids[1]), [(3, 3)]);
}

#[test]
fn a_crash_changes_no_number() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(retrying(&[10]));
    bench.publish(endpoint, "", "a");
    bench.publish(endpoint, "", "b");
    let before = id_of(&bench.host.under_way[0].request);
    bench.crash();
    bench.settle();
    assert_eq!(id_of(&bench.host.under_way[0].request), before);
}

#[test]
fn a_batch_has_the_numbers_of_all_its_events() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(EndpointSpec {
        batch: Some(BatchPolicy {
            events_max: 3,
            wait: ms(500),
        }),
        ..retrying(&[1_000])
    });
    for payload in ["1", "2", "3"] {
        bench.publish(endpoint, "", payload);
    }
    let id = id_of(&bench.host.under_way[0].request);
    assert!(id.starts_with("bat_"), "{id}");
    assert_eq!(runs(&id), [(1, 3)]);
}
