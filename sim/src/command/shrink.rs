//! `shrink`: makes a failing plan small.

use super::{Answer, Planted, broken};
use crate::failure::{self, pasted, size};
use crate::figures::counted;
use postrider_sim::{Keep, Plan, Violation, runner};
use serde::Serialize;
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

/// Make a failing plan small
///
/// Takes away whatever is not needed for the same promise to break, and makes the rest simpler.
/// The same plan gives the same small plan.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The plan, as JSON
    #[arg(value_name = "PLAN.json")]
    plan: PathBuf,
    /// Write the small plan here, and not over the end of the name: x.json gives x.shrunk.json
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    planted: Planted,
}

const EXAMPLES: &str = "\
Examples:
  postrider-sim shrink failures/42/plan.json
  postrider-sim shrink failures/42/plan.json --out sim/regressions/lost_after_kill.json";

/// What programs are told. Exit status 0 says that the plan breaks no promise.
#[derive(Serialize)]
struct Object {
    ok: bool,
    violation: Option<Violation>,
    runs: u64,
    events: usize,
    steps: usize,
    faults: usize,
    out: Option<String>,
}

pub(super) fn run(args: &Args, json: bool) -> Result<Answer, Box<dyn Error>> {
    let plan = Plan::read(&args.plan)?;
    let bug = args.planted.bug;
    let object = |plan: &Plan| Object {
        ok: true,
        violation: None,
        runs: 1,
        events: plan.events(),
        steps: plan.workload.len(),
        faults: plan.faults.len(),
        out: None,
    };
    let shown = args.plan.display();
    let Some(violation) = runner::run(&Arc::new(plan.clone()), Keep::Nothing, bug).violation else {
        let lines = [format!(
            "{shown}: all promises held; there is nothing to shrink"
        )];
        return Answer::of(json, true, &lines, &object(&plan));
    };
    let shrunk = failure::smallest(&plan, &violation, bug)
        .ok_or("the plan did not fail again in another process: see `meta`")?;
    let out = match &args.out {
        Some(out) => out.clone(),
        None => args.plan.with_extension("shrunk.json"),
    };
    failure::write(&out, &shrunk.plan.to_json())?;
    let bug = bug.map(|bug| format!(" --bug {}", bug.name()));
    let bug = bug.unwrap_or_default();
    let replay = pasted(&format!("replay {}{bug}", out.display()));
    let lines = [
        format!("{shown}: a promise BROKE"),
        format!(
            "  {:<9} {}",
            shrunk.violation.promise,
            broken(&shrunk.violation)
        ),
        format!(
            "  shrunk    from {} to {} in {}",
            size(&plan),
            size(&shrunk.plan),
            counted(shrunk.runs, "run", "runs")
        ),
        format!("  replay    {replay}"),
    ];
    let object = Object {
        ok: false,
        violation: Some(shrunk.violation),
        runs: shrunk.runs,
        out: Some(out.display().to_string()),
        ..object(&shrunk.plan)
    };
    Answer::of(json, false, &lines, &object)
}
