//! The headers of webhooks that carry meaning: they go with the event.

use super::handlers::Notes;
use super::{Hook, send, source, source_with};
use crate::api::Server;
use crate::receiver::Receiver;
use postrider::signature::Scheme;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

/// An order of a shop, with what else Shopify sends.
fn order(shop: &str) -> Hook {
    let headers = [
        ("x-shopify-topic", "orders/create"),
        ("x-shopify-shop-domain", shop),
        ("x-shopify-webhook-id", shop),
        ("x-shopify-access-token", "a secret of somebody"),
    ];
    Hook::new(
        Scheme::Shopify,
        &headers,
        &json!({ "shop": shop }).to_string(),
    )
}

/// An endpoint with these fields.
async fn endpoint(server: &Server, url: &str, fields: Value) {
    let mut form = json!({ "url": url });
    let fields = fields.as_object().unwrap().clone();
    form.as_object_mut().unwrap().extend(fields);
    server.post("/v1/endpoints", form).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_reach_the_view_the_filters_the_templates_and_the_endpoints() {
    let server = Server::start().await;
    let (of_a, of_b) = (
        Receiver::answering(200).await,
        Receiver::answering(200).await,
    );
    let shop = |shop: &str| json!({ "$headers": { "X-Shopify-Shop-Domain": shop } });
    let filtered = json!({ "filter": shop("a.myshopify.com") });
    endpoint(&server, &of_a.url(), filtered).await;
    let template =
        json!({ "text": "{{headers.x-shopify-topic}} of {{headers.x-shopify-shop-domain}}" });
    let made = json!({ "name": "told", "template": template });
    server.post("/v1/templates", made).await.expect(201);
    let formed = json!({ "filter": shop("b.myshopify.com"), "payload_form": "template",
        "template": { "name": "told", "version": 1 } });
    endpoint(&server, &of_b.url(), formed).await;
    let path = source(&server, "shopify").await;
    let (a, _) = order("a.myshopify.com").taken(&server, &path).await;
    let (b, _) = order("b.myshopify.com").taken(&server, &path).await;
    let seen = server.event_in(&a, "delivered").await;
    server.event_in(&b, "delivered").await;
    let expected = json!({
        "x-shopify-topic": "orders/create",
        "x-shopify-shop-domain": "a.myshopify.com",
        "x-shopify-webhook-id": "a.myshopify.com",
    });
    assert_eq!(seen["headers"], expected);
    let sent = of_a.received();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].header("x-shopify-topic"), "orders/create");
    assert_eq!(sent[0].header("x-shopify-shop-domain"), "a.myshopify.com");
    for name in ["x-shopify-hmac-sha256", "x-shopify-access-token"] {
        assert!(!sent[0].headers.contains_key(name), "{name}");
    }
    assert_eq!(
        of_b.bodies(),
        [r#"{"text":"orders/create of b.myshopify.com"}"#]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_survive_a_restart_and_go_with_a_resend() {
    let server = Server::start().await;
    let (receiver, status) = Receiver::changeable(400).await;
    server.endpoint(&receiver.url()).await;
    let path = source(&server, "github").await;
    let (event, _) = Hook::github("72d3162e", "push", "{}")
        .taken(&server, &path)
        .await;
    server.event_in(&event, "failed").await;
    let server = server.restart().await;
    status.store(200, Ordering::Relaxed);
    let failed = server.event_in(&event, "failed").await;
    assert_eq!(failed["headers"]["x-github-event"], "push");
    let delivery = failed["deliveries"][0]["id"].as_str().unwrap();
    let retry = format!("/v1/deliveries/{delivery}/retry");
    server.post(&retry, json!({})).await.expect(202);
    server.event_in(&event, "delivered").await;
    let sent = receiver.received();
    assert_eq!(sent.len(), 2);
    for request in &sent {
        assert_eq!(request.header("x-github-event"), "push");
        assert_eq!(request.header("x-github-delivery"), "72d3162e");
    }
}

#[tokio::test]
async fn a_custom_source_names_the_headers_and_can_keep_none() {
    let server = Server::start().await;
    let custom = json!({ "headers": ["X-Acme-Shop"], "custom": { "scheme": "body-hex" } });
    let path = source_with(&server, "custom", custom).await;
    let route = path.replace("/in/", "/v1/sources/");
    let shown = server.get(&route).await.expect(200);
    assert_eq!(shown["headers"], json!(["x-acme-shop"]));
    let headers = [("x-acme-shop", "7"), ("x-acme-other", "8")];
    let kept = async |id: &str| {
        let body = json!({ "id": id, "type": "a" }).to_string();
        let hook = Hook::new(Scheme::BodyHex, &headers, &body);
        let (event, _) = hook.taken(&server, &path).await;
        let event = server.get(&format!("/v1/events/{event}")).await.expect(200);
        event["headers"].clone()
    };
    assert_eq!(kept("1").await, json!({ "x-acme-shop": "7" }));
    let none = server.patch(&route, json!({ "headers": [] })).await;
    assert_eq!(none.expect(200)["headers"], json!([]));
    assert_eq!(kept("2").await, json!({}));
}

#[tokio::test]
async fn no_header_with_a_secret_can_be_named() {
    let server = Server::start().await;
    let custom = json!({ "scheme": "body-hex", "signature_header": "x-acme-mac" });
    for (names, pointer) in [
        (json!(["x-a", "Authorization"]), "/headers/1"),
        (json!(["x-hub-signature-256"]), "/headers/0"),
        (json!(["content-length"]), "/headers/0"),
        (json!(["x-a", "X-A"]), "/headers"),
        (json!(["x-a", "x-acme-mac"]), "/headers/1"),
    ] {
        let form = json!({ "name": "acme", "provider": "custom", "secrets": ["a secret"],
            "custom": custom, "headers": names });
        let problem = server.post("/v1/sources", form).await;
        let problem = problem.problem(422, "invalid_value");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{names}");
    }
}

#[tokio::test]
async fn a_handler_sees_what_is_kept() {
    let server = Server::start().await;
    let notes = Notes::default();
    let noted = notes.clone();
    server.api.on("acme", "*", move |inbound| {
        let event = inbound.headers.get("acme-event");
        noted.add(event.map_or("none", |it| it.to_str().unwrap()));
        std::future::ready(Ok(()))
    });
    let custom = json!({ "name": "acme", "headers": ["acme-event"],
        "custom": { "scheme": "body-hex" } });
    let path = source_with(&server, "custom", custom).await;
    let hook = Hook::new(Scheme::BodyHex, &[("acme-event", "paid")], "{}");
    hook.taken(&server, &path).await;
    assert_eq!(notes.all(), ["paid"]);
}

#[tokio::test]
async fn a_repeat_whose_headers_count_it_is_a_repeat() {
    let server = Server::start().await;
    let path = source(&server, "bitbucket").await;
    let body = r#"{"push":{}}"#;
    let signed = Hook::new(Scheme::Github, &[], body)
        .signed()
        .pop()
        .unwrap()
        .1;
    let request = |attempt: &str| {
        [
            ("x-event-key", "repo:push"),
            ("x-request-uuid", "f1c2"),
            ("x-attempt-number", attempt),
            ("x-hub-signature", signed.as_str()),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    let first = send(&server, &path, &request("1"), body).await.expect(200);
    let again = send(&server, &path, &request("2"), body).await.expect(200);
    assert_eq!(again["event_id"], first["event_id"]);
    assert_eq!(again["duplicate"], true);
}
