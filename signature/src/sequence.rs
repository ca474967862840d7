//! Where a message stands among those of its lane.
//!
//! A sender counts the messages of each lane, from 1 on, and writes the place behind the id of the
//! message: `{id}:{lane}:{epoch}:{number}`. Standard Webhooks signs the id, so the place is signed
//! with it, and whoever knows nothing of places has an id like any other: the same at each repeat of
//! the message, also when it is sent anew much later.

use std::borrow::Cow;
use std::fmt;

/// The most runs of numbers that are read of one message.
const RUNS_MAX: usize = 128;

/// The longest name of a lane that is read, in bytes.
const LANE_BYTES_MAX: usize = 64;

/// The greatest number and epoch: JavaScript counts no further.
const NUMBER_MAX: u64 = (1 << 53) - 1;

/// Where a message stands in its lane. A batch stands at several places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence<'a> {
    lane: Cow<'a, str>,
    epoch: u64,
    /// The first and the last number of each run.
    runs: Vec<(u64, u64)>,
}

impl<'a> Sequence<'a> {
    /// The longest text of the numbers that a sender puts behind an id, in bytes: with the longest
    /// epoch and the longest lane it makes an id no longer than it may be.
    pub const NUMBERS_BYTES_MAX: usize = 120;

    /// These numbers of a lane, in the order in which the message has them. `None` if there is none,
    /// if one is not from 1 to 2^53 - 1, or if the lane's name is not 1 to 64 characters of `0-9 a-z`.
    #[must_use]
    pub fn new(
        lane: impl Into<Cow<'a, str>>,
        epoch: u64,
        numbers: impl IntoIterator<Item = u64>,
    ) -> Option<Self> {
        let lane = lane.into();
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for number in numbers {
            match runs.last_mut() {
                Some((_, last)) if last.checked_add(1) == Some(number) => *last = number,
                _ => runs.push((number, number)),
            }
        }
        let is_counted = |(first, last): &(u64, u64)| *first > 0 && *last <= NUMBER_MAX;
        let is_sound = is_lane(&lane)
            && epoch <= NUMBER_MAX
            && !runs.is_empty()
            && runs.iter().all(is_counted);
        is_sound.then_some(Self { lane, epoch, runs })
    }

    /// The place that an id has behind it, and the id without it. An id of another form has none, and
    /// is given back as it is.
    #[must_use]
    pub fn split(id: &'a str) -> (&'a str, Option<Self>) {
        let Some((bare, place)) = id.split_once(':') else {
            return (id, None);
        };
        match Self::parse(place) {
            Some(sequence) if !bare.is_empty() => (bare, Some(sequence)),
            _ => (id, None),
        }
    }

    /// Reads `{lane}:{epoch}:{numbers}`, as [`Display`](fmt::Display) writes it.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(':');
        let (lane, epoch, numbers) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || !is_lane(lane) {
            return None;
        }
        Some(Self {
            lane: lane.into(),
            epoch: number(epoch)?,
            runs: read_runs(numbers)?,
        })
    }

    /// The id with its place behind it: what is sent, and signed, as the id of the message.
    #[must_use]
    pub fn message_id(&self, id: &str) -> String {
        format!("{id}:{self}")
    }

    /// The name of the lane.
    #[must_use]
    pub fn lane(&self) -> &str {
        &self.lane
    }

    /// The life of the lane: a later one has a greater epoch, and begins at 1 again.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The first and the last number of each run, in the order of the message.
    #[must_use]
    pub fn runs(&self) -> &[(u64, u64)] {
        &self.runs
    }
}

impl fmt::Display for Sequence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:", self.lane, self.epoch)?;
        write_runs(&self.runs, f)
    }
}

/// How many bytes one more number takes in the text of the numbers, behind one that is `before` it.
#[must_use]
pub fn number_bytes(before: Option<u64>, number: u64) -> usize {
    let digits = |number: u64| number.checked_ilog10().unwrap_or(0) as usize + 1;
    match before {
        // A run of two and more has one hyphen and one last number: counted for each, which is more
        // than it takes, unless nothing is said of how far the run goes.
        Some(before) if before.checked_add(1) == Some(number) => 0,
        _ => 2 * (digits(number) + 1),
    }
}

/// `5`, `5-9`, `5-9+12`.
pub(crate) fn write_runs(runs: &[(u64, u64)], f: &mut impl fmt::Write) -> fmt::Result {
    for (place, (first, last)) in runs.iter().enumerate() {
        let before = if place == 0 { "" } else { "+" };
        match first == last {
            true => write!(f, "{before}{first}")?,
            false => write!(f, "{before}{first}-{last}")?,
        }
    }
    Ok(())
}

pub(crate) fn read_runs(text: &str) -> Option<Vec<(u64, u64)>> {
    let mut runs = Vec::new();
    for run in text.split('+') {
        let (first, last) = run.split_once('-').unwrap_or((run, run));
        let run = (number(first)?, number(last)?);
        if run.0 == 0 || run.1 < run.0 || runs.len() >= RUNS_MAX {
            return None;
        }
        runs.push(run);
    }
    Some(runs)
}

/// Decimal digits and nothing else, as JavaScript can count them.
pub(crate) fn number(text: &str) -> Option<u64> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = is_plain.then(|| text.parse().ok()).flatten()?;
    (number <= NUMBER_MAX).then_some(number)
}

pub(crate) fn is_lane(name: &str) -> bool {
    (1..=LANE_BYTES_MAX).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_behind_an_id_reads_back_as_it_was_written() {
        for (numbers, text) in [
            (vec![7], "7"),
            (vec![5, 6, 7], "5-7"),
            (vec![5, 6, 3, 9, 10], "5-6+3+9-10"),
        ] {
            let sequence = Sequence::new("k3x9", 1_700_000_000_000, numbers).unwrap();
            let id = sequence.message_id("evt_1");
            assert_eq!(id, format!("evt_1:k3x9:1700000000000:{text}"));
            assert_eq!(Sequence::split(&id), ("evt_1", Some(sequence)));
        }
    }

    #[test]
    fn an_id_of_another_form_has_no_place() {
        for id in [
            "evt_1",
            ":k:1:2",
            "evt_1:k:1",
            "evt_1:k:1:2:3",
            "evt_1:K:1:2",
            "evt_1::1:2",
            "evt_1:k:x:2",
            "evt_1:k:1:0",
            "evt_1:k:1:",
            "evt_1:k:1:+2",
            "evt_1:k:1:9-8",
            "evt_1:k:1:2-3-4",
            "evt_1:k:1:-2",
            "evt_1:k:1:9007199254740992",
            "evt_1:k:99999999999999999999:2",
        ] {
            assert_eq!(Sequence::split(id), (id, None), "{id}");
        }
    }

    #[test]
    fn no_place_is_made_without_a_number_or_of_another_lane() {
        for numbers in [&[][..], &[0], &[1 << 53]] {
            let numbers = numbers.iter().copied();
            assert_eq!(Sequence::new("k", 1, numbers), None);
        }
        for lane in ["", "a.b", "a:b", "É", &"a".repeat(65)] {
            assert_eq!(Sequence::new(lane, 1, [1]), None, "{lane}");
        }
    }

    #[test]
    fn the_bytes_of_numbers_are_never_counted_too_low() {
        for numbers in [
            vec![1, 2, 3],
            vec![9, 10, 12, 15, 3],
            (1..100).step_by(2).collect(),
            (98..1_001).collect(),
        ] {
            let mut before = None;
            let mut counted = 0;
            for number in &numbers {
                counted += number_bytes(before, *number);
                before = Some(*number);
            }
            let mut written = String::new();
            let sequence = Sequence::new("k", 1, numbers).unwrap();
            write_runs(sequence.runs(), &mut written).unwrap();
            // The last number of a run may have a digit more than its first one: not more than ten
            // times in a run of any length that goes in one request.
            assert!(written.len() <= counted + 10, "{written}");
        }
    }
}
