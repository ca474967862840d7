//! What is old goes, what is kept stays whole, and a copy can be made at any time.

use super::changes::{attempted, commit, endpoint, lane, open, publish};
use postrider::store::Store;
use postrider::store::sqlite::{BackupError, Retention, SqliteStore};
use postrider::{Clock, DeliveryQuery, Direction, EventQuery, Wall};
use postrider_engine::{
    Change, DeliveryId, DeliveryState, EndpointId, EventId, FailReason, Idempotency, LaneId, Load,
    Receipt, Refusal, ReplayId, Seq,
};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const ENDPOINT: EndpointId = EndpointId::from_u128(9);

/// The events of these tests end at about this time.
const EPOCH: u64 = 2_000;

/// A calendar that the test turns.
#[derive(Clone, Default)]
struct Calendar(Arc<AtomicU64>);

impl Clock for Calendar {
    fn wall(&self) -> Wall {
        Wall(self.0.load(Ordering::Relaxed))
    }
}

fn keeping(path: &Path, calendar: &Calendar) -> Arc<SqliteStore> {
    let retention = Retention {
        ended: Duration::from_secs(10),
        failed: Duration::from_secs(100),
        statistics: Duration::from_secs(50_000),
        audit: Duration::from_secs(1_000),
    };
    let options = SqliteStore::options().retention(retention);
    Arc::new(options.clock(calendar.clone()).open(path).unwrap())
}

fn own(key: &str) -> LaneId {
    lane(ENDPOINT, key)
}

/// Event and delivery `number`, and how that ends.
fn ended(number: u128, (lane, seq): (LaneId, u64), state: DeliveryState) -> [Change; 2] {
    let event = publish(number, "{}", &[(number, lane.clone())]);
    let end = attempted(number, (lane, Seq(seq)), 1, state);
    [Change::Publish(event), Change::Attempted(Arc::new(end))]
}

async fn is_there(store: &Arc<SqliteStore>, number: u128) -> bool {
    let id = DeliveryId::from_u128(number);
    Arc::clone(store).delivery(id).await.unwrap().is_some()
}

async fn waits_until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..500 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never came to this: {what}");
}

/// Delivered 1, failed 2, lane stopped at 3, pending 4, for nobody 5, and lanes of their own.
async fn filled(path: &Path, calendar: &Calendar) -> Arc<SqliteStore> {
    let store = keeping(path, calendar);
    let failed = DeliveryState::Failed(FailReason::Exhausted);
    let mut changes = vec![endpoint(ENDPOINT)];
    changes.extend(ended(1, (own("a"), 1), DeliveryState::Delivered));
    changes.extend(ended(2, (own("b"), 1), failed));
    changes.extend(ended(3, (own("c"), 1), failed));
    if let Some(Change::Attempted(end)) = changes.last_mut() {
        Arc::make_mut(end).stop_lane = true;
    }
    changes.push(Change::Publish(publish(4, "{}", &[(4, own("a"))])));
    changes.push(Change::Publish(publish(5, "{}", &[])));
    commit(&store, changes).await;
    store
}

#[tokio::test]
async fn what_ended_long_ago_goes_and_what_has_not_ended_stays() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.db");
    let calendar = Calendar::default();
    drop(filled(&path, &calendar).await);
    let there = async |store: &Arc<SqliteStore>| {
        let mut there = Vec::new();
        for number in 1..=4 {
            there.push(is_there(store, number).await);
        }
        let nobody = Arc::clone(store).deliveries_of(EventId::from_u128(5));
        there.push(nobody.await.unwrap().is_some());
        there
    };
    for (seconds, expected) in [
        (5, [true; 5]),
        (20, [false, true, true, true, false]),
        (200, [false, false, true, true, false]),
    ] {
        calendar.0.store(EPOCH + seconds * 1_000, Ordering::Relaxed);
        let store = keeping(&path, &calendar);
        if seconds > 5 {
            waits_until("what is old has gone", async || {
                there(&store).await == expected
            })
            .await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(there(&store).await, expected, "after {seconds} s");
        let ledger = Arc::clone(&store).ledger(ENDPOINT).await.unwrap();
        assert_eq!(
            (
                ledger.accepted,
                ledger.delivered,
                ledger.failed,
                ledger.pending
            ),
            (4, 1, 2, 1),
            "the account remembers what has gone"
        );
        let events = Arc::clone(&store).deliveries_of(EventId::from_u128(1));
        assert_eq!(events.await.unwrap().is_some(), expected[0]);
    }
}

#[tokio::test]
async fn a_lane_that_was_forgotten_goes_on_with_higher_places() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.db");
    let calendar = Calendar::default();
    drop(filled(&path, &calendar).await);
    calendar.0.store(EPOCH + 200_000, Ordering::Relaxed);
    let store = keeping(&path, &calendar);
    waits_until("2 has gone", async || !is_there(&store, 2).await).await;
    let again = Change::Publish(publish(12, "{}", &[(12, own("b"))]));
    let [Receipt::Published(spots)] = &commit(&store, vec![again]).await[..] else {
        panic!("it was not published")
    };
    assert!(spots[0].seq > Seq(1), "{spots:?}");
    let load = Load {
        lane: own("b"),
        after: Seq(1),
        deliveries_max: 9,
        bytes_max: 9_999,
    };
    let loaded = Arc::clone(&store).load(load).await.unwrap();
    assert_eq!(loaded.deliveries.len(), 1);
}

#[tokio::test]
async fn an_event_never_shows_the_delivery_of_another_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.db");
    let calendar = Calendar::default();
    let store = keeping(&path, &calendar);
    let first = publish(1, "{}", &[(1, own("a")), (2, own("b"))]);
    let end = attempted(2, (own("b"), Seq(1)), 1, DeliveryState::Delivered);
    let changes = vec![
        endpoint(ENDPOINT),
        Change::Publish(first),
        Change::Attempted(Arc::new(end)),
    ];
    commit(&store, changes).await;
    drop(store);
    calendar.0.store(EPOCH + 20_000, Ordering::Relaxed);
    let store = keeping(&path, &calendar);
    waits_until("2 has gone", async || !is_there(&store, 2).await).await;
    drop(store);
    let store = keeping(&path, &calendar);
    let second = Change::Publish(publish(3, "{}", &[(3, own("c"))]));
    commit(&store, vec![second]).await;
    let left = Arc::clone(&store).deliveries_of(EventId::from_u128(1));
    let left: Vec<_> = left
        .await
        .unwrap()
        .unwrap()
        .iter()
        .map(|it| it.id)
        .collect();
    assert_eq!(left, [DeliveryId::from_u128(1)]);
}

#[tokio::test]
async fn the_place_of_an_event_that_has_gone_is_not_given_to_another_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.db");
    let calendar = Calendar::default();
    let mut after = None;
    for round in 1..=3 {
        let store = keeping(&path, &calendar);
        let mut event = publish(round, "{}", &[]);
        Arc::make_mut(&mut event.event).published_at = calendar.wall();
        commit(&store, vec![Change::Publish(event)]).await;
        let query = EventQuery {
            direction: Direction::OldestFirst,
            after,
            most: 9,
            ..EventQuery::default()
        };
        let page = Arc::clone(&store).events(query).await.unwrap();
        let found: Vec<_> = page.events.iter().map(|it| it.event.id).collect();
        assert_eq!(found, [EventId::from_u128(round)]);
        after = page.through;
        drop(store);
        calendar.0.fetch_add(EPOCH + 20_000, Ordering::Relaxed);
        let store = keeping(&path, &calendar);
        waits_until("all has gone", async || {
            Arc::clone(&store).newest_event().await.unwrap().is_none()
        })
        .await;
    }
}

#[tokio::test]
async fn an_idempotency_key_goes_with_its_event_and_no_earlier() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.db");
    let calendar = Calendar::default();
    let store = keeping(&path, &calendar);
    let keyed = |number: u128| {
        let mut event = publish(number, "{}", &[(number, own(""))]);
        event.idempotency = Some(Idempotency {
            key: "order-7".into(),
            digest: [7; 32],
        });
        Change::Publish(event)
    };
    let end = attempted(1, (own(""), Seq(1)), 1, DeliveryState::Delivered);
    let changes = vec![
        endpoint(ENDPOINT),
        keyed(1),
        Change::Attempted(Arc::new(end)),
    ];
    commit(&store, changes).await;
    let again = commit(&store, vec![keyed(2)]).await;
    assert_eq!(again, [Receipt::Duplicate(EventId::from_u128(1))]);
    drop(store);
    calendar.0.store(EPOCH + 20_000, Ordering::Relaxed);
    let store = keeping(&path, &calendar);
    waits_until("1 has gone", async || !is_there(&store, 1).await).await;
    let again = commit(&store, vec![keyed(3)]).await;
    assert!(matches!(again[..], [Receipt::Published(_)]), "{again:?}");
}

#[tokio::test]
async fn the_room_of_what_has_gone_is_used_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.db");
    let calendar = Calendar::default();
    let mut sizes = Vec::new();
    for round in 0..4_u64 {
        let store = keeping(&path, &calendar);
        let mut changes = Vec::new();
        if round == 0 {
            changes.push(endpoint(ENDPOINT));
        }
        for number in 1..=600 {
            let number = round * 1_000 + number;
            let key = own(&number.to_string());
            let payload = "x".repeat(1_000);
            let id = u128::from(number);
            let mut event = publish(id, &payload, &[(id, key.clone())]);
            Arc::make_mut(&mut event.event).published_at = Wall(calendar.wall().0);
            changes.push(Change::Publish(event));
        }
        for (at, receipt) in commit(&store, changes).await.iter().enumerate() {
            let Receipt::Published(spots) = receipt else {
                continue;
            };
            let number = round * 1_000 + at as u64 + u64::from(round > 0);
            let place = (own(&number.to_string()), spots[0].seq);
            let end = attempted(u128::from(number), place, 1, DeliveryState::Delivered);
            commit(&store, vec![Change::Attempted(Arc::new(end))]).await;
        }
        drop(store);
        calendar.0.fetch_add(EPOCH + 20_000, Ordering::Relaxed);
        let store = keeping(&path, &calendar);
        waits_until("all has gone", async || {
            let query = DeliveryQuery {
                most: 1,
                ..DeliveryQuery::default()
            };
            let page = Arc::clone(&store).deliveries(query).await.unwrap();
            page.deliveries.is_empty()
        })
        .await;
        drop(store);
        sizes.push(std::fs::metadata(&path).unwrap().len());
    }
    assert!(sizes[3] <= sizes[0] * 11 / 10, "{sizes:?}");
}

#[tokio::test]
async fn a_copy_made_under_load_is_a_consistent_prefix() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path().join("events.db"));
    commit(&store, vec![endpoint(ENDPOINT)]).await;
    let copy = directory.path().join("copy.db");
    let publishing = async {
        for number in 1..=400 {
            let event = Change::Publish(publish(number, "{}", &[(number, own(""))]));
            commit(&store, vec![event]).await;
        }
    };
    let copying = async {
        while !is_there(&store, 50).await {
            tokio::task::yield_now().await;
        }
        store.backup(&copy).await.unwrap();
    };
    tokio::join!(publishing, copying);
    let error = store.backup(&copy).await.unwrap_err();
    assert!(matches!(error, BackupError::Exists(_)), "{error}");
    std::fs::copy(
        directory.path().join("events.db-key"),
        directory.path().join("copy.db-key"),
    )
    .unwrap();
    let restored = open(&copy);
    let recovered = Arc::clone(&restored).recover().await.unwrap();
    let pending = recovered.endpoints[0].pending_deliveries;
    assert!((50..=400).contains(&pending), "{pending}");
    let load = Load {
        lane: own(""),
        after: Seq(0),
        deliveries_max: 1_000,
        bytes_max: 1 << 20,
    };
    let loaded = Arc::clone(&restored).load(load).await.unwrap();
    let places: Vec<u64> = loaded.deliveries.iter().map(|it| it.seq.0).collect();
    assert_eq!(places, (1..=pending).collect::<Vec<_>>());
    let ledger = Arc::clone(&restored).ledger(ENDPOINT).await.unwrap();
    assert_eq!((ledger.accepted, ledger.pending), (pending, pending));
    let more = Change::Publish(publish(1_000, "{}", &[(1_000, own(""))]));
    let [Receipt::Published(spots)] = &commit(&restored, vec![more]).await[..] else {
        panic!("it was not published")
    };
    assert_eq!(spots[0].seq, Seq(pending + 1));
    let ordinal = spots[0].ordinal.unwrap();
    assert_eq!(ordinal.number.get(), pending + 1, "{ordinal:?}");
}

#[test]
fn a_database_is_copied_whether_a_store_has_it_open_or_not() {
    let directory = tempfile::tempdir().unwrap();
    let from = directory.path().join("events.db");
    let store = SqliteStore::open(&from).unwrap();
    let copy = directory.path().join("copy.db");
    let copied = SqliteStore::copy(&from, &copy).unwrap();
    assert_eq!(copied.bytes, std::fs::metadata(&copy).unwrap().len());
    drop(store);
    let later = directory.path().join("later.db");
    SqliteStore::copy(&from, &later).unwrap();
    std::fs::copy(
        directory.path().join("events.db-key"),
        directory.path().join("later.db-key"),
    )
    .unwrap();
    drop(SqliteStore::open(&later).unwrap());
    let names = std::fs::read_dir(directory.path()).unwrap();
    let unfinished = names.filter(|name| {
        let name = name.as_ref().unwrap().file_name();
        name.to_string_lossy().contains("unfinished")
    });
    assert_eq!(unfinished.count(), 0);
}

#[test]
fn a_copy_replaces_nothing_and_is_made_of_something() {
    let directory = tempfile::tempdir().unwrap();
    let from = directory.path().join("events.db");
    let copy = directory.path().join("copy.db");
    let error = SqliteStore::copy(&from, &copy).unwrap_err();
    assert!(matches!(&error, BackupError::NoDatabase(path) if *path == from));
    assert!(!from.exists(), "looking for it makes none");
    drop(SqliteStore::open(&from).unwrap());
    std::fs::write(&copy, "mine").unwrap();
    let error = SqliteStore::copy(&from, &copy).unwrap_err();
    assert!(matches!(error, BackupError::Exists(_)), "{error}");
    assert_eq!(std::fs::read(&copy).unwrap(), b"mine");
}

#[tokio::test]
async fn an_event_that_was_given_later_stays_with_its_delivery_and_is_not_given_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.db");
    let calendar = Calendar::default();
    let store = keeping(&path, &calendar);
    let late = EndpointId::from_u128(10);
    // Event 1 was for nobody, and event 2 waits for another endpoint for ever.
    let changes = vec![
        endpoint(ENDPOINT),
        endpoint(late),
        Change::Publish(publish(1, "{}", &[])),
        Change::Publish(publish(2, "{}", &[(2, own("a"))])),
    ];
    commit(&store, changes).await;
    let given = |event: u128, new: u128| Change::Backfill {
        event: EventId::from_u128(event),
        endpoint: late,
        ordered: true,
        new: DeliveryId::from_u128(new),
        replay: ReplayId::from_u128(3),
        at: Wall(EPOCH),
    };
    commit(&store, vec![given(1, 11), given(2, 12)]).await;
    let lane_of = |key: &str| lane(late, key);
    let end = |number: u128, lane: LaneId| {
        let end = attempted(number, (lane, Seq(1)), 1, DeliveryState::Delivered);
        Change::Attempted(Arc::new(end))
    };
    commit(&store, vec![end(12, lane_of("a"))]).await;
    drop(store);
    calendar.0.store(EPOCH + 20_000, Ordering::Relaxed);
    let store = keeping(&path, &calendar);
    waits_until("the delivery that has ended goes", async || {
        !is_there(&store, 12).await
    })
    .await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let first = Arc::clone(&store).deliveries_of(EventId::from_u128(1));
    assert_eq!(first.await.unwrap().map(|it| it.len()), Some(1), "it waits");
    let again = commit(&store, vec![given(1, 21), given(2, 22)]).await;
    let reached = Receipt::Refused(Refusal::AlreadyReached);
    assert_eq!(again, [reached.clone(), reached]);
    commit(&store, vec![end(11, lane_of(""))]).await;
    drop(store);
    let store = keeping(&path, &calendar);
    waits_until("the event goes with its last delivery", async || {
        let first = Arc::clone(&store).deliveries_of(EventId::from_u128(1));
        first.await.unwrap().is_none()
    })
    .await;
}
