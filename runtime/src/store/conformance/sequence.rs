//! Where events stand among those of their lane.

use super::{Subject, lane, publish};
use crate::store::Store;
use postrider_engine::{
    Change, DeliveryId, DeliveryState, Load, Ordinal, Receipt, Seq, Spot, Wall,
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
