//! What the ids of a stream are of: the type of an event, the URL of an endpoint.

use crate::client::http::Client;
use serde_json::Value;
use std::collections::BTreeMap;

/// So many of each are remembered; then they are asked for anew.
const REMEMBERED: usize = 10_000;

/// What is known so far. What could not be read is remembered as nothing.
#[derive(Default)]
pub(super) struct Names {
    types: BTreeMap<String, String>,
    urls: BTreeMap<String, String>,
}

impl Names {
    /// Says in words what an item is about: `payment.made to https://merchant.example/`.
    pub(super) async fn about(&mut self, client: &Client, event: &str, data: &Value) -> String {
        match event {
            "event" => {
                // It says its type itself, and those of its deliveries are told later.
                if let (Some(id), Some(of)) = (data["id"].as_str(), data["type"].as_str()) {
                    remember(&mut self.types, id, of.to_owned());
                }
                String::new()
            }
            "endpoint" => self.url(client, data).await,
            "attempt" | "attempt.started" | "delivery" => {
                let of = self.event_type(client, data).await;
                let to = self.url(client, data).await;
                match (of.as_str(), to.as_str()) {
                    ("", "") => String::new(),
                    ("", to) => format!("to {to}"),
                    (of, "") => of.to_owned(),
                    (of, to) => format!("{of} to {to}"),
                }
            }
            _ => String::new(),
        }
    }

    async fn event_type(&mut self, client: &Client, data: &Value) -> String {
        match (data["event_type"].as_str(), data["event_id"].as_str()) {
            (Some(of), Some(id)) => {
                remember(&mut self.types, id, of.to_owned());
                of.to_owned()
            }
            (Some(of), None) => of.to_owned(),
            (None, Some(id)) => look_up(&mut self.types, client, "events", id, "type").await,
            (None, None) => String::new(),
        }
    }

    async fn url(&mut self, client: &Client, data: &Value) -> String {
        match data["endpoint_id"].as_str() {
            // It may have got another one.
            Some(id) if data["what"] == "changed" => {
                self.urls.remove(id);
                look_up(&mut self.urls, client, "endpoints", id, "url").await
            }
            Some(id) => look_up(&mut self.urls, client, "endpoints", id, "url").await,
            None => String::new(),
        }
    }
}

async fn look_up(
    known: &mut BTreeMap<String, String>,
    client: &Client,
    list: &str,
    id: &str,
    field: &str,
) -> String {
    if let Some(found) = known.get(id) {
        return found.clone();
    }
    let found = client.get(&["v1", list, id], &Default::default()).await;
    let found = found.map(|it| it.field(field).to_owned());
    let found = found.unwrap_or_default();
    remember(known, id, found.clone());
    found
}

fn remember(known: &mut BTreeMap<String, String>, id: &str, what: String) {
    if known.len() >= REMEMBERED {
        known.clear();
    }
    known.insert(id.to_owned(), what);
}
