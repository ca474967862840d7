//! Who did what, in a file: sealed, sealed anew, and dropped when it is old.

use postrider::audit::AuditQuery;
use postrider::store::Store;
use postrider::store::sqlite::{KeyRing, Retention, SqliteStore};
use postrider::{Clock, Note, NoteId, Wall};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const VALUE: &[u8] = b"the name of whoever did it";

/// A calendar that stands still.
struct Still(u64);

impl Clock for Still {
    fn wall(&self) -> Wall {
        Wall(self.0)
    }
}

fn open(path: &Path, keys: &[&str], at: u64) -> Arc<SqliteStore> {
    let keys: Vec<String> = keys.iter().map(|digit| digit.repeat(64)).collect();
    let ring = KeyRing::new(keys.iter().map(String::as_str)).unwrap();
    let retention = Retention {
        audit: Duration::from_secs(10),
        ..Retention::FOREVER
    };
    let options = SqliteStore::options().keys(ring).retention(retention);
    Arc::new(options.clock(Still(at)).open(path).unwrap())
}

async fn write(store: &Arc<SqliteStore>, at: u64, number: u128) {
    let note = Note {
        id: NoteId::from_parts(Wall(at), number),
        tenant: None,
        target: Some("ep_1".into()),
        value: VALUE.into(),
    };
    let log = Arc::clone(store).audit_log().unwrap();
    log.write(note).await.unwrap();
}

/// How many notes can be read there; none if one cannot.
async fn count(store: &Arc<SqliteStore>) -> usize {
    let query = AuditQuery {
        most: 5_000,
        ..AuditQuery::default()
    };
    let log = Arc::clone(store).audit_log().unwrap();
    let found = log.page(query).await.unwrap_or_default().notes;
    assert!(found.iter().all(|it| it.value == VALUE));
    found.len()
}

#[tokio::test]
async fn notes_are_sealed_in_the_file_and_sealed_anew_with_a_new_key() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.db");
    let store = open(&path, &["1"], 1_000);
    for number in 0..30 {
        write(&store, 1_000, number).await;
    }
    drop(store);
    let written = std::fs::read(&path).unwrap();
    assert!(!written.windows(VALUE.len()).any(|part| part == VALUE));
    let recover = async |keys: &[&str]| {
        let store = open(&path, keys, 1_000);
        Arc::clone(&store).recover().await.unwrap();
        count(&store).await
    };
    assert_eq!(recover(&["1"]).await, 30);
    assert_eq!(recover(&["2", "1"]).await, 30);
    assert_eq!(recover(&["2"]).await, 30);
    assert_eq!(count(&open(&path, &["1"], 1_000)).await, 0);
}

#[tokio::test]
async fn old_notes_are_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.db");
    let store = open(&path, &["1"], 1_000);
    for (at, number) in [(1_000, 1), (2_000, 2), (9_000, 3)] {
        write(&store, at, number).await;
    }
    drop(store);
    let store = open(&path, &["1"], 15_000);
    let give_up = Instant::now() + Duration::from_secs(30);
    while count(&store).await != 1 {
        assert!(Instant::now() < give_up, "waited 30 s in vain");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
