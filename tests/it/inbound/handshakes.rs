//! Providers that ask whether somebody is there.

use super::{Hook, SECRET, send, source_with, types};
use crate::api::{Answer, Server};
use crate::receiver::Receiver;
use postrider::Secret;
use postrider::signature::{Message, Scheme, Signer};
use reqwest::Method;
use serde_json::{Value, json};

/// A secret that a handshake brings.
const BROUGHT: &str = "b537207f20cbfa02357cf448134da559e8bd39d61597dcd5631b8012eae53e81";

/// A custom source with this handshake.
async fn asking(server: &Server, handshake: Value) -> String {
    let fields = json!({ "custom": { "scheme": "body-hex" }, "handshake": handshake });
    source_with(server, "custom", fields).await
}

async fn get(server: &Server, path: &str) -> Answer {
    let nobody = [("authorization", "")];
    server.send(Method::GET, path, None, &nobody).await
}

#[track_caller]
fn assert_echo(answer: &Answer, text: &str) {
    assert_eq!((answer.status, answer.text.as_str()), (200, text));
    assert_eq!(answer.headers["content-type"], "text/plain; charset=utf-8");
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
}

#[tokio::test]
async fn a_hub_challenge_is_given_back_to_who_knows_the_token() {
    let server = Server::start().await;
    let handshake = json!({ "kind": "hub_challenge", "verify_token": "meatyhamhock" });
    let path = asking(&server, handshake).await;
    let query = "hub.mode=subscribe&hub.challenge=1158201444";
    let right = format!("{path}?{query}&hub.verify_token=meatyhamhock");
    assert_echo(&get(&server, &right).await, "1158201444");
    for wrong in ["", "&hub.verify_token=other"] {
        let answer = get(&server, &format!("{path}?{query}{wrong}")).await;
        let problem = answer.problem(401, "signature_refused");
        assert_eq!(problem["detail"], "VERIFY_TOKEN_DIFFERS");
    }
    let route = path.replace("/in/", "/v1/sources/");
    let shown = server.get(&route).await;
    assert!(!shown.text.contains("meatyhamhock"), "{}", shown.text);
    assert_eq!(shown.body["handshake"]["has_verify_token"], true);
    assert_eq!(types(&server).await, [""; 0]);
}

#[tokio::test]
async fn a_challenge_in_the_query_is_given_back_decoded() {
    let server = Server::start().await;
    let path = asking(&server, json!({ "kind": "challenge_query" })).await;
    let answer = get(&server, &format!("{path}?challenge=a%20b%3Cc%3E")).await;
    assert_echo(&answer, "a b<c>");
    let graph = json!({ "name": "graph", "handshake": { "kind": "validation_token" },
        "custom": { "scheme": "body-hex" } });
    let graph = source_with(&server, "custom", graph).await;
    let asked = format!("{graph}?validationToken=Validation%3a+Testing");
    let answer = send(&server, &asked, &[], "").await;
    assert_echo(&answer, "Validation: Testing");
    assert_eq!(types(&server).await, [""; 0]);
}

#[tokio::test]
async fn of_a_source_without_a_challenge_there_is_nothing_to_get() {
    let server = Server::start().await;
    let path = asking(&server, json!({})).await;
    let answer = get(&server, &format!("{path}?challenge=x&hub.challenge=y")).await;
    assert_eq!(answer.headers["allow"], "POST");
    answer.problem(405, "method_not_allowed");
    get(&server, "/in/src_01h455vb4pex5vsknk084sn02q")
        .await
        .problem(404, "not_found");
}

#[tokio::test]
async fn a_plain_token_is_given_back_with_its_hmac_and_only_if_it_is_signed() {
    let server = Server::start().await;
    let path = asking(&server, json!({ "kind": "plain_token" })).await;
    let body =
        r#"{"event":"endpoint.url_validation","payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"}}"#;
    let hook = Hook::new(Scheme::BodyHex, &[], body);
    let answer = hook.send(&server, &path).await.expect(200);
    let secret = Secret::parse(SECRET).unwrap();
    let signer = Signer::new(Scheme::BodyHex, &[secret]).unwrap();
    let message = Message {
        id: "",
        timestamp: 0,
        body: b"qgg8vlvZRS6UYooatFL8Aw",
    };
    let hmac = signer.sign(&message).unwrap()[0].value.clone();
    let expected = json!({ "plainToken": "qgg8vlvZRS6UYooatFL8Aw", "encryptedToken": hmac });
    assert_eq!(answer, expected);
    send(&server, &path, &[], body)
        .await
        .problem(401, "signature_refused");
    assert_eq!(types(&server).await, [""; 0]);
}

#[tokio::test]
async fn a_challenge_in_a_body_is_given_back_as_text() {
    let server = Server::start().await;
    let path = asking(&server, json!({ "kind": "challenge_body" })).await;
    let body = r#"{"challenge":"pogchamp-kappa-360noscope-vohiyo","subscription":{"id":"f1c2"}}"#;
    let kind = "twitch-eventsub-message-type";
    let asked = Hook::new(
        Scheme::BodyHex,
        &[(kind, "webhook_callback_verification")],
        body,
    );
    let answer = asked.send(&server, &path).await;
    assert_echo(&answer, "pogchamp-kappa-360noscope-vohiyo");
    let told = Hook::new(Scheme::BodyHex, &[(kind, "notification")], body);
    told.taken(&server, &path).await;
    assert_eq!(types(&server).await.len(), 1);
}

#[tokio::test]
async fn a_ping_of_discord_is_answered_with_a_pong() {
    let server = Server::start().await;
    let path = asking(&server, json!({ "kind": "ping" })).await;
    let ping = Hook::new(Scheme::BodyHex, &[], r#"{"type":1,"token":"t","id":"1"}"#);
    let answer = ping.send(&server, &path).await.expect(200);
    assert_eq!(answer, json!({ "type": 1 }));
    let event = Hook::new(Scheme::BodyHex, &[], r#"{"type":0,"version":1}"#);
    let answer = event.send(&server, &path).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    assert_eq!(types(&server).await, [""; 0]);
}

#[tokio::test]
async fn a_secret_is_learnt_once_and_verifies_what_comes_then() {
    let server = Server::start().await;
    let asked = json!({ "kind": "hook_secret", "learn_secret": true });
    let path = asking(&server, asked).await;
    let brought = "b537207f20cbfa02357cf448134da559e8bd39d61597dcd5631b8012eae53e81";
    let header = [("x-hook-secret".to_owned(), brought.to_owned())];
    for _ in 0..2 {
        let answer = send(&server, &path, &header, "").await;
        assert_eq!((answer.status, answer.text.as_str()), (200, ""));
        assert_eq!(answer.headers["x-hook-secret"], brought);
    }
    let other = [("x-hook-secret".to_owned(), "another".to_owned())];
    let refused = send(&server, &path, &other, "").await;
    let refused = refused.problem(401, "signature_refused");
    assert_eq!(refused["detail"], "HOOK_SECRET_NOT_EXPECTED");
    let mut hook = Hook::new(Scheme::BodyHex, &[], r#"{"id":"1"}"#);
    hook.secret = "b537207f20cbfa02357cf448134da559e8bd39d61597dcd5631b8012eae53e81";
    hook.taken(&server, &path).await;
    let server = server.restart().await;
    assert!(hook.taken(&server, &path).await.1, "it is kept");
}

#[tokio::test]
async fn a_source_that_waits_for_its_first_secret_takes_nothing_before() {
    let server = Server::start().await;
    let asana = json!({ "name": "asana", "provider": "asana",
        "handshake": { "learn_secret": true } });
    let made = server.post("/v1/sources", asana).await.expect(201);
    assert_eq!(
        (&made["secrets"], &made["signed"]),
        (&json!([]), &json!(true))
    );
    let path = made["path"].as_str().unwrap();
    let body = r#"{"events":[{"action":"changed","resource":{"gid":"1","resource_type":"task"}}]}"#;
    let mut hook = Hook::new(Scheme::BodyHex, &[], body);
    hook.secret = BROUGHT;
    let hmac = hook.signed().pop().unwrap().1;
    let signed = [("x-hook-signature".to_owned(), hmac)];
    let server = server.restart().await;
    for headers in [&signed[..], &[]] {
        let refused = send(&server, path, headers, body).await;
        let refused = refused.problem(401, "signature_refused");
        assert_eq!(refused["detail"], "NO_SECRET_YET");
    }
    assert_eq!(types(&server).await, [""; 0]);
    let header = [("x-hook-secret".to_owned(), BROUGHT.to_owned())];
    let answer = send(&server, path, &header, "").await;
    assert_eq!(answer.headers["x-hook-secret"], BROUGHT);
    send(&server, path, &signed, body).await.expect(200);
    let wrong = [("x-hook-signature".to_owned(), "00".repeat(32))];
    let refused = send(&server, path, &wrong, body).await;
    let refused = refused.problem(401, "signature_refused");
    assert_eq!(refused["detail"], "NO_MATCH");
    assert_eq!(types(&server).await, ["asana.task.changed"]);
}

#[tokio::test]
async fn only_a_handshake_that_brings_a_secret_takes_its_place() {
    let server = Server::start().await;
    for form in [
        json!({ "name": "a", "provider": "asana" }),
        json!({ "name": "b", "provider": "stripe", "handshake": { "learn_secret": true } }),
    ] {
        let problem = server.post("/v1/sources", form).await;
        let problem = problem.problem(422, "invalid_value");
        assert_eq!(problem["errors"][0]["pointer"], "/secrets");
    }
    let wrong = json!({ "name": "c", "provider": "custom",
        "handshake": { "kind": "hook_secret", "learn_secret": true },
        "custom": { "scheme": "body-hex", "signature_header": "not a header" } });
    let problem = server.post("/v1/sources", wrong).await;
    problem.problem(422, "invalid_value");
    let path = source_with(&server, "asana", json!({})).await;
    let route = path.replace("/in/", "/v1/sources/");
    let last = json!({ "remove_secrets": [1] });
    server
        .patch(&route, last)
        .await
        .problem(422, "invalid_value");
    let anew = json!({ "remove_secrets": [1], "handshake": { "learn_secret": true } });
    let anew = server.patch(&route, anew).await.expect(200);
    assert_eq!(anew["secrets"], json!([]));
}

#[tokio::test]
async fn an_unsigned_ping_passes_where_that_is_said_and_nothing_else_does() {
    let server = Server::start().await;
    let path = asking(&server, json!({ "unsigned_pings": true })).await;
    for body in ["webhook_id=17", ""] {
        let answer = send(&server, &path, &[], body).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, ""));
    }
    let wrong = [("x-signature".to_owned(), "00".repeat(32))];
    for (headers, body) in [(&[][..], r#"{"a":1}"#), (&wrong[..], "webhook_id=17")] {
        let refused = send(&server, &path, headers, body).await;
        refused.problem(401, "signature_refused");
    }
    let strict = json!({ "name": "strict", "custom": { "scheme": "body-hex" } });
    let strict = source_with(&server, "custom", strict).await;
    let refused = send(&server, &strict, &[], "webhook_id=17").await;
    refused.problem(401, "signature_refused");
    assert_eq!(types(&server).await, [""; 0]);
}

#[tokio::test]
async fn a_subscription_is_confirmed_through_the_egress_guard() {
    let server = Server::start().await;
    let path = asking(&server, json!({ "kind": "subscribe_url" })).await;
    let receiver = Receiver::answering(200).await;
    let confirm = |url: &str| {
        let body = json!({ "Type": "SubscriptionConfirmation", "SubscribeURL": url });
        Hook::new(Scheme::BodyHex, &[], &body.to_string())
    };
    let url = format!("{}?Action=ConfirmSubscription", receiver.url());
    let answer = confirm(&url).send(&server, &path).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, ""));
    assert_eq!(receiver.count(), 1);
    for refused in [
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/",
        "ftp://a.example/",
        "not a url",
    ] {
        let answer = confirm(refused).send(&server, &path).await;
        answer.problem(502, "confirmation_failed");
    }
    let failing = Receiver::answering(500).await;
    let answer = confirm(&failing.url()).send(&server, &path).await;
    answer.problem(502, "confirmation_failed");
    let told = Hook::new(Scheme::BodyHex, &[], r#"{"Type":"Notification"}"#);
    told.taken(&server, &path).await;
    assert_eq!(types(&server).await.len(), 1);
}
