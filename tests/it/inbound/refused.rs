//! What is refused before a signature is looked at, and what a provider is to send again.

use super::{Hook, SECRET, send, source, types};
use crate::api::Server;
use serde_json::Value;

#[tokio::test]
async fn where_there_is_no_source_nothing_is_read() {
    let server = Server::start().await;
    let body = "x".repeat(100 << 10);
    for path in [
        "/in/src_01h455vb4pex5vsknk084sn02q",
        "/in/stripe",
        "/in/evt_01h455vb4pex5vsknk084sn02q",
    ] {
        send(&server, path, &[], &body)
            .await
            .problem(404, "not_found");
    }
}

#[tokio::test]
async fn a_body_that_is_larger_than_a_payload_may_be_is_refused() {
    let server = Server::start().await;
    let path = source(&server, "stripe").await;
    let most = 256 << 10;
    let mut hook = Hook::stripe("evt_1", "a.b");
    hook.body.push_str(&" ".repeat(most - hook.body.len()));
    hook.taken(&server, &path).await;
    hook.body.push(' ');
    hook.send(&server, &path)
        .await
        .problem(413, "body_too_large");
    assert_eq!(types(&server).await.len(), 1);
}

#[tokio::test]
async fn a_refusal_tells_its_code_and_nothing_else() {
    let server = Server::start().await;
    let path = source(&server, "stripe").await;
    let hook = Hook::stripe("evt_1", "a.b");
    let mut headers = hook.signed();
    headers[0].1 = headers[0].1.replace("v1=", "v1=00");
    let signature = headers[0].1.clone();
    let problem = send(&server, &path, &headers, &hook.body).await;
    let problem = problem.problem(401, "signature_refused");
    assert_eq!(problem["detail"], "MALFORMED_SIGNATURE");
    let text = problem.to_string();
    assert!(
        !text.contains(SECRET) && !text.contains(&signature),
        "{text}"
    );
}

#[tokio::test]
async fn what_cannot_be_kept_is_to_be_sent_again() {
    let server = Server::start().await;
    let path = source(&server, "stripe").await;
    server.postrider.shutdown().await;
    let hook = Hook::stripe("evt_1", "a.b");
    let answer = hook.send(&server, &path).await;
    assert!(answer.headers.contains_key("retry-after"));
    answer.problem(503, "shutting_down");
    let server = server.restart().await;
    let (_, duplicate) = hook.taken(&server, &path).await;
    assert!(!duplicate);
}

#[tokio::test]
async fn the_description_says_that_no_key_is_needed() {
    let document = postrider_server::document();
    let receive = &document["paths"]["/in/{source}"]["post"];
    assert_eq!(receive["security"], serde_json::json!([{}]));
    let create = &document["components"]["schemas"]["SourceForm"]["properties"];
    assert_eq!(create["secrets"]["items"]["writeOnly"], true);
    let view = &document["components"]["schemas"]["SourceSecretView"]["properties"];
    let fields: Vec<&String> = view.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["created_at", "id", "note"]);
    assert_ne!(document["paths"]["/v1/sources"]["post"], Value::Null);
}
