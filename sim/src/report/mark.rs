//! What a timeline is made of: rows, and marks on them.

use serde::Serialize;

/// The most tracks of a row. What does not fit shares the last one.
const TRACKS_MAX: usize = 8;

/// Where marks stand, in the order of the rows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Sender,
    Disk,
    Fault(usize),
    Receiver(usize),
    /// An endpoint by the number in its name; then its lanes: shorter keys first, so that `key-2`
    /// comes before `key-10`.
    Endpoint(usize, Option<(usize, String)>),
}

/// A row.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    /// `sender`, `disk`, `fault`, `receiver`, `endpoint` or `lane`.
    pub(super) kind: &'static str,
    pub(super) name: String,
    /// What else there is to say, in a few words.
    pub(super) note: String,
    /// What lines must be about to be its lines; empty: see the kind.
    pub(super) about: String,
    pub(super) tracks: usize,
}

/// Something that is drawn.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Mark {
    pub(super) row: usize,
    /// What it is: the script knows how each kind looks.
    pub(super) kind: &'static str,
    pub(super) from: u64,
    pub(super) to: u64,
    /// Marks at the same time stand on tracks of their own.
    pub(super) track: usize,
    /// Its name, for people.
    pub(super) label: String,
    /// What became of it, for people.
    pub(super) note: String,
    /// The subject whose lines are its lines.
    pub(super) about: String,
    /// The number of the attempt; 0 if it is none.
    pub(super) attempt: u32,
    /// Its first and its last line.
    pub(super) lines: [usize; 2],
}

/// Gives tracks to things that take from … to, so that no two share one at the same time.
#[derive(Debug, Default)]
pub(super) struct Tracks {
    /// Until when each is taken.
    taken: Vec<u64>,
}

impl Tracks {
    /// A track that is free from then; it is taken until `to`. Ask in order of `from`.
    pub(super) fn take(&mut self, from: u64, to: u64) -> usize {
        let free = self.taken.iter().position(|until| *until <= from);
        let track = match free {
            Some(track) => track,
            None if self.taken.len() < TRACKS_MAX => {
                self.taken.push(0);
                self.taken.len() - 1
            }
            None => TRACKS_MAX - 1,
        };
        // Even what takes no time keeps its place for a moment.
        self.taken[track] = self.taken[track].max(to.max(from + 1));
        track
    }

    /// How many were needed.
    pub(super) fn count(&self) -> usize {
        self.taken.len().max(1)
    }
}
