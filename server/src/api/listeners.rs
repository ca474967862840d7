//! Code of the application that runs for every published event, whoever published it.

use super::Api;
use super::caught::caught;
use super::log_tail::{Tail, TailError};
use axum::BoxError;
use postrider::{EventFilter, EventPattern, EventRecord, InvalidName, ReadError};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// How often an event is given to a listener that fails.
const ATTEMPTS: u32 = 6;

/// The wait after the first failure; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// The wait after the log could not be read.
const READ_WAIT: Duration = Duration::from_secs(1);

/// Why nothing listens.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The pattern is of another form.
    #[error(transparent)]
    Pattern(#[from] InvalidName),
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// A listener that is at work until this is dropped.
#[derive(Debug)]
#[must_use = "a listener ends when this is dropped"]
pub struct Listening(JoinHandle<()>);

impl Listening {
    /// Ends the listener. A call that is under way is given up where it waits.
    pub fn off(self) {
        drop(self);
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Api {
    /// Runs this code for every event from now on whose type the pattern covers (`*`, `payment.*`,
    /// or one type), of all tenants, in the order in which they were published: by the API, by a
    /// source, by an outbox or by the application itself.
    ///
    /// One call at a time. A call that fails or panics is made again up to five times, after 200 ms
    /// and then twice as long each time; then the event is told in the log, and the listener goes
    /// on with the next one. What is published while nothing listens is not made up for.
    ///
    /// # Errors
    ///
    /// [`ListenError`].
    pub async fn listen<H, F>(&self, pattern: &str, handler: H) -> Result<Listening, ListenError>
    where
        H: Fn(EventRecord) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        let pattern: EventPattern = pattern.parse()?;
        let filter = EventFilter {
            event_types: vec![pattern],
            ..EventFilter::default()
        };
        let tail = Tail::newest(self.postrider().clone(), filter).await?;
        Ok(Listening(tokio::spawn(follow(tail, handler))))
    }
}

async fn follow<H, F>(mut tail: Tail, handler: H)
where
    H: Fn(EventRecord) -> F,
    F: Future<Output = Result<(), BoxError>>,
{
    loop {
        match tail.next().await {
            Ok(record) => tell(&handler, record).await,
            Err(TailError::Stopped) => return,
            Err(TailError::Read(error)) => {
                let after = tail.place().map(tracing::field::display);
                tracing::warn!(%error, after, "postrider.listener.waits");
                sleep(READ_WAIT).await;
            }
        }
    }
}

async fn tell<H, F>(handler: &H, record: EventRecord)
where
    H: Fn(EventRecord) -> F,
    F: Future<Output = Result<(), BoxError>>,
{
    let event = record.event.id;
    let mut wait = FIRST_WAIT;
    for attempt in 1..=ATTEMPTS {
        let error = match caught(async { handler(record.clone()).await }).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(panicked) => panicked.to_string(),
        };
        tracing::warn!(%event, attempt, error, "postrider.listener.failed");
        if attempt < ATTEMPTS {
            sleep(wait).await;
            wait *= 2;
        }
    }
    tracing::error!(%event, "postrider.listener.gave_up");
}
