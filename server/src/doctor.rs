//! `postrider doctor`: whether a server can work here, and what to do if not.

mod clock;
mod disk;
mod network;

use crate::Answer;
use crate::client::{Client, ClientError, Connection, block_on};
use crate::config::{Config, ConfigError};
use crate::serve::DataArgs;
use postrider::egress::EgressGuard;
use serde::Serialize;
use serde_json::json;

/// Check the clock, the disk, the network and the server
///
/// Exit status 1 if a check has failed.
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
    async fn findings(&self, client: &Client) -> Vec<Finding> {
        let mut findings = Vec::new();
        let config = self.config();
        let guard = match &config {
            Ok(config) => {
                let data = config.data.display();
                findings.push(Finding::ok("settings", format!("the data is in {data}")));
                findings.extend(disk::check(&config.data));
                config.egress.clone()
            }
            Err(error) => {
                let remedy = "correct it; `postrider config show` lists the settings";
                findings.push(Finding::fail("settings", error.to_string(), remedy));
                EgressGuard::public_only()
            }
        };
        let version = postrider::rusqlite::version();
        findings.push(Finding::ok("sqlite", format!("{version}, built in")));
        findings.push(network::resolves(&self.host).await);
        if let Some(url) = &self.check {
            findings.push(network::egress(url, &guard).await);
        }
        let (server, date) = network::server(client).await;
        findings.extend(server);
        findings.push(clock::check(date.as_deref()));
        findings
    }

    fn config(&self) -> Result<Config, ConfigError> {
        let settings = self.data.settings(self.allow_networks.clone());
        Config::of(&settings.values()?)
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
