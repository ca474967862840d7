//! Cursors as they are shown: places in what all tenants share are numbers that would betray how
//! much the others do, so each tenant gets them encrypted.
//!
//! A synthetic initialisation vector, as in RFC 5297, over SHA-256: the same place is the same text
//! for the same tenant, in every life of this installation, and a text that was not given out is
//! refused. The key is a record of the store, which seals it.

use super::problem::{Code, Problem};
use postrider::signature::content_digest;
use postrider::store::StoreError;
use postrider::{Record, RecordError, Records, TenantId};
use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// Under which the key is kept.
const KIND: &str = "cursor_key";
const ID: &str = "1";

/// Bytes of the tag: as many as are guessed in vain.
const TAG: usize = 8;

/// In what a place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    /// The log of events.
    Events,
    /// The same, as it is shown to keys for all tenants.
    EventsOfAll,
    /// The events that wait for their time.
    Scheduled,
}

impl Of {
    fn name(self) -> &'static [u8] {
        match self {
            Self::Events => b"events",
            Self::EventsOfAll => b"events_of_all",
            Self::Scheduled => b"scheduled",
        }
    }
}

/// Hides places and finds them again.
pub(crate) struct Cursors {
    key: [u8; 32],
}

impl Cursors {
    /// With the key of this installation, which is made at its first start.
    pub(crate) async fn load(records: Arc<dyn Records>) -> Result<Self, RecordError> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|error| StoreError(error.to_string()))?;
        let new = Record {
            kind: KIND,
            tenant: TenantId::default(),
            id: ID.into(),
            value: key.to_vec().into(),
        };
        if !Arc::clone(&records).put_new(new).await? {
            let known = records.get(KIND, TenantId::default(), ID.into()).await?;
            let known = known.and_then(|known| known.value[..].try_into().ok());
            let damaged = || StoreError("the record cursor_key is damaged".to_owned());
            key = known.ok_or_else(damaged)?;
        }
        Ok(Self { key })
    }

    fn tag(&self, tenant: &TenantId, of: Of, place: &[u8]) -> [u8; TAG] {
        let parts = [
            &self.key[..],
            &b"tag"[..],
            of.name(),
            tenant.as_str().as_bytes(),
            place,
        ];
        let digest = content_digest(&parts);
        std::array::from_fn(|at| digest[at])
    }

    /// Encrypts, and decrypts.
    fn mask(&self, tenant: &TenantId, of: Of, tag: &[u8], place: &mut [u8]) {
        let parts = [
            &self.key[..],
            &b"mask"[..],
            of.name(),
            tenant.as_str().as_bytes(),
            tag,
        ];
        for (byte, mask) in place.iter_mut().zip(content_digest(&parts)) {
            *byte ^= mask;
        }
    }

    /// The text of a place, as this tenant sees it.
    pub(crate) fn hide(&self, tenant: &TenantId, of: Of, place: impl Display) -> String {
        // The texts of places are hexadecimal, of at most 32 bytes.
        let mut place = hex::decode(place.to_string()).unwrap_or_default();
        let tag = self.tag(tenant, of, &place);
        self.mask(tenant, of, &tag, &mut place);
        hex::encode([&tag[..], &place[..]].concat())
    }

    /// The place that this tenant was shown under a text.
    pub(crate) fn find<T: FromStr>(
        &self,
        tenant: &TenantId,
        of: Of,
        text: &str,
    ) -> Result<T, Problem> {
        let refused = || {
            let detail = "hand back the last `id` of the stream, or `next` of the page before, \
                          unchanged; one from before Postrider encrypted them is not taken any \
                          more: begin without it";
            Problem::new(Code::InvalidCursor, detail)
        };
        let bytes = hex::decode(text).map_err(|_| refused())?;
        let (tag, hidden) = bytes.split_at_checked(TAG).ok_or_else(refused)?;
        let mut place = hidden.to_vec();
        self.mask(tenant, of, tag, &mut place);
        let expected = self.tag(tenant, of, &place);
        if !bool::from(expected[..].ct_eq(tag)) {
            return Err(refused());
        }
        hex::encode(place).parse().map_err(|_| refused())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider::store::Store;
    use postrider::{EventCursor, MemoryStore};

    fn cursor(number: u64) -> EventCursor {
        format!("{number:016x}").parse().unwrap()
    }

    fn named(name: &str) -> TenantId {
        name.parse().unwrap()
    }

    async fn cursors(store: &Arc<MemoryStore>) -> Cursors {
        let records = Arc::clone(store).records().unwrap();
        Cursors::load(records).await.unwrap()
    }

    #[tokio::test]
    async fn a_place_is_found_again_by_its_tenant_also_after_a_restart() {
        let store = Arc::new(MemoryStore::default());
        let before = cursors(&store).await;
        for number in [0, 1, 77, u64::MAX] {
            let text = before.hide(&named("a"), Of::Events, cursor(number));
            let after = cursors(&store).await;
            let found: EventCursor = after.find(&named("a"), Of::Events, &text).unwrap();
            assert_eq!(found, cursor(number));
            assert_eq!(after.hide(&named("a"), Of::Events, cursor(number)), text);
        }
    }

    #[tokio::test]
    async fn neither_a_number_nor_a_distance_can_be_read_from_a_place() {
        let cursors = cursors(&Arc::new(MemoryStore::default())).await;
        let texts: Vec<_> = (0..64)
            .map(|number| cursors.hide(&named("a"), Of::Events, cursor(number)))
            .collect();
        for (number, text) in texts.iter().enumerate() {
            let bytes = hex::decode(text).unwrap();
            let hidden = u64::from_be_bytes(bytes[TAG..].try_into().unwrap());
            assert!(hidden > 1 << 32, "{number} is {hidden}");
            let next = texts.get(number + 1).unwrap_or(&texts[0]);
            let same = text.bytes().zip(next.bytes()).filter(|(a, b)| a == b);
            assert!(same.count() < text.len() / 2, "{text} and {next}");
        }
    }

    #[tokio::test]
    async fn a_place_of_another_tenant_or_list_or_a_changed_or_plain_one_is_refused() {
        let cursors = cursors(&Arc::new(MemoryStore::default())).await;
        let text = cursors.hide(&named("a"), Of::Events, cursor(7));
        let find = |tenant: &str, of, text: &str| {
            let found = cursors.find::<EventCursor>(&named(tenant), of, text);
            found.is_ok()
        };
        assert!(find("a", Of::Events, &text));
        assert!(!find("b", Of::Events, &text));
        assert!(!find("a", Of::Scheduled, &text));
        for at in 0..text.len() {
            let mut changed = text.clone();
            let other = if &text[at..=at] == "0" { "1" } else { "0" };
            changed.replace_range(at..=at, other);
            assert!(!find("a", Of::Events, &changed), "{changed}");
        }
        for plain in ["", "00", "0000000000000007", "0000000000000000", "g"] {
            assert!(!find("a", Of::Events, plain), "{plain}");
        }
    }
}
