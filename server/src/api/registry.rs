//! Things of a tenant that the server keeps by name: keys, sources, event types, templates.
//!
//! All of them are in memory, because every request needs some; each change is durable before it
//! is seen.

use super::problem::{Code, Problem};
use postrider::TenantId;
use postrider::store::StoreError;
use postrider::{Record, RecordError, Records};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::Mutex;

/// Of each kind at most so many are kept: they are all in memory.
const KEPT_MAX: usize = 10_000;

/// Of these, those of one tenant: half.
const KEPT_TENANT_MAX: usize = KEPT_MAX / 2;

/// Read in one go at the start.
const PAGE: usize = 500;

type Name = (TenantId, Arc<str>);

/// Everything of one kind.
pub(crate) struct Registry<T> {
    kind: &'static str,
    records: Arc<dyn Records>,
    /// How many one tenant may have.
    tenant_max: usize,
    known: RwLock<BTreeMap<Name, Arc<T>>>,
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
                known.insert((record.tenant, record.id), Arc::new(value));
            }
        }
        Ok(Self {
            kind,
            records,
            tenant_max: KEPT_TENANT_MAX,
            known: RwLock::new(known),
            changing: Mutex::new(()),
        })
    }

    /// For what is all kept under one tenant, whose it is not.
    pub(crate) fn without_share(mut self) -> Self {
        self.tenant_max = KEPT_MAX;
        self
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

    /// Adds one. A problem if the name is taken.
    pub(crate) async fn add(
        &self,
        tenant: &TenantId,
        id: &str,
        value: T,
    ) -> Result<Arc<T>, Problem> {
        let _changing = self.changing.lock().await;
        if self.get(tenant, id).is_some() {
            let detail = format!("{} {id} exists already", self.kind);
            return Err(Problem::new(Code::AlreadyExists, detail));
        }
        self.check_room(tenant)?;
        self.write(tenant, id, value).await
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

    /// Changes the one with this name, if it is there.
    pub(crate) async fn change(
        &self,
        tenant: &TenantId,
        id: &str,
        change: impl FnOnce(&T) -> Result<T, Problem> + Send,
    ) -> Result<Option<Arc<T>>, Problem> {
        let _changing = self.changing.lock().await;
        let Some(known) = self.get(tenant, id) else {
            return Ok(None);
        };
        let value = change(&known)?;
        self.write(tenant, id, value).await.map(Some)
    }

    async fn write(&self, tenant: &TenantId, id: &str, value: T) -> Result<Arc<T>, Problem> {
        let bytes =
            serde_json::to_vec(&value).map_err(|error| Problem::new(Code::Internal, error))?;
        let record = Record {
            kind: self.kind,
            tenant: tenant.clone(),
            id: id.into(),
            value: bytes.into(),
        };
        Arc::clone(&self.records).put(record).await?;
        let value = Arc::new(value);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.insert((tenant.clone(), id.into()), Arc::clone(&value));
        Ok(value)
    }

    /// Removes the one with this name. False if there is none.
    pub(crate) async fn remove(&self, tenant: &TenantId, id: &str) -> Result<bool, Problem> {
        let _changing = self.changing.lock().await;
        let records = Arc::clone(&self.records);
        let removed = records.remove(self.kind, tenant.clone(), id.into()).await?;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.remove(&(tenant.clone(), id.into()));
        Ok(removed)
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
        let add = async |tenant: &str, id: &str| one.add(&tenant.parse().unwrap(), id, 0).await;
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
        one.remove(&"acme".parse().unwrap(), "a").await.unwrap();
        add("acme", "c").await.unwrap();
    }
}
