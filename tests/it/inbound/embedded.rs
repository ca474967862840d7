//! `server/examples/embedded.rs`, run as its readers would.

use super::{Hook, SECRET};
use crate::programs::program;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

/// The example, ended with its handle.
struct Example(Child);

impl Drop for Example {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What follows this text in the next line.
fn after(lines: &mut Lines<BufReader<ChildStdout>>, text: &str) -> String {
    let line = lines.next().unwrap().unwrap();
    let rest = line.strip_prefix(text);
    rest.unwrap_or_else(|| panic!("{line}")).to_owned()
}

#[tokio::test]
async fn an_application_takes_webhooks_with_handlers_of_its_own() {
    let data = tempfile::tempdir().unwrap();
    let mut child = Command::new(program("examples/embedded"))
        .arg(data.path())
        .arg("127.0.0.1:0")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let _example = Example(child);
    let key = after(&mut lines, "API key: ");
    let base = after(&mut lines, "listening on ");
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let post = |path: &str, headers: Vec<(String, String)>, body: String| {
        let mut request = http.post(format!("{base}{path}")).body(body);
        request = request.header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        async move {
            let text = request.send().await.unwrap().text().await.unwrap();
            serde_json::from_str::<Value>(&text).unwrap()
        }
    };
    let mut paths = Vec::new();
    for provider in ["stripe", "github"] {
        let form = json!({ "name": provider, "provider": provider, "secrets": [SECRET] });
        let key = vec![("authorization".to_owned(), format!("Bearer {key}"))];
        let made = post("/v1/sources", key, form.to_string()).await;
        paths.push(made["path"].as_str().unwrap().to_owned());
    }
    let paid = Hook::stripe("evt_1", "payment_intent.succeeded");
    let answer = post(&paths[0], paid.signed(), paid.body.clone()).await;
    let event = answer["event_id"].as_str().unwrap();
    let mut said = vec![after(&mut lines, ""), after(&mut lines, "")];
    let pushed = Hook::github("1", "push", r#"{"ref":"refs/heads/main"}"#);
    post(&paths[1], pushed.signed(), pushed.body.clone()).await;
    said.extend([
        after(&mut lines, ""),
        after(&mut lines, ""),
        after(&mut lines, ""),
    ]);
    for line in [
        &*format!("paid: 4200, as {event}"),
        "published: stripe.payment_intent.succeeded",
        "pushed to refs/heads/main",
        "GitHub says push",
        "published: github.push",
    ] {
        assert!(said.iter().any(|it| it == line), "{line}: {said:?}");
    }
    let own = http.get(format!("{base}/")).send().await.unwrap();
    assert_eq!(own.text().await.unwrap(), "the application");
}
