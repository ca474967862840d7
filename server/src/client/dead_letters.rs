//! `postrider dead-letters`.

use super::http::Query;
use super::reach::ReachArgs;
use super::show::{self, Column};
use super::{Client, ClientError, Connection, Paging, deliveries};
use crate::Answer;
use clap::Subcommand;
use serde_json::{Value, json};

/// Look at deliveries that have failed, send them again, give them up
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// List dead letters, oldest first
    List(List),
    /// Count them by endpoint and reason
    Groups(ReachArgs),
    /// Send these again, in this order; exit status 1 if that was not possible for all
    Resend(Chosen),
    /// Give these up; exit status 1 if that was not possible for all
    Discard(Chosen),
}

#[derive(clap::Args)]
struct List {
    /// Only those of this endpoint
    #[arg(long, value_name = "ID")]
    endpoint: Option<String>,
    /// Only those of these event types or families, with commas between
    #[arg(long = "type", value_name = "TYPES", value_delimiter = ',')]
    types: Vec<String>,
    #[command(flatten)]
    reach: ReachArgs,
    #[command(flatten)]
    paging: Paging,
}

#[derive(clap::Args)]
struct Chosen {
    /// The dead letters, at most 100; `postrider replay` takes any number
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
}

const GROUPS: &[Column] = &[
    ("ENDPOINT", "/endpoint_id"),
    ("REASON", "/reason"),
    ("COUNT", "/count"),
    ("OLDEST", "/oldest"),
    ("NEWEST", "/newest"),
];

const RESULTS: &[Column] = &[
    ("DEAD LETTER", "/id"),
    ("RESENT AS", "/resent/id"),
    ("PROBLEM", "/problem/code"),
    ("DETAIL", "/problem/detail"),
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
                let query = Query::default()
                    .with("endpoint_id", args.endpoint.as_ref())
                    .with_all("event_type", &args.types);
                let query = args.reach.add(query);
                let list = client.list(&["v1", "dead-letters"], query, &args.paging);
                Ok(deliveries::listed(list.await?, show, args.reach))
            }
            Self::Groups(reach) => {
                let path = ["v1", "dead-letters", "groups"];
                let query = reach.add(Query::default());
                let reply = client.get(&path, &query).await?;
                let columns = reach.columns(GROUPS);
                Ok(show.answer(&reply, |it| table(&it["groups"], &columns)))
            }
            Self::Resend(chosen) => decide(client, show, chosen, "resend").await,
            Self::Discard(chosen) => decide(client, show, chosen, "discard").await,
        }
    }
}

fn table(rows: &Value, columns: &[Column]) -> String {
    show::table(
        rows.as_array().map(Vec::as_slice).unwrap_or_default(),
        columns,
    )
}

async fn decide(
    client: &Client,
    show: &Connection,
    chosen: &Chosen,
    what: &str,
) -> Result<Answer, ClientError> {
    let path = ["v1", "dead-letters", what];
    let reply = client.post(&path, &json!({ "ids": chosen.ids })).await?;
    let results = reply.value()["results"].as_array();
    let is_yes = results.is_some_and(|all| all.iter().all(|it| it["problem"].is_null()));
    let answer = show.answer(&reply, |it| table(&it["results"], RESULTS));
    Ok(Answer { is_yes, ..answer })
}
