//! `coverage`: which faults have met which states.

use super::Answer;
use super::sweep::Swept;
use crate::figures::{Passed, counted, grouped};
use crate::jobs::{Job, Jobs};
use crate::seeds::Seeds;
use postrider_sim::coverage::{Coverage, Summary};
use postrider_sim::{Tier, scenario};
use serde::Serialize;
use std::error::Error;

/// Seeds that have been seen to meet every cell.
const SEEDS: &str = "0..4000";

/// Show which faults have met which states
///
/// Runs all scenarios and these seeds in the model world, and prints the matrix: how often each
/// fault has struck, or each answer has come, while something was in each state. Exit status 1 if
/// a cell that can be met was not, or if a promise broke.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The seeds: 2000..4000 is from 2000 up to 3999
    #[arg(long, value_name = "A..B", default_value = SEEDS)]
    seeds: Seeds,
}

const EXAMPLES: &str = "\
Examples:
  postrider-sim coverage
  postrider-sim coverage --seeds 0..20000";

/// What programs are told.
#[derive(Serialize)]
struct Object<'a> {
    seeds: u64,
    failures: usize,
    #[serde(flatten)]
    summary: &'a Summary,
    /// How often what has met what.
    cells: &'a Coverage,
}

pub(super) fn run(args: &Args, json: bool) -> Result<Answer, Box<dyn Error>> {
    let swept = sweep(args.seeds)?;
    let coverage = &swept.tally.coverage;
    let summary = coverage.summary();
    let mut lines = vec![coverage.table()];
    lines.push(format!(
        "{} of {} cells met by {} in {}",
        grouped(summary.hit as u64),
        grouped(summary.reachable as u64),
        counted(swept.tally.runs, "run", "runs"),
        Passed(swept.wall)
    ));
    lines.extend(summary.never.iter().map(|cell| format!("  never: {cell}")));
    if !swept.is_kept() {
        lines.push(swept.verdict());
        lines.extend(swept.failures());
    }
    let object = Object {
        seeds: args.seeds.count(),
        failures: swept.tally.broken.len(),
        summary: &summary,
        cells: coverage,
    };
    Answer::of(
        json,
        summary.never.is_empty() && swept.is_kept(),
        &lines,
        &object,
    )
}

/// These seeds in the model world, and every scenario once.
fn sweep(seeds: Seeds) -> Result<Swept, Box<dyn Error>> {
    let scenarios = scenario::all().iter();
    let scenarios = scenarios.map(|scenario| Job::Scenario(scenario.name.to_owned(), 0));
    let count = seeds.count() + scenario::all().len() as u64;
    let each = scenarios.chain(seeds.all().map(|seed| Job::Seed(Tier::World, seed)));
    Swept::of(&Jobs::of(Tier::World, None, None), "coverage", count, each)
}

/// What the seeds that have been seen to meet every cell meet: for a gate that other seeds have
/// not passed.
pub(super) fn of_known_seeds() -> Result<Coverage, Box<dyn Error>> {
    Ok(sweep(SEEDS.parse()?)?.tally.coverage)
}
