//! Events that an endpoint has missed.

use super::{ENDPOINT, Subject, lane};
use crate::event_outline::EventOutlineQuery;
use crate::events::EventFilter;
use crate::search::EventSearch;
use crate::status::EventState;
use crate::store::Store;
use postrider_engine::{
    Change, DeliveryId, DeliveryState, EndpointId, EventId, FailReason, Had, LaneId, NewDelivery,
    OrderingKey, Receipt, Refusal, ReplayId, Seq, TenantId, Wall,
};
use std::sync::Arc;

const REPLAY: ReplayId = ReplayId::from_u128(5);

/// The number of the delivery that is made of an event, less that of the event.
const MADE: u128 = 100;

/// An event with this number that goes elsewhere, or to nobody.
fn publish(number: u128, to: Option<EndpointId>, addressed: bool) -> Change {
    let mut change = super::publish(number, None);
    if let Change::Publish(publish) = &mut change {
        let deliveries = to.into_iter().map(|endpoint| NewDelivery {
            queue_full: false,
            id: DeliveryId::from_u128(number),
            lane: LaneId {
                endpoint,
                key: OrderingKey::none(),
            },
        });
        publish.deliveries = deliveries.collect();
        publish.addressed = addressed;
    }
    change
}

fn backfill(event: u128, endpoint: EndpointId) -> Change {
    Change::Backfill {
        event: EventId::from_u128(event),
        endpoint,
        ordered: true,
        new: DeliveryId::from_u128(event + MADE),
        replay: REPLAY,
        at: Wall(20),
    }
}

/// What the store says of the events.
async fn had<S: Store>(store: &Arc<S>) -> Vec<(u128, Had)> {
    let mut query = EventOutlineQuery {
        endpoint: ENDPOINT,
        filter: EventFilter {
            tenant: Some(TenantId::default()),
            event_types: vec!["a.*".parse().unwrap()],
            ..EventFilter::default()
        },
        ordering_key: Some(OrderingKey::none()),
        payloads: true,
        after: None,
        most: 2,
    };
    let mut found = Vec::new();
    loop {
        let page = Arc::clone(store).event_outlines(query.clone()).await;
        let page = page.unwrap();
        assert!(page.events.len() <= 2, "a page is as long as it may be");
        for event in page.events {
            let payload = event.payload.unwrap();
            assert_eq!(payload, "0123456789", "it is asked for");
            found.push((event.id.as_u128(), event.had));
        }
        query.after = page.next;
        if page.next.is_none() {
            return found;
        }
    }
}

pub(super) async fn an_endpoint_gets_an_event_that_it_has_missed_once<S: Store>(store: &Arc<S>) {
    let subject = Subject(store);
    subject.add_endpoint().await;
    let other = EndpointId::from_u128(8);
    let reached = Receipt::Refused(Refusal::AlreadyReached);
    subject.publish(1).await;
    for (number, to, addressed) in [
        (2, None, false),
        (3, Some(other), false),
        (4, Some(other), true),
    ] {
        subject.commit(publish(number, to, addressed)).await;
    }
    assert_eq!(subject.commit(backfill(1, ENDPOINT)).await, reached);
    for event in [2, 3] {
        match subject.commit(backfill(event, ENDPOINT)).await {
            Receipt::Backfilled(placed) => {
                assert_eq!(placed.delivery, DeliveryId::from_u128(event + MADE));
                assert_eq!(placed.event, EventId::from_u128(event));
                assert_eq!((placed.lane, placed.payload_bytes), (lane(), 10));
            }
            other => panic!("event {event} was missed, but the answer was {other:?}"),
        }
        assert_eq!(subject.commit(backfill(event, ENDPOINT)).await, reached);
    }
    let addressed = Receipt::Refused(Refusal::Addressed);
    assert_eq!(subject.commit(backfill(4, ENDPOINT)).await, addressed);
    let unknown = Receipt::Refused(Refusal::NoSuchEvent);
    assert_eq!(subject.commit(backfill(5, ENDPOINT)).await, unknown);
    let nobody = EndpointId::from_u128(9);
    let gone = Receipt::Refused(Refusal::NoSuchEndpoint(nobody));
    assert_eq!(subject.commit(backfill(2, nobody)).await, gone);

    let later = DeliveryId::from_u128(2 + MADE);
    let end = subject.end(2 + MADE, Seq(2), DeliveryState::Delivered, false);
    assert_eq!(end.await, Receipt::Applied);
    assert_eq!(subject.commit(backfill(2, ENDPOINT)).await, reached);
    let event = EventId::from_u128(2);
    let of_it = Arc::clone(store).deliveries_of(event).await.unwrap();
    let of_it = of_it.unwrap();
    let told: Vec<_> = of_it
        .iter()
        .map(|it| (it.id, it.replay, it.resend_of))
        .collect();
    assert_eq!(told, [(later, Some(REPLAY), None)]);
    let by_replay = Had::Backfilled(REPLAY);
    let expected = [
        (1, Had::Delivery),
        (2, by_replay),
        (3, by_replay),
        (4, Had::Nothing),
    ];
    assert_eq!(had(store).await, expected);
    let for_nobody = EventSearch {
        states: vec![EventState::NoSubscribers],
        ..EventSearch::default()
    };
    let found = Arc::clone(store).find_events(for_nobody).await.unwrap();
    assert!(found.events.is_empty(), "somebody got it later");
    let ledger = Arc::clone(store).ledger(ENDPOINT).await.unwrap();
    assert_eq!(
        (ledger.accepted, ledger.pending, ledger.delivered),
        (3, 2, 1)
    );
}

pub(super) async fn a_missed_event_goes_to_the_end_of_its_lane<S: Store>(store: &Arc<S>) {
    let subject = Subject(store);
    subject.add_endpoint().await;
    let first = subject.publish(1).await;
    let second = subject.publish(2).await;
    subject.commit(publish(3, None, false)).await;
    let failed = DeliveryState::Failed(FailReason::Rejected);
    subject.end(1, first, failed, true).await;
    match subject.commit(backfill(3, ENDPOINT)).await {
        Receipt::Backfilled(placed) => assert_eq!(placed.seq, Seq(second.0 + 1)),
        other => panic!("it was missed, but the answer was {other:?}"),
    }
    let (waiting, _) = subject.load(Seq(0), 9, 1_000).await;
    assert_eq!(waiting, [second.0, second.0 + 1]);
    let recovered = Arc::clone(store).recover().await.unwrap();
    let stopped = recovered.lanes[0].stopped_at;
    assert_eq!(stopped, Some(DeliveryId::from_u128(1)), "the lane waits");
}
