//! `meta`: proves that a seed is a run. The simulator is simulated: several fresh processes must
//! write the same trace.

use super::{Answer, tier_name};
use crate::failure;
use crate::figures::{counted, grouped};
use clap::builder::RangedU64ValueParser;
use postrider_sim::{Keep, Plan, Tier, runner};
use serde::Serialize;
use std::error::Error;
use std::process::{Command, Stdio};
use std::sync::Arc;

/// So many lines are shown before and after the first difference.
const LINES_AROUND: usize = 3;

/// Run a seed in several fresh processes and compare the traces
///
/// Line by line: one that differs is a run that does not depend on its seed alone.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The seed
    #[arg(long, value_name = "N")]
    seed: u64,
    /// How many processes run it
    #[arg(long, value_name = "K", default_value_t = 2, value_parser = RangedU64ValueParser::<usize>::new().range(2..=1_000))]
    times: usize,
    /// Where it runs [default: both]
    #[arg(long, value_enum)]
    tier: Option<Tier>,
}

/// Print the plan and the trace of a run
#[derive(clap::Args)]
pub(crate) struct PrintArgs {
    /// The seed
    #[arg(long, value_name = "N")]
    seed: u64,
    /// Where it runs
    #[arg(long, value_enum)]
    tier: Tier,
}

const EXAMPLES: &str = "\
Examples:
  postrider-sim meta --seed 42
  postrider-sim meta --seed 42 --times 10 --tier turmoil";

/// What programs are told.
#[derive(Serialize)]
struct Object<'a> {
    seed: u64,
    times: usize,
    ok: bool,
    tiers: &'a [Compared],
}

/// The traces of one tier.
#[derive(Serialize)]
pub(super) struct Compared {
    tier: Tier,
    /// Lines of the plan and the trace.
    lines: usize,
    pub(super) difference: Option<Difference>,
}

/// Where a trace is not like the first one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Difference {
    /// The line, from 1.
    line: usize,
    /// The lines around it in the first trace.
    first: Vec<String>,
    /// And in the other.
    other: Vec<String>,
}

pub(super) fn run(args: &Args, json: bool) -> Result<Answer, Box<dyn Error>> {
    let tiers = match args.tier {
        Some(tier) => vec![tier],
        None => Tier::BUILT.to_vec(),
    };
    let compared: Vec<Compared> = tiers
        .into_iter()
        .map(|tier| compare(args.seed, tier, args.times))
        .collect::<Result<_, _>>()?;
    let mut lines = Vec::new();
    for it in &compared {
        lines.extend(it.text(args.seed, args.times));
    }
    let ok = compared.iter().all(|it| it.difference.is_none());
    let object = Object {
        seed: args.seed,
        times: args.times,
        ok,
        tiers: &compared,
    };
    Answer::of(json, ok, &lines, &object)
}

/// What one of the processes does.
pub(super) fn print(args: &PrintArgs) -> Result<String, Box<dyn Error>> {
    let plan = Arc::new(Plan::generate(args.seed, args.tier));
    let run = runner::run(&plan, Keep::Trace, None);
    Ok(format!(
        "{}\n{}{}\n",
        plan.to_json(),
        failure::trace(&run),
        run.trace_hash.unwrap_or_default()
    ))
}

/// Runs a seed in so many fresh processes, and compares what they print.
pub(super) fn compare(seed: u64, tier: Tier, times: usize) -> Result<Compared, Box<dyn Error>> {
    let first = printed(seed, tier)?;
    let mut difference = None;
    for _ in 1..times {
        let other = printed(seed, tier)?;
        difference = difference.or_else(|| difference_of(&first, &other));
    }
    Ok(Compared {
        tier,
        lines: first.lines().count(),
        difference,
    })
}

fn printed(seed: u64, tier: Tier) -> Result<String, Box<dyn Error>> {
    let output = Command::new(std::env::current_exe()?)
        .args([
            "print",
            "--seed",
            &seed.to_string(),
            "--tier",
            tier_name(tier),
        ])
        .stderr(Stdio::inherit())
        .output()?;
    // A run that ends its process has printed nothing, each time.
    if !output.status.success() {
        return Ok(format!("the process ended: {}\n", output.status));
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// The first line that is not the same.
fn difference_of(first: &str, other: &str) -> Option<Difference> {
    if first == other {
        return None;
    }
    let [first, other] = [first, other].map(|text| text.lines().collect::<Vec<&str>>());
    let same = first.iter().zip(&other);
    let line = same.take_while(|(first, other)| first == other).count();
    let around = |lines: &[&str]| {
        let start = line.saturating_sub(LINES_AROUND).min(lines.len());
        let end = (line + LINES_AROUND + 1).min(lines.len());
        let around = lines[start..end].iter();
        around.map(|line| (*line).to_owned()).collect()
    };
    Some(Difference {
        line: line + 1,
        first: around(&first),
        other: around(&other),
    })
}

impl Compared {
    pub(super) fn text(&self, seed: u64, times: usize) -> Vec<String> {
        let tier = tier_name(self.tier);
        let Some(difference) = &self.difference else {
            let lines = counted(self.lines as u64, "line", "lines");
            return vec![format!(
                "✓ seed {seed}, {tier}: {times} processes, the same {lines}"
            )];
        };
        let line = grouped(difference.line as u64);
        let mut text = vec![format!("✗ seed {seed}, {tier}: line {line} DIFFERS")];
        for (name, lines) in [("first", &difference.first), ("other", &difference.other)] {
            text.push(format!("  in the {name} process"));
            text.extend(lines.iter().map(|line| format!("    {line}")));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_differs_is_shown_with_those_around_it() {
        let first = "a\nb\nc\nd\ne\nf\ng\nh\ni\n";
        let other = "a\nb\nc\nd\nE\nf\ng\nh\nI\n";
        assert_eq!(difference_of(first, first), None);
        let difference = difference_of(first, other).unwrap();
        assert_eq!(difference.line, 5);
        assert_eq!(difference.first, ["b", "c", "d", "e", "f", "g", "h"]);
        assert_eq!(difference.other, ["b", "c", "d", "E", "f", "g", "h"]);
    }

    #[test]
    fn a_trace_that_ends_early_differs_where_it_ends() {
        let difference = difference_of("a\nb\n", "a\n").unwrap();
        assert_eq!(difference.line, 2);
        assert_eq!(difference.first, ["a", "b"]);
        assert_eq!(difference.other, ["a"]);
    }
}
