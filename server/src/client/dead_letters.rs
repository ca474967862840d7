//! `postrider dead-letters`.

use super::http::{Query, Reply};
use super::reach::ReachArgs;
use super::show::{self, Column};
use super::when::Moment;
use super::{Client, ClientError, Connection, Paging, deliveries, replay};
use crate::Answer;
use clap::{Subcommand, ValueEnum};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::num::NonZeroU32;

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
    /// Count them by endpoint and reason, or event type
    Groups(Groups),
    /// Send these again, in this order; exit status 1 if that was not possible for all
    Resend(Chosen),
    /// Send these again, or all that match; exit status 1 if that was not possible for all
    Retry(Acted),
    /// Give these up, or all that match; exit status 1 if that was not possible for all
    Discard(Acted),
}

/// What dead letters have in common.
#[derive(clap::Args)]
struct Filter {
    /// Only those of this endpoint
    #[arg(long, value_name = "ID")]
    endpoint: Option<String>,
    /// Only those that failed for these reasons (rejected, gone, redirected, exhausted, queue_full),
    /// with commas between
    #[arg(long = "reason", value_name = "REASONS", value_delimiter = ',')]
    reasons: Vec<String>,
    /// Only those whose last attempt was answered with this status
    #[arg(long, value_name = "STATUS")]
    status: Option<u16>,
    /// Only those of these event types or families, with commas between
    #[arg(long = "type", value_name = "TYPES", value_delimiter = ',')]
    types: Vec<String>,
    /// Only those that were accepted then or later: 2h ago, or a time as in RFC 3339
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
    /// Only those that were accepted earlier
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
}

#[derive(clap::Args)]
struct List {
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    reach: ReachArgs,
    #[command(flatten)]
    paging: Paging,
}

#[derive(clap::Args)]
struct Groups {
    #[command(flatten)]
    filter: Filter,
    /// By what the dead letters of an endpoint are told apart
    #[arg(long, value_enum, default_value_t = By::Reason)]
    by: By,
    #[command(flatten)]
    reach: ReachArgs,
}

#[derive(Clone, Copy, ValueEnum)]
enum By {
    Reason,
    Type,
}

#[derive(clap::Args)]
struct Chosen {
    /// The dead letters, at most 100; `postrider dead-letters retry` takes any number
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
}

#[derive(clap::Args)]
struct Acted {
    /// The dead letters, at most 100. Without any: all that match, in the server, which goes on when
    /// this command has ended; see `postrider replays`
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    filter: Filter,
    /// Every dead letter there is
    #[arg(long)]
    all: bool,
    /// How many in a second, at most
    #[arg(long, value_name = "N", conflicts_with = "ids")]
    rate: Option<NonZeroU32>,
    /// Only count them, and tell what would be passed over
    #[arg(long, conflicts_with = "ids")]
    dry_run: bool,
    /// Wait until it is done, and show how far it is
    #[arg(long, conflicts_with = "ids")]
    wait: bool,
}

const REASONS: &[Column] = &[
    ("ENDPOINT", "/endpoint_id"),
    ("REASON", "/reason"),
    ("COUNT", "/count"),
    ("OLDEST", "/oldest"),
    ("NEWEST", "/newest"),
];

const TYPES: &[Column] = &[
    ("ENDPOINT", "/endpoint_id"),
    ("TYPE", "/event_type"),
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
                let query = args.filter.query().with("view", show.short());
                let query = args.reach.add(query);
                let list = client.list(&["v1", "dead-letters"], query, &args.paging);
                Ok(deliveries::listed(list.await?, show, args.reach))
            }
            Self::Groups(args) => {
                let (by, columns) = match args.by {
                    By::Reason => ("reason", REASONS),
                    By::Type => ("endpoint,type", TYPES),
                };
                let query = args.filter.query().with("by", Some(by));
                let query = args.reach.add(query);
                let path = ["v1", "dead-letters", "groups"];
                let reply = client.get(&path, &query).await?;
                let columns = args.reach.columns(columns);
                Ok(show.answer(&reply, |it| counted(it, &columns)))
            }
            Self::Resend(chosen) => decide(client, show, &chosen.ids, "resend").await,
            Self::Retry(acted) => acted.answer(client, show, Act::Retry).await,
            Self::Discard(acted) => acted.answer(client, show, Act::Discard).await,
        }
    }
}

impl Filter {
    fn query(&self) -> Query {
        let now = Timestamp::now();
        Query::default()
            .with("endpoint_id", self.endpoint.as_ref())
            .with_all("reason", &self.reasons)
            .with("status", self.status)
            .with_all("event_type", &self.types)
            .with("from", self.since.map(|since| since.before(now)))
            .with("until", self.until.map(|until| until.before(now)))
    }

    fn body(&self) -> Map<String, Value> {
        let now = Timestamp::now();
        let fields = [
            ("endpoint_id", self.endpoint.as_deref().map(Value::from)),
            ("reasons", Some(json!(self.reasons))),
            ("status", self.status.map(Value::from)),
            ("event_types", Some(json!(self.types))),
            ("from", self.since.map(|since| since.before(now).into())),
            ("until", self.until.map(|until| until.before(now).into())),
        ];
        let fields = fields.into_iter();
        fields
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect()
    }

    fn is_any(&self) -> bool {
        self.endpoint.is_none()
            && self.reasons.is_empty()
            && self.status.is_none()
            && self.types.is_empty()
            && self.since.is_none()
            && self.until.is_none()
    }
}

#[derive(Clone, Copy)]
enum Act {
    Retry,
    Discard,
}

impl Acted {
    async fn answer(
        &self,
        client: &Client,
        show: &Connection,
        act: Act,
    ) -> Result<Answer, ClientError> {
        let all_that_match = !self.filter.is_any() || self.all || self.dry_run;
        match (self.ids.is_empty(), all_that_match) {
            (false, false) => {
                let what = match act {
                    Act::Retry => "resend",
                    Act::Discard => "discard",
                };
                decide(client, show, &self.ids, what).await
            }
            (true, true) => self.bulk(client, show, act).await,
            (false, true) => Err(unclear("give ids, or what they have in common, not both")),
            (true, false) => Err(unclear(
                "give ids, or say what they have in common (--endpoint, --reason, --status, --type, \
                 --since, --until), or --all",
            )),
        }
    }

    async fn bulk(
        &self,
        client: &Client,
        show: &Connection,
        act: Act,
    ) -> Result<Answer, ClientError> {
        let name = match act {
            Act::Retry => "retry",
            Act::Discard => "discard",
        };
        let form = json!({
            "act": name,
            "filter": self.filter.body(),
            "per_second": self.rate.map(NonZeroU32::get),
            "dry_run": self.dry_run,
        });
        let path = ["v1", "dead-letters", "bulk"];
        let mut reply: Reply = client.post(&path, &form).await?;
        if self.dry_run {
            return Ok(show.answer(&reply, |it| match act {
                Act::Retry => replay::would(it, "make", "anew"),
                Act::Discard => replay::would(it, "give", "up"),
            }));
        }
        if self.wait {
            reply = replay::done(client, show, reply).await?;
        }
        let answer = show.answer(&reply, replay::described);
        Ok(Answer {
            is_yes: reply.field("state") != "cancelled",
            ..answer
        })
    }
}

fn unclear(why: &str) -> ClientError {
    ClientError::Form {
        what: "the command line",
        why: why.to_owned(),
    }
}

/// Groups, and how many are not shown.
fn counted(reply: &Value, columns: &[Column]) -> String {
    let mut text = show::table(show::rows(&reply["groups"]), columns);
    let left_out = reply["groups_left_out"].as_u64().unwrap_or(0);
    if left_out > 0 {
        text += &format!("and {left_out} groups more, which are not shown: narrow them down\n");
    }
    text
}

async fn decide(
    client: &Client,
    show: &Connection,
    ids: &[String],
    what: &str,
) -> Result<Answer, ClientError> {
    let path = ["v1", "dead-letters", what];
    let reply = client.post(&path, &json!({ "ids": ids })).await?;
    let results = reply.value()["results"].as_array();
    let is_yes = results.is_some_and(|all| all.iter().all(|it| it["problem"].is_null()));
    let answer = show.answer(&reply, |it| {
        show::table(show::rows(&it["results"]), RESULTS)
    });
    Ok(Answer { is_yes, ..answer })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_that_are_not_shown_are_told() {
        let group = json!({"endpoint_id": "ep_1", "event_type": "a.b", "count": 2});
        let reply = json!({"groups": [group], "groups_left_out": 7});
        let text = counted(&reply, TYPES);
        let last = text.lines().last();
        let expected = "and 7 groups more, which are not shown: narrow them down";
        assert_eq!(last, Some(expected), "{text}");
        let whole = json!({"groups": [], "groups_left_out": 0});
        assert_eq!(counted(&whole, REASONS), "there are none\n");
    }
}
