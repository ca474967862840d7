//! What metrics and readiness probes ask.

use crate::receiver::{Receiver, Reply, end_of, hasty, loopback};
use postrider::{
    BatchPolicy, Closed, Fact, MemoryBounds, MemoryStore, NotReady, Observer, Postrider,
    SqliteStore,
};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Counts what it is told.
#[derive(Default)]
struct Counting {
    facts: Mutex<Vec<Fact>>,
    changes: AtomicUsize,
}

impl Observer for Counting {
    fn fact(&self, fact: &Fact) {
        self.facts.lock().unwrap().push(*fact);
    }

    fn committed(&self, changes: usize, took: Duration) {
        assert!(took < Duration::from_secs(60));
        self.changes.fetch_add(changes, Ordering::Relaxed);
    }
}

/// More than a subscriber may lag behind.
const EVENTS: usize = 1_500;

#[tokio::test]
async fn an_observer_is_told_every_fact_however_slow_subscribers_are() {
    let observer = Arc::new(Counting::default());
    let builder = Postrider::builder().egress(loopback());
    let postrider = builder.observer(observer.clone()).start().await.unwrap();
    let receiver = Receiver::answering(200).await;
    let spec = hasty(&receiver.url(), 1);
    let endpoint = postrider.register(spec, None).await.unwrap().id;
    let mut slow = postrider.subscribe();
    let mut last = None;
    for _ in 0..EVENTS {
        last = Some(
            postrider
                .submit_event(&endpoint, "a.b", "{}")
                .await
                .unwrap(),
        );
    }
    end_of(&postrider, &last.unwrap()).await;
    assert!(slow.next().await.is_err(), "it was too slow");
    let facts = observer.facts.lock().unwrap();
    let count = |is: fn(&Fact) -> bool| facts.iter().filter(|fact| is(fact)).count();
    assert_eq!(count(|it| matches!(it, Fact::Accepted { .. })), EVENTS);
    assert_eq!(count(|it| matches!(it, Fact::Delivered { .. })), EVENTS);
    // The endpoint, the events, and the results.
    let changes = observer.changes.load(Ordering::Relaxed);
    assert_eq!(changes, 1 + 2 * EVENTS);
}

#[tokio::test]
async fn the_start_of_a_batch_is_told_with_the_type_of_each_event() {
    let builder = Postrider::builder().egress(loopback());
    let postrider = builder.start().await.unwrap();
    let receiver = Receiver::answering(200).await;
    let mut spec = hasty(&receiver.url(), 1);
    spec.batch = Some(BatchPolicy {
        events_max: 2,
        wait: Duration::from_secs(60),
    });
    let endpoint = postrider.register(spec, None).await.unwrap().id;
    let mut facts = postrider.subscribe();
    let mut events = Vec::new();
    for event_type in ["a.one", "a.two"] {
        let event = postrider.submit_event(&endpoint, event_type, "{}").await;
        events.push(event.unwrap());
    }
    let mut starts = Vec::new();
    while starts.len() < 2 {
        let next = tokio::time::timeout(Duration::from_secs(60), facts.next_typed());
        let typed = next.await.unwrap().unwrap();
        match typed.fact {
            Fact::AttemptStarted { of, .. } => {
                let event_type = typed.event_type.unwrap();
                starts.push((of.event, event_type.as_str().to_owned()));
            }
            _ => assert_eq!(typed.event_type, None),
        }
    }
    let expected = [
        (events[0], "a.one".to_owned()),
        (events[1], "a.two".to_owned()),
    ];
    assert_eq!(starts, expected);
}

#[tokio::test]
async fn a_probe_says_whether_anything_can_be_accepted_now() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path().join("events.db")).unwrap();
    let builder = Postrider::builder().store(store).egress(loopback());
    let postrider = builder.start().await.unwrap();
    let before = postrider.size_bytes().await.unwrap();
    assert!(postrider.probe().await.unwrap() < Duration::from_secs(60));
    assert!(postrider.size_bytes().await.unwrap() > before, "it writes");
    postrider.shutdown().await;
    let stopped = NotReady::Stopped(Closed::Draining);
    assert_eq!(postrider.probe().await, Err(stopped));
}

#[tokio::test]
async fn a_probe_of_a_full_store_in_memory_says_that_it_is_full() {
    let bounds = MemoryBounds {
        deliveries_max: 1,
        ..MemoryBounds::default()
    };
    let builder = Postrider::builder().store(MemoryStore::bounded(bounds));
    let postrider = builder.egress(loopback()).start().await.unwrap();
    let receiver = Receiver::start(|_, _| Reply::Never).await;
    let spec = hasty(&receiver.url(), 9);
    let endpoint = postrider.register(spec, None).await.unwrap().id;
    assert!(postrider.probe().await.is_ok());
    assert_eq!(postrider.oldest_pending().await, Ok(None));
    let event = postrider
        .submit_event(&endpoint, "a.b", "{}")
        .await
        .unwrap();
    assert_eq!(postrider.probe().await, Err(NotReady::Full));
    let accepted = postrider.event(&event).await.unwrap().event.published_at;
    assert_eq!(postrider.oldest_pending().await, Ok(Some(accepted)));
}
