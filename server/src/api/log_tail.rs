//! Reading along in the log of events: what was accepted, in the order of the commits, each event
//! once.

use postrider::{
    Direction, EventCursor, EventFilter, EventQuery, EventRecord, Fact, Facts, FactsError,
    Postrider, ReadError,
};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::timeout;

/// Events that are read in one go, and held until they are asked for: a payload may be large, and
/// every stream holds so many.
const PAGE: usize = 4;

/// The log is read so often whatever the facts say: an event that was scheduled enters it when it
/// is due, and a reader that was too slow has missed facts.
const POLL: Duration = Duration::from_secs(1);

/// A place in the log, and what comes after it.
pub(crate) struct Tail {
    postrider: Postrider,
    facts: Facts,
    filter: EventFilter,
    /// Up to here the log has been read.
    through: Option<EventCursor>,
    /// The last one that was given out.
    given: Option<EventCursor>,
    /// Read, and not given out yet.
    waiting: VecDeque<EventRecord>,
    stopped: bool,
}

/// Why there is no next event.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TailError {
    /// Postrider has stopped, and everything before has been given out.
    #[error("Postrider has stopped")]
    Stopped,
    /// The log cannot be read now. The next call tries again.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl Tail {
    /// What comes after this place; from the first event on record, if there is none.
    pub(crate) fn after(
        postrider: Postrider,
        filter: EventFilter,
        place: Option<EventCursor>,
    ) -> Self {
        Self {
            facts: postrider.subscribe(),
            postrider,
            filter,
            through: place,
            given: place,
            waiting: VecDeque::new(),
            stopped: false,
        }
    }

    /// What is accepted from now on.
    pub(crate) async fn newest(
        postrider: Postrider,
        filter: EventFilter,
    ) -> Result<Self, ReadError> {
        let newest = postrider.newest_event().await?;
        Ok(Self::after(postrider, filter, newest))
    }

    /// The place after which nothing has been given out: who begins there misses nothing and sees
    /// nothing twice.
    pub(crate) fn place(&self) -> Option<EventCursor> {
        if self.waiting.is_empty() {
            self.through
        } else {
            self.given
        }
    }

    /// The next event, as soon as there is one. Nothing is lost if this is dropped before it is
    /// done.
    pub(crate) async fn next(&mut self) -> Result<EventRecord, TailError> {
        loop {
            if let Some(record) = self.waiting.pop_front() {
                self.given = record.place.cursor();
                return Ok(record);
            }
            let was_stopped = self.stopped;
            self.pass_over_facts().await;
            let more = self.read().await?;
            if !self.waiting.is_empty() || more {
                continue;
            }
            if was_stopped {
                return Err(TailError::Stopped);
            }
            // In vain, if nothing happens: then it is time to look all the same.
            let _ = timeout(POLL, self.wait()).await;
        }
    }

    /// Reads on, and passes over all that there is if that is more than a page. Whether it has.
    pub(crate) async fn skip_backlog(&mut self) -> Result<bool, ReadError> {
        self.pass_over_facts().await;
        if self.waiting.len() < PAGE {
            self.read().await?;
        }
        if self.waiting.len() < PAGE {
            return Ok(false);
        }
        let newest = self.postrider.newest_event().await?;
        self.waiting.clear();
        self.through = newest.or(self.through);
        Ok(true)
    }

    /// Reads a page. Whether there is more after it.
    async fn read(&mut self) -> Result<bool, ReadError> {
        let page = self.postrider.events(EventQuery {
            filter: self.filter.clone(),
            direction: Direction::OldestFirst,
            after: self.through,
            most: PAGE,
        });
        let page = page.await?;
        self.through = page.through.or(self.through);
        self.waiting.extend(page.events);
        Ok(page.next.is_some())
    }

    /// Passes over what has happened: a reading that follows finds it all.
    async fn pass_over_facts(&mut self) {
        while !self.stopped {
            let fact = tokio::select! {
                biased;
                fact = self.facts.next() => fact,
                () = std::future::ready(()) => return,
            };
            self.stopped = fact == Err(FactsError::Stopped);
        }
    }

    /// Until an event is accepted, or may have been.
    async fn wait(&mut self) {
        while !self.stopped {
            match self.facts.next().await {
                Ok(Fact::Accepted { .. }) | Err(FactsError::Skipped(_)) => return,
                Ok(_) => (),
                Err(FactsError::Stopped) => self.stopped = true,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider::Submission;

    async fn publish(postrider: &Postrider, event_type: &str) {
        let event = Submission::new(event_type, "{}");
        postrider.publish(event).await.unwrap();
    }

    async fn types(tail: &mut Tail, count: usize) -> Vec<String> {
        let mut types = Vec::new();
        for _ in 0..count {
            let record = timeout(Duration::from_secs(10), tail.next()).await;
            types.push(record.unwrap().unwrap().event.event_type.to_string());
        }
        types
    }

    #[tokio::test]
    async fn a_tail_gives_what_comes_and_then_the_end() {
        let postrider = Postrider::builder().start().await.unwrap();
        publish(&postrider, "before").await;
        let mut tail = Tail::newest(postrider.clone(), EventFilter::default())
            .await
            .unwrap();
        let wanted: Vec<_> = (0..100).map(|number| format!("n.{number}")).collect();
        for event_type in &wanted {
            publish(&postrider, event_type).await;
        }
        assert_eq!(types(&mut tail, 100).await, wanted);
        let next = timeout(Duration::from_millis(50), tail.next()).await;
        assert!(next.is_err(), "nothing has happened");
        publish(&postrider, "late").await;
        assert_eq!(types(&mut tail, 1).await, ["late"]);
        publish(&postrider, "last").await;
        postrider.shutdown().await;
        assert_eq!(types(&mut tail, 1).await, ["last"]);
        assert!(matches!(tail.next().await, Err(TailError::Stopped)));
    }

    #[tokio::test]
    async fn who_begins_where_a_tail_was_sees_each_event_once() {
        let postrider = Postrider::builder().start().await.unwrap();
        for number in 0..5 {
            publish(&postrider, &format!("n.{number}")).await;
            publish(&postrider, "other").await;
        }
        let filter = EventFilter {
            event_types: vec!["n.*".parse().unwrap()],
            ..EventFilter::default()
        };
        let (mut seen, mut place) = (Vec::new(), None);
        for _ in 0..5 {
            let mut tail = Tail::after(postrider.clone(), filter.clone(), place);
            seen.extend(types(&mut tail, 1).await);
            place = tail.place();
        }
        assert_eq!(seen, ["n.0", "n.1", "n.2", "n.3", "n.4"]);
    }
}
