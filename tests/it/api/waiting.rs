//! What deliveries wait for, and not waiting any longer.

use super::Server;
use crate::receiver::{Receiver, Reply, until};
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

/// An endpoint whose first retry comes after an hour.
async fn patient(server: &Server, url: &str) -> String {
    let form = json!({ "url": url, "retry": { "delays_ms": [3_600_000] } });
    let made = server.post("/v1/endpoints", form).await.expect(201);
    made["id"].as_str().unwrap().to_owned()
}

/// The delivery of an event, once that is in this state.
async fn delivery_in(server: &Server, event: &str, state: &str) -> Value {
    let event = server.event_in(event, state).await;
    event["deliveries"][0].clone()
}

/// The delivery of an event, once it waits for this: a result is on record a little before the engine
/// hears of that.
async fn waits_for(server: &Server, event: &str, cause: &str) -> Value {
    until(cause, || async {
        shown(server, event).await["wait"]["cause"] == cause
    })
    .await;
    shown(server, event).await
}

/// The delivery of an event.
async fn shown(server: &Server, event: &str) -> Value {
    let path = format!("/v1/events/{event}");
    let event = server.get(&path).await.expect(200);
    event["deliveries"][0].clone()
}

fn id(value: &Value) -> String {
    value["id"].as_str().unwrap().to_owned()
}

async fn retry(server: &Server, delivery: &str) -> super::Answer {
    let path = format!("/v1/deliveries/{delivery}/retry");
    server.post(&path, json!({})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_head_of_a_lane_is_sent_at_once_and_what_is_behind_it_names_it() {
    let server = Server::start().await;
    let (receiver, status) = Receiver::changeable(503).await;
    patient(&server, &receiver.url()).await;
    let first = server.publish("a.b", json!(1)).await;
    let head = waits_for(&server, &first, "backoff").await;
    assert_eq!(head["wait"]["until"], head["next_attempt_at"]);
    assert!(head["next_attempt_at"].is_string() && head["wait"]["head_id"].is_null());
    let second = server.publish("a.b", json!(2)).await;
    let behind = waits_for(&server, &second, "behind_head").await;
    assert_eq!(behind["wait"]["head_id"], head["id"]);
    let refused = retry(&server, &id(&behind)).await;
    let refused = refused.problem(409, "behind_head");
    assert!(refused["detail"].as_str().unwrap().contains(&id(&head)));
    status.store(200, Ordering::Relaxed);
    let retried = retry(&server, &id(&head)).await.expect(202);
    assert_eq!(
        (&retried["id"], &retried["resend_of"]),
        (&head["id"], &Value::Null)
    );
    let done = delivery_in(&server, &first, "delivered").await;
    assert!(done["wait"].is_null() && done["next_attempt_at"].is_null());
    server.event_in(&second, "delivered").await;
    assert_eq!(receiver.bodies(), ["1", "1", "2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_has_asked_for_time_is_named_as_the_cause() {
    let server = Server::start().await;
    let receiver = Receiver::start(|_, _| Reply::RetryAfter(503, "1800")).await;
    patient(&server, &receiver.url()).await;
    // The policy waits for longer than that.
    let first = server.publish("a.b", json!(1)).await;
    let waits = waits_for(&server, &first, "backoff").await;
    let path = format!("/v1/endpoints/{}", waits["endpoint_id"].as_str().unwrap());
    let shorter = json!({ "retry": { "delays_ms": [1, 1, 1] } });
    server.patch(&path, shorter).await.expect(200);
    let waits = waits_for(&server, &first, "retry_after").await;
    assert!(waits["wait"]["until"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_in_short_and_lanes_say_what_each_delivery_waits_for() {
    let server = Server::start().await;
    let receiver = Receiver::start(|_, _| Reply::RetryAfter(503, "1800")).await;
    let form = json!({ "url": receiver.url(), "retry": { "delays_ms": [1, 1, 1] } });
    server.post("/v1/endpoints", form).await.expect(201);
    let first = server.publish("a.b", json!(1)).await;
    waits_for(&server, &first, "retry_after").await;
    let second = server.publish("a.b", json!(2)).await;
    let behind = waits_for(&server, &second, "behind_head").await;
    for path in ["/v1/deliveries", "/v1/deliveries?view=short"] {
        let page = server.get(path).await.expect(200);
        let [last, head] = [0_usize, 1].map(|place| &page["data"][place]);
        assert_eq!(last["wait"], behind["wait"], "{path}");
        assert_eq!(last["wait"]["head_id"], head["id"], "{path}");
        assert_eq!(head["wait"]["cause"], "retry_after", "{path}");
        let until = &head["wait"]["until"];
        assert!(
            until.is_string() && head["next_attempt_at"] == *until,
            "{path}"
        );
    }
    let lanes = server.get("/v1/lanes").await.expect(200);
    let lane = &lanes["data"][0];
    let head = &lane["head"];
    assert_eq!(
        (&lane["depth"], &lane["error"]),
        (&json!(2), &json!("HTTP 503"))
    );
    assert_eq!(head["id"], behind["wait"]["head_id"]);
    assert_eq!(head["wait"]["cause"], "retry_after");
    assert_eq!(lane["endpoint_id"], head["endpoint_id"]);
    assert_eq!(
        (&lane["tenant"], &head["tenant"]),
        (&json!("default"), &json!("default"))
    );
    assert_eq!(
        (&head["attempt_count"], &head["last_attempt"]["status"]),
        (&json!(1), &json!(503))
    );
    assert!(head.get("attempts").is_none(), "in short");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_of_an_endpoint_that_is_not_registered_makes_nothing_due() {
    let server = Server::start().await;
    let (receiver, status) = Receiver::changeable(503).await;
    patient(&server, &receiver.url()).await;
    let event = server.publish("a.b", json!(1)).await;
    let before = waits_for(&server, &event, "backoff").await;
    status.store(200, Ordering::Relaxed);
    let form = json!({ "url": receiver.url() });
    let came = server.post("/v1/endpoints/test", form).await.expect(200);
    assert_eq!(came["status"], 200);
    // A test that makes something due is answered after that.
    assert_eq!(shown(&server, &event).await["wait"], before["wait"]);
    assert_eq!(receiver.count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_of_an_endpoint_that_sends_nothing_is_not_retried() {
    let server = Server::start().await;
    let receiver = Receiver::answering(503).await;
    let endpoint = patient(&server, &receiver.url()).await;
    let event = server.publish("a.b", json!(1)).await;
    let delivery = id(&waits_for(&server, &event, "backoff").await);
    for (act, cause) in [("pause", "paused"), ("disable", "disabled")] {
        let path = format!("/v1/endpoints/{endpoint}/{act}");
        server.post(&path, json!({})).await.expect(200);
        let path = format!("/v1/deliveries/{delivery}");
        let shown = server.get(&path).await.expect(200);
        assert_eq!(shown["wait"]["cause"], cause, "{shown}");
        let code = format!("endpoint_{cause}");
        retry(&server, &delivery).await.problem(409, &code);
    }
    assert_eq!(receiver.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mended_endpoint_does_not_wait_out_an_hour() {
    let moved = |url: &str| json!({ "url": url });
    let (receiver, status) = Receiver::changeable(503).await;
    let other = Receiver::answering(200).await;
    let policy = json!({ "retry": { "delays_ms": [1_000, 1_000, 1_000] } });
    for (method, acts, body) in [
        (Method::POST, &["/pause", "/resume"][..], json!({})),
        (Method::POST, &["/disable", "/enable"][..], json!({})),
        (Method::POST, &["/test"][..], json!({})),
        (Method::PATCH, &[""][..], moved(&other.url())),
        (Method::PATCH, &[""][..], policy),
    ] {
        let server = Server::start().await;
        status.store(503, Ordering::Relaxed);
        let endpoint = patient(&server, &receiver.url()).await;
        let event = server.publish("a.b", json!(1)).await;
        server.event_in(&event, "retrying").await;
        status.store(200, Ordering::Relaxed);
        for act in acts {
            let path = format!("/v1/endpoints/{endpoint}{act}");
            let body = Some(body.to_string());
            let done = server.send(method.clone(), &path, body, &[]).await;
            done.expect(200);
        }
        server.event_in(&event, "delivered").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lanes_of_all_endpoints_are_listed_by_the_age_of_their_heads() {
    let server = Server::start().await;
    let receiver = Receiver::answering(503).await;
    let key = server.key_of("acme", &["publish", "manage", "read"]).await;
    let theirs = [("authorization", key.as_str())];
    let form = json!({ "url": receiver.url(), "retry": { "delays_ms": [3_600_000] } });
    let send = async |path: &str, body: &Value| {
        let body = Some(body.to_string());
        server.send(Method::POST, path, body, &theirs).await
    };
    let lanes = async |query: &str, headers: &[(&str, &str)]| {
        let path = format!("/v1/lanes{query}");
        let page = server.send(Method::GET, &path, None, headers).await;
        let page = page.expect(200);
        let lanes = page["data"].as_array().unwrap().iter();
        let told = lanes.map(|it| (it["tenant"].clone(), it["depth"].clone()));
        (told.collect::<Vec<_>>(), page["next"].clone())
    };
    assert_eq!(lanes("", &[]).await, (vec![], Value::Null));
    let mine = patient(&server, &receiver.url()).await;
    let event = server.publish("a.b", json!(1)).await;
    server.event_in(&event, "retrying").await;
    send("/v1/endpoints", &form).await.expect(201);
    for number in 0..2 {
        let event = json!({ "type": "a.b", "payload": number });
        send("/v1/events", &event).await.expect(202);
    }
    until("both have been tried", || async { receiver.count() == 2 }).await;
    let own = (json!("default"), json!(1));
    let foreign = (json!("acme"), json!(2));
    assert_eq!(lanes("", &[]).await.0, std::slice::from_ref(&own));
    assert_eq!(lanes("", &theirs).await.0, std::slice::from_ref(&foreign));
    assert_eq!(
        lanes("?tenant=acme", &[]).await.0,
        std::slice::from_ref(&foreign)
    );
    let all = lanes("?tenant=*", &[]).await;
    assert_eq!(all, (vec![own.clone(), foreign], Value::Null));
    let (first, next) = lanes("?tenant=*&limit=1", &[]).await;
    assert_eq!(first, [own]);
    let next = next.as_str().unwrap();
    let rest = lanes(&format!("?tenant=*&limit=1&cursor={next}"), &[]).await;
    assert_eq!(rest.0.len(), 1);
    let path = format!("/v1/lanes?cursor={next}");
    let of_all = server.send(Method::GET, &path, None, &theirs).await;
    of_all.problem(422, "invalid_cursor");
    let query = format!("?endpoint_id={mine}");
    assert_eq!(lanes(&query, &theirs).await.0, []);
    let refused = |query: &'static str| {
        let server = &server;
        async move { server.send(Method::GET, query, None, &theirs).await }
    };
    refused("/v1/lanes?tenant=*")
        .await
        .problem(403, "forbidden");
    let of_default = refused("/v1/lanes?tenant=default").await;
    of_default.problem(403, "forbidden");
}
