//! Events that are looked for by their keys, their endpoints, their states and their text.

use super::deliveries::{BLUE, RED, REDDER, accept, add_endpoints, answered, end, tenant};
use super::{Subject, publish};
use crate::events::{EventFilter, EventQuery};
use crate::history::Direction;
use crate::search::EventSearch;
use crate::status::EventState;
use crate::store::Store;
use bytes::Bytes;
use postrider_engine::{
    Change, DeliveryId, DeliveryState, FailReason, Idempotency, OrderingKey, ReplayId, Wall,
};
use std::sync::Arc;

/// The numbers of the events that are found, over pages of two, the same in both directions.
async fn found<S: Store>(store: &Arc<S>, search: &EventSearch) -> Vec<u128> {
    let read = async |direction| {
        let mut search = search.clone();
        search.query.direction = direction;
        search.query.most = 2;
        let mut found = Vec::new();
        loop {
            let page = Arc::clone(store).find_events(search.clone()).await.unwrap();
            assert!(page.events.len() <= 2, "no more than were asked for");
            found.extend(page.events.iter().map(|it| it.id.as_u128()));
            search.query.after = page.next;
            if page.next.is_none() {
                return found;
            }
        }
    };
    let up = read(Direction::OldestFirst).await;
    let mut down = read(Direction::NewestFirst).await;
    down.reverse();
    assert_eq!(up, down, "both directions give the same: {search:?}");
    up
}

fn of_tenant(name: &str) -> EventSearch {
    EventSearch {
        query: EventQuery {
            filter: EventFilter {
                tenant: Some(tenant(name)),
                ..EventFilter::default()
            },
            ..EventQuery::default()
        },
        ..EventSearch::default()
    }
}

/// An event for nobody: its number, its tenant, its keys, and its payload.
type Unsent = (
    u128,
    &'static str,
    Option<&'static str>,
    Option<&'static str>,
    &'static [u8],
);

pub(super) async fn events_are_found_by_their_keys_and_their_text<S: Store>(store: &Arc<S>) {
    let subject = Subject(store);
    let events: [Unsent; 5] = [
        (1, "red", Some("a"), Some("k1"), br#"{"order": 4711}"#),
        (2, "blue", Some("a"), Some("k1"), br#"{"order": 4712}"#),
        (3, "red", None, Some("k2"), b"\xff\"order\": 4711\xff"),
        (4, "red", Some("b"), None, "{\"a\": \"Grüezi\"}".as_bytes()),
        (5, "red", Some("a"), None, b""),
    ];
    for (number, name, ordering, idempotency, payload) in events {
        let key = idempotency.map(|key| Idempotency {
            key: key.into(),
            digest: [1; 32],
        });
        let Change::Publish(mut publish) = publish(number, key) else {
            unreachable!("it publishes")
        };
        let event = Arc::make_mut(&mut publish.event);
        event.tenant = tenant(name);
        event.ordering_key = ordering.map_or(OrderingKey::none(), |key| key.parse().unwrap());
        event.payload = Bytes::from_static(payload);
        publish.deliveries = [].into();
        subject.commit(Change::Publish(publish)).await;
    }
    let key = |search, text: &str| EventSearch {
        ordering_key: Some(text.parse().unwrap()),
        ..search
    };
    let once = |search, text: &str| EventSearch {
        idempotency_key: Some(text.into()),
        ..search
    };
    let says = |search, text: &str| EventSearch {
        payload: Some(text.into()),
        ..search
    };
    let (any, red) = (EventSearch::default, || of_tenant("red"));
    let keyless = EventSearch {
        ordering_key: Some(OrderingKey::none()),
        ..any()
    };
    for (search, expected) in [
        (any(), vec![1, 2, 3, 4, 5]),
        (red(), vec![1, 3, 4, 5]),
        (key(any(), "a"), vec![1, 2, 5]),
        (key(red(), "a"), vec![1, 5]),
        (key(red(), "c"), vec![]),
        (keyless, vec![3]),
        (once(any(), "k1"), vec![1, 2]),
        (once(red(), "k1"), vec![1]),
        (once(red(), "k3"), vec![]),
        (key(once(red(), "k1"), "b"), vec![]),
        (says(any(), "4711"), vec![1, 3]),
        (says(any(), "471"), vec![1, 2, 3]),
        (says(red(), "Grüezi"), vec![4]),
        (says(red(), "{\"order\""), vec![1]),
    ] {
        assert_eq!(found(store, &search).await, expected, "{search:?}");
    }
    let mut search = once(of_tenant("blue"), "k1");
    search.query.most = 1;
    let page = Arc::clone(store).find_events(search).await.unwrap();
    let event = &page.events[0];
    assert_eq!((event.payload_bytes, event.deliveries), (15, 0));
    assert_eq!(event.state, EventState::NoSubscribers);
    assert_eq!(event.idempotency_key.as_deref(), Some("k1"));
    assert_eq!(event.ordering_key.get(), Some("a"));
    assert_eq!(event.published_at, Wall(5));
}

pub(super) async fn events_are_found_by_endpoint_and_by_what_has_become_of_them<S: Store>(
    store: &Arc<S>,
) {
    let subject = Subject(store);
    add_endpoints(&subject).await;
    let retrying = DeliveryState::Retrying { due: Wall(99) };
    let failed = DeliveryState::Failed(FailReason::Exhausted);
    for (number, to, state) in [
        (1, RED, Some(DeliveryState::Delivered)),
        (2, RED, Some(failed)),
        (3, REDDER, Some(retrying)),
        (4, RED, None),
        (5, BLUE, Some(failed)),
        (6, REDDER, Some(failed)),
    ] {
        let place = accept(&subject, number, to, OrderingKey::none()).await;
        if let Some(state) = state {
            end(&subject, (number, 1), place, (answered(503), state), false).await;
        }
    }
    let resend = Change::Resend {
        of: DeliveryId::from_u128(6),
        new: DeliveryId::from_u128(16),
        replay: Some(ReplayId::from_u128(1)),
        at: Wall(20),
    };
    subject.commit(resend).await;
    let Change::Publish(mut nobody) = publish(7, None) else {
        unreachable!("it publishes")
    };
    Arc::make_mut(&mut nobody.event).tenant = tenant("red");
    nobody.deliveries = [].into();
    subject.commit(Change::Publish(nobody)).await;
    let delivery = DeliveryId::from_u128(4);
    let at = Wall(30);
    let red = |states: &[EventState]| EventSearch {
        states: states.to_vec(),
        ..of_tenant("red")
    };
    let to = |endpoint, search| EventSearch {
        endpoint: Some(endpoint),
        ..search
    };
    use EventState::{Delivered, Discarded, Failed, NoSubscribers, Pending, Retrying};
    for (search, expected) in [
        (red(&[]), vec![1, 2, 3, 4, 6, 7]),
        (red(&[Delivered]), vec![1]),
        (red(&[Failed]), vec![2]),
        (red(&[Retrying]), vec![3]),
        (red(&[Pending]), vec![4, 6]),
        (red(&[NoSubscribers]), vec![7]),
        (red(&[Failed, NoSubscribers, Pending]), vec![2, 4, 6, 7]),
        (red(&[Failed, Delivered]), vec![1, 2]),
        (to(REDDER.0, red(&[])), vec![3, 6]),
        (to(REDDER.0, red(&[Pending])), vec![6]),
        (to(RED.0, red(&[Delivered, Failed])), vec![1, 2]),
        (to(BLUE.0, red(&[])), vec![]),
        (to(BLUE.0, EventSearch::default()), vec![5]),
    ] {
        assert_eq!(found(store, &search).await, expected, "{search:?}");
    }
    // Of the endpoints that these go to, one has no dead letter.
    for (state, expected) in [
        (Failed, vec![2, 5]),
        (Retrying, vec![3]),
        (Pending, vec![4, 6]),
        (NoSubscribers, vec![7]),
    ] {
        let anywhere = EventSearch {
            states: vec![state],
            ..EventSearch::default()
        };
        let found = found(store, &anywhere).await;
        assert_eq!(found, expected, "{state:?} of any tenant");
    }
    subject.commit(Change::Discard { delivery, at }).await;
    assert_eq!(found(store, &red(&[Discarded])).await, [4]);
    assert_eq!(found(store, &red(&[Pending])).await, [6]);
}
