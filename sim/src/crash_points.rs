//! The real store on a disk that fails at each of its operations.
//!
//! A script of changes, from a seed, is run once on a disk that keeps what was on it before every
//! operation. Each of these moments is then taken as the last one of a process: by a kill, or by a
//! loss of power that leaves any part of what was not synced. What a new process finds must be what
//! was acknowledged, with the group under way as a whole or without it, as the store in memory has
//! it. Some of the new processes end as well, while they start or later. Then the same script meets
//! failing writes and syncs, a full disk and bits that turn round at rest.
//!
//! A point is a script's seed and a number; everything else follows from the two.

mod faults;
mod life;
mod script;
mod side;

use crate::chance::{Chance, Rolls};
use crate::disk::{Disk, Loss, Trouble};
use life::{End, Known, Life, Reference};
use serde::Serialize;

/// Each moment is the last one so often: once by a kill, else by a loss of power.
const ENDS: u64 = 4;

/// Full disks in each script.
const FULL: u64 = 16;

/// Bits that turn round, in each script.
const FLIPS: u64 = 48;

/// What the store, the harness or the disk may be made to do wrong, to see that it is found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cheat {
    /// The log is not synced when a group is committed.
    SyncLess,
    /// A group counts as acknowledged when it is given to the store.
    AcknowledgeFirst,
    /// The disk does not sync, and says that it has.
    LyingDisk,
}

impl Cheat {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::SyncLess, Self::AcknowledgeFirst, Self::LyingDisk];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SyncLess => "sync-less",
            Self::AcknowledgeFirst => "acknowledge-first",
            Self::LyingDisk => "lying-disk",
        }
    }

    /// What goes wrong.
    #[must_use]
    pub fn what(self) -> &'static str {
        match self {
            Self::SyncLess => "the store runs with `synchronous=NORMAL`",
            Self::AcknowledgeFirst => "a group is acknowledged before it is committed",
            Self::LyingDisk => "the disk says that it has synced, and has not",
        }
    }

    /// The cheat of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cheat| cheat.name() == name)
    }
}

/// What came of points.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Scripts that were run.
    pub scripts: u64,
    /// Points that were tried.
    pub points: u64,
    /// Of these, processes that ended: kills and losses of power.
    pub ends: u64,
    /// Of these, with a second end while the next process started or ran.
    pub second_ends: u64,
    /// Operations that failed.
    pub failures: u64,
    /// Disks that ran full.
    pub full: u64,
    /// Bits that turned round.
    pub flips: u64,
    /// Of these, found out by an error.
    pub flips_found: u64,
    /// Of these, deliveries that nobody saw any more, and no error said so.
    pub flips_hiding: u64,
    /// Points at which the store broke its word.
    pub broken: Vec<Broken>,
}

/// A point at which the store broke its word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// The seed of the script.
    pub seed: u64,
    /// The number of the point.
    pub point: u64,
    /// What happened there.
    pub what: String,
    /// How the store broke its word.
    pub said: String,
}

impl Tally {
    /// Adds another one.
    pub fn add(&mut self, other: Self) {
        self.scripts += other.scripts;
        self.points += other.points;
        self.ends += other.ends;
        self.second_ends += other.second_ends;
        self.failures += other.failures;
        self.full += other.full;
        self.flips += other.flips;
        self.flips_found += other.flips_found;
        self.flips_hiding += other.flips_hiding;
        self.broken.extend(other.broken);
    }
}

/// The points of one script.
pub struct Points {
    seed: u64,
    chance: Chance,
    cheat: Option<Cheat>,
    reference: Reference,
}

/// What happens at a point.
#[derive(Clone, Copy, Debug)]
enum Point {
    /// The process ends after so many operations.
    End {
        operations: u64,
        loss: Loss,
        next: Next,
    },
    /// This operation fails.
    Failure { operation: u64 },
    /// The disk runs full.
    Full,
    /// A bit turns round.
    Flip,
}

/// What becomes of the process that is started after an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// It starts, and that is all.
    Starts,
    /// It goes on with the script.
    GoesOn,
    /// It ends, too, after so many operations.
    Ends { operations: u64, loss: Loss },
}

impl Points {
    /// The points of the script of this seed.
    ///
    /// # Errors
    ///
    /// If the script does not run on a disk that has no fault.
    pub fn of(seed: u64, cheat: Option<Cheat>) -> Result<Self, Broken> {
        let reference = Reference::run(seed, cheat).map_err(|said| Broken {
            seed,
            point: 0,
            what: "no fault".to_owned(),
            said,
        })?;
        Ok(Self {
            seed,
            chance: Chance::new(seed),
            cheat,
            reference,
        })
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        let images = self.images();
        images * ENDS + (images - 1) + FULL + FLIPS
    }

    /// One more than there are operations.
    fn images(&self) -> u64 {
        self.reference.images.len() as u64
    }

    /// So many of them, spread over all: their numbers.
    #[must_use]
    pub fn some(&self, most: u64) -> Vec<u64> {
        let count = self.count();
        if most >= count {
            return (0..count).collect();
        }
        let pick = |number| {
            let (from, to) = (number * count / most, (number + 1) * count / most);
            let mut rolls = self.chance.of("some", number, most);
            rolls.between(from, to - 1)
        };
        (0..most).map(pick).collect()
    }

    fn point(&self, number: u64) -> Point {
        let images = self.images();
        let mut rolls = self.chance.of("point", number, 0);
        if number < images * ENDS {
            let loss = if number.is_multiple_of(ENDS) {
                Loss::Process
            } else {
                Loss::Power
            };
            let operations = number / ENDS;
            let next = next(&mut rolls);
            return Point::End {
                operations,
                loss,
                next,
            };
        }
        let number = number - images * ENDS;
        if number < images - 1 {
            let operation = number + 1;
            return Point::Failure { operation };
        }
        if number - (images - 1) < FULL {
            Point::Full
        } else {
            Point::Flip
        }
    }

    /// Tries one.
    #[must_use]
    pub fn try_one(&self, number: u64) -> Tally {
        let point = self.point(number);
        let mut tally = Tally {
            points: 1,
            ..Tally::default()
        };
        let mut rolls = self.chance.of("point", number, 1);
        let tried = match point {
            Point::End {
                operations,
                loss,
                next,
            } => {
                tally.ends = 1;
                tally.second_ends = u64::from(matches!(next, Next::Ends { .. }));
                self.end(operations, loss, next, &mut rolls)
            }
            Point::Failure { operation } => {
                tally.failures = 1;
                self.failure(operation, &mut rolls)
            }
            Point::Full => {
                tally.full = 1;
                self.full(&mut rolls)
            }
            Point::Flip => {
                tally.flips = 1;
                self.flip(&mut rolls, &mut tally)
            }
        };
        if let Err(said) = tried {
            tally.broken.push(Broken {
                seed: self.seed,
                point: number,
                what: format!("{point:?}"),
                said,
            });
        }
        tally
    }

    /// The process ends.
    fn end(
        &self,
        operations: u64,
        loss: Loss,
        next: Next,
        rolls: &mut Rolls,
    ) -> Result<(), String> {
        let at = usize::try_from(operations).unwrap_or(usize::MAX);
        let Some(image) = self.reference.images.get(at) else {
            return Ok(());
        };
        let image = self.reference.disk.left(image, loss, rolls);
        let known = self.reference.known(operations, self.cheat);
        self.lives(Disk::of(image, self.chance), known, next, rolls)
    }

    /// New processes, up to the last one.
    fn lives(&self, disk: Disk, known: Known, next: Next, rolls: &mut Rolls) -> Result<(), String> {
        if self.cheat == Some(Cheat::LyingDisk) {
            disk.set(Trouble::Lies);
        }
        if let Next::Ends { operations, .. } = next {
            disk.set(Trouble::CrashAt(operations + 1));
        }
        let life = Life {
            script: &self.reference.script,
            cheat: self.cheat,
            disk: &disk,
            known,
            goes_on: next != Next::Starts,
            looks_closely: rolls.percent(5),
        };
        match (life.live()?, next) {
            (End::Crashed(known), Next::Ends { loss, .. }) => {
                let left = disk.left(&disk.image(), loss, rolls);
                let next = if rolls.percent(50) {
                    Next::Starts
                } else {
                    Next::GoesOn
                };
                self.lives(disk.replaced(left), known, next, rolls)
            }
            (End::Crashed(_), _) => Err("a disk without trouble crashed".to_owned()),
            (End::Over, _) => Ok(()),
        }
    }
}

fn next(rolls: &mut Rolls) -> Next {
    let loss = if rolls.percent(30) {
        Loss::Process
    } else {
        Loss::Power
    };
    match rolls.up_to(99) {
        0..50 => Next::Starts,
        50..65 => Next::GoesOn,
        // While it starts, mostly.
        65..80 => Next::Ends {
            operations: rolls.up_to(12),
            loss,
        },
        _ => Next::Ends {
            operations: rolls.up_to(150),
            loss,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::teeth;

    /// All kinds of points are among them.
    fn some(seed: u64) -> (Points, Vec<u64>) {
        let points = Points::of(seed, None).unwrap();
        let numbers = points.some(40);
        (points, numbers)
    }

    #[test]
    fn the_store_keeps_its_word_at_points_of_every_kind() {
        let mut tally = Tally::default();
        for seed in 0..3 {
            let (points, numbers) = some(seed);
            let end = points.count() - FULL - FLIPS;
            let rare = [end, end + 1, end + FULL, end + FULL + 1];
            for number in numbers.into_iter().chain(rare) {
                tally.add(points.try_one(number));
            }
        }
        assert_eq!(tally.broken, []);
        let kinds = [tally.ends, tally.second_ends, tally.failures];
        assert!(kinds.iter().all(|count| *count > 0), "{tally:?}");
        assert!(tally.full > 0 && tally.flips > 0, "{tally:?}");
    }

    #[test]
    fn a_point_comes_to_the_same_each_time() {
        let cheat = Some(Cheat::LyingDisk);
        let tried = || {
            let points = Points::of(1, cheat).unwrap();
            let numbers = points.some(30).into_iter();
            numbers.map(|it| points.try_one(it)).collect::<Vec<_>>()
        };
        let first = tried();
        assert_eq!(first, tried());
        assert!(first.iter().any(|tally| !tally.broken.is_empty()));
    }

    #[test]
    fn every_cheat_is_found_out() {
        for cheat in Cheat::ALL {
            assert_eq!(Cheat::named(cheat.name()), Some(cheat));
            assert!(teeth::bite_store(cheat).caught.is_some(), "{cheat:?}");
        }
    }

    #[test]
    fn so_many_points_are_spread_over_all() {
        let (points, numbers) = some(1);
        assert_eq!(numbers.len(), 40);
        assert!(numbers.is_sorted() && numbers[39] < points.count());
        assert!(numbers[39] > points.count() * 9 / 10);
        assert_eq!(points.some(u64::MAX).len() as u64, points.count());
    }
}
