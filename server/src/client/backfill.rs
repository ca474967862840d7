//! `postrider backfill`: an endpoint is given what it has missed.

use super::replay::{described, done, would};
use super::value::{self, Fields};
use super::when::Moment;
use super::{Client, ClientError, Connection};
use crate::Answer;
use jiff::Timestamp;
use std::num::NonZeroU32;

/// Give an endpoint the events that it has missed
///
/// It makes a delivery of each event that the endpoint subscribes to now and has no delivery of: since it
/// was not there yet, was disabled, or subscribed to something else. In the order in which the events
/// were accepted, each behind what waits in its lane already, and never twice, however often it is
/// started. It runs in the server as a replay: it goes on when this command has ended, and after a
/// restart; see `postrider replays`. Exit status 1 if it was cancelled while this waited.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    connection: Connection,
    /// The endpoint
    id: String,
    /// Events that were published then or later: 2h ago, or a time as in RFC 3339
    #[arg(long, value_name = "TIME")]
    since: Moment,
    /// Events that were published earlier [default: now]
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
    /// Only those of these event types or families, with commas between
    #[arg(long = "type", value_name = "TYPES", value_delimiter = ',')]
    types: Vec<String>,
    /// Only those with this ordering key; '' for those without one
    #[arg(long, value_name = "KEY")]
    ordering_key: Option<String>,
    /// Only those whose payload matches this, beside the endpoint's own filter: JSON, @FILE, or - for
    /// the standard input
    #[arg(long, value_name = "JSON")]
    filter: Option<String>,
    /// How many in a second, at most
    #[arg(long, value_name = "N")]
    rate: Option<NonZeroU32>,
    /// Only count them, and tell what would be passed over
    #[arg(long)]
    dry_run: bool,
    /// Wait until it is done, and show how far it is
    #[arg(long)]
    wait: bool,
}

pub(crate) fn run(args: &Args) -> Result<Answer, ClientError> {
    super::ask(&args.connection, async |client| args.answer(client).await)
}

impl Args {
    async fn answer(&self, client: &Client) -> Result<Answer, ClientError> {
        let path = ["v1", "endpoints", &self.id, "backfill"];
        let mut replay = client.post(&path, &self.body()?).await?;
        if self.wait && !self.dry_run {
            replay = done(client, &self.connection, replay).await?;
        }
        let answer = self.connection.answer(&replay, |it| match self.dry_run {
            true => would(it, "make", "that were missed"),
            false => described(it),
        });
        Ok(Answer {
            is_yes: replay.field("state") != "cancelled",
            ..answer
        })
    }

    fn body(&self) -> Result<Fields, ClientError> {
        let now = Timestamp::now();
        let mut fields = Fields::default();
        fields.set("from", self.since.before(now));
        if let Some(until) = self.until {
            fields.set("until", until.before(now));
        }
        fields.set("event_types", self.types.clone());
        if let Some(key) = &self.ordering_key {
            fields.set("ordering_key", key.as_str());
        }
        if let Some(filter) = &self.filter {
            fields.set_json("filter", value::json("--filter", filter)?);
        }
        if let Some(rate) = self.rate {
            fields.set("per_second", rate.get());
        }
        fields.set("dry_run", self.dry_run);
        Ok(fields)
    }
}
