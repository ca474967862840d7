//! The playground: each path of the server's own receiver behaves as it says, and requests reach it though
//! nothing else of the loopback network is open.

use super::Server;
use crate::receiver::Receiver;
use postrider::Postrider;
use postrider::egress::EgressGuard;
use postrider_server::{ApiOptions, Playground};
use serde_json::{Value, json};

/// A server that sends to public addresses, by `https://`, and to its playground.
async fn server() -> Server {
    let playground = Playground::start().await.unwrap();
    let guard = EgressGuard::public_only().https_only();
    let guard = guard.letting_through(playground.address());
    let postrider = Postrider::builder().egress(guard).start().await.unwrap();
    let options = ApiOptions {
        playground: Some(playground),
        ..ApiOptions::default()
    };
    Server::on_with(postrider, options).await
}

/// The URL of each behaviour.
async fn url(server: &Server, behaviour: &str) -> String {
    let shown = server.get("/v1/playground").await.expect(200);
    let receivers = shown["receivers"].as_array().unwrap();
    let found = receivers.iter().find(|it| it["behaviour"] == behaviour);
    let found = found.unwrap_or_else(|| panic!("{behaviour} is not in {shown}"));
    assert!(!found["description"].as_str().unwrap().is_empty());
    found["url"].as_str().unwrap().to_owned()
}

/// What became of an event that went there, once it is in this state: its statuses, and its delivery.
async fn statuses(server: &Server, behaviour: &str, state: &str) -> (Vec<Value>, Value) {
    let form = json!({
        "url": url(server, behaviour).await,
        "retry": { "delays_ms": [20, 20, 20], "jitter_percent": 0 }, "breaker": null,
        "timeout_ms": if behaviour == "never_answers" { 300 } else { 20_000 },
    });
    let endpoint = server.post("/v1/endpoints", form).await.expect(201);
    let event = json!({ "type": "a.b", "payload": {}, "endpoint_id": endpoint["id"] });
    let event = server.post("/v1/events", event).await.expect(202);
    let event = server.event_in(event["id"].as_str().unwrap(), state).await;
    let delivery = event["deliveries"][0].clone();
    let attempts = delivery["attempts"].as_array().unwrap().iter();
    (attempts.map(|it| it["status"].clone()).collect(), delivery)
}

#[tokio::test(flavor = "multi_thread")]
async fn receivers_that_answer_do_so_as_they_say() {
    let server = server().await;
    let (ok, _) = statuses(&server, "ok", "delivered").await;
    assert_eq!(ok, [200]);
    let (twice, _) = statuses(&server, "fails_twice", "delivered").await;
    assert_eq!(twice, [500, 500, 200]);
    let (gone, delivery) = statuses(&server, "gone", "failed").await;
    assert_eq!(gone, [410]);
    assert_eq!(delivery["reason"], "gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn receivers_that_take_their_time_do_so_as_they_say() {
    let server = server().await;
    let (never, slow, limited) = tokio::join!(
        statuses(&server, "never_answers", "failed"),
        statuses(&server, "slow", "delivered"),
        statuses(&server, "rate_limited", "delivered"),
    );
    assert_eq!(
        never.0,
        [Value::Null, Value::Null, Value::Null, Value::Null]
    );
    let failure = never.1["attempts"][0]["failure"].as_str().unwrap();
    assert!(failure.starts_with("timeout"), "{failure}");
    assert_eq!(slow.0, [200]);
    let took = slow.1["attempts"][0]["duration_ms"].as_u64().unwrap();
    assert!(took >= 2_900, "{took}");
    assert_eq!(limited.0, [429, 200]);
    let first = &limited.1["attempts"][0]["response_headers"];
    assert_eq!(super::header(first, "retry-after"), ["5"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_beside_the_playground_is_open() {
    let server = server().await;
    let other = Receiver::answering(200).await;
    for url in [other.url(), other.url().replace("http:", "https:")] {
        let refused = server.post("/v1/endpoints", json!({ "url": url })).await;
        refused.problem(422, "invalid_endpoint");
    }
    let own = url(&server, "ok").await;
    for host in ["127.0.0.2", "localhost", "[::1]", "[::ffff:127.0.0.1]"] {
        let url = own.replace("127.0.0.1", host);
        let refused = server.post("/v1/endpoints", json!({ "url": url })).await;
        refused.problem(422, "invalid_endpoint");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_playground_says_what_turns_it_on() {
    let server = Server::start().await;
    let missing = server.get("/v1/playground").await;
    let missing = missing.problem(404, "playground_off");
    assert!(missing["detail"].as_str().unwrap().contains("`playground`"));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_with_its_last_handle_and_what_it_does_not_know_is_not_found() {
    let playground = Playground::start().await.unwrap();
    let address = playground.address();
    // Another test may have done so before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{address}/nothing");
    let answer = http.post(&url).body("{}").send().await.unwrap();
    assert_eq!(answer.status(), 404);
    let large = http.post(format!("http://{address}/ok"));
    // One that takes it all may have closed the connection before the answer is read.
    if let Ok(answer) = large.body(vec![b' '; (16 << 20) + 1]).send().await {
        assert_eq!(answer.status(), 413);
    }
    drop(playground);
    crate::receiver::until("its port is closed", || async {
        tokio::net::TcpStream::connect(address).await.is_err()
    })
    .await;
}
