//! What is to happen when: ordered by time, and within a time by the order of setting.

use crate::slab::Key;
use crate::time::Mono;
use std::collections::BTreeMap;

/// A timer that was set, by which it can be cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TimerKey {
    at: Mono,
    sequence: u64,
}

impl TimerKey {
    /// When it rings.
    pub(crate) fn at(self) -> Mono {
        self.at
    }
}

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alarm {
    /// A delivery of this lane, at this place in it, is due for its next attempt.
    Retry { lane: Key, seq: crate::Seq },
    /// The endpoint's rate limit or breaker lets the next attempt through.
    Admit { endpoint: Key },
    /// A batch of this lane has waited for long enough.
    Fill { lane: Key },
    /// A change that found the store full is tried again.
    Recommit,
}

#[derive(Default)]
pub(crate) struct Timers {
    set: BTreeMap<TimerKey, Alarm>,
    sequence: u64,
}

impl Timers {
    pub(crate) fn set(&mut self, at: Mono, alarm: Alarm) -> TimerKey {
        self.sequence += 1;
        let key = TimerKey {
            at,
            sequence: self.sequence,
        };
        self.set.insert(key, alarm);
        key
    }

    pub(crate) fn clear(&mut self, key: TimerKey) {
        self.set.remove(&key);
    }

    /// The first alarm whose time has come, judged by `now`.
    pub(crate) fn take_due(&mut self, now: Mono) -> Option<Alarm> {
        let entry = self.set.first_entry()?;
        if entry.key().at > now {
            None
        } else {
            Some(entry.remove())
        }
    }

    pub(crate) fn next(&self) -> Option<(Mono, Alarm)> {
        self.set
            .first_key_value()
            .map(|(key, alarm)| (key.at, *alarm))
    }

    pub(crate) fn len(&self) -> usize {
        self.set.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarms_of_one_moment_come_in_the_order_of_setting() {
        let mut timers = Timers::default();
        let endpoint = crate::slab::Slab::new().insert(());
        timers.set(Mono(5), Alarm::Recommit);
        let cleared = timers.set(Mono(4), Alarm::Recommit);
        timers.set(Mono(5), Alarm::Admit { endpoint });
        timers.clear(cleared);
        assert_eq!(timers.take_due(Mono(4)), None);
        assert_eq!(timers.take_due(Mono(5)), Some(Alarm::Recommit));
        assert_eq!(timers.take_due(Mono(5)), Some(Alarm::Admit { endpoint }));
        assert_eq!(timers.take_due(Mono(u64::MAX)), None);
    }
}
