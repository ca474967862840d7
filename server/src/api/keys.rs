//! Keys of the API: made, kept and recognised.

use super::key_uses::KeyUses;
use super::portal::Theme;
use super::problem::{Code, Problem};
use super::registry::Registry;
use super::time::Time;
use governor::clock::Clock;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use postrider::engine::KeyId;
use postrider::{Note, RecordError, TenantId, Wall};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
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
    /// Sends deliveries and dead letters again. A part of `manage`.
    Retry,
    /// Makes, changes, deletes and tries out endpoints, and sees their secrets. A part of `manage`.
    ManageEndpoints,
    /// Sends test events to endpoints that are registered. A part of `manage`.
    Test,
}

impl Scope {
    /// All that there is: the others are parts of these.
    pub(crate) const ALL: [Self; 3] = [Self::Publish, Self::Manage, Self::Read];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Manage => "manage",
            Self::Read => "read",
            Self::Retry => "retry",
            Self::ManageEndpoints => "manage_endpoints",
            Self::Test => "test",
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
    /// The key that made it, without which it is none. Keys of earlier versions have none.
    #[serde(default)]
    pub(crate) made_by: Option<String>,
    /// How the portal looks that it is a session of; `None` for other keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) portal: Option<Theme>,
}

impl KeyRecord {
    /// Whether the operator has given it, for as long as the process runs.
    pub(crate) fn is_given(&self) -> bool {
        self.id == GIVEN
    }

    fn has_expired(&self, now: Wall) -> bool {
        self.expires_at.is_some_and(|at| at.0 <= now)
    }

    /// Whether it has this scope, or one that includes it.
    pub(crate) fn has(&self, scope: Scope) -> bool {
        let implied = scope != Scope::Publish && self.scopes.contains(&Scope::Manage);
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
    /// The key that makes it.
    pub(crate) made_by: Option<Arc<KeyRecord>>,
    /// How the portal looks, if it is a session of that.
    pub(crate) portal: Option<Theme>,
}

/// The id of a key that the operator has given.
const GIVEN: &str = "key_given_at_start";

/// How many keys there may be from one to the one that nobody made.
const GENERATIONS_MAX: usize = 8;

/// Ended sessions of the portal that are dropped when a new one begins.
const ENDED_SESSIONS: usize = 32;

/// All keys.
pub(crate) struct Keys {
    registry: Registry<KeyRecord>,
    uses: KeyUses,
    known: RwLock<Known>,
    limiter: RwLock<BTreeMap<NonZeroU32, Arc<DefaultKeyedRateLimiter<String>>>>,
}

/// The same keys, by digest and by id.
#[derive(Default)]
struct Known {
    by_digest: BTreeMap<[u8; 32], Arc<KeyRecord>>,
    by_id: BTreeMap<String, Arc<KeyRecord>>,
}

impl Known {
    fn insert(&mut self, digest: [u8; 32], key: Arc<KeyRecord>) {
        self.by_id.insert(key.id.clone(), Arc::clone(&key));
        self.by_digest.insert(digest, key);
    }

    fn remove(&mut self, key: &KeyRecord) {
        self.by_id.remove(&key.id);
        if let Some(digest) = digest_bytes(&key.digest) {
            self.by_digest.remove(&digest);
        }
    }

    /// The key, the one that made it, and so on, as far as they are known.
    fn line(&self, key: &Arc<KeyRecord>) -> impl Iterator<Item = Arc<KeyRecord>> {
        let next = |key: &Arc<KeyRecord>| self.by_id.get(key.made_by.as_ref()?).cloned();
        std::iter::successors(Some(Arc::clone(key)), next).take(GENERATIONS_MAX)
    }

    /// Whether all of those are keys that it ends with.
    fn is_live(&self, key: &Arc<KeyRecord>, now: Wall) -> bool {
        let is_known = |key: &KeyRecord| self.by_id.contains_key(&key.id);
        let mut last = None;
        let all = self.line(key).all(|key| {
            let is_live = is_known(&key) && !key.has_expired(now);
            last = Some(key);
            is_live
        });
        all && last.is_some_and(|last| last.made_by.is_none())
    }

    /// Those that this one made, those that these made, and so on.
    fn descendants(&self, id: &str) -> Vec<Arc<KeyRecord>> {
        let made_by = |id: &str| {
            let all = self.by_id.values();
            let made = all.filter(|key| key.made_by.as_deref() == Some(id));
            made.cloned().collect::<Vec<_>>()
        };
        let mut found = made_by(id);
        let mut place = 0;
        while let Some(key) = found.get(place).cloned() {
            found.extend(made_by(&key.id));
            place += 1;
        }
        found
    }
}

/// Where keys for all tenants are kept.
fn home(tenant: Option<&str>) -> TenantId {
    tenant
        .and_then(|tenant| tenant.parse().ok())
        .unwrap_or_default()
}

impl Keys {
    pub(crate) fn new(registry: Registry<KeyRecord>, uses: KeyUses) -> Self {
        let mut known = Known::default();
        for key in registry.all() {
            if let Some(digest) = digest_bytes(&key.digest) {
                known.insert(digest, key);
            }
        }
        Self {
            registry,
            uses,
            known: RwLock::new(known),
            limiter: RwLock::default(),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is any.
    pub(crate) fn is_empty(&self) -> bool {
        self.read().by_digest.is_empty()
    }

    /// A key that the operator has chosen: for all tenants, with every scope, until the process
    /// ends.
    pub(crate) fn accept(&self, text: &str, now: Wall) {
        let digest = digest(text);
        let key = KeyRecord {
            id: GIVEN.to_owned(),
            digest: hex::encode(digest),
            name: "given at the start".to_owned(),
            scopes: Scope::ALL.to_vec(),
            tenant: None,
            requests_per_second: None,
            created_at: now.into(),
            expires_at: None,
            made_by: None,
            portal: None,
        };
        self.write().insert(digest, Arc::new(key));
    }

    /// Makes a key. Its text is given this once. The note is kept with it.
    pub(crate) async fn make(
        &self,
        new: NewKey,
        now: Wall,
        mut note: Note,
    ) -> Result<(Arc<KeyRecord>, String), Problem> {
        let mut random = [0; 48];
        getrandom::fill(&mut random).map_err(|error| Problem::new(Code::Internal, error))?;
        let (for_id, secret) = random.split_at(16);
        let for_id = for_id.try_into().map_or(0, u128::from_be_bytes);
        let id = KeyId::from_parts(now, for_id).to_string();
        let text = format!("{id}_{}", hex::encode(secret));
        let digest = digest(&text);
        // What the operator has given may be another one at the next start.
        let made_by = new.made_by.filter(|key| !key.is_given());
        let generations = made_by
            .as_ref()
            .map_or(0, |key| self.read().line(key).count());
        if generations >= GENERATIONS_MAX {
            let detail = format!(
                "this key is the last of {GENERATIONS_MAX} that made each other: make it with an earlier one"
            );
            return Err(Problem::new(Code::Forbidden, detail));
        }
        let record = KeyRecord {
            id: id.clone(),
            digest: hex::encode(digest),
            name: new.name,
            scopes: new.scopes,
            tenant: new.tenant.as_ref().map(ToString::to_string),
            requests_per_second: new.requests_per_second,
            created_at: now.into(),
            expires_at: new.expires_at,
            made_by: made_by.map(|key| key.id.clone()),
            portal: new.portal,
        };
        // One for all tenants is no tenant's business.
        note.tenant.clone_from(&new.tenant);
        note.target = Some(id.as_str().into());
        let home = new.tenant.unwrap_or_default();
        let record = self.registry.add(&home, &id, record, Some(note)).await?;
        self.write().insert(digest, Arc::clone(&record));
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

    /// From now on it is no key any more, nor is any that it has made. False if there is none with this
    /// id that the caller may see. The note is kept with the first of these changes.
    pub(crate) async fn revoke(
        &self,
        tenant: Option<&TenantId>,
        id: &str,
        note: Option<Note>,
    ) -> Result<bool, Problem> {
        let Some(key) = self.list(tenant).into_iter().find(|key| key.id == id) else {
            return Ok(false);
        };
        let owner = key.tenant.as_deref();
        let note = note.map(|note| Note {
            tenant: owner.and_then(|tenant| tenant.parse().ok()),
            ..note
        });
        let removed = self.registry.remove(&home(owner), id, note).await?;
        let with_it = {
            let mut known = self.write();
            let with_it = known.descendants(id);
            known.remove(&key);
            with_it.iter().for_each(|key| known.remove(key));
            with_it
        };
        // They are none without the first one, whether or not this comes to its end.
        for key in with_it {
            let home = home(key.tenant.as_deref());
            self.registry.remove(&home, &key.id, None).await?;
        }
        let limiters = self.limiter.read().unwrap_or_else(PoisonError::into_inner);
        limiters
            .values()
            .for_each(|limiter| limiter.retain_recent());
        Ok(removed)
    }

    /// Drops sessions of the portal that have ended, a few at a time. Those of all tenants, since all
    /// keys share one bound. Nobody revokes them, so nothing is noted.
    pub(crate) async fn drop_ended_sessions(&self, now: Wall) -> Result<(), Problem> {
        let all = self.list(None);
        let sessions = all.iter().filter(|key| key.portal.is_some());
        let ended = sessions.filter(|key| key.has_expired(now));
        for key in ended.take(ENDED_SESSIONS) {
            self.revoke(None, &key.id, None).await?;
        }
        Ok(())
    }

    /// The key with this id, if it is one now.
    pub(crate) fn living(&self, id: &str, now: Wall) -> Option<Arc<KeyRecord>> {
        let known = self.read();
        let key = known.by_id.get(id)?;
        known.is_live(key, now).then(|| Arc::clone(key))
    }

    /// The key with this text. The look-up is by a digest, of which a stranger cannot choose the
    /// bits; what is found is compared in constant time all the same.
    pub(crate) fn recognise(&self, text: &str, now: Wall) -> Result<Arc<KeyRecord>, Problem> {
        let digest = digest(text);
        let known = self.read();
        let found = known.by_digest.get_key_value(&digest);
        let found = found.filter(|(known, _)| bool::from(known.ct_eq(&digest)));
        let (_, key) = found.ok_or_else(|| {
            Problem::new(
                Code::Unauthorized,
                "the key is unknown: it was revoked, or never made",
            )
        })?;
        if key.has_expired(now) {
            return Err(Problem::new(Code::Unauthorized, "the key has expired"));
        }
        if !known.is_live(key, now) {
            let detail = "the key has ended with the one that made it";
            return Err(Problem::new(Code::Unauthorized, detail));
        }
        Ok(Arc::clone(key))
    }

    /// Whether this one has neither been revoked nor expired.
    pub(crate) fn knows(&self, key: &Arc<KeyRecord>, now: Wall) -> bool {
        self.read().is_live(key, now)
    }

    /// How many keys are bound to a tenant.
    pub(crate) fn count_of(&self, tenant: &TenantId) -> usize {
        let all = self.registry.of(tenant);
        let bound = |key: &&Arc<KeyRecord>| key.tenant.as_deref() == Some(tenant.as_str());
        all.iter().filter(bound).count()
    }

    /// Notes that a key is used. Of one that the operator has given nothing is kept.
    pub(crate) fn used(&self, key: &KeyRecord, now: Wall) {
        if !key.is_given() {
            self.uses.note(&key.id, now);
        }
    }

    /// When a key was last used.
    pub(crate) fn last_used(&self, id: &str) -> Option<Wall> {
        self.uses.last(id)
    }

    /// Writes when keys were last used.
    pub(crate) async fn keep_uses(&self) -> Result<(), RecordError> {
        let is_key = |id: &str| self.read().by_id.contains_key(id);
        self.uses.keep(is_key).await
    }

    /// Counts a request against the rates of the key and of those that it comes from.
    pub(crate) fn count(&self, key: &Arc<KeyRecord>) -> Result<(), Problem> {
        let line: Vec<_> = self.read().line(key).collect();
        line.iter().try_for_each(|key| self.count_one(key))
    }

    fn count_one(&self, key: &KeyRecord) -> Result<(), Problem> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use postrider::store::Store;
    use postrider::{MemoryStore, NoteId};

    fn key(number: u8, made_by: Option<u8>, expires_at: Option<u64>) -> ([u8; 32], Arc<KeyRecord>) {
        let record = KeyRecord {
            id: format!("key_{number}"),
            digest: hex::encode([number; 32]),
            name: String::new(),
            scopes: vec![Scope::Read],
            tenant: None,
            requests_per_second: None,
            created_at: Wall(0).into(),
            expires_at: expires_at.map(|at| Wall(at).into()),
            made_by: made_by.map(|number| format!("key_{number}")),
            portal: None,
        };
        ([number; 32], Arc::new(record))
    }

    #[test]
    fn a_key_is_none_without_any_of_those_that_it_comes_from() {
        let mut known = Known::default();
        let keys = [
            key(1, None, Some(10)),
            key(2, Some(1), None),
            key(3, Some(2), None),
            // What a revocation leaves that was interrupted after the first of several records.
            key(5, Some(4), None),
            key(6, Some(5), None),
        ];
        for (digest, key) in &keys {
            known.insert(*digest, Arc::clone(key));
        }
        let live = |now| {
            keys.each_ref()
                .map(|(_, key)| known.is_live(key, Wall(now)))
        };
        assert_eq!(live(9), [true, true, true, false, false]);
        assert_eq!(live(10), [false; 5]);
    }

    #[tokio::test]
    async fn sessions_that_have_ended_go_whatever_tenant_they_are_of() {
        let records = Arc::new(MemoryStore::default()).records().unwrap();
        let registry = Registry::<KeyRecord>::load("api_key", Arc::clone(&records));
        let (uses, _woken) = KeyUses::load(records).await.unwrap();
        let keys = Keys::new(registry.await.unwrap(), uses);
        let all = [
            ("ended", "acme", 10, true),
            ("ended", "other", 10, true),
            ("goes on", "acme", 11, true),
            ("no session", "acme", 10, false),
        ];
        for (number, (name, tenant, end, is_session)) in (1_u128..).zip(all) {
            let new = NewKey {
                name: name.to_owned(),
                scopes: vec![Scope::Read],
                tenant: Some(tenant.parse().unwrap()),
                requests_per_second: None,
                expires_at: Some(Wall(end).into()),
                made_by: None,
                portal: is_session.then(Theme::default),
            };
            let note = Note {
                id: NoteId::from_parts(Wall(1), number),
                tenant: None,
                target: None,
                value: "who".into(),
            };
            keys.make(new, Wall(1), note).await.unwrap();
        }
        keys.drop_ended_sessions(Wall(10)).await.unwrap();
        let left = keys.list(None);
        let mut left: Vec<&str> = left.iter().map(|key| &*key.name).collect();
        left.sort_unstable();
        assert_eq!(left, ["goes on", "no session"]);
    }
}
