//! Does a replay, delivery by delivery.

use super::plan::{Plan, SkipReason, Verdict};
use super::stop::Stop;
use super::{Replay, ReplayAct, ReplayLog, ReplayPage, ReplayState};
use crate::clock::Clock;
use crate::history::Cursor;
use crate::outline::{DeliveryOutline, OutlinePage, each};
use crate::shell::Call;
use crate::store::{Store, StoreError};
use postrider_engine::{Answer, Command, DeliveryId, DiscardError, ReplayId, ResendError};
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, yield_now};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep};

/// How long it waits if there is no room.
pub(super) const NO_ROOM: Duration = Duration::from_secs(1);

/// Deliveries that are looked at in one go.
const PAGE: usize = 100;

/// Deliveries that are counted in one go.
const COUNTED_AT_ONCE: usize = 1_000;

/// What a replay works with.
#[derive(Clone)]
pub(crate) struct Runner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) log: Arc<dyn ReplayLog>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Weak: the engine stops when nobody but a replay could ask it for anything.
    pub(crate) calls: mpsc::WeakSender<Call>,
    pub(crate) stop: Stop,
}

/// The replays of this process.
#[derive(Default)]
pub(crate) struct Running(Mutex<BTreeMap<ReplayId, Task>>);

struct Task {
    stop: watch::Sender<bool>,
    task: JoinHandle<Replay>,
}

impl Running {
    /// Does it, in a task of its own.
    pub(crate) fn start(&self, runner: Runner, replay: Replay) {
        let id = replay.id;
        let (stop, asked) = watch::channel(false);
        let stopped = Stop::of(asked);
        let runner = Runner {
            stop: stopped,
            ..runner
        };
        let task = tokio::spawn(runner.run(replay));
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.retain(|_, it| !it.task.is_finished());
        tasks.insert(id, Task { stop, task });
    }

    /// Stops it: when this returns it does nothing more. Gives it as it is then; `None` if it did not
    /// run.
    pub(crate) async fn stop(&self, id: ReplayId) -> Option<Replay> {
        let Task { stop, task } = self.take(id)?;
        stop.send_replace(true);
        // If it has panicked, what is on record holds.
        task.await.ok()
    }

    fn take(&self, id: ReplayId) -> Option<Task> {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.remove(&id)
    }
}

/// What came of a delivery, or of an event of a backfill.
pub(super) enum Came {
    /// It was no part of the replay.
    NoPart,
    Acted,
    Skipped(SkipReason),
    /// There is no room now.
    NoRoom,
    /// The engine takes nothing any more.
    Over,
    /// It was asked to stop before it did anything.
    Stopped,
}

impl Runner {
    /// Runs to the end of the replay or of the engine, or until it is asked to stop. What cannot be
    /// read or recorded now is tried again.
    async fn run(self, mut replay: Replay) -> Replay {
        while let Err(error) = self.go_on(&mut replay).await {
            tracing::warn!(%error, replay = %replay.id, "postrider.replay.held_up");
            if self.stop.or(sleep(NO_ROOM)).await.is_none() {
                break;
            }
        }
        replay
    }

    async fn go_on(&self, replay: &mut Replay) -> Result<(), StoreError> {
        let plan = Plan::of_replay(&replay.request, replay.created_at);
        if replay.total.is_none() {
            let counted = self.stop.or(self.count(&plan, replay)).await;
            let Some(counted) = counted.transpose()? else {
                return Ok(());
            };
            replay.total = Some(counted);
            if !self.record(replay).await? {
                return Ok(());
            }
        }
        let mut pace = replay.request.per_second.map(pace);
        while replay.state == ReplayState::Running && !self.stop.is_asked() {
            let before = replay.done();
            let Some(done) = self.page(&plan, replay, &mut pace).await? else {
                return Ok(());
            };
            // A page may look at thousands and find nothing: whoever goes on looks again.
            if done.done() != before || done.state != ReplayState::Running {
                if !self.record(&done).await? {
                    return Ok(());
                }
            } else {
                // A store in memory answers at once.
                yield_now().await;
            }
            *replay = done;
        }
        if replay.state == ReplayState::Running {
            return Ok(());
        }
        tracing::info!(
            replay = %replay.id,
            resent = replay.resent,
            discarded = replay.discarded,
            made = replay.made,
            skipped = replay.skipped,
            "postrider.replay.done"
        );
        Ok(())
    }

    /// Records how far it is; not if somebody else has ended it meanwhile.
    async fn record(&self, replay: &Replay) -> Result<bool, StoreError> {
        let log = Arc::clone(&self.log);
        log.put_if_running(replay.clone(), None).await
    }

    /// How many deliveries are part of it: an earlier version may have done some.
    async fn count(&self, plan: &Plan, replay: &Replay) -> Result<u64, StoreError> {
        if replay.request.act == ReplayAct::Backfill {
            return self.count_events(replay).await;
        }
        let mut query = plan.query(COUNTED_AT_ONCE);
        query.after = replay.after;
        let mut left = 0;
        each(&self.store, query, |delivery| {
            left += u64::from(plan.verdict(delivery) != Verdict::NoPart);
        })
        .await?;
        Ok(replay.done() + left)
    }

    /// The replay as it is after one more page, or after a part of it if it was asked to stop; `None` if
    /// it has ended, or the engine takes nothing any more.
    async fn page(
        &self,
        plan: &Plan,
        replay: &mut Replay,
        pace: &mut Option<Interval>,
    ) -> Result<Option<Replay>, StoreError> {
        if replay.request.act == ReplayAct::Backfill {
            return self.page_of_events(replay, pace).await;
        }
        self.settle(replay).await?;
        let mut query = plan.query(PAGE);
        query.after = replay.after;
        let mut page = Arc::clone(&self.store).outlines(query).await?;
        if let Some(rate) = replay.request.per_second {
            // No more than is done in a second: meanwhile others change what was read, and want to
            // know how far it is.
            plan.cut(&mut page, rate);
        }
        if !self.announce(plan, replay, &page).await? {
            return Ok(None);
        }
        let mut done = Replay {
            page: None,
            ..replay.clone()
        };
        let mut last = None;
        for delivery in &page.deliveries {
            match self.came(plan, replay, delivery, pace).await? {
                Came::NoPart => (),
                Came::Acted if replay.request.act == ReplayAct::Discard => done.discarded += 1,
                Came::Acted => done.resent += 1,
                Came::Skipped(why) => done.skip(why, 1),
                Came::NoRoom | Came::Over => return Ok(None),
                Came::Stopped => {
                    done.after = last.or(done.after);
                    return Ok(Some(done));
                }
            }
            last = Some(Cursor(delivery.id));
        }
        done.after = page.next.or(done.after);
        if page.next.is_none() {
            self.end(&mut done);
        }
        Ok(Some(done))
    }

    /// Before anything of a page is discarded, it is on record how much that is to be. False if the
    /// replay has ended.
    async fn announce(
        &self,
        plan: &Plan,
        replay: &mut Replay,
        page: &OutlinePage,
    ) -> Result<bool, StoreError> {
        if replay.request.act != ReplayAct::Discard {
            return Ok(true);
        }
        let deliveries = page.deliveries.iter();
        let due = deliveries.filter(|it| plan.verdict(it) == Verdict::Due);
        let due = due.count() as u64;
        let Some(last) = page.deliveries.last().filter(|_| due > 0) else {
            return Ok(true);
        };
        let until = Cursor(last.id);
        replay.page = Some(ReplayPage { until, due });
        self.record(replay).await
    }

    /// Counts what was discarded of a page that was announced and not finished.
    pub(super) async fn settle(&self, replay: &mut Replay) -> Result<(), StoreError> {
        let Some(begun) = replay.page else {
            return Ok(());
        };
        let plan = Plan::of_replay(&replay.request, replay.created_at);
        let mut query = plan.query(COUNTED_AT_ONCE);
        query.after = replay.after;
        let mut left = 0;
        loop {
            let page = Arc::clone(&self.store).outlines(query.clone()).await?;
            let announced = page.deliveries.iter();
            let announced = announced.filter(|it| it.id <= begun.until.0);
            left += announced
                .filter(|it| plan.verdict(it) == Verdict::Due)
                .count() as u64;
            query.after = page.next;
            if page.next.is_none_or(|next| next.0 >= begun.until.0) {
                break;
            }
        }
        replay.discarded += begun.due.saturating_sub(left);
        replay.page = None;
        Ok(())
    }

    /// It is through. What was counted and did not come is not there any more as it was.
    pub(super) fn end(&self, replay: &mut Replay) {
        let missing = replay.total.unwrap_or(0).saturating_sub(replay.done());
        if missing > 0 {
            replay.skip(SkipReason::AlreadyDiscarded, missing);
        }
        replay.total = Some(replay.done());
        replay.state = ReplayState::Done;
        replay.ended_at = Some(self.clock.wall());
    }

    async fn came(
        &self,
        plan: &Plan,
        replay: &Replay,
        delivery: &DeliveryOutline,
        pace: &mut Option<Interval>,
    ) -> Result<Came, StoreError> {
        if self.stop.is_asked() {
            return Ok(Came::Stopped);
        }
        let verdict = plan.verdict(delivery);
        if verdict == Verdict::NoPart {
            return Ok(Came::NoPart);
        }
        if let Some(new) = delivery.resent_as
            && self.is_ours(replay.id, new).await?
        {
            return Ok(Came::Acted);
        }
        if let Verdict::Skip(why) = verdict {
            return Ok(Came::Skipped(why));
        }
        if let Some(pace) = pace
            && self.stop.or(pace.tick()).await.is_none()
        {
            return Ok(Came::Stopped);
        }
        Ok(self.act(replay, delivery).await)
    }

    /// Whether this very replay has made the delivery, before a restart.
    async fn is_ours(&self, replay: ReplayId, new: DeliveryId) -> Result<bool, StoreError> {
        let new = Arc::clone(&self.store).delivery(new).await?;
        Ok(new.is_some_and(|new| new.replay == Some(replay)))
    }

    /// Acts upon a delivery, as soon as there is room.
    async fn act(&self, replay: &Replay, delivery: &DeliveryOutline) -> Came {
        loop {
            let came = self.ask(replay, delivery).await;
            if !matches!(came, Came::NoRoom) {
                return came;
            }
            if self.stop.or(sleep(NO_ROOM)).await.is_none() {
                return Came::Stopped;
            }
        }
    }

    async fn ask(&self, replay: &Replay, delivery: &DeliveryOutline) -> Came {
        let command = match replay.request.act {
            ReplayAct::Resend => Command::Replay(delivery.id, Some(delivery.endpoint), replay.id),
            // Others may have made it anew since it was read.
            ReplayAct::Discard => Command::DiscardDead(delivery.id),
            // It goes through events.
            ReplayAct::Backfill => return Came::NoPart,
        };
        match self.answer_to(command).await {
            Some(Answer::Resent(result)) => resent(result),
            Some(Answer::Discarded(result)) => discarded(result),
            // An answer to another question cannot come.
            Some(_) | None => Came::Over,
        }
    }

    /// The engine's answer; `None` if it takes nothing any more.
    pub(super) async fn answer_to(&self, command: Command) -> Option<Answer> {
        let calls = self.calls.upgrade()?;
        let (reply, answer) = oneshot::channel();
        let call = Call::Command(command, None, reply);
        calls.send(call).await.ok()?;
        drop(calls);
        answer.await.ok()
    }
}

fn resent(result: Result<DeliveryId, ResendError>) -> Came {
    match result {
        Ok(_) | Err(ResendError::AlreadyReplayed(_)) => Came::Acted,
        Err(ResendError::Full(_)) => Came::NoRoom,
        Err(ResendError::Closed(_)) => Came::Over,
        Err(ResendError::NoSuchEndpoint(_)) => Came::Skipped(SkipReason::EndpointGone),
        Err(ResendError::NoSuchDelivery(_)) => Came::Skipped(SkipReason::AlreadyDiscarded),
        Err(_) => Came::Skipped(SkipReason::NotEnded),
    }
}

fn discarded(result: Result<(), DiscardError>) -> Came {
    match result {
        Ok(()) => Came::Acted,
        Err(DiscardError::Full(_)) => Came::NoRoom,
        Err(DiscardError::Closed(_)) => Came::Over,
        Err(DiscardError::AlreadyResent(_)) => Came::Skipped(SkipReason::AlreadyResent),
        Err(DiscardError::StillPending(_)) => Came::Skipped(SkipReason::NotEnded),
        Err(DiscardError::AlreadyEnded(_) | DiscardError::NoSuchDelivery(_)) => {
            Came::Skipped(SkipReason::AlreadyDiscarded)
        }
    }
}

/// So many in a second.
fn pace(per_second: NonZeroU32) -> Interval {
    let each = Duration::from_secs(1) / per_second.get();
    let mut pace = interval_at(Instant::now() + each, each);
    // After a pause it does not hurry to make up for it.
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pace
}
