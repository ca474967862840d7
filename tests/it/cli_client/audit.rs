//! `postrider audit`.

use super::{Server, has_line, text};

#[test]
fn what_was_done_is_shown_with_who_did_it() {
    let (server, _data) = Server::start();
    let made = server.json(&["endpoints", "create", "https://a.example/"]);
    let id = text(&made["id"]);
    server.text(&["endpoints", "pause", &id]);
    let shown = server.text(&["audit", "--target", &id]);
    assert!(has_line(&shown, &["endpoint.pause", &id, "key"]), "{shown}");
    assert!(has_line(&shown, &["endpoint.create", &id]), "{shown}");
    let paused = server.json(&["audit", "--act=endpoint.pause", "--since=1h"]);
    assert_eq!(paused["data"][0]["target"]["id"], id.as_str());
    assert_eq!(paused["data"].as_array().unwrap().len(), 1);
    server.text(&["tenants", "create", "acme"]);
    let own = server.text(&["audit", "--act=tenant"]);
    assert_eq!(own, "there are none\n");
    let all = server.text(&["audit", "--act=tenant", "--all-tenants"]);
    assert!(has_line(&all, &["acme", "tenant.create"]), "{all}");
    let refused = server.refused(1, &["audit", "--act=explode"]);
    assert!(refused.contains("endpoint.pause"), "{refused}");
}
