//! What a filter compares with: only values of the same type compare, and numbers exactly.

use super::{Filter, FilterProblem, TooCostly};
use crate::json::{Kind, Value, compare_numbers};
use std::cell::Cell;
use std::cmp::Ordering;

/// A value of a filter, by itself.
pub(super) enum Operand {
    Null,
    Bool(bool),
    /// Its digits as they are given.
    Number(Box<str>),
    Text(Box<str>),
    Array(Box<[Operand]>),
    /// By name, each once and in order.
    Object(Box<[(Box<str>, Operand)]>),
}

/// How many bytes of a payload may still be looked at.
pub(crate) struct Steps(Cell<u64>);

impl Steps {
    pub(crate) fn new(most: u64) -> Self {
        Self(Cell::new(most))
    }

    /// What is left.
    pub(crate) fn left(&self) -> u64 {
        self.0.get()
    }

    pub(super) fn take(&self, steps: usize) -> Result<(), TooCostly> {
        let left = self.0.get().checked_sub(steps as u64);
        self.0.set(left.unwrap_or(0));
        left.map(|_| ()).ok_or(TooCostly)
    }
}

impl Operand {
    /// `depth` counts the objects and arrays around it.
    pub(super) fn of(value: Value<'_, '_>, depth: usize) -> Result<Self, FilterProblem> {
        let kind = value.kind();
        if matches!(kind, Kind::Array | Kind::Object) && depth == Filter::OPERAND_DEPTH_MAX {
            return Err(FilterProblem::OperandTooDeep);
        }
        Ok(match kind {
            Kind::Null => Self::Null,
            Kind::Bool(value) => Self::Bool(value),
            Kind::Number => Self::Number(value.number().unwrap_or_default().into()),
            Kind::Text => Self::Text(value.text().unwrap_or_default().into()),
            Kind::Array => {
                let elements = value.elements().map(|it| Self::of(it, depth + 1));
                Self::Array(elements.collect::<Result<_, _>>()?)
            }
            Kind::Object => {
                let members = value.members().into_iter();
                let members = members.map(|(name, it)| Ok((name.into(), Self::of(it, depth + 1)?)));
                Self::Object(members.collect::<Result<_, _>>()?)
            }
            Kind::Word => return Err(FilterProblem::Word),
        })
    }

    /// Whether the value says the same.
    pub(super) fn equals(&self, value: Value<'_, '_>, steps: &Steps) -> Result<bool, TooCostly> {
        steps.take(1)?;
        match (self, value.kind()) {
            (Self::Null, Kind::Null) => Ok(true),
            (Self::Bool(a), Kind::Bool(b)) => Ok(*a == b),
            (Self::Number(_), Kind::Number) => {
                Ok(self.order(value, steps)?.is_some_and(Ordering::is_eq))
            }
            // An escape makes one byte of six.
            (Self::Text(a), Kind::Text) if value.raw().len() > a.len() * 6 + 2 => Ok(false),
            (Self::Text(_), Kind::Text) => {
                Ok(self.order(value, steps)?.is_some_and(Ordering::is_eq))
            }
            (Self::Array(list), Kind::Array) => {
                let mut elements = value.elements();
                for it in list {
                    match elements.next() {
                        Some(element) if it.equals(element, steps)? => (),
                        _ => return Ok(false),
                    }
                }
                Ok(elements.next().is_none())
            }
            (Self::Object(list), Kind::Object) => {
                steps.take(value.raw().len())?;
                let members = value.members();
                if members.len() != list.len() {
                    return Ok(false);
                }
                for ((name, it), (other, value)) in list.iter().zip(members) {
                    if **name != *other || !it.equals(value, steps)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// How the value compares with this, if both are numbers or both are texts.
    pub(super) fn order(
        &self,
        value: Value<'_, '_>,
        steps: &Steps,
    ) -> Result<Option<Ordering>, TooCostly> {
        match (self, value.kind()) {
            (Self::Number(bound), Kind::Number) => {
                steps.take(value.raw().len())?;
                Ok(value.number().and_then(|it| compare_numbers(it, bound)))
            }
            (Self::Text(bound), Kind::Text) => {
                steps.take(value.raw().len())?;
                Ok(value.text().map(|it| (*it).cmp(&**bound)))
            }
            _ => Ok(None),
        }
    }
}
