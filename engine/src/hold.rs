//! The hold of an endpoint whose receiver asks for time: 429 or 503 with `Retry-After`.
//!
//! Until that time nothing of the endpoint starts, in whatever lane. Then attempts start in rounds,
//! as many as the receiver is seen to take: one, then two, four, eight and sixteen, with a pause
//! after each; then as ever. So what waits does not all come back in the same moment, to be refused
//! again and to use up its retries. It delays; it never consumes an attempt and never reorders.

use crate::time::{Mono, millis};
use std::time::Duration;

/// The attempts of the largest round.
const ROUND_ATTEMPTS_MAX: u32 = 16;

/// After a round so long a pause at least, in milliseconds: `Retry-After` counts in seconds.
const PAUSE_MIN_MS: u64 = 1_000;

/// … and what the receiver has asked for last, but at most this, in milliseconds. The bound doubles
/// with each setback.
const PAUSE_MAX_MS: u64 = 5_000;

/// Rounds of one size before the next size, at most. One at first, twice as many with each setback.
const ROUNDS_OF_A_SIZE_MAX: u32 = 4;

/// Setbacks are counted up to this.
const SETBACKS_MAX: u32 = 16;

/// Whether an endpoint is held, and how it comes back.
#[derive(Debug, Default)]
pub(crate) struct Hold {
    /// It is held, or is coming back.
    slow: Option<SlowStart>,
    /// How often it was held again while it came back, after some attempt had gone well: then the
    /// receiver takes less than it was given.
    setbacks: u32,
    /// Rounds that were begun, ever. An attempt is one of its round's, by this number.
    rounds: u64,
}

#[derive(Debug)]
struct SlowStart {
    /// The receiver has asked to be left alone until then.
    until: Mono,
    /// Nothing starts before: that, or the end of a pause.
    from: Mono,
    /// What the receiver has asked for last, in milliseconds.
    asked_ms: u64,
    /// The attempts of this round.
    size: u32,
    /// Of these, those that may yet start.
    left: u32,
    /// Of these, those under way.
    under_way: u32,
    /// Rounds of this size that follow before it doubles.
    repeats: u32,
    /// Since it was held last an attempt has gone well.
    has_gone_well: bool,
}

impl Hold {
    /// What a process that starts finds on record: held for so long from now.
    pub(crate) fn recovered(left: Duration, now: Mono) -> Self {
        let mut hold = Self::default();
        hold.begin(left, now);
        hold
    }

    /// Nothing may start, whatever comes, before its time is over.
    pub(crate) fn is_held(&self, now: Mono) -> bool {
        self.slow.as_ref().is_some_and(|slow| now < slow.from)
    }

    /// Whether an attempt may start: `Ok`, or not before the time given (`None`: not before those
    /// of this round have ended).
    pub(crate) fn ready(&self, now: Mono) -> Result<(), Option<Mono>> {
        match &self.slow {
            Some(slow) if now < slow.from => Err(Some(slow.from)),
            Some(slow) if slow.left == 0 => Err(None),
            _ => Ok(()),
        }
    }

    /// An attempt starts. The number of its round, if it is in one.
    pub(crate) fn started(&mut self) -> Option<u64> {
        let slow = self.slow.as_mut()?;
        slow.left = slow.left.saturating_sub(1);
        slow.under_way += 1;
        Some(self.rounds)
    }

    /// The receiver asks to be left alone for so long. Until when it is, if that is later than what
    /// it has asked for before.
    pub(crate) fn begin(&mut self, asked: Duration, now: Mono) -> Option<Mono> {
        let until = now.after(asked);
        let before = self.slow.take();
        if before.as_ref().is_some_and(|slow| slow.has_gone_well) {
            self.setbacks = (self.setbacks + 1).min(SETBACKS_MAX);
        }
        let until_before = before.map_or(Mono(0), |slow| slow.until);
        let later = until.max(until_before);
        self.rounds += 1;
        self.slow = Some(SlowStart {
            until: later,
            from: later,
            asked_ms: millis(asked),
            size: 1,
            left: 1,
            under_way: 0,
            repeats: self.rounds_of_a_size() - 1,
            has_gone_well: false,
        });
        (until > until_before).then_some(until)
    }

    /// An attempt of this round has ended, and the receiver did not ask for time.
    pub(crate) fn ended(&mut self, round: Option<u64>, went_well: bool, now: Mono) {
        let (rounds_of_a_size, setbacks) = (self.rounds_of_a_size(), self.setbacks);
        let Some(slow) = self.slow.as_mut().filter(|_| round == Some(self.rounds)) else {
            return;
        };
        slow.has_gone_well |= went_well;
        slow.under_way = slow.under_way.saturating_sub(1);
        if slow.under_way + slow.left > 0 {
            return;
        }
        if slow.repeats > 0 {
            slow.repeats -= 1;
        } else if slow.size >= ROUND_ATTEMPTS_MAX {
            self.slow = None;
            self.setbacks = 0;
            return;
        } else {
            slow.size *= 2;
            slow.repeats = rounds_of_a_size - 1;
        }
        slow.left = slow.size;
        let pause_max_ms = PAUSE_MAX_MS << setbacks;
        let pause_ms = slow.asked_ms.min(pause_max_ms).max(PAUSE_MIN_MS);
        slow.from = Mono(now.0.saturating_add(pause_ms));
        self.rounds += 1;
    }

    /// An attempt of this round has ended without telling anything: another one may have its place.
    pub(crate) fn abandoned(&mut self, round: Option<u64>) {
        if let Some(slow) = self.slow.as_mut().filter(|_| round == Some(self.rounds)) {
            slow.under_way = slow.under_way.saturating_sub(1);
            slow.left += 1;
        }
    }

    /// Its owner does not want it to be held for longer than this from now on. Until when it is
    /// held now, if that has changed.
    pub(crate) fn cut(&mut self, most: Duration, now: Mono) -> Option<Mono> {
        if most.is_zero() {
            self.clear();
            return Some(now);
        }
        let slow = self.slow.as_mut()?;
        let latest = now.after(most);
        let is_cut = slow.until > latest;
        slow.until = slow.until.min(latest);
        slow.from = slow.from.min(latest);
        slow.asked_ms = slow.asked_ms.min(millis(most));
        is_cut.then_some(latest)
    }

    /// What was asked for is over now: attempts come back in rounds.
    pub(crate) fn end(&mut self, now: Mono) {
        if let Some(slow) = &mut self.slow {
            slow.until = slow.until.min(now);
            slow.from = slow.from.min(now);
        }
    }

    /// Whatever was asked for is not asked any more: its owner says so, or it is another receiver.
    pub(crate) fn clear(&mut self) {
        self.slow = None;
        self.setbacks = 0;
    }

    #[cfg(test)]
    pub(crate) fn is_under_way(&self, round: Option<u64>) -> bool {
        self.slow.is_some() && round == Some(self.rounds)
    }

    fn rounds_of_a_size(&self) -> u32 {
        (1 << self.setbacks).min(ROUNDS_OF_A_SIZE_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// How many attempts may start now, and their rounds.
    fn start_all(hold: &mut Hold, now: Mono) -> Vec<Option<u64>> {
        let mut started = Vec::new();
        while started.len() < 100 && hold.ready(now).is_ok() {
            started.push(hold.started());
        }
        started
    }

    /// Lets all that may start go well, until all may; how many these were, and when.
    fn comes_back(hold: &mut Hold, mut now: Mono) -> Vec<(usize, u64)> {
        let mut rounds = Vec::new();
        loop {
            if let Err(Some(at)) = hold.ready(now) {
                now = at;
            }
            let started = start_all(hold, now);
            if started.len() == 100 {
                return rounds;
            }
            rounds.push((started.len(), now.0));
            for round in started {
                hold.ended(round, true, now);
            }
        }
    }

    #[test]
    fn after_the_hold_attempts_come_one_two_four_eight_and_sixteen_at_a_time() {
        let mut hold = Hold::default();
        assert_eq!(start_all(&mut hold, Mono(0)).len(), 100);
        assert_eq!(hold.begin(2 * SECOND, Mono(0)), Some(Mono(2_000)));
        assert_eq!(hold.ready(Mono(1_999)), Err(Some(Mono(2_000))));
        let rounds = [(1, 2_000), (2, 4_000), (4, 6_000), (8, 8_000), (16, 10_000)];
        assert_eq!(comes_back(&mut hold, Mono(0)), rounds);
        assert!(hold.slow.is_none());
    }

    #[test]
    fn a_pause_is_what_was_asked_for_between_a_second_and_five() {
        for (asked_ms, pause_ms) in [(1, 1_000), (3_000, 3_000), (3_600_000, 5_000)] {
            let mut hold = Hold::default();
            hold.begin(Duration::from_millis(asked_ms), Mono(0));
            let rounds = comes_back(&mut hold, Mono(0));
            assert_eq!(rounds[1].1 - rounds[0].1, pause_ms, "{asked_ms}");
        }
    }

    #[test]
    fn a_setback_makes_it_more_patient_until_it_has_come_back() {
        let mut hold = Hold::default();
        hold.begin(60 * SECOND, Mono(0));
        let refused = |hold: &mut Hold, now: Mono| {
            let round = hold.started();
            hold.ended(round, true, now);
            let Err(Some(at)) = hold.ready(now) else {
                panic!("a pause");
            };
            hold.started();
            hold.begin(60 * SECOND, at);
            (at.0 - now.0, Mono(at.0 + 60_000))
        };
        let (pause_ms, now) = refused(&mut hold, Mono(60_000));
        assert_eq!(pause_ms, 5_000);
        let (pause_ms, now) = refused(&mut hold, now);
        assert_eq!(pause_ms, 10_000);
        let (pause_ms, now) = refused(&mut hold, now);
        assert_eq!(pause_ms, 20_000);
        let rounds = comes_back(&mut hold, now);
        let ones = rounds.iter().filter(|(size, _)| *size == 1).count();
        assert_eq!((ones, rounds.len()), (4, 20));
        assert_eq!(hold.setbacks, 0);
    }

    #[test]
    fn a_receiver_that_only_refuses_is_asked_by_one_attempt_each_time() {
        let mut hold = Hold::default();
        let mut now = Mono(0);
        for _ in 0..50 {
            let until = hold.begin(60 * SECOND, now);
            assert_eq!(until, Some(Mono(now.0 + 60_000)));
            now = Mono(now.0 + 60_000);
            assert_eq!(start_all(&mut hold, now).len(), 1);
        }
        assert_eq!(hold.setbacks, 0, "nothing went well in between");
    }

    #[test]
    fn of_two_holds_the_later_end_counts() {
        let mut hold = Hold::default();
        assert_eq!(hold.begin(9 * SECOND, Mono(0)), Some(Mono(9_000)));
        assert_eq!(hold.begin(2 * SECOND, Mono(1_000)), None);
        assert_eq!(hold.ready(Mono(8_999)), Err(Some(Mono(9_000))));
        assert_eq!(hold.begin(9 * SECOND, Mono(2_000)), Some(Mono(11_000)));
    }

    #[test]
    fn an_answer_from_before_the_hold_does_not_end_it() {
        let mut hold = Hold::default();
        let before = hold.started();
        hold.begin(SECOND, Mono(0));
        hold.ended(before, true, Mono(10));
        assert_eq!(hold.ready(Mono(999)), Err(Some(Mono(1_000))));
        let first = hold.started();
        hold.begin(SECOND, Mono(1_010));
        hold.ended(first, true, Mono(1_020));
        assert_eq!(start_all(&mut hold, Mono(2_010)).len(), 1);
    }

    #[test]
    fn the_place_of_an_attempt_that_tells_nothing_is_given_again() {
        let mut hold = Hold::default();
        hold.begin(SECOND, Mono(0));
        let only = hold.started();
        assert_eq!(hold.ready(Mono(1_000)), Err(None));
        hold.abandoned(only);
        assert_eq!(start_all(&mut hold, Mono(1_000)).len(), 1);
    }

    #[test]
    fn a_hold_that_is_ended_comes_back_in_rounds() {
        let mut hold = Hold::default();
        hold.begin(60 * SECOND, Mono(0));
        hold.end(Mono(5));
        assert_eq!(start_all(&mut hold, Mono(5)).len(), 1);
        assert_eq!(hold.ready(Mono(5)), Err(None));
    }

    #[test]
    fn a_shorter_bound_cuts_what_is_left() {
        let mut hold = Hold::default();
        hold.begin(60 * SECOND, Mono(0));
        assert_eq!(hold.cut(90 * SECOND, Mono(0)), None);
        assert_eq!(hold.cut(10 * SECOND, Mono(0)), Some(Mono(10_000)));
        assert_eq!(hold.ready(Mono(0)), Err(Some(Mono(10_000))));
        hold.cut(Duration::ZERO, Mono(0));
        assert_eq!(start_all(&mut hold, Mono(0)).len(), 100);
    }
}
