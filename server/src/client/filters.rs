//! `postrider filters`.

use super::value::{self, Fields};
use super::{Client, ClientError, Connection, show};
use crate::Answer;
use clap::Subcommand;
use serde_json::Value;

/// Try content filters out
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Tell whether a filter matches a payload; exit status 1 if it does not
    Try(Try),
}

#[derive(clap::Args)]
struct Try {
    /// The filter: JSON such as `{"amount": {"$gt": 100}}`, `@FILE`, or `-` for the standard input
    filter: String,
    /// The payload: JSON, `@FILE`, or `-` for the standard input
    #[arg(long, value_name = "JSON")]
    data: String,
    /// The event type, to be reminded of what it depends on beside
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
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
        body.set_json("filter", value::json("the filter", &self.filter)?);
        body.set_json("payload", value::json("the payload", &self.data)?);
        if let Some(event_type) = &self.event_type {
            body.set("event_type", Value::from(event_type.as_str()));
        }
        let reply = client.post(&["v1", "filters", "try"], &body).await?;
        let is_yes = reply.value()["matches"] == true;
        let answer = show.answer(&reply, |it| format!("{}\n", show::cell(&it["detail"])));
        Ok(Answer { is_yes, ..answer })
    }
}
