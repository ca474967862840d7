//! Endpoints, filters and templates that are tried out before they are saved.

use super::{Answer, Server};
use crate::receiver::{Receiver, SECRET};
use reqwest::Method;
use serde_json::{Value, json};

/// Sends a body in its exact text.
async fn post(server: &Server, path: &str, body: &str) -> Answer {
    let body = Some(body.to_owned());
    server.send(Method::POST, path, body, &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_is_tried_without_being_registered() {
    let server = Server::start().await;
    let (receiver, status) = Receiver::changeable(200).await;
    let form = json!({
        "url": receiver.url(), "secret": SECRET, "verify": true, "headers": { "x-team": "a" },
        "event_type": "order.paid", "payload": { "n": 1 },
    });
    let came = server.post("/v1/endpoints/test", form).await.expect(200);
    assert_eq!(
        (&came["status"], &came["error"]),
        (&json!(200), &Value::Null)
    );
    let request = &receiver.received()[0];
    assert_eq!(&request.body[..], br#"{"n":1}"#);
    assert_eq!(request.header("x-event-type"), "order.paid");
    assert_eq!(request.header("x-team"), "a");
    assert!(request.is_signed_with(SECRET));

    status.store(503, std::sync::atomic::Ordering::Relaxed);
    let plain = json!({ "url": receiver.url(), "payload_form": "envelope" });
    let came = server.post("/v1/endpoints/test", plain).await.expect(200);
    assert_eq!(
        (&came["status"], &came["error"]),
        (&json!(503), &json!("HTTP 503"))
    );
    let ping: Value = serde_json::from_slice(&receiver.received()[1].body).unwrap();
    assert_eq!(
        (&ping["type"], &ping["data"]["type"]),
        (&json!("postrider.ping"), &ping["type"])
    );
    assert_eq!(receiver.count(), 2, "nothing is repeated");

    for list in ["/v1/endpoints", "/v1/events", "/v1/deliveries"] {
        let page = server.get(list).await.expect(200);
        assert_eq!(page["data"], json!([]), "{list} keeps nothing");
    }
    let wrong = json!({ "url": "ftp://files.example/" });
    let refused = server.post("/v1/endpoints/test", wrong).await;
    let refused = refused.problem(422, "invalid_endpoint");
    assert_eq!(refused["errors"][0]["pointer"], "/url");
    let wrong = json!({ "url": receiver.url(), "event_type": "a b" });
    let refused = server.post("/v1/endpoints/test", wrong).await;
    assert_eq!(refused.status, 422);
    assert_eq!(receiver.count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_is_tried_on_a_payload() {
    let server = Server::start().await;
    let tried = async |body: &str| post(&server, "/v1/filters/try", body).await;
    let large = r#"{"filter": {"amount": {"$gt": 9007199254740992}},"#;
    let body = format!(r#"{large} "payload": {{"amount": 9007199254740993}}}}"#);
    let came = tried(&body).await.expect(200);
    assert_eq!(came["matches"], true, "{came}");
    let body = format!(r#"{large} "payload": {{"amount": 9007199254740992}}}}"#);
    let came = tried(&body).await.expect(200);
    assert_eq!(came["matches"], false, "{came}");
    let body = format!(r#"{large} "payload": {{"amount": 1e400}}, "event_type": "order.paid"}}"#);
    let came = tried(&body).await.expect(200);
    assert_eq!(came["matches"], true);
    let detail = came["detail"].as_str().unwrap();
    assert!(detail.contains("`order.paid`"), "{detail}");

    let wrong = r#"{"filter": {"amount": {"$above": 1}}, "payload": 1}"#;
    let refused = tried(wrong).await.problem(422, "invalid_value");
    assert_eq!(refused["errors"][0]["pointer"], "/filter/amount/$above");
    let wrong = r#"{"filter": [], "payload": 1}"#;
    let refused = tried(wrong).await.problem(422, "invalid_value");
    assert_eq!(refused["errors"][0]["pointer"], "/filter");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_is_tried_on_an_event() {
    let server = Server::start().await;
    let template = r#"{"event": "{{type}}", "total": "{{data.amount}}", "by": "{{data.who}}!"}"#;
    let known = format!(r#"{{"name": "receipt", "template": {template}}}"#);
    post(&server, "/v1/templates", &known).await.expect(201);
    let text = Value::from(template).to_string();
    let tried = async |template: &str| {
        let event = r#""event_type": "order.paid", "payload": {"amount": 10.00, "who": "Zoë"}"#;
        let body = format!(r#"{{"template": {template}, {event}}}"#);
        post(&server, "/v1/templates/try", &body).await
    };
    let expected = r#"{"event":"order.paid","total":10.00,"by":"Zoë!"}"#;
    for template in [template, &text, r#"{"name": "receipt", "version": 1}"#] {
        let came = tried(template).await.expect(200);
        assert_eq!(came["body"], expected, "{template}");
        assert_eq!(came["content_type"], "application/json");
    }
    // It could not be looked at.
    let named = r#"{"name": "try", "template": {}}"#;
    let refused = post(&server, "/v1/templates", named).await;
    refused.problem(422, "invalid_value");
    for wrong in [
        r#"{"name": "receipt", "version": 2}"#,
        r#""{{data.amount""#,
        r#"{"a": "{{nowhere}}"}"#,
    ] {
        let refused = tried(wrong).await.problem(422, "invalid_value");
        assert_eq!(refused["errors"][0]["pointer"], "/template", "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_of_another_tenant_cannot_be_tried() {
    let server = Server::start().await;
    let known = json!({ "name": "receipt", "template": { "secret": "{{id}}" } });
    server.post("/v1/templates", known).await.expect(201);
    let stranger = server.key_of("acme", &["read"]).await;
    let headers = [("authorization", stranger.as_str())];
    let named = json!({ "name": "receipt", "version": 1 });
    let body = json!({ "template": named, "event_type": "a.b", "payload": 1 }).to_string();
    let refused = server.send(Method::POST, "/v1/templates/try", Some(body), &headers);
    refused.await.problem(422, "invalid_value");
}
