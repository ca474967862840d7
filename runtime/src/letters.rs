//! Dead letters, counted by where they went and why they failed, or what they were.

use crate::history::{DeadLetterGroup, DeliveryFilter, DeliveryQuery, Direction, accepted_at};
use crate::outline::{DeliveryOutline, each_of_pages};
use crate::postrider::Postrider;
use crate::status::ReadError;
use crate::store::{Store, StoreError};
use postrider_engine::{DeliveryState, EndpointId, EventType, FailReason, TenantId, Wall};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Dead letters that are counted in one go.
const AT_ONCE: usize = 1_000;

/// Pages that one count reads: 200,000 dead letters, or fewer where few of what is looked at match.
const PAGES_MAX: usize = 200;

/// Groups that are counted.
const GROUPS_MAX: usize = 10_000;

/// By what dead letters of one endpoint are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LetterGrouping {
    /// Why they failed.
    #[default]
    Reason,
    /// The types of their events.
    EventType,
}

/// Dead letters of one endpoint that have this in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterGroup {
    /// Whose they are.
    pub tenant: TenantId,
    /// The endpoint; it may have been deleted since.
    pub endpoint: EndpointId,
    /// Why they failed, if they are grouped by that.
    pub reason: Option<FailReason>,
    /// The type of their events, if they are grouped by that.
    pub event_type: Option<EventType>,
    /// How many there are.
    pub count: u64,
    /// When the oldest of them was accepted.
    pub oldest: Wall,
    /// When the newest of them was accepted.
    pub newest: Wall,
}

/// Dead letters, counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterCounts {
    /// By endpoint and reason or event type: the first 10,000 groups in this order.
    pub groups: Vec<LetterGroup>,
    /// How many letters were counted, also those of groups that are left out.
    pub letters: u64,
    /// Whether these are all. If not, they are the oldest: one count reads no more than 200,000.
    pub is_complete: bool,
}

impl Postrider {
    /// Dead letters that match, counted by endpoint and reason or event type. Where the store does not
    /// know their number, the oldest 200,000 are counted one by one.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn count_dead_letters(
        &self,
        mut filter: DeliveryFilter,
        by: LetterGrouping,
    ) -> Result<LetterCounts, ReadError> {
        filter.dead = true;
        if by == LetterGrouping::Reason && is_for_all(&filter) {
            let found = self.dead_letter_groups(filter.tenant.as_ref()).await?;
            return Ok(LetterCounts {
                letters: found.iter().map(|group| group.count).sum(),
                groups: found.into_iter().map(LetterGroup::from).collect(),
                is_complete: true,
            });
        }
        let query = DeliveryQuery {
            filter,
            direction: Direction::OldestFirst,
            after: None,
            most: AT_ONCE,
        };
        Ok(counted(&self.store(), (query, PAGES_MAX), by).await?)
    }
}

async fn counted(
    store: &Arc<dyn Store>,
    pages: (DeliveryQuery, usize),
    by: LetterGrouping,
) -> Result<LetterCounts, StoreError> {
    let (mut groups, mut letters) = (Groups::new(by), 0);
    let is_complete = each_of_pages(store, pages, |letter| {
        letters += 1;
        groups.add(letter);
    });
    let is_complete = is_complete.await?;
    Ok(LetterCounts {
        groups: groups.known.into_values().collect(),
        letters,
        is_complete,
    })
}

/// Whether all dead letters of a tenant, or of all, are asked for: the store knows their number.
fn is_for_all(filter: &DeliveryFilter) -> bool {
    let all = DeliveryFilter {
        tenant: filter.tenant.clone(),
        dead: true,
        ..DeliveryFilter::default()
    };
    *filter == all
}

impl From<DeadLetterGroup> for LetterGroup {
    fn from(group: DeadLetterGroup) -> Self {
        Self {
            tenant: group.tenant,
            endpoint: group.endpoint,
            reason: Some(group.reason),
            event_type: None,
            count: group.count,
            oldest: group.oldest,
            newest: group.newest,
        }
    }
}

type Key = (EndpointId, Option<FailReason>, Option<EventType>);

struct Groups {
    by: LetterGrouping,
    known: BTreeMap<Key, LetterGroup>,
}

impl Groups {
    fn new(by: LetterGrouping) -> Self {
        Self {
            by,
            known: BTreeMap::new(),
        }
    }

    fn add(&mut self, letter: &DeliveryOutline) {
        let (reason, event_type) = match (self.by, letter.state) {
            (LetterGrouping::Reason, DeliveryState::Failed(reason)) => (Some(reason), None),
            (LetterGrouping::Reason, _) => (None, None),
            (LetterGrouping::EventType, _) => (None, Some(letter.event_type.clone())),
        };
        let at = accepted_at(letter.id);
        let key = (letter.endpoint, reason, event_type.clone());
        let group = self.known.entry(key).or_insert(LetterGroup {
            tenant: letter.tenant.clone(),
            endpoint: letter.endpoint,
            reason,
            event_type,
            count: 0,
            oldest: at,
            newest: at,
        });
        group.count += 1;
        // They come oldest first.
        group.newest = at;
        // A group that has gone does not come back: those that stay come before it.
        if self.known.len() > GROUPS_MAX {
            self.known.pop_last();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStore;
    use postrider_engine::{
        Change, DeliveryId, Event, EventHeaders, EventId, LaneId, NewDelivery, OrderingKey,
        PayloadType, Publish,
    };

    fn letter(endpoint: u128, at: u64, event_type: &str) -> DeliveryOutline {
        DeliveryOutline {
            id: DeliveryId::first_at(Wall(at)),
            tenant: TenantId::default(),
            event_type: event_type.parse().unwrap(),
            endpoint: EndpointId::from_u128(endpoint),
            endpoint_status: None,
            state: DeliveryState::Failed(FailReason::Gone),
            ended_at: None,
            resent_as: None,
        }
    }

    #[test]
    fn letters_are_grouped_by_endpoint_and_one_thing_more() {
        for (by, expected) in [
            (LetterGrouping::Reason, vec![(1, 3, 10, 30), (2, 1, 20, 20)]),
            (
                LetterGrouping::EventType,
                vec![(1, 2, 10, 30), (1, 1, 15, 15), (2, 1, 20, 20)],
            ),
        ] {
            let mut groups = Groups::new(by);
            groups.add(&letter(1, 10, "a.a"));
            groups.add(&letter(1, 15, "a.b"));
            groups.add(&letter(2, 20, "a.a"));
            groups.add(&letter(1, 30, "a.a"));
            let found = groups.known.into_values().map(|it| {
                let endpoint = it.endpoint.as_u128();
                (endpoint, it.count, it.oldest.0, it.newest.0)
            });
            assert_eq!(found.collect::<Vec<_>>(), expected, "{by:?}");
        }
    }

    #[test]
    fn no_more_groups_are_kept_than_may_be() {
        let mut groups = Groups::new(LetterGrouping::EventType);
        for number in (0..=GROUPS_MAX as u128).rev() {
            groups.add(&letter(number, 1, "a.a"));
        }
        assert_eq!(groups.known.len(), GROUPS_MAX);
        let first = groups.known.first_key_value().unwrap().0;
        assert_eq!(first.0, EndpointId::from_u128(0));
    }

    #[test]
    fn the_store_is_asked_for_a_number_where_all_of_a_tenant_are_meant() {
        let mut filter = DeliveryFilter {
            tenant: Some(TenantId::default()),
            dead: true,
            ..DeliveryFilter::default()
        };
        assert!(is_for_all(&filter));
        filter.status = Some(500);
        assert!(!is_for_all(&filter));
    }

    /// An event for which there is no room: its delivery is a dead letter.
    fn passed_over(number: u128) -> Change {
        Change::Publish(Publish {
            event: Arc::new(Event {
                id: EventId::from_u128(number),
                tenant: TenantId::default(),
                event_type: "a.b".parse().unwrap(),
                payload: "{}".into(),
                payload_type: PayloadType::default(),
                headers: EventHeaders::default(),
                ordering_key: OrderingKey::none(),
                published_at: Wall(5),
            }),
            deliveries: [NewDelivery {
                queue_full: true,
                id: DeliveryId::from_u128(number),
                lane: LaneId {
                    endpoint: EndpointId::from_u128(7),
                    key: OrderingKey::none(),
                },
            }]
            .into(),
            idempotency: None,
            addressed: false,
            from_outbox: false,
        })
    }

    #[tokio::test]
    async fn a_count_that_would_be_too_long_stops_and_says_so() {
        let store = Arc::new(MemoryStore::default());
        let changes = (1..=7).map(passed_over).collect();
        for receipt in Arc::clone(&store).commit(changes).await {
            receipt.unwrap();
        }
        let store: Arc<dyn Store> = store;
        let query = DeliveryQuery {
            filter: DeliveryFilter {
                dead: true,
                ..DeliveryFilter::default()
            },
            direction: Direction::OldestFirst,
            after: None,
            most: 2,
        };
        for (pages, expected) in [(2, (4, false)), (9, (7, true))] {
            let pages = (query.clone(), pages);
            let found = counted(&store, pages, LetterGrouping::EventType).await;
            let found = found.unwrap();
            assert_eq!((found.letters, found.is_complete), expected);
            assert_eq!(found.groups[0].count, expected.0);
        }
    }
}
