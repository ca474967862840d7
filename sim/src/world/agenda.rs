//! What will happen, in order of time; at the same time in the order in which it was put down.

use std::collections::BTreeMap;

#[derive(Debug)]
pub(super) struct Agenda<T> {
    entries: BTreeMap<(u64, u64), T>,
    last: u64,
}

impl<T> Agenda<T> {
    pub(super) fn new() -> Self {
        Self {
            entries: BTreeMap::new(),
            last: 0,
        }
    }

    pub(super) fn put(&mut self, at_ms: u64, entry: T) {
        self.last += 1;
        self.entries.insert((at_ms, self.last), entry);
    }

    /// When the next one is.
    pub(super) fn next_at(&self) -> Option<u64> {
        self.entries.first_key_value().map(|((at_ms, _), _)| *at_ms)
    }

    pub(super) fn take(&mut self) -> Option<T> {
        self.entries.pop_first().map(|(_, entry)| entry)
    }
}
