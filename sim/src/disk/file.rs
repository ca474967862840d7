//! One file of a simulated disk: what a reader sees, what is durable, and what lies between.

use crate::chance::Rolls;
use std::sync::Arc;

/// What a disk writes at once.
pub(super) const SECTOR_BYTES: usize = 512;

/// A file. Copies share their contents until one of them changes.
#[derive(Clone, Debug, Default)]
pub(super) struct File {
    /// What a reader sees.
    cached: Arc<Vec<u8>>,
    /// What was synced.
    durable: Arc<Vec<u8>>,
    /// What leads from the one to the other, in its order.
    unsynced: Vec<Unsynced>,
}

#[derive(Clone, Debug)]
enum Unsynced {
    Write { at: usize, bytes: Arc<[u8]> },
    Truncate(usize),
}

/// What a loss of power does to what was not synced.
#[derive(Clone, Copy, Debug)]
pub(super) struct Harm {
    /// So many of a hundred sectors reach the disk.
    pub(super) kept_percent: u64,
    /// A sector that was written in part may lose the rest of what it held, too.
    pub(super) harms_neighbours: bool,
}

impl File {
    pub(super) fn bytes(&self) -> usize {
        self.cached.len()
    }

    /// How many bytes were there to be read.
    pub(super) fn read(&self, at: usize, into: &mut [u8]) -> usize {
        let from = self.cached.get(at..).unwrap_or_default();
        let count = from.len().min(into.len());
        into[..count].copy_from_slice(&from[..count]);
        count
    }

    pub(super) fn write(&mut self, at: usize, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        put(Arc::make_mut(&mut self.cached), at, bytes);
        let bytes = bytes.into();
        self.unsynced.push(Unsynced::Write { at, bytes });
    }

    pub(super) fn truncate(&mut self, bytes: usize) {
        Arc::make_mut(&mut self.cached).truncate(bytes);
        self.unsynced.push(Unsynced::Truncate(bytes));
    }

    pub(super) fn sync(&mut self) {
        for step in std::mem::take(&mut self.unsynced) {
            step.reach(Arc::make_mut(&mut self.durable));
        }
    }

    /// A sync that fails: some of what it was to write is durable, and the rest will never be,
    /// however often a sync succeeds from now on, although readers go on to see it.
    pub(super) fn sync_in_vain(&mut self, rolls: &mut Rolls) {
        for step in std::mem::take(&mut self.unsynced) {
            if rolls.percent(50) {
                step.reach(Arc::make_mut(&mut self.durable));
            }
        }
    }

    /// The power goes.
    pub(super) fn lose(&mut self, harm: Harm, rolls: &mut Rolls) {
        for step in std::mem::take(&mut self.unsynced) {
            step.reach_in_part(Arc::make_mut(&mut self.durable), harm, rolls);
        }
        self.cached = Arc::clone(&self.durable);
    }

    /// Turns a bit round, at rest.
    pub(super) fn flip(&mut self, bit: usize) {
        for bytes in [&mut self.cached, &mut self.durable] {
            if let Some(byte) = Arc::make_mut(bytes).get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
        }
    }
}

impl Unsynced {
    fn reach(self, disk: &mut Vec<u8>) {
        match self {
            Self::Write { at, bytes } => put(disk, at, &bytes),
            Self::Truncate(bytes) => disk.truncate(bytes),
        }
    }

    /// Each sector for itself: it is there, or not, or its file has only become longer.
    fn reach_in_part(self, disk: &mut Vec<u8>, harm: Harm, rolls: &mut Rolls) {
        let (at, bytes) = match self {
            Self::Truncate(bytes) if rolls.percent(harm.kept_percent) => {
                return disk.truncate(bytes);
            }
            Self::Truncate(_) => return,
            Self::Write { at, bytes } => (at, bytes),
        };
        let end = at + bytes.len();
        let mut from = at;
        while from < end {
            let sector = from - from % SECTOR_BYTES;
            let to = end.min(sector + SECTOR_BYTES);
            if rolls.percent(harm.kept_percent) {
                put(disk, from, &bytes[from - at..to - at]);
            } else if disk.len() < to && rolls.percent(50) {
                disk.resize(to, 0);
            }
            let is_part = to - from < SECTOR_BYTES;
            if is_part && harm.harms_neighbours && rolls.percent(10) {
                garble(disk, sector, rolls);
            }
            from = to;
        }
    }
}

fn put(disk: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = at + bytes.len();
    if disk.len() < end {
        disk.resize(end, 0);
    }
    disk[at..end].copy_from_slice(bytes);
}

/// The sector holds anything.
fn garble(disk: &mut [u8], sector: usize, rolls: &mut Rolls) {
    let end = disk.len().min(sector + SECTOR_BYTES);
    let sector = disk.get_mut(sector..end).unwrap_or_default();
    for chunk in sector.chunks_mut(8) {
        let bits = rolls.bits().to_le_bytes();
        chunk.copy_from_slice(&bits[..chunk.len()]);
    }
}
