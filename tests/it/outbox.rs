//! Events that an application publishes in its own transactions.

mod kills;
mod odd_store;
mod room;

use crate::receiver::{Receiver, end_of, loopback, until};
use odd_store::OddStore;
use postrider::rusqlite::Connection;
use postrider::store::sqlite::OpenError;
use postrider::{
    EndpointId, EndpointSpec, EventHeaders, EventId, EventState, InvalidName, Limits, Outbox,
    OutboxError, Postrider, PublishError, ReadError, SqliteStore, Submission,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// An application's database.
struct Shop {
    directory: TempDir,
}

impl Shop {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("shop.db")
    }

    /// The application's own connection.
    fn connection(&self) -> Connection {
        let connection = Connection::open(self.path()).unwrap();
        connection.busy_timeout(Duration::from_secs(10)).unwrap();
        let orders = "CREATE TABLE IF NOT EXISTS orders (item TEXT)";
        connection.execute_batch(orders).unwrap();
        connection
    }

    /// Opened for Postrider: waits until it is closed elsewhere.
    fn store(&self) -> SqliteStore {
        let give_up = Instant::now() + Duration::from_secs(5);
        loop {
            match SqliteStore::options()
                .in_application_database()
                .open(self.path())
            {
                Err(OpenError::InUse(_)) if Instant::now() < give_up => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                opened => return opened.unwrap(),
            }
        }
    }

    async fn start(&self) -> Postrider {
        started(Arc::new(self.store()), Limits::default()).await
    }

    fn waiting(&self) -> i64 {
        let count = "SELECT count(*) FROM postrider_outbox WHERE refused IS NULL";
        let connection = self.connection();
        connection.query_row(count, [], |row| row.get(0)).unwrap()
    }
}

async fn started(store: Arc<dyn postrider::Store>, limits: Limits) -> Postrider {
    let builder = Postrider::builder().shared_store(store).limits(limits);
    builder.egress(loopback()).start().await.unwrap()
}

async fn registered(postrider: &Postrider, receiver: &Receiver) -> EndpointId {
    let spec = EndpointSpec::new(receiver.url());
    postrider.register(spec, None).await.unwrap().id
}

fn placed(item: impl AsRef<[u8]>) -> Submission {
    Submission::new("order.placed", item)
}

/// Publishes in a transaction of its own, from another process for all that is known.
fn publish(connection: &mut Connection, submission: Submission) -> EventId {
    let transaction = connection.transaction().unwrap();
    let event = Outbox::default().publish_in(&transaction, submission);
    transaction.commit().unwrap();
    event.unwrap()
}

#[tokio::test]
async fn what_is_rolled_back_was_never_published() {
    let (shop, receiver) = (Shop::new(), Receiver::answering(200).await);
    let store = shop.store();
    let outbox = store.outbox();
    let postrider = started(Arc::new(store), Limits::default()).await;
    registered(&postrider, &receiver).await;
    let mut connection = shop.connection();
    let mut place = |item: &str, keep: bool| {
        let transaction = connection.transaction().unwrap();
        let insert = "INSERT INTO orders VALUES (?1)";
        transaction.execute(insert, [item]).unwrap();
        let event = outbox.publish_in(&transaction, placed(item)).unwrap();
        if keep {
            transaction.commit().unwrap();
        } else {
            transaction.rollback().unwrap();
        }
        outbox.hint();
        event
    };
    let (tea, coffee) = (place("tea", false), place("coffee", true));
    until("coffee comes", || async { receiver.count() == 1 }).await;
    let status = end_of(&postrider, &coffee).await;
    assert_eq!(status.state, EventState::Delivered);
    assert_eq!(receiver.bodies(), ["coffee"]);
    assert_eq!(
        receiver.received()[0].header("x-event-id"),
        coffee.to_string()
    );
    let nothing = postrider.event_status(&tea).await.unwrap_err();
    assert!(matches!(nothing, ReadError::NoSuchEvent(_)), "{nothing}");
    assert_eq!(shop.waiting(), 0);
}

#[tokio::test]
async fn headers_go_with_what_an_application_publishes() {
    let (shop, receiver) = (Shop::new(), Receiver::answering(200).await);
    let postrider = shop.start().await;
    registered(&postrider, &receiver).await;
    let headers = EventHeaders::new([("X-Shop", "a.example")]).unwrap();
    let event = publish(&mut shop.connection(), placed("tea").headers(headers));
    until("it comes", || async { receiver.count() == 1 }).await;
    let status = end_of(&postrider, &event).await;
    assert_eq!(status.state, EventState::Delivered);
    assert_eq!(receiver.received()[0].header("x-shop"), "a.example");
}

/// How long the fastest of five events takes from its commit to its receiver, when each comes
/// after a while of silence.
async fn fastest(shop: &Shop, receiver: &Receiver, after: impl Fn()) -> Duration {
    let mut connection = shop.connection();
    let mut fastest = Duration::MAX;
    for number in 1..=5 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        publish(&mut connection, placed("coffee"));
        let committed = Instant::now();
        after();
        until("it comes", || async { receiver.count() == number }).await;
        fastest = fastest.min(committed.elapsed());
    }
    fastest
}

#[tokio::test]
async fn an_event_that_another_process_has_committed_is_found_within_a_second() {
    let (shop, receiver) = (Shop::new(), Receiver::answering(200).await);
    let postrider = shop.start().await;
    registered(&postrider, &receiver).await;
    let fastest = fastest(&shop, &receiver, || ()).await;
    // Without a look at what has changed it would take 850 ms and more.
    assert!(fastest < Duration::from_millis(500), "{fastest:?}");
}

#[tokio::test]
async fn a_hint_is_enough_to_find_an_event() {
    let (shop, receiver) = (Shop::new(), Receiver::answering(200).await);
    let store = Arc::new(shop.store());
    let outbox = store.outbox();
    let postrider = started(OddStore::that_sees_no_change(store), Limits::default()).await;
    registered(&postrider, &receiver).await;
    let fastest = fastest(&shop, &receiver, || outbox.hint()).await;
    assert!(fastest < Duration::from_millis(500), "{fastest:?}");
}

#[tokio::test]
async fn the_outbox_is_read_even_if_neither_hint_nor_change_is_seen() {
    let (shop, receiver) = (Shop::new(), Receiver::answering(200).await);
    let store = OddStore::that_sees_no_change(Arc::new(shop.store()));
    let postrider = started(store, Limits::default()).await;
    registered(&postrider, &receiver).await;
    publish(&mut shop.connection(), placed("coffee"));
    until("it comes", || async { receiver.count() == 1 }).await;
}

#[tokio::test]
async fn events_go_out_in_the_order_in_which_their_transactions_committed() {
    let (shop, receiver) = (Shop::new(), Receiver::answering(200).await);
    let postrider = shop.start().await;
    registered(&postrider, &receiver).await;
    let shop = Arc::new(shop);
    let placing = {
        let shop = Arc::clone(&shop);
        tokio::task::spawn_blocking(move || {
            let mut connections = [shop.connection(), shop.connection()];
            for connection in &connections {
                let off = connection.pragma_update(None, "synchronous", "OFF");
                off.unwrap();
            }
            for number in 0..200 {
                let transaction = connections[number % 2].transaction().unwrap();
                // Two in one transaction keep their order, too.
                for part in 0..2 {
                    let event = placed(format!("{}", number * 2 + part));
                    Outbox::default().publish_in(&transaction, event).unwrap();
                }
                transaction.commit().unwrap();
            }
        })
    };
    placing.await.unwrap();
    // What has waited for a batch, and more than one.
    postrider.shutdown().await;
    drop(postrider);
    let mut connection = shop.connection();
    let transaction = connection.transaction().unwrap();
    for number in 400..1_000 {
        let event = placed(format!("{number}"));
        Outbox::default().publish_in(&transaction, event).unwrap();
    }
    transaction.commit().unwrap();
    let postrider = shop.start().await;
    until("all come", || async { receiver.count() >= 1_000 }).await;
    let expected: Vec<String> = (0..1_000).map(|number| number.to_string()).collect();
    let mut bodies = receiver.bodies();
    bodies.dedup();
    assert_eq!(bodies, expected);
    assert_eq!(shop.waiting(), 0);
    drop(postrider);
}

#[tokio::test]
async fn what_was_committed_while_no_engine_ran_is_found_when_one_starts() {
    let (shop, receiver) = (Shop::new(), Receiver::answering(200).await);
    let postrider = shop.start().await;
    registered(&postrider, &receiver).await;
    postrider.shutdown().await;
    let mut connection = shop.connection();
    for item in ["tea", "coffee", "milk"] {
        publish(&mut connection, placed(item));
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!((receiver.count(), shop.waiting()), (0, 3));
    drop(postrider);
    let postrider = shop.start().await;
    until("all come", || async { receiver.count() == 3 }).await;
    assert_eq!(receiver.bodies(), ["tea", "coffee", "milk"]);
    drop(postrider);
}

#[tokio::test]
async fn a_known_idempotency_key_makes_no_second_event() {
    let (shop, receiver) = (Shop::new(), Receiver::answering(200).await);
    let postrider = shop.start().await;
    registered(&postrider, &receiver).await;
    let mut connection = shop.connection();
    let with_key = |item| placed(item).idempotency_key("order-1");
    let first = publish(&mut connection, with_key("coffee"));
    let second = publish(&mut connection, with_key("coffee"));
    let other = publish(&mut connection, with_key("tea"));
    publish(&mut connection, placed("the end"));
    until("the end comes", || async { receiver.count() == 2 }).await;
    assert_eq!(receiver.bodies(), ["coffee", "the end"]);
    assert!(postrider.event_status(&first).await.is_ok());
    assert!(postrider.event_status(&second).await.is_err());
    assert_eq!(shop.waiting(), 0);
    let refused = postrider.refused_in_outbox(None).await.unwrap();
    let [refused] = &refused[..] else {
        panic!("{refused:?}")
    };
    assert_eq!(refused.event, other);
    assert!(
        refused.reason.contains(&first.to_string()),
        "{}",
        refused.reason
    );
}

#[tokio::test]
async fn an_event_that_is_put_into_the_outbox_twice_is_accepted_once() {
    let (shop, receiver) = (Shop::new(), Receiver::answering(200).await);
    let postrider = shop.start().await;
    registered(&postrider, &receiver).await;
    let mut connection = shop.connection();
    let event = publish(&mut connection, placed("coffee"));
    assert_eq!(end_of_found(&postrider, &event).await, "found");
    let again = "INSERT INTO postrider_outbox (id, tenant, type, key, payload)
        SELECT id, tenant, type, key, payload FROM postrider_event";
    assert_eq!(connection.execute(again, []).unwrap(), 1);
    publish(&mut connection, placed("the end"));
    until("the end comes", || async { receiver.count() == 2 }).await;
    assert_eq!(receiver.bodies(), ["coffee", "the end"]);
    assert_eq!(shop.waiting(), 0);
}

#[tokio::test]
async fn what_cannot_be_accepted_is_kept_with_the_reason_and_holds_nothing_up() {
    let (shop, receiver) = (Shop::new(), Receiver::answering(200).await);
    let postrider = shop.start().await;
    let endpoint = registered(&postrider, &receiver).await;
    let nobody = EndpointId::from_u128(7);
    let mut connection = shop.connection();
    let lost = publish(&mut connection, placed("lost").to(&nobody));
    let foreign = "INSERT INTO postrider_outbox (id, tenant, type, key, payload)
        VALUES (zeroblob(16), 'default', 'no type', '', x'')";
    connection.execute(foreign, []).unwrap();
    let found = publish(&mut connection, placed("found").to(&endpoint));
    assert_eq!(end_of_found(&postrider, &found).await, "found");
    let refused = postrider.refused_in_outbox(None).await.unwrap();
    let [first, second] = &refused[..] else {
        panic!("{refused:?}")
    };
    assert_eq!(
        (first.event, first.endpoint, first.payload_bytes),
        (lost, Some(nobody), 4)
    );
    assert_eq!(
        (&*first.tenant, &*first.event_type),
        ("default", "order.placed")
    );
    assert!(first.reason.contains("there is no endpoint"), "{first:?}");
    assert!(
        second.reason.contains("\"no type\" is refused"),
        "{second:?}"
    );
    let page = postrider.refused_in_outbox(Some(&lost)).await.unwrap();
    assert_eq!(page, std::slice::from_ref(second));
    assert!(postrider.discard_refused(&lost).await.unwrap());
    assert!(!postrider.discard_refused(&lost).await.unwrap());
    let left = postrider.refused_in_outbox(None).await.unwrap();
    assert_eq!(left.len(), 1);
}

/// Waits for its end, and gives what its state is called.
async fn end_of_found(postrider: &Postrider, event: &EventId) -> &'static str {
    until("it is found", || async {
        postrider.event_status(event).await.is_ok()
    })
    .await;
    match end_of(postrider, event).await.state {
        EventState::Delivered => "found",
        _ => "not delivered",
    }
}

#[tokio::test]
async fn an_event_for_a_disabled_endpoint_goes_out_once_it_is_enabled_and_tried_again() {
    let (shop, receiver) = (Shop::new(), Receiver::answering(200).await);
    let postrider = shop.start().await;
    let endpoint = registered(&postrider, &receiver).await;
    postrider.disable_endpoint(&endpoint).await.unwrap();
    let event = publish(&mut shop.connection(), placed("coffee").to(&endpoint));
    let is_refused = || async { !postrider.refused_in_outbox(None).await.unwrap().is_empty() };
    until("it is refused", is_refused).await;
    let refused = postrider.refused_in_outbox(None).await.unwrap();
    assert!(refused[0].reason.contains("enable it first"), "{refused:?}");
    // Tried in vain, it is refused again.
    assert!(postrider.retry_refused(&event).await.unwrap());
    until("it is refused again", is_refused).await;
    postrider.enable_endpoint(&endpoint).await.unwrap();
    assert!(postrider.retry_refused(&event).await.unwrap());
    assert_eq!(end_of_found(&postrider, &event).await, "found");
    assert!(!postrider.retry_refused(&event).await.unwrap());
    assert_eq!(receiver.bodies(), ["coffee"]);
}

#[test]
fn what_can_never_be_published_is_refused_at_the_edge() {
    let shop = Shop::new();
    let limits = Limits {
        payload_bytes_max: 10,
        ..Limits::default()
    };
    let store = shop.store();
    let outbox = store.outbox().limits(&limits);
    let mut connection = shop.connection();
    let transaction = connection.transaction().unwrap();
    let refused = |submission| outbox.publish_in(&transaction, submission).unwrap_err();
    let name = refused(Submission::new("no type", ""));
    assert!(matches!(name, OutboxError::Name(InvalidName::EventType(_))));
    let large = refused(placed([0; 11]));
    let OutboxError::Bounds(PublishError::PayloadTooLarge { bytes, most }) = large else {
        panic!("{large}")
    };
    assert_eq!((bytes, most), (11, 10));
    for key in [String::new(), "k".repeat(257)] {
        let key = refused(placed("").idempotency_key(key));
        let expected = PublishError::IdempotencyKey { most: 256 };
        assert!(matches!(key, OutboxError::Bounds(error) if error == expected));
    }
    assert!(outbox.publish_in(&transaction, placed([0; 10])).is_ok());
    transaction.commit().unwrap();
    assert_eq!(shop.waiting(), 1);
}

#[test]
fn a_database_without_an_outbox_says_what_to_do() {
    let shop = Shop::new();
    let mut connection = shop.connection();
    let transaction = connection.transaction().unwrap();
    let error = Outbox::default().publish_in(&transaction, placed("coffee"));
    let error = error.unwrap_err();
    assert!(matches!(error, OutboxError::NoTables), "{error}");
    assert!(error.to_string().contains("in_application_database"));
}

#[tokio::test(flavor = "current_thread")]
async fn the_engine_lets_go_of_the_file_when_it_has_stopped() {
    let shop = Shop::new();
    let postrider = shop.start().await;
    publish(&mut shop.connection(), placed("coffee"));
    postrider.shutdown().await;
    drop(postrider);
    reopened(&shop.path()).await;
}

async fn reopened(path: &Path) {
    until("it can be opened again", || async {
        let options = SqliteStore::options().in_application_database();
        options.open(path).is_ok()
    })
    .await;
}
