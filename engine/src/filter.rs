//! A content filter: which of the events that an endpoint subscribes to it gets, by their payload.

mod headers;
mod judging;
mod operand;
#[cfg(test)]
mod tests;

use crate::json::{Document, Kind, Unreadable, Value};
use headers::Asks;
use operand::Operand;
pub(crate) use operand::Steps;
use serde_json::value::RawValue;
use std::borrow::Cow;
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
/// | `$elemMatch` | is an array with an element that fits this, by itself: all of it or not at all |
/// | `$and`, `$or` | fits all of these, or at least one |
/// | `$not` | does not fit this |
/// | `$at` | has at the path `path`, a list of names and places, what fits `is` |
/// | `$headers` | whatever stands here: the headers of the event fit this, each asked for by its name, in any case |
///
/// Only values of the same type compare. Numbers are compared exactly at any size, so that `1` equals
/// `1.0` and `12345678901234567890123` is not `…124`; texts are compared by code points. Where a path
/// leads nowhere only `$exists: false`, `$ne`, `$nin` and `$not` can match. Names with a dot in
/// them, or with `$` at their beginning, are asked about with `$at`. The payload is read as
/// [`crate::json`] says, whatever its type: what a filter does not ask for cannot hide the rest. A
/// payload that is not JSON, or that is coded, matches no filter but one that asks of headers alone, and neither does one of which the filter would look at more than [`Filter::STEPS_MAX`] bytes: see [`Verdict`].
///
/// ```
/// use postrider_engine::Filter;
///
/// let large: Filter = r#"{"amount": {"$gt": 10000}}"#.parse()?;
/// assert!(large.matches_payload(br#"{"amount": 25000, "currency": "CHF"}"#));
/// assert!(!large.matches_payload(br#"{"amount": 10000}"#));
/// assert!(large.matches_payload(br#"{"amount": 1e400, "note": "caf\ud83d"}"#));
///
/// let swiss: Filter = r#"{"data.customer": {"country": {"$in": ["CH", "LI"]}}}"#.parse()?;
/// assert!(swiss.matches_payload(br#"{"data": {"customer": {"country": "CH"}}}"#));
///
/// let items: Filter = r#"{"items": {"$elemMatch": {"sku": "A", "count": {"$gt": 1}}}}"#.parse()?;
/// assert!(items.matches_payload(br#"{"items": [{"sku": "B"}, {"sku": "A", "count": 2}]}"#));
/// assert!(!items.matches_payload(br#"{"items": [{"sku": "A", "count": 1}, {"sku": "B", "count": 2}]}"#));
///
/// let dotted: Filter = r#"{"$at": {"path": ["labels", "app.name"], "is": "web"}}"#.parse()?;
/// assert!(dotted.matches_payload(br#"{"labels": {"app.name": "web"}}"#));
///
/// let shop: Filter = r#"{"$headers": {"x-shopify-shop-domain": "a.myshopify.com"}}"#.parse()?;
/// assert!(!shop.matches_payload(b"{}"), "this event has no headers");
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
    asks: Asks,
}

/// What a filter says of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It fits: the endpoint gets the event.
    Match,
    /// It does not.
    NoMatch,
    /// The payload cannot be read as JSON, so the endpoint does not get the event.
    Unreadable(Unreadable),
    /// The filter would have to look at too many bytes of the payload, so the endpoint does not get
    /// the event.
    TooCostly,
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
    /// Objects and arrays to compare with stand within each other too often.
    #[error(
        "objects and arrays to compare with may stand within each other {} deep",
        Filter::OPERAND_DEPTH_MAX
    )]
    OperandTooDeep,
    /// A word that JSON does not have.
    #[error("write null, true, false or a number as JSON does")]
    Word,
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

const OPERATORS: [&str; 17] = [
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
    "$elemMatch",
    "$and",
    "$or",
    "$not",
    "$at",
    "$headers",
];

/// What `$at` takes.
const AT: &str = "an object with `path`, a list of names and places, and `is`, such as {\"path\": [\"labels\", \"app.name\"], \"is\": \"web\"}";

/// Conditions that must all hold.
struct All(Box<[Condition]>);

enum Condition {
    /// What stands at this path fits.
    At(Box<[Box<str>]>, All),
    Eq(Operand),
    Order(fn(Ordering) -> bool, Operand),
    In(Vec<Operand>),
    Exists(bool),
    StartsWith(Box<str>),
    Contains(Operand),
    /// An element of an array fits.
    Element(All),
    And(Box<[All]>),
    Or(Box<[All]>),
    Not(All),
    /// The headers of the event fit.
    Headers(All),
}

/// What conditions are judged by, beside the value that they are about.
struct Look<'s, 'd, 'j> {
    steps: &'s Steps,
    headers: Option<Value<'d, 'j>>,
}

/// A filter would have to look at too many bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TooCostly;

impl Filter {
    /// The longest text, in bytes.
    pub const BYTES_MAX: usize = 4 << 10;
    /// How deep conditions may stand within each other.
    pub const DEPTH_MAX: usize = 8;
    /// The most conditions, counting each path and each operator.
    pub const CONDITIONS_MAX: usize = 64;
    /// How deep objects and arrays to compare with may stand within each other.
    pub const OPERAND_DEPTH_MAX: usize = 128;
    /// The most bytes of a payload that a filter looks at, those of each comparison counted anew.
    /// To read the payload once and to look up names is not counted.
    pub const STEPS_MAX: u64 = 1 << 20;
    /// The bytes of a payload that each filter may look at in any case, however much other filters of
    /// the same publish have used of [`crate::Limits::filter_steps_max`].
    pub const STEPS_MIN: u64 = 16 << 10;

    /// The text that it was read from.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.text
    }
}

impl All {
    fn hold(
        &self,
        value: Option<Value<'_, '_>>,
        look: &Look<'_, '_, '_>,
    ) -> Result<bool, TooCostly> {
        all_hold(&self.0, |condition| condition.holds(value, look))
    }
}

fn all_hold<T>(
    list: &[T],
    mut holds: impl FnMut(&T) -> Result<bool, TooCostly>,
) -> Result<bool, TooCostly> {
    for it in list {
        if !holds(it)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether one of them is so.
fn one_holds<T>(
    mut list: impl Iterator<Item = T>,
    mut holds: impl FnMut(T) -> Result<bool, TooCostly>,
) -> Result<bool, TooCostly> {
    for it in list.by_ref() {
        if holds(it)? {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Condition {
    /// Whether what stands at a path, if anything, is as wished.
    fn holds(
        &self,
        value: Option<Value<'_, '_>>,
        look: &Look<'_, '_, '_>,
    ) -> Result<bool, TooCostly> {
        let steps = look.steps;
        steps.take(1)?;
        match (self, value) {
            (Self::At(path, all), value) => {
                let mut end = value;
                for part in path {
                    end = match end {
                        Some(value) => at(value, part, steps)?,
                        None => None,
                    };
                }
                all.hold(end, look)
            }
            (Self::Exists(wanted), value) => Ok(value.is_some() == *wanted),
            (Self::And(parts), value) => all_hold(parts, |part| part.hold(value, look)),
            (Self::Or(parts), value) => one_holds(parts.iter(), |part| part.hold(value, look)),
            (Self::Not(part), value) => Ok(!part.hold(value, look)?),
            (Self::Headers(all), _) => all.hold(look.headers, look),
            (_, None) => Ok(false),
            (Self::Eq(wanted), Some(value)) => wanted.equals(value, steps),
            (Self::Order(fits, bound), Some(value)) => {
                Ok(bound.order(value, steps)?.is_some_and(fits))
            }
            (Self::In(list), Some(value)) => one_holds(list.iter(), |it| it.equals(value, steps)),
            (Self::StartsWith(start), Some(value)) => {
                Ok(text(value, steps)?.is_some_and(|text| text.starts_with(&**start)))
            }
            (Self::Contains(part), Some(value)) if value.kind() == Kind::Array => {
                one_holds(value.elements(), |it| {
                    steps.take(1)?;
                    part.equals(it, steps)
                })
            }
            (Self::Element(part), Some(value)) => {
                one_holds(value.elements(), |it| part.hold(Some(it), look))
            }
            (Self::Contains(Operand::Text(part)), Some(value)) => {
                Ok(text(value, steps)?.is_some_and(|text| text.contains(&**part)))
            }
            (Self::Contains(_), Some(_)) => Ok(false),
        }
    }
}

/// The text of a value, if it is one; all of it is looked at.
fn text<'j>(value: Value<'_, 'j>, steps: &Steps) -> Result<Option<Cow<'j, str>>, TooCostly> {
    if value.kind() != Kind::Text {
        return Ok(None);
    }
    steps.take(value.raw().len())?;
    Ok(value.text())
}

fn at<'d, 'j>(
    value: Value<'d, 'j>,
    part: &str,
    steps: &Steps,
) -> Result<Option<Value<'d, 'j>>, TooCostly> {
    steps.take(1)?;
    match value.kind() {
        Kind::Object => Ok(value.member(part)),
        Kind::Array => {
            let Ok(place) = part.parse() else {
                return Ok(None);
            };
            steps.take(value.raw().len().min(place))?;
            Ok(value.element(place))
        }
        _ => Ok(None),
    }
}

impl FromStr for Filter {
    type Err = InvalidFilter;

    fn from_str(text: &str) -> Result<Self, InvalidFilter> {
        let mut reader = Reader::default();
        if text.len() > Self::BYTES_MAX {
            return Err(reader.refused(FilterProblem::TooLong));
        }
        // What somebody writes to be read is JSON to the letter.
        serde_json::from_str::<&RawValue>(text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            reader.refused(FilterProblem::NotJson { line, column })
        })?;
        let document = Document::read(text.as_bytes()).map_err(|_| {
            let (line, column) = (1, 1);
            reader.refused(FilterProblem::NotJson { line, column })
        })?;
        if document.root().kind() != Kind::Object {
            return Err(reader.refused(FilterProblem::NotAnObject));
        }
        let all = reader.members(document.root(), 1)?;
        let (text, asks) = (text.into(), Asks::of(&all));
        Ok(Self(Arc::new(Parsed { text, all, asks })))
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

    fn members(&mut self, object: Value<'_, '_>, depth: usize) -> Result<All, InvalidFilter> {
        if depth > Filter::DEPTH_MAX {
            return Err(self.refused(FilterProblem::TooDeep));
        }
        let members = object.members();
        if members.is_empty() {
            return Err(self.refused(FilterProblem::Empty));
        }
        let conditions = members.into_iter().map(|(name, operand)| {
            self.within(&name, |reader| reader.condition(&name, operand, depth))
        });
        Ok(All(conditions.collect::<Result<_, _>>()?))
    }

    /// What a value stands for: conditions if it is an object, otherwise that it is equal.
    fn wanted(&mut self, value: Value<'_, '_>, depth: usize) -> Result<All, InvalidFilter> {
        if value.kind() == Kind::Object {
            return self.members(value, depth);
        }
        Ok(All([Condition::Eq(self.operand(value)?)].into()))
    }

    /// A value to compare with.
    fn operand(&self, value: Value<'_, '_>) -> Result<Operand, InvalidFilter> {
        Operand::of(value, 0).map_err(|problem| self.refused(problem))
    }

    fn operands(&self, list: Value<'_, '_>) -> Result<Vec<Operand>, InvalidFilter> {
        list.elements().map(|it| self.operand(it)).collect()
    }

    /// Counts a condition.
    fn count(&mut self) -> Result<(), InvalidFilter> {
        self.conditions += 1;
        match self.conditions > Filter::CONDITIONS_MAX {
            true => Err(self.refused(FilterProblem::TooMany)),
            false => Ok(()),
        }
    }

    fn condition(
        &mut self,
        name: &str,
        operand: Value<'_, '_>,
        depth: usize,
    ) -> Result<Condition, InvalidFilter> {
        self.count()?;
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
        operand: Value<'_, '_>,
        depth: usize,
    ) -> Result<Condition, InvalidFilter> {
        let Some(operator) = OPERATORS.into_iter().find(|known| *known == name) else {
            let name = name.chars().take(64).collect();
            return Err(self.refused(FilterProblem::UnknownOperator { name }));
        };
        let takes = |takes| FilterProblem::Operand { operator, takes };
        let not = |condition| Condition::Not(All([condition].into()));
        let wrong = match (operator, operand.kind()) {
            ("$eq", _) => return Ok(Condition::Eq(self.operand(operand)?)),
            ("$ne", _) => return Ok(not(Condition::Eq(self.operand(operand)?))),
            ("$gt" | "$gte" | "$lt" | "$lte", Kind::Number | Kind::Text) => {
                return Ok(Condition::Order(bound(operator), self.operand(operand)?));
            }
            ("$gt" | "$gte" | "$lt" | "$lte", _) => takes("a number or a text"),
            ("$in", Kind::Array) => return Ok(Condition::In(self.operands(operand)?)),
            ("$nin", Kind::Array) => return Ok(not(Condition::In(self.operands(operand)?))),
            ("$in" | "$nin", _) => takes("an array"),
            ("$exists", Kind::Bool(wanted)) => return Ok(Condition::Exists(wanted)),
            ("$exists", _) => takes("true or false"),
            ("$startsWith", Kind::Text) => {
                let start = operand.text().unwrap_or_default();
                return Ok(Condition::StartsWith(start.into()));
            }
            ("$startsWith", _) => takes("a text"),
            ("$contains", _) => return Ok(Condition::Contains(self.operand(operand)?)),
            ("$elemMatch", _) => {
                return Ok(Condition::Element(self.wanted(operand, depth + 1)?));
            }
            ("$not", _) => return Ok(Condition::Not(self.wanted(operand, depth + 1)?)),
            ("$at", _) => match path_and_rest(operand) {
                Some((path, is)) => {
                    let all = self.within("is", |reader| reader.wanted(is, depth + 1))?;
                    return Ok(Condition::At(path, all));
                }
                None => takes(AT),
            },
            ("$headers", _) => return self.headers(operand, depth + 1),
            (_, Kind::Array) if operand.element(0).is_some() => {
                let parts = self.parts(operand, depth + 1)?;
                return Ok(match operator {
                    "$and" => Condition::And(parts),
                    _ => Condition::Or(parts),
                });
            }
            _ => takes("an array of at least one filter"),
        };
        Err(self.refused(wrong))
    }

    fn parts(&mut self, list: Value<'_, '_>, depth: usize) -> Result<Box<[All]>, InvalidFilter> {
        let parts = list.elements().enumerate().map(|(place, part)| {
            self.within(&place.to_string(), |reader| reader.wanted(part, depth))
        });
        parts.collect()
    }
}

/// What `$at` is given: a path as a list of its parts, which may have dots in them, and what is to stand
/// there.
fn path_and_rest<'d, 'j>(operand: Value<'d, 'j>) -> Option<(Box<[Box<str>]>, Value<'d, 'j>)> {
    let (path, is) = (operand.member("path")?, operand.member("is")?);
    let parts = path.elements().map(|part| -> Option<Box<str>> {
        let place = |digits: &&str| digits.bytes().all(|byte| byte.is_ascii_digit());
        match part.text() {
            Some(name) => Some(name.into()),
            None => part.number().filter(place).map(Box::from),
        }
    });
    let parts: Box<[Box<str>]> = parts.collect::<Option<_>>()?;
    (!parts.is_empty() && operand.members().len() == 2).then_some((parts, is))
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
