//! What a replay would do.

use super::plan::{Plan, SkipReason, Verdict};
use crate::outline::{DeliveryOutline, each};
use crate::store::{Store, StoreError};
use postrider_engine::{EndpointId, EventType};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Deliveries that are counted in one go.
const AT_ONCE: usize = 1_000;

/// Lines of a report.
const LINES_MAX: usize = 1_000;

/// What a replay would do, and what it would pass over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplayReport {
    /// Deliveries, or events of a backfill, that are part of it.
    pub matched: u64,
    /// Of these, those that it would act upon.
    pub acted_on: u64,
    /// The others, by the reason.
    pub skipped: BTreeMap<SkipReason, u64>,
    /// Those that it would act upon, by endpoint and event type: the first 1,000 of these, in this
    /// order.
    pub by: BTreeMap<(EndpointId, EventType), u64>,
    /// Those that it would act upon and that are counted in no line.
    pub by_left_out: u64,
}

impl ReplayReport {
    fn add(&mut self, delivery: &DeliveryOutline, verdict: Verdict) {
        self.add_line((delivery.endpoint, &delivery.event_type), verdict);
    }

    pub(super) fn add_line(
        &mut self,
        (endpoint, event_type): (EndpointId, &EventType),
        verdict: Verdict,
    ) {
        match verdict {
            Verdict::NoPart => return,
            Verdict::Skip(why) => *self.skipped.entry(why).or_default() += 1,
            Verdict::Due => {
                self.acted_on += 1;
                let line = (endpoint, event_type.clone());
                *self.by.entry(line).or_default() += 1;
            }
        }
        self.matched += 1;
        // A line that has gone does not come back: those that stay come before it.
        if self.by.len() > LINES_MAX
            && let Some((_, gone)) = self.by.pop_last()
        {
            self.by_left_out += gone;
        }
    }
}

/// The report of a plan.
pub(super) async fn made(store: &Arc<dyn Store>, plan: &Plan) -> Result<ReplayReport, StoreError> {
    let mut report = ReplayReport::default();
    let query = plan.query(AT_ONCE);
    each(store, query, |delivery| {
        report.add(delivery, plan.verdict(delivery));
    })
    .await?;
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider_engine::{DeliveryId, DeliveryState, EndpointStatus};

    fn delivery(endpoint: u128, event_type: &str) -> DeliveryOutline {
        DeliveryOutline {
            id: DeliveryId::from_u128(1),
            tenant: postrider_engine::TenantId::default(),
            event_type: event_type.parse().unwrap(),
            endpoint: EndpointId::from_u128(endpoint),
            endpoint_status: Some(EndpointStatus::Active),
            state: DeliveryState::Delivered,
            ended_at: None,
            resent_as: None,
        }
    }

    #[test]
    fn the_first_lines_of_a_report_are_exact_and_the_rest_is_counted() {
        let mut report = ReplayReport::default();
        for round in 0..2 {
            for number in (0..1_200_u128).rev() {
                report.add(&delivery(number, "a.b"), Verdict::Due);
            }
            report.add(&delivery(7, "a.a"), Verdict::Due);
            assert_eq!(report.by.len(), LINES_MAX, "round {round}");
        }
        report.add(&delivery(7, "a.b"), Verdict::NoPart);
        let gone = Verdict::Skip(SkipReason::EndpointGone);
        report.add(&delivery(7, "a.b"), gone);
        assert_eq!((report.matched, report.acted_on), (2_403, 2_402));
        assert_eq!(report.skipped[&SkipReason::EndpointGone], 1);
        assert!(report.by.values().all(|count| *count == 2));
        let last = report.by.last_key_value().unwrap().0;
        assert_eq!(last.0, EndpointId::from_u128(998));
        assert_eq!(report.by_left_out, 2_402 - 2_000);
    }
}
