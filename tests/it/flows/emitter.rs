//! The webhook manager with its event emitter: register, emit, history, update, retry, delete.

use crate::api::Server;
use crate::receiver::{Receiver, Reply};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn what_an_application_emits_reaches_its_webhooks_and_its_history() {
    let server = Server::start().await;
    let receiver = Receiver::start(|n, _| Reply::Status(if n == 0 { 400 } else { 200 })).await;
    let body = json!({
        "url": receiver.url(), "event_types": ["order.created"], "description": "the shop",
        "metadata": { "owner": "team-7" },
        "signatures": [{ "scheme": "body-hex", "signature_header": "X-Webhook-Signature" }]
    });
    let webhook = server.post("/v1/endpoints", body).await.expect(201);
    assert_eq!(webhook["metadata"]["owner"], "team-7");
    let path = format!("/v1/endpoints/{}", webhook["id"].as_str().unwrap());
    let order = json!({ "orderId": 42, "total": 99.5, "items": ["abc"] });
    let event = server.publish("order.created", order).await;
    server.event_in(&event, "failed").await;
    let server = server.restart().await;
    let history = server.get(&format!("{path}/deliveries")).await.expect(200);
    let delivery = history["data"][0]["id"].as_str().unwrap();
    let retry = format!("/v1/deliveries/{delivery}/retry");
    server.post(&retry, json!({})).await.expect(202);
    server.event_in(&event, "delivered").await;
    let unknown = server.post("/v1/deliveries/dlv_x/retry", json!({})).await;
    unknown.problem(404, "not_found");
    let changed = json!({ "event_types": ["order.*"] });
    let changed = server.patch(&path, changed).await.expect(200);
    assert_eq!(changed["description"], "the shop");
    let event = server.publish("order.shipped", json!({})).await;
    server.event_in(&event, "delivered").await;
    server.delete(&path).await.expect(204);
    let listed = server.get("/v1/endpoints").await.expect(200);
    assert_eq!(listed["data"], json!([]));
    let nobody = server.publish("order.shipped", json!({})).await;
    let event = server
        .get(&format!("/v1/events/{nobody}"))
        .await
        .expect(200);
    assert_eq!(event["deliveries"], json!([]));
}
