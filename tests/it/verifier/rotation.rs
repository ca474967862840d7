//! The engine signs, receivers in JavaScript verify, and the secret is rotated in between.

use super::{INSTALLED, scripts};
use crate::node::node;
use crate::receiver::{end_of, hasty, loopback};
use postrider::signature::Sequence;
use postrider::{EventState, Outcome, Postrider, Secret};
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

const OLD: &str = "whsec_b2xkLW9sZC1vbGQtb2xkLW9sZC1vbGQ=";
const NEW: &str = "whsec_bmV3LW5ldy1uZXctbmV3LW5ldy1uZXc=";

/// One of the examples, as a process of its own.
struct Example {
    process: Child,
    url: String,
}

impl Example {
    fn start(name: &str) -> Self {
        let mut process = node()
            .args(["serve.mjs", name])
            .current_dir(scripts())
            .env("WEBHOOK_SECRET", format!("{NEW},{OLD}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node runs: `cargo xtask test` installs it");
        let mut url = String::new();
        let mut said = BufReader::new(process.stdout.take().unwrap());
        said.read_line(&mut url).unwrap();
        assert!(url.starts_with("http://"), "{name} does not start");
        let url = format!("{}/webhooks", url.trim());
        Self { process, url }
    }
}

impl Drop for Example {
    /// It ends with its input.
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

async fn rotate_against(name: &str) {
    LazyLock::force(&INSTALLED);
    let example = Example::start(name);
    let builder = Postrider::builder().egress(loopback());
    let postrider = builder.start().await.unwrap();
    // Without retries: whatever is refused has failed.
    let mut spec = hasty(&example.url, 0);
    spec.timeout = Duration::from_secs(20);
    let old = Secret::parse(OLD).unwrap();
    let endpoint = postrider.register(spec, Some(old)).await.unwrap().id;
    let mut events = Vec::new();
    for number in 0..20 {
        if number == 10 {
            end_of(&postrider, &events[9]).await;
            let new = Secret::parse(NEW).unwrap();
            let overlap = Duration::from_secs(3600);
            let rotated = postrider.rotate_secret(&endpoint, Some(new), overlap).await;
            rotated.unwrap();
        }
        // On both sides of where the host's HMACs begin.
        let payload = format!(r#"{{"type":"a.b","x":"{}é"}}"#, "x".repeat(number * 80));
        let event = postrider.submit_event(&endpoint, "a.b", payload).await;
        events.push(event.unwrap());
    }
    for (number, event) in events.iter().enumerate() {
        let end = end_of(&postrider, event).await;
        assert_eq!(
            end.state,
            EventState::Delivered,
            "{name}, {number}: {end:?}"
        );
        let Outcome::Response(response) = &end.deliveries[0].attempts[0].outcome else {
            panic!("{name}, {number}: {end:?}")
        };
        let answered: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
        let id = answered["id"].as_str().unwrap();
        let (id, place) = Sequence::split(id);
        assert_eq!(id, event.to_string(), "{name}, {number}");
        assert_eq!(
            place.unwrap().runs(),
            [(number as u64 + 1, number as u64 + 1)]
        );
        assert_eq!(
            answered["keyIndex"],
            u8::from(number < 10),
            "{name}, {number}"
        );
    }
}

#[tokio::test]
async fn express_takes_every_delivery_while_the_secret_is_rotated() {
    rotate_against("express").await;
}

#[tokio::test]
async fn a_worker_takes_every_delivery_while_the_secret_is_rotated() {
    rotate_against("worker").await;
}
