//! `postrider events`, `trigger` and `deliveries`.

use super::{Server, has_line, postrider, said, text, until};
use crate::receiver::Receiver;
use serde_json::{Value, json};
use std::io::Write;
use std::process::Stdio;

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_published_in_its_exact_text_and_followed() {
    let (server, _data) = Server::start();
    let receiver = Receiver::answering(200).await;
    let endpoint = server.endpoint(&receiver.url(), &[]);
    let payload = r#"{"b":1.50, "a": "ü"}"#;
    let publish = ["events", "publish", "payment.ok", "--data", payload];
    let once = [&publish[..], &["--idempotency-key=i1", "--key=k1"]].concat();
    let accepted = server.json(&once);
    assert_eq!(accepted["deliveries"][0]["endpoint_id"], endpoint);
    let id = text(&accepted["id"]);
    let again = server.text(&once);
    assert!(
        again.starts_with(&format!("accepted {id}, as it was before\n")),
        "{again}"
    );
    until("it comes", || receiver.count() == 1);
    assert_eq!(receiver.bodies(), [payload]);
    let get = ["events", "get", &id];
    until("it is recorded", || {
        server.json(&get)["state"] == "delivered"
    });

    let shown = server.text(&get);
    for words in [
        &["type", "payment.ok"][..],
        &["state", "delivered"],
        &["ordering", "key", "k1"],
        &[&endpoint, "delivered", "1", "200"],
    ] {
        assert!(has_line(&shown, words), "{words:?} in {shown}");
    }
    let steps = server.json(&["events", "timeline", &id]);
    let steps: Vec<&Value> = steps["steps"].as_array().unwrap().iter().collect();
    let what: Vec<_> = steps.iter().map(|step| text(&step["what"])).collect();
    assert_eq!(what, ["accepted", "attempted", "delivered"]);
    let steps = server.text(&["events", "timeline", &id]);
    assert!(
        has_line(&steps, &["attempted", &endpoint, "200"]),
        "{steps}"
    );
    let why = server.text(&["events", "explain", &id, "--endpoint", &endpoint]);
    assert!(
        why.starts_with("the endpoint got a delivery of it\n- "),
        "{why}"
    );
}

#[test]
fn headers_go_with_an_event() {
    let (server, _data) = Server::start();
    let publish = [
        "events",
        "publish",
        "a.b",
        "--data=1",
        "--header=X-Shop: a: b",
    ];
    let accepted = server.json(&publish);
    let shown = server.json(&["events", "get", &text(&accepted["id"])]);
    assert_eq!(shown["headers"], json!({ "x-shop": "a: b" }));
}

#[test]
fn what_a_strict_parser_refuses_is_published_and_shown_as_it_is() {
    let (server, data) = Server::start();
    let payload = r#"{"z":1.10,"far":1e400,"t":"caf\ud83d","a":12345678901234567890123}"#;
    let file = data.path().join("payload.json");
    std::fs::write(&file, format!("\u{feff}{payload}")).unwrap();
    let from = format!("--data=@{}", file.display());
    let metadata = format!(r#"--spec={{"metadata": {payload}}}"#);
    let filter = r#"--filter={"a": 12345678901234567890123}"#;
    let create = [
        "endpoints",
        "create",
        "https://merchant.example/",
        &metadata,
        filter,
    ];
    let made = server.text(&[&create[..], &["--json"]].concat());
    assert!(made.contains(&format!(r#""metadata":{payload}"#)), "{made}");
    let list = server.text(&["endpoints", "list", "--json"]);
    assert!(list.contains(&format!(r#""metadata":{payload}"#)), "{list}");
    let other = server.json(&[
        "events",
        "publish",
        "a.b",
        r#"--data={"a": 12345678901234567890124}"#,
    ]);
    assert_eq!(other["deliveries"], json!([]));
    let id = text(&other["id"]);
    assert_eq!(
        server.json(&["events", "get", &id])["state"],
        "no_subscribers"
    );
    let accepted = server.json(&["events", "publish", "a.b", &from]);
    assert_eq!(accepted["deliveries"].as_array().unwrap().len(), 1);
    let id = text(&accepted["id"]);
    let shown = server.text(&["events", "get", &id]);
    for words in [
        &[r#""z":"#, "1.10,"][..],
        &[r#""far":"#, "1e400,"],
        &[r#""t":"#, "\"caf\u{fffd}\","],
        &[r#""a":"#, "12345678901234567890123"],
    ] {
        assert!(has_line(&shown, words), "{words:?} in {shown}");
    }
    let json = server.text(&["events", "get", &id, "--json"]);
    assert!(json.contains(&format!(r#""payload":{payload}"#)), "{json}");
}

#[test]
fn an_event_that_an_endpoint_did_not_get_is_explained_with_exit_status_1() {
    let (server, _data) = Server::start();
    let endpoint = server.endpoint("https://merchant.example/", &["--type=refund"]);
    let said = server.text(&["events", "publish", "payment.ok", "--data={}"]);
    assert!(said.ends_with("no endpoint gets it\n"), "{said}");
    let id = server.json(&["events", "list"])["data"][0]["id"].clone();
    let explain = ["events", "explain", &text(&id), "--endpoint", &endpoint];
    let said = server.run(&explain);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(
        said.out.contains("none of its event types covers"),
        "{said:?}"
    );
}

#[test]
fn events_are_listed_by_type_and_time() {
    let (server, _data) = Server::start();
    for event_type in ["a.b", "c.d", "a.e"] {
        server.text(&["events", "publish", event_type, "--data=1"]);
    }
    let types = |args: &[&str]| -> Vec<String> {
        let list = server.json(&[&["events", "list"], args].concat());
        let events = list["data"].as_array().unwrap().iter();
        events.map(|event| text(&event["type"])).collect()
    };
    assert_eq!(types(&[]), ["a.e", "c.d", "a.b"]);
    assert_eq!(types(&["--type=a.*", "--order=oldest"]), ["a.b", "a.e"]);
    assert_eq!(types(&["--type=c.d,a.b", "--since=1h"]), ["c.d", "a.b"]);
    assert_eq!(types(&["--until=1h"]), [""; 0]);
    let table = server.text(&["events", "list", "--limit=2"]);
    assert!(
        has_line(&table, &["ID", "TYPE", "KEY", "PUBLISHED"]),
        "{table}"
    );
    assert!(table.contains("there are more: add --cursor "), "{table}");
}

#[test]
fn an_event_for_later_says_when_it_is_delivered() {
    let (server, _data) = Server::start();
    let publish = ["events", "publish", "a.b", "--data=1", "--at=5m"];
    let said = server.text(&publish);
    assert!(said.contains("; it is delivered at 20"), "{said}");
    let accepted = server.json(&publish);
    assert!(accepted["deliver_after"].is_string(), "{accepted}");
    let id = text(&accepted["id"]);
    let waiting = server.text(&["events", "scheduled"]);
    assert!(has_line(&waiting, &[&id, "a.b", "-"]), "{waiting}");
    let cancelled = server.text(&["events", "cancel", &id]);
    assert_eq!(cancelled, format!("cancelled {id}\n"));
    let waiting = server.json(&["events", "scheduled"]);
    assert_eq!(waiting["data"].as_array().unwrap().len(), 1);
    let refused = server.refused(1, &["events", "cancel", &id]);
    assert!(refused.starts_with("postrider: not_found: "), "{refused}");
}

#[test]
fn a_payload_comes_from_the_standard_input_and_the_key_from_a_file() {
    let (server, data) = Server::start();
    std::fs::write(data.path().join("key"), format!("{}\n", server.key)).unwrap();
    let mut command = postrider(data.path());
    command.args(["events", "publish", "a.b", "--data=-", "--json", "--url"]);
    command
        .arg(&server.url)
        .env("POSTRIDER_API_KEY_FILE", "key");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let mut input = process.stdin.take().unwrap();
    input.write_all(b"{\"from\": \"stdin\"}\n").unwrap();
    drop(input);
    let output = process.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let accepted: Value = serde_json::from_slice(&output.stdout).unwrap();
    let event = server.json(&["events", "get", &text(&accepted["id"])]);
    assert_eq!(event["payload"], json!({"from": "stdin"}));
    let nobody = said(postrider(data.path()).args(["events", "list", "--url", &server.url]));
    assert_eq!(nobody.code, Some(2), "{nobody:?}");
    assert!(nobody.err.contains("set POSTRIDER_API_KEY"), "{nobody:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_shows_the_deliveries_that_it_makes() {
    let (server, _data) = Server::start();
    let receiver = Receiver::answering(200).await;
    let endpoint = server.endpoint(&receiver.url(), &["--type=a.b"]);
    let said = server.text(&["trigger", "a.b"]);
    assert!(said.contains(" is delivered\n"), "{said}");
    assert!(
        has_line(&said, &[&endpoint, "delivered", "1", "200"]),
        "{said}"
    );
    let sample: Value = serde_json::from_str(&receiver.bodies()[0]).unwrap();
    assert_eq!(
        (&sample["sample"], &sample["type"]),
        (&json!(true), &json!("a.b"))
    );
    let event = server.json(&["trigger", "a.b", "--data", r#"{"own":1}"#]);
    assert_eq!(event["state"], "delivered");
    assert_eq!(receiver.bodies()[1], r#"{"own":1}"#);
    let nobody = server.text(&["trigger", "c.d"]);
    assert!(nobody.ends_with("no endpoint gets it\n"), "{nobody}");

    let refusing = Receiver::answering(400).await;
    server.endpoint(&refusing.url(), &["--type=e.f"]);
    let said = server.run(&["trigger", "e.f"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(has_line(&said.out, &["failed", "1", "400"]), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_is_found_by_what_came_back_and_sent_again() {
    let (server, _data) = Server::start();
    let receiver = Receiver::answering(404).await;
    let endpoint = server.endpoint(&receiver.url(), &[]);
    server.run(&["trigger", "a.b"]);
    let found = ["deliveries", "list", "--state=failed", "--status-class=4"];
    let found = [&found[..], &["--endpoint", &endpoint, "--since=1h"]].concat();
    let list = server.json(&found);
    let id = text(&list["data"][0]["id"]);
    let table = server.text(&found);
    assert!(
        has_line(&table, &[&id, "failed", "a.b", &endpoint, "1", "404"]),
        "{table}"
    );
    for other in [
        "--status-class=5",
        "--failure=dns",
        "--state=delivered",
        "--type=x.*",
    ] {
        let none = server.text(&["deliveries", "list", other]);
        assert_eq!(none, "there are none\n", "{other}");
    }
    let shown = server.text(&["deliveries", "get", &id]);
    assert!(has_line(&shown, &["reason", "rejected"]), "{shown}");
    assert!(
        has_line(&shown, &["1", "404", "answer"]),
        "its attempt: {shown}"
    );
    assert!(has_line(&shown, &["request", "1", "whole"]), "{shown}");
    let attempt = server.text(&["deliveries", "attempt", &id, "1"]);
    assert!(has_line(&attempt, &["x-attempt", "1"]), "{attempt}");

    let resent = server.json(&["deliveries", "retry", &id]);
    assert_eq!(resent["resend_of"], id);
    let new = text(&resent["id"]);
    until("it fails, too", || {
        server.json(&["deliveries", "get", &new])["state"] == "failed"
    });
    let said = server.text(&["deliveries", "discard", &new]);
    assert_eq!(said, format!("discarded {new}\n"));
    let again = server.refused(1, &["deliveries", "discard", &new]);
    assert!(again.starts_with("postrider: already_ended: "), "{again}");
}
