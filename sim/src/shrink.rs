//! Makes a failing plan small.
//!
//! It tries simpler and simpler plans and keeps each one that breaks the same promise: delta
//! debugging (Zeller and Hildebrandt 2002) over what is in the plan, in the variant that halves
//! whatever cannot go as a whole; then simpler words, smaller numbers, earlier times. It goes
//! round until nothing more can be taken away.
//!
//! The same plan, the same predicate and the same number of runs give the same small plan, unless
//! the time ran out.

mod numbers;
mod removal;
mod simpler;
#[cfg(test)]
mod tests;
mod times;

use crate::checker::Violation;
use crate::plan::{Plan, When};
use std::collections::{BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::time::{Duration, Instant};

/// How long to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Runs at most.
    pub runs_max: u64,
    /// No run begins later than this.
    pub time_max: Duration,
}

/// A plan that was made small.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The smallest plan that was found.
    pub plan: Plan,
    /// How it fails.
    pub violation: Violation,
    /// Runs that it took.
    pub runs: u64,
}

impl Default for Effort {
    /// Ten seconds: hundreds of runs of a large plan, and then thousands of a small one.
    fn default() -> Self {
        Self {
            runs_max: 50_000,
            time_max: Duration::from_secs(10),
        }
    }
}

/// Makes a plan small that `fails`; `None` if it does not.
///
/// What is kept is the promise that the first run breaks, and where it panics if it does: a
/// simpler plan that fails otherwise is passed over.
pub fn shrink(
    plan: &Plan,
    mut fails: impl FnMut(&Plan) -> Option<Violation>,
    effort: Effort,
) -> Option<Shrunk> {
    let violation = fails(plan)?;
    let mut search = Search {
        fails,
        class: class(&violation),
        best: plan.clone(),
        violation,
        tried: HashSet::from([fingerprint(plan)]),
        runs: 1,
        runs_max: effort.runs_max,
        deadline: Instant::now() + effort.time_max,
    };
    while search.round() {}
    Some(Shrunk {
        plan: search.best,
        violation: search.violation,
        runs: search.runs,
    })
}

/// What is the same failure: the promise, and for a panic its place, which its words begin with.
fn class(violation: &Violation) -> (String, String) {
    // `core.rs:12: index out of bounds`
    let parts = violation.said.split_inclusive(':').take(2);
    let place = match violation.promise.as_str() {
        "panic" => parts.collect(),
        _ => String::new(),
    };
    (violation.promise.clone(), place)
}

fn fingerprint(plan: &Plan) -> u64 {
    // A plan is numbers, texts and lists: there is nothing that JSON could not say.
    let text = serde_json::to_vec(plan).unwrap_or_default();
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

struct Search<F> {
    fails: F,
    class: (String, String),
    /// The smallest plan so far.
    best: Plan,
    /// How it fails.
    violation: Violation,
    /// What has been offered, so that nothing is run twice.
    tried: HashSet<u64>,
    runs: u64,
    runs_max: u64,
    deadline: Instant,
}

impl<F: FnMut(&Plan) -> Option<Violation>> Search<F> {
    /// Tries everything once. Whether something was taken away and there is time for more.
    fn round(&mut self) -> bool {
        let before = fingerprint(&self.best);
        self.cut_what_comes_after();
        self.remove_faults();
        self.remove_endpoints();
        self.remove_steps();
        self.remove_unused();
        self.remove_pairs();
        self.simplify();
        self.lower_indexes();
        self.lower_numbers();
        self.pull_together();
        fingerprint(&self.best) != before && !self.is_spent()
    }

    fn is_spent(&self) -> bool {
        self.runs >= self.runs_max || Instant::now() >= self.deadline
    }

    /// Runs a plan, and keeps it if it fails in the same way.
    fn offer(&mut self, candidate: Plan) -> bool {
        if self.is_spent() || !self.tried.insert(fingerprint(&candidate)) {
            return false;
        }
        self.runs += 1;
        let Some(violation) = (self.fails)(&candidate) else {
            return false;
        };
        if class(&violation) != self.class {
            return false;
        }
        self.best = candidate;
        self.violation = violation;
        true
    }

    /// Does something to all of a range, and where that is refused, to each half of it, the later
    /// one first: what is removed there does not move what comes before.
    fn halve(
        &mut self,
        range: Range<usize>,
        change: &dyn Fn(&mut Plan, Range<usize>),
        offer: fn(&mut Self, Plan) -> bool,
    ) {
        if range.is_empty() || self.is_spent() {
            return;
        }
        let mut candidate = self.best.clone();
        change(&mut candidate, range.clone());
        if offer(self, candidate) || range.len() == 1 {
            return;
        }
        let middle = range.start + range.len() / 2;
        self.halve(middle..range.end, change, offer);
        self.halve(range.start..middle, change, offer);
    }

    /// Offers a plan with fewer steps. A fault that strikes at the nth commit strikes too late
    /// when there are fewer of them: so it is offered with such faults moved forward, too.
    fn offer_moved(&mut self, candidate: Plan) -> bool {
        let (before, after) = (self.best.workload.len(), candidate.workload.len());
        if self.offer(candidate.clone()) {
            return true;
        }
        for place in 0..candidate.faults.len() {
            let Some(index) = index_of(candidate.faults[place].when) else {
                continue;
            };
            for earlier in earlier(index, before, after) {
                let mut moved = candidate.clone();
                set_index(&mut moved.faults[place].when, earlier);
                if self.offer(moved) {
                    return true;
                }
            }
        }
        false
    }
}

/// Where a fault at this index may strike when of so many steps so many are left.
fn earlier(index: u64, before: usize, after: usize) -> BTreeSet<u64> {
    const STEPS_FEW: usize = 4;
    const INDEXES_MANY: u64 = 24;
    let (before, after) = (before as u64, after as u64);
    if after <= STEPS_FEW as u64 {
        return (1..index.min(INDEXES_MANY)).collect();
    }
    let removed = before.saturating_sub(after);
    // A step makes one commit or two, and one request or a few.
    let less = (1..=3).map(|each| index.saturating_sub(each * removed));
    let scaled = index.saturating_mul(after) / before.max(1);
    let all = less.chain([scaled, scaled + 1]);
    all.filter(|earlier| (1..index).contains(earlier)).collect()
}

fn index_of(when: When) -> Option<u64> {
    match when {
        When::At(_) => None,
        When::Commit(index) | When::Load(index) | When::Request(index) | When::Response(index) => {
            Some(index)
        }
    }
}

fn set_index(when: &mut When, to: u64) {
    match when {
        When::At(_) => (),
        When::Commit(index) | When::Load(index) | When::Request(index) | When::Response(index) => {
            *index = to
        }
    }
}
