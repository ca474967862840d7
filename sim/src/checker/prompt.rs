//! What was asked for starts at once. A delivery whose retry by hand is durable leaves as soon as
//! nothing else keeps it: its endpoint is active and has nothing under way, a slot is free, the rate
//! limit lets it through, and it is the next of its lane. Backoff, breaker and hold do not count. And
//! of an endpoint whose deliveries were made due something leaves, under the same conditions, if
//! nothing was under way when that became durable.
//!
//! What is left for it is the time of a few reads, and where deliveries go together the time that a
//! batch may fill, unless it was asked for.
//!
//! It sees no second delivery of an endpoint beside one that is under way, and nothing after a
//! restart: what was asked for is due then, and no more. Under turmoil reads are not seen, and
//! nothing is judged.

use super::Checker;
use crate::book::{Book, EndpointPage};
use crate::plan::Plan;
use crate::trace::{Line, What};
use crate::waits::ms;
use postrider_engine::{Change, DeliveryId, EndpointId, EndpointStatus, Ordering, Receipt};
use std::collections::BTreeMap;

/// Reads that a request may have to wait for: one of another lane, its own, and that again, twice,
/// since what was read had changed meanwhile.
const READS: u64 = 4;

#[derive(Default)]
pub(super) struct Prompt {
    /// Deliveries that were asked for, and since when nothing else keeps them, in true time.
    asked: BTreeMap<DeliveryId, u64>,
    /// The same for endpoints whose deliveries were made due.
    mended: BTreeMap<EndpointId, u64>,
    /// Reads under way.
    loads: usize,
}

impl Checker for Prompt {
    fn promise(&self) -> &'static str {
        "prompt"
    }

    fn see(&mut self, line: &Line, book: &Book) -> Result<(), String> {
        if !book.is_exact() {
            return Ok(());
        }
        self.look_at_asked(line.at_ms, book)?;
        self.look_at_mended(line.at_ms, book)?;
        match &line.what {
            What::Started { .. } => *self = Self::default(),
            What::LoadAsked(_) => self.loads += 1,
            What::Loaded { .. } => self.loads = self.loads.saturating_sub(1),
            What::Durable {
                change: Change::RetryNow { delivery, .. },
                receipt: Receipt::Due(_),
            } => {
                self.asked.insert(*delivery, line.at_ms);
            }
            What::Durable {
                change: Change::ChangeEndpoint(update),
                receipt: Receipt::Applied,
            } if update.due.is_some() => {
                let page = book.endpoints.get(&update.endpoint);
                if page.is_some_and(is_idle) {
                    self.mended.insert(update.endpoint, line.at_ms);
                }
            }
            What::Sent(wire) => {
                if let Some(page) = book.deliveries.get(&wire.delivery) {
                    self.mended.remove(&page.lane.endpoint);
                }
            }
            _ => (),
        }
        Ok(())
    }
}

impl Prompt {
    fn look_at_asked(&mut self, at_ms: u64, book: &Book) -> Result<(), String> {
        if self.asked.is_empty() {
            return Ok(());
        }
        let taken = self.taken(book);
        // Those that have left, have ended, or are not the next ones any more.
        self.asked.retain(|id, _| {
            let page = book.deliveries.get(id);
            book.is_urgent(*id) && page.is_some_and(|page| !page.state.is_end())
        });
        for (id, since_ms) in &mut self.asked {
            let Some(page) = owner(*id, taken, book) else {
                *since_ms = at_ms;
                continue;
            };
            let most = latest_ms(page, *since_ms, book);
            if at_ms > most {
                return Err(format!(
                    "{id} was asked for, and has waited {} ms with nothing to wait for",
                    at_ms - *since_ms
                ));
            }
        }
        Ok(())
    }

    fn look_at_mended(&mut self, at_ms: u64, book: &Book) -> Result<(), String> {
        if self.mended.is_empty() {
            return Ok(());
        }
        let taken = self.taken(book);
        self.mended.retain(|id, _| {
            let mut lanes = book.lanes_of(*id);
            lanes.any(|(_, lane)| lane.stopped_at.is_none() && !lane.pending.is_empty())
        });
        for (id, since_ms) in &mut self.mended {
            let Some(page) = free(*id, taken, book) else {
                *since_ms = at_ms;
                continue;
            };
            let most = latest_ms(page, *since_ms, book) + fill_ms(page, &book.plan);
            if at_ms > most {
                return Err(format!(
                    "what waits for {id} was made due, and nothing is sent for {} ms",
                    at_ms - *since_ms
                ));
            }
        }
        Ok(())
    }

    /// The slots that are taken, at most: of several deliveries in one request each is counted.
    fn taken(&self, book: &Book) -> usize {
        book.in_flight.len() + book.recording.len() + self.loads
    }
}

/// Nothing of the endpoint is under way.
fn is_idle(page: &EndpointPage) -> bool {
    page.flying == 0 && page.recording == 0
}

/// The endpoint of a delivery, if that may start now.
fn owner(id: DeliveryId, taken: usize, book: &Book) -> Option<&EndpointPage> {
    let delivery = book.deliveries.get(&id)?;
    let lane = book.lanes.get(&delivery.lane)?;
    let page = free(delivery.lane.endpoint, taken, book)?;
    let is_next = match page.told.spec.ordering {
        // What was in the window before an order was kept is not to be seen.
        Ordering::Fifo => !lane.unordered && lane.pending.values().next() == Some(&id),
        Ordering::None => true,
    };
    (is_next && lane.stopped_at.is_none()).then_some(page)
}

/// An endpoint, if a request to it may start now, whatever its breaker, hold and rate limit say.
fn free(id: EndpointId, taken: usize, book: &Book) -> Option<&EndpointPage> {
    let page = book.endpoints.get(&id)?;
    let bounds = &book.plan.bounds;
    let slots = bounds.attempts_max.min(bounds.attempts_failing_max);
    let is_active = |status: EndpointStatus| status == EndpointStatus::Active;
    let is_free = book.up
        && book.draining.is_none()
        && page.known
        && !page.is_leaving()
        && is_active(page.told.status)
        && is_active(page.durable.status)
        && is_idle(page)
        && taken < slots;
    is_free.then_some(page)
}

/// By when a request has left that nothing else has kept since then.
fn latest_ms(page: &EndpointPage, since_ms: u64, book: &Book) -> u64 {
    let plan = &book.plan;
    let spec = &page.told.spec;
    let limited_ms = spec.rate_limit.map_or(0, |limit| {
        let gap_ms = ms(limit.per).div_ceil(u64::from(limit.requests.max(1)));
        page.last_sent_ms
            .map_or(0, |sent| sent + timed(gap_ms, plan))
    });
    let together = spec.batch.map_or(0, |batch| u64::from(batch.events_max));
    let reads_ms = (READS + together) * (plan.disk.write_max_ms + 1);
    since_ms.max(limited_ms) + reads_ms
}

/// A batch may wait so long for more.
fn fill_ms(page: &EndpointPage, plan: &Plan) -> u64 {
    let batch = page.told.spec.batch;
    batch.map_or(0, |batch| timed(ms(batch.wait), plan))
}

/// So many milliseconds of the sender's clock: that may be slow, and its timer late.
fn timed(wait_ms: u64, plan: &Plan) -> u64 {
    wait_ms * 1_000 / plan.mono_permille.clamp(500, 1_000) + plan.alarm_late_max_ms + 2
}
