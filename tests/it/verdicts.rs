//! What real receivers answer, and what becomes of the event: over the API, end to end.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "all of it is test code, of which clippy knows the test functions only"
)]

use crate::api::{Server, header};
use crate::hostile::{Behaviour, OK, Receiver};
use serde_json::{Value, json};
use std::time::Duration;

/// An endpoint that tries twice, soon.
async fn endpoint(server: &Server, receiver: &Receiver, timeout_ms: u64) {
    let url = receiver.http();
    let retry = json!({ "delays_ms": [10] });
    let body = json!({ "url": url, "timeout_ms": timeout_ms, "retry": retry });
    server.post("/v1/endpoints", body).await.expect(201);
}

/// The attempts of the only delivery of an event that has come to this state.
async fn attempts(server: &Server, event: &str, state: &str) -> Vec<Value> {
    server.event_in(event, state).await;
    let path = format!("/v1/deliveries?event_id={event}");
    let page = server.get(&path).await.expect(200);
    let id = page["data"][0]["id"].as_str().unwrap();
    let one = server
        .get(&format!("/v1/deliveries/{id}"))
        .await
        .expect(200);
    one["attempts"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_untidy_200_delivers_the_event_in_one_attempt() {
    let server = Server::start().await;
    let long = format!("x-long: {}\r\n", "x".repeat(100_000));
    let many = "x: y\r\n".repeat(500);
    for untidy in [
        "x-folded: one\r\n two\r\n",
        "x-space : x\r\n",
        "set-cookie: a=\u{1}b\r\n",
        "no colon\r\n",
        "content-length: 1\r\ncontent-length: 2\r\n",
        &many,
        &long,
    ] {
        let head = format!("HTTP/1.1 200 OK\r\n{untidy}\r\n");
        let receiver = Receiver::start(Behaviour::Answer(head.into())).await;
        endpoint(&server, &receiver, 5_000).await;
        let name = format!("for.p{}", receiver.port());
        let event = server.publish(&name, json!({})).await;
        server.event_in(&event, "delivered").await;
        assert_eq!(receiver.requests().len(), 1, "{:.40}", untidy);
        let all = server.get("/v1/endpoints").await.expect(200);
        let id = all["data"][0]["id"].as_str().unwrap();
        server
            .delete(&format!("/v1/endpoints/{id}"))
            .await
            .expect(204);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_untidy_503_is_retried_and_its_headers_are_on_record() {
    let server = Server::start().await;
    let head = "HTTP/1.1 503 Busy\r\nx-space : x\r\nRetry-After : 0\r\ncontent-length: 0\r\n\r\n";
    let receiver = Receiver::start(Behaviour::Answer(head.into())).await;
    endpoint(&server, &receiver, 5_000).await;
    let event = server.publish("a.b", json!({})).await;
    let attempts = attempts(&server, &event, "failed").await;
    assert_eq!(attempts.len(), 2);
    assert_eq!(attempts[1]["status"], 503);
    assert_eq!(attempts[1]["failure"], Value::Null);
    let headers = &attempts[1]["response_headers"];
    assert_eq!(header(headers, "retry-after"), ["0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_an_answer_has_twice_are_on_record_twice() {
    let server = Server::start().await;
    let head = "HTTP/1.1 200 OK\r\nset-cookie: a=1\r\nset-cookie: b=2\r\ncontent-length: 0\r\n\r\n";
    let receiver = Receiver::start(Behaviour::Answer(head.into())).await;
    endpoint(&server, &receiver, 5_000).await;
    let event = server.publish("a.b", json!({})).await;
    let attempts = attempts(&server, &event, "delivered").await;
    let headers = &attempts[0]["response_headers"];
    assert_eq!(header(headers, "set-cookie"), ["a=1", "b=2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_decides_though_the_body_never_ends() {
    for (status, state, requests) in [
        (200, "delivered", 1),
        (404, "failed", 1),
        (503, "failed", 2),
    ] {
        let server = Server::start().await;
        let head = format!("HTTP/1.1 {status} Some\r\ncontent-length: 1000\r\n\r\n");
        let drip = Behaviour::Drip(head.into(), Duration::from_millis(50));
        let receiver = Receiver::start(drip).await;
        endpoint(&server, &receiver, 400).await;
        let event = server.publish("a.b", json!({})).await;
        let attempts = attempts(&server, &event, state).await;
        assert_eq!(receiver.requests().len(), requests);
        let last = attempts.last().unwrap();
        assert_eq!(last["status"], status);
        assert_eq!(last["failure"], Value::Null);
        assert_eq!(last["response_body_cut"], true);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dripping_body_holds_its_lane_no_longer_than_a_few_seconds() {
    let server = Server::start().await;
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n";
    let drip = Behaviour::Drip(head.into(), Duration::from_millis(200));
    let receiver = Receiver::start(drip).await;
    endpoint(&server, &receiver, 60_000).await;
    let event = server.publish("a.b", json!({})).await;
    let attempts = attempts(&server, &event, "delivered").await;
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0]["status"], 200);
    assert_eq!(attempts[0]["response_body_cut"], true);
    receiver.until_open(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_repeated_on_a_new_connection_is_one_attempt_that_says_so() {
    for (answer, why) in [
        (
            "HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n\r\n",
            "request_timeout",
        ),
        (
            "HTTP/1.1 421 Misdirected\r\ncontent-length: 0\r\n\r\n",
            "misdirected",
        ),
        ("", "connection_closed"),
    ] {
        let server = Server::start().await;
        let receiver = Receiver::start(Behaviour::AnswerOnce(OK.into(), answer.into())).await;
        endpoint(&server, &receiver, 5_000).await;
        let first = server.publish("a.b", json!({})).await;
        let first = attempts(&server, &first, "delivered").await;
        assert_eq!(first[0]["repeated"], Value::Null);
        let second = server.publish("a.b", json!({})).await;
        let second = attempts(&server, &second, "delivered").await;
        assert_eq!(second.len(), 1);
        assert_eq!(second[0]["status"], 200);
        assert_eq!(second[0]["repeated"], why);
        let told = header(&second[0]["request_headers"], "x-attempt-repeat");
        assert_eq!(told, [why], "the record is of what was sent last");
        let told = format!("\r\nx-attempt-repeat: {why}\r\n");
        assert!(receiver.requests()[2].contains(&told));
        assert_eq!(receiver.requests().len(), 3);
        // It is in the file, too.
        let server = server.restart().await;
        let page = server
            .get("/v1/deliveries?state=delivered")
            .await
            .expect(200);
        let ids = page["data"].as_array().unwrap();
        let mut kept = Vec::new();
        for it in ids {
            let id = it["id"].as_str().unwrap();
            let one = server
                .get(&format!("/v1/deliveries/{id}"))
                .await
                .expect(200);
            kept.push(one["attempts"][0]["repeated"].clone());
        }
        kept.sort_by_key(Value::is_string);
        assert_eq!(kept, [Value::Null, json!(why)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_of_a_repeated_response_header_is_on_record() {
    let server = Server::start().await;
    let head =
        "HTTP/1.1 200 OK\r\nlink: <a>\r\nx-other: 1\r\nLink: <b>\r\ncontent-length: 0\r\n\r\n";
    let receiver = Receiver::start(Behaviour::Answer(head.into())).await;
    endpoint(&server, &receiver, 5_000).await;
    let event = server.publish("a.b", json!({})).await;
    let attempts = attempts(&server, &event, "delivered").await;
    let kept = header(&attempts[0]["response_headers"], "link");
    assert_eq!(kept, ["<a>", "<b>"]);
}
