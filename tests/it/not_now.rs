//! Receivers that say "not now", over real sockets.

use crate::api::Server;
use crate::receiver::{Receiver, Reply, end_of, hasty, postrider, until};
use postrider::{
    DeliveryState, EndpointSpec, EventState, FailReason, RetryPolicy, Schedule, Submission,
};
use postrider_server::ApiOptions;
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Answers the first request with this, and the others with 200.
async fn once(status: u16) -> Receiver {
    Receiver::start(move |n, _| Reply::Status(if n == 0 { status } else { 200 })).await
}

#[tokio::test]
async fn what_says_not_now_is_sent_again_and_any_other_4xx_is_not() {
    let postrider = postrider().await;
    for status in 400..500 {
        let receiver = once(status).await;
        let spec = hasty(&receiver.url(), 1);
        let endpoint = postrider.register(spec, None).await.unwrap().id;
        let event = postrider.submit_event(&endpoint, "a", "{}").await.unwrap();
        let state = end_of(&postrider, &event).await.state;
        if matches!(status, 408 | 425 | 429) {
            assert_eq!(state, EventState::Delivered, "{status}");
        } else {
            assert_eq!(state, EventState::Failed, "{status}");
            let dead = postrider.dead_letters(&endpoint).await.unwrap();
            let reason = match status {
                410 => FailReason::Gone,
                _ => FailReason::Rejected,
            };
            assert_eq!(dead[0].state, DeliveryState::Failed(reason), "{status}");
        }
    }
}

/// Takes one request a second, and says 429 with `Retry-After: 1` to the others.
async fn one_a_second() -> Receiver {
    let start = Instant::now();
    let taken = Mutex::new(None);
    Receiver::start(move |_, _| {
        let second = start.elapsed().as_secs();
        let mut taken = taken.lock().unwrap();
        if taken.replace(second) == Some(second) {
            Reply::RetryAfter(429, "1")
        } else {
            Reply::Status(200)
        }
    })
    .await
}

#[tokio::test]
async fn a_receiver_that_takes_one_request_a_second_gets_all_twenty_events() {
    let receiver = one_a_second().await;
    let postrider = postrider().await;
    let mut spec = EndpointSpec::new(receiver.url());
    let delays = [50, 100, 200, 400, 800].map(Duration::from_millis);
    spec.retry = RetryPolicy::with_schedule(Schedule::Delays(delays.into()));
    let endpoint = postrider.register(spec, None).await.unwrap().id;
    let mut events = Vec::new();
    for number in 0..20 {
        let event = Submission::new("a.b", "{}").ordering_key(format!("key-{}", number % 10));
        events.push(postrider.publish(event.to(&endpoint)).await.unwrap());
    }
    for event in events {
        let deadline = Instant::now() + Duration::from_secs(90);
        loop {
            let status = postrider.event_status(&event.event).await.unwrap();
            if status.state == EventState::Delivered {
                assert!(status.attempts <= 6);
                break;
            }
            assert_ne!(status.state, EventState::Failed, "{:?}", status.last_error);
            assert!(Instant::now() < deadline);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let refused = receiver.count() - 20;
    assert!(refused <= 30, "{refused} requests were in vain");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_receiver_asks_for_holds_all_lanes_is_shown_and_outlives_a_restart() {
    let server = Server::start().await;
    let receiver = Receiver::start(|n, _| match n {
        0 => Reply::RetryAfter(503, "60"),
        _ => Reply::Status(200),
    })
    .await;
    let endpoint = server.endpoint(&receiver.url()).await;
    let path = format!("/v1/endpoints/{endpoint}");
    let publish = async |server: &Server, key: &str| {
        let body = json!({ "type": "a.b", "payload": {}, "ordering_key": key });
        let accepted = server.post("/v1/events", body).await.expect(202);
        accepted["id"].as_str().unwrap().to_owned()
    };
    let first = publish(&server, "a").await;
    server.event_in(&first, "retrying").await;
    for key in ["b", "c", "d"] {
        publish(&server, key).await;
    }
    let shown = server.get(&path).await.expect(200);
    assert_eq!(shown["held_by"], "retry_after");
    assert!(shown["held_until"].as_str().unwrap().ends_with('Z'));
    assert_eq!(shown["failures"], 0, "that is no outage");
    assert_eq!(shown["breaker_open_until"], Value::Null);
    let server = server.restart().await;
    let after = server.get(&path).await.expect(200);
    assert_eq!(after["held_until"], shown["held_until"]);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(receiver.count(), 1);
    let enabled = server.post(&format!("{path}/enable"), json!({})).await;
    assert_eq!(enabled.expect(200)["held_until"], Value::Null);
    until("all go out", || async { receiver.count() == 5 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_retried_beside_5xx_is_said_by_default_and_can_be_emptied() {
    let server = Server::start().await;
    let receiver = Receiver::answering(429).await;
    let hasty = json!({ "url": receiver.url(), "retry": { "delays_ms": [1] } });
    let made = server.post("/v1/endpoints", hasty).await.expect(201);
    assert_eq!(made["retry"]["also_retry"], json!([408, 425, 429]));
    let event = server.publish("a", json!({})).await;
    let event = server.event_in(&event, "failed").await;
    assert_eq!(event["deliveries"][0]["state"], "failed");
    assert_eq!(receiver.count(), 2);

    let path = format!("/v1/endpoints/{}", made["id"].as_str().unwrap());
    let strict = json!({ "retry": { "delays_ms": [1], "also_retry": [] } });
    let changed = server.patch(&path, strict).await.expect(200);
    assert_eq!(changed["retry"]["also_retry"], json!([]));
    let event = server.publish("a", json!({})).await;
    server.event_in(&event, "failed").await;
    assert_eq!(receiver.count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_have_the_defaults_of_their_tenant_else_those_of_the_operator() {
    let defaults = r#"{"timeout_ms": 4000, "retry": {"delays_ms": [1000]},
        "signatures": [{"scheme": "timestamped-v1", "signature_header": "X-Acme-Signature"}]}"#;
    let server = Server::with(ApiOptions {
        endpoint_defaults: defaults.parse().unwrap(),
        ..ApiOptions::default()
    })
    .await;
    let url = json!({ "url": "https://merchant.example/" });
    let registered = async |server: &Server, body: &Value| {
        let made = server.post("/v1/endpoints", body.clone()).await.expect(201);
        let fields = ["timeout_ms", "retry", "signatures"].map(|name| made[name].clone());
        (made["id"].as_str().unwrap().to_owned(), fields)
    };
    let (id, [timeout, retry, signatures]) = registered(&server, &url).await;
    assert_eq!(timeout, 4000);
    assert_eq!(retry["delays_ms"], json!([1000]));
    assert_eq!(retry["also_retry"], json!([408, 425, 429]));
    assert_eq!(signatures[0]["signature_header"], "X-Acme-Signature");

    let path = "/v1/endpoint-defaults";
    assert_eq!(server.get(path).await.expect(200), json!({}));
    let wrong = server
        .send(Method::PUT, path, Some(r#"{"timeout_ms":0}"#.into()), &[])
        .await;
    wrong.problem(422, "invalid_endpoint");
    let own = json!({ "timeout_ms": 5000, "retry": { "retries": 2 } });
    let put = server.send(Method::PUT, path, Some(own.to_string()), &[]);
    assert_eq!(put.await.expect(200), own);
    let server = server.restart().await;
    assert_eq!(server.get(path).await.expect(200), own);
    let (_, [timeout, retry, signatures]) = registered(&server, &url).await;
    assert_eq!((timeout, &retry["retries"]), (json!(5000), &json!(2)));
    assert_eq!(retry["first_ms"], 5000, "a policy is one thing");
    assert_eq!(signatures[0]["scheme"], "timestamped-v1");

    let named = "/v1/endpoints/by-name/shop";
    let ensured = server.send(Method::PUT, named, Some(url.to_string()), &[]);
    assert_eq!(ensured.await.expect(201)["timeout_ms"], 5000);

    let mut said = url.clone();
    said["timeout_ms"] = json!(7000);
    let (_, [timeout, ..]) = registered(&server, &said).await;
    assert_eq!(timeout, 7000);
    let endpoint = format!("/v1/endpoints/{id}");
    let before = server.get(&endpoint).await.expect(200);
    assert_eq!(before["timeout_ms"], 4000, "it keeps what it has");
    let null = json!({ "timeout_ms": null });
    let after = server.patch(&endpoint, null).await.expect(200);
    assert_eq!(after["timeout_ms"], 5000);
}
