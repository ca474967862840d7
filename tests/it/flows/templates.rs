//! The template set: an outbound queue, a router of inbound webhooks to handlers in the process, and
//! a management where each user has webhooks of their own.

use crate::api::{Answer, Server};
use crate::inbound::{Hook, Notes, SECRET, source, types};
use crate::receiver::{Receiver, closed, until};
use postrider::signature::Scheme;
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A partner as the queue knows it: a secret of its own, a header of its own, a signature over the
/// time and the body, and the event in an envelope.
async fn partner(server: &Server, url: &str, event_types: &[&str], retries: u32) -> String {
    let body = json!({
        "url": url, "event_types": event_types, "secret": SECRET, "breaker": null,
        "headers": { "x-partner": "partner-1" }, "payload_form": "envelope",
        "signatures": [{ "scheme": "timestamped-sha256" }],
        "retry": { "first_ms": 250, "factor": 1, "retries": retries }
    });
    let made = server.post("/v1/endpoints", body).await.expect(201);
    made["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_queued_for_a_partner_is_retried_through_a_restart_until_it_answers() {
    let server = Server::start().await;
    let (receiver, status) = Receiver::changeable(503).await;
    let idle = Receiver::answering(200).await;
    partner(&server, &receiver.url(), &["order.created"], 64).await;
    partner(&server, &idle.url(), &["order.shipped"], 4).await;
    let inactive = partner(&server, &idle.url(), &["order.created"], 4).await;
    let disable = format!("/v1/endpoints/{inactive}/disable");
    server.post(&disable, json!({})).await.expect(200);
    let order = json!({ "orderId": "123", "total": 99.99 });
    let event = server.publish("order.created", order.clone()).await;
    server.event_in(&event, "retrying").await;
    let server = server.restart().await;
    status.store(200, Ordering::Relaxed);
    let done = server.event_in(&event, "delivered").await;
    assert_eq!(done["attempts"], receiver.count());
    assert_eq!(done["last_error"], "HTTP 503");
    let received = receiver.received();
    assert!(received.len() > 1, "the first life saw no success");
    for request in &received {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(
            (&body["type"], &body["data"]),
            (&json!("order.created"), &order)
        );
        assert_eq!(body["timestamp"], done["published_at"]);
        assert_eq!(request.header("x-event-id"), event);
        assert_eq!(request.header("x-partner"), "partner-1");
        assert!(request.is_signed_by(Scheme::TimestampedSha256, SECRET));
    }
    assert_eq!(
        idle.count(),
        0,
        "subscribed to something else, or not active"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_partner_never_takes_is_a_dead_letter_after_a_restart_too() {
    let server = Server::start().await;
    let nobody = partner(&server, &closed().await, &["order.created"], 2).await;
    let picky = Receiver::answering(422).await;
    let picky = partner(&server, &picky.url(), &["order.created"], 2).await;
    // To one partner only, as the queue can be asked to.
    let body = json!({ "type": "order.created", "payload": {}, "endpoint_id": picky });
    let refused = server.post("/v1/events", body).await.expect(202);
    server
        .event_in(refused["id"].as_str().unwrap(), "failed")
        .await;
    let body = json!({ "type": "order.created", "payload": {}, "endpoint_id": nobody });
    let unheard = server.post("/v1/events", body).await.expect(202);
    server
        .event_in(unheard["id"].as_str().unwrap(), "retrying")
        .await;
    let server = server.restart().await;
    server
        .event_in(unheard["id"].as_str().unwrap(), "failed")
        .await;
    let dead = server.get("/v1/dead-letters").await.expect(200);
    let seen = |n: usize, field: &str| dead["data"][n][field].clone();
    assert_eq!(dead["data"].as_array().unwrap().len(), 2);
    assert_eq!(
        (seen(0, "reason"), seen(1, "reason")),
        (json!("rejected"), json!("exhausted"))
    );
    let attempts = |n| seen(n, "attempts").as_array().unwrap().len();
    assert_eq!(
        (attempts(0), attempts(1)),
        (1, 3),
        "4xx is final, silence is not"
    );
}

/// The handlers as the application registers them at every start.
fn routes(server: &Server, notes: &Notes, database: &Arc<AtomicBool>) {
    let api = &server.api;
    api.on("stripe", "payment_intent.succeeded", notes.handler("paid"));
    api.on(
        "stripe",
        "customer.subscription.created",
        notes.handler("joined"),
    );
    let (deploys, database) = (notes.clone(), Arc::clone(database));
    api.on("github", "push", move |inbound| {
        let (notes, is_up) = (deploys.clone(), database.load(Ordering::Relaxed));
        async move {
            if !is_up {
                return Err("the database is away".into());
            }
            notes.add(format!(
                "deploys {}",
                inbound.headers["x-github-delivery"].to_str()?
            ));
            Ok(())
        }
    });
    api.on("github", "*", notes.handler("logged"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_was_not_done_before_a_restart_runs_when_the_provider_repeats() {
    let server = Server::start().await;
    let (stripe, github) = (
        source(&server, "stripe").await,
        source(&server, "github").await,
    );
    let (notes, database) = (Notes::default(), Arc::new(AtomicBool::new(false)));
    routes(&server, &notes, &database);
    let paid = Hook::stripe("evt_1", "payment_intent.succeeded");
    paid.taken(&server, &stripe).await;
    Hook::stripe("evt_2", "charge.refunded")
        .taken(&server, &stripe)
        .await;
    let push = Hook::github("guid-1", "push", r#"{"ref":"refs/heads/main"}"#);
    let failed = push.send(&server, &github).await;
    failed.problem(500, "handler_failed");
    Hook::github("guid-2", "issues", r#"{"action":"opened"}"#)
        .taken(&server, &github)
        .await;
    let mut forged = Hook::stripe("evt_3", "payment_intent.succeeded");
    forged.secret = "somebody else's";
    let refused = forged.send(&server, &stripe).await;
    refused.problem(401, "signature_refused");
    let before = [
        "paid payment_intent.succeeded",
        "logged push",
        "logged issues.opened",
    ];
    assert_eq!(notes.all(), before);

    let server = server.restart().await;
    database.store(true, Ordering::Relaxed);
    let notes = Notes::default();
    routes(&server, &notes, &database);
    let (_, duplicate) = push.taken(&server, &github).await;
    assert!(duplicate, "it was durable before a handler ran");
    push.taken(&server, &github).await;
    // What had succeeded in the first life runs once more: at least once, that is.
    assert_eq!(notes.all(), ["deploys guid-1", "logged push"]);
    let joined = Hook::stripe("evt_4", "customer.subscription.created");
    joined.taken(&server, &stripe).await;
    assert_eq!(notes.all()[2..], ["joined customer.subscription.created"]);
    let expected = [
        "stripe.payment_intent.succeeded",
        "stripe.charge.refunded",
        "github.push",
        "github.issues.opened",
        "stripe.customer.subscription.created",
    ];
    assert_eq!(types(&server).await, expected);
}

/// A user of the management: a tenant with a key.
struct User(String);

impl User {
    async fn join(server: &Server, name: &str) -> Self {
        Self(server.key_of(name, &["manage", "publish"]).await)
    }

    async fn ask(&self, server: &Server, method: Method, path: &str, body: Value) -> Answer {
        let body = (!body.is_null()).then(|| body.to_string());
        let key = [("authorization", self.0.as_str())];
        server.send(method, path, body, &key).await
    }

    async fn get(&self, server: &Server, path: &str) -> Answer {
        self.ask(server, Method::GET, path, Value::Null).await
    }

    async fn post(&self, server: &Server, path: &str, body: Value) -> Answer {
        self.ask(server, Method::POST, path, body).await
    }

    /// Registers a webhook, and gives its path and its secret.
    async fn webhook(&self, server: &Server, url: &str) -> (String, String) {
        let body = json!({ "url": url, "event_types": ["order.created"] });
        let made = self.post(server, "/v1/endpoints", body).await.expect(201);
        let id = made["id"].as_str().unwrap();
        let secret = made["secret"].as_str().unwrap().to_owned();
        (format!("/v1/endpoints/{id}"), secret)
    }

    /// The ids of the webhooks that this user sees.
    async fn webhooks(&self, server: &Server) -> Vec<String> {
        let listed = self.get(server, "/v1/endpoints").await.expect(200);
        assert!(
            !listed.to_string().contains("whsec_"),
            "a list shows no secret"
        );
        let listed = listed["data"].as_array().unwrap().iter();
        let path = |it: &Value| format!("/v1/endpoints/{}", it["id"].as_str().unwrap());
        listed.map(path).collect()
    }

    async fn publish(&self, server: &Server, payload: Value) -> String {
        let body = json!({ "type": "order.created", "payload": payload });
        let accepted = self.post(server, "/v1/events", body).await.expect(202);
        accepted["id"].as_str().unwrap().to_owned()
    }

    /// The event's delivery, once it is in this state.
    async fn delivery_in(&self, server: &Server, event: &str, state: &str) -> String {
        let path = format!("/v1/deliveries?event_id={event}&state={state}");
        let found = || async {
            let page = self.get(server, &path).await.expect(200);
            page["data"][0]["id"].as_str().map(str::to_owned)
        };
        until(state, || async { found().await.is_some() }).await;
        found().await.unwrap()
    }
}

/// This user finds nothing of a webhook of somebody else, of its event and of the event's delivery.
async fn assert_foreign(user: &User, server: &Server, path: &str, event: &str, delivery: &str) {
    let described = json!({ "description": "mine" });
    let asked = [
        (Method::GET, path.to_owned(), Value::Null),
        (Method::PATCH, path.to_owned(), described),
        (Method::DELETE, path.to_owned(), Value::Null),
        (Method::POST, format!("{path}/test"), Value::Null),
        (Method::POST, format!("{path}/rotate-secret"), Value::Null),
        (Method::GET, format!("{path}/deliveries"), Value::Null),
        (Method::GET, format!("/v1/events/{event}"), Value::Null),
        (
            Method::GET,
            format!("/v1/deliveries/{delivery}"),
            Value::Null,
        ),
        (
            Method::POST,
            format!("/v1/deliveries/{delivery}/retry"),
            Value::Null,
        ),
    ];
    for (method, path, body) in asked {
        let answer = user.ask(server, method, &path, body).await;
        answer.problem(404, "not_found");
    }
    let none = user.get(server, "/v1/deliveries").await.expect(200);
    assert_eq!(none["data"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn users_manage_their_own_webhooks_and_know_of_no_others() {
    let server = Server::start().await;
    let (ann, bob) = (
        User::join(&server, "ann").await,
        User::join(&server, "bob").await,
    );
    let (receiver, status) = Receiver::changeable(422).await;
    let of_bob = Receiver::answering(200).await;
    let (path, secret) = ann.webhook(&server, &receiver.url()).await;
    let (bobs, _) = bob.webhook(&server, &of_bob.url()).await;
    let event = ann.publish(&server, json!({ "order": 7 })).await;
    let failed = ann.delivery_in(&server, &event, "failed").await;

    let server = server.restart().await;
    assert_eq!(ann.webhooks(&server).await, [&*path]);
    assert_eq!(bob.webhooks(&server).await, [&*bobs]);
    assert_foreign(&bob, &server, &path, &event, &failed).await;
    let test = format!("{path}/test");
    let shown = ann.post(&server, &test, Value::Null).await.expect(200);
    assert_eq!(shown["status"], 422, "what the receiver says");
    status.store(200, Ordering::Relaxed);
    let retry = format!("/v1/deliveries/{failed}/retry");
    ann.post(&server, &retry, Value::Null).await.expect(202);
    ann.delivery_in(&server, &event, "delivered").await;
    let received = receiver.received();
    assert!(received.iter().all(|it| it.is_signed_with(&secret)));
    ann.ask(&server, Method::DELETE, &path, Value::Null)
        .await
        .expect(204);
    assert_eq!(ann.webhooks(&server).await, [""; 0]);
    assert_eq!(bob.webhooks(&server).await, [bobs]);
    assert_eq!(of_bob.count(), 0, "nothing of Ann's");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_user_changes_holds_after_a_restart() {
    let server = Server::start().await;
    let ann = User::join(&server, "ann").await;
    let receiver = Receiver::answering(200).await;
    let (path, secret) = ann.webhook(&server, &receiver.url()).await;
    let change = json!({ "description": "orders", "event_types": ["order.*"] });
    ann.ask(&server, Method::PATCH, &path, change)
        .await
        .expect(200);
    let rotate = format!("{path}/rotate-secret");
    let rotation = json!({ "overlap_seconds": 0 });
    let rotated = ann.post(&server, &rotate, rotation).await.expect(200);
    let pause = format!("{path}/pause");
    ann.post(&server, &pause, Value::Null).await.expect(200);
    let first = ann.publish(&server, json!({ "order": 7 })).await;

    let server = server.restart().await;
    let kept = ann.get(&server, &path).await.expect(200);
    assert_eq!([&kept["description"], &kept["tenant"]], ["orders", "ann"]);
    assert_eq!(
        [&kept["status"], &kept["event_types"][0]],
        ["paused", "order.*"]
    );
    let resume = format!("{path}/resume");
    ann.post(&server, &resume, Value::Null).await.expect(200);
    let second = ann.publish(&server, json!({ "order": 8 })).await;
    ann.delivery_in(&server, &second, "delivered").await;
    assert_eq!(receiver.bodies(), [r#"{"order":7}"#, r#"{"order":8}"#]);
    let received = receiver.received();
    let new = rotated["secret"].as_str().unwrap();
    assert!(received.iter().all(|it| it.is_signed_with(new)));
    assert!(!received[0].is_signed_with(&secret), "there was no overlap");
    let deliveries = format!("{path}/deliveries");
    let deliveries = ann.get(&server, &deliveries).await.expect(200);
    let events = [0, 1].map(|n| &deliveries["data"][n]["event_id"]);
    assert_eq!(events, [&*second, &*first], "the newest first");
}
