//! When each key was last used: kept in memory, and written at most once a minute, by a task, if there
//! is anything new. A request does not wait for that.

use super::{Api, Shared};
use postrider::{Record, RecordError, Records, TenantId, Wall};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;
use tokio::sync::{Mutex, mpsc};

/// All of them are one record: a key takes some fifty bytes, and there are ten thousand at most.
const KIND: &str = "key_uses";
const ID: &str = "1";

/// Uses are written no more often than this.
const WRITE_EVERY: Duration = Duration::from_secs(60);

/// When keys were last used.
pub(crate) struct KeyUses {
    records: Arc<dyn Records>,
    /// In milliseconds since 1970, by the ids of the keys.
    known: RwLock<BTreeMap<String, AtomicU64>>,
    /// What is on record.
    kept: Mutex<BTreeMap<String, u64>>,
    /// Wakes the task that writes. It ends when this is dropped.
    wake: mpsc::Sender<()>,
}

impl KeyUses {
    /// What is on record, and what wakes [`run`].
    pub(crate) async fn load(
        records: Arc<dyn Records>,
    ) -> Result<(Self, mpsc::Receiver<()>), RecordError> {
        let found = Arc::clone(&records).get(KIND, TenantId::default(), ID.into());
        let found = found.await?;
        let kept: BTreeMap<String, u64> = found
            .and_then(|record| serde_json::from_slice(&record.value).ok())
            .unwrap_or_default();
        let known = kept.iter();
        let known = known.map(|(id, at)| (id.clone(), AtomicU64::new(*at)));
        let (wake, woken) = mpsc::channel(1);
        let uses = Self {
            records,
            known: RwLock::new(known.collect()),
            kept: Mutex::new(kept),
            wake,
        };
        Ok((uses, woken))
    }

    /// The key with this id is used.
    pub(crate) fn note(&self, id: &str, now: Wall) {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = known.get(id) {
            last.fetch_max(now.0, Ordering::Relaxed);
        } else {
            drop(known);
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            let last = known.entry(id.to_owned()).or_default();
            last.fetch_max(now.0, Ordering::Relaxed);
        }
        // If it is full, the task is about to look.
        let _ = self.wake.try_send(());
    }

    /// When the key with this id was last used.
    pub(crate) fn last(&self, id: &str) -> Option<Wall> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let last = known.get(id)?;
        Some(Wall(last.load(Ordering::Relaxed)))
    }

    /// Writes what has changed, of those that still are keys.
    pub(crate) async fn keep(&self, is_key: impl Fn(&str) -> bool) -> Result<(), RecordError> {
        let mut kept = self.kept.lock().await;
        let now: BTreeMap<String, u64> = {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            known.retain(|id, _| is_key(id));
            let known = known.iter();
            known
                .map(|(id, at)| (id.clone(), at.load(Ordering::Relaxed)))
                .collect()
        };
        if *kept == now {
            return Ok(());
        }
        // Texts and numbers: there is nothing that JSON could not say.
        let value = serde_json::to_vec(&now).unwrap_or_default();
        let record = Record {
            kind: KIND,
            tenant: TenantId::default(),
            id: ID.into(),
            value: value.into(),
        };
        Arc::clone(&self.records).put(record).await?;
        *kept = now;
        Ok(())
    }
}

/// Writes what is used, until the API is dropped. While no key is used, it waits.
pub(super) async fn run(api: Weak<Shared>, mut woken: mpsc::Receiver<()>) {
    while woken.recv().await.is_some() {
        tokio::time::sleep(WRITE_EVERY).await;
        // What is noted from now on wakes it again.
        while woken.try_recv().is_ok() {}
        let Some(api) = api.upgrade().map(Api) else {
            return;
        };
        api.keep_key_uses().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider::MemoryStore;
    use postrider::store::Store;

    async fn uses(store: &Arc<MemoryStore>) -> (KeyUses, mpsc::Receiver<()>) {
        let records = Arc::clone(store).records().unwrap();
        KeyUses::load(records).await.unwrap()
    }

    #[tokio::test]
    async fn the_last_use_of_a_key_is_known_after_a_restart_once_it_was_written() {
        let store = Arc::new(MemoryStore::default());
        let (before, mut woken) = uses(&store).await;
        assert_eq!(before.last("a"), None);
        for (id, at) in [("a", 7), ("b", 8), ("a", 9), ("a", 5)] {
            before.note(id, Wall(at));
        }
        assert!(woken.try_recv().is_ok(), "the task is woken");
        assert_eq!(before.last("a"), Some(Wall(9)));
        let (unwritten, _) = uses(&store).await;
        assert_eq!(unwritten.last("a"), None);
        before.keep(|id| id != "b").await.unwrap();
        let (after, _) = uses(&store).await;
        assert_eq!((after.last("a"), after.last("b")), (Some(Wall(9)), None));
    }

    #[tokio::test]
    async fn what_has_not_changed_is_not_written_again() {
        let store = Arc::new(MemoryStore::default());
        let (uses, _woken) = uses(&store).await;
        uses.note("a", Wall(7));
        uses.keep(|_| true).await.unwrap();
        let records = Arc::clone(&store).records().unwrap();
        let removed = records.remove(KIND, TenantId::default(), ID.into());
        assert!(removed.await.unwrap());
        uses.keep(|_| true).await.unwrap();
        let records = Arc::clone(&store).records().unwrap();
        let found = records.get(KIND, TenantId::default(), ID.into());
        assert_eq!(found.await.unwrap(), None);
    }
}
