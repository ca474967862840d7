//! The service that takes the webhooks of Stripe, GitHub and Slack and hands them on, as the program
//! that is shipped: killed between the answer to the provider and the delivery, and asked to end
//! later.

use crate::inbound::{Hook, Process};
use crate::receiver::{Down, Receiver, until};
use postrider::signature::Scheme;
use reqwest::Method;
use serde_json::{Value, json};

const STRIPE: &str = "whsec_of_stripe";
const GITHUB: &str = "a-secret-of-the-repository";
const SLACK: &str = "8f742231b10e8888abcd99yyyzzz85a5";

/// An event of Stripe.
fn paid(id: &str, event_type: &str) -> Hook {
    with(STRIPE, Hook::stripe(id, event_type))
}

/// A delivery of GitHub.
fn pushed(delivery: &str, event: &str) -> Hook {
    let body = json!({ "ref": "refs/heads/main", "delivery": delivery });
    with(GITHUB, Hook::github(delivery, event, &body.to_string()))
}

/// An event of Slack.
fn said(id: &str) -> Hook {
    let event = json!({ "type": "app_mention", "text": "hello" });
    let body = json!({ "type": "event_callback", "event_id": id, "event": event });
    with(SLACK, Hook::new(Scheme::Slack, &[], &body.to_string()))
}

/// A slash command: a form, and no id.
fn command() -> Hook {
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let body = "command=%2Fdeploy&text=main";
    with(SLACK, Hook::new(Scheme::Slack, &form, body))
}

fn with(secret: &'static str, mut hook: Hook) -> Hook {
    hook.secret = secret;
    hook
}

/// The paths of the sources: Stripe's, GitHub's and Slack's.
async fn sources(process: &Process) -> [String; 3] {
    let mut paths = [const { String::new() }; 3];
    let providers = [("stripe", STRIPE), ("github", GITHUB), ("slack", SLACK)];
    for (path, (provider, secret)) in paths.iter_mut().zip(providers) {
        let form = json!({ "name": provider, "provider": provider, "secrets": [secret] });
        let made = process.make("/v1/sources", form).await;
        *path = made["path"].as_str().unwrap().to_owned();
    }
    paths
}

/// A subscriber whose receiver is down: what it subscribes to, and how it is registered.
struct Subscriber {
    receiver: Down,
    id: String,
    secret: String,
}

impl Subscriber {
    async fn register(process: &Process, event_type: &str) -> Self {
        let receiver = Down::new();
        let retry = json!({ "first_ms": 100, "factor": 1, "retries": 64 });
        let form = json!({
            "url": receiver.url(), "event_types": [event_type], "retry": retry, "breaker": null
        });
        let made = process.make("/v1/endpoints", form).await;
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        Self {
            receiver,
            id: text("id"),
            secret: text("secret"),
        }
    }
}

/// What is on record of an endpoint's deliveries, oldest first.
async fn history(process: &Process, endpoint: &str) -> Vec<Value> {
    let path = format!("/v1/endpoints/{endpoint}/deliveries?order=oldest");
    let page = process.get(&path).await;
    page["data"].as_array().unwrap().clone()
}

/// Waits until all of an endpoint's deliveries are on record as delivered, and gives them.
async fn delivered(process: &Process, endpoint: &str, count: usize) -> Vec<Value> {
    until("all are on record", || async {
        let all = history(process, endpoint).await;
        all.len() == count && all.iter().all(|it| it["state"] == "delivered")
    })
    .await;
    history(process, endpoint).await
}

/// All have come, in this order, signed; and nothing else.
fn assert_has(receiver: &Receiver, secret: &str, bodies: &[&str]) {
    assert_eq!(receiver.bodies(), bodies);
    let received = receiver.received();
    assert!(received.iter().all(|it| it.is_signed_with(secret)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_providers_were_told_is_taken_reaches_its_subscribers_in_order_after_a_kill() {
    let data = tempfile::tempdir().unwrap();
    let process = Process::start(data.path());
    let paths = sources(&process).await;
    let shop = Subscriber::register(&process, "stripe.*").await;
    let deploys = Subscriber::register(&process, "github.push").await;
    let chat = Subscriber::register(&process, "slack.*").await;
    let hooks = [
        (&paths[0], paid("evt_1", "payment_intent.succeeded")),
        (&paths[1], pushed("guid-1", "push")),
        (&paths[0], paid("evt_2", "charge.refunded")),
        (&paths[1], pushed("guid-2", "star")),
        (&paths[2], said("Ev1")),
        (&paths[2], command()),
    ];
    let mut events = Vec::new();
    for (path, hook) in &hooks {
        for duplicate in [false, true] {
            let answer = process.taken(path, hook).await;
            assert_eq!(answer["duplicate"], duplicate, "{hook:?}");
            events.push(answer["event_id"].clone());
        }
    }
    events.dedup();
    assert_eq!(events.len(), hooks.len(), "a repeat is the same event");
    until("a delivery was tried", || async {
        history(&process, &shop.id).await[0]["state"] == "retrying"
    })
    .await;
    let second = &history(&process, &shop.id).await[1];
    assert_eq!(second["state"], "pending", "it waits for its turn");
    process.kill();

    let process = Process::start(data.path());
    for ((path, hook), event) in hooks.iter().zip(&events) {
        let answer = process.taken(path, hook).await;
        assert_eq!(answer["event_id"], *event);
        assert_eq!(answer["duplicate"], true);
    }
    let ended = paid("evt_3", "customer.subscription.deleted");
    process.taken(&paths[0], &ended).await;
    let up = shop.receiver.up(200);
    let record = delivered(&process, &shop.id, 3).await;
    let attempts = record[0]["attempts"].as_array().unwrap();
    assert_eq!(attempts[0]["failure"], "connect", "of the life before");
    assert_eq!(attempts.last().unwrap()["status"], 200);
    let bodies = [&hooks[0].1.body, &hooks[2].1.body, &ended.body];
    assert_has(&up, &shop.secret, &bodies.map(|it| &**it));
    assert_eq!(up.received()[0].header("x-event-id"), events[0]);
    let up = deploys.receiver.up(204);
    delivered(&process, &deploys.id, 1).await;
    assert_has(&up, &deploys.secret, &[&hooks[1].1.body]);
    let up = chat.receiver.up(200);
    delivered(&process, &chat.id, 2).await;
    let form = r#"{"command":"/deploy","text":"main"}"#;
    assert_has(&up, &chat.secret, &[&hooks[4].1.body, form]);
    let stats = format!("/v1/endpoints/{}/stats", shop.id);
    let stats = process.get(&stats).await;
    assert_eq!([&stats["total"], &stats["delivered"]], [3, 3]);
}

/// The challenge of Slack is given back; forged, altered and old requests are refused.
async fn assert_verifies(process: &Process, paths: &[String; 3]) {
    let challenge = json!({ "type": "url_verification", "challenge": "3eZbrw1aBm2r" });
    let challenge = with(SLACK, Hook::new(Scheme::Slack, &[], &challenge.to_string()));
    let answer = process.taken(&paths[2], &challenge).await;
    assert_eq!(answer, json!({ "challenge": "3eZbrw1aBm2r" }));
    let hooks = [
        paid("evt_1", "charge.refunded"),
        pushed("guid-1", "push"),
        said("Ev1"),
    ];
    for (path, hook) in paths.iter().zip(hooks) {
        let altered = (hook.signed(), hook.body.clone() + " ", "NO_MATCH");
        let stranger = with("the-secret-of-somebody-else", hook.clone());
        let stranger = (stranger.signed(), hook.body.clone(), "NO_MATCH");
        let unsigned = (Vec::new(), hook.body.clone(), "MISSING_HEADER");
        for (headers, body, code) in [altered, stranger, unsigned] {
            let (status, problem) = process.send(Method::POST, path, &headers, body).await;
            assert_eq!((status, &problem["detail"]), (401, &json!(code)));
        }
    }
    let mut captured = paid("evt_1", "charge.refunded");
    captured.at -= 302;
    let (status, problem) = process.hook(&paths[0], &captured).await;
    assert_eq!(
        (status, &problem["detail"]),
        (401, &json!("TIMESTAMP_TOO_OLD"))
    );
    let events = process.get("/v1/events").await;
    assert_eq!(events["data"], json!([]), "nothing of them is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_knows_its_provider_from_a_forger_before_and_after_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let process = Process::start(data.path());
    let paths = sources(&process).await;
    assert_verifies(&process, &paths).await;
    process.stop();
    let process = Process::start(data.path());
    assert_verifies(&process, &paths).await;
    let listed = process.get("/v1/sources").await;
    assert!(!listed.to_string().contains(GITHUB), "no secret is shown");
}
