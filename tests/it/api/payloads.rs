//! JSON as it comes: filters, schemas, templates and metadata with what strict parsers refuse or
//! change, and what is said of a payload that nobody can read.

use super::Server;
use crate::receiver::{Receiver, until};
use postrider::Submission;
use reqwest::Method;
use serde_json::json;

impl Server {
    async fn post_text(&self, path: &str, body: String, status: u16) -> String {
        let answer = self.send(Method::POST, path, Some(body), &[]).await;
        assert_eq!(answer.status, status, "{}", answer.text);
        answer.text
    }
}

fn id_in(text: &str) -> String {
    let (_, rest) = text.split_once(r#""id":""#).unwrap();
    rest.split('"').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_of_the_api_compare_every_digit_of_any_payload() {
    let server = Server::start().await;
    let receiver = Receiver::answering(200).await;
    let url = receiver.url();
    let form = format!(
        r#"{{"url": "{url}", "filter": {{"n": 12345678901234567890123, "far": {{"$gt": 1e399}}}}}}"#
    );
    let shown = server.post_text("/v1/endpoints", form, 201).await;
    assert!(
        shown.contains(r#""filter":{"n":12345678901234567890123,"far":{"$gt":1e399}}"#),
        "{shown}"
    );
    let deep = format!("{}1{}", "[".repeat(500), "]".repeat(500));
    for (payload, count) in [
        (
            r#"{"n": 12345678901234567890123, "far": 1e400}"#.to_owned(),
            1,
        ),
        (
            r#"{"n": 12345678901234567890124, "far": 1e400}"#.to_owned(),
            0,
        ),
        (
            r#"{"n": 12345678901234567890123, "far": 1e398}"#.to_owned(),
            0,
        ),
        (
            format!(
                r#"{{"t": "caf\ud83d", "deep": {deep}, "n": 1.2345678901234567890123e22, "far": 1e999999999}}"#
            ),
            1,
        ),
        (
            r#"{"n": 7, "n": 12345678901234567890123, "far": 1e400}"#.to_owned(),
            1,
        ),
    ] {
        let body = format!(r#"{{"type": "a.b", "payload": {payload}}}"#);
        let accepted = server.post_text("/v1/events", body, 202).await;
        let accepted: serde_json::Value = serde_json::from_str(&accepted).unwrap();
        assert_eq!(
            accepted["deliveries"].as_array().unwrap().len(),
            count,
            "{payload}"
        );
    }
    until("all have come", || async { receiver.count() == 3 }).await;
}

#[tokio::test]
async fn metadata_keeps_its_numbers_and_its_order() {
    let server = Server::start().await;
    let metadata = r#"{"z":1.10,"big":12345678901234567890123,"a":{"far":1e400,"b":[1.0]}}"#;
    let form = format!(r#"{{"url": "https://merchant.example/", "metadata": {metadata}}}"#);
    let made = server.post_text("/v1/endpoints", form, 201).await;
    let has = |text: &str, metadata: &str| {
        assert!(
            text.contains(&format!(r#""metadata":{metadata}"#)),
            "{text}"
        );
    };
    has(&made, metadata);
    let path = format!("/v1/endpoints/{}", id_in(&made));
    has(&server.get(&path).await.text, metadata);
    let patch = json!({ "description": "x" });
    has(&server.patch(&path, patch).await.text, metadata);
    let patch = r#"{"metadata": {"a": {"far": null, "near": 1e-400}, "n": 2.50}}"#.to_owned();
    let answer = server.send(Method::PATCH, &path, Some(patch), &[]).await;
    let merged =
        r#"{"z":1.10,"big":12345678901234567890123,"a":{"b":[1.0],"near":1e-400},"n":2.50}"#;
    has(&answer.text, merged);
    let server = server.restart().await;
    has(&server.get(&path).await.text, merged);
    has(&server.get("/v1/endpoints").await.text, merged);
    let endpoint = server.get(&path).await.text;
    let back = endpoint.split_once(r#""metadata":"#).unwrap().1;
    let patch = format!(r#"{{"metadata": {merged}}}"#);
    assert!(back.starts_with(merged));
    has(
        &server
            .send(Method::PATCH, &path, Some(patch), &[])
            .await
            .text,
        merged,
    );
    let refused = server.patch(&path, json!({ "metadata": [1] })).await;
    let problem = refused.problem(400, "invalid_body");
    assert_eq!(problem["errors"][0]["pointer"], "/metadata");
}

#[tokio::test(flavor = "multi_thread")]
async fn templates_keep_their_text_and_that_of_the_payload() {
    let server = Server::start().await;
    let receiver = Receiver::answering(200).await;
    let template = r#"{"z":1.10,"a":"{{data.n}}","t":"{{data.t}}","all":"{{data.o}}"}"#;
    let form = format!(r#"{{"name": "t", "template": {template}}}"#);
    let made = server.post_text("/v1/templates", form, 201).await;
    assert!(
        made.contains(&format!(r#""template":{template}"#)),
        "{made}"
    );
    let server = server.restart().await;
    let form = json!({
        "url": receiver.url(), "payload_form": "template", "template": { "name": "t", "version": 1 },
    });
    server.post("/v1/endpoints", form).await.expect(201);
    let body = r#"{"type": "a.b", "payload": {"n": 1e400, "t": "caf\ud83d", "o": {"b": 1.0, "a": 2, "b": 3.10}}}"#;
    server.post_text("/v1/events", body.to_owned(), 202).await;
    until("it comes", || async { receiver.count() == 1 }).await;
    assert_eq!(
        receiver.bodies(),
        [
            "{\"z\":1.10,\"a\":1e400,\"t\":\"caf\u{fffd}\",\"all\":{\"b\": 1.0, \"a\": 2, \"b\": 3.10}}"
        ]
    );
}

#[tokio::test]
async fn a_schema_is_checked_against_what_a_strict_parser_refuses() {
    let server = Server::start().await;
    let form = json!({
        "name": "a.b", "validate": true,
        "schema": {
            "type": "object", "required": ["n"],
            "properties": { "n": { "type": "number" }, "t": { "type": "string" } },
        },
    });
    server.post("/v1/event-types", form).await.expect(201);
    let deep = format!("{}1{}", "[".repeat(130), "]".repeat(130));
    let odd = format!(r#"{{"n": 1e400, "t": "caf\ud83d", "deep": {deep}}}"#);
    let body = format!(r#"{{"type": "a.b", "payload": {odd}}}"#);
    server.post_text("/v1/events", body, 202).await;
    let body = r#"{"type": "a.b", "payload": {"n": "x", "t": "caf\ud83d"}}"#.to_owned();
    let refused = server
        .send(Method::POST, "/v1/events", Some(body), &[])
        .await;
    let problem = refused.problem(422, "schema_violation");
    assert_eq!(problem["errors"][0]["pointer"], "/payload/n");
}

#[tokio::test]
async fn the_example_of_an_event_type_comes_back_byte_for_byte() {
    let server = Server::start().await;
    let schema =
        r#"{"type": "object", "required": ["z"], "properties": {"z": {"type": "number"}}}"#;
    let example = r#"{"z":1.10,"a":12345678901234567890123}"#;
    let form = format!(r#"{{"name": "a.b", "schema": {schema}, "example": {example}}}"#);
    let made = server.post_text("/v1/event-types", form, 201).await;
    let has = |text: &str, example: &str| {
        assert!(text.contains(&format!(r#""example":{example}"#)), "{text}");
    };
    has(&made, example);
    let odd = r#"{"z": 1e400, "t": "caf\ud83d", "a": {"b": 1, "a": 2}}"#;
    let version = format!(r#"{{"schema": {schema}, "example": {odd}}}"#);
    let path = "/v1/event-types/a.b/versions";
    has(&server.post_text(path, version, 201).await, odd);
    let version = format!(r#"{{"schema": {schema}, "example": {{"z": "1e400"}}}}"#);
    let refused = server.send(Method::POST, path, Some(version), &[]).await;
    let problem = refused.problem(422, "invalid_value");
    assert_eq!(problem["errors"][0]["pointer"], "/example");
    let server = server.restart().await;
    let kept = server.get("/v1/event-types/a.b").await.text;
    has(&kept, example);
    has(&kept, odd);
}

#[tokio::test]
async fn a_payload_that_filters_cannot_read_is_said_where_it_is_asked_about() {
    let server = Server::start().await;
    let filter = json!({ "url": "https://merchant.example/", "filter": { "a": { "$ne": 1 } } });
    let endpoint = server.post("/v1/endpoints", filter).await.expect(201);
    let publish =
        |payload: &'static [u8]| server.postrider.publish(Submission::new("a.b", payload));
    let unreadable = publish(b"{\"a\": 2").await.unwrap();
    assert!(unreadable.deliveries.is_empty());
    let read = publish(b"{\"a\": 2, \"t\": \"\xff\"}").await.unwrap();
    assert_eq!(read.deliveries.len(), 1);
    let path = format!("/v1/events/{}", unreadable.event);
    let event = server.get(&path).await.expect(200);
    let why = "byte 7: expected a comma, or the end of the object or array";
    assert_eq!(event["payload_unreadable"], why);
    assert_eq!(event["state"], "no_subscribers");
    let id = endpoint["id"].as_str().unwrap();
    let explained = server
        .get(&format!("{path}/explain?endpoint_id={id}"))
        .await;
    assert_eq!(
        explained.expect(200)["reasons"][0],
        format!("it has a content filter, and the payload cannot be read as JSON: {why}")
    );
    let event = server
        .get(&format!("/v1/events/{}", read.event))
        .await
        .expect(200);
    assert_eq!(event["payload_unreadable"], json!(null));
}

#[tokio::test]
async fn a_filter_that_may_not_have_been_judged_beside_others_is_said_to_be_costly() {
    let server = Server::start().await;
    let id = server
        .publish("a.b", json!({ "list": vec![-1; 20_000] }))
        .await;
    let filter = json!({ "list": { "$not": { "$contains": 7 } } });
    let form = json!({ "url": "https://merchant.example/", "filter": filter });
    let endpoint = server.post("/v1/endpoints", form).await.expect(201);
    let endpoint = endpoint["id"].as_str().unwrap();
    let path = format!("/v1/events/{id}/explain?endpoint_id={endpoint}");
    let explained = server.get(&path).await.expect(200);
    let reasons = explained["reasons"].as_array().unwrap();
    let costly = "its content filter matches, but looks at more than 16384 bytes of the payload: \
                  beside other costly filters it may not have been judged";
    assert!(reasons.contains(&json!(costly)), "{explained}");
}

#[tokio::test]
async fn a_payload_behind_a_byte_order_mark_is_shown_as_json() {
    let server = Server::start().await;
    let payload = "\u{feff}{\"n\": 1.10}".as_bytes();
    let published = server.postrider.publish(Submission::new("a.b", payload));
    let id = published.await.unwrap().event;
    let event = server.get(&format!("/v1/events/{id}")).await;
    assert!(
        event.text.contains(r#""payload":{"n": 1.10}"#),
        "{}",
        event.text
    );
    assert_eq!(event.body["payload_text"], json!(null));
}

#[tokio::test]
async fn an_event_that_no_endpoint_got_is_not_delivered() {
    let server = Server::start().await;
    let form = json!({
        "url": "https://merchant.example/", "event_types": ["a.*"], "filter": { "n": 1 },
    });
    server.post("/v1/endpoints", form).await.expect(201);
    for (event_type, payload) in [("b", json!({ "n": 1 })), ("a.b", json!({ "n": 2 }))] {
        let id = server.publish(event_type, payload).await;
        let event = server.event_in(&id, "no_subscribers").await;
        assert_eq!(event["delivered_at"], json!(null));
        assert_eq!(event["deliveries"], json!([]));
        let steps = server
            .get(&format!("/v1/events/{id}/timeline"))
            .await
            .expect(200);
        assert_eq!(
            steps["steps"][0]["detail"],
            format!("{event_type} to no endpoint")
        );
    }
}
