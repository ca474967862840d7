//! The commands.

mod ci;
mod coverage;
#[cfg(feature = "sqlite")]
mod crash_points;
mod meta;
mod regressions;
mod replay;
mod run;
mod scenarios;
mod shrink;
mod sweep;
mod teeth;

use crate::failure::{self, Failure, WriteError, pasted};
use crate::figures::{Passed, Simulated, counted, grouped};
use crate::jobs;
use clap::Subcommand;
use clap::builder::PossibleValuesParser;
use postrider_sim::scenario::{self, Scenario};
use postrider_sim::{Bug, Keep, Plan, Run, Tier, Violation, report, runner};
use serde::Serialize;
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a command found out.
pub(crate) struct Answer {
    /// For the standard output.
    pub(crate) text: String,
    /// Whether the exit status is 0.
    pub(crate) is_yes: bool,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    Run(run::Args),
    Sweep(sweep::Args),
    Replay(replay::Args),
    Shrink(shrink::Args),
    Scenarios(scenarios::Args),
    Coverage(coverage::Args),
    #[cfg(feature = "sqlite")]
    CrashPoints(crash_points::Args),
    Teeth(teeth::Args),
    Regressions(regressions::Args),
    Meta(meta::Args),
    Ci(ci::Args),
    /// Runs what it is told through its standard input, for `sweep`
    #[command(hide = true)]
    Worker(Planted),
    /// Prints the plan and the trace of a run, for `meta`
    #[command(hide = true)]
    Print(meta::PrintArgs),
}

impl Command {
    pub(crate) fn run(self, json: bool) -> Result<Answer, Box<dyn Error>> {
        match self {
            Self::Run(args) => run::run(&args, json),
            Self::Sweep(args) => sweep::run(&args, json),
            Self::Replay(args) => replay::run(&args, json),
            Self::Shrink(args) => shrink::run(&args, json),
            Self::Scenarios(args) => scenarios::run(&args, json),
            Self::Coverage(args) => coverage::run(&args, json),
            #[cfg(feature = "sqlite")]
            Self::CrashPoints(args) => crash_points::run(&args, json),
            Self::Teeth(args) => teeth::run(&args, json),
            Self::Regressions(args) => regressions::run(&args, json),
            Self::Meta(args) => meta::run(&args, json),
            Self::Ci(args) => ci::run(&args, json),
            Self::Worker(planted) => {
                jobs::serve(planted.bug)?;
                Ok(Answer::yes(String::new()))
            }
            Self::Print(args) => Ok(Answer::yes(meta::print(&args)?)),
        }
    }
}

impl Answer {
    fn yes(text: String) -> Self {
        Self { text, is_yes: true }
    }

    /// Lines for people, or one JSON object.
    fn of(
        json: bool,
        is_yes: bool,
        lines: &[String],
        object: &impl Serialize,
    ) -> Result<Self, Box<dyn Error>> {
        let text = if json {
            serde_json::to_string(object)?
        } else {
            lines.join("\n")
        };
        Ok(Self {
            text: text + "\n",
            is_yes,
        })
    }
}

/// A bug to run with.
#[derive(clap::Args)]
pub(crate) struct Planted {
    /// Plants this bug, to see whether it is found
    #[arg(long, value_name = "NAME", hide = true, value_parser = bug)]
    bug: Option<Bug>,
}

fn bug(name: &str) -> Result<Bug, &'static str> {
    Bug::named(name).ok_or("no bug has this name: see `postrider-sim teeth`")
}

/// Files about a run.
#[derive(clap::Args)]
struct Files {
    /// Write the trace here, a line for each thing that happened
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Write the run here as a page to look at
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Files {
    fn are_wanted(&self) -> bool {
        self.trace.is_some() || self.html.is_some()
    }

    fn write(&self, plan: &Plan, run: &Run) -> Result<(), WriteError> {
        if let Some(path) = &self.trace {
            failure::write(path, &failure::trace(run))?;
        }
        match &self.html {
            Some(path) => failure::write(path, &report::html(plan, run)),
            None => Ok(()),
        }
    }
}

/// A run and how long it took, for people and for programs.
struct Ran {
    run: Run,
    wall: Duration,
}

/// What programs are told of a run.
#[derive(Serialize)]
struct RanObject<'a> {
    seed: u64,
    tier: Tier,
    ok: bool,
    violation: Option<&'a Violation>,
    trace_hash: Option<&'a str>,
    simulated_ms: u64,
    wall_ms: f64,
    attempts: u64,
    delivered: u64,
    failed: u64,
    events: u64,
}

impl Ran {
    /// Runs a plan and writes what is wanted of it.
    fn of(plan: &Arc<Plan>, files: &Files, bug: Option<Bug>) -> Result<Self, WriteError> {
        let start = Instant::now();
        let keep = if files.are_wanted() {
            Keep::Trace
        } else {
            Keep::Hash
        };
        let run = runner::run(plan, keep, bug);
        let wall = start.elapsed();
        files.write(plan, &run)?;
        Ok(Self { run, wall })
    }

    fn object(&self) -> RanObject<'_> {
        let run = &self.run;
        RanObject {
            seed: run.seed,
            tier: run.tier,
            ok: run.ok,
            violation: run.violation.as_ref(),
            trace_hash: run.trace_hash.as_deref(),
            simulated_ms: run.simulated_ms,
            wall_ms: to_thousandth(self.wall.as_secs_f64() * 1_000.0),
            attempts: run.attempts,
            delivered: run.delivered,
            failed: run.failed,
            events: run.events,
        }
    }

    fn text(&self, name: &str) -> Vec<String> {
        let run = &self.run;
        let mut lines = match &run.violation {
            None => vec![format!("{name}: all promises held")],
            Some(violation) => vec![
                format!("{name}: a promise BROKE"),
                format!("  {:<9} {}", violation.promise, broken(violation)),
            ],
        };
        let (events, attempts) = (grouped(run.events), grouped(run.attempts));
        let (delivered, failed) = (grouped(run.delivered), grouped(run.failed));
        let (simulated, wall) = (Simulated(run.simulated_ms), Passed(self.wall));
        lines.push(format!("  simulated {simulated} in {wall}"));
        lines.push(format!(
            "  events    {events}: {delivered} deliveries delivered, {failed} failed, \
             in {attempts} attempts"
        ));
        if let Some(hash) = &run.trace_hash {
            lines.push(format!("  trace     {hash}"));
        }
        lines
    }
}

/// How a promise broke, when and where.
fn broken(violation: &Violation) -> String {
    let said = &violation.said;
    match (violation.at_ms, violation.line) {
        (0, 0) => said.clone(),
        (at_ms, line) => format!(
            "{said} (at {} ms, line {} of the trace)",
            grouped(at_ms),
            grouped(line + 1)
        ),
    }
}

/// Makes a failing plan small, writes it, and tells of it.
fn keep_failure(
    plan: &Plan,
    violation: &Violation,
    bug: Option<Bug>,
) -> Result<Vec<String>, WriteError> {
    Ok(match Failure::write(plan, violation, bug)? {
        Some(failure) => failure.text(),
        None => vec![does_not_fail_again(plan)],
    })
}

fn does_not_fail_again(plan: &Plan) -> String {
    let tier = plan.tier_name();
    let meta = pasted(&format!("meta --seed {} --tier {tier}", plan.seed));
    format!("  again     it does not fail again: {meta}")
}

fn to_thousandth(number: f64) -> f64 {
    (number * 1_000.0).round() / 1_000.0
}

/// How a tier is called on the command line.
trait TierName {
    fn tier_name(&self) -> &'static str;
}

impl TierName for Plan {
    fn tier_name(&self) -> &'static str {
        tier_name(self.tier)
    }
}

fn tier_name(tier: Tier) -> &'static str {
    match tier {
        Tier::World => "world",
        Tier::Turmoil => "turmoil",
    }
}

/// The scenario of this name.
pub(crate) fn scenario(name: &str) -> Option<&'static Scenario> {
    scenario::named(name)
}

/// For arguments that name a scenario.
fn scenario_names() -> PossibleValuesParser {
    PossibleValuesParser::new(scenario::all().iter().map(|scenario| scenario.name))
}

/// `2,000 runs`
fn runs(count: u64) -> String {
    counted(count, "run", "runs")
}
