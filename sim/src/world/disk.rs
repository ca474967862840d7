//! A store on a disk that can lose what was not synced.
//!
//! Changes are records of a log. What has come up while the disk was busy is written together and
//! synced once. After a sync the records are durable: they are taken into the state. When the
//! power goes before that, each sector of the records may be there or not, in any order, or half
//! there; recovery reads the log up to the first record that is not whole.

use crate::chance::Chance;
use crate::plan::{Disk as Pace, StoreBounds};
use crate::shadow::{Cut, Shadow};
use postrider_engine::{
    Batch, BatchId, Change, CommitError, Load, Loaded, MemoryStore, Receipt, Recovered,
};
use std::collections::VecDeque;

/// What one sector holds, in bytes.
const SECTOR_BYTES: usize = 512;

pub(super) struct Disk {
    /// What is durable.
    pub(super) state: MemoryStore,
    /// Given, and not being written yet.
    waiting: VecDeque<Batch>,
    /// Being written or synced.
    group: Vec<Batch>,
    phase: Phase,
    /// Counts the groups: an alarm for one that is gone means nothing.
    pub(super) group_number: u64,
    pace: Pace,
    chance: Chance,
    pub(super) full: Option<Fullness>,
    pub(super) slow_ms: u64,
    pub(super) write_error: bool,
    pub(super) read_error: bool,
    /// The real store, if the plan has it.
    real: Option<Shadow>,
    /// What the real store has done that it must not do.
    pub(super) broke: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    Writing,
    Syncing,
}

/// How full the disk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fullness {
    /// There is room for results, not for events.
    Events,
    /// There is no room at all.
    Wholly,
}

/// How the sender ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// The system keeps what was written.
    Process,
    /// Only what was synced is sure.
    Power,
}

/// What became of a batch.
pub(super) type Done = (Batch, Result<Receipt, CommitError>);

impl Disk {
    pub(super) fn new(pace: Pace, bounds: StoreBounds, chance: Chance) -> Self {
        let (real, broke) = Shadow::of(pace.real, chance);
        Self {
            state: MemoryStore::bounded(bounds.bounds()),
            waiting: VecDeque::new(),
            group: Vec::new(),
            phase: Phase::Idle,
            group_number: 0,
            pace,
            chance,
            full: None,
            slow_ms: 0,
            write_error: false,
            read_error: false,
            real,
            broke,
        }
    }

    /// Asks the real store, if it is there and has not broken its word.
    fn ask(&mut self, ask: impl FnOnce(&mut Shadow) -> Result<(), String>) {
        if let Some(real) = &mut self.real
            && self.broke.is_none()
        {
            self.broke = ask(real).err();
        }
    }

    pub(super) fn load(&mut self, load: &Load) -> Loaded {
        let loaded = self.state.load(load);
        self.ask(|real| real.load(load, &loaded));
        loaded
    }

    /// What a sender starts with.
    pub(super) fn start(&mut self) -> Recovered {
        let recovered = self.state.recover();
        self.ask(|real| real.recover(&recovered));
        recovered
    }

    pub(super) fn give(&mut self, batch: Batch) {
        self.waiting.push_back(batch);
    }

    /// The first batch of the group.
    pub(super) fn first(&self) -> Option<BatchId> {
        self.group.first().map(|batch| batch.id)
    }

    /// Begins to write if it is idle and something waits: in how many milliseconds that is done.
    pub(super) fn begin(&mut self) -> Option<u64> {
        if self.phase != Phase::Idle || self.waiting.is_empty() {
            return None;
        }
        self.group = self.waiting.drain(..).collect();
        self.group_number += 1;
        self.phase = Phase::Writing;
        let mut rolls = self.chance.of("write", self.group_number, 0);
        Some(rolls.up_to(self.pace.write_max_ms))
    }

    /// The group is written: in how many milliseconds it is synced.
    pub(super) fn written(&mut self) -> u64 {
        self.phase = Phase::Syncing;
        let mut rolls = self.chance.of("sync", self.group_number, 0);
        rolls.up_to(self.pace.sync_max_ms) + self.slow_ms
    }

    /// The group is synced, or it turns out that it cannot be: the answers, in order.
    pub(super) fn synced(&mut self) -> Vec<Done> {
        if self.write_error {
            return Vec::new();
        }
        self.phase = Phase::Idle;
        let group = std::mem::take(&mut self.group);
        let done: Vec<Done> = group.into_iter().map(|batch| self.apply(batch)).collect();
        self.ask(|real| real.commit(&made(&done)));
        done
    }

    fn fits(&self, change: &Change) -> bool {
        match self.full {
            None => true,
            Some(Fullness::Wholly) => false,
            Some(Fullness::Events) => !change.makes_more(),
        }
    }

    fn apply(&mut self, batch: Batch) -> Done {
        let receipt = if self.fits(&batch.change) {
            self.state.apply(batch.change.clone())
        } else {
            Err(CommitError::Full)
        };
        (batch, receipt)
    }

    /// How long a read takes, and whether it reads at its end rather than at its beginning.
    pub(super) fn read_ms(&self, number: u64) -> (u64, bool) {
        let mut rolls = self.chance.of("read", number, 0);
        (rolls.up_to(self.pace.write_max_ms), rolls.percent(50))
    }

    /// The sender ended: what is left of the group becomes durable, the rest is lost. Returns
    /// both.
    pub(super) fn recover(&mut self, loss: Loss) -> (Vec<Done>, Vec<Batch>) {
        let (is_real, left) = match self.cut_off(loss) {
            Some(left) => (true, left),
            None => (false, self.survivors(loss)),
        };
        let mut group = std::mem::take(&mut self.group);
        let mut lost = group.split_off(left.min(group.len()));
        let mut durable = Vec::new();
        for batch in group {
            // What finds no room was never written.
            let done = self.apply(batch);
            match done.1 {
                Ok(_) => durable.push(done),
                Err(_) => lost.push(done.0),
            }
        }
        if is_real && left > 0 {
            self.ask(|real| real.adopt(&made(&durable)));
        }
        lost.extend(self.waiting.drain(..));
        self.phase = Phase::Idle;
        self.group_number += 1;
        self.write_error = false;
        self.read_error = false;
        (durable, lost)
    }

    /// The real store ends with the group under way: how much of it is durable, if it is asked.
    fn cut_off(&mut self, loss: Loss) -> Option<usize> {
        let group = match self.phase {
            Phase::Idle => &[],
            Phase::Writing | Phase::Syncing => &self.group[..],
        };
        let fitting = group.iter().map(|batch| &batch.change);
        let fitting = fitting.filter(|change| self.fits(change)).cloned();
        let fitting: Vec<Change> = fitting.collect();
        let cut = match loss {
            _ if self.write_error => Cut::Failure,
            Loss::Process => Cut::Kill,
            Loss::Power => Cut::PowerLoss,
        };
        let real = self.real.as_mut()?;
        match real.end(&fitting, cut) {
            Ok(true) => Some(self.group.len()),
            Ok(false) => Some(0),
            Err(said) => {
                self.broke.get_or_insert(said);
                Some(0)
            }
        }
    }

    /// How many records of the group are whole.
    fn survivors(&self, loss: Loss) -> usize {
        let mut rolls = self.chance.of("crash", self.group_number, 0);
        match (self.phase, loss) {
            (Phase::Idle, _) => 0,
            (Phase::Syncing, Loss::Process) => self.group.len(),
            // The write was cut off somewhere.
            (Phase::Writing, Loss::Process) => rolls.pick(&self.prefixes()).copied().unwrap_or(0),
            (_, Loss::Power) => {
                // Some disks write in order, some keep nearly all, some nearly nothing.
                let kept_percent = [2, 50, 90, 98][usize::try_from(rolls.up_to(3)).unwrap_or(0)];
                let whole = |batch: &&Batch| {
                    let sectors = sectors(&batch.change);
                    (0..sectors).all(|_| rolls.percent(kept_percent) && !rolls.percent(1))
                };
                self.group.iter().take_while(whole_of(whole)).count()
            }
        }
    }

    fn prefixes(&self) -> Vec<usize> {
        (0..=self.group.len()).collect()
    }
}

/// What was made of these.
fn made(done: &[Done]) -> Vec<(Change, Receipt)> {
    let made = done.iter().filter_map(|(batch, receipt)| {
        let receipt = receipt.as_ref().ok()?;
        Some((batch.change.clone(), receipt.clone()))
    });
    made.collect()
}

/// `take_while` wants a predicate by reference.
fn whole_of<'a>(mut whole: impl FnMut(&&'a Batch) -> bool) -> impl FnMut(&&'a Batch) -> bool {
    move |batch| whole(batch)
}

fn sectors(change: &Change) -> usize {
    let payload = match change {
        Change::Publish(publish) => publish.event.payload.len(),
        _ => 0,
    };
    1 + payload / SECTOR_BYTES
}
