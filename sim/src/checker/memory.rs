//! P4, I7: what the engine holds stays within the plan's bounds, and its own structures within a
//! fixed number of bytes per lane, endpoint, request and change that there ever were at once.
//!
//! What it counts as pending, under way and registered is what there is; and when nothing is under
//! way, it keeps no payload at hand but of lanes that a rate limit or a dead letter holds back.
//!
//! The world tier weighs the engine after every turn; where nobody does, this sees nothing. That
//! the engine's account is true is shown when it ends: dropping it frees no more than that.

use super::Checker;
use crate::book::{Book, LanePage};
use crate::trace::{Line, What};
use postrider_engine::{DeliveryId, EndpointStatus, Footprint, LaneId, Limits, Ordering};

/// What an engine that holds nothing takes.
const EMPTY_BYTES: usize = 32 << 10;
/// A lane, besides its window, and what it adds to queues.
const LANE_BYTES: usize = 512;
/// One place of a window; a queue that grows may double.
const PLACE_BYTES: usize = 2 * 160;
/// An endpoint, besides its record.
const ENDPOINT_BYTES: usize = 2 << 10;
/// A request under way, and what is recorded of it.
const SLOT_BYTES: usize = 2 << 10;
/// A change that is not answered, and what is said when it is.
const COMMIT_BYTES: usize = 2 << 10;
/// A timer.
const TIMER_BYTES: usize = 128;

#[derive(Default)]
pub(super) struct Memory {
    limits: Option<Limits>,
    /// The most deliveries in one request, of any endpoint.
    batch: Option<usize>,
    /// The most of each that there was at once in this life: queues keep their room.
    most: Footprint,
}

impl Checker for Memory {
    fn promise(&self) -> &'static str {
        "memory"
    }

    fn see(&mut self, line: &Line, _book: &Book) -> Result<(), String> {
        if let What::Started { .. } = line.what {
            self.most = Footprint::default();
        }
        Ok(())
    }

    fn weigh(&mut self, held: &Footprint, book: &Book) -> Result<(), String> {
        let limits = self.limits.get_or_insert_with(|| book.plan.bounds.limits());
        let most = &mut self.most;
        most.endpoints = most.endpoints.max(held.endpoints);
        most.lanes = most.lanes.max(held.lanes);
        most.slots = most.slots.max(held.slots);
        most.commits = most.commits.max(held.commits);
        most.timers = most.timers.max(held.timers);
        most.window_deliveries = most.window_deliveries.max(held.window_deliveries);
        // A lane may hold one place more: what is resent in the place of a dead letter.
        let batch = *self.batch.get_or_insert_with(|| largest_batch(book));
        let window = limits.window_deliveries_max.max(batch) + 1;
        let within = [
            ("attempts", held.attempts, held.slots),
            ("slots", held.slots, limits.attempts_max),
            ("endpoints", held.endpoints, limits.endpoints_max),
            ("lanes", held.lanes, book.lanes.len() + book.endpoints.len()),
            (
                "window_deliveries",
                held.window_deliveries,
                window * held.lanes,
            ),
            (
                "commits",
                held.commits,
                limits.commits_in_flight_max + limits.attempts_max * batch,
            ),
            (
                "timers",
                held.timers,
                held.window_deliveries + held.endpoints + 1,
            ),
            (
                "payload_bytes",
                held.payload_bytes,
                held.payload_bytes_bound,
            ),
            (
                "payload_bytes_bound",
                held.payload_bytes_bound,
                payload_bytes_bound(limits),
            ),
            ("state_bytes", held.state_bytes, state_bytes(most)),
        ];
        if let Some((name, found, bound)) = within.iter().find(|(_, found, bound)| found > bound) {
            return Err(format!("{name} is {found}, more than {bound}: {held:?}"));
        }
        if held.state_bytes < least_bytes(held) {
            return Err(format!("state_bytes is too little: {held:?}"));
        }
        // While nothing is being accepted, what is at hand belongs to deliveries that are pending.
        if held.commits == 0 && held.payload_bytes as u64 > held.pending_bytes {
            return Err(format!("payload_bytes is too much: {held:?}"));
        }
        if held.pending_deliveries > limits.pending_deliveries_max {
            return Err(format!(
                "{} deliveries are pending",
                held.pending_deliveries
            ));
        }
        // A resend is counted before its size is known: each may be one payload over.
        let over = limits.payload_bytes_max.saturating_mul(held.commits + 1);
        if held.pending_bytes > limits.pending_bytes_max.saturating_add(over as u64) {
            return Err(format!("{} bytes are pending", held.pending_bytes));
        }
        if book.is_exact() && book.up {
            true_counts(held, book)?;
        }
        Ok(())
    }
}

/// The most deliveries in one request.
fn largest_batch(book: &Book) -> usize {
    let batches = book.plan.batches().map(|batch| batch.events_max as usize);
    batches.max().unwrap_or(1)
}

/// What is counted is what there is. While something is on its way to or from the store it may be
/// counted or not.
fn true_counts(held: &Footprint, book: &Book) -> Result<(), String> {
    if held.attempts != book.requests {
        let known = book.requests;
        return Err(format!("{known} requests are under way: {held:?}"));
    }
    if held.commits > 0 || book.draining.is_some() {
        return Ok(());
    }
    let here = book.endpoints.values().filter(|page| !page.deleted).count();
    let (mut count, mut gone) = (0, 0);
    for (lane, page) in &book.lanes {
        let pending = page.pending.len() as u64;
        let sum = if is_gone(lane, book) {
            &mut gone
        } else {
            &mut count
        };
        *sum += pending;
    }
    if !(count..=count + gone).contains(&held.pending_deliveries) {
        return Err(format!("{count} deliveries are pending: {held:?}"));
    }
    if held.slots > 0 {
        return Ok(());
    }
    at_rest(held, here, book)
}

/// Nothing is under way: what is gone is forgotten, and who waits has let go.
fn at_rest(held: &Footprint, here: usize, book: &Book) -> Result<(), String> {
    if held.endpoints != here {
        return Err(format!("{here} endpoints are there: {held:?}"));
    }
    let most = at_hand(book, held.endpoints_held > 0);
    if held.payload_bytes > most {
        return Err(format!("more than {most} bytes are kept at hand: {held:?}"));
    }
    let lanes = book.lanes.iter().filter(|(id, lane)| holds(id, lane, book));
    let most = here + lanes.clone().count();
    if held.lanes > most {
        return Err(format!("more than {most} lanes are kept: {held:?}"));
    }
    let pending = |gone: bool| {
        let lanes = book
            .lanes
            .iter()
            .filter(move |(id, _)| is_gone(id, book) == gone);
        let ids = lanes.flat_map(|(_, lane)| lane.pending.values());
        ids.map(|id| bytes_of(*id, book) as u64).sum::<u64>()
    };
    let least = pending(false);
    if !(least..=least + pending(true)).contains(&held.pending_bytes) {
        return Err(format!("{least} bytes are pending: {held:?}"));
    }
    Ok(())
}

fn is_gone(lane: &LaneId, book: &Book) -> bool {
    let page = book.endpoints.get(&lane.endpoint);
    page.is_some_and(|page| page.deleted)
}

/// A lane with a key that is kept in memory. Where its endpoint may be held back, what was
/// discarded may not have been noticed yet.
fn holds(id: &LaneId, lane: &LanePage, book: &Book) -> bool {
    let Some(page) = book.endpoints.get(&id.endpoint) else {
        return false;
    };
    let spec = &page.told.spec;
    let held_back = page.told.status != EndpointStatus::Active
        || spec.breaker.is_some()
        || spec.rate_limit.is_some();
    let has_any = held_back || !lane.pending.is_empty() || lane.stopped_at.is_some();
    id.key.get().is_some() && !page.deleted && has_any
}

fn bytes_of(id: DeliveryId, book: &Book) -> usize {
    let event = book.deliveries.get(&id).map(|page| page.event);
    let page = event.and_then(|event| book.events.get(&event));
    page.map_or(0, |page| page.event.payload.len())
}

/// Payload bytes that may be at hand while nothing is under way: of lanes that a rate limit holds
/// back, or a dead letter at which they have stopped, or whose order has come later; and of those
/// to an endpoint that comes back slowly, which keeps them over the short pauses. Which one it is
/// the book does not know.
fn at_hand(book: &Book, is_any_held: bool) -> usize {
    let waits = book.lanes.iter().filter(|(id, lane)| {
        let page = book.endpoints.get(&id.endpoint);
        let limited = page.is_some_and(|page| page.told.spec.rate_limit.is_some());
        let is_fifo = page.is_some_and(|page| page.told.spec.ordering == Ordering::Fifo);
        // A batch waits for more.
        let batches = page.is_some_and(|page| page.told.spec.batch.is_some());
        is_any_held || limited || batches || lane.stopped_at.is_some() || lane.unordered && is_fifo
    });
    let pending = waits.flat_map(|(_, lane)| lane.pending.values());
    pending.map(|id| bytes_of(*id, book)).sum()
}

/// The windows, an own payload for each request, and events that are being accepted; one of them
/// may be alone and large.
fn payload_bytes_bound(limits: &Limits) -> usize {
    let own = limits.attempts_max.saturating_mul(limits.payload_bytes_max);
    let accepting = limits.commit_bytes_max.max(limits.payload_bytes_max);
    limits
        .window_bytes_max
        .saturating_add(own)
        .saturating_add(accepting)
}

/// What it cannot hold in less: ids, times and places alone.
fn least_bytes(held: &Footprint) -> usize {
    held.lanes * 64
        + held.window_deliveries * 64
        + held.endpoints * 256
        + held.attempts * 96
        + held.commits * 32
        + held.timers * 32
}

/// What an engine gives back when it is dropped is what it said that it holds. Payloads that others
/// hold, too, do not come back.
pub(crate) fn fits(freed: usize, held: &Footprint) -> Result<(), String> {
    let said = held.state_bytes + held.payload_bytes + held.endpoints * RECORD_BYTES + ROOM_BYTES;
    if freed > said {
        return Err(format!(
            "the engine holds {freed} bytes and accounts for {said}: {held:?}"
        ));
    }
    Ok(())
}

/// The record of an endpoint: URL, secrets, headers, policies; and the room that its queues keep.
const RECORD_BYTES: usize = 3 << 10;
/// Room that queues keep after a rush.
const ROOM_BYTES: usize = 16 << 10;

fn state_bytes(most: &Footprint) -> usize {
    EMPTY_BYTES
        + most.lanes * LANE_BYTES
        + most.window_deliveries * PLACE_BYTES
        + most.endpoints * ENDPOINT_BYTES
        + most.slots * SLOT_BYTES
        + most.commits * COMMIT_BYTES
        + most.timers * TIMER_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_that_frees_more_than_it_said_has_lied() {
        let held = Footprint {
            endpoints: 2,
            state_bytes: 10_000,
            payload_bytes: 500,
            ..Footprint::default()
        };
        let said = 10_500 + 2 * RECORD_BYTES + ROOM_BYTES;
        assert_eq!(fits(said, &held), Ok(()));
        let told = fits(said + 1, &held).unwrap_err();
        assert!(told.contains(&format!("accounts for {said}")), "{told}");
    }
}
