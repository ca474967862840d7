//! What is looked for among more than one page looks at.

use super::changes::{endpoint, lane, open, publish};
use postrider::store::Store;
use postrider::{
    DeliveryFilter, DeliveryQuery, EventSearch, EventState, LaneQuery, OrderingKey, SqliteStore,
    StateKind, TenantId,
};
use postrider_engine::{Change, DeliveryId, EndpointId, Wall};
use std::sync::Arc;

const LARGE: EndpointId = EndpointId::from_u128(1);
const SMALL: EndpointId = EndpointId::from_u128(2);

/// Events: more than a page looks at.
const MANY: u128 = 6_000;

/// Those that go to the small endpoint, under a key of their own.
const FEW: [u128; 3] = [10, 3_000, 5_900];

async fn filled(store: &Arc<SqliteStore>) {
    let mut changes = vec![endpoint(LARGE), endpoint(SMALL)];
    changes.extend((1..=MANY).map(|number| {
        let payload = match number {
            20 => "{\"note\": \"a needle\"}",
            _ => "{\"note\": \"hay\"}",
        };
        let to = match FEW.contains(&number) {
            true => lane(SMALL, "k"),
            false => lane(LARGE, ""),
        };
        Change::Publish(publish(number, payload, &[(number, to)]))
    }));
    let answers = Arc::clone(store).commit(changes).await;
    assert!(answers.iter().all(Result::is_ok));
}

/// What each page has, newest first.
async fn pages(store: &Arc<SqliteStore>, mut search: EventSearch) -> Vec<Vec<u128>> {
    search.query.filter.tenant = Some(TenantId::default());
    search.query.most = 1_000;
    let mut pages = Vec::new();
    loop {
        let page = Arc::clone(store).find_events(search.clone()).await.unwrap();
        pages.push(page.events.iter().map(|it| it.id.as_u128()).collect());
        search.query.after = page.next;
        if page.next.is_none() {
            return pages;
        }
    }
}

#[tokio::test]
async fn few_events_are_found_at_once_and_many_over_several_pages() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path().join("events.db"));
    filled(&store).await;
    let any = EventSearch::default;
    let to = |endpoint| EventSearch {
        endpoint: Some(endpoint),
        ..any()
    };
    let newest_first: Vec<u128> = FEW.into_iter().rev().collect();
    assert_eq!(pages(&store, to(SMALL)).await, [newest_first]);
    let found = pages(&store, to(LARGE)).await;
    assert!(found.len() > 5, "{} pages", found.len());
    let others = (1..=MANY).rev().filter(|number| !FEW.contains(number));
    assert_eq!(found.concat(), others.collect::<Vec<_>>());
    let waiting = EventSearch {
        states: vec![EventState::Pending],
        ..any()
    };
    let found = pages(&store, waiting).await;
    assert_eq!(found.concat(), (1..=MANY).rev().collect::<Vec<_>>());
    let failed = EventSearch {
        states: vec![EventState::Failed],
        ..any()
    };
    assert_eq!(pages(&store, failed).await, [[0; 0]], "one page, at once");
}

#[tokio::test]
async fn a_text_is_looked_for_in_a_bounded_part_of_the_log_for_each_page() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path().join("events.db"));
    filled(&store).await;
    let search = EventSearch {
        payload: Some("needle".into()),
        ..EventSearch::default()
    };
    let found = pages(&store, search).await;
    assert_eq!(found, [vec![], vec![20]]);
}

#[tokio::test]
async fn what_waits_is_found_at_once_among_much_that_has_ended() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path().join("events.db"));
    filled(&store).await;
    let query = |tenant| DeliveryQuery {
        filter: DeliveryFilter {
            tenant,
            states: vec![StateKind::Pending, StateKind::Retrying],
            ..DeliveryFilter::default()
        },
        most: 9,
        ..DeliveryQuery::default()
    };
    let first = async |tenant| {
        let page = Arc::clone(&store).delivery_summaries(query(tenant));
        let page = page.await.unwrap();
        let ids = page.deliveries.iter().map(|it| it.id.as_u128());
        (ids.collect::<Vec<_>>(), page.next.is_some())
    };
    let all_or_one = || [None, Some(TenantId::default())];
    let newest: Vec<u128> = (MANY - 8..=MANY).rev().collect();
    for tenant in all_or_one() {
        assert_eq!(first(tenant).await, (newest.clone(), true));
    }
    let ended = (1..=MANY).filter(|number| !FEW.contains(number));
    let ended = ended.map(|number| Change::Discard {
        delivery: DeliveryId::from_u128(number),
        at: Wall(9_000),
    });
    let answers = Arc::clone(&store).commit(ended.collect()).await;
    assert!(answers.iter().all(Result::is_ok));
    for tenant in all_or_one() {
        assert_eq!(first(tenant).await, (vec![5_900, 3_000, 10], false));
    }
}

#[tokio::test]
async fn what_waits_under_a_key_is_found_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path().join("events.db"));
    filled(&store).await;
    let key: OrderingKey = "k".parse().unwrap();
    let query = DeliveryQuery {
        filter: DeliveryFilter {
            tenant: Some(TenantId::default()),
            ordering_key: Some(key),
            states: vec![StateKind::Pending],
            ..DeliveryFilter::default()
        },
        most: 9,
        ..DeliveryQuery::default()
    };
    let page = Arc::clone(&store).delivery_summaries(query).await.unwrap();
    let found: Vec<u128> = page.deliveries.iter().map(|it| it.id.as_u128()).collect();
    assert_eq!((&found[..], page.next), (&[5_900, 3_000, 10][..], None));
}

#[tokio::test]
async fn lanes_are_found_at_once_however_much_waits_in_them() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path().join("events.db"));
    filled(&store).await;
    let lanes = async |endpoint, after, most| {
        let query = LaneQuery {
            endpoint,
            after,
            most,
            ..LaneQuery::default()
        };
        let page = Arc::clone(&store).waiting_lanes(query).await.unwrap();
        let lanes = page.lanes.iter();
        let lanes = lanes.map(|it| (it.head.id.as_u128(), it.pending));
        (lanes.collect::<Vec<_>>(), page.next)
    };
    let [large, small] = [(1, 5_997), (10, 3)];
    assert_eq!(lanes(None, None, 9).await, (vec![large, small], None));
    assert_eq!(lanes(Some(SMALL), None, 9).await, (vec![small], None));
    let (first, next) = lanes(None, None, 1).await;
    assert_eq!((first, next.is_some()), (vec![large], true));
    assert_eq!(lanes(None, next, 1).await, (vec![small], None));
}

#[tokio::test]
async fn many_lanes_are_looked_for_in_what_waits() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path().join("events.db"));
    let mut changes = vec![endpoint(LARGE)];
    changes.extend((1..=MANY).map(|number| {
        let to = lane(LARGE, &format!("key-{number}"));
        Change::Publish(publish(number, "{}", &[(number, to)]))
    }));
    let answers = Arc::clone(&store).commit(changes).await;
    assert!(answers.iter().all(Result::is_ok));
    let mut query = LaneQuery {
        most: 4_000,
        ..LaneQuery::default()
    };
    let mut found = Vec::new();
    loop {
        let page = Arc::clone(&store).waiting_lanes(query.clone()).await;
        let page = page.unwrap();
        found.extend(page.lanes.iter().map(|it| it.head.id.as_u128()));
        query.after = page.next;
        if page.next.is_none() {
            break;
        }
    }
    assert_eq!(found, (1..=MANY).collect::<Vec<_>>());
}
