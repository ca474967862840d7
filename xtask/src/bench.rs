//! `cargo xtask bench`: the figures, from one run on this machine.

use crate::{install, node, wasm};
use std::process::Command;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// One of engine, http, isolation, store, backlog, server, dashboard, verifier; all but the last two
    /// if left out
    figure: Option<String>,
    /// Pending events of the backlog, 200,000 if left out, and 1,000,000 deliveries of the dashboard
    #[arg(long)]
    events: Option<usize>,
}

/// Builds the benchmark as a release and runs it.
pub(crate) fn run(args: &Args) -> Result<(), String> {
    let figure = args.figure.as_deref();
    if args.events.is_some() && !matches!(figure, Some("backlog" | "dashboard")) {
        return Err("--events goes with `backlog` and with `dashboard`".into());
    }
    if args.figure.as_deref() == Some("verifier") {
        return verifier();
    }
    // The server is measured as the program that it is.
    let built = Command::new("cargo")
        .args(["build", "--quiet", "--release", "-p", "postrider-server"])
        .status();
    if !built.is_ok_and(|status| status.success()) {
        return Err("the server does not build".to_owned());
    }
    let mut cargo = Command::new("cargo");
    cargo.args([
        "bench",
        "--quiet",
        "-p",
        "postrider-tests",
        "--bench",
        "figures",
        "--",
    ]);
    cargo.args(&args.figure);
    if let Some(events) = args.events {
        cargo.args(["--events", &events.to_string()]);
    }
    let status = cargo.status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err("the benchmark failed: see above".to_owned()),
        Err(error) => Err(format!("cargo did not start: {error}")),
    }
}

/// Builds the npm package and measures it beside its peers, in Node.js.
fn verifier() -> Result<(), String> {
    wasm::run()?;
    install::verifier()?;
    match node::command("node")
        .arg("tests/verifier/bench.mjs")
        .status()
    {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err("the benchmark failed: see above".to_owned()),
        Err(error) => Err(format!("node did not start: {error}")),
    }
}
