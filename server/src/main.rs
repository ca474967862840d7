//! The `postrider` command.
//!
//! - `postrider serve` is the server, and `postrider dev` one to try things out with;
//! - `postrider config` shows how it is set up, `postrider doctor` whether it can work here,
//!   `postrider backup` copies its database;
//! - `postrider endpoints`, `events`, `deliveries` and their kin ask a server that runs;
//!   `postrider tail` follows it, `postrider listen` forwards its events to a local port;
//! - `postrider demo` runs the whole engine against real receivers that misbehave, and checks what
//!   it promises;
//! - `postrider sign` and `postrider verify` are both ends of a signature, for whoever looks for
//!   the reason why one does not match;
//! - `postrider secret` makes a new secret.
//!
//! Exit status: 0 for yes; 1 for no (a promise was broken, a signature or a request was refused);
//! 2 where there is no answer (the command line, a file or the system is at fault, or no server
//! answers).

mod backup;
mod client;
mod completions;
mod config;
mod configuration;
mod demo;
mod dev;
mod doctor;
mod input;
mod lenient;
mod log;
#[cfg(test)]
mod manual;
mod program;
mod secret;
mod serve;
mod sign;
mod stop;
mod usage;
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
    Dev(dev::Args),
    Config(configuration::Args),
    Doctor(doctor::Args),
    Backup(backup::Args),
    Endpoints(client::endpoints::Args),
    Events(client::events::Args),
    Trigger(client::trigger::Args),
    Deliveries(client::deliveries::Args),
    Lanes(client::lanes::Args),
    DeadLetters(client::dead_letters::Args),
    Backfill(client::backfill::Args),
    Replay(client::replay::Args),
    Replays(client::replays::Args),
    Tail(client::tail::Args),
    Listen(client::listen::Args),
    EventTypes(client::event_types::Args),
    Filters(client::filters::Args),
    Templates(client::templates::Args),
    Sources(client::sources::Args),
    Keys(client::keys::Args),
    Tenants(client::tenants::Args),
    Stats(client::stats::Args),
    System(client::system::Args),
    Whoami(client::whoami::Args),
    PortalLinks(client::portal_links::Args),
    Audit(client::audit::Args),
    Demo(demo::Args),
    Sign(sign::Args),
    Verify(verify::Args),
    Secret(secret::Args),
    Completions(completions::Args),
}

/// What a command found out.
struct Answer {
    /// For the standard output.
    text: String,
    /// Whether the exit status is 0.
    is_yes: bool,
}

fn main() -> ExitCode {
    let command = match usage::read() {
        Ok(line) => line.command,
        Err(status) => return status,
    };
    // If the system refuses, the bounds are those of what there is.
    let _ = postrider::descriptors::raise();
    if !matches!(command, Command::Serve(_)) {
        log::begin("error", false);
    }
    match command.run().and_then(|answer| print(&answer)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // If nobody reads the standard error either, the status has to do.
            let _ = writeln!(io::stderr().lock(), "postrider: {error}");
            let refused = error.downcast_ref::<client::ClientError>();
            match refused.is_some_and(client::ClientError::is_no) {
                true => ExitCode::FAILURE,
                false => ExitCode::from(2),
            }
        }
    }
}

impl Command {
    fn run(self) -> Result<Answer, Box<dyn Error>> {
        match self {
            Self::Serve(args) => Ok(serve::run(&args)?),
            Self::Dev(args) => Ok(dev::run(&args)?),
            Self::Config(args) => Ok(configuration::run(&args)?),
            Self::Doctor(args) => Ok(doctor::run(&args)?),
            Self::Backup(args) => Ok(backup::run(&args)?),
            Self::Endpoints(args) => Ok(client::endpoints::run(&args)?),
            Self::Events(args) => Ok(client::events::run(&args)?),
            Self::Trigger(args) => Ok(client::trigger::run(&args)?),
            Self::Deliveries(args) => Ok(client::deliveries::run(&args)?),
            Self::Lanes(args) => Ok(client::lanes::run(&args)?),
            Self::DeadLetters(args) => Ok(client::dead_letters::run(&args)?),
            Self::Backfill(args) => Ok(client::backfill::run(&args)?),
            Self::Replay(args) => Ok(client::replay::run(&args)?),
            Self::Replays(args) => Ok(client::replays::run(&args)?),
            Self::Tail(args) => Ok(client::tail::run(&args)?),
            Self::Listen(args) => Ok(client::listen::run(&args)?),
            Self::EventTypes(args) => Ok(client::event_types::run(&args)?),
            Self::Filters(args) => Ok(client::filters::run(&args)?),
            Self::Templates(args) => Ok(client::templates::run(&args)?),
            Self::Sources(args) => Ok(client::sources::run(&args)?),
            Self::Keys(args) => Ok(client::keys::run(&args)?),
            Self::Tenants(args) => Ok(client::tenants::run(&args)?),
            Self::Stats(args) => Ok(client::stats::run(&args)?),
            Self::System(args) => Ok(client::system::run(&args)?),
            Self::Whoami(args) => Ok(client::whoami::run(&args)?),
            Self::PortalLinks(args) => Ok(client::portal_links::run(&args)?),
            Self::Audit(args) => Ok(client::audit::run(&args)?),
            Self::Demo(args) => Ok(demo::run(&args)?),
            Self::Sign(args) => Ok(sign::run(&args)?),
            Self::Verify(args) => Ok(verify::run(&args)?),
            Self::Secret(args) => Ok(secret::run(&args)?),
            Self::Completions(args) => Ok(completions::run(&args)),
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
