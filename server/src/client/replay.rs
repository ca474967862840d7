//! `postrider replay`: many deliveries made anew.

use super::http::{Query, Reply};
use super::when::Moment;
use super::{Client, ClientError, Connection, show};
use crate::Answer;
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::num::NonZeroU32;
use std::time::Duration;
use tokio::time::sleep;

/// How often a replay is looked at.
const POLL: Duration = Duration::from_millis(250);

/// Make many deliveries anew, in the order in which they were accepted
///
/// A replay runs in the server: it goes on when this command has ended, and after a restart, and
/// makes each delivery anew once; see `postrider replays`. Exit status 1 if it was cancelled while this waited.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    connection: Connection,
    /// Those in these states, with commas between
    #[arg(
        long,
        value_name = "STATES",
        value_delimiter = ',',
        default_value = "failed"
    )]
    state: Vec<Ended>,
    /// Those that were accepted then or later: 2h ago, or a time as in RFC 3339
    #[arg(long, value_name = "TIME")]
    since: Moment,
    /// Those that were accepted earlier [default: now]
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
    /// Only those to this endpoint
    #[arg(long, value_name = "ID")]
    endpoint: Option<String>,
    /// Only those of these event types or families, with commas between
    #[arg(long = "type", value_name = "TYPES", value_delimiter = ',')]
    types: Vec<String>,
    /// How many in a second, at most
    #[arg(long, value_name = "N")]
    rate: Option<NonZeroU32>,
    /// Only count them
    #[arg(long)]
    dry_run: bool,
    /// Wait until it is done, and show how far it is
    #[arg(long)]
    wait: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Ended {
    Failed,
    Delivered,
    Discarded,
}

pub(crate) fn run(args: &Args) -> Result<Answer, ClientError> {
    super::ask(&args.connection, async |client| args.answer(client).await)
}

impl Args {
    async fn answer(&self, client: &Client) -> Result<Answer, ClientError> {
        let mut replay = client.post(&["v1", "replays"], &self.body()).await?;
        if self.wait && !self.dry_run {
            replay = self.done(client, replay).await?;
        }
        let answer = self.connection.answer(&replay, described);
        Ok(Answer {
            is_yes: replay.field("state") != "cancelled",
            ..answer
        })
    }

    fn body(&self) -> Map<String, Value> {
        let now = Timestamp::now();
        let states = self.state.iter().map(|state| match state {
            Ended::Failed => "failed",
            Ended::Delivered => "delivered",
            Ended::Discarded => "discarded",
        });
        let states: Vec<&str> = states.collect();
        let fields = [
            ("states", Some(json!(states))),
            ("from", Some(self.since.before(now).into())),
            ("until", self.until.map(|until| until.before(now).into())),
            ("endpoint_id", self.endpoint.as_deref().map(Value::from)),
            ("event_types", Some(json!(self.types))),
            ("per_second", self.rate.map(|rate| rate.get().into())),
            ("dry_run", Some(self.dry_run.into())),
        ];
        let fields = fields.into_iter();
        fields
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect()
    }

    /// Waits for its end.
    async fn done(&self, client: &Client, started: Reply) -> Result<Reply, ClientError> {
        let id = started.field("id").to_owned();
        let bar = match self.connection.json {
            true => ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()),
            false => ProgressBar::new_spinner(),
        };
        let style = ProgressStyle::with_template("{spinner} {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        let mut replay = started;
        while replay.field("state") == "running" {
            let (resent, skipped) = (&replay.value()["resent"], &replay.value()["skipped"]);
            bar.set_message(format!("{resent} made anew, {skipped} passed over"));
            bar.tick();
            sleep(POLL).await;
            replay = client
                .get(&["v1", "replays", &id], &Query::default())
                .await?;
        }
        bar.finish_and_clear();
        Ok(replay)
    }
}

pub(super) fn described(replay: &Value) -> String {
    let (resent, skipped) = (&replay["resent"], &replay["skipped"]);
    let Some(id) = replay["id"].as_str() else {
        return format!("it would make {resent} deliveries anew\n");
    };
    let state = show::cell(&replay["state"]);
    format!("{id} is {state}: {resent} made anew, {skipped} passed over\n")
}
