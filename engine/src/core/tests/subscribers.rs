//! Whoever is looked up for an event is whom a walk over all endpoints finds, in the order of ids.

use super::harness::{Bench, EPOCH, event, ms, retrying, spec, status};
use crate::id::Chance;
use crate::{
    EndpointChange, EndpointId, EndpointSpec, EventPattern, EventType, Filter, NewEvent,
    OrderingKey, Target, TenantId,
};

const TENANTS: [&str; 3] = ["shop", "other", "default"];

const TYPES: [&str; 6] = [
    "invoice.paid",
    "invoice.paid.late",
    "invoices.sent",
    "payment.made",
    "payment.refund.made",
    "postrider.endpoint.disabled",
];

const PATTERNS: [&str; 10] = [
    "*",
    "invoice.*",
    "invoice.paid",
    "invoice.paid.*",
    "invoices.sent",
    "payment.*",
    "payment.made",
    "payment.refund.*",
    "postrider.*",
    "nobody.publishes.this",
];

const FILTERS: [&str; 3] = [
    r#"{"n": 1}"#,
    r#"{"n": {"$ne": 1}}"#,
    r#"{"n": {"$gt": 0}}"#,
];

/// A number below `sides`.
fn roll(chance: &mut Chance, sides: usize) -> usize {
    usize::try_from(chance.up_to(sides as u64 - 1)).unwrap()
}

fn one_of<'t>(chance: &mut Chance, texts: &[&'t str]) -> &'t str {
    texts[roll(chance, texts.len())]
}

fn random_spec(chance: &mut Chance) -> EndpointSpec {
    let count = 1 + roll(chance, 3);
    let patterns = (0..count).map(|_| one_of(chance, &PATTERNS).parse::<EventPattern>().unwrap());
    let event_types = patterns.collect();
    let filter =
        (roll(chance, 3) == 0).then(|| one_of(chance, &FILTERS).parse::<Filter>().unwrap());
    EndpointSpec {
        tenant: one_of(chance, &TENANTS).parse().unwrap(),
        event_types,
        filter,
        ..retrying(&[])
    }
}

/// Asks every endpoint, one after the other.
fn walk(
    bench: &Bench,
    tenant: &TenantId,
    event_type: &EventType,
    payload: &str,
) -> Vec<EndpointId> {
    let states = bench.core.by_id.values();
    let states = states.map(|key| bench.core.endpoints.get(*key).unwrap());
    let want = states.filter(|state| {
        let spec = &state.record.spec;
        let filter = spec.filter.as_ref();
        state.accepts()
            && spec.tenant == *tenant
            && spec.event_types.iter().any(|it| it.matches(event_type))
            && filter.is_none_or(|filter| filter.matches_payload(payload.as_bytes()))
    });
    want.map(|state| state.id()).collect()
}

fn publish_and_compare(bench: &mut Bench, chance: &mut Chance, seed: u8) {
    let tenant: TenantId = one_of(chance, &TENANTS).parse().unwrap();
    let event_type: EventType = one_of(chance, &TYPES).parse().unwrap();
    let payload = one_of(chance, &[r#"{"n": 1}"#, r#"{"n": 2}"#, "{}", "not json"]);
    let walked = walk(bench, &tenant, &event_type, payload);
    let nobody = EndpointId::from_u128(0);
    let call = bench.submit(NewEvent {
        tenant,
        target: Target::Subscribers,
        event_type,
        ordering_key: OrderingKey::none(),
        ..event(nobody, "", payload)
    });
    let deliveries = bench.published(call).unwrap().deliveries;
    let found: Vec<EndpointId> = deliveries.iter().map(|new| new.lane.endpoint).collect();
    assert_eq!(found, walked, "seed {seed}");
    assert!(
        deliveries.is_sorted_by(|a, b| a.id < b.id),
        "ids are drawn in order"
    );
}

fn change_something(bench: &mut Bench, chance: &mut Chance, endpoint: EndpointId) {
    // The tenant of a spec that is changed to is passed over.
    match roll(chance, 8) {
        0..3 => {
            let spec = Box::new(random_spec(chance));
            bench.change(endpoint, EndpointChange::Spec(spec)).unwrap();
        }
        3 => {
            bench.change(endpoint, EndpointChange::Pause).unwrap();
        }
        4 => {
            bench.change(endpoint, EndpointChange::Disable).unwrap();
        }
        5 | 6 => {
            bench.change(endpoint, EndpointChange::Enable).unwrap();
        }
        _ => {
            bench.delete(endpoint).unwrap();
        }
    }
}

#[test]
fn an_event_goes_to_whom_a_walk_finds_whatever_has_become_of_endpoints() {
    for seed in 1..=3 {
        let (mut bench, mut chance) = (Bench::new(), Chance::new([seed; 32]));
        for _ in 0..400 {
            let endpoints: Vec<EndpointId> = bench.core.by_id.keys().copied().collect();
            match roll(&mut chance, 20) {
                0..6 if endpoints.len() < 60 => {
                    bench.endpoint(random_spec(&mut chance));
                }
                6..12 if !endpoints.is_empty() => {
                    let endpoint = endpoints[roll(&mut chance, endpoints.len())];
                    change_something(&mut bench, &mut chance, endpoint);
                }
                12 => {
                    // The calendar may have jumped: then a new endpoint has a smaller id than others.
                    bench.host.now.wall = EPOCH.after(ms(chance.up_to(1_000_000)));
                    bench.crash();
                }
                _ => publish_and_compare(&mut bench, &mut chance, seed),
            }
            bench.respond_ok_to_all();
        }
    }
}

#[test]
fn an_endpoint_that_is_deleted_while_a_request_is_under_way_is_not_looked_up() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(spec());
    bench.publish(endpoint, "", "{}");
    bench.delete(endpoint).unwrap();
    let another = bench.endpoint(spec());
    let to_all = || NewEvent {
        target: Target::Subscribers,
        ..event(endpoint, "", "{}")
    };
    for _ in 0..2 {
        let call = bench.submit(to_all());
        let deliveries = bench.published(call).unwrap().deliveries;
        assert_eq!(deliveries.len(), 1);
        assert_eq!(deliveries[0].lane.endpoint, another);
        bench.respond(status(200));
    }
}
