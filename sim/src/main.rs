//! The `postrider-sim` command.
//!
//! - `run`, `sweep` and `replay` run plans: one seed, many seeds, one file;
//! - `shrink` makes a failing plan small;
//! - `scenarios`, `regressions` and `coverage` say what has been tried;
//! - `meta` proves that a seed is a run, `teeth` that the checkers bite;
//! - `ci` is all of it, on seeds that the commit chooses.
//!
//! Exit status: 0 if all promises held; 1 if one broke; 2 where there is no answer (the command
//! line, a file or the system is at fault).

mod command;
mod failure;
mod figures;
mod jobs;
mod progress;
mod seeds;

use cap::Cap;
use clap::Parser;
use command::{Answer, Command};
use mimalloc::MiMalloc;
use postrider_sim::allocated;
use std::error::Error;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

/// A run makes many small allocations; this allocator is made for those. It counts them, too: see
/// [`postrider_sim::allocated`].
#[global_allocator]
static ALLOCATOR: Cap<MiMalloc> = Cap::new(MiMalloc, usize::MAX);

/// Breaks Postrider by seed, and checks its promises.
///
/// A seed is a whole history of storms, crashes and full disks; the same seed is the same history,
/// line by line, on any machine. When a promise breaks, the plan of the run is made small and
/// saved: one command replays it.
#[derive(Parser)]
#[command(name = "postrider-sim", version, max_term_width = 100, after_help = EXAMPLES)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
    /// Print one JSON object on the last line instead of the report
    #[arg(long, global = true)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  postrider-sim run --seed 42                 one seed, in a moment
  postrider-sim sweep --seeds 0..20000        twenty thousand of them, on all cores
  postrider-sim run --seed 42 --html 42.html  the same run, as a page to look at
  postrider-sim replay failures/42/shrunk.json
                                              what is left of a failure

Exit status: 0 if all promises held, 1 if one broke, 2 if there is no answer.";

fn main() -> ExitCode {
    let CommandLine { command, json } = CommandLine::parse();
    allocated::count_by(|| ALLOCATOR.allocated());
    match command.run(json).and_then(|answer| print(&answer)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // If nobody reads the standard error either, the status has to do.
            let _ = writeln!(io::stderr().lock(), "postrider-sim: {error}");
            ExitCode::from(2)
        }
    }
}

/// Prints what was found out, and gives whether all promises held.
fn print(answer: &Answer) -> Result<bool, Box<dyn Error>> {
    let mut out = io::stdout().lock();
    match out
        .write_all(answer.text.as_bytes())
        .and_then(|()| out.flush())
    {
        // Whoever read it has seen enough.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(answer.is_yes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_holds_together() {
        CommandLine::command().debug_assert();
    }
}
