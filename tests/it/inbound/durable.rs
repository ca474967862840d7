//! What a provider was told is so after a kill, too.

use super::{Hook, Process, SECRET, send, source};
use crate::api::Server;
use crate::receiver::{Receiver, until};
use serde_json::json;

#[tokio::test]
async fn what_was_answered_survives_a_kill_and_is_delivered_once() {
    let receiver = Receiver::answering(200).await;
    let data = tempfile::tempdir().unwrap();
    let process = Process::start(data.path());
    let form = json!({ "name": "stripe", "provider": "stripe", "secrets": [SECRET] });
    let path = process.make("/v1/sources", form).await["path"].clone();
    let path = path.as_str().unwrap();
    let endpoint = json!({ "url": receiver.url(), "event_types": ["stripe.*"] });
    let endpoint = process.make("/v1/endpoints", endpoint).await["id"].clone();
    let endpoint = format!("/v1/endpoints/{}", endpoint.as_str().unwrap());
    // What is sent and not recorded is sent again after a kill: that is not asked here.
    process.make(&format!("{endpoint}/pause"), json!({})).await;
    let hook = Hook::stripe("evt_1", "payment_intent.succeeded");
    let first = process.taken(path, &hook).await;
    process.kill();

    let process = Process::start(data.path());
    let again = process.taken(path, &hook).await;
    assert_eq!(again["event_id"], first["event_id"]);
    assert_eq!(
        (&first["duplicate"], &again["duplicate"]),
        (&json!(false), &json!(true))
    );
    process.make(&format!("{endpoint}/resume"), json!({})).await;
    until("it is delivered", || async { receiver.count() == 1 }).await;
    process.taken(path, &hook).await;
    let other = Hook::stripe("evt_2", "payment_intent.succeeded");
    process.taken(path, &other).await;
    until("the other one is, too", || async { receiver.count() == 2 }).await;
    assert_eq!(receiver.bodies(), [hook.body, other.body]);
}

#[tokio::test]
async fn a_webhook_whose_answer_was_lost_is_a_repeat_after_a_restart() {
    let server = Server::start().await;
    let path = source(&server, "stripe").await;
    server
        .api
        .on("stripe", "*", |_| async { Err("not today".into()) });
    let hook = Hook::stripe("evt_1", "a.b");
    let (headers, body) = (hook.signed(), hook.body.clone());
    let answer = send(&server, &path, &headers, &body).await;
    answer.problem(500, "handler_failed");
    let server = server.restart().await;
    let (_, duplicate) = hook.taken(&server, &path).await;
    assert!(duplicate, "it was durable before anything else");
}

#[tokio::test]
async fn a_provider_s_event_is_delivered_to_whoever_subscribes_to_it() {
    let receiver = Receiver::answering(200).await;
    let server = Server::start().await;
    let path = source(&server, "stripe").await;
    let form = json!({ "url": receiver.url(), "event_types": ["stripe.payment_intent.succeeded"] });
    let endpoint = server.post("/v1/endpoints", form).await.expect(201);
    let secret = endpoint["secret"].as_str().unwrap();
    Hook::stripe("evt_1", "charge.refunded")
        .taken(&server, &path)
        .await;
    let hook = Hook::stripe("evt_2", "payment_intent.succeeded");
    let (event, _) = hook.taken(&server, &path).await;
    server.event_in(&event, "delivered").await;
    let received = receiver.received();
    assert_eq!(receiver.bodies(), [hook.body]);
    assert!(received[0].is_signed_with(secret));
}
