//! What has come to the sources of late, taken and refused: durable, and bounded.
//!
//! Strangers cause refusals, so what is written does not grow with them. What comes waits in memory, at
//! most as much as is kept of a source, and is written by one task: a source at most once a second, and
//! so many sources in one go. Each has one record. A source that is unknown leaves nothing.

mod log;

pub(crate) use log::{Log, Receipt};

use super::sources::Source;
use super::{Api, Shared};
use postrider::engine::SourceId;
use postrider::store::StoreError;
use postrider::{Record, RecordError, Records, TenantId};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

const KIND: &str = "source_receipts";

/// Receipts of all sources that wait to be written. Those beyond are lost.
const PENDING_MAX: usize = 20_000;

/// Sources that are written in one go: each is a transaction.
const ROUND: usize = 16;

/// Between two rounds.
const PAUSE: Duration = Duration::from_secs(1);

/// Before a round that has failed is tried again.
const PAUSE_FAILED: Duration = Duration::from_secs(10);

/// A shutdown waits no longer for what is to be written.
const PATIENCE: Duration = Duration::from_secs(2);

/// The receipts of all sources.
pub(crate) struct Receipts {
    records: Arc<dyn Records>,
    pending: Mutex<Pending>,
    /// Held while a record is read or changed: so that nothing is shown twice, and nothing is written
    /// of a source that is being deleted.
    writing: tokio::sync::Mutex<()>,
    wake: mpsc::Sender<()>,
}

/// What is not on record yet.
#[derive(Default)]
struct Pending {
    of: BTreeMap<SourceId, (TenantId, Log)>,
    /// Receipts in all of them.
    count: usize,
    /// The source that was written last: those behind it come first.
    last: Option<SourceId>,
}

impl Pending {
    fn note(&mut self, source: &Source, receipt: Receipt) {
        if self.count >= PENDING_MAX {
            return;
        }
        let new = || (source.tenant().clone(), Log::default());
        let (_, log) = self.of.entry(source.id()).or_insert_with(new);
        let before = log.len();
        log.push(receipt);
        self.count += log.len() - before;
    }

    /// Takes out what is to be written next.
    fn take(&mut self) -> Option<(SourceId, TenantId, Log)> {
        let behind = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let next = self.of.range((behind, Bound::Unbounded)).next();
        let next = next.or_else(|| self.of.iter().next());
        let id = next.map(|(id, _)| *id)?;
        self.last = Some(id);
        let (tenant, log) = self.of.remove(&id)?;
        self.count -= log.len();
        Some((id, tenant, log))
    }

    /// Puts it before what has come meanwhile.
    fn put_back(&mut self, id: SourceId, tenant: TenantId, mut log: Log) {
        if let Some((_, newer)) = self.of.remove(&id) {
            self.count -= newer.len();
            log.append(newer);
        }
        self.count += log.len();
        self.of.insert(id, (tenant, log));
    }
}

impl Receipts {
    /// The receipts in these records, and what [`run`] waits for.
    pub(crate) fn new(records: Arc<dyn Records>) -> (Self, mpsc::Receiver<()>) {
        let (wake, woken) = mpsc::channel(1);
        let receipts = Self {
            records,
            pending: Mutex::default(),
            writing: tokio::sync::Mutex::default(),
            wake,
        };
        (receipts, woken)
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something has come to this source.
    pub(crate) fn note(&self, source: &Source, receipt: Receipt) {
        self.pending().note(source, receipt);
        self.wake();
    }

    fn wake(&self) {
        // One call that waits is enough.
        let _ = self.wake.try_send(());
    }

    /// What has come to this source.
    pub(crate) async fn of(&self, source: &Source) -> Result<Log, RecordError> {
        let _writing = self.writing.lock().await;
        let mut log = self.on_record(source.id(), source.tenant()).await?;
        let newer = self.pending().of.get(&source.id()).cloned();
        if let Some((_, newer)) = newer {
            log.append(newer);
        }
        Ok(log)
    }

    /// Drops what is on record of this source. Nothing is written until the guard that it gives is
    /// dropped; by then the source is to be gone.
    pub(crate) async fn forget(
        &self,
        tenant: &TenantId,
        id: SourceId,
    ) -> Result<tokio::sync::MutexGuard<'_, ()>, RecordError> {
        let writing = self.writing.lock().await;
        let records = Arc::clone(&self.records);
        let id = id.to_string().into();
        records.remove(KIND, tenant.clone(), id).await?;
        Ok(writing)
    }

    /// Writes what is pending of at most [`ROUND`] sources; whether there is more.
    async fn write_some(&self, is_there: impl Fn(SourceId) -> bool) -> Result<bool, RecordError> {
        let _writing = self.writing.lock().await;
        for _ in 0..ROUND {
            let next = self.pending().take();
            let Some((id, tenant, newer)) = next else {
                return Ok(false);
            };
            if !is_there(id) {
                continue;
            }
            let written = self.write(id, &tenant, newer.clone()).await;
            if let Err(error) = written {
                self.pending().put_back(id, tenant, newer);
                return Err(error);
            }
        }
        Ok(!self.pending().of.is_empty())
    }

    async fn write(&self, id: SourceId, tenant: &TenantId, newer: Log) -> Result<(), RecordError> {
        let mut log = self.on_record(id, tenant).await?;
        log.append(newer);
        let value = log.written();
        let value = value.map_err(|error| StoreError(error.to_string()))?;
        let record = Record {
            kind: KIND,
            tenant: tenant.clone(),
            id: id.to_string().into(),
            value: value.into(),
        };
        Arc::clone(&self.records).put(record).await
    }

    async fn on_record(&self, id: SourceId, tenant: &TenantId) -> Result<Log, RecordError> {
        let records = Arc::clone(&self.records);
        let text = id.to_string().into();
        let record = records.get(KIND, tenant.clone(), text).await?;
        let Some(record) = record else {
            return Ok(Log::default());
        };
        // It is a help for people: a damaged one is begun anew.
        Ok(Log::read(&record.value).unwrap_or_else(|error| {
            tracing::warn!(source = %id, %error, "postrider.receipts.damaged");
            Log::default()
        }))
    }
}

/// Writes what comes, until the API is gone.
pub(super) async fn run(api: Weak<Shared>, mut woken: mpsc::Receiver<()>) {
    while woken.recv().await.is_some() {
        let Some(api) = api.upgrade().map(Api) else {
            return;
        };
        let pause = match write_some(&api).await {
            Ok(more) => {
                if more {
                    api.receipts().wake();
                }
                PAUSE
            }
            Err(error) => {
                tracing::warn!(%error, "postrider.receipts.not_written");
                api.receipts().wake();
                PAUSE_FAILED
            }
        };
        drop(api);
        sleep(pause).await;
    }
}

async fn write_some(api: &Api) -> Result<bool, RecordError> {
    let is_there = |id| api.sources().get(id).is_some();
    api.receipts().write_some(is_there).await
}

/// Writes all that is pending, if that does not take too long.
pub(super) async fn write_all(api: &Api) {
    let all = async {
        while write_some(api).await? {}
        Ok::<(), RecordError>(())
    };
    match timeout(PATIENCE, all).await {
        Ok(Ok(())) => (),
        Ok(Err(error)) => tracing::warn!(%error, "postrider.receipts.not_written"),
        Err(_) => tracing::warn!("postrider.receipts.not_written: it takes too long"),
    }
}

#[cfg(test)]
mod tests;
