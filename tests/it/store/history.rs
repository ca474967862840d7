//! What people read of deliveries that the real engine has made.

use crate::receiver::{Receiver, SECRET, end_of, hasty, loopback};
use postrider::store::sqlite::SqliteStore;
use postrider::{
    DeliveryFilter, DeliveryQuery, Direction, EndpointId, HeaderLines, Postrider, Secret,
    StateKind, Wall,
};
use std::path::Path;
use std::time::Duration;

async fn started(directory: &Path) -> Postrider {
    let store = SqliteStore::open(directory.join("events.db")).unwrap();
    let builder = Postrider::builder().egress(loopback()).store(store);
    builder.start().await.unwrap()
}

async fn registered(postrider: &Postrider, receiver: &Receiver) -> EndpointId {
    let url = receiver.url();
    postrider.register_endpoint(&url, SECRET).await.unwrap()
}

#[tokio::test]
async fn deliveries_are_found_newest_first_by_endpoint_state_type_and_time() {
    let directory = tempfile::tempdir().unwrap();
    let postrider = started(directory.path()).await;
    let (good, bad) = (
        Receiver::answering(200).await,
        Receiver::answering(404).await,
    );
    let first = registered(&postrider, &good).await;
    let second = registered(&postrider, &bad).await;
    let mut events = Vec::new();
    for (endpoint, event_type) in [
        (first, "charge.made"),
        (second, "charge.made"),
        (first, "refund.made"),
        (first, "charge.lost"),
    ] {
        let event = postrider.submit_event(&endpoint, event_type, "{}").await;
        events.push(event.unwrap());
        end_of(&postrider, &events[events.len() - 1]).await;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let found = async |filter: DeliveryFilter| {
        let query = DeliveryQuery {
            filter,
            most: 10,
            ..DeliveryQuery::default()
        };
        let page = postrider.deliveries(query).await.unwrap();
        assert_eq!(page.next, None);
        let place = |id| events.iter().position(|event| *event == id).unwrap();
        let places = page.deliveries.iter().map(|it| place(it.event.id));
        places.collect::<Vec<_>>()
    };
    let any = DeliveryFilter::default;
    assert_eq!(found(any()).await, [3, 2, 1, 0]);
    let endpoint = Some(first);
    assert_eq!(found(DeliveryFilter { endpoint, ..any() }).await, [3, 2, 0]);
    let states = vec![StateKind::Failed];
    assert_eq!(found(DeliveryFilter { states, ..any() }).await, [1]);
    let event_types = vec!["charge.*".parse().unwrap()];
    let charges = DeliveryFilter {
        event_types,
        ..any()
    };
    assert_eq!(found(charges).await, [3, 1, 0]);
    let second_at = postrider.event_status(&events[1]).await.unwrap();
    let second_at = Some(second_at.deliveries[0].event.published_at);
    let (from, until) = (second_at, second_at);
    assert_eq!(found(DeliveryFilter { from, ..any() }).await, [3, 2, 1]);
    assert_eq!(found(DeliveryFilter { until, ..any() }).await, [0]);
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repeat_while_more_is_published() {
    let directory = tempfile::tempdir().unwrap();
    let postrider = started(directory.path()).await;
    let receiver = Receiver::answering(200).await;
    let endpoint = registered(&postrider, &receiver).await;
    let mut sent = Vec::new();
    for number in 0..25 {
        let body = number.to_string();
        sent.push(
            postrider
                .submit_event(&endpoint, "a.b", &body)
                .await
                .unwrap(),
        );
    }
    for direction in [Direction::NewestFirst, Direction::OldestFirst] {
        let mut query = DeliveryQuery {
            direction,
            most: 10,
            ..DeliveryQuery::default()
        };
        let mut found = Vec::new();
        loop {
            let page = postrider.deliveries(query.clone()).await.unwrap();
            found.extend(page.deliveries.iter().map(|it| it.event.id));
            // As a person would hand it back.
            query.after = page.next.map(|next| next.to_string().parse().unwrap());
            if page.next.is_none() {
                break;
            }
            let late = postrider.submit_event(&endpoint, "a.b", "late").await;
            late.unwrap();
        }
        found.retain(|event| sent.contains(event));
        let mut expected = sent.clone();
        if direction == Direction::NewestFirst {
            expected.reverse();
        }
        assert_eq!(found, expected, "{direction:?}");
    }
}

#[tokio::test]
async fn an_attempt_shows_what_was_sent_less_what_the_endpoints_own_headers_say() {
    let directory = tempfile::tempdir().unwrap();
    let postrider = started(directory.path()).await;
    let receiver = Receiver::answering(200).await;
    let mut spec = hasty(&receiver.url(), 1);
    spec.headers = vec![
        ("Authorization".to_owned(), "Bearer very-secret".to_owned()),
        ("X-Team".to_owned(), "payments".to_owned()),
    ];
    let secret = Secret::parse(SECRET).unwrap();
    let endpoint = postrider.register(spec, Some(secret)).await.unwrap();
    let event = postrider.submit_event(&endpoint.id, "a.b", "{}").await;
    let status = end_of(&postrider, &event.unwrap()).await;
    let attempt = &status.deliveries[0].attempts[0];
    let received = &receiver.received()[0];
    assert!(attempt.sent.headers.iter().count() >= 10);
    for (name, value) in attempt.sent.headers.iter() {
        let sent = received.header(name);
        let expected = match name {
            "Authorization" | "X-Team" => HeaderLines::SECRET,
            _ => sent,
        };
        assert_eq!(value, expected, "{name}");
    }
    assert_eq!(received.header("authorization"), "Bearer very-secret");
}

#[tokio::test]
async fn statistics_count_what_came_of_deliveries_and_survive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let (good, bad) = (
        Receiver::answering(200).await,
        Receiver::answering(503).await,
    );
    let postrider = started(directory.path()).await;
    let first = registered(&postrider, &good).await;
    let spec = hasty(&bad.url(), 2);
    let second = postrider.register(spec, None).await.unwrap().id;
    for _ in 0..4 {
        let event = postrider.submit_event(&first, "a.b", "{}").await.unwrap();
        end_of(&postrider, &event).await;
    }
    let event = postrider.submit_event(&second, "a.b", "{}").await.unwrap();
    end_of(&postrider, &event).await;
    postrider.shutdown().await;
    drop(postrider);
    let postrider = started(directory.path()).await;
    let (from, until) = (Wall(0), Wall(1 << 45));
    let good = postrider.statistics(&first, from, until).await.unwrap();
    let total = &good.total;
    assert_eq!((total.accepted, total.delivered, total.attempts), (4, 4, 4));
    assert_eq!(total.success_rate(), Some(1.0));
    assert!(total.latency.percentile(0.99).unwrap() < Duration::from_secs(5));
    let bad = postrider.statistics(&second, from, until).await.unwrap();
    let total = &bad.total;
    assert_eq!((total.accepted, total.failed, total.attempts), (1, 1, 3));
    assert_eq!(total.attempts_failed, 3);
    assert_eq!(total.success_rate(), Some(0.0));
    let hours = bad.hours.iter().map(|hour| hour.attempts);
    assert_eq!(hours.sum::<u64>(), 3);
    let nothing = postrider.statistics(&first, from, Wall(1)).await.unwrap();
    assert!(nothing.hours.is_empty());
}
