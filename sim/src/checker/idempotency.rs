//! I11: of each tenant and idempotency key there is one event. A repeat with the same content
//! gets that event, another content is refused; at the same time and over restarts, too. What a
//! bounded store has forgotten is new again.

use super::Checker;
use crate::book::Book;
use crate::trace::{Line, Reply, What, Wish};
use postrider_engine::{
    Change, Event, EventId, NewEvent, PublishError, Published, Receipt, Target, TenantId,
};
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Default)]
pub(super) struct Idempotency {
    keys: BTreeMap<TenantId, BTreeMap<Arc<str>, Owner>>,
}

/// The event that a key belongs to.
struct Owner {
    event: EventId,
    /// Where it was meant to go, if only one submission can have made it.
    target: Option<Target>,
}

impl Checker for Idempotency {
    fn promise(&self) -> &'static str {
        "idempotency"
    }

    fn see(&mut self, line: &Line, book: &Book) -> Result<(), String> {
        match &line.what {
            What::Durable {
                change: Change::Publish(publish),
                receipt,
            } => {
                let Some(given) = &publish.idempotency else {
                    return Ok(());
                };
                self.stored(&publish.event, &given.key, receipt, book)
            }
            What::Answered {
                call,
                reply: Reply::Published(reply),
            } => match book.calls.get(call) {
                Some((_, Wish::Publish(new))) => self.answered(new, reply, book),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }
}

impl Idempotency {
    fn owner(&self, tenant: &TenantId, key: &str) -> Option<&Owner> {
        self.keys.get(tenant)?.get(key)
    }

    fn stored(
        &mut self,
        event: &Event,
        key: &Arc<str>,
        receipt: &Receipt,
        book: &Book,
    ) -> Result<(), String> {
        let owner = self.owner(&event.tenant, key).map(|owner| owner.event);
        let owner = owner.filter(|event| !book.has_forgotten_event(*event));
        match (receipt, owner) {
            (Receipt::Published(_), None) => {
                let mut targets = book.calls.values().filter_map(|(_, wish)| match wish {
                    Wish::Publish(new) if is_of(new, event, key) => Some(new.target),
                    _ => None,
                });
                let target = targets.next();
                let target = target.filter(|first| targets.all(|other| other == *first));
                let keys = self.keys.entry(event.tenant.clone()).or_default();
                let owner = Owner {
                    event: event.id,
                    target,
                };
                keys.insert(Arc::clone(key), owner);
                Ok(())
            }
            (Receipt::Published(_), Some(owner)) => {
                Err(format!("key {key} makes {} beside {owner}", event.id))
            }
            (Receipt::Duplicate(found) | Receipt::KeyReused(found), owner)
                if owner != Some(*found) =>
            {
                Err(format!("key {key} leads to {found} and not to {owner:?}"))
            }
            _ => Ok(()),
        }
    }

    fn answered(
        &self,
        new: &NewEvent,
        reply: &Result<Published, PublishError>,
        book: &Book,
    ) -> Result<(), String> {
        let (found, repeat) = match reply {
            Ok(published) => (published.event, published.duplicate),
            Err(PublishError::IdempotencyKeyReused(found)) => (*found, true),
            Err(_) => return Ok(()),
        };
        let Some(key) = &new.idempotency_key else {
            return if repeat {
                Err(format!(
                    "{found} is no repeat: it was submitted without a key"
                ))
            } else {
                Ok(())
            };
        };
        let Some(owner) = self.owner(&new.tenant, key) else {
            return Err(format!(
                "key {key} is answered with {found} and has no event"
            ));
        };
        if owner.event != found {
            return Err(format!("key {key} has {} and gives {found}", owner.event));
        }
        let Some(page) = book.events.get(&found) else {
            return Ok(());
        };
        let same = is_of(new, &page.event, key);
        let same_target = owner.target.map(|target| target == new.target);
        match (reply.is_ok(), same, same_target) {
            (true, false, _) | (true, true, Some(false)) => {
                Err(format!("key {key} takes other content for {found}"))
            }
            (false, true, Some(true)) => Err(format!("key {key} refuses a repeat of {found}")),
            _ => Ok(()),
        }
    }
}

/// A submission has the content of an event, its target apart.
fn is_of(new: &NewEvent, event: &Event, key: &str) -> bool {
    new.idempotency_key.as_deref() == Some(key)
        && new.tenant == event.tenant
        && new.event_type == event.event_type
        && new.ordering_key == event.ordering_key
        && new.payload == event.payload
}
