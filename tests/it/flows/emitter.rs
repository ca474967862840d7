//! The webhook manager with its event emitter: register, emit, listen, history, update, retry,
//! delete.

use crate::api::Server;
use crate::inbound::{Seen, noting, until_seen};
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

#[tokio::test(flavor = "multi_thread")]
async fn the_application_hears_what_it_emits_until_it_unsubscribes_and_again_after_a_restart() {
    let server = Server::start().await;
    let receiver = Receiver::answering(200).await;
    let body = json!({ "url": receiver.url(), "event_types": ["order.*"] });
    server.post("/v1/endpoints", body).await.expect(201);
    let (orders, mails) = (Seen::default(), Seen::default());
    let listening = server.api.listen("order.*", noting(&orders)).await.unwrap();
    let mailing = server.api.listen("*", noting(&mails)).await.unwrap();
    server.publish("order.created", json!({ "n": 1 })).await;
    server.publish("user.updated", json!({})).await;
    let all = ["order.created", "user.updated"];
    assert_eq!(until_seen(&mails, 2).await, all);
    assert_eq!(until_seen(&orders, 1).await, ["order.created"]);
    listening.off();
    server.publish("order.shipped", json!({ "n": 2 })).await;
    until_seen(&mails, 3).await;
    assert_eq!(orders.lock().unwrap().len(), 1, "it is off");

    // A listener goes with the process, a webhook stays.
    let server = server.restart().await;
    drop(mailing);
    server.publish("order.paid", json!({ "n": 3 })).await;
    let again = Seen::default();
    let _listening = server.api.listen("order.*", noting(&again)).await.unwrap();
    let last = server.publish("order.closed", json!({ "n": 4 })).await;
    assert_eq!(until_seen(&again, 1).await, ["order.closed"], "from now on");
    server.event_in(&last, "delivered").await;
    let expected = [1, 2, 3, 4].map(|n| json!({ "n": n }).to_string());
    assert_eq!(receiver.bodies(), expected);
    assert_eq!(mails.lock().unwrap().len(), 3, "its process has ended");
    assert_eq!(orders.lock().unwrap().len(), 1);
}
