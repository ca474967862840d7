//! What is not JSON: published in each of its ways, and as it arrives.

use super::Server;
use super::server::KEY;
use crate::inbound::{Hook, source};
use crate::receiver::{Received, Receiver, Reply};
use postrider::engine::base64;
use postrider::signature::Scheme;
use reqwest::Method;
use serde_json::{Value, json};

const XML: &str = "<order id=\"7\">\n  <total>9.90</total>\n</order>";
const MULTIPART: &str =
    "--b 1\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\n1\r\n--b 1--\r\n";

/// What the receiver is sent of this event.
async fn arrived(server: &Server, receiver: &Receiver, event: Value) -> Received {
    let before = receiver.count();
    let accepted = server.post("/v1/events", event).await.expect(202);
    let id = accepted["id"].as_str().unwrap();
    server.event_in(id, "delivered").await;
    receiver.received().swap_remove(before)
}

#[tokio::test(flavor = "multi_thread")]
async fn any_media_type_travels_with_its_bytes() {
    let server = Server::start().await;
    let receiver = Receiver::answering(200).await;
    server.endpoint(&receiver.url()).await;
    let gzip = [0x1f, 0x8b, 8, 0, 0xff, 0];
    for (media_type, coding, bytes) in [
        ("application/xml; charset=utf-8", None, XML.as_bytes()),
        ("text/csv", None, b"a;b\r\n1;2\r\n"),
        ("application/x-www-form-urlencoded", None, b"a=1&b=%20"),
        (
            "multipart/form-data; boundary=\"b 1\"",
            None,
            MULTIPART.as_bytes(),
        ),
        ("application/octet-stream", None, b"\x00\xff\xfe"),
        ("application/json", Some("gzip"), &gzip),
    ] {
        let mut forms = vec![json!({ "payload_base64": base64::encode(bytes) })];
        if coding.is_none()
            && let Ok(text) = str::from_utf8(bytes)
        {
            forms.push(json!({ "payload_text": text }));
        }
        for mut event in forms {
            event["type"] = json!("a.b");
            event["content_type"] = json!(media_type);
            event["content_encoding"] = json!(coding);
            let got = arrived(&server, &receiver, event).await;
            assert_eq!(&got.body[..], bytes, "{media_type}");
            assert_eq!(got.header("content-type"), media_type);
            let sent = got.headers.get("content-encoding");
            assert_eq!(sent.map(|it| it.to_str().unwrap()), coding);
        }
    }
    let plain = arrived(
        &server,
        &receiver,
        json!({ "type": "a.b", "payload": { "a": 1 } }),
    )
    .await;
    assert_eq!(plain.header("content-type"), "application/json");
    assert!(plain.headers.get("content-encoding").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_body_of_a_request_is_published_as_it_is() {
    let server = Server::start().await;
    let receiver = Receiver::answering(200).await;
    server.endpoint(&receiver.url()).await;
    let body = vec![0x1f, 0x8b, 0, 0xff];
    let send = |query: &'static str, headers: Vec<(&'static str, &'static str)>| {
        let url = format!("{}/v1/events/raw{query}", server.base);
        let mut request = reqwest::Client::new().post(url).bearer_auth(KEY);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request.body(body.clone()).send()
    };
    let typed = vec![
        ("content-type", "text/xml"),
        ("content-encoding", "gzip"),
        ("idempotency-key", "k"),
    ];
    let first = send("?type=a.b&ordering_key=o", typed.clone())
        .await
        .unwrap();
    assert_eq!(first.status(), 202);
    let first: Value = serde_json::from_slice(&first.bytes().await.unwrap()).unwrap();
    let again = send("?type=a.b&ordering_key=o", typed.clone())
        .await
        .unwrap();
    let again: Value = serde_json::from_slice(&again.bytes().await.unwrap()).unwrap();
    assert_eq!(
        (&again["id"], &again["duplicate"]),
        (&first["id"], &json!(true))
    );
    // The same bytes as something else are something else.
    let other = vec![("content-type", "text/xml"), ("idempotency-key", "k")];
    assert_eq!(
        send("?type=a.b&ordering_key=o", other)
            .await
            .unwrap()
            .status(),
        409
    );
    let id = first["id"].as_str().unwrap();
    let event = server.event_in(id, "delivered").await;
    assert_eq!(event["content_type"], "text/xml");
    assert_eq!(event["content_encoding"], "gzip");
    assert_eq!(event["payload_base64"], base64::encode(&body));
    assert_eq!(event["payload_text"], Value::Null);
    assert_eq!(event["payload_unreadable"], Value::Null);
    assert_eq!(event["ordering_key"], "o");
    let got = &receiver.received()[0];
    assert_eq!(&got.body[..], body);
    assert_eq!(got.header("content-type"), "text/xml");
    assert_eq!(got.header("content-encoding"), "gzip");
    let payload = server.get(&format!("/v1/events/{id}/payload")).await;
    assert_eq!(payload.headers["content-type"], "application/octet-stream");
    assert_eq!(payload.headers["x-payload-content-type"], "text/xml");
    assert_eq!(payload.headers["x-payload-content-encoding"], "gzip");
    assert!(payload.headers.get("content-encoding").is_none());
    let untyped = send("?type=a.b", Vec::new()).await.unwrap();
    assert_eq!(untyped.status(), 202);
    for (query, headers, status) in [
        ("", Vec::new(), 400),
        ("?type=postrider.x", Vec::new(), 422),
        ("?type=a.b&no=1", Vec::new(), 400),
        ("?type=a.b", vec![("content-type", "xml")], 400),
        ("?type=a.b", vec![("content-encoding", "a b")], 400),
    ] {
        let refused = send(query, headers).await.unwrap();
        assert_eq!(refused.status(), status, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_together_is_refused() {
    let server = Server::start().await;
    for (event, status, code) in [
        (json!({}), 400, "invalid_body"),
        (
            json!({ "payload": 1, "payload_text": "1" }),
            400,
            "invalid_body",
        ),
        (json!({ "payload_text": null }), 400, "invalid_body"),
        (json!({ "payload_base64": "%" }), 422, "invalid_event"),
        (
            json!({ "payload": 1, "content_type": "text/plain" }),
            422,
            "invalid_event",
        ),
        (
            json!({ "payload": 1, "content_encoding": "gzip" }),
            422,
            "invalid_event",
        ),
        (
            json!({ "payload_text": "x", "content_type": "xml" }),
            422,
            "invalid_event",
        ),
        (
            json!({ "payload_text": "x", "content_type": "a/b\r\nx: y" }),
            422,
            "invalid_event",
        ),
    ] {
        let mut event = event;
        event["type"] = json!("a.b");
        server.post("/v1/events", event).await.problem(status, code);
    }
    let null = json!({ "type": "a.b", "payload": null });
    server.post("/v1/events", null).await.expect(202);
    let schema = json!({ "name": "with.schema", "schema": { "type": "object" }, "validate": true });
    server.post("/v1/event-types", schema).await.expect(201);
    let text = json!({ "type": "with.schema", "payload_text": "{}", "content_type": "text/plain" });
    let refused = server.post("/v1/events", text).await;
    refused.problem(422, "schema_violation");
    let json =
        json!({ "type": "with.schema", "payload_text": "{}", "content_type": "application/json" });
    server.post("/v1/events", json).await.expect(202);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_type_of_a_webhook_travels_through_a_source() {
    let server = Server::start().await;
    let receiver = Receiver::answering(200).await;
    server.endpoint(&receiver.url()).await;
    let path = source(&server, "github").await;
    for (number, media_type, body) in [
        (1, "application/xml", XML),
        (
            2,
            "text/plain; charset=UTF-8",
            "{\"Type\": \"Notification\"}",
        ),
        (3, "application/json; charset=utf-8", "{}"),
        (4, "application/x-www-form-urlencoded", "a=1"),
    ] {
        let delivery = format!("d-{number}");
        let headers = [
            ("x-github-delivery", &*delivery),
            ("x-github-event", "push"),
            ("content-type", media_type),
        ];
        let hook = Hook::new(Scheme::Github, &headers, body);
        let (event, _) = hook.taken(&server, &path).await;
        server.event_in(&event, "delivered").await;
    }
    let received = receiver.received();
    let seen = received.iter().map(|it| {
        let text = String::from_utf8_lossy(&it.body).into_owned();
        (it.header("content-type").to_owned(), text)
    });
    let json = "application/json";
    let expected = [
        ("application/xml", XML),
        ("text/plain; charset=UTF-8", "{\"Type\": \"Notification\"}"),
        (json, "{}"),
        // What is looked up in filters and templates is JSON.
        (json, "{\"a\":\"1\"}"),
    ];
    let expected = expected.map(|(kind, text)| (kind.to_owned(), text.to_owned()));
    assert_eq!(seen.collect::<Vec<_>>(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_attempt_with_its_number_in_it_is_on_record_as_it_was_sent() {
    let server = Server::start().await;
    let receiver = Receiver::start(|n, _| Reply::Status(if n < 2 { 500 } else { 200 })).await;
    let template = r#"{"name": "numbered", "template": {"z": "{{attempt}}", "a": "{{previous_attempts}}", "at": "{{timestamp_ms}}", "data": "{{data}}"}}"#;
    let path = "/v1/templates";
    let made = server.send(Method::POST, path, Some(template.to_owned()), &[]);
    made.await.expect(201);
    let endpoint = json!({
        "url": receiver.url(), "payload_form": "template",
        "template": { "name": "numbered", "version": 1 }, "retry": { "delays_ms": [5, 5] }
    });
    server.post("/v1/endpoints", endpoint).await.expect(201);
    let event = json!({ "type": "a.b", "payload_text": "<a/>", "content_type": "text/xml" });
    let accepted = server.post("/v1/events", event).await.expect(202);
    let id = accepted["id"].as_str().unwrap();
    server.event_in(id, "delivered").await;
    let delivery = accepted["deliveries"][0]["id"].as_str().unwrap();
    let received = receiver.received();
    assert_eq!(received.len(), 3);
    for (number, got) in (1..).zip(&received) {
        let body = String::from_utf8(got.body.to_vec()).unwrap();
        let start = format!("{{\"z\":{number},\"a\":{},\"at\":", number - 1);
        assert!(body.starts_with(&start), "{body}");
        assert!(body.ends_with(",\"data\":\"<a/>\"}"), "{body}");
        assert_eq!(got.header("content-type"), "application/json");
        assert_eq!(got.header("x-attempt"), number.to_string());
        let path = format!("/v1/deliveries/{delivery}/attempts/{number}/request-body");
        assert_eq!(server.get(&path).await.text, body);
    }
}
