//! What an operator forbids holds for new endpoints and for those on record: networks, `http://`, and
//! long attempts.

use super::{Server, postrider, text, until};
use crate::receiver::{Receiver, Reply};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// The server on these data again, with this setting.
fn again(directory: &Path, before: Server, setting: &str) -> Server {
    let (port, key) = (before.port(), before.key.clone());
    before.stop();
    let mut command = postrider(directory);
    let (name, value) = setting.split_once('=').unwrap();
    command.env(name, value);
    Server::of(command, port, Some(&key))
}

/// The attempts of the only delivery of the event, once there are some.
fn attempts(server: &Server, event: &str) -> Vec<Value> {
    let mut found = Vec::new();
    until("an attempt has ended", || {
        let list = server.json(&["deliveries", "list", "--event", event]);
        let delivery = server.json(&["deliveries", "get", &text(&list["data"][0]["id"])]);
        found = delivery["attempts"].as_array().unwrap().clone();
        !found.is_empty()
    });
    found
}

fn publish(server: &Server) -> String {
    text(&server.json(&["events", "publish", "a.b", "--data=1"])["id"])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_is_denied_stays_closed_whatever_is_allowed() {
    let (server, data) = Server::start();
    let receiver = Receiver::answering(200).await;
    server.endpoint(&receiver.url(), &[]);
    publish(&server);
    until("it is open so far", || receiver.count() == 1);
    let setting = "POSTRIDER_DENY_NETWORKS=127.0.0.1/32";
    let server = again(data.path(), server, setting);
    let attempts = attempts(&server, &publish(&server));
    assert_eq!(attempts[0]["failure"], "blocked_address", "{attempts:?}");
    let refused = server.refused(1, &["endpoints", "create", &receiver.url()]);
    assert!(refused.contains("deny list"), "{refused}");
    server.endpoint("http://127.0.0.2:8443/", &[]);
    assert_eq!(receiver.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_over_http_is_sent_where_the_operator_allows_it_alone() {
    let (server, data) = Server::start();
    let receiver = Receiver::answering(200).await;
    server.endpoint(&receiver.url(), &[]);
    publish(&server);
    until("it is open so far", || receiver.count() == 1);
    let server = again(data.path(), server, "POSTRIDER_ALLOW_HTTP=false");
    let attempts = attempts(&server, &publish(&server));
    assert_eq!(attempts[0]["failure"], "blocked_address", "{attempts:?}");
    let refused = server.refused(1, &["endpoints", "create", &receiver.url()]);
    assert!(refused.contains("allow_http"), "{refused}");
    assert_eq!(receiver.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_attempt_takes_longer_than_the_operator_lets_it() {
    let (server, data) = Server::start();
    let receiver = Receiver::start(|_, _| Reply::Never).await;
    let long = ["--timeout-ms=600000"];
    let id = server.endpoint(&receiver.url(), &long);
    let server = again(data.path(), server, "POSTRIDER_ATTEMPT_TIMEOUT_MAX_S=1");
    let first = &attempts(&server, &publish(&server))[0];
    assert_eq!(first["failure"], "timeout_response", "{first}");
    let took = Duration::from_millis(first["duration_ms"].as_u64().unwrap());
    assert!((1..10).contains(&took.as_secs()), "{first}");
    // What is said is refused beyond it, and what nobody has said is cut to it.
    let refused = server.refused(
        1,
        &[&["endpoints", "create", &receiver.url()], &long[..]].concat(),
    );
    assert!(refused.contains("timeout_ms"), "{refused}");
    let made = server.json(&["endpoints", "create", &receiver.url()]);
    assert_eq!(made["timeout_ms"], json!(1_000));
    let update = ["endpoints", "update", &id, "--description=slow"];
    assert_eq!(server.json(&update)["timeout_ms"], json!(1_000));
}
