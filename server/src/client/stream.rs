//! Following `GET /v1/stream`, over losses of the connection.

use super::http::Query;
use super::sse::{Item, Parser};
use super::{Client, ClientError};
use reqwest::Response;
use std::io::{self, Write};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// A stream that is alive says something every 15 seconds.
const SILENCE_MAX: Duration = Duration::from_secs(50);

/// The first pause before another try, which grows to the second.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// A pause that doubles from one try to the next.
#[derive(Default)]
pub(crate) struct Backoff(Option<Duration>);

impl Backoff {
    /// Waits.
    pub(crate) async fn pause(&mut self) {
        let (first, most) = PAUSES;
        let pause = self.0.map_or(first, |before| (before * 2).min(most));
        self.0 = Some(pause);
        sleep(pause).await;
    }

    /// It went well: the next pause is short again.
    pub(crate) fn reset(&mut self) {
        self.0 = None;
    }
}

/// A stream that goes on where it was when its connection is lost.
pub(crate) struct Follower<'c> {
    client: &'c Client,
    query: Query,
    /// The place of the last item that was handed out.
    last_id: Option<String>,
    live: Option<(Response, Parser)>,
    was_live: bool,
    backoff: Backoff,
}

impl<'c> Follower<'c> {
    pub(crate) fn new(client: &'c Client, query: Query) -> Self {
        Self {
            client,
            query,
            last_id: None,
            live: None,
            was_live: false,
            backoff: Backoff::default(),
        }
    }

    /// Connects. What happens after this is not missed, if it has a place.
    ///
    /// Before the first connection every error is one; after it only those that will not pass.
    pub(crate) async fn connect(&mut self) -> Result<(), ClientError> {
        while self.live.is_none() {
            let opened = self.client.stream(&self.query, self.last_id.as_deref());
            match opened.await {
                Ok(mut response) => {
                    let mut parser = Parser::default();
                    // It begins with the place where it stands: a stream that is lost before anything
                    // has happened goes on from there, too.
                    if let Ok(Ok(Some(bytes))) = timeout(SILENCE_MAX, response.chunk()).await {
                        parser.push(&bytes);
                    }
                    match (self.was_live, &self.last_id) {
                        (false, _) => (),
                        (true, Some(_)) => tell("the stream goes on"),
                        (true, None) => tell("the stream goes on from now"),
                    }
                    self.live = Some((response, parser));
                    self.was_live = true;
                }
                Err(error) if self.was_live && error.is_passing() => self.backoff.pause().await,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The next item. The one before has been dealt with: after a loss it does not come again.
    pub(crate) async fn next(&mut self) -> Result<Item, ClientError> {
        loop {
            self.connect().await?;
            let Some((response, parser)) = &mut self.live else {
                continue;
            };
            let item = parser.next();
            if let Some(item) = item.map_err(|error| ClientError::Stream(error.to_string()))? {
                if item.id.is_some() {
                    self.last_id.clone_from(&item.id);
                }
                self.backoff.reset();
                // Without data it says where the stream stands, and nothing else.
                if item.data.is_empty() {
                    continue;
                }
                return Ok(item);
            }
            match timeout(SILENCE_MAX, response.chunk()).await {
                Ok(Ok(Some(bytes))) => parser.push(&bytes),
                _ => {
                    self.live = None;
                    tell("the stream was lost; trying again");
                    self.backoff.pause().await;
                }
            }
        }
    }
}

/// Tells a person, beside the output.
pub(crate) fn tell(what: &str) {
    // If nobody reads the standard error, it goes on all the same.
    let _ = writeln!(io::stderr().lock(), "postrider: {what}");
}
