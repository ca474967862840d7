//! `postrider tail`: what happens, as it happens.

mod names;

use super::http::Query;
use super::sse::Item;
use super::stream::Follower;
use super::{ClientError, Connection, say, show};
use crate::Answer;
use clap::ValueEnum;
use jiff::Timestamp;
use names::Names;
use postrider::engine::json::{Document, compact};
use serde_json::{Value, json};

/// Follow what happens: a line for each event, attempt and end
///
/// Ends when it is interrupted. A connection that was lost is made again; events that were accepted
/// meanwhile are shown then.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    connection: Connection,
    /// Only events of these types or families, with commas between, and what becomes of them
    #[arg(long = "type", value_name = "TYPES", value_delimiter = ',')]
    types: Vec<String>,
    /// Only what concerns this endpoint
    #[arg(long, value_name = "ID")]
    endpoint: Option<String>,
    /// Only these kinds of lines, with commas between
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    only: Vec<Kind>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// Events that are accepted
    Event,
    /// Attempts that end
    Attempt,
    /// Attempts that start; only shown if they are asked for
    #[value(name = "attempt.started")]
    Started,
    /// Deliveries that end or wait for another attempt
    Delivery,
    /// Endpoints that change
    Endpoint,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Attempt => "attempt",
            Self::Started => "attempt.started",
            Self::Delivery => "delivery",
            Self::Endpoint => "endpoint",
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<Answer, ClientError> {
    super::ask(&args.connection, async |client| {
        let kinds: Vec<String> = args.only.iter().map(|it| it.name().to_owned()).collect();
        let query = Query::default()
            .with_all("types", &kinds)
            .with_all("event_type", &args.types)
            .with("endpoint_id", args.endpoint.as_ref());
        let mut stream = Follower::new(client, query);
        let mut names = Names::default();
        loop {
            let item = stream.next().await?;
            let line = match args.connection.json {
                true => json_line(&item),
                false => {
                    let data = data(&item);
                    let about = names.about(client, &item.event, &data).await;
                    line(&item.event, &data, &about)
                }
            };
            if !say(&line)? {
                return Ok(Answer {
                    text: String::new(),
                    is_yes: true,
                });
            }
        }
    })
}

fn data(item: &Item) -> Value {
    // What is no JSON is shown as it is.
    match Document::read(item.data.as_bytes()) {
        Ok(document) => show::value(document.root()),
        Err(_) => Value::from(item.data.as_str()),
    }
}

/// The data in its exact text, on one line.
fn json_line(item: &Item) -> String {
    let data = match Document::read(item.data.as_bytes()) {
        Ok(document) => compact(&document.root().json()),
        Err(_) => json!(item.data).to_string(),
    };
    let (event, id) = (json!(item.event), json!(item.id));
    format!("{{\"event\":{event},\"id\":{id},\"data\":{data}}}")
}

/// `about` says in words what the ids are of.
fn line(event: &str, data: &Value, about: &str) -> String {
    let text = |name: &str| show::cell(&data[name]);
    let now = Timestamp::now().strftime("%H:%M:%S").to_string();
    let what = match event {
        "event" => {
            let key = match data["ordering_key"].as_str() {
                Some(key) => format!(" key {}", show::plain(key)),
                None => String::new(),
            };
            format!("{} {}{key}", text("id"), text("type"))
        }
        "attempt.started" => format!("{} #{}", text("delivery_id"), text("number")),
        "attempt" => {
            let answer = match data["status"].is_null() {
                true => text("failure"),
                false => text("status"),
            };
            let (delivery, number) = (text("delivery_id"), text("number"));
            format!(
                "{delivery} #{number}: {answer} after {} ms",
                text("duration_ms")
            )
        }
        "delivery" => {
            let mut line = format!("{} {}", text("delivery_id"), text("state"));
            for (name, before) in [("reason", ": "), ("due", ", due ")] {
                if !data[name].is_null() {
                    line += &format!("{before}{}", text(name));
                }
            }
            line
        }
        "endpoint" => {
            let line = format!("{} {}", text("endpoint_id"), text("what"));
            match data["reason"].is_null() {
                true => line,
                false => format!("{line}: {}", text("reason")),
            }
        }
        "skipped" if data["count"].is_null() => "some lines: the server was too slow".to_owned(),
        "skipped" => format!("{} lines: this reader is too slow", text("count")),
        _ => show::cell(data),
    };
    let about = match about {
        "" => String::new(),
        about => format!("  {}", show::plain(about)),
    };
    let kind = match event {
        "attempt.started" => "start",
        event => event,
    };
    format!("{now}  {:<8}  {what}{about}", show::plain(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(event: &str, text: &str) -> String {
        let item = Item {
            event: event.to_owned(),
            data: text.to_owned(),
            id: None,
        };
        let line = line(event, &data(&item), "");
        line.split_once("  ").unwrap().1.to_owned()
    }

    #[test]
    fn a_line_of_json_has_the_data_as_it_came() {
        let item = Item {
            event: "event".to_owned(),
            data: "{\"z\": 1.10,\n \"a\": 1e400, \"t\": \"caf\\ud83d\"}".to_owned(),
            id: None,
        };
        assert_eq!(
            json_line(&item),
            "{\"event\":\"event\",\"id\":null,\"data\":{\"z\":1.10,\"a\":1e400,\"t\":\"caf\u{fffd}\"}}"
        );
        assert_eq!(shown("event", &item.data), "event     - -");
    }

    #[test]
    fn every_kind_of_item_is_a_line() {
        let event = r#"{"id":"evt_1","type":"a.b","ordering_key":"k","payload":{"x":1}}"#;
        assert_eq!(shown("event", event), "event     evt_1 a.b key k");
        let attempt =
            r#"{"delivery_id":"dlv_1","number":2,"status":503,"failure":null,"duration_ms":7}"#;
        assert_eq!(
            shown("attempt", attempt),
            "attempt   dlv_1 #2: 503 after 7 ms"
        );
        let attempt =
            r#"{"delivery_id":"dlv_1","number":1,"status":null,"failure":"dns","duration_ms":0}"#;
        assert_eq!(
            shown("attempt", attempt),
            "attempt   dlv_1 #1: dns after 0 ms"
        );
        let started = r#"{"delivery_id":"dlv_1","number":2,"event_type":"a.b"}"#;
        assert_eq!(shown("attempt.started", started), "start     dlv_1 #2");
        let delivery = r#"{"delivery_id":"dlv_1","state":"failed","reason":"rejected","due":null}"#;
        assert_eq!(
            shown("delivery", delivery),
            "delivery  dlv_1 failed: rejected"
        );
        let delivery = r#"{"delivery_id":"dlv_1","state":"retrying","reason":null,"due":"2026"}"#;
        assert_eq!(
            shown("delivery", delivery),
            "delivery  dlv_1 retrying, due 2026"
        );
        let endpoint = r#"{"endpoint_id":"ep_1","what":"disabled","reason":"gone"}"#;
        assert_eq!(shown("endpoint", endpoint), "endpoint  ep_1 disabled: gone");
        let skipped = shown("skipped", r#"{"count":3}"#);
        assert_eq!(skipped, "skipped   3 lines: this reader is too slow");
        assert_eq!(shown("new\u{1b}", "x"), "new\\u{1b}  x");
    }
}
