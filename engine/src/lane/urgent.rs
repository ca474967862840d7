//! What does not wait in a lane any longer.

use super::{Entry, Lane, Phase, Step};
use crate::delivery::Seq;
use crate::endpoint::Ordering;
use crate::id::DeliveryId;
use crate::timers::TimerKey;

impl Lane {
    /// The delivery that goes before this one, which has not ended, as far as it is known here. Where
    /// there is no order, one that was not read yet waits for those that were.
    pub(crate) fn ahead_of(&self, delivery: DeliveryId, ordering: Ordering) -> Option<DeliveryId> {
        let first = self.entries.front()?;
        // After a restart what has had an attempt is known, but not what is before it.
        let is_unsure = first.seq > self.loaded_through;
        let is_head = match ordering {
            Ordering::Fifo => first.delivery == delivery,
            Ordering::None => self.entry_of(delivery).is_some(),
        };
        (!is_head && !is_unsure).then_some(first.delivery)
    }

    pub(crate) fn entry_of(&self, delivery: DeliveryId) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.delivery == delivery)
    }

    /// The deliveries that have failed together with this one, which is the first of its lane.
    pub(crate) fn failed_with(&self, head: DeliveryId) -> impl Iterator<Item = &Entry> {
        let first = self.entries.front();
        let first = first.filter(|first| first.delivery == head && first.attempts > 0);
        let attempts = first.map_or(0, |first| first.attempts);
        let together = move |entry: &&Entry| {
            entry.attempts == attempts && matches!(entry.phase, Phase::Waiting(_))
        };
        let behind = self.entries.iter().skip(1).take_while(together);
        behind.filter(move |_| attempts > 0)
    }

    /// The delivery at this place is to be sent before all others, and what goes `together` with it in
    /// a batch. The timers that they waited for; `None` if its attempt has begun already.
    pub(crate) fn hurry(&mut self, seq: Seq, together: bool) -> Option<Vec<TimerKey>> {
        let entry = self.entries.iter().find(|entry| entry.seq == seq);
        // One that is not in the window is read when its lane's turn comes.
        let mut hurried = vec![seq];
        if let Some(entry) = entry {
            if matches!(entry.phase, Phase::Sending(_) | Phase::Recording) {
                return None;
            }
            let behind = self.failed_with(entry.delivery).filter(|_| together);
            hurried.extend(behind.map(|entry| entry.seq));
        }
        let mut timers = Vec::new();
        for entry in &mut self.entries {
            if let Phase::Waiting(timer) = entry.phase
                && hurried.contains(&entry.seq)
            {
                timers.push(timer);
                entry.phase = Phase::Ready;
            }
        }
        if !self.urgent.contains(&seq) {
            self.urgent.push(seq);
        }
        Some(timers)
    }

    /// The delivery at this place, which is in the window, is asked for as before.
    pub(crate) fn ask_again(&mut self, seq: Seq) {
        if !self.urgent.contains(&seq) {
            self.urgent.push(seq);
        }
    }

    /// Whether the delivery at this place was asked for and has not been sent.
    pub(crate) fn was_asked_for(&self, seq: Seq) -> bool {
        self.urgent.contains(&seq)
    }

    /// Whether something of it was asked for and has not been sent.
    pub(crate) fn is_urgent(&self) -> bool {
        !self.urgent.is_empty()
    }

    /// The delivery at this place is sent, or has ended. Whether it was asked for.
    pub(crate) fn take_urgent(&mut self, seq: Seq) -> bool {
        let before = self.urgent.len();
        self.urgent.retain(|urgent| *urgent != seq);
        self.urgent.len() < before
    }

    /// Nothing is asked for any more.
    pub(crate) fn forget_urgent(&mut self) {
        self.urgent = Vec::new();
    }

    /// Nothing waits for its next attempt any more. The timers that were waited for.
    pub(crate) fn stop_waiting(&mut self) -> Vec<TimerKey> {
        let mut timers = Vec::new();
        for entry in &mut self.entries {
            if let Phase::Waiting(timer) = entry.phase {
                timers.push(timer);
                entry.phase = Phase::Ready;
            }
        }
        timers
    }

    /// What comes first where there is no order, if something was asked for.
    pub(super) fn urgent_step(&self) -> Option<Step> {
        let first = self.urgent.first()?;
        let Some(index) = self.entries.iter().position(|entry| entry.seq == *first) else {
            // It is the next one to be read: what is at hand was not asked for.
            let is_unread = *first > self.loaded_through;
            let step = if self.load.is_none() {
                Step::Load(self.loaded_through)
            } else {
                Step::Wait
            };
            return is_unread.then_some(step);
        };
        let entry = self.entries.get(index)?;
        match entry.phase {
            Phase::Ready if entry.event.is_some() => Some(Step::Send(index)),
            Phase::Ready if self.load.is_none() => Some(Step::Load(entry.seq.previous())),
            _ => Some(Step::Wait),
        }
    }
}
