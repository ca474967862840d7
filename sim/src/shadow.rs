//! The real store beside the model of one: it is given the same changes, on a simulated disk, and
//! must answer all the same.
//!
//! Where the sender ends with changes under way, it is the real store that says whether they are
//! durable: its commit is cut off at some operation of its disk, and all or nothing of it must be
//! there afterwards.
//!
//! Places are its own affair, as long as the order in each lane is the same.

mod places;
mod tables;

use crate::chance::{Chance, Rolls};
use crate::disk::{Disk, Image, Loss, Trouble};
use places::Places;
use postrider::store::sqlite::SqliteFile;
use postrider_engine::{Change, CommitError, Load, Loaded, Receipt, Recovered};

/// One answer for each change.
type Answers = Vec<Result<Receipt, CommitError>>;

/// The real store beside the model of one.
pub(crate) struct Shadow {
    chance: Chance,
    disk: Disk,
    /// Gone only if it could not be opened.
    file: Option<SqliteFile>,
    places: Places,
    ends: u64,
    /// What the store would have answered to what was under way when it ended.
    unheard: Answers,
}

/// How a group of changes is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The process is killed.
    Kill,
    /// The power goes.
    PowerLoss,
    /// A write or a sync fails, and then the process ends.
    Failure,
}

impl Shadow {
    /// The store of a run, if it has one; and why not, if it should.
    pub(crate) fn of(is_real: bool, chance: Chance) -> (Option<Self>, Option<String>) {
        match is_real.then(|| Self::new(chance)) {
            None => (None, None),
            Some(Ok(shadow)) => (Some(shadow), None),
            Some(Err(said)) => (None, Some(said)),
        }
    }

    /// An empty store on a disk of its own.
    fn new(chance: Chance) -> Result<Self, String> {
        let mut shadow = Self {
            chance,
            disk: Disk::new(chance),
            file: None,
            places: Places::default(),
            ends: 0,
            unheard: Vec::new(),
        };
        shadow.file = Some(shadow.open(&shadow.disk)?);
        Ok(shadow)
    }

    fn open(&self, disk: &Disk) -> Result<SqliteFile, String> {
        let file = disk.open_store().map_err(|error| error.to_string())?;
        // So that short runs bring their log into the database, too.
        let mut rolls = self.chance.of("log pages", 0, 0);
        let pages = rolls.pick(&["1000", "100", "20"]).copied();
        let pages = pages.unwrap_or_default();
        let set = file
            .connection()
            .pragma_update(None, "wal_autocheckpoint", pages);
        set.map_err(|error| error.to_string())?;
        Ok(file)
    }

    fn file(&mut self) -> Result<&mut SqliteFile, String> {
        let gone = || "the store could not be opened".to_owned();
        self.file.as_mut().ok_or_else(gone)
    }

    /// These changes were made, with these receipts.
    pub(crate) fn commit(&mut self, made: &[(Change, Receipt)]) -> Result<(), String> {
        let known = |(change, _): &&(Change, Receipt)| !self.places.is_orphans(change);
        let made: Vec<&(Change, Receipt)> = made.iter().filter(known).collect();
        if made.is_empty() {
            return Ok(());
        }
        let changes = made
            .iter()
            .map(|(change, _)| self.places.translated(change));
        let changes: Vec<Change> = changes.collect();
        let answers = self.file()?.commit(&changes);
        self.compare(&made, &answers)
    }

    fn compare(&mut self, made: &[&(Change, Receipt)], answers: &Answers) -> Result<(), String> {
        if made.len() != answers.len() {
            let (made, answers) = (made.len(), answers.len());
            return Err(format!("{made} changes were made, and {answers} answered"));
        }
        for ((change, expected), found) in made.iter().zip(answers) {
            match found {
                Ok(found) => self.places.compare(change, expected, found)?,
                Err(error) => {
                    return Err(format!("{expected:?} is answered by an error: {error}"));
                }
            }
        }
        Ok(())
    }

    /// This was read.
    pub(crate) fn load(&mut self, load: &Load, expected: &Loaded) -> Result<(), String> {
        if self.places.is_orphaned(load.lane.endpoint) {
            return Ok(());
        }
        let translated = Load {
            after: self.places.place(&load.lane, load.after),
            ..load.clone()
        };
        let found = self.file()?.load(&translated);
        let found = found.map_err(|error| error.to_string())?;
        self.places.compare_loaded(expected, &found)
    }

    /// The process ends, with these changes under way or none. Whether they are durable: all of
    /// them, or none.
    pub(crate) fn end(&mut self, group: &[Change], cut: Cut) -> Result<bool, String> {
        self.ends += 1;
        self.unheard.clear();
        let mut rolls = self.chance.of("end of the store", self.ends, 0);
        let known = group.iter().filter(|it| !self.places.is_orphans(it));
        let changes = known.map(|change| self.places.translated(change));
        let changes: Vec<Change> = changes.collect();
        let is_durable = if changes.is_empty() {
            self.stop(cut.loss(), &mut rolls)?;
            !group.is_empty()
        } else {
            self.cut_off(&changes, cut, &mut rolls)?
        };
        self.places.restarted();
        Ok(is_durable)
    }

    /// What was under way when it ended, and was durable, was made in the model with these
    /// receipts.
    pub(crate) fn adopt(&mut self, made: &[(Change, Receipt)]) -> Result<(), String> {
        let answers = std::mem::take(&mut self.unheard);
        let known = made.iter().filter(|it| !self.places.was_orphans(&it.0));
        let made: Vec<&(Change, Receipt)> = known.collect();
        self.compare(&made, &answers)?;
        // An endpoint that was deleted by it was gone at the start.
        self.places.restarted();
        Ok(())
    }

    fn cut_off(&mut self, changes: &[Change], cut: Cut, rolls: &mut Rolls) -> Result<bool, String> {
        let image = self.disk.image();
        let before = self.would_be(&image, &[])?;
        let after = self.would_be(&image, changes)?;
        let operation = self.disk.operations() + rolls.between(1, after.operations.max(1));
        self.disk.set(match cut {
            Cut::Kill | Cut::PowerLoss => Trouble::CrashAt(operation),
            Cut::Failure => Trouble::FailAt(operation),
        });
        let answers = self.file()?.commit(changes);
        let is_failed = |answer: &Result<_, _>| matches!(answer, Err(CommitError::Failed(_)));
        let failed = answers.iter().filter(|answer| is_failed(answer)).count();
        if failed != 0 && failed != answers.len() {
            return Err(format!("a part of the group failed: {answers:?}"));
        }
        self.stop(cut.loss(), rolls)?;
        let found = self.tables()?;
        self.unheard = after.answers;
        if found == after.tables {
            return Ok(true);
        }
        if failed == 0 {
            return Err("a group was acknowledged, and is not there".to_owned());
        }
        if found == before.tables {
            return Ok(false);
        }
        let difference = tables::difference(&before.tables, &found);
        Err(format!("a part of a group is there: {difference}"))
    }

    /// The process that has the store open ends; another one opens it.
    fn stop(&mut self, loss: Loss, rolls: &mut Rolls) -> Result<(), String> {
        self.disk.crash();
        self.file = None;
        let left = self.disk.left(&self.disk.image(), loss, rolls);
        self.disk = Disk::of(left, self.chance);
        let mut file = self.open(&self.disk)?;
        file.recover().map_err(|error| error.to_string())?;
        self.file = Some(file);
        Ok(())
    }

    fn tables(&mut self) -> Result<String, String> {
        tables::tell(self.file()?)
    }

    /// What would be there if these changes were made without any trouble.
    fn would_be(&self, image: &Image, changes: &[Change]) -> Result<Outcome, String> {
        let disk = Disk::of(image.clone(), self.chance);
        let mut file = self.open(&disk)?;
        let begun = disk.operations();
        let answers = if changes.is_empty() {
            Vec::new()
        } else {
            file.commit(changes)
        };
        let operations = disk.operations() - begun;
        file.recover().map_err(|error| error.to_string())?;
        Ok(Outcome {
            answers,
            operations,
            tables: tables::tell(&file)?,
        })
    }

    /// The model is started with this.
    pub(crate) fn recover(&mut self, expected: &Recovered) -> Result<(), String> {
        let found = self.file()?.recover();
        let found = found.map_err(|error| error.to_string())?;
        self.places.compare_recovered(expected, &found)
    }
}

struct Outcome {
    answers: Answers,
    operations: u64,
    tables: String,
}

impl Cut {
    fn loss(self) -> Loss {
        match self {
            Self::PowerLoss => Loss::Power,
            Self::Kill | Self::Failure => Loss::Process,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Plan, Tier};
    use crate::runner;
    use crate::watch::Keep;
    use std::sync::Arc;

    /// The first seeds of a tier whose plan has the real store.
    fn plans(tier: Tier, count: usize) -> impl Iterator<Item = Arc<Plan>> {
        let plans = (0..).map(move |seed| Plan::generate(seed, tier));
        plans
            .filter(|plan| plan.disk.real)
            .map(Arc::new)
            .take(count)
    }

    #[test]
    fn the_real_store_says_what_the_model_says_in_every_tier() {
        for tier in Tier::BUILT {
            for plan in plans(*tier, 3) {
                let run = runner::run(&plan, Keep::Hash, None);
                assert_eq!(run.violation, None, "{tier:?}, seed {}", plan.seed);
                let again = runner::run(&plan, Keep::Hash, None);
                assert_eq!(run.trace_hash, again.trace_hash, "seed {}", plan.seed);
            }
        }
    }

    #[test]
    fn an_answer_that_is_not_the_models_is_found_out() {
        let (shadow, said) = Shadow::of(true, Chance::new(1));
        assert_eq!(said, None);
        let delivery = postrider_engine::DeliveryId::from_u128(1);
        let at = postrider_engine::Wall(1);
        let dead = false;
        let discard = Change::Discard { delivery, dead, at };
        let refused = |why| (discard.clone(), Receipt::Refused(why));
        let mut shadow = shadow.unwrap();
        let none = postrider_engine::Refusal::NoSuchDelivery;
        assert_eq!(shadow.commit(&[refused(none)]), Ok(()));
        let other = postrider_engine::Refusal::AlreadyEnded;
        assert!(shadow.commit(&[refused(other)]).is_err());
    }

    #[test]
    fn a_plan_without_the_real_store_has_none() {
        let (shadow, said) = Shadow::of(false, Chance::new(1));
        assert!(shadow.is_none() && said.is_none());
    }
}
