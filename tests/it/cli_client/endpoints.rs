//! `postrider endpoints`.

use super::{Server, has_line, text};
use crate::hostile::Authority;
use crate::receiver::{Receiver, SECRET};
use serde_json::{Value, json};
use std::fs;

#[test]
fn a_script_that_ensures_its_endpoint_each_time_it_runs_has_one() {
    let (server, _directory) = Server::start();
    let ensure = |url: &str, more: &[&str]| {
        server.json(&[&["endpoints", "ensure", "ledger", url], more].concat())
    };
    let made = ensure("https://merchant.example/a", &["--type=payment.*"]);
    assert!(text(&made["secret"]).starts_with("whsec_"), "{made}");
    let again = ensure("https://merchant.example/a", &["--type=payment.*"]);
    assert_eq!((&again["id"], again.get("secret")), (&made["id"], None));
    let moved = ensure("https://merchant.example/b", &[]);
    assert_eq!(moved["id"], made["id"]);
    let table = server.text(&["endpoints", "list"]);
    assert_eq!(table.lines().count(), 2, "{table}");
    assert!(
        has_line(&table, &["ledger", "https://merchant.example/b"]),
        "{table}"
    );
}

#[test]
fn the_defaults_of_endpoints_are_shown_in_full() {
    let (server, _directory) = Server::start();
    let set = r#"--set={"timeout_ms": 5000, "signatures": [{"scheme": "stripe"}]}"#;
    let told = server.text(&["endpoints", "defaults", set]);
    let shown = server.text(&["endpoints", "defaults"]);
    assert_eq!(told, shown);
    assert!(has_line(&shown, &[r#""timeout_ms":"#, "5000,"]), "{shown}");
    assert!(shown.contains(r#""scheme": "stripe""#), "{shown}");
}

#[test]
fn the_client_certificate_of_a_tenant_is_set_shown_and_removed() {
    let (server, directory) = Server::start();
    let identity = Authority::new().identity("sender.example");
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let certificate = file("client.crt", identity.certificates());
    let key = file("client.key", identity.expose_private_key());
    let command = ["endpoints", "certificate"];
    let pair = ["--client-cert", &certificate, "--client-key", &key];
    let set = server.text(&[&command[..], &pair].concat());
    assert!(has_line(&set, &["private", "key", "[secret]"]), "{set}");
    assert_eq!(server.text(&command), set);
    let removed = server.text(&["endpoints", "certificate", "--remove"]);
    assert_eq!(removed, "removed client certificate\n");
}

#[test]
fn an_endpoint_is_made_shown_changed_and_deleted() {
    let (server, directory) = Server::start();
    let url = "https://merchant.example/hooks";
    let made = server.text(&["endpoints", "create", url, "--type=payment.*,refund"]);
    assert!(has_line(&made, &["url", url]), "{made}");
    assert!(has_line(&made, &["event", "types", "payment.*,refund"]));
    assert!(made.contains("whsec_"), "its secret is shown: {made}");

    let secret = directory.path().join("secret");
    fs::write(&secret, format!("{SECRET}\n")).unwrap();
    let secret = format!("--secret-file={}", secret.display());
    let more = [
        "--rate=5",
        "--spec",
        r#"{"headers": {"x-team": "a"}}"#,
        &secret,
    ];
    let id = server.endpoint("https://other.example/", &more);
    let shown = server.json(&["endpoints", "get", &id]);
    assert_eq!(shown["rate_limit"]["requests"], 5);
    assert_eq!(shown["headers"], json!({"x-team": "[secret]"}));
    assert_eq!(server.json(&["endpoints", "secret", &id])["secret"], SECRET);

    let list = server.json(&["endpoints", "list"]);
    let ids: Vec<_> = list["data"].as_array().unwrap().iter().collect();
    assert_eq!((ids.len(), &ids[1]["id"]), (2, &json!(id)));
    let table = server.text(&["endpoints", "list", "--limit=1"]);
    assert!(
        has_line(&table, &["ID", "STATUS", "TYPES", "URL"]),
        "{table}"
    );
    assert!(has_line(&table, &["active", "payment.*,refund", url]));
    let cursor = table.split("--cursor ").nth(1).expect("there are more");
    let rest = server.text(&["endpoints", "list", "--cursor", cursor.trim()]);
    assert!(rest.contains(&id) && !rest.contains(url), "{rest}");

    let change = ["--to=https://new.example/", "--description=new", "--rate=0"];
    let changed = server.json(&[&["endpoints", "update", &id], &change[..]].concat());
    assert_eq!(changed["url"], "https://new.example/");
    assert_eq!(
        (&changed["description"], &changed["rate_limit"]),
        (&json!("new"), &Value::Null)
    );
    let kept = json!({"x-team": "[secret]"});
    assert_eq!(changed["headers"], kept, "the rest stays");
    let shown = format!(
        "--spec={}",
        json!({"headers": changed["headers"], "concurrency": 2})
    );
    let again = server.json(&["endpoints", "update", &id, &shown]);
    assert_eq!(again["headers"], kept);
    let spec = r#"{"headers": {"x-other": "[secret]"}}"#;
    let refused = server.refused(1, &["endpoints", "update", &id, "--spec", spec]);
    assert!(refused.contains("give the value"), "{refused}");

    assert_eq!(
        server.text(&["endpoints", "delete", &id]),
        format!("deleted {id}\n")
    );
    let gone = server.refused(1, &["endpoints", "get", &id]);
    assert!(gone.starts_with("postrider: not_found: "), "{gone}");
}

#[test]
fn an_endpoint_is_paused_disabled_and_let_go_on() {
    let (server, _data) = Server::start();
    let id = server.endpoint("https://merchant.example/", &[]);
    for (what, status) in [
        ("pause", "paused"),
        ("resume", "active"),
        ("disable", "disabled"),
        ("enable", "active"),
    ] {
        let said = server.text(&["endpoints", what, &id]);
        assert_eq!(said, format!("{id} is {status}\n"));
        assert_eq!(server.json(&["endpoints", "get", &id])["status"], status);
    }
}

#[test]
fn a_secret_is_rotated_with_an_overlap() {
    let (server, _data) = Server::start();
    let id = server.endpoint("https://merchant.example/", &[]);
    let before = text(&server.json(&["endpoints", "secret", &id])["secret"]);
    let rotated = server.json(&["endpoints", "rotate-secret", &id, "--overlap=2h"]);
    assert_ne!(rotated["secret"], before);
    assert!(rotated["previous_expire_at"].is_string(), "{rotated}");
    let shown = server.text(&["endpoints", "secret", &id]);
    let new = rotated["secret"].as_str().unwrap();
    assert!(has_line(&shown, &["secret", new]));
    let ended = server.text(&["endpoints", "end-overlap", &id]);
    assert!(has_line(&ended, &["secret", new]), "{ended}");
    let shown = server.json(&["endpoints", "secret", &id]);
    assert!(shown["previous_expire_at"].is_null(), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_event_tells_what_comes_back() {
    let (server, _data) = Server::start();
    let receiver = Receiver::answering(200).await;
    let id = server.endpoint(&receiver.url(), &[]);
    let said = server.text(&["endpoints", "test", &id]);
    assert!(has_line(&said, &["status", "200"]), "{said}");
    assert_eq!(
        receiver.received()[0].header("x-event-type"),
        "postrider.ping"
    );
    let test = [
        "endpoints",
        "test",
        &id,
        "--type=a.b",
        "--data",
        r#"{"x":1}"#,
    ];
    assert_eq!(server.json(&test)["status"], 200);
    assert_eq!(receiver.bodies()[1], r#"{"x":1}"#);

    let unwell = Receiver::answering(503).await;
    let id = server.endpoint(&unwell.url(), &[]);
    let said = server.run(&["endpoints", "test", &id]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(has_line(&said.out, &["status", "503"]), "{said:?}");
    let verified = server.refused(1, &["endpoints", "create", &unwell.url(), "--verify"]);
    assert!(
        verified.starts_with("postrider: ping_failed: "),
        "{verified}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_come_of_an_endpoint_is_counted_and_what_waits_is_shown() {
    let (server, _data) = Server::start();
    let receiver = Receiver::answering(200).await;
    let id = server.endpoint(&receiver.url(), &[]);
    server.json(&["trigger", "a.b"]);
    let stats = server.text(&["endpoints", "stats", &id]);
    assert!(has_line(&stats, &["delivered", "1"]), "{stats}");
    assert!(
        has_line(&stats, &["HOUR", "ACCEPTED", "DELIVERED"]),
        "{stats}"
    );
    assert_eq!(
        server.json(&["endpoints", "stats", &id, "--hours=1"])["total"],
        1
    );
    assert_eq!(
        server.text(&["endpoints", "lanes", &id]),
        "there are none\n"
    );
    server.text(&["endpoints", "pause", &id]);
    server.text(&["events", "publish", "a.b", "--data=1", "--key=k 1"]);
    let lanes = server.json(&["endpoints", "lanes", &id]);
    assert_eq!(lanes["data"][0]["ordering_key"], "k 1");
    let lanes = server.text(&["endpoints", "lanes", &id]);
    assert!(has_line(&lanes, &["k", "1", "1"]), "{lanes}");
    let pending = ["endpoints", "deliveries", &id, "--state=pending"];
    let deliveries = server.json(&pending);
    assert_eq!(deliveries["data"].as_array().unwrap().len(), 1);
    assert!(has_line(
        &server.text(&pending),
        &["pending", "a.b", &id, "0"]
    ));
}
