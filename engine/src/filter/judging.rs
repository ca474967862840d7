//! What a filter says of an event.

use super::{Filter, Look, Steps, TooCostly, Verdict};
use crate::event_headers::EventHeaders;
use crate::json::Document;

impl Filter {
    /// Whether it looks at the payload: one that asks of headers alone judges an event whose payload is
    /// not JSON, too.
    #[must_use]
    pub fn asks_payload(&self) -> bool {
        self.0.asks.payload
    }

    /// What it says of this payload, taken by itself.
    #[must_use]
    pub fn verdict(&self, payload: &[u8]) -> Verdict {
        self.verdict_within(payload, Self::STEPS_MAX)
    }

    /// The same, if it may look at so many bytes of it.
    #[must_use]
    pub fn verdict_within(&self, payload: &[u8], steps: u64) -> Verdict {
        self.verdict_with(payload, &EventHeaders::default(), steps)
    }

    /// What it says of an event with this payload and these headers, if it may look at so many bytes.
    #[must_use]
    pub fn verdict_with(&self, payload: &[u8], headers: &EventHeaders, steps: u64) -> Verdict {
        let document = match Document::read(payload) {
            Ok(document) => Some(document),
            Err(error) if self.asks_payload() => return Verdict::Unreadable(error),
            Err(_) => None,
        };
        match self.judge(document.as_ref(), headers, &Steps::new(steps)) {
            Ok(true) => Verdict::Match,
            Ok(false) => Verdict::NoMatch,
            Err(TooCostly) => Verdict::TooCostly,
        }
    }

    /// Whether this payload fits. One that is not JSON does not.
    #[must_use]
    pub fn matches_payload(&self, payload: &[u8]) -> bool {
        self.verdict(payload) == Verdict::Match
    }

    /// Whether an event fits, as far as so many steps tell. Its payload is read, unless nothing asks for
    /// it.
    pub(crate) fn judge(
        &self,
        payload: Option<&Document<'_>>,
        headers: &EventHeaders,
        steps: &Steps,
    ) -> Result<bool, TooCostly> {
        let payload = payload.map(Document::root);
        if !self.0.asks.headers {
            let headers = None;
            return self.0.all.hold(payload, &Look { steps, headers });
        }
        let headers = headers.json();
        steps.take(headers.len())?;
        let headers = Document::read(headers.as_bytes()).ok();
        let headers = headers.as_ref().map(Document::root);
        self.0.all.hold(payload, &Look { steps, headers })
    }
}
