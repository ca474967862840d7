//! `ci`: what continuous integration runs.

use super::sweep::Swept;
use super::{Answer, coverage, meta, regressions, runs, scenarios, teeth, tier_name};
use crate::figures::{Passed, Simulated, counted, milliseconds};
use crate::jobs::{Job, Jobs};
use crate::seeds::Seeds;
use postrider_sim::Tier;
use postrider_sim::coverage::Coverage;
use postrider_sim::scenario::{self, Scenario};
use serde::Serialize;
use std::error::Error;
use std::process::Command;
use std::time::{Duration, Instant};

/// Seeds that must give the same trace twice.
const SEEDS_TWICE: u64 = 3;

/// Seeds in the model world.
const SEEDS_WORLD: u64 = 3_000;

/// Seeds on simulated hosts.
const SEEDS_TURMOIL: u64 = 150;

/// Crash points of the real store.
#[cfg(feature = "sqlite")]
const CRASH_POINTS: u64 = 3_000;

/// The first digits of a commit that choose the seeds: as many as its short name has.
const DIGITS: usize = 7;

/// From the seeds of one commit to those of the next name; more than one run tries.
const SEEDS_BETWEEN: u64 = 10_000;

/// Run what continuous integration runs
///
/// First that seeds are runs (`meta`), then seeds that the commit chooses, so that every commit
/// tries new ones, then every plan that has ever failed, every scenario, every planted bug, and the
/// coverage gate.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The commit that chooses the seeds [default: HEAD]
    #[arg(long, value_name = "HASH")]
    commit: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  postrider-sim ci
  postrider-sim ci --commit 3fad9b1";

/// What programs are told.
#[derive(Serialize)]
struct Object<'a> {
    ok: bool,
    commit: &'a str,
    /// The seeds of the model world.
    world: String,
    /// Those on simulated hosts.
    turmoil: String,
    steps: &'a [Step],
    wall_ms: u64,
}

/// One of the things that are run.
#[derive(Serialize)]
struct Step {
    name: &'static str,
    ok: bool,
    said: String,
    #[serde(skip)]
    failures: Vec<String>,
}

/// A commit is chosen by hexadecimal digits.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no commit: give at least its first {DIGITS} hexadecimal digits")]
struct NoCommit(String);

pub(super) fn run(args: &Args, json: bool) -> Result<Answer, Box<dyn Error>> {
    let start = Instant::now();
    let commit = match &args.commit {
        Some(commit) => commit.clone(),
        None => head()?,
    };
    let first = first_seed(&commit)?;
    let world = Seeds::from(first, SEEDS_WORLD);
    let turmoil = Seeds::from(first, SEEDS_TURMOIL);
    let mut coverage = Coverage::default();
    let mut steps = vec![run_meta(Seeds::from(first, SEEDS_TWICE))?];
    for tier in Tier::BUILT.iter().copied() {
        let seeds = match tier {
            Tier::World => world,
            Tier::Turmoil => turmoil,
        };
        let jobs = Jobs::of(tier, None, None);
        let each = seeds.all().map(|seed| Job::Seed(tier, seed));
        let swept = Swept::of(&jobs, tier_name(tier), seeds.count(), each)?;
        coverage.add(&swept.tally.coverage);
        steps.push(Step::of(tier_name(tier), &format!("seeds {seeds}"), &swept));
    }
    let swept = regressions::sweep_usual()?;
    coverage.add(&swept.tally.coverage);
    let count = counted(swept.tally.runs, "plan", "plans");
    steps.push(Step::of(
        "regressions",
        &format!("{count} that failed once"),
        &swept,
    ));
    let all: Vec<&Scenario> = scenario::all().iter().collect();
    let swept = scenarios::sweep(&all)?;
    coverage.add(&swept.tally.coverage);
    let count = counted(all.len() as u64, "story", "stories");
    steps.push(Step::of("scenarios", &count, &swept));
    #[cfg(feature = "sqlite")]
    steps.push(crash_points(first)?);
    steps.push(bites());
    steps.push(gate(coverage)?);

    let ok = steps.iter().all(|step| step.ok);
    let lines = report(&commit, &steps, start.elapsed());
    let object = Object {
        ok,
        commit: &commit,
        world: world.to_string(),
        turmoil: turmoil.to_string(),
        steps: &steps,
        wall_ms: milliseconds(start.elapsed()),
    };
    Answer::of(json, ok, &lines, &object)
}

/// The commit that is checked out.
fn head() -> Result<String, Box<dyn Error>> {
    let output = Command::new("git").args(["rev-parse", "HEAD"]).output();
    match output {
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8(output.stdout)?.trim().to_owned())
        }
        // Without git there is no commit to choose by: the first seeds are as good as any.
        _ => Ok("0".repeat(DIGITS)),
    }
}

/// The first seed that a commit tries.
fn first_seed(commit: &str) -> Result<u64, NoCommit> {
    let is_hash = commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    let digits = commit.get(..DIGITS).filter(|_| is_hash);
    let number = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    let number = number.ok_or_else(|| NoCommit(commit.to_owned()))?;
    Ok(number * SEEDS_BETWEEN)
}

fn run_meta(seeds: Seeds) -> Result<Step, Box<dyn Error>> {
    let mut failures = Vec::new();
    for seed in seeds.all() {
        for tier in Tier::BUILT.iter().copied() {
            let compared = meta::compare(seed, tier, 2)?;
            if compared.difference.is_some() {
                failures.extend(compared.text(seed, 2));
            }
        }
    }
    let ok = failures.is_empty();
    let verdict = if ok {
        "the same trace twice"
    } else {
        "NOT the same trace twice"
    };
    Ok(Step {
        name: "meta",
        ok,
        said: format!("seeds {seeds} in every tier: {verdict}"),
        failures,
    })
}

/// The real store on failing disks, with scripts that the commit chooses.
#[cfg(feature = "sqlite")]
fn crash_points(first: u64) -> Result<Step, Box<dyn Error>> {
    let start = Instant::now();
    let tally = super::crash_points::sweep(first, CRASH_POINTS, None)?;
    let wall = Passed(start.elapsed());
    let verdict = if tally.broken.is_empty() {
        "the store kept its word"
    } else {
        "the store BROKE its word"
    };
    let summary = super::crash_points::summary(&tally);
    let failures = tally.broken.iter();
    Ok(Step {
        name: "crash-points",
        ok: tally.broken.is_empty(),
        said: format!("{summary}, in {wall}: {verdict}"),
        failures: failures
            .flat_map(|broken| super::crash_points::failure(broken, None))
            .collect(),
    })
}

/// Every planted bug is caught.
fn bites() -> Step {
    let bites = teeth::bite_all(&teeth::Prey::all());
    let missed: Vec<String> = bites
        .iter()
        .filter(|bite| bite.caught.is_none())
        .map(|bite| format!("not caught: {}, {}", bite.bug, bite.what))
        .collect();
    Step {
        name: "teeth",
        ok: missed.is_empty(),
        said: format!(
            "{} of {} planted bugs caught",
            bites.len() - missed.len(),
            bites.len()
        ),
        failures: missed,
    }
}

/// Every cell of the matrix was met: by these runs, or by the seeds that are known to meet it.
/// Seeds that are new each time may miss a rare cell, and that is no fault of the commit.
fn gate(mut coverage: Coverage) -> Result<Step, Box<dyn Error>> {
    if !coverage.summary().never.is_empty() {
        coverage.add(&coverage::of_known_seeds()?);
    }
    let summary = coverage.summary();
    let never = summary.never.iter();
    Ok(Step {
        name: "coverage",
        ok: summary.never.is_empty(),
        said: format!("{} of {} cells met", summary.hit, summary.reachable),
        failures: never.map(|cell| format!("never: {cell}")).collect(),
    })
}

fn report(commit: &str, steps: &[Step], wall: Duration) -> Vec<String> {
    let mut lines = vec![format!("commit {commit}\n")];
    for step in steps {
        let mark = if step.ok { '✓' } else { '✗' };
        lines.push(format!("{mark} {:<12} {}", step.name, step.said));
    }
    lines.push(String::new());
    lines.extend(steps.iter().flat_map(|step| step.failures.clone()));
    let kept = if steps.iter().all(|step| step.ok) {
        "All is well"
    } else {
        "NOT all is well"
    };
    lines.push(format!("{kept}, in {}.", Passed(wall)));
    lines.push(format!(
        "Again: {}",
        crate::failure::pasted(&format!("ci --commit {commit}"))
    ));
    lines
}

impl Step {
    fn of(name: &'static str, what: &str, swept: &Swept) -> Self {
        let (simulated, wall) = (Simulated(swept.tally.simulated_ms), Passed(swept.wall));
        let runs = runs(swept.tally.runs);
        Self {
            name,
            ok: swept.is_kept(),
            said: format!("{what}: {runs}, {simulated} in {wall}: {}", swept.verdict()),
            failures: swept.failures(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_chooses_its_seeds_by_its_short_name() {
        let short = first_seed("3fad9b1").unwrap();
        assert_eq!(short, 0x3fa_d9b1 * 10_000);
        assert_eq!(first_seed("3fad9b1c0ffee").unwrap(), short);
        assert!(first_seed("3fad9b2").unwrap() - short >= SEEDS_WORLD);
        for commit in ["", "3fad9b", "HEAD", "master-x", "3fad9b1 "] {
            assert!(first_seed(commit).is_err(), "{commit}");
        }
    }
}
