//! Which deliveries of a lane go in one request, and when.

use super::{Entry, Lane, Phase, Step};
use crate::delivery::Seq;
use crate::endpoint::Ordering;
use crate::time::{Mono, Now};
use postrider_signature::{Sequence, number_bytes};
use std::time::Duration;

/// What holds for a batch now.
pub(crate) struct Batching {
    pub(crate) events_max: usize,
    pub(crate) bytes_max: usize,
    pub(crate) wait: Duration,
    pub(crate) now: Mono,
    /// There is room for whatever is read beside what is at hand.
    pub(crate) can_read: bool,
}

/// How long a batch has waited for more.
pub(crate) struct Filling {
    /// Its first delivery.
    head: Seq,
    /// When that was seen first at the head of the lane.
    seen: Mono,
    /// How long it had waited then, by the calendar: from then on it is judged by the clock that
    /// does not jump.
    waited: Duration,
}

/// The numbers of a batch, which stand in its id: that may be so long and no longer.
#[derive(Default)]
struct Numbers {
    /// `None` until the first one is in it.
    epoch: Option<Option<u64>>,
    last: Option<u64>,
    bytes: usize,
}

impl Numbers {
    /// Takes one more, if there is room for it and its events were counted together.
    fn take(&mut self, entry: &Entry) -> bool {
        let epoch = entry.ordinal.map(|ordinal| ordinal.epoch);
        if *self.epoch.get_or_insert(epoch) != epoch {
            return false;
        }
        let Some(ordinal) = entry.ordinal else {
            return true;
        };
        let number = ordinal.number.get();
        self.bytes += number_bytes(self.last, number);
        self.last = Some(number);
        self.bytes <= Sequence::NUMBERS_BYTES_MAX
    }
}

/// Where what is at hand of a batch ends.
#[derive(PartialEq, Eq)]
enum End {
    /// Nothing can be added.
    Full,
    /// What comes next, if anything, is not at hand.
    Open,
}

impl Lane {
    /// What it can do next, where deliveries go together.
    pub(crate) fn batch_step(&self, batching: &Batching) -> Step {
        let step = self.step(Ordering::Fifo, usize::MAX);
        let Some(front) = self.entries.front().filter(|_| step != Step::Wait) else {
            return step;
        };
        let (count, end) = self.batch_at_hand(batching);
        if end == End::Full && count > 0 {
            return Step::SendBatch(count);
        }
        let unread = usize::try_from(self.tail.0 - self.loaded_through.0).unwrap_or(usize::MAX);
        let all = self.entries.len().saturating_add(unread);
        let filling = self.filling.as_ref().filter(|it| it.head == front.seq);
        if let Some(filling) = filling
            && front.attempts == 0
            && all < batching.events_max
        {
            let left = batching.wait.saturating_sub(filling.waited);
            let until = filling.seen.after(left);
            if until > batching.now {
                return Step::Fill(until);
            }
        }
        if count == 0 {
            return step;
        }
        if all > count && batching.can_read {
            let last = self.entries.get(count - 1).unwrap_or(front);
            return Step::Load(last.seq);
        }
        Step::SendBatch(count)
    }

    /// How many of the first deliveries can go together. All have had the same number of attempts,
    /// so that what has failed goes again as it was, and what comes of it is the same for all.
    fn batch_at_hand(&self, batching: &Batching) -> (usize, End) {
        let (mut count, mut bytes) = (0, 0);
        let mut numbers = Numbers::default();
        let attempts = self.entries.front().map_or(0, |front| front.attempts);
        // What has had attempts is known, also beyond what was read.
        let end = if attempts > 0 { End::Full } else { End::Open };
        for entry in &self.entries {
            if entry.seq > self.loaded_through {
                return (count, end);
            }
            let fits = count < batching.events_max
                && entry.attempts == attempts
                && entry.phase == Phase::Ready;
            if !fits {
                return (count, End::Full);
            }
            let Some(event) = &entry.event else {
                return (count, End::Open);
            };
            bytes += event.payload.len();
            if count > 0 && bytes > batching.bytes_max {
                return (count, End::Full);
            }
            if !numbers.take(entry) {
                return (count, End::Full);
            }
            count += 1;
        }
        if count == batching.events_max {
            return (count, End::Full);
        }
        (count, end)
    }

    /// Notes since when a batch waits for more, if its first delivery has come to the head of the
    /// lane.
    pub(crate) fn begin_filling(&mut self, now: Now) {
        let Some(front) = self.entries.front() else {
            self.filling = None;
            return;
        };
        let is_known = self.filling.as_ref().is_some_and(|it| it.head == front.seq);
        if let (false, Some(event)) = (is_known, &front.event) {
            self.filling = Some(Filling {
                head: front.seq,
                seen: now.mono,
                waited: now.wall.since(event.published_at),
            });
        }
    }

    /// How many deliveries more the window can take when it reads what comes after this place.
    pub(crate) fn room_after(&self, after: Seq, window_max: usize) -> usize {
        let before = self.entries.partition_point(|entry| entry.seq <= after);
        window_max.saturating_sub(before)
    }
}
