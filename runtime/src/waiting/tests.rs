use super::*;
use crate::store::MemoryStore;
use bytes::Bytes;
use postrider_engine::{
    Attempt, AttemptId, Change, EndpointId, Event, EventHeaders, EventId, MemoryBounds,
    NewDelivery, OrderingKey, PayloadType, Publish, Response, Sent, Seq, TenantId,
};
use std::sync::Arc;

const NOW: Now = Now {
    mono: Mono(1_000),
    wall: Wall(501_000),
};

/// What keeps nothing.
const FREE: Outlook = Outlook {
    sending: false,
    status: EndpointStatus::Active,
    stopped_at: None,
    behind: None,
    unread: false,
    due: None,
    hold: Kept::No,
    breaker: Kept::No,
    rate_until: None,
};

/// A delivery whose attempt ended at 500,000 with this status and these headers.
fn record(headers: &[(&str, &str)]) -> DeliveryRecord {
    let event = Event {
        id: EventId::from_u128(1),
        tenant: TenantId::default(),
        event_type: "test.made".parse().unwrap(),
        payload: Bytes::new(),
        payload_type: PayloadType::default(),
        headers: EventHeaders::default(),
        ordering_key: OrderingKey::none(),
        published_at: Wall(1),
    };
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let attempt = Attempt {
        id: AttemptId::from_u128(1),
        number: 1,
        started_at: Wall(499_990),
        duration_ms: 10,
        sent: Box::new(Sent::default()),
        outcome: Outcome::Response(Response {
            status: 503,
            headers: headers.iter().map(owned).collect(),
            body: Bytes::new(),
            body_cut: false,
            head_ms: 1,
            repeated: None,
        }),
    };
    DeliveryRecord {
        id: DeliveryId::from_u128(1),
        event: Arc::new(event),
        lane: LaneId {
            endpoint: EndpointId::from_u128(1),
            key: OrderingKey::none(),
        },
        seq: Seq(1),
        ordinal: None,
        state: DeliveryState::Retrying { due: Wall(560_000) },
        attempts: vec![attempt],
        ended_at: None,
        resend_of: None,
        resent_as: None,
        replay: None,
    }
}

/// The same, as far as it matters for what it waits for.
fn asked(headers: &[(&str, &str)]) -> WaitQuery {
    WaitQuery::from(&record(headers))
}

fn seen(outlook: Outlook) -> (&'static str, Option<u64>) {
    let wait = of_outlook(&asked(&[]), &outlook, NOW);
    (wait.cause.name(), wait.until.map(|until| until.0))
}

#[test]
fn the_last_of_several_times_is_the_one_that_is_waited_for() {
    let due = Some(Mono(60_000));
    assert_eq!(seen(Outlook { due, ..FREE }), ("backoff", Some(560_000)));
    let breaker = Kept::Until(Mono(70_000));
    let both = Outlook {
        due,
        breaker,
        ..FREE
    };
    assert_eq!(seen(both), ("breaker", Some(570_000)));
    let hold = Kept::Until(Mono(80_000));
    assert_eq!(
        seen(Outlook { hold, ..both }),
        ("retry_after", Some(580_000))
    );
    let rate_until = Some(Mono(90_000));
    let rated = Outlook {
        rate_until,
        hold,
        ..both
    };
    assert_eq!(seen(rated), ("rate_limit", Some(590_000)));
}

#[test]
fn what_is_over_is_not_waited_for() {
    let due = Some(Mono(999));
    assert_eq!(seen(Outlook { due, ..FREE }), ("due", None));
    let breaker = Kept::ByOthers;
    assert_eq!(seen(Outlook { breaker, ..FREE }), ("breaker", None));
    let hold = Kept::ByOthers;
    assert_eq!(seen(Outlook { hold, ..FREE }), ("retry_after", None));
}

#[test]
fn what_needs_somebody_goes_before_what_needs_time() {
    let mut outlook = Outlook {
        due: Some(Mono(60_000)),
        ..FREE
    };
    outlook.behind = Some(DeliveryId::from_u128(7));
    assert_eq!(seen(outlook), ("behind_head", None));
    outlook.stopped_at = Some(DeliveryId::from_u128(8));
    assert_eq!(seen(outlook), ("stopped", None));
    outlook.status = EndpointStatus::Paused;
    assert_eq!(seen(outlook), ("paused", None));
    outlook.sending = true;
    let mut sent = asked(&[]);
    sent.state = DeliveryState::Retrying { due: Wall(500_500) };
    let wait = of_outlook(&sent, &outlook, NOW);
    assert_eq!((wait.cause, wait.until), (Cause::Sending, None));
    // Its result is on record already.
    assert_eq!(seen(outlook), ("backoff", Some(560_000)));
}

#[test]
fn a_time_on_record_is_shown_as_it_is_unless_the_calendar_was_set() {
    for (due, shown) in [(560_000, 560_000), (559_999, 560_000), (560_101, 560_101)] {
        let due = Some(Mono(due - 500_000));
        let wait = seen(Outlook { due, ..FREE });
        assert_eq!(wait, ("backoff", Some(shown)));
    }
}

#[test]
fn a_time_that_the_receiver_has_asked_for_is_told_from_that_of_the_policy() {
    let sixty = asked(&[("Retry-After", "60")]);
    let cause = |due| backoff(&sixty, Wall(due));
    assert_eq!(cause(560_000), Cause::RetryAfter);
    assert_eq!(cause(530_000), Cause::RetryAfter, "the policy has cut it");
    assert_eq!(cause(590_000), Cause::Backoff, "the policy waits longer");
    for headers in [&[("Retry-After", "0")][..], &[("Retry-After", "?")], &[]] {
        assert_eq!(backoff(&asked(headers), Wall(500_000)), Cause::Backoff);
    }
    assert_eq!(of_record(&sixty).until, Some(Wall(560_000)));
}

#[test]
fn a_delivery_in_short_says_the_same_as_the_whole_one() {
    let mut whole = record(&[("Retry-After", "60")]);
    assert_eq!(asked_until_of(&whole), Some(Wall(560_000)));
    let short = DeliverySummary::of(&whole);
    assert_eq!(WaitQuery::from(&short), WaitQuery::from(&whole));
    whole.state = DeliveryState::Delivered;
    assert_eq!(asked_until_of(&whole), None, "it waits for nothing");
}

#[tokio::test]
async fn what_is_behind_another_one_in_a_lane_that_was_not_read_names_it() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::bounded(MemoryBounds::default()));
    let known = record(&[]);
    for number in 1..=2 {
        let event = Event {
            id: EventId::from_u128(number),
            ..Event::clone(&known.event)
        };
        let publish = Publish {
            event: Arc::new(event),
            deliveries: Arc::new([NewDelivery {
                queue_full: false,
                id: DeliveryId::from_u128(number),
                lane: known.lane.clone(),
            }]),
            idempotency: None,
            addressed: false,
            from_outbox: false,
        };
        let made = Arc::clone(&store).commit(vec![Change::Publish(publish)]);
        assert!(made.await[0].is_ok());
    }
    let asked: Vec<_> = [1, 2, 2]
        .map(|number| (known.lane.clone(), DeliveryId::from_u128(number)))
        .into();
    let unread = Outlook {
        unread: true,
        breaker: Kept::Until(Mono(70_000)),
        ..FREE
    };
    let read = Outlook {
        unread: false,
        ..unread
    };
    let mut outlooks = vec![Some(unread), Some(unread), Some(read)];
    name_heads(&store, &asked, &mut outlooks).await;
    let causes = outlooks
        .into_iter()
        .flatten()
        .map(|outlook| seen(outlook).0);
    let causes: Vec<_> = causes.collect();
    assert_eq!(causes, ["breaker", "behind_head", "breaker"]);
}
