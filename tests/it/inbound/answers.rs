//! What a provider is answered.

use super::{Hook, source, source_with, types};
use crate::api::{Answer, Server};
use postrider::signature::Scheme;
use postrider_server::Reply;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// Nothing that a person or a program could mistake for something.
fn assert_empty(answer: &Answer) {
    assert_eq!((answer.status, answer.text.as_str()), (200, ""));
    assert!(!answer.headers.contains_key("content-type"));
    assert!(!answer.headers.contains_key("set-cookie"));
    assert!(answer.headers.contains_key("postrider-event-id"));
}

#[tokio::test]
async fn commands_and_modals_of_slack_are_answered_without_a_body() {
    let server = Server::start().await;
    let path = source(&server, "slack").await;
    for body in [
        "command=%2Fweather&text=94070",
        "payload=%7B%22type%22%3A%22view_submission%22%7D",
    ] {
        let hook = Hook::new(Scheme::Slack, &[FORM], body);
        assert_empty(&hook.send(&server, &path).await);
    }
    assert_eq!(types(&server).await.len(), 2);
}

#[tokio::test]
async fn a_source_answers_what_it_says() {
    let server = Server::start().await;
    let fields = json!({
        "custom": { "scheme": "body-hex" },
        "answer": { "status": 202, "body": "<ok/>", "content_type": "text/xml" },
    });
    let path = source_with(&server, "custom", fields).await;
    let hook = Hook::new(Scheme::BodyHex, &[], "{}");
    for duplicate in ["false", "true"] {
        let answer = hook.send(&server, &path).await;
        assert_eq!((answer.status, answer.text.as_str()), (202, "<ok/>"));
        assert_eq!(answer.headers["content-type"], "text/xml");
        assert_eq!(answer.headers["postrider-duplicate"], duplicate);
    }
    let route = path.replace("/in/", "/v1/sources/");
    let shown = server.get(&route).await.expect(200);
    assert_eq!(shown["answer"]["status"], 202);
    let usual = server.patch(&route, json!({ "answer": {} })).await;
    assert_eq!(usual.expect(200)["answer"], json!({}));
    let answer = hook.send(&server, &path).await.expect(200);
    assert_eq!(answer["received"], true);
    let error = server
        .patch(&route, json!({ "answer": { "status": 500 } }))
        .await;
    let error = error.problem(422, "invalid_value");
    assert_eq!(error["errors"][0]["pointer"], "/answer/status");
}

#[tokio::test]
async fn a_handler_answers_once_and_a_repeat_is_answered_likewise() {
    let server = Server::start().await;
    let path = source(&server, "slack").await;
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    server.api.answer("slack", "interaction", move |inbound| {
        let run = counted.fetch_add(1, Ordering::Relaxed);
        async move {
            assert!(!inbound.payload.is_empty());
            let modal = json!({ "response_action": "clear", "run": run });
            Ok(Some(Reply::json(&modal)?))
        }
    });
    server
        .api
        .answer("slack", "command", |_| async { Ok(None) });
    let modal = Hook::new(Scheme::Slack, &[FORM], "payload=%7B%22a%22%3A1%7D");
    for _ in 0..2 {
        let answer = modal.send(&server, &path).await.expect(200);
        assert_eq!(answer, json!({ "response_action": "clear", "run": 0 }));
    }
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    let command = Hook::new(Scheme::Slack, &[FORM], "command=%2Fa");
    assert_empty(&command.send(&server, &path).await);
}
