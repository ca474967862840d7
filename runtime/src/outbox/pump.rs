//! Brings what waits in an outbox to the engine: one batch at a time, in the order of its commit.

use super::{OutboxSource, Waiting};
use crate::clock::Clock;
use crate::shell::{Call, Taken};
use postrider_engine::{Answer, EventId, NewEvent, PublishError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until};

/// Events brought to the engine at once.
const BATCH: usize = 256;

/// How often it is asked whether anything has changed.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How often the outbox is read whatever has changed.
const READ_EVERY: Duration = Duration::from_secs(1);

/// How long it waits if there is no room.
const FULL: Duration = Duration::from_millis(100);

/// How long it waits if the outbox cannot be used: each time is told in the log.
const BROKEN: Duration = Duration::from_secs(1);

/// Brings what waits in an outbox to the engine. Has nothing to remember: what it has not brought
/// is found at the next start.
pub(crate) struct Pump {
    source: Arc<dyn OutboxSource>,
    /// Weak: the engine stops when nobody but the pump could ask it for anything.
    calls: mpsc::WeakSender<Call>,
    /// The calendar by which events are due.
    clock: Arc<dyn Clock>,
}

/// How a round has ended.
enum Round {
    /// There may be more.
    Moved,
    /// Nothing waits.
    Idle,
    /// What waits cannot be taken for so long.
    Stuck(Duration),
    /// The engine takes nothing any more.
    Over,
}

/// What came of a batch.
#[derive(Default)]
struct Came {
    accepted: usize,
    refused: Vec<(EventId, String)>,
    is_over: bool,
}

impl Pump {
    pub(crate) fn new(
        source: Arc<dyn OutboxSource>,
        calls: mpsc::WeakSender<Call>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            source,
            calls,
            clock,
        }
    }

    /// Runs until the engine has stopped.
    pub(crate) async fn run(self) {
        let mut most = BATCH;
        loop {
            match self.round(most).await {
                Round::Moved => most = BATCH,
                Round::Stuck(wait) => {
                    // Whether there is room is asked with a single event: the rest would only be
                    // read in vain.
                    most = 1;
                    sleep(wait).await;
                }
                Round::Idle => {
                    most = BATCH;
                    self.until_something_may_wait().await;
                }
                Round::Over => return,
            }
            if self.is_over() {
                return;
            }
        }
    }

    /// Brings the first events that wait, and keeps what the engine says of them.
    async fn round(&self, most: usize) -> Round {
        let now = self.clock.wall();
        let waiting = match Arc::clone(&self.source).waiting(most, now).await {
            Ok(waiting) => waiting,
            Err(error) => {
                tracing::warn!(%error, "postrider.outbox.not_read");
                return Round::Stuck(BROKEN);
            }
        };
        if waiting.is_empty() {
            return Round::Idle;
        }
        let mut came = Came::default();
        let mut batch = Vec::with_capacity(waiting.len());
        for Waiting { id, event } in waiting {
            match event {
                Ok(event) => batch.push((id, event)),
                Err(reason) => came.refused.push((id, reason)),
            }
        }
        if self.bring(batch, &mut came).await.is_none() || came.is_over {
            return Round::Over;
        }
        let moved = came.accepted + came.refused.len() > 0;
        if !came.refused.is_empty() && !self.refuse(came.refused).await {
            return Round::Stuck(BROKEN);
        }
        if moved {
            Round::Moved
        } else {
            Round::Stuck(FULL)
        }
    }

    /// Gives the batch to the engine and waits for its answers. `None` if it has gone.
    async fn bring(&self, batch: Vec<(EventId, NewEvent)>, came: &mut Came) -> Option<()> {
        let (reply, taken) = oneshot::channel();
        self.calls
            .upgrade()?
            .send(Call::FromOutbox(batch, reply))
            .await
            .ok()?;
        for (id, taken) in taken.await.ok()? {
            let answer = match taken {
                Taken::Refused(answer) => answer,
                Taken::Asked(answer) => answer.await.ok()?,
            };
            let Answer::Published(result) = answer else {
                unreachable!("a publish is not answered by {answer:?}")
            };
            match result {
                Ok(_) => came.accepted += 1,
                // It and all behind it wait.
                Err(PublishError::Full(_)) => (),
                Err(PublishError::Closed(_)) => came.is_over = true,
                Err(
                    error @ (PublishError::NoSuchEndpoint(_)
                    | PublishError::EndpointDisabled(_)
                    | PublishError::PayloadTooLarge { .. }
                    | PublishError::IdempotencyKey { .. }
                    | PublishError::IdempotencyKeyReused(_)
                    | PublishError::Name(_)),
                ) => came.refused.push((id, error.to_string())),
            }
        }
        Some(())
    }

    /// Marks them. False if that failed: they are brought, and refused, again.
    async fn refuse(&self, refused: Vec<(EventId, String)>) -> bool {
        for (event, reason) in &refused {
            tracing::error!(%event, %reason, "postrider.outbox.refused");
        }
        let marked = Arc::clone(&self.source).refuse(refused).await;
        if let Err(error) = &marked {
            tracing::warn!(%error, "postrider.outbox.not_marked");
        }
        marked.is_ok()
    }

    async fn until_something_may_wait(&self) {
        let latest = Instant::now() + self.until_next_due().await.min(READ_EVERY);
        while Instant::now() < latest && !self.is_over() {
            tokio::select! {
                biased;
                () = Arc::clone(&self.source).hinted() => return,
                () = sleep_until(latest.min(Instant::now() + LOOK_EVERY)) => {}
            }
            // If it cannot be asked, reading the outbox says why.
            if Arc::clone(&self.source).has_changed().await != Ok(false) {
                return;
            }
        }
    }

    /// How long it is until the next event is due. The calendar may jump: it is asked again soon.
    async fn until_next_due(&self) -> Duration {
        let due = Arc::clone(&self.source).next_due().await;
        // If it cannot be asked, reading the outbox says why.
        due.ok().flatten().map_or(READ_EVERY, |due| {
            Duration::from_millis(due.0.saturating_sub(self.clock.wall().0))
        })
    }

    fn is_over(&self) -> bool {
        self.calls.upgrade().is_none_or(|calls| calls.is_closed())
    }
}
