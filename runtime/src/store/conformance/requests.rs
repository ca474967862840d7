//! Requests as they were sent.

use super::{Subject, lane};
use crate::store::Store;
use bytes::Bytes;
use postrider_engine::{
    Attempt, AttemptId, Attempted, Change, DeliveryId, DeliveryState, Failure, FailureKind,
    HeaderLines, Outcome, PhaseTimes, Receipt, Sent, SentBody, Seq, Wall,
};
use std::sync::Arc;

const RETRYING: DeliveryState = DeliveryState::Retrying { due: Wall(99) };

/// A body that was made of the payload of its event, perhaps kept with that of another delivery.
fn made(body: &'static str, kept_with: Option<u128>) -> Sent {
    Sent {
        url: Some("https://example.com/hooks?a=1".into()),
        headers: HeaderLines::from_lines("\nx-attempt: 1\n"),
        body: Some(SentBody {
            bytes: body.len() as u64,
            is_payload: false,
            made: Some(Bytes::from_static(body.as_bytes())),
            kept_with: kept_with.map(DeliveryId::from_u128),
        }),
        phases: Some(PhaseTimes {
            queued_ms: None,
            dns_ms: Some(0),
            connect_ms: Some(20),
            tls_ms: None,
            first_byte_ms: Some(300),
            total_ms: 321,
        }),
    }
}

/// The payload itself.
fn payload() -> Sent {
    let mut sent = made("0123456789", None);
    if let Some(body) = &mut sent.body {
        body.is_payload = true;
        body.made = None;
    }
    sent
}

/// Attempt `number` of a delivery fails, and another one will come. Those that go in one request
/// have the same id.
async fn fail<S: Store>(
    subject: &Subject<'_, S>,
    (delivery, seq, number): (u128, Seq, u32),
    id: u128,
    sent: Sent,
) {
    let end = Attempted {
        delivery: DeliveryId::from_u128(delivery),
        lane: lane(),
        seq,
        attempt: Attempt {
            id: AttemptId::from_u128(id),
            number,
            started_at: Wall(10),
            duration_ms: 5,
            sent: Box::new(sent),
            outcome: Outcome::Failure(Failure::new(FailureKind::Reset, "gone")),
        },
        state: RETRYING,
        stop_lane: false,
        health: None,
        disable: None,
    };
    let receipt = subject.commit(Change::Attempted(Arc::new(end))).await;
    assert_eq!(receipt, Receipt::Applied);
}

async fn body<S: Store>(store: &Arc<S>, delivery: u128, number: u32) -> Option<Bytes> {
    let delivery = DeliveryId::from_u128(delivery);
    let body = Arc::clone(store).request_body(delivery, number).await;
    body.unwrap()
}

pub(super) async fn what_was_sent_is_on_record<S: Store>(store: &Arc<S>) {
    let subject = Subject(store);
    subject.add_endpoint().await;
    let seq = subject.publish(1).await;
    let all = [Sent::default(), payload(), made("{}", None)];
    for (number, sent) in (1..).zip(&all) {
        let id = u128::from(number);
        fail(&subject, (1, seq, number), id, sent.clone()).await;
        let record = Arc::clone(store).delivery(DeliveryId::from_u128(1)).await;
        let attempts = record.unwrap().unwrap().attempts;
        let last = attempts.last().map(|last| (*last.sent).clone());
        assert_eq!(
            last,
            Some(sent.recorded()),
            "the bytes of a body are not in its record"
        );
    }
    assert_eq!(body(store, 1, 1).await, None, "nothing is known of it");
    assert_eq!(body(store, 1, 2).await.unwrap(), "0123456789");
    assert_eq!(body(store, 1, 3).await.unwrap(), "{}");
    assert_eq!(body(store, 1, 4).await, None, "there is no such attempt");
    assert_eq!(body(store, 2, 1).await, None, "there is no such delivery");
}

pub(super) async fn a_body_is_found_by_every_attempt_that_sent_it<S: Store>(store: &Arc<S>) {
    let subject = Subject(store);
    subject.add_endpoint().await;
    let first = subject.publish(1).await;
    let second = subject.publish(2).await;
    let third = subject.publish(3).await;
    // All in one request; again, unchanged; and the second one alone.
    for (number, id) in [(1, 10), (2, 20)] {
        fail(&subject, (1, first, number), id, made("[1,2]", None)).await;
        fail(&subject, (2, second, number), id, made("[1,2]", Some(1))).await;
        fail(&subject, (3, third, number), id, made("[1,2]", Some(2))).await;
    }
    fail(&subject, (2, second, 3), 30, made("[2]", None)).await;
    // Of a delivery that had no part in that request nothing is taken.
    fail(&subject, (2, second, 4), 40, made("[2,3]", Some(1))).await;
    for (delivery, number, expected) in [
        (1, 1, "[1,2]"),
        (1, 2, "[1,2]"),
        (2, 1, "[1,2]"),
        (2, 2, "[1,2]"),
        (3, 1, "[1,2]"),
        (3, 2, "[1,2]"),
        (2, 3, "[2]"),
        (2, 4, "[2,3]"),
    ] {
        let found = body(store, delivery, number).await;
        assert_eq!(found.unwrap(), expected, "{delivery}, {number}");
    }
}

pub(super) async fn attempts_are_read_from_any_number_on<S: Store>(store: &Arc<S>) {
    let subject = Subject(store);
    subject.add_endpoint().await;
    let seq = subject.publish(1).await;
    for number in 1..=5 {
        fail(&subject, (1, seq, number), number.into(), payload()).await;
    }
    let read = async |delivery: u128, after: u32, most: usize| {
        let delivery = DeliveryId::from_u128(delivery);
        let found = Arc::clone(store).attempts(delivery, after, most).await;
        let numbers = found.unwrap().into_iter().map(|it| it.number);
        numbers.collect::<Vec<u32>>()
    };
    assert_eq!(read(1, 0, 9).await, [1, 2, 3, 4, 5]);
    assert_eq!(read(1, 2, 2).await, [3, 4]);
    assert_eq!(read(1, 5, 9).await, [0; 0]);
    assert_eq!(read(2, 0, 9).await, [0; 0], "there is no such delivery");
}
