//! `postrider trigger`: an event to try things out with, and what becomes of it.

use super::events::{self, PublishArgs};
use super::http::Query;
use super::{Client, ClientError, Connection, deliveries, show, value};
use crate::Answer;
use jiff::Timestamp;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How often the deliveries are looked at.
const POLL: Duration = Duration::from_millis(100);

/// Publish a sample event, and show the deliveries that it makes
///
/// Waits until its deliveries have ended, or for --wait seconds. Exit status 1 if a delivery has
/// failed by then.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    how: PublishArgs,
    /// The payload: JSON, `@FILE`, or `-` for the standard input [default: a small sample]
    #[arg(long, value_name = "JSON")]
    data: Option<String>,
    /// How long to wait for the deliveries to end; 0 for not at all
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    wait: u64,
}

pub(crate) fn run(args: &Args) -> Result<Answer, ClientError> {
    super::ask(&args.connection, async |client| args.answer(client).await)
}

/// A payload that can be told from others.
fn sample(event_type: &str) -> Result<Box<RawValue>, ClientError> {
    let payload = json!({
        "type": event_type,
        "sample": true,
        "created_at": format!("{:.3}", Timestamp::now()),
        "data": { "id": "sample_1", "amount": 4200, "currency": "CHF" },
    });
    let text = serde_json::value::to_raw_value(&payload);
    text.map_err(|error| ClientError::NotJson {
        what: "the sample",
        error,
    })
}

impl Args {
    async fn answer(&self, client: &Client) -> Result<Answer, ClientError> {
        let payload = match &self.data {
            Some(argument) => value::json("the payload", argument)?,
            None => sample(&self.how.event_type)?,
        };
        let accepted = self.how.publish(client, &payload).await?;
        let is_later = accepted.value()["deliver_after"].is_string();
        let has_deliveries = accepted.value()["deliveries"] != json!([]);
        if self.wait == 0 || is_later || !has_deliveries {
            return Ok(self.connection.answer(&accepted, events::accepted));
        }
        let event = self.ended(client, accepted.field("id")).await?;
        let is_yes = !matches!(event.field("state"), "failed" | "discarded");
        let answer = self.connection.answer(&event, |event| {
            let mut deliveries = event["deliveries"].as_array().cloned().unwrap_or_default();
            deliveries.iter_mut().for_each(deliveries::sum_up);
            let (id, state) = (show::cell(&event["id"]), show::cell(&event["state"]));
            let table = show::table(&deliveries, deliveries::OF_AN_EVENT);
            format!("{id} is {state}\n{table}")
        });
        Ok(Answer { is_yes, ..answer })
    }

    /// The event when all its deliveries have ended, or as it is when nobody waits any longer.
    async fn ended(&self, client: &Client, id: &str) -> Result<super::Reply, ClientError> {
        let deadline = Instant::now() + Duration::from_secs(self.wait);
        loop {
            let event = client.get(&["v1", "events", id], &Query::default()).await?;
            let deliveries = event.value()["deliveries"].as_array();
            let is_under_way =
                |it: &Value| matches!(it["state"].as_str(), Some("pending" | "retrying"));
            let waits = deliveries.is_some_and(|all| all.iter().any(is_under_way));
            if !waits || Instant::now() + POLL > deadline {
                return Ok(event);
            }
            sleep(POLL).await;
        }
    }
}
