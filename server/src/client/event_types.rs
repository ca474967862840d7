//! `postrider event-types`.

use super::http::Query;
use super::show::{self, Column};
use super::spec::parsed;
use super::{Client, ClientError, Connection, Paging};
use crate::Answer;
use clap::Subcommand;
use serde_json::{Map, Value, json};

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
                Ok(show.answer(&reply, described))
            }
            Self::Create(create) => {
                let reply = client.post(&["v1", "event-types"], &create.body()?).await?;
                Ok(show.answer(&reply, described))
            }
            Self::Delete(one) => {
                client.delete(&["v1", "event-types", &one.name]).await?;
                Ok(show.done("deleted", &one.name))
            }
        }
    }
}

impl Create {
    fn body(&self) -> Result<Map<String, Value>, ClientError> {
        let mut body = Map::new();
        body.insert("name".to_owned(), json!(self.name));
        body.insert("description".to_owned(), json!(self.description));
        body.insert("validate".to_owned(), json!(self.validate));
        for (name, what, argument) in [
            ("schema", "--schema", &self.schema),
            ("example", "--example", &self.example),
        ] {
            if let Some(argument) = argument {
                body.insert(name.to_owned(), parsed(what, argument)?);
            }
        }
        Ok(body)
    }
}

fn described(event_type: &Value) -> String {
    let mut text = show::fields(event_type, &["name", "description", "validate"]);
    let versions = event_type["versions"].as_array().into_iter().flatten();
    for version in versions {
        let (number, at) = (&version["version"], show::cell(&version["created_at"]));
        text += &format!("\nversion {number}, of {at}\n");
        for name in ["schema", "example"] {
            let value = &version[name];
            if !value.is_null() {
                text += &format!("{name}\n{}", show::indented(value));
            }
        }
    }
    text
}
