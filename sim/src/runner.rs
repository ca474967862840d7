//! Runs a plan where it belongs, whatever happens in it.

use crate::bug::Bug;
use crate::checker::{self, Violation};
use crate::panics;
use crate::plan::{Plan, Tier};
use crate::scenario;
#[cfg(feature = "turmoil")]
use crate::turmoil_tier;
use crate::watch::{Keep, Run};
use crate::world::World;
use std::sync::Arc;

/// Runs a plan in its tier with all checkers, those of its story too. A bug changes nothing but in
/// its own tier, [`Bug::tier`].
///
/// A panic breaks the promise `panic`, with its place and message.
#[must_use]
pub fn run(plan: &Arc<Plan>, keep: Keep, bug: Option<Bug>) -> Run {
    let mut checkers = checker::all();
    checkers.extend(scenario::expectation(plan));
    let ran = panics::heard(|| match plan.tier {
        Tier::World => World::run_with(plan, checkers, keep, bug),
        #[cfg(feature = "turmoil")]
        Tier::Turmoil => turmoil_tier::run_with(plan, checkers, keep, bug),
        #[cfg(not(feature = "turmoil"))]
        Tier::Turmoil => {
            let said = "this build has no feature `turmoil`".to_owned();
            unrun(plan, "tier", said)
        }
    });
    ran.unwrap_or_else(|said| unrun(plan, "panic", said))
}

/// A run of which there is nothing but that it failed.
fn unrun(plan: &Plan, promise: &str, said: String) -> Run {
    Run {
        seed: plan.seed,
        tier: plan.tier,
        ok: false,
        violation: Some(Violation {
            promise: promise.to_owned(),
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
