//! `postrider event-types`.

use super::http::Query;
use super::show::{self, Column};
use super::value::{self, Fields};
use super::{Client, ClientError, Connection, Paging};
use crate::Answer;
use clap::Subcommand;
use postrider::engine::json::{Document, Kind};
use serde_json::{Value, json};

/// Look after the catalogue of event types
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// List event types
    List(Paging),
    /// Show an event type with its versions
    Get(One),
    /// Add an event type
    Create(Create),
    /// Take an event type out of the catalogue
    Delete(One),
}

#[derive(clap::Args)]
struct One {
    /// The event type
    name: String,
}

#[derive(clap::Args)]
struct Create {
    /// The event type, such as payment.succeeded
    name: String,
    /// For people
    #[arg(long, value_name = "TEXT", default_value = "")]
    description: String,
    /// A JSON Schema of its payloads: JSON, `@FILE`, or `-` for the standard input
    #[arg(long, value_name = "JSON")]
    schema: Option<String>,
    /// A payload to show
    #[arg(long, value_name = "JSON")]
    example: Option<String>,
    /// Refuse payloads that do not match the schema
    #[arg(long)]
    validate: bool,
}

const COLUMNS: &[Column] = &[
    ("NAME", "/name"),
    ("VALIDATED", "/validate"),
    ("DESCRIPTION", "/description"),
    ("CREATED", "/created_at"),
];

pub(crate) fn run(args: &Args) -> Result<Answer, ClientError> {
    super::ask(&args.connection, async |client| {
        args.what.answer(client, &args.connection).await
    })
}

impl What {
    async fn answer(&self, client: &Client, show: &Connection) -> Result<Answer, ClientError> {
        match self {
            Self::List(paging) => {
                let list = client.list(&["v1", "event-types"], Query::default(), paging);
                Ok(show.list(&list.await?, COLUMNS))
            }
            Self::Get(one) => {
                let path = ["v1", "event-types", &one.name];
                let reply = client.get(&path, &Query::default()).await?;
                Ok(show.answer(&reply, |it| described(it, reply.text())))
            }
            Self::Create(create) => {
                let reply = client.post(&["v1", "event-types"], &create.body()?).await?;
                Ok(show.answer(&reply, |it| described(it, reply.text())))
            }
            Self::Delete(one) => {
                client.delete(&["v1", "event-types", &one.name]).await?;
                Ok(show.done("deleted", &one.name))
            }
        }
    }
}

impl Create {
    fn body(&self) -> Result<Fields, ClientError> {
        let mut body = Fields::default();
        body.set("name", self.name.as_str());
        body.set("description", json!(self.description));
        body.set("validate", self.validate);
        for (name, what, argument) in [
            ("schema", "--schema", &self.schema),
            ("example", "--example", &self.example),
        ] {
            if let Some(argument) = argument {
                body.set_json(name, value::json(what, argument)?);
            }
        }
        Ok(body)
    }
}

/// `json` is its text, with schemas and examples as they are.
fn described(event_type: &Value, json: &str) -> String {
    let document = Document::read(json.as_bytes());
    let mut text = show::fields(event_type, &["name", "description", "validate"]);
    let versions = event_type["versions"].as_array().into_iter().flatten();
    for (place, version) in versions.enumerate() {
        let (number, at) = (&version["version"], show::cell(&version["created_at"]));
        text += &format!("\nversion {number}, of {at}\n");
        for name in ["schema", "example"] {
            let pointer = format!("/versions/{place}/{name}");
            let value = document.as_ref().ok().and_then(|it| it.pointer(&pointer));
            if let Some(value) = value.filter(|value| value.kind() != Kind::Null) {
                text += &format!("{name}\n{}", show::indented(value));
            }
        }
    }
    text
}
