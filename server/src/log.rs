//! The log, on the standard error.

use std::io;
use tracing_subscriber::EnvFilter;

/// Begins to log. `RUST_LOG` goes before what is given.
pub(crate) fn begin(directives: &str, json: bool) {
    let filter = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_else(|_| directives.to_owned());
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(io::stderr);
    // Whoever has begun one already keeps it.
    let _ = match json {
        true => subscriber.json().try_init(),
        false => subscriber.try_init(),
    };
}
