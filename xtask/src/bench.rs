//! `cargo xtask bench`: the figures, from one run on this machine.

use std::process::Command;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// One of engine, http, isolation, store; all of them if left out
    figure: Option<String>,
}

/// Builds the benchmark as a release and runs it.
pub(crate) fn run(args: &Args) -> Result<(), String> {
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
    let status = cargo.args(&args.figure).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err("the benchmark failed: see above".to_owned()),
        Err(error) => Err(format!("cargo did not start: {error}")),
    }
}
