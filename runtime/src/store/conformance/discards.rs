//! Deliveries that are given up.

use super::*;

pub(super) async fn a_discard_ends_a_pending_delivery_and_a_dead_letter<S: Store>(store: &Arc<S>) {
    let subject = Subject(store);
    subject.add_endpoint().await;
    let first = subject.publish(1).await;
    subject.publish(2).await;
    subject
        .end(
            1,
            first,
            DeliveryState::Failed(FailReason::Exhausted),
            false,
        )
        .await;
    for (number, pending) in [(1, false), (2, true)] {
        let delivery = DeliveryId::from_u128(number);
        match subject
            .commit(Change::Discard {
                delivery,
                dead: false,
                at: Wall(20),
            })
            .await
        {
            Receipt::Discarded { was_pending, .. } => assert_eq!(was_pending, pending),
            other => panic!("delivery {number} is discarded, but the answer was {other:?}"),
        }
        let again = subject
            .commit(Change::Discard {
                delivery,
                dead: false,
                at: Wall(20),
            })
            .await;
        assert_eq!(again, Receipt::Refused(Refusal::AlreadyEnded));
    }
    let ledger = Arc::clone(store).ledger(ENDPOINT).await.unwrap();
    assert_eq!((ledger.accepted, ledger.discarded), (2, 2));
    assert_eq!((ledger.pending, ledger.failed), (0, 0));
}

pub(super) async fn a_discard_of_a_dead_letter_leaves_what_was_made_anew<S: Store>(store: &Arc<S>) {
    let subject = Subject(store);
    subject.add_endpoint().await;
    let failed = DeliveryState::Failed(FailReason::Exhausted);
    for number in [1, 2] {
        let seq = subject.publish(number).await;
        subject.end(number, seq, failed, false).await;
    }
    let discard = async |number| {
        let delivery = DeliveryId::from_u128(number);
        let (dead, at) = (true, Wall(20));
        let discard = Change::Discard { delivery, dead, at };
        subject.commit(discard).await
    };
    let resend = Change::Resend {
        of: DeliveryId::from_u128(1),
        new: DeliveryId::from_u128(3),
        replay: None,
        at: Wall(19),
    };
    assert!(matches!(subject.commit(resend).await, Receipt::Resent(_)));
    let resent = Receipt::Refused(Refusal::AlreadyResent);
    assert_eq!(discard(1).await, resent);
    assert_eq!(subject.state(1).await, failed);
    let pending = Receipt::Refused(Refusal::StillPending);
    assert_eq!(discard(3).await, pending);
    assert_eq!(subject.state(3).await, DeliveryState::Pending);
    let letter = discard(2).await;
    assert!(matches!(letter, Receipt::Discarded { .. }), "{letter:?}");
    let ended = Receipt::Refused(Refusal::AlreadyEnded);
    assert_eq!(discard(2).await, ended);
}
