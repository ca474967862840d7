//! A content filter: which of the events that an endpoint subscribes to it gets, by their payload.

mod compare;
#[cfg(test)]
mod tests;

use compare::{equal, order};
use serde_json::{Map, Value};
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// What the payload of an event must say for an endpoint to get it.
///
/// A filter is a JSON object, and all that it says must be so. A name that does not begin with `$`
/// is a path into the payload: the name of a member, or the place in an array, from 0. Paths nest,
/// as objects or with dots. A name that begins with `$` is an operator on what stands there. A
/// value without an operator must be equal.
///
/// | operator | what stands there |
/// |---|---|
/// | `$eq`, `$ne` | is equal to this, or is not |
/// | `$gt`, `$gte`, `$lt`, `$lte` | is a number, or a text, and greater, at least, less, at most this |
/// | `$in`, `$nin` | is equal to one of these, or to none |
/// | `$exists` | is there (`true`), or is not (`false`); `null` is there |
/// | `$startsWith` | is a text that begins so |
/// | `$contains` | is a text with this part, or an array with this element |
/// | `$and`, `$or` | fits all of these, or at least one |
/// | `$not` | does not fit this |
///
/// Only values of the same type compare. Numbers are compared exactly, integers (up to 64 bits)
/// and others alike, so that `1` equals `1.0`; texts are compared by code points. Where a path
/// leads nowhere only `$exists: false`, `$ne`, `$nin` and `$not` can match. Names with a dot in
/// them cannot be asked about. A payload that is not JSON matches no filter.
///
/// ```
/// use postrider_engine::Filter;
///
/// let large: Filter = r#"{"amount": {"$gt": 10000}}"#.parse()?;
/// assert!(large.matches_payload(br#"{"amount": 25000, "currency": "CHF"}"#));
/// assert!(!large.matches_payload(br#"{"amount": 10000}"#));
///
/// let swiss: Filter = r#"{"data.customer": {"country": {"$in": ["CH", "LI"]}}}"#.parse()?;
/// assert!(swiss.matches_payload(br#"{"data": {"customer": {"country": "CH"}}}"#));
///
/// let error = r#"{"amount": {"$above": 10000}}"#.parse::<Filter>().unwrap_err();
/// assert_eq!(error.pointer, "/amount/$above");
/// # Ok::<(), postrider_engine::InvalidFilter>(())
/// ```
#[derive(Clone)]
pub struct Filter(Arc<Parsed>);

struct Parsed {
    text: Box<str>,
    all: All,
}

/// Why a text is no filter, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the filter is refused{}{pointer}: {problem}", if pointer.is_empty() { "" } else { " at " })]
pub struct InvalidFilter {
    /// The place, as a JSON pointer (RFC 6901); empty for the filter as a whole.
    pub pointer: String,
    /// What is wrong there.
    pub problem: FilterProblem,
}

/// What is wrong with a filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterProblem {
    /// The text is too long.
    #[error("use at most {} bytes", Filter::BYTES_MAX)]
    TooLong,
    /// The text is not JSON.
    #[error("it is not JSON (line {line}, column {column})")]
    NotJson {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// The filter is something else.
    #[error("a filter is an object, such as {{\"amount\": {{\"$gt\": 10000}}}}")]
    NotAnObject,
    /// Nothing is asked for.
    #[error("give at least one condition; an endpoint that wants everything has no filter")]
    Empty,
    /// Conditions stand within conditions too often.
    #[error("conditions may stand within each other {} deep", Filter::DEPTH_MAX)]
    TooDeep,
    /// Too many conditions.
    #[error("use at most {} conditions", Filter::CONDITIONS_MAX)]
    TooMany,
    /// A path with an empty part.
    #[error("a path is names or numbers joined by single dots, such as data.items.0")]
    Path,
    /// No operator has this name.
    #[error("there is no operator {name:?}: use one of {}", OPERATORS.join(", "))]
    UnknownOperator {
        /// The name, cut to 64 characters.
        name: String,
    },
    /// The operator cannot do anything with its operand.
    #[error("{operator} takes {takes}")]
    Operand {
        /// The operator.
        operator: &'static str,
        /// What it takes.
        takes: &'static str,
    },
}

const OPERATORS: [&str; 14] = [
    "$eq",
    "$ne",
    "$gt",
    "$gte",
    "$lt",
    "$lte",
    "$in",
    "$nin",
    "$exists",
    "$startsWith",
    "$contains",
    "$and",
    "$or",
    "$not",
];

/// Conditions that must all hold.
struct All(Box<[Condition]>);

enum Condition {
    /// What stands at this path fits.
    At(Box<[Box<str>]>, All),
    Eq(Value),
    Order(fn(Ordering) -> bool, Value),
    In(Vec<Value>),
    Exists(bool),
    StartsWith(Box<str>),
    Contains(Value),
    And(Box<[All]>),
    Or(Box<[All]>),
    Not(All),
}

impl Filter {
    /// The longest text, in bytes.
    pub const BYTES_MAX: usize = 4 << 10;
    /// How deep conditions may stand within each other.
    pub const DEPTH_MAX: usize = 8;
    /// The most conditions, counting each path and each operator.
    pub const CONDITIONS_MAX: usize = 64;

    /// The text that it was read from.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// Whether this payload fits.
    #[must_use]
    pub fn matches(&self, payload: &Value) -> bool {
        self.0.all.hold(Some(payload))
    }

    /// The same, for a payload that is not read yet. One that is not JSON does not fit.
    #[must_use]
    pub fn matches_payload(&self, payload: &[u8]) -> bool {
        serde_json::from_slice(payload).is_ok_and(|payload| self.matches(&payload))
    }
}

impl All {
    fn hold(&self, value: Option<&Value>) -> bool {
        self.0.iter().all(|condition| condition.holds(value))
    }
}

impl Condition {
    /// Whether what stands at a path, if anything, is as wished.
    fn holds(&self, value: Option<&Value>) -> bool {
        match self {
            Self::At(path, all) => {
                let mut parts = path.iter();
                all.hold(
                    value.and_then(|value| parts.try_fold(value, |value, part| at(value, part))),
                )
            }
            Self::Eq(wanted) => value.is_some_and(|value| equal(value, wanted)),
            Self::Order(fits, bound) => {
                let order = value.and_then(|value| order(value, bound));
                order.is_some_and(fits)
            }
            Self::In(list) => value.is_some_and(|value| list.iter().any(|it| equal(value, it))),
            Self::Exists(wanted) => value.is_some() == *wanted,
            Self::StartsWith(start) => value
                .and_then(Value::as_str)
                .is_some_and(|text| text.starts_with(&**start)),
            Self::Contains(part) => match (value, part) {
                (Some(Value::String(text)), Value::String(part)) => text.contains(part.as_str()),
                (Some(Value::Array(list)), part) => list.iter().any(|it| equal(it, part)),
                _ => false,
            },
            Self::And(parts) => parts.iter().all(|part| part.hold(value)),
            Self::Or(parts) => parts.iter().any(|part| part.hold(value)),
            Self::Not(part) => !part.hold(value),
        }
    }
}

fn at<'v>(value: &'v Value, part: &str) -> Option<&'v Value> {
    match value {
        Value::Object(members) => members.get(part),
        Value::Array(elements) => elements.get(part.parse::<usize>().ok()?),
        _ => None,
    }
}

impl FromStr for Filter {
    type Err = InvalidFilter;

    fn from_str(text: &str) -> Result<Self, InvalidFilter> {
        let mut reader = Reader::default();
        if text.len() > Self::BYTES_MAX {
            return Err(reader.refused(FilterProblem::TooLong));
        }
        let value: Value = serde_json::from_str(text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            reader.refused(FilterProblem::NotJson { line, column })
        })?;
        let Value::Object(members) = &value else {
            return Err(reader.refused(FilterProblem::NotAnObject));
        };
        let all = reader.members(members, 1)?;
        let text = text.into();
        Ok(Self(Arc::new(Parsed { text, all })))
    }
}

/// Reads a filter, and knows where it is.
#[derive(Default)]
struct Reader {
    pointer: String,
    conditions: usize,
}

impl Reader {
    fn refused(&self, problem: FilterProblem) -> InvalidFilter {
        let pointer = self.pointer.clone();
        InvalidFilter { pointer, problem }
    }

    fn within<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut Self) -> Result<T, InvalidFilter>,
    ) -> Result<T, InvalidFilter> {
        let length = self.pointer.len();
        self.pointer.push('/');
        self.pointer
            .push_str(&name.replace('~', "~0").replace('/', "~1"));
        let value = read(self)?;
        self.pointer.truncate(length);
        Ok(value)
    }

    fn members(
        &mut self,
        members: &Map<String, Value>,
        depth: usize,
    ) -> Result<All, InvalidFilter> {
        if depth > Filter::DEPTH_MAX {
            return Err(self.refused(FilterProblem::TooDeep));
        }
        if members.is_empty() {
            return Err(self.refused(FilterProblem::Empty));
        }
        let conditions = members.iter().map(|(name, operand)| {
            self.within(name, |reader| reader.condition(name, operand, depth))
        });
        Ok(All(conditions.collect::<Result<_, _>>()?))
    }

    /// What a value stands for: conditions if it is an object, otherwise that it is equal.
    fn wanted(&mut self, value: &Value, depth: usize) -> Result<All, InvalidFilter> {
        match value {
            Value::Object(members) => self.members(members, depth),
            other => Ok(All([Condition::Eq(other.clone())].into())),
        }
    }

    fn condition(
        &mut self,
        name: &str,
        operand: &Value,
        depth: usize,
    ) -> Result<Condition, InvalidFilter> {
        self.conditions += 1;
        if self.conditions > Filter::CONDITIONS_MAX {
            return Err(self.refused(FilterProblem::TooMany));
        }
        if name.starts_with('$') {
            return self.operator(name, operand, depth);
        }
        if name.split('.').any(str::is_empty) {
            return Err(self.refused(FilterProblem::Path));
        }
        let path = name.split('.').map(Box::from).collect();
        Ok(Condition::At(path, self.wanted(operand, depth + 1)?))
    }

    fn operator(
        &mut self,
        name: &str,
        operand: &Value,
        depth: usize,
    ) -> Result<Condition, InvalidFilter> {
        let Some(operator) = OPERATORS.into_iter().find(|known| *known == name) else {
            let name = name.chars().take(64).collect();
            return Err(self.refused(FilterProblem::UnknownOperator { name }));
        };
        let takes = |takes| FilterProblem::Operand { operator, takes };
        let not = |condition| Condition::Not(All([condition].into()));
        let wrong = match (operator, operand) {
            ("$eq", _) => return Ok(Condition::Eq(operand.clone())),
            ("$ne", _) => return Ok(not(Condition::Eq(operand.clone()))),
            ("$gt" | "$gte" | "$lt" | "$lte", Value::Number(_) | Value::String(_)) => {
                return Ok(Condition::Order(bound(operator), operand.clone()));
            }
            ("$gt" | "$gte" | "$lt" | "$lte", _) => takes("a number or a text"),
            ("$in", Value::Array(list)) => return Ok(Condition::In(list.clone())),
            ("$nin", Value::Array(list)) => return Ok(not(Condition::In(list.clone()))),
            ("$in" | "$nin", _) => takes("an array"),
            ("$exists", Value::Bool(wanted)) => return Ok(Condition::Exists(*wanted)),
            ("$exists", _) => takes("true or false"),
            ("$startsWith", Value::String(start)) => {
                return Ok(Condition::StartsWith(start.as_str().into()));
            }
            ("$startsWith", _) => takes("a text"),
            ("$contains", _) => return Ok(Condition::Contains(operand.clone())),
            ("$not", _) => return Ok(Condition::Not(self.wanted(operand, depth + 1)?)),
            (_, Value::Array(list)) if !list.is_empty() => {
                let parts = self.parts(list, depth + 1)?;
                return Ok(match operator {
                    "$and" => Condition::And(parts),
                    _ => Condition::Or(parts),
                });
            }
            _ => takes("an array of at least one filter"),
        };
        Err(self.refused(wrong))
    }

    fn parts(&mut self, list: &[Value], depth: usize) -> Result<Box<[All]>, InvalidFilter> {
        let parts = list.iter().enumerate().map(|(place, part)| {
            self.within(&place.to_string(), |reader| reader.wanted(part, depth))
        });
        parts.collect()
    }
}

fn bound(operator: &str) -> fn(Ordering) -> bool {
    match operator {
        "$gt" => Ordering::is_gt,
        "$gte" => Ordering::is_ge,
        "$lt" => Ordering::is_lt,
        _ => Ordering::is_le,
    }
}

impl PartialEq for Filter {
    /// By their texts.
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Filter {}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Filter({})", self.as_str())
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
