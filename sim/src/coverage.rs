//! Which faults have met which states.

use crate::book::Book;
use crate::trace::Line;
use std::collections::BTreeMap;

/// How often each fault has met each state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    cells: BTreeMap<(&'static str, &'static str), u64>,
}

impl Coverage {
    /// Sees a line; `book` holds what was before it.
    pub fn see(&mut self, line: &Line, book: &Book) {
        let _ = (line, book);
    }

    /// Adds what another run has met.
    pub fn add(&mut self, other: &Self) {
        for (cell, count) in &other.cells {
            *self.cells.entry(*cell).or_default() += count;
        }
    }
}
