//! Requests with several deliveries: each of these has lines of its own in the trace, and a flight
//! and a recording of its own in the book.

use super::Book;
use crate::trace::Wire;
use bytes::{BufMut, Bytes, BytesMut};
use postrider_engine::{Attempted, DeliveryId};

impl Book {
    /// Other deliveries of this request that are under way.
    #[must_use]
    pub fn has_others_in_flight(&self, wire: &Wire) -> bool {
        others(wire).any(|id| {
            let flight = self.in_flight.get(&id);
            flight.is_some_and(|flight| is_same(&flight.wire, wire))
        })
    }

    /// Whether others of this request have ended: then its end has been judged.
    #[must_use]
    pub fn has_others_recording(&self, wire: &Wire) -> bool {
        others(wire).any(|id| {
            let recording = self.recording.get(&id);
            recording.is_some_and(|recording| is_same(&recording.wire, wire))
        })
    }

    /// The result of an attempt is durable: its place is free if it was the last one.
    pub(super) fn recorded(&mut self, end: &Attempted) {
        let known = self.recording.get(&end.delivery);
        if known.is_none_or(|known| known.wire.number != end.attempt.number) {
            return;
        }
        let Some(known) = self.recording.swap_remove(&end.delivery) else {
            return;
        };
        let is_last = !self.has_others_recording(&known.wire);
        if let Some(page) = self.endpoints.get_mut(&end.lane.endpoint) {
            page.recording = page.recording.saturating_sub(u32::from(is_last));
        }
    }

    /// The body that a request should have, if its events are known.
    #[must_use]
    pub fn body_of(&self, wire: &Wire) -> Option<Bytes> {
        let payload = |event| Some(self.events.get(event)?.event.payload.clone());
        if wire.batch.is_empty() {
            return payload(&wire.event);
        }
        let mut body = BytesMut::new();
        for (place, id) in wire.batch.iter().enumerate() {
            body.put_u8(if place == 0 { b'[' } else { b',' });
            body.put(payload(&self.deliveries.get(id)?.event)?);
        }
        body.put_u8(b']');
        Some(body.freeze())
    }
}

fn others(wire: &Wire) -> impl Iterator<Item = DeliveryId> {
    let all = wire.batch.iter().copied();
    all.filter(|id| *id != wire.delivery)
}

fn is_same(one: &Wire, other: &Wire) -> bool {
    (one.request(), one.number) == (other.request(), other.number)
}
