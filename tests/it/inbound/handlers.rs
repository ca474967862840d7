//! Code of the application that runs before a provider is answered.

use super::{Hook, source, types};
use crate::api::Server;
use postrider_server::{Inbound, Provider};
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Notes what handlers see.
#[derive(Clone, Default)]
pub(crate) struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    pub(crate) fn add(&self, text: impl Into<String>) {
        self.0.lock().unwrap().push(text.into());
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// A handler that notes this word and the type of the event.
    pub(crate) fn handler(
        &self,
        word: &'static str,
    ) -> impl Fn(Inbound) -> std::future::Ready<Result<(), axum::BoxError>> + use<> {
        let notes = self.clone();
        move |inbound| {
            notes.add(format!("{word} {}", inbound.event_type));
            std::future::ready(Ok(()))
        }
    }
}

#[tokio::test]
async fn a_handler_runs_for_its_source_and_its_types() {
    let server = Server::start().await;
    let notes = Notes::default();
    let github = source(&server, "github").await;
    let github_id = github.strip_prefix("/in/").unwrap();
    server
        .api
        .on("stripe", "payment_intent.succeeded", notes.handler("paid"));
    server.api.on("github", "push", notes.handler("pushed"));
    server
        .api
        .on("github", "pull_request.*", notes.handler("family"));
    server.api.on(github_id, "*", notes.handler("any"));
    // A source need not be there when its handlers are given.
    let stripe = source(&server, "stripe").await;
    Hook::stripe("evt_1", "payment_intent.succeeded")
        .taken(&server, &stripe)
        .await;
    Hook::stripe("evt_2", "payment_intent.failed")
        .taken(&server, &stripe)
        .await;
    Hook::github("1", "push", "{}")
        .taken(&server, &github)
        .await;
    let opened = r#"{"action":"opened"}"#;
    Hook::github("2", "pull_request", opened)
        .taken(&server, &github)
        .await;
    Hook::github("3", "pull_request_review", "{}")
        .taken(&server, &github)
        .await;
    let expected = [
        "paid payment_intent.succeeded",
        "pushed push",
        "any push",
        "family pull_request.opened",
        "any pull_request.opened",
        "any pull_request_review",
    ];
    assert_eq!(notes.all(), expected);
}

#[tokio::test]
async fn a_handler_sees_what_was_published_and_no_signature() {
    let server = Server::start().await;
    let path = source(&server, "github").await;
    let seen: Arc<Mutex<Option<Inbound>>> = Arc::default();
    let for_handler = Arc::clone(&seen);
    server.api.on("github", "push", move |inbound| {
        *for_handler.lock().unwrap() = Some(inbound);
        async { Ok(()) }
    });
    let hook = Hook::github("7", "push", r#"{ "ref": "x" }"#);
    let (event, _) = hook.taken(&server, &path).await;
    let seen = seen.lock().unwrap().clone().unwrap();
    assert_eq!(seen.event.to_string(), event);
    assert_eq!(format!("/in/{}", seen.source), path);
    assert_eq!(
        (&*seen.source_name, seen.provider),
        ("github", Provider::Github)
    );
    assert_eq!(seen.payload, hook.body);
    assert_eq!(seen.headers["x-github-delivery"], "7");
    assert_eq!(seen.headers["content-type"], "application/json");
    assert!(!seen.headers.contains_key("x-hub-signature-256"));
    assert!(!format!("{seen:?}").contains("ref"), "no payload in a log");
}

#[tokio::test]
async fn only_what_has_not_succeeded_runs_again() {
    let server = Server::start().await;
    let path = source(&server, "stripe").await;
    let notes = Notes::default();
    let runs = Arc::new(AtomicUsize::new(0));
    server.api.on("stripe", "*", notes.handler("first"));
    let for_handler = (notes.clone(), Arc::clone(&runs));
    server.api.on("stripe", "a.b", move |_| {
        let (notes, runs) = for_handler.clone();
        async move {
            notes.add("second");
            match runs.fetch_add(1, Ordering::Relaxed) {
                0 => Err("the database is away".into()),
                1 => std::panic::panic_any("the panic of this test"),
                _ => Ok(()),
            }
        }
    });
    server.api.on("stripe", "*", notes.handler("third"));
    let hook = Hook::stripe("evt_1", "a.b");
    for _ in 0..2 {
        let problem = hook.send(&server, &path).await;
        let problem = problem.problem(500, "handler_failed");
        assert!(!problem.to_string().contains("database"), "{problem}");
    }
    assert_eq!(
        types(&server).await,
        ["stripe.a.b"],
        "the event is accepted"
    );
    for _ in 0..3 {
        let (_, duplicate) = hook.taken(&server, &path).await;
        assert!(duplicate);
    }
    let expected = ["first a.b", "second", "third a.b", "second", "second"];
    assert_eq!(notes.all(), expected);
    let server = server.restart().await;
    server
        .api
        .on("stripe", "*", notes.handler("after the restart"));
    hook.taken(&server, &path).await;
    assert_eq!(notes.all().last().unwrap(), "after the restart a.b");
}

#[tokio::test]
async fn a_repeat_waits_for_the_handler_and_does_not_run_it_twice() {
    let server = Server::start().await;
    let path = source(&server, "stripe").await;
    let runs = Arc::new(AtomicUsize::new(0));
    let for_handler = Arc::clone(&runs);
    server.api.on("stripe", "*", move |_| {
        let runs = Arc::clone(&for_handler);
        async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            runs.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    });
    let hook = Hook::stripe("evt_1", "a.b");
    let given_up = tokio::time::timeout(Duration::from_millis(100), hook.send(&server, &path));
    assert!(given_up.await.is_err());
    let (one, two) = tokio::join!(hook.taken(&server, &path), hook.taken(&server, &path));
    assert!(one.1 && two.1);
    assert_eq!(runs.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_name_means_the_source_of_the_tenant_default() {
    let server = Server::start().await;
    let notes = Notes::default();
    server.api.on("stripe", "*", notes.handler("seen"));
    let key = server.key_of("acme", &["manage"]).await;
    let form = json!({ "name": "stripe", "provider": "stripe", "secrets": [super::SECRET] });
    let own: [(&str, &str); 1] = [("authorization", &key)];
    let made = server
        .send(
            reqwest::Method::POST,
            "/v1/sources",
            Some(form.to_string()),
            &own,
        )
        .await
        .expect(201);
    let path = made["path"].as_str().unwrap();
    Hook::stripe("evt_1", "a.b").taken(&server, path).await;
    assert_eq!(notes.all(), [""; 0]);
    server
        .api
        .on(made["id"].as_str().unwrap(), "*", notes.handler("by id"));
    Hook::stripe("evt_2", "a.b").taken(&server, path).await;
    assert_eq!(notes.all(), ["by id a.b"]);
}
