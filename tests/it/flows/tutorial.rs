//! The tutorial: a ping at registration, retries after 1, 5 and 15 minutes, disabled after repeated
//! failures, logs, a test button.

use crate::api::{Server, header};
use crate::receiver::{Receiver, Reply};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_pinged_logged_retried_by_the_minute_and_tested() {
    let server = Server::start().await;
    let receiver = Receiver::start(|n, _| Reply::Status(if n == 0 { 200 } else { 500 })).await;
    let body = json!({
        "url": receiver.url(), "event_types": ["order.created", "user.updated"], "verify": true,
        "retry": { "delays_ms": [60_000, 300_000, 900_000], "jitter_percent": 0 },
        "signatures": [{ "scheme": "body-hex", "signature_header": "X-Webhook-Signature" }],
        "payload_form": "envelope", "timeout_ms": 5_000
    });
    let webhook = server.post("/v1/endpoints", body).await.expect(201);
    let path = format!("/v1/endpoints/{}", webhook["id"].as_str().unwrap());
    assert_eq!(receiver.count(), 1, "the ping");
    server.publish("order.deleted", json!({})).await;
    let event = server.publish("order.created", json!({ "order": 7 })).await;
    let retrying = server.event_in(&event, "retrying").await;
    let delivery = &retrying["deliveries"][0];
    let started = delivery["attempts"][0]["started_at"].as_str().unwrap();
    let next = delivery["next_attempt_at"].as_str().unwrap();
    assert!(
        (60.0..62.0).contains(&seconds_between(started, next)),
        "{started} to {next}"
    );
    let server = server.restart().await;
    let logs = server.get(&format!("{path}/deliveries")).await.expect(200);
    let log = &logs["data"][0];
    assert_eq!(log["state"], "retrying");
    assert_eq!(
        log["next_attempt_at"], next,
        "a restart changes no appointment"
    );
    assert_eq!(log["attempts"][0]["status"], 500);
    assert_eq!(log["attempts"][0]["response_body"], "answer");
    let signature = header(
        &log["attempts"][0]["request_headers"],
        "x-webhook-signature",
    );
    assert_eq!(signature[0].len(), 64);
    let result = server
        .post(&format!("{path}/test"), json!({}))
        .await
        .expect(200);
    assert_eq!(result["status"], 500);
    assert_eq!(receiver.count(), 3, "ping, event, test");
}

fn seconds_between(from: &str, until: &str) -> f64 {
    let of_day = |time: &str| {
        let clock = &time[11..23];
        let mut parts = clock.split(':').map(|part| part.parse::<f64>().unwrap());
        let mut next = || parts.next().unwrap();
        next() * 3_600.0 + next() * 60.0 + next()
    };
    (of_day(until) - of_day(from)).rem_euclid(86_400.0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_keeps_failing_is_disabled_until_it_is_enabled() {
    let server = Server::start().await;
    let receiver = Receiver::answering(500).await;
    let body = json!({
        "url": receiver.url(), "retry": { "delays_ms": [20, 20, 20, 20] }, "breaker": null,
        "disable_after_ms": 30
    });
    let webhook = server.post("/v1/endpoints", body).await.expect(201);
    let path = format!("/v1/endpoints/{}", webhook["id"].as_str().unwrap());
    server.publish("order.created", json!({})).await;
    crate::receiver::until("it is disabled", || async {
        server.get(&path).await.expect(200)["status"] == "disabled"
    })
    .await;
    let shown = server.get(&path).await.expect(200);
    assert_eq!(shown["disabled_reason"], "failing");
    let server = server.restart().await;
    assert_eq!(server.get(&path).await.expect(200)["status"], "disabled");
    let enabled = server
        .post(&format!("{path}/enable"), json!({}))
        .await
        .expect(200);
    assert_eq!(
        (&enabled["status"], &enabled["failures"]),
        (&json!("active"), &json!(0))
    );
}
