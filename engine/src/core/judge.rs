//! What the filters of many endpoints say of one event.

use crate::event_headers::EventHeaders;
use crate::fact::Undecided;
use crate::filter::{Filter, Steps, TooCostly, Verdict};
use crate::json::{Document, Unreadable};
use std::collections::BTreeMap;

/// Judges one event by one filter after the other. The payload is read once, and only if a filter asks;
/// filters with the same text are judged once, and use up their steps once.
pub(super) struct Judge<'e> {
    bytes: &'e [u8],
    headers: &'e EventHeaders,
    payload: Option<Result<Document<'e>, Unreadable>>,
    /// Of what the filters of one publish may look at together.
    steps_left: u64,
    /// By the texts of the filters.
    judged: BTreeMap<&'e str, Verdict>,
    /// Counts endpoints, not filters.
    pub(super) undecided: Undecided,
}

impl<'e> Judge<'e> {
    pub(super) fn new((bytes, headers): (&'e [u8], &'e EventHeaders), steps_max: u64) -> Self {
        Self {
            bytes,
            headers,
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
        let payload = if filter.asks_payload() {
            match self.payload.get_or_insert_with(|| Document::read(bytes)) {
                Ok(payload) => Some(&*payload),
                Err(why) => return Verdict::Unreadable(*why),
            }
        } else {
            None
        };
        if let Some(verdict) = self.judged.get(filter.as_str()) {
            return *verdict;
        }
        // However much others have used, there is enough for what is not made to be costly.
        let most = Filter::STEPS_MAX.min(self.steps_left.max(Filter::STEPS_MIN));
        let steps = Steps::new(most);
        let verdict = match filter.judge(payload, self.headers, &steps) {
            Ok(true) => Verdict::Match,
            Ok(false) => Verdict::NoMatch,
            Err(TooCostly) => Verdict::TooCostly,
        };
        self.steps_left = self.steps_left.saturating_sub(most - steps.left());
        self.judged.insert(filter.as_str(), verdict);
        verdict
    }
}
