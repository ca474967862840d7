//! P1, I1: what was acknowledged is in the store, as it was submitted, and what is durable stays:
//! what has ended as long as the store's bound for records says, and no longer.

use super::Checker;
use crate::book::Book;
use crate::by_id::ById;
use crate::trace::{Audit, Audited, Line, Reply, What, Wish};
use bytes::Bytes;
use postrider_engine::{DeliveryId, EventId};
use std::collections::BTreeMap;

#[derive(Default)]
pub(super) struct Durable {
    /// The payloads of the events that were acknowledged.
    acknowledged: ById<EventId, Bytes>,
}

impl Checker for Durable {
    fn promise(&self) -> &'static str {
        "durable"
    }

    fn see(&mut self, line: &Line, book: &Book) -> Result<(), String> {
        match &line.what {
            What::Answered {
                call,
                reply: Reply::Published(Ok(published)),
            } => {
                if let Some((_, Wish::Publish(new))) = book.calls.get(call) {
                    let known = self.acknowledged.entry(published.event);
                    known.or_insert_with(|| new.payload.clone());
                }
                Ok(())
            }
            What::Audit(audit) => self.audit(audit, book),
            _ => Ok(()),
        }
    }
}

impl Durable {
    fn audit(&self, audit: &Audit, book: &Book) -> Result<(), String> {
        let by_id = audit.deliveries.iter().map(|record| (record.id, record));
        let stored: BTreeMap<DeliveryId, &Audited> = by_id.collect();
        for (event, payload) in &self.acknowledged {
            let page = book.events.get(event);
            let Some(page) = page else {
                return Err(format!("{event} was acknowledged and is not in the store"));
            };
            let kept = page.deliveries.iter();
            for id in kept.filter(|id| !book.has_forgotten(**id)) {
                match stored.get(id) {
                    None => {
                        return Err(format!("{id} of acknowledged {event} is not in the store"));
                    }
                    Some(record) if record.payload != *payload => {
                        return Err(format!("{event} has another payload in the store"));
                    }
                    Some(_) => (),
                }
            }
        }
        for (id, page) in &book.deliveries {
            let Some(record) = stored.get(id) else {
                if book.has_forgotten(*id) {
                    continue;
                }
                return Err(format!("{id} was durable and is not in the store"));
            };
            if book.has_forgotten(*id) && book.is_exact() {
                return Err(format!("{id} is still in the store, beyond its bound"));
            }
            if record.state != page.state {
                return Err(format!(
                    "{id} was {:?} and is {:?} in the store",
                    page.state, record.state
                ));
            }
            if !record.attempts.iter().copied().eq(1..=page.attempts) {
                let found = &record.attempts;
                return Err(format!(
                    "{id} has attempts {found:?}, not 1 to {}",
                    page.attempts
                ));
            }
            let in_place = record.lane == page.lane && record.seq == page.seq;
            if !in_place || record.event != page.event {
                return Err(format!("{id} stands elsewhere in the store"));
            }
            if record.ended_at.is_some() != record.state.is_end() {
                return Err(format!(
                    "{id} is {:?} and ended at {:?}",
                    record.state, record.ended_at
                ));
            }
        }
        Ok(())
    }
}
