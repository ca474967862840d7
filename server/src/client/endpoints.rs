//! `postrider endpoints`.

use super::certificates;
use super::deliveries::{self, FilterArgs};
use super::http::Query;
use super::reach::ReachArgs;
use super::show::{self, Column};
use super::spec::{self, SpecArgs};
use super::value::{self, Fields};
use super::{Client, ClientError, Connection, Paging, stats, when};
use crate::Answer;
use crate::input::{self, InputError};
use clap::{Subcommand, ValueEnum};
use postrider::engine::json::Document;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Look after endpoints
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// List endpoints, oldest first
    List(List),
    /// Show an endpoint
    Get(One),
    /// Register an endpoint, and show its secret
    Create(Create),
    /// Make sure that there is one endpoint of this name that is so, however often this is called
    Ensure(Ensure),
    /// Change what is given, and leave the rest
    Update(Update),
    /// Delete an endpoint; what is pending for it is discarded
    Delete(One),
    /// Hold deliveries back; events queue up
    Pause(One),
    /// Go on after a pause
    Resume(One),
    /// Go on after the endpoint was disabled
    Enable(One),
    /// Hold deliveries back and refuse events
    Disable(One),
    /// Sign with a new secret, and for a while with the old one beside it
    RotateSecret(Rotate),
    /// End the overlap of a rotation now: sign with the newest secret alone
    EndOverlap(One),
    /// Show the secret
    Secret(One),
    /// Send a test event now, and show what comes back; exit status 1 if that is not 2xx
    Test(Test),
    /// Count what has come of its deliveries
    Stats(Stats),
    /// Show where its lanes stand
    Lanes(Lanes),
    /// List its deliveries, newest first
    Deliveries(Deliveries),
    /// Show or set what endpoints have that are registered without it
    Defaults(Defaults),
    /// Show, set or remove the client certificate of the tenant, for endpoints that have none
    Certificate(certificates::TenantArgs),
}

#[derive(clap::Args)]
struct Defaults {
    /// Set them all: JSON with any of `retry`, `timeout_ms` and `signatures`, `@FILE`, or `-` for the
    /// standard input; `{}` for none
    #[arg(long, value_name = "JSON")]
    set: Option<String>,
}

#[derive(clap::Args)]
struct List {
    /// Only those in these states, with commas between
    #[arg(long, value_enum, value_name = "STATES", value_delimiter = ',')]
    state: Vec<State>,
    /// Only those with this in their URL, their name or their description
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// Only those that would get events of this type
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// Only those whose last attempt failed, or that were disabled for it
    #[arg(long)]
    failing: bool,
    #[command(flatten)]
    reach: ReachArgs,
    #[command(flatten)]
    paging: Paging,
}

/// How an endpoint stands.
#[derive(Clone, Copy, ValueEnum)]
enum State {
    Active,
    Paused,
    Disabled,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Disabled => "disabled",
        }
    }
}

impl List {
    fn query(&self) -> Query {
        let states = self.state.iter().map(|state| state.name().to_owned());
        let states: Vec<String> = states.collect();
        let query = Query::default()
            .with_all("state", &states)
            .with("url", self.text.as_ref())
            .with("event_type", self.event_type.as_ref())
            .with("failing", self.failing.then_some(true));
        self.reach.add(query)
    }
}

#[derive(clap::Args)]
struct One {
    /// The endpoint
    id: String,
}

#[derive(clap::Args)]
struct Create {
    /// Where its requests go
    to: String,
    #[command(flatten)]
    spec: SpecArgs,
    /// Sign with the secret in this file, instead of a new one
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// Send a ping first, and register it only if that is answered with 2xx
    #[arg(long)]
    verify: bool,
}

#[derive(clap::Args)]
struct Ensure {
    /// By which the endpoint is made only once
    name: String,
    /// Where its requests go
    to: String,
    #[command(flatten)]
    spec: SpecArgs,
    /// Sign with the secret in this file; without it the secret stays, and a new endpoint gets a new
    /// one
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
}

#[derive(clap::Args)]
struct Update {
    /// The endpoint
    id: String,
    /// Where its requests go
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    #[command(flatten)]
    spec: SpecArgs,
}

#[derive(clap::Args)]
struct Rotate {
    /// The endpoint
    id: String,
    /// The new secret is in this file [default: one is made]
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// For how long the old secrets go on signing beside it [default: 1d]
    #[arg(long, value_name = "SPAN", value_parser = when::span)]
    overlap: Option<Duration>,
}

#[derive(clap::Args)]
struct Test {
    /// The endpoint
    #[arg(required_unless_present = "to", conflicts_with = "to")]
    id: Option<String>,
    /// Send it there instead, as to an endpoint that would be registered: nothing is kept
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// What that endpoint would be, as `POST /v1/endpoints` takes it: JSON, `@FILE`, or `-` for the
    /// standard input
    #[arg(long, value_name = "JSON", requires = "to")]
    spec: Option<String>,
    /// Sign with the secret in this file, instead of a new one
    #[arg(long, value_name = "FILE", requires = "to")]
    secret_file: Option<PathBuf>,
    /// The event type [default: postrider.ping]
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// The payload: JSON, `@FILE`, or `-` for the standard input
    #[arg(long, value_name = "JSON")]
    data: Option<String>,
}

#[derive(clap::Args)]
struct Stats {
    /// The endpoint
    id: String,
    /// The last so many hours
    #[arg(long, value_name = "N", default_value_t = 24)]
    hours: u64,
}

#[derive(clap::Args)]
struct Lanes {
    /// The endpoint
    id: String,
    #[command(flatten)]
    paging: Paging,
}

#[derive(clap::Args)]
struct Deliveries {
    /// The endpoint
    id: String,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    paging: Paging,
}

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("NAME", "/name"),
    ("STATUS", "/status"),
    ("PENDING", "/counts/pending"),
    ("DEAD", "/counts/dead_letters"),
    ("TYPES", "/event_types"),
    ("URL", "/url"),
    ("DESCRIPTION", "/description"),
];

const LANES: &[Column] = &[
    ("KEY", "/ordering_key"),
    ("DEPTH", "/depth"),
    ("HEAD", "/head/id"),
    ("AGE (MS)", "/head_age_ms"),
    ("STOPPED AT", "/stopped_at"),
    ("ERROR", "/error"),
];

/// The fields of an endpoint that are shown first.
const FIRST: &[&str] = &[
    "id",
    "name",
    "url",
    "status",
    "held_until",
    "held_by",
    "secret",
    "event_types",
    "description",
];

pub(crate) fn run(args: &Args) -> Result<Answer, ClientError> {
    super::ask(&args.connection, async |client| {
        args.what.answer(client, &args.connection).await
    })
}

impl What {
    async fn answer(&self, client: &Client, show: &Connection) -> Result<Answer, ClientError> {
        match self {
            Self::List(args) => {
                let path = ["v1", "endpoints"];
                let list = client.list(&path, args.query(), &args.paging).await?;
                Ok(show.list(&list, &args.reach.columns(COLUMNS)))
            }
            Self::Get(one) => {
                let path = ["v1", "endpoints", &one.id];
                let reply = client.get(&path, &Query::default()).await?;
                Ok(show.answer(&reply, described))
            }
            Self::Create(create) => create.answer(client, show).await,
            Self::Ensure(ensure) => ensure.answer(client, show).await,
            Self::Update(update) => update.answer(client, show).await,
            Self::Delete(one) => {
                client.delete(&["v1", "endpoints", &one.id]).await?;
                Ok(show.done("deleted", &one.id))
            }
            Self::Pause(one) => switch(client, show, one, "pause").await,
            Self::Resume(one) => switch(client, show, one, "resume").await,
            Self::Enable(one) => switch(client, show, one, "enable").await,
            Self::Disable(one) => switch(client, show, one, "disable").await,
            Self::RotateSecret(rotate) => rotate.answer(client, show).await,
            Self::EndOverlap(one) => {
                let path = ["v1", "endpoints", &one.id, "end-overlap"];
                let reply = client.post_nothing(&path).await?;
                Ok(show.answer(&reply, |it| show::fields(it, &["secret"])))
            }
            Self::Secret(one) => {
                let path = ["v1", "endpoints", &one.id, "secret"];
                let reply = client.get(&path, &Query::default()).await?;
                Ok(show.answer(&reply, |it| show::fields(it, &["secret"])))
            }
            Self::Test(test) => test.answer(client, show).await,
            Self::Stats(stats) => stats.answer(client, show).await,
            Self::Lanes(lanes) => {
                let path = ["v1", "endpoints", &lanes.id, "lanes"];
                let list = client.list(&path, Query::default(), &lanes.paging).await?;
                Ok(show.list(&list, LANES))
            }
            Self::Defaults(defaults) => defaults.answer(client, show).await,
            Self::Certificate(args) => args.answer(client, show).await,
            Self::Deliveries(args) => {
                let path = ["v1", "endpoints", &args.id, "deliveries"];
                let query = args.filter.query().with("view", show.short());
                let list = client.list(&path, query, &args.paging);
                Ok(deliveries::listed(list.await?, show, ReachArgs::default()))
            }
        }
    }
}

fn described(endpoint: &Value) -> String {
    show::fields(endpoint, FIRST)
}

async fn switch(
    client: &Client,
    show: &Connection,
    one: &One,
    what: &str,
) -> Result<Answer, ClientError> {
    let path = ["v1", "endpoints", &one.id, what];
    let reply = client.post_nothing(&path).await?;
    Ok(show.answer(&reply, |endpoint| {
        let (id, status) = (&endpoint["id"], &endpoint["status"]);
        format!("{} is {}\n", show::cell(id), show::cell(status))
    }))
}

/// The secret in a file, exactly as it is but for one line end.
fn secret_in(path: &Path) -> Result<Value, InputError> {
    let secret = input::secret_in(path)?;
    Ok(Value::from(secret.expose_secret_text()))
}

impl Create {
    async fn answer(&self, client: &Client, show: &Connection) -> Result<Answer, ClientError> {
        let mut body = self.spec.fields()?;
        body.set("url", Value::from(self.to.as_str()));
        if let Some(path) = &self.secret_file {
            body.set("secret", secret_in(path)?);
        }
        if self.verify {
            body.set("verify", Value::from(true));
        }
        let reply = client.post(&["v1", "endpoints"], &body).await?;
        Ok(show.answer(&reply, described))
    }
}

impl Ensure {
    async fn answer(&self, client: &Client, show: &Connection) -> Result<Answer, ClientError> {
        let mut body = self.spec.fields()?;
        body.set("url", Value::from(self.to.as_str()));
        if let Some(path) = &self.secret_file {
            body.set("secret", secret_in(path)?);
        }
        let path = ["v1", "endpoints", "by-name", &self.name];
        let reply = client.put(&path, &body).await?;
        Ok(show.answer(&reply, described))
    }
}

impl Update {
    async fn answer(&self, client: &Client, show: &Connection) -> Result<Answer, ClientError> {
        let mut body = self.spec.fields()?;
        if let Some(to) = &self.to {
            body.set("url", Value::from(to.as_str()));
        }
        let path = ["v1", "endpoints", &self.id];
        let reply = client.patch(&path, &body).await?;
        Ok(show.answer(&reply, described))
    }
}

impl Defaults {
    async fn answer(&self, client: &Client, show: &Connection) -> Result<Answer, ClientError> {
        let path = ["v1", "endpoint-defaults"];
        let reply = match &self.set {
            None => client.get(&path, &Query::default()).await?,
            Some(set) => client.put(&path, &value::json("--set", set)?).await?,
        };
        // Fields on one line each would leave out the list of signatures.
        Ok(show.answer(&reply, |it| {
            let document = Document::read(reply.text().as_bytes());
            document.map_or_else(|_| show::cell(it), |it| show::indented(it.root()))
        }))
    }
}

impl Rotate {
    async fn answer(&self, client: &Client, show: &Connection) -> Result<Answer, ClientError> {
        let mut body = Fields::default();
        if let Some(path) = &self.secret_file {
            body.set("secret", secret_in(path)?);
        }
        if let Some(overlap) = self.overlap {
            body.set("overlap_seconds", json!(overlap.as_secs()));
        }
        let path = ["v1", "endpoints", &self.id, "rotate-secret"];
        let reply = client.post(&path, &body).await?;
        Ok(show.answer(&reply, |it| show::fields(it, &["secret"])))
    }
}

impl Test {
    /// What an endpoint would be that is not registered, if one is tried out.
    fn unsaved(&self) -> Result<Fields, ClientError> {
        let mut fields = match &self.spec {
            None => Fields::default(),
            Some(argument) => spec::object("--spec", argument)?,
        };
        if let Some(to) = &self.to {
            fields.set("url", Value::from(to.as_str()));
        }
        if let Some(path) = &self.secret_file {
            fields.set("secret", secret_in(path)?);
        }
        Ok(fields)
    }

    async fn answer(&self, client: &Client, show: &Connection) -> Result<Answer, ClientError> {
        let mut body = self.unsaved()?;
        if let Some(event_type) = &self.event_type {
            let name = match self.id {
                Some(_) => "type",
                None => "event_type",
            };
            body.set(name, Value::from(event_type.as_str()));
        }
        if let Some(data) = &self.data {
            body.set_json("payload", value::json("the payload", data)?);
        }
        let reply = match &self.id {
            Some(id) => client.post(&["v1", "endpoints", id, "test"], &body).await?,
            None => client.post(&["v1", "endpoints", "test"], &body).await?,
        };
        let status = reply.value()["status"].as_u64();
        let answer = show.answer(&reply, |it| {
            show::fields(it, &["status", "failure", "error", "duration_ms"])
        });
        Ok(Answer {
            is_yes: status.is_some_and(|status| (200..300).contains(&status)),
            ..answer
        })
    }
}

impl Stats {
    async fn answer(&self, client: &Client, show: &Connection) -> Result<Answer, ClientError> {
        let path = ["v1", "endpoints", &self.id, "stats"];
        let query = Query::default().with("hours", Some(self.hours));
        let reply = client.get(&path, &query).await?;
        Ok(show.answer(&reply, |it| {
            stats::described(it, &["endpoint_id", "total", "pending"])
        }))
    }
}
