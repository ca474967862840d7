//! Records in a file: durable, sealed, sealed anew, and part of every copy.

use postrider::store::Store;
use postrider::store::sqlite::{KeyRing, SqliteStore};
use postrider::{Record, TenantId};
use std::path::Path;
use std::sync::Arc;

const VALUE: &[u8] = b"the hash of a key of the service";

fn open(path: &Path, keys: &[&str]) -> Arc<SqliteStore> {
    let keys = keys.iter().map(|digit| digit.repeat(64));
    let keys: Vec<String> = keys.collect();
    let ring = KeyRing::new(keys.iter().map(String::as_str)).unwrap();
    Arc::new(SqliteStore::options().keys(ring).open(path).unwrap())
}

fn record(number: usize) -> Record {
    Record {
        kind: "key",
        tenant: TenantId::default(),
        id: number.to_string().into(),
        value: VALUE.into(),
    }
}

/// How many records can be read there; none if one cannot.
async fn count(store: &Arc<SqliteStore>) -> usize {
    let records = Arc::clone(store).records().unwrap();
    let found = records.list("key", None, None, 1_000).await;
    let found = found.unwrap_or_default();
    assert!(found.iter().all(|it| it.value == VALUE));
    found.len()
}

#[tokio::test]
async fn records_are_sealed_in_the_file_and_sealed_anew_with_a_new_key() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.db");
    let store = open(&path, &["1"]);
    for number in 0..250 {
        let records = Arc::clone(&store).records().unwrap();
        records.put(record(number)).await.unwrap();
    }
    drop(store);
    let written = std::fs::read(&path).unwrap();
    assert!(!written.windows(VALUE.len()).any(|part| part == VALUE));
    drop(
        Arc::clone(&open(&path, &["2", "1"]))
            .recover()
            .await
            .unwrap(),
    );
    assert_eq!(count(&open(&path, &["2"])).await, 250);
    assert_eq!(count(&open(&path, &["1"])).await, 0);
}

#[tokio::test]
async fn a_copy_of_the_file_holds_the_records() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.db");
    let store = open(&path, &["1"]);
    let records = Arc::clone(&store).records().unwrap();
    assert_eq!(records.put_new(record(1)).await, Ok(true));
    let copy = directory.path().join("copy.db");
    store.backup(&copy).await.unwrap();
    assert_eq!(count(&open(&copy, &["1"])).await, 1);
}

#[tokio::test]
async fn of_many_who_make_the_same_record_one_does() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("events.db"), &["1"]);
    let tasks = (0..20).map(|_| {
        let records = Arc::clone(&store).records().unwrap();
        tokio::spawn(records.put_new(record(1)))
    });
    let mut made = 0;
    for task in tasks.collect::<Vec<_>>() {
        made += usize::from(task.await.unwrap().unwrap());
    }
    assert_eq!(made, 1);
}
