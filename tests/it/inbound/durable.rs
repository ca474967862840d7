//! What a provider was told is so after a kill, too.

use super::{Hook, SECRET, send, source};
use crate::api::Server;
use crate::programs::program;
use crate::receiver::{Receiver, until};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const KEY: &str = "a-key-of-more-than-24-characters";

/// A server of its own, killed with its handle.
struct Process {
    child: Child,
    base: String,
    http: reqwest::Client,
}

impl Process {
    fn start(data: &Path) -> Self {
        let mut child = Command::new(program("postrider"))
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--allow-networks",
                "127.0.0.0/8",
            ])
            .arg("--data")
            .arg(data)
            .env("POSTRIDER_API_KEY", KEY)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next().unwrap().unwrap();
        let base = line.strip_prefix("listening on ").unwrap().to_owned();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { child, base, http }
    }

    async fn post(&self, path: &str, headers: &[(String, String)], body: String) -> (u16, Value) {
        let mut request = self.http.post(format!("{}{path}", self.base)).body(body);
        request = request.header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let body = response.text().await.unwrap();
        (status, serde_json::from_str(&body).unwrap())
    }

    async fn make(&self, path: &str, form: Value) -> Value {
        let key = ("authorization".to_owned(), format!("Bearer {KEY}"));
        let (status, made) = self.post(path, &[key], form.to_string()).await;
        assert!(status < 300, "{made}");
        made
    }

    async fn hook(&self, path: &str, hook: &Hook) -> Value {
        let (status, answer) = self.post(path, &hook.signed(), hook.body.clone()).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// At once: nothing is finished, nothing is closed.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have been killed before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn what_was_answered_survives_a_kill_and_is_delivered_once() {
    let receiver = Receiver::answering(200).await;
    let data = tempfile::tempdir().unwrap();
    let process = Process::start(data.path());
    let form = json!({ "name": "stripe", "provider": "stripe", "secrets": [SECRET] });
    let path = process.make("/v1/sources", form).await["path"].clone();
    let path = path.as_str().unwrap();
    let endpoint = json!({ "url": receiver.url(), "event_types": ["stripe.*"] });
    let endpoint = process.make("/v1/endpoints", endpoint).await["id"].clone();
    let endpoint = format!("/v1/endpoints/{}", endpoint.as_str().unwrap());
    // What is sent and not recorded is sent again after a kill: that is not asked here.
    process.make(&format!("{endpoint}/pause"), json!({})).await;
    let hook = Hook::stripe("evt_1", "payment_intent.succeeded");
    let first = process.hook(path, &hook).await;
    process.kill();

    let process = Process::start(data.path());
    let again = process.hook(path, &hook).await;
    assert_eq!(again["event_id"], first["event_id"]);
    assert_eq!(
        (&first["duplicate"], &again["duplicate"]),
        (&json!(false), &json!(true))
    );
    process.make(&format!("{endpoint}/resume"), json!({})).await;
    until("it is delivered", || async { receiver.count() == 1 }).await;
    process.hook(path, &hook).await;
    let other = Hook::stripe("evt_2", "payment_intent.succeeded");
    process.hook(path, &other).await;
    until("the other one is, too", || async { receiver.count() == 2 }).await;
    assert_eq!(receiver.bodies(), [hook.body, other.body]);
}

#[tokio::test]
async fn a_webhook_whose_answer_was_lost_is_a_repeat_after_a_restart() {
    let server = Server::start().await;
    let path = source(&server, "stripe").await;
    server
        .api
        .on("stripe", "*", |_| async { Err("not today".into()) });
    let hook = Hook::stripe("evt_1", "a.b");
    let (headers, body) = (hook.signed(), hook.body.clone());
    let answer = send(&server, &path, &headers, &body).await;
    answer.problem(500, "handler_failed");
    let server = server.restart().await;
    let (_, duplicate) = hook.taken(&server, &path).await;
    assert!(duplicate, "it was durable before anything else");
}

#[tokio::test]
async fn a_provider_s_event_is_delivered_to_whoever_subscribes_to_it() {
    let receiver = Receiver::answering(200).await;
    let server = Server::start().await;
    let path = source(&server, "stripe").await;
    let form = json!({ "url": receiver.url(), "event_types": ["stripe.payment_intent.succeeded"] });
    let endpoint = server.post("/v1/endpoints", form).await.expect(201);
    let secret = endpoint["secret"].as_str().unwrap();
    Hook::stripe("evt_1", "charge.refunded")
        .taken(&server, &path)
        .await;
    let hook = Hook::stripe("evt_2", "payment_intent.succeeded");
    let (event, _) = hook.taken(&server, &path).await;
    server.event_in(&event, "delivered").await;
    let received = receiver.received();
    assert_eq!(receiver.bodies(), [hook.body]);
    assert!(received[0].is_signed_with(secret));
}
