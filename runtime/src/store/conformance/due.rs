//! What waits no longer.

use super::{ENDPOINT, Subject};
use crate::store::Store;
use postrider_engine::{
    Change, DeliveryId, DeliveryState, EndpointId, EndpointUpdate, FailReason, Health, Receipt,
    Refusal, Wall,
};
use std::sync::Arc;

const LATE: DeliveryState = DeliveryState::Retrying { due: Wall(9_000) };

fn due(at: u64) -> DeliveryState {
    DeliveryState::Retrying { due: Wall(at) }
}

async fn retry<S: Store>(subject: &Subject<'_, S>, number: u128, ordered: bool) -> Receipt {
    let change = Change::RetryNow {
        delivery: DeliveryId::from_u128(number),
        with: Vec::new(),
        ordered,
        at: Wall(50),
    };
    subject.commit(change).await
}

pub(super) async fn a_delivery_that_is_retried_by_hand_is_due<S: Store>(store: &Arc<S>) {
    let subject = Subject(store);
    subject.add_endpoint().await;
    let unknown = Receipt::Refused(Refusal::NoSuchDelivery);
    assert_eq!(retry(&subject, 1, true).await, unknown);
    let first = subject.publish(1).await;
    let second = subject.publish(2).await;
    subject.end(1, first, LATE, false).await;
    subject.end(2, second, LATE, false).await;
    let head = Refusal::BehindHead(DeliveryId::from_u128(1));
    assert_eq!(retry(&subject, 2, true).await, Receipt::Refused(head));
    assert_eq!(subject.state(2).await, LATE, "nothing has changed");
    match retry(&subject, 1, true).await {
        Receipt::Due(placed) => {
            assert_eq!((placed.delivery.as_u128(), placed.seq), (1, first));
        }
        other => panic!("the head is due, but the answer was {other:?}"),
    }
    assert_eq!(subject.state(1).await, due(50));
    assert!(matches!(retry(&subject, 2, false).await, Receipt::Due(_)));
    assert_eq!(subject.state(2).await, due(50), "where there is no order");
    let recovered = Arc::clone(store).recover().await.unwrap();
    let waits = recovered.lanes[0].retrying.iter().map(|it| it.due);
    assert_eq!(waits.collect::<Vec<_>>(), [Wall(50), Wall(50)]);
    let third = subject.publish(3).await;
    subject.end(3, third, LATE, false).await;
    let both = Change::RetryNow {
        delivery: DeliveryId::from_u128(1),
        with: [2, 3, 99].map(DeliveryId::from_u128).to_vec(),
        ordered: true,
        at: Wall(40),
    };
    assert!(matches!(subject.commit(both).await, Receipt::Due(_)));
    for number in 1..=3 {
        assert_eq!(subject.state(number).await, due(40), "of one batch");
    }
    subject.end(1, first, DeliveryState::Delivered, false).await;
    let ended = Receipt::Refused(Refusal::AlreadyEnded);
    assert_eq!(retry(&subject, 1, true).await, ended);
}

pub(super) async fn an_endpoint_whose_deliveries_are_due_waits_for_nothing<S: Store>(
    store: &Arc<S>,
) {
    let subject = Subject(store);
    subject.add_endpoint().await;
    let mut places = Vec::new();
    for number in 1..=4 {
        places.push(subject.publish(number).await);
    }
    let ended = DeliveryState::Failed(FailReason::Exhausted);
    for (number, state) in [(1, LATE), (2, due(20)), (3, ended)] {
        let place = places[usize::try_from(number - 1).unwrap_or_default()];
        subject.end(number, place, state, false).await;
    }
    let held = Health {
        failures: 3,
        failing_since: Some(Wall(5)),
        open_until: Some(Wall(10)),
        held_until: Some(Wall(9_000)),
    };
    let update = |health, due| {
        Change::ChangeEndpoint(Arc::new(EndpointUpdate {
            endpoint: ENDPOINT,
            spec: None,
            secrets: None,
            status: None,
            health,
            due,
        }))
    };
    subject.commit(update(Some(held), None)).await;
    assert_eq!(subject.state(1).await, LATE);
    subject.commit(update(None, Some(Wall(50)))).await;
    let states = [due(50), due(20), ended, DeliveryState::Pending];
    for (number, state) in (1..).zip(states) {
        assert_eq!(subject.state(number).await, state, "{number}");
    }
    let endpoint = Arc::clone(store).endpoint(ENDPOINT).await.unwrap().unwrap();
    let held_until = Some(Wall(50));
    assert_eq!(endpoint.health, Health { held_until, ..held });
    assert_eq!(endpoint.revision, 1);
    // One that is not there is no error: it may have been deleted meanwhile.
    let gone = EndpointUpdate {
        endpoint: EndpointId::from_u128(99),
        spec: None,
        secrets: None,
        status: None,
        health: None,
        due: Some(Wall(50)),
    };
    let gone = Change::ChangeEndpoint(Arc::new(gone));
    assert_eq!(subject.commit(gone).await, Receipt::Applied);
}
