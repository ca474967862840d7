//! The log, on the standard error.

use std::io::{self, IsTerminal};
use tracing_subscriber::EnvFilter;

/// Begins to log. `RUST_LOG` goes before what is given. Colours are for terminals, and not for those
/// who have set `NO_COLOR` (<https://no-color.org/>).
pub(crate) fn begin(directives: &str, json: bool) {
    let filter = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_else(|_| directives.to_owned());
    let is_plain = std::env::var_os("NO_COLOR").is_some_and(|it| !it.is_empty());
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_ansi(io::stderr().is_terminal() && !is_plain)
        .with_writer(io::stderr);
    // Whoever has begun one already keeps it.
    let _ = match json {
        true => subscriber.json().try_init(),
        false => subscriber.try_init(),
    };
}
