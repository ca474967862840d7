//! All tenants on record: an id that is never used twice, and a name that no other living one has.

use crate::api::problem::{Code, Problem};
use crate::api::registry::Registry;
use crate::api::time::Time;
use postrider::engine::TenantUid;
use postrider::{Note, RecordError, Records, TenantId, Wall};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::Mutex;

/// A tenant, as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TenantRecord {
    /// Under which the engine keeps what it has.
    pub(crate) id: String,
    /// What people call it. Of records from before tenants had ids it is the id.
    #[serde(default)]
    name: Option<String>,
    pub(crate) description: String,
    pub(crate) created_at: Time,
    /// Networks that its requests may go to beside those of all.
    #[serde(default)]
    pub(crate) allow_networks: Vec<String>,
    /// The largest body that its sources can have, in bytes.
    #[serde(default)]
    pub(crate) source_body_bytes_max: Option<u64>,
    /// Nobody reaches it any more, and what it has is being ended.
    #[serde(default)]
    deleting: bool,
}

impl TenantRecord {
    pub(crate) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.id)
    }
}

/// As long as a request holds it, the deletion of its tenant does not come to its end.
#[derive(Clone)]
pub(crate) struct Hold(#[expect(dead_code, reason = "counted, never read")] Arc<()>);

/// All tenants.
pub(crate) struct Tenants {
    registry: Registry<TenantRecord>,
    index: RwLock<Index>,
    /// Held while something changes, so that a name is not taken twice.
    changing: Mutex<()>,
}

#[derive(Default)]
struct Index {
    by_name: BTreeMap<Arc<str>, TenantId>,
    /// Of the living and of those that are being deleted.
    holds: BTreeMap<TenantId, Arc<()>>,
    deleting: BTreeSet<TenantId>,
}

impl Index {
    fn put(&mut self, id: TenantId, record: &TenantRecord) {
        self.holds.entry(id.clone()).or_default();
        if record.deleting {
            self.by_name.retain(|_, named| *named != id);
            self.deleting.insert(id);
        } else {
            self.by_name.insert(record.name().into(), id);
        }
    }
}

/// All of them are kept under this one.
fn home() -> TenantId {
    TenantId::default()
}

impl Tenants {
    pub(crate) async fn load(records: Arc<dyn Records>) -> Result<Self, RecordError> {
        let registry = Registry::<TenantRecord>::load("tenant", records).await?;
        let registry = registry.without_share();
        let mut index = Index::default();
        let default = TenantId::default();
        index
            .by_name
            .insert(default.as_str().into(), default.clone());
        index.holds.entry(default).or_default();
        for record in registry.all() {
            if let Ok(id) = record.id.parse() {
                index.put(id, &record);
            }
        }
        Ok(Self {
            registry,
            index: RwLock::new(index),
            changing: Mutex::new(()),
        })
    }

    fn read<T>(&self, read: impl FnOnce(&Index) -> T) -> T {
        read(&self.index.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, write: impl FnOnce(&mut Index) -> T) -> T {
        write(&mut self.index.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// The living tenant with this name, or with this id.
    pub(crate) fn find(&self, text: &str) -> Option<TenantId> {
        self.read(|index| {
            let by_id = || text.parse().ok().filter(|id| index.lives(id));
            index.by_name.get(text).cloned().or_else(by_id)
        })
    }

    /// Holds a living tenant; `None` if it is being deleted, or was never made.
    pub(crate) fn hold(&self, id: &TenantId) -> Option<Hold> {
        self.read(|index| {
            let hold = index.holds.get(id).filter(|_| index.lives(id));
            hold.cloned().map(Hold)
        })
    }

    /// Whether anyone may act for it.
    pub(crate) fn lives(&self, id: &TenantId) -> bool {
        self.read(|index| index.lives(id))
    }

    /// Whether what it has is being ended.
    pub(crate) fn is_being_deleted(&self, id: &TenantId) -> bool {
        self.read(|index| index.deleting.contains(id))
    }

    /// Those whose deletion has begun.
    pub(crate) fn being_deleted(&self) -> Vec<TenantId> {
        self.read(|index| index.deleting.iter().cloned().collect())
    }

    /// Whether a request that began before the deletion still goes on.
    pub(crate) fn is_held(&self, id: &TenantId) -> bool {
        let hold = |index: &Index| index.holds.get(id).map(Arc::strong_count);
        self.read(hold).is_some_and(|count| count > 1)
    }

    /// What people call it; of one that does not live any more, its id: another may have its name.
    pub(crate) fn name_of(&self, id: &TenantId) -> String {
        let known = self.get(id);
        known.map_or_else(|| id.to_string(), |known| known.name().to_owned())
    }

    /// The living ones by name, without `default`.
    pub(crate) fn list(&self) -> Vec<Arc<TenantRecord>> {
        let mut all = self.registry.of(&home());
        all.retain(|tenant| !tenant.deleting);
        all.sort_unstable_by(|one, other| one.name().cmp(other.name()));
        all
    }

    /// The living one with this id, without `default`.
    pub(crate) fn get(&self, id: &TenantId) -> Option<Arc<TenantRecord>> {
        let known = self.registry.get(&home(), id.as_str());
        known.filter(|tenant| !tenant.deleting)
    }

    /// Makes one. Its id is new, whoever has had its name before.
    pub(crate) async fn add(
        &self,
        name: &TenantId,
        (description, allow_networks, source_body_bytes_max): (String, Vec<String>, Option<u64>),
        now: Wall,
        note: Option<Note>,
    ) -> Result<Arc<TenantRecord>, Problem> {
        let _changing = self.changing.lock().await;
        if self.find(name.as_str()).is_some() {
            let detail = format!("there is a tenant {name} already");
            return Err(Problem::new(Code::AlreadyExists, detail));
        }
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| Problem::new(Code::Internal, error))?;
        let id = TenantUid::from_parts(now, u128::from_be_bytes(random)).to_string();
        let record = TenantRecord {
            id: id.clone(),
            name: Some(name.to_string()),
            description,
            allow_networks,
            source_body_bytes_max,
            created_at: now.into(),
            deleting: false,
        };
        let tenant: TenantId = id.parse()?;
        let note = note.map(|note| Note {
            tenant: Some(tenant.clone()),
            target: Some(id.as_str().into()),
            ..note
        });
        let record = self.registry.add(&home(), &id, record, note).await?;
        let id = tenant;
        self.write(|index| index.put(id, &record));
        Ok(record)
    }

    /// Changes the living one with this id.
    pub(crate) async fn change(
        &self,
        id: &TenantId,
        note: Option<Note>,
        change: impl FnOnce(&mut TenantRecord) + Send,
    ) -> Result<Option<Arc<TenantRecord>>, Problem> {
        let _changing = self.changing.lock().await;
        if self.get(id).is_none() {
            return Ok(None);
        }
        let home = home();
        let changed = self.registry.change(&home, id.as_str(), note, |known| {
            let mut record = known.clone();
            change(&mut record);
            Ok(record)
        });
        changed.await
    }

    /// From now on nobody reaches it, and its name is free. When this returns that is durable.
    /// False if it does not live.
    pub(crate) async fn begin_deletion(
        &self,
        id: &TenantId,
        note: Option<Note>,
    ) -> Result<bool, Problem> {
        let _changing = self.changing.lock().await;
        if self.get(id).is_none() {
            return Ok(false);
        }
        let home = home();
        let changed = self.registry.change(&home, id.as_str(), note, |known| {
            Ok(TenantRecord {
                deleting: true,
                ..known.clone()
            })
        });
        let Some(record) = changed.await? else {
            return Ok(false);
        };
        self.write(|index| index.put(id.clone(), &record));
        Ok(true)
    }

    /// It has nothing any more: its record goes.
    pub(crate) async fn end_deletion(&self, id: &TenantId) -> Result<(), Problem> {
        let _changing = self.changing.lock().await;
        self.registry.remove(&home(), id.as_str(), None).await?;
        self.write(|index| {
            index.deleting.remove(id);
            index.holds.remove(id);
        });
        Ok(())
    }
}

impl Index {
    fn lives(&self, id: &TenantId) -> bool {
        self.holds.contains_key(id) && !self.deleting.contains(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider::MemoryStore;
    use postrider::store::Store;

    fn named(name: &str) -> TenantId {
        name.parse().unwrap()
    }

    async fn tenants(store: &Arc<MemoryStore>) -> Tenants {
        let records = Arc::clone(store).records().unwrap();
        Tenants::load(records).await.unwrap()
    }

    #[tokio::test]
    async fn a_tenant_made_again_under_an_old_name_has_another_id() {
        let store = Arc::new(MemoryStore::default());
        let all = tenants(&store).await;
        let add = async || {
            all.add(&named("acme"), Default::default(), Wall(1), None)
                .await
        };
        let first = add().await.unwrap();
        assert!(first.id.starts_with("tnt_"), "{}", first.id);
        assert!(add().await.is_err(), "the name is taken");
        let id = named(&first.id);
        assert_eq!(all.find("acme"), Some(id.clone()));
        assert!(all.begin_deletion(&id, None).await.unwrap());
        assert_eq!((all.find("acme"), all.find(&first.id)), (None, None));
        assert!(all.hold(&id).is_none() && !all.lives(&id));
        let second = add().await.unwrap();
        assert_ne!(second.id, first.id);
        assert_eq!(all.find("acme"), Some(named(&second.id)));
    }

    #[tokio::test]
    async fn a_deletion_that_has_begun_goes_on_after_a_restart() {
        let store = Arc::new(MemoryStore::default());
        let all = tenants(&store).await;
        let made = all
            .add(&named("acme"), Default::default(), Wall(1), None)
            .await;
        let id = named(&made.unwrap().id);
        all.begin_deletion(&id, None).await.unwrap();
        let again = tenants(&store).await;
        assert_eq!(again.being_deleted(), std::slice::from_ref(&id));
        assert!(!again.lives(&id) && again.find("acme").is_none());
        again.end_deletion(&id).await.unwrap();
        assert_eq!(tenants(&store).await.being_deleted(), []);
    }

    #[tokio::test]
    async fn a_record_from_before_there_were_ids_has_its_name_for_its_id() {
        let store = Arc::new(MemoryStore::default());
        let records = Arc::clone(&store).records().unwrap();
        let value = r#"{"id":"acme","description":"","created_at":"2026-01-01T00:00:00Z"}"#;
        let old = postrider::Record {
            kind: "tenant",
            tenant: home(),
            id: "acme".into(),
            value: value.into(),
        };
        records.put(old).await.unwrap();
        let all = tenants(&store).await;
        assert_eq!(all.find("acme"), Some(named("acme")));
        assert_eq!(all.list()[0].name(), "acme");
        all.begin_deletion(&named("acme"), None).await.unwrap();
        let new = all
            .add(&named("acme"), Default::default(), Wall(1), None)
            .await;
        let new = new.unwrap();
        assert_ne!(new.id, "acme");
        assert_eq!(all.find("acme"), Some(named(&new.id)));
    }

    #[tokio::test]
    async fn a_request_that_goes_on_holds_the_tenant() {
        let store = Arc::new(MemoryStore::default());
        let all = tenants(&store).await;
        let made = all
            .add(&named("acme"), Default::default(), Wall(1), None)
            .await;
        let id = named(&made.unwrap().id);
        let hold = all.hold(&id).unwrap();
        all.begin_deletion(&id, None).await.unwrap();
        assert!(all.is_held(&id));
        drop(hold);
        assert!(!all.is_held(&id));
    }
}
