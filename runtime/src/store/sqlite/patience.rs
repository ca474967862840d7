//! Waiting for descriptors. SQLite says only that it could not open a file.

use crate::transport::has_no_descriptors;
use rusqlite::ErrorCode;
use std::thread;
use std::time::{Duration, Instant};

/// A file that cannot be opened is tried again after this.
const TRY_EVERY: Duration = Duration::from_millis(50);

/// So often, whatever else is known: others may have given back descriptors meanwhile.
const TRIES: u32 = 20;

/// A line in the log for so much time.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// Whether something that goes on was told a moment ago.
#[derive(Default)]
pub(super) struct Told(Option<Instant>);

impl Told {
    /// Whether it is to be told now; then it was.
    pub(super) fn is_due(&mut self) -> bool {
        let is_due = self.0.is_none_or(|at| at.elapsed() >= TELL_EVERY);
        if is_due {
            self.0 = Some(Instant::now());
        }
        is_due
    }
}

/// Waits as long as there are no descriptors, and says so.
#[derive(Default)]
pub(super) struct Patience {
    tries: u32,
    told: Told,
}

impl Patience {
    /// Waits for a moment, if it is descriptors that are missing. False if something else is wrong.
    pub(super) fn for_room(&mut self, error: &rusqlite::Error) -> bool {
        if error.sqlite_error_code() != Some(ErrorCode::CannotOpen) {
            return false;
        }
        let is_short = has_no_descriptors();
        if !is_short && self.tries >= TRIES {
            return false;
        }
        self.tries = if is_short { 0 } else { self.tries + 1 };
        if is_short && self.told.is_due() {
            tracing::warn!("postrider.store.waits_for_descriptors");
        }
        thread::sleep(TRY_EVERY);
        true
    }
}
