//! Row 25: a rejection (4xx that the policy does not retry, and not 410) ends a delivery at once:
//! no attempt follows, and it is a dead letter `rejected`.

use super::Checker;
use crate::book::Book;
use crate::by_id::ById;
use crate::trace::{Line, What};
use crate::verdict::in_time;
use postrider_engine::{Change, DeliveryId, DeliveryState, Fact, FailReason, Receipt};

#[derive(Default)]
pub(super) struct Rejected {
    /// Deliveries whose request of this number was rejected in this life.
    told: ById<DeliveryId, u32>,
    /// Deliveries of which that is durable.
    durable: ById<DeliveryId, u32>,
}

impl Checker for Rejected {
    fn promise(&self) -> &'static str {
        "rejected"
    }

    fn see(&mut self, line: &Line, book: &Book) -> Result<(), String> {
        match &line.what {
            What::Started { .. } => {
                // What was not recorded is not known any more.
                self.told.clear();
                Ok(())
            }
            What::Outcome {
                delivery,
                number,
                outcome,
            } => {
                let flight = book.in_flight.get(delivery);
                let flight = flight.filter(|flight| flight.wire.number == *number);
                let Some(flight) = flight else {
                    return Ok(());
                };
                let page = book.endpoints.get(&flight.endpoint);
                let retried = |status: u16| {
                    let of = |spec: &postrider_engine::EndpointSpec| {
                        spec.retry.also_retry.contains(&status)
                    };
                    // Under turmoil a change may be told a little later than it holds.
                    page.is_none_or(|it| {
                        of(&it.told.spec) || !book.is_exact() && of(&it.durable.spec)
                    })
                };
                let answer = in_time(outcome, flight.wire.timeout_ms);
                let rejected = answer.is_some_and(|answer| {
                    (400..500).contains(&answer.status)
                        && answer.status != 410
                        && !retried(answer.status)
                });
                if rejected {
                    self.told.insert(*delivery, *number);
                }
                Ok(())
            }
            What::Durable {
                change: Change::Attempted(end),
                receipt: Receipt::Applied,
            } => {
                let rejected = self.told.get(&end.delivery) == Some(&end.attempt.number);
                let failed = end.state == DeliveryState::Failed(FailReason::Rejected);
                if rejected != failed {
                    return Err(format!(
                        "{} was {}rejected and is {:?}",
                        end.delivery,
                        if rejected { "" } else { "not " },
                        end.state
                    ));
                }
                if rejected {
                    self.durable.insert(end.delivery, end.attempt.number);
                }
                Ok(())
            }
            What::Sent(wire) => self.nothing_follows(wire.delivery),
            What::Fact(Fact::Delivered { of, .. }) => self.nothing_follows(of.delivery),
            What::Fact(Fact::Failed {
                of,
                attempts,
                reason,
            }) => match self.durable.get(&of.delivery) {
                Some(number) if *reason != FailReason::Rejected || attempts != number => {
                    Err(format!("{} is told {reason} after {attempts}", of.delivery))
                }
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }
}

impl Rejected {
    fn nothing_follows(&self, id: DeliveryId) -> Result<(), String> {
        match self.durable.get(&id) {
            Some(number) => Err(format!("{id} goes on after attempt {number} was rejected")),
            None => Ok(()),
        }
    }
}
