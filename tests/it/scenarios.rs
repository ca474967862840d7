//! The eight promises of a webhook sender, on real sockets.

use crate::receiver::{Receiver, Reply, SECRET, end_of, hasty, postrider, until};
use postrider::{Closed, DeliveryState, EventState, FailReason, Postrider, PublishError, Secret};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};

async fn register(postrider: &Postrider, url: &str, retries: u32) -> postrider::EndpointId {
    let secret = Secret::parse(SECRET).unwrap();
    postrider
        .register(hasty(url, retries), Some(secret))
        .await
        .unwrap()
        .id
}

#[tokio::test]
async fn an_event_answered_with_200_is_delivered_without_a_retry() {
    let receiver = Receiver::answering(200).await;
    let postrider = postrider().await;
    let endpoint = postrider
        .register_endpoint(&receiver.url(), SECRET)
        .await
        .unwrap();
    let payload = br#"{"amount": 4200,  "odd":"spaces\u0020"}"#;
    let event = postrider
        .submit_event(&endpoint, "payment.succeeded", payload)
        .await
        .unwrap();

    let status = end_of(&postrider, &event).await;
    assert_eq!(status.state, EventState::Delivered);
    assert_eq!((status.attempts, status.last_error), (1, None));
    assert!(status.delivered_at.is_some());

    let received = receiver.received();
    assert_eq!(received.len(), 1);
    let request = &received[0];
    assert_eq!(
        &request.body[..],
        payload,
        "the body is the payload, byte for byte"
    );
    assert_eq!(request.header("content-type"), "application/json");
    assert_eq!(request.header("x-event-type"), "payment.succeeded");
    assert_eq!(request.header("x-event-id"), event.to_string());
    let place = request.header("postrider-sequence");
    assert!(place.ends_with(":1"), "the first of its lane: {place}");
    assert_eq!(request.header("webhook-id"), format!("{event}:{place}"));
    assert_eq!(request.header("x-attempt"), "1");
    assert!(request.header("x-delivery-id").starts_with("dlv_"));
    assert!(request.header("user-agent").starts_with("Postrider/"));
    assert!(request.is_signed_with(SECRET));
    assert!(!request.is_signed_with("another"));
}

#[tokio::test]
async fn an_event_answered_with_500_is_retried_with_backoff_up_to_the_maximum() {
    let receiver = Receiver::answering(500).await;
    let postrider = postrider().await;
    let endpoint = register(&postrider, &receiver.url(), 5).await;
    let event = postrider
        .submit_event(&endpoint, "payment.failed", "{}")
        .await
        .unwrap();

    let status = end_of(&postrider, &event).await;
    assert_eq!((status.state, status.attempts), (EventState::Failed, 6));
    assert_eq!(status.last_error.as_deref(), Some("HTTP 500"));
    let received = receiver.received();
    assert_eq!(received.len(), 6);
    for (number, pair) in received.windows(2).enumerate() {
        let gap = pair[1].at - pair[0].at;
        let least = Duration::from_millis(20 << number) * 8 / 10;
        assert!(
            gap >= least - Duration::from_millis(2),
            "gap {number}: {gap:?} < {least:?}"
        );
    }
    let attempts: Vec<&str> = received.iter().map(|it| it.header("x-attempt")).collect();
    assert_eq!(attempts, ["1", "2", "3", "4", "5", "6"]);
    assert!(
        received
            .iter()
            .all(|it| it.header("x-event-id") == event.to_string())
    );
    assert!(received.iter().all(|it| it.is_signed_with(SECRET)));
}

#[tokio::test]
async fn an_event_answered_with_4xx_fails_at_once() {
    let receiver = Receiver::answering(422).await;
    let postrider = postrider().await;
    let endpoint = register(&postrider, &receiver.url(), 5).await;
    let event = postrider
        .submit_event(&endpoint, "payment.failed", "{}")
        .await
        .unwrap();

    let status = end_of(&postrider, &event).await;
    assert_eq!((status.state, status.attempts), (EventState::Failed, 1));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(receiver.count(), 1);
    let dead = postrider.dead_letters(&endpoint).await.unwrap();
    assert_eq!(dead[0].state, DeliveryState::Failed(FailReason::Rejected));
}

#[tokio::test]
async fn an_event_that_times_out_is_retried() {
    let receiver = Receiver::start(|n, _| {
        if n == 0 {
            Reply::Never
        } else {
            Reply::Status(200)
        }
    })
    .await;
    let postrider = postrider().await;
    let mut spec = hasty(&receiver.url(), 5);
    spec.timeout = Duration::from_secs(1);
    let secret = Secret::parse(SECRET).unwrap();
    let endpoint = postrider.register(spec, Some(secret)).await.unwrap().id;
    let event = postrider
        .submit_event(&endpoint, "payment.succeeded", "{}")
        .await
        .unwrap();

    let status = end_of(&postrider, &event).await;
    assert_eq!((status.state, status.attempts), (EventState::Delivered, 2));
    assert!(status.last_error.unwrap().starts_with("timeout_response"));
    let received = receiver.received();
    let gap = received[1].at - received[0].at;
    assert!(
        gap >= Duration::from_secs(1),
        "the timeout is the endpoint's: {gap:?}"
    );
}

#[tokio::test]
async fn an_event_whose_connection_is_refused_is_retried() {
    // Bound but not listening: the port refuses, and stays ours.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}/", socket.local_addr().unwrap());
    let postrider = postrider().await;
    let endpoint = register(&postrider, &url, 8).await;
    let event = postrider
        .submit_event(&endpoint, "payment.succeeded", "{}")
        .await
        .unwrap();
    until("an attempt is refused", || async {
        postrider.event_status(&event).await.unwrap().attempts > 0
    })
    .await;

    let listener: TcpListener = socket.listen(16).unwrap();
    let receiver = Receiver::on(listener, |_, _| Reply::Status(200));
    let status = end_of(&postrider, &event).await;
    assert_eq!(status.state, EventState::Delivered);
    assert!(status.attempts > 1);
    assert!(status.last_error.unwrap().starts_with("connect"));
    assert_eq!(receiver.count(), 1);
}

#[tokio::test]
async fn an_exhausted_event_goes_to_the_dead_letters_and_can_be_resent() {
    let receiver = Receiver::start(|n, _| Reply::Status(if n < 3 { 503 } else { 200 })).await;
    let postrider = postrider().await;
    let endpoint = register(&postrider, &receiver.url(), 2).await;
    let event = postrider
        .submit_event(&endpoint, "payment.succeeded", "{}")
        .await
        .unwrap();
    assert_eq!(end_of(&postrider, &event).await.state, EventState::Failed);

    let dead = postrider.dead_letters(&endpoint).await.unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].event.id, event);
    assert_eq!(dead[0].state, DeliveryState::Failed(FailReason::Exhausted));
    assert_eq!(dead[0].attempts.len(), 3);
    assert_eq!(dead[0].attempts[2].outcome.to_string(), "HTTP 503");

    let resent = postrider.resend(&dead[0].id).await.unwrap();
    assert_ne!(resent, dead[0].id);
    assert_eq!(
        end_of(&postrider, &event).await.state,
        EventState::Delivered
    );
    assert!(postrider.dead_letters(&endpoint).await.unwrap().is_empty());
    let ledger = postrider.ledger(&endpoint).await.unwrap();
    assert_eq!(
        (ledger.accepted, ledger.delivered, ledger.failed),
        (2, 1, 1)
    );
}

#[tokio::test]
async fn three_events_arrive_in_order_although_the_first_is_retried() {
    let receiver = Receiver::start(|n, _| Reply::Status(if n < 2 { 500 } else { 200 })).await;
    let postrider = postrider().await;
    let endpoint = register(&postrider, &receiver.url(), 5).await;
    let mut last = None;
    for name in ["charge", "refund", "dispute"] {
        last = Some(
            postrider
                .submit_event(&endpoint, "payment.event", name)
                .await
                .unwrap(),
        );
    }
    assert_eq!(
        end_of(&postrider, &last.unwrap()).await.state,
        EventState::Delivered
    );
    assert_eq!(
        receiver.bodies(),
        ["charge", "charge", "charge", "refund", "dispute"]
    );
}

#[tokio::test]
async fn shutdown_completes_what_is_in_flight_and_then_submissions_error() {
    let receiver = Receiver::start(|_, _| Reply::Late(Duration::from_millis(200), 200)).await;
    let postrider = postrider().await;
    let endpoint = register(&postrider, &receiver.url(), 5).await;
    let first = postrider
        .submit_event(&endpoint, "payment.succeeded", "1")
        .await
        .unwrap();
    let second = postrider
        .submit_event(&endpoint, "payment.succeeded", "2")
        .await
        .unwrap();
    until("the first is in flight", || async { receiver.count() == 1 }).await;

    let during = postrider.clone();
    let shutdown = tokio::spawn(async move { during.shutdown().await });
    until("submissions are refused", || async {
        postrider
            .submit_event(&endpoint, "payment.succeeded", "3")
            .await
            .is_err()
    })
    .await;
    let drained = shutdown.await.unwrap().unwrap();
    assert_eq!(drained.cancelled, 0);
    assert!(
        drained.pending >= 1,
        "what had not started is still pending"
    );

    let status = postrider.event_status(&first).await.unwrap();
    assert_eq!(status.state, EventState::Delivered);
    assert_eq!(
        postrider.event_status(&second).await.unwrap().state,
        EventState::Pending
    );
    assert_eq!(receiver.count(), 1, "nothing new was started");
    assert_eq!(
        postrider
            .submit_event(&endpoint, "payment.succeeded", "4")
            .await,
        Err(PublishError::Closed(Closed::Draining))
    );
    assert_eq!(
        postrider.shutdown().await,
        None,
        "a second shutdown finds it stopped"
    );
}
