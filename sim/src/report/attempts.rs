//! What each delivery went through: its attempts, the waits between them, and its end.

use super::mark::Mark;
use crate::trace::{Line, What};
use postrider_engine::{Change, DeliveryId, DeliveryState, Outcome, Receipt};
use std::collections::BTreeMap;

/// The deliveries of a run.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    pub(super) all: BTreeMap<DeliveryId, Story>,
}

/// A delivery.
#[derive(Debug, Default)]
pub(super) struct Story {
    /// When it became durable, and the line that says so.
    made: Option<(u64, usize)>,
    attempts: Vec<Attempt>,
    discarded: Option<(u64, usize)>,
}

/// A request and what came of it.
#[derive(Debug)]
struct Attempt {
    number: u32,
    from: u64,
    to: Option<u64>,
    lines: [usize; 2],
    end: End,
    /// The state of its delivery that its end led to, once that was durable.
    recorded: Option<DeliveryState>,
    /// The process ended before that was durable.
    forgotten: bool,
}

/// How a request ended for its sender.
#[derive(Debug)]
enum End {
    Open,
    Heard { good: bool, said: String },
    Cancelled,
    Crashed,
}

impl Deliveries {
    /// Sees a line, which stands at this place of the report.
    pub(super) fn see(&mut self, line: &Line, place: usize) {
        match &line.what {
            What::Sent(wire) => {
                let story = self.all.entry(wire.delivery).or_default();
                story.attempts.push(Attempt {
                    number: wire.number,
                    from: line.at_ms,
                    to: None,
                    lines: [place, place],
                    end: End::Open,
                    recorded: None,
                    forgotten: false,
                });
            }
            What::Outcome {
                delivery,
                number,
                outcome,
            } => {
                let good = matches!(&**outcome,
                    Outcome::Response(response) if (200..300).contains(&response.status));
                let said = outcome.to_string();
                self.end(*delivery, *number, line, place, End::Heard { good, said });
            }
            What::Cancelled { delivery, number } => {
                self.end(*delivery, *number, line, place, End::Cancelled);
            }
            What::Stopped(_) => self.stop(line.at_ms, place),
            What::Durable { change, receipt } => self.durable(change, receipt, line.at_ms, place),
            _ => (),
        }
    }

    fn end(&mut self, id: DeliveryId, number: u32, line: &Line, place: usize, end: End) {
        let attempts = self.all.get_mut(&id).map(|story| &mut story.attempts);
        let open = attempts.and_then(|attempts| {
            let mut latest = attempts.iter_mut().rev();
            latest.find(|attempt| attempt.number == number && attempt.to.is_none())
        });
        if let Some(attempt) = open {
            attempt.to = Some(line.at_ms);
            attempt.lines[1] = place;
            attempt.end = end;
        }
    }

    fn stop(&mut self, at_ms: u64, place: usize) {
        let attempts = self.all.values_mut().flat_map(|story| &mut story.attempts);
        for attempt in attempts.filter(|attempt| attempt.recorded.is_none()) {
            attempt.forgotten = true;
            if attempt.to.is_none() {
                attempt.to = Some(at_ms);
                attempt.lines[1] = place;
                attempt.end = End::Crashed;
            }
        }
    }

    fn durable(&mut self, change: &Change, receipt: &Receipt, at_ms: u64, place: usize) {
        match (change, receipt) {
            (Change::Publish(publish), Receipt::Published(_)) => {
                for delivery in publish.deliveries.iter() {
                    self.all.entry(delivery.id).or_default().made = Some((at_ms, place));
                }
            }
            (Change::Attempted(end), Receipt::Applied) => {
                let story = self.all.entry(end.delivery).or_default();
                let mut latest = story.attempts.iter_mut().rev();
                if let Some(attempt) = latest.find(|known| known.number == end.attempt.number) {
                    attempt.recorded = Some(end.state);
                }
            }
            (Change::Resend { new, .. }, Receipt::Resent(_)) => {
                self.all.entry(*new).or_default().made = Some((at_ms, place));
            }
            (Change::Discard { delivery, .. }, Receipt::Discarded { .. }) => {
                self.all.entry(*delivery).or_default().discarded = Some((at_ms, place));
            }
            _ => (),
        }
    }
}

impl Story {
    /// When it is first and last seen under way; what was never sent is never under way.
    pub(super) fn span(&self, end: u64) -> Option<(u64, u64)> {
        let (first, last) = (self.attempts.first()?, self.attempts.last()?);
        Some((first.from, last.to.unwrap_or(end)))
    }

    /// Its marks; `name` is its own, `of` that of the delivery that it makes anew.
    pub(super) fn marks(&self, name: &str, of: Option<&str>, end: u64, track: usize) -> Vec<Mark> {
        let plain = |kind, at: u64, label: String, place| Mark {
            kind,
            from: at,
            to: at,
            track,
            label,
            about: name.to_owned(),
            lines: [place, place],
            ..Mark::default()
        };
        let mut marks = Vec::new();
        if let Some((at, place)) = self.made {
            let (kind, label) = match of {
                Some(of) => ("resent", format!("{name} makes {of} anew")),
                None => ("made", format!("{name} is accepted")),
            };
            marks.push(plain(kind, at, label, place));
        }
        for pair in self.attempts.windows(2) {
            let (before, after) = (&pair[0], &pair[1]);
            let from = before.to.unwrap_or(after.from);
            marks.push(Mark {
                kind: "wait",
                from,
                to: after.from,
                track,
                label: format!("{name} waits for attempt #{}", after.number),
                about: name.to_owned(),
                attempt: after.number,
                lines: [before.lines[1], after.lines[0]],
                ..Mark::default()
            });
        }
        for attempt in &self.attempts {
            marks.push(attempt.mark(name, end, track));
        }
        if let Some((at, place)) = self.discarded {
            marks.push(plain(
                "discarded",
                at,
                format!("{name} is discarded"),
                place,
            ));
        }
        marks
    }
}

impl Attempt {
    fn mark(&self, name: &str, end: u64, track: usize) -> Mark {
        let (kind, note) = self.became();
        Mark {
            kind,
            from: self.from,
            to: self.to.unwrap_or(end),
            track,
            label: format!("{name} attempt #{}", self.number),
            note,
            about: name.to_owned(),
            attempt: self.number,
            lines: self.lines,
            ..Mark::default()
        }
    }

    fn became(&self) -> (&'static str, String) {
        let heard = match &self.end {
            End::Open => return ("open", "no answer while the run lasted".to_owned()),
            End::Crashed => return ("lost", "lost: the sender stopped".to_owned()),
            End::Cancelled => return ("lost", "given up by the sender".to_owned()),
            End::Heard { said, .. } => said,
        };
        match self.recorded {
            Some(DeliveryState::Delivered) => ("delivered", format!("{heard}, delivered")),
            Some(DeliveryState::Retrying { .. }) => ("retried", format!("{heard}, to be retried")),
            Some(DeliveryState::Failed(why)) => {
                ("failed", format!("{heard}, a dead letter: {why}"))
            }
            Some(state) => (
                "lost",
                format!("{heard}, but its delivery is {}", state.name()),
            ),
            None if self.forgotten => ("lost", format!("{heard}, but the sender stopped first")),
            None if matches!(self.end, End::Heard { good: true, .. }) => {
                ("delivered", format!("{heard}, not recorded"))
            }
            None => ("retried", format!("{heard}, not recorded")),
        }
    }
}
