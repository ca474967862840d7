//! What every store must do.
//!
//! [`check`] panics with a sentence that says what did not hold. A store of one's own is
//! conformant if it passes; the engine relies on nothing else.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a conformance suite fails by panicking"
)]

mod agenda;
mod audit;
mod backfills;
mod deliveries;
mod discards;
mod due;
mod event_headers;
mod log;
mod outlines;
mod overview;
mod payload_types;
mod records;
mod replays;
mod requests;
mod search;
mod sequence;

use super::Store;
use bytes::Bytes;
use postrider_engine::{
    Attempt, AttemptId, Attempted, Change, DeliveryId, DeliveryState, Endpoint, EndpointId,
    EndpointSecret, EndpointSpec, EndpointStatus, EndpointUpdate, Event, EventHeaders, EventId,
    FailReason, Failure, FailureKind, Health, Idempotency, LaneId, Load, NewDelivery, OrderingKey,
    Outcome, PayloadType, Publish, Receipt, Refusal, ReplayId, Secret, Seq, Wall,
};
use std::sync::Arc;

/// Checks a store. `make` gives a new, empty one each time.
///
/// # Panics
///
/// If the store does not conform.
pub async fn check<S: Store>(make: impl Fn() -> Arc<S>) {
    places_are_assigned_in_order_and_without_gaps(&make()).await;
    a_repeated_key_gives_the_first_event_and_other_content_is_refused(&make()).await;
    a_load_is_bounded_and_says_how_far_it_reaches(&make()).await;
    a_result_is_recorded_once(&make()).await;
    a_restart_finds_what_was_pending(&make()).await;
    a_stopped_lane_takes_a_resend_in_place(&make()).await;
    a_resend_goes_to_the_end_of_its_lane(&make()).await;
    a_replay_makes_a_delivery_anew_once(&make()).await;
    backfills::an_endpoint_gets_an_event_that_it_has_missed_once(&make()).await;
    backfills::a_missed_event_goes_to_the_end_of_its_lane(&make()).await;
    replays::a_replay_is_kept_as_it_was_put(&make()).await;
    replays::a_replay_that_has_ended_stays_as_it_is(&make()).await;
    replays::replays_have_pages_by_tenant_and_state(&make()).await;
    discards::a_discard_ends_a_pending_delivery_and_a_dead_letter(&make()).await;
    discards::a_discard_of_a_dead_letter_leaves_what_was_made_anew(&make()).await;
    a_deleted_endpoint_keeps_only_what_is_under_way(&make()).await;
    an_update_changes_what_it_names(&make()).await;
    an_event_for_nobody_is_known(&make()).await;
    log::whoever_reads_along_misses_no_event_and_sees_none_twice(&make()).await;
    log::events_are_found_by_tenant_type_and_time(&make()).await;
    search::events_are_found_by_their_keys_and_their_text(&make()).await;
    search::events_are_found_by_endpoint_and_by_what_has_become_of_them(&make()).await;
    deliveries::deliveries_are_found_by_what_they_are_of(&make()).await;
    deliveries::deliveries_are_found_by_how_they_ended(&make()).await;
    deliveries::deliveries_are_found_by_their_key_and_their_last_status(&make()).await;
    deliveries::dead_letters_are_found_and_counted_by_tenant(&make()).await;
    outlines::outlines_say_of_each_delivery_what_its_record_says(&make()).await;
    outlines::outlines_know_whether_their_endpoint_gets_deliveries(&make()).await;
    outlines::a_letter_that_was_resent_since_is_found_beside_the_dead_ones(&make()).await;
    sequence::events_are_counted_and_resends_are_not(&make()).await;
    sequence::what_was_resent_twice_keeps_its_number(&make()).await;
    sequence::what_is_behind_a_number_is_found(&make()).await;
    deliveries::endpoints_are_found_by_tenant(&make()).await;
    deliveries::the_oldest_pending_delivery_is_known(&make()).await;
    deliveries::a_lane_shows_what_the_others_wait_for(&make()).await;
    deliveries::lanes_are_listed_by_the_age_of_what_waits_first(&make()).await;
    due::a_delivery_that_is_retried_by_hand_is_due(&make()).await;
    due::an_endpoint_whose_deliveries_are_due_waits_for_nothing(&make()).await;
    requests::what_was_sent_is_on_record(&make()).await;
    requests::a_body_is_found_by_every_attempt_that_sent_it(&make()).await;
    requests::attempts_are_read_from_any_number_on(&make()).await;
    overview::tenants_are_counted_apart_and_together(&make()).await;
    overview::the_hours_of_endpoints_add_up(&make()).await;
    overview::endpoints_are_counted_in_the_order_in_which_they_are_named(&make()).await;
    overview::endpoints_are_found_by_what_they_are(&make()).await;
    payload_types::the_type_of_a_payload_is_kept_with_its_event(&make()).await;
    payload_types::the_type_of_a_payload_waits_with_its_event(&make()).await;
    event_headers::headers_are_kept_with_their_event(&make()).await;
    event_headers::headers_wait_with_their_event(&make()).await;
    agenda::an_event_waits_until_it_is_due(&make()).await;
    agenda::a_key_belongs_to_one_event_whether_it_waits_or_not(&make()).await;
    records::a_record_is_kept_until_it_is_put_anew_or_removed(&make()).await;
    records::of_two_new_records_of_one_id_one_is_kept(&make()).await;
    records::records_are_listed_by_tenant_and_id(&make()).await;
    records::records_beyond_the_bounds_are_refused(&make()).await;
    audit::a_note_is_kept_with_its_change_and_not_with_a_refusal(&make()).await;
    audit::a_note_that_rides_on_several_changes_is_kept_once(&make()).await;
    audit::a_note_of_a_record_is_kept_if_the_record_changes(&make()).await;
    audit::a_note_of_a_replay_is_kept_with_it(&make()).await;
    audit::notes_are_found_by_tenant_target_and_time(&make()).await;
}

const ENDPOINT: EndpointId = EndpointId::from_u128(7);

/// A store under check, with shorthands.
struct Subject<'a, S>(&'a Arc<S>);

impl<S: Store> Subject<'_, S> {
    async fn commit(&self, change: Change) -> Receipt {
        let mut receipts = Arc::clone(self.0).commit(vec![change]).await;
        assert_eq!(receipts.len(), 1, "one answer for one change");
        receipts.remove(0).unwrap()
    }

    async fn add_endpoint(&self) {
        let endpoint = Endpoint {
            id: ENDPOINT,
            spec: Arc::new(EndpointSpec::new("https://example.com/")),
            secrets: vec![EndpointSecret {
                secret: Secret::parse("s").unwrap(),
                expires_at: None,
            }],
            status: EndpointStatus::Active,
            health: Health::default(),
            created_at: Wall(1),
            revision: 1,
        };
        assert_eq!(
            self.commit(Change::AddEndpoint(Box::new(endpoint))).await,
            Receipt::Applied
        );
    }

    /// Publishes event and delivery `number` and gives its place.
    async fn publish(&self, number: u128) -> Seq {
        match self.commit(publish(number, None)).await {
            Receipt::Published(spots) if spots.len() == 1 => spots[0].seq,
            other => panic!("a new event is published, but the answer was {other:?}"),
        }
    }

    async fn end(&self, number: u128, seq: Seq, state: DeliveryState, stop_lane: bool) -> Receipt {
        self.commit(Change::Attempted(Arc::new(Attempted {
            delivery: DeliveryId::from_u128(number),
            lane: lane(),
            seq,
            attempt: Attempt {
                sent: Box::default(),
                id: AttemptId::from_u128(number),
                number: 1,
                started_at: Wall(10),
                duration_ms: 5,
                outcome: Outcome::Failure(Failure::new(FailureKind::Reset, "gone")),
            },
            state,
            stop_lane,
            health: None,
            disable: None,
        })))
        .await
    }

    async fn state(&self, number: u128) -> DeliveryState {
        let record = Arc::clone(self.0)
            .delivery(DeliveryId::from_u128(number))
            .await
            .unwrap();
        record.unwrap().state
    }

    async fn load(&self, after: Seq, deliveries_max: usize, bytes_max: usize) -> (Vec<u64>, u64) {
        let load = Load {
            lane: lane(),
            after,
            deliveries_max,
            bytes_max,
        };
        let loaded = Arc::clone(self.0).load(load).await.unwrap();
        (
            loaded.deliveries.iter().map(|it| it.seq.0).collect(),
            loaded.through.0,
        )
    }
}

fn lane() -> LaneId {
    LaneId {
        endpoint: ENDPOINT,
        key: OrderingKey::none(),
    }
}

fn publish(number: u128, idempotency: Option<Idempotency>) -> Change {
    let event = Event {
        id: EventId::from_u128(number),
        tenant: postrider_engine::TenantId::default(),
        event_type: "a.b".parse().unwrap(),
        payload: Bytes::from_static(b"0123456789"),
        payload_type: PayloadType::default(),
        headers: EventHeaders::default(),
        ordering_key: OrderingKey::none(),
        published_at: Wall(5),
    };
    let delivery = NewDelivery {
        queue_full: false,
        id: DeliveryId::from_u128(number),
        lane: lane(),
    };
    Change::Publish(Publish {
        event: Arc::new(event),
        deliveries: [delivery].into(),
        idempotency,
        addressed: false,
        from_outbox: false,
    })
}

async fn places_are_assigned_in_order_and_without_gaps<S: Store>(store: &Arc<S>) {
    let subject = Subject(store);
    subject.add_endpoint().await;
    let first = subject.publish(1).await;
    let receipts = Arc::clone(store)
        .commit(vec![publish(2, None), publish(3, None)])
        .await;
    let places: Vec<Vec<Seq>> = receipts
        .into_iter()
        .map(|receipt| match receipt {
            Ok(Receipt::Published(spots)) => spots.iter().map(|spot| spot.seq).collect(),
            other => panic!("a new event is published, but the answer was {other:?}"),
        })
        .collect();
    let expected = [1, 2].map(|more| vec![Seq(first.0 + more)]);
    assert_eq!(places, expected, "places follow the order of the changes");
}

async fn a_repeated_key_gives_the_first_event_and_other_content_is_refused<S: Store>(
    store: &Arc<S>,
) {
    let subject = Subject(store);
    subject.add_endpoint().await;
    let key = |digest| {
        Some(Idempotency {
            key: "k".into(),
            digest: [digest; 32],
        })
    };
    assert!(matches!(
        subject.commit(publish(1, key(1))).await,
        Receipt::Published(_)
    ));
    let first = EventId::from_u128(1);
    assert_eq!(
        subject.commit(publish(2, key(1))).await,
        Receipt::Duplicate(first)
    );
    assert_eq!(
        subject.commit(publish(3, key(2))).await,
        Receipt::KeyReused(first)
    );
    let unknown = Arc::clone(store)
        .deliveries_of(EventId::from_u128(2))
        .await
        .unwrap();
    assert_eq!(unknown, None, "a repeat records nothing");
}

async fn a_load_is_bounded_and_says_how_far_it_reaches<S: Store>(store: &Arc<S>) {
    let subject = Subject(store);
    subject.add_endpoint().await;
    let mut seqs = Vec::new();
    for number in 1..=5 {
        seqs.push(subject.publish(number).await);
    }
    let (s, before) = (|index: usize| seqs[index].0, Seq(seqs[0].0 - 1));
    assert_eq!(
        subject.load(before, 2, 1_000).await,
        (vec![s(0), s(1)], s(1))
    );
    assert_eq!(
        subject.load(before, 9, 25).await,
        (vec![s(0), s(1)], s(1)),
        "bytes bound it"
    );
    assert_eq!(
        subject.load(before, 9, 0).await,
        (vec![s(0)], s(0)),
        "but one always comes"
    );
    subject
        .end(2, seqs[1], DeliveryState::Delivered, false)
        .await;
    let all = subject.load(before, 9, 1_000).await;
    assert_eq!(
        all,
        (vec![s(0), s(2), s(3), s(4)], s(4)),
        "what has ended is left out"
    );
    assert_eq!(subject.load(seqs[4], 9, 1_000).await, (vec![], s(4)));
}

async fn a_result_is_recorded_once<S: Store>(store: &Arc<S>) {
    let subject = Subject(store);
    subject.add_endpoint().await;
    let seq = subject.publish(1).await;
    let retrying = DeliveryState::Retrying { due: Wall(99) };
    assert_eq!(subject.end(1, seq, retrying, false).await, Receipt::Applied);
    assert_eq!(
        subject.end(1, seq, DeliveryState::Delivered, false).await,
        Receipt::Applied
    );
    assert_eq!(subject.end(1, seq, retrying, false).await, Receipt::Stale);
    assert_eq!(subject.state(1).await, DeliveryState::Delivered);
    let record = Arc::clone(store)
        .delivery(DeliveryId::from_u128(1))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (record.attempts.len(), record.ended_at),
        (2, Some(Wall(15)))
    );
}

async fn a_restart_finds_what_was_pending<S: Store>(store: &Arc<S>) {
    let subject = Subject(store);
    subject.add_endpoint().await;
    let first = subject.publish(1).await;
    let second = subject.publish(2).await;
    let third = subject.publish(3).await;
    subject.end(1, first, DeliveryState::Delivered, false).await;
    subject
        .end(2, second, DeliveryState::Retrying { due: Wall(99) }, false)
        .await;
    let recovered = Arc::clone(store).recover().await.unwrap();
    let pending = &recovered.endpoints[0];
    assert_eq!((pending.pending_deliveries, pending.pending_bytes), (2, 20));
    let lane = &recovered.lanes[0];
    assert_eq!(
        (lane.after, lane.tail),
        (second, third),
        "the third is the first without attempt"
    );
    let retrying = &lane.retrying[0];
    assert_eq!(
        (retrying.seq, retrying.attempts, retrying.due),
        (second, 1, Wall(99))
    );
}

async fn a_stopped_lane_takes_a_resend_in_place<S: Store>(store: &Arc<S>) {
    let subject = Subject(store);
    subject.add_endpoint().await;
    let first = subject.publish(1).await;
    subject.publish(2).await;
    subject
        .end(1, first, DeliveryState::Failed(FailReason::Rejected), true)
        .await;
    let recovered = Arc::clone(store).recover().await.unwrap();
    assert_eq!(
        recovered.lanes[0].stopped_at,
        Some(DeliveryId::from_u128(1))
    );
    let (of, new) = (DeliveryId::from_u128(1), DeliveryId::from_u128(9));
    match subject
        .commit(Change::Resend {
            of,
            new,
            replay: None,
            at: Wall(20),
        })
        .await
    {
        Receipt::Resent(placed) => assert_eq!((placed.delivery, placed.seq), (new, first)),
        other => panic!("a dead letter is resent, but the answer was {other:?}"),
    }
    let recovered = Arc::clone(store).recover().await.unwrap();
    assert_eq!(recovered.lanes[0].stopped_at, None, "the lane goes on");
    let dead = Arc::clone(store)
        .dead_letters(ENDPOINT, None, 9)
        .await
        .unwrap();
    assert!(dead.is_empty(), "what was resent is no dead letter");
}

async fn a_resend_goes_to_the_end_of_its_lane<S: Store>(store: &Arc<S>) {
    let subject = Subject(store);
    subject.add_endpoint().await;
    let first = subject.publish(1).await;
    let second = subject.publish(2).await;
    let (of, new) = (DeliveryId::from_u128(1), DeliveryId::from_u128(9));
    let resend = || {
        subject.commit(Change::Resend {
            of,
            new,
            replay: None,
            at: Wall(20),
        })
    };
    assert_eq!(resend().await, Receipt::Refused(Refusal::StillPending));
    subject.end(1, first, DeliveryState::Delivered, false).await;
    match resend().await {
        Receipt::Resent(placed) => {
            assert_eq!((placed.seq, placed.payload_bytes), (Seq(second.0 + 1), 10));
        }
        other => panic!("a delivered one is resent, but the answer was {other:?}"),
    }
    let of = DeliveryId::from_u128(77);
    let unknown = subject
        .commit(Change::Resend {
            of,
            new,
            replay: None,
            at: Wall(20),
        })
        .await;
    assert_eq!(unknown, Receipt::Refused(Refusal::NoSuchDelivery));
}

async fn a_replay_makes_a_delivery_anew_once<S: Store>(store: &Arc<S>) {
    let subject = Subject(store);
    subject.add_endpoint().await;
    let seq = subject.publish(1).await;
    subject.end(1, seq, DeliveryState::Delivered, false).await;
    let again = |new: u128, replay: u128| Change::Resend {
        of: DeliveryId::from_u128(1),
        new: DeliveryId::from_u128(new),
        replay: Some(ReplayId::from_u128(replay)),
        at: Wall(20),
    };
    let first = subject.commit(again(2, 7)).await;
    assert!(matches!(first, Receipt::Resent(_)), "{first:?}");
    assert_eq!(subject.commit(again(3, 7)).await, Receipt::Stale);
    let made = Arc::clone(store).delivery(DeliveryId::from_u128(2)).await;
    assert_eq!(made.unwrap().unwrap().replay, Some(ReplayId::from_u128(7)));
    let other = subject.commit(again(4, 8)).await;
    assert!(matches!(other, Receipt::Resent(_)), "{other:?}");
}

async fn a_deleted_endpoint_keeps_only_what_is_under_way<S: Store>(store: &Arc<S>) {
    let subject = Subject(store);
    subject.add_endpoint().await;
    let first = subject.publish(1).await;
    subject.publish(2).await;
    let keep = vec![DeliveryId::from_u128(1)];
    let delete = Change::DeleteEndpoint {
        endpoint: ENDPOINT,
        keep,
        at: Wall(20),
    };
    assert_eq!(subject.commit(delete).await, Receipt::Applied);
    assert_eq!(subject.state(2).await, DeliveryState::Discarded);
    assert_eq!(subject.state(1).await, DeliveryState::Pending);
    assert_eq!(
        subject.end(1, first, DeliveryState::Delivered, false).await,
        Receipt::Applied
    );
    assert_eq!(subject.state(1).await, DeliveryState::Delivered);
    assert_eq!(Arc::clone(store).endpoint(ENDPOINT).await.unwrap(), None);
    assert!(
        Arc::clone(store)
            .recover()
            .await
            .unwrap()
            .endpoints
            .is_empty()
    );
    let (of, new) = (DeliveryId::from_u128(1), DeliveryId::from_u128(9));
    let resend = subject
        .commit(Change::Resend {
            of,
            new,
            replay: None,
            at: Wall(30),
        })
        .await;
    assert_eq!(resend, Receipt::Refused(Refusal::NoSuchEndpoint(ENDPOINT)));
}

async fn an_update_changes_what_it_names<S: Store>(store: &Arc<S>) {
    let subject = Subject(store);
    subject.add_endpoint().await;
    let update = EndpointUpdate {
        endpoint: ENDPOINT,
        spec: None,
        secrets: None,
        status: Some(EndpointStatus::Paused),
        health: None,
        due: None,
    };
    assert_eq!(
        subject
            .commit(Change::ChangeEndpoint(Arc::new(update)))
            .await,
        Receipt::Applied
    );
    let endpoint = Arc::clone(store).endpoint(ENDPOINT).await.unwrap().unwrap();
    assert_eq!(
        (endpoint.status, endpoint.revision),
        (EndpointStatus::Paused, 1)
    );
    let update = EndpointUpdate {
        endpoint: ENDPOINT,
        spec: Some(Arc::new(EndpointSpec::new("https://example.org/"))),
        secrets: None,
        status: None,
        health: None,
        due: None,
    };
    subject
        .commit(Change::ChangeEndpoint(Arc::new(update)))
        .await;
    let endpoint = Arc::clone(store).endpoint(ENDPOINT).await.unwrap().unwrap();
    assert_eq!(
        (&*endpoint.spec.url, endpoint.revision),
        ("https://example.org/", 2)
    );
    assert_eq!(endpoint.status, EndpointStatus::Paused);
}

async fn an_event_for_nobody_is_known<S: Store>(store: &Arc<S>) {
    let subject = Subject(store);
    let Change::Publish(mut publish) = publish(1, None) else {
        return;
    };
    publish.deliveries = [].into();
    assert_eq!(
        subject.commit(Change::Publish(publish)).await,
        Receipt::Published(vec![])
    );
    let deliveries = Arc::clone(store)
        .deliveries_of(EventId::from_u128(1))
        .await
        .unwrap();
    assert_eq!(deliveries, Some(vec![]));
}
