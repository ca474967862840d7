//! What is on a disk at one moment, and what is left of it after the next one.

use super::file::{File, Harm};
use crate::chance::Rolls;
use std::collections::{BTreeMap, BTreeSet};

/// How a process ended that used a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The system keeps all that was written.
    Process,
    /// Of what was not synced each sector may be there or not, or its file may only have become
    /// longer; files may be there or not.
    Power,
}

/// All files of a disk. A copy costs little.
#[derive(Clone, Debug, Default)]
pub struct Image {
    files: BTreeMap<u64, File>,
    /// The directory as the system shows it.
    names: BTreeMap<String, u64>,
    /// The directory as it was synced.
    durable_names: BTreeMap<String, u64>,
    /// What leads from the one to the other, in its order.
    unsynced: Vec<Entry>,
    last: u64,
}

#[derive(Clone, Debug)]
enum Entry {
    Made(String, u64),
    Gone(String),
}

impl Image {
    /// What is left after the end of the process.
    #[must_use]
    pub fn after(&self, loss: Loss, harms_neighbours: bool, rolls: &mut Rolls) -> Self {
        let mut left = self.clone();
        if loss == Loss::Power {
            // Some disks keep nearly all, some nearly nothing.
            let kept_percent = rolls.pick(&[0, 5, 50, 90, 99]).copied().unwrap_or(50);
            let harm = Harm {
                kept_percent,
                harms_neighbours,
            };
            for entry in std::mem::take(&mut left.unsynced) {
                if rolls.percent(kept_percent) {
                    entry.reach(&mut left.durable_names);
                }
            }
            left.names = left.durable_names.clone();
            for file in left.files.values_mut() {
                file.lose(harm, rolls);
            }
        }
        let here: BTreeSet<u64> = [&left.names, &left.durable_names]
            .into_iter()
            .flat_map(BTreeMap::values)
            .copied()
            .collect();
        left.files.retain(|number, _| here.contains(number));
        left
    }

    /// Turns a bit of a file round; `bit` counts from its first one, and begins anew at its end.
    pub fn flip(&mut self, name: &str, bit: u64) {
        let number = self.names.get(name).copied();
        if let Some(file) = number.and_then(|number| self.files.get_mut(&number)) {
            let bits = (file.bytes() * 8).max(1);
            let bit = usize::try_from(bit % bits as u64).unwrap_or(0);
            file.flip(bit);
        }
    }

    /// The size of a file, if it is there.
    #[must_use]
    pub fn bytes_of(&self, name: &str) -> Option<usize> {
        let number = self.names.get(name)?;
        self.files.get(number).map(File::bytes)
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.names.get(name).copied()
    }

    pub(super) fn file(&mut self, number: u64) -> &mut File {
        self.files.entry(number).or_default()
    }

    pub(super) fn make(&mut self, name: &str) -> u64 {
        self.last += 1;
        self.files.insert(self.last, File::default());
        self.names.insert(name.to_owned(), self.last);
        self.unsynced.push(Entry::Made(name.to_owned(), self.last));
        self.last
    }

    pub(super) fn delete(&mut self, name: &str) {
        if self.names.remove(name).is_some() {
            self.unsynced.push(Entry::Gone(name.to_owned()));
        }
    }

    pub(super) fn sync_directory(&mut self) {
        self.unsynced.clear();
        self.durable_names = self.names.clone();
    }
}

impl Entry {
    fn reach(self, names: &mut BTreeMap<String, u64>) {
        match self {
            Self::Made(name, number) => names.insert(name, number),
            Self::Gone(name) => names.remove(&name),
        };
    }
}
