//! Events that are kept for later.

use super::{Subject, publish};
use crate::agenda::{Agenda, NewScheduled, Noted, ScheduledQuery};
use crate::outbox::OutboxSource;
use crate::store::Store;
use postrider_engine::{
    Change, EventHeaders, EventId, Idempotency, NewEvent, OrderingKey, PayloadType, Receipt,
    Target, TenantId, Wall,
};
use std::sync::Arc;

fn new(number: u128, key: Option<&str>, payload: &'static str, due: u64) -> NewScheduled {
    NewScheduled {
        id: EventId::from_u128(number),
        event: NewEvent {
            tenant: TenantId::default(),
            target: Target::Subscribers,
            event_type: "a.b".parse().unwrap(),
            payload: payload.into(),
            payload_type: PayloadType::default(),
            headers: EventHeaders::default(),
            ordering_key: OrderingKey::none(),
            idempotency_key: key.map(Into::into),
        },
        due: Wall(due),
    }
}

/// The agenda of a store, and the outbox that gives out what is due.
fn parts<S: Store>(store: &Arc<S>) -> Option<(Arc<dyn Agenda>, Arc<dyn OutboxSource>)> {
    Arc::clone(store)
        .agenda()
        .zip(Arc::clone(store).outbox_source())
}

/// The change that publishes a scheduled event.
fn leaves(new: &NewScheduled) -> Change {
    let Change::Publish(mut publish) = publish(new.id.as_u128(), None) else {
        unreachable!("it publishes")
    };
    publish.idempotency = new.event.idempotency_key.clone().map(|key| Idempotency {
        key,
        digest: new.event.digest(),
    });
    publish.deliveries = [].into();
    publish.from_outbox = true;
    Change::Publish(publish)
}

pub(super) async fn an_event_waits_until_it_is_due<S: Store>(store: &Arc<S>) {
    let Some((agenda, outbox)) = parts(store) else {
        return;
    };
    let subject = Subject(store);
    for (number, due) in [(1, 300), (2, 100), (3, 200)] {
        let noted = Arc::clone(&agenda).schedule(new(number, None, "x", due));
        assert_eq!(noted.await, Ok(Noted::New));
    }
    let waiting = async |most, now| {
        let found = Arc::clone(&outbox).waiting(most, Wall(now)).await.unwrap();
        found.iter().map(|it| it.id.as_u128()).collect::<Vec<_>>()
    };
    assert_eq!(Arc::clone(&outbox).next_due().await, Ok(Some(Wall(100))));
    assert_eq!(waiting(9, 99).await, [0; 0]);
    assert_eq!(waiting(9, 250).await, [2, 3]);
    assert_eq!(waiting(1, 250).await, [2]);
    let two = new(2, None, "x", 100);
    assert_eq!(
        subject.commit(leaves(&two)).await,
        Receipt::Published(vec![])
    );
    assert_eq!(waiting(9, 250).await, [3]);
    assert_eq!(Arc::clone(&agenda).cancel(two.id).await, Ok(false));
    let three = new(3, None, "x", 200);
    assert_eq!(Arc::clone(&agenda).cancel(three.id).await, Ok(true));
    let late = Receipt::Duplicate(three.id);
    assert_eq!(
        subject.commit(leaves(&three)).await,
        late,
        "it was cancelled"
    );
    let query = ScheduledQuery {
        most: 9,
        ..ScheduledQuery::default()
    };
    let left = Arc::clone(&agenda).page(query).await.unwrap();
    assert_eq!(left.events.len(), 1);
    let one = Arc::clone(&agenda).find(EventId::from_u128(1)).await;
    assert_eq!(one.unwrap().as_ref(), left.events.first());
    assert_eq!(agenda.find(three.id).await, Ok(None));
}

pub(super) async fn a_key_belongs_to_one_event_whether_it_waits_or_not<S: Store>(store: &Arc<S>) {
    let Some((agenda, _)) = parts(store) else {
        return;
    };
    let subject = Subject(store);
    let note = |it: &NewScheduled| Arc::clone(&agenda).schedule(it.clone());
    let first = new(1, Some("k"), "x", 100);
    let same = new(2, Some("k"), "x", 200);
    let other = new(3, Some("k"), "y", 100);
    assert_eq!(note(&first).await, Ok(Noted::New));
    let known = Noted::Known(first.id, Some(Wall(100)));
    assert_eq!(note(&same).await, Ok(known));
    assert_eq!(note(&other).await, Ok(Noted::KeyReused(first.id)));
    let direct = |it: &NewScheduled| {
        let Change::Publish(mut publish) = leaves(it) else {
            unreachable!("it publishes")
        };
        publish.from_outbox = false;
        subject.commit(Change::Publish(publish))
    };
    assert_eq!(direct(&same).await, Receipt::Duplicate(first.id));
    assert_eq!(direct(&other).await, Receipt::KeyReused(first.id));
    let published = subject.commit(leaves(&first)).await;
    assert_eq!(published, Receipt::Published(vec![]));
    assert_eq!(note(&same).await, Ok(Noted::Known(first.id, None)));
    assert_eq!(note(&other).await, Ok(Noted::KeyReused(first.id)));
}
