//! `postrider templates`.

use super::value::{self, Fields};
use super::{Client, ClientError, Connection, show};
use crate::Answer;
use clap::Subcommand;
use serde_json::{Value, json};

/// Try payload templates out
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Print what a template makes of a payload
    Try(Try),
}

#[derive(clap::Args)]
struct Try {
    /// The template: JSON, `@FILE`, or `-` for the standard input
    #[arg(required_unless_present = "name", conflicts_with = "name")]
    template: Option<String>,
    /// A template that is on record, instead
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Its version
    #[arg(long, value_name = "N", requires = "name", default_value_t = 1)]
    template_version: u32,
    /// The event type
    #[arg(long = "type", value_name = "TYPE", default_value = "example.event")]
    event_type: String,
    /// The payload: JSON, `@FILE`, or `-` for the standard input
    #[arg(long, value_name = "JSON")]
    data: String,
}

pub(crate) fn run(args: &Args) -> Result<Answer, ClientError> {
    let What::Try(asked) = &args.what;
    super::ask(&args.connection, async |client| {
        asked.answer(client, &args.connection).await
    })
}

impl Try {
    async fn answer(&self, client: &Client, show: &Connection) -> Result<Answer, ClientError> {
        let mut body = Fields::default();
        if let Some(name) = &self.name {
            let known = json!({ "name": name, "version": self.template_version });
            body.set("template", known);
        }
        if let Some(template) = &self.template {
            let template = value::json("the template", template)?;
            // As a text: JSON with a name and a version would stand for one that is on record.
            body.set("template", Value::from(template.get()));
        }
        body.set("event_type", Value::from(self.event_type.as_str()));
        body.set_json("payload", value::json("the payload", &self.data)?);
        let reply = client.post(&["v1", "templates", "try"], &body).await?;
        Ok(show.answer(&reply, |it| format!("{}\n", show::cell(&it["body"]))))
    }
}
