//! Keys of the API: made, kept and recognised.

use super::problem::{Code, Problem};
use super::registry::Registry;
use super::time::Time;
use governor::clock::Clock;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use postrider::engine::KeyId;
use postrider::{TenantId, Wall};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, PoisonError, RwLock};
use subtle::ConstantTimeEq;
use utoipa::ToSchema;

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scope {
    /// Publishes events.
    Publish,
    /// Changes endpoints, sources, keys, event types; resends, discards and replays. Reads, too.
    Manage,
    /// Reads everything that is no secret.
    Read,
}

impl Scope {
    pub(crate) const ALL: [Self; 3] = [Self::Publish, Self::Manage, Self::Read];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Manage => "manage",
            Self::Read => "read",
        }
    }
}

/// A key as it is kept: its text is not.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct KeyRecord {
    pub(crate) id: String,
    /// SHA-256 of the text, in hex. The text has 256 random bits: nothing slower is needed.
    digest: String,
    pub(crate) name: String,
    pub(crate) scopes: Vec<Scope>,
    /// `None`: for all tenants.
    pub(crate) tenant: Option<String>,
    pub(crate) requests_per_second: Option<NonZeroU32>,
    pub(crate) created_at: Time,
    pub(crate) expires_at: Option<Time>,
}

impl KeyRecord {
    /// Whether it has this scope, or one that includes it.
    pub(crate) fn has(&self, scope: Scope) -> bool {
        let implied = scope == Scope::Read && self.scopes.contains(&Scope::Manage);
        implied || self.scopes.contains(&scope)
    }
}

/// What a new key is to be.
pub(crate) struct NewKey {
    pub(crate) name: String,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) tenant: Option<TenantId>,
    pub(crate) requests_per_second: Option<NonZeroU32>,
    pub(crate) expires_at: Option<Time>,
}

/// All keys.
pub(crate) struct Keys {
    registry: Registry<KeyRecord>,
    by_digest: RwLock<BTreeMap<[u8; 32], Arc<KeyRecord>>>,
    limiter: RwLock<BTreeMap<NonZeroU32, Arc<DefaultKeyedRateLimiter<String>>>>,
}

/// Where keys for all tenants are kept.
fn home(tenant: Option<&str>) -> TenantId {
    tenant
        .and_then(|tenant| tenant.parse().ok())
        .unwrap_or_default()
}

impl Keys {
    pub(crate) fn new(registry: Registry<KeyRecord>) -> Self {
        let by_digest = registry.all().into_iter();
        let by_digest = by_digest.filter_map(|key| Some((digest_bytes(&key.digest)?, key)));
        let by_digest = RwLock::new(by_digest.collect());
        Self {
            registry,
            by_digest,
            limiter: RwLock::default(),
        }
    }

    /// Whether there is any.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_digest
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty()
    }

    /// A key that the operator has chosen: for all tenants, with every scope, until the process
    /// ends.
    pub(crate) fn accept(&self, text: &str, now: Wall) {
        let digest = digest(text);
        let key = KeyRecord {
            id: "key_given_at_start".to_owned(),
            digest: hex::encode(digest),
            name: "given at the start".to_owned(),
            scopes: Scope::ALL.to_vec(),
            tenant: None,
            requests_per_second: None,
            created_at: now.into(),
            expires_at: None,
        };
        let mut by_digest = self
            .by_digest
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        by_digest.insert(digest, Arc::new(key));
    }

    /// Makes a key. Its text is given this once.
    pub(crate) async fn make(
        &self,
        new: NewKey,
        now: Wall,
    ) -> Result<(Arc<KeyRecord>, String), Problem> {
        let mut random = [0; 48];
        getrandom::fill(&mut random).map_err(|error| Problem::new(Code::Internal, error))?;
        let (for_id, secret) = random.split_at(16);
        let for_id = for_id.try_into().map_or(0, u128::from_be_bytes);
        let id = KeyId::from_parts(now, for_id).to_string();
        let text = format!("{id}_{}", hex::encode(secret));
        let digest = digest(&text);
        let record = KeyRecord {
            id: id.clone(),
            digest: hex::encode(digest),
            name: new.name,
            scopes: new.scopes,
            tenant: new.tenant.as_ref().map(ToString::to_string),
            requests_per_second: new.requests_per_second,
            created_at: now.into(),
            expires_at: new.expires_at,
        };
        let home = new.tenant.unwrap_or_default();
        let record = self.registry.add(&home, &id, record).await?;
        let mut by_digest = self
            .by_digest
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        by_digest.insert(digest, Arc::clone(&record));
        Ok((record, text))
    }

    /// Those that a caller may see: of one tenant, or of all.
    pub(crate) fn list(&self, tenant: Option<&TenantId>) -> Vec<Arc<KeyRecord>> {
        let seen = |key: &Arc<KeyRecord>| match tenant {
            Some(tenant) => key.tenant.as_deref() == Some(tenant.as_str()),
            None => true,
        };
        self.registry.all().into_iter().filter(seen).collect()
    }

    /// From now on it is no key any more. False if there is none with this id that the caller may
    /// see.
    pub(crate) async fn revoke(
        &self,
        tenant: Option<&TenantId>,
        id: &str,
    ) -> Result<bool, Problem> {
        let Some(key) = self.list(tenant).into_iter().find(|key| key.id == id) else {
            return Ok(false);
        };
        let removed = self
            .registry
            .remove(&home(key.tenant.as_deref()), id)
            .await?;
        if let Some(digest) = digest_bytes(&key.digest) {
            let mut by_digest = self
                .by_digest
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            by_digest.remove(&digest);
        }
        Ok(removed)
    }

    /// The key with this text. The look-up is by a digest, of which a stranger cannot choose the
    /// bits; what is found is compared in constant time all the same.
    pub(crate) fn recognise(&self, text: &str, now: Wall) -> Result<Arc<KeyRecord>, Problem> {
        let digest = digest(text);
        let by_digest = self
            .by_digest
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let found = by_digest.get_key_value(&digest);
        let found = found.filter(|(known, _)| bool::from(known.ct_eq(&digest)));
        let (_, key) = found.ok_or_else(|| {
            Problem::new(
                Code::Unauthorized,
                "the key is unknown: it was revoked, or never made",
            )
        })?;
        if key.expires_at.is_some_and(|at| at.0 <= now) {
            return Err(Problem::new(Code::Unauthorized, "the key has expired"));
        }
        Ok(Arc::clone(key))
    }

    /// Whether this one has neither been revoked nor expired.
    pub(crate) fn knows(&self, key: &KeyRecord, now: Wall) -> bool {
        let by_digest = self
            .by_digest
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let known = digest_bytes(&key.digest).is_some_and(|digest| by_digest.contains_key(&digest));
        known && key.expires_at.is_none_or(|at| at.0 > now)
    }

    /// Counts a request against the key's rate.
    pub(crate) fn count(&self, key: &KeyRecord) -> Result<(), Problem> {
        let Some(rate) = key.requests_per_second else {
            return Ok(());
        };
        let limiter = self.limiter(rate);
        limiter.check_key(&key.id).map_err(|not_until| {
            let clock = governor::clock::DefaultClock::default();
            let wait = not_until.wait_time_from(clock.now());
            let seconds = wait.as_secs() + 1;
            let detail = format!("this key may make {rate} requests a second");
            Problem::new(Code::RateLimited, detail).retry_after(seconds)
        })
    }

    /// One limiter for each rate, shared by the keys that have it.
    fn limiter(&self, rate: NonZeroU32) -> Arc<DefaultKeyedRateLimiter<String>> {
        let known = self.limiter.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(limiter) = known.get(&rate) {
            return Arc::clone(limiter);
        }
        drop(known);
        let mut known = self.limiter.write().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(RateLimiter::keyed(Quota::per_second(rate)));
        Arc::clone(known.entry(rate).or_insert_with(new))
    }
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

fn digest_bytes(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    hex::decode_to_slice(text, &mut digest).ok()?;
    Some(digest)
}
