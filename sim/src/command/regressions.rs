//! `regressions`: every plan that has ever failed.

use super::Answer;
use super::sweep::Swept;
use crate::figures::{Passed, counted};
use crate::jobs::{Job, Jobs};
use postrider_sim::{Plan, Tier};
use serde::Serialize;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// Where they are, from the root of the repository.
const DIRECTORY: &str = "sim/regressions";

/// Run every plan that has ever failed
///
/// Each file of the directory is a plan that once broke a promise, made small.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Where the plans are
    #[arg(long, value_name = "DIRECTORY", default_value = DIRECTORY)]
    plans: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  postrider-sim regressions
  postrider-sim shrink failures/42/plan.json --out sim/regressions/lost_after_kill.json";

/// What programs are told.
#[derive(Serialize)]
struct Object {
    plans: usize,
    failures: Vec<String>,
}

pub(super) fn run(args: &Args, json: bool) -> Result<Answer, Box<dyn Error>> {
    let (names, swept) = sweep(&args.plans)?;
    let broken = swept.tally.broken.iter();
    let failures: Vec<String> = broken
        .filter_map(|broken| names.get(usize::try_from(broken.number).ok()?).cloned())
        .collect();
    let mark = |name: &String| {
        if failures.contains(name) {
            '✗'
        } else {
            '✓'
        }
    };
    let mut lines: Vec<String> = names
        .iter()
        .map(|name| format!("{} {name}", mark(name)))
        .collect();
    let count = counted(names.len() as u64, "plan", "plans");
    lines.push(format!(
        "{count} in {}: {}",
        Passed(swept.wall),
        swept.verdict()
    ));
    lines.extend(swept.failures());
    let object = Object {
        plans: names.len(),
        failures,
    };
    Answer::of(json, swept.is_kept(), &lines, &object)
}

/// Runs the plans of the usual directory.
pub(super) fn sweep_usual() -> Result<Swept, Box<dyn Error>> {
    Ok(sweep(Path::new(DIRECTORY))?.1)
}

/// Runs all plans of a directory; their files and what came of them. No directory is no plans.
fn sweep(directory: &Path) -> Result<(Vec<String>, Swept), Box<dyn Error>> {
    let mut paths = Vec::new();
    if directory.exists() {
        let told = |error| format!("{}: {error}", directory.display());
        for entry in fs::read_dir(directory).map_err(told)? {
            paths.push(entry.map_err(told)?.path());
        }
    }
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
    paths.sort();
    let plans = paths.iter().map(|path| Plan::read(path));
    let plans: Vec<Plan> = plans.collect::<Result<_, _>>()?;
    let jobs = Jobs {
        chunk: 1,
        ..Jobs::of(Tier::World, None, None)
    };
    let count = plans.len() as u64;
    let each = plans.into_iter().map(|plan| Job::Plan(Box::new(plan)));
    let swept = Swept::of(&jobs, "plans", count, each)?;
    let names = paths.iter().map(|path| path.display().to_string());
    Ok((names.collect(), swept))
}
