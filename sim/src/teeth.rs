//! Shows that the checkers bite: each planted bug must be caught, and each cheat found out.

use crate::bug::Bug;
use crate::plan::Plan;
use crate::runner;
use crate::watch::Keep;
use serde::Serialize;
use std::sync::Arc;

/// A bug is to be caught within so many seeds.
pub const SEEDS_MAX: u64 = 300;

/// What became of a planted bug.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bite {
    /// Its name.
    pub bug: &'static str,
    /// What goes wrong.
    pub what: &'static str,
    /// Who caught it, and at which seed; `None` if nobody did.
    pub caught: Option<Caught>,
}

/// How a bug was caught.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Caught {
    /// At this seed, the first that showed it.
    pub seed: u64,
    /// The promise that broke; `panic` where an assertion of the engine did.
    pub promise: String,
    /// How, in words.
    pub said: String,
}

/// Plants a bug in one seed after the other until a checker catches it.
#[must_use]
pub fn bite(bug: Bug) -> Bite {
    let caught = (0..SEEDS_MAX).find_map(|seed| {
        let plan = Arc::new(Plan::generate(seed, bug.tier()));
        let run = runner::run(&plan, Keep::Nothing, Some(bug));
        run.violation.map(|violation| Caught {
            seed,
            promise: violation.promise,
            said: violation.said,
        })
    });
    Bite {
        bug: bug.name(),
        what: bug.what(),
        caught,
    }
}

/// Points of one script that are tried to see whether a cheat is found out.
#[cfg(feature = "sqlite")]
const POINTS_MAX: u64 = 250;

/// Lets the real store, its disk or who asks it go wrong, until a crash point finds it out.
#[cfg(feature = "sqlite")]
#[must_use]
pub fn bite_store(cheat: crate::crash_points::Cheat) -> Bite {
    use crate::crash_points::Points;

    let points = Points::of(0, Some(cheat));
    let broken = match points {
        Ok(points) => {
            let tried = points.some(POINTS_MAX).into_iter();
            let mut tried = tried.flat_map(|point| points.try_one(point).broken);
            tried.next()
        }
        Err(broken) => Some(broken),
    };
    Bite {
        bug: cheat.name(),
        what: cheat.what(),
        caught: broken.map(|broken| Caught {
            seed: broken.seed,
            promise: "store".to_owned(),
            said: format!("point {}: {}", broken.point, broken.said),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn there_are_enough_bugs_and_each_has_a_name_of_its_own() {
        let names: BTreeSet<_> = Bug::ALL.iter().map(|bug| bug.name()).collect();
        assert_eq!(names.len(), Bug::ALL.len());
        assert!(names.len() >= 25);
        assert!(names.iter().all(|name| Bug::named(name).is_some()));
    }
}
