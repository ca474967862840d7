//! What stands in a file is there when it is opened again, is found when it is damaged, and is
//! nobody else's meanwhile.

use super::changes::{attempted, commit, endpoint, lane, open, publish};
use postrider::store::sqlite::{KeyRing, OpenError, SchemaError};
use postrider::store::{SqliteStore, Store};
use postrider::{NotReady, RecordError};
use postrider_engine::{
    Change, CommitError, DeliveryId, DeliveryState, EndpointId, FailReason, Load, Receipt, Seq,
    Wall,
};
use std::path::Path;
use std::sync::Arc;

const ENDPOINT: EndpointId = EndpointId::from_u128(9);

/// Three events for one endpoint; the first is delivered, the second waits for a retry.
async fn filled(path: &Path) -> Arc<SqliteStore> {
    let store = open(path);
    let own = || lane(ENDPOINT, "");
    let event = |number| Change::Publish(publish(number, "{\"n\":1}", &[(number, own())]));
    commit(
        &store,
        vec![endpoint(ENDPOINT), event(1), event(2), event(3)],
    )
    .await;
    let due = Wall(2_400_000);
    let end = |number: u128, state| {
        let seq = Seq(u64::try_from(number).unwrap());
        Change::Attempted(Arc::new(attempted(number, (own(), seq), 1, state)))
    };
    let ends = vec![
        end(1, DeliveryState::Delivered),
        end(2, DeliveryState::Retrying { due }),
    ];
    let applied = [Receipt::Applied, Receipt::Applied];
    assert_eq!(commit(&store, ends).await, applied);
    store
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_the_file_is_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.db");
    drop(filled(&path).await);
    let store = open(&path);
    let recovered = Arc::clone(&store).recover().await.unwrap();
    let [endpoint] = &recovered.endpoints[..] else {
        panic!("{recovered:?}")
    };
    assert_eq!(
        (endpoint.pending_deliveries, endpoint.pending_bytes),
        (2, 14)
    );
    let [found] = &recovered.lanes[..] else {
        panic!("{recovered:?}")
    };
    assert_eq!((found.after, found.tail), (Seq(2), Seq(3)));
    let retrying: Vec<_> = found.retrying.iter().map(|it| (it.seq, it.due)).collect();
    assert_eq!(retrying, [(Seq(2), Wall(2_400_000))]);
    let first = Arc::clone(&store).delivery(DeliveryId::from_u128(1)).await;
    let first = first.unwrap().unwrap();
    assert_eq!(first.state, DeliveryState::Delivered);
    assert_eq!(first.attempts.len(), 1);
    let ledger = Arc::clone(&store).ledger(ENDPOINT).await.unwrap();
    assert_eq!(
        (ledger.accepted, ledger.pending, ledger.delivered),
        (3, 2, 1)
    );
}

#[tokio::test]
async fn a_second_opening_is_refused_until_the_first_is_closed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.db");
    let store = open(&path);
    let error = SqliteStore::open(&path).err().unwrap();
    assert!(matches!(error, OpenError::InUse(_)), "{error}");
    assert!(error.to_string().contains("in use by another process"));
    drop(store);
    open(&path);
}

#[tokio::test]
async fn a_file_of_something_else_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.db");
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE mine (a)").unwrap();
    drop(other);
    let error = SqliteStore::open(&path).err().unwrap();
    assert!(
        matches!(error, OpenError::Schema(SchemaError::NotOurs)),
        "{error}"
    );
    let newer = directory.path().join("newer.db");
    drop(open(&newer));
    let connection = rusqlite::Connection::open(&newer).unwrap();
    let newer_schema = "UPDATE postrider_meta SET value = 99 WHERE name = 'version'";
    connection.execute(newer_schema, []).unwrap();
    drop(connection);
    let error = SqliteStore::open(&newer).err().unwrap();
    assert!(error.to_string().contains("use a newer one"), "{error}");
}

#[tokio::test]
async fn a_flipped_bit_is_found_and_not_sent() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.db");
    drop(filled(&path).await);
    let connection = rusqlite::Connection::open(&path).unwrap();
    for change in [
        "UPDATE postrider_event SET payload = CAST('{\"n\":2}' AS BLOB) WHERE number = 3",
        "UPDATE postrider_delivery SET attempts = attempts + 1 WHERE number = 2",
    ] {
        connection.execute(change, []).unwrap();
    }
    drop(connection);
    let store = open(&path);
    let load = |after| Load {
        lane: lane(ENDPOINT, ""),
        after: Seq(after),
        deliveries_max: 10,
        bytes_max: 1_000,
    };
    let event = Arc::clone(&store).load(load(2)).await.unwrap_err();
    assert!(event.to_string().contains("has changed"), "{event}");
    let delivery = Arc::clone(&store).load(load(1)).await.unwrap_err();
    assert!(delivery.to_string().contains("delivery"), "{delivery}");
    assert!(store.recover().await.is_err());
}

#[tokio::test]
async fn a_delivery_that_is_hidden_is_missed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.db");
    drop(filled(&path).await);
    let connection = rusqlite::Connection::open(&path).unwrap();
    let hides = "UPDATE postrider_delivery SET lane = 999 WHERE number = 3";
    connection.execute(hides, []).unwrap();
    drop(connection);
    let load = Load {
        lane: lane(ENDPOINT, ""),
        after: Seq(0),
        deliveries_max: 10,
        bytes_max: 1_000,
    };
    let error = open(&path).load(load).await.unwrap_err();
    assert!(error.to_string().contains("are found"), "{error}");
}

#[tokio::test]
async fn secrets_are_sealed_in_the_file_and_sealed_anew_with_a_new_key() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.db");
    let (old, new) = ("1".repeat(64), "2".repeat(64));
    let with = |keys: &[&String]| {
        let ring = KeyRing::new(keys.iter().map(|key| key.as_str())).unwrap();
        Arc::new(SqliteStore::options().keys(ring).open(&path).unwrap())
    };
    let store = with(&[&old]);
    commit(&store, vec![endpoint(ENDPOINT)]).await;
    drop(store);
    let written = std::fs::read(&path).unwrap();
    let secret = postrider_engine::Secret::generate_hmac([7; 32]);
    let text = secret.expose_secret_text().as_bytes();
    assert!(!written.windows(text.len()).any(|part| part == text));
    drop(Arc::clone(&with(&[&new, &old])).recover().await.unwrap());
    let store = with(&[&new]);
    let found = Arc::clone(&store)
        .endpoint(ENDPOINT)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.secrets[0].secret, secret);
    drop(store);
    assert!(with(&[&old]).endpoint(ENDPOINT).await.is_err());
}

#[tokio::test]
async fn custom_headers_are_sealed_in_the_file_also_those_that_a_version_of_before_has_written() {
    const VALUE: &str = "Bearer the-token-of-the-receiver";
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.db");
    let (old, new) = ("1".repeat(64), "2".repeat(64));
    let with = |keys: &[&String]| {
        let ring = KeyRing::new(keys.iter().map(|key| key.as_str())).unwrap();
        Arc::new(SqliteStore::options().keys(ring).open(&path).unwrap())
    };
    let is_written = || {
        let mut files = std::fs::read_dir(directory.path()).unwrap();
        let written = |file: std::io::Result<std::fs::DirEntry>| {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            let mut parts = bytes.windows(VALUE.len());
            parts.any(|part| part == VALUE.as_bytes())
        };
        files.any(written)
    };
    let headers = vec![("X-API-Key".to_owned(), VALUE.to_owned())];
    let Change::AddEndpoint(mut record) = endpoint(ENDPOINT) else {
        unreachable!("an endpoint is added")
    };
    Arc::make_mut(&mut record.spec).headers = headers.clone();
    let store = with(&[&old]);
    commit(&store, vec![Change::AddEndpoint(record)]).await;
    drop(store);
    assert!(!is_written());

    // As it was before headers were sealed.
    let connection = rusqlite::Connection::open(&path).unwrap();
    let select = "SELECT spec FROM postrider_endpoint";
    let spec: String = connection.query_row(select, [], |row| row.get(0)).unwrap();
    let mut spec: serde_json::Value = serde_json::from_str(&spec).unwrap();
    spec["headers"] = serde_json::json!(headers);
    let update = "UPDATE postrider_endpoint SET spec = ?1";
    connection.execute(update, [spec.to_string()]).unwrap();
    drop(connection);
    assert!(is_written());
    for keys in [&[&old][..], &[&new, &old], &[&new]] {
        let store = with(keys);
        Arc::clone(&store).recover().await.unwrap();
        let found = Arc::clone(&store).endpoint(ENDPOINT).await.unwrap();
        assert_eq!(found.unwrap().spec.headers, headers);
        assert!(!is_written(), "nothing of it is left in the file");
        drop(store);
        assert!(!is_written());
    }
    assert!(with(&[&old]).endpoint(ENDPOINT).await.is_err());
}

#[tokio::test]
async fn what_was_under_way_to_a_deleted_endpoint_ends_at_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.db");
    let store = filled(&path).await;
    let keep = vec![DeliveryId::from_u128(2)];
    let gone = Change::DeleteEndpoint {
        endpoint: ENDPOINT,
        keep,
        at: Wall(5_000),
    };
    commit(&store, vec![gone]).await;
    let state = |store: &Arc<SqliteStore>| Arc::clone(store).delivery(DeliveryId::from_u128(2));
    assert!(!state(&store).await.unwrap().unwrap().state.is_end());
    drop(store);
    let store = open(&path);
    let recovered = Arc::clone(&store).recover().await.unwrap();
    assert!(recovered.lanes.is_empty());
    assert_eq!(
        state(&store).await.unwrap().unwrap().state,
        DeliveryState::Discarded
    );
}

#[tokio::test]
async fn dead_letters_are_found_oldest_first_and_page_by_page() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path().join("events.db"));
    let failed = DeliveryState::Failed(FailReason::Exhausted);
    let mut changes = vec![endpoint(ENDPOINT)];
    for number in 1..=5 {
        let own = lane(ENDPOINT, &format!("key-{}", number % 2));
        changes.push(Change::Publish(publish(
            number,
            "{}",
            &[(number, own.clone())],
        )));
        let seq = Seq(u64::try_from(number).unwrap().div_ceil(2));
        let end = attempted(number, (own, seq), 1, failed);
        changes.push(Change::Attempted(Arc::new(end)));
    }
    commit(&store, changes).await;
    let page = |after: Option<u128>, most| {
        let store = Arc::clone(&store);
        async move {
            let after = after.map(DeliveryId::from_u128);
            let dead = store.dead_letters(ENDPOINT, after, most).await.unwrap();
            let ids = dead.into_iter().map(|record| record.id.as_u128());
            ids.collect::<Vec<_>>()
        }
    };
    assert_eq!(page(None, 2).await, [1, 2]);
    assert_eq!(page(Some(2), 2).await, [3, 4]);
    assert_eq!(page(Some(4), 9).await, [5]);
}

#[tokio::test]
async fn after_an_error_of_the_file_nothing_more_is_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.db");
    let store = filled(&path).await;
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection
        .execute("DROP TABLE postrider_attempt", [])
        .unwrap();
    drop(connection);
    let own = lane(ENDPOINT, "");
    let end = attempted(3, (own.clone(), Seq(3)), 1, DeliveryState::Delivered);
    let answers = Arc::clone(&store)
        .commit(vec![Change::Attempted(Arc::new(end))])
        .await;
    assert!(
        matches!(&answers[..], [Err(CommitError::Failed(_))]),
        "{answers:?}"
    );
    let event = Change::Publish(publish(4, "{}", &[(4, own)]));
    let answers = Arc::clone(&store).commit(vec![event]).await;
    assert!(
        matches!(&answers[..], [Err(CommitError::Failed(_))]),
        "{answers:?}"
    );
    let probed = Arc::clone(&store).probe().await;
    assert!(matches!(probed, Err(NotReady::Failed(_))), "{probed:?}");
    let records = Arc::clone(&store).records().unwrap();
    let removed = records.remove("key", Default::default(), "a".into()).await;
    assert!(matches!(removed, Err(RecordError::Store(_))), "{removed:?}");
}
