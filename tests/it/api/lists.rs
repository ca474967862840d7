//! Lists in short, looking for events, and the bytes of a payload.

use super::Server;
use super::server::KEY;
use crate::receiver::{Receiver, closed};
use postrider::Submission;
use reqwest::Method;
use serde_json::{Value, json};

fn ids(page: &Value) -> Vec<&str> {
    let data = page["data"].as_array().unwrap().iter();
    data.map(|row| row["id"].as_str().unwrap()).collect()
}

/// Publishes this, under this idempotency key if it is not empty; gives the event's id.
async fn publish(server: &Server, event: Value, key: &str) -> String {
    let headers = [("idempotency-key", key)];
    let body = Some(event.to_string());
    let answer = server.send(Method::POST, "/v1/events", body, &headers);
    let accepted = answer.await.expect(202);
    accepted["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_in_short_says_how_its_last_attempt_ended() {
    let server = Server::start().await;
    let receiver = Receiver::answering(404).await;
    let refusing = server.endpoint(&receiver.url()).await;
    let nobody = json!({ "url": closed().await, "retry": { "retries": 0 } });
    let nobody = server.post("/v1/endpoints", nobody).await.expect(201);
    let event = server.publish("a.b", json!({ "n": 1 })).await;
    server.event_in(&event, "failed").await;

    let full = server.get("/v1/deliveries").await.expect(200);
    let short = server.get("/v1/deliveries?view=short").await.expect(200);
    assert_eq!(ids(&short), ids(&full));
    let rows = full["data"].as_array().unwrap().iter();
    for (long, row) in rows.zip(short["data"].as_array().unwrap()) {
        let (mut long, mut row) = (long.clone(), row.clone());
        let attempts = long.as_object_mut().unwrap().remove("attempts").unwrap();
        let count = row.as_object_mut().unwrap().remove("attempt_count");
        let last = row.as_object_mut().unwrap().remove("last_attempt").unwrap();
        assert_eq!(count, Some(json!(attempts.as_array().unwrap().len())));
        for (name, value) in last.as_object().unwrap() {
            assert_eq!(*value, attempts[0][name], "{name}");
        }
        assert_eq!(row, long, "all else is the same");
    }

    let of = |endpoint: &Value| format!("/v1/endpoints/{}/deliveries", endpoint.as_str().unwrap());
    let path = of(&json!(refusing)) + "?view=short";
    let own = server.get(&path).await.expect(200);
    let last = &own["data"][0]["last_attempt"];
    assert_eq!((&last["number"], &last["status"]), (&json!(1), &json!(404)));
    assert_eq!(
        (&last["failure"], &last["error"]),
        (&Value::Null, &json!("HTTP 404"))
    );
    let path = of(&nobody["id"]) + "?view=short&status_class=4";
    let none = server.get(&path).await.expect(200);
    assert_eq!(none["data"], json!([]));
    let path = of(&nobody["id"]) + "?view=short&failure=connect";
    let own = server.get(&path).await.expect(200);
    let last = &own["data"][0]["last_attempt"];
    assert_eq!(
        (&last["status"], &last["failure"]),
        (&Value::Null, &json!("connect"))
    );
    assert!(last["error"].as_str().unwrap().starts_with("connect"));

    let dead = server.get("/v1/dead-letters?view=short").await.expect(200);
    assert_eq!(dead["data"].as_array().unwrap().len(), 2);
    assert_eq!(dead["data"][0]["attempt_count"], 1);
    assert!(dead["data"][0].get("attempts").is_none());
    let full = server.get("/v1/dead-letters?view=full").await.expect(200);
    assert_eq!(full["data"][0]["attempts"][0]["number"], 1);
    let wrong = server.get("/v1/deliveries?view=long").await;
    wrong.problem(400, "invalid_query");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_in_short_goes_on_over_its_pages() {
    let server = Server::start().await;
    let receiver = Receiver::answering(200).await;
    server.endpoint(&receiver.url()).await;
    for n in 0..5 {
        let event = server.publish("a.b", json!(n)).await;
        server.event_in(&event, "delivered").await;
    }
    let all = server.get("/v1/deliveries?view=short").await.expect(200);
    let mut found: Vec<String> = Vec::new();
    let mut path = "/v1/deliveries?view=short&limit=2".to_owned();
    loop {
        let page = server.get(&path).await.expect(200);
        found.extend(ids(&page).into_iter().map(str::to_owned));
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("/v1/deliveries?view=short&limit=2&cursor={next}");
    }
    assert_eq!(found, ids(&all));
    assert_eq!(found.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_are_found_by_their_key_their_status_and_their_reason() {
    let server = Server::start().await;
    let receiver = Receiver::answering(404).await;
    let endpoint = server.endpoint(&receiver.url()).await;
    let nobody = json!({ "url": closed().await, "retry": { "retries": 0 } });
    server.post("/v1/endpoints", nobody).await.expect(201);
    for key in [Some("a"), Some("b"), Some("a"), None] {
        let event = json!({ "type": "a.b", "payload": 1, "ordering_key": key });
        let event = publish(&server, event, "").await;
        server.event_in(&event, "failed").await;
    }
    let found = async |query: &str| {
        let path = format!("/v1/deliveries?{query}");
        let (full, short) = (path.clone(), path + "&view=short");
        let full = server.get(&full).await.expect(200);
        let short = server.get(&short).await.expect(200);
        assert_eq!(ids(&full), ids(&short), "{query}");
        ids(&full).len()
    };
    assert_eq!(found("ordering_key=a").await, 4);
    assert_eq!(
        found(&format!("ordering_key=a&endpoint_id={endpoint}")).await,
        2
    );
    assert_eq!(found("ordering_key=").await, 2);
    assert_eq!(found("ordering_key=c").await, 0);
    assert_eq!(found("ordering_key=a&state=pending,retrying").await, 0);
    assert_eq!(found("status=404").await, 4);
    assert_eq!(found("status=404&ordering_key=b").await, 1);
    assert_eq!(found("status=400").await, 0);
    assert_eq!(found("reason=rejected").await, 4);
    assert_eq!(found("reason=exhausted,rejected").await, 8);
    assert_eq!(found("reason=gone").await, 0);
    let refused = async |query: &str| server.get(&format!("/v1/deliveries?{query}")).await;
    refused("reason=tired")
        .await
        .problem(422, "invalid_parameter");
    refused("ordering_key=a%0Ab")
        .await
        .problem(422, "invalid_parameter");
    refused("status=99").await.problem(400, "invalid_query");
    refused("status=many").await.problem(400, "invalid_query");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_found_by_what_they_are_and_what_has_become_of_them() {
    let server = Server::start().await;
    let (good, bad) = (
        Receiver::answering(200).await,
        Receiver::answering(404).await,
    );
    let form =
        |receiver: &Receiver, types| json!({ "url": receiver.url(), "event_types": [types] });
    let good = server.post("/v1/endpoints", form(&good, "a.*")).await;
    let good = good.expect(201);
    let bad = server.post("/v1/endpoints", form(&bad, "b.*")).await;
    let bad = bad.expect(201);
    let event = |event_type: &str, order: u32, key: Option<&str>| {
        let payload = json!({ "order": order, "note": "Grüezi" });
        json!({ "type": event_type, "payload": payload, "ordering_key": key })
    };
    let first = publish(&server, event("a.b", 4711, Some("k")), "once").await;
    let second = publish(&server, event("b.c", 4712, Some("k")), "").await;
    let third = publish(&server, event("c.d", 4711, None), "").await;
    server.event_in(&first, "delivered").await;
    server.event_in(&second, "failed").await;
    let found = async |query: &str| {
        let path = format!("/v1/events?order=oldest&{query}");
        let page = server.get(&path).await.expect(200);
        assert_eq!(page["next"], Value::Null, "{query}");
        ids(&page).join(" ")
    };
    let all = [&*first, &*second, &*third].join(" ");
    assert_eq!(found("view=short").await, all);
    assert_eq!(found("state=delivered").await, first);
    assert_eq!(found("state=failed").await, second);
    assert_eq!(found("state=no_subscribers").await, third);
    assert_eq!(found("state=failed,delivered,no_subscribers").await, all);
    assert_eq!(found("state=pending").await, "");
    for (endpoint, event) in [(&good, &first), (&bad, &second)] {
        let id = endpoint["id"].as_str().unwrap();
        assert_eq!(found(&format!("endpoint_id={id}")).await, **event);
    }
    assert_eq!(found("idempotency_key=once").await, first);
    assert_eq!(found("idempotency_key=twice").await, "");
    assert_eq!(found("ordering_key=k&type=b.*").await, second);
    assert_eq!(found("ordering_key=").await, third);
    assert_eq!(found("payload=4712").await, second);
    assert_eq!(found("payload=Gr%C3%BCezi&state=delivered").await, first);
    assert_eq!(found("payload=nowhere").await, "");

    let page = server.get("/v1/events?state=delivered").await.expect(200);
    let row = &page["data"][0];
    assert_eq!(
        (&row["state"], &row["delivery_count"]),
        (&json!("delivered"), &json!(1))
    );
    let bytes = json!({ "order": 4711, "note": "Grüezi" }).to_string().len();
    assert_eq!(row["payload_bytes"], bytes);
    assert!(row.get("payload").is_none());
    let refused = async |query: &str| server.get(&format!("/v1/events?{query}")).await;
    refused("state=sending")
        .await
        .problem(422, "invalid_parameter");
    refused("state=scheduled")
        .await
        .problem(422, "invalid_parameter");
    refused("endpoint_id=x")
        .await
        .problem(422, "invalid_parameter");
    refused("payload=").await.problem(400, "invalid_query");
    refused("view=full").await.problem(400, "invalid_query");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_finds_nothing_of_another_tenant() {
    let server = Server::start().await;
    let receiver = Receiver::answering(404).await;
    let endpoint = server.endpoint(&receiver.url()).await;
    let event = json!({ "type": "a.b", "payload": "secret", "ordering_key": "k" });
    let event = publish(&server, event, "once").await;
    server.event_in(&event, "failed").await;
    let key = server.key_of("acme", &["read"]).await;
    let headers = [("authorization", key.as_str())];
    for path in [
        "/v1/events?payload=secret".to_owned(),
        "/v1/events?idempotency_key=once".to_owned(),
        "/v1/events?ordering_key=k".to_owned(),
        "/v1/events?state=failed".to_owned(),
        format!("/v1/events?endpoint_id={endpoint}"),
        "/v1/deliveries?view=short&ordering_key=k".to_owned(),
        format!("/v1/deliveries?view=short&endpoint_id={endpoint}"),
        "/v1/dead-letters?view=short".to_owned(),
    ] {
        let answer = server.send(Method::GET, &path, None, &headers).await;
        assert_eq!(answer.expect(200)["data"], json!([]), "{path}");
        let own = server.get(&path).await.expect(200);
        assert_eq!(own["data"].as_array().unwrap().len(), 1, "{path}");
    }
    let path = format!("/v1/events/{event}/payload");
    let answer = server.send(Method::GET, &path, None, &headers).await;
    answer.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_comes_back_byte_for_byte() {
    let server = Server::start().await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for payload in [
        &br#"{ "big": 9007199254740993, "big": 1.10,  "far": 1e400 }"#[..],
        b"{\"a\": \"\xff\xfe\", \"half\": \"\\ud83d\"}",
        b"no JSON at all \0",
    ] {
        let published = server.postrider.publish(Submission::new("a.b", payload));
        let id = published.await.unwrap().event;
        let request = http.get(format!("{}/v1/events/{id}/payload", server.base));
        let request = request.header("authorization", format!("Bearer {KEY}"));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("content-type"), "application/json");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(
            header("content-disposition"),
            format!("attachment; filename=\"{id}.json\"")
        );
        assert_eq!(answer.bytes().await.unwrap(), payload);
    }
}
