//! When streams end, and how many there may be.

use super::server::{KEY, Program, Server, http};
use super::sse::{watch, watch_as};
use crate::receiver::until;
use reqwest::Method;
use serde_json::{Value, json};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// A second, and time for a machine that is busy: what is waited for otherwise takes 20 s.
const SOON: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_ends_streams_between_two_messages() {
    let (server, _directory) = Server::start().await;
    let mut stream = watch(&server, "").await;
    server.publish(KEY, "a.b", json!({})).await;
    stream.take("event", 1).await;
    let took = server.stop().await;
    assert!(took < SOON, "{took:?}");
    assert_eq!(stream.next().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_does_not_read_does_not_hold_up_the_shutdown() {
    let (server, _directory) = Server::start().await;
    let stalled = watch(&server, "?types=event").await;
    // More than the buffers of the connection hold.
    let payload = json!("x".repeat(200_000));
    for _ in 0..100 {
        server.publish(KEY, "a.b", payload.clone()).await;
    }
    let took = server.stop().await;
    assert!(took < SOON, "{took:?}");
    drop(stalled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_ends_its_streams() {
    let (server, _directory) = Server::start().await;
    let (id, key) = server.key_of("default").await;
    let mut stream = watch_as(&server, &key, "", None).await;
    let mut other = watch(&server, "").await;
    server.publish(KEY, "a.b", json!(1)).await;
    stream.take("event", 1).await;
    let revoked = server.request(Method::DELETE, &format!("/v1/keys/{id}"));
    assert_eq!(revoked.send().await.unwrap().status(), 204);
    assert_eq!(stream.next().await, None);
    server.publish(KEY, "a.b", json!(2)).await;
    assert_eq!(other.take("event", 2).await[1].data["payload"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_expires_ends_its_streams() {
    let (server, _directory) = Server::start().await;
    let soon = time_in(Duration::from_secs(2));
    let form = json!({ "name": "t", "scopes": ["read"], "expires_at": soon });
    let made = server.post("/v1/keys", &form).await;
    let mut stream = watch_as(&server, made["key"].as_str().unwrap(), "", None).await;
    assert_eq!(stream.next().await, None);
}

/// A time to come, as the API reads one.
fn time_in(time: Duration) -> String {
    (jiff::Timestamp::now() + time).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_streams_are_open_at_most_and_of_one_tenant_half() {
    let (server, _directory) = Server::start().await;
    let (_, mine) = server.tenant("mine").await;
    let (_, third) = server.tenant("third").await;
    let mut streams = Vec::new();
    for key in [KEY, &mine] {
        for _ in 0..50 {
            streams.push(watch_as(&server, key, "", None).await);
        }
        let expected = (503, "tenant_full".to_owned());
        assert_eq!(asked_for_one_more(&server, key).await, Some(expected));
        if key == KEY {
            assert_eq!(asked_for_one_more(&server, &third).await, None);
        }
    }
    let expected = (503, "busy".to_owned());
    assert_eq!(asked_for_one_more(&server, &third).await, Some(expected));
    streams.pop();
    until("a place is free", || async {
        asked_for_one_more(&server, &third).await.is_none()
    })
    .await;
}

/// With what one more stream is refused, if it is. One that is not is closed.
async fn asked_for_one_more(server: &Server, key: &str) -> Option<(u16, String)> {
    let asked = server.bare(Method::GET, "/v1/stream").bearer_auth(key);
    let answer = asked.send().await.unwrap();
    let status = answer.status().as_u16();
    if status == 200 {
        return None;
    }
    let problem: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    Some((status, problem["code"].as_str().unwrap().to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_ends_at_once_though_a_stream_is_open() {
    let directory = tempfile::tempdir().unwrap();
    let data = ["--data".as_ref(), directory.path().as_os_str()];
    let mut server = Program::serve(&data, Stdio::null());
    let client = http();
    let get = |path: &str| {
        client
            .get(format!("{}{path}", server.base))
            .bearer_auth(KEY)
            .send()
    };
    let stream = get("/v1/stream").await.unwrap();
    assert_eq!(stream.status(), 200);
    let metrics = get("/metrics").await.unwrap().text().await.unwrap();
    assert!(metrics.contains("postrider_commit_duration_seconds_count"));
    let began = Instant::now();
    let pid = rustix::process::Pid::from_child(&server.child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(server.child.wait().unwrap().success());
    let took = began.elapsed();
    assert!(took < SOON, "{took:?}");
    drop(stream);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_over_all_tenants_says_whose_each_item_is_and_goes_on_where_it_was() {
    let (server, _directory) = Server::start().await;
    let receiver = crate::receiver::Receiver::answering(200).await;
    let (_, one) = server.tenant("one").await;
    let (_, other) = server.tenant("other").await;
    let mut stream = watch(&server, "?tenant=*&types=event,attempt,delivery,endpoint").await;
    let mut own = watch_as(&server, &one, "?types=event", None).await;
    for key in [&one, &other] {
        let form = json!({ "url": receiver.url() });
        server.post_as(key, "/v1/endpoints", &form).await;
        server.publish(key, "a.b", json!({})).await;
    }
    let mut whose = std::collections::BTreeSet::new();
    let mut last = None;
    while whose.len() < 6 {
        let message = stream.next().await.unwrap();
        let tenant = message.text("tenant").to_owned();
        assert!(["one", "other"].contains(&tenant.as_str()), "{message:?}");
        last = message.id.clone().or(last);
        if message.event != "endpoint" {
            whose.insert((message.event, tenant));
        }
    }
    let seen = &own.take("event", 1).await[0];
    assert_eq!(seen.data.get("tenant"), None, "it is known whose it is");
    server.publish(&other, "a.c", json!({})).await;
    let mut resumed = watch_as(&server, KEY, "?tenant=*&types=event", last.as_deref()).await;
    let next = &resumed.take("event", 1).await[0];
    assert_eq!((next.text("tenant"), next.text("type")), ("other", "a.c"));
    // A place that was seen over all tenants is none of a single one's.
    let path = format!("/v1/stream?after={}", last.unwrap());
    let foreign = server.bare(Method::GET, &path).bearer_auth(&other);
    assert_eq!(foreign.send().await.unwrap().status(), 422);
    for asked in ["*", "one"] {
        let path = format!("/v1/stream?tenant={asked}");
        let refused = server.bare(Method::GET, &path).bearer_auth(&other);
        assert_eq!(refused.send().await.unwrap().status(), 403, "{asked}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_a_named_tenant_ends_when_that_is_deleted() {
    let (server, _directory) = Server::start().await;
    let (_, key) = server.tenant("acme").await;
    let mut stream = watch(&server, "?tenant=acme&types=event").await;
    server.publish(&key, "a.b", json!({})).await;
    stream.take("event", 1).await;
    let deleted = server.request(Method::DELETE, "/v1/tenants/acme");
    assert_eq!(deleted.send().await.unwrap().status(), 204);
    while let Some(message) = stream.next().await {
        assert_eq!(message.event, "event");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_a_few_events_a_second_is_told_that_there_were_more() {
    let (server, _directory) = Server::start().await;
    let mut whole = watch(&server, "?types=event").await;
    server.publish(KEY, "a.first", json!({})).await;
    whole.take("event", 1).await;
    let place = whole.last_id.clone();
    for _ in 0..20 {
        server.publish(KEY, "a.many", json!({})).await;
    }
    let few = "?types=event&per_second=1&view=short";
    let mut few = watch_as(&server, KEY, few, place.as_deref()).await;
    let seen = few.next().await.unwrap();
    assert_eq!(
        (seen.event.as_str(), seen.text("type")),
        ("event", "a.many")
    );
    assert_eq!(seen.data.get("payload"), None);
    let skipped = few.next().await.unwrap();
    assert_eq!(
        (skipped.event.as_str(), &skipped.data),
        ("skipped", &json!({ "count": null }))
    );
    server.publish(KEY, "a.last", json!({})).await;
    let last = few.next().await.unwrap();
    assert_eq!(
        (last.event.as_str(), last.text("type")),
        ("event", "a.last")
    );
    let rest = whole.take("event", 21).await;
    assert_eq!(
        rest[20].text("type"),
        "a.last",
        "whoever wants all of them gets them"
    );
    for refused in ["0", "1001"] {
        let path = format!("/v1/stream?per_second={refused}");
        let asked = server.bare(Method::GET, &path).bearer_auth(KEY);
        assert_eq!(asked.send().await.unwrap().status(), 400, "{refused}");
    }
}
