//! The dead letters in the store are exactly the deliveries that failed and were neither
//! discarded nor made anew since.

use super::Checker;
use crate::book::Book;
use crate::trace::{Line, What};
use postrider_engine::{Change, DeliveryId, DeliveryState, EndpointId, Receipt};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
pub(super) struct DeadLetters {
    dead: BTreeMap<EndpointId, BTreeSet<DeliveryId>>,
}

impl Checker for DeadLetters {
    fn promise(&self) -> &'static str {
        "dead_letters"
    }

    fn see(&mut self, line: &Line, book: &Book) -> Result<(), String> {
        match &line.what {
            What::Durable {
                change: Change::Attempted(end),
                receipt: Receipt::Applied,
            } => {
                if let DeliveryState::Failed(_) = end.state {
                    let dead = self.dead.entry(end.lane.endpoint).or_default();
                    dead.insert(end.delivery);
                }
                Ok(())
            }
            What::Durable {
                change: Change::Publish(publish),
                receipt: Receipt::Published(_),
            } => {
                for new in publish.deliveries.iter().filter(|new| new.queue_full) {
                    self.dead
                        .entry(new.lane.endpoint)
                        .or_default()
                        .insert(new.id);
                }
                Ok(())
            }
            What::Durable {
                change: Change::Discard { delivery: id, .. },
                receipt: Receipt::Discarded { placed, .. },
            }
            | What::Durable {
                change: Change::Resend { of: id, .. },
                receipt: Receipt::Resent(placed),
            } => {
                if let Some(dead) = self.dead.get_mut(&placed.lane.endpoint) {
                    dead.remove(id);
                }
                Ok(())
            }
            What::Audit(audit) => {
                for (endpoint, found) in &audit.dead {
                    let none = BTreeSet::new();
                    let dead = self.dead.get(endpoint).unwrap_or(&none);
                    self::same(*endpoint, dead, found)?;
                }
                let listed = |id: &EndpointId| audit.dead.iter().any(|(listed, _)| listed == id);
                let here = book.endpoints.iter().filter(|(_, page)| !page.deleted);
                match here.map(|(id, _)| id).find(|id| !listed(id)) {
                    Some(id) => Err(format!("the store has forgotten {id}")),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}

fn same(
    endpoint: EndpointId,
    dead: &BTreeSet<DeliveryId>,
    found: &[DeliveryId],
) -> Result<(), String> {
    if let Some(id) = found.iter().find(|id| !dead.contains(id)) {
        return Err(format!("{id} is a dead letter of {endpoint} in the store"));
    }
    if let Some(id) = dead.iter().find(|id| !found.contains(id)) {
        return Err(format!(
            "dead letter {id} of {endpoint} is not in the store"
        ));
    }
    if found.len() != dead.len() {
        return Err(format!("the store lists dead letters of {endpoint} twice"));
    }
    Ok(())
}
