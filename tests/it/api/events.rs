//! Publishing, and what is said of what was published.

use super::Server;
use crate::receiver::{Receiver, Reply, until};
use postrider_server::ApiOptions;
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_published_event_lists_its_deliveries_and_arrives_byte_for_byte() {
    let server = Server::start().await;
    let receiver = Receiver::answering(200).await;
    let endpoint = server.endpoint(&receiver.url()).await;
    let body = r#"{"type":"payment.succeeded","payload":{ "amount": 10.00,  "big": 12345678901234567890 }}"#;
    let accepted = server
        .send(Method::POST, "/v1/events", Some(body.to_owned()), &[])
        .await;
    let accepted = accepted.expect(202);
    assert_eq!(accepted["deliveries"][0]["endpoint_id"], endpoint.as_str());
    let id = accepted["id"].as_str().unwrap();
    let event = server.event_in(id, "delivered").await;
    assert_eq!(
        receiver.bodies(),
        [r#"{ "amount": 10.00,  "big": 12345678901234567890 }"#]
    );
    assert_eq!(event["type"], "payment.succeeded");
    assert_eq!(event["deliveries"][0]["attempts"][0]["status"], 200);
    assert_eq!(
        event["deliveries"][0]["attempts"][0]["response_body"],
        "answer"
    );
    assert!(event["delivered_at"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_with_the_same_idempotency_key_is_the_same_event() {
    let server = Server::start().await;
    let receiver = Receiver::answering(200).await;
    server.endpoint(&receiver.url()).await;
    let send = |payload: i32, key: &'static str| {
        let body = json!({ "type": "a.b", "payload": payload }).to_string();
        let server = &server;
        async move {
            let key = [("idempotency-key", key)];
            server
                .send(Method::POST, "/v1/events", Some(body), &key)
                .await
        }
    };
    let first = send(1, "k").await.expect(202);
    let again = send(1, "k").await.expect(202);
    assert_eq!(again["id"], first["id"]);
    assert_eq!(again["duplicate"], true);
    assert_eq!(again["deliveries"], first["deliveries"]);
    send(2, "k").await.problem(409, "idempotency_key_reused");
    let long: &'static str = "k".repeat(257).leak();
    send(1, long).await.problem(400, "invalid_header");
    let server = server.restart().await;
    let body = json!({ "type": "a.b", "payload": 1 }).to_string();
    let key = [("idempotency-key", "k")];
    let after = server
        .send(Method::POST, "/v1/events", Some(body), &key)
        .await
        .expect(202);
    assert_eq!(after["id"], first["id"], "a restart forgets no key");
    let id = first["id"].as_str().unwrap().to_owned();
    server.event_in(&id, "delivered").await;
    assert_eq!(receiver.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_refused_for_what_they_are() {
    let server = Server::start().await;
    let receiver = Receiver::answering(200).await;
    let endpoint = server.endpoint(&receiver.url()).await;
    let cases = [
        (json!({ "payload": 1 }), 400, "invalid_body"),
        (json!({ "type": "a b", "payload": 1 }), 400, "invalid_body"),
        (json!({ "type": "a" }), 400, "invalid_body"),
        (
            json!({ "type": "a", "payload": 1, "ordering_key": "" }),
            400,
            "invalid_body",
        ),
        (
            json!({ "type": "postrider.x", "payload": 1 }),
            422,
            "invalid_event",
        ),
        (
            json!({ "type": "a", "payload": 1, "endpoint_id": "x" }),
            404,
            "not_found",
        ),
        (
            json!({ "type": "a", "payload": "x".repeat(300_000) }),
            413,
            "body_too_large",
        ),
        (
            json!({ "type": "a", "payload": "x".repeat(256 << 10) }),
            413,
            "body_too_large",
        ),
        (
            json!({ "type": "a", "payload": 1, "deliver_after": "soon" }),
            400,
            "invalid_body",
        ),
        (
            json!({ "type": "a", "payload": 1, "deliver_after": "2199-01-01T00:00:00Z" }),
            422,
            "invalid_event",
        ),
    ];
    for (body, status, code) in cases {
        server.post("/v1/events", body).await.problem(status, code);
    }
    let other = server.key_of("acme", &["publish"]).await;
    let body = json!({ "type": "a", "payload": 1, "endpoint_id": endpoint }).to_string();
    let headers = [("authorization", other.as_str())];
    let foreign = server
        .send(Method::POST, "/v1/events", Some(body), &headers)
        .await;
    foreign.problem(404, "not_found");
    let events = server.get("/v1/events").await.expect(200);
    assert_eq!(events["data"], json!([]), "nothing half-done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_keeps_its_order_and_answers_for_each() {
    let server = Server::start().await;
    let receiver = Receiver::answering(200).await;
    server.endpoint(&receiver.url()).await;
    let mut events: Vec<Value> = (0..100)
        .map(|n| json!({ "event": { "type": "a.b", "payload": n } }))
        .collect();
    events[50] = json!({ "event": { "type": "a.b", "payload": 50, "endpoint_id": "ep_x" } });
    let body = json!({ "events": events });
    let answer = server.post("/v1/events/batch", body).await.expect(200);
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results[50]["status"], 404);
    assert_eq!(results[50]["problem"]["code"], "not_found");
    assert_eq!(results.iter().filter(|it| it["status"] == 202).count(), 99);
    until("all arrive", || async { receiver.count() == 99 }).await;
    let expected: Vec<_> = (0..100)
        .filter(|n| *n != 50)
        .map(|n| n.to_string())
        .collect();
    assert_eq!(receiver.bodies(), expected);
    let many = vec![json!({ "event": { "type": "a", "payload": 1 } }); 101];
    let many = server
        .post("/v1/events/batch", json!({ "events": many }))
        .await;
    many.problem(400, "invalid_body");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_shows_a_bounded_number_of_deliveries_and_counts_the_others() {
    let server = Server::start().await;
    let receiver = Receiver::answering(200).await;
    for _ in 0..11 {
        server.endpoint(&receiver.url()).await;
    }
    let event = json!({ "event": { "type": "a.b", "payload": 1 }, "idempotency_key": "k" });
    let mut events = vec![event];
    events.resize(100, json!({ "event": { "type": "a.b", "payload": 2 } }));
    let body = json!({ "events": events });
    let first = server.post("/v1/events/batch", body.clone()).await;
    let again = server.post("/v1/events/batch", body).await;
    for answer in [first.expect(200), again.expect(200)] {
        for result in answer["results"].as_array().unwrap() {
            let event = &result["event"];
            assert_eq!(event["deliveries"].as_array().unwrap().len(), 10);
            assert_eq!(event["deliveries_left_out"], 1, "{event}");
        }
    }
    let body = json!({ "type": "a.b", "payload": 3 });
    let alone = server.post("/v1/events", body).await.expect(202);
    assert_eq!(alone["deliveries"].as_array().unwrap().len(), 11);
    assert_eq!(alone["deliveries_left_out"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_content_filter_lets_only_orders_over_a_hundred_through() {
    let server = Server::start().await;
    let receiver = Receiver::answering(200).await;
    let filter = json!({ "total": { "$gt": 100 } });
    let body = json!({ "url": receiver.url(), "filter": filter });
    let endpoint = server.post("/v1/endpoints", body).await.expect(201);
    let small = server
        .publish("order.created", json!({ "total": 100 }))
        .await;
    let large = server
        .publish("order.created", json!({ "total": 100.5 }))
        .await;
    server.event_in(&large, "delivered").await;
    assert_eq!(receiver.bodies(), [r#"{"total":100.5}"#]);
    let id = endpoint["id"].as_str().unwrap();
    let path = format!("/v1/events/{small}/explain?endpoint_id={id}");
    let why = server.get(&path).await.expect(200);
    assert_eq!(why["has_delivery"], false);
    assert!(
        why["reasons"][0].as_str().unwrap().contains("filter"),
        "{why}"
    );
    let path = format!("/v1/events/{large}/explain?endpoint_id={id}");
    let why = server.get(&path).await.expect(200);
    assert_eq!(why["has_delivery"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_takes_the_form_that_its_endpoint_asks_for() {
    let server = Server::start().await;
    let (enveloped, old, new) = (
        Receiver::answering(200).await,
        Receiver::answering(200).await,
        Receiver::answering(200).await,
    );
    for template in [
        json!({ "sum": "{{data.amount}}" }),
        json!({ "total": "{{data.amount}}" }),
    ] {
        let body = json!({ "name": "payment", "template": template });
        server.post("/v1/templates", body).await.expect(201);
    }
    let body = json!({ "url": enveloped.url(), "payload_form": "envelope" });
    server.post("/v1/endpoints", body).await.expect(201);
    for (receiver, version) in [(&old, 1), (&new, 2)] {
        let template = json!({ "name": "payment", "version": version });
        let body =
            json!({ "url": receiver.url(), "payload_form": "template", "template": template });
        server.post("/v1/endpoints", body).await.expect(201);
    }
    let event = server
        .publish("payment.made", json!({ "amount": 42 }))
        .await;
    server.event_in(&event, "delivered").await;
    assert_eq!(old.bodies(), [r#"{"sum":42}"#]);
    assert_eq!(new.bodies(), [r#"{"total":42}"#]);
    let body: Value = serde_json::from_str(&enveloped.bodies()[0]).unwrap();
    assert_eq!(
        (&body["type"], &body["data"]),
        (&json!("payment.made"), &json!({ "amount": 42 }))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_asks_for_batches_gets_arrays_in_order() {
    let server = Server::start().await;
    let receiver = Receiver::answering(200).await;
    let batch = json!({ "events_max": 4, "wait_ms": 100 });
    let body = json!({ "url": receiver.url(), "batch": batch });
    let made = server.post("/v1/endpoints", body).await.expect(201);
    assert_eq!(made["batch"], batch);
    let events: Vec<Value> = (0..6)
        .map(|n| json!({ "event": { "type": "a.b", "payload": n } }))
        .collect();
    let sent = server
        .post("/v1/events/batch", json!({ "events": events }))
        .await
        .expect(200);
    let last = sent["results"][5]["event"]["id"].as_str().unwrap();
    server.event_in(last, "delivered").await;
    assert_eq!(receiver.bodies().join(" "), "[0,1,2,3] [4,5]");
    let request = &receiver.received()[0];
    assert_eq!(request.header("x-batch-size"), "4");
    assert!(request.is_signed_with(made["secret"].as_str().unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_for_later_waits_and_can_be_dropped() {
    let server = Server::start().await;
    let receiver = Receiver::answering(200).await;
    server.endpoint(&receiver.url()).await;
    let soon = jiff_after(1);
    let event = json!({ "type": "a.b", "payload": 1, "deliver_after": soon });
    let accepted = server.post("/v1/events", event).await.expect(202);
    assert_eq!(accepted["deliver_after"], soon.as_str());
    assert_eq!(accepted["deliveries"], json!([]));
    let id = accepted["id"].as_str().unwrap();
    let event = server.get(&format!("/v1/events/{id}")).await.expect(200);
    assert_eq!(event["state"], "scheduled");
    let late = json!({ "type": "a.b", "payload": 2, "deliver_after": jiff_after(3_600) });
    let late = server.post("/v1/events", late).await.expect(202);
    let listed = server.get("/v1/scheduled-events").await.expect(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), 2);
    let path = format!("/v1/scheduled-events/{}", late["id"].as_str().unwrap());
    server.delete(&path).await.expect(204);
    server.delete(&path).await.problem(404, "not_found");
    let server = server.restart().await;
    server.event_in(id, "delivered").await;
    assert_eq!(receiver.bodies(), ["1"]);
}

/// A time so many seconds from now.
pub(super) fn jiff_after(seconds: u64) -> String {
    let now = std::time::SystemTime::now();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    let ms = u64::try_from(now.as_millis()).unwrap() + seconds * 1_000;
    postrider::Wall(ms).to_rfc3339()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_is_checked_against_the_newest_schema_where_that_is_asked_for() {
    let server = Server::start().await;
    let schema = |kind: &str| json!({ "type": "object", "properties": { "amount": { "type": kind } }, "required": ["amount"] });
    let body = json!({ "name": "payment.made", "schema": schema("integer"), "example": { "amount": 1 }, "validate": true });
    server.post("/v1/event-types", body).await.expect(201);
    let publish = |amount: Value| {
        let event = json!({ "type": "payment.made", "payload": { "amount": amount } });
        let server = &server;
        async move { server.post("/v1/events", event).await }
    };
    publish(json!(1)).await.expect(202);
    let problem = publish(json!("1")).await.problem(422, "schema_violation");
    assert_eq!(problem["errors"][0]["pointer"], "/payload/amount");
    let next = json!({ "schema": schema("string"), "example": { "amount": "1" } });
    let changed = server
        .post("/v1/event-types/payment.made/versions", next)
        .await
        .expect(201);
    assert_eq!(changed["versions"].as_array().unwrap().len(), 2);
    publish(json!("1")).await.expect(202);
    publish(json!(1)).await.problem(422, "schema_violation");
    let off = json!({ "validate": false });
    server
        .patch("/v1/event-types/payment.made", off)
        .await
        .expect(200);
    publish(json!(1)).await.expect(202);
    let wrong = json!({ "name": "x", "schema": { "type": "nothing" } });
    server
        .post("/v1/event-types", wrong)
        .await
        .problem(422, "invalid_value");
    let wrong = json!({ "name": "x", "schema": schema("string"), "example": {} });
    server
        .post("/v1/event-types", wrong)
        .await
        .problem(422, "invalid_value");
    server
        .post("/v1/event-types", json!({ "name": "payment.made" }))
        .await
        .problem(409, "already_exists");
    server
        .delete("/v1/event-types/payment.made")
        .await
        .expect(204);
    server
        .get("/v1/event-types/payment.made")
        .await
        .problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_types_of_the_catalogue_are_taken_where_the_operator_says_so() {
    let options = ApiOptions {
        known_event_types_only: true,
        ..ApiOptions::default()
    };
    let server = Server::with(options).await;
    let event = json!({ "type": "a.b", "payload": 1 });
    server
        .post("/v1/events", event.clone())
        .await
        .problem(422, "unknown_event_type");
    server
        .post("/v1/event-types", json!({ "name": "a.b" }))
        .await
        .expect(201);
    server.post("/v1/events", event).await.expect(202);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeline_tells_the_story_of_an_event() {
    let server = Server::start().await;
    let receiver = Receiver::start(|n, _| Reply::Status(if n == 0 { 503 } else { 200 })).await;
    let retry = json!({ "delays_ms": [10] });
    let body = json!({ "url": receiver.url(), "retry": retry });
    server.post("/v1/endpoints", body).await.expect(201);
    let event = server.publish("a.b", json!({})).await;
    server.event_in(&event, "delivered").await;
    let timeline = server
        .get(&format!("/v1/events/{event}/timeline"))
        .await
        .expect(200);
    let steps = timeline["steps"].as_array().unwrap();
    let what: Vec<_> = steps
        .iter()
        .map(|step| step["what"].as_str().unwrap())
        .collect();
    assert_eq!(what, ["accepted", "attempted", "attempted", "delivered"]);
    assert!(
        steps[1]["detail"]
            .as_str()
            .unwrap()
            .starts_with("attempt 1: HTTP 503")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_listed_by_type_time_and_tenant() {
    let server = Server::start().await;
    for event_type in ["a.b", "a.c", "d"] {
        server.publish(event_type, json!({})).await;
    }
    let listed = |query: &'static str| {
        let server = &server;
        async move {
            let page = server.get(&format!("/v1/events{query}")).await.expect(200);
            let data = page["data"].as_array().unwrap().clone();
            let types = data
                .iter()
                .map(|it| it["type"].as_str().unwrap().to_owned());
            types.collect::<Vec<_>>()
        }
    };
    assert_eq!(listed("").await, ["d", "a.c", "a.b"]);
    assert_eq!(listed("?order=oldest&type=a.*").await, ["a.b", "a.c"]);
    assert_eq!(
        listed("?until=2020-01-01T00:00:00Z").await,
        Vec::<String>::new()
    );
    let first = server.get("/v1/events?limit=2").await.expect(200);
    let next = first["next"].as_str().unwrap();
    let rest = server
        .get(&format!("/v1/events?limit=2&cursor={next}"))
        .await
        .expect(200);
    assert_eq!(rest["data"][0]["type"], "a.b");
}
