//! Runs a plan where it belongs, whatever happens in it.

use crate::bug::Bug;
use crate::checker::{self, Violation};
use crate::panics;
use crate::plan::{Plan, Tier};
use crate::scenario;
use crate::turmoil_tier;
use crate::watch::{Keep, Run};
use crate::world::World;
use std::sync::Arc;

/// Runs a plan in its tier with all checkers, those of its story too. A bug is planted in the
/// model world alone.
///
/// A panic breaks the promise `panic`, with its place and message.
#[must_use]
pub fn run(plan: &Arc<Plan>, keep: Keep, bug: Option<Bug>) -> Run {
    let mut checkers = checker::all();
    checkers.extend(scenario::expectation(plan));
    let ran = panics::heard(|| match plan.tier {
        Tier::World => World::run_with(plan, checkers, keep, bug),
        Tier::Turmoil => turmoil_tier::run(plan, checkers, keep),
    });
    ran.unwrap_or_else(|said| died(plan, said))
}

/// A run of which nothing is left but its end.
fn died(plan: &Plan, said: String) -> Run {
    Run {
        seed: plan.seed,
        tier: plan.tier,
        ok: false,
        violation: Some(Violation {
            promise: "panic".to_owned(),
            at_ms: 0,
            line: 0,
            said,
        }),
        trace_hash: None,
        simulated_ms: 0,
        attempts: 0,
        delivered: 0,
        failed: 0,
        events: 0,
        coverage: crate::coverage::Coverage::default(),
        lines: Vec::new(),
        text: Vec::new(),
    }
}
