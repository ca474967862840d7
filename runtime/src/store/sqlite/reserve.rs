//! Room that is kept for results. When the disk is full, publishing is refused; what is under way
//! must still be recorded, and a file that is there for nothing else makes the room for it.

use super::modes;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Enough for the results of some ten thousand attempts.
const BYTES: usize = 16 << 20;

/// After the disk was full, whether there is room again is tried so often.
const TRY_EVERY: Duration = Duration::from_secs(1);

/// The file.
pub(super) struct Reserve {
    path: PathBuf,
    there: bool,
    tried: Option<Instant>,
}

impl Reserve {
    /// Beside the database; made if there is room.
    pub(super) fn open(path: PathBuf) -> Self {
        let mut reserve = Self {
            path,
            there: false,
            tried: None,
        };
        reserve.there = reserve.make().is_ok();
        reserve
    }

    /// As [`Reserve::open`], but it is made when it is first asked for.
    pub(super) fn later(path: PathBuf) -> Self {
        Self {
            path,
            there: false,
            tried: None,
        }
    }

    /// If somebody has removed it, it is made again when it is next asked for.
    pub(super) fn look(&mut self) {
        self.there = self.there && self.path.exists();
    }

    /// Whether there is room for more than results. Tries to make it, now and then.
    pub(super) fn is_there(&mut self) -> bool {
        let again = self.tried.is_none_or(|at| at.elapsed() >= TRY_EVERY);
        if !self.there && again {
            self.tried = Some(Instant::now());
            self.there = self.make().is_ok();
        }
        self.there
    }

    /// Gives its room to what must be written. False if it had none.
    pub(super) fn give_up(&mut self) -> bool {
        let had = std::mem::take(&mut self.there);
        self.tried = Some(Instant::now());
        had && fs::remove_file(&self.path).is_ok()
    }

    fn make(&self) -> io::Result<()> {
        if fs::metadata(&self.path).is_ok_and(|file| file.len() == BYTES as u64) {
            return Ok(());
        }
        // Written, not only claimed: some file systems promise room that is not there.
        let made = self.fill();
        if made.is_err() {
            // What was written of it takes room that others need.
            let _ = fs::remove_file(&self.path);
        }
        made
    }

    fn fill(&self) -> io::Result<()> {
        let _ = fs::remove_file(&self.path);
        let mut file = modes::make(&self.path)?;
        let block = vec![0x5a; 1 << 20];
        for _ in 0..BYTES / block.len() {
            file.write_all(&block)?;
        }
        file.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_is_made_given_up_once_and_made_again() {
        let directory = std::env::temp_dir().join(format!("reserve-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join("reserve");
        let mut reserve = Reserve::open(path.clone());
        assert!(reserve.is_there());
        assert_eq!(fs::metadata(&path).unwrap().len(), BYTES as u64);
        assert!(reserve.give_up());
        assert!(!path.exists());
        assert!(!reserve.give_up(), "there is nothing left to give");
        assert!(!reserve.is_there(), "not at once: the room is for others");
        reserve.tried = None;
        assert!(reserve.is_there());
        fs::remove_dir_all(directory).unwrap();
    }
}
