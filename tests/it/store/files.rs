//! The store knows when its files are not those any more that it has opened.

use super::changes::{commit, endpoint, lane, open, publish};
use postrider::SqliteStore;
use postrider::store::Store;
use postrider::store::sqlite::{BackupError, KeyRing, OpenError, Retention};
use postrider_engine::{Change, CommitError, EndpointId};
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ENDPOINT: EndpointId = EndpointId::from_u128(1);

/// What is lost is found within a second; a busy machine may take longer to say so.
const FOUND_WITHIN: Duration = Duration::from_secs(20);

fn event(number: u128) -> Change {
    let payload = format!("\"{}\"", "x".repeat(2_000));
    Change::Publish(publish(number, &payload, &[(number, lane(ENDPOINT, ""))]))
}

/// A store with something in its database and its log.
async fn filled(path: &Path) -> Arc<SqliteStore> {
    let store = open(path);
    Arc::clone(&store).recover().await.unwrap();
    commit(&store, vec![endpoint(ENDPOINT)]).await;
    for number in 1..=20 {
        commit(&store, vec![event(number)]).await;
    }
    store
}

fn beside(path: &Path, what: &str) -> PathBuf {
    path.with_file_name(format!("events.db-{what}"))
}

fn cut(path: &Path, bytes: u64) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(bytes).unwrap();
}

fn put_another(path: &Path) {
    let other = path.with_extension("other");
    fs::copy(path, &other).unwrap();
    fs::rename(&other, path).unwrap();
}

/// Something done to the files of an open store, which of them the error must name, and what it is.
type Loss = (&'static str, &'static str, fn(&Path));

const LOSSES: [Loss; 12] = [
    ("the database is removed", "", |path| {
        fs::remove_file(path).unwrap()
    }),
    ("the database is replaced", "", put_another),
    ("the database is emptied", "", |path| cut(path, 0)),
    ("the database is cut", "", |path| cut(path, 8_192)),
    ("an older copy is written into the database", "", |path| {
        let bytes = fs::read(path.with_extension("older")).unwrap();
        fs::write(path, bytes).unwrap();
    }),
    ("a shorter copy is written into the database", "", |path| {
        let bytes = fs::read(path.with_extension("shorter")).unwrap();
        fs::write(path, bytes).unwrap();
    }),
    ("the log is removed", "-wal", |path| {
        fs::remove_file(beside(path, "wal")).unwrap();
    }),
    ("the log is replaced", "-wal", |path| {
        put_another(&beside(path, "wal"))
    }),
    ("the log is emptied", "-wal", |path| {
        cut(&beside(path, "wal"), 0)
    }),
    ("the log is cut", "-wal", |path| {
        cut(&beside(path, "wal"), 10_000)
    }),
    ("the index of the log is removed", "-shm", |path| {
        fs::remove_file(beside(path, "shm")).unwrap();
    }),
    ("the directory is renamed", "", |path| {
        let directory = path.parent().unwrap();
        fs::rename(directory, directory.with_extension("gone")).unwrap();
    }),
];

fn checkpoint(connection: &rusqlite::Connection) {
    let passive = "PRAGMA wal_checkpoint(PASSIVE)";
    connection.query_row(passive, [], |_| Ok(())).unwrap();
}

/// A store whose database has seen a checkpoint, so that there is something to lose in both files;
/// an older copy of it stands beside, and a shorter one that this store has written.
async fn in_two_files(path: &Path) -> Arc<SqliteStore> {
    drop(filled(path).await);
    fs::copy(path, path.with_extension("older")).unwrap();
    let store = open(path);
    Arc::clone(&store).recover().await.unwrap();
    let other = rusqlite::Connection::open(path).unwrap();
    for number in 21..=70 {
        commit(&store, vec![event(number)]).await;
    }
    checkpoint(&other);
    // By another process: this one would let go of SQLite's locks.
    let mut copy = Command::new("cp");
    copy.arg(path).arg(path.with_extension("shorter"));
    assert!(copy.status().unwrap().success());
    for number in 71..=120 {
        commit(&store, vec![event(number)]).await;
    }
    checkpoint(&other);
    for number in 121..=140 {
        commit(&store, vec![event(number)]).await;
    }
    // The files are looked at as they are now.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    commit(&store, vec![event(141)]).await;
    store
}

/// Commits all the time, until that fails.
async fn commit_on(store: Arc<SqliteStore>) {
    for number in 2_000_u128.. {
        let answers = Arc::clone(&store).commit(vec![event(number)]).await;
        if answers.iter().any(Result::is_err) {
            return;
        }
        // So few that SQLite brings nothing into the database meanwhile.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Loses something, and looks what becomes of the store.
async fn lost((what, named, lose): Loss, is_busy: bool) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data/events.db");
    fs::create_dir(path.parent().unwrap()).unwrap();
    let store = in_two_files(&path).await;
    let busy = is_busy.then(|| tokio::spawn(commit_on(Arc::clone(&store))));
    lose(&path);
    let failed = tokio::time::timeout(FOUND_WITHIN, Arc::clone(&store).failed()).await;
    let Ok(error) = failed else {
        panic!("{what}: nobody has noticed");
    };
    let name = format!("{}{named} ", path.display());
    assert!(error.to_string().contains(&name), "{what}: {error}");
    assert!(error.to_string().contains("start again"), "{what}: {error}");
    let answers = Arc::clone(&store).commit(vec![event(1_000)]).await;
    let failed = matches!(&answers[..], [Err(CommitError::Failed(_))]);
    assert!(failed, "{what}: {answers:?}");
    assert!(Arc::clone(&store).probe().await.is_err(), "{what}");
    if let Some(busy) = busy {
        busy.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_whose_files_are_lost_fails_by_itself_and_names_the_file() {
    let mut all = tokio::task::JoinSet::new();
    for loss in LOSSES {
        all.spawn(lost(loss, false));
        if matches!(loss.0, "the log is emptied" | "the log is cut") {
            all.spawn(lost(loss, true));
        }
    }
    while let Some(done) = all.join_next().await {
        done.unwrap();
    }
}

#[tokio::test]
async fn nothing_is_acknowledged_a_second_after_the_database_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.db");
    let store = filled(&path).await;
    fs::remove_file(&path).unwrap();
    let gone = Instant::now();
    for number in 100.. {
        let asked = gone.elapsed();
        let answers = Arc::clone(&store).commit(vec![event(number)]).await;
        if answers[0].is_err() {
            break;
        }
        assert!(
            asked < Duration::from_secs(1),
            "acknowledged after {asked:?}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_store_that_has_lost_its_files_takes_no_log_from_those_in_their_place() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.db");
    let store = filled(&path).await;
    put_another(&path);
    fs::write(beside(&path, "wal.new"), "another log").unwrap();
    fs::rename(beside(&path, "wal.new"), beside(&path, "wal")).unwrap();
    Arc::clone(&store).failed().await;
    drop(store);
    assert_eq!(fs::read(beside(&path, "wal")).unwrap(), b"another log");
}

/// Does these to the database of an open store, which goes on.
async fn nothing_lost(all: [&str; 2]) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.db");
    let store = in_two_files(&path).await;
    let other = rusqlite::Connection::open(&path).unwrap();
    other.busy_timeout(FOUND_WITHIN).unwrap();
    for statements in all {
        other.execute_batch(statements).unwrap();
        let failed = Arc::clone(&store).failed();
        let failed = tokio::time::timeout(Duration::from_millis(2_500), failed).await;
        assert!(failed.is_err(), "{statements} of {all:?}: {failed:?}");
    }
    commit(&store, vec![event(1_000)]).await;
}

#[tokio::test]
async fn whoever_empties_the_log_into_the_database_or_makes_that_smaller_loses_nothing() {
    const EMPTY: &str = "PRAGMA wal_checkpoint(TRUNCATE)";
    tokio::join!(
        nothing_lost(["VACUUM", EMPTY]),
        nothing_lost([EMPTY, "VACUUM"])
    );
}

/// A store in the database of an application, and a connection of that.
async fn shared(path: &Path) -> (Arc<SqliteStore>, rusqlite::Connection) {
    let options = SqliteStore::options().retention(Retention::FOREVER);
    let store = Arc::new(options.in_application_database().open(path).unwrap());
    Arc::clone(&store).recover().await.unwrap();
    commit(&store, vec![endpoint(ENDPOINT)]).await;
    let application = rusqlite::Connection::open(path).unwrap();
    application.busy_timeout(FOUND_WITHIN).unwrap();
    let table = "CREATE TABLE orders (item TEXT)";
    application.execute_batch(table).unwrap();
    (store, application)
}

#[tokio::test]
async fn an_application_that_writes_in_turn_with_the_store_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.db");
    let (store, application) = shared(&path).await;
    let mut number = 0;
    for _ in 0..3 {
        // Each begins the log again, and counts how often it did so for itself.
        for _ in 0..4 {
            number += 1;
            commit(&store, vec![event(number)]).await;
            checkpoint(&application);
        }
        let order = "INSERT INTO orders VALUES ('tea')";
        application.execute(order, []).unwrap();
        // The files are looked at as they are now.
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        number += 1;
        commit(&store, vec![event(number)]).await;
    }
}

#[tokio::test]
async fn an_end_of_the_store_leaves_no_log_unless_an_application_has_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.db");
    let length = |what| fs::metadata(beside(&path, what)).map_or(0, |it| it.len());
    let store = filled(&path).await;
    let outbox = Arc::clone(&store).outbox_source().unwrap();
    Arc::clone(&outbox).next_due().await.unwrap();
    drop(store);
    assert_eq!((length("wal"), length("lock")), (0, 0));
    let error = Arc::clone(&outbox).next_due().await.unwrap_err();
    assert!(error.to_string().contains("stopped"), "{error}");
    let path = directory.path().join("shop.db");
    let length = |what: &str| {
        let name = path.with_file_name(format!("shop.db-{what}"));
        fs::metadata(name).map_or(0, |it| it.len())
    };
    let (store, application) = shared(&path).await;
    drop(store);
    assert!(length("wal") > 0);
    assert!(length("lock") > 0, "nobody knows what is in the log");
    drop(application);
    assert_eq!(length("wal"), 0);
    let options = SqliteStore::options().in_application_database();
    drop(options.open(&path).unwrap());
    assert_eq!(length("lock"), 0);
}

#[tokio::test]
async fn a_key_file_that_goes_is_written_again_and_another_key_is_not_used() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.db");
    let store = filled(&path).await;
    let key = beside(&path, "key");
    let text = fs::read(&key).unwrap();
    let lose: [fn(&Path); 2] = [|key| fs::remove_file(key).unwrap(), |key| cut(key, 0)];
    for lose in lose {
        lose(&key);
        let start = Instant::now();
        while fs::read(&key).ok().as_ref() != Some(&text) {
            assert!(start.elapsed() < FOUND_WITHIN, "it is not there again");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    fs::write(&key, "ab".repeat(32)).unwrap();
    let failed = tokio::time::timeout(FOUND_WITHIN, Arc::clone(&store).failed()).await;
    let error = failed.unwrap().to_string();
    assert!(error.contains("events.db-key"), "{error}");
    drop(store);
    let error = SqliteStore::open(&path).err().unwrap();
    assert!(matches!(error, OpenError::WrongKey { .. }), "{error}");
    fs::write(&key, text).unwrap();
    drop(open(&path));
}

#[tokio::test]
async fn a_removed_lock_file_lets_nobody_in_and_is_put_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.db");
    let store = filled(&path).await;
    let lock = beside(&path, "lock");
    fs::remove_file(&lock).unwrap();
    let by_link = directory.path().join("link.db");
    std::os::unix::fs::symlink(&path, &by_link).unwrap();
    for name in [&path, &by_link] {
        let error = SqliteStore::open(name).err().unwrap();
        assert!(matches!(error, OpenError::InUse(_)), "{error}");
    }
    let held = || File::open(&lock).is_ok_and(|it| it.try_lock().is_err());
    let start = Instant::now();
    while !held() {
        assert!(
            start.elapsed() < FOUND_WITHIN,
            "older versions would get in"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    commit(&store, vec![event(1_000)]).await;
}

#[tokio::test]
async fn a_database_that_should_be_there_is_asked_for_and_not_made() {
    let losses: [Loss; 2] = [
        ("removed", "", |path| fs::remove_file(path).unwrap()),
        ("emptied", "", |path| cut(path, 0)),
    ];
    for (what, _, lose) in losses {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("events.db");
        drop(filled(&path).await);
        lose(&path);
        let error = SqliteStore::open(&path).err().unwrap();
        let said = error.to_string();
        assert!(matches!(error, OpenError::Missing { .. }), "{what}: {said}");
        for name in ["events.db ", "events.db-key"] {
            assert!(said.contains(name), "{what}: {said}");
        }
        assert!(fs::metadata(&path).map_or(0, |it| it.len()) == 0, "{what}");
        // On purpose.
        drop(SqliteStore::options().anew().open(&path).unwrap());
        let again = SqliteStore::options().anew().open(&path).err().unwrap();
        assert!(matches!(again, OpenError::IsThere(_)), "{what}: {again}");
        drop(open(&path));
    }
}

#[tokio::test]
async fn a_missing_key_file_is_not_replaced_beside_a_database_that_needs_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.db");
    drop(open(&path));
    let key = beside(&path, "key");
    fs::remove_file(&key).unwrap();
    // Nothing was sealed yet.
    drop(filled(&path).await);
    let text = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    let error = SqliteStore::open(&path).err().unwrap();
    assert!(matches!(error, OpenError::NoKey { .. }), "{error}");
    assert!(error.to_string().contains("events.db-key"), "{error}");
    assert!(!key.exists());
    fs::write(&key, "").unwrap();
    let error = SqliteStore::open(&path).err().unwrap();
    assert!(error.to_string().contains("events.db-key"), "{error}");
    fs::write(&key, text).unwrap();
    drop(open(&path));
}

#[test]
fn what_is_no_database_file_of_its_own_is_refused_by_its_path() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.db");
    fs::create_dir(&path).unwrap();
    let error = SqliteStore::open(&path).err().unwrap();
    assert!(matches!(error, OpenError::File { .. }), "{error}");
    fs::remove_dir(&path).unwrap();
    drop(SqliteStore::open(&path).unwrap());
    let second = directory.path().join("second.db");
    fs::hard_link(&path, &second).unwrap();
    for name in [&path, &second] {
        let error = SqliteStore::open(name).err().unwrap();
        assert!(
            matches!(error, OpenError::Linked { names: 2, .. }),
            "{error}"
        );
    }
    fs::remove_file(&second).unwrap();
    std::os::unix::fs::symlink(&path, &second).unwrap();
    let ring = || KeyRing::new([&*"1".repeat(64)]).unwrap();
    drop(SqliteStore::options().keys(ring()).open(&second).unwrap());
}

#[test]
fn an_emptied_database_is_not_copied() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.db");
    drop(SqliteStore::open(&path).unwrap());
    cut(&path, 0);
    let copy = directory.path().join("copy.db");
    let error = SqliteStore::copy(&path, &copy).unwrap_err();
    assert!(matches!(error, BackupError::NothingInIt(_)), "{error}");
    assert!(!copy.exists());
}
