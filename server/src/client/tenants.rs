//! `postrider tenants`.

use super::http::Query;
use super::show::{self, Column};
use super::{Client, ClientError, Connection, Paging};
use crate::Answer;
use clap::Subcommand;
use serde_json::json;

/// Look after tenants; this needs a key for all of them
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Make a tenant
    Create(Create),
    /// List tenants, without `default`
    List(Paging),
    /// Delete a tenant that has no endpoints and no keys
    Delete(One),
}

#[derive(clap::Args)]
struct Create {
    /// Its name: 1 to 64 of A-Z a-z 0-9 . _ -
    name: String,
    /// For people
    #[arg(long, value_name = "TEXT", default_value = "")]
    description: String,
}

#[derive(clap::Args)]
struct One {
    /// The tenant
    name: String,
}

const COLUMNS: &[Column] = &[
    ("NAME", "/id"),
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
            Self::Create(create) => {
                let body = json!({ "id": create.name, "description": create.description });
                let reply = client.post(&["v1", "tenants"], &body).await?;
                Ok(show.answer(&reply, |it| show::fields(it, &["id"])))
            }
            Self::List(paging) => {
                let list = client.list(&["v1", "tenants"], Query::default(), paging);
                Ok(show.list(&list.await?, COLUMNS))
            }
            Self::Delete(one) => {
                client.delete(&["v1", "tenants", &one.name]).await?;
                Ok(show.done("deleted", &one.name))
            }
        }
    }
}
