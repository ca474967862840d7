//! All sources: those on record, each made ready for its requests.

use super::record::{Source, SourceRecord};
use crate::api::problem::{Code, Problem};
use crate::api::registry::Registry;
use postrider::engine::SourceId;
use postrider::store::StoreError;
use postrider::{Note, RecordError, Records, TenantId};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::Mutex;

/// All sources.
pub(crate) struct Sources {
    registry: Registry<SourceRecord>,
    ready: RwLock<BTreeMap<SourceId, Arc<Source>>>,
    /// Held while something changes: so a name is not taken twice, and what is ready is what is on
    /// record.
    changing: Mutex<()>,
}

impl Sources {
    pub(crate) async fn load(records: Arc<dyn Records>) -> Result<Self, RecordError> {
        let registry = Registry::<SourceRecord>::load("source", records).await?;
        let mut ready = BTreeMap::new();
        for record in registry.all() {
            let id = record.id.clone();
            let source = Source::prepare(record).map_err(|problem| {
                StoreError(format!(
                    "the record source {id} is damaged: {}",
                    problem.detail()
                ))
            })?;
            ready.insert(source.id(), Arc::new(source));
        }
        Ok(Self {
            registry,
            ready: RwLock::new(ready),
            changing: Mutex::new(()),
        })
    }

    /// The one with this id, of any tenant.
    pub(crate) fn get(&self, id: SourceId) -> Option<Arc<Source>> {
        let ready = self.ready.read().unwrap_or_else(PoisonError::into_inner);
        ready.get(&id).cloned()
    }

    /// Those of a tenant, oldest first.
    pub(crate) fn of(&self, tenant: &TenantId) -> Vec<Arc<Source>> {
        let ready = self.ready.read().unwrap_or_else(PoisonError::into_inner);
        let own = ready.values().filter(|source| source.tenant() == tenant);
        own.cloned().collect()
    }

    /// Adds one. A problem if its name is taken, or it cannot be used.
    pub(crate) async fn add(
        &self,
        tenant: &TenantId,
        record: SourceRecord,
        note: Option<Note>,
    ) -> Result<Arc<Source>, Problem> {
        let _changing = self.changing.lock().await;
        self.check_name(tenant, &record)?;
        let id = record.id.clone();
        let source = Arc::new(Source::prepare(Arc::new(record.clone()))?);
        self.registry.add(tenant, &id, record, note).await?;
        Ok(self.make_ready(source))
    }

    /// Changes the one with this id, if it is there and the tenant's.
    pub(crate) async fn change(
        &self,
        tenant: &TenantId,
        id: SourceId,
        note: Option<Note>,
        change: impl FnOnce(&SourceRecord) -> Result<SourceRecord, Problem> + Send,
    ) -> Result<Option<Arc<Source>>, Problem> {
        let _changing = self.changing.lock().await;
        let id = id.to_string();
        let mut source = None;
        let changed = self.registry.change(tenant, &id, note, |known| {
            let record = change(known)?;
            self.check_name(tenant, &record)?;
            source = Some(Source::prepare(Arc::new(record.clone()))?);
            Ok(record)
        });
        changed.await?;
        Ok(source.map(|source| self.make_ready(Arc::new(source))))
    }

    /// Removes the one with this id. False if there is none of this tenant.
    pub(crate) async fn remove(
        &self,
        tenant: &TenantId,
        id: SourceId,
        note: Option<Note>,
    ) -> Result<bool, Problem> {
        let _changing = self.changing.lock().await;
        let removed = self.registry.remove(tenant, &id.to_string(), note).await?;
        if removed {
            let mut ready = self.ready.write().unwrap_or_else(PoisonError::into_inner);
            ready.remove(&id);
        }
        Ok(removed)
    }

    fn make_ready(&self, source: Arc<Source>) -> Arc<Source> {
        let mut ready = self.ready.write().unwrap_or_else(PoisonError::into_inner);
        ready.insert(source.id(), Arc::clone(&source));
        source
    }

    fn check_name(&self, tenant: &TenantId, record: &SourceRecord) -> Result<(), Problem> {
        let others = self.registry.of(tenant);
        let mut others = others.iter().filter(|other| other.id != record.id);
        if others.any(|other| other.name == record.name) {
            let detail = format!("there is a source {} already", record.name);
            return Err(Problem::new(Code::AlreadyExists, detail).at("/name", "taken"));
        }
        Ok(())
    }
}
