//! The stream shows everything that is the tenant's, once, and nothing else.

use super::server::{KEY, Server};
use super::sse::{Message, watch, watch_as};
use crate::receiver::Receiver;
use postrider::{Direction, EventFilter, EventQuery};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// An endpoint for these event types.
async fn endpoint(server: &Server, key: &str, url: &str, event_types: &[&str]) -> String {
    let form = json!({ "url": url, "event_types": event_types });
    let made = server.post_as(key, "/v1/endpoints", &form).await;
    made["id"].as_str().unwrap().to_owned()
}

/// The ids of the log, in the order of the commits.
async fn log(server: &Server) -> Vec<String> {
    let page = server.postrider.events(EventQuery {
        filter: EventFilter::default(),
        direction: Direction::OldestFirst,
        after: None,
        most: 10_000,
    });
    let page = page.await.unwrap();
    assert_eq!(page.next, None);
    let records = page.events.iter();
    records.map(|record| record.event.id.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_cut_and_resumed_misses_nothing_and_repeats_nothing() {
    const EVENTS: usize = 500;
    let (server, _directory) = Server::start().await;
    let receiver = Receiver::answering(200).await;
    endpoint(&server, KEY, &receiver.url(), &["*"]).await;
    let server = Arc::new(server);
    let mut stream = watch(&server, "").await;
    let publishers: Vec<_> = (0..5)
        .map(|publisher| {
            let server = Arc::clone(&server);
            tokio::spawn(async move {
                for number in 0..EVENTS / 5 {
                    let payload = json!({ "publisher": publisher, "number": number });
                    server.publish(KEY, "payment.made", payload).await;
                }
            })
        })
        .collect();
    let mut seen: Vec<Message> = Vec::new();
    let mut cuts = 0;
    while seen.len() < EVENTS {
        // In the middle of a message or of a connection's buffer, as it comes.
        let until = EVENTS.min(seen.len() + 1 + (cuts * 37) % 60);
        seen.extend(stream.take("event", until - seen.len()).await);
        drop(stream);
        let last = seen.last().and_then(|message| message.id.as_deref());
        stream = watch_as(&server, KEY, "", Some(last.unwrap())).await;
        cuts += 1;
    }
    for publisher in publishers {
        publisher.await.unwrap();
    }
    let shown: Vec<_> = seen.iter().map(|it| it.text("id").to_owned()).collect();
    assert_eq!(shown, log(&server).await, "after {cuts} cuts");
    assert!(cuts > 10, "{cuts}");
    let rest = watch_as(&server, KEY, "?types=event", seen[EVENTS - 1].id.as_deref()).await;
    assert!({ rest }.is_quiet(Duration::from_millis(300)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_shown_with_all_that_becomes_of_it() {
    let (server, _directory) = Server::start().await;
    let receiver = Receiver::answering(404).await;
    let mut stream = watch(&server, "").await;
    let endpoint = endpoint(&server, KEY, &receiver.url(), &["*"]).await;
    let form = json!({ "type": "a.b", "payload": {"n": 1.50}, "ordering_key": "k" });
    let event = server.post("/v1/events", &form).await["id"].clone();
    let mut seen = Vec::new();
    while seen.len() < 4 {
        seen.push(stream.next().await.unwrap());
    }
    let of = |name: &str| {
        let found = seen.iter().find(|message| message.event == name);
        found.unwrap_or_else(|| panic!("no {name} in {seen:?}"))
    };
    assert_eq!(
        of("endpoint").data,
        json!({ "endpoint_id": endpoint, "what": "changed", "reason": null })
    );
    let shown = of("event");
    assert!(shown.id.is_some());
    assert_eq!(shown.data["id"], event);
    assert_eq!(shown.text("type"), "a.b");
    assert_eq!(shown.text("ordering_key"), "k");
    assert_eq!(shown.data["payload"], json!({"n": 1.5}));
    assert!(shown.text("published_at").ends_with('Z'));
    let attempt = of("attempt");
    assert_eq!(attempt.id, None);
    assert_eq!(attempt.data["event_id"], event);
    assert_eq!(attempt.data["endpoint_id"], endpoint);
    assert_eq!(attempt.data["status"], 404);
    assert_eq!(attempt.data["failure"], Value::Null);
    assert_eq!(attempt.data["number"], 1);
    assert!(attempt.data["duration_ms"].is_u64());
    assert!(attempt.text("attempt_id").starts_with("att_"));
    let delivery = of("delivery");
    assert_eq!(delivery.text("state"), "failed");
    assert_eq!(delivery.text("reason"), "rejected");
    assert_eq!(delivery.data["attempts"], 1);
    assert_eq!(delivery.data["delivery_id"], attempt.data["delivery_id"]);
    assert_eq!(delivery.data["due"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_is_shown_with_its_time() {
    let (server, _directory) = Server::start().await;
    let receiver = Receiver::answering(503).await;
    endpoint(&server, KEY, &receiver.url(), &["*"]).await;
    let mut stream = watch(&server, "?types=delivery").await;
    server.publish(KEY, "a.b", json!({})).await;
    let retrying = stream.next().await.unwrap();
    assert_eq!(retrying.text("state"), "retrying");
    assert_eq!(retrying.data["attempts"], 1);
    assert!(retrying.text("due").ends_with('Z'));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_asked_for_is_shown() {
    let (server, _directory) = Server::start().await;
    let receiver = Receiver::answering(200).await;
    let wanted = endpoint(&server, KEY, &receiver.url(), &["payment.*"]).await;
    let other = endpoint(&server, KEY, &receiver.url(), &["*"]).await;
    let query = format!("?endpoint_id={wanted}");
    let mut by_endpoint = watch(&server, &query).await;
    let mut by_type = watch(&server, "?event_type=payment.made,refund.*").await;
    let mut by_kind = watch(&server, "?types=attempt,endpoint").await;
    for event_type in ["order.made", "payment.made", "refund.made"] {
        server.publish(KEY, event_type, json!(event_type)).await;
    }
    let shown = |seen: &[Message]| -> BTreeSet<(String, String)> {
        let seen = seen.iter();
        let about = |it: &Message| match it.event.as_str() {
            "event" => it.text("type").to_owned(),
            _ => it.text("endpoint_id").to_owned(),
        };
        seen.map(|it| (it.event.clone(), about(it))).collect()
    };
    let set = |pairs: &[(&str, &str)]| -> BTreeSet<(String, String)> {
        let pairs = pairs.iter();
        pairs
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
            .collect()
    };
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(by_endpoint.next().await.unwrap());
    }
    let expected = [
        ("event", "payment.made"),
        ("attempt", &wanted),
        ("delivery", &wanted),
    ];
    assert_eq!(shown(&seen), set(&expected));
    // The payment to two endpoints, the refund to one.
    seen.clear();
    for _ in 0..2 + 2 * 3 {
        seen.push(by_type.next().await.unwrap());
    }
    let attempts = |seen: &[Message]| seen.iter().filter(|it| it.event == "attempt").count();
    assert_eq!(attempts(&seen), 3, "{seen:?}");
    assert!(seen.iter().all(|it| it.text("type") != "order.made"));
    seen.clear();
    for _ in 0..4 {
        seen.push(by_kind.next().await.unwrap());
    }
    assert_eq!(
        shown(&seen),
        set(&[("attempt", &wanted), ("attempt", &other)])
    );
    for stream in [&mut by_endpoint, &mut by_type, &mut by_kind] {
        assert!(stream.is_quiet(Duration::from_millis(200)).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_is_shown_from_its_start_with_the_type_of_its_event() {
    let (server, _directory) = Server::start().await;
    let receiver = Receiver::answering(200).await;
    let endpoint = endpoint(&server, KEY, &receiver.url(), &["*"]).await;
    let query = "?types=attempt.started,attempt&event_type=payment.*";
    let mut stream = watch(&server, query).await;
    server.publish(KEY, "order.made", json!({})).await;
    let event = server.publish(KEY, "payment.made", json!({})).await;
    let start = stream.next().await.unwrap();
    let end = stream.next().await.unwrap();
    assert_eq!(
        (start.event.as_str(), end.event.as_str()),
        ("attempt.started", "attempt")
    );
    assert_eq!(
        start.data,
        json!({
            "delivery_id": end.data["delivery_id"],
            "event_id": event,
            "endpoint_id": endpoint,
            "event_type": "payment.made",
            "attempt_id": end.data["attempt_id"],
            "number": 1,
        })
    );
    assert_eq!(end.text("event_type"), "payment.made");
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_do_not_see_each_other() {
    let (server, _directory) = Server::start().await;
    let receiver = Receiver::answering(400).await;
    let (_, mine) = server.tenant("mine").await;
    let (_, theirs) = server.tenant("theirs").await;
    let mut stream = watch_as(&server, &mine, "", None).await;
    let mut others = watch_as(&server, &theirs, "", None).await;
    server.publish(&mine, "a.b", json!("before")).await;
    let before = stream.next().await.unwrap().id;
    let foreign = endpoint(&server, &theirs, &receiver.url(), &["*"]).await;
    let event = server.publish(&theirs, "a.b", json!("theirs")).await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(others.next().await.unwrap().event);
    }
    seen.sort();
    assert_eq!(seen, ["attempt", "delivery", "endpoint", "event"]);
    let path = format!("/v1/endpoints/{foreign}");
    let deleted = server.bare(Method::DELETE, &path).bearer_auth(&theirs);
    assert_eq!(deleted.send().await.unwrap().status(), 204);
    assert_eq!(others.next().await.unwrap().text("what"), "deleted");
    // Nor by asking for it.
    let query = format!("?endpoint_id={foreign}");
    let mut asking = watch_as(&server, &mine, &query, before.as_deref()).await;
    server.publish(&mine, "a.b", json!("mine")).await;
    let first = stream.next().await.unwrap();
    assert_eq!(first.data["payload"], "mine", "{event} of another tenant");
    assert!(asking.is_quiet(Duration::from_millis(300)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_begins_after_the_place_in_its_query_or_now() {
    let (server, _directory) = Server::start().await;
    let mut stream = watch(&server, "?types=event").await;
    for number in 0..3 {
        server.publish(KEY, "n", json!(number)).await;
    }
    let seen = stream.take("event", 3).await;
    let first = seen[0].id.as_deref().unwrap();
    let mut again = watch(&server, &format!("?types=event&after={first}")).await;
    assert_eq!(again.take("event", 2).await, seen[1..]);
    // The header knows better: the query is that of the first time.
    let query = format!("?types=event&after={first}");
    let last = seen[1].id.as_deref();
    let mut later = watch_as(&server, KEY, &query, last).await;
    assert_eq!(later.take("event", 1).await, seen[2..]);
    let mut now = watch(&server, "?types=event").await;
    assert!(now.is_quiet(Duration::from_millis(200)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_cut_before_its_first_event_is_resumed_where_it_began() {
    let (server, _directory) = Server::start().await;
    for number in 0..2 {
        let mut stream = watch(&server, "?types=event").await;
        assert!(stream.is_quiet(Duration::from_millis(200)).await);
        let place = stream.last_id.take();
        drop(stream);
        server.publish(KEY, "n", json!(number)).await;
        let mut again = watch_as(&server, KEY, "?types=event", place.as_deref()).await;
        let first = again.next().await.unwrap();
        assert_eq!(first.data["payload"], number);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_streamed_is_a_problem() {
    let (server, _directory) = Server::start().await;
    let code = async |request: reqwest::RequestBuilder| {
        let text = request.send().await.unwrap().text().await.unwrap();
        let problem: Value = serde_json::from_str(&text).unwrap();
        problem["code"].as_str().unwrap().to_owned()
    };
    let get = |query: &str| server.request(Method::GET, &format!("/v1/stream{query}"));
    assert_eq!(code(get("?after=12")).await, "invalid_cursor");
    let header = get("").header("last-event-id", "evt_x");
    assert_eq!(code(header).await, "invalid_cursor");
    assert_eq!(code(get("?types=event,facts")).await, "invalid_parameter");
    assert_eq!(code(get("?endpoint_id=1")).await, "invalid_parameter");
    assert_eq!(code(get("?event_type=**")).await, "invalid_parameter");
    let bare = server.bare(Method::GET, "/v1/stream");
    assert_eq!(code(bare).await, "unauthorized");
    let form = json!({ "name": "p", "scopes": ["publish"] });
    let key = server.post("/v1/keys", &form).await;
    let publisher = server.bare(Method::GET, "/v1/stream");
    let publisher = publisher.bearer_auth(key["key"].as_str().unwrap());
    assert_eq!(code(publisher).await, "forbidden");
}
