//! The promise check: what the receivers saw against what is on record.
//!
//! It trusts neither side alone. A receiver's log says what came and how it was answered; the
//! record says how each delivery ended and after how many attempts.

use super::plan::EndpointPlan;
use super::receiver::{Log, Sighting};
use postrider::EventId;

/// What is on record of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OnRecord {
    pub(super) event: EventId,
    pub(super) end: End,
    pub(super) attempts: usize,
    /// Of these, those that got no answer: the receiver may have given one all the same.
    pub(super) unanswered: usize,
}

/// How a delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Delivered,
    Rejected,
    Exhausted,
    /// It has not.
    Pending,
    /// There is no record of it, or it says that it was given up by hand, which nobody did.
    Missing,
}

/// How often a promise was broken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Broken {
    /// An event came before an earlier one of its lane had reached its end.
    pub(super) order: u64,
    /// A request was not signed right.
    pub(super) signature: u64,
    /// An accepted event has neither been accepted by its receiver nor failed on record.
    pub(super) lost: u64,
    /// A request came that no attempt on record accounts for, or after a final answer that is on
    /// record.
    pub(super) repeat: u64,
    /// A request named another event than the one it carried.
    pub(super) id: u64,
}

/// What is known of an event at one point of its receiver's log.
#[derive(Clone, Copy, Default)]
struct Known {
    arrivals: usize,
    arrivals_after_final: usize,
    sightings: usize,
    sightings_in_all: usize,
    is_accepted: bool,
    is_final: bool,
}

/// Checks one endpoint: its plan, what its receiver saw, and what is on record of its events, in
/// the order of submission. Each time the process was killed, what was under way may have come
/// without being recorded.
pub(super) fn check(plan: &EndpointPlan, log: &Log, records: &[OnRecord], kills: usize) -> Broken {
    let mut check = Check::new(plan, records);
    for sighting in &log.sightings {
        check.known[sighting.sequence()].sightings_in_all += 1;
    }
    for sighting in &log.sightings {
        check.see(*sighting);
    }
    for (known, record) in check.known.iter().zip(records) {
        let has_failed = matches!(record.end, End::Rejected | End::Exhausted);
        check.broken.lost += u64::from(!known.is_accepted && !has_failed);
        let beyond_record = known.arrivals.saturating_sub(record.attempts);
        let after_final = known.arrivals_after_final.saturating_sub(record.unanswered);
        let repeats = beyond_record.max(after_final);
        check.broken.repeat += repeats.saturating_sub(kills) as u64;
    }
    check.broken.signature = log.invalid;
    check.broken
}

struct Check<'a> {
    records: &'a [OnRecord],
    known: Vec<Known>,
    /// The events of each lane, in order.
    lanes: Vec<Vec<usize>>,
    /// The lane of each event, and its place there.
    places: Vec<(usize, usize)>,
    /// For each lane: all events before this place have reached their end.
    ended: Vec<usize>,
    broken: Broken,
}

impl<'a> Check<'a> {
    fn new(plan: &EndpointPlan, records: &'a [OnRecord]) -> Self {
        let mut lanes = vec![Vec::new(); plan.lanes];
        let mut places = Vec::with_capacity(plan.events.len());
        for (sequence, event) in plan.events.iter().enumerate() {
            places.push((event.lane, lanes[event.lane].len()));
            lanes[event.lane].push(sequence);
        }
        Self {
            records,
            known: vec![Known::default(); places.len()],
            ended: vec![0; lanes.len()],
            lanes,
            places,
            broken: Broken::default(),
        }
    }

    fn see(&mut self, sighting: Sighting) {
        let sequence = sighting.sequence();
        if self.known[sequence].arrivals == 0 {
            let (lane, place) = self.places[sequence];
            self.advance(lane);
            self.broken.order += u64::from(self.ended[lane] < place);
        }
        let known = &mut self.known[sequence];
        known.sightings += 1;
        match sighting {
            Sighting::Arrived(_, event) => {
                known.arrivals += 1;
                known.arrivals_after_final += usize::from(known.is_final);
                self.broken.id += u64::from(event != self.records[sequence].event);
            }
            Sighting::Answered(_, status) => {
                known.is_accepted |= (200..300).contains(&status);
                known.is_final |= (200..500).contains(&status);
            }
        }
    }

    /// Passes over the events at the front of the lane that have reached their end by now.
    fn advance(&mut self, lane: usize) {
        while let Some(sequence) = self.lanes[lane].get(self.ended[lane])
            && self.has_ended(*sequence)
        {
            self.ended[lane] += 1;
        }
    }

    /// Accepted by the receiver; or failed on record, with nothing of it to come.
    fn has_ended(&self, sequence: usize) -> bool {
        let known = &self.known[sequence];
        let has_failed = matches!(self.records[sequence].end, End::Rejected | End::Exhausted);
        known.is_accepted || (has_failed && known.sightings == known.sightings_in_all)
    }
}

impl Sighting {
    fn sequence(self) -> usize {
        let (Self::Arrived(sequence, _) | Self::Answered(sequence, _)) = self;
        sequence
    }
}

impl Broken {
    /// This, and that too.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            order: self.order + other.order,
            signature: self.signature + other.signature,
            lost: self.lost + other.lost,
            repeat: self.repeat + other.repeat,
            id: self.id + other.id,
        }
    }
}

#[cfg(test)]
mod tests;
