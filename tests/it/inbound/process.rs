//! `postrider serve` as a process of its own, asked over HTTP.

use super::Hook;
use crate::programs::program;
use reqwest::Method;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const KEY: &str = "a-key-of-more-than-24-characters";

/// A server of its own, killed with its handle.
pub(crate) struct Process {
    child: Child,
    base: String,
    http: reqwest::Client,
}

impl Process {
    /// On what is kept in this directory; it may send to loopback.
    pub(crate) fn start(data: &Path) -> Self {
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
        // What it says at its end finds somebody who reads it.
        std::thread::spawn(move || lines.for_each(drop));
        // Another test may have done so before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { child, base, http }
    }

    /// A request with JSON: the status and the body of the answer.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(String, String)],
        body: String,
    ) -> (u16, Value) {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if !headers.iter().any(|(name, _)| name == "content-type") {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let response = request.body(body).send().await.unwrap();
        let status = response.status().as_u16();
        let text = |name: &str| {
            response
                .headers()
                .get(name)?
                .to_str()
                .ok()
                .map(str::to_owned)
        };
        // What a provider is answered may say nothing of it: the headers do.
        let taken = text("postrider-event-id").zip(text("postrider-duplicate"));
        let taken = taken
            .map(|(id, duplicate)| json!({ "event_id": id, "duplicate": duplicate == "true" }));
        let body = response.text().await.unwrap();
        (
            status,
            taken.unwrap_or_else(|| serde_json::from_str(&body).unwrap()),
        )
    }

    async fn asked(&self, method: Method, path: &str, body: String) -> Value {
        let key = ("authorization".to_owned(), format!("Bearer {KEY}"));
        let (status, answer) = self.send(method, path, &[key], body).await;
        assert!(status < 300, "{path}: {answer}");
        answer
    }

    /// What is there, asked with the operator's key.
    pub(crate) async fn get(&self, path: &str) -> Value {
        self.asked(Method::GET, path, String::new()).await
    }

    /// Makes or does something with the operator's key.
    pub(crate) async fn make(&self, path: &str, form: Value) -> Value {
        self.asked(Method::POST, path, form.to_string()).await
    }

    /// Publishes with the operator's key: the status and the body of the answer.
    pub(crate) async fn publish(&self, event: Value) -> (u16, Value) {
        let key = ("authorization".to_owned(), format!("Bearer {KEY}"));
        self.send(Method::POST, "/v1/events", &[key], event.to_string())
            .await
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a webhook as its provider does.
    pub(crate) async fn hook(&self, path: &str, hook: &Hook) -> (u16, Value) {
        self.send(Method::POST, path, &hook.signed(), hook.body.clone())
            .await
    }

    /// The same, and it is taken.
    pub(crate) async fn taken(&self, path: &str, hook: &Hook) -> Value {
        let (status, answer) = self.hook(path, hook).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// At once: nothing is finished, nothing is closed.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// As when it is asked to end.
    pub(crate) fn stop(mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
