//! What payloads are.

use super::{ENDPOINT, Subject, publish};
use crate::agenda::{NewScheduled, Noted};
use crate::store::Store;
use postrider_engine::{
    Change, DeliveryId, EventHeaders, EventId, NewEvent, OrderingKey, PayloadType, Receipt, Target,
    TenantId, Wall,
};
use std::sync::Arc;

fn kinds() -> [PayloadType; 3] {
    [
        PayloadType::default(),
        PayloadType::new("multipart/form-data; boundary=\"a b\"", None).unwrap(),
        PayloadType::new("application/json", Some("gzip")).unwrap(),
    ]
}

pub(super) async fn the_type_of_a_payload_is_kept_with_its_event<S: Store>(store: &Arc<S>) {
    let subject = Subject(store);
    subject.add_endpoint().await;
    for (number, kind) in (1..).zip(kinds()) {
        let Change::Publish(mut publish) = publish(number, None) else {
            unreachable!("it publishes")
        };
        Arc::make_mut(&mut publish.event).payload_type = kind;
        let receipt = subject.commit(Change::Publish(publish)).await;
        assert!(matches!(receipt, Receipt::Published(_)), "{receipt:?}");
    }
    for (number, kind) in (1..).zip(kinds()) {
        let known = Arc::clone(store).event(EventId::from_u128(number)).await;
        assert_eq!(known.unwrap().unwrap().event.payload_type, kind);
        let sent = Arc::clone(store).delivery(DeliveryId::from_u128(number));
        let sent = sent.await.unwrap().unwrap();
        assert_eq!(sent.lane.endpoint, ENDPOINT);
        assert_eq!(sent.event.payload_type, kind);
    }
}

pub(super) async fn the_type_of_a_payload_waits_with_its_event<S: Store>(store: &Arc<S>) {
    let agenda = Arc::clone(store).agenda();
    let Some((agenda, outbox)) = agenda.zip(Arc::clone(store).outbox_source()) else {
        return;
    };
    for (number, payload_type) in (1..).zip(kinds()) {
        let event = NewEvent {
            tenant: TenantId::default(),
            target: Target::Subscribers,
            event_type: "a.b".parse().unwrap(),
            payload: "x".into(),
            payload_type,
            headers: EventHeaders::default(),
            ordering_key: OrderingKey::none(),
            idempotency_key: None,
        };
        let id = EventId::from_u128(number);
        let due = Wall(100);
        let noted = Arc::clone(&agenda).schedule(NewScheduled { id, event, due });
        assert_eq!(noted.await, Ok(Noted::New));
        let found = Arc::clone(&agenda).find(id).await.unwrap().unwrap();
        let place = usize::try_from(number - 1).unwrap();
        assert_eq!(found.event.payload_type, kinds()[place]);
    }
    let waiting = outbox.waiting(9, Wall(100)).await.unwrap();
    let waiting = waiting.into_iter().map(|it| it.event.unwrap().payload_type);
    assert_eq!(waiting.collect::<Vec<_>>(), kinds());
}
