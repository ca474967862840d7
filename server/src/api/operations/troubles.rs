//! Which endpoints fail, and whether anything but operational events is among what fails.
//!
//! An endpoint is told to be failing when its breaker is open and a delivery of something else than
//! an operational event has failed since its last success. So each `failing` needs an attempt that
//! no operational event has brought about, and each `recovered` a `failing`: an endpoint that fails
//! to take operational events makes none.

use postrider::EndpointId;
use std::collections::BTreeMap;

/// What is to be told of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Failing,
    Recovered,
}

#[derive(Clone, Copy, Debug, Default)]
struct Trouble {
    /// A delivery of something else than an operational event has failed.
    is_real: bool,
    is_open: bool,
    is_told: bool,
}

/// The endpoints that have failed since their last success.
#[derive(Debug, Default)]
pub(crate) struct Troubles(BTreeMap<EndpointId, Trouble>);

impl Troubles {
    /// After a start: their breakers were open, and it is taken for told.
    pub(crate) fn were_open(endpoints: impl IntoIterator<Item = EndpointId>) -> Self {
        let told = Trouble {
            is_real: true,
            is_open: true,
            is_told: true,
        };
        Self(endpoints.into_iter().map(|id| (id, told)).collect())
    }

    /// An attempt failed; it is `real` if it was not for an operational event.
    pub(crate) fn failed(&mut self, endpoint: EndpointId, real: bool) -> Option<Change> {
        let trouble = self.0.entry(endpoint).or_default();
        trouble.is_real |= real;
        trouble.tell()
    }

    pub(crate) fn opened(&mut self, endpoint: EndpointId) -> Option<Change> {
        let trouble = self.0.entry(endpoint).or_default();
        trouble.is_open = true;
        trouble.tell()
    }

    /// The breaker closed.
    pub(crate) fn closed(&mut self, endpoint: EndpointId) -> Option<Change> {
        let trouble = self.0.remove(&endpoint)?;
        trouble.is_told.then_some(Change::Recovered)
    }

    /// An attempt succeeded. If the breaker was open it has closed before.
    pub(crate) fn succeeded(&mut self, endpoint: EndpointId) {
        self.0.remove(&endpoint);
    }

    /// The endpoint was set right by hand, or is gone: there is nothing to tell.
    pub(crate) fn forget(&mut self, endpoint: EndpointId) {
        self.0.remove(&endpoint);
    }

    /// Whether something else than operational events has failed.
    pub(crate) fn is_real(&self, endpoint: EndpointId) -> bool {
        self.0.get(&endpoint).is_some_and(|trouble| trouble.is_real)
    }
}

impl Trouble {
    fn tell(&mut self) -> Option<Change> {
        let now = self.is_open && self.is_real && !self.is_told;
        self.is_told |= now;
        now.then_some(Change::Failing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDPOINT: EndpointId = EndpointId::from_u128(1);

    #[test]
    fn an_endpoint_is_told_once_to_fail_and_once_to_have_recovered() {
        let mut troubles = Troubles::default();
        assert_eq!(troubles.failed(ENDPOINT, true), None);
        assert_eq!(troubles.opened(ENDPOINT), Some(Change::Failing));
        assert_eq!(troubles.failed(ENDPOINT, true), None);
        assert_eq!(troubles.opened(ENDPOINT), None);
        assert_eq!(troubles.closed(ENDPOINT), Some(Change::Recovered));
        assert_eq!(troubles.closed(ENDPOINT), None);
    }

    #[test]
    fn what_only_operational_events_have_brought_about_is_not_told() {
        let mut troubles = Troubles::default();
        assert_eq!(troubles.opened(ENDPOINT), None);
        assert_eq!(troubles.failed(ENDPOINT, false), None);
        assert_eq!(troubles.closed(ENDPOINT), None);
        // The attempt that opens the breaker is told after it has opened.
        assert_eq!(troubles.opened(ENDPOINT), None);
        assert_eq!(troubles.failed(ENDPOINT, true), Some(Change::Failing));
    }

    #[test]
    fn a_breaker_that_was_open_at_the_start_can_close() {
        let mut troubles = Troubles::were_open([ENDPOINT]);
        assert_eq!(troubles.opened(ENDPOINT), None);
        assert_eq!(troubles.closed(ENDPOINT), Some(Change::Recovered));
    }
}
