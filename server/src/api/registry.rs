//! Things of a tenant that the server keeps by name: keys, sources, event types, templates.
//!
//! All of them are in memory, because every request needs some; each change is durable before it
//! is seen.

use super::problem::{Code, Problem};
use postrider::store::StoreError;
use postrider::{Note, Record, RecordChange, RecordError, Records, TenantId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard, PoisonError, RwLock};
use tokio::sync::Mutex;

/// Of each kind at most so many are kept: they are all in memory.
const KEPT_MAX: usize = 10_000;

/// Of these, those of one tenant: half.
const KEPT_TENANT_MAX: usize = KEPT_MAX / 2;

/// The largest record, in bytes of JSON.
const RECORD_BYTES_MAX: usize = 1 << 20;

/// The records of one kind, in bytes of JSON; and of these, those of one tenant.
const KEPT_BYTES_MAX: usize = 32 << 20;
const KEPT_TENANT_BYTES_MAX: usize = KEPT_BYTES_MAX / 8;

/// Read in one go at the start: no more than so many of the largest are held twice.
const PAGE: usize = 32;

type Name = (TenantId, Arc<str>);

/// Everything of one kind.
pub(crate) struct Registry<T> {
    kind: &'static str,
    records: Arc<dyn Records>,
    /// How many one tenant may have.
    tenant_max: usize,
    /// How many bytes.
    tenant_bytes_max: usize,
    known: RwLock<BTreeMap<Name, Arc<T>>>,
    bytes: std::sync::Mutex<Bytes>,
    /// Held while something changes, so that memory and store see changes in one order.
    changing: Mutex<()>,
}

impl<T: Serialize + DeserializeOwned> Registry<T> {
    /// Reads what there is of this kind.
    pub(crate) async fn load(
        kind: &'static str,
        records: Arc<dyn Records>,
    ) -> Result<Self, RecordError> {
        let mut known = BTreeMap::new();
        let mut bytes = Bytes::default();
        let mut after: Option<(TenantId, Arc<str>)> = None;
        loop {
            let page = Arc::clone(&records).list(kind, None, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some((last.tenant.clone(), Arc::clone(&last.id)));
            for record in page {
                let value = serde_json::from_slice(&record.value).map_err(|error| {
                    StoreError(format!(
                        "the record {kind} {} is damaged: {error}",
                        record.id
                    ))
                })?;
                let name = (record.tenant, record.id);
                // What is on record already is there, whatever it holds.
                bytes.set(&name, Some(record.value.len()));
                known.insert(name, Arc::new(value));
            }
        }
        bytes.warn(kind);
        Ok(Self {
            kind,
            records,
            tenant_max: KEPT_TENANT_MAX,
            tenant_bytes_max: KEPT_TENANT_BYTES_MAX,
            bytes: std::sync::Mutex::new(bytes),
            known: RwLock::new(known),
            changing: Mutex::new(()),
        })
    }

    /// For what is all kept under one tenant, whose it is not.
    pub(crate) fn without_share(mut self) -> Self {
        self.tenant_max = KEPT_MAX;
        self.tenant_bytes_max = KEPT_BYTES_MAX;
        self
    }

    fn bytes(&self) -> MutexGuard<'_, Bytes> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one with this name.
    pub(crate) fn get(&self, tenant: &TenantId, id: &str) -> Option<Arc<T>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&(tenant.clone(), id.into())).cloned()
    }

    /// All of all tenants.
    pub(crate) fn all(&self) -> Vec<Arc<T>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.values().cloned().collect()
    }

    /// Those of a tenant, by name.
    pub(crate) fn of(&self, tenant: &TenantId) -> Vec<Arc<T>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let first = (tenant.clone(), Arc::from(""));
        let own = known
            .range(first..)
            .take_while(|(name, _)| name.0 == *tenant);
        own.map(|(_, value)| Arc::clone(value)).collect()
    }

    /// Adds one. A problem if the name is taken. The note is kept with it.
    pub(crate) async fn add(
        &self,
        tenant: &TenantId,
        id: &str,
        value: T,
        note: Option<Note>,
    ) -> Result<Arc<T>, Problem> {
        let _changing = self.changing.lock().await;
        if self.get(tenant, id).is_some() {
            let detail = format!("{} {id} exists already", self.kind);
            return Err(Problem::new(Code::AlreadyExists, detail));
        }
        self.check_room(tenant)?;
        self.write((tenant, id), value, note).await
    }

    fn check_room(&self, tenant: &TenantId) -> Result<(), Problem> {
        let (kind, most) = (self.kind, self.tenant_max);
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let own = known.range((tenant.clone(), Arc::from(""))..);
        let own = own.take_while(|(name, _)| name.0 == *tenant).take(most);
        if own.count() >= most {
            let detail = format!("this tenant has {most} records of kind {kind} already");
            return Err(Problem::new(Code::TenantFull, detail));
        }
        if known.len() >= KEPT_MAX {
            let detail = format!("there are {KEPT_MAX} records of kind {kind} already");
            return Err(Problem::new(Code::Full, detail));
        }
        Ok(())
    }

    /// Changes the one with this name, if it is there. The note is kept with the change.
    pub(crate) async fn change(
        &self,
        tenant: &TenantId,
        id: &str,
        note: Option<Note>,
        change: impl FnOnce(&T) -> Result<T, Problem> + Send,
    ) -> Result<Option<Arc<T>>, Problem> {
        let _changing = self.changing.lock().await;
        let Some(known) = self.get(tenant, id) else {
            return Ok(None);
        };
        let value = change(&known)?;
        self.write((tenant, id), value, note).await.map(Some)
    }

    async fn write(
        &self,
        (tenant, id): (&TenantId, &str),
        value: T,
        note: Option<Note>,
    ) -> Result<Arc<T>, Problem> {
        let bytes =
            serde_json::to_vec(&value).map_err(|error| Problem::new(Code::Internal, error))?;
        let name: Name = (tenant.clone(), id.into());
        let share = self.tenant_bytes_max;
        self.bytes().check((self.kind, share), &name, bytes.len())?;
        let size = bytes.len();
        let record = Record {
            kind: self.kind,
            tenant: tenant.clone(),
            id: id.into(),
            value: bytes.into(),
        };
        let records = Arc::clone(&self.records);
        if let Some(note) = note {
            let change = RecordChange::Put(record);
            records.change_noted(change, note).await?;
        } else {
            records.put(record).await?;
        }
        let value = Arc::new(value);
        self.bytes().set(&name, Some(size));
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(name, Arc::clone(&value));
        Ok(value)
    }

    /// Removes the one with this name. False if there is none. The note is kept if there was one.
    pub(crate) async fn remove(
        &self,
        tenant: &TenantId,
        id: &str,
        note: Option<Note>,
    ) -> Result<bool, Problem> {
        let _changing = self.changing.lock().await;
        let records = Arc::clone(&self.records);
        let (kind, owner) = (self.kind, tenant.clone());
        let removed = match note {
            Some(note) => {
                let change = RecordChange::Remove(kind, owner, id.into());
                records.change_noted(change, note).await?
            }
            None => records.remove(kind, owner, id.into()).await?,
        };
        let name: Name = (tenant.clone(), id.into());
        self.bytes().set(&name, None);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.remove(&name);
        Ok(removed)
    }
}

/// How large the records are, as JSON.
#[derive(Default)]
struct Bytes {
    sizes: BTreeMap<Name, usize>,
    by_tenant: BTreeMap<TenantId, usize>,
    total: usize,
}

impl Bytes {
    /// Whether there is room for a record of this size in the place of the one with this name.
    fn check(
        &self,
        (kind, share): (&'static str, usize),
        name: &Name,
        size: usize,
    ) -> Result<(), Problem> {
        let full = |code, detail: String| Err(Problem::new(code, detail));
        if size > RECORD_BYTES_MAX {
            return full(
                Code::TenantFull,
                format!(
                    "a record of kind {kind} has at most {RECORD_BYTES_MAX} bytes, all versions together"
                ),
            );
        }
        let before = self.sizes.get(name).copied().unwrap_or(0);
        // One that becomes smaller always finds room.
        if size <= before {
            return Ok(());
        }
        let own = self.by_tenant.get(&name.0).copied().unwrap_or(0);
        if own - before + size > share {
            return full(
                Code::TenantFull,
                format!("the records of kind {kind} of one tenant have at most {share} bytes"),
            );
        }
        if self.total - before + size > KEPT_BYTES_MAX {
            return full(
                Code::Full,
                format!("the records of kind {kind} have at most {KEPT_BYTES_MAX} bytes"),
            );
        }
        Ok(())
    }

    /// The record with this name has this size now.
    fn set(&mut self, name: &Name, size: Option<usize>) {
        let before = match size {
            Some(size) => self.sizes.insert(name.clone(), size),
            None => self.sizes.remove(name),
        };
        let (before, now) = (before.unwrap_or(0), size.unwrap_or(0));
        self.total = self.total - before + now;
        let own = self.by_tenant.entry(name.0.clone()).or_default();
        *own = *own - before + now;
        if *own == 0 {
            self.by_tenant.remove(&name.0);
        }
    }

    /// Tells of what an earlier version has let in.
    fn warn(&self, kind: &'static str) {
        for (tenant, bytes) in &self.by_tenant {
            if *bytes > KEPT_TENANT_BYTES_MAX {
                let most = KEPT_TENANT_BYTES_MAX;
                tracing::warn!(kind, %tenant, bytes, most, "postrider.api.records_large");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider::MemoryStore;
    use postrider::store::Store;

    #[tokio::test]
    async fn a_tenant_that_has_its_share_leaves_room_for_the_others() {
        let records = Arc::new(MemoryStore::default()).records().unwrap();
        let registry = Registry::<u8>::load("template", records).await.unwrap();
        let one = Registry {
            tenant_max: 2,
            ..registry
        };
        let add =
            async |tenant: &str, id: &str| one.add(&tenant.parse().unwrap(), id, 0, None).await;
        for id in ["a", "b"] {
            add("acme", id).await.unwrap();
        }
        let refused = add("acme", "c").await.unwrap_err();
        assert_eq!(
            serde_json::to_value(&refused).unwrap()["code"],
            "tenant_full"
        );
        assert!(
            refused.detail().contains("this tenant has 2"),
            "{}",
            refused.detail()
        );
        add("other", "a").await.unwrap();
        one.remove(&"acme".parse().unwrap(), "a", None)
            .await
            .unwrap();
        add("acme", "c").await.unwrap();
    }

    async fn registry(records: &Arc<MemoryStore>) -> Registry<String> {
        let records = Arc::clone(records) as Arc<dyn Records>;
        Registry::load("text", records).await.unwrap()
    }

    #[tokio::test]
    async fn the_records_of_one_tenant_are_bounded_in_their_bytes_and_leave_room_to_others() {
        let records = Arc::new(MemoryStore::default());
        let texts = registry(&records).await;
        let (acme, other): (TenantId, TenantId) =
            ("acme".parse().unwrap(), "other".parse().unwrap());
        let half_mib = "x".repeat(512 << 10);
        let mut added = 0;
        let refused = loop {
            match texts
                .add(&acme, &added.to_string(), half_mib.clone(), None)
                .await
            {
                Ok(_) => added += 1,
                Err(problem) => break problem,
            }
        };
        assert_eq!((added, refused.code()), (7, "tenant_full"));
        texts
            .add(&other, "0", half_mib.clone(), None)
            .await
            .unwrap();
        let texts = registry(&records).await;
        assert!(texts.add(&acme, "7", half_mib.clone(), None).await.is_err());
        let smaller = texts.change(&acme, "0", None, |_| Ok(String::new())).await;
        assert!(smaller.unwrap().is_some());
        texts.add(&acme, "7", half_mib, None).await.unwrap();
        assert!(texts.remove(&acme, "7", None).await.unwrap());
    }

    #[tokio::test]
    async fn one_record_is_bounded_in_its_bytes() {
        let texts = registry(&Arc::new(MemoryStore::default())).await;
        let tenant = TenantId::default();
        let large = "x".repeat(RECORD_BYTES_MAX);
        let refused = texts.add(&tenant, "0", large, None).await.unwrap_err();
        assert_eq!(refused.code(), "tenant_full");
    }
}
