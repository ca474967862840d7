//! Runs a plan where it belongs, whatever happens in it.

use crate::bug::Bug;
use crate::checker::{self, Violation};
use crate::plan::{Plan, Tier};
use crate::scenario;
#[cfg(feature = "turmoil")]
use crate::turmoil_tier;
use crate::watch::Run;
use crate::world::World;
use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::{Arc, Once};

thread_local! {
    /// Whether this thread runs a plan, and what the last panic in it said.
    static HEARD: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs a plan in its tier with all checkers, those of its story too; `keep` to have the trace. A
/// bug is planted in the model world alone.
///
/// A panic breaks the promise `panic`, with its place and message. It is not printed: a plan may
/// panic on purpose, and a sweep runs thousands.
#[must_use]
pub fn run(plan: &Arc<Plan>, keep: bool, bug: Option<Bug>) -> Run {
    listen();
    let mut checkers = checker::all();
    checkers.extend(scenario::expectation(plan));
    HEARD.set(Some(String::new()));
    let ran = panic::catch_unwind(AssertUnwindSafe(|| match plan.tier {
        Tier::World => World::run_with(plan, checkers, keep, bug),
        #[cfg(feature = "turmoil")]
        Tier::Turmoil => turmoil_tier::run(plan, checkers, keep),
        #[cfg(not(feature = "turmoil"))]
        Tier::Turmoil => unrun(plan, "tier", "this build has no feature `turmoil`"),
    }));
    let heard = HEARD.take().unwrap_or_default();
    let mut run = ran.unwrap_or_else(|_| unrun(plan, "panic", ""));
    if let Some(violation) = &mut run.violation
        && violation.promise == "panic"
        && !heard.is_empty()
    {
        violation.said = heard;
    }
    run
}

/// A run of which there is nothing but that it failed.
fn unrun(plan: &Plan, promise: &str, said: &str) -> Run {
    Run {
        seed: plan.seed,
        tier: plan.tier,
        ok: false,
        violation: Some(Violation {
            promise: promise.to_owned(),
            at_ms: 0,
            line: 0,
            said: said.to_owned(),
        }),
        trace_hash: String::new(),
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

/// From now on panics on threads that run a plan are heard and not printed.
fn listen() {
    static LISTENS: Once = Once::new();
    LISTENS.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let is_heard = HEARD.with_borrow_mut(|heard| match heard {
                Some(heard) => {
                    *heard = told(info);
                    true
                }
                None => false,
            });
            if !is_heard {
                before(info);
            }
        }));
    });
}

/// `engine/src/core.rs:12: index out of bounds`
fn told(info: &PanicHookInfo<'_>) -> String {
    let message = info.payload_as_str().unwrap_or("no message");
    match info.location() {
        Some(place) => format!("{}:{}: {message}", place.file(), place.line()),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_heard_with_its_place_where_a_plan_runs() {
        listen();
        HEARD.set(Some(String::new()));
        let panicked = panic::catch_unwind(|| panic!("lane {} is gone", 3));
        let heard = HEARD.take().unwrap();
        assert!(panicked.is_err());
        let (place, message) = heard.split_once(": ").unwrap();
        assert!(place.contains("runner.rs:"), "{place}");
        assert_eq!(message, "lane 3 is gone");
    }
}
