//! `cargo xtask test`: everything that must hold before a change is shared, and all that
//! continuous integration runs.

use crate::install;
use clap::builder::PossibleValuesParser;
use std::ffi::OsStr;
use std::process::Command;
use std::time::Instant;

/// One thing to check: its name, its command line, and what that finds in its environment.
struct Step {
    name: &'static str,
    command: &'static str,
    environment: &'static [(&'static str, &'static str)],
}

const fn step(name: &'static str, command: &'static str) -> Step {
    Step {
        name,
        command,
        environment: &[],
    }
}

/// In this order: what fails fastest comes first.
#[rustfmt::skip] // one line for each step
const STEPS: &[Step] = &[
    step("fmt", "cargo fmt --all --check"),
    step("clippy", "cargo clippy --workspace --all-targets -- -D warnings"),
    // Features only add: the crate that people embed stands without its own.
    step("features", "cargo clippy -p postrider --no-default-features -- -D warnings"),
    // The world tier stands without the runtime, the simulated disk without the simulated hosts.
    step("features-receive", "cargo clippy -p postrider --no-default-features --features receive -- -D warnings"),
    step("features-signature", "cargo clippy -p postrider-signature --no-default-features -- -D warnings"),
    step("features-sim", "cargo clippy -p postrider-sim --all-targets --no-default-features -- -D warnings"),
    step("features-disk", "cargo clippy -p postrider-sim --all-targets --no-default-features --features sqlite -- -D warnings"),
    // The programs that the tests run as a user would: see `tests/it/programs.rs`.
    step("programs", "cargo build --workspace --bins --examples"),
    // The npm package that the tests install: see `tests/it/verifier.rs`.
    step("wasm", "cargo xtask wasm"),
    step("clippy-wasm", "cargo clippy -p postrider-verifier-wasm --features full -- -D warnings"),
    // The committed page is the one that its source makes: see `server/dashboard/README.md`.
    step("dashboard", "cargo xtask dashboard"),
    // Style is among them: see `tests/it/tidy.rs`.
    step("tests", "cargo test --workspace --tests"),
    // Seeded storms: see `docs/simulation.md`.
    step("simulation", "cargo run --quiet --profile checked -p postrider-sim -- ci"),
    // The real binary, killed and started again: see `docs/guarantees.md`.
    step("crash", "cargo xtask crash --kills 30"),
    step("doc-tests", "cargo test --workspace --doc --features postrider/receive"),
    Step {
        environment: &[("RUSTDOCFLAGS", "-D warnings")],
        ..step("docs", "cargo doc --workspace --no-deps")
    },
];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run this step alone
    #[arg(long, value_name = "STEP", value_parser = PossibleValuesParser::new(STEPS.iter().map(|step| step.name)))]
    only: Option<String>,
    /// Show the steps and run none
    #[arg(long)]
    list: bool,
}

/// Runs the steps, up to the first one that fails.
pub(crate) fn run(args: &Args) -> Result<(), String> {
    let chosen = |step: &&Step| args.only.as_ref().is_none_or(|only| only == step.name);
    let steps: Vec<&Step> = STEPS.iter().filter(chosen).collect();
    if args.list {
        for step in steps {
            println!("{:12} {}", step.name, step.shown());
        }
        return Ok(());
    }
    install::missing()?;
    if steps.iter().any(|step| step.name == "tests") {
        install::browser()?;
        install::dashboard()?;
        install::verifier()?;
        install::client()?;
        install::schemathesis()?;
    }
    let start = Instant::now();
    for step in &steps {
        step.run()?;
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "── all is well: {} of {} steps in {seconds:.1} s",
        steps.len(),
        STEPS.len()
    );
    Ok(())
}

impl Step {
    /// The command as one would type it.
    fn shown(&self) -> String {
        let environment = self.environment.iter();
        let environment = environment.map(|(name, value)| format!("{name}='{value}' "));
        environment.chain([self.command.to_owned()]).collect()
    }

    fn run(&self) -> Result<(), String> {
        println!("── {}: {}", self.name, self.shown());
        let start = Instant::now();
        let mut words = self.command.split(' ');
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).envs(self.environment.iter().copied());
        forget_package(&mut command);
        let status = command
            .status()
            .map_err(|error| format!("`{}` did not start: {error}", self.command))?;
        let seconds = start.elapsed().as_secs_f64();
        if !status.success() {
            return Err(format!(
                "{} failed after {seconds:.1} s; to repeat it: cargo xtask test --only {}",
                self.name, self.name
            ));
        }
        println!("── {}: {seconds:.1} s", self.name);
        Ok(())
    }
}

/// What cargo has told xtask about its own package is nothing to a command that it runs: build
/// scripts that ask for such a variable (ring's does) would run anew, unlike by hand.
pub(crate) fn forget_package(command: &mut Command) {
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_of_a_package(name)) {
        command.env_remove(name);
    }
}

/// Whether cargo sets this variable to tell a package about itself.
fn is_of_a_package(variable: &OsStr) -> bool {
    ["CARGO_MANIFEST_", "CARGO_PKG_"]
        .iter()
        .any(|start| variable.as_encoded_bytes().starts_with(start.as_bytes()))
}
