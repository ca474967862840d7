//! The `postrider` command.
//!
//! - `postrider serve` is the server;
//! - `postrider config` shows how it is set up;
//! - `postrider demo` runs the whole engine against real receivers that misbehave, and checks what
//!   it promises;
//! - `postrider sign` and `postrider verify` are both ends of a signature, for whoever looks for
//!   the reason why one does not match;
//! - `postrider secret` makes a new secret.
//!
//! Exit status: 0 for yes; 1 for no (a promise was broken, a signature was refused); 2 where
//! there is no answer (the command line, a file or the system is at fault).

mod config;
mod configuration;
mod demo;
mod input;
mod log;
mod secret;
mod serve;
mod sign;
mod stop;
mod verify;

use clap::{Parser, Subcommand};
use std::error::Error;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

/// A delivery makes many small allocations; this allocator is made for those.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Delivers webhooks in order, through storms.
#[derive(Parser)]
#[command(name = "postrider", version, max_term_width = 100)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Serve(serve::Args),
    Config(configuration::Args),
    Demo(demo::Args),
    Sign(sign::Args),
    Verify(verify::Args),
    Secret(secret::Args),
}

/// What a command found out.
struct Answer {
    /// For the standard output.
    text: String,
    /// Whether the exit status is 0.
    is_yes: bool,
}

fn main() -> ExitCode {
    let command = CommandLine::parse().command;
    if !matches!(command, Command::Serve(_)) {
        log::begin("error", false);
    }
    match command.run().and_then(|answer| print(&answer)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // If nobody reads the standard error either, the status has to do.
            let _ = writeln!(io::stderr().lock(), "postrider: {error}");
            ExitCode::from(2)
        }
    }
}

impl Command {
    fn run(self) -> Result<Answer, Box<dyn Error>> {
        match self {
            Self::Serve(args) => Ok(serve::run(&args)?),
            Self::Config(args) => Ok(configuration::run(&args)?),
            Self::Demo(args) => Ok(demo::run(&args)?),
            Self::Sign(args) => Ok(sign::run(&args)?),
            Self::Verify(args) => Ok(verify::run(&args)?),
            Self::Secret(args) => Ok(secret::run(&args)?),
        }
    }
}

/// Prints what was found out, and gives whether it was a yes.
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
