//! `postrider keys`, `tenants`, `event-types` and `sources`.

use super::{Server, has_line, text};
use serde_json::json;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

#[test]
fn a_key_is_made_with_what_it_may_do_and_revoked() {
    let (server, _data) = Server::start();
    let made = server.json(&["keys", "create", "reader", "--scope=read", "--expires=1d"]);
    assert_eq!(made["scopes"], json!(["read"]));
    let (id, key) = (text(&made["id"]), text(&made["key"]));
    let list = server.text(&["keys", "list"]);
    assert!(has_line(&list, &[&id, "reader", "read", "-"]), "{list}");
    assert!(!list.contains(&key), "a key is shown once");
    let as_reader = |args: &[&str]| {
        let mut command = server.command(args);
        super::said(command.env("POSTRIDER_API_KEY", &key))
    };
    assert_eq!(as_reader(&["events", "list"]).code, Some(0));
    let refused = as_reader(&["trigger", "a.b"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        refused.err.starts_with("postrider: forbidden: "),
        "{refused:?}"
    );
    assert_eq!(
        server.text(&["keys", "revoke", &id]),
        format!("revoked {id}\n")
    );
    assert_eq!(as_reader(&["events", "list"]).code, Some(2));
    let shown = server.text(&["keys", "create", "x", "--scope=publish,read"]);
    assert!(has_line(&shown, &["scopes", "publish,read"]), "{shown}");
}

#[test]
fn a_tenant_sees_its_own_and_is_deleted_with_it() {
    let (server, _data) = Server::start();
    let made = server.text(&["tenants", "create", "acme", "--description=a b"]);
    assert!(has_line(&made, &["name", "acme"]), "{made}");
    let create = ["endpoints", "create", "https://a.example/", "--tenant=acme"];
    let id = text(&server.json(&create)["id"]);
    assert_eq!(server.text(&["endpoints", "list"]), "there are none\n");
    assert!(
        server
            .text(&["endpoints", "list", "--tenant", "acme"])
            .contains(&id)
    );
    let list = server.json(&["tenants", "list"]);
    assert_eq!(list["data"][0]["name"], "acme");
    assert!(has_line(
        &server.text(&["tenants", "list"]),
        &["acme", &text(&list["data"][0]["id"]), "a", "b"]
    ));
    assert_eq!(
        server.json(&["tenants", "delete", "acme"])["done"],
        "deleted"
    );
}

#[test]
fn an_event_type_with_a_schema_refuses_what_does_not_match() {
    let (server, data) = Server::start();
    let schema = data.path().join("schema.json");
    fs::write(&schema, r#"{"type": "object", "required": ["amount"]}"#).unwrap();
    let schema = format!("@{}", schema.display());
    let create = ["event-types", "create", "payment.ok", "--validate"];
    let create = [
        &create[..],
        &["--schema", &schema, "--example", r#"{"amount":1}"#],
    ]
    .concat();
    let made = server.text(&create);
    assert!(has_line(&made, &["validate", "true"]), "{made}");
    assert!(made.contains("\nversion 1, of 20"), "{made}");
    let refused = server.refused(1, &["trigger", "payment.ok", "--data={}"]);
    assert!(
        refused.starts_with("postrider: schema_violation: "),
        "{refused}"
    );
    assert!(refused.contains("\n  at /payload: "), "{refused}");
    assert!(refused.contains("\n  request: req_"), "{refused}");
    let list = server.text(&["event-types", "list"]);
    assert!(has_line(&list, &["payment.ok", "true"]), "{list}");
    let got = server.json(&["event-types", "get", "payment.ok"]);
    assert_eq!(got["versions"][0]["example"], json!({"amount": 1}));
    server.text(&["event-types", "delete", "payment.ok"]);
    server.text(&["trigger", "payment.ok", "--data={}"]);
    server.refused(1, &["event-types", "get", "payment.ok"]);
}

#[test]
fn a_source_that_learns_its_secret_is_made_without_one() {
    let (server, _data) = Server::start();
    let made = server.json(&[
        "sources",
        "create",
        "asana",
        "--provider=asana",
        r#"--handshake={"learn_secret":true}"#,
        "--headers=x-a, X-B",
        "--body-bytes-max=1000",
    ]);
    assert_eq!(made["secrets"], json!([]));
    assert_eq!(made["headers"], json!(["x-a", "x-b"]));
    assert_eq!(made["body_bytes_max"], 1_000);
    let id = text(&made["id"]);
    let updated = server.json(&["sources", "update", &id, "--headers="]);
    assert_eq!(updated["headers"], json!([]));
    assert_eq!(updated["body_bytes_max"], 1_000);
}

#[test]
fn a_source_is_made_shown_changed_and_deleted() {
    let (server, data) = Server::start();
    let create = ["sources", "create", "billing", "--provider=stripe"];
    let create = [
        &create[..],
        &["--secret=whsec_test_secret", "--tolerance-s=60"],
    ]
    .concat();
    let made = server.json(&create);
    let id = text(&made["id"]);
    assert!(id.starts_with("src_"), "{made}");
    assert_eq!(made["tolerance_s"], 60);
    let shown = server.text(&["sources", "get", &id]);
    assert!(has_line(&shown, &["provider", "stripe"]), "{shown}");
    assert!(!shown.contains("test_secret"), "{shown}");
    let list = server.text(&["sources", "list"]);
    assert!(has_line(&list, &[&id, "billing", "stripe"]), "{list}");
    fs::write(data.path().join("new"), "whsec_another_secret\n").unwrap();
    let file = format!("--add-secret-file={}", data.path().join("new").display());
    let networks = "--allowed-networks=10.0.0.0/8, 192.0.2.0/24";
    let update = ["sources", "update", &id, &file, networks];
    let updated = server.text(&update);
    let networks = ["allowed", "networks", "10.0.0.0/8,192.0.2.0/24"];
    assert!(has_line(&updated, &networks), "{updated}");
    assert!(has_line(&updated, &["tolerance", "s", "60"]), "{updated}");
    assert!(!updated.contains("another_secret"), "{updated}");
    let secrets = server.json(&["sources", "get", &id])["secrets"].clone();
    assert_eq!(secrets.as_array().unwrap().len(), 2);
    let first = format!("--remove-secrets={}", secrets[0]["id"]);
    let update = ["sources", "update", &id, &first, "--allowed-networks="];
    let updated = server.json(&update);
    assert_eq!(updated["secrets"], json!([secrets[1]]));
    assert_eq!(updated["allowed_networks"], json!([]));
    assert_eq!(
        server.text(&["sources", "delete", &id]),
        format!("deleted {id}\n")
    );
    server.refused(1, &["sources", "get", &id]);
}

#[test]
fn what_has_come_to_a_source_is_listed_after_a_restart_too() {
    let (server, data) = Server::start();
    let create = ["sources", "create", "billing", "--provider=stripe"];
    let create = [&create[..], &["--secret=whsec_test_secret"]].concat();
    let id = text(&server.json(&create)["id"]);
    let none = server.text(&["sources", "receipts", &id]);
    assert_eq!(none, "there are none\n");
    let mut socket = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    let head = "host: a\r\ncontent-length: 2\r\nconnection: close\r\n\r\n";
    write!(socket, "POST /in/{id} HTTP/1.1\r\n{head}{{}}").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    let key = server.key.clone();
    server.stop();
    let server = Server::on(data.path(), 0, Some(&key));
    let list = server.json(&["sources", "receipts", &id]);
    let receipt = &list["data"][0];
    assert_eq!(receipt["result"], "refused");
    assert_eq!(receipt["bytes"], 2);
    let shown = server.text(&["sources", "receipts", &id]);
    assert!(shown.contains("signature_refused"), "{shown}");
}

#[test]
fn a_link_to_the_portal_is_made_for_a_tenant_and_revoked() {
    let (server, _data) = Server::start();
    server.text(&["tenants", "create", "acme"]);
    let create = ["portal-links", "create", "--tenant=acme"];
    let more = ["--act=retry,test", "--session=1h", "--color=#112233"];
    let made = server.json(&[&create[..], &more].concat());
    assert_eq!(made["scopes"], json!(["read", "retry", "test"]));
    assert_eq!(made["tenant"], "acme");
    let start = format!("{}/portal/#portal=plk_", server.url);
    assert!(text(&made["url"]).starts_with(&start), "{made}");
    let id = text(&made["id"]);
    let revoke = ["portal-links", "revoke", &id, "--tenant=acme"];
    assert_eq!(server.text(&revoke), format!("revoked {id}\n"));
    server.refused(1, &revoke);
    let refused = server.refused(1, &["portal-links", "create", "--color=red"]);
    assert!(refused.contains("#rrggbb"), "{refused}");
}
