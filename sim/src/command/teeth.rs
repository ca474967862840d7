//! `teeth`: planted bugs, and who catches them.

use super::Answer;
use crate::figures::Passed;
use clap::builder::PossibleValuesParser;
#[cfg(feature = "sqlite")]
use postrider_sim::crash_points::Cheat;
use postrider_sim::teeth::{self, Bite};
use postrider_sim::{Bug, Tier};
use serde::Serialize;
use std::error::Error;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

/// Plant bugs, one at a time, and see which checker catches each
///
/// A bug is planted between the real engine and the model world, or between the client and the
/// real API of the turmoil tier. It must be caught within 300
/// seeds; one that is not is a checker that does not bite. The last ones make the real store, its
/// disk or the harness of `crash-points` go wrong.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Plant this one alone; may be repeated
    #[arg(long, value_name = "BUG", value_parser = bug_names())]
    only: Vec<String>,
}

const EXAMPLES: &str = "\
Examples:
  postrider-sim teeth
  postrider-sim teeth --only lose-wake-up";

/// What programs are told.
#[derive(Serialize)]
struct Object {
    bugs: usize,
    caught: usize,
    bites: Vec<Bite>,
}

/// Something that must be caught.
#[derive(Clone, Copy)]
pub(super) enum Prey {
    Bug(Bug),
    #[cfg(feature = "sqlite")]
    Cheat(Cheat),
}

impl Prey {
    /// All there is, in the order in which it is told.
    pub(super) fn all() -> Vec<Self> {
        let built = |bug: &Bug| Tier::BUILT.contains(&bug.tier());
        let bugs = Bug::ALL.iter().copied().filter(built).map(Self::Bug);
        #[cfg(feature = "sqlite")]
        let bugs = bugs.chain(Cheat::ALL.map(Self::Cheat));
        bugs.collect()
    }

    fn name(self) -> &'static str {
        match self {
            Self::Bug(bug) => bug.name(),
            #[cfg(feature = "sqlite")]
            Self::Cheat(cheat) => cheat.name(),
        }
    }

    fn bite(self) -> Bite {
        match self {
            Self::Bug(bug) => teeth::bite(bug),
            #[cfg(feature = "sqlite")]
            Self::Cheat(cheat) => teeth::bite_store(cheat),
        }
    }
}

fn bug_names() -> PossibleValuesParser {
    PossibleValuesParser::new(Prey::all().into_iter().map(Prey::name))
}

pub(super) fn run(args: &Args, json: bool) -> Result<Answer, Box<dyn Error>> {
    let start = Instant::now();
    let wanted = |prey: &Prey| args.only.is_empty() || args.only.iter().any(|it| it == prey.name());
    let prey: Vec<Prey> = Prey::all().into_iter().filter(wanted).collect();
    let bites = bite_all(&prey);
    let caught = bites.iter().filter(|bite| bite.caught.is_some()).count();
    let mut lines: Vec<String> = bites.iter().map(told).collect();
    lines.push(format!(
        "\n{caught} of {} planted bugs were caught, in {}",
        bites.len(),
        Passed(start.elapsed())
    ));
    let object = Object {
        bugs: bites.len(),
        caught,
        bites,
    };
    Answer::of(json, object.caught == object.bugs, &lines, &object)
}

/// Plants each, on all cores. The order of the answers is that of the prey.
pub(super) fn bite_all(prey: &[Prey]) -> Vec<Bite> {
    let next = AtomicUsize::new(0);
    let bites = Mutex::new(Vec::new());
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(prey) = prey.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let bite = prey.bite();
                    if let Ok(mut bites) = bites.lock() {
                        bites.push(bite);
                    }
                }
            });
        }
    });
    let mut bites = bites.into_inner().unwrap_or_default();
    let place = |bite: &Bite| prey.iter().position(|prey| prey.name() == bite.bug);
    bites.sort_by_key(place);
    bites
}

fn told(bite: &Bite) -> String {
    match &bite.caught {
        Some(caught) => format!(
            "✓ {:<24} {:<14} at seed {:<4} {}",
            bite.bug, caught.promise, caught.seed, bite.what
        ),
        None => format!("✗ {:<24} was not caught: {}", bite.bug, bite.what),
    }
}
