//! The budget of one piece of work on a schema.
//!
//! The library that checks payloads cannot be interrupted. But it looks at the value through code of
//! ours (`metered.rs`), and knows keywords of our own: one stands in every subschema and counts what
//! compiling it costs, and what a visit of it costs beyond those looks. When the budget is spent, the
//! work is unwound.

use super::metered::{Look, Metered};
use jsonschema::{Keyword, ValidationError};
use serde_json::{Map, Value};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

/// The keyword in every subschema. Its value is how many subschemas apply at this place.
pub(super) const KEYWORD: &str = "x-postrider-budget";

/// The longest that one piece of work may take, whatever its steps.
pub(super) const WORK_MAX: Duration = Duration::from_secs(1);

/// Steps between two looks at the clock.
const CLOCK_STEPS: u64 = 64;

/// The budget was spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spent;

#[derive(Clone, Copy)]
struct Budget {
    steps: u64,
    /// The steps left when the clock is looked at next.
    look_at: u64,
    until: Instant,
}

thread_local! {
    /// What is left for the work that this thread does.
    static BUDGET: Cell<Option<Budget>> = const { Cell::new(None) };
}

/// Does the work with so many steps at most.
pub(super) fn within<T>(steps: u64, work: impl FnOnce() -> T) -> Result<T, Spent> {
    BUDGET.set(Some(Budget {
        steps,
        look_at: steps,
        until: Instant::now() + WORK_MAX,
    }));
    let done = catch_unwind(AssertUnwindSafe(work));
    BUDGET.set(None);
    done.map_err(|reason| match reason.downcast::<Spent>() {
        Ok(spent) => *spent,
        // A panic of the library's own.
        Err(panic) => resume_unwind(panic),
    })
}

/// Takes so many steps from the budget. Unwinds if it has not as many.
pub(super) fn spend(steps: u64) {
    let Some(mut budget) = BUDGET.get() else {
        return;
    };
    let left = budget.steps.checked_sub(steps);
    budget.steps = left.unwrap_or(0);
    let look = budget.steps <= budget.look_at;
    if look {
        budget.look_at = budget.steps.saturating_sub(CLOCK_STEPS);
    }
    BUDGET.set(Some(budget));
    if left.is_none() || look && Instant::now() >= budget.until {
        resume_unwind(Box::new(Spent));
    }
}

/// What a visit of one subschema costs: one step is about what comparing a short text takes.
pub(super) struct Cost {
    /// Subschemas that apply to the same value, for keywords that go through all of them.
    unevaluated: u64,
    /// For each byte of a text, in 64ths of a step.
    text: u64,
    /// For each member of an object.
    members: u64,
    /// For any value.
    fixed: u64,
    unique: bool,
}

/// Makes the keyword of one subschema. Counts as a step of compiling it.
pub(super) fn keyword<'a>(
    parent: &'a Map<String, Value>,
    value: &'a Value,
) -> Result<Box<dyn for<'i> Keyword<'i, Metered>>, ValidationError<'a>> {
    let cost = Cost::of(parent, value.as_u64().unwrap_or(1));
    let patterns = parent.get("patternProperties").and_then(Value::as_object);
    spend(1 + cost.fixed + patterns.map_or(0, |all| all.len() as u64));
    Ok(Box::new(cost))
}

impl Cost {
    fn of(schema: &Map<String, Value>, applying: u64) -> Self {
        let len = |name: &str| match schema.get(name) {
            Some(Value::Array(items)) => items.len() as u64,
            Some(Value::Object(members)) => members.len() as u64,
            _ => 0,
        };
        let choices = ["enum", "const"].map(|name| schema.get(name).map_or(0, nodes));
        let patterns = len("patternProperties");
        let pattern = schema.get("pattern").and_then(Value::as_str);
        let text = match pattern {
            Some(pattern) if looks_around(pattern) => LOOKS_AROUND,
            _ => 1,
        };
        let looking = schema.get("patternProperties").and_then(Value::as_object);
        let looking = looking
            .into_iter()
            .flatten()
            .filter(|(pattern, _)| looks_around(pattern))
            .count() as u64;
        let unevaluated = ["unevaluatedProperties", "unevaluatedItems"]
            .iter()
            .any(|name| schema.contains_key(*name));
        Self {
            unevaluated: if unevaluated { applying } else { 0 },
            text,
            members: patterns + looking * LOOKS_AROUND,
            fixed: (choices[0] + choices[1]) / 4 + (len("required") + len("properties")) / 8,
            unique: schema.get("uniqueItems") == Some(&Value::Bool(true)),
        }
    }

    fn steps(&self, instance: &Value) -> u64 {
        let shallow = match instance {
            Value::String(text) => return 1 + self.fixed + self.text * text.len() as u64 / 64,
            Value::Array(items) if self.unique => items.iter().map(nodes).sum::<u64>() * 2,
            Value::Array(items) => items.len() as u64 / 8,
            Value::Object(members) => members.len() as u64 * (self.members + 1),
            _ => 0,
        };
        let all = match instance {
            Value::Array(items) => items.len() as u64,
            Value::Object(members) => members.len() as u64,
            _ => 0,
        };
        1 + self.fixed + shallow + self.unevaluated * (all + 1) / 4
    }
}

/// What a pattern that only backtracking can match costs more than one that is matched in one go.
const LOOKS_AROUND: u64 = 512;

/// Whether a pattern has something in it that needs backtracking: looking around, or back.
fn looks_around(pattern: &str) -> bool {
    let bytes = pattern.as_bytes();
    ["(?=", "(?!", "(?<", "(?>", "\\k"]
        .iter()
        .any(|sign| pattern.contains(sign))
        || bytes
            .windows(2)
            .any(|pair| pair[0] == b'\\' && (b'1'..=b'9').contains(&pair[1]))
}

/// The values in a value, itself included. Texts count by their length.
fn nodes(value: &Value) -> u64 {
    match value {
        Value::Array(items) => 1 + items.iter().map(nodes).sum::<u64>(),
        Value::Object(members) => 1 + members.values().map(nodes).sum::<u64>(),
        Value::String(text) => 1 + text.len() as u64 / 64,
        _ => 1,
    }
}

impl<'i> Keyword<'i, Metered> for Cost {
    fn validate(&self, instance: Look<'i>) -> Result<(), ValidationError<'i>> {
        spend(self.steps(instance.0));
        Ok(())
    }

    fn is_valid(&self, instance: Look<'i>) -> bool {
        spend(self.steps(instance.0));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_ends_when_its_steps_are_spent() {
        assert_eq!(within(10, || (0..10).for_each(|_| spend(1))), Ok(()));
        assert_eq!(within(9, || (0..10).for_each(|_| spend(1))), Err(Spent));
        assert_eq!(within(9, || spend(u64::MAX)), Err(Spent));
        // Nothing of it is left for whatever comes next.
        spend(1);
    }

    #[test]
    fn work_ends_when_its_time_is_up() {
        let started = Instant::now();
        let endless = within(u64::MAX, || {
            loop {
                spend(1);
            }
        });
        assert_eq!(endless, Err(Spent));
        assert!(started.elapsed() >= WORK_MAX);
    }

    #[test]
    fn a_pattern_that_backtracks_is_told_from_one_that_does_not() {
        for pattern in ["^(?!x)", "(a)\\1", "(?<=x)y", "(?<n>a)\\k<n>"] {
            assert!(looks_around(pattern), "{pattern}");
        }
        for pattern in ["^[a-z]+$", "(?:a|b)*", "\\d\\.\\w", "a{1,3}"] {
            assert!(!looks_around(pattern), "{pattern}");
        }
    }
}
