//! How much there is, of a tenant or of all of them, and of many endpoints at once.

use crate::postrider::Postrider;
use crate::statistics::Hour;
use crate::status::ReadError;
use postrider_engine::{
    DisabledReason, Endpoint, EndpointId, EndpointSpec, EndpointStatus, EventType, Health, Ledger,
    TenantId, Wall,
};
use std::str::FromStr;

/// What there is now of a tenant, or of all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TenantCounts {
    /// Endpoints.
    pub endpoints: u64,
    /// Deliveries that have not ended.
    pub pending: u64,
    /// Deliveries that failed and were neither resent nor discarded.
    pub dead_letters: u64,
}

/// What there is of a tenant, or of all of them, and what happened by the hour.
#[derive(Clone, Debug, PartialEq)]
pub struct Overview {
    /// What there is now.
    pub now: TenantCounts,
    /// When the oldest delivery that has not ended was accepted.
    pub oldest_pending: Option<Wall>,
    /// The hours in which something happened, over all endpoints, oldest first.
    pub hours: Vec<Hour>,
    /// From when on the hours are told: later than was asked for, where that would be too much to
    /// read.
    pub since: Wall,
}

/// What there is of an endpoint, and what happened in a time.
#[derive(Clone, Debug, PartialEq)]
pub struct EndpointCounts {
    /// Its account; all zero for one that is not there.
    pub ledger: Ledger,
    /// Deliveries that failed and were neither resent nor discarded.
    pub dead_letters: u64,
    /// All hours of the time together.
    pub total: Hour,
}

/// A status of endpoints, without its details.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusKind {
    /// It gets its deliveries.
    Active,
    /// Deliveries are held back.
    Paused,
    /// Deliveries are held back, and events are refused.
    Disabled,
}

/// `active`, `paused` or `disabled` was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no state of an endpoint: expected active, paused or disabled")]
pub struct InvalidStatus(String);

/// Which endpoints are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointQuery {
    /// Only those of this tenant.
    pub tenant: Option<TenantId>,
    /// Only those in one of these; empty for any.
    pub statuses: Vec<StatusKind>,
    /// Only those with this in their URL, their name or their description, whatever the case.
    pub text: Option<String>,
    /// Only those that subscribe to this type.
    pub event_type: Option<EventType>,
    /// Only those whose last attempt failed, or that are disabled by themselves.
    pub failing: bool,
    /// Where the page before ended; `None` for the first one.
    pub after: Option<EndpointId>,
    /// How many at most.
    pub most: usize,
}

/// A page of endpoints.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EndpointPage {
    /// Endpoints that match, oldest first. There may be fewer than were asked for, or none, while
    /// there are more to come: a page looks at a bounded number of endpoints.
    pub endpoints: Vec<Endpoint>,
    /// Where the next page begins; `None` if there is nothing more.
    pub next: Option<EndpointId>,
}

impl StatusKind {
    /// That of a status.
    #[must_use]
    pub fn of(status: EndpointStatus) -> Self {
        match status {
            EndpointStatus::Active => Self::Active,
            EndpointStatus::Paused => Self::Paused,
            EndpointStatus::Disabled(_) => Self::Disabled,
        }
    }
}

impl FromStr for StatusKind {
    type Err = InvalidStatus;

    fn from_str(text: &str) -> Result<Self, InvalidStatus> {
        match text {
            "active" => Ok(Self::Active),
            "paused" => Ok(Self::Paused),
            "disabled" => Ok(Self::Disabled),
            other => Err(InvalidStatus(other.chars().take(64).collect())),
        }
    }
}

impl EndpointQuery {
    /// Whether an endpoint that stands so may match: this is known without its spec.
    pub(crate) fn takes_state(&self, status: EndpointStatus, health: &Health) -> bool {
        let by_itself = matches!(
            status,
            EndpointStatus::Disabled(DisabledReason::Gone | DisabledReason::Failing)
        );
        // The next success ends all of these. Answers that refuse are no `failures`.
        let has_failed = health.failures > 0 || health.failing_since.is_some();
        let is_failing = by_itself || has_failed || health.open_until.is_some();
        (self.statuses.is_empty() || self.statuses.contains(&StatusKind::of(status)))
            && (!self.failing || is_failing)
    }

    /// What it compares specs with, made once for a page.
    pub(crate) fn matcher(&self) -> SpecMatcher<'_> {
        SpecMatcher {
            text: self.text.as_ref().map(|text| text.to_lowercase()),
            event_type: self.event_type.as_ref(),
        }
    }
}

/// What is asked of the spec of an endpoint.
pub(crate) struct SpecMatcher<'a> {
    text: Option<String>,
    event_type: Option<&'a EventType>,
}

impl SpecMatcher<'_> {
    /// Whether it is so.
    pub(crate) fn takes(&self, spec: &EndpointSpec) -> bool {
        let has_text = self.text.as_ref().is_none_or(|text| {
            let name = spec.name.as_ref().map_or("", |name| name.as_str());
            let texts = [&*spec.url, name, &*spec.description];
            texts.iter().any(|it| it.to_lowercase().contains(text))
        });
        let gets = |event_type| spec.event_types.iter().any(|it| it.matches(event_type));
        has_text && self.event_type.is_none_or(gets)
    }
}

impl Postrider {
    /// What there is of a tenant, or of all of them, and what happened in the hours from the one in
    /// which `from` lies, as far as they begin before `until`.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn overview(
        &self,
        tenant: Option<&TenantId>,
        from: Wall,
        until: Wall,
    ) -> Result<Overview, ReadError> {
        let tenant = tenant.cloned();
        Ok(self.store().overview(tenant, from, until).await?)
    }

    /// What there is now of these tenants, in their order.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn tenant_counts(
        &self,
        tenants: Vec<TenantId>,
    ) -> Result<Vec<TenantCounts>, ReadError> {
        Ok(self.store().tenant_counts(tenants).await?)
    }

    /// What there is of these endpoints, in their order, and what happened in the hours from the one
    /// in which `from` lies, as far as they begin before `until`.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn endpoint_counts(
        &self,
        endpoints: Vec<EndpointId>,
        from: Wall,
        until: Wall,
    ) -> Result<Vec<EndpointCounts>, ReadError> {
        Ok(self.store().endpoint_counts(endpoints, from, until).await?)
    }

    /// A page of endpoints, oldest first.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn find_endpoints(&self, query: EndpointQuery) -> Result<EndpointPage, ReadError> {
        Ok(self.store().find_endpoints(query).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_found_by_a_part_of_what_people_call_it_in_any_case() {
        let mut spec = EndpointSpec::new("https://merchant.example/Hooks");
        spec.description = "The Ledger".into();
        spec.event_types = vec!["payment.*".parse().unwrap()];
        let takes = |text: &str, event_type: Option<&str>| {
            let query = EndpointQuery {
                text: (!text.is_empty()).then(|| text.to_owned()),
                event_type: event_type.map(|it| it.parse().unwrap()),
                ..EndpointQuery::default()
            };
            query.matcher().takes(&spec)
        };
        assert!(takes("", None) && takes("example/hooks", None) && takes("LEDGER", None));
        assert!(!takes("ledgers", None));
        assert!(takes("hooks", Some("payment.failed")));
        assert!(!takes("hooks", Some("order.failed")));
    }

    #[test]
    fn an_endpoint_fails_after_a_failed_attempt_or_when_it_was_disabled_for_it() {
        let query = EndpointQuery {
            failing: true,
            ..EndpointQuery::default()
        };
        let well = Health::default();
        let refused = Health {
            failing_since: Some(Wall(1)),
            ..well
        };
        let failed = Health {
            failures: 1,
            ..refused
        };
        let disabled = EndpointStatus::Disabled;
        assert!(!query.takes_state(EndpointStatus::Active, &well));
        assert!(query.takes_state(EndpointStatus::Active, &refused));
        assert!(query.takes_state(EndpointStatus::Active, &failed));
        assert!(query.takes_state(disabled(DisabledReason::Gone), &well));
        assert!(!query.takes_state(disabled(DisabledReason::Manual), &well));
    }

    #[test]
    fn a_state_of_endpoints_has_one_of_three_names() {
        assert_eq!("paused".parse(), Ok(StatusKind::Paused));
        assert!("pending".parse::<StatusKind>().is_err());
    }
}
