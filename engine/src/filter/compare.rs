//! How JSON values compare: only those of the same type, and numbers exactly.

use serde_json::{Number, Value};
use std::cmp::Ordering;

/// Whether the two say the same.
pub(super) fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => numbers(a, b).is_eq(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            let same = |(name, a)| b.get(name).is_some_and(|b| equal(a, b));
            a.len() == b.len() && a.iter().all(same)
        }
        _ => a == b,
    }
}

/// Which is greater, of two numbers or of two texts.
pub(super) fn order(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => Some(numbers(a, b)),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

fn numbers(a: &Number, b: &Number) -> Ordering {
    match (a.as_i128(), b.as_i128()) {
        (Some(a), Some(b)) => a.cmp(&b),
        (Some(a), None) => with_fraction(a, fraction(b)),
        (None, Some(b)) => with_fraction(b, fraction(a)).reverse(),
        // Zeros of both signs are the same number, and JSON has no other that does not compare.
        (None, None) => fraction(a)
            .partial_cmp(&fraction(b))
            .unwrap_or(Ordering::Equal),
    }
}

fn fraction(number: &Number) -> f64 {
    number.as_f64().unwrap_or_default()
}

/// An integer beside another number: 2^53 + 1 is not 2^53, as it would be were it made an `f64`.
fn with_fraction(integer: i128, number: f64) -> Ordering {
    let whole = number.floor();
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a cast stops at the ends, beyond which no integer of JSON lies here"
    )]
    let below = integer.cmp(&(whole as i128));
    below.then(if number > whole {
        Ordering::Less
    } else {
        Ordering::Equal
    })
}
