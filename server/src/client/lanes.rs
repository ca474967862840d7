//! `postrider lanes`.

use super::http::Query;
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
    /// Those of all tenants, with a key for all tenants
    #[arg(long)]
    all_tenants: bool,
    #[command(flatten)]
    paging: Paging,
}

const COLUMNS: &[Column] = &[
    ("ENDPOINT", "/endpoint_id"),
    ("TENANT", "/tenant"),
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
        let query = Query::default()
            .with("endpoint_id", args.endpoint.as_ref())
            .with("tenant", args.all_tenants.then_some("*"));
        let list = client.list(&["v1", "lanes"], query, &args.paging).await?;
        Ok(args.connection.list(&list, COLUMNS))
    })
}
