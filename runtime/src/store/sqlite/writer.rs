//! The one thread that writes. It takes whatever the engine has gathered while the last group was
//! being synced, makes it in one transaction, and answers when that is on the disk.

use super::StoreFault;
use super::changes::Changes;
use super::lanes::Lanes;
use super::reads;
use super::reserve::Reserve;
use super::seal::KeyRing;
use postrider_engine::{Change, CommitError, Receipt, Recovered};
use rusqlite::{Connection, TransactionBehavior};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use tokio::sync::oneshot;

/// What the writer is asked for.
pub(super) enum Job {
    /// To make these, in this order.
    Commit(Vec<Change>, oneshot::Sender<Answers>),
    /// To end what a crash has left half-done, and to say what there is.
    Recover(oneshot::Sender<Result<Recovered, StoreFault>>),
}

type Answers = Vec<Result<Receipt, CommitError>>;

pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) keys: Arc<KeyRing>,
    pub(super) reserve: Reserve,
    pub(super) lanes: Lanes,
    /// What is recorded is not known any more.
    pub(super) failed: Option<String>,
}

impl Writer {
    /// Works until nobody asks any more.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        while let Ok(job) = jobs.recv() {
            // Whoever asked may be gone.
            match job {
                Job::Commit(changes, reply) => drop(reply.send(self.commit(&changes))),
                Job::Recover(reply) => drop(reply.send(self.recover())),
            }
        }
    }

    fn commit(&mut self, changes: &[Change]) -> Answers {
        if let Some(reason) = &self.failed {
            return failed(changes, reason);
        }
        // Without the reserve there is no room for anything that makes more.
        let mut may_grow = self.reserve.is_there();
        loop {
            let error = match self.transact(changes, may_grow) {
                Ok(receipts) => return receipts,
                Err(error) => error,
            };
            self.lanes.forget();
            if !error.is_full() {
                let reason = error.to_string();
                self.failed = Some(reason.clone());
                return failed(changes, &reason);
            }
            if !may_grow && !self.reserve.give_up() {
                return changes.iter().map(|_| Err(CommitError::Full)).collect();
            }
            may_grow = false;
        }
    }

    /// Makes all of them, or none. What would make more is refused unless it may.
    fn transact(&mut self, changes: &[Change], may_grow: bool) -> Result<Answers, StoreFault> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut answers = Vec::with_capacity(changes.len());
        let mut making = Changes {
            connection: &transaction,
            lanes: &mut self.lanes,
            keys: &self.keys,
        };
        for change in changes {
            if may_grow || !grows(change) {
                answers.push(Ok(making.make(change)?));
            } else {
                answers.push(Err(CommitError::Full));
            }
        }
        self.lanes.flush(&transaction)?;
        transaction.commit()?;
        Ok(answers)
    }

    fn recover(&mut self) -> Result<Recovered, StoreFault> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut changes = Changes {
            connection: &transaction,
            lanes: &mut self.lanes,
            keys: &self.keys,
        };
        changes.discard_orphans()?;
        changes.seal_anew()?;
        self.lanes.flush(&transaction)?;
        let recovered = reads::recover(&transaction, &self.keys)?;
        transaction.commit()?;
        Ok(recovered)
    }
}

/// Whether it makes the database larger by more than a line of history.
fn grows(change: &Change) -> bool {
    matches!(
        change,
        Change::Publish(_) | Change::Resend { .. } | Change::AddEndpoint(_)
    )
}

fn failed(changes: &[Change], reason: &str) -> Answers {
    let failed = || Err(CommitError::Failed(reason.to_owned()));
    changes.iter().map(|_| failed()).collect()
}
