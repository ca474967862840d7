//! `cargo xtask crash`: kills the real binary with SIGKILL, over and over, and asks at the end
//! whether anything was lost, invented or out of order.
//!
//! A campaign is one directory. Each of its processes goes on where the one before was killed;
//! the last one is left alone. It compares what publishers were told and what receivers saw, in
//! all lives, with what is on record, and its exit status is the verdict.

use crate::test;
use fastrand::Rng;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Kills of one directory, at most: later ones would find little left to do.
const KILLS_OF_CAMPAIGN: u32 = 10;

/// In so many of a hundred cases the process is killed while it starts.
const AT_START_PERCENT: u32 = 25;

/// It may take so long to start, in milliseconds.
const START_MS: u64 = 40;

/// It is killed before this, in milliseconds.
const LATEST_MS: u64 = 900;

/// The last process of a campaign may take so long.
const END_WITHIN: Duration = Duration::from_secs(180);

#[derive(clap::Args)]
pub(crate) struct Args {
    /// How often to kill it
    #[arg(long, default_value_t = 30)]
    kills: u32,
    /// What decides when
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Events of each campaign
    #[arg(long, default_value_t = 2_000)]
    events: u32,
    /// Kill the optimised binary
    #[arg(long)]
    release: bool,
}

/// One directory, from the first process to the last.
struct Campaign<'a> {
    binary: &'a Path,
    data: PathBuf,
    seed: u64,
    events: u32,
}

/// Kills it, and tells what came of it.
pub(crate) fn run(args: &Args) -> Result<(), String> {
    let binary = build(args.release)?;
    let directory = std::env::temp_dir().join(format!("postrider-crash-{}", std::process::id()));
    let mut chance = Rng::with_seed(args.seed);
    let start = Instant::now();
    let (mut killed, mut campaigns) = (0, 0);
    while killed < args.kills {
        campaigns += 1;
        let campaign = Campaign {
            binary: &binary,
            data: directory.join(campaigns.to_string()),
            seed: args.seed.wrapping_add(campaigns),
            events: args.events,
        };
        let most = KILLS_OF_CAMPAIGN.min(args.kills - killed);
        // One that is killed as soon as it starts, always, never ends by itself.
        killed += campaign.kill(most, &mut chance)?.max(1);
        campaign.finish()?;
        // What is left of a campaign that failed is worth a look.
        std::fs::remove_dir_all(&campaign.data).map_err(|error| error.to_string())?;
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{killed} kills in {campaigns} campaigns of {} events, {seconds:.0} s: nothing lost, \
         nothing out of order",
        args.events
    );
    Ok(())
}

impl Campaign<'_> {
    /// Starts it and kills it, so often at most; gives how often that was.
    fn kill(&self, most: u32, chance: &mut Rng) -> Result<u32, String> {
        for killed in 0..most {
            let mut child = self.start(Stdio::null())?;
            let latest = if chance.u32(..100) < AT_START_PERCENT {
                START_MS
            } else {
                LATEST_MS
            };
            sleep(Duration::from_millis(chance.u64(..latest)));
            let has_ended = child.try_wait().map_err(|error| error.to_string())?;
            if has_ended.is_some() {
                return Ok(killed);
            }
            child.kill().map_err(|error| error.to_string())?;
            child.wait().map_err(|error| error.to_string())?;
        }
        Ok(most)
    }

    /// Lets it run to its end, which says whether all promises were kept.
    fn finish(&self) -> Result<(), String> {
        let mut child = self.start(Stdio::inherit())?;
        let start = Instant::now();
        loop {
            match child.try_wait().map_err(|error| error.to_string())? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(self.told(&status.to_string())),
                None if start.elapsed() > END_WITHIN => {
                    // It may end at this very moment.
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(self.told("no end"));
                }
                None => sleep(Duration::from_millis(20)),
            }
        }
    }

    fn told(&self, what: &str) -> String {
        format!(
            "a promise broke after the kills ({what}); the directory is {}, and this shows it \
             again: {} demo --data {} --events {} --seed {}",
            self.data.display(),
            self.binary.display(),
            self.data.display(),
            self.events,
            self.seed
        )
    }

    fn start(&self, output: Stdio) -> Result<Child, String> {
        let mut command = Command::new(self.binary);
        command.arg("demo").arg("--data").arg(&self.data);
        command.args(["--events", &self.events.to_string()]);
        command.args(["--seed", &self.seed.to_string(), "--json"]);
        let child = command.stdout(output).stderr(Stdio::inherit()).spawn();
        child.map_err(|error| format!("{} did not start: {error}", self.binary.display()))
    }
}

/// Builds the binary; gives where it is.
fn build(release: bool) -> Result<PathBuf, String> {
    let mut command = Command::new("cargo");
    command.args(["build", "--quiet", "--package", "postrider-server"]);
    if release {
        command.arg("--release");
    }
    test::forget_package(&mut command);
    let status = command.status().map_err(|error| error.to_string())?;
    if !status.success() {
        return Err("the binary could not be built".to_owned());
    }
    let profile = if release { "release" } else { "debug" };
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let target = own.parent().and_then(Path::parent);
    let binary = target.map(|target| target.join(profile).join("postrider"));
    binary.ok_or_else(|| format!("{} has no directory", own.display()))
}
