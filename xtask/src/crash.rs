//! `cargo xtask crash`: kills the real binary with SIGKILL, over and over, and asks at the end
//! whether anything was lost, invented or out of order. Now and then it asks it to end, with
//! SIGTERM, as whoever updates it would: then it must drain, and excuses no repeat.
//!
//! A campaign is one directory. Each of its processes goes on where the one before was ended;
//! the last one is left alone. It compares what publishers were told and what receivers saw, in
//! all lives, with what is on record, and its exit status is the verdict.

use crate::test;
use fastrand::Rng;
use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Kills of one directory, at most: later ones would find little left to do.
const KILLS_OF_CAMPAIGN: u32 = 10;

/// In so many of a hundred cases the process is killed while it starts.
const AT_START_PERCENT: u32 = 25;

/// In so many of a hundred cases it is asked to end, and not killed.
const ASKED_PERCENT: u32 = 20;

/// It may take so long to start, in milliseconds.
const START_MS: u64 = 40;

/// It is killed before this, in milliseconds.
const LATEST_MS: u64 = 900;

/// The last process of a campaign may take so long.
const END_WITHIN: Duration = Duration::from_secs(180);

/// One that was asked to end may take so long: its longest attempt takes 10 s.
const DRAIN_WITHIN: Duration = Duration::from_secs(60);

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
    let (mut killed, mut drained, mut campaigns) = (0, 0, 0);
    while killed < args.kills {
        campaigns += 1;
        let campaign = Campaign {
            binary: &binary,
            data: directory.join(campaigns.to_string()),
            seed: args.seed.wrapping_add(campaigns),
            events: args.events,
        };
        let most = KILLS_OF_CAMPAIGN.min(args.kills - killed);
        let ended = campaign.interrupt(most, &mut chance)?;
        // One that is killed as soon as it starts, always, never ends by itself.
        killed += ended.killed.max(1);
        drained += ended.drained;
        campaign.finish()?;
        // What is left of a campaign that failed is worth a look.
        std::fs::remove_dir_all(&campaign.data).map_err(|error| error.to_string())?;
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{killed} kills, and {drained} stops on request, in {campaigns} campaigns of {} events, \
         {seconds:.0} s: nothing lost, nothing out of order",
        args.events
    );
    Ok(())
}

/// How often its processes were ended.
#[derive(Default)]
struct Ended {
    killed: u32,
    /// Asked to end, and drained.
    drained: u32,
}

impl Campaign<'_> {
    /// Starts it and ends it, until it was killed so often or has come to its end.
    fn interrupt(&self, kills: u32, chance: &mut Rng) -> Result<Ended, String> {
        let mut ended = Ended::default();
        while ended.killed < kills {
            let mut child = self.start(Stdio::null())?;
            let latest = if chance.u32(..100) < AT_START_PERCENT {
                START_MS
            } else {
                LATEST_MS
            };
            sleep(Duration::from_millis(chance.u64(..latest)));
            let is_asked = chance.u32(..100) < ASKED_PERCENT;
            let has_ended = child.try_wait().map_err(|error| error.to_string())?;
            if has_ended.is_some() {
                return Ok(ended);
            }
            if is_asked {
                let status = self.ask(&mut child)?;
                // It may not have listened yet: then the system ends it, as a kill would.
                let was_deaf = status.signal() == Some(Signal::TERM.as_raw());
                match (status.success(), was_deaf) {
                    (true, _) => ended.drained += 1,
                    (false, true) => ended.killed += 1,
                    (false, false) => return Err(self.told(&format!("asked to end: {status}"))),
                }
            } else {
                child.kill().map_err(|error| error.to_string())?;
                child.wait().map_err(|error| error.to_string())?;
                ended.killed += 1;
            }
        }
        Ok(ended)
    }

    /// Asks it to end, and waits until it has.
    fn ask(&self, child: &mut Child) -> Result<ExitStatus, String> {
        let asked = kill_process(Pid::from_child(child), Signal::TERM);
        asked.map_err(|error| error.to_string())?;
        let ended = end_of(child, DRAIN_WITHIN)?;
        ended.ok_or_else(|| self.told("asked to end, it did not"))
    }

    /// Lets it run to its end, which says whether all promises were kept.
    fn finish(&self) -> Result<(), String> {
        let mut child = self.start(Stdio::inherit())?;
        match end_of(&mut child, END_WITHIN)? {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(self.told(&status.to_string())),
            None => Err(self.told("no end")),
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

/// How it ends by itself; nothing, if it had to be killed after this time.
fn end_of(child: &mut Child, within: Duration) -> Result<Option<ExitStatus>, String> {
    let start = Instant::now();
    loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => return Ok(Some(status)),
            None if start.elapsed() > within => {
                // It may end at this very moment.
                let _ = child.kill();
                let _ = child.wait();
                return Ok(None);
            }
            None => sleep(Duration::from_millis(20)),
        }
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
