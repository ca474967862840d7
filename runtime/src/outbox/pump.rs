//! Brings what waits in an outbox to the engine: one batch at a time, in the order of its commit.

use super::{OutboxSource, Waiting};
use crate::clock::Clock;
use crate::shell::{Call, Taken};
use postrider_engine::{Answer, EventId, NewEvent, PublishError, Wall};
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

/// Events brought to the engine at once.
const BATCH: usize = 256;

/// After so many looks the outbox is read whatever has changed.
const LOOKS: usize = 20;

/// How often the calendar is looked at while an event waits for its time.
const CALENDAR_EVERY: Duration = Duration::from_secs(1);

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

    /// Nobody is asked for anything meanwhile, unless others may write into the outbox.
    async fn until_something_may_wait(&self) {
        let Ok(due) = Arc::clone(&self.source).next_due().await else {
            // Reading the outbox says why.
            return sleep(BROKEN).await;
        };
        let mut looks = 0;
        while !self.is_over() {
            tokio::select! {
                biased;
                () = Arc::clone(&self.source).hinted() => return,
                () = Arc::clone(&self.source).look_again() => {
                    looks += 1;
                    // If it cannot be asked, reading the outbox says why.
                    if looks == LOOKS || Arc::clone(&self.source).has_changed().await != Ok(false) {
                        return;
                    }
                }
                () = self.calendar(due) => {
                    if due.is_some_and(|due| due <= self.clock.wall()) {
                        return;
                    }
                }
            }
        }
    }

    /// Ends when the next event is due, or earlier: the calendar may jump.
    async fn calendar(&self, due: Option<Wall>) {
        match due {
            Some(due) => {
                let left = due.0.saturating_sub(self.clock.wall().0);
                sleep(Duration::from_millis(left).min(CALENDAR_EVERY)).await;
            }
            None => pending().await,
        }
    }

    fn is_over(&self) -> bool {
        self.calls.upgrade().is_none_or(|calls| calls.is_closed())
    }
}

#[cfg(test)]
#[cfg(feature = "sqlite")]
mod tests {
    use crate::transport::{Transport, WireRequest};
    use crate::{
        Clock, EndpointSpec, EventState, Postrider, RetryPolicy, Schedule, SqliteStore, Submission,
        Wall,
    };
    use postrider_engine::{Failure, FailureKind, Outcome};
    use std::pin::Pin;
    use std::time::{Duration, Instant as Real};
    use tokio::time::Instant;

    /// Reaches nobody.
    struct Nobody;

    impl Transport for Nobody {
        fn send(
            &self,
            _: WireRequest,
            _: Instant,
        ) -> Pin<Box<dyn Future<Output = Outcome> + Send + '_>> {
            let refused = Failure::new(FailureKind::Connect, "refused");
            Box::pin(std::future::ready(Outcome::Failure(refused)))
        }
    }

    /// A calendar that goes with the runtime's clock.
    #[derive(Clone)]
    struct WithTheRuntime(Instant);

    impl Clock for WithTheRuntime {
        fn wall(&self) -> Wall {
            let passed = u64::try_from(self.0.elapsed().as_millis()).unwrap();
            Wall(1_700_000_000_000 + passed)
        }
    }

    async fn started(directory: &std::path::Path) -> Postrider {
        // By the calendar of the system, all of this would be years old, and be dropped.
        let clock = WithTheRuntime(Instant::now());
        let options = SqliteStore::options().clock(clock.clone());
        let store = options.open(directory.join("events.db")).unwrap();
        let builder = Postrider::builder().store(store).transport(Nobody);
        builder.clock(clock).start().await.unwrap()
    }

    fn directory(name: &str) -> std::path::PathBuf {
        let name = format!("postrider-{name}-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(&directory).unwrap();
        directory
    }

    #[tokio::test(start_paused = true)]
    async fn three_days_of_retries_in_a_file_take_a_moment_of_a_paused_clock() {
        let (real, start) = (Real::now(), Instant::now());
        let directory = directory("three-days");
        let postrider = started(&directory).await;
        let hours = Schedule::Delays(vec![Duration::from_secs(4 * 3_600); 18]);
        let spec = EndpointSpec {
            retry: RetryPolicy {
                jitter_percent: 0,
                ..RetryPolicy::with_schedule(hours)
            },
            breaker: None,
            disable_after: None,
            ..EndpointSpec::new("https://merchant.example/")
        };
        let endpoint = postrider.register(spec, None).await.unwrap().id;
        let event = postrider
            .submit_event(&endpoint, "a.b", "{}")
            .await
            .unwrap();
        while postrider.event_status(&event).await.unwrap().state != EventState::Failed {
            tokio::time::sleep(Duration::from_secs(3_600)).await;
            assert!(real.elapsed() < Duration::from_secs(20), "it does not end");
        }
        // Neither early nor late: the clock stands while the store works.
        let passed = start.elapsed().as_secs() / 3_600;
        assert!((72..=74).contains(&passed), "{passed} hours");
        let took = real.elapsed();
        assert!(took < Duration::from_secs(20), "{took:?}");
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_for_in_three_days_is_published_then() {
        let real = Real::now();
        let directory = directory("in-three-days");
        let postrider = started(&directory).await;
        let days = Duration::from_secs(3 * 86_400);
        let submission = Submission::new("a.b", "{}");
        let due = postrider.wall().after(days);
        let later = postrider.schedule(submission, due).await;
        let crate::agenda::Scheduled::Later { event, .. } = later.unwrap() else {
            panic!("it is not due")
        };
        while postrider.event_status(&event).await.unwrap().state == EventState::Scheduled {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        let published = postrider.event(&event).await.unwrap().event.published_at;
        let late = due.after(Duration::from_secs(60));
        assert!(
            (due..late).contains(&published),
            "{published:?}, not {due:?}"
        );
        let took = real.elapsed();
        assert!(took < Duration::from_secs(60), "{took:?}");
        std::fs::remove_dir_all(directory).unwrap();
    }
}
