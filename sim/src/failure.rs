//! What is left of a failure: its plan, the smallest plan that fails in the same way, and that
//! one's trace, for people.

use crate::figures::counted;
use crate::jobs::Worker;
use postrider_sim::shrink::{Effort, Shrunk, shrink};
use postrider_sim::{Bug, Keep, Plan, Run, Tier, Violation, report, runner};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Where failures are written, in the working directory.
const DIRECTORY: &str = "failures";

/// A run that ends its process, or never ends, is tried again for so long.
const TRY_TIME_MAX: Duration = Duration::from_secs(3);

/// And such a plan is made small for so long.
const TIME_MAX_OF_HANGS: Duration = Duration::from_secs(60);

/// A failure that was made small and written.
pub(crate) struct Failure {
    /// What failed.
    plan: Plan,
    /// What is left of it.
    shrunk: Shrunk,
    directory: PathBuf,
    bug: Option<Bug>,
}

/// Why a file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{path} cannot be written: {error}")]
pub(crate) struct WriteError {
    path: String,
    error: io::Error,
}

/// Writes a file.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), WriteError> {
    fs::write(path, text).map_err(|error| WriteError {
        path: path.display().to_string(),
        error,
    })
}

/// The trace of a run that kept it; at its end, which promise broke.
pub(crate) fn trace(run: &Run) -> String {
    let mut text = run.text.join("\n") + "\n";
    if let Some(violation) = &run.violation {
        text += &format!("!! {}: {}\n", violation.promise, violation.said);
    }
    text
}

/// Makes a plan small that fails like this. Each try is a run in a process of its own kind, since
/// even a plan that aborts can be made small. `None` if it does not fail again.
///
/// What must come of a story is said of the whole story: such a plan stays as it is. Any other
/// promise holds for every part of it, which is no story any more.
pub(crate) fn smallest(plan: &Plan, first: &Violation, bug: Option<Bug>) -> Option<Shrunk> {
    if first.promise == plan.story {
        return Some(Shrunk {
            plan: plan.clone(),
            violation: first.clone(),
            runs: 0,
        });
    }
    let plan = &Plan {
        story: String::new(),
        ..plan.clone()
    };
    let is_deadly = matches!(first.promise.as_str(), "hang" | "crash");
    let effort = Effort {
        time_max: if is_deadly {
            TIME_MAX_OF_HANGS
        } else {
            Effort::default().time_max
        },
        ..Effort::default()
    };
    let mut worker = None;
    let fails = |plan: &Plan| {
        let mut alive = worker.take().or_else(|| Worker::start(bug).ok())?;
        let violation = alive.try_plan(plan, TRY_TIME_MAX);
        let is_dead = |it: &Violation| matches!(it.promise.as_str(), "hang" | "crash");
        if !violation.as_ref().is_some_and(is_dead) {
            worker = Some(alive);
        }
        violation
    };
    shrink(plan, fails, effort)
}

impl Failure {
    /// Writes the plan of a run that failed like this; then makes it small, and writes that.
    /// `None` if it does not fail again: then it is for `meta` to find out why.
    pub(crate) fn write(
        plan: &Plan,
        violation: &Violation,
        bug: Option<Bug>,
    ) -> Result<Option<Self>, WriteError> {
        let directory = Path::new(DIRECTORY).join(name(plan));
        fs::create_dir_all(&directory).map_err(|error| WriteError {
            path: directory.display().to_string(),
            error,
        })?;
        // Before anything else: whatever comes now, the plan is saved.
        write(&directory.join("plan.json"), &plan.to_json())?;
        let Some(shrunk) = smallest(plan, violation, bug) else {
            return Ok(None);
        };
        let failure = Self {
            plan: plan.clone(),
            shrunk,
            directory,
            bug,
        };
        write(
            &failure.directory.join("shrunk.json"),
            &failure.shrunk.plan.to_json(),
        )?;
        failure.write_trace()?;
        Ok(Some(failure))
    }

    fn write_trace(&self) -> Result<(), WriteError> {
        let violation = &self.shrunk.violation;
        if matches!(violation.promise.as_str(), "hang" | "crash") {
            let text = format!("!! {}: {}\n", violation.promise, violation.said);
            return write(&self.directory.join("trace.txt"), &text);
        }
        let run = runner::run(&Arc::new(self.shrunk.plan.clone()), Keep::Trace, self.bug);
        write(&self.directory.join("trace.txt"), &trace(&run))?;
        write(
            &self.directory.join("report.html"),
            &report::html(&self.shrunk.plan, &run),
        )
    }

    /// The one command that replays it.
    pub(crate) fn replay(&self) -> String {
        let path = self.directory.join("shrunk.json");
        let bug = self.bug.map(|bug| format!(" --bug {}", bug.name()));
        pasted(&format!(
            "replay {}{}",
            path.display(),
            bug.unwrap_or_default()
        ))
    }

    /// What is left of how much: for people.
    pub(crate) fn text(&self) -> Vec<String> {
        let runs = counted(self.shrunk.runs, "run", "runs");
        let (all, left) = (size(&self.plan), size(&self.shrunk.plan));
        vec![
            format!(
                "  shrunk    from {all} to {left}, seed {}, in {runs}",
                self.plan.seed
            ),
            format!(
                "  files     {}/{{plan.json,shrunk.json,trace.txt,report.html}}",
                self.directory.display()
            ),
            format!("  replay    {}", self.replay()),
        ]
    }
}

/// A command of this program, as one pastes it into a shell.
pub(crate) fn pasted(command: &str) -> String {
    format!("cargo run --release -p postrider-sim -- {command}")
}

/// `3 steps and 1 fault`
pub(crate) fn size(plan: &Plan) -> String {
    let events = counted(plan.events() as u64, "event", "events");
    let others = (plan.workload.len() - plan.events()) as u64;
    let faults = counted(plan.faults.len() as u64, "fault", "faults");
    match others {
        0 => format!("{events} and {faults}"),
        others => format!(
            "{events}, {} and {faults}",
            counted(others, "other step", "other steps")
        ),
    }
}

/// `42`, `42-turmoil`, `42-receiver_storm`
fn name(plan: &Plan) -> String {
    let seed = plan.seed;
    // A story is a name; in a plan that was written by hand it may be anything.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let story = plan.story.trim();
    match plan.tier {
        _ if !story.is_empty() && story.bytes().all(is_plain) => format!("{seed}-{story}"),
        Tier::Turmoil => format!("{seed}-turmoil"),
        Tier::World => seed.to_string(),
    }
}
