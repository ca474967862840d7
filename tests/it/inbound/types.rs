//! Types and ids that are no event types and no keys.

use super::{Hook, source, source_with, types};
use crate::api::Server;
use postrider::signature::Scheme;
use serde_json::json;

#[tokio::test]
async fn what_an_event_type_cannot_have_is_replaced() {
    let server = Server::start().await;
    let path = source(&server, "stripe").await;
    let long = "x".repeat(200);
    let long_type = format!("stripe.{}", "x".repeat(121));
    for (number, (given, made)) in [
        ("charge.succeeded", "stripe.charge.succeeded"),
        ("a b/ü", "stripe.a_b__"),
        (".a..b.", "stripe.a.b"),
        ("", "stripe.unknown"),
        (&*long, &*long_type),
    ]
    .into_iter()
    .enumerate()
    {
        let hook = Hook::stripe(&format!("evt_{number}"), given);
        let (id, _) = hook.taken(&server, &path).await;
        let event = server.get(&format!("/v1/events/{id}")).await.expect(200);
        assert_eq!(event["type"], made);
    }
}

#[tokio::test]
async fn a_body_that_names_no_type_is_taken_all_the_same() {
    let server = Server::start().await;
    let stripe = source(&server, "stripe").await;
    for body in ["[1]", "not JSON", "", r#"{"type": {}}"#] {
        Hook::new(Scheme::Stripe, &[], body)
            .taken(&server, &stripe)
            .await;
    }
    assert_eq!(types(&server).await, ["stripe.unknown"; 4]);
}

#[tokio::test]
async fn without_an_id_what_was_signed_tells_repeats() {
    let server = Server::start().await;
    let github = source(&server, "github").await;
    let push = |body| Hook::new(Scheme::Github, &[("x-github-event", "push")], body);
    let (one, _) = push(r#"{"n":1}"#).taken(&server, &github).await;
    assert_eq!(
        push(r#"{"n":1}"#).taken(&server, &github).await,
        (one.clone(), true)
    );
    let (other, duplicate) = push(r#"{"n":2}"#).taken(&server, &github).await;
    assert!(other != one && !duplicate);
    let slack = source(&server, "slack").await;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let mut command = Hook::new(Scheme::Slack, &form, "command=%2Fdeploy");
    let (one, _) = command.taken(&server, &slack).await;
    assert_eq!(command.taken(&server, &slack).await, (one.clone(), true));
    command.at -= 1;
    let (other, duplicate) = command.taken(&server, &slack).await;
    assert!(
        other != one && !duplicate,
        "another second, another command"
    );
}

#[tokio::test]
async fn an_id_that_is_no_key_is_hashed() {
    let server = Server::start().await;
    let path = source(&server, "stripe").await;
    let long = "x".repeat(1_000);
    let mut events = Vec::new();
    for id in [&*long, &format!("{long}y"), "with space", "ü", "evt_1"] {
        let hook = Hook::stripe(id, "a.b");
        let (event, duplicate) = hook.taken(&server, &path).await;
        assert!(!duplicate);
        assert_eq!(hook.taken(&server, &path).await, (event.clone(), true));
        events.push(event);
    }
    events.dedup();
    assert_eq!(events.len(), 5);
}

#[tokio::test]
async fn two_sources_do_not_share_ids() {
    let server = Server::start().await;
    let one = source(&server, "stripe").await;
    let other = source_with(&server, "stripe", json!({ "name": "stripe-2" })).await;
    let hook = Hook::stripe("evt_1", "a.b");
    let (first, _) = hook.taken(&server, &one).await;
    let (second, duplicate) = hook.taken(&server, &other).await;
    assert!(first != second && !duplicate);
}

#[tokio::test]
async fn a_repeat_with_another_body_is_taken_for_the_repeat_it_says_it_is() {
    let server = Server::start().await;
    let path = source(&server, "stripe").await;
    let hook = Hook::stripe("evt_1", "a.b");
    let (first, _) = hook.taken(&server, &path).await;
    let mut other = hook.clone();
    other.body = other.body.replace("4200", "4300");
    assert_eq!(other.taken(&server, &path).await, (first.clone(), true));
    let event = server.get(&format!("/v1/events/{first}")).await.expect(200);
    assert_eq!(event["payload"]["data"]["amount"], 4200);
    assert_eq!(types(&server).await.len(), 1);
}

#[tokio::test]
async fn a_custom_source_says_where_type_and_id_are() {
    let server = Server::start().await;
    let path = |name, custom| {
        let fields = json!({ "name": name, "custom": custom });
        source_with(&server, "custom", fields)
    };
    let headers = [("x-acme-event", "parcel.sent"), ("x-acme-id", "p-1")];
    let body = r#"{"event":"from the body","id":"b-1"}"#;
    let hook = Hook::new(Scheme::BodyHex, &headers, body);
    let by_headers =
        json!({ "scheme": "body-hex", "type_header": "x-acme-event", "id_header": "x-acme-id" });
    let key = |id: String| {
        let postrider = server.postrider.clone();
        async move {
            let event = postrider.event(&id.parse().unwrap()).await.unwrap();
            event
                .idempotency_key
                .unwrap()
                .rsplit(':')
                .next()
                .unwrap()
                .to_owned()
        }
    };
    let (by_header, _) = hook.taken(&server, &path("acme", by_headers).await).await;
    assert_eq!(key(by_header).await, "p-1");
    let plain = json!({ "scheme": "body-hex" });
    let (by_default, _) = hook.taken(&server, &path("plain", plain).await).await;
    assert_eq!(key(by_default).await, "b-1");
    let standard = Hook::new(Scheme::Standard, &[], body);
    let signed = json!({ "scheme": "standard" });
    let (by_signed, _) = standard.taken(&server, &path("signed", signed).await).await;
    assert_eq!(
        key(by_signed).await,
        "msg_1",
        "what the signature covers goes before the body"
    );
    let expected = [
        "acme.parcel.sent",
        "plain.from_the_body",
        "signed.from_the_body",
    ];
    assert_eq!(types(&server).await, expected);
}
