//! `postrider sources`.

mod taking;

use super::http::Query;
use super::show::{self, Column};
use super::spec::parsed;
use super::{Client, ClientError, Connection, Paging};
use crate::Answer;
use crate::input::{InputError, Secrets, secret_in};
use clap::Subcommand;
use postrider::Secret;
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use taking::Taking;

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
    /// Show what has come to a source of late, taken and refused, newest first
    Receipts(Receipts),
    /// Make a source
    Create(Create),
    /// Change what is given, and leave the rest
    Update(Update),
    /// Delete a source; its webhooks are refused from now on
    Delete(One),
}

#[derive(clap::Args)]
struct One {
    /// The source
    id: String,
}

#[derive(clap::Args)]
struct Receipts {
    /// The source
    id: String,
    #[command(flatten)]
    paging: Paging,
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
    /// The URL that the provider was given, exactly as it was, where the provider signs that
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    #[command(flatten)]
    taking: Taking,
}

#[derive(clap::Args)]
struct Update {
    /// The source
    id: String,
    /// Another name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// A file with a secret that is valid, too, from now on, exactly as it is but for one line end;
    /// may be repeated
    #[arg(long = "add-secret-file", value_name = "FILE")]
    add_secret_files: Vec<PathBuf>,
    /// Ids of secrets that are valid no more, with commas between; `sources get` shows them
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    remove_secrets: Vec<u32>,
    /// How old a signature may be, in seconds
    #[arg(long, value_name = "SECONDS")]
    tolerance_s: Option<u64>,
    /// Take webhooks from these networks only, with commas between; from any, if it is empty
    #[arg(long, value_name = "NETWORKS")]
    allowed_networks: Option<String>,
    /// How the types of its events begin, from now on
    #[arg(long, value_name = "PREFIX")]
    event_prefix: Option<String>,
    /// How its requests are signed and read, for the provider custom: JSON, `@FILE`, or `-`
    #[arg(long, value_name = "JSON")]
    custom: Option<String>,
    /// Another URL that the provider was given; none, if it is empty
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    #[command(flatten)]
    taking: Taking,
}

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("NAME", "/name"),
    ("PROVIDER", "/provider"),
    ("PATH", "/path"),
    ("CREATED", "/created_at"),
];

const RECEIPTS: &[Column] = &[
    ("AT", "/at"),
    ("RESULT", "/result"),
    ("CODE", "/code"),
    ("PROVIDER'S ID", "/provider_id"),
    ("EVENT", "/event_id"),
    ("FROM", "/peer"),
    ("BYTES", "/bytes"),
    ("WHY", "/detail"),
];

const SECRETS: &[Column] = &[
    ("SECRET", "/id"),
    ("ADDED", "/created_at"),
    ("NOTE", "/note"),
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
                Ok(show.answer(&reply, described))
            }
            Self::Receipts(of) => {
                let path = ["v1", "sources", &of.id, "receipts"];
                let list = client.list(&path, Query::default(), &of.paging);
                Ok(show.list(&list.await?, RECEIPTS))
            }
            Self::Create(create) => {
                let reply = client.post(&["v1", "sources"], &create.body()?).await?;
                Ok(show.answer(&reply, described))
            }
            Self::Update(update) => {
                let path = ["v1", "sources", &update.id];
                let reply = client.patch(&path, &update.body()?).await?;
                Ok(show.answer(&reply, described))
            }
            Self::Delete(one) => {
                client.delete(&["v1", "sources", &one.id]).await?;
                Ok(show.done("deleted", &one.id))
            }
        }
    }
}

fn described(source: &Value) -> String {
    let mut text = show::fields(source, FIRST);
    text.push('\n');
    text += &show::table(show::rows(&source["secrets"]), SECRETS);
    text
}

impl Update {
    fn body(&self) -> Result<Map<String, Value>, ClientError> {
        let added: Vec<Secret> = self
            .add_secret_files
            .iter()
            .map(|path| secret_in(path))
            .collect::<Result<_, _>>()?;
        let added: Vec<&str> = added.iter().map(Secret::expose_secret_text).collect();
        let networks = self.allowed_networks.as_ref().map(|networks| {
            let networks = networks.split(',').map(str::trim);
            networks.filter(|it| !it.is_empty()).collect::<Vec<_>>()
        });
        let custom = self.custom.as_deref();
        let custom = custom.map(|text| parsed("--custom", text)).transpose()?;
        let removed = &self.remove_secrets;
        let fields = [
            ("name", self.name.as_ref().map(|it| json!(it))),
            ("add_secrets", (!added.is_empty()).then(|| json!(added))),
            (
                "remove_secrets",
                (!removed.is_empty()).then(|| json!(removed)),
            ),
            ("tolerance_s", self.tolerance_s.map(|it| json!(it))),
            ("allowed_networks", networks.map(|it| json!(it))),
            (
                "event_prefix",
                self.event_prefix.as_ref().map(|it| json!(it)),
            ),
            ("custom", custom),
            ("url", self.url.as_ref().map(|it| json!(it))),
        ];
        let fields = fields.into_iter();
        let fields = fields.filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Ok(fields.chain(self.taking.fields()?).collect())
    }
}

impl Create {
    fn body(&self) -> Result<Map<String, Value>, ClientError> {
        let custom = self.custom.as_deref();
        let custom = custom.map(|text| parsed("--custom", text)).transpose()?;
        let taking = self.taking.fields()?;
        // Where nothing is signed there is no secret.
        let is_unsigned = custom.as_ref().is_some_and(|it| it["scheme"] == "none");
        let learns = taking
            .get("handshake")
            .is_some_and(|it| it["learn_secret"] == true);
        let secrets = match self.secrets.read() {
            _ if is_unsigned => Vec::new(),
            Err(InputError::NoSecret) if learns => Vec::new(),
            secrets => secrets?,
        };
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
        if let Some(custom) = custom {
            body.insert("custom".to_owned(), custom);
        }
        if let Some(url) = &self.url {
            body.insert("url".to_owned(), json!(url));
        }
        body.extend(taking);
        Ok(body)
    }
}
