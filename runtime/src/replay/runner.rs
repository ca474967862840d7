//! Does a replay, delivery by delivery.

use super::{Replay, ReplayLog, ReplayState, is_due, query};
use crate::shell::Call;
use crate::store::{Store, StoreError};
use postrider_engine::{Answer, Command, DeliveryRecord, DeliveryState, ReplayId, ResendError};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

/// How long it waits if there is no room.
const NO_ROOM: Duration = Duration::from_secs(1);

/// What a replay works with.
#[derive(Clone)]
pub(crate) struct Runner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) log: Arc<dyn ReplayLog>,
    /// Weak: the engine stops when nobody but a replay could ask it for anything.
    pub(crate) calls: mpsc::WeakSender<Call>,
}

/// The replays of this process.
#[derive(Default)]
pub(crate) struct Running(Mutex<BTreeMap<ReplayId, JoinHandle<()>>>);

impl Running {
    /// Does it, in a task of its own.
    pub(crate) fn start(&self, runner: Runner, replay: Replay) {
        let id = replay.id;
        let task = tokio::spawn(runner.run(replay));
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.retain(|_, task| !task.is_finished());
        tasks.insert(id, task);
    }

    /// Stops it: when this returns it does nothing more.
    pub(crate) async fn stop(&self, id: ReplayId) {
        if let Some(task) = self.take(id) {
            task.abort();
            // It was aborted: that is all it can say.
            let _ = task.await;
        }
    }

    fn take(&self, id: ReplayId) -> Option<JoinHandle<()>> {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.remove(&id)
    }
}

/// What came of a delivery.
enum Came {
    Resent,
    Skipped,
    /// There is no room now.
    NoRoom,
    /// The engine takes nothing any more.
    Over,
}

impl Runner {
    /// Runs to the end of the replay or of the engine. What cannot be read or recorded now is
    /// tried again.
    async fn run(self, mut replay: Replay) {
        while let Err(error) = self.go_on(&mut replay).await {
            tracing::warn!(%error, replay = %replay.id, "postrider.replay.held_up");
            sleep(NO_ROOM).await;
        }
    }

    async fn go_on(&self, replay: &mut Replay) -> Result<(), StoreError> {
        let mut pace = replay.request.per_second.map(|most| {
            let each = Duration::from_secs(1) / most.get();
            let mut pace = interval_at(Instant::now() + each, each);
            // After a pause it does not hurry to make up for it.
            pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
            pace
        });
        let mut query = query(&replay.request, replay.created_at);
        loop {
            query.after = replay.after;
            let page = Arc::clone(&self.store).deliveries(query.clone()).await?;
            let mut done = replay.clone();
            for record in &page.deliveries {
                if let Some(pace) = pace.as_mut().filter(|_| is_due(record)) {
                    pace.tick().await;
                }
                match self.once(replay.id, record).await? {
                    Came::Resent => done.resent += 1,
                    Came::Skipped => done.skipped += 1,
                    Came::NoRoom | Came::Over => return Ok(()),
                }
            }
            done.after = page.next.or(done.after);
            if page.next.is_none() {
                done.state = ReplayState::Done;
            }
            Arc::clone(&self.log).put(done.clone()).await?;
            *replay = done;
            if replay.state == ReplayState::Done {
                tracing::info!(
                    replay = %replay.id,
                    resent = replay.resent,
                    skipped = replay.skipped,
                    "postrider.replay.done"
                );
                return Ok(());
            }
        }
    }

    /// Makes a delivery anew, as soon as there is room.
    async fn once(&self, replay: ReplayId, record: &DeliveryRecord) -> Result<Came, StoreError> {
        if !is_due(record) {
            return self.was_before(replay, record).await;
        }
        loop {
            match self.ask(replay, record).await {
                Came::NoRoom => sleep(NO_ROOM).await,
                came => return Ok(came),
            }
        }
    }

    /// It is no dead letter any more: perhaps because this very replay has made it anew before a
    /// restart.
    async fn was_before(
        &self,
        replay: ReplayId,
        record: &DeliveryRecord,
    ) -> Result<Came, StoreError> {
        let Some(new) = record.resent_as.filter(|_| is_dead(record)) else {
            return Ok(Came::Skipped);
        };
        let new = Arc::clone(&self.store).delivery(new).await?;
        let ours = new.is_some_and(|new| new.replay == Some(replay));
        Ok(if ours { Came::Resent } else { Came::Skipped })
    }

    async fn ask(&self, replay: ReplayId, record: &DeliveryRecord) -> Came {
        let Some(calls) = self.calls.upgrade() else {
            return Came::Over;
        };
        let (reply, answer) = oneshot::channel();
        let command = Command::Replay(record.id, Some(record.lane.endpoint), replay);
        let call = Call::Command(command, None, reply);
        if calls.send(call).await.is_err() {
            return Came::Over;
        }
        drop(calls);
        match answer.await {
            Ok(Answer::Resent(Ok(_) | Err(ResendError::AlreadyReplayed(_)))) => Came::Resent,
            Ok(Answer::Resent(Err(ResendError::Full(_)))) => Came::NoRoom,
            Ok(Answer::Resent(Err(ResendError::Closed(_)))) | Err(_) => Came::Over,
            Ok(_) => Came::Skipped,
        }
    }
}

fn is_dead(record: &DeliveryRecord) -> bool {
    matches!(record.state, DeliveryState::Failed(_))
}
