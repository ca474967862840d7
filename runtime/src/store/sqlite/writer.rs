//! The one thread that writes. It takes whatever the engine has gathered while the last group was
//! being synced, makes it in one transaction, and answers when that is on the disk.

use super::file::{Answers, SqliteFile};
use crate::store::StoreError;
use postrider_engine::{Change, Recovered};
use std::sync::mpsc::Receiver;
use tokio::sync::oneshot;

/// What the writer is asked for.
pub(super) enum Job {
    /// To make these, in this order.
    Commit(Vec<Change>, oneshot::Sender<Answers>),
    /// To end what a crash has left half-done, and to say what there is.
    Recover(oneshot::Sender<Result<Recovered, StoreError>>),
}

/// Works until nobody asks any more.
pub(super) fn run(mut file: SqliteFile, jobs: &Receiver<Job>) {
    while let Ok(job) = jobs.recv() {
        // Whoever asked may be gone.
        match job {
            Job::Commit(changes, reply) => drop(reply.send(file.commit(&changes))),
            Job::Recover(reply) => drop(reply.send(file.recover())),
        }
    }
}
