//! `postrider deliveries`.

use super::http::Query;
use super::reach::ReachArgs;
use super::show::{self, Column};
use super::when::Moment;
use super::{Client, ClientError, Connection, Paging, requests};
use crate::Answer;
use clap::{Subcommand, ValueEnum};
use jiff::Timestamp;
use serde_json::Value;

/// Look at deliveries, try them again, give them up
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// List deliveries, newest first
    List(Box<List>),
    /// Show a delivery with its attempts
    Get(One),
    /// Show an attempt: the request as it was sent, and what came back
    Attempt(Attempt),
    /// Send a delivery that has ended again, or one that waits now
    Retry(One),
    /// Give up a delivery that is pending, or a dead letter
    Discard(One),
}

#[derive(clap::Args)]
struct List {
    /// Only those to this endpoint; it may be gone
    #[arg(long, value_name = "ID")]
    endpoint: Option<String>,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    reach: ReachArgs,
    #[command(flatten)]
    paging: Paging,
}

#[derive(clap::Args)]
struct One {
    /// The delivery
    id: String,
}

#[derive(clap::Args)]
struct Attempt {
    /// The delivery
    id: String,
    /// 1 for its first attempt
    number: u32,
}

/// Which deliveries.
#[derive(clap::Args)]
pub(crate) struct FilterArgs {
    /// Only those of this event
    #[arg(long, value_name = "ID")]
    event: Option<String>,
    /// Only those in these states, with commas between
    #[arg(long, value_name = "STATES", value_delimiter = ',')]
    state: Vec<State>,
    /// Only those of these event types or families, with commas between
    #[arg(long = "type", value_name = "TYPES", value_delimiter = ',')]
    types: Vec<String>,
    /// Only those in the lanes with this key; empty for those in lanes without one
    #[arg(long, value_name = "ORDERING_KEY")]
    key: Option<String>,
    /// Only those that failed for one of these reasons, with commas between: rejected, exhausted, …
    #[arg(long, value_name = "REASONS", value_delimiter = ',')]
    reason: Vec<String>,
    /// Only those whose last attempt was answered with this status
    #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(100..=599))]
    status: Option<u16>,
    /// Only those whose last attempt was answered with 2xx, 3xx, 4xx or 5xx
    #[arg(long, value_name = "2-5", value_parser = clap::value_parser!(u8).range(2..=5))]
    status_class: Option<u8>,
    /// Only those whose last attempt got no answer, for this reason: dns, connect, timeout, …
    #[arg(long, value_name = "REASON")]
    failure: Option<String>,
    /// Only those that were accepted then or later: 2h ago, or a time as in RFC 3339
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
    /// Only those that were accepted earlier
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
    /// Which come first
    #[arg(long, value_enum, default_value_t)]
    order: Order,
}

#[derive(Clone, Copy, ValueEnum)]
enum State {
    Pending,
    Retrying,
    Delivered,
    Failed,
    Discarded,
}

/// Which come first.
#[derive(Clone, Copy, Default, ValueEnum)]
pub(crate) enum Order {
    #[default]
    Newest,
    Oldest,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Retrying => "retrying",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Discarded => "discarded",
        }
    }
}

impl Order {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Oldest => "oldest",
        }
    }
}

impl FilterArgs {
    pub(crate) fn query(&self) -> Query {
        let now = Timestamp::now();
        let states = self.state.iter().map(|state| state.name().to_owned());
        let states: Vec<String> = states.collect();
        Query::default()
            .with("event_id", self.event.as_ref())
            .with_all("state", &states)
            .with_all("event_type", &self.types)
            .with("ordering_key", self.key.as_ref())
            .with_all("reason", &self.reason)
            .with("status", self.status)
            .with("status_class", self.status_class)
            .with("failure", self.failure.as_ref())
            .with("from", self.since.map(|since| since.before(now)))
            .with("until", self.until.map(|until| until.before(now)))
            .with("order", Some(self.order.name()))
    }
}

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("STATE", "/state"),
    ("TYPE", "/event_type"),
    ("EVENT", "/event_id"),
    ("ENDPOINT", "/endpoint_id"),
    ("CREATED", "/created_at"),
    ("TRIES", "/tries"),
    ("LAST ANSWER", "/last"),
];

/// The deliveries of one event.
pub(super) const OF_AN_EVENT: &[Column] = &[
    ("DELIVERY", "/id"),
    ("ENDPOINT", "/endpoint_id"),
    ("STATE", "/state"),
    ("TRIES", "/tries"),
    ("LAST ANSWER", "/last"),
    ("NEXT TRY", "/next_attempt_at"),
];

const ATTEMPTS: &[Column] = &[
    ("ATTEMPT", "/number"),
    ("STARTED", "/started_at"),
    ("MS", "/duration_ms"),
    ("STATUS", "/status"),
    ("FAILURE", "/failure"),
    ("ERROR", "/error"),
    ("ANSWER", "/response_body"),
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
                let query = args.filter.query();
                let query = query.with("endpoint_id", args.endpoint.as_ref());
                let query = query.with("view", show.short());
                let query = args.reach.add(query);
                let list = client.list(&["v1", "deliveries"], query, &args.paging);
                Ok(listed(list.await?, show, args.reach))
            }
            Self::Get(one) => {
                let path = ["v1", "deliveries", &one.id];
                let reply = client.get(&path, &Query::default()).await?;
                Ok(show.answer(&reply, described))
            }
            Self::Attempt(Attempt { id, number }) => {
                let number = number.to_string();
                let path = ["v1", "deliveries", id, "attempts", &number];
                let reply = client.get(&path, &Query::default()).await?;
                Ok(show.answer(&reply, requests::described))
            }
            Self::Retry(one) => {
                let path = ["v1", "deliveries", &one.id, "retry"];
                let reply = client.post_nothing(&path).await?;
                Ok(show.answer(&reply, |it| {
                    let new = show::cell(&it["id"]);
                    match &it["resend_of"] {
                        Value::Null => format!("{new} is on its way, and waits no longer\n"),
                        old => format!("{new} is on its way, instead of {}\n", show::cell(old)),
                    }
                }))
            }
            Self::Discard(one) => {
                let path = ["v1", "deliveries", &one.id, "discard"];
                client.post_nothing(&path).await?;
                Ok(show.done("discarded", &one.id))
            }
        }
    }
}

/// A list of deliveries.
pub(super) fn listed(mut list: super::List, show: &Connection, reach: ReachArgs) -> Answer {
    if !show.json {
        list.data.iter_mut().for_each(sum_up);
    }
    show.list(&list, &reach.columns(COLUMNS))
}

/// Adds how often a delivery was tried, and what came of the last time.
pub(super) fn sum_up(delivery: &mut Value) {
    let attempts = delivery["attempts"].as_array().map(Vec::as_slice);
    let attempts = attempts.unwrap_or_default();
    let tries: Value = match &delivery["attempt_count"] {
        Value::Null => attempts.len().into(),
        count => count.clone(),
    };
    let last = attempts.last().unwrap_or(&delivery["last_attempt"]);
    let parts = [&last["status"], &last["failure"]];
    let part = parts.into_iter().find(|part| !part.is_null());
    let last = part.cloned().unwrap_or_default();
    if let Some(delivery) = delivery.as_object_mut() {
        delivery.insert("tries".to_owned(), tries);
        delivery.insert("last".to_owned(), last);
    }
}

fn described(delivery: &Value) -> String {
    let first = [
        "id",
        "state",
        "reason",
        "event_type",
        "event_id",
        "endpoint_id",
    ];
    let mut text = show::fields(delivery, &first);
    if let Some(attempts) = delivery["attempts"].as_array().filter(|it| !it.is_empty()) {
        text.push('\n');
        text += &show::table(attempts, ATTEMPTS);
        let requests = requests::lines(attempts);
        if !requests.is_empty() {
            text.push('\n');
            text += &requests;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_last_answer_is_a_status_or_why_there_is_none() {
        let of = |attempts: Value| {
            let mut delivery = json!({ "attempts": attempts });
            sum_up(&mut delivery);
            (delivery["tries"].clone(), delivery["last"].clone())
        };
        assert_eq!(of(json!([])), (json!(0), Value::Null));
        let refused = json!({"status": null, "failure": "connect"});
        let answered = json!({"status": 503, "failure": null});
        assert_eq!(of(json!([answered, refused])), (json!(2), json!("connect")));
        assert_eq!(of(json!([refused, answered])), (json!(2), json!(503)));
        let mut short = json!({"attempt_count": 7, "last_attempt": refused});
        sum_up(&mut short);
        assert_eq!(
            (&short["tries"], &short["last"]),
            (&json!(7), &json!("connect"))
        );
        let mut new = json!({"attempt_count": 0, "last_attempt": null});
        sum_up(&mut new);
        assert_eq!((&new["tries"], &new["last"]), (&json!(0), &Value::Null));
    }
}
