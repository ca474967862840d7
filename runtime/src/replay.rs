//! Replay: making many deliveries anew, by filter and time range.
//!
//! A replay goes through the deliveries that match, in the order in which they were accepted, and
//! makes each anew at the end of its lane with a full set of attempts; the new delivery names the
//! one it makes anew and the replay. It goes on after a restart where it was, and makes each
//! delivery anew once, even if the process ended in between.
//!
//! What is passed over: deliveries that have not ended, dead letters that somebody has resent
//! already, and deliveries to endpoints that are gone. Deliveries that were accepted after the
//! replay was asked for are no part of it, so it never meets its own.

mod runner;

pub(crate) use runner::{Runner, Running};

use crate::history::{Cursor, DeliveryFilter, DeliveryQuery, Direction};
use crate::postrider::Postrider;
use crate::status::ReadError;
use crate::store::{StoreError, StoreFuture};
use postrider_engine::{DeliveryRecord, DeliveryState, Note, ReplayId, Wall};
use std::num::NonZeroU32;
use std::sync::Arc;

/// What is to be made anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplayRequest {
    /// Which deliveries. Mostly those that failed (`states: vec![StateKind::Failed]`); delivered
    /// ones are sent again if they are asked for.
    pub filter: DeliveryFilter,
    /// How many deliveries are made anew in a second, at most. `None`: as fast as it goes, within
    /// the bounds and rate limits of the endpoints.
    pub per_second: Option<NonZeroU32>,
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
    /// Deliveries that it has made anew up to there.
    pub resent: u64,
    /// Deliveries that it has passed over up to there.
    pub skipped: u64,
    /// When it was asked for.
    pub created_at: Wall,
}

/// Whether a replay goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayState {
    /// It goes on, also after a restart.
    Running,
    /// It is through.
    Done,
    /// It was cancelled. What it has made anew by then is delivered.
    Cancelled,
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

    /// Those on record, oldest first.
    fn replays(self: Arc<Self>) -> StoreFuture<Result<Vec<Replay>, StoreError>>;
}

/// Why a replay was not started or cancelled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// The store has no place for replays.
    #[error("this store keeps no replays: resend deliveries one by one, or use another store")]
    NotKept,
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

/// Deliveries that are looked at in one go.
const PAGE: usize = 100;

impl Postrider {
    /// How many deliveries a replay would make anew if it were started now.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn count_replay(&self, request: &ReplayRequest) -> Result<u64, ReadError> {
        let mut query = query(request, self.wall());
        let mut count = 0;
        loop {
            let page = self.deliveries(query.clone()).await?;
            count += page.deliveries.iter().filter(|it| is_due(it)).count() as u64;
            if page.next.is_none() {
                return Ok(count);
            }
            query.after = page.next;
        }
    }

    /// Starts a replay. When this returns it is on record.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] says why not.
    pub async fn start_replay(&self, request: ReplayRequest) -> Result<ReplayId, ReplayError> {
        self.check_open()?;
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| ReplayError::Randomness(error.to_string()))?;
        let created_at = self.wall();
        let id = ReplayId::from_parts(created_at, u128::from_be_bytes(random));
        let replay = Replay {
            id,
            request,
            state: ReplayState::Running,
            after: None,
            resent: 0,
            skipped: 0,
            created_at,
        };
        let log = self.replay_log()?;
        self.put_replay(&log, replay.clone()).await?;
        self.running().start(self.runner(log), replay);
        Ok(id)
    }

    /// The replays on record, oldest first.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] says why not.
    pub async fn replays(&self) -> Result<Vec<Replay>, ReplayError> {
        Ok(self.replay_log()?.replays().await?)
    }

    /// A replay.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] says why not.
    pub async fn replay_status(&self, id: &ReplayId) -> Result<Replay, ReplayError> {
        let known = self.replays().await?.into_iter().find(|it| it.id == *id);
        known.ok_or(ReplayError::NoSuchReplay(*id))
    }

    /// Stops a replay for good; what it has made anew by then is delivered. One that has ended
    /// stays as it is.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] says why not.
    pub async fn cancel_replay(&self, id: &ReplayId) -> Result<Replay, ReplayError> {
        self.running().stop(*id).await;
        let mut replay = self.replay_status(id).await?;
        if replay.state == ReplayState::Running {
            replay.state = ReplayState::Cancelled;
            let log = self.replay_log()?;
            self.put_replay(&log, replay.clone()).await?;
        }
        Ok(replay)
    }

    /// Records it, with what this handle notes.
    async fn put_replay(&self, log: &Arc<dyn ReplayLog>, replay: Replay) -> Result<(), StoreError> {
        let log = Arc::clone(log);
        let Some(mut note) = self.note().cloned() else {
            return log.put(replay).await;
        };
        note.target
            .get_or_insert_with(|| replay.id.to_string().into());
        log.put_noted(replay, note).await
    }

    fn replay_log(&self) -> Result<Arc<dyn ReplayLog>, ReplayError> {
        self.store().replay_log().ok_or(ReplayError::NotKept)
    }
}

/// The first page of what a replay looks at.
fn query(request: &ReplayRequest, asked_at: Wall) -> DeliveryQuery {
    let mut filter = request.filter.clone();
    filter.until = Some(filter.until.map_or(asked_at, |until| until.min(asked_at)));
    DeliveryQuery {
        filter,
        direction: Direction::OldestFirst,
        after: None,
        most: PAGE,
    }
}

/// Whether a replay makes it anew.
fn is_due(record: &DeliveryRecord) -> bool {
    let was_resent = record.resent_as.is_some();
    let is_failed = matches!(record.state, DeliveryState::Failed(_));
    record.state.is_end() && !(is_failed && was_resent)
}
