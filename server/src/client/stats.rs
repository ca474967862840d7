//! `postrider stats`.

use super::http::Query;
use super::reach::ReachArgs;
use super::show::{self, Column};
use super::{ClientError, Connection};
use crate::Answer;
use serde_json::Value;

/// Count what has come of all deliveries
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    reach: ReachArgs,
    /// The last so many hours
    #[arg(long, value_name = "N", default_value_t = 24)]
    hours: u64,
}

/// An hour, as statistics show it.
pub(super) const HOURS: &[Column] = &[
    ("HOUR", "/start"),
    ("ACCEPTED", "/accepted"),
    ("DELIVERED", "/delivered"),
    ("FAILED", "/failed"),
    ("ATTEMPTS", "/attempts"),
    ("FAILED", "/attempts_failed"),
    ("P95 (MS)", "/latency_p95_ms"),
];

/// What there is now comes first.
const FIRST: &[&str] = &[
    "pending",
    "oldest_pending_at",
    "dead_letters",
    "endpoints",
    "accepted",
    "delivered",
    "failed",
    "discarded",
];

pub(crate) fn run(args: &Args) -> Result<Answer, ClientError> {
    let connection = &args.connection;
    super::ask(connection, async |client| {
        let query = Query::default().with("hours", Some(args.hours));
        let query = args.reach.add(query);
        let reply = client.get(&["v1", "stats"], &query).await?;
        Ok(connection.answer(&reply, |stats| described(stats, FIRST)))
    })
}

/// Statistics: the sums, and the hours below them.
pub(super) fn described(stats: &Value, first: &[&str]) -> String {
    let mut text = show::fields(stats, first);
    let hours = show::rows(&stats["hours"]);
    if !hours.is_empty() {
        text.push('\n');
        text += &show::table(hours, HOURS);
    }
    text
}
