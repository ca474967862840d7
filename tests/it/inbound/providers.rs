//! What each provider sends: taken once, whatever is sent again, and refused if it is forged or
//! old.

use super::{Hook, SECRET, now, send, source, source_with, types};
use crate::api::Server;
use postrider::signature::{HeaderNames, Scheme};
use serde_json::{Value, json};

/// A webhook of a provider, and what it becomes.
struct Case {
    provider: &'static str,
    hook: Hook,
    event_type: &'static str,
    /// The provider's id; `None` where what was signed takes its place.
    id: Option<&'static str>,
    payload: String,
}

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

fn case(
    (provider, hook): (&'static str, Hook),
    event_type: &'static str,
    id: Option<&'static str>,
) -> Case {
    Case {
        payload: hook.body.clone(),
        provider,
        hook,
        event_type,
        id,
    }
}

fn custom() -> Hook {
    let body = r#"{"event": {"kind": "parcel.sent"}, "nr": 17}"#;
    let mut hook = Hook::new(Scheme::TimestampedSha256, &[], body);
    hook.names = HeaderNames {
        signature: Some("acme-signature".to_owned()),
        timestamp: Some("acme-time".to_owned()),
        ..HeaderNames::default()
    };
    hook
}

fn custom_form() -> Value {
    json!({
        "scheme": "timestamped-sha256",
        "signature_header": "Acme-Signature",
        "timestamp_header": "acme-time",
        "type_pointer": "/event/kind",
        "id_pointer": "/nr",
    })
}

#[rustfmt::skip] // a line for each
fn cases() -> Vec<Case> {
    let stripe = r#"{ "id":"evt_1", "object":"event", "type":"payment_intent.succeeded", "livemode":false, "amount": 1.0 }"#;
    let mention = r#"{"type":"event_callback","event_id":"Ev08MFMKH6","event":{"type":"app_mention","text":"hi"}}"#;
    let shopify = [("x-shopify-topic", "orders/create"), ("x-shopify-webhook-id", "b54557e4"), ("x-shopify-event-id", "98880550")];
    let mut command = case(("slack", Hook::new(Scheme::Slack, &[FORM], "command=%2Fweather&text=94070+SF")), "slack.command", None);
    command.payload = r#"{"command":"/weather","text":"94070 SF"}"#.to_owned();
    let mut interaction = case(("slack", Hook::new(Scheme::Slack, &[FORM], "payload=%7B%22type%22%3A%22block_actions%22%7D")), "slack.interaction", None);
    interaction.payload = r#"{"type":"block_actions"}"#.to_owned();
    vec![
        case(("stripe", Hook::new(Scheme::Stripe, &[], stripe)), "stripe.payment_intent.succeeded", Some("evt_1")),
        case(("github", Hook::github("72d3162e-cc78", "push", r#"{"ref":"refs/heads/main"}"#)), "github.push", Some("72d3162e-cc78")),
        case(("github", Hook::github("72d3162e-cc79", "pull_request", r#"{"action":"opened","number":2}"#)), "github.pull_request.opened", Some("72d3162e-cc79")),
        case(("github", Hook::github("72d3162e-cc80", "ping", r#"{"zen":"Keep it logically awesome."}"#)), "github.ping", Some("72d3162e-cc80")),
        case(("shopify", Hook::new(Scheme::Shopify, &shopify, r#"{"id":1}"#)), "shopify.orders.create", Some("b54557e4")),
        case(("slack", Hook::new(Scheme::Slack, &[], mention)), "slack.event.app_mention", Some("Ev08MFMKH6")),
        command,
        interaction,
        case(("standard", Hook::new(Scheme::Standard, &[], r#"{"type":"user.created","data":{}}"#)), "standard.user.created", Some("msg_1")),
        case(("svix", Hook::new(Scheme::Svix, &[], r#"{"type":"user.created","data":{}}"#)), "svix.user.created", Some("msg_1")),
        case(("custom", custom()), "custom.parcel.sent", Some("17")),
    ]
}

async fn source_of(server: &Server, case: &Case) -> String {
    match case.provider {
        "custom" => source_with(server, "custom", json!({ "custom": custom_form() })).await,
        provider => source(server, provider).await,
    }
}

#[tokio::test]
async fn each_provider_s_webhook_becomes_an_event_with_its_type_id_and_bytes() {
    for case in cases() {
        let server = Server::start().await;
        let path = source_of(&server, &case).await;
        let (id, duplicate) = case.hook.taken(&server, &path).await;
        assert!(!duplicate);
        let event = server.postrider.event(&id.parse().unwrap()).await.unwrap();
        assert_eq!(event.event.event_type.as_str(), case.event_type);
        assert_eq!(event.event.payload, case.payload, "{}", case.event_type);
        let key = event.idempotency_key.unwrap();
        let source = path.strip_prefix("/in/").unwrap();
        match case.id {
            Some(id) => assert_eq!(*key, format!("in:{source}:{id}")),
            None => assert!(key.starts_with(&format!("in:{source}:sha256:")), "{key}"),
        }
    }
}

#[tokio::test]
async fn a_webhook_that_is_sent_again_is_the_same_event() {
    for case in cases() {
        let server = Server::start().await;
        let path = source_of(&server, &case).await;
        let (first, _) = case.hook.taken(&server, &path).await;
        for _ in 0..3 {
            let again = case.hook.taken(&server, &path).await;
            assert_eq!(again, (first.clone(), true), "{}", case.event_type);
        }
        assert_eq!(types(&server).await, [case.event_type]);
    }
}

#[tokio::test]
async fn a_forged_webhook_is_refused_and_nothing_of_it_is_kept() {
    for case in cases() {
        let server = Server::start().await;
        let path = source_of(&server, &case).await;
        let altered = format!("{} ", case.hook.body);
        let answer = send(&server, &path, &case.hook.signed(), &altered).await;
        let problem = answer.problem(401, "signature_refused");
        assert_eq!(problem["detail"], "NO_MATCH", "{}", case.event_type);
        let mut stranger = case.hook.clone();
        stranger.secret = "another secret";
        let problem = stranger.send(&server, &path).await;
        let problem = problem.problem(401, "signature_refused");
        assert_eq!(problem["detail"], "NO_MATCH");
        let unsigned = case.hook.headers.clone();
        let problem = send(&server, &path, &unsigned, &case.hook.body).await;
        let problem = problem.problem(401, "signature_refused");
        assert_eq!(problem["detail"], "MISSING_HEADER");
        assert_eq!(types(&server).await, [""; 0]);
    }
}

#[tokio::test]
async fn an_old_request_is_refused_where_the_signature_covers_the_time() {
    for case in cases() {
        let server = Server::start().await;
        let path = source_of(&server, &case).await;
        for (at, code) in [
            (now() - 302, "TIMESTAMP_TOO_OLD"),
            (now() + 330, "TIMESTAMP_TOO_NEW"),
        ] {
            let mut hook = case.hook.clone();
            hook.at = at;
            let answer = hook.send(&server, &path).await;
            if hook.scheme.covers_timestamp() {
                let problem = answer.problem(401, "signature_refused");
                assert_eq!(problem["detail"], code, "{}", case.event_type);
            } else {
                answer.expect(200);
            }
        }
    }
}

#[tokio::test]
async fn the_tolerance_is_the_source_s_own() {
    let server = Server::start().await;
    let path = source_with(&server, "stripe", json!({ "tolerance_s": 3600 })).await;
    let mut hook = Hook::stripe("evt_1", "a.b");
    hook.at = now() - 3_500;
    hook.taken(&server, &path).await;
    let body = json!({ "tolerance_s": 60 });
    let id = path.replace("/in/", "/v1/sources/");
    server.patch(&id, body).await.expect(200);
    hook.at = now() - 70;
    let problem = hook.send(&server, &path).await;
    assert_eq!(
        problem.problem(401, "signature_refused")["detail"],
        "TIMESTAMP_TOO_OLD"
    );
}

#[tokio::test]
async fn slack_s_challenge_is_given_back_once_it_is_verified() {
    let server = Server::start().await;
    let path = source(&server, "slack").await;
    let body = r#"{"token":"x","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P","type":"url_verification"}"#;
    let hook = Hook::new(Scheme::Slack, &[], body);
    let answer = hook.send(&server, &path).await.expect(200);
    let challenge = "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P";
    assert_eq!(answer, json!({ "challenge": challenge }));
    let answer = send(&server, &path, &[], body).await;
    answer.problem(401, "signature_refused");
    assert_eq!(types(&server).await, [""; 0]);
}

#[tokio::test]
async fn requests_that_others_have_signed_are_read_as_they_mean_them() {
    let vectors = include_str!("../../../signature/vectors/signatures.json");
    let vectors: Value = serde_json::from_str(vectors).unwrap();
    let server = Server::start().await;
    let mut taken = 0;
    for (number, vector) in vectors["vectors"].as_array().unwrap().iter().enumerate() {
        let text = |name: &str| vector[name].as_str().unwrap();
        let scheme = match text("scheme") {
            "standard-webhooks" => "standard",
            "timestamped-v1-hex" => "timestamped-v1",
            "timestamped-sha256-hex" => "timestamped-sha256",
            scheme => scheme,
        };
        let name = format!("vector-{number}");
        let fields =
            json!({ "name": name, "secrets": [text("secret")], "custom": { "scheme": scheme } });
        let path = source_with(&server, "custom", fields).await;
        let headers = vector["headers"].as_object().unwrap().iter();
        let headers: Vec<_> = headers
            .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
            .collect();
        let answer = send(&server, &path, &headers, text("body")).await;
        let covers_time = vector["now"] != 0;
        if covers_time {
            // They were made years ago.
            answer.problem(401, "signature_refused");
        } else if text("verdict") == "accept" {
            answer.expect(200);
            taken += 1;
        } else {
            let problem = answer.problem(401, "signature_refused");
            assert_eq!(problem["detail"], vector["why"]);
        }
    }
    assert_eq!(taken, 17, "six of GitHub, five of Shopify, six plain ones");
    assert_eq!(SECRET.len(), 38);
}
