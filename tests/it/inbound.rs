//! Webhooks of providers, sent to `/in/{source}` on real sockets, over a real store.

mod answers;
mod durable;
mod embedded;
mod handlers;
mod handshakes;
mod headers;
mod large;
mod listeners;
mod networks;
mod odd;
mod process;
mod providers;
mod receipts;
mod refused;
mod sources;
mod trust;
mod types;
mod vendors;

pub(crate) use handlers::Notes;
pub(crate) use listeners::{Seen, noting, until_seen};
pub(crate) use process::Process;

use crate::api::{Answer, Server};
use postrider::Secret;
use postrider::signature::{HeaderNames, Message, Scheme, Signer};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// What the providers of the tests sign with.
pub(crate) const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// A webhook that a provider sends.
#[derive(Clone, Debug)]
pub(crate) struct Hook {
    scheme: Scheme,
    names: HeaderNames,
    pub(crate) secret: &'static str,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
    pub(crate) at: u64,
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since.as_secs()
}

impl Hook {
    pub(crate) fn new(scheme: Scheme, headers: &[(&str, &str)], body: &str) -> Self {
        let headers = headers.iter();
        let headers = headers.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self {
            scheme,
            names: HeaderNames::default(),
            secret: SECRET,
            headers: headers.collect(),
            body: body.to_owned(),
            at: now(),
        }
    }

    /// An event of Stripe.
    pub(crate) fn stripe(id: &str, event_type: &str) -> Self {
        let body = json!({ "id": id, "type": event_type, "data": { "amount": 4200 } });
        Self::new(Scheme::Stripe, &[], &body.to_string())
    }

    /// A delivery of GitHub.
    pub(crate) fn github(delivery: &str, event: &str, body: &str) -> Self {
        let headers = [("x-github-delivery", delivery), ("x-github-event", event)];
        Self::new(Scheme::Github, &headers, body)
    }

    /// The headers with the signature.
    pub(crate) fn signed(&self) -> Vec<(String, String)> {
        let secret = Secret::parse(self.secret).unwrap();
        let signer = Signer::new(self.scheme, &[secret]).unwrap();
        let signer = signer.header_names(&self.names).unwrap();
        let message = Message {
            id: "msg_1",
            timestamp: self.at,
            body: self.body.as_bytes(),
        };
        let signed = signer.sign(&message).unwrap();
        let signed = signed
            .iter()
            .map(|it| (it.name.to_owned(), it.value.clone()));
        self.headers.iter().cloned().chain(signed).collect()
    }

    pub(crate) async fn send(&self, server: &Server, path: &str) -> Answer {
        send(server, path, &self.signed(), &self.body).await
    }

    /// Sends it, and gives the event and whether it was a repeat: whatever the provider is answered, the
    /// headers say it.
    pub(crate) async fn taken(&self, server: &Server, path: &str) -> (String, bool) {
        let answer = self.send(server, path).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let text = |name: &str| answer.headers[name].to_str().unwrap().to_owned();
        let (event, duplicate) = (text("postrider-event-id"), text("postrider-duplicate"));
        if answer.body["received"] == true {
            assert_eq!(answer.body["event_id"], event);
        }
        (event, duplicate == "true")
    }
}

/// A request without a key.
async fn send(server: &Server, path: &str, headers: &[(String, String)], body: &str) -> Answer {
    let headers = headers.iter().map(|(name, value)| (&**name, &**value));
    let headers: Vec<_> = [("authorization", "")].into_iter().chain(headers).collect();
    server
        .send(Method::POST, path, Some(body.to_owned()), &headers)
        .await
}

/// Makes a source of this provider, named after it, and gives its path.
pub(crate) async fn source(server: &Server, provider: &str) -> String {
    source_with(server, provider, json!({})).await
}

/// The same, with these fields.
async fn source_with(server: &Server, provider: &str, fields: Value) -> String {
    let mut form = json!({ "name": provider, "provider": provider, "secrets": [SECRET] });
    let fields = fields.as_object().unwrap().clone();
    form.as_object_mut().unwrap().extend(fields);
    let made = server.post("/v1/sources", form).await.expect(201);
    made["path"].as_str().unwrap().to_owned()
}

/// The types of all events, oldest first.
pub(crate) async fn types(server: &Server) -> Vec<String> {
    let page = server.get("/v1/events?order=oldest&limit=250").await;
    let page = page.expect(200);
    let events = page["data"].as_array().unwrap().iter();
    events
        .map(|event| event["type"].as_str().unwrap().to_owned())
        .collect()
}
