//! Row 28: a drain starts nothing new, refuses what is submitted after it, ends by its deadline
//! and what the store needs, and says truly what remains. That nothing is lost is the promise
//! `durable`.
//!
//! Under turmoil lines stand a little later than what they tell.

use super::Checker;
use crate::book::Book;
use crate::plan::FaultKind;
use crate::trace::{Line, Reply, What, Wish};
use postrider_engine::{CallId, Drained, PublishError};
use std::collections::BTreeSet;

/// Beyond the deadline and the store's own time.
const LATE_MS: u64 = 1_500;

#[derive(Default)]
pub(super) struct Shutdown {
    /// When the drain was asked for, in true time.
    since_ms: Option<u64>,
    /// Submissions after it.
    after: BTreeSet<CallId>,
    /// It has been answered.
    over: bool,
    /// What the disk may take for what is being written and for one thing more.
    disk_ms: Option<u64>,
}

impl Checker for Shutdown {
    fn promise(&self) -> &'static str {
        "shutdown"
    }

    fn see(&mut self, line: &Line, book: &Book) -> Result<(), String> {
        match &line.what {
            What::Started { .. } => {
                self.since_ms = None;
                self.after.clear();
                self.over = false;
            }
            What::Stopped(_) => self.since_ms = None,
            What::Called { call, wish, .. } if book.up => match wish {
                Wish::Drain { .. } => {
                    self.since_ms.get_or_insert(line.at_ms);
                }
                Wish::Publish(_) if self.is_draining(line.at_ms, book) => {
                    self.after.insert(*call);
                }
                _ => (),
            },
            What::Answered { call, reply } => return self.answered(*call, reply, book),
            What::Sent(wire) if self.is_draining(line.at_ms, book) => {
                return Err(format!("{} is sent after the drain began", wire.delivery));
            }
            _ => (),
        }
        self.in_time(line, book)
    }
}

impl Shutdown {
    fn is_draining(&self, at_ms: u64, book: &Book) -> bool {
        let since_ms = self.since_ms;
        since_ms.is_some_and(|since_ms| at_ms >= since_ms + book.slack_ms())
    }

    fn answered(&mut self, call: CallId, reply: &Reply, book: &Book) -> Result<(), String> {
        match reply {
            Reply::Published(reply) if self.after.remove(&call) => match reply {
                Err(PublishError::Closed(_)) => Ok(()),
                other => Err(format!("a drain answers a new event with {other:?}")),
            },
            Reply::Drained(drained) => {
                let mine = book.draining.is_some_and(|(mine, _)| mine == call);
                self.over |= mine;
                if mine { truly(drained, book) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }

    fn in_time(&mut self, line: &Line, book: &Book) -> Result<(), String> {
        let Some((_, deadline_ms)) = book.draining.filter(|_| book.up && !self.over) else {
            return Ok(());
        };
        if line.at_ms <= deadline_ms {
            return Ok(());
        }
        let disk_ms = *self.disk_ms.get_or_insert_with(|| {
            let slow = book.plan.faults.iter().map(|fault| match fault.kind {
                FaultKind::SlowDisk { add_ms, .. } => add_ms,
                _ => 0,
            });
            let disk = book.plan.disk;
            3 * (disk.write_max_ms + disk.sync_max_ms + slow.max().unwrap_or(0))
        });
        let late = line.at_ms - deadline_ms;
        let most = LATE_MS + disk_ms + book.slack_ms();
        if late > most {
            return Err(format!("the drain is {late} ms over its deadline"));
        }
        Ok(())
    }
}

/// What the drain says remains is what is durable and has not ended. What a deleted endpoint has
/// left under way may be counted or not.
fn truly(drained: &Drained, book: &Book) -> Result<(), String> {
    let (mut here, mut gone) = (0, 0);
    for (lane, page) in &book.lanes {
        let endpoint = book.endpoints.get(&lane.endpoint);
        let count = page.pending.len() as u64;
        if endpoint.is_some_and(|endpoint| endpoint.deleted) {
            gone += count;
        } else {
            here += count;
        }
    }
    if !(here..=here + gone).contains(&drained.pending) {
        let said = drained.pending;
        return Err(format!("the drain leaves {said} pending, and {here} are"));
    }
    Ok(())
}
