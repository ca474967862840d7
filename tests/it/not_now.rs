//! Receivers that say "not now", over real sockets.

use crate::api::Server;
use crate::receiver::{Receiver, Reply, end_of, hasty, postrider};
use postrider::{DeliveryState, EventState, FailReason};
use serde_json::json;

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
