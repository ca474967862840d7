//! Lines of the log that strangers can cause: so many a second, and the next one says how many were
//! left out.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

/// A kind of lines, of which at most so many are written in a second.
pub(crate) struct Quiet {
    per_second: u32,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    second: Option<Instant>,
    written: u32,
    left_out: u64,
}

impl Quiet {
    pub(crate) const fn per_second(per_second: u32) -> Self {
        let seen = Mutex::new(Seen {
            second: None,
            written: 0,
            left_out: 0,
        });
        Self { per_second, seen }
    }

    /// Whether a line may be written now: how many were left out since the last one.
    pub(crate) fn turn(&self) -> Option<u64> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if seen.second.is_none_or(|begun| now >= begun + SECOND) {
            seen.second = Some(now);
            seen.written = 0;
        }
        if seen.written >= self.per_second {
            seen.left_out += 1;
            return None;
        }
        seen.written += 1;
        Some(std::mem::take(&mut seen.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_left_out_is_counted_in_the_next_line() {
        let quiet = Quiet::per_second(2);
        assert_eq!((quiet.turn(), quiet.turn()), (Some(0), Some(0)));
        assert_eq!((quiet.turn(), quiet.turn()), (None, None));
        tokio::time::advance(SECOND).await;
        assert_eq!((quiet.turn(), quiet.turn()), (Some(2), Some(0)));
    }
}
