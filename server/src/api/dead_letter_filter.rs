//! Which dead letters a query asks for.

use super::deliveries::one;
use super::page;
use super::problem::{Code, Problem};
use super::time::Time;
use postrider::{DeliveryFilter, FailReason, TenantId};
use std::ops::RangeInclusive;

/// The statuses that HTTP has.
const STATUSES: RangeInclusive<u16> = 100..=599;

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
    pub(super) fn filter(&self, tenant: &TenantId) -> Result<DeliveryFilter, Problem> {
        if !is_status(self.status) {
            let detail = "status: use 100 to 599";
            return Err(Problem::new(Code::InvalidQuery, detail));
        }
        Ok(DeliveryFilter {
            tenant: Some(tenant.clone()),
            endpoint: one(self.endpoint_id, "endpoint_id")?,
            event_types: page::list(self.event_type, "event_type")?,
            reasons: reasons(self.reason)?,
            status: self.status,
            from: self.from.map(|time| time.0),
            until: self.until.map(|time| time.0),
            dead: true,
            ..DeliveryFilter::default()
        })
    }
}

/// Whether it is a status, if it is given.
pub(super) fn is_status(status: Option<u16>) -> bool {
    status.is_none_or(|status| STATUSES.contains(&status))
}

/// Reasons with commas between.
fn reasons(text: Option<&str>) -> Result<Vec<FailReason>, Problem> {
    let parts = text.into_iter().flat_map(|text| text.split(','));
    let named = parts.map(|part| {
        FailReason::named(part.trim()).ok_or_else(|| {
            let all = FailReason::ALL.map(FailReason::name).join(", ");
            let detail = format!("reason: use some of {all}, with commas between");
            Problem::new(Code::InvalidParameter, detail)
        })
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_read_by_their_names_alone() {
        let found = reasons(Some("gone, exhausted")).unwrap();
        assert_eq!(found, [FailReason::Gone, FailReason::Exhausted]);
        assert_eq!(reasons(None).unwrap(), []);
        for text in ["", "gone,", "tired"] {
            assert!(reasons(Some(text)).is_err(), "{text:?}");
        }
    }
}
