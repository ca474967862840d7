//! `postrider replays`.

use super::http::Query;
use super::reach::ReachArgs;
use super::replay::described;
use super::show::Column;
use super::{ClientError, Connection, Paging};
use crate::Answer;
use clap::Subcommand;

/// Look at replays, and cancel them
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// List replays, newest first
    List(List),
    /// Show how far a replay is
    Get(One),
    /// Cancel a replay; what it has done stays so
    Cancel(One),
}

#[derive(clap::Args)]
struct List {
    #[command(flatten)]
    reach: ReachArgs,
    #[command(flatten)]
    paging: Paging,
}

#[derive(clap::Args)]
struct One {
    /// The replay
    id: String,
}

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("STATE", "/state"),
    ("ACT", "/act"),
    ("TOTAL", "/total"),
    ("MADE ANEW", "/resent"),
    ("GIVEN UP", "/discarded"),
    ("MADE", "/made"),
    ("PASSED OVER", "/skipped"),
    ("CREATED", "/created_at"),
];

pub(crate) fn run(args: &Args) -> Result<Answer, ClientError> {
    let connection = &args.connection;
    super::ask(connection, async |client| match &args.what {
        What::List(args) => {
            let query = args.reach.add(Query::default());
            let list = client.list(&["v1", "replays"], query, &args.paging);
            Ok(connection.list(&list.await?, &args.reach.columns(COLUMNS)))
        }
        What::Get(one) => {
            let path = ["v1", "replays", &one.id];
            let reply = client.get(&path, &Query::default()).await?;
            Ok(connection.answer(&reply, described))
        }
        What::Cancel(one) => {
            let path = ["v1", "replays", &one.id, "cancel"];
            let reply = client.post_nothing(&path).await?;
            Ok(connection.answer(&reply, described))
        }
    })
}
