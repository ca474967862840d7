//! What was missed: dead letters of the last hour of which nothing may have been published, because
//! the process ended in between or more came at once than could be taken. The idempotency key makes
//! it harmless to publish one again.

use super::{Publisher, failure};
use crate::api::live::is_operational;
use postrider::{
    DeliveryFilter, DeliveryQuery, DeliveryRecord, DeliveryState, Direction, Submission, TenantId,
    Wall,
};

/// Dead letters that are older when they are looked for are left alone, in milliseconds.
const BACK_MS: u64 = 3_600_000;

/// Dead letters of a tenant that are looked at, those that were accepted last first.
const LOOKED_AT_MAX: usize = 10_000;

const PAGE: usize = 32;

impl Publisher {
    /// Publishes what these tenants may have missed.
    pub(super) async fn catch_up(&self, tenants: Vec<TenantId>) {
        for tenant in tenants {
            if self.is_deleted(&tenant) {
                continue;
            }
            self.catch_up_with(tenant).await;
        }
    }

    async fn catch_up_with(&self, tenant: TenantId) {
        let mut query = DeliveryQuery {
            filter: DeliveryFilter {
                tenant: Some(tenant),
                dead: true,
                ..DeliveryFilter::default()
            },
            direction: Direction::NewestFirst,
            after: None,
            most: PAGE,
        };
        let mut looked_at = 0;
        while looked_at < LOOKED_AT_MAX {
            let Some(api) = self.api() else { return };
            let since = Wall(api.now().0.saturating_sub(BACK_MS));
            let page = match api.postrider().deliveries(query.clone()).await {
                Ok(page) => page,
                Err(error) => {
                    tracing::warn!(%error, "postrider.operations.not_caught_up");
                    return;
                }
            };
            drop(api);
            looked_at += page.deliveries.len();
            let missed = page.deliveries.iter();
            let missed = missed.filter_map(|record| submission(record, since));
            self.publish(missed.collect()).await;
            match page.next {
                Some(next) => query.after = Some(next),
                None => return,
            }
        }
    }
}

fn submission(record: &DeliveryRecord, since: Wall) -> Option<Submission> {
    let DeliveryState::Failed(reason) = record.state else {
        return None;
    };
    let is_recent = record.ended_at.is_some_and(|at| at >= since);
    let is_ours = is_operational(&record.event.event_type);
    (is_recent && !is_ours).then(|| failure(record, reason))
}
