//! Replays in memory.

use super::MemoryStore;
use crate::history::Direction;
use crate::replay::{Replay, ReplayLog, ReplayQuery, ReplayState};
use crate::store::{StoreError, StoreFuture};
use postrider_engine::{Note, ReplayId};
use std::collections::BTreeMap;
use std::future::ready;
use std::sync::{Arc, MutexGuard, PoisonError};

/// Replays that are kept; those that have ended go first, the oldest before the others.
const REPLAYS_MAX: usize = 1_000;

impl MemoryStore {
    fn replayed(&self) -> MutexGuard<'_, BTreeMap<ReplayId, Replay>> {
        self.replays.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn keep(replays: &mut BTreeMap<ReplayId, Replay>, replay: Replay) {
    replays.insert(replay.id, replay);
    let has_ended = |replay: &&Replay| replay.state != ReplayState::Running;
    let oldest = replays.values().find(has_ended).map(|replay| replay.id);
    if let Some(oldest) = oldest.filter(|_| replays.len() > REPLAYS_MAX) {
        replays.remove(&oldest);
    }
}

impl ReplayLog for MemoryStore {
    fn put(self: Arc<Self>, replay: Replay) -> StoreFuture<Result<(), StoreError>> {
        keep(&mut self.replayed(), replay);
        Box::pin(ready(Ok(())))
    }

    fn put_if_running(
        self: Arc<Self>,
        replay: Replay,
        note: Option<Note>,
    ) -> StoreFuture<Result<bool, StoreError>> {
        let mut replays = self.replayed();
        let known = replays.get(&replay.id);
        let is_running = known.is_some_and(|it| it.state == ReplayState::Running);
        if is_running {
            keep(&mut replays, replay);
            if let Some(note) = note {
                self.notes().keep(note);
            }
        }
        drop(replays);
        Box::pin(ready(Ok(is_running)))
    }

    fn put_noted(
        self: Arc<Self>,
        replay: Replay,
        note: Note,
    ) -> StoreFuture<Result<(), StoreError>> {
        self.notes().keep(note);
        ReplayLog::put(self, replay)
    }

    fn replay(self: Arc<Self>, id: ReplayId) -> StoreFuture<Result<Option<Replay>, StoreError>> {
        let found = self.replayed().get(&id).cloned();
        Box::pin(ready(Ok(found)))
    }

    fn replays(
        self: Arc<Self>,
        query: ReplayQuery,
    ) -> StoreFuture<Result<Vec<Replay>, StoreError>> {
        let replays = self.replayed();
        let all: Box<dyn Iterator<Item = &Replay>> = match query.direction {
            Direction::NewestFirst => Box::new(replays.values().rev()),
            Direction::OldestFirst => Box::new(replays.values()),
        };
        let found = all.filter(|it| query.takes(it)).take(query.most);
        let found: Vec<Replay> = found.cloned().collect();
        Box::pin(ready(Ok(found)))
    }
}
