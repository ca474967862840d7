//! Pulls together what happens in a plan: the order stays, the waits become short and round.

use super::Search;
use super::numbers::first_digit;
use crate::checker::Violation;
use crate::plan::{Plan, When};
use std::collections::BTreeSet;

impl<F: FnMut(&Plan) -> Option<Violation>> Search<F> {
    /// Every wait to 0; those that cannot, to 1, 10, 100, … milliseconds; then to its first digit.
    pub(super) fn pull_together(&mut self) {
        let levels = (0..11).map(|power| 10_u64.pow(power));
        for level in [0].into_iter().chain(levels) {
            self.wait_at_most(&|_| level);
        }
        self.wait_at_most(&first_digit);
    }

    fn wait_at_most(&mut self, level: &dyn Fn(u64) -> u64) {
        // A wait that becomes nothing makes one moment of two, and the rest move up: so the
        // moments are those of the plan as it is now, and the change is told in waits.
        let base = self.best.clone();
        let waits = waits(&moments(&base));
        let longer: Vec<usize> = (0..waits.len())
            .filter(|place| waits[*place] > level(waits[*place]))
            .collect();
        let mut short = BTreeSet::new();
        self.shorten(&base, &waits, &longer, level, &mut short);
    }

    /// As [`Search::halve`], on waits of the plan before any was shortened.
    fn shorten(
        &mut self,
        base: &Plan,
        waits: &[u64],
        longer: &[usize],
        level: &dyn Fn(u64) -> u64,
        short: &mut BTreeSet<usize>,
    ) {
        if longer.is_empty() || self.is_spent() {
            return;
        }
        let mut wanted = short.clone();
        wanted.extend(longer);
        let shortened = |(place, wait): (usize, &u64)| {
            if wanted.contains(&place) {
                level(*wait)
            } else {
                *wait
            }
        };
        let new: Vec<u64> = waits.iter().enumerate().map(shortened).collect();
        if self.offer(with_waits(base, &new)) {
            *short = wanted;
        } else if longer.len() > 1 {
            let (first, second) = longer.split_at(longer.len() / 2);
            self.shorten(base, waits, second, level, short);
            self.shorten(base, waits, first, level, short);
        }
    }
}

/// The moments at which something begins, in order.
fn moments(plan: &Plan) -> Vec<u64> {
    let mut plan = plan.clone();
    let all: BTreeSet<u64> = times(&mut plan).into_iter().map(|time| *time).collect();
    all.into_iter().collect()
}

fn times(plan: &mut Plan) -> Vec<&mut u64> {
    let endpoints = plan
        .endpoints
        .iter_mut()
        .map(|endpoint| &mut endpoint.at_ms);
    let steps = plan.workload.iter_mut().map(|step| &mut step.at_ms);
    let faults = plan.faults.iter_mut();
    let faults = faults.filter_map(|fault| match &mut fault.when {
        When::At(at) => Some(at),
        _ => None,
    });
    // How long all may take after that is no wait: it is what is promised.
    let healed = [&mut plan.end.healed_at_ms];
    endpoints.chain(steps).chain(faults).chain(healed).collect()
}

/// How long it is from each moment to the next, from 0 on.
fn waits(moments: &[u64]) -> Vec<u64> {
    let before = [0].into_iter().chain(moments.iter().copied());
    before
        .zip(moments)
        .map(|(before, moment)| moment - before)
        .collect()
}

/// The plan with these waits between its moments.
fn with_waits(plan: &Plan, waits: &[u64]) -> Plan {
    let moments = moments(plan);
    let mut plan = plan.clone();
    for time in times(&mut plan) {
        let Ok(place) = moments.binary_search(time) else {
            continue;
        };
        *time = waits[..=place].iter().sum();
    }
    plan
}
