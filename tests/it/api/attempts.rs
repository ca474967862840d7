//! Attempts: each request as it was sent, and what took how long.

use super::{Answer, Server, header};
use crate::receiver::{Receiver, Reply, closed};
use reqwest::Method;
use serde_json::{Value, json};

/// The path of the attempts of the first delivery of an event.
fn attempts_of(event: &Value) -> String {
    let delivery = event["deliveries"][0]["id"].as_str().unwrap();
    format!("/v1/deliveries/{delivery}/attempts")
}

/// The bytes that an attempt sent, as a file to keep.
async fn body(server: &Server, attempts: &str, number: u32) -> String {
    let path = format!("{attempts}/{number}/request-body");
    let Answer {
        status,
        headers,
        text,
        ..
    } = server.get(&path).await;
    assert_eq!(status, 200, "{text}");
    assert_eq!(headers["content-type"], "application/octet-stream");
    assert_eq!(headers["content-disposition"], "attachment");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_a_template_made_is_shown_as_it_was_sent_each_time() {
    let server = Server::start().await;
    let receiver = Receiver::start(|n, _| Reply::Status(if n == 0 { 500 } else { 200 })).await;
    let template = json!({ "name": "sum", "template": { "sum": "{{data.amount}}" } });
    server.post("/v1/templates", template).await.expect(201);
    let endpoint = json!({
        "url": receiver.url(), "payload_form": "template", "template": { "name": "sum", "version": 1 },
        "retry": { "delays_ms": [5] }
    });
    server.post("/v1/endpoints", endpoint).await.expect(201);
    let event = server.publish("a.b", json!({ "amount": 42 })).await;
    let event = server.event_in(&event, "delivered").await;
    let attempts = attempts_of(&event);
    assert_eq!(receiver.bodies(), [r#"{"sum":42}"#; 2]);
    for number in [1, 2] {
        assert_eq!(body(&server, &attempts, number).await, r#"{"sum":42}"#);
        let one = server
            .get(&format!("{attempts}/{number}"))
            .await
            .expect(200);
        assert_eq!(one["number"], number);
        assert_eq!(one["url"], receiver.url());
        let expected = json!({ "bytes": 10, "is_payload": false });
        assert_eq!(one["request_body"], expected);
        let sent = header(&one["request_headers"], "x-attempt");
        assert_eq!(sent, [number.to_string()]);
    }
    let nothing = server.get(&format!("{attempts}/3")).await;
    nothing.problem(404, "not_found");
    let nothing = server.get(&format!("{attempts}/3/request-body")).await;
    nothing.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_are_read_page_by_page() {
    let server = Server::start().await;
    let receiver = Receiver::answering(500).await;
    let endpoint = json!({ "url": receiver.url(), "retry": { "delays_ms": [5, 5] } });
    server.post("/v1/endpoints", endpoint).await.expect(201);
    let event = server.publish("a.b", json!(1)).await;
    let event = server.event_in(&event, "failed").await;
    let attempts = attempts_of(&event);
    let mut numbers: Vec<Value> = Vec::new();
    let mut query = "?limit=2".to_owned();
    loop {
        let page = server.get(&format!("{attempts}{query}")).await.expect(200);
        let data = page["data"].as_array().unwrap();
        numbers.push(data.iter().map(|it| it["number"].clone()).collect());
        let Some(next) = page["next"].as_str() else {
            break;
        };
        query = format!("?limit=2&cursor={next}");
    }
    assert_eq!(numbers, [json!([1, 2]), json!([3])]);
    let bad = server.get(&format!("{attempts}?cursor=x")).await;
    bad.problem(422, "invalid_cursor");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_that_was_sent_as_it_is_is_shown_byte_for_byte() {
    let server = Server::start().await;
    let receiver = Receiver::answering(200).await;
    server.endpoint(&receiver.url()).await;
    let payload = r#"{"n": 9007199254740993, "n":1.50}"#;
    let event = format!(r#"{{"type":"a.b","payload":{payload}}}"#);
    let event = server.send(Method::POST, "/v1/events", Some(event), &[]);
    let event = event.await.expect(202);
    let event = server
        .event_in(event["id"].as_str().unwrap(), "delivered")
        .await;
    let attempts = attempts_of(&event);
    assert_eq!(receiver.bodies(), [payload]);
    assert_eq!(body(&server, &attempts, 1).await, payload);
    let one = server.get(&format!("{attempts}/1")).await.expect(200);
    let expected = json!({ "bytes": payload.len(), "is_payload": true });
    assert_eq!(one["request_body"], expected);
    let phases = &one["phases"];
    for phase in ["connect_ms", "first_byte_ms", "total_ms"] {
        assert!(phases[phase].is_u64(), "{phase}: {phases}");
    }
    for phase in ["queued_ms", "dns_ms", "tls_ms"] {
        assert!(phases[phase].is_null(), "{phase}: {phases}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_delivery_of_a_batch_shows_the_body_of_the_batch() {
    let server = Server::start().await;
    let receiver = Receiver::answering(200).await;
    let batch = json!({ "events_max": 2, "wait_ms": 30_000 });
    let endpoint = json!({ "url": receiver.url(), "batch": batch });
    server.post("/v1/endpoints", endpoint).await.expect(201);
    let events = [1, 2].map(|n| json!({ "event": { "type": "a.b", "payload": n } }));
    let sent = server.post("/v1/events/batch", json!({ "events": events }));
    let sent = sent.await.expect(200);
    for result in sent["results"].as_array().unwrap() {
        let id = result["event"]["id"].as_str().unwrap();
        let event = server.event_in(id, "delivered").await;
        assert_eq!(body(&server, &attempts_of(&event), 1).await, "[1,2]");
    }
    assert_eq!(receiver.bodies(), ["[1,2]"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_reached_nobody_shows_where_it_went_and_how_far_it_came() {
    let server = Server::start().await;
    let url = closed().await;
    let endpoint = json!({ "url": url, "retry": { "retries": 0 } });
    server.post("/v1/endpoints", endpoint).await.expect(201);
    let event = server.publish("a.b", json!(1)).await;
    let event = server.event_in(&event, "failed").await;
    let attempts = attempts_of(&event);
    let one = server.get(&format!("{attempts}/1")).await.expect(200);
    assert_eq!(one["failure"], "connect");
    assert_eq!(one["url"], url);
    assert!(one["phases"]["connect_ms"].is_u64(), "{one}");
    assert!(one["phases"]["first_byte_ms"].is_null(), "{one}");
    assert_eq!(body(&server, &attempts, 1).await, "1");
}
