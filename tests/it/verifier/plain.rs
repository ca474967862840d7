//! Receivers that know one secret and compare one header with `createHmac("sha256", secret)`, as
//! people write them by hand: no delivery fails of the form of a secret, nor of a rotation.

use super::scripts;
use crate::node::node;
use crate::receiver::{end_of, hasty, loopback};
use postrider::engine::SignatureForm;
use postrider::signature::Scheme;
use postrider::{EndpointId, EventState, Postrider, Secret};
use serde_json::json;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// Every scheme that signs with the text of a secret, in a header that holds one signature.
const SCHEMES: [Scheme; 7] = [
    Scheme::Postrider,
    Scheme::BodyHex,
    Scheme::Github,
    Scheme::Shopify,
    Scheme::Slack,
    Scheme::TimestampedV1,
    Scheme::TimestampedSha256,
];

/// Secrets of every kind: what Postrider makes, hex behind the prefix, no base64, any text.
const SECRETS: [(&str, &str); 6] = [
    ("base64", "whsec_b2xkLW9sZC1vbGQtb2xkLW9sZC1vbGQ="),
    (
        "hex",
        "whsec_6f6c642d6f6c642d6f6c642d6f6c642d6f6c642d6f6c642d",
    ),
    ("prefix", "whsec_which-is-not-base64_at.all"),
    ("text", "any text, of some length"),
    ("between", "whsec_YmV0d2Vlbi1iZXR3ZWVuLWJldHdlZW4="),
    ("new", "whsec_bmV3LW5ldy1uZXctbmV3LW5ldy1uZXc="),
];

struct Plain {
    process: Child,
    url: String,
}

impl Plain {
    fn start() -> Self {
        let secrets: serde_json::Map<_, _> = SECRETS
            .into_iter()
            .map(|(name, secret)| (name.to_owned(), json!(secret)))
            .collect();
        let mut process = node()
            .arg("plain.mjs")
            .current_dir(scripts())
            .env("SECRETS", json!(secrets).to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node runs: `cargo xtask test` installs it");
        let mut url = String::new();
        let mut said = BufReader::new(process.stdout.take().unwrap());
        said.read_line(&mut url).unwrap();
        assert!(url.starts_with("http://"), "the receiver does not start");
        let url = url.trim().to_owned();
        Self { process, url }
    }

    /// An endpoint at the receiver that knows this secret, and signs with that one.
    async fn endpoint(
        &self,
        postrider: &Postrider,
        scheme: Scheme,
        knows: &str,
        signs: &str,
    ) -> EndpointId {
        // Without retries: whatever is refused has failed.
        let mut spec = hasty(&format!("{}/{knows}/{scheme}", self.url), 0);
        if knows == "new" {
            spec.url = format!("{}?next", spec.url).into();
        }
        spec.timeout = Duration::from_secs(20);
        spec.signatures = vec![SignatureForm::of(scheme)];
        let registered = postrider.register(spec, Some(secret(signs))).await;
        registered.unwrap().id
    }
}

impl Drop for Plain {
    /// It ends with its input.
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

fn secret(name: &str) -> Secret {
    let (_, text) = SECRETS.into_iter().find(|it| it.0 == name).unwrap();
    Secret::parse(text).unwrap()
}

async fn started() -> Postrider {
    Postrider::builder()
        .egress(loopback())
        .start()
        .await
        .unwrap()
}

/// How an event that is published now ends.
async fn delivered(postrider: &Postrider, endpoint: &EndpointId) -> bool {
    let payload = r#"{"type":"a.b","amount":"12 €"}"#;
    let event = postrider.submit_event(endpoint, "a.b", payload).await;
    end_of(postrider, &event.unwrap()).await.state == EventState::Delivered
}

#[tokio::test]
async fn every_kind_of_secret_signs_as_a_receiver_makes_the_hmac_of_its_text() {
    let (plain, postrider) = (Plain::start(), started().await);
    let mut tried = 0;
    for scheme in SCHEMES {
        for name in ["base64", "hex", "prefix", "text"] {
            // The default signs as Standard Webhooks, too, which has to decode it.
            if scheme == Scheme::Postrider && name == "prefix" {
                continue;
            }
            let endpoint = plain.endpoint(&postrider, scheme, name, name).await;
            let is_delivered = delivered(&postrider, &endpoint).await;
            assert!(is_delivered, "{scheme} with {name}");
            tried += 1;
        }
    }
    assert_eq!(tried, 27);
}

#[tokio::test]
async fn no_delivery_fails_of_a_rotation_where_the_receiver_knows_the_old_secret_alone() {
    let (plain, postrider) = (Plain::start(), started().await);
    for scheme in SCHEMES {
        let endpoint = plain.endpoint(&postrider, scheme, "text", "text").await;
        assert!(delivered(&postrider, &endpoint).await, "{scheme}");
        for name in ["between", "new"] {
            let rotated = postrider.rotate_secret(&endpoint, Some(secret(name)), HOUR);
            rotated.await.unwrap();
            let is_delivered = delivered(&postrider, &endpoint).await;
            assert!(is_delivered, "{scheme}, rotated to {name}");
        }
        // The receiver has not changed over: this is what the overlap is for.
        postrider.end_overlap(&endpoint).await.unwrap();
        assert!(!delivered(&postrider, &endpoint).await, "{scheme}");
    }
}

#[tokio::test]
async fn no_delivery_fails_of_a_rotation_where_the_receiver_has_changed_over() {
    let (plain, postrider) = (Plain::start(), started().await);
    for scheme in SCHEMES {
        let endpoint = plain.endpoint(&postrider, scheme, "new", "text").await;
        for name in ["between", "new"] {
            let rotated = postrider.rotate_secret(&endpoint, Some(secret(name)), HOUR);
            rotated.await.unwrap();
        }
        assert!(delivered(&postrider, &endpoint).await, "{scheme}");
        postrider.end_overlap(&endpoint).await.unwrap();
        assert!(delivered(&postrider, &endpoint).await, "{scheme}, ended");
    }
}
