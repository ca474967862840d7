//! `postrider portal-links`.

use super::show;
use super::when::{Moment, span};
use super::{Client, ClientError, Connection};
use crate::Answer;
use clap::{Subcommand, ValueEnum};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Let the customers of a tenant see and mend what is theirs
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Make a link with which a customer of the tenant signs in, once
    Create(Create),
    /// Revoke a link that nobody has used
    Revoke(One),
}

#[derive(clap::Args)]
struct Create {
    /// What it allows beside reading, with commas between
    #[arg(long, value_name = "ACTS", value_delimiter = ',')]
    act: Vec<Act>,
    /// Until when it can be used: in 1h, or a time as in RFC 3339
    #[arg(long, value_name = "TIME")]
    expires: Option<Moment>,
    /// How long its user stays signed in: 8h
    #[arg(long, value_name = "SPAN", value_parser = span)]
    session: Option<Duration>,
    /// The main colour of the portal: #rrggbb
    #[arg(long, value_name = "COLOR")]
    color: Option<String>,
    /// Its logo: an https:// URL
    #[arg(long, value_name = "URL")]
    logo_url: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Act {
    /// Send deliveries and dead letters again
    Retry,
    /// Make, change, delete and try out endpoints, and see their secrets
    #[value(name = "manage_endpoints")]
    ManageEndpoints,
    /// Send test events to endpoints that are registered
    Test,
}

impl Act {
    fn name(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::ManageEndpoints => "manage_endpoints",
            Self::Test => "test",
        }
    }
}

#[derive(clap::Args)]
struct One {
    /// The link's id
    id: String,
}

pub(crate) fn run(args: &Args) -> Result<Answer, ClientError> {
    super::ask(&args.connection, async |client| {
        args.what.answer(client, &args.connection).await
    })
}

impl What {
    async fn answer(&self, client: &Client, show: &Connection) -> Result<Answer, ClientError> {
        match self {
            Self::Create(create) => {
                let path = ["v1", "portal-links"];
                let reply = client.post(&path, &create.body()).await?;
                let first = ["url", "id", "tenant", "scopes", "expires_at"];
                Ok(show.answer(&reply, |it| show::fields(it, &first)))
            }
            Self::Revoke(one) => {
                client.delete(&["v1", "portal-links", &one.id]).await?;
                Ok(show.done("revoked", &one.id))
            }
        }
    }
}

impl Create {
    fn body(&self) -> Map<String, Value> {
        let acts: Vec<&str> = self.act.iter().map(|act| act.name()).collect();
        let mut body = Map::new();
        body.insert("acts".to_owned(), json!(acts));
        let theme = json!({ "color": self.color, "logo_url": self.logo_url });
        body.insert("theme".to_owned(), theme);
        if let Some(expires) = self.expires {
            let expires = expires.after(Timestamp::now());
            body.insert("expires_at".to_owned(), expires.into());
        }
        if let Some(session) = self.session {
            body.insert("session_s".to_owned(), session.as_secs().into());
        }
        body
    }
}
