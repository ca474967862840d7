//! What a receiver knows of the lanes that it is sent: which numbers came, and which are missing.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::sequence::{Sequence, is_lane, number, read_runs, write_runs};

/// The numbers that have come of each lane: finds gaps and repeats.
///
/// Show it each message once it is verified, and keep its text with what you make of the messages, in
/// one transaction: so both go back together if a backup is restored.
///
/// ```
/// use postrider_signature::{Gaps, Sequence};
///
/// let mut gaps = Gaps::default();
/// let mut see = |id: &str| {
///     let (_, sequence) = Sequence::split(id);
///     gaps.see(&sequence.expect("this sender counts"))
/// };
/// assert!(see("evt_a:k3x9:1700000000000:1").is_next());
/// assert_eq!(see("evt_d:k3x9:1700000000000:4").missing, [(2, 3)]);
/// assert_eq!(see("evt_b:k3x9:1700000000000:2").filled, [(2, 2)]); // sent anew
/// assert_eq!(see("evt_b:k3x9:1700000000000:2").repeated, [(2, 2)]);
/// assert_eq!(gaps.to_string(), "k3x9:1700000000000:4:3\n");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gaps {
    lanes: BTreeMap<String, Lane>,
    /// Counts what was seen, so that it is known which lane was quiet for longest.
    clock: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Lane {
    epoch: u64,
    last: u64,
    /// Runs of numbers up to `last` that have not come, in order.
    missing: Vec<(u64, u64)>,
    seen: u64,
}

/// What a message tells by its numbers. Of each list: the first and the last number of each run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrival {
    /// What has not come before it, and was not known to be missing.
    pub missing: Vec<(u64, u64)>,
    /// What was missing, and is in this message.
    pub filled: Vec<(u64, u64)>,
    /// What is in this message and had come before.
    pub repeated: Vec<(u64, u64)>,
    /// Nothing was known of the lane: what was before this message is not known to be missing.
    pub is_first: bool,
    /// The lane has begun anew. Whether anything is missing at the end of its life before is not
    /// known.
    pub is_new_epoch: bool,
    /// It is of an earlier life of the lane, and was not counted.
    pub is_old_epoch: bool,
}

/// A text is not one of [`Gaps`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} does not say what is known of a lane: expected lane:epoch:last:missing")]
pub struct GapsError {
    /// Which line, from 1.
    pub line: usize,
}

impl Arrival {
    /// Nothing is missing or repeated.
    #[must_use]
    pub fn is_next(&self) -> bool {
        self.missing.is_empty() && self.repeated.is_empty() && !self.is_old_epoch
    }
}

impl Gaps {
    /// So many lanes are known. With one more, an eighth of them is forgotten: those that were quiet
    /// for longest.
    pub const LANES_MAX: usize = 10_000;

    /// So many runs of missing numbers are known of a lane. With one more the oldest is forgotten,
    /// and is a repeat if it comes.
    pub const RUNS_MAX: usize = 128;

    /// Takes note of a message, and tells what its numbers say.
    pub fn see(&mut self, sequence: &Sequence<'_>) -> Arrival {
        self.clock += 1;
        let mut arrival = Arrival::default();
        let clock = self.clock;
        let Some(first) = sequence.runs().first().map(|run| run.0) else {
            return arrival;
        };
        if !self.lanes.contains_key(sequence.lane()) && self.lanes.len() >= Self::LANES_MAX {
            self.forget_quiet();
        }
        let lane = self.lanes.entry(sequence.lane().to_owned());
        let lane = lane.or_insert_with(|| {
            arrival.is_first = true;
            Lane {
                epoch: sequence.epoch(),
                last: first - 1,
                missing: Vec::new(),
                seen: clock,
            }
        });
        lane.seen = clock;
        if sequence.epoch() < lane.epoch {
            arrival.is_old_epoch = true;
            return arrival;
        }
        if sequence.epoch() > lane.epoch {
            arrival.is_new_epoch = true;
            lane.epoch = sequence.epoch();
            lane.last = 0;
            lane.missing.clear();
        }
        for run in sequence.runs() {
            lane.take(*run, &mut arrival);
        }
        arrival
    }

    /// The last number that has come of each lane, with its epoch: what a receiver asks its sender
    /// to go on from.
    pub fn last(&self) -> impl Iterator<Item = (&str, u64, u64)> {
        let lanes = self.lanes.iter();
        lanes.map(|(name, lane)| (name.as_str(), lane.epoch, lane.last))
    }

    /// What is missing of a lane: the first and the last number of each run.
    #[must_use]
    pub fn missing(&self, lane: &str) -> &[(u64, u64)] {
        self.lanes.get(lane).map_or(&[], |lane| &lane.missing)
    }

    fn forget_quiet(&mut self) {
        let mut seen: Vec<u64> = self.lanes.values().map(|lane| lane.seen).collect();
        seen.sort_unstable();
        let oldest = seen.get(seen.len() / 8).copied().unwrap_or(0);
        self.lanes.retain(|_, lane| lane.seen > oldest);
    }
}

impl Lane {
    fn take(&mut self, (first, last): (u64, u64), arrival: &mut Arrival) {
        if last > self.last {
            let next = self.last + 1;
            if first > next {
                arrival.missing.push((next, first - 1));
                self.missing.push((next, first - 1));
                if self.missing.len() > Gaps::RUNS_MAX {
                    self.missing.remove(0);
                }
            }
            let before = self.last;
            self.last = last;
            if first > before {
                return;
            }
            return self.take_again((first, before), arrival);
        }
        self.take_again((first, last), arrival);
    }

    /// Numbers up to the last one that has come: each was missing, or is a repeat.
    fn take_again(&mut self, (first, last): (u64, u64), arrival: &mut Arrival) {
        let mut left = Vec::with_capacity(self.missing.len() + 1);
        let mut next = first;
        for (from, to) in std::mem::take(&mut self.missing) {
            let (begin, end) = (from.max(first), to.min(last));
            if begin > end {
                left.push((from, to));
                continue;
            }
            if begin > next {
                arrival.repeated.push((next, begin - 1));
            }
            arrival.filled.push((begin, end));
            next = end + 1;
            if from < begin {
                left.push((from, begin - 1));
            }
            if to > end {
                left.push((end + 1, to));
            }
        }
        if next <= last {
            arrival.repeated.push((next, last));
        }
        self.missing = left;
        if self.missing.len() > Gaps::RUNS_MAX {
            self.missing.remove(0);
        }
    }
}

impl fmt::Display for Gaps {
    /// A line for each lane, that which was quiet for longest first: `lane:epoch:last:missing`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lanes: Vec<_> = self.lanes.iter().collect();
        lanes.sort_by_key(|(_, lane)| lane.seen);
        for (name, lane) in lanes {
            write!(f, "{name}:{}:{}:", lane.epoch, lane.last)?;
            write_runs(&lane.missing, f)?;
            f.write_str("\n")?;
        }
        Ok(())
    }
}

impl FromStr for Gaps {
    type Err = GapsError;

    fn from_str(text: &str) -> Result<Self, GapsError> {
        let mut gaps = Self::default();
        for (place, line) in text.lines().enumerate() {
            let (name, mut lane) = read_line(line).ok_or(GapsError { line: place + 1 })?;
            gaps.clock += 1;
            lane.seen = gaps.clock;
            gaps.lanes.insert(name, lane);
        }
        Ok(gaps)
    }
}

fn read_line(line: &str) -> Option<(String, Lane)> {
    let mut parts = line.split(':');
    let name = parts.next().filter(|name| is_lane(name))?;
    let (epoch, last) = (number(parts.next()?)?, number(parts.next()?)?);
    let missing = match parts.next()? {
        "" => Vec::new(),
        runs => read_runs(runs)?,
    };
    let is_sound = missing.last().is_none_or(|run| run.1 < last)
        && missing.windows(2).all(|two| two[0].1 < two[1].0);
    let lane = Lane {
        epoch,
        last,
        missing,
        seen: 0,
    };
    (is_sound && parts.next().is_none()).then(|| (name.to_owned(), lane))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn see(gaps: &mut Gaps, place: &str) -> Arrival {
        gaps.see(&Sequence::parse(place).unwrap())
    }

    fn next() -> Arrival {
        Arrival::default()
    }

    #[test]
    fn what_follows_is_next_and_what_does_not_is_a_gap_until_it_comes() {
        let mut gaps = Gaps::default();
        assert!(see(&mut gaps, "k:1:1").is_first);
        assert_eq!(see(&mut gaps, "k:1:2"), next());
        assert_eq!(see(&mut gaps, "k:1:6").missing, [(3, 5)]);
        assert_eq!(see(&mut gaps, "k:1:7"), next(), "a gap is told once");
        let filled = see(&mut gaps, "k:1:4");
        assert_eq!((&*filled.filled, filled.is_next()), (&[(4, 4)][..], true));
        assert_eq!(gaps.missing("k"), [(3, 3), (5, 5)]);
        assert_eq!(see(&mut gaps, "k:1:4").repeated, [(4, 4)]);
        assert_eq!(see(&mut gaps, "k:1:7").repeated, [(7, 7)]);
    }

    #[test]
    fn lanes_are_counted_apart_and_the_first_message_of_one_is_no_gap() {
        let mut gaps = Gaps::default();
        let first = see(&mut gaps, "k:1:9");
        assert!(first.is_first && first.is_next());
        assert!(see(&mut gaps, "m:1:1").is_first);
        assert_eq!(see(&mut gaps, "k:1:10"), next());
        assert_eq!(see(&mut gaps, "m:1:3").missing, [(2, 2)]);
    }

    #[test]
    fn a_new_epoch_begins_at_one_and_an_old_one_is_not_counted() {
        let mut gaps = Gaps::default();
        see(&mut gaps, "k:5:8");
        let later = see(&mut gaps, "k:6:3");
        assert!(later.is_new_epoch);
        assert_eq!(later.missing, [(1, 2)]);
        let earlier = see(&mut gaps, "k:5:9");
        assert!(earlier.is_old_epoch && !earlier.is_next());
        assert_eq!(see(&mut gaps, "k:6:4"), next());
    }

    #[test]
    fn a_batch_fills_repeats_and_goes_on_at_once() {
        let mut gaps = Gaps::default();
        see(&mut gaps, "k:1:1-4");
        see(&mut gaps, "k:1:8");
        let batch = see(&mut gaps, "k:1:3-10+13");
        assert_eq!(batch.repeated, [(3, 4), (8, 8)]);
        assert_eq!(batch.filled, [(5, 7)]);
        assert_eq!(batch.missing, [(11, 12)]);
        assert_eq!(gaps.missing("k"), [(11, 12)]);
    }

    #[test]
    fn a_text_reads_back_and_goes_on_where_it_was() {
        let mut gaps = Gaps::default();
        for place in ["k:1:1", "m:7:4", "k:1:5", "k:1:9"] {
            see(&mut gaps, place);
        }
        let text = gaps.to_string();
        assert_eq!(text, "m:7:4:\nk:1:9:2-4+6-8\n");
        let mut read: Gaps = text.parse().unwrap();
        assert_eq!(read.to_string(), text);
        assert_eq!(see(&mut read, "k:1:3").filled, [(3, 3)]);
        let last: Vec<_> = read.last().collect();
        assert_eq!(last, [("k", 1, 9), ("m", 7, 4)]);
    }

    #[test]
    fn a_text_of_another_form_is_refused_with_its_line() {
        for line in ["k", "k:1:2", "K:1:2:", "k:1:2:3", "k:1:9:5+4", "k:1:2::"] {
            let text = format!("m:1:1:\n{line}\n");
            assert_eq!(text.parse::<Gaps>(), Err(GapsError { line: 2 }), "{line}");
        }
    }

    #[test]
    fn what_is_known_has_bounds() {
        let mut gaps = Gaps::default();
        for number in 0..=Gaps::LANES_MAX {
            see(&mut gaps, &format!("k{number}:1:1"));
        }
        assert!(gaps.lanes.len() <= Gaps::LANES_MAX);
        assert!(!see(&mut gaps, "k10000:1:2").is_first, "the newest stays");
        assert!(see(&mut gaps, "k0:1:2").is_first, "the oldest is forgotten");
        for number in 1..=Gaps::RUNS_MAX as u64 + 5 {
            see(&mut gaps, &format!("k:1:{}", 2 * number));
        }
        assert_eq!(gaps.missing("k").len(), Gaps::RUNS_MAX);
    }
}
