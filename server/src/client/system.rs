//! `postrider system`.

use super::http::Query;
use super::show::{self, Column};
use super::{ClientError, Connection};
use crate::Answer;
use serde_json::Value;

/// Show what runs there, and how it is set up; this needs a key for all tenants
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    connection: Connection,
}

const SETTINGS: &[Column] = &[
    ("SETTING", "/name"),
    ("VALUE", "/value"),
    ("ORIGIN", "/origin"),
];

pub(crate) fn run(args: &Args) -> Result<Answer, ClientError> {
    let connection = &args.connection;
    super::ask(connection, async |client| {
        let reply = client.get(&["v1", "system"], &Query::default()).await?;
        Ok(connection.answer(&reply, described))
    })
}

fn described(system: &Value) -> String {
    let mut text = String::new();
    for (title, part) in [
        ("version", &system["version"]),
        ("started at", &system["started_at"]),
    ] {
        text += &format!("{title}  {}\n", show::cell(part));
    }
    for part in ["store", "commits", "limits"] {
        text += &format!(
            "\n{part}\n{}",
            show::fields(&system[part], &["kind", "path"])
        );
    }
    let settings = show::rows(&system["settings"]);
    if !settings.is_empty() {
        text.push('\n');
        text += &show::table(settings, SETTINGS);
    }
    let left_out = show::rows(&system["secrets_left_out"]);
    if !left_out.is_empty() {
        let names = show::cell(&system["secrets_left_out"]);
        text += &format!("not shown: {names}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_system_is_shown_part_by_part() {
        let system = json!({
            "version": "1.2.3", "started_at": "2026-01-01T00:00:00.000Z",
            "store": {"size_bytes": 7, "kind": "sqlite", "path": "a.db"},
            "commits": {"p50_ms": 1.5, "p99_ms": null}, "limits": {"page_max": 250},
            "settings": [{"name": "log", "value": "info", "origin": "default"}],
            "secrets_left_out": ["api_key"],
        });
        let shown = described(&system);
        for line in [
            "version  1.2.3",
            "kind        sqlite",
            "size bytes  7",
            "p50 ms  1.5",
            "page max  250",
            "log      info   default",
            "not shown: api_key",
        ] {
            assert!(shown.lines().any(|it| it == line), "{line}: {shown}");
        }
    }
}
