//! P2, I4: the deliveries of a lane keep their order.
//!
//! Places are in the order of publishing, since a publish is answered only after it has its
//! places; a request leaves only for the first of its lane that has not ended; and at the receiver
//! they are seen for the first time in that order. A request that the sender has given up may
//! still be on its way and is not judged by when it arrives.

use super::Checker;
use crate::book::Book;
use crate::trace::{Line, What, Wire};
use postrider_engine::{Change, DeliveryId, LaneId, Ordering, Receipt, Seq};
use std::collections::BTreeMap;

#[derive(Default)]
pub(super) struct Order {
    lanes: BTreeMap<LaneId, Lane>,
}

#[derive(Default)]
struct Lane {
    /// The last place that was given.
    tail: Seq,
    /// The last place that has arrived for the first time.
    arrived: Seq,
}

impl Checker for Order {
    fn promise(&self) -> &'static str {
        "order"
    }

    fn see(&mut self, line: &Line, book: &Book) -> Result<(), String> {
        match &line.what {
            What::Durable {
                change: Change::Publish(publish),
                receipt: Receipt::Published(places),
            } => {
                for (delivery, spot) in publish.deliveries.iter().zip(places) {
                    self.placed(&delivery.lane, spot.seq)?;
                }
                Ok(())
            }
            What::Durable {
                change: Change::Resend { of, .. },
                receipt: Receipt::Resent(placed),
            } => {
                let lane = book.lanes.get(&placed.lane);
                if lane.is_some_and(|lane| lane.stopped_at == Some(*of)) {
                    let before = book.deliveries.get(of).map(|page| page.seq);
                    if before != Some(placed.seq) {
                        return Err(format!("{of} is not resent in its place {:?}", placed.seq));
                    }
                    return Ok(());
                }
                self.placed(&placed.lane, placed.seq)
            }
            What::Sent(wire) => sent(wire, book),
            What::Arrived { wire, .. } => self.arrived(wire.delivery, wire.number, book),
            _ => Ok(()),
        }
    }
}

impl Order {
    fn placed(&mut self, lane: &LaneId, seq: Seq) -> Result<(), String> {
        let known = self.lanes.entry(lane.clone()).or_default();
        if seq <= known.tail {
            let tail = known.tail;
            return Err(format!("{lane:?} gives {seq:?} after {tail:?}"));
        }
        known.tail = seq;
        Ok(())
    }

    fn arrived(&mut self, id: DeliveryId, number: u32, book: &Book) -> Result<(), String> {
        let Some(page) = book.deliveries.get(&id) else {
            return Ok(());
        };
        let flight = book.in_flight.get(&id);
        let is_waited_for = flight.is_some_and(|flight| flight.wire.number == number);
        let unordered = book.lanes.get(&page.lane).is_none_or(|lane| lane.unordered);
        if unordered || !is_waited_for {
            return Ok(());
        }
        let Some(lane) = self.lanes.get_mut(&page.lane) else {
            return Ok(());
        };
        if page.arrived == 0 && page.resend_of.is_none() && page.seq < lane.arrived {
            return Err(format!(
                "{id} at {:?} arrives first after {:?}",
                page.seq, lane.arrived
            ));
        }
        lane.arrived = lane.arrived.max(page.seq);
        Ok(())
    }
}

fn sent(wire: &Wire, book: &Book) -> Result<(), String> {
    let id = wire.delivery;
    let Some(page) = book.deliveries.get(&id) else {
        return Ok(());
    };
    let Some(lane) = book.lanes.get(&page.lane).filter(|lane| !lane.unordered) else {
        return Ok(());
    };
    let endpoint = book.endpoints.get(&page.lane.endpoint);
    if endpoint.is_none_or(|endpoint| endpoint.told.spec.ordering != Ordering::Fifo) {
        return Ok(());
    }
    // Those that go with it, and before it.
    let mut before = wire.batch.iter().take_while(|other| **other != id);
    if lane.flying as usize > before.clone().count() {
        return Err(format!("{id} is sent while another of its lane is"));
    }
    if let Some(dead) = lane.stopped_at {
        return Err(format!("{id} is sent, and its lane has stopped at {dead}"));
    }
    let mut pending = lane.pending.iter();
    match pending.find(|(_, other)| !before.any(|it| it == *other)) {
        Some((_, first)) if *first != id && lane.pending.contains_key(&page.seq) => {
            Err(format!("{id} is sent before {first} has ended"))
        }
        _ => Ok(()),
    }
}
