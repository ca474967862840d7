//! `cargo xtask mutants`: breaks the engine in small ways, one at a time, and asks the
//! simulation's world tier alone whether it notices.

use crate::{install, test};
use std::process::Command;

/// `cargo mutants` with what is the same in every run: the engine alone is mutated and the world
/// tier alone is built and run, in a profile that builds in seconds. Text for people is left out:
/// no promise is about it.
const MUTANTS: &str = "cargo mutants --package postrider-engine --test-package postrider-sim \
     --no-default-features --profile mutants --exclude-re ::fmt \
     --timeout 300 --build-timeout 300 --cargo-test-arg=--lib";

/// The one test; see `sim/src/mutants.rs`.
const TEST: &str = "-- --exact --ignored mutants::the_world_tier_sees_no_promise_break";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Each mutant must survive so many seeds, and all stories
    #[arg(long, default_value_t = 60)]
    seeds: u64,
    /// Try one mutant in so many: 0/8 to 7/8 are all of them
    #[arg(long, value_name = "K/N")]
    shard: Option<String>,
    /// More arguments for `cargo mutants`, for example `--re NAME` or `--list`
    #[arg(last = true)]
    more: Vec<String>,
}

/// Runs them. What was found is in `mutants.out/`.
pub(crate) fn run(args: &Args) -> Result<(), String> {
    install::mutants()?;
    let mut command = Command::new("cargo");
    command.args(words(MUTANTS).skip(1));
    if let Some(shard) = &args.shard {
        command.args(["--sharding", "round-robin", "--shard", shard]);
    }
    command.args(&args.more).args(["--"]).args(words(TEST));
    command.env("POSTRIDER_MUTANTS_SEEDS", args.seeds.to_string());
    test::forget_package(&mut command);
    let status = command
        .status()
        .map_err(|error| format!("`cargo mutants` did not start: {error}"))?;
    // 2: some were missed; 3: some went on for ever. Both are what one wants to know.
    match status.code() {
        Some(0 | 2 | 3) => Ok(()),
        _ => Err(format!("`cargo mutants` failed: {status}")),
    }
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split_whitespace()
}
