//! `teeth`: planted bugs, and whether they are found.

use super::Answer;
use crate::failure::{size, smallest};
use crate::figures::{Passed, counted, milliseconds};
use crate::jobs::{Broken, Job, Jobs};
use crate::progress::Progress;
use crate::seeds::Seeds;
use postrider_sim::{Bug, Tier};
use serde::Serialize;
use std::error::Error;
use std::time::Instant;

/// The first waves of seeds are small: most bugs are found at once.
const WAVES: [u64; 4] = [8, 64, 512, 4_096];

/// Plant bugs and see whether they are found
///
/// Each bug is planted alone between the engine and the model world, and seeds are run until a
/// promise breaks. Exit status 1 if a bug was not found: then a checker has no teeth.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Plant this one alone; may be repeated
    #[arg(long, value_name = "NAME", value_parser = super::bug)]
    only: Vec<Bug>,
    /// Seeds to try before giving up
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// Make the failures small, too
    #[arg(long)]
    shrink: bool,
}

const EXAMPLES: &str = "\
Examples:
  postrider-sim teeth
  postrider-sim teeth --only ignore-order --shrink";

/// What programs are told.
#[derive(Serialize)]
struct Object<'a> {
    bugs: usize,
    caught: usize,
    runs: u64,
    wall_ms: u64,
    each: &'a [Bite],
}

/// What became of a bug.
#[derive(Serialize)]
struct Bite {
    bug: &'static str,
    /// What it does.
    what: &'static str,
    /// The seed that found it, if one did.
    seed: Option<u64>,
    /// The promise that broke.
    promise: Option<String>,
    /// Events and faults of the smallest plan, if it was asked for.
    shrunk: Option<Small>,
    #[serde(skip)]
    runs: u64,
}

#[derive(Serialize)]
struct Small {
    events: usize,
    faults: usize,
    runs: u64,
    wall_ms: u64,
    #[serde(skip)]
    said: String,
}

pub(super) fn run(args: &Args, json: bool) -> Result<Answer, Box<dyn Error>> {
    let start = Instant::now();
    let bugs = if args.only.is_empty() {
        Bug::ALL
    } else {
        &args.only
    };
    let progress = Progress::new("bugs", bugs.len() as u64)?;
    let mut bites = Vec::new();
    for bug in bugs {
        bites.push(bite(*bug, args)?);
        progress.show(bites.len() as u64, 0);
    }
    progress.end();
    let caught = bites.iter().filter(|bite| bite.seed.is_some()).count();
    let mut lines: Vec<String> = bites.iter().map(Bite::text).collect();
    lines.push(format!(
        "\n{caught} of {} caught in {}",
        counted(bites.len() as u64, "planted bug", "planted bugs"),
        Passed(start.elapsed())
    ));
    let object = Object {
        bugs: bites.len(),
        caught,
        runs: bites.iter().map(|bite| bite.runs).sum(),
        wall_ms: milliseconds(start.elapsed()),
        each: &bites,
    };
    Answer::of(json, caught == bites.len(), &lines, &object)
}

/// Runs seeds with a bug until it is found.
fn bite(bug: Bug, args: &Args) -> Result<Bite, Box<dyn Error>> {
    let mut bite = Bite {
        bug: bug.name(),
        what: bug.what(),
        seed: None,
        promise: None,
        shrunk: None,
        runs: 0,
    };
    for wave in WAVES {
        let count = wave.min(args.seeds - bite.runs);
        if count == 0 || bite.seed.is_some() {
            break;
        }
        let jobs = Jobs {
            chunk: 4,
            ..Jobs::of(Tier::World, None, Some(bug))
        };
        let seeds = Seeds::from(bite.runs, count).all();
        let tally = jobs.run(seeds.map(|seed| Job::Seed(Tier::World, seed)), |_| ())?;
        bite.runs += tally.runs;
        if let Some(broken) = tally.broken.first() {
            bite.seed = Some(broken.seed);
            bite.promise = Some(broken.violation.promise.clone());
            bite.shrunk = if args.shrink {
                small(broken, bug)?
            } else {
                None
            };
        }
    }
    Ok(bite)
}

fn small(broken: &Broken, bug: Bug) -> Result<Option<Small>, Box<dyn Error>> {
    let start = Instant::now();
    let plan = broken.job()?.plan()?;
    let shrunk = smallest(&plan, &broken.violation, Some(bug));
    Ok(shrunk.map(|shrunk| Small {
        events: shrunk.plan.events(),
        faults: shrunk.plan.faults.len(),
        runs: shrunk.runs,
        wall_ms: milliseconds(start.elapsed()),
        said: format!("{} in {}", size(&shrunk.plan), Passed(start.elapsed())),
    }))
}

impl Bite {
    fn text(&self) -> String {
        let (bug, what) = (self.bug, self.what);
        let Some((seed, promise)) = self.seed.zip(self.promise.as_ref()) else {
            return format!("✗ {bug:<23} NOT caught: {what}");
        };
        let small = match &self.shrunk {
            Some(small) => format!("; {}", small.said),
            None => String::new(),
        };
        format!("✓ {bug:<23} {promise}, seed {seed}{small}: {what}")
    }
}
