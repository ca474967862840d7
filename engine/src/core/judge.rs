//! What the filters of many endpoints say of one event.

use crate::fact::Undecided;
use crate::filter::{Filter, Steps, TooCostly, Verdict};
use crate::json::{Document, Unreadable};
use std::collections::BTreeMap;

/// Judges one payload by one filter after the other. The payload is read once, and only if a filter asks;
/// filters with the same text are judged once, and use up their steps once.
pub(super) struct Judge<'e> {
    bytes: &'e [u8],
    payload: Option<Result<Document<'e>, Unreadable>>,
    /// Of what the filters of one publish may look at together.
    steps_left: u64,
    /// By the texts of the filters.
    judged: BTreeMap<&'e str, Verdict>,
    /// Counts endpoints, not filters.
    pub(super) undecided: Undecided,
}

impl<'e> Judge<'e> {
    pub(super) fn new(bytes: &'e [u8], steps_max: u64) -> Self {
        Self {
            bytes,
            payload: None,
            steps_left: steps_max,
            judged: BTreeMap::new(),
            undecided: Undecided::default(),
        }
    }

    /// Whether an endpoint with this filter gets the event.
    pub(super) fn fits(&mut self, filter: &'e Filter) -> bool {
        let verdict = self.verdict(filter);
        match verdict {
            Verdict::Match | Verdict::NoMatch => (),
            Verdict::Unreadable(_) => self.undecided.unreadable += 1,
            Verdict::TooCostly => self.undecided.too_costly += 1,
        }
        verdict == Verdict::Match
    }

    fn verdict(&mut self, filter: &'e Filter) -> Verdict {
        let bytes = self.bytes;
        let payload = self.payload.get_or_insert_with(|| Document::read(bytes));
        let payload = match payload {
            Ok(payload) => payload,
            Err(why) => return Verdict::Unreadable(*why),
        };
        if let Some(verdict) = self.judged.get(filter.as_str()) {
            return *verdict;
        }
        // However much others have used, there is enough for what is not made to be costly.
        let most = Filter::STEPS_MAX.min(self.steps_left.max(Filter::STEPS_MIN));
        let steps = Steps::new(most);
        let verdict = match filter.judge(payload, &steps) {
            Ok(true) => Verdict::Match,
            Ok(false) => Verdict::NoMatch,
            Err(TooCostly) => Verdict::TooCostly,
        };
        self.steps_left = self.steps_left.saturating_sub(most - steps.left());
        self.judged.insert(filter.as_str(), verdict);
        verdict
    }
}
