//! Which type an event has, and whose it is: what the hub must know now and then, and a fact does
//! not say.

use postrider::{EventId, EventType, Postrider, TenantId};
use std::collections::BTreeMap;

/// So many are remembered at least, and twice as many at most.
const REMEMBERED: usize = 10_000;

/// The last ones that were asked for.
#[derive(Default)]
pub(super) struct Types {
    young: BTreeMap<EventId, (TenantId, EventType)>,
    old: BTreeMap<EventId, (TenantId, EventType)>,
}

impl Types {
    /// Of an event that is on record.
    pub(super) async fn of(
        &mut self,
        postrider: &Postrider,
        event: EventId,
    ) -> Option<(TenantId, EventType)> {
        if let Some(known) = self.young.get(&event) {
            return Some(known.clone());
        }
        let found = match self.old.remove(&event) {
            Some(found) => found,
            None => {
                let record = postrider.event(&event).await.ok()?;
                (record.event.tenant.clone(), record.event.event_type.clone())
            }
        };
        self.remember(event, found.clone());
        Some(found)
    }

    /// What is known of an event without a read.
    pub(super) fn remember(&mut self, event: EventId, known: (TenantId, EventType)) {
        if self.young.len() >= REMEMBERED {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(event, known);
    }
}
