//! The log, on the standard error.

use crate::config::Values;
use std::io::{self, IsTerminal, Write};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

/// Begins to log. `RUST_LOG` goes before what is given. Colours are for terminals, and not for those
/// who have set `NO_COLOR` (<https://no-color.org/>).
pub(crate) fn begin(directives: &str, json: bool) {
    let filter = match of_environment() {
        Some((text, Ok(()))) => text,
        _ => directives.to_owned(),
    };
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

/// `RUST_LOG`, and whether it can be used. It may be meant for other programs.
fn of_environment() -> Option<(String, Result<(), String>)> {
    let text = std::env::var(EnvFilter::DEFAULT_ENV).ok()?;
    let usable = check(&text);
    Some((text, usable))
}

/// Whether the log can be told so. A bare word that is no level would be taken for the name of a
/// module, and everything else would be silent.
pub(crate) fn check(directives: &str) -> Result<(), String> {
    const HOW: &str = "write off, error, warn, info, debug or trace, or directives such as \
                       info,postrider=debug";
    if directives.trim().is_empty() {
        return Err(HOW.to_owned());
    }
    // Spans and their fields are for those who know them.
    let parts = directives.split(',').map(str::trim);
    let bare = parts.filter(|part| !part.is_empty() && !part.contains(['=', '[', ']', '{', '}']));
    for word in bare {
        if word.parse::<LevelFilter>().is_err() {
            return Err(format!("{word:?} is no level: {HOW}"));
        }
    }
    let parsed = EnvFilter::builder().parse(directives);
    parsed.map(|_| ()).map_err(|_| HOW.to_owned())
}

/// Tells a server's operator of a `RUST_LOG` that is not used.
pub(crate) fn warn_of_rust_log() {
    if let Some((text, Err(why))) = of_environment() {
        warn(&format!("RUST_LOG = {text:?} is passed over: {why}"));
    }
}

/// Tells of variables that sound like settings and are none.
pub(crate) fn warn_of_unknown(values: &Values) {
    for unknown in values.unknown() {
        warn(&unknown.to_string());
    }
}

/// In the log, or, where that is told to be silent, beside it.
fn warn(text: &str) {
    if tracing::enabled!(tracing::Level::WARN) {
        tracing::warn!(detail = text, "postrider.config.warning");
    } else {
        let _ = writeln!(io::stderr().lock(), "postrider: warning: {text}");
    }
}
