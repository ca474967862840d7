//! What a request holds while it uses the pool. Dropping a handle gives up what it stands for.

use super::{Connection, Pool, Shared};
use postrider_engine::Phase;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;
use tokio::time::Instant;

/// An exclusive connection in use. Dropped, it is closed.
pub(crate) struct Lease<E: Connection, M: Shared> {
    connection: E,
    home: Home<E, M>,
}

/// Where a leased connection is counted.
struct Home<E: Connection, M: Shared> {
    pool: Arc<Pool<E, M>>,
    origin: Arc<str>,
    given_back: bool,
}

impl<E: Connection, M: Shared> Lease<E, M> {
    pub(super) fn new(pool: Arc<Pool<E, M>>, origin: Arc<str>, connection: E) -> Self {
        let home = Home {
            pool,
            origin,
            given_back: false,
        };
        Self { connection, home }
    }

    /// Keeps the connection for the next request, as far as there is room. It is idle as of
    /// `since`.
    pub(crate) fn give_back(self, since: Instant) {
        let Self {
            connection,
            mut home,
        } = self;
        home.given_back = true;
        home.give_back(Some((connection, since)));
    }
}

impl<E: Connection, M: Shared> Home<E, M> {
    fn give_back(&self, connection: Option<(E, Instant)>) {
        let mut closed = Vec::new();
        let mut state = self.pool.lock();
        state.give_back(&self.origin, connection, &self.pool.limits, &mut closed);
        drop(state);
    }
}

impl<E: Connection, M: Shared> Drop for Home<E, M> {
    fn drop(&mut self) {
        if !self.given_back {
            self.give_back(None);
        }
    }
}

impl<E: Connection, M: Shared> Deref for Lease<E, M> {
    type Target = E;

    fn deref(&self) -> &E {
        &self.connection
    }
}

impl<E: Connection, M: Shared> DerefMut for Lease<E, M> {
    fn deref_mut(&mut self) -> &mut E {
        &mut self.connection
    }
}

/// A place on a shared connection, which stays open while there is a slot on it.
///
/// Dropped before an [`answer`](Slot::answered), it retires the connection: requests under way go
/// on, new ones use another. Otherwise a connection whose path has gone silent would swallow
/// request after request, each for the whole of its time.
pub(crate) struct Slot<E: Connection, M: Shared> {
    connection: M,
    id: u64,
    answered: bool,
    pool: Arc<Pool<E, M>>,
    origin: Arc<str>,
}

impl<E: Connection, M: Shared> Slot<E, M> {
    pub(super) fn new(pool: Arc<Pool<E, M>>, origin: Arc<str>, id: u64, connection: M) -> Self {
        Self {
            connection,
            id,
            answered: false,
            pool,
            origin,
        }
    }

    /// The receiver has answered: the connection is alive.
    pub(crate) fn answered(&mut self) {
        self.answered = true;
    }
}

impl<E: Connection, M: Shared> Drop for Slot<E, M> {
    fn drop(&mut self) {
        let mut closed = Vec::new();
        let mut state = self.pool.lock();
        state.release(
            &self.origin,
            self.id,
            !self.answered,
            &self.pool.limits,
            &mut closed,
        );
        drop(state);
    }
}

impl<E: Connection, M: Shared> Deref for Slot<E, M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.connection
    }
}

impl<E: Connection, M: Shared> DerefMut for Slot<E, M> {
    fn deref_mut(&mut self) -> &mut M {
        &mut self.connection
    }
}

/// The right to make a connection. Whoever waits for it is woken when it is used or dropped.
pub(crate) struct DialPermit<E: Connection, M: Shared> {
    pool: Arc<Pool<E, M>>,
    origin: Arc<str>,
    dialing: Option<Arc<Dialing>>,
}

impl<E: Connection, M: Shared> DialPermit<E, M> {
    pub(super) fn new(
        pool: Arc<Pool<E, M>>,
        origin: Arc<str>,
        dialing: Option<Arc<Dialing>>,
    ) -> Self {
        Self {
            pool,
            origin,
            dialing,
        }
    }

    /// What others see of it, if others may wait for it.
    pub(crate) fn dialing(&self) -> Option<Arc<Dialing>> {
        self.dialing.clone()
    }

    /// The connection is exclusive, and this request's.
    pub(crate) fn exclusive(self, connection: E) -> Lease<E, M> {
        self.pool.lock().add_exclusive(&self.origin);
        Lease::new(Arc::clone(&self.pool), Arc::clone(&self.origin), connection)
    }

    /// The connection is shared, and this request is its first.
    pub(crate) fn shared(self, connection: M) -> Slot<E, M> {
        let id = self
            .pool
            .lock()
            .add_shared(&self.origin, connection.clone());
        Slot::new(
            Arc::clone(&self.pool),
            Arc::clone(&self.origin),
            id,
            connection,
        )
    }
}

impl<E: Connection, M: Shared> Drop for DialPermit<E, M> {
    fn drop(&mut self) {
        self.pool
            .lock()
            .settle(&self.origin, self.dialing.is_some());
        if let Some(dialing) = &self.dialing {
            dialing.settled.notify_waiters();
        }
    }
}

/// A connection being made that others wait for.
#[derive(Debug)]
pub(crate) struct Dialing {
    phase: Mutex<Phase>,
    settled: Arc<Notify>,
}

impl Dialing {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            phase: Mutex::new(Phase::Resolve),
            settled: Arc::new(Notify::new()),
        })
    }

    /// Ready when the connection was made or given up, if it was asked for before that.
    pub(super) fn settled(&self) -> OwnedNotified {
        Arc::clone(&self.settled).notified_owned()
    }

    /// How far the connection is.
    pub(crate) fn phase(&self) -> Phase {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection has come this far.
    pub(crate) fn enter(&self, phase: Phase) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    }
}
