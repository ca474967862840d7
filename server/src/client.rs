//! Commands that ask a running server.

pub(crate) mod audit;
pub(crate) mod backfill;
mod certificates;
pub(crate) mod dead_letters;
pub(crate) mod deliveries;
pub(crate) mod endpoints;
pub(crate) mod event_types;
pub(crate) mod events;
mod failure;
pub(crate) mod filters;
mod http;
pub(crate) mod keys;
pub(crate) mod lanes;
pub(crate) mod listen;
pub(crate) mod portal_links;
mod reach;
pub(crate) mod replay;
pub(crate) mod replays;
mod requests;
mod show;
pub(crate) mod sources;
mod spec;
mod sse;
pub(crate) mod stats;
mod stream;
pub(crate) mod system;
pub(crate) mod tail;
pub(crate) mod templates;
pub(crate) mod tenants;
pub(crate) mod trigger;
mod value;
mod when;
pub(crate) mod whoami;

pub(crate) use failure::ClientError;
pub(crate) use http::{Client, Key};
pub(crate) use show::plain;

use crate::Answer;
use http::{DEFAULT_URL, List, Reply};
use serde_json::{Value, json};
use std::env;
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;

/// Where the server is said to be, if not on the command line.
const URL_VARIABLE: &str = "POSTRIDER_URL";

/// The key. It is no flag: the list of processes would show it.
const KEY_VARIABLE: &str = "POSTRIDER_API_KEY";

/// A file with the key.
const KEY_FILE_VARIABLE: &str = "POSTRIDER_API_KEY_FILE";

/// Which server is asked, for whom, and how its answer is shown.
///
/// The API key comes from POSTRIDER_API_KEY, or from the file that POSTRIDER_API_KEY_FILE names.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Server (the API key: POSTRIDER_API_KEY or POSTRIDER_API_KEY_FILE)")]
pub(crate) struct Connection {
    /// The server [default: POSTRIDER_URL, or http://127.0.0.1:8080]
    #[arg(long, global = true, value_name = "URL")]
    url: Option<String>,
    /// Act for this tenant, with a key for all tenants
    #[arg(long, global = true, value_name = "NAME")]
    tenant: Option<String>,
    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// How much of a list is shown.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Paging {
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// Go on where an earlier list ended
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
}

impl Connection {
    /// A client for it.
    pub(crate) fn client(&self) -> Result<Client, ClientError> {
        let client = |url: &str| Client::new(url, key()?.as_ref(), self.tenant.as_deref());
        let given = |url: &String| !url.is_empty();
        if let Some(url) = self.url.as_ref().filter(|url| given(url)) {
            return client(url);
        }
        match env::var(URL_VARIABLE).ok().filter(given) {
            Some(url) => Ok(client(&url)?.named_by(URL_VARIABLE)),
            None => client(DEFAULT_URL),
        }
    }

    /// The form in which deliveries are listed: the short one has all that a table shows.
    fn short(&self) -> Option<&'static str> {
        (!self.json).then_some("short")
    }

    /// The answer as the server gave it, or for people.
    fn answer(&self, reply: &Reply, text: impl FnOnce(&Value) -> String) -> Answer {
        let text = match self.json {
            true => format!("{}\n", reply.text()),
            false => text(reply.value()),
        };
        Answer { text, is_yes: true }
    }

    /// Something was done that the server says nothing more about.
    fn done(&self, what: &str, id: &str) -> Answer {
        let text = match self.json {
            true => format!("{}\n", json!({ "id": id, "done": what })),
            false => format!("{what} {}\n", show::plain(id)),
        };
        Answer { text, is_yes: true }
    }

    /// A list, in these columns.
    fn list(&self, list: &List, columns: &[show::Column]) -> Answer {
        let text = match self.json {
            true => {
                let (data, next) = (list.texts.join(","), json!(list.next));
                format!("{{\"data\":[{data}],\"next\":{next}}}\n")
            }
            false => {
                let mut text = show::table(&list.data, columns);
                if let Some(next) = &list.next {
                    text += &format!("there are more: add --cursor {next}\n");
                }
                text
            }
        };
        Answer { text, is_yes: true }
    }
}

/// Runs what asks the server.
fn ask(
    connection: &Connection,
    work: impl AsyncFnOnce(&Client) -> Result<Answer, ClientError>,
) -> Result<Answer, ClientError> {
    let client = connection.client()?;
    block_on(work(&client))
}

/// Runs it on this thread.
pub(crate) fn block_on<T>(
    work: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.map_err(ClientError::System)?.block_on(work)
}

fn key() -> Result<Option<Key>, ClientError> {
    let given = |name| env::var(name).ok().filter(|text| !text.is_empty());
    if let Some(text) = given(KEY_VARIABLE) {
        let from = KEY_VARIABLE.to_owned();
        return Ok(Some(Key { text, from }));
    }
    let Some(path) = given(KEY_FILE_VARIABLE).map(PathBuf::from) else {
        return Ok(None);
    };
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(Key {
            text: text.trim_end().to_owned(),
            from: format!("{} ({KEY_FILE_VARIABLE})", path.display()),
        })),
        Err(error) => Err(ClientError::KeyFile { path, error }),
    }
}

/// Prints bytes as they are.
fn write(bytes: &[u8]) -> Result<(), ClientError> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        // Whoever reads it has seen enough.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(ClientError::System(error)),
        _ => Ok(()),
    }
}

/// Prints a line at once. False if nobody reads any more.
pub(crate) fn say(line: &str) -> Result<bool, ClientError> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(ClientError::System(error)),
    }
}
