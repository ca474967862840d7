//! A hundred thousand events that wait for one dead endpoint.

use super::changes::{lane, open, publish};
use crate::receiver::{Receiver, SECRET, end_of, hasty, loopback};
use postrider::store::Store;
use postrider::{DeliveryId, Postrider};
use postrider_engine::{Change, Receipt};
use std::sync::Arc;
use std::time::{Duration, Instant};

const PENDING: u128 = 100_000;

#[tokio::test]
async fn a_hundred_thousand_pending_on_one_lane_do_not_touch_the_others() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.db");
    let (dead, healthy) = (
        Receiver::answering(503).await,
        Receiver::answering(200).await,
    );
    let store = open(&path);
    let builder = || Postrider::builder().egress(loopback());
    let postrider = builder().shared_store(store.clone());
    let postrider = postrider.start().await.unwrap();
    let spec = hasty(&dead.url(), 60);
    let stuck = postrider.register(spec, None).await.unwrap().id;
    let url = healthy.url();
    let fine = postrider.register_endpoint(&url, SECRET).await.unwrap();
    postrider.shutdown().await;
    let event = |number| Change::Publish(publish(number, "{}", &[(number, lane(stuck, ""))]));
    for first in (1..=PENDING).step_by(500) {
        let changes = (first..first + 500).map(event).collect();
        let answers = Arc::clone(&store).commit(changes).await;
        let all_are_in = |answer| matches!(answer, Ok(Receipt::Published(_)));
        assert!(answers.into_iter().all(all_are_in));
    }
    let start = Instant::now();
    let postrider = builder().shared_store(store).start().await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(1));
    let footprint = postrider.footprint().await.unwrap();
    assert_eq!(u128::from(footprint.pending_deliveries), PENDING);
    for _ in 0..20 {
        let event = postrider.submit_event(&fine, "a.b", "{}").await.unwrap();
        let start = Instant::now();
        end_of(&postrider, &event).await;
        assert!(start.elapsed() < Duration::from_secs(2));
    }
    let footprint = postrider.footprint().await.unwrap();
    assert!(footprint.window_deliveries < 1_000, "{footprint:?}");
    let ledger = postrider.ledger(&stuck).await.unwrap();
    assert_eq!(u128::from(ledger.pending), PENDING);
    let first = postrider.delivery(&DeliveryId::from_u128(1)).await.unwrap();
    let second = postrider.delivery(&DeliveryId::from_u128(2)).await.unwrap();
    assert!(!first.attempts.is_empty() && second.attempts.is_empty());
}
