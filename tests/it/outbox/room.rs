//! Where there is no room, what was committed waits, in its order.

use super::{OddStore, Shop, placed, publish, registered, started};
use crate::receiver::{Receiver, until};
use postrider::Limits;
use std::sync::Arc;
use std::time::Duration;

/// Long enough for the engine to try several times.
const A_WHILE: Duration = Duration::from_millis(600);

#[tokio::test]
async fn what_finds_no_room_waits_in_its_order() {
    let (shop, receiver) = (Shop::new(), Receiver::answering(200).await);
    let limits = Limits {
        pending_deliveries_max: 4,
        pending_deliveries_tenant_max: Some(9),
        pending_deliveries_endpoint_max: Some(9),
        ..Limits::default()
    };
    let postrider = started(Arc::new(shop.store()), limits).await;
    let endpoint = registered(&postrider, &receiver).await;
    postrider.pause_endpoint(&endpoint).await.unwrap();
    let mut connection = shop.connection();
    for number in 0..10 {
        publish(&mut connection, placed(number.to_string()));
    }
    until("four are taken", || async { shop.waiting() == 6 }).await;
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(shop.waiting(), 6);
    assert_eq!(postrider.refused_in_outbox(None).await.unwrap(), []);
    postrider.resume_endpoint(&endpoint).await.unwrap();
    until("all come", || async { receiver.count() == 10 }).await;
    let expected: Vec<String> = (0..10).map(|number| number.to_string()).collect();
    assert_eq!(receiver.bodies(), expected);
}

#[tokio::test]
async fn a_small_event_does_not_overtake_a_large_one_that_finds_no_room() {
    let (shop, receiver) = (Shop::new(), Receiver::answering(200).await);
    let limits = Limits {
        pending_bytes_max: 1_000,
        pending_bytes_tenant_max: Some(9_000),
        pending_bytes_endpoint_max: Some(9_000),
        ..Limits::default()
    };
    let postrider = started(Arc::new(shop.store()), limits).await;
    let endpoint = registered(&postrider, &receiver).await;
    postrider.pause_endpoint(&endpoint).await.unwrap();
    let mut connection = shop.connection();
    let transaction = connection.transaction().unwrap();
    let items = ["a".repeat(600), "b".repeat(600), "c".to_owned()];
    for item in &items {
        let outbox = postrider::Outbox::default();
        outbox.publish_in(&transaction, placed(item)).unwrap();
    }
    transaction.commit().unwrap();
    until("the first is taken", || async { shop.waiting() < 3 }).await;
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(shop.waiting(), 2);
    postrider.resume_endpoint(&endpoint).await.unwrap();
    until("all come", || async { receiver.count() == 3 }).await;
    assert_eq!(receiver.bodies(), items);
}

#[tokio::test]
async fn a_full_disk_holds_events_back_and_loses_none() {
    let (shop, receiver) = (Shop::new(), Receiver::answering(200).await);
    let store = OddStore::that_is_full(Arc::new(shop.store()), 3);
    let postrider = started(store.clone(), Limits::default()).await;
    registered(&postrider, &receiver).await;
    let mut connection = shop.connection();
    for number in 0..10 {
        publish(&mut connection, placed(number.to_string()));
    }
    until("all come", || async { receiver.count() == 10 }).await;
    assert_eq!(store.refusals_left(), 0);
    let expected: Vec<String> = (0..10).map(|number| number.to_string()).collect();
    assert_eq!(receiver.bodies(), expected);
    assert_eq!(postrider.refused_in_outbox(None).await.unwrap(), []);
}
