//! `run`: one seed.

use super::{Answer, Files, Planted, Ran, keep_failure, scenario, scenario_names, tier_name};
use postrider_sim::{Plan, Tier};
use std::error::Error;
use std::sync::Arc;

/// Run one seed
///
/// Makes a plan from the seed and runs it. If a promise breaks, the plan is made small, and what
/// is left is written into failures/SEED in the working directory: plan.json, shrunk.json,
/// trace.txt and report.html.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// What decides everything that happens
    #[arg(long, value_name = "N")]
    seed: u64,
    /// Run it in the model world, or with the whole sender on simulated hosts
    #[arg(long, value_enum, default_value_t = Tier::World)]
    tier: Tier,
    /// Run this scenario instead of a plan made from the seed
    #[arg(long, value_name = "NAME", conflicts_with = "tier", value_parser = scenario_names())]
    scenario: Option<String>,
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    planted: Planted,
}

const EXAMPLES: &str = "\
Examples:
  postrider-sim run --seed 42
  postrider-sim run --seed 42 --tier turmoil --json
  postrider-sim run --seed 42 --trace 42.txt --html 42.html";

pub(super) fn run(args: &Args, json: bool) -> Result<Answer, Box<dyn Error>> {
    let (plan, name) = match args.scenario.as_deref().and_then(scenario) {
        Some(scenario) => {
            let name = format!("{}, seed {}", scenario.name, args.seed);
            ((scenario.plan)(args.seed), name)
        }
        None => {
            let name = format!("seed {}, {}", args.seed, tier_name(args.tier));
            (Plan::generate(args.seed, args.tier), name)
        }
    };
    let plan = Arc::new(plan);
    let ran = Ran::of(&plan, &args.files, args.planted.bug)?;
    let mut lines = ran.text(&name);
    if let Some(violation) = &ran.run.violation {
        lines.extend(keep_failure(&plan, violation, args.planted.bug)?);
    }
    Answer::of(json, ran.run.ok, &lines, &ran.object())
}
