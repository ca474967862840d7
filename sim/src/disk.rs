//! A simulated disk for SQLite: what is synced is durable, everything else may be lost.
//!
//! It can crash at any of its operations, run full, fail a write or a sync, lie about a sync, and
//! hold a bit that has turned round. Any number of disks may be there at once; nothing of one is
//! left when it goes.

mod file;
mod image;
mod store;
#[cfg(test)]
mod tests;
mod vfs;

pub use image::{Image, Loss};

use crate::chance::{Chance, Rolls};
use rsqlite_vfs::VfsErrorCode as Code;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The file that a store is in.
pub const FILE: &str = "store";

/// SQLite's name for the file system of all disks.
pub const FILE_SYSTEM: &str = vfs::NAME;

/// A disk.
#[derive(Debug)]
pub struct Disk {
    number: u64,
    platter: Arc<Mutex<Platter>>,
}

/// What goes wrong with a disk. Operations are counted from 1, since the disk was made: a file is
/// made, written, truncated, synced or deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing.
    #[default]
    None,
    /// This operation is not done, and neither is anything that comes after it.
    CrashAt(u64),
    /// This operation fails, and is done in part or not at all. The next one succeeds.
    FailAt(u64),
    /// There is room for so many bytes more.
    Full(usize),
    /// Syncs do nothing.
    Lies,
}

#[derive(Debug)]
struct Platter {
    image: Image,
    trouble: Trouble,
    operations: u64,
    has_crashed: bool,
    has_synced_in_vain: bool,
    /// What a write that is cut off does to the rest of its sector.
    harms_neighbours: bool,
    rolls: Rolls,
    /// The images before each operation, if they are kept.
    before: Option<Vec<Image>>,
}

impl Disk {
    /// An empty disk. One in two has sectors that a write which is cut off spoils as a whole.
    #[must_use]
    pub fn new(chance: Chance) -> Self {
        Self::of(Image::default(), chance)
    }

    /// A disk with this on it.
    #[must_use]
    pub fn of(image: Image, chance: Chance) -> Self {
        let disk = Self::with(image, chance.of("disk", 0, 0));
        disk.held().harms_neighbours = chance.of("sectors", 0, 0).percent(50);
        disk
    }

    fn with(image: Image, rolls: Rolls) -> Self {
        let platter = Arc::new(Mutex::new(Platter {
            image,
            trouble: Trouble::None,
            operations: 0,
            has_crashed: false,
            has_synced_in_vain: false,
            harms_neighbours: false,
            rolls,
            before: None,
        }));
        Self {
            number: vfs::plug_in(&platter),
            platter,
        }
    }

    /// The name under which SQLite opens the store's file on it.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{}/{FILE}", self.number)
    }

    /// The same disk, but what stands beside a write stays: as SQLite takes the system's disks to be.
    #[must_use]
    pub fn powersafe(self) -> Self {
        self.held().harms_neighbours = false;
        self
    }

    /// A disk of the same make with this on it.
    #[must_use]
    pub fn replaced(&self, image: Image) -> Self {
        let held = self.held();
        let other = Self::with(image, held.rolls.clone());
        other.held().harms_neighbours = held.harms_neighbours;
        other
    }

    /// Something goes wrong, or nothing any more.
    pub fn set(&self, trouble: Trouble) {
        self.held().trouble = trouble;
    }

    /// How many operations there were.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.held().operations
    }

    /// Nothing works from now on: whoever still uses it is dead.
    pub fn crash(&self) {
        self.held().has_crashed = true;
    }

    /// Whether it has stopped working.
    #[must_use]
    pub fn has_crashed(&self) -> bool {
        self.held().has_crashed
    }

    /// Whether a sync has failed: readers may see what will never be durable.
    #[must_use]
    pub fn has_synced_in_vain(&self) -> bool {
        self.held().has_synced_in_vain
    }

    /// From now on keeps what is on it before each operation.
    pub fn keep_images(&self) {
        self.held().before = Some(Vec::new());
    }

    /// What was on it before each operation since [`Self::keep_images`], first to last.
    #[must_use]
    pub fn take_images(&self) -> Vec<Image> {
        self.held().before.take().unwrap_or_default()
    }

    /// What is on it.
    #[must_use]
    pub fn image(&self) -> Image {
        self.held().image.clone()
    }

    /// What is left of an image of this disk after the end of the process that used it.
    #[must_use]
    pub fn left(&self, image: &Image, loss: Loss, rolls: &mut Rolls) -> Image {
        let harms_neighbours = self.held().harms_neighbours;
        image.after(loss, harms_neighbours, rolls)
    }

    fn held(&self) -> MutexGuard<'_, Platter> {
        self.platter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        vfs::unplug(self.number);
    }
}

impl Platter {
    /// Counts an operation; whether it is one that fails.
    fn begin(&mut self) -> Result<bool, Code> {
        if self.has_crashed {
            return Err(Code::Io);
        }
        self.operations += 1;
        if self.trouble == Trouble::CrashAt(self.operations) {
            self.has_crashed = true;
            return Err(Code::Io);
        }
        if let Some(before) = &mut self.before {
            before.push(self.image.clone());
        }
        Ok(self.trouble == Trouble::FailAt(self.operations))
    }

    /// The number of a file, which may be made.
    fn open(&mut self, name: &str, may_make: bool) -> Result<u64, Code> {
        if let Some(number) = self.image.number(name) {
            return Ok(number);
        }
        if !may_make || self.begin()? {
            return Err(Code::CantOpen);
        }
        Ok(self.image.make(name))
    }

    fn delete(&mut self, name: &str) -> Result<(), Code> {
        if self.image.number(name).is_none() {
            return Err(Code::IoDeleteNoEntry);
        }
        if self.begin()? {
            return Err(Code::IoDelete);
        }
        self.image.delete(name);
        Ok(())
    }

    fn size(&mut self, number: u64) -> usize {
        self.image.file(number).bytes()
    }

    fn read(&mut self, number: u64, at: usize, into: &mut [u8]) -> Result<usize, Code> {
        if self.has_crashed {
            return Err(Code::IoRead);
        }
        Ok(self.image.file(number).read(at, into))
    }

    fn write(&mut self, number: u64, at: usize, bytes: &[u8]) -> Result<(), Code> {
        let fails = self.begin()?;
        let file = self.image.file(number);
        let more = (at + bytes.len()).saturating_sub(file.bytes());
        if fails {
            let most = bytes.len() / file::SECTOR_BYTES;
            let sectors = usize::try_from(self.rolls.up_to(most as u64)).unwrap_or(0);
            file.write(at, &bytes[..sectors * file::SECTOR_BYTES]);
            return Err(Code::IoWrite);
        }
        if let Trouble::Full(room) = &mut self.trouble {
            if more > *room {
                return Err(Code::Full);
            }
            *room -= more;
        }
        file.write(at, bytes);
        Ok(())
    }

    fn truncate(&mut self, number: u64, bytes: usize) -> Result<(), Code> {
        if self.begin()? {
            return Err(Code::IoTruncate);
        }
        let file = self.image.file(number);
        let less = file.bytes().saturating_sub(bytes);
        file.truncate(bytes);
        if let Trouble::Full(room) = &mut self.trouble {
            *room += less;
        }
        Ok(())
    }

    fn sync(&mut self, number: u64, directory_too: bool) -> Result<(), Code> {
        let fails = self.begin()?;
        if self.trouble == Trouble::Lies {
            return Ok(());
        }
        let file = self.image.file(number);
        if fails {
            file.sync_in_vain(&mut self.rolls);
            self.has_synced_in_vain = true;
            return Err(Code::IoSync);
        }
        file.sync();
        if directory_too {
            self.image.sync_directory();
        }
        Ok(())
    }
}
