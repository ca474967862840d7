//! Headers of events.

use super::{ENDPOINT, Subject, publish};
use crate::agenda::{NewScheduled, Noted};
use crate::event_outline::EventOutlineQuery;
use crate::events::EventFilter;
use crate::store::Store;
use postrider_engine::{
    Change, DeliveryId, EventHeaders, EventId, NewEvent, OrderingKey, PayloadType, Receipt, Target,
    TenantId, Wall,
};
use std::sync::Arc;

fn lists() -> [EventHeaders; 3] {
    [
        EventHeaders::default(),
        EventHeaders::new([("X-Topic", "orders/create"), ("x-shop", "a: b")]).unwrap(),
        EventHeaders::new([("x-empty", "")]).unwrap(),
    ]
}

pub(super) async fn headers_are_kept_with_their_event<S: Store>(store: &Arc<S>) {
    let subject = Subject(store);
    subject.add_endpoint().await;
    for (number, headers) in (1..).zip(lists()) {
        let Change::Publish(mut publish) = publish(number, None) else {
            unreachable!("it publishes")
        };
        Arc::make_mut(&mut publish.event).headers = headers;
        let receipt = subject.commit(Change::Publish(publish)).await;
        assert!(matches!(receipt, Receipt::Published(_)), "{receipt:?}");
    }
    for (number, headers) in (1..).zip(lists()) {
        let known = Arc::clone(store).event(EventId::from_u128(number)).await;
        assert_eq!(known.unwrap().unwrap().event.headers, headers);
        let sent = Arc::clone(store).delivery(DeliveryId::from_u128(number));
        assert_eq!(sent.await.unwrap().unwrap().event.headers, headers);
    }
    for payloads in [true, false] {
        let query = EventOutlineQuery {
            endpoint: ENDPOINT,
            filter: EventFilter {
                tenant: Some(TenantId::default()),
                ..EventFilter::default()
            },
            ordering_key: None,
            payloads,
            after: None,
            most: 9,
        };
        let page = Arc::clone(store).event_outlines(query).await.unwrap();
        let found: Vec<_> = page.events.into_iter().map(|it| it.headers).collect();
        let expected = match payloads {
            true => lists(),
            false => Default::default(),
        };
        assert_eq!(found, expected);
    }
}

pub(super) async fn headers_wait_with_their_event<S: Store>(store: &Arc<S>) {
    let agenda = Arc::clone(store).agenda();
    let Some((agenda, outbox)) = agenda.zip(Arc::clone(store).outbox_source()) else {
        return;
    };
    for (number, headers) in (1..).zip(lists()) {
        let event = NewEvent {
            tenant: TenantId::default(),
            target: Target::Subscribers,
            event_type: "a.b".parse().unwrap(),
            payload: "x".into(),
            payload_type: PayloadType::default(),
            headers: headers.clone(),
            ordering_key: OrderingKey::none(),
            idempotency_key: None,
        };
        let id = EventId::from_u128(number);
        let due = Wall(100);
        let noted = Arc::clone(&agenda).schedule(NewScheduled { id, event, due });
        assert_eq!(noted.await, Ok(Noted::New));
        let found = Arc::clone(&agenda).find(id).await.unwrap().unwrap();
        assert_eq!(found.event.headers, headers);
    }
    let waiting = outbox.waiting(9, Wall(100)).await.unwrap();
    let waiting = waiting.into_iter().map(|it| it.event.unwrap().headers);
    assert_eq!(waiting.collect::<Vec<_>>(), lists());
}
