//! `postrider serve`: the server.

mod start;

pub(crate) use start::{Running, ServeError, database, start, start_anew};

use crate::Answer;
use crate::config::{Config, Origin, Values};
use crate::stop::Stop;
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

/// Run the server
///
/// Starts in under a second; everything is in one directory. Prints its address and, on the first
/// start, an API key. SIGTERM and SIGINT let what is under way finish, within twice the shutdown
/// time-out; a second one ends it at once. If the store fails, the server ends by itself, with exit
/// status 1: nothing could be accepted any more, and what was accepted is there at the next start.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) settings: SettingArgs,
    /// Make a new database, also beside a key that is there; refused if there is a database
    #[arg(long)]
    new: bool,
    /// Print JSON, an object a line: when it listens, and when it has ended
    #[arg(long)]
    json: bool,
}

/// Settings as flags; see `postrider config show`.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct SettingArgs {
    /// Read settings from this file [default: postrider.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The directory with the database; made if it is not there [default: postrider-data]
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// The address of the API [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Networks beside the public ones that requests may go to
    #[arg(long, value_name = "NETWORKS")]
    allow_networks: Option<String>,
    /// Networks whose X-Forwarded-For is believed
    #[arg(long, value_name = "NETWORKS")]
    trusted_proxies: Option<String>,
    /// How long requests under way may take once the server is asked to end [default: 35]
    #[arg(long, value_name = "SECONDS")]
    shutdown_timeout_s: Option<String>,
    /// text, or json: one object a line [default: text]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// What is logged: a level, or tracing directives [default: info]
    #[arg(long, value_name = "LEVEL")]
    log: Option<String>,
}

/// Where the data is, for commands beside the server; see `postrider config show`.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct DataArgs {
    /// Read settings from this file [default: postrider.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The directory with the database [default: postrider-data]
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
}

impl DataArgs {
    /// The settings of a server that is started here, with these networks if they are given.
    pub(crate) fn settings(&self, allow_networks: Option<String>) -> SettingArgs {
        SettingArgs {
            config: self.config.clone(),
            data: self.data.clone(),
            allow_networks,
            ..SettingArgs::default()
        }
    }
}

impl SettingArgs {
    /// The settings, from all the places where they can be.
    pub(crate) fn values(&self) -> Result<Values, crate::config::ConfigError> {
        let flags = [
            ("data", self.data.clone()),
            ("listen", self.listen.clone()),
            ("allow_networks", self.allow_networks.clone()),
            ("trusted_proxies", self.trusted_proxies.clone()),
            ("shutdown_timeout_s", self.shutdown_timeout_s.clone()),
            ("log_format", self.log_format.clone()),
            ("log", self.log.clone()),
        ];
        // A variable that is no Unicode is none of ours.
        let environment = std::env::vars_os()
            .filter_map(|(name, text)| Some((name.into_string().ok()?, text.into_string().ok()?)));
        Values::gather(flags, environment, self.config.clone())
    }
}

pub(crate) fn run(args: &Args) -> Result<Answer, ServeError> {
    let values = args.settings.values()?;
    let config = Config::of(&values)?;
    crate::log::begin(&config.log, config.log_json);
    crate::log::warn_of_unknown(&values);
    crate::log::warn_of_rust_log();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_keep_alive(KEEP_THREADS)
        .build()
        .map_err(ServeError::Runtime)?;
    let stop = Stop::listen(Some(2 * config.shutdown_timeout)).map_err(ServeError::Runtime)?;
    let answer = runtime.block_on(async {
        keep_some_threads();
        let running = match args.new {
            true => start_anew(&config).await?,
            false => start(&config).await?,
        };
        let given_key = config.api_key.as_ref().and(values.origin("api_key"));
        announce(&running, given_key, args.json);
        Ok(running.until(stop.asked()).await.answer(args.json))
    });
    // What has not ended by now is not waited for.
    runtime.shutdown_background();
    answer
}

/// Threads that wait for the disk or the resolver are kept for as long: later there may be none.
const KEEP_THREADS: Duration = Duration::from_secs(24 * 3_600);

/// So many are there from the start.
const THREADS: usize = 4;

/// None of them is free for the task of the next one.
fn keep_some_threads() {
    const BUSY: Duration = Duration::from_millis(50);
    for _ in 0..THREADS {
        tokio::task::spawn_blocking(|| std::thread::sleep(BUSY));
    }
}

/// What whoever starts the server wants to see at once.
fn announce(running: &Running, given_key: Option<&Origin>, json: bool) {
    let url = format!("http://{}", running.address());
    let given_key = given_key.map(ToString::to_string);
    let text = match (json, running.first_key(), given_key) {
        (true, key, given) => {
            let said = json!({ "url": url, "api_key": key, "api_key_from": given });
            format!("{said}\n")
        }
        (false, None, None) => format!("listening on {url}\n"),
        (false, None, Some(given)) => format!("listening on {url}\nAPI key: from {given}\n"),
        (false, Some(key), _) => format!("listening on {url}\nAPI key: {key}\n"),
    };
    let mut out = std::io::stdout().lock();
    // If nobody reads it, the server runs all the same.
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}
