//! `scenarios`: the stories, each with a few seeds.

use super::sweep::Swept;
use super::{Answer, scenario_names, tier_name};
use crate::figures::{Passed, counted};
use crate::jobs::{Job, Jobs};
use postrider_sim::Tier;
use postrider_sim::scenario::{self, Scenario};
use serde::Serialize;
use std::error::Error;

/// Each is run with so many seeds.
const SEEDS: u64 = 3;

/// Run the scenarios
///
/// A scenario is a story: a plan with a name. Each is run with three seeds.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Run this one alone; may be repeated
    #[arg(long, value_name = "NAME", value_parser = scenario_names())]
    only: Vec<String>,
}

const EXAMPLES: &str = "\
Examples:
  postrider-sim scenarios
  postrider-sim scenarios --only receiver_storm";

/// What programs are told.
#[derive(Serialize)]
struct Object {
    scenarios: usize,
    runs: u64,
    failures: Vec<Failed>,
}

#[derive(Serialize)]
struct Failed {
    scenario: &'static str,
    seed: u64,
}

pub(super) fn run(args: &Args, json: bool) -> Result<Answer, Box<dyn Error>> {
    let wanted =
        |it: &&Scenario| args.only.is_empty() || args.only.iter().any(|name| name == it.name);
    let chosen: Vec<&Scenario> = scenario::all().iter().filter(wanted).collect();
    let swept = sweep(&chosen)?;
    let mut failures = Vec::new();
    let mut lines = Vec::new();
    for scenario in &chosen {
        let failed: Vec<u64> = seeds_that_failed(&swept, scenario.name).collect();
        let mark = if failed.is_empty() { '✓' } else { '✗' };
        let tier = tier_name(scenario.tier);
        lines.push(format!(
            "{mark} {:<28} {tier:<7} {}",
            scenario.name, scenario.story
        ));
        failures.extend(failed.into_iter().map(|seed| Failed {
            scenario: scenario.name,
            seed,
        }));
    }
    let count = counted(chosen.len() as u64, "scenario", "scenarios");
    lines.push(format!(
        "\n{count} with {SEEDS} seeds each in {}: {}",
        Passed(swept.wall),
        swept.verdict()
    ));
    lines.extend(swept.failures());
    let object = Object {
        scenarios: chosen.len(),
        runs: swept.tally.runs,
        failures,
    };
    Answer::of(json, swept.is_kept(), &lines, &object)
}

/// Runs these with a few seeds each.
pub(super) fn sweep(scenarios: &[&Scenario]) -> Result<Swept, Box<dyn Error>> {
    let jobs = Jobs {
        chunk: 1,
        ..Jobs::of(Tier::World, None, None)
    };
    let each = scenarios
        .iter()
        .flat_map(|scenario| (0..SEEDS).map(|seed| Job::Scenario(scenario.name.to_owned(), seed)));
    Swept::of(&jobs, "scenarios", scenarios.len() as u64 * SEEDS, each)
}

fn seeds_that_failed(swept: &Swept, name: &str) -> impl Iterator<Item = u64> {
    let broken = swept.tally.broken.iter();
    broken.filter_map(move |broken| match &broken.job {
        Some(Job::Scenario(scenario, seed)) if scenario == name => Some(*seed),
        _ => None,
    })
}
