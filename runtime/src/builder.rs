//! Putting a Postrider together.

use crate::clock::{Clock, SystemClock};
use crate::egress::EgressGuard;
use crate::facts::Observer;
use crate::history::Direction;
use crate::outbox::Pump;
use crate::postrider::Postrider;
use crate::replay::{Replay, ReplayLog, ReplayQuery, ReplayState};
use crate::shell::{Parts, Shell};
use crate::store::{MemoryStore, Store, StoreError};
use crate::transport::{HyperTransport, Transport, TransportConfig};
use postrider_engine::{InvalidSpec, Limits};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc};

/// Calls that wait for the shell; a caller beyond waits for a place.
const CALLS_MAX: usize = 1_024;

/// Facts that a subscriber may lag behind.
const FACTS_MAX: usize = 4_096;

/// Replays that are read in one go.
const REPLAYS_AT_ONCE: usize = 100;

/// Chooses the parts. All have defaults.
pub struct Builder {
    store: Arc<dyn Store>,
    transport: Option<Arc<dyn Transport>>,
    guard: EgressGuard,
    limits: Limits,
    clock: Arc<dyn Clock>,
    seed: Option<[u8; 32]>,
    shutdown_timeout: Duration,
    observers: Vec<Arc<dyn Observer>>,
}

/// Why it did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An endpoint on record cannot be sent to.
    #[error("an endpoint on record cannot be used: {0}")]
    Endpoint(#[from] InvalidSpec),
    /// TLS could not be set up.
    #[error("TLS could not be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// The system gives no randomness.
    #[error("the system gives no randomness: {0}")]
    Randomness(getrandom::Error),
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            store: Arc::new(MemoryStore::default()),
            transport: None,
            guard: EgressGuard::public_only(),
            limits: Limits::default(),
            clock: Arc::new(SystemClock),
            seed: None,
            shutdown_timeout: Duration::from_secs(35),
            observers: Vec::new(),
        }
    }
}

impl Builder {
    /// Where events are kept. Default: in memory, bounded.
    #[must_use]
    pub fn store(mut self, store: impl Store) -> Self {
        self.store = Arc::new(store);
        self
    }

    /// The same, with a store that is used elsewhere, too (by a test that restarts, for example).
    #[must_use]
    pub fn shared_store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = store;
        self
    }

    /// Where requests may go; also what [`Postrider::register_endpoint`] checks literal addresses
    /// against. Default: public addresses only.
    #[must_use]
    pub fn egress(mut self, guard: EgressGuard) -> Self {
        self.guard = guard;
        self
    }

    /// How requests are sent. Default: [`HyperTransport`] behind the egress guard. A transport
    /// given here brings its own guard.
    #[must_use]
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.transport = Some(Arc::new(transport));
        self
    }

    /// The bounds.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The calendar. Default: the system's. A store that drops what is old needs the same one: by another,
    /// records may be old as soon as they are made (`SqliteOptions::clock`).
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The seed of ids, jitter and generated secrets. Default: from the system. A fixed seed is
    /// for tests: with it, generated secrets can be guessed.
    #[must_use]
    pub fn seed(mut self, seed: [u8; 32]) -> Self {
        self.seed = Some(seed);
        self
    }

    /// How long [`Postrider::shutdown`] waits for requests under way. Default 35 s: the default
    /// timeout of an attempt, and time to record it.
    #[must_use]
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.shutdown_timeout = timeout;
        self
    }

    /// Tells this one whatever happens, beside those that were given before.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observers.push(observer);
        self
    }

    /// Reads what the store holds and starts delivering it. Must be called in a tokio runtime with
    /// I/O and time.
    ///
    /// # Errors
    ///
    /// [`StartError`] if a part cannot be made ready.
    pub async fn start(self) -> Result<Postrider, StartError> {
        let seed = match self.seed {
            Some(seed) => seed,
            None => random()?,
        };
        let transport: Arc<dyn Transport> = match self.transport {
            Some(transport) => transport,
            None => {
                let config = TransportConfig::new(self.guard.clone())?;
                Arc::new(HyperTransport::new(config))
            }
        };
        let unfinished = unfinished_replays(&self.store).await?;
        let (calls, received) = mpsc::channel(CALLS_MAX);
        let (facts, _) = broadcast::channel(FACTS_MAX);
        let (shell, inputs) = Shell::new(Parts {
            limits: self.limits.clone(),
            seed,
            recovered: Arc::clone(&self.store).recover().await?,
            store: Arc::clone(&self.store),
            transport: Arc::clone(&transport),
            clock: Arc::clone(&self.clock),
            calls: received,
            facts: facts.clone(),
            observers: self.observers,
            shutdown_timeout: self.shutdown_timeout,
        })?;
        let pump = Arc::clone(&self.store).outbox_source();
        let pump = pump.map(|source| {
            let pump = Pump::new(source, calls.downgrade(), Arc::clone(&self.clock));
            tokio::spawn(pump.run())
        });
        tokio::spawn(async move {
            shell.run(inputs).await;
            // It would find out by itself, a little later.
            if let Some(pump) = pump {
                pump.abort();
            }
        });
        let postrider = Postrider::new(
            calls,
            (self.store, self.clock),
            (self.guard, self.limits, transport),
            &facts,
            self.shutdown_timeout,
        );
        for (log, replay) in unfinished {
            postrider.running().start(postrider.runner(log), replay);
        }
        Ok(postrider)
    }
}

/// The replays that a process before this one has begun.
async fn unfinished_replays(
    store: &Arc<dyn Store>,
) -> Result<Vec<(Arc<dyn ReplayLog>, Replay)>, StoreError> {
    let Some(log) = Arc::clone(store).replay_log() else {
        return Ok(Vec::new());
    };
    let mut query = ReplayQuery {
        state: Some(ReplayState::Running),
        direction: Direction::OldestFirst,
        most: REPLAYS_AT_ONCE,
        ..ReplayQuery::default()
    };
    let mut unfinished = Vec::new();
    loop {
        let page = Arc::clone(&log).replays(query.clone()).await?;
        let is_last = page.len() < query.most;
        query.after = page.last().map(|replay| replay.id);
        unfinished.extend(page.into_iter().map(|replay| (Arc::clone(&log), replay)));
        if is_last {
            return Ok(unfinished);
        }
    }
}

fn random() -> Result<[u8; 32], StartError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(StartError::Randomness)?;
    Ok(seed)
}
