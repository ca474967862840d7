//! `postrider whoami`.

use super::http::Query;
use super::show;
use super::{ClientError, Connection};
use crate::Answer;

/// Show what the key may do, and for whom
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    connection: Connection,
}

pub(crate) fn run(args: &Args) -> Result<Answer, ClientError> {
    let connection = &args.connection;
    super::ask(connection, async |client| {
        let reply = client.get(&["v1", "whoami"], &Query::default()).await?;
        let first = ["key_id", "name", "scopes", "tenant", "acting_for"];
        Ok(connection.answer(&reply, |it| show::fields(it, &first)))
    })
}
