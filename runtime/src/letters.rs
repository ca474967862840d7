//! Dead letters, counted by where they went and why they failed, or what they were.

use crate::history::{DeadLetterGroup, DeliveryFilter, DeliveryQuery, Direction, accepted_at};
use crate::outline::{DeliveryOutline, each};
use crate::postrider::Postrider;
use crate::status::ReadError;
use postrider_engine::{DeliveryState, EndpointId, EventType, FailReason, TenantId, Wall};
use std::collections::BTreeMap;

/// Dead letters that are counted in one go.
const AT_ONCE: usize = 1_000;

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

impl Postrider {
    /// Dead letters that match, counted by endpoint and reason or event type: the first 10,000 groups
    /// in this order.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn count_dead_letters(
        &self,
        mut filter: DeliveryFilter,
        by: LetterGrouping,
    ) -> Result<Vec<LetterGroup>, ReadError> {
        filter.dead = true;
        if by == LetterGrouping::Reason && is_for_all(&filter) {
            let found = self.dead_letter_groups(filter.tenant.as_ref()).await?;
            return Ok(found.into_iter().map(LetterGroup::from).collect());
        }
        let mut groups = Groups::new(by);
        let query = DeliveryQuery {
            filter,
            direction: Direction::OldestFirst,
            after: None,
            most: AT_ONCE,
        };
        each(&self.store(), query, |letter| groups.add(letter)).await?;
        Ok(groups.known.into_values().collect())
    }
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
    use postrider_engine::DeliveryId;

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
}
