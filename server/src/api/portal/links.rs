//! Links to the portal, as they are kept. Their text is not.

use super::theme::Theme;
use crate::api::keys::Scope;
use crate::api::problem::{Code, Problem};
use crate::api::registry::Registry;
use crate::api::time::Time;
use postrider::engine::PortalLinkId;
use postrider::{Note, RecordError, Records, TenantId, Wall};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use subtle::ConstantTimeEq;
use tokio::sync::{Mutex, MutexGuard};

/// Links of one tenant that nobody has used.
const LINKS_TENANT_MAX: usize = 1_000;

/// Links that have expired go when a new one is made, so many at a time.
const EXPIRED: usize = 32;

/// A link.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LinkRecord {
    pub(crate) id: String,
    /// SHA-256 of its token, in hex.
    digest: String,
    pub(super) tenant: String,
    pub(super) scopes: Vec<Scope>,
    pub(super) theme: Theme,
    pub(super) session_s: u32,
    /// The key that made it, without which it is none; `None` if the operator's has.
    pub(super) made_by: Option<String>,
    pub(super) expires_at: Time,
}

/// What a new link is to be.
pub(super) struct NewLink {
    pub(super) tenant: TenantId,
    pub(super) scopes: Vec<Scope>,
    pub(super) theme: Theme,
    pub(super) session_s: u32,
    pub(super) made_by: Option<String>,
    pub(super) expires_at: Time,
}

/// All links that nobody has used.
pub(crate) struct Links {
    registry: Registry<LinkRecord>,
    signing_in: Mutex<()>,
}

/// A token does not say of which tenant it is: all of them are kept under this one.
fn home() -> TenantId {
    TenantId::default()
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

impl LinkRecord {
    fn has_expired(&self, now: Wall) -> bool {
        self.expires_at.0 <= now
    }

    fn is_of(&self, token: &str) -> bool {
        let mut kept = [0; 32];
        hex::decode_to_slice(&self.digest, &mut kept).is_ok()
            && bool::from(digest(token).ct_eq(&kept))
    }
}

impl Links {
    pub(crate) async fn load(records: Arc<dyn Records>) -> Result<Self, RecordError> {
        let registry = Registry::<LinkRecord>::load("portal_link", records).await?;
        Ok(Self {
            registry: registry.without_share(),
            signing_in: Mutex::new(()),
        })
    }

    /// Whoever signs in waits for this: nobody else does meanwhile.
    pub(super) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.signing_in.lock().await
    }

    /// Makes a link. Its token is given this once. The note is kept with it.
    pub(super) async fn add(
        &self,
        new: NewLink,
        now: Wall,
        mut note: Note,
    ) -> Result<(Arc<LinkRecord>, String), Problem> {
        self.drop_expired(now).await?;
        if self.of(&new.tenant).len() >= LINKS_TENANT_MAX {
            let detail = format!("this tenant has {LINKS_TENANT_MAX} links that nobody has used");
            return Err(Problem::new(Code::TenantFull, detail));
        }
        let mut random = [0; 48];
        getrandom::fill(&mut random).map_err(|error| Problem::new(Code::Internal, error))?;
        let (for_id, secret) = random.split_at(16);
        let for_id = for_id.try_into().map_or(0, u128::from_be_bytes);
        let id = PortalLinkId::from_parts(now, for_id).to_string();
        let token = format!("{id}_{}", hex::encode(secret));
        let record = LinkRecord {
            id: id.clone(),
            digest: hex::encode(digest(&token)),
            tenant: new.tenant.to_string(),
            scopes: new.scopes,
            theme: new.theme,
            session_s: new.session_s,
            made_by: new.made_by,
            expires_at: new.expires_at,
        };
        note.target = Some(id.as_str().into());
        let record = self.registry.add(&home(), &id, record, Some(note)).await?;
        Ok((record, token))
    }

    async fn drop_expired(&self, now: Wall) -> Result<(), Problem> {
        let all = self.registry.all();
        let expired = all.iter().filter(|link| link.has_expired(now));
        for link in expired.take(EXPIRED) {
            self.take(&link.id, None).await?;
        }
        Ok(())
    }

    /// The link with this token, if it can be used now.
    pub(super) fn find(&self, token: &str, now: Wall) -> Option<Arc<LinkRecord>> {
        let (id, _) = token.rsplit_once('_')?;
        let link = self.registry.get(&home(), id)?;
        (link.is_of(token) && !link.has_expired(now)).then_some(link)
    }

    /// From now on it is no link any more. Of those who call this at once, one gets true, and its note
    /// is kept.
    pub(crate) async fn take(&self, id: &str, note: Option<Note>) -> Result<bool, Problem> {
        self.registry.remove(&home(), id, note).await
    }

    /// Those of a tenant.
    pub(crate) fn of(&self, tenant: &TenantId) -> Vec<Arc<LinkRecord>> {
        let mut all = self.registry.all();
        all.retain(|link| link.tenant == tenant.as_str());
        all
    }
}
