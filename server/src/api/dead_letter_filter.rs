//! Which dead letters a query asks for.

use super::deliveries::one;
use super::list_filters;
use super::page;
use super::problem::Problem;
use super::reach::Reach;
use super::time::Time;
use postrider::DeliveryFilter;

/// The parameters by which lists and counts of dead letters are narrowed down.
pub(super) struct Asked<'a> {
    pub(super) endpoint_id: Option<&'a str>,
    pub(super) reason: Option<&'a str>,
    pub(super) status: Option<u16>,
    pub(super) event_type: Option<&'a str>,
    pub(super) from: Option<Time>,
    pub(super) until: Option<Time>,
}

impl Asked<'_> {
    pub(super) fn filter(&self, reach: &Reach) -> Result<DeliveryFilter, Problem> {
        Ok(DeliveryFilter {
            tenant: reach.tenant().cloned(),
            endpoint: one(self.endpoint_id, "endpoint_id")?,
            event_types: page::list(self.event_type, "event_type")?,
            reasons: list_filters::reasons(self.reason)?,
            status: list_filters::status(self.status)?,
            from: self.from.map(|time| time.0),
            until: self.until.map(|time| time.0),
            dead: true,
            ..DeliveryFilter::default()
        })
    }
}
