//! `sweep`: many seeds, on all cores.

use super::{Answer, Planted, broken, to_thousandth};
use crate::failure::{Failure, WriteError, pasted};
use crate::figures::{Passed, Simulated, counted, grouped, milliseconds};
use crate::jobs::{Broken, Job, Jobs, JobsError, Tally};
use crate::progress::Progress;
use crate::seeds::Seeds;
use clap::builder::RangedU64ValueParser;
use postrider_sim::coverage::Summary;
use postrider_sim::{Bug, Tier, Violation};
use serde::Serialize;
use std::collections::BTreeSet;
use std::error::Error;
use std::time::{Duration, Instant};

/// So many failures are made small and written, of different promises if they can be; the others
/// are told by their seeds.
const WRITTEN_MAX: usize = 3;

/// So many are told of.
const TOLD_MAX: usize = 20;

/// Run many seeds, on all cores
///
/// The runs are done by worker processes. One that aborts, or is not over after a minute, is a
/// failure like another. The first few failures are made small and written as `run` does.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The seeds: 0..20000 is from 0 up to 19999
    #[arg(long, value_name = "A..B")]
    seeds: Seeds,
    /// Run them in the model world, or with the whole sender on simulated hosts
    #[arg(long, value_enum, default_value_t = Tier::World)]
    tier: Tier,
    /// Worker processes [default: the number of cores]
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_024))]
    jobs: Option<usize>,
    #[command(flatten)]
    planted: Planted,
}

const EXAMPLES: &str = "\
Examples:
  postrider-sim sweep --seeds 0..20000
  postrider-sim sweep --seeds 0..500 --tier turmoil --jobs 4 --json";

/// Many runs, and how long they took.
pub(super) struct Swept {
    pub(super) tally: Tally,
    pub(super) wall: Duration,
    pub(super) workers: usize,
    pub(super) told: Vec<Told>,
}

/// A failure as it is told.
#[derive(Serialize)]
pub(super) struct Told {
    seed: u64,
    violation: Violation,
    /// The command that shows it again.
    replay: String,
    #[serde(skip)]
    lines: Vec<String>,
}

/// What programs are told of a sweep.
#[derive(Serialize)]
struct Object<'a> {
    seeds: u64,
    failures: &'a [Told],
    simulated_ms: u64,
    wall_ms: u64,
    attempts: u64,
    coverage: Summary,
    seeds_per_minute: f64,
    simulated_hours_per_cpu_second: f64,
}

pub(super) fn run(args: &Args, json: bool) -> Result<Answer, Box<dyn Error>> {
    let jobs = Jobs::of(args.tier, args.jobs, args.planted.bug);
    let seeds = args.seeds.all().map(|seed| Job::Seed(args.tier, seed));
    let swept = Swept::of(&jobs, "seeds", args.seeds.count(), seeds)?;
    let tier = super::tier_name(args.tier);
    let name = format!(
        "{} {}, {tier}",
        counted(args.seeds.count(), "seed", "seeds"),
        args.seeds
    );
    let object = Object {
        seeds: swept.tally.runs,
        failures: &swept.told,
        simulated_ms: swept.tally.simulated_ms,
        wall_ms: milliseconds(swept.wall),
        attempts: swept.tally.attempts,
        coverage: swept.tally.coverage.summary(),
        seeds_per_minute: to_thousandth(swept.seeds_per_minute()),
        simulated_hours_per_cpu_second: to_thousandth(swept.simulated_hours_per_cpu_second()),
    };
    let mut lines = vec![format!("{name}: {}", swept.verdict())];
    lines.extend(swept.text());
    Answer::of(json, swept.is_kept(), &lines, &object)
}

impl Swept {
    /// Runs these, shows how far it is, and writes the first failures.
    pub(super) fn of(
        jobs: &Jobs,
        what: &str,
        count: u64,
        each: impl Iterator<Item = Job> + Send,
    ) -> Result<Self, Box<dyn Error>> {
        let start = Instant::now();
        let progress = Progress::new(what, count)?;
        let tally = jobs.run(each, |tally| progress.show(tally.runs, tally.broken.len()));
        progress.end();
        let (tally, wall) = (tally?, start.elapsed());
        let bug = jobs.bug;
        let first = first_of_each_promise(&tally.broken);
        let told = tally.broken.iter();
        let told = told.map(|broken| Told::of(broken, first.contains(&broken.number), bug));
        let told = told.collect::<Result<_, _>>()?;
        Ok(Self {
            tally,
            wall,
            workers: jobs.workers,
            told,
        })
    }

    pub(super) fn is_kept(&self) -> bool {
        self.tally.broken.is_empty()
    }

    pub(super) fn verdict(&self) -> String {
        match self.tally.broken.len() {
            0 => "all promises held".to_owned(),
            1 => "1 BROKE a promise".to_owned(),
            many => format!("{} BROKE a promise", grouped(many as u64)),
        }
    }

    fn seeds_per_minute(&self) -> f64 {
        self.tally.runs as f64 * 60.0 / self.wall.as_secs_f64().max(1e-3)
    }

    fn simulated_hours_per_cpu_second(&self) -> f64 {
        let hours = self.tally.simulated_ms as f64 / 3_600_000.0;
        hours / self.tally.cpu.as_secs_f64().max(1e-3)
    }

    pub(super) fn text(&self) -> Vec<String> {
        let tally = &self.tally;
        let (simulated, wall) = (Simulated(tally.simulated_ms), Passed(self.wall));
        let workers = counted(self.workers as u64, "process", "processes");
        let [events, attempts] = [tally.events, tally.attempts].map(grouped);
        let [delivered, failed] = [tally.delivered, tally.failed].map(grouped);
        let summary = tally.coverage.summary();
        let mut lines = vec![
            format!("  simulated {simulated} in {wall}, {workers}"),
            format!(
                "  events    {events}: {delivered} deliveries delivered, {failed} failed, \
                 in {attempts} attempts"
            ),
            format!(
                "  speed     {} seeds a minute, {} simulated hours a CPU second",
                rounded(self.seeds_per_minute()),
                rounded(self.simulated_hours_per_cpu_second()),
            ),
            format!("  coverage  {} of {} cells", summary.hit, summary.reachable),
        ];
        lines.extend(self.failures());
        lines
    }

    /// The failures, the first ones with what is left of them.
    pub(super) fn failures(&self) -> Vec<String> {
        let told = self.told.iter().take(TOLD_MAX);
        let mut lines: Vec<String> = told.flat_map(|told| told.lines.clone()).collect();
        let more = self.told.len().saturating_sub(TOLD_MAX);
        if more > 0 {
            lines.push(format!("… and {} more", grouped(more as u64)));
        }
        lines
    }
}

impl Told {
    /// Tells of a failure, and writes it if that is wanted.
    fn of(it: &Broken, is_written: bool, bug: Option<Bug>) -> Result<Self, Box<dyn Error>> {
        let job = it.job()?;
        let violation = it.violation.clone();
        let mut lines = vec![
            format!("seed {}: a promise BROKE", it.seed),
            format!("  {:<9} {}", violation.promise, broken(&violation)),
        ];
        let failure = if is_written {
            write(job, &violation, bug)?
        } else {
            None
        };
        let replay = match &failure {
            Some(failure) => failure.replay(),
            None => again(job, bug)?,
        };
        match &failure {
            Some(failure) => lines.extend(failure.text()),
            None => lines.push(format!("  again     {replay}")),
        }
        Ok(Self {
            seed: it.seed,
            violation,
            replay,
            lines,
        })
    }
}

fn write(
    job: &Job,
    violation: &Violation,
    bug: Option<Bug>,
) -> Result<Option<Failure>, Box<dyn Error>> {
    let plan = job.plan()?;
    let written: Result<_, WriteError> = Failure::write(&plan, violation, bug);
    Ok(written?)
}

/// Which failures are written: the first of each promise, then the first of the rest.
fn first_of_each_promise(broken: &[Broken]) -> BTreeSet<u64> {
    let mut promises = BTreeSet::new();
    let (mut first, rest): (Vec<&Broken>, Vec<&Broken>) = broken
        .iter()
        .partition(|it| promises.insert(it.violation.promise.as_str()));
    first.extend(rest);
    let numbers = first.into_iter().map(|it| it.number);
    numbers.take(WRITTEN_MAX).collect()
}

/// The command that runs it again as it was.
fn again(job: &Job, bug: Option<Bug>) -> Result<String, JobsError> {
    let command = match job {
        Job::Seed(tier, seed) => format!("run --seed {seed} --tier {}", super::tier_name(*tier)),
        Job::Scenario(name, seed) => format!("run --seed {seed} --scenario {name}"),
        Job::Plan(_) => "regressions".to_owned(),
    };
    let bug = bug.map(|bug| format!(" --bug {}", bug.name()));
    let bug = bug.unwrap_or_default();
    Ok(pasted(&format!("{command}{bug}")))
}

/// Without places where they say nothing.
fn rounded(number: f64) -> String {
    if number < 10.0 {
        return format!("{number:.1}");
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate is not negative, and far smaller than this"
    )]
    grouped(number.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_of_each_promise_is_written_before_the_second_of_one() {
        let promises = ["order", "order", "order", "loss", "order"];
        let broken = (0..).zip(promises).map(|(number, promise)| Broken {
            number,
            job: None,
            seed: number,
            violation: Violation {
                promise: promise.to_owned(),
                at_ms: 0,
                line: 0,
                said: String::new(),
            },
        });
        let broken: Vec<Broken> = broken.collect();
        assert_eq!(first_of_each_promise(&broken), BTreeSet::from([0, 1, 3]));
    }
}
