//! The log of events.

use super::{Subject, publish};
use crate::events::{EventFilter, EventPage, EventQuery};
use crate::history::Direction;
use crate::store::Store;
use postrider_engine::{Change, EventId, Idempotency, Wall};
use std::sync::Arc;

/// Publishes event `number` of this tenant, type and time, for nobody.
async fn accept<S: Store>(subject: &Subject<'_, S>, number: u128, of: (&str, &str, u64)) {
    let key = number.is_multiple_of(2).then(|| Idempotency {
        key: format!("key-{number}").into(),
        digest: [1; 32],
    });
    let Change::Publish(mut publish) = publish(number, key) else {
        return;
    };
    let event = Arc::make_mut(&mut publish.event);
    event.tenant = of.0.parse().unwrap();
    event.event_type = of.1.parse().unwrap();
    event.published_at = Wall(of.2);
    publish.deliveries = [].into();
    subject.commit(Change::Publish(publish)).await;
}

async fn page<S: Store>(store: &Arc<S>, query: &EventQuery) -> (Vec<u128>, EventPage) {
    let page = Arc::clone(store).events(query.clone()).await.unwrap();
    let numbers = page.events.iter().map(|it| it.event.id.as_u128());
    (numbers.collect(), page)
}

/// Event ids of all pages.
async fn all<S: Store>(store: &Arc<S>, mut query: EventQuery) -> Vec<u128> {
    let mut found = Vec::new();
    loop {
        let (numbers, page) = page(store, &query).await;
        assert!(numbers.len() <= query.most, "no more than were asked for");
        found.extend(numbers);
        query.after = page.next;
        if page.next.is_none() {
            return found;
        }
    }
}

pub(super) async fn whoever_reads_along_misses_no_event_and_sees_none_twice<S: Store>(
    store: &Arc<S>,
) {
    let subject = Subject(store);
    subject.add_endpoint().await;
    assert_eq!(Arc::clone(store).newest_event().await.unwrap(), None);
    let mut query = EventQuery {
        direction: Direction::OldestFirst,
        most: 2,
        ..EventQuery::default()
    };
    let mut seen = Vec::new();
    // Their ids are not in the order of their commits.
    for number in [5, 3, 9, 1, 7, 4, 8] {
        accept(&subject, number, ("default", "a.b", 5)).await;
        if number % 4 == 1 {
            let (numbers, page) = page(store, &query).await;
            seen.extend(numbers);
            // As whoever asks again would hand it back.
            let place = page.next.or(page.through).map(|it| it.to_string());
            query.after = place.map(|it| it.parse().unwrap()).or(query.after);
        }
    }
    seen.extend(all(store, query).await);
    assert_eq!(seen, [5, 3, 9, 1, 7, 4, 8]);
    let newest = Arc::clone(store).newest_event().await.unwrap();
    let known = Arc::clone(store).event(EventId::from_u128(8)).await;
    let known = known.unwrap().unwrap();
    assert_eq!(known.place.cursor(), newest);
    assert_eq!(known.idempotency_key.as_deref(), Some("key-8"));
    assert_eq!(&known.event.payload[..], b"0123456789");
    let unknown = Arc::clone(store).event(EventId::from_u128(2)).await;
    assert_eq!(unknown.unwrap(), None);
}

pub(super) async fn events_are_found_by_tenant_type_and_time<S: Store>(store: &Arc<S>) {
    let subject = Subject(store);
    subject.add_endpoint().await;
    let hour = 3_600_000;
    for (number, tenant, event_type, at) in [
        (1, "red", "a.b", 10),
        (2, "blue", "a.b", 20),
        (3, "red", "a.c", 20),
        (4, "red", "b.c", 30),
        // The calendar was set back.
        (5, "red", "a.b", 12),
        (6, "red", "a.b", 10 * hour),
        (7, "blue", "b.c", 10 * hour),
    ] {
        accept(&subject, number, (tenant, event_type, at)).await;
    }
    let filter = EventFilter::default;
    let found = async |filter: EventFilter, direction| {
        let query = EventQuery {
            filter,
            direction,
            after: None,
            most: 2,
        };
        all(store, query).await
    };
    let (up, down) = (Direction::OldestFirst, Direction::NewestFirst);
    let red = EventFilter {
        tenant: Some("red".parse().unwrap()),
        ..filter()
    };
    assert_eq!(found(red.clone(), up).await, [1, 3, 4, 5, 6]);
    assert_eq!(found(red.clone(), down).await, [6, 5, 4, 3, 1]);
    let typed = EventFilter {
        event_types: vec!["a.*".parse().unwrap()],
        ..red
    };
    assert_eq!(found(typed, down).await, [6, 5, 3, 1]);
    let (from, until) = (Some(Wall(20)), Some(Wall(hour)));
    assert_eq!(
        found(EventFilter { from, ..filter() }, up).await,
        [2, 3, 4, 6, 7]
    );
    assert_eq!(
        found(EventFilter { until, ..filter() }, down).await,
        [5, 4, 3, 2, 1]
    );
    let between = EventFilter {
        from,
        until,
        ..filter()
    };
    assert_eq!(found(between, up).await, [2, 3, 4]);
}
