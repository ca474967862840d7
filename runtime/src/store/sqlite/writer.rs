//! The one thread that writes. It takes whatever the engine has gathered while the last group was
//! being synced, makes it in one transaction, and answers when that is on the disk.
//!
//! Between two groups it makes due what is to be, and drops what is old, a step at a time.

use super::file::{Answers, SqliteFile};
use super::retention::Retention;
use crate::clock::Clock;
use crate::store::StoreError;
use postrider_engine::{Change, Note, Recovered};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};

/// What the writer is asked for.
pub(super) enum Job {
    /// To make these, in this order, with notes of some of them.
    Commit(Vec<Change>, Vec<(usize, Note)>, oneshot::Sender<Answers>),
    /// To end what a crash has left half-done, and to say what there is.
    Recover(oneshot::Sender<Result<Recovered, StoreError>>),
    /// To do something that no core has asked for. It answers by itself.
    Beside(Box<dyn FnOnce(&mut SqliteFile) + Send>),
}

/// When there was nothing old, it is looked for again after this.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// A step that did something is followed by the next one after this, so that most of the time
/// is left to delivery.
const REST: Duration = Duration::from_millis(20);

/// What is done between two groups.
pub(super) struct Housekeeping {
    retention: Retention,
    clock: Arc<dyn Clock>,
    next: Instant,
    /// The last step could not be done: it is not hurried.
    is_held_up: bool,
}

impl Housekeeping {
    pub(super) fn new(retention: Retention, clock: Arc<dyn Clock>) -> Self {
        Self {
            retention,
            clock,
            next: Instant::now() + REST,
            is_held_up: false,
        }
    }

    /// There is something to do.
    fn hurry(&mut self) {
        if !self.is_held_up {
            self.next = self.next.min(Instant::now() + REST);
        }
    }

    fn left(&self) -> Duration {
        self.next.saturating_duration_since(Instant::now())
    }

    fn step(&mut self, file: &mut SqliteFile) {
        // What waits is more urgent than what is old.
        let done = match file.make_more_due() {
            Ok(false) => file.drop_old(&self.retention, self.clock.wall()),
            Ok(true) => Ok(1),
            Err(error) => Err(error),
        };
        self.is_held_up = done.is_err();
        let rest = match done {
            Ok(0) => LOOK_EVERY,
            Ok(_) => REST,
            // The next commit says so to somebody.
            Err(error) => {
                tracing::error!(%error, "postrider.store.housekeeping_failed");
                LOOK_EVERY
            }
        };
        self.next = Instant::now() + rest;
    }
}

/// What the writer has answered; `None` if it has ended. The clock of a runtime that is paused goes on
/// by itself when the runtime has nothing to do, and would jump while the writer works: a blocking
/// task holds it.
pub(super) async fn answer_to<T: Send + 'static>(answer: oneshot::Receiver<T>) -> Option<T> {
    if !is_paused() {
        return answer.await.ok();
    }
    let waiting = tokio::task::spawn_blocking(move || answer.blocking_recv().ok());
    waiting.await.ok().flatten()
}

/// Whether the clock of this runtime is not that of the system.
fn is_paused() -> bool {
    let before = Instant::now();
    let shown = tokio::time::Instant::now().into_std();
    shown < before || Instant::now() < shown
}

/// Works until nobody asks any more. Says when the file cannot be used any more.
pub(super) fn run(
    mut file: SqliteFile,
    jobs: &Receiver<Job>,
    mut housekeeping: Housekeeping,
    failure: &watch::Sender<Option<String>>,
) {
    loop {
        if file.has_more_due() {
            housekeeping.hurry();
        }
        let left = housekeeping.left().min(file.until_look());
        // Whoever asked may be gone.
        match jobs.recv_timeout(left) {
            Ok(Job::Commit(changes, notes, reply)) => {
                drop(reply.send(file.commit_noted(&changes, &notes)));
            }
            Ok(Job::Recover(reply)) => drop(reply.send(file.recover())),
            Ok(Job::Beside(work)) => work(&mut file),
            Err(RecvTimeoutError::Timeout) => (),
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if housekeeping.left().is_zero() {
            housekeeping.step(&mut file);
        }
        file.look_if_due();
        if let Some(reason) = file.failure().filter(|_| failure.borrow().is_none()) {
            failure.send_replace(Some(reason.to_owned()));
        }
    }
}
