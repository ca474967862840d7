//! Where events stand among those of their lane.

use super::{Subject, lane, publish};
use crate::history::{DeliveryFilter, DeliveryQuery, Direction};
use crate::store::Store;
use postrider_engine::{
    Change, DeliveryId, DeliveryState, EndpointId, Load, Ordinal, Receipt, Seq, Spot, Wall,
};
use std::num::NonZeroU64;
use std::sync::Arc;

async fn counted<S: Store>(subject: &Subject<'_, S>, number: u128) -> Spot {
    match subject.commit(publish(number, None)).await {
        Receipt::Published(spots) if spots.len() == 1 => spots[0],
        other => panic!("a new event is published, but the answer was {other:?}"),
    }
}

async fn made_anew<S: Store>(subject: &Subject<'_, S>, of: u128, new: u128) -> Option<Ordinal> {
    let resend = Change::Resend {
        of: DeliveryId::from_u128(of),
        new: DeliveryId::from_u128(new),
        replay: None,
        at: Wall(20),
    };
    match subject.commit(resend).await {
        Receipt::Resent(placed) => placed.ordinal,
        other => panic!("what has ended is resent, but the answer was {other:?}"),
    }
}

fn number(ordinal: Option<Ordinal>) -> u64 {
    ordinal.map_or(0, |ordinal| ordinal.number.get())
}

pub(super) async fn events_are_counted_and_resends_are_not<S: Store>(store: &Arc<S>) {
    let subject = Subject(store);
    subject.add_endpoint().await;
    let first = counted(&subject, 1).await;
    let second = counted(&subject, 2).await;
    let (one, two) = (first.ordinal, second.ordinal);
    assert_eq!((number(one), number(two)), (1, 2));
    assert_eq!(one.map(|it| it.epoch), two.map(|it| it.epoch), "one life");
    subject
        .end(1, first.seq, DeliveryState::Delivered, false)
        .await;
    assert_eq!(made_anew(&subject, 1, 8).await, one);
    let third = counted(&subject, 3).await;
    assert_eq!(number(third.ordinal), 3, "a resend uses up no number");
    let loaded = Arc::clone(store)
        .load(Load {
            lane: lane(),
            after: Seq(0),
            deliveries_max: 10,
            bytes_max: 1_000,
        })
        .await
        .unwrap();
    let loaded: Vec<_> = loaded.deliveries.iter().map(|it| it.ordinal).collect();
    assert_eq!(loaded, [two, one, third.ordinal]);
    for (delivery, ordinal) in [(1, one), (2, two), (8, one)] {
        let record = Arc::clone(store).delivery(DeliveryId::from_u128(delivery));
        assert_eq!(record.await.unwrap().unwrap().ordinal, ordinal);
    }
}

pub(super) async fn what_was_resent_twice_keeps_its_number<S: Store>(store: &Arc<S>) {
    let subject = Subject(store);
    subject.add_endpoint().await;
    let first = counted(&subject, 1).await;
    subject
        .end(1, first.seq, DeliveryState::Delivered, false)
        .await;
    let again = made_anew(&subject, 1, 8).await;
    let discard = Change::Discard {
        delivery: DeliveryId::from_u128(8),
        dead: false,
        at: Wall(20),
    };
    subject.commit(discard).await;
    assert_eq!(made_anew(&subject, 8, 9).await, again);
    assert_eq!(again, first.ordinal);
    let expected = NonZeroU64::MIN;
    assert_eq!(again.map(|it| it.number), Some(expected));
}

pub(super) async fn what_is_behind_a_number_is_found<S: Store>(store: &Arc<S>) {
    let subject = Subject(store);
    subject.add_endpoint().await;
    let mut spots = Vec::new();
    for number in 1..=4 {
        spots.push(counted(&subject, number).await);
    }
    for (number, spot) in (1..).zip(&spots[..3]) {
        let end = subject.end(number, spot.seq, DeliveryState::Delivered, false);
        end.await;
    }
    made_anew(&subject, 2, 8).await;
    for (beyond, expected) in [
        (None, vec![1, 2, 3, 4, 8]),
        (Some(0), vec![1, 2, 3, 4]),
        (Some(1), vec![2, 3, 4]),
        (Some(4), vec![]),
    ] {
        let query = DeliveryQuery {
            filter: DeliveryFilter {
                beyond,
                ..DeliveryFilter::default()
            },
            direction: Direction::OldestFirst,
            after: None,
            most: 9,
        };
        let records = Arc::clone(store).deliveries(query.clone()).await.unwrap();
        let records = records.deliveries.iter().map(|it| it.id.as_u128());
        assert_eq!(records.collect::<Vec<_>>(), expected, "{beyond:?}");
        let outlines = Arc::clone(store).outlines(query.clone()).await.unwrap();
        let outlines = outlines.deliveries.iter().map(|it| it.id.as_u128());
        assert_eq!(outlines.collect::<Vec<_>>(), expected, "{beyond:?}");
        let short = Arc::clone(store).delivery_summaries(query).await.unwrap();
        let short = short.deliveries.iter().map(|it| it.id.as_u128());
        assert_eq!(short.collect::<Vec<_>>(), expected, "{beyond:?}");
    }
    let named = async |endpoint, name: String| {
        let store = Arc::clone(store);
        store.lane_named(endpoint, name).await.unwrap()
    };
    let epoch = spots[0].ordinal.map_or(0, |ordinal| ordinal.epoch);
    let found = named(lane().endpoint, lane().name()).await;
    assert_eq!(found, Some((lane().key, epoch)));
    assert_eq!(named(EndpointId::from_u128(99), lane().name()).await, None);
    assert_eq!(named(lane().endpoint, "0".repeat(16)).await, None);
}
