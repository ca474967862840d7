//! Replay: one act over many deliveries, by filter and time range.
//!
//! A replay goes through the deliveries that match, in the order in which they were accepted. It makes
//! each anew at the end of its lane with a full set of attempts (the new delivery names the one it
//! makes anew and the replay), or, if its act is to discard, gives each dead letter up. It goes on
//! after a restart where it was, and acts upon each delivery once, even if the process ended in
//! between.
//!
//! What is passed over, and why, says [`SkipReason`]. What was accepted, or had not ended, when the
//! replay was asked for is no part of it, so it never meets its own.
//!
//! A **backfill** goes through events, in the order in which they were accepted, and gives one endpoint
//! those that it has missed: it was new, or disabled, or subscribed to something else. Each delivery
//! is made at the end of its lane, behind what waits there already, and an endpoint that has, or
//! had, a delivery of an event never gets a second one, however often a backfill is begun.

mod backfill;
mod plan;
mod report;
mod runner;
mod stop;

pub use plan::SkipReason;
pub use report::ReplayReport;
pub(crate) use runner::{Runner, Running};
pub(crate) use stop::Stop;

use crate::events::EventCursor;
use crate::history::{Cursor, DeliveryFilter, Direction};
use crate::postrider::Postrider;
use crate::status::ReadError;
use crate::store::{StoreError, StoreFuture};
use plan::Plan;
use postrider_engine::{EndpointId, Filter, Note, ReplayId, TenantId, Wall};
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// What is to be done to which deliveries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplayRequest {
    /// What is done to each.
    pub act: ReplayAct,
    /// Which deliveries. Mostly those that failed (`states: vec![StateKind::Failed]`), or the dead
    /// letters among them (`dead: true`); delivered ones are sent again if they are asked for. A
    /// discard is of dead letters alone, whatever is asked for.
    ///
    /// A backfill looks at events: of the tenant, for the endpoint, which it needs, with these types
    /// and this ordering key, published in this time. The rest does not count.
    pub filter: DeliveryFilter,
    /// Of a backfill: only events whose payload fits this, beside the endpoint's own filter.
    pub payload: Option<Filter>,
    /// How many deliveries are acted upon in a second, at most. `None`: as fast as it goes, within
    /// the bounds and rate limits of the endpoints.
    pub per_second: Option<NonZeroU32>,
}

/// What is done to each delivery of a replay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplayAct {
    /// It is made anew.
    #[default]
    Resend,
    /// It is given up.
    Discard,
    /// An endpoint is given events that it has missed.
    Backfill,
}

/// A replay, and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// Its id.
    pub id: ReplayId,
    /// What was asked for.
    pub request: ReplayRequest,
    /// Whether it goes on.
    pub state: ReplayState,
    /// Up to here it is through; recorded now and then, so it may be further.
    pub after: Option<Cursor>,
    /// The same of a backfill, which goes through events.
    pub after_event: Option<EventCursor>,
    /// The dead letters beyond that which are being discarded.
    pub page: Option<ReplayPage>,
    /// How many deliveries, or events, are part of it; `None` until they are counted.
    pub total: Option<u64>,
    /// Deliveries that it has made anew up to there.
    pub resent: u64,
    /// Dead letters that it has discarded up to there.
    pub discarded: u64,
    /// Deliveries of missed events that it has made up to there.
    pub made: u64,
    /// Deliveries, or events, that it has passed over up to there.
    pub skipped: u64,
    /// The same by the reason, as far as it is known: earlier versions did not record it.
    pub skipped_by: BTreeMap<SkipReason, u64>,
    /// When it was asked for.
    pub created_at: Wall,
    /// When it was through, or cancelled.
    pub ended_at: Option<Wall>,
}

/// Dead letters that a replay is about to discard. A discard leaves no name of who has done it: by
/// this, and by what is left of them, a replay that goes on knows how many it has discarded before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayPage {
    /// The last delivery that was looked at.
    pub until: Cursor,
    /// How many there are to discard.
    pub due: u64,
}

/// Whether a replay goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayState {
    /// It goes on, also after a restart.
    Running,
    /// It is through.
    Done,
    /// It was cancelled. What it has done by then stays so.
    Cancelled,
}

/// Some replays, as they are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplayQuery {
    /// Only those over deliveries of this tenant.
    pub tenant: Option<TenantId>,
    /// Only those in this state.
    pub state: Option<ReplayState>,
    /// In which order: that of their ids, which begin with their times.
    pub direction: Direction,
    /// Only those that come after this one.
    pub after: Option<ReplayId>,
    /// How many at most.
    pub most: usize,
}

/// Where a store keeps its replays.
pub trait ReplayLog: Send + Sync + 'static {
    /// Records a replay, in the place of what was recorded under its id.
    fn put(self: Arc<Self>, replay: Replay) -> StoreFuture<Result<(), StoreError>>;

    /// The same, and keeps the note of it in the same step. A store that has no
    /// [`AuditLog`](crate::AuditLog) leaves the note out.
    fn put_noted(
        self: Arc<Self>,
        replay: Replay,
        note: Note,
    ) -> StoreFuture<Result<(), StoreError>> {
        drop(note);
        self.put(replay)
    }

    /// Records a replay, and the note of it if there is one, if what is on record under its id runs;
    /// whether it does. In one step: what has ended stays as it is.
    fn put_if_running(
        self: Arc<Self>,
        replay: Replay,
        note: Option<Note>,
    ) -> StoreFuture<Result<bool, StoreError>>;

    /// A replay.
    fn replay(self: Arc<Self>, id: ReplayId) -> StoreFuture<Result<Option<Replay>, StoreError>>;

    /// A page of those on record.
    fn replays(self: Arc<Self>, query: ReplayQuery)
    -> StoreFuture<Result<Vec<Replay>, StoreError>>;
}

/// Why a replay was not started or cancelled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// The store has no place for replays.
    #[error("this store keeps no replays: resend deliveries one by one, or use another store")]
    NotKept,
    /// It is not said which endpoint is to be given what it has missed.
    #[error("a backfill is for one endpoint: name it")]
    NoEndpoint,
    /// No such replay.
    #[error("there is no replay {0}: it was never started, or its record has been dropped")]
    NoSuchReplay(ReplayId),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system gives no randomness.
    #[error("the system gives no randomness: {0}")]
    Randomness(String),
    /// It has stopped, or is about to.
    #[error(transparent)]
    Closed(#[from] postrider_engine::Closed),
}

impl Postrider {
    /// What a replay would do if it were started now, and what it would pass over. Started at once,
    /// it does just that, but for what others do meanwhile.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn report_replay(&self, request: &ReplayRequest) -> Result<ReplayReport, ReadError> {
        if request.act == ReplayAct::Backfill {
            return Ok(backfill::report(&self.store(), request, self.wall()).await?);
        }
        let plan = Plan::of_dry_run(request, self.wall());
        Ok(report::made(&self.store(), &plan).await?)
    }

    /// How many deliveries a replay would act upon if it were started now.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn count_replay(&self, request: &ReplayRequest) -> Result<u64, ReadError> {
        Ok(self.report_replay(request).await?.acted_on)
    }

    /// Starts a replay. When this returns it is on record.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] says why not.
    pub async fn start_replay(&self, request: ReplayRequest) -> Result<ReplayId, ReplayError> {
        Ok(self.begin_replay(request).await?.id)
    }

    /// The same; gives the replay as it was recorded.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] says why not.
    pub async fn begin_replay(&self, request: ReplayRequest) -> Result<Replay, ReplayError> {
        self.check_open()?;
        if request.act == ReplayAct::Backfill && request.filter.endpoint.is_none() {
            return Err(ReplayError::NoEndpoint);
        }
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| ReplayError::Randomness(error.to_string()))?;
        let created_at = self.wall();
        let id = ReplayId::from_parts(created_at, u128::from_be_bytes(random));
        let replay = Replay::new(id, request, created_at);
        let (postrider, log) = (self.clone(), self.replay_log()?);
        // Whoever asks may go away: what is on record as running has a task that does it.
        let begun = tokio::spawn(async move {
            postrider.put_replay(&log, replay.clone()).await?;
            let runner = postrider.runner(log);
            postrider.running().start(runner, replay.clone());
            Ok::<_, ReplayError>(replay)
        });
        whole(begun).await
    }

    /// Some of the replays on record.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] says why not.
    pub async fn replays(&self, query: ReplayQuery) -> Result<Vec<Replay>, ReplayError> {
        Ok(self.replay_log()?.replays(query).await?)
    }

    /// A replay.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] says why not.
    pub async fn replay_status(&self, id: &ReplayId) -> Result<Replay, ReplayError> {
        let known = self.replay_log()?.replay(*id).await?;
        known.ok_or(ReplayError::NoSuchReplay(*id))
    }

    /// Stops a replay for good; what it has done by then stays so. One that has ended stays as it
    /// is.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] says why not.
    pub async fn cancel_replay(&self, id: &ReplayId) -> Result<Replay, ReplayError> {
        let (postrider, id) = (self.clone(), *id);
        // Whoever asks may go away: what was stopped is on record as such, or goes on.
        whole(tokio::spawn(async move { postrider.cancel(id).await })).await
    }

    async fn cancel(&self, id: ReplayId) -> Result<Replay, ReplayError> {
        let runner = self.runner(self.replay_log()?);
        let stopped = self.running().stop(id).await;
        let cancelled = self.put_cancelled(&runner, id, stopped.clone()).await;
        let runs = stopped.filter(|it| it.state == ReplayState::Running);
        if let Some(replay) = runs.filter(|_| cancelled.is_err()) {
            // On record it runs still.
            self.running().start(runner, replay);
        }
        cancelled
    }

    async fn put_cancelled(
        &self,
        runner: &Runner,
        id: ReplayId,
        stopped: Option<Replay>,
    ) -> Result<Replay, ReplayError> {
        let mut replay = match stopped {
            Some(stopped) => stopped,
            None => self.replay_status(&id).await?,
        };
        if replay.state == ReplayState::Running {
            runner.settle(&mut replay).await?;
            replay.state = ReplayState::Cancelled;
            replay.ended_at = Some(self.wall());
            let log = Arc::clone(&runner.log);
            let note = self.note_of(id);
            if log.put_if_running(replay.clone(), note).await? {
                return Ok(replay);
            }
        }
        self.replay_status(&id).await
    }

    /// Records it, with what this handle notes.
    async fn put_replay(&self, log: &Arc<dyn ReplayLog>, replay: Replay) -> Result<(), StoreError> {
        let log = Arc::clone(log);
        match self.note_of(replay.id) {
            Some(note) => log.put_noted(replay, note).await,
            None => log.put(replay).await,
        }
    }

    fn note_of(&self, replay: ReplayId) -> Option<Note> {
        let mut note = self.note().cloned()?;
        note.target.get_or_insert_with(|| replay.to_string().into());
        Some(note)
    }

    fn replay_log(&self) -> Result<Arc<dyn ReplayLog>, ReplayError> {
        self.store().replay_log().ok_or(ReplayError::NotKept)
    }
}

/// What a task of its own has done: all of it, whether or not anybody has waited.
async fn whole(task: JoinHandle<Result<Replay, ReplayError>>) -> Result<Replay, ReplayError> {
    let done = task.await;
    done.unwrap_or_else(|error| Err(StoreError(error.to_string()).into()))
}

impl ReplayAct {
    /// `resend`, `discard`, `backfill`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Resend => "resend",
            Self::Discard => "discard",
            Self::Backfill => "backfill",
        }
    }

    /// The one with this [`name`](Self::name).
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Resend, Self::Discard, Self::Backfill]
            .into_iter()
            .find(|act| act.name() == name)
    }
}

impl ReplayRequest {
    /// A request to give this endpoint, which is this tenant's, what it has missed: every event that it
    /// subscribes to and has no delivery of.
    #[must_use]
    pub fn backfill(tenant: TenantId, endpoint: EndpointId) -> Self {
        Self {
            act: ReplayAct::Backfill,
            filter: DeliveryFilter {
                tenant: Some(tenant),
                endpoint: Some(endpoint),
                ..DeliveryFilter::default()
            },
            ..Self::default()
        }
    }
}

impl Replay {
    /// One that begins.
    pub(crate) fn new(id: ReplayId, request: ReplayRequest, created_at: Wall) -> Self {
        Self {
            id,
            request,
            state: ReplayState::Running,
            after: None,
            after_event: None,
            page: None,
            total: None,
            resent: 0,
            discarded: 0,
            made: 0,
            skipped: 0,
            skipped_by: BTreeMap::new(),
            created_at,
            ended_at: None,
        }
    }

    /// How many deliveries, or events, it is through with.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.resent + self.discarded + self.made + self.skipped
    }

    /// It has passed over so many.
    fn skip(&mut self, why: SkipReason, count: u64) {
        self.skipped += count;
        *self.skipped_by.entry(why).or_default() += count;
    }
}

impl ReplayQuery {
    /// Whether a replay is among those asked for.
    pub(crate) fn takes(&self, replay: &Replay) -> bool {
        let tenant = &replay.request.filter.tenant;
        let comes_after = |after: ReplayId| match self.direction {
            Direction::NewestFirst => replay.id < after,
            Direction::OldestFirst => replay.id > after,
        };
        (self.tenant.is_none() || self.tenant == *tenant)
            && self.state.is_none_or(|state| state == replay.state)
            && self.after.is_none_or(comes_after)
    }
}
