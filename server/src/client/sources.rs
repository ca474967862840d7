//! `postrider sources`.

use super::http::Query;
use super::show::{self, Column};
use super::spec::parsed;
use super::{Client, ClientError, Connection, Paging};
use crate::Answer;
use crate::input::Secrets;
use clap::Subcommand;
use serde_json::{Map, Value, json};

/// Look after the places that webhooks come in from
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// List sources
    List(Paging),
    /// Show a source
    Get(One),
    /// Make a source
    Create(Create),
    /// Delete a source; its webhooks are refused from now on
    Delete(One),
}

#[derive(clap::Args)]
struct One {
    /// The source
    id: String,
}

#[derive(clap::Args)]
struct Create {
    /// Its name: that of no other source of the tenant
    name: String,
    /// Who sends: stripe, github, …, or custom; `/reference` lists them
    #[arg(long, value_name = "NAME")]
    provider: String,
    #[command(flatten)]
    secrets: Secrets,
    /// How old a signature may be, in seconds
    #[arg(long, value_name = "SECONDS")]
    tolerance_s: Option<u64>,
    /// Take webhooks from these networks only, with commas between
    #[arg(long, value_name = "NETWORKS", value_delimiter = ',')]
    allowed_networks: Vec<String>,
    /// How the types of its events begin [default: the provider's name; for custom the source's]
    #[arg(long, value_name = "PREFIX")]
    event_prefix: Option<String>,
    /// How its requests are signed and read, for the provider custom: JSON, `@FILE`, or `-`
    #[arg(long, value_name = "JSON")]
    custom: Option<String>,
}

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("NAME", "/name"),
    ("PROVIDER", "/provider"),
    ("PATH", "/path"),
    ("CREATED", "/created_at"),
];

const FIRST: &[&str] = &["id", "name", "provider", "path"];

pub(crate) fn run(args: &Args) -> Result<Answer, ClientError> {
    super::ask(&args.connection, async |client| {
        args.what.answer(client, &args.connection).await
    })
}

impl What {
    async fn answer(&self, client: &Client, show: &Connection) -> Result<Answer, ClientError> {
        match self {
            Self::List(paging) => {
                let list = client.list(&["v1", "sources"], Query::default(), paging);
                Ok(show.list(&list.await?, COLUMNS))
            }
            Self::Get(one) => {
                let path = ["v1", "sources", &one.id];
                let reply = client.get(&path, &Query::default()).await?;
                Ok(show.answer(&reply, |it| show::fields(it, FIRST)))
            }
            Self::Create(create) => {
                let reply = client.post(&["v1", "sources"], &create.body()?).await?;
                Ok(show.answer(&reply, |it| show::fields(it, FIRST)))
            }
            Self::Delete(one) => {
                client.delete(&["v1", "sources", &one.id]).await?;
                Ok(show.done("deleted", &one.id))
            }
        }
    }
}

impl Create {
    fn body(&self) -> Result<Map<String, Value>, ClientError> {
        let secrets = self.secrets.read()?;
        let secrets: Vec<&str> = secrets.iter().map(|it| it.expose_secret_text()).collect();
        let mut body = Map::new();
        body.insert("name".to_owned(), json!(self.name));
        body.insert("provider".to_owned(), json!(self.provider));
        body.insert("secrets".to_owned(), json!(secrets));
        if let Some(tolerance_s) = self.tolerance_s {
            body.insert("tolerance_s".to_owned(), json!(tolerance_s));
        }
        if !self.allowed_networks.is_empty() {
            let networks = json!(self.allowed_networks);
            body.insert("allowed_networks".to_owned(), networks);
        }
        if let Some(prefix) = &self.event_prefix {
            body.insert("event_prefix".to_owned(), json!(prefix));
        }
        if let Some(custom) = &self.custom {
            body.insert("custom".to_owned(), parsed("--custom", custom)?);
        }
        Ok(body)
    }
}
