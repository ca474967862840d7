//! What holds between any two inputs, whatever happened.

use crate::breaker::Breaker;
use crate::commits::Next;
use crate::core::{Core, State};
use crate::endpoint::{EndpointStatus, Ordering};
use crate::endpoint_state::{EndpointState, Existence, Tally};
use crate::lane::{Entry, Lane, Phase, Step};
use crate::names::TenantId;
use crate::slab::Key;
use crate::subscriptions::Subscriptions;
use std::collections::BTreeMap;

/// Panics if the core contradicts itself.
pub(super) fn core(core: &Core) {
    window_bytes_are_what_is_at_hand(core);
    footprint_is_within_its_bound(core);
    pending_is_the_sum_of_all_endpoints(core);
    subscriptions_are_those_on_record(core);
    for lane in core.lanes.iter() {
        places_grow(lane);
    }
    if matches!(core.state, State::Running) {
        slots_are_held_by_what_is_under_way(core);
        nothing_that_can_start_is_forgotten(core);
        probes_are_under_way(core);
        rounds_are_under_way(core);
    }
}

fn lanes_of<'c>(core: &'c Core, state: &'c EndpointState) -> impl Iterator<Item = &'c Lane> {
    state.lanes().map(|key| core.lanes.get(key).unwrap())
}

fn window_bytes_are_what_is_at_hand(core: &Core) {
    let at_hand = |lane: &Lane| lane.entries().map(Entry::bytes_at_hand).sum::<usize>();
    for state in core.endpoints.iter() {
        let sum: usize = lanes_of(core, state).map(at_hand).sum();
        assert_eq!(state.window_bytes, sum, "window bytes of {}", state.id());
    }
    let sum: usize = core.lanes.iter().map(at_hand).sum();
    assert_eq!(core.window_bytes, sum, "window bytes");
    let reserved = |lane: &Lane| lane.load.as_ref().map_or(0, |load| load.bytes);
    for state in core.endpoints.iter() {
        let sum: usize = lanes_of(core, state).map(reserved).sum();
        assert_eq!(
            state.loading_bytes,
            sum,
            "bytes kept free for {}",
            state.id()
        );
    }
    let sum: usize = core.lanes.iter().map(reserved).sum();
    assert_eq!(core.loading_bytes, sum, "bytes kept free");
}

fn footprint_is_within_its_bound(core: &Core) {
    let footprint = core.footprint();
    assert!(
        footprint.payload_bytes <= footprint.payload_bytes_bound,
        "{footprint:?}"
    );
    assert!(footprint.slots <= core.limits.attempts_max, "{footprint:?}");
    assert!(core.slots.failing <= core.limits.attempts_failing_max);
}

fn pending_is_the_sum_of_all_endpoints(core: &Core) {
    let mut sum = Tally::default();
    let mut of_tenants = BTreeMap::new();
    for state in core.endpoints.iter() {
        let pending = state.pending;
        sum.add(pending.deliveries, pending.bytes);
        let tenant = state.record.spec.tenant.clone();
        let of_tenant: &mut Tally = of_tenants.entry(tenant).or_default();
        of_tenant.add(pending.deliveries, pending.bytes);
    }
    for (tenant, known) in &core.tenants {
        let of_tenant = of_tenants.remove(tenant).unwrap_or_default();
        assert_eq!(known.pending, of_tenant, "pending of {tenant}");
        assert!(!known.is_empty(), "{tenant} is remembered for nothing");
    }
    assert!(of_tenants.into_values().all(|it| it == Tally::default()));
    for next in core.commits.iter() {
        if let Next::Resent { .. } | Next::Backfilled { .. } = next {
            sum.add(1, 0);
        }
    }
    assert_eq!(core.pending, sum, "pending");
    assert!(core.pending.deliveries <= core.limits.pending_deliveries_max);
}

fn subscriptions_are_those_on_record(core: &Core) {
    let mut on_record: BTreeMap<TenantId, (usize, Subscriptions)> = BTreeMap::new();
    for (id, key) in &core.by_id {
        let spec = &core.endpoints.get(*key).unwrap().record.spec;
        let (count, subscriptions) = on_record.entry(spec.tenant.clone()).or_default();
        *count += 1;
        subscriptions.add(*id, *key, &spec.event_types);
    }
    for (tenant, known) in &core.tenants {
        let (count, subscriptions) = on_record.remove(tenant).unwrap_or_default();
        assert_eq!(known.endpoints, count, "endpoints of {tenant}");
        let same = known.subscriptions.has_the_same_entries_as(&subscriptions);
        assert!(same, "what the endpoints of {tenant} want");
    }
    assert!(on_record.is_empty(), "a tenant is forgotten");
}

fn places_grow(lane: &Lane) {
    let seqs: Vec<_> = lane.entries().map(|entry| entry.seq).collect();
    assert!(
        seqs.is_sorted_by(|a, b| a < b),
        "{}: {seqs:?}",
        lane.id.endpoint
    );
}

fn slots_are_held_by_what_is_under_way(core: &Core) {
    let held = |lane: &Lane| lane.in_flight as usize + usize::from(lane.load.is_some());
    for state in core.endpoints.iter() {
        let sum: usize = lanes_of(core, state).map(held).sum();
        assert_eq!(state.slots as usize, sum, "slots of {}", state.id());
    }
    let sum: usize = core.lanes.iter().map(held).sum();
    assert_eq!(core.slots.taken, sum + core.pings.len(), "slots");
    let sending = |entry: &&Entry| matches!(entry.phase, Phase::Sending(_));
    let entries = core.lanes.iter().flat_map(Lane::entries);
    let members = core
        .attempts
        .values()
        .map(|flight| flight.members().count());
    assert_eq!(members.sum::<usize>(), entries.filter(sending).count());
}

/// Every lane that can do something stands in a queue, and every endpoint with such a lane too,
/// or something is sure to wake it.
fn nothing_that_can_start_is_forgotten(core: &Core) {
    let full = core.slots.taken >= core.limits.attempts_max;
    let failing_full = core.slots.failing >= core.limits.attempts_failing_max;
    assert!(core.ready.is_empty() || full, "an endpoint could start");
    assert!(
        core.parked.is_empty() || full || failing_full,
        "a failing endpoint could start"
    );
    for state in core.endpoints.iter() {
        let mut in_queue = state.ready.clone();
        in_queue.make_contiguous().sort();
        let (in_queue, _) = in_queue.as_slices();
        assert!(in_queue.is_sorted_by(|a, b| a < b), "lanes queue once");
        for key in state.lanes() {
            let lane = core.lanes.get(key).unwrap();
            assert_eq!(
                in_queue.binary_search(&key).is_ok(),
                lane.queued,
                "lanes queue"
            );
            let step = core.step_of(state, lane);
            let leaving = state.existence != Existence::Here;
            let waits = matches!(step, Step::Wait | Step::Fill(_));
            assert!(
                waits || lane.queued || leaving,
                "a lane of {} could {step:?} and is forgotten",
                state.id()
            );
            if state.ordering() == Ordering::Fifo && lane.stopped_at.is_some() {
                assert_eq!(step, Step::Wait);
            }
        }
        let is_urgent = |key: &Key| core.lanes.get(*key).is_some_and(Lane::is_urgent);
        assert!(
            state.queued || is_sure_to_wake(state) || !state.urgent.iter().any(is_urgent),
            "{} has something urgent and is forgotten",
            state.id()
        );
        let known = |key: &Key| core.lanes.get(*key).is_some();
        assert!(in_queue.iter().all(known), "no lane in the queue is gone");
        assert!(
            in_queue.is_empty() || state.queued || is_sure_to_wake(state),
            "{} could start and is forgotten",
            state.id()
        );
    }
}

/// A breaker that waits for its probe hears of it.
fn probes_are_under_way(core: &Core) {
    for key in core.by_id.values() {
        let state = core.endpoints.get(*key).unwrap();
        let has_one = state.record.spec.breaker.is_some();
        assert!(has_one || state.breaker == Breaker::Closed);
        let waits = matches!(state.breaker, Breaker::Probing { .. });
        let mut attempts = core.attempts.values();
        assert!(
            !waits || attempts.any(|flight| flight.endpoint == *key && state.is_probe(flight.pass))
        );
    }
}

/// A hold that waits for the attempts of a round hears of them.
fn rounds_are_under_way(core: &Core) {
    for key in core.by_id.values() {
        let state = core.endpoints.get(*key).unwrap();
        let waits = state.hold.ready(core.now.mono) == Err(None);
        let mut attempts = core.attempts.values();
        assert!(
            !waits
                || attempts.any(|flight| flight.endpoint == *key && state.is_in_round(flight.pass))
        );
    }
}

fn is_sure_to_wake(state: &EndpointState) -> bool {
    let held = state.existence != Existence::Here || state.record.status != EndpointStatus::Active;
    held || state.slots > 0 || state.admit_timer.is_some()
}
