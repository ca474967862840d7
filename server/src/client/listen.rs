//! `postrider listen`: a server's events on a local port.

use super::http::{Query, plain, root};
use super::sse::Item;
use super::stream::{Backoff, Follower, tell};
use super::{Client, ClientError, Connection, say, show};
use crate::Answer;
use crate::input::{InputError, Secrets, unix_seconds};
use postrider::Secret;
use postrider::engine::base64;
use postrider::signature::{Message, Scheme, Signer};
use reqwest::Url;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

/// A receiver has this long to answer, as it would have by default in real life.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Both loopbacks, of which a program may have one alone: many development servers listen on `::1`
/// only. The port is that of the URL.
const LOOPBACKS: [SocketAddr; 2] = [
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
    SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 0),
];

/// Forward a server's events to a port of this machine
///
/// Each event is sent as a real delivery would be, signed by the scheme `postrider`, one after the
/// other in the order in which they were accepted. An answer other than 2xx is shown and not
/// retried; as long as nobody listens on the port, the event waits. Nothing is recorded in the
/// server. Ends when it is interrupted.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    connection: Connection,
    /// A port of this machine, of which both loopback addresses are tried, or a URL
    #[arg(value_name = "PORT|URL", value_parser = target)]
    to: Url,
    /// Only events of these types or families, with commas between
    #[arg(long = "type", value_name = "TYPES", value_delimiter = ',')]
    types: Vec<String>,
    #[command(flatten)]
    secrets: Secrets,
}

/// An event of the stream.
#[derive(Deserialize)]
struct Event {
    id: String,
    #[serde(rename = "type")]
    event_type: String,
    #[serde(default)]
    payload: Option<Box<RawValue>>,
    /// Instead, if the payload is no JSON.
    #[serde(default)]
    payload_text: Option<String>,
    /// Instead, if it is no text.
    #[serde(default)]
    payload_base64: Option<String>,
    #[serde(default)]
    content_type: Option<String>,
    #[serde(default)]
    content_encoding: Option<String>,
}

impl Event {
    fn body(&self) -> Vec<u8> {
        let json = self.payload.as_deref().map(RawValue::get);
        let text = json.or(self.payload_text.as_deref());
        let bytes = || base64::decode(self.payload_base64.as_deref()?);
        match text {
            Some(text) => text.as_bytes().to_vec(),
            None => bytes().unwrap_or_default(),
        }
    }

    fn content_type(&self) -> &str {
        self.content_type.as_deref().unwrap_or("application/json")
    }
}

/// Where events go, and who signs them.
struct Forwarder {
    http: reqwest::Client,
    to: Url,
    signer: Signer,
    json: bool,
}

fn target(text: &str) -> Result<Url, String> {
    let url = match text.parse::<u16>() {
        Ok(port) => format!("http://localhost:{port}/"),
        Err(_) => text.to_owned(),
    };
    match Url::parse(&url) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url),
        _ => {
            Err("write a port, such as 3000, or a URL, such as http://127.0.0.1:3000/hooks".into())
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<Answer, ClientError> {
    super::ask(&args.connection, async |client| {
        args.forward(client).await?;
        Ok(Answer {
            text: String::new(),
            is_yes: true,
        })
    })
}

/// The secrets that are given, or a new one.
fn secrets(given: &Secrets) -> Result<(Vec<Secret>, bool), ClientError> {
    match given.read() {
        Ok(secrets) => Ok((secrets, false)),
        Err(InputError::NoSecret) => {
            let mut random = [0; 32];
            getrandom::fill(&mut random).map_err(ClientError::Randomness)?;
            Ok((vec![Secret::generate_hmac(random)], true))
        }
        Err(error) => Err(error.into()),
    }
}

impl Args {
    async fn forward(&self, client: &Client) -> Result<(), ClientError> {
        let (secrets, is_new) = secrets(&self.secrets)?;
        let signer = Signer::new(Scheme::Postrider, &secrets);
        let signer = signer.map_err(|error| ClientError::Form {
            what: "the secret",
            why: error.to_string(),
        })?;
        let forwarder = Forwarder {
            http: plain(|builder| {
                let builder = builder.resolve_to_addrs("localhost", &LOOPBACKS);
                builder.timeout(TIMEOUT)
            })?,
            to: self.to.clone(),
            signer,
            json: self.connection.json,
        };
        let query = Query::default()
            .with("types", Some("event"))
            .with_all("event_type", &self.types);
        let mut stream = Follower::new(client, query);
        stream.connect().await?;
        let new_secret = secrets.first().filter(|_| is_new);
        if !forwarder.begin(client, new_secret)? {
            return Ok(());
        }
        loop {
            let item = stream.next().await?;
            if item.event == "event" && !forwarder.pass_on(&item).await? {
                return Ok(());
            }
        }
    }
}

impl Forwarder {
    /// Says what is going to happen. False if nobody reads any more.
    fn begin(&self, client: &Client, new_secret: Option<&Secret>) -> Result<bool, ClientError> {
        let secret = new_secret.map(|secret| secret.expose_secret_text());
        if self.json {
            let begin = json!({
                "forwarding": { "from": client.url(), "to": self.to.as_str(), "secret": secret },
            });
            return say(&begin.to_string());
        }
        if let Some(secret) = secret {
            say(&format!("signing secret: {secret}"))?;
        }
        say(&format!(
            "forwarding events of {} to {}",
            client.url(),
            self.to
        ))
    }

    /// Sends an event until somebody is there to get it. False if nobody reads any more.
    async fn pass_on(&self, item: &Item) -> Result<bool, ClientError> {
        let event = serde_json::from_str::<Event>(&item.data);
        let event = event.map_err(|error| ClientError::NotJson {
            what: "an event of the stream",
            error,
        })?;
        let mut backoff = Backoff::default();
        let mut attempt = 0;
        loop {
            attempt += 1;
            let start = Instant::now();
            let answer = match self.send(&event, attempt).await? {
                Ok(status) => Ok(status),
                Err(error) if error.is_connect() => {
                    if attempt == 1 {
                        let why = root(&error);
                        tell(&format!("{}: {why}; {} waits", self.to, event.id));
                    }
                    backoff.pause().await;
                    continue;
                }
                Err(error) => Err(root(&error)),
            };
            let ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
            return say(&self.line(&event, &answer, ms));
        }
    }

    /// The status of the answer, or why there was none.
    async fn send(
        &self,
        event: &Event,
        attempt: u32,
    ) -> Result<Result<u16, reqwest::Error>, ClientError> {
        let body = event.body();
        let message = Message {
            id: &event.id,
            timestamp: unix_seconds(),
            body: &body,
        };
        let signed = self.signer.sign(&message);
        let signed = signed.map_err(|error| ClientError::Form {
            what: "the id of an event",
            why: error.to_string(),
        })?;
        let mut request = self.http.post(self.to.clone());
        for (name, value) in [
            ("content-type", event.content_type()),
            ("user-agent", postrider::engine::USER_AGENT),
            ("x-event-type", &event.event_type),
            ("x-event-id", &event.id),
            ("x-attempt", &attempt.to_string()),
        ] {
            request = request.header(name, value);
        }
        if let Some(coding) = &event.content_encoding {
            request = request.header("content-encoding", coding);
        }
        for header in signed {
            request = request.header(header.name, header.value);
        }
        let answer = request.body(body).send().await;
        Ok(answer.map(|answer| answer.status().as_u16()))
    }

    fn line(&self, event: &Event, answer: &Result<u16, String>, ms: u64) -> String {
        let (id, event_type) = (show::plain(&event.id), show::plain(&event.event_type));
        match (self.json, answer) {
            (true, answer) => json!({
                "id": event.id, "type": event.event_type, "status": answer.as_ref().ok(),
                "error": answer.as_ref().err(), "duration_ms": ms,
            })
            .to_string(),
            (false, Ok(status)) => format!("{id}  {event_type}  {status}  {ms} ms"),
            (false, Err(why)) => format!("{id}  {event_type}  no answer: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_means_this_machine() {
        assert_eq!(target("3000").unwrap().as_str(), "http://localhost:3000/");
        let url = "https://a.example/hooks?x=1";
        assert_eq!(target(url).unwrap().as_str(), url);
        for text in ["", "70000", "a.example", "ftp://a.example"] {
            assert!(target(text).is_err(), "{text}");
        }
    }
}
