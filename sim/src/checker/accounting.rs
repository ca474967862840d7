//! I12: accepted = pending + delivered + failed + discarded, of each endpoint, and the store's
//! account says what the durable changes add up to.

use super::Checker;
use crate::book::Book;
use crate::trace::{Audit, Line, What};
use postrider_engine::{Change, DeliveryState, EndpointId, FailReason, Ledger, Receipt};
use std::collections::BTreeMap;

#[derive(Default)]
pub(super) struct Accounting {
    accounts: BTreeMap<EndpointId, Ledger>,
}

impl Checker for Accounting {
    fn promise(&self) -> &'static str {
        "accounting"
    }

    fn see(&mut self, line: &Line, book: &Book) -> Result<(), String> {
        match &line.what {
            What::Durable { change, receipt } => {
                self.durable(change, receipt, book);
                Ok(())
            }
            What::Audit(audit) => self.audit(audit, book),
            _ => Ok(()),
        }
    }
}

impl Accounting {
    fn account(&mut self, endpoint: EndpointId) -> &mut Ledger {
        self.accounts.entry(endpoint).or_default()
    }

    fn durable(&mut self, change: &Change, receipt: &Receipt, book: &Book) {
        match (change, receipt) {
            (Change::Publish(publish), Receipt::Published(_)) => {
                for new in publish.deliveries.iter() {
                    self.accepted(new.lane.endpoint);
                    if new.queue_full {
                        let full = DeliveryState::Failed(FailReason::QueueFull);
                        self.ended(new.lane.endpoint, 1, full);
                    }
                }
            }
            (Change::Resend { .. }, Receipt::Resent(placed)) => {
                self.accepted(placed.lane.endpoint);
            }
            (Change::Attempted(end), Receipt::Applied) if end.state.is_end() => {
                self.ended(end.lane.endpoint, 1, end.state);
            }
            (
                Change::Discard { .. },
                Receipt::Discarded {
                    placed,
                    was_pending,
                },
            ) => {
                if *was_pending {
                    self.ended(placed.lane.endpoint, 1, DeliveryState::Discarded);
                } else {
                    let account = self.account(placed.lane.endpoint);
                    account.failed = account.failed.saturating_sub(1);
                    account.discarded += 1;
                }
            }
            (Change::DeleteEndpoint { endpoint, keep, .. }, Receipt::Applied) => {
                let pending = book.lanes_of(*endpoint);
                let pending = pending.flat_map(|(_, lane)| lane.pending.values());
                let gone = pending.filter(|id| !keep.contains(id)).count() as u64;
                self.ended(*endpoint, gone, DeliveryState::Discarded);
            }
            _ => (),
        }
    }

    fn accepted(&mut self, endpoint: EndpointId) {
        let account = self.account(endpoint);
        account.accepted += 1;
        account.pending += 1;
    }

    fn ended(&mut self, endpoint: EndpointId, count: u64, state: DeliveryState) {
        let account = self.account(endpoint);
        account.pending = account.pending.saturating_sub(count);
        match state {
            DeliveryState::Delivered => account.delivered += count,
            DeliveryState::Failed(_) => account.failed += count,
            _ => account.discarded += count,
        }
    }

    fn audit(&self, audit: &Audit, book: &Book) -> Result<(), String> {
        for (endpoint, ledger) in &audit.ledgers {
            let own = self.accounts.get(endpoint).copied().unwrap_or_default();
            let sum = ledger.pending + ledger.delivered + ledger.failed + ledger.discarded;
            if ledger.accepted != sum {
                return Err(format!(
                    "the account of {endpoint} does not add up: {ledger:?}"
                ));
            }
            // A store may forget the account of an endpoint that is deleted.
            let deleted = book
                .endpoints
                .get(endpoint)
                .is_some_and(|page| page.deleted);
            let forgotten = deleted && *ledger == Ledger::default();
            if *ledger != own && !forgotten {
                return Err(format!(
                    "{endpoint} has {own:?}, its account says {ledger:?}"
                ));
            }
        }
        let listed = |id: &EndpointId| audit.ledgers.iter().any(|(listed, _)| listed == id);
        match self.accounts.keys().find(|id| !listed(id)) {
            Some(id) => Err(format!("{id} has no account")),
            None => Ok(()),
        }
    }
}
