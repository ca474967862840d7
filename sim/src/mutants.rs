//! The world tier as the only test of the engine, for `cargo xtask mutants`.

use crate::plan::{Plan, Tier};
use crate::watch::Keep;
use crate::{allocated, runner, scenario};
use cap::Cap;
use rustix::time::{ClockId, clock_gettime};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// What the engine holds is weighed by it, and a mutant that fills the memory ends here.
#[global_allocator]
static ALLOCATOR: Cap<mimalloc::MiMalloc> = Cap::new(mimalloc::MiMalloc, 4 << 30);

/// How many seeds are run where nobody says.
const SEEDS: u64 = 8;

/// The variable that says it.
const SEEDS_VARIABLE: &str = "POSTRIDER_MUTANTS_SEEDS";

/// Of CPU: a run takes a fraction of a second. Beyond, the engine does not come back.
const RUN_TIME_MAX: Duration = Duration::from_secs(15);

/// The first seeds, then the stories and the plans that once failed, then the other seeds: a
/// mutant that dies mostly dies in the first.
fn plans(seeds: u64) -> impl Iterator<Item = (String, Plan)> + Send {
    let seed = |seed| (format!("seed {seed}"), Plan::generate(seed, Tier::World));
    let stories = scenario::all().iter();
    let stories = stories.map(|story| (story.name.to_owned(), (story.plan)(0)));
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions");
    let mut paths: Vec<_> = directory
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let failed = paths.into_iter().map(|path| {
        let plan = Plan::read(&path).unwrap();
        (path.display().to_string(), plan)
    });
    let failed = failed.filter(|(_, plan)| plan.tier == Tier::World);
    let first = seeds.min(SEEDS);
    (0..first)
        .map(seed)
        .chain(stories)
        .chain(failed)
        .chain((first..seeds).map(seed))
}

#[test]
#[ignore = "`cargo xtask mutants` runs it once for each mutant"]
fn the_world_tier_sees_no_promise_break() {
    let seeds = std::env::var(SEEDS_VARIABLE).map_or(SEEDS, |text| text.parse().unwrap());
    allocated::count_by(|| ALLOCATOR.allocated());
    let (say, hear) = mpsc::channel();
    let runs = thread::spawn(move || {
        for (name, plan) in plans(seeds) {
            let run = runner::run(&Arc::new(plan), Keep::Nothing, None);
            if say.send((name, run.violation)).is_err() {
                return;
            }
        }
    });
    let (mut last, mut since) = ("the start".to_owned(), busy());
    loop {
        match hear.recv_timeout(Duration::from_secs(1)) {
            Ok((name, None)) => (last, since) = (name, busy()),
            Ok((name, Some(violation))) => panic!("{name}: {violation:?}"),
            Err(RecvTimeoutError::Timeout) => {
                assert!(busy() < since + RUN_TIME_MAX, "after {last}: no end");
            }
            Err(RecvTimeoutError::Disconnected) => return runs.join().unwrap(),
        }
    }
}

/// The CPU time that this process has taken: on a busy machine the clock says nothing.
fn busy() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap()
}
