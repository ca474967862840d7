//! Disks that fail, run full or forget.
//!
//! What stands beside a write stays on those that fail or run full. Where it may not, SQLite fills
//! up the last sector of the log after a commit: if that fails, a transaction that is called undone
//! may be there after a crash, or one that comes after it may not.

use super::life::{Known, Started, Unstarted, is_failed, start};
use super::script::Step;
use super::side::{Deed, model, whole};
use super::{Next, Points, Tally};
use crate::chance::Rolls;
use crate::disk::{Disk, FILE, Loss, Trouble};
use postrider_engine::{CommitError, DeliveryId, LoadedDelivery};
use std::collections::BTreeMap;

impl Points {
    /// An operation fails. Whoever waits for it is told so, or need not know.
    pub(super) fn failure(&self, operation: u64, rolls: &mut Rolls) -> Result<(), String> {
        let script = &self.reference.script;
        let disk = Disk::new(self.chance).powersafe();
        disk.set(Trouble::FailAt(operation));
        let mut known = Known {
            sure: Vec::new(),
            maybe: None,
            next: 0,
            told: None,
        };
        // A process that cannot start is started again, and then it can.
        let mut started = start(&disk, script, self.cheat);
        if matches!(started, Err(Unstarted::Failed(_))) {
            started = start(&disk, script, self.cheat);
        }
        let mut file = match started {
            Ok(Started { file, .. }) => file,
            Err(Unstarted::Failed(text)) => return Err(format!("it does not start: {text}")),
            Err(Unstarted::Crashed) => return Err("a disk that failed crashed".to_owned()),
        };
        known.sure.push(Deed::Recovered);
        let mut model = model(script, &known.sure);
        for (group, steps) in script.groups.iter().enumerate() {
            let found = file.commit(steps);
            if is_failed(&found) {
                known.maybe = Some(Deed::Group(group));
                break;
            }
            let expected = model.commit(steps);
            if found != expected {
                return Err(format!(
                    "group {group} is answered {found:?} instead of {expected:?}"
                ));
            }
            known.sure.push(Deed::Group(group));
            known.next = group + 1;
        }
        if known.maybe.is_some() {
            let more = file.commit(script.groups.get(known.next).map_or(&[], |it| it));
            if !is_failed(&more) {
                return Err("after a failure it answers as if nothing had happened".to_owned());
            }
        }
        // It ends at once, or in good order.
        if rolls.percent(50) {
            disk.crash();
        }
        drop(file);
        let loss = either_loss(rolls);
        let left = disk.left(&disk.image(), loss, rolls);
        let mut next = super::next(rolls);
        if let Next::Ends { loss: power, .. } = &mut next
            && disk.has_synced_in_vain()
            && loss == Loss::Process
        {
            // Nobody survives that with SQLite: see `docs/simulation.md`.
            *power = Loss::Process;
        }
        self.lives(Disk::of(left, self.chance).powersafe(), known, next, rolls)
            .map_err(|said| format!("then {loss:?} and {next:?}: {said}"))
    }

    /// The disk runs full, and later there is room again.
    pub(super) fn full(&self, rolls: &mut Rolls) -> Result<(), String> {
        let script = &self.reference.script;
        let disk = Disk::new(self.chance).powersafe();
        let Ok(Started { mut file, .. }) = start(&disk, script, self.cheat) else {
            return Err("it does not start on an empty disk".to_owned());
        };
        let last = script.groups.len() as u64 - 1;
        let begins = rolls.up_to(last);
        let ends = begins + rolls.up_to(last);
        let room = usize::try_from(rolls.up_to(30_000)).unwrap_or(0);
        let mut deeds = vec![Deed::Recovered];
        let mut model = model(script, &deeds);
        for (group, steps) in (0..).zip(&script.groups) {
            if group == begins {
                disk.set(Trouble::Full(room));
            }
            if group == ends {
                disk.set(Trouble::None);
            }
            let found = file.commit(steps);
            let mut fits: Vec<Step> = Vec::new();
            let mut answers = Vec::new();
            for (step, answer) in steps.iter().zip(found) {
                if answer != Err(CommitError::Full) {
                    fits.push(step.clone());
                    answers.push(answer);
                } else if group >= ends || group < begins {
                    return Err(format!("group {group} is refused although there is room"));
                }
            }
            let expected = model.commit(&fits);
            if answers != expected {
                return Err(format!(
                    "group {group}: {answers:?} instead of {expected:?}, where it fits"
                ));
            }
            deeds.push(Deed::Steps(fits));
        }
        disk.set(Trouble::None);
        disk.crash();
        drop(file);
        let loss = either_loss(rolls);
        let left = disk.left(&disk.image(), loss, rolls);
        let known = Known {
            sure: deeds,
            maybe: None,
            next: script.groups.len(),
            told: None,
        };
        let disk = Disk::of(left, self.chance).powersafe();
        self.lives(disk, known, Next::GoesOn, rolls)
    }

    /// A bit turns round in the database, at rest. Whoever reads it may be told so; nobody gets
    /// anything that was not stored.
    pub(super) fn flip(&self, rolls: &mut Rolls, tally: &mut Tally) -> Result<(), String> {
        let Some(image) = self.reference.images.last() else {
            return Ok(());
        };
        let mut image = image.clone();
        image.flip(FILE, rolls.bits());
        let script = &self.reference.script;
        let disk = Disk::of(image, self.chance);
        let Ok(Started { file, .. }) = start(&disk, script, self.cheat) else {
            tally.flips_found += 1;
            return Ok(());
        };
        let known = self.reference.known(u64::MAX, self.cheat);
        let deeds = [&known.sure[..], &[Deed::Recovered]].concat();
        let expected = model(script, &deeds).store;
        for lane in script.lanes() {
            let load = whole(lane);
            let Ok(found) = file.store.load(&load) else {
                tally.flips_found += 1;
                return Ok(());
            };
            let expected = expected.load(&load).deliveries;
            match compare(&expected, &found.deliveries) {
                Ok(0) => (),
                Ok(_) => {
                    tally.flips_hiding += 1;
                    return Ok(());
                }
                Err(said) => return Err(format!("lane {:?}: {said}", load.lane)),
            }
        }
        Ok(())
    }
}

fn either_loss(rolls: &mut Rolls) -> Loss {
    if rolls.percent(50) {
        Loss::Process
    } else {
        Loss::Power
    }
}

/// How many of the expected are not there; or what is there and should not be.
fn compare(expected: &[LoadedDelivery], found: &[LoadedDelivery]) -> Result<usize, String> {
    let mut missing: BTreeMap<DeliveryId, &LoadedDelivery> =
        expected.iter().map(|it| (it.id, it)).collect();
    for it in found {
        let Some(as_stored) = missing.remove(&it.id) else {
            return Err(format!("{} is loaded, and is not there", it.id));
        };
        let is_same = it.event == as_stored.event
            && it.attempts == as_stored.attempts
            && it.state == as_stored.state;
        if !is_same {
            return Err(format!("{} is loaded, and has changed", it.id));
        }
    }
    Ok(missing.len())
}
