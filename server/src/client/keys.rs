//! `postrider keys`.

use super::http::Query;
use super::show::{self, Column};
use super::when::Moment;
use super::{Client, ClientError, Connection, Paging};
use crate::Answer;
use clap::{Subcommand, ValueEnum};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// Make keys of the API, list and revoke them
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Make a key; it is shown this once
    Create(Create),
    /// List keys, without their text
    List(Paging),
    /// Revoke a key and those that it has made, at once and for good
    Revoke(One),
}

#[derive(clap::Args)]
struct Create {
    /// For people
    name: String,
    /// What it is for, with commas between
    #[arg(long, value_name = "SCOPES", value_delimiter = ',', required = true)]
    scope: Vec<Scope>,
    /// Bind it to this tenant
    #[arg(long, value_name = "NAME")]
    bound_to: Option<String>,
    /// How many requests it may make in a second
    #[arg(long, value_name = "N")]
    requests_per_second: Option<u32>,
    /// When it ends: in 30d, or at a time as in RFC 3339
    #[arg(long, value_name = "TIME")]
    expires: Option<Moment>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Scope {
    /// Publishes events
    Publish,
    /// Changes everything, and reads
    Manage,
    /// Reads everything that is no secret
    Read,
    /// Sends deliveries and dead letters again
    Retry,
    /// Makes, changes, deletes and tries out endpoints, and sees their secrets
    #[value(name = "manage_endpoints")]
    ManageEndpoints,
    /// Sends test events to endpoints that are registered
    Test,
}

#[derive(clap::Args)]
struct One {
    /// The key's id
    id: String,
}

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("NAME", "/name"),
    ("SCOPES", "/scopes"),
    ("TENANT", "/tenant"),
    ("CREATED", "/created_at"),
    ("EXPIRES", "/expires_at"),
    ("MADE BY", "/made_by"),
    ("LAST USED", "/last_used_at"),
];

pub(crate) fn run(args: &Args) -> Result<Answer, ClientError> {
    super::ask(&args.connection, async |client| {
        args.what.answer(client, &args.connection).await
    })
}

impl What {
    async fn answer(&self, client: &Client, show: &Connection) -> Result<Answer, ClientError> {
        match self {
            Self::Create(create) => {
                let reply = client.post(&["v1", "keys"], &create.body()).await?;
                Ok(show.answer(&reply, |it| show::fields(it, &["id", "key", "name"])))
            }
            Self::List(paging) => {
                let list = client.list(&["v1", "keys"], Query::default(), paging);
                Ok(show.list(&list.await?, COLUMNS))
            }
            Self::Revoke(one) => {
                client.delete(&["v1", "keys", &one.id]).await?;
                Ok(show.done("revoked", &one.id))
            }
        }
    }
}

impl Create {
    fn body(&self) -> Map<String, Value> {
        let scopes = self.scope.iter().map(|scope| match scope {
            Scope::Publish => "publish",
            Scope::Manage => "manage",
            Scope::Read => "read",
            Scope::Retry => "retry",
            Scope::ManageEndpoints => "manage_endpoints",
            Scope::Test => "test",
        });
        let scopes: Vec<&str> = scopes.collect();
        let mut body = Map::new();
        body.insert("name".to_owned(), json!(self.name));
        body.insert("scopes".to_owned(), json!(scopes));
        let more = [
            ("tenant", self.bound_to.as_deref().map(Value::from)),
            (
                "requests_per_second",
                self.requests_per_second.map(Value::from),
            ),
            (
                "expires_at",
                self.expires.map(|it| it.after(Timestamp::now()).into()),
            ),
        ];
        let more = more.into_iter();
        body.extend(more.filter_map(|(name, value)| Some((name.to_owned(), value?))));
        body
    }
}
