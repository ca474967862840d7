//! Events that are accepted now and due later.

use crate::receiver::{Receiver, end_of, loopback, until};
use postrider::agenda::DELAY_MAX;
use postrider::{
    Clock, EndpointSpec, EventPlace, EventQuery, EventState, MemoryStore, Postrider, PublishError,
    Published, ReadError, ScheduleError, Scheduled, ScheduledQuery, SqliteStore, Submission, Wall,
};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A calendar that the test turns.
#[derive(Clone)]
struct Calendar(Arc<AtomicU64>);

impl Clock for Calendar {
    fn wall(&self) -> Wall {
        Wall(self.0.load(Ordering::Relaxed))
    }
}

impl Calendar {
    fn new() -> Self {
        Self(Arc::new(AtomicU64::new(1_800_000_000_000)))
    }

    fn after(&self, seconds: u64) -> Wall {
        Wall(self.wall().0 + seconds * 1_000)
    }

    fn turn(&self, seconds: u64) {
        self.0.fetch_add(seconds * 1_000, Ordering::Relaxed);
    }
}

async fn started(directory: &Path, calendar: &Calendar) -> Postrider {
    let options = SqliteStore::options().clock(calendar.clone());
    let store = options.open(directory.join("events.db")).unwrap();
    let builder = Postrider::builder().store(store).egress(loopback());
    builder.clock(calendar.clone()).start().await.unwrap()
}

async fn subscribed(postrider: &Postrider, receiver: &Receiver) -> postrider::EndpointId {
    let spec = EndpointSpec::new(receiver.url());
    postrider.register(spec, None).await.unwrap().id
}

fn reminder(text: &str) -> Submission {
    Submission::new("reminder.due", text)
}

async fn kept(postrider: &Postrider, submission: Submission, due: Wall) -> postrider::EventId {
    match postrider.schedule(submission, due).await.unwrap() {
        Scheduled::Later {
            event,
            due: noted,
            duplicate: false,
        } => {
            assert_eq!(noted, due);
            event
        }
        other => panic!("it is kept for later, but the answer was {other:?}"),
    }
}

/// Bodies of those that wait, page by page.
async fn waiting(postrider: &Postrider, tenant: &str) -> Vec<String> {
    let mut query = ScheduledQuery {
        tenant: Some(tenant.parse().unwrap()),
        most: 2,
        ..ScheduledQuery::default()
    };
    let mut found = Vec::new();
    loop {
        let page = postrider.scheduled(query.clone()).await.unwrap();
        let bodies = page.events.iter().map(|it| it.event.payload.to_vec());
        found.extend(bodies.map(|body| String::from_utf8(body).unwrap()));
        query.after = page.next.map(|next| next.to_string().parse().unwrap());
        if page.next.is_none() {
            return found;
        }
    }
}

#[tokio::test]
async fn an_event_goes_out_when_its_time_has_come_and_holds_up_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let calendar = Calendar::new();
    let postrider = started(directory.path(), &calendar).await;
    let (first, second) = (
        Receiver::answering(200).await,
        Receiver::answering(200).await,
    );
    subscribed(&postrider, &first).await;
    let (minute, hour) = (calendar.after(60), calendar.after(3_600));
    let late = kept(&postrider, reminder("late"), hour).await;
    let soon = kept(&postrider, reminder("soon"), minute).await;
    assert_eq!(waiting(&postrider, "default").await, ["soon", "late"]);
    let now = postrider.publish(reminder("now")).await.unwrap();
    end_of(&postrider, &now.event).await;
    assert_eq!(first.bodies(), ["now"]);
    let status = postrider.event_status(&soon).await.unwrap();
    assert_eq!(
        (status.state, status.due),
        (EventState::Scheduled, Some(minute))
    );
    // Who gets it is decided when its time has come.
    subscribed(&postrider, &second).await;
    calendar.turn(60);
    let status = end_of(&postrider, &soon).await;
    assert_eq!((status.state, status.due), (EventState::Delivered, None));
    assert_eq!(first.bodies(), ["now", "soon"]);
    assert_eq!(second.bodies(), ["soon"]);
    let record = postrider.event(&soon).await.unwrap();
    assert_eq!(record.event.published_at, calendar.wall());
    let record = postrider.event(&late).await.unwrap();
    assert_eq!(record.place, EventPlace::Scheduled(hour));
    assert_eq!(&record.event.payload[..], b"late");
    assert_eq!(waiting(&postrider, "default").await, ["late"]);
}

#[tokio::test]
async fn an_event_that_came_due_while_no_engine_ran_goes_out_at_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let calendar = Calendar::new();
    let receiver = Receiver::answering(200).await;
    let postrider = started(directory.path(), &calendar).await;
    subscribed(&postrider, &receiver).await;
    for (text, seconds) in [("second", 20), ("third", 30), ("first", 10), ("late", 99)] {
        kept(&postrider, reminder(text), calendar.after(seconds)).await;
    }
    postrider.shutdown().await;
    drop(postrider);
    calendar.turn(50);
    let postrider = started(directory.path(), &calendar).await;
    until("three come", || async { receiver.count() >= 3 }).await;
    assert_eq!(receiver.bodies(), ["first", "second", "third"]);
    assert_eq!(waiting(&postrider, "default").await, ["late"]);
}

#[tokio::test]
async fn the_engine_wakes_at_the_time_of_the_next_event() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path().join("events.db")).unwrap();
    let builder = Postrider::builder().store(store).egress(loopback());
    let postrider = builder.start().await.unwrap();
    let receiver = Receiver::answering(200).await;
    subscribed(&postrider, &receiver).await;
    let mut fastest = u64::MAX;
    for _ in 0..4 {
        let due = Wall(postrider::SystemClock.wall().0 + 330);
        let event = kept(&postrider, reminder("soon"), due).await;
        end_of(&postrider, &event).await;
        let record = postrider.event(&event).await.unwrap();
        let late = record.event.published_at.0.checked_sub(due.0);
        fastest = fastest.min(late.expect("not before its time"));
    }
    // Asking 20 times a second would be 25 ms late in the mean, once a second 500.
    assert!(fastest < 15, "{fastest} ms late");
}

#[tokio::test]
async fn a_key_is_known_while_its_event_waits_and_afterwards() {
    let directory = tempfile::tempdir().unwrap();
    let calendar = Calendar::new();
    let postrider = started(directory.path(), &calendar).await;
    let receiver = Receiver::answering(200).await;
    let endpoint = subscribed(&postrider, &receiver).await;
    let keyed = |text: &str| {
        let submission = reminder(text).to(&endpoint).ordering_key("customer-7");
        submission.idempotency_key("order-7")
    };
    let due = calendar.after(60);
    let event = kept(&postrider, keyed("once"), due).await;
    let other_time = calendar.after(90);
    let again = postrider.schedule(keyed("once"), other_time).await;
    let known = Scheduled::Later {
        event,
        due,
        duplicate: true,
    };
    assert_eq!(again, Ok(known));
    let reused = PublishError::IdempotencyKeyReused(event);
    let other = postrider.schedule(keyed("twice"), due).await;
    assert_eq!(other, Err(reused.clone().into()));
    assert_eq!(postrider.publish(keyed("twice")).await, Err(reused.clone()));
    let duplicate = Published {
        event,
        deliveries: [].into(),
        duplicate: true,
    };
    assert_eq!(
        postrider.publish(keyed("once")).await,
        Ok(duplicate.clone())
    );
    calendar.turn(60);
    end_of(&postrider, &event).await;
    let again = postrider.schedule(keyed("once"), calendar.after(60)).await;
    assert_eq!(again, Ok(Scheduled::Now(duplicate)));
    let other = postrider.schedule(keyed("twice"), calendar.after(60)).await;
    assert_eq!(other, Err(reused.into()));
    assert_eq!(receiver.bodies(), ["once"]);
}

#[tokio::test]
async fn a_cancelled_event_is_never_sent_and_frees_its_key() {
    let directory = tempfile::tempdir().unwrap();
    let calendar = Calendar::new();
    let postrider = started(directory.path(), &calendar).await;
    let receiver = Receiver::answering(200).await;
    subscribed(&postrider, &receiver).await;
    let keyed = |text: &str| reminder(text).idempotency_key("order-7");
    let first = kept(&postrider, keyed("one"), calendar.after(60)).await;
    assert_eq!(postrider.cancel_scheduled(&first).await, Ok(true));
    assert_eq!(postrider.cancel_scheduled(&first).await, Ok(false));
    let gone = postrider.event_status(&first).await;
    assert_eq!(gone, Err(ReadError::NoSuchEvent(first)));
    let second = kept(&postrider, keyed("two"), calendar.after(60)).await;
    calendar.turn(60);
    end_of(&postrider, &second).await;
    assert_eq!(postrider.cancel_scheduled(&second).await, Ok(false));
    assert_eq!(receiver.bodies(), ["two"]);
}

#[tokio::test]
async fn an_event_whose_endpoint_has_gone_is_kept_with_the_reason() {
    let directory = tempfile::tempdir().unwrap();
    let calendar = Calendar::new();
    let postrider = started(directory.path(), &calendar).await;
    let receiver = Receiver::answering(200).await;
    let endpoint = subscribed(&postrider, &receiver).await;
    let event = kept(
        &postrider,
        reminder("lost").to(&endpoint),
        calendar.after(60),
    )
    .await;
    postrider.delete_endpoint(&endpoint).await.unwrap();
    let stranger = reminder("no one").to(&endpoint);
    let refused = postrider.schedule(stranger, calendar.after(60)).await;
    let missing = PublishError::NoSuchEndpoint(endpoint);
    assert_eq!(refused, Err(missing.clone().into()));
    calendar.turn(60);
    let state = async || postrider.event_status(&event).await.unwrap().state;
    until("it is refused", || async {
        state().await == EventState::Refused
    })
    .await;
    let status = postrider.event_status(&event).await.unwrap();
    assert_eq!(status.last_error, Some(missing.to_string()));
    let listed = postrider.refused_in_outbox(None).await.unwrap();
    assert_eq!(listed[0].event, event);
    assert!(waiting(&postrider, "default").await.is_empty());
    assert_eq!(postrider.cancel_scheduled(&event).await, Ok(false));
    assert_eq!(postrider.discard_refused(&event).await, Ok(true));
}

#[tokio::test]
async fn what_is_due_already_is_published_at_once_and_what_is_due_too_late_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let calendar = Calendar::new();
    let postrider = started(directory.path(), &calendar).await;
    let now = postrider.schedule(reminder("now"), calendar.wall()).await;
    let Ok(Scheduled::Now(published)) = now else {
        panic!("its time has come: {now:?}")
    };
    let page = postrider.events(EventQuery {
        most: 9,
        ..EventQuery::default()
    });
    assert_eq!(page.await.unwrap().events[0].event.id, published.event);
    let latest = DELAY_MAX.as_secs();
    kept(&postrider, reminder("late"), calendar.after(latest)).await;
    let later = calendar.after(latest + 1);
    let refused = postrider.schedule(reminder("later"), later).await;
    assert_eq!(refused, Err(ScheduleError::TooLate));
    let large = Submission::new("a.b", vec![0; 1 << 20]);
    let refused = postrider.schedule(large, calendar.after(60)).await;
    let too_large = matches!(
        refused,
        Err(ScheduleError::Publish(PublishError::PayloadTooLarge { .. }))
    );
    assert!(too_large, "{refused:?}");
    postrider.shutdown().await;
    let closed = postrider.schedule(reminder("no"), calendar.after(60)).await;
    let is_closed = matches!(closed, Err(ScheduleError::Publish(PublishError::Closed(_))));
    assert!(is_closed, "{closed:?}");
}

#[tokio::test]
async fn a_store_without_an_outbox_says_that_it_keeps_nothing_for_later() {
    let builder = Postrider::builder().store(MemoryStore::default());
    let postrider = builder.egress(loopback()).start().await.unwrap();
    let due = Wall(postrider::SystemClock.wall().0 + 60_000);
    let refused = postrider.schedule(reminder("later"), due).await;
    assert_eq!(refused, Err(ScheduleError::NotKept));
}
