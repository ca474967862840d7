//! Publishes operational events, in the order of what they tell.

use super::{FailReason, Told, failure};
use crate::api::live::is_operational;
use crate::api::{Api, Shared};
use postrider::{DeliveryId, PublishError, ReadError, Submission, TenantId};
use std::sync::Weak;
use std::time::Duration;
use tokio::sync::mpsc;

/// Published in one go.
const BATCH: usize = 32;

/// What finds no room is tried again after this.
const FULL_DELAY: Duration = Duration::from_secs(1);

/// Publishes what it is told.
pub(in crate::api) struct Publisher {
    api: Weak<Shared>,
}

impl Publisher {
    pub(in crate::api) fn new(api: Weak<Shared>) -> Self {
        Self { api }
    }

    /// Until nobody can tell anything any more.
    pub(in crate::api) async fn run(self, mut told: mpsc::Receiver<Told>) {
        let mut batch = Vec::with_capacity(BATCH);
        while told.recv_many(&mut batch, BATCH).await > 0 {
            let mut submissions = Vec::with_capacity(batch.len());
            for told in batch.drain(..) {
                match told {
                    // Of what a deleted tenant had nobody is told.
                    Told::Endpoint(told) if self.is_deleted(&told.tenant) => (),
                    Told::Endpoint(told) => submissions.push(told.submission()),
                    Told::Failed(delivery, reason) => {
                        submissions.extend(self.failed(delivery, reason).await);
                    }
                    Told::CatchUp(tenants) => {
                        self.publish(std::mem::take(&mut submissions)).await;
                        self.catch_up(tenants).await;
                    }
                }
            }
            self.publish(submissions).await;
        }
    }

    pub(super) fn api(&self) -> Option<Api> {
        self.api.upgrade().map(Api)
    }

    pub(super) fn is_deleted(&self, tenant: &TenantId) -> bool {
        self.api()
            .is_some_and(|api| api.tenants().is_being_deleted(tenant))
    }

    async fn failed(&self, delivery: DeliveryId, reason: FailReason) -> Option<Submission> {
        match self.api()?.postrider().delivery(&delivery).await {
            Ok(record) if is_operational(&record.event.event_type) => None,
            Ok(record) if self.is_deleted(&record.event.tenant) => None,
            Ok(record) => Some(failure(&record, reason)),
            // Its record has been dropped since.
            Err(ReadError::NoSuchDelivery(_)) => None,
            Err(error) => {
                tracing::warn!(%error, "postrider.operations.lost");
                None
            }
        }
    }

    /// Publishes them in their order. What finds no room waits for it.
    pub(super) async fn publish(&self, mut submissions: Vec<Submission>) {
        while !submissions.is_empty() {
            let Some(api) = self.api() else { return };
            let results = api.postrider().publish_all(submissions.clone()).await;
            drop(api);
            let mut refused = Vec::new();
            let mut lost = None;
            for (submission, result) in submissions.into_iter().zip(results) {
                match result {
                    // Told before, perhaps in other words.
                    Ok(_) | Err(PublishError::IdempotencyKeyReused(_)) => (),
                    // Of a tenant that has no room: the others do not wait for it.
                    Err(error @ PublishError::Full(full)) if full.is_share() => lost = Some(error),
                    Err(PublishError::Full(_)) => refused.push(submission),
                    Err(error) => lost = Some(error),
                }
            }
            if let Some(error) = lost {
                tracing::warn!(%error, "postrider.operations.lost");
            }
            submissions = refused;
            if !submissions.is_empty() {
                tokio::time::sleep(FULL_DELAY).await;
            }
        }
    }
}
