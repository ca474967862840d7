//! `replay`: a plan from a file.

use super::{Answer, Files, Planted, Ran};
use postrider_sim::Plan;
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

/// Run a plan from a file
///
/// A plan says all that a run is made of: the same file is the same run, line by line, whatever
/// has become of the generator.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The plan, as JSON
    #[arg(value_name = "PLAN.json")]
    plan: PathBuf,
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    planted: Planted,
}

const EXAMPLES: &str = "\
Examples:
  postrider-sim replay failures/42/shrunk.json
  postrider-sim replay failures/42/shrunk.json --trace 42.txt --html 42.html";

pub(super) fn run(args: &Args, json: bool) -> Result<Answer, Box<dyn Error>> {
    let plan = Arc::new(Plan::read(&args.plan)?);
    let ran = Ran::of(&plan, &args.files, args.planted.bug)?;
    let lines = ran.text(&args.plan.display().to_string());
    Answer::of(json, ran.run.ok, &lines, &ran.object())
}
