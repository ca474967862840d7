//! A payment platform and its five calls: register, submit, status, dead letters, shutdown.

use crate::api::Server;
use crate::receiver::{Receiver, Reply, SECRET, closed, until};
use serde_json::{Value, json};
use std::time::Duration;

/// Registers an endpoint with a secret; retries come fast, and an attempt may take longer than
/// a slow machine needs.
async fn register(server: &Server, url: &str, secret: &str, retries: u64) -> String {
    register_with(server, url, secret, retries, 10_000).await
}

async fn register_with(
    server: &Server,
    url: &str,
    secret: &str,
    retries: u64,
    timeout_ms: u64,
) -> String {
    let retry = json!({ "first_ms": 20, "factor": 2, "cap_ms": 200, "retries": retries });
    let body = json!({
        "url": url, "secret": secret, "retry": retry, "timeout_ms": timeout_ms,
        "signatures": [{ "scheme": "body-hex" }]
    });
    let made = server.post("/v1/endpoints", body).await.expect(201);
    made["id"].as_str().unwrap().to_owned()
}

async fn submit(server: &Server, endpoint: &str, payload: Value) -> String {
    let body = json!({ "type": "charge.succeeded", "payload": payload, "endpoint_id": endpoint });
    let accepted = server.post("/v1/events", body).await.expect(202);
    accepted["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn merchants_get_charges_refunds_and_disputes_in_order_through_a_restart() {
    let server = Server::start().await;
    // Down for the first four requests, up afterwards.
    let receiver = Receiver::start(|n, _| Reply::Status(if n < 4 { 503 } else { 200 })).await;
    let endpoint = register(&server, &receiver.url(), SECRET, 10).await;
    let mut events = Vec::new();
    for n in 0..3 {
        events.push(submit(&server, &endpoint, json!({ "n": n })).await);
    }
    server.event_in(&events[0], "retrying").await;
    let server = server.restart().await;
    for event in &events {
        let status = server.event_in(event, "delivered").await;
        assert!(status["delivered_at"].is_string());
    }
    let first = server
        .get(&format!("/v1/events/{}", events[0]))
        .await
        .expect(200);
    assert!(first["attempts"].as_u64().unwrap() > 1, "{first}");
    assert_eq!(first["last_error"], "HTTP 503");
    let bodies = receiver.bodies();
    let mut seen: Vec<_> = bodies.clone();
    seen.dedup();
    assert_eq!(
        seen,
        [r#"{"n":0}"#, r#"{"n":1}"#, r#"{"n":2}"#],
        "in order: {bodies:?}"
    );
    let request = &receiver.received()[0];
    assert_eq!(request.header("content-type"), "application/json");
    assert_eq!(request.header("x-event-type"), "charge.succeeded");
    assert_eq!(request.header("x-event-id"), events[0]);
    assert_eq!(
        request.header("x-signature").len(),
        64,
        "the hex HMAC of the body"
    );
    assert_eq!(
        request.header("webhook-signature"),
        "",
        "and no other signature"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_to_fail_ends_as_it_should() {
    let server = Server::start().await;
    let refuses = Receiver::answering(422).await;
    let breaks = Receiver::answering(500).await;
    let hangs = Receiver::start(|_, _| Reply::Never).await;
    let nobody = closed().await;
    let cases = [
        (refuses.url(), "rejected", 1, 10_000),
        (breaks.url(), "exhausted", 3, 10_000),
        (hangs.url(), "exhausted", 3, 300),
        (nobody, "exhausted", 3, 10_000),
    ];
    for (url, reason, attempts, timeout_ms) in cases {
        let endpoint = register_with(&server, &url, SECRET, 2, timeout_ms).await;
        let event = submit(&server, &endpoint, json!({ "url": url })).await;
        let failed = server.event_in(&event, "failed").await;
        assert_eq!(failed["attempts"], attempts, "{url}");
        let path = format!("/v1/dead-letters?endpoint_id={endpoint}");
        let dead = server.get(&path).await.expect(200);
        assert_eq!(dead["data"][0]["reason"], reason);
        assert_eq!(dead["data"][0]["event_id"], event.as_str());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_do_not_wait_for_each_other() {
    let server = Server::start().await;
    let slow = Receiver::start(|_, _| Reply::Late(Duration::from_millis(200), 200)).await;
    let fast = Receiver::answering(200).await;
    let slow_one = register(&server, &slow.url(), SECRET, 0).await;
    let fast_one = register(&server, &fast.url(), SECRET, 0).await;
    for n in 0..20 {
        submit(&server, &slow_one, json!(n)).await;
        submit(&server, &fast_one, json!(n)).await;
    }
    until("the fast one has all", || async { fast.count() == 20 }).await;
    assert!(slow.count() < 20, "the slow one cannot be through yet");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_finishes_what_is_under_way_and_takes_nothing_new() {
    let server = Server::start().await;
    let receiver = Receiver::start(|_, _| Reply::Late(Duration::from_millis(150), 200)).await;
    let endpoint = register(&server, &receiver.url(), SECRET, 0).await;
    let event = submit(&server, &endpoint, json!(1)).await;
    until("it is under way", || async { receiver.count() == 1 }).await;
    let (postrider, body) = (
        server.postrider.clone(),
        json!({ "type": "a", "payload": 1 }),
    );
    let draining = tokio::spawn(async move { postrider.shutdown().await });
    until("it drains", || async {
        server.post("/v1/events", body.clone()).await.status == 503
    })
    .await;
    let drained = draining.await.unwrap().unwrap();
    assert_eq!(drained.pending, 0);
    let status = server.get(&format!("/v1/events/{event}")).await.expect(200);
    assert_eq!(status["state"], "delivered");
}
