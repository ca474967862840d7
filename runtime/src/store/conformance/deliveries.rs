//! Lists of deliveries by what they are of and what has become of them.

use super::{Subject, publish};
use crate::history::{
    DeadLetterGroup, DeliveryFilter, DeliveryQuery, DeliverySummary, Direction, StateKind,
    SummaryPage,
};
use crate::store::Store;
use crate::waiting_lanes::LaneQuery;
use postrider_engine::{
    Attempt, AttemptId, Attempted, Change, DeliveryId, DeliveryState, Endpoint, EndpointId,
    EndpointSpec, EndpointStatus, EventId, FailReason, Failure, FailureKind, Health, LaneId,
    NewDelivery, OrderingKey, Outcome, Receipt, Repeat, Response, Seq, TenantId, Wall,
};
use std::sync::Arc;

pub(super) const RED: (EndpointId, &str) = (EndpointId::from_u128(1), "red");
pub(super) const REDDER: (EndpointId, &str) = (EndpointId::from_u128(2), "red");
pub(super) const BLUE: (EndpointId, &str) = (EndpointId::from_u128(3), "blue");

pub(super) fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

pub(super) async fn add_endpoints<S: Store>(subject: &Subject<'_, S>) {
    for (id, name) in [RED, REDDER, BLUE] {
        let mut spec = EndpointSpec::new("https://example.com/");
        spec.tenant = tenant(name);
        let endpoint = Endpoint {
            id,
            spec: Arc::new(spec),
            secrets: Vec::new(),
            status: EndpointStatus::Active,
            health: Health::default(),
            created_at: Wall(1),
            revision: 1,
        };
        subject
            .commit(Change::AddEndpoint(Box::new(endpoint)))
            .await;
    }
}

/// Answered with this status; with 503 the receiver asks for a minute.
pub(super) fn answered(status: u16) -> Outcome {
    let asks = ("Retry-After".to_owned(), "60".to_owned());
    Outcome::Response(Response {
        status,
        headers: (status == 503).then_some(asks).into_iter().collect(),
        body: bytes::Bytes::new(),
        body_cut: false,
        head_ms: 1,
        repeated: (status == 503).then_some(Repeat::RequestTimeout),
    })
}

fn failed(kind: FailureKind) -> Outcome {
    Outcome::Failure(Failure::new(kind, "")).with_repeat(Some(Repeat::ConnectionClosed))
}

/// Where a delivery stands.
pub(super) type Place = (LaneId, Seq);

/// Publishes event and delivery `number` to this endpoint.
pub(super) async fn accept<S: Store>(
    subject: &Subject<'_, S>,
    number: u128,
    (endpoint, name): (EndpointId, &str),
    key: OrderingKey,
) -> Place {
    let Change::Publish(mut publish) = publish(number, None) else {
        unreachable!("it publishes")
    };
    Arc::make_mut(&mut publish.event).tenant = tenant(name);
    let lane = LaneId { endpoint, key };
    let id = DeliveryId::from_u128(number);
    publish.deliveries = [NewDelivery {
        queue_full: false,
        id,
        lane: lane.clone(),
    }]
    .into();
    match subject.commit(Change::Publish(publish)).await {
        Receipt::Published(spots) => (lane, spots[0].seq),
        other => panic!("event {number} is new, but the answer was {other:?}"),
    }
}

/// An attempt of delivery `number` ends, and perhaps stops its lane.
pub(super) async fn end<S: Store>(
    subject: &Subject<'_, S>,
    (number, attempt): (u128, u32),
    (lane, seq): Place,
    (outcome, state): (Outcome, DeliveryState),
    stop_lane: bool,
) {
    let end = Attempted {
        delivery: DeliveryId::from_u128(number),
        lane,
        seq,
        attempt: Attempt {
            sent: Box::default(),
            id: AttemptId::from_u128(number * 10 + u128::from(attempt)),
            number: attempt,
            started_at: Wall(10),
            duration_ms: 5,
            outcome,
        },
        state,
        stop_lane,
        health: None,
        disable: None,
    };
    let receipt = subject.commit(Change::Attempted(Arc::new(end))).await;
    assert_eq!(receipt, Receipt::Applied);
}

/// Event and delivery `number` to this endpoint, and the ends of its attempts.
async fn deliver<S: Store>(
    subject: &Subject<'_, S>,
    number: u128,
    to: (EndpointId, &str),
    attempts: &[(Outcome, DeliveryState)],
) {
    let place = accept(subject, number, to, OrderingKey::none()).await;
    for (attempt, came) in (1..).zip(attempts) {
        end(
            subject,
            (number, attempt),
            place.clone(),
            came.clone(),
            false,
        )
        .await;
    }
}

/// Delivered 1, rejected 2 and 3, exhausted 4 and 5, pending 6, retrying 7, and 8, which makes 3
/// anew. Those of the tenant blue are 5 and 6.
pub(super) async fn fill<S: Store>(subject: &Subject<'_, S>) {
    let retrying = DeliveryState::Retrying { due: Wall(99) };
    let rejected = DeliveryState::Failed(FailReason::Rejected);
    let exhausted = DeliveryState::Failed(FailReason::Exhausted);
    let reset = failed(FailureKind::Reset);
    add_endpoints(subject).await;
    let delivered = [
        (reset.clone(), retrying),
        (answered(200), DeliveryState::Delivered),
    ];
    deliver(subject, 1, RED, &delivered).await;
    deliver(subject, 2, RED, &[(answered(404), rejected)]).await;
    deliver(subject, 3, REDDER, &[(answered(410), rejected)]).await;
    let late = [(answered(503), retrying), (reset, exhausted)];
    deliver(subject, 4, REDDER, &late).await;
    deliver(subject, 5, BLUE, &[(answered(503), exhausted)]).await;
    deliver(subject, 6, BLUE, &[]).await;
    deliver(subject, 7, RED, &[(answered(503), retrying)]).await;
    let resend = Change::Resend {
        of: DeliveryId::from_u128(3),
        new: DeliveryId::from_u128(8),
        replay: None,
        at: Wall(20),
    };
    subject.commit(resend).await;
}

async fn found<S: Store>(store: &Arc<S>, filter: &DeliveryFilter) -> Vec<u128> {
    let read = async |direction| {
        let mut query = DeliveryQuery {
            filter: filter.clone(),
            direction,
            after: None,
            most: 2,
        };
        let mut found = Vec::new();
        loop {
            let page = Arc::clone(store).deliveries(query.clone()).await.unwrap();
            let short = Arc::clone(store).delivery_summaries(query.clone());
            let short = short.await.unwrap();
            let long = SummaryPage::from(page.clone());
            assert_eq!(short, long, "the short form says the same");
            let outlines = Arc::clone(store).outlines(query.clone()).await.unwrap();
            let outlined = outlines.deliveries.iter().map(|it| it.id);
            let ids = page.deliveries.iter().map(|it| it.id);
            assert!(
                outlined.eq(ids),
                "whoever counts them sees the same: {filter:?}"
            );
            found.extend(page.deliveries.iter().map(|it| it.id.as_u128()));
            query.after = page.next;
            if page.next.is_none() {
                return found;
            }
        }
    };
    let up = read(Direction::OldestFirst).await;
    let mut down = read(Direction::NewestFirst).await;
    down.reverse();
    assert_eq!(up, down, "both directions give the same: {filter:?}");
    up
}

pub(super) async fn deliveries_are_found_by_what_they_are_of<S: Store>(store: &Arc<S>) {
    fill(&Subject(store)).await;
    let any = DeliveryFilter::default;
    let of_red = DeliveryFilter {
        tenant: Some(tenant("red")),
        ..any()
    };
    assert_eq!(found(store, &of_red).await, [1, 2, 3, 4, 7, 8]);
    let failed = DeliveryFilter {
        states: vec![StateKind::Failed],
        ..of_red.clone()
    };
    assert_eq!(found(store, &failed).await, [2, 3, 4]);
    let of_endpoint = DeliveryFilter {
        endpoint: Some(REDDER.0),
        ..of_red.clone()
    };
    assert_eq!(found(store, &of_endpoint).await, [3, 4, 8]);
    let of_event = DeliveryFilter {
        event: Some(EventId::from_u128(3)),
        ..of_red
    };
    assert_eq!(found(store, &of_event).await, [3, 8]);
    let elsewhere = DeliveryFilter {
        endpoint: Some(RED.0),
        ..of_event.clone()
    };
    assert_eq!(found(store, &elsewhere).await, [0; 0]);
    for filter in [of_endpoint, of_event] {
        let of_another = DeliveryFilter {
            tenant: Some(tenant("blue")),
            ..filter
        };
        assert_eq!(found(store, &of_another).await, [0; 0]);
    }
}

pub(super) async fn deliveries_are_found_by_how_they_ended<S: Store>(store: &Arc<S>) {
    fill(&Subject(store)).await;
    let any = DeliveryFilter::default;
    for (class, expected) in [(2, vec![1]), (4, vec![2, 3]), (5, vec![5, 7]), (3, vec![])] {
        let status_class = Some(class);
        let filter = DeliveryFilter {
            status_class,
            ..any()
        };
        assert_eq!(found(store, &filter).await, expected, "{class}xx");
    }
    for (status, expected) in [(404, vec![2]), (503, vec![5, 7]), (402, vec![])] {
        let filter = DeliveryFilter {
            status: Some(status),
            ..any()
        };
        assert_eq!(found(store, &filter).await, expected, "{status}");
    }
    for (kind, expected) in [
        (FailureKind::Reset, vec![4]),
        (FailureKind::Tls, Vec::new()),
    ] {
        let failure = Some(kind);
        let filter = DeliveryFilter { failure, ..any() };
        assert_eq!(found(store, &filter).await, expected, "{kind}");
    }
    for (reasons, expected) in [
        (vec![FailReason::Rejected], vec![2, 3]),
        (vec![FailReason::Exhausted, FailReason::Gone], vec![4, 5]),
    ] {
        let filter = DeliveryFilter { reasons, ..any() };
        assert_eq!(found(store, &filter).await, expected);
    }
}

pub(super) async fn deliveries_are_found_by_their_key_and_their_last_status<S: Store>(
    store: &Arc<S>,
) {
    let subject = Subject(store);
    fill(&subject).await;
    let key = |text: &str| text.parse::<OrderingKey>().unwrap();
    let retrying = DeliveryState::Retrying { due: Wall(99) };
    for (number, to, name) in [
        (9, RED, "a"),
        (10, RED, "b"),
        (11, BLUE, "a"),
        (12, RED, "a"),
    ] {
        let place = accept(&subject, number, to, key(name)).await;
        let came = (answered(429), retrying);
        end(&subject, (number, 1), place, came, false).await;
    }
    let delivered = (answered(200), DeliveryState::Delivered);
    let place = accept(&subject, 13, RED, key("a")).await;
    end(&subject, (13, 1), place, delivered, false).await;
    let any = DeliveryFilter::default;
    let of = |name: &str| DeliveryFilter {
        ordering_key: Some(key(name)),
        ..any()
    };
    let of_red = |filter| DeliveryFilter {
        tenant: Some(tenant("red")),
        ..filter
    };
    let waiting = |filter| DeliveryFilter {
        states: vec![StateKind::Retrying, StateKind::Pending],
        ..filter
    };
    let without = DeliveryFilter {
        ordering_key: Some(OrderingKey::none()),
        ..any()
    };
    let to_red = DeliveryFilter {
        endpoint: Some(RED.0),
        ..of("a")
    };
    let by_status = |status| DeliveryFilter {
        status: Some(status),
        ..any()
    };
    for (filter, expected) in [
        (of("a"), vec![9, 11, 12, 13]),
        (of_red(of("a")), vec![9, 12, 13]),
        (waiting(of("a")), vec![9, 11, 12]),
        (waiting(of_red(of("a"))), vec![9, 12]),
        (to_red.clone(), vec![9, 12, 13]),
        (waiting(to_red), vec![9, 12]),
        (of("c"), vec![]),
        (without.clone(), (1..=8).collect()),
        (waiting(without), vec![6, 7, 8]),
        (by_status(429), vec![9, 10, 11, 12]),
        (by_status(404), vec![2]),
        (by_status(400), vec![]),
    ] {
        assert_eq!(found(store, &filter).await, expected, "{filter:?}");
    }
}

pub(super) async fn dead_letters_are_found_and_counted_by_tenant<S: Store>(store: &Arc<S>) {
    let subject = Subject(store);
    fill(&subject).await;
    let dead = DeliveryFilter {
        dead: true,
        ..DeliveryFilter::default()
    };
    assert_eq!(found(store, &dead).await, [2, 4, 5]);
    let of_red = DeliveryFilter {
        tenant: Some(tenant("red")),
        ..dead
    };
    assert_eq!(found(store, &of_red).await, [2, 4]);
    let rejected = DeliveryFilter {
        reasons: vec![FailReason::Rejected],
        ..of_red.clone()
    };
    assert_eq!(found(store, &rejected).await, [2]);
    let groups = async |name| {
        let of = Some(tenant(name));
        Arc::clone(store).dead_letter_groups(of).await
    };
    let group = |(endpoint, name): (EndpointId, &str), reason, count| DeadLetterGroup {
        tenant: tenant(name),
        endpoint,
        reason,
        count,
        oldest: Wall(0),
        newest: Wall(0),
    };
    let expected = [
        group(RED, FailReason::Rejected, 1),
        group(REDDER, FailReason::Exhausted, 1),
        group(BLUE, FailReason::Exhausted, 1),
    ];
    let of_all = Arc::clone(store).dead_letter_groups(None).await;
    assert_eq!(of_all.unwrap(), expected);
    assert_eq!(groups("red").await.unwrap(), expected[..2]);
    let delivery = DeliveryId::from_u128(2);
    let at = Wall(30);
    let dead = true;
    subject.commit(Change::Discard { delivery, dead, at }).await;
    assert_eq!(found(store, &of_red).await, [4]);
    assert_eq!(groups("red").await.unwrap(), expected[1..2]);
    assert_eq!(groups("green").await.unwrap(), []);
}

pub(super) async fn a_lane_shows_what_the_others_wait_for<S: Store>(store: &Arc<S>) {
    let subject = Subject(store);
    add_endpoints(&subject).await;
    let retrying = DeliveryState::Retrying { due: Wall(99) };
    let delivered = (answered(200), DeliveryState::Delivered);
    deliver(&subject, 1, RED, std::slice::from_ref(&delivered)).await;
    deliver(&subject, 2, RED, &[(answered(503), retrying)]).await;
    deliver(&subject, 3, RED, &[]).await;
    deliver(&subject, 4, REDDER, std::slice::from_ref(&delivered)).await;
    let key = |text: &str| text.parse::<OrderingKey>().unwrap();
    accept(&subject, 5, RED, key("b")).await;
    let stopped = accept(&subject, 6, RED, key("a")).await;
    accept(&subject, 7, RED, key("a")).await;
    let done = accept(&subject, 8, RED, key("c")).await;
    let failed = DeliveryState::Failed(FailReason::Exhausted);
    end(&subject, (6, 1), stopped, (answered(503), failed), true).await;
    end(&subject, (8, 1), done, delivered, false).await;
    let lanes = async |endpoint, after: Option<&str>, most| {
        let after = after.map(|key| match key {
            "" => OrderingKey::none(),
            key => key.parse().unwrap(),
        });
        let found = Arc::clone(store).lanes(endpoint, after, most);
        let found = found.await.unwrap().into_iter();
        let told = found.map(|lane| {
            let key = lane.key.get().unwrap_or_default().to_owned();
            let head = lane.head.unwrap();
            let stopped = lane.stopped_at.map(DeliveryId::as_u128);
            let head = (head.id.as_u128(), head.attempts.len());
            (key, lane.pending, head, stopped)
        });
        told.collect::<Vec<_>>()
    };
    let expected = [
        (String::new(), 2, (2, 1), None),
        ("a".to_owned(), 1, (6, 1), Some(6)),
        ("b".to_owned(), 1, (5, 0), None),
    ];
    assert_eq!(lanes(RED.0, None, 9).await, expected);
    assert_eq!(lanes(RED.0, None, 1).await, expected[..1]);
    assert_eq!(lanes(RED.0, Some(""), 9).await, expected[1..]);
    assert_eq!(lanes(RED.0, Some("a"), 9).await, expected[2..]);
    assert_eq!(lanes(REDDER.0, None, 9).await, []);
}

pub(super) async fn the_oldest_pending_delivery_is_known<S: Store>(store: &Arc<S>) {
    let subject = Subject(store);
    add_endpoints(&subject).await;
    let oldest = async || Arc::clone(store).oldest_pending().await.unwrap();
    assert_eq!(oldest().await, None);
    // As ids are that say when they were made.
    let number = |ms| DeliveryId::first_at(Wall(ms)).as_u128();
    let retrying = DeliveryState::Retrying { due: Wall(99) };
    let delivered = (answered(200), DeliveryState::Delivered);
    let first = accept(&subject, number(10), RED, OrderingKey::none()).await;
    let second = accept(&subject, number(20), BLUE, OrderingKey::none()).await;
    accept(&subject, number(30), RED, OrderingKey::none()).await;
    let failed = (answered(503), retrying);
    end(&subject, (number(10), 1), first.clone(), failed, false).await;
    assert_eq!(oldest().await, Some(Wall(10)));
    end(&subject, (number(10), 2), first, delivered.clone(), false).await;
    assert_eq!(oldest().await, Some(Wall(20)));
    end(&subject, (number(20), 1), second, delivered, false).await;
    assert_eq!(oldest().await, Some(Wall(30)));
    assert_eq!(Arc::clone(store).probe().await, Ok(()));
    assert!(Arc::clone(store).size_bytes().await.unwrap() > 0);
}

pub(super) async fn endpoints_are_found_by_tenant<S: Store>(store: &Arc<S>) {
    add_endpoints(&Subject(store)).await;
    let of = async |name, after, most| {
        let found = Arc::clone(store).endpoints_of(tenant(name), after, most);
        let found = found.await.unwrap();
        found.iter().map(|it| it.id).collect::<Vec<_>>()
    };
    assert_eq!(of("red", None, 9).await, [RED.0, REDDER.0]);
    assert_eq!(of("red", None, 1).await, [RED.0]);
    assert_eq!(of("red", Some(RED.0), 9).await, [REDDER.0]);
    assert_eq!(of("blue", None, 9).await, [BLUE.0]);
    assert_eq!(of("green", None, 9).await, []);
}

pub(super) async fn lanes_are_listed_by_the_age_of_what_waits_first<S: Store>(store: &Arc<S>) {
    let subject = Subject(store);
    let page = async |query: &LaneQuery| {
        let page = Arc::clone(store).waiting_lanes(query.clone());
        let page = page.await.unwrap();
        for lane in &page.lanes {
            let whole = Arc::clone(store).delivery(lane.head.id).await.unwrap();
            assert_eq!(lane.head, DeliverySummary::of(&whole.unwrap()));
            assert_eq!(
                (&lane.id, &lane.tenant),
                (&lane.head.lane, &lane.head.tenant)
            );
        }
        let lanes = page.lanes.iter().map(|lane| {
            let stopped = lane.stopped_at.map(DeliveryId::as_u128);
            (lane.head.id.as_u128(), lane.pending, stopped)
        });
        (lanes.collect::<Vec<_>>(), page.next)
    };
    let all = LaneQuery {
        most: 9,
        ..LaneQuery::default()
    };
    assert_eq!(page(&all).await, (vec![], None));
    add_endpoints(&subject).await;
    let none = OrderingKey::none;
    let first = accept(&subject, 1, RED, none()).await;
    accept(&subject, 2, REDDER, "k".parse().unwrap()).await;
    accept(&subject, 3, RED, none()).await;
    accept(&subject, 4, BLUE, none()).await;
    let heads = [(1, 2, None), (2, 1, None), (4, 1, None)];
    assert_eq!(page(&all).await.0, heads);
    // A lane that has stopped is where the first one is that waits in it.
    let rejected = DeliveryState::Failed(FailReason::Rejected);
    end(&subject, (1, 1), first, (answered(404), rejected), true).await;
    let heads = [(2, 1, None), (3, 1, Some(1)), (4, 1, None)];
    assert_eq!(page(&all).await.0, heads);
    let tenant = Some(tenant("red"));
    let of_red = LaneQuery {
        tenant,
        ..all.clone()
    };
    assert_eq!(page(&of_red).await.0, heads[..2]);
    let endpoint = Some(BLUE.0);
    let of_blue = LaneQuery {
        endpoint,
        ..all.clone()
    };
    assert_eq!(page(&of_blue).await.0, heads[2..]);
    let foreign = LaneQuery { endpoint, ..of_red };
    assert_eq!(page(&foreign).await.0, []);
    let mut one = LaneQuery {
        most: 1,
        ..all.clone()
    };
    for (place, head) in heads.iter().enumerate() {
        let (found, next) = page(&one).await;
        assert_eq!(found, [*head]);
        assert_eq!(next.is_some(), place < 2, "{place}");
        one.after = next;
    }
    // What takes the place of a dead letter is younger than what it goes before.
    let resend = Change::Resend {
        of: DeliveryId::from_u128(1),
        new: DeliveryId::from_u128(9),
        replay: None,
        at: Wall(20),
    };
    subject.commit(resend).await;
    let heads = [(2, 1, None), (4, 1, None), (9, 2, None)];
    assert_eq!(page(&all).await.0, heads);
}
