//! `postrider audit`.

use super::deliveries::Order;
use super::http::Query;
use super::reach::ReachArgs;
use super::show::Column;
use super::when::Moment;
use super::{ClientError, Connection, Paging};
use crate::Answer;
use jiff::Timestamp;

/// Show who did what to what, newest first
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    connection: Connection,
    /// Only what this one did: the id or the name of a key
    #[arg(long, value_name = "ID")]
    actor: Option<String>,
    /// Only these acts, or kinds such as `endpoint`, with commas between
    #[arg(long, value_name = "ACTS", value_delimiter = ',')]
    act: Vec<String>,
    /// Only what was done to the thing with this id or name
    #[arg(long, value_name = "ID")]
    target: Option<String>,
    /// Only what was done then or later: 2h ago, or a time as in RFC 3339
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
    /// Only what was done earlier
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
    /// Which come first
    #[arg(long, value_enum, default_value_t)]
    order: Order,
    #[command(flatten)]
    reach: ReachArgs,
    #[command(flatten)]
    paging: Paging,
}

const COLUMNS: &[Column] = &[
    ("AT", "/at"),
    ("ACT", "/act"),
    ("TARGET", "/target/id"),
    ("BY", "/actor/kind"),
    ("NAME", "/actor/name"),
    ("ID", "/actor/id"),
    ("DETAIL", "/detail"),
];

pub(crate) fn run(args: &Args) -> Result<Answer, ClientError> {
    let connection = &args.connection;
    super::ask(connection, async |client| {
        let list = client.list(&["v1", "audit"], args.query(), &args.paging);
        Ok(connection.list(&list.await?, &args.reach.columns(COLUMNS)))
    })
}

impl Args {
    fn query(&self) -> Query {
        let now = Timestamp::now();
        let query = Query::default()
            .with("actor", self.actor.as_ref())
            .with_all("act", &self.act)
            .with("target", self.target.as_ref())
            .with("from", self.since.map(|since| since.before(now)))
            .with("until", self.until.map(|until| until.before(now)))
            .with("order", Some(self.order.name()));
        self.reach.add(query)
    }
}
