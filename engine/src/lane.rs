//! A lane: the queue that keeps order.
//!
//! Its deliveries are in the store. The lane keeps a window of the next ones, and of these only
//! the first needs its event at hand.

mod batching;
mod urgent;

use crate::delivery::{Event, LaneId, Ordinal, Seq};
use crate::endpoint::Ordering;
use crate::fact::Of;
use crate::id::{AttemptId, DeliveryId, EndpointId, EventId};
use crate::input::{Loaded, LoadedDelivery};
use crate::slab::Key;
use crate::time::Mono;
use crate::timers::TimerKey;
pub(crate) use batching::Batching;
use batching::Filling;
use std::collections::VecDeque;
use std::sync::Arc;

pub(crate) struct Lane {
    pub(crate) id: LaneId,
    pub(crate) endpoint: Key,
    /// Deliveries that have not ended, by place. Every one up to `loaded_through` is here.
    entries: VecDeque<Entry>,
    loaded_through: Seq,
    /// The last place that is known to be assigned.
    pub(crate) tail: Seq,
    /// A read from the store that is under way.
    pub(crate) load: Option<LoadSlot>,
    /// Attempts that are under way or being recorded.
    pub(crate) in_flight: u32,
    /// Whether it stands in its endpoint's queue of lanes that can start.
    pub(crate) queued: bool,
    /// The dead letter at which it waits for a decision.
    pub(crate) stopped_at: Option<DeliveryId>,
    /// Results of a batch that are not recorded yet. Until then its attempt is under way.
    pub(crate) batch_left: usize,
    filling: Option<Filling>,
    /// Rings when a batch has waited for long enough.
    pub(crate) fill_timer: Option<TimerKey>,
    /// The places of deliveries whose next attempt was asked for: it passes breaker and hold by.
    urgent: Vec<Seq>,
}

/// The slot that a read holds.
pub(crate) struct LoadSlot {
    /// What comes after this place was asked for.
    pub(crate) after: Seq,
    /// The lane's tail when the read began.
    pub(crate) tail: Seq,
    /// Payload bytes that are kept free for what it brings.
    pub(crate) bytes: usize,
    /// The endpoint was failing when the read began.
    pub(crate) failing: bool,
    /// What the read shows may not be so any more: it must be repeated.
    pub(crate) stale: bool,
}

/// A delivery that has not ended.
pub(crate) struct Entry {
    pub(crate) delivery: DeliveryId,
    pub(crate) event_id: EventId,
    pub(crate) seq: Seq,
    /// Where its event stands in the sequence of the lane, if its event is at hand.
    pub(crate) ordinal: Option<Ordinal>,
    /// Its event, if it is at hand.
    pub(crate) event: Option<Arc<Event>>,
    pub(crate) payload_bytes: u32,
    /// Attempts that are recorded.
    pub(crate) attempts: u32,
    pub(crate) phase: Phase,
}

/// A delivery in a request that is under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    pub(crate) seq: Seq,
    pub(crate) ordinal: Option<Ordinal>,
    pub(crate) of: Of,
}

/// What an entry is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It may be sent when its turn comes.
    Ready,
    /// A request is under way.
    Sending(AttemptId),
    /// The result is being recorded.
    Recording,
    /// It waits for its next attempt.
    Waiting(TimerKey),
}

/// What a lane can do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Send the entry at this index.
    Send(usize),
    /// Send so many of the first entries together.
    SendBatch(usize),
    /// Nothing before this time, unless more comes: a batch fills.
    Fill(Mono),
    /// Read what comes after this place.
    Load(Seq),
    /// Nothing.
    Wait,
}

impl Lane {
    /// A lane in which everything up to `after` has ended.
    pub(crate) fn new(id: LaneId, endpoint: Key, after: Seq) -> Self {
        Self {
            id,
            endpoint,
            entries: VecDeque::new(),
            loaded_through: after,
            tail: after,
            load: None,
            in_flight: 0,
            queued: false,
            stopped_at: None,
            batch_left: 0,
            filling: None,
            fill_timer: None,
            urgent: Vec::new(),
        }
    }

    /// A delivery was made at `seq`. Whether the window could take it next.
    pub(crate) fn extended_to(&mut self, seq: Seq) -> bool {
        let next = self.loaded_through.next() == seq && self.tail < seq;
        self.tail = self.tail.max(seq);
        next
    }

    /// Whether a delivery that was just made is worth keeping at hand: not behind one that waits.
    pub(crate) fn moves(&self, ordering: Ordering) -> bool {
        let waits = |entry: &Entry| matches!(entry.phase, Phase::Waiting(_));
        self.stopped_at.is_none()
            && (ordering == Ordering::None || !self.entries.front().is_some_and(waits))
    }

    /// Appends the delivery at the place after `loaded_through`.
    pub(crate) fn append(&mut self, entry: Entry) {
        debug_assert!(entry.seq > self.loaded_through);
        self.loaded_through = entry.seq;
        self.entries.push_back(entry);
    }

    /// Puts back a delivery that stood in the window before: after a restart, or in the place of a
    /// dead letter.
    pub(crate) fn restore(&mut self, entry: Entry) {
        let place = self.entries.partition_point(|other| other.seq < entry.seq);
        self.entries.insert(place, entry);
    }

    /// What it can do next.
    pub(crate) fn step(&self, ordering: Ordering, window_max: usize) -> Step {
        if self.stopped_at.is_some() {
            return Step::Wait;
        }
        let unread = self.tail > self.loaded_through;
        match ordering {
            Ordering::Fifo if self.in_flight > 0 || self.load.is_some() => Step::Wait,
            Ordering::Fifo => match self.entries.front() {
                // After a restart what has had an attempt is known, but not what is before it.
                Some(entry) if entry.seq > self.loaded_through => Step::Load(self.loaded_through),
                Some(entry) if entry.phase != Phase::Ready => Step::Wait,
                Some(entry) if entry.event.is_none() => Step::Load(entry.seq.previous()),
                Some(_) => Step::Send(0),
                None if unread => Step::Load(self.loaded_through),
                None => Step::Wait,
            },
            Ordering::None => {
                let ready = |entry: &Entry| entry.phase == Phase::Ready;
                let at_hand = |entry: &Entry| ready(entry) && entry.event.is_some();
                if let Some(step) = self.urgent_step() {
                    return step;
                }
                if let Some(index) = self.entries.iter().position(at_hand) {
                    return Step::Send(index);
                }
                if self.load.is_some() {
                    return Step::Wait;
                }
                match self.entries.iter().find(|entry| ready(entry)) {
                    Some(entry) => Step::Load(entry.seq.previous()),
                    None if unread && self.entries.len() < window_max => {
                        Step::Load(self.loaded_through)
                    }
                    None => Step::Wait,
                }
            }
        }
    }

    /// Takes what was read. Returns the payload bytes that are at hand now and were not.
    pub(crate) fn take_loaded(&mut self, slot: &LoadSlot, loaded: Loaded) -> usize {
        let (after, mut through) = (slot.after, loaded.through);
        if loaded.deliveries.is_empty() {
            // Whatever was there when the read began has ended. A store that has forgotten the
            // lane cannot say how far it went.
            through = through.max(slot.tail);
        }
        // What was read further on says nothing about places that were not read before it.
        let joins = after <= self.loaded_through;
        let mut bytes = 0;
        for loaded in loaded.deliveries {
            let known = self
                .entries
                .iter_mut()
                .find(|entry| entry.seq == loaded.seq);
            if let Some(entry) = known {
                if entry.event.is_none() && entry.phase == Phase::Ready {
                    bytes += loaded.event.payload.len();
                    entry.event = Some(loaded.event);
                    entry.ordinal = loaded.ordinal;
                }
            } else if joins && loaded.seq > self.loaded_through {
                bytes += loaded.event.payload.len();
                self.restore(Entry::of(loaded));
            }
        }
        // An entry that the store no longer shows has ended: its receipt is on the way.
        self.entries.retain(|entry| {
            let asked_for = entry.seq > after && entry.seq <= through;
            !(asked_for && entry.phase == Phase::Ready && entry.event.is_none())
        });
        if joins {
            self.loaded_through = self.loaded_through.max(through);
        }
        self.tail = self.tail.max(through);
        bytes
    }

    pub(crate) fn entry_mut(&mut self, seq: Seq) -> Option<&mut Entry> {
        // The first one, nearly always.
        self.entries.iter_mut().find(|entry| entry.seq == seq)
    }

    /// The entry at this index, which is ready and at hand, is sent: its event, what it is, and
    /// the number of this attempt.
    pub(crate) fn begin(
        &mut self,
        index: usize,
        endpoint: EndpointId,
        attempt: AttemptId,
    ) -> Option<(Arc<Event>, Member, u32)> {
        let entry = self.entries.get_mut(index)?;
        let event = entry.event.clone()?;
        assert_eq!(
            entry.phase,
            Phase::Ready,
            "a delivery has one request at a time"
        );
        entry.phase = Phase::Sending(attempt);
        let of = Of {
            delivery: entry.delivery,
            event: entry.event_id,
            endpoint,
        };
        let member = Member {
            seq: entry.seq,
            ordinal: entry.ordinal,
            of,
        };
        Some((event, member, entry.attempts + 1))
    }

    /// A delivery has ended. If a read is under way that may still show it, it must be repeated.
    pub(crate) fn end(&mut self, seq: Seq) -> Option<Entry> {
        self.take_urgent(seq);
        if seq > self.loaded_through {
            self.read_again();
            if seq == self.loaded_through.next() {
                // There is nothing to read at this place any more.
                self.loaded_through = seq;
            }
        }
        let index = self.entries.iter().position(|entry| entry.seq == seq)?;
        self.entries.remove(index)
    }

    /// If a read is under way, what it shows is not taken.
    pub(crate) fn read_again(&mut self) {
        if let Some(load) = &mut self.load {
            load.stale = true;
        }
    }

    /// Lets go of the events that are not needed now. Returns the payload bytes freed.
    pub(crate) fn shed(&mut self, ordering: Ordering) -> usize {
        let mut bytes = 0;
        if ordering == Ordering::Fifo && self.entries.len() > 1 {
            // In FIFO only the first can have begun: the rest is as it stands in the store.
            let begun = |entry: &Entry| entry.phase != Phase::Ready || entry.attempts > 0;
            let keep = self
                .entries
                .iter()
                .rposition(begun)
                .map_or(1, |last| last + 1);
            let gone = self.entries.split_off(keep);
            if let Some(first) = gone.front() {
                self.loaded_through = self.loaded_through.min(first.seq.previous());
                // Of these places it may still show what has ended meanwhile.
                self.read_again();
            }
            bytes += gone.iter().map(Entry::bytes_at_hand).sum::<usize>();
        }
        bytes + self.let_go()
    }

    /// The same, and keeps in mind what is in the window.
    pub(crate) fn let_go(&mut self) -> usize {
        let mut bytes = 0;
        for entry in &mut self.entries {
            if matches!(entry.phase, Phase::Ready | Phase::Waiting(_)) {
                bytes += entry.bytes_at_hand();
                entry.event = None;
            }
        }
        bytes
    }

    /// Drops every entry that `keep` does not want, and what waits in the store. Returns what was
    /// dropped.
    pub(crate) fn abandon(&mut self, keep: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        self.loaded_through = self.loaded_through.max(self.tail);
        self.tail = self.loaded_through;
        self.forget_urgent();
        let (kept, gone) = self.entries.drain(..).partition(|entry| keep(entry));
        self.entries = kept;
        gone.into()
    }

    /// Nothing is pending, under way, or to be decided.
    pub(crate) fn is_idle(&self) -> bool {
        self.entries.is_empty()
            && self.tail <= self.loaded_through
            && self.load.is_none()
            && self.in_flight == 0
            && self.stopped_at.is_none()
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Deliveries that have not ended, about: those that are not read yet are counted by their
    /// places.
    pub(crate) fn depth(&self) -> u64 {
        self.entries.len() as u64 + self.tail.0.saturating_sub(self.loaded_through.0)
    }

    /// Bytes that the window itself holds, besides payloads.
    pub(crate) fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>() + self.urgent.capacity() * size_of::<Seq>()
    }
}

impl Entry {
    /// A delivery that was read from the store and may be sent.
    fn of(loaded: LoadedDelivery) -> Self {
        Self {
            delivery: loaded.id,
            event_id: loaded.event.id,
            seq: loaded.seq,
            ordinal: loaded.ordinal,
            payload_bytes: u32::try_from(loaded.event.payload.len()).unwrap_or(u32::MAX),
            event: Some(loaded.event),
            attempts: loaded.attempts,
            phase: Phase::Ready,
        }
    }

    pub(crate) fn bytes_at_hand(&self) -> usize {
        self.event.as_ref().map_or(0, |event| event.payload.len())
    }
}
