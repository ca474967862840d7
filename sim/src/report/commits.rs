//! What the sender's disk went through: commits from asked to durable, and reads.

use super::mark::{Mark, Tracks};
use crate::trace::{Line, What};
use postrider_engine::{BatchId, Change, LaneId};
use std::collections::BTreeMap;

/// Commits and reads.
#[derive(Debug, Default)]
pub(super) struct Commits {
    open: Vec<Commit>,
    reads: BTreeMap<LaneId, (u64, usize)>,
    done: Vec<Mark>,
}

/// A commit that is not known to be durable.
#[derive(Debug)]
struct Commit {
    batch: BatchId,
    what: String,
    from: u64,
    line: usize,
    /// When it was known to be lost, and the line that says so.
    gone: Option<(u64, usize, &'static str, String)>,
}

impl Commits {
    /// Sees a line, which stands at this place of the report.
    pub(super) fn see(&mut self, line: &Line, place: usize) {
        match &line.what {
            What::CommitAsked { batch, change } => self.open.push(Commit {
                batch: *batch,
                what: what(change),
                from: line.at_ms,
                line: place,
                gone: None,
            }),
            What::Durable { change, .. } => self.durable(change, line.at_ms, place),
            What::NotDurable { batch, error } => {
                let mut latest = self.open.iter_mut().rev();
                if let Some(commit) = latest.find(|commit| commit.batch == *batch) {
                    commit.gone = Some((line.at_ms, place, "refused", error.to_string()));
                }
            }
            What::Stopped(_) => {
                for commit in self.open.iter_mut().filter(|commit| commit.gone.is_none()) {
                    let note = "lost: the sender stopped".to_owned();
                    commit.gone = Some((line.at_ms, place, "unwritten", note));
                }
                self.reads.clear();
            }
            What::LoadAsked(load) => {
                self.reads.insert(load.lane.clone(), (line.at_ms, place));
            }
            What::Loaded {
                lane, deliveries, ..
            } => {
                let (from, first) = self.reads.remove(lane).unwrap_or((line.at_ms, place));
                self.done.push(Mark {
                    kind: "read",
                    from,
                    to: line.at_ms,
                    label: "read".to_owned(),
                    note: format!("{deliveries} deliveries"),
                    lines: [first, place],
                    ..Mark::default()
                });
            }
            _ => (),
        }
    }

    /// Under turmoil nobody sees the asking: then it is a moment.
    fn durable(&mut self, change: &Change, at_ms: u64, place: usize) {
        let what = what(change);
        let asked = self.open.iter().position(|commit| commit.what == what);
        let asked = asked.map(|at| self.open.remove(at));
        let (from, first) = asked.map_or((at_ms, place), |commit| (commit.from, commit.line));
        self.done.push(Mark {
            kind: "durable",
            from,
            to: at_ms,
            label: format!("commit: {}", shown(&what)),
            note: "durable".to_owned(),
            lines: [first, place],
            ..Mark::default()
        });
    }

    /// All of it, on tracks, and how many tracks that takes.
    pub(super) fn marks(mut self, end: u64, line_last: usize) -> (Vec<Mark>, usize) {
        for commit in self.open {
            let open = (
                end,
                line_last,
                "unwritten",
                "not durable at the end".to_owned(),
            );
            let (to, line, kind, note) = commit.gone.unwrap_or(open);
            self.done.push(Mark {
                kind,
                from: commit.from,
                to,
                label: format!("commit: {}", shown(&commit.what)),
                note,
                lines: [commit.line, line],
                ..Mark::default()
            });
        }
        self.done.sort_by_key(|mark| mark.from);
        let mut tracks = Tracks::default();
        for mark in &mut self.done {
            mark.track = tracks.take(mark.from, mark.to);
        }
        (self.done, tracks.count())
    }
}

/// A change as a key: what becomes durable is what was asked for.
fn what(change: &Change) -> String {
    match change {
        Change::Publish(publish) => format!("publish {}", publish.event.id),
        Change::Attempted(end) => format!("result {} #{}", end.delivery, end.attempt.number),
        Change::AddEndpoint(endpoint) => format!("register {}", endpoint.id),
        Change::ChangeEndpoint(update) => format!("change {}", update.endpoint),
        Change::DeleteEndpoint { endpoint, .. } => format!("delete {endpoint}"),
        Change::Resend { new, .. } => format!("resend {new}"),
        Change::Backfill { new, .. } => format!("backfill {new}"),
        Change::Discard { delivery, .. } => format!("discard {delivery}"),
        Change::RetryNow { delivery, .. } => format!("due {delivery}"),
    }
}

fn shown(what: &str) -> &str {
    what.split(' ').next().unwrap_or(what)
}
