//! Where requests may come from.

use super::{Hook, send, source_with};
use crate::api::{Answer, Server};
use postrider_server::ApiOptions;
use serde_json::json;

async fn from(server: &Server, path: &str, forwarded_for: &str) -> Answer {
    let hook = Hook::stripe("evt_1", "a.b");
    let mut headers = hook.signed();
    if !forwarded_for.is_empty() {
        headers.push(("x-forwarded-for".to_owned(), forwarded_for.to_owned()));
    }
    send(server, path, &headers, &hook.body).await
}

#[tokio::test]
async fn a_request_from_elsewhere_is_refused() {
    let server = Server::start().await;
    let networks = json!({ "allowed_networks": ["198.51.100.0/24", "2001:db8::/32"] });
    let path = source_with(&server, "stripe", networks).await;
    let problem = from(&server, &path, "").await;
    let problem = problem.problem(403, "source_network_refused");
    assert!(problem["detail"].as_str().unwrap().contains("127.0.0.1"));
    let own = json!({ "allowed_networks": ["127.0.0.1"] });
    let source = path.replace("/in/", "/v1/sources/");
    let view = server.patch(&source, own).await.expect(200);
    assert_eq!(view["allowed_networks"], json!(["127.0.0.1/32"]));
    from(&server, &path, "").await.expect(200);
}

#[tokio::test]
async fn nobody_is_believed_to_forward_who_is_not_trusted() {
    let server = Server::start().await;
    let networks = json!({ "allowed_networks": ["198.51.100.0/24"] });
    let path = source_with(&server, "stripe", networks).await;
    let problem = from(&server, &path, "198.51.100.7").await;
    problem.problem(403, "source_network_refused");
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_rightmost_stranger_is_the_sender() {
    let options = ApiOptions {
        trusted_proxies: "127.0.0.0/8, 10.0.0.0/8".parse().unwrap(),
        ..ApiOptions::default()
    };
    let server = Server::with(options).await;
    let networks = json!({ "allowed_networks": ["198.51.100.0/24"] });
    let path = source_with(&server, "stripe", networks).await;
    for (forwarded_for, status) in [
        ("198.51.100.7", 200),
        ("203.0.113.9, 198.51.100.7", 200),
        ("198.51.100.7, 10.0.0.9", 200),
        ("198.51.100.7, 203.0.113.9", 403),
        ("198.51.100.7, 203.0.113.9, 10.0.0.9", 403),
        ("198.51.100.7, unknown", 403),
        ("", 403),
    ] {
        let answer = from(&server, &path, forwarded_for).await;
        assert_eq!(answer.status, status, "{forwarded_for}: {}", answer.body);
    }
}
