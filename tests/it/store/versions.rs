//! Files of other versions. SQLite's own lock and Postrider's keep two processes apart, so two
//! versions meet one after the other: the newer one opens what the older one has left, and the
//! older one leaves alone what the newer one has changed.

use super::changes::{attempted, endpoint, lane, publish};
use postrider::agenda::{NewScheduled, Noted};
use postrider::store::Store;
use postrider::store::sqlite::{KeyRing, Retention, SchemaError, SqliteStore};
use postrider::{
    DeliveryFilter, DeliveryQuery, EventQuery, Ledger, Record, ReplayAct, ReplayId, ReplayQuery,
    ReplayState,
};
use postrider_engine::{
    Change, DeliveryId, DeliveryState, EndpointId, EventHeaders, EventId, FailReason, Idempotency,
    Load, NewEvent, OrderingKey, PayloadType, Receipt, Secret, Seq, Target, TenantId, Wall,
};
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;

const ENDPOINT: EndpointId = EndpointId::from_u128(9);

/// What `changes` made of an empty file of schema version 1, as `sqlite3 FILE .dump` tells it.
/// Never changed: a version that alters the schema adds a file of its own.
const VERSION_1: &str = include_str!("version-1.sql");

/// The same, of schema version 2.
const VERSION_2: &str = include_str!("version-2.sql");

/// The same, of schema version 3, with an endpoint that is held.
const VERSION_3: &str = include_str!("version-3.sql");

/// The same, of schema version 7, which came together with 4 to 6. Its attempts have sent bodies of
/// their own.
const VERSION_7: &str = include_str!("version-7.sql");

/// The same, of schema version 11, which came together with 8 to 10. Its events are counted in their
/// lanes.
const VERSION_11: &str = include_str!("version-11.sql");

/// Postrider's mark, which a dump leaves out.
const MARK: &str = "PRAGMA application_id = 0x50535452;";

fn open(path: &Path) -> Arc<SqliteStore> {
    let keys = KeyRing::new(["1".repeat(64).as_str()]).unwrap();
    let options = SqliteStore::options().keys(keys);
    Arc::new(options.retention(Retention::FOREVER).open(path).unwrap())
}

fn keyed(number: u128) -> Change {
    let mut event = publish(number, "{}", &[(number, lane(ENDPOINT, ""))]);
    event.idempotency = Some(Idempotency {
        key: "order-3".into(),
        digest: [3; 32],
    });
    Change::Publish(event)
}

/// Delivered 1, retrying 2, pending 3 with a key, failed 4, which has stopped its lane.
fn changes() -> Vec<Change> {
    let own = || lane(ENDPOINT, "");
    let stopped = || lane(ENDPOINT, "customer-7");
    let due = Wall(2_400_000);
    let failed = DeliveryState::Failed(FailReason::Rejected);
    let mut end = attempted(4, (stopped(), Seq(1)), 1, failed);
    end.stop_lane = true;
    vec![
        endpoint(ENDPOINT),
        Change::Publish(publish(1, "{\"n\":1}", &[(1, own())])),
        Change::Publish(publish(2, "{\"n\":2}", &[(2, own())])),
        keyed(3),
        Change::Publish(publish(4, "{\"n\":4}", &[(4, stopped())])),
        Change::Attempted(Arc::new(attempted(
            1,
            (own(), Seq(1)),
            1,
            DeliveryState::Delivered,
        ))),
        Change::Attempted(Arc::new(attempted(
            2,
            (own(), Seq(2)),
            1,
            DeliveryState::Retrying { due },
        ))),
        Change::Attempted(Arc::new(end)),
    ]
}

async fn commit(store: &Arc<SqliteStore>, changes: Vec<Change>) -> Vec<Receipt> {
    let answers = Arc::clone(store).commit(changes).await;
    answers.into_iter().map(Result::unwrap).collect()
}

/// The file that such a dump is of.
fn restored(path: &Path, dump: &str) {
    let old = Connection::open(path).unwrap();
    old.execute_batch(dump).unwrap();
    old.execute_batch(MARK).unwrap();
}

#[tokio::test]
async fn a_file_of_any_version_is_opened_with_all_that_is_in_it() {
    for dump in [VERSION_1, VERSION_2, VERSION_3, VERSION_7, VERSION_11] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("events.db");
        restored(&path, dump);
        let store = open(&path);
        holds_all(&store).await;
        if dump != VERSION_1 {
            holds_what_is_beside(&store).await;
        }
        let endpoint = Arc::clone(&store).endpoint(ENDPOINT).await.unwrap();
        let held_until = endpoint.unwrap().health.held_until;
        let held = [VERSION_3, VERSION_7, VERSION_11];
        assert_eq!(held_until.is_some(), held.contains(&dump));
        let sent = Arc::clone(&store).request_body(DeliveryId::from_u128(1), 1);
        let sent = sent.await.unwrap();
        let keeps_bodies = [VERSION_7, VERSION_11].contains(&dump);
        let expected = keeps_bodies.then_some(&b"[1,0]"[..]);
        assert_eq!(sent.as_deref(), expected);
        let delivery = Arc::clone(&store).delivery(DeliveryId::from_u128(3)).await;
        let ordinal = delivery.unwrap().unwrap().ordinal;
        let number = ordinal.map(|ordinal| ordinal.number.get());
        assert_eq!(number, (dump == VERSION_11).then_some(3));
    }
}

/// A record of whoever embeds the store.
fn record() -> Record {
    Record {
        kind: "key",
        tenant: TenantId::default(),
        id: "a".into(),
        value: "secret".into(),
    }
}

/// An event for later.
fn later() -> NewScheduled {
    NewScheduled {
        id: EventId::from_u128(5),
        event: NewEvent {
            tenant: TenantId::default(),
            target: Target::Subscribers,
            event_type: "reminder.due".parse().unwrap(),
            payload: "{\"n\":5}".into(),
            payload_type: PayloadType::default(),
            headers: EventHeaders::default(),
            ordering_key: OrderingKey::none(),
            idempotency_key: Some("order-5".into()),
        },
        due: Wall(9_000_000),
    }
}

/// What version 2 keeps beside events and deliveries.
async fn fill_beside(store: &Arc<SqliteStore>) {
    let records = Arc::clone(store).records().unwrap();
    records.put(record()).await.unwrap();
    let agenda = Arc::clone(store).agenda().unwrap();
    assert_eq!(agenda.schedule(later()).await, Ok(Noted::New));
}

async fn holds_what_is_beside(store: &Arc<SqliteStore>) {
    let records = Arc::clone(store).records().unwrap();
    let found = records.get("key", TenantId::default(), "a".into()).await;
    assert_eq!(found, Ok(Some(record())));
    let agenda = Arc::clone(store).agenda().unwrap();
    let due = later().due;
    let again = NewScheduled {
        id: EventId::from_u128(6),
        ..later()
    };
    let known = Noted::Known(later().id, Some(due));
    assert_eq!(agenda.schedule(again).await, Ok(known));
}

/// The store holds what `changes` made, and goes on with it.
async fn holds_all(store: &Arc<SqliteStore>) {
    let recovered = Arc::clone(store).recover().await.unwrap();
    let [known] = &recovered.endpoints[..] else {
        panic!("{recovered:?}")
    };
    assert_eq!(known.pending_deliveries, 2);
    let secret = &known.endpoint.secrets[0].secret;
    assert_eq!(*secret, Secret::generate_hmac([7; 32]));
    let lanes: Vec<_> = recovered.lanes.iter().collect();
    assert_eq!(lanes.len(), 2);
    assert_eq!(lanes[0].retrying[0].due, Wall(2_400_000));
    assert_eq!(lanes[1].stopped_at, Some(DeliveryId::from_u128(4)));
    let load = Load {
        lane: lane(ENDPOINT, ""),
        after: Seq(0),
        deliveries_max: 9,
        bytes_max: 9_999,
    };
    let loaded = Arc::clone(store).load(load).await.unwrap();
    let payloads: Vec<_> = loaded
        .deliveries
        .iter()
        .map(|it| &it.event.payload[..])
        .collect();
    assert_eq!(payloads, [&b"{\"n\":2}"[..], b"{}"]);
    let ledger = Arc::clone(store).ledger(ENDPOINT).await.unwrap();
    let expected = Ledger {
        accepted: 4,
        pending: 2,
        delivered: 1,
        failed: 1,
        discarded: 0,
    };
    assert_eq!(ledger, expected);
    let first = Arc::clone(store).delivery(DeliveryId::from_u128(1)).await;
    assert_eq!(first.unwrap().unwrap().attempts.len(), 1);
    let query = DeliveryQuery {
        filter: DeliveryFilter {
            tenant: Some(TenantId::default()),
            ..DeliveryFilter::default()
        },
        most: 9,
        ..DeliveryQuery::default()
    };
    let of_tenant = Arc::clone(store).deliveries(query).await.unwrap();
    assert_eq!(of_tenant.deliveries.len(), 4);
    let query = EventQuery {
        most: 9,
        ..EventQuery::default()
    };
    let events = Arc::clone(store).events(query).await.unwrap().events;
    let events: Vec<_> = events.iter().map(|it| it.event.id.as_u128()).collect();
    assert_eq!(events, [4, 3, 2, 1]);
    let again = commit(store, vec![keyed(10)]).await;
    assert_eq!(again, [Receipt::Duplicate(EventId::from_u128(3))]);
    let more = Change::Publish(publish(11, "{}", &[(11, lane(ENDPOINT, ""))]));
    let [Receipt::Published(spots)] = &commit(store, vec![more]).await[..] else {
        panic!("it was not published")
    };
    assert_eq!(spots[0].seq, Seq(4));
}

#[tokio::test]
async fn a_replay_of_an_earlier_version_is_found_by_its_tenant() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.db");
    restored(&path, VERSION_3);
    let old = Connection::open(&path).unwrap();
    let request = r#"{"tenant":"default","states":["failed"]}"#;
    let id = 7_u128.to_be_bytes();
    old.execute(
        "INSERT INTO postrider_replay (id, request, state, after, resent, skipped, created_at)
         VALUES (?1, ?2, 0, NULL, 3, 2, 5)",
        (id, request),
    )
    .unwrap();
    drop(old);
    let log = open(&path).replay_log().unwrap();
    let query = ReplayQuery {
        tenant: Some(TenantId::default()),
        state: Some(ReplayState::Running),
        most: 9,
        ..ReplayQuery::default()
    };
    let found = Arc::clone(&log).replays(query).await.unwrap();
    let known = log.replay(ReplayId::from_u128(7)).await.unwrap();
    assert_eq!(found, Vec::from_iter(known));
    let replay = &found[0];
    assert_eq!(replay.request.act, ReplayAct::Resend);
    assert_eq!((replay.done(), replay.total), (5, None));
    assert!(replay.skipped_by.is_empty());
}

#[tokio::test]
async fn the_tables_of_this_version_are_on_record() {
    let directory = tempfile::tempdir().unwrap();
    let tables = |path: &Path| {
        let connection = Connection::open(path).unwrap();
        let mut select = connection
            .prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")
            .unwrap();
        let found = select.query_map([], |row| row.get::<_, String>(0)).unwrap();
        found.map(Result::unwrap).collect::<Vec<_>>()
    };
    let [new, migrated, dumped] =
        ["new.db", "migrated.db", "dumped.db"].map(|name| directory.path().join(name));
    let store = open(&new);
    commit(&store, changes()).await;
    fill_beside(&store).await;
    drop(store);
    restored(&migrated, VERSION_1);
    drop(open(&migrated));
    restored(&dumped, VERSION_11);
    assert_eq!(
        tables(&new),
        tables(&dumped),
        "a changed schema needs a migration"
    );
    assert_eq!(tables(&migrated), tables(&dumped));
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.db");
    drop(commit(&open(&path), changes()).await);
    let newer = Connection::open(&path).unwrap();
    let version = "UPDATE postrider_meta SET value = 99 WHERE name = 'version'";
    newer.execute(version, []).unwrap();
    drop(newer);
    let before = std::fs::read(&path).unwrap();
    let error = SqliteStore::open(&path).err().unwrap();
    let postrider::store::sqlite::OpenError::Schema(error) = error else {
        panic!("{error}")
    };
    assert!(
        matches!(error, SchemaError::TooNew { found: 99, .. }),
        "{error}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), before);
}
