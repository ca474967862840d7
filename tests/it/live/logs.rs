//! What is secret is in no line of the log, however much is logged.

use super::server::{KEY, Program, http};
use crate::receiver::{Receiver, until};
use reqwest::Client;
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs::File;

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const ROTATED: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const HEADER: &str = "the-value-of-a-custom-header";
const PAYLOAD: &str = "what-a-payload-holds";

struct Posts {
    http: Client,
    base: String,
}

impl Posts {
    /// The answer, of whatever status.
    async fn post(&self, path: &str, key: &str, body: &Value) -> Value {
        let request = self.http.post(format!("{}{path}", self.base));
        let request = request
            .bearer_auth(key)
            .header("content-type", "application/json");
        let answer = request.body(body.to_string()).send().await.unwrap();
        let text = answer.text().await.unwrap();
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_secret_is_in_a_log_of_everything() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let data = directory.path().join("data");
    let arguments = [
        "--log",
        "trace",
        "--allow-networks",
        "127.0.0.0/8",
        "--data",
    ];
    let mut arguments = arguments.map(OsStr::new).to_vec();
    arguments.push(data.as_os_str());
    let server = Program::serve(&arguments, File::create(&path).unwrap());
    drop(http());
    let posts = Posts {
        // Both ends of HTTP/2 tell a lot at this level.
        http: Client::builder()
            .http2_prior_knowledge()
            .no_proxy()
            .build()
            .unwrap(),
        base: server.base.clone(),
    };
    let receiver = Receiver::start(|number, _| {
        crate::receiver::Reply::Status(if number == 0 { 503 } else { 400 })
    })
    .await;
    let secrets = flow(&posts, &receiver).await;
    let log = std::fs::read_to_string(&path).unwrap();
    // It is a log of everything.
    for expected in ["postrider.api.request", "postrider.attempt.ended", "TRACE"] {
        assert!(log.contains(expected), "no {expected}");
    }
    for secret in secrets {
        let line = log.lines().find(|line| line.contains(&secret));
        assert_eq!(line, None, "{secret}");
    }
}

/// Uses whatever is secret, rightly and wrongly; gives all of it.
async fn flow(posts: &Posts, receiver: &Receiver) -> Vec<String> {
    let form = json!({ "name": "k", "scopes": ["publish", "manage", "read"] });
    let made = posts.post("/v1/keys", KEY, &form).await;
    let key = made["key"].as_str().unwrap().to_owned();
    let endpoint = json!({
        "url": receiver.url(),
        "secret": SECRET,
        "headers": { "x-token": HEADER },
        "retry": { "delays_ms": [20] },
    });
    let endpoint = posts.post("/v1/endpoints", &key, &endpoint).await;
    let id = endpoint["id"]
        .as_str()
        .unwrap_or_else(|| panic!("{endpoint}"));
    let rotation = json!({ "secret": ROTATED });
    let path = format!("/v1/endpoints/{id}/rotate-secret");
    posts.post(&path, &key, &rotation).await;
    let bad = json!({ "url": "http://user:the-password@127.0.0.1/", "secret": SECRET });
    posts.post("/v1/endpoints", &key, &bad).await;
    let event = json!({ "type": "a.b", "payload": { "card": PAYLOAD } });
    posts.post("/v1/events", &key, &event).await;
    posts
        .post("/v1/events", "a-key-that-is-not-known", &event)
        .await;
    until("both attempts are made", || async { receiver.count() == 2 }).await;
    let signature = receiver.received()[1]
        .header("webhook-signature")
        .to_owned();
    assert!(signature.len() > 20 && receiver.received()[1].header("x-token") == HEADER);
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    let mut secrets: Vec<_> = [KEY, SECRET, ROTATED, HEADER, PAYLOAD]
        .map(str::to_owned)
        .into();
    secrets.extend([
        key,
        "a-key-that-is-not-known".to_owned(),
        "the-password".to_owned(),
    ]);
    secrets.extend(signature.split(' ').map(str::to_owned));
    // And without their prefixes.
    secrets.extend([SECRET, ROTATED].map(|secret| secret[6..].to_owned()));
    secrets
}
