//! One word for each thing a contributor does. `cargo xtask` lists them.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it talks to the person who runs it"
)]

mod bench;
mod crash;
mod dashboard;
mod install;
mod mutants;
mod node;
mod test;
mod wasm;

use clap::{CommandFactory, Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "One word for each thing a contributor does.",
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    word: Option<Word>,
}

/// To add one: a variant here, its file beside this one, and its arm in `main`.
#[derive(Subcommand)]
enum Word {
    /// Installs what is missing, then checks and tests everything
    Test(test::Args),
    /// Prints what a delivery costs, beside what the bare parts cost
    Bench(bench::Args),
    /// Builds the npm package for receivers: verifier-wasm/pkg/*.tgz
    Wasm,
    /// Builds the dashboard, compares it with what is committed, and runs its own tests
    Dashboard,
    /// Kills the real binary over and over, and asks whether anything was lost
    Crash(crash::Args),
    /// Breaks the engine in small ways and asks the simulation whether it notices
    Mutants(mutants::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().word {
        Some(Word::Test(args)) => test::run(&args),
        Some(Word::Bench(args)) => bench::run(&args),
        Some(Word::Wasm) => wasm::run(),
        Some(Word::Dashboard) => dashboard::run(),
        Some(Word::Crash(args)) => crash::run(&args),
        Some(Word::Mutants(args)) => mutants::run(&args),
        None => Cli::command()
            .print_help()
            .map_err(|error| error.to_string()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}
