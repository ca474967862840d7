//! Whether it works now, and how much there is: what metrics and readiness probes ask.

use crate::postrider::Postrider;
use crate::status::ReadError;
use postrider_engine::{Closed, Wall};
use std::time::Duration;
use tokio::time::Instant;

/// Why nothing can be accepted now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// There is no room. What was accepted is delivered all the same.
    #[error("the store is full: make room")]
    Full,
    /// What is recorded is not known any more.
    #[error("the store failed ({0}): mend it and restart; what was accepted is kept")]
    Failed(String),
    /// The engine has stopped, or is about to.
    #[error(transparent)]
    Stopped(#[from] Closed),
}

impl Postrider {
    /// Makes a tiny change durable, on the way of every other one, and says how long that took. It
    /// waits for as long as the disk does: whoever asks sets a limit, and does not ask often.
    ///
    /// # Errors
    ///
    /// [`NotReady`] says why nothing can be accepted now.
    pub async fn probe(&self) -> Result<Duration, NotReady> {
        let began = Instant::now();
        self.store().probe().await?;
        let took = began.elapsed();
        self.check_open()?;
        match self.footprint().await {
            Some(_) => Ok(took),
            None => Err(Closed::Crashed.into()),
        }
    }

    /// When the oldest delivery that has not ended was accepted; `None` if all have ended.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn oldest_pending(&self) -> Result<Option<Wall>, ReadError> {
        Ok(self.store().oldest_pending().await?)
    }

    /// How many bytes the store takes: on the disk, or of payloads in memory.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn size_bytes(&self) -> Result<u64, ReadError> {
        Ok(self.store().size_bytes().await?)
    }
}
