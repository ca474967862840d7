//! What holds between any two inputs, whatever happened.

use crate::commits::Next;
use crate::core::{Core, State};
use crate::endpoint::{EndpointStatus, Ordering};
use crate::endpoint_state::{EndpointState, Existence, Tally};
use crate::lane::{Entry, Lane, Phase, Step};

/// Panics if the core contradicts itself.
pub(super) fn core(core: &Core) {
    window_bytes_are_what_is_at_hand(core);
    footprint_is_within_its_bound(core);
    pending_is_the_sum_of_all_endpoints(core);
    for lane in core.lanes.iter() {
        places_grow(lane);
    }
    if matches!(core.state, State::Running) {
        slots_are_held_by_what_is_under_way(core);
        nothing_that_can_start_is_forgotten(core);
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
    for state in core.endpoints.iter() {
        sum.add(state.pending.deliveries, state.pending.bytes);
    }
    for next in core.commits.iter() {
        match next {
            Next::Published {
                event, deliveries, ..
            } => {
                let count = deliveries.len() as u64;
                sum.add(count, count * event.payload.len() as u64);
            }
            Next::Resent { .. } => sum.add(1, 0),
            _ => (),
        }
    }
    assert_eq!(core.pending, sum, "pending");
    assert!(core.pending.deliveries <= core.limits.pending_deliveries_max);
}

fn places_grow(lane: &Lane) {
    let seqs: Vec<_> = lane.entries().map(|entry| entry.seq).collect();
    assert!(seqs.is_sorted_by(|a, b| a < b), "{}: {seqs:?}", lane.id.endpoint);
}

fn slots_are_held_by_what_is_under_way(core: &Core) {
    let held = |lane: &Lane| lane.in_flight as usize + usize::from(lane.load.is_some());
    for state in core.endpoints.iter() {
        let sum: usize = lanes_of(core, state).map(held).sum();
        assert_eq!(state.slots as usize, sum, "slots of {}", state.id());
    }
    let sum: usize = core.lanes.iter().map(held).sum();
    assert_eq!(core.slots.taken, sum, "slots");
    let sending = |entry: &&Entry| matches!(entry.phase, Phase::Sending(_));
    let entries = core.lanes.iter().flat_map(Lane::entries);
    assert_eq!(core.attempts.len(), entries.filter(sending).count());
}

/// Every lane that can do something stands in a queue, and every endpoint with such a lane too,
/// or something is sure to wake it.
fn nothing_that_can_start_is_forgotten(core: &Core) {
    let window = core.limits.window_deliveries_max;
    for state in core.endpoints.iter() {
        let mut queued = 0;
        for key in state.lanes() {
            let lane = core.lanes.get(key).unwrap();
            let in_queue = state.ready.iter().filter(|other| **other == key).count();
            assert_eq!(in_queue, usize::from(lane.queued), "lanes queue once");
            queued += in_queue;
            let step = lane.step(state.ordering(), window);
            let leaving = state.existence != Existence::Here;
            assert!(
                step == Step::Wait || lane.queued || leaving,
                "a lane of {} could {step:?} and is forgotten",
                state.id()
            );
            if state.ordering() == Ordering::Fifo && lane.stopped_at.is_some() {
                assert_eq!(step, Step::Wait);
            }
        }
        assert_eq!(queued, state.ready.len(), "no lane in the queue is gone");
        assert!(
            queued == 0 || state.queued || is_sure_to_wake(core, state),
            "{} could start and is forgotten",
            state.id()
        );
    }
}

fn is_sure_to_wake(core: &Core, state: &EndpointState) -> bool {
    let held = state.existence != Existence::Here
        || state.record.status != EndpointStatus::Active;
    held || state.slots > 0 || state.admit_timer.is_some() || core.slots.taken > 0 && state.queued
}
