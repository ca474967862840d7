//! `postrider replay`: many deliveries made anew.

use super::http::{Query, Reply};
use super::show::Column;
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
    /// Only count them, and tell what would be passed over
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
            replay = done(client, &self.connection, replay).await?;
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
}

/// Waits for the end of a replay, and shows meanwhile how far it is.
pub(super) async fn done(
    client: &Client,
    connection: &Connection,
    started: Reply,
) -> Result<Reply, ClientError> {
    let id = started.field("id").to_owned();
    let bar = match connection.json {
        true => ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()),
        false => ProgressBar::new_spinner(),
    };
    let style = ProgressStyle::with_template("{spinner} {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    let mut replay = started;
    while replay.field("state") == "running" {
        bar.set_message(came(replay.value()));
        bar.tick();
        sleep(POLL).await;
        replay = client
            .get(&["v1", "replays", &id], &Query::default())
            .await?;
    }
    bar.finish_and_clear();
    Ok(replay)
}

/// A replay as it is, or what it would do.
pub(super) fn described(replay: &Value) -> String {
    let Some(id) = replay["id"].as_str() else {
        return would(replay, "make", "anew");
    };
    let state = show::cell(&replay["state"]);
    format!("{id} is {state}: {}\n", came(replay))
}

/// What has come of the deliveries of a replay.
fn came(replay: &Value) -> String {
    let acted_on = match replay["act"].as_str() {
        Some("discard") => format!("{} given up", replay["discarded"]),
        Some("backfill") => format!("{} made", replay["made"]),
        _ => format!("{} made anew", replay["resent"]),
    };
    let of = match (replay["state"].as_str(), replay["total"].as_u64()) {
        (Some("running"), Some(total)) => format!(" of {total}"),
        _ => String::new(),
    };
    let (skipped, why) = (&replay["skipped"], reasons(&replay["skipped_by"]));
    format!("{acted_on}, {skipped} passed over{why}{of}")
}

/// ` (endpoint_gone 3, already_resent 1)`, or nothing.
fn reasons(skipped: &Value) -> String {
    let lines = show::rows(skipped).iter();
    let lines = lines.map(|it| format!("{} {}", show::cell(&it["why"]), it["count"]));
    let lines: Vec<String> = lines.collect();
    match lines.is_empty() {
        true => String::new(),
        false => format!(" ({})", lines.join(", ")),
    }
}

const LINES: &[Column] = &[
    ("ENDPOINT", "/endpoint_id"),
    ("TYPE", "/event_type"),
    ("COUNT", "/count"),
];

/// The report of a dry run: what would be done to how many deliveries of which endpoint and type.
pub(super) fn would(report: &Value, verb: &str, how: &str) -> String {
    let acted_on = &report["acted_on"];
    let mut text = format!("it would {verb} {acted_on} deliveries {how}\n");
    let skipped = show::rows(&report["skipped"]).iter();
    let skipped: u64 = skipped.filter_map(|it| it["count"].as_u64()).sum();
    if skipped > 0 {
        let why = reasons(&report["skipped"]);
        text += &format!("it would pass over {skipped}{why}\n");
    }
    let lines = show::rows(&report["by"]);
    if !lines.is_empty() {
        text += &show::table(lines, LINES);
    }
    let left_out = report["by_left_out"].as_u64().unwrap_or(0);
    if left_out > 0 {
        text += &format!("and {left_out} deliveries of other endpoints and types\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dry_run_tells_what_it_passes_over_and_what_it_leaves_out() {
        let report = json!({
            "matched": 9,
            "acted_on": 5,
            "skipped": [
                {"why": "endpoint_gone", "count": 3},
                {"why": "already_resent", "count": 1},
            ],
            "by": [{"endpoint_id": "ep_1", "event_type": "a.b", "count": 4}],
            "by_left_out": 1,
        });
        let lines = [
            "it would give 5 deliveries up",
            "it would pass over 4 (endpoint_gone 3, already_resent 1)",
            "ENDPOINT  TYPE  COUNT",
            "ep_1      a.b   4",
            "and 1 deliveries of other endpoints and types",
        ];
        let expected = lines.map(|line| format!("{line}\n")).concat();
        assert_eq!(would(&report, "give", "up"), expected);
    }

    #[test]
    fn a_replay_tells_what_it_does_and_how_far_it_is() {
        let mut replay = json!({
            "id": "rpl_1", "act": "discard", "state": "running", "total": 9, "discarded": 2,
            "resent": 0, "skipped": 1, "skipped_by": [{"why": "already_resent", "count": 1}],
        });
        assert_eq!(
            described(&replay),
            "rpl_1 is running: 2 given up, 1 passed over (already_resent 1) of 9\n"
        );
        replay["state"] = "done".into();
        assert_eq!(
            described(&replay),
            "rpl_1 is done: 2 given up, 1 passed over (already_resent 1)\n"
        );
    }
}
