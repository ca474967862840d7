//! `postrider lanes`.

use super::http::Query;
use super::reach::ReachArgs;
use super::show::Column;
use super::{ClientError, Connection, Paging};
use crate::Answer;

/// Show the lanes in which something waits, over all endpoints: the one that waits longest first
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    connection: Connection,
    /// Only those of this endpoint
    #[arg(long, value_name = "ID")]
    endpoint: Option<String>,
    #[command(flatten)]
    reach: ReachArgs,
    #[command(flatten)]
    paging: Paging,
}

const COLUMNS: &[Column] = &[
    ("ENDPOINT", "/endpoint_id"),
    ("KEY", "/ordering_key"),
    ("DEPTH", "/depth"),
    ("HEAD", "/head/id"),
    ("AGE (MS)", "/head_age_ms"),
    ("WAITS FOR", "/head/wait/cause"),
    ("UNTIL", "/head/wait/until"),
    ("ERROR", "/error"),
];

pub(crate) fn run(args: &Args) -> Result<Answer, ClientError> {
    super::ask(&args.connection, async |client| {
        let query = Query::default().with("endpoint_id", args.endpoint.as_ref());
        let query = args.reach.add(query);
        let list = client.list(&["v1", "lanes"], query, &args.paging).await?;
        Ok(args.connection.list(&list, &args.reach.columns(COLUMNS)))
    })
}
