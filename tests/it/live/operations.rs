//! Operational events are made once, for those who ask, and never of themselves.

use super::server::{KEY, Server, engine};
use super::sse::{Stream, watch};
use crate::receiver::{Receiver, Reply, hasty, until};
use postrider::{BreakerPolicy, EndpointSpec, EventFilter, EventQuery, Postrider, Submission};
use postrider_server::{ApiOptions, Metrics};
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

/// An endpoint for these event types, with one quick retry and a breaker that opens at once.
fn spec(url: &str, event_types: &[&str]) -> EndpointSpec {
    let patterns = event_types.iter();
    EndpointSpec {
        event_types: patterns.map(|it| it.parse().unwrap()).collect(),
        breaker: Some(BreakerPolicy {
            failures: 2,
            cooldown: Duration::from_millis(20),
            cooldown_max: Duration::from_millis(40),
        }),
        ..hasty(url, 1)
    }
}

async fn register(postrider: &Postrider, spec: EndpointSpec) -> String {
    postrider.register(spec, None).await.unwrap().id.to_string()
}

/// The operational events of the log: type and payload, in the order of the log.
async fn published(postrider: &Postrider) -> Vec<(String, Value)> {
    let page = postrider.events(EventQuery {
        filter: EventFilter {
            event_types: vec!["postrider.*".parse().unwrap()],
            ..EventFilter::default()
        },
        direction: postrider::Direction::OldestFirst,
        after: None,
        most: 1_000,
    });
    let page = page.await.unwrap();
    let events = page.events.iter();
    let event = |record: &postrider::EventRecord| {
        let payload = serde_json::from_slice(&record.event.payload).unwrap();
        (record.event.event_type.to_string(), payload)
    };
    events.map(event).collect()
}

/// The operational events that the stream shows next, whatever else it shows.
async fn told(stream: &mut Stream, count: usize) -> Vec<String> {
    let messages = stream.take("event", count).await;
    let types = messages.iter();
    types
        .map(|message| message.text("type").to_owned())
        .collect()
}

const OPERATIONS: &str = "?types=event&event_type=postrider.*";

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_told_to_those_who_ask_for_it() {
    let (server, _directory) = Server::start().await;
    let (failing, operator) = (
        Receiver::answering(400).await,
        Receiver::answering(200).await,
    );
    let postrider = &server.postrider;
    let endpoint = register(postrider, spec(&failing.url(), &["*"])).await;
    register(
        postrider,
        spec(&operator.url(), &["postrider.delivery.failed"]),
    )
    .await;
    let event = server.publish(KEY, "payment.made", json!({})).await;
    until("the operator is told", || async { operator.count() == 1 }).await;
    let told = &operator.received()[0];
    assert_eq!(told.header("x-event-type"), "postrider.delivery.failed");
    let payload: Value = serde_json::from_slice(&told.body).unwrap();
    assert_eq!(payload["event_id"], event);
    assert_eq!(payload["endpoint_id"], endpoint);
    assert_eq!(payload["event_type"], "payment.made");
    assert_eq!(payload["reason"], "rejected");
    assert_eq!(payload["attempts"], 1);
    assert!(payload["delivery_id"].as_str().unwrap().starts_with("dlv_"));
    assert!(payload["at"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_story_of_an_endpoint_is_told_in_its_order() {
    let (server, _directory) = Server::start().await;
    let status = Arc::new(AtomicU16::new(503));
    let answer = Arc::clone(&status);
    let receiver = Receiver::start(move |_, _| Reply::Status(answer.load(Ordering::Relaxed))).await;
    let operator = Receiver::answering(200).await;
    let mut stream = watch(&server, OPERATIONS).await;
    register(
        &server.postrider,
        spec(&operator.url(), &["postrider.endpoint.*"]),
    )
    .await;
    let endpoint = register(&server.postrider, spec(&receiver.url(), &["*"])).await;
    server.publish(KEY, "a.b", json!({})).await;
    assert_eq!(told(&mut stream, 1).await, ["postrider.endpoint.failing"]);
    status.store(200, Ordering::Relaxed);
    server.publish(KEY, "a.b", json!({})).await;
    assert_eq!(told(&mut stream, 1).await, ["postrider.endpoint.recovered"]);
    let path = format!("/v1/endpoints/{endpoint}");
    server.post(&format!("{path}/disable"), &json!({})).await;
    server.post(&format!("{path}/enable"), &json!({})).await;
    assert_eq!(
        told(&mut stream, 2).await,
        ["postrider.endpoint.disabled", "postrider.endpoint.enabled"]
    );
    status.store(410, Ordering::Relaxed);
    server.publish(KEY, "a.b", json!({})).await;
    assert_eq!(told(&mut stream, 1).await, ["postrider.endpoint.disabled"]);
    let deleted = server.request(Method::DELETE, &path);
    assert_eq!(deleted.send().await.unwrap().status(), 204);
    assert_eq!(told(&mut stream, 1).await, ["postrider.endpoint.deleted"]);
    let told = published(&server.postrider).await;
    assert_eq!(told.len(), 6, "{told:?}");
    let reasons: Vec<_> = told.iter().map(|(_, payload)| &payload["reason"]).collect();
    assert_eq!(reasons[2], "manual");
    assert_eq!(reasons[4], "gone");
    for (_, payload) in &told {
        assert_eq!(payload["endpoint_id"], endpoint);
        assert_eq!(payload["url"], receiver.url());
    }
    until("all are delivered", || async { operator.count() == 6 }).await;
    let order: Vec<_> = operator.received();
    let order: Vec<_> = order.iter().map(|it| it.header("x-event-type")).collect();
    let types: Vec<_> = told.iter().map(|(event_type, _)| event_type).collect();
    assert_eq!(order, types);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_fails_to_take_operational_events_makes_none() {
    let (server, _directory) = Server::start().await;
    let deaf = Receiver::answering(503).await;
    let gone = Receiver::answering(410).await;
    let failing = Receiver::answering(400).await;
    let postrider = &server.postrider;
    register(postrider, spec(&deaf.url(), &["postrider.*"])).await;
    register(postrider, spec(&gone.url(), &["postrider.delivery.failed"])).await;
    register(postrider, spec(&failing.url(), &["*"])).await;
    server.publish(KEY, "a.b", json!({})).await;
    until("the last attempts are made", || async {
        deaf.count() == 2 && gone.count() == 1
    })
    .await;
    let ended = async || postrider.footprint().await.unwrap().pending_deliveries == 0;
    until("nothing is pending", ended).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let told = published(postrider).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].1["event_type"], "a.b");
    assert_eq!((deaf.count(), gone.count()), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_takes_everything_and_fails_always_comes_to_rest() {
    let (server, _directory) = Server::start().await;
    let deaf = Receiver::answering(503).await;
    let postrider = &server.postrider;
    register(postrider, spec(&deaf.url(), &["*", "postrider.*"])).await;
    server.publish(KEY, "a.b", json!({})).await;
    until("it is told", || async {
        published(postrider).await.len() == 2
    })
    .await;
    let ended = async || postrider.footprint().await.unwrap().pending_deliveries == 0;
    until("nothing is pending", ended).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut types: Vec<_> = published(postrider)
        .await
        .into_iter()
        .map(|it| it.0)
        .collect();
    types.sort();
    assert_eq!(
        types,
        ["postrider.delivery.failed", "postrider.endpoint.failing"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_published_where_nobody_asks() {
    let (server, _directory) = Server::start().await;
    let (_, other) = server.tenant("other").await;
    let failing = Receiver::answering(400).await;
    let operator = Receiver::answering(200).await;
    // Not covered by `*`, of another tenant, or disabled.
    register(&server.postrider, spec(&failing.url(), &["*"])).await;
    let form = json!({ "url": operator.url(), "event_types": ["postrider.*"] });
    server.post_as(&other, "/v1/endpoints", &form).await;
    let disabled = server.post("/v1/endpoints", &form).await;
    let path = format!("/v1/endpoints/{}/disable", disabled["id"].as_str().unwrap());
    server.post(&path, &json!({})).await;
    server.publish(KEY, "a.b", json!({})).await;
    until("the delivery has failed", || async { failing.count() == 1 }).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(published(&server.postrider).await, []);
    assert_eq!(operator.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_has_swallowed_is_told_once_at_the_next_starts() {
    let directory = tempfile::tempdir().unwrap();
    let failing = Receiver::answering(400).await;
    let operator = Receiver::answering(200).await;
    // An engine alone: nobody makes anything of its facts.
    let postrider = engine(directory.path(), Metrics::new()).await;
    register(&postrider, spec(&failing.url(), &["*"])).await;
    register(&postrider, spec(&operator.url(), &["postrider.*"])).await;
    for number in 0..3 {
        let event = Submission::new("a.b", number.to_string());
        postrider.publish(event).await.unwrap();
    }
    until("all have failed", || async { failing.count() == 3 }).await;
    postrider.shutdown().await;
    drop(postrider);
    for _ in 0..2 {
        let server = Server::on(directory.path(), ApiOptions::default()).await;
        until("the operator is told", || async { operator.count() == 3 }).await;
        // The next look would come by now.
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(published(&server.postrider).await.len(), 3);
        server.stop().await;
    }
    assert_eq!(operator.count(), 3);
}
