//! The durable store: one SQLite file.
//!
//! One thread writes, in transactions that are synced before they are answered
//! (`synchronous=FULL`, in a write-ahead log); readers have connections of their own. A lock on the
//! file keeps a second process away, and nothing is acknowledged into a file that is not there any
//! more.

mod agenda;
mod audit;
mod backfills;
mod backup;
mod changes;
mod due;
mod endpoints;
mod events;
mod fault;
mod file;
mod held;
mod history;
mod hours;
mod key_file;
mod keyed;
mod lanes;
mod merge;
mod modes;
mod named_lanes;
mod note_shares;
mod open_error;
mod options;
mod outbox;
mod outlines;
mod overview;
mod patience;
mod reads;
mod records;
mod remains;
mod replays;
mod reserve;
mod retention;
mod rows;
mod schema;
mod seal;
mod search;
mod sent;
mod spec;
mod summaries;
mod waiting;
mod waiting_lanes;
mod watch;
mod writer;

pub use backup::{BackupError, Copied};
pub use file::SqliteFile;
pub use modes::{Loose, loose, loose_files};
pub use open_error::OpenError;
pub use options::SqliteOptions;
pub use retention::Retention;
pub use schema::SchemaError;
pub use seal::{KeyRing, SealError};

use super::{Store, StoreError, StoreFuture};
use crate::agenda::Agenda;
use crate::audit::AuditLog;
use crate::event_outline::{EventOutlinePage, EventOutlineQuery};
use crate::events::{EventCursor, EventPage, EventQuery, EventRecord};
use crate::history::{DeadLetterGroup, DeliveryPage, DeliveryQuery, SummaryPage};
use crate::outbox::{Outbox, OutboxSource};
use crate::outline::OutlinePage;
use crate::overview::{EndpointCounts, EndpointPage, EndpointQuery, Overview, TenantCounts};
use crate::place::StorePlace;
use crate::readiness::NotReady;
use crate::reading::LaneRecord;
use crate::records::Records;
use crate::replay::ReplayLog;
use crate::search::{EventSearch, FoundEvents};
use crate::statistics::Hour;
use crate::waiting_lanes::{LanePage, LaneQuery};
use bytes::Bytes;
use fault::StoreFault;
use held::Lock;
use modes::tell_loose;
use outbox::SqliteOutbox;
use patience::Patience;
use postrider_engine::{
    Attempt, Change, CommitError, DeliveryId, DeliveryRecord, Endpoint, EndpointId, EventId,
    Ledger, Load, Loaded, Note, OrderingKey, Receipt, Recovered, TenantId, Wall,
};
use rusqlite::Connection;
use schema::Home;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot, watch as told};
use writer::{Housekeeping, Job};

/// Reads for the engine at once, and as many for people: a thread and a connection each. The
/// others wait, and what people look at does not hold up delivery.
const READS_MAX: usize = 4;

/// What no core has asked for is given to the writer so much at a time: so many transactions at
/// most come between two groups of the engine's.
const BESIDE_MAX: usize = 4;

/// How long a connection waits for another one of this process.
const BUSY: Duration = Duration::from_secs(5);

/// A store in one SQLite file. What it has acknowledged survives a crash of the process and a loss
/// of power.
///
/// Beside the file `NAME` stand SQLite's own `NAME-wal` and `NAME-shm`, `NAME-lock`,
/// `NAME-reserve` (room for results when the disk is full) and, unless a [`KeyRing`] is given,
/// `NAME-key`.
pub struct SqliteStore {
    path: PathBuf,
    keys: Arc<KeyRing>,
    jobs: Option<mpsc::Sender<Job>>,
    writer: Option<JoinHandle<()>>,
    readers: Mutex<Vec<Connection>>,
    for_engine: Arc<Semaphore>,
    for_people: Arc<Semaphore>,
    beside: Arc<Semaphore>,
    outbox: Arc<SqliteOutbox>,
    failure: told::Receiver<Option<String>>,
}

impl SqliteStore {
    /// Opens the file. Makes it if nothing beside it says that there was one before. The secrets of
    /// endpoints are sealed with a key in a file beside it.
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        SqliteOptions::default().open(path)
    }

    /// How to open it otherwise.
    #[must_use]
    pub fn options() -> SqliteOptions {
        SqliteOptions::default()
    }

    fn with(path: &Path, options: SqliteOptions) -> Result<Self, OpenError> {
        let at = |error| OpenError::File {
            path: path.to_owned(),
            error,
        };
        let lock = Lock::take(path, options.home, options.anew)?;
        let descriptor = lock.descriptor();
        let file = SqliteFile::open(path, lock, options.keys, options.home)?;
        seal::sync_directory(path).map_err(at)?;
        if options.home == Home::Own {
            tell_loose(path);
        }
        let keys = file.keys();
        let (jobs, asked) = mpsc::channel();
        let (tells, failure) = told::channel(None);
        let thread = thread::Builder::new().name("postrider-writer".to_owned());
        let housekeeping = Housekeeping::new(options.retention, options.clock);
        let writer = thread.spawn(move || writer::run(file, &asked, housekeeping, &tells));
        let writer = writer.map_err(at)?;
        let outbox = Arc::new(SqliteOutbox::new(path, descriptor));
        if options.home == Home::Shared {
            outbox.look_for_others();
        }
        let store = Self {
            path: path.to_owned(),
            keys,
            jobs: Some(jobs),
            writer: Some(writer),
            readers: Mutex::new(Vec::new()),
            for_engine: Arc::new(Semaphore::new(READS_MAX)),
            for_people: Arc::new(Semaphore::new(READS_MAX)),
            beside: Arc::new(Semaphore::new(BESIDE_MAX)),
            outbox,
            failure,
        };
        store.open_readers();
        Ok(store)
    }

    /// What an application publishes with, in its own transactions on this file: see
    /// [`crate::outbox`].
    #[must_use]
    pub fn outbox(&self) -> Outbox {
        self.outbox.for_application()
    }

    fn ask(&self, job: Job) {
        if let Some(jobs) = &self.jobs {
            // If the writer has ended, the answer's sender goes with the job.
            let _ = jobs.send(job);
        }
    }

    /// Has the writer do something that no core has asked for.
    fn beside<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut SqliteFile) -> Result<T, StoreFault> + Send + 'static,
    ) -> StoreFuture<Result<T, StoreFault>> {
        let (store, turn) = (Arc::clone(self), Arc::clone(&self.beside));
        Box::pin(async move {
            // It is never closed, so there is always a turn. The writer keeps it until it is done,
            // whether or not anybody waits for that.
            let turn = turn.acquire_owned().await;
            let (reply, done) = oneshot::channel();
            store.ask(Job::Beside(Box::new(move |file| {
                // Whoever asked may be gone.
                let _ = reply.send(work(file));
                drop(turn);
            })));
            let done = writer::answer_to(done).await;
            done.unwrap_or(Err(StoreFault::Stopped))
        })
    }

    /// All that are ever used at once: later there may be no descriptors for them.
    fn open_readers(&self) {
        let opened = (0..2 * READS_MAX).map_while(|_| reads::open(&self.path).ok());
        self.readers().extend(opened);
    }

    fn readers(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection that only reads. If there are no descriptors for one, it waits for them.
    fn reader(&self) -> Result<Connection, StoreFault> {
        let kept = self.readers().pop();
        if let Some(kept) = kept {
            return Ok(kept);
        }
        let mut waited = Patience::default();
        loop {
            match reads::open(&self.path) {
                Err(error) if self.failure.borrow().is_none() && waited.for_room(&error) => (),
                opened => return Ok(opened?),
            }
        }
    }

    /// Reads for people.
    fn read<T: Send + 'static>(
        self: Arc<Self>,
        read: impl FnOnce(&Connection, &KeyRing) -> Result<T, StoreFault> + Send + 'static,
    ) -> StoreFuture<Result<T, StoreError>> {
        let turn = Arc::clone(&self.for_people);
        self.read_in_turn(turn, read)
    }

    /// Reads on a thread that may wait for the disk.
    fn read_in_turn<T: Send + 'static>(
        self: Arc<Self>,
        turn: Arc<Semaphore>,
        read: impl FnOnce(&Connection, &KeyRing) -> Result<T, StoreFault> + Send + 'static,
    ) -> StoreFuture<Result<T, StoreError>> {
        Box::pin(async move {
            // It is never closed, so there is always a turn.
            let _turn = turn.acquire_owned().await;
            let reading = tokio::task::spawn_blocking(move || {
                let connection = self.reader()?;
                let done = read(&connection, &self.keys);
                if done.is_ok() {
                    self.readers().push(connection);
                }
                done
            });
            let done = reading.await.unwrap_or(Err(StoreFault::Stopped));
            done.map_err(StoreError::from)
        })
    }
}

impl Store for SqliteStore {
    fn recover(self: Arc<Self>) -> StoreFuture<Result<Recovered, StoreError>> {
        let (reply, recovered) = oneshot::channel();
        self.ask(Job::Recover(reply));
        Box::pin(async move {
            let stopped = || Err(StoreFault::Stopped.into());
            let recovered = writer::answer_to(recovered).await;
            recovered.unwrap_or_else(stopped)
        })
    }

    fn commit(
        self: Arc<Self>,
        changes: Vec<Change>,
    ) -> StoreFuture<Vec<Result<Receipt, CommitError>>> {
        self.commit_noted(changes, Vec::new())
    }

    fn commit_noted(
        self: Arc<Self>,
        changes: Vec<Change>,
        notes: Vec<(usize, Note)>,
    ) -> StoreFuture<Vec<Result<Receipt, CommitError>>> {
        let count = changes.len();
        let (reply, answers) = oneshot::channel();
        self.ask(Job::Commit(changes, notes, reply));
        Box::pin(async move {
            let stopped = || Err(CommitError::Failed(StoreFault::Stopped.to_string()));
            let answers = writer::answer_to(answers).await;
            answers.unwrap_or_else(|| (0..count).map(|_| stopped()).collect())
        })
    }

    fn load(self: Arc<Self>, load: Load) -> StoreFuture<Result<Loaded, StoreError>> {
        let turn = Arc::clone(&self.for_engine);
        self.read_in_turn(turn, move |connection, _| reads::load(connection, &load))
    }

    fn endpoint(
        self: Arc<Self>,
        id: EndpointId,
    ) -> StoreFuture<Result<Option<Endpoint>, StoreError>> {
        self.read(move |connection, keys| reads::endpoint(connection, keys, id))
    }

    fn endpoints(self: Arc<Self>) -> StoreFuture<Result<Vec<Endpoint>, StoreError>> {
        self.read(reads::endpoints)
    }

    fn endpoints_of(
        self: Arc<Self>,
        tenant: TenantId,
        after: Option<EndpointId>,
        most: usize,
    ) -> StoreFuture<Result<Vec<Endpoint>, StoreError>> {
        self.read(move |connection, keys| {
            reads::endpoints_of(connection, keys, (&tenant, after, most))
        })
    }

    fn deliveries_of(
        self: Arc<Self>,
        event: EventId,
    ) -> StoreFuture<Result<Option<Vec<DeliveryRecord>>, StoreError>> {
        self.read(move |connection, _| reads::deliveries_of(connection, event))
    }

    fn event(self: Arc<Self>, id: EventId) -> StoreFuture<Result<Option<EventRecord>, StoreError>> {
        self.read(move |connection, _| events::event(connection, id))
    }

    fn events(self: Arc<Self>, query: EventQuery) -> StoreFuture<Result<EventPage, StoreError>> {
        self.read(move |connection, _| events::page(connection, &query))
    }

    fn find_events(
        self: Arc<Self>,
        search: EventSearch,
    ) -> StoreFuture<Result<FoundEvents, StoreError>> {
        self.read(move |connection, _| search::find(connection, &search))
    }

    fn event_outlines(
        self: Arc<Self>,
        query: EventOutlineQuery,
    ) -> StoreFuture<Result<EventOutlinePage, StoreError>> {
        self.read(move |connection, _| backfills::page(connection, &query))
    }

    fn newest_event(self: Arc<Self>) -> StoreFuture<Result<Option<EventCursor>, StoreError>> {
        self.read(|connection, _| events::newest(connection))
    }

    fn delivery(
        self: Arc<Self>,
        id: DeliveryId,
    ) -> StoreFuture<Result<Option<DeliveryRecord>, StoreError>> {
        self.read(move |connection, _| reads::delivery(connection, id))
    }

    fn attempts(
        self: Arc<Self>,
        delivery: DeliveryId,
        after: u32,
        most: usize,
    ) -> StoreFuture<Result<Vec<Attempt>, StoreError>> {
        self.read(move |connection, _| sent::attempts(connection, (delivery, after, most)))
    }

    fn request_body(
        self: Arc<Self>,
        delivery: DeliveryId,
        number: u32,
    ) -> StoreFuture<Result<Option<Bytes>, StoreError>> {
        self.read(move |connection, _| sent::body(connection, delivery, number))
    }

    fn dead_letters(
        self: Arc<Self>,
        endpoint: EndpointId,
        after: Option<DeliveryId>,
        most: usize,
    ) -> StoreFuture<Result<Vec<DeliveryRecord>, StoreError>> {
        self.read(move |connection, _| reads::dead_letters(connection, endpoint, after, most))
    }

    fn deliveries(
        self: Arc<Self>,
        query: DeliveryQuery,
    ) -> StoreFuture<Result<DeliveryPage, StoreError>> {
        self.read(move |connection, _| history::page(connection, &query))
    }

    fn outlines(
        self: Arc<Self>,
        query: DeliveryQuery,
    ) -> StoreFuture<Result<OutlinePage, StoreError>> {
        self.read(move |connection, _| outlines::page(connection, &query))
    }

    fn delivery_summaries(
        self: Arc<Self>,
        query: DeliveryQuery,
    ) -> StoreFuture<Result<SummaryPage, StoreError>> {
        self.read(move |connection, _| summaries::page(connection, &query))
    }

    fn lanes(
        self: Arc<Self>,
        endpoint: EndpointId,
        after: Option<OrderingKey>,
        most: usize,
    ) -> StoreFuture<Result<Vec<LaneRecord>, StoreError>> {
        self.read(move |connection, _| reads::lanes(connection, (endpoint, after, most)))
    }

    fn lane_named(
        self: Arc<Self>,
        endpoint: EndpointId,
        name: String,
    ) -> StoreFuture<Result<Option<(OrderingKey, u64)>, StoreError>> {
        self.read(move |connection, _| named_lanes::find(connection, endpoint, &name))
    }

    fn waiting_lanes(
        self: Arc<Self>,
        query: LaneQuery,
    ) -> StoreFuture<Result<LanePage, StoreError>> {
        self.read(move |connection, _| waiting_lanes::page(connection, &query))
    }

    fn dead_letter_groups(
        self: Arc<Self>,
        tenant: Option<TenantId>,
    ) -> StoreFuture<Result<Vec<DeadLetterGroup>, StoreError>> {
        self.read(move |connection, _| history::dead_letter_groups(connection, tenant.as_ref()))
    }

    fn overview(
        self: Arc<Self>,
        tenant: Option<TenantId>,
        from: Wall,
        until: Wall,
    ) -> StoreFuture<Result<Overview, StoreError>> {
        self.read(move |connection, _| {
            overview::overview(connection, tenant.as_ref(), (from, until))
        })
    }

    fn tenant_counts(
        self: Arc<Self>,
        tenants: Vec<TenantId>,
    ) -> StoreFuture<Result<Vec<TenantCounts>, StoreError>> {
        self.read(move |connection, _| overview::tenant_counts(connection, &tenants))
    }

    fn endpoint_counts(
        self: Arc<Self>,
        endpoints: Vec<EndpointId>,
        from: Wall,
        until: Wall,
    ) -> StoreFuture<Result<Vec<EndpointCounts>, StoreError>> {
        self.read(move |connection, _| {
            overview::endpoint_counts(connection, &endpoints, (from, until))
        })
    }

    fn find_endpoints(
        self: Arc<Self>,
        query: EndpointQuery,
    ) -> StoreFuture<Result<EndpointPage, StoreError>> {
        self.read(move |connection, keys| overview::find_endpoints(connection, keys, &query))
    }

    fn hours(
        self: Arc<Self>,
        endpoint: EndpointId,
        from: Wall,
        until: Wall,
    ) -> StoreFuture<Result<Vec<Hour>, StoreError>> {
        self.read(move |connection, _| history::hours(connection, endpoint, (from, until)))
    }

    fn ledger(self: Arc<Self>, endpoint: EndpointId) -> StoreFuture<Result<Ledger, StoreError>> {
        self.read(move |connection, _| reads::ledger(connection, endpoint))
    }

    fn oldest_pending(self: Arc<Self>) -> StoreFuture<Result<Option<Wall>, StoreError>> {
        self.read(|connection, _| reads::oldest_pending(connection))
    }

    fn size_bytes(self: Arc<Self>) -> StoreFuture<Result<u64, StoreError>> {
        let files = [self.path.clone(), beside(&real(&self.path), "wal")];
        self.read(move |_, _| Ok(files.iter().map(|file| size_of_file(file)).sum()))
    }

    fn place(&self) -> StorePlace {
        StorePlace {
            kind: "sqlite",
            path: Some(self.path.clone()),
        }
    }

    fn probe(self: Arc<Self>) -> StoreFuture<Result<(), NotReady>> {
        let done = self.beside(SqliteFile::probe);
        Box::pin(async move {
            done.await.map_err(|fault| match fault {
                fault if fault.is_full() => NotReady::Full,
                fault => NotReady::Failed(fault.to_string()),
            })
        })
    }

    fn failed(self: Arc<Self>) -> StoreFuture<StoreError> {
        let mut failure = self.failure.clone();
        Box::pin(async move {
            let reason = match failure.wait_for(Option::is_some).await {
                Ok(reason) => reason.clone(),
                // The writer has ended: somebody is closing the store.
                Err(_) => None,
            };
            match reason {
                Some(reason) => StoreFault::Failed(reason).into(),
                None => std::future::pending().await,
            }
        })
    }

    fn replay_log(self: Arc<Self>) -> Option<Arc<dyn ReplayLog>> {
        Some(self)
    }

    fn records(self: Arc<Self>) -> Option<Arc<dyn Records>> {
        Some(self)
    }

    fn audit_log(self: Arc<Self>) -> Option<Arc<dyn AuditLog>> {
        Some(self)
    }

    fn agenda(self: Arc<Self>) -> Option<Arc<dyn Agenda>> {
        Some(self)
    }

    fn outbox_source(self: Arc<Self>) -> Option<Arc<dyn OutboxSource>> {
        Some(self.outbox.clone())
    }
}

impl Drop for SqliteStore {
    /// Waits for the writer to close the file; what it was given is written. The writer is the last
    /// to close it: only then SQLite brings the whole log into the database, and takes it away.
    fn drop(&mut self) {
        self.readers
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        self.outbox.close();
        self.jobs = None;
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has told so already.
            let _ = writer.join();
        }
    }
}

/// The log is not there before anything was written.
fn size_of_file(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}

/// Where a symbolic link leads to: SQLite puts its own files there.
fn real(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// `NAME-what` in the directory of `NAME`.
fn beside(path: &Path, what: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push("-");
    name.push(what);
    path.with_file_name(name)
}
