//! JSON Schemas of a tenant, compiled and checked within bounds.
//!
//! A schema is a program that somebody else wrote. What can be told of it beforehand is bounded when
//! it is registered ([`shape`]); what depends on the value that is checked has a budget of steps
//! ([`budget`]). References lead nowhere but into the schema itself: nothing is fetched. Patterns are
//! matched without backtracking, or with little.

mod budget;
mod metered;
mod patterns;
mod shape;

use jsonschema::{PatternOptions, Validator};
use metered::{Look, Metered};
use serde_json::{Map, Value};
use shape::Shape;

/// The steps of compiling one schema: about one for each subschema.
const COMPILE_STEPS_MAX: u64 = 20_000;

/// The steps of checking one value: some tens of milliseconds.
pub(super) const CHECK_STEPS_MAX: u64 = 2_000_000;

/// The steps of finding out what is wrong with a value that does not match. Each may be a report.
const REPORT_STEPS_MAX: u64 = 50_000;

/// The most bytes of one compiled pattern.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// The most bytes that matching one pattern remembers.
const PATTERN_CACHE_BYTES_MAX: usize = 64 << 10;

/// The most steps back of one match of a pattern that looks around.
const BACKTRACKS_MAX: usize = 10_000;

/// Places that a report names at most.
const PLACES_MAX: usize = 10;

/// The longest that a report says of one place, in characters.
const DETAIL_CHARS_MAX: usize = 512;

/// A schema, ready to check values.
pub(super) struct Schema {
    validator: Validator<Metered>,
    /// Roughly the bytes that it holds.
    pub(super) bytes: usize,
}

/// Why a schema is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SchemaError {
    /// It is none, or not one that is understood.
    #[error("{0}")]
    Invalid(String),
    /// It would take too much work.
    #[error("{0}")]
    TooCostly(String),
}

/// Why a value is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Mismatch {
    /// It does not match: JSON pointers, and what is wrong there.
    Violations(Vec<(String, String)>),
    /// Checking it takes too much work.
    TooCostly,
}

impl Schema {
    /// Compiles it.
    pub(super) fn compile(schema: &Map<String, Value>) -> Result<Self, SchemaError> {
        let measured = shape::measured(schema).map_err(|shape| match shape {
            Shape::Outside(_) => SchemaError::Invalid(shape.to_string()),
            _ => SchemaError::TooCostly(shape.to_string()),
        })?;
        let patterns = PatternOptions::fancy_regex()
            .backtrack_limit(BACKTRACKS_MAX)
            .size_limit(PATTERN_BYTES_MAX)
            .dfa_size_limit(PATTERN_CACHE_BYTES_MAX);
        let options = jsonschema::options_for::<Metered>()
            .with_pattern_options(patterns)
            .with_keyword(budget::KEYWORD, |parent, value, _| {
                budget::keyword(parent, value)
            });
        let compiled = budget::within(COMPILE_STEPS_MAX, || {
            let built = options.build(&measured.schema);
            built.map_err(|error| shortened(error.to_string()))
        });
        match compiled {
            Ok(Ok(validator)) => Ok(Self {
                validator,
                bytes: measured.schema.to_string().len() * BYTES_PER_TEXT + measured.patterns_bytes,
            }),
            Ok(Err(error)) => Err(SchemaError::Invalid(error)),
            Err(budget::Spent) => {
                let detail = format!("compiling it takes more than {COMPILE_STEPS_MAX} steps");
                Err(SchemaError::TooCostly(detail))
            }
        }
    }

    /// Checks a value.
    pub(super) fn check(&self, value: &Value) -> Result<(), Mismatch> {
        match budget::within(CHECK_STEPS_MAX, || self.validator.is_valid(Look(value))) {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(budget::Spent) => return Err(Mismatch::TooCostly),
        }
        // Reports are large: what is wrong is looked for only now, and with fewer steps.
        let reports = budget::within(REPORT_STEPS_MAX, || {
            let errors = self.validator.iter_errors(Look(value)).take(PLACES_MAX);
            errors
                .map(|error| {
                    (
                        error.instance_path().to_string(),
                        shortened(error.to_string()),
                    )
                })
                .collect()
        });
        let unknown = || vec![(String::new(), "does not match".to_owned())];
        Err(Mismatch::Violations(reports.unwrap_or_else(|_| unknown())))
    }
}

/// A report quotes what it is about, however long that is.
fn shortened(mut detail: String) -> String {
    if let Some((cut, _)) = detail.char_indices().nth(DETAIL_CHARS_MAX) {
        detail.truncate(cut);
        detail.push('…');
    }
    detail
}

/// What a compiled schema holds for each byte of its text, roughly.
const BYTES_PER_TEXT: usize = 16;

#[cfg(test)]
mod tests;
