//! `postrider events`.

use super::deliveries::{self, Order};
use super::http::{Query, Reply};
use super::reach::ReachArgs;
use super::show::{self, Column};
use super::when::Moment;
use super::{Client, ClientError, Connection, Paging, value};
use crate::Answer;
use clap::{Subcommand, ValueEnum};
use jiff::Timestamp;
use postrider::engine::base64;
use postrider::engine::json::{Document, Kind};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Look at events, publish them, and find out what became of them
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// List events, newest first
    List(List),
    /// Show an event with its payload and its deliveries
    Get(One),
    /// Print the payload of an event, byte for byte
    Payload(One),
    /// Publish an event: it is durable when this returns
    Publish(Publish),
    /// Show what happened to an event, step by step
    Timeline(One),
    /// Tell why an endpoint did or did not get an event; exit status 1 if it did not
    Explain(Explain),
    /// List events that wait for their time, the next one first
    Scheduled(Paging),
    /// Take back an event that waits for its time
    Cancel(One),
}

#[derive(clap::Args)]
struct List {
    /// Only those of these types or families, with commas between
    #[arg(long = "type", value_name = "TYPES", value_delimiter = ',')]
    types: Vec<String>,
    /// Only those in these states, with commas between
    #[arg(long, value_name = "STATES", value_delimiter = ',')]
    state: Vec<State>,
    /// Only those with a delivery to this endpoint; it may be gone
    #[arg(long, value_name = "ID")]
    endpoint: Option<String>,
    /// Only those with this key; empty for those without one
    #[arg(long, value_name = "ORDERING_KEY")]
    key: Option<String>,
    /// Only the one that was published under this key
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Only those with this text in their payload
    #[arg(long, value_name = "TEXT")]
    payload: Option<String>,
    /// Only those that were accepted then or later: 2h ago, or a time as in RFC 3339
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
    /// Only those that were accepted earlier
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
    /// Which come first
    #[arg(long, value_enum, default_value_t)]
    order: Order,
    #[command(flatten)]
    reach: ReachArgs,
    #[command(flatten)]
    paging: Paging,
}

#[derive(Clone, Copy, ValueEnum)]
enum State {
    Pending,
    Retrying,
    Failed,
    Discarded,
    Delivered,
    #[value(name = "no_subscribers")]
    NoSubscribers,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Retrying => "retrying",
            Self::Failed => "failed",
            Self::Discarded => "discarded",
            Self::Delivered => "delivered",
            Self::NoSubscribers => "no_subscribers",
        }
    }
}

impl List {
    fn query(&self) -> Query {
        let now = Timestamp::now();
        let states = self.state.iter().map(|state| state.name().to_owned());
        Query::default()
            .with_all("type", &self.types)
            .with_all("state", &states.collect::<Vec<_>>())
            .with("endpoint_id", self.endpoint.as_ref())
            .with("ordering_key", self.key.as_ref())
            .with("idempotency_key", self.idempotency_key.as_ref())
            .with("payload", self.payload.as_ref())
            .with("from", self.since.map(|since| since.before(now)))
            .with("until", self.until.map(|until| until.before(now)))
            .with("order", Some(self.order.name()))
    }
}

#[derive(clap::Args)]
struct One {
    /// The event
    id: String,
}

#[derive(clap::Args)]
struct Publish {
    #[command(flatten)]
    how: PublishArgs,
    /// The payload: JSON, `@FILE`, or `-` for the standard input
    #[arg(long, value_name = "JSON")]
    data: String,
    /// What the payload is, if it is not JSON: application/xml. Its bytes go out as they are
    #[arg(long, value_name = "MEDIA_TYPE")]
    content_type: Option<String>,
    /// How the payload is coded: gzip
    #[arg(long, value_name = "CODING", requires = "content_type")]
    content_encoding: Option<String>,
}

#[derive(clap::Args)]
struct Explain {
    /// The event
    id: String,
    /// The endpoint
    #[arg(long, value_name = "ID")]
    endpoint: String,
}

/// What is published, but for the payload.
#[derive(clap::Args)]
pub(crate) struct PublishArgs {
    /// The event type, such as payment.succeeded
    #[arg(value_name = "TYPE")]
    pub(crate) event_type: String,
    /// Only to this endpoint, whatever it subscribes to
    #[arg(long, value_name = "ID")]
    endpoint: Option<String>,
    /// Keep order among the events with the same key only
    #[arg(long, value_name = "ORDERING_KEY")]
    key: Option<String>,
    /// A repeat with this key and the same content gives the same event and nothing more
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// A header that goes with the payload, as `name: value`; may be repeated
    #[arg(long = "header", value_name = "HEADER", value_parser = header)]
    headers: Vec<(String, String)>,
    /// Accept it now, deliver it then: in 5m, or at a time as in RFC 3339
    #[arg(long, value_name = "TIME")]
    at: Option<Moment>,
}

fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, value)) => Ok((name.trim().to_owned(), value.trim().to_owned())),
        None => Err("write `name: value`".to_owned()),
    }
}

/// The body of `POST /v1/events`. The payload goes out in its exact text.
#[derive(Serialize)]
struct NewEvent<'a> {
    #[serde(rename = "type")]
    event_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_encoding: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ordering_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deliver_after: Option<String>,
}

impl PublishArgs {
    /// Publishes the event with this payload.
    pub(crate) async fn publish(
        &self,
        client: &Client,
        payload: &RawValue,
    ) -> Result<Reply, ClientError> {
        let event = NewEvent {
            payload: Some(payload),
            ..self.event()
        };
        self.send(client, &event).await
    }

    /// All but the payload.
    fn event(&self) -> NewEvent<'_> {
        NewEvent {
            event_type: &self.event_type,
            payload: None,
            payload_base64: None,
            content_type: None,
            content_encoding: None,
            headers: self
                .headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect(),
            endpoint_id: self.endpoint.as_deref(),
            ordering_key: self.key.as_deref(),
            deliver_after: self.at.map(|at| at.after(Timestamp::now())),
        }
    }

    async fn send(&self, client: &Client, event: &NewEvent<'_>) -> Result<Reply, ClientError> {
        let key = self.idempotency_key.as_deref();
        client.post_once(&["v1", "events"], event, key).await
    }
}

impl Publish {
    async fn send(&self, client: &Client) -> Result<Reply, ClientError> {
        if self.content_type.is_none() {
            let payload = value::json("the payload", &self.data)?;
            return self.how.publish(client, &payload).await;
        }
        let event = NewEvent {
            payload_base64: Some(base64::encode(&value::bytes(&self.data)?)),
            content_type: self.content_type.as_deref(),
            content_encoding: self.content_encoding.as_deref(),
            ..self.how.event()
        };
        self.how.send(client, &event).await
    }
}

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("TYPE", "/type"),
    ("STATE", "/state"),
    ("KEY", "/ordering_key"),
    ("PUBLISHED", "/published_at"),
];

const SCHEDULED: &[Column] = &[
    ("ID", "/id"),
    ("TYPE", "/type"),
    ("KEY", "/ordering_key"),
    ("DUE", "/deliver_after"),
];

const ACCEPTED: &[Column] = &[("DELIVERY", "/id"), ("ENDPOINT", "/endpoint_id")];

const STEPS: &[Column] = &[
    ("AT", "/at"),
    ("WHAT", "/what"),
    ("DELIVERY", "/delivery_id"),
    ("ENDPOINT", "/endpoint_id"),
    ("DETAIL", "/detail"),
];

pub(crate) fn run(args: &Args) -> Result<Answer, ClientError> {
    super::ask(&args.connection, async |client| {
        args.what.answer(client, &args.connection).await
    })
}

impl What {
    async fn answer(&self, client: &Client, show: &Connection) -> Result<Answer, ClientError> {
        match self {
            Self::List(args) => {
                let query = args.reach.add(args.query());
                let list = client.list(&["v1", "events"], query, &args.paging).await?;
                Ok(show.list(&list, &args.reach.columns(COLUMNS)))
            }
            Self::Get(one) => {
                let path = ["v1", "events", &one.id];
                let reply = client.get(&path, &Query::default()).await?;
                Ok(show.answer(&reply, |event| described(event, reply.text())))
            }
            Self::Payload(one) => {
                let path = ["v1", "events", &one.id, "payload"];
                super::write(&client.bytes(&path).await?)?;
                Ok(Answer {
                    text: String::new(),
                    is_yes: true,
                })
            }
            Self::Publish(publish) => {
                let reply = publish.send(client).await?;
                Ok(show.answer(&reply, accepted))
            }
            Self::Timeline(one) => {
                let path = ["v1", "events", &one.id, "timeline"];
                let reply = client.get(&path, &Query::default()).await?;
                Ok(show.answer(&reply, |it| show::table(show::rows(&it["steps"]), STEPS)))
            }
            Self::Explain(explain) => {
                let path = ["v1", "events", &explain.id, "explain"];
                let query = Query::default().with("endpoint_id", Some(&explain.endpoint));
                let reply = client.get(&path, &query).await?;
                let is_yes = reply.value()["has_delivery"] == true;
                let answer = show.answer(&reply, explained);
                Ok(Answer { is_yes, ..answer })
            }
            Self::Scheduled(paging) => {
                let list = client.list(&["v1", "scheduled-events"], Query::default(), paging);
                Ok(show.list(&list.await?, SCHEDULED))
            }
            Self::Cancel(one) => {
                client.delete(&["v1", "scheduled-events", &one.id]).await?;
                Ok(show.done("cancelled", &one.id))
            }
        }
    }
}

/// What is said of an event that was accepted.
pub(super) fn accepted(event: &Value) -> String {
    let id = show::cell(&event["id"]);
    let again = match event["duplicate"] == true {
        true => ", as it was before",
        false => "",
    };
    let later = match event["deliver_after"].as_str() {
        Some(at) => format!("; it is delivered at {}", show::plain(at)),
        None => String::new(),
    };
    let mut text = format!("accepted {id}{again}{later}\n");
    match show::rows(&event["deliveries"]) {
        [] if later.is_empty() => text += "no endpoint gets it\n",
        [] => (),
        deliveries => text += &show::table(deliveries, ACCEPTED),
    }
    text
}

/// `json` is its text, with the payload as it is.
fn described(event: &Value, json: &str) -> String {
    let mut fields = event.clone();
    if let Some(fields) = fields.as_object_mut() {
        for name in ["payload", "deliveries"] {
            fields.remove(name);
        }
        let is_nothing = |it: &Value| it.is_null() || *it == Value::Object(Map::new());
        for name in [
            "payload_unreadable",
            "payload_base64",
            "content_encoding",
            "headers",
        ] {
            if fields.get(name).is_some_and(is_nothing) {
                fields.remove(name);
            }
        }
        if fields
            .get("content_type")
            .is_some_and(|it| it == "application/json")
        {
            fields.remove("content_type");
        }
    }
    let mut text = show::fields(&fields, &["id", "type", "state", "published_at"]);
    if let Ok(document) = Document::read(json.as_bytes())
        && let Some(payload) = document.pointer("/payload")
        && payload.kind() != Kind::Null
    {
        text += &format!("payload\n{}", show::indented(payload));
    }
    let mut deliveries = show::rows(&event["deliveries"]).to_vec();
    if !deliveries.is_empty() {
        deliveries.iter_mut().for_each(deliveries::sum_up);
        text.push('\n');
        text += &show::table(&deliveries, deliveries::OF_AN_EVENT);
    }
    text
}

fn explained(explanation: &Value) -> String {
    let has = match explanation["has_delivery"] == true {
        true => "the endpoint got a delivery of it",
        false => "the endpoint got no delivery of it",
    };
    let mut text = format!("{has}\n");
    for reason in show::rows(&explanation["reasons"]) {
        text += &format!("- {}\n", show::cell(reason));
    }
    text
}
