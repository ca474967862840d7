//! The world tier as the only test of the engine, for `cargo xtask mutants`.

use crate::plan::{Plan, Tier};
use crate::{Keep, runner, scenario};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// How many seeds are run where nobody says.
const SEEDS: u64 = 8;

/// The variable that says it.
const SEEDS_VARIABLE: &str = "POSTRIDER_MUTANTS_SEEDS";

/// A run takes a fraction of a second, a long story some: beyond, the engine does not come back.
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
    let (say, hear) = mpsc::channel();
    thread::spawn(move || {
        for (name, plan) in plans(seeds) {
            let run = runner::run(&Arc::new(plan), Keep::Nothing, None);
            if say.send((name, run.violation)).is_err() {
                return;
            }
        }
    });
    let mut last = "the start".to_owned();
    loop {
        match hear.recv_timeout(RUN_TIME_MAX) {
            Ok((name, None)) => last = name,
            Ok((name, Some(violation))) => panic!("{name}: {violation:?}"),
            Err(RecvTimeoutError::Timeout) => panic!("after {last}: no end"),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
