//! What is pending for each endpoint and each tenant, as the engine must know it: what it gave to the
//! store and was not refused, less what it has said to have ended.

use crate::book::Book;
use crate::checker::invented::meant_for;
use postrider_engine::{
    CallId, Change, DeliveryId, EndpointId, Fact, FailReason, Full, Limits, NewDelivery, NewEvent,
    OnFailed, TenantId,
};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
pub(super) struct Shares {
    pending: BTreeMap<EndpointId, BTreeMap<DeliveryId, u64>>,
    /// What the store has not answered.
    asked: BTreeMap<CallId, Vec<(EndpointId, DeliveryId)>>,
    /// Of endpoints that are being deleted: what goes on.
    kept: BTreeMap<EndpointId, BTreeSet<DeliveryId>>,
}

/// How much is pending.
#[derive(Clone, Copy, Default)]
struct Sum {
    deliveries: u64,
    bytes: u64,
}

impl Shares {
    /// The engine starts with what is durable.
    pub(super) fn started(&mut self, book: &Book) {
        *self = Self::default();
        for (lane, page) in &book.lanes {
            let here = book.endpoints.get(&lane.endpoint);
            if here.is_some_and(|page| !page.deleted) {
                for id in page.pending.values() {
                    self.add(lane.endpoint, *id, bytes_of(*id, book));
                }
            }
        }
    }

    fn add(&mut self, endpoint: EndpointId, id: DeliveryId, bytes: u64) {
        self.pending.entry(endpoint).or_default().insert(id, bytes);
    }

    fn remove(&mut self, endpoint: EndpointId, id: DeliveryId) {
        if let Some(pending) = self.pending.get_mut(&endpoint) {
            pending.remove(&id);
        }
    }

    /// The engine gives something to the store.
    pub(super) fn asked(&mut self, call: Option<CallId>, change: &Change) {
        match change {
            Change::Publish(publish) => {
                let bytes = publish.event.payload.len() as u64;
                let open = publish.deliveries.iter().filter(|new| !new.queue_full);
                for new in open {
                    let endpoint = new.lane.endpoint;
                    self.add(endpoint, new.id, bytes);
                    if let Some(call) = call {
                        let asked = self.asked.entry(call).or_default();
                        asked.push((endpoint, new.id));
                    }
                }
            }
            Change::DeleteEndpoint { endpoint, keep, .. } => {
                self.kept.insert(*endpoint, keep.iter().copied().collect());
            }
            _ => (),
        }
    }

    /// A publish is answered; `new` if it is accepted and no repeat.
    pub(super) fn answered(&mut self, call: CallId, new: bool) {
        let asked = self.asked.remove(&call).unwrap_or_default();
        for (endpoint, id) in asked.into_iter().filter(|_| !new) {
            self.remove(endpoint, id);
        }
    }

    pub(super) fn told(&mut self, fact: &Fact, book: &Book) {
        match fact {
            Fact::Failed { reason, .. } if *reason == FailReason::QueueFull => (),
            Fact::Delivered { of, .. } | Fact::Failed { of, .. } | Fact::Discarded { of } => {
                self.remove(of.endpoint, of.delivery);
            }
            Fact::Resent { of, .. } => {
                self.add(of.endpoint, of.delivery, bytes_of(of.delivery, book));
            }
            Fact::EndpointDeleted { endpoint, .. } => {
                let kept = self.kept.remove(endpoint).unwrap_or_default();
                if let Some(pending) = self.pending.get_mut(endpoint) {
                    pending.retain(|id, _| kept.contains(id));
                }
            }
            _ => (),
        }
    }

    fn of_endpoint(&self, endpoint: EndpointId) -> Sum {
        let mut sum = Sum::default();
        for bytes in self
            .pending
            .get(&endpoint)
            .into_iter()
            .flat_map(BTreeMap::values)
        {
            sum.deliveries += 1;
            sum.bytes += bytes;
        }
        sum
    }

    fn of_tenant(&self, tenant: &TenantId, book: &Book) -> Sum {
        let owned = |id: &&EndpointId| {
            let page = book.endpoints.get(id);
            page.is_some_and(|page| page.durable.spec.tenant == *tenant)
        };
        let mut sum = Sum::default();
        for endpoint in self.pending.keys().filter(owned) {
            let of_it = self.of_endpoint(*endpoint);
            sum.deliveries += of_it.deliveries;
            sum.bytes += of_it.bytes;
        }
        sum
    }

    /// For which endpoints of an event there is no room, or the share for which it must be refused.
    pub(super) fn judge(
        &self,
        new: &NewEvent,
        limits: &Limits,
        book: &Book,
    ) -> Result<BTreeSet<EndpointId>, Full> {
        let bytes = new.payload.len() as u64;
        let lanes = meant_for(new, book).unwrap_or_default();
        let most = limits.endpoint_share();
        let mut passed_over = BTreeSet::new();
        let mut first = None;
        for lane in &lanes {
            let endpoint = lane.endpoint;
            let held = self.of_endpoint(endpoint);
            let full = match over(held, 1, bytes, (most.deliveries, most.bytes)) {
                Some(Over::Deliveries) => Full::EndpointDeliveries {
                    endpoint,
                    most: most.deliveries,
                },
                Some(Over::Bytes) => Full::EndpointBytes {
                    endpoint,
                    most: most.bytes,
                },
                None => continue,
            };
            let told = book.endpoints.get(&endpoint).map(|page| &page.told.spec);
            if told.is_some_and(|spec| spec.on_failed == OnFailed::Stop) {
                return Err(full);
            }
            first = first.or(Some(full));
            passed_over.insert(endpoint);
        }
        if let Some(full) = first
            && passed_over.len() == lanes.len()
        {
            return Err(full);
        }
        let most = limits.tenant_share();
        let count = (lanes.len() - passed_over.len()) as u64;
        let held = self.of_tenant(&new.tenant, book);
        match over(held, count, bytes, (most.deliveries, most.bytes)) {
            Some(Over::Deliveries) => Err(Full::TenantDeliveries {
                most: most.deliveries,
            }),
            Some(Over::Bytes) => Err(Full::TenantBytes { most: most.bytes }),
            None => Ok(passed_over),
        }
    }
}

/// Which deliveries of an event are dead letters from the beginning.
pub(super) fn passed_over(deliveries: &[NewDelivery]) -> BTreeSet<EndpointId> {
    let full = deliveries.iter().filter(|new| new.queue_full);
    full.map(|new| new.lane.endpoint).collect()
}

enum Over {
    Deliveries,
    Bytes,
}

/// Whoever has nothing pending is never over: one event always fits.
fn over(held: Sum, count: u64, bytes: u64, most: (u64, u64)) -> Option<Over> {
    if held.deliveries == 0 || count == 0 {
        return None;
    }
    if held.deliveries + count > most.0 {
        return Some(Over::Deliveries);
    }
    let too_large = held.bytes + count * bytes > most.1 || held.bytes >= most.1;
    too_large.then_some(Over::Bytes)
}

fn bytes_of(id: DeliveryId, book: &Book) -> u64 {
    let page = book.deliveries.get(&id);
    let event = page.and_then(|page| book.events.get(&page.event));
    event.map_or(0, |page| page.event.payload.len() as u64)
}
