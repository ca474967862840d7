//! The lines as a reader sees them.

use crate::trace::{Line, Names, What};
use crate::watch::Run;
use serde::Serialize;

/// The lines, column by column.
#[derive(Debug, Default, Serialize)]
pub(super) struct Lines {
    pub(super) at: Vec<u64>,
    /// Who speaks, as a place in [`WHO`].
    who: Vec<usize>,
    text: Vec<String>,
    /// The sender's clocks.
    clocks: Vec<String>,
    /// What each line is about: `d3`, `e1`, `m0`, `f2`, `r1`, `c7`.
    pub(super) about: Vec<Vec<String>>,
    /// The number of the attempt that it is about; 0 if it is about none.
    pub(super) attempt: Vec<u32>,
}

/// Who speaks.
pub(super) const WHO: &[&str] = &[
    "sender", "store", "engine", "caller", "receiver", "fault", "audit", "network",
];

impl Lines {
    /// The lines of a run, the place of each [`Line`] among them (packets have a text and no
    /// [`Line`]), and the names that the texts use.
    pub(super) fn of(run: &Run) -> (Self, Vec<usize>, Names) {
        let mut names = Names::default();
        let written: Vec<String> = run.lines.iter().map(|line| line.text(&mut names)).collect();
        let mut lines = Self::default();
        let mut places = Vec::with_capacity(written.len());
        let mut kept = run.text.iter().peekable();
        for (line, text) in run.lines.iter().zip(&written) {
            while let Some(packet) = kept.next_if(|kept| *kept != text && is_packet(kept)) {
                lines.push_packet(packet);
            }
            kept.next_if(|kept| *kept == text);
            places.push(lines.at.len());
            lines.push(line, text);
        }
        for packet in kept.filter(|kept| is_packet(kept)) {
            lines.push_packet(packet);
        }
        (lines, places, names)
    }

    fn push(&mut self, line: &Line, text: &str) {
        let (said, clocks) = text.rsplit_once(" [").unwrap_or((text, ""));
        // The time comes first, right-aligned in ten characters or more.
        let said = said
            .trim_start()
            .split_once(' ')
            .map_or("", |(_, said)| said);
        self.at.push(line.at_ms);
        self.who.push(who(&line.what));
        self.text.push(said.to_owned());
        self.clocks.push(clocks.trim_end_matches(']').to_owned());
        self.about.push(Vec::new());
        self.attempt.push(0);
    }

    fn push_packet(&mut self, text: &str) {
        let (at, said) = text.trim_start().split_once(' ').unwrap_or((text, ""));
        self.at.push(at.parse().unwrap_or_default());
        self.who.push(WHO.len() - 1);
        self.text.push(said.to_owned());
        self.clocks.push(String::new());
        self.about.push(Vec::new());
        self.attempt.push(0);
    }
}

/// Lines end with the sender's clocks, packets do not.
fn is_packet(text: &str) -> bool {
    !text.ends_with(']')
}

fn who(what: &What) -> usize {
    let name = match what {
        What::Started { .. }
        | What::Stopped(_)
        | What::Sent(_)
        | What::Outcome { .. }
        | What::Cancelled { .. } => "sender",
        What::Called { .. } | What::Answered { .. } => "caller",
        What::CommitAsked { .. }
        | What::Durable { .. }
        | What::NotDurable { .. }
        | What::LoadAsked(_)
        | What::Loaded { .. } => "store",
        What::Arrived { .. } | What::Responded { .. } => "receiver",
        What::Fact(_) => "engine",
        What::Fault { .. } | What::FaultOver { .. } | What::Healed => "fault",
        What::Audit(_) => "audit",
    };
    WHO.iter().position(|known| *known == name).unwrap_or(0)
}
