//! Headers that a publisher gives with an event.

use super::Server;
use super::events::jiff_after;
use crate::receiver::Receiver;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn headers_of_a_publisher_pass_filters_and_reach_endpoints() {
    let server = Server::start().await;
    let receiver = Receiver::answering(200).await;
    let form = json!({ "url": receiver.url(), "headers": { "x-team": "blue" },
        "filter": { "$headers": { "x-shop": { "$in": ["a", "b"] } } } });
    server.post("/v1/endpoints", form).await.expect(201);
    let event = |headers: Value| json!({ "type": "a.b", "payload": 1, "headers": headers });
    let event_of = async |headers: Value| {
        let accepted = server.post("/v1/events", event(headers)).await.expect(202);
        accepted["id"].as_str().unwrap().to_owned()
    };
    let told = event_of(json!({ "X-Shop": "b", "x-team": "red" })).await;
    let seen = server.event_in(&told, "delivered").await;
    assert_eq!(seen["headers"], json!({ "x-shop": "b", "x-team": "red" }));
    let other = event_of(json!({ "x-shop": "c" })).await;
    let other = server.get(&format!("/v1/events/{other}")).await.expect(200);
    assert_eq!(other["state"], "no_subscribers");
    let plain = server.publish("a.b", json!(1)).await;
    let plain = server.get(&format!("/v1/events/{plain}")).await.expect(200);
    assert_eq!(plain["headers"], json!({}));
    let sent = receiver.received();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].header("x-shop"), "b");
    let teams: Vec<_> = sent[0].headers.get_all("x-team").iter().collect();
    assert_eq!(teams, ["blue"], "the endpoint's own goes before");
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_of_an_event_wait_with_it() {
    let server = Server::start().await;
    let receiver = Receiver::answering(200).await;
    server.endpoint(&receiver.url()).await;
    let soon = jiff_after(1);
    let event = json!({ "type": "a.b", "payload": 1, "headers": { "x-shop": "a" },
        "deliver_after": soon });
    let accepted = server.post("/v1/events", event).await.expect(202);
    let id = accepted["id"].as_str().unwrap().to_owned();
    let server = server.restart().await;
    let seen = server.event_in(&id, "delivered").await;
    assert_eq!(seen["headers"], json!({ "x-shop": "a" }));
    assert_eq!(receiver.received()[0].header("x-shop"), "a");
}

#[tokio::test]
async fn what_cannot_be_a_header_of_an_event_is_refused() {
    let server = Server::start().await;
    let many: serde_json::Map<String, Value> = (0..33)
        .map(|number| (format!("x-{number}"), json!("v")))
        .collect();
    for headers in [
        json!({ "authorization": "Bearer x" }),
        json!({ "x-event-id": "x" }),
        json!({ "content-length": "1" }),
        json!({ "x-a": "a\r\nhost: b" }),
        json!({ "x a": "b" }),
        json!({ "x-a": "v".repeat(4_100) }),
        json!(many),
    ] {
        let event = json!({ "type": "a.b", "payload": 1, "headers": headers });
        let problem = server.post("/v1/events", event).await;
        let problem = problem.problem(422, "invalid_event");
        assert_eq!(problem["errors"][0]["pointer"], "/headers", "{problem}");
    }
}

#[tokio::test]
async fn filters_and_templates_are_tried_with_headers() {
    let server = Server::start().await;
    let filter = json!({ "filter": { "$headers": { "x-shop": "a" } }, "payload": {},
        "headers": { "X-Shop": "a" } });
    let tried = server.post("/v1/filters/try", filter.clone()).await;
    assert_eq!(tried.expect(200)["matches"], true);
    let mut without = filter;
    without["headers"] = json!({});
    let tried = server.post("/v1/filters/try", without).await;
    assert_eq!(tried.expect(200)["matches"], false);
    let template = json!({ "template": { "shop": "{{headers.x-shop}}" }, "event_type": "a.b",
        "payload": {}, "headers": { "x-shop": "a" } });
    let tried = server.post("/v1/templates/try", template).await;
    assert_eq!(tried.expect(200)["body"], r#"{"shop":"a"}"#);
}
