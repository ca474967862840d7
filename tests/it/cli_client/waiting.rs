//! `postrider lanes`, and a retry by hand.

use super::{Server, has_line, text, until};
use crate::receiver::Receiver;
use std::sync::atomic::Ordering;

#[tokio::test(flavor = "multi_thread")]
async fn what_blocks_a_lane_is_shown_and_sent_now() {
    let (server, _data) = Server::start();
    let (receiver, status) = Receiver::changeable(503).await;
    let spec = r#"--spec={"retry": {"delays_ms": [3600000]}}"#;
    let endpoint = server.endpoint(&receiver.url(), &[spec]);
    assert_eq!(server.text(&["lanes"]), "there are none\n");
    server.text(&["events", "publish", "a.b", "--data=1"]);
    until("it waits", || {
        let lanes = server.json(&["lanes"]);
        lanes["data"][0]["head"]["wait"]["cause"] == "backoff"
    });
    let lanes = server.json(&["lanes", "--endpoint", &endpoint]);
    let head = text(&lanes["data"][0]["head"]["id"]);
    let shown = server.text(&["lanes", "--all-tenants"]);
    assert!(
        has_line(&shown, &[&endpoint, "default", "-", "1", &head]),
        "{shown}"
    );
    status.store(200, Ordering::Relaxed);
    let retried = server.text(&["deliveries", "retry", &head]);
    assert_eq!(
        retried,
        format!("{head} is on its way, and waits no longer\n")
    );
    until("it is delivered", || {
        server.json(&["deliveries", "get", &head])["state"] == "delivered"
    });
    assert_eq!(server.text(&["lanes"]), "there are none\n");
}
