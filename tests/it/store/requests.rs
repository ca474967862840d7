//! Bodies of requests in the file.

use super::changes::{attempted, commit, endpoint, lane, open, publish};
use bytes::Bytes;
use postrider::SqliteStore;
use postrider::store::Store;
use postrider_engine::{
    AttemptId, Attempted, Change, DeliveryId, DeliveryState, EndpointId, FailReason, Sent,
    SentBody, Seq,
};
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;

const ENDPOINT: EndpointId = EndpointId::from_u128(9);

/// The end of the first attempt of a delivery that has the same place, which sent this body.
fn end(delivery: u64, state: DeliveryState, body: &'static str, with: Option<u128>) -> Attempted {
    let place = (lane(ENDPOINT, ""), Seq(delivery));
    let mut end = attempted(delivery.into(), place, 1, state);
    // Those that go in one request have the same id.
    end.attempt.id = AttemptId::from_u128(body.len() as u128);
    *end.attempt.sent = Sent {
        body: Some(SentBody {
            bytes: body.len() as u64,
            is_payload: false,
            made: Some(Bytes::from_static(body.as_bytes())),
            kept_with: with.map(DeliveryId::from_u128),
        }),
        ..Sent::default()
    };
    end
}

async fn body(store: &Arc<SqliteStore>, delivery: u128) -> Option<Bytes> {
    let delivery = DeliveryId::from_u128(delivery);
    Arc::clone(store).request_body(delivery, 1).await.unwrap()
}

fn number(path: &Path, sql: &str) -> i64 {
    let connection = Connection::open(path).unwrap();
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn a_body_goes_with_the_delivery_that_kept_it_and_is_never_that_of_another() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.db");
    let failed = DeliveryState::Failed(FailReason::Exhausted);
    let delivered = DeliveryState::Delivered;
    let new = |id: u128| Change::Publish(publish(id, "{}", &[(id, lane(ENDPOINT, ""))]));
    let ended = |end: Attempted| Change::Attempted(Arc::new(end));

    let store = open(&path);
    commit(&store, vec![endpoint(ENDPOINT), new(1), new(2)]).await;
    let both = vec![
        ended(end(2, delivered, "[2,1]", None)),
        ended(end(1, failed, "[2,1]", Some(2))),
    ];
    commit(&store, both).await;
    assert_eq!(body(&store, 1).await.unwrap(), "[2,1]");
    assert_eq!(body(&store, 2).await.unwrap(), "[2,1]");
    drop(store);
    let kept = "SELECT count(*) FROM postrider_attempt WHERE sent_body IS NOT NULL";
    assert_eq!(number(&path, kept), 1);

    // As retention does it.
    let connection = Connection::open(&path).unwrap();
    for of in [
        "attempt WHERE delivery",
        "delivery WHERE number",
        "event WHERE number",
    ] {
        let delete = format!("DELETE FROM postrider_{of} = 2");
        assert_eq!(connection.execute(&delete, []), Ok(1));
    }
    drop(connection);
    let store = open(&path);
    assert_eq!(body(&store, 1).await, None);
    let another = ended(end(3, delivered, "of another", None));
    commit(&store, vec![new(3), another]).await;
    assert_eq!(body(&store, 1).await, None);
    assert_eq!(body(&store, 3).await.unwrap(), "of another");
    drop(store);
    let highest = "SELECT max(number) FROM postrider_delivery";
    assert_eq!(number(&path, highest), 2, "its number was given away again");
}
