//! `postrider tenants`.

use super::http::Query;
use super::show::{self, Column};
use super::{Client, ClientError, Connection, Paging};
use crate::Answer;
use clap::Subcommand;
use serde_json::{Value, json};

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
    /// Change a tenant, by name or id
    Update(Update),
    /// Delete a tenant, by name or id, with everything that it has
    Delete(One),
}

#[derive(clap::Args)]
struct Create {
    /// Its name: 1 to 64 of A-Z a-z 0-9 . _ -
    name: String,
    /// For people
    #[arg(long, value_name = "TEXT", default_value = "")]
    description: String,
    /// Networks that its requests may go to, beside those of all, with commas between
    #[arg(long, value_name = "NETWORKS", value_delimiter = ',')]
    allow_networks: Vec<String>,
}

#[derive(clap::Args)]
struct Update {
    /// Its name or its id
    name: String,
    /// For people
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Networks that its requests may go to, beside those of all, with commas between; "" for none
    #[arg(long, value_name = "NETWORKS", value_delimiter = ',')]
    allow_networks: Option<Vec<String>>,
}

impl Update {
    fn body(&self) -> Value {
        let mut body = json!({});
        if let Some(description) = &self.description {
            body["description"] = json!(description);
        }
        if let Some(networks) = &self.allow_networks {
            let networks: Vec<_> = networks.iter().filter(|it| !it.is_empty()).collect();
            body["allow_networks"] = json!(networks);
        }
        body
    }
}

#[derive(clap::Args)]
struct One {
    /// Its name or its id
    name: String,
}

const COLUMNS: &[Column] = &[
    ("NAME", "/name"),
    ("ID", "/id"),
    ("ENDPOINTS", "/counts/endpoints"),
    ("PENDING", "/counts/pending"),
    ("DEAD", "/counts/dead_letters"),
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
                let body = json!({
                    "name": create.name,
                    "description": create.description,
                    "allow_networks": create.allow_networks,
                });
                let reply = client.post(&["v1", "tenants"], &body).await?;
                Ok(show.answer(&reply, |it| show::fields(it, &["id", "name"])))
            }
            Self::List(paging) => {
                let list = client.list(&["v1", "tenants"], Query::default(), paging);
                Ok(show.list(&list.await?, COLUMNS))
            }
            Self::Update(update) => {
                let path = ["v1", "tenants", &update.name];
                let reply = client.patch(&path, &update.body()).await?;
                Ok(show.answer(&reply, |it| show::fields(it, &["id", "name"])))
            }
            Self::Delete(one) => {
                client.delete(&["v1", "tenants", &one.name]).await?;
                Ok(show.done("deleted", &one.name))
            }
        }
    }
}
