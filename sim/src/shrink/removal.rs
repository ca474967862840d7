//! Takes things out of a plan. What is left is numbered anew.

use super::{Search, index_of, set_index};
use crate::checker::Violation;
use crate::plan::{Act, FaultKind, Plan, To, When};
use std::collections::BTreeSet;
use std::ops::Range;

/// With more steps and faults than this, pairs of them are not tried.
const PAIRS_OF_MAX: usize = 14;

/// A fault is tried at each of so many first indexes.
const INDEXES_MAX: u64 = 32;

impl<F: FnMut(&Plan) -> Option<Violation>> Search<F> {
    /// What comes after the failure cannot have caused it.
    pub(super) fn cut_what_comes_after(&mut self) {
        let end = self.violation.at_ms;
        let mut candidate = self.best.clone();
        candidate.workload.retain(|step| step.at_ms <= end);
        candidate
            .faults
            .retain(|fault| !matches!(fault.when, When::At(at) if at > end));
        self.offer(candidate);
    }

    pub(super) fn remove_faults(&mut self) {
        let remove = |plan: &mut Plan, range: Range<usize>| drop(plan.faults.drain(range));
        self.halve(0..self.best.faults.len(), &remove, Self::offer);
        let revive = |plan: &mut Plan, range: Range<usize>| drop(plan.end.dead.drain(range));
        self.halve(0..self.best.end.dead.len(), &revive, Self::offer);
    }

    pub(super) fn remove_steps(&mut self) {
        let remove = |plan: &mut Plan, range: Range<usize>| drop(plan.workload.drain(range));
        self.halve(0..self.best.workload.len(), &remove, Self::offer_moved);
    }

    pub(super) fn remove_endpoints(&mut self) {
        // One alone, if one alone will do.
        let count = self.best.endpoints.len();
        for one in (0..count).filter(|_| count > 2) {
            let mut candidate = self.best.clone();
            remove_endpoints(&mut candidate, one + 1..count);
            remove_endpoints(&mut candidate, 0..one);
            if self.offer_moved(candidate) {
                return;
            }
        }
        self.halve(0..count, &remove_endpoints, Self::offer_moved);
    }

    /// Endpoints that nothing goes to, receivers that nothing leads to.
    pub(super) fn remove_unused(&mut self) {
        let mut candidate = self.best.clone();
        let used = endpoints_named(&candidate);
        for endpoint in (0..candidate.endpoints.len()).rev() {
            if !used.contains(&endpoint) {
                remove_endpoints(&mut candidate, endpoint..endpoint + 1);
            }
        }
        self.offer(candidate);
        for receiver in (0..self.best.receivers.len()).rev() {
            let mut candidate = self.best.clone();
            if remove_receiver(&mut candidate, receiver) {
                self.offer(candidate);
            }
        }
    }

    /// Two that need each other: a pause and its resumption, an event and its repeat.
    pub(super) fn remove_pairs(&mut self) {
        let count = |plan: &Plan| plan.workload.len() + plan.faults.len();
        let mut second = count(&self.best);
        if second > PAIRS_OF_MAX {
            return;
        }
        while second > 0 {
            second -= 1;
            for first in (0..second).rev() {
                let mut candidate = self.best.clone();
                if second < count(&candidate) {
                    remove_step_or_fault(&mut candidate, second);
                    remove_step_or_fault(&mut candidate, first);
                    self.offer_moved(candidate);
                }
            }
        }
    }

    /// Faults at the nth commit, load, request or response: as early as they do.
    pub(super) fn lower_indexes(&mut self) {
        for place in 0..self.best.faults.len() {
            let Some(index) = index_of(self.best.faults[place].when) else {
                continue;
            };
            for earlier in 1..index.min(INDEXES_MAX) {
                let mut candidate = self.best.clone();
                set_index(&mut candidate.faults[place].when, earlier);
                if self.offer(candidate) {
                    break;
                }
            }
        }
    }
}

fn remove_step_or_fault(plan: &mut Plan, place: usize) {
    if place < plan.workload.len() {
        plan.workload.remove(place);
    } else {
        plan.faults.remove(place - plan.workload.len());
    }
}

/// The endpoints that the workload names, or may reach by a subscription.
fn endpoints_named(plan: &Plan) -> BTreeSet<usize> {
    let mut named = BTreeSet::new();
    for step in &plan.workload {
        if let Act::Publish(publish) = &step.act
            && let To::Subscribers(tenant) = publish.to
        {
            let of_it = plan.endpoints.iter().enumerate();
            let of_it = of_it.filter(|(_, endpoint)| endpoint.tenant == tenant);
            named.extend(of_it.map(|(number, _)| number));
        }
        named.extend(endpoint_of(&mut step.act.clone()).copied());
    }
    named
}

/// The endpoint that a step names.
pub(super) fn endpoint_of(act: &mut Act) -> Option<&mut usize> {
    match act {
        Act::Publish(publish) => match &mut publish.to {
            To::Endpoint(endpoint) => Some(endpoint),
            To::Subscribers(_) => None,
        },
        Act::Pause(endpoint)
        | Act::Resume(endpoint)
        | Act::Disable(endpoint)
        | Act::Enable(endpoint)
        | Act::Change(endpoint, _)
        | Act::Rotate { endpoint, .. }
        | Act::Delete(endpoint)
        | Act::ResendDead(endpoint) => Some(endpoint),
        Act::Resend(_) | Act::Discard(_) | Act::RetryNow(_) | Act::Restart { .. } => None,
    }
}

/// Removes endpoints and the steps that name them.
fn remove_endpoints(plan: &mut Plan, range: Range<usize>) {
    plan.endpoints.drain(range.clone());
    plan.workload.retain_mut(|step| {
        let Some(endpoint) = endpoint_of(&mut step.act) else {
            return true;
        };
        let stays = !range.contains(endpoint);
        if *endpoint >= range.end {
            *endpoint -= range.len();
        }
        stays
    });
}

/// Removes a receiver and its faults, if no endpoint leads to it.
fn remove_receiver(plan: &mut Plan, receiver: usize) -> bool {
    let changes = plan.workload.iter().filter_map(|step| match &step.act {
        Act::Change(_, endpoint) => Some(&**endpoint),
        _ => None,
    });
    let mut endpoints = plan.endpoints.iter().chain(changes);
    if endpoints.any(|endpoint| endpoint.receiver == receiver) {
        return false;
    }
    let renumber = |number: &mut usize| {
        let stays = *number != receiver;
        if *number > receiver {
            *number -= 1;
        }
        stays
    };
    plan.receivers.remove(receiver);
    for endpoint in &mut plan.endpoints {
        renumber(&mut endpoint.receiver);
    }
    for step in &mut plan.workload {
        if let Act::Change(_, endpoint) = &mut step.act {
            renumber(&mut endpoint.receiver);
        }
    }
    plan.end.dead.retain_mut(renumber);
    plan.faults.retain_mut(|fault| match &mut fault.kind {
        FaultKind::Storm { receiver, .. }
        | FaultKind::Latency { receiver, .. }
        | FaultKind::ReceiverCrash { receiver, .. } => renumber(receiver),
        _ => true,
    });
    true
}
