//! How much of what may be pending is whose: nobody can use up what others need.
//!
//! A tenant that has used its share up is refused. An endpoint that has is passed over: the event
//! goes to the others, and for this one it is a dead letter from the beginning, so that nothing is
//! lost and one endpoint does not hold up its tenant. Where that would not be right the event is
//! refused: if there is no other endpoint that it goes to, or the endpoint wants rather nothing
//! than a gap ([`OnFailed::Stop`]). What comes out of the outbox is never refused for a share: it
//! has been accepted before, and would hold up what is behind it.

use super::Core;
use crate::batch::NewDelivery;
use crate::delivery::{Event, FailReason, Seq};
use crate::endpoint::OnFailed;
use crate::endpoint_state::Tally;
use crate::error::Full;
use crate::fact::{Fact, Of};
use crate::id::EndpointId;
use crate::limits::Share;
use crate::names::TenantId;
use crate::slab::Key;
use std::sync::Arc;

impl Core {
    /// Counts deliveries of an endpoint as pending.
    pub(super) fn count_pending(&mut self, endpoint: Key, deliveries: u64, bytes: u64) {
        self.pending.add(deliveries, bytes);
        let Some(state) = self.endpoints.get_mut(endpoint) else {
            return;
        };
        state.pending.add(deliveries, bytes);
        let tenant = self.tenants.entry(state.record.spec.tenant.clone());
        tenant.or_default().pending.add(deliveries, bytes);
    }

    /// They are not pending any more.
    pub(super) fn uncount_pending(&mut self, endpoint: Key, deliveries: u64, bytes: u64) {
        self.pending.subtract(deliveries, bytes);
        let Some(state) = self.endpoints.get_mut(endpoint) else {
            return;
        };
        state.pending.subtract(deliveries, bytes);
        let tenant = state.record.spec.tenant.clone();
        if let Some(known) = self.tenants.get_mut(&tenant) {
            known.pending.subtract(deliveries, bytes);
            self.forget_tenant_if_empty(&tenant);
        }
    }

    pub(super) fn forget_tenant_if_empty(&mut self, tenant: &TenantId) {
        if self.tenants.get(tenant).is_some_and(|it| it.is_empty()) {
            self.tenants.remove(tenant);
        }
    }

    fn state_of(&self, id: EndpointId) -> Option<(Key, &crate::endpoint_state::EndpointState)> {
        let key = *self.by_id.get(&id)?;
        Some((key, self.endpoints.get(key)?))
    }

    /// Marks the deliveries for which there is no room, or says why none can be made. Counts what
    /// remains as pending.
    pub(super) fn reserve(
        &mut self,
        tenant: &TenantId,
        deliveries: &mut [NewDelivery],
        bytes: usize,
        from_outbox: bool,
    ) -> Result<(), Full> {
        self.mark_full(deliveries, bytes as u64, from_outbox)?;
        let open = |deliveries: &[NewDelivery]| {
            deliveries.iter().filter(|new| !new.queue_full).count() as u64
        };
        if let Err(full) = self.check_tenant(tenant, open(deliveries), bytes as u64) {
            if !from_outbox {
                return Err(full);
            }
            for new in deliveries.iter_mut() {
                new.queue_full = true;
            }
        }
        self.check_all(open(deliveries), bytes)?;
        for new in deliveries.iter().filter(|new| !new.queue_full) {
            if let Some((key, _)) = self.state_of(new.lane.endpoint) {
                self.count_pending(key, 1, bytes as u64);
            }
        }
        Ok(())
    }

    fn mark_full(
        &self,
        deliveries: &mut [NewDelivery],
        bytes: u64,
        from_outbox: bool,
    ) -> Result<(), Full> {
        let share = self.limits.endpoint_share();
        let mut refusal = None;
        for new in deliveries.iter_mut() {
            let Some((_, state)) = self.state_of(new.lane.endpoint) else {
                continue;
            };
            if let Some(full) = full_endpoint(new.lane.endpoint, state.pending, 1, bytes, share) {
                new.queue_full = true;
                if state.record.spec.on_failed == OnFailed::Stop && !from_outbox {
                    return Err(full);
                }
                refusal = refusal.or(Some(full));
            }
        }
        match refusal {
            Some(full) if !from_outbox && deliveries.iter().all(|new| new.queue_full) => Err(full),
            _ => Ok(()),
        }
    }

    fn check_tenant(&self, tenant: &TenantId, deliveries: u64, bytes: u64) -> Result<(), Full> {
        let share = self.limits.tenant_share();
        check_share(self.pending_of(tenant), (deliveries, bytes), share)
    }

    fn pending_of(&self, tenant: &TenantId) -> Tally {
        let known = self.tenants.get(tenant).map(|it| it.pending);
        known.unwrap_or_default()
    }

    /// Whether it fits into what may be pending of all, and be given to the store.
    fn check_all(&self, deliveries: u64, bytes: usize) -> Result<(), Full> {
        let limits = &self.limits;
        if self.pending.deliveries + deliveries > limits.pending_deliveries_max {
            let most = limits.pending_deliveries_max;
            return Err(Full::PendingDeliveries { most });
        }
        let all_bytes = deliveries.saturating_mul(bytes as u64);
        if self.pending.bytes.saturating_add(all_bytes) > limits.pending_bytes_max {
            let most = limits.pending_bytes_max;
            return Err(Full::PendingBytes { most });
        }
        let commit_bytes = self.commits.bytes.saturating_add(bytes);
        let behind = self.commits.len() >= limits.commits_in_flight_max;
        // One event always fits, however small the bound.
        if behind || (commit_bytes > limits.commit_bytes_max && self.commits.bytes > 0) {
            return Err(Full::Commits);
        }
        Ok(())
    }

    /// Whether another delivery to this endpoint fits into its share and its tenant's. How large
    /// it is is not known.
    pub(super) fn check_shares(&self, endpoint: EndpointId) -> Result<(), Full> {
        let Some((_, state)) = self.state_of(endpoint) else {
            return Ok(());
        };
        let share = self.limits.endpoint_share();
        if let Some(full) = full_endpoint(endpoint, state.pending, 1, 0, share) {
            return Err(full);
        }
        self.check_tenant(&state.record.spec.tenant, 1, 0)
    }

    /// The same for half of each share: what can wait leaves room for what is new.
    pub(super) fn check_half_shares(&self, endpoint: EndpointId) -> Result<(), Full> {
        let Some((_, state)) = self.state_of(endpoint) else {
            return Ok(());
        };
        let share = self.limits.endpoint_share().half();
        if let Some(full) = full_endpoint(endpoint, state.pending, 1, 0, share) {
            return Err(full);
        }
        let pending = self.pending_of(&state.record.spec.tenant);
        check_share(pending, (1, 0), self.limits.tenant_share().half())
    }

    /// Takes back what [`Core::reserve`] counted.
    pub(super) fn unreserve(&mut self, deliveries: &[NewDelivery], event: &Event) {
        for new in deliveries.iter().filter(|new| !new.queue_full) {
            if let Some((key, _)) = self.state_of(new.lane.endpoint) {
                self.uncount_pending(key, 1, event.payload.len() as u64);
            }
        }
    }

    /// A delivery that found no room is durable: it is a dead letter, and its lane goes on.
    pub(super) fn passed_over(&mut self, delivery: &NewDelivery, seq: Seq, event: &Arc<Event>) {
        let of = Of {
            delivery: delivery.id,
            event: event.id,
            endpoint: delivery.lane.endpoint,
        };
        self.observe(Fact::Failed {
            of,
            attempts: 0,
            reason: FailReason::QueueFull,
        });
        // The endpoint is there: its deletion would have been answered after this.
        let Some(&endpoint) = self.by_id.get(&delivery.lane.endpoint) else {
            return;
        };
        let key = self.lane_of(endpoint, &delivery.lane.key, seq.previous());
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.extended_to(seq);
            lane.end(seq);
        }
        self.wake_lane(key);
        self.settle(key);
    }
}

/// What of a share is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Deliveries,
    Bytes,
}

impl Share {
    fn half(self) -> Self {
        Self {
            deliveries: self.deliveries.div_ceil(2),
            bytes: self.bytes.div_ceil(2),
        }
    }

    /// What so much more would break. One event always fits, however small the bound is.
    fn refuses(self, pending: Tally, deliveries: u64, bytes: u64) -> Option<Kind> {
        let all_bytes = deliveries.saturating_mul(bytes);
        if deliveries > 0 && pending.deliveries > 0 {
            if pending.deliveries.saturating_add(deliveries) > self.deliveries {
                return Some(Kind::Deliveries);
            }
            if pending.bytes.saturating_add(all_bytes) > self.bytes || pending.bytes >= self.bytes {
                return Some(Kind::Bytes);
            }
        }
        None
    }
}

/// Whether so much more fits into the share of a tenant.
fn check_share(pending: Tally, (deliveries, bytes): (u64, u64), share: Share) -> Result<(), Full> {
    match share.refuses(pending, deliveries, bytes) {
        Some(Kind::Deliveries) => Err(Full::TenantDeliveries {
            most: share.deliveries,
        }),
        Some(Kind::Bytes) => Err(Full::TenantBytes { most: share.bytes }),
        None => Ok(()),
    }
}

fn full_endpoint(
    endpoint: EndpointId,
    pending: Tally,
    deliveries: u64,
    bytes: u64,
    share: Share,
) -> Option<Full> {
    match share.refuses(pending, deliveries, bytes)? {
        Kind::Deliveries => Some(Full::EndpointDeliveries {
            endpoint,
            most: share.deliveries,
        }),
        Kind::Bytes => Some(Full::EndpointBytes {
            endpoint,
            most: share.bytes,
        }),
    }
}
