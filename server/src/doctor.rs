//! `postrider doctor`: whether a server can work here, and what to do if not.

mod clock;
mod disk;
mod network;

use crate::Answer;
use crate::client::{Client, ClientError, Connection, block_on};
use crate::config::Config;
use crate::serve::DataArgs;
use clap::ValueEnum;
use postrider::Limits;
use postrider::descriptors::Budget;
use postrider::egress::EgressGuard;
use serde::Serialize;
use serde_json::json;

/// Check the clock, the disk, the network and the server
///
/// Exit status 1 if a check has failed. `--only server` tells whether a server accepts events, for
/// whoever watches one.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    data: DataArgs,
    /// Networks beside the public ones that requests may go to
    #[arg(long, value_name = "NETWORKS")]
    allow_networks: Option<String>,
    /// A name that must resolve
    #[arg(long, value_name = "NAME", default_value = "example.com")]
    host: String,
    /// Tell whether requests may go to this URL
    #[arg(long, value_name = "URL")]
    check: Option<String>,
    /// Only these checks, with commas between; a server that is named must be there
    #[arg(long, value_name = "CHECKS", value_delimiter = ',')]
    only: Vec<Check>,
}

/// What can be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Check {
    /// What is set can be used
    Settings,
    /// The data directory can be written, has room, and keeps what is synced
    Disk,
    /// How many descriptors a server may have
    Descriptors,
    /// The version of SQLite
    Sqlite,
    /// Names resolve
    Dns,
    /// Requests may go to the URL of --check
    Egress,
    /// A server answers and accepts events
    Server,
    /// The calendar is right
    Clock,
}

/// How a check has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

/// What a check has found.
#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    verdict: Verdict,
    detail: String,
    /// What to do.
    remedy: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, detail: impl Into<String>) -> Self {
        Self {
            check,
            verdict: Verdict::Ok,
            detail: detail.into(),
            remedy: None,
        }
    }

    fn warn(check: &'static str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Warn,
            remedy: Some(remedy.into()),
            ..Self::ok(check, detail)
        }
    }

    fn fail(check: &'static str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Fail,
            ..Self::warn(check, detail, remedy)
        }
    }

    fn lines(&self) -> String {
        let verdict = match self.verdict {
            Verdict::Ok => "ok",
            Verdict::Warn => "warn",
            Verdict::Fail => "fail",
        };
        let mut text = format!("{verdict:<4}  {:<8}  {}\n", self.check, self.detail);
        if let Some(remedy) = &self.remedy {
            text += &format!("{:16}→ {remedy}\n", "");
        }
        text
    }
}

pub(crate) fn run(args: &Args) -> Result<Answer, ClientError> {
    let client = args.connection.client()?;
    let findings = block_on(async { Ok(args.findings(&client).await) })?;
    let is_yes = findings.iter().all(|it| it.verdict != Verdict::Fail);
    let text = match args.connection.json {
        true => format!("{}\n", json!({ "ok": is_yes, "checks": findings })),
        false => findings.iter().map(Finding::lines).collect(),
    };
    Ok(Answer { text, is_yes })
}

impl Args {
    fn wants(&self, check: Check) -> bool {
        self.only.is_empty() || self.only.contains(&check)
    }

    async fn findings(&self, client: &Client) -> Vec<Finding> {
        let (mut findings, guard) = self.of_this_machine();
        if self.wants(Check::Dns) {
            findings.push(network::resolves(&self.host).await);
        }
        if let Some(url) = self.check.as_ref().filter(|_| self.wants(Check::Egress)) {
            findings.push(network::egress(url, &guard).await);
        }
        let mut date = None;
        if self.wants(Check::Server) || self.wants(Check::Clock) {
            let is_named = self.only.contains(&Check::Server);
            let (server, told) = network::server(client, is_named).await;
            findings.extend(Some(server).filter(|_| self.wants(Check::Server)));
            date = told;
        }
        if self.wants(Check::Clock) {
            findings.push(clock::check(date.as_deref()));
        }
        findings
    }

    /// What needs no network, and where requests may go.
    fn of_this_machine(&self) -> (Vec<Finding>, EgressGuard) {
        let mut findings = Vec::new();
        let values = self.data.settings(self.allow_networks.clone()).values();
        if let Some(values) = values.as_ref().ok().filter(|_| self.wants(Check::Settings)) {
            findings.extend(values.unknown().iter().map(|unknown| {
                let remedy = "correct it, or take it away";
                Finding::warn("settings", unknown.to_string(), remedy)
            }));
        }
        let config = values.and_then(|values| Config::of(&values));
        if self.wants(Check::Settings) {
            findings.push(match &config {
                Ok(config) => {
                    let data = config.data.display();
                    Finding::ok("settings", format!("the data is in {data}"))
                }
                Err(error) => {
                    let program = crate::program::name();
                    let remedy = format!("correct it; `{program} config show` lists the settings");
                    Finding::fail("settings", error.to_string(), remedy)
                }
            });
        }
        if let Some(config) = config.as_ref().ok().filter(|_| self.wants(Check::Disk)) {
            findings.extend(disk::check(&config.data));
        }
        if self.wants(Check::Descriptors) {
            findings.push(descriptors(&Budget::of_process()));
        }
        if self.wants(Check::Sqlite) {
            let version = postrider::rusqlite::version();
            findings.push(Finding::ok("sqlite", format!("{version}, built in")));
        }
        (findings, config.map(|it| it.egress).unwrap_or_default())
    }
}

/// Fewer are enough for a small server.
const DESCRIPTORS: u64 = 4_096;

/// This program has raised its limit, as a server does.
fn descriptors(budget: &Budget) -> Finding {
    let detail = format!(
        "{} for {} requests under way, {} clients and {} kept connections at the same time",
        budget.descriptors,
        budget.bound(Limits::default()).attempts_max,
        budget.connections_max,
        budget.idle_max
    );
    match budget.descriptors {
        ..DESCRIPTORS => {
            let remedy = "if that is too few, raise the hard limit (LimitNOFILE= in a systemd unit, \
                          --ulimit nofile= of docker)";
            Finding::warn("limits", detail, remedy)
        }
        _ => Finding::ok("limits", detail),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_says_what_to_do_below_what_is_wrong() {
        let fine = Finding::ok("clock", "steady");
        assert_eq!(fine.lines(), "ok    clock     steady\n");
        let broken = Finding::fail("disk", "full", "make room");
        let lines = broken.lines();
        assert_eq!(lines, "fail  disk      full\n                → make room\n");
    }
}
