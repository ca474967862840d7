//! How exactly the lines of a trace stand where they happened.

use super::Book;
use crate::plan::Tier;
use postrider_engine::EndpointId;

impl Book {
    /// Whether lines stand in the exact order in which the engine took and gave them. Under
    /// turmoil answers and facts reach their line a little later.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.plan.tier == Tier::World
    }

    /// Whether it cannot be told by which state of its endpoint, or by which calendar, the engine
    /// has judged an outcome of this moment.
    #[must_use]
    pub fn is_unsure_of(&self, endpoint: EndpointId, at_ms: u64) -> bool {
        let page = self.endpoints.get(&endpoint);
        let changed_ms = page.map(|page| page.changed_ms);
        self.is_beside(changed_ms, at_ms) || self.is_unsure_of_calendar(at_ms)
    }

    /// Whether it cannot be told by which calendar the engine has sent a request of this moment.
    #[must_use]
    pub fn is_unsure_of_calendar(&self, at_ms: u64) -> bool {
        self.is_beside(self.jumped_ms, at_ms)
    }

    fn is_beside(&self, last_ms: Option<u64>, at_ms: u64) -> bool {
        !self.is_exact() && last_ms.is_some_and(|last| last + self.slack_ms() >= at_ms)
    }

    /// How much later than it happened a line may stand, in milliseconds.
    #[must_use]
    pub fn slack_ms(&self) -> u64 {
        if self.is_exact() { 0 } else { TURMOIL_SLACK_MS }
    }
}

/// Under turmoil the tasks of a host take turns, and its clock has ticks: no line is later.
const TURMOIL_SLACK_MS: u64 = 100;
