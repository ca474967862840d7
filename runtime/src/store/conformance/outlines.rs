//! Deliveries without what is large of them.

use super::Subject;
use super::deliveries::{BLUE, RED, REDDER, fill};
use crate::history::{DeliveryFilter, DeliveryQuery, Direction, StateKind};
use crate::outline::DeliveryOutline;
use crate::store::Store;
use postrider_engine::{
    Change, DeliveryId, DeliveryState, DisabledReason, EndpointId, EndpointStatus, EndpointUpdate,
    FailReason, Receipt, Wall,
};
use std::sync::Arc;

/// Every outline, page by page.
async fn outlines<S: Store>(
    store: &Arc<S>,
    filter: &DeliveryFilter,
    direction: Direction,
) -> Vec<DeliveryOutline> {
    let mut query = DeliveryQuery {
        filter: filter.clone(),
        direction,
        after: None,
        most: 2,
    };
    let mut found = Vec::new();
    loop {
        let page = Arc::clone(store).outlines(query.clone()).await.unwrap();
        assert!(page.deliveries.len() <= 2, "a page is as long as it may be");
        found.extend(page.deliveries);
        query.after = page.next;
        if page.next.is_none() {
            return found;
        }
    }
}

pub(super) async fn outlines_say_of_each_delivery_what_its_record_says<S: Store>(store: &Arc<S>) {
    fill(&Subject(store)).await;
    let any = DeliveryFilter::default;
    let filters = [
        any(),
        DeliveryFilter {
            tenant: Some(RED.1.parse().unwrap()),
            ..any()
        },
        DeliveryFilter {
            endpoint: Some(REDDER.0),
            states: vec![StateKind::Failed],
            ..any()
        },
        DeliveryFilter {
            reasons: vec![FailReason::Exhausted],
            dead: true,
            ..any()
        },
        DeliveryFilter {
            status: Some(404),
            ..any()
        },
        DeliveryFilter {
            event_types: vec!["b.*".parse().unwrap()],
            ..any()
        },
    ];
    for filter in &filters {
        for direction in [Direction::OldestFirst, Direction::NewestFirst] {
            let query = DeliveryQuery {
                filter: filter.clone(),
                direction,
                after: None,
                most: 100,
            };
            let whole = Arc::clone(store).deliveries(query).await.unwrap();
            let expected = whole.deliveries.iter().map(|record| DeliveryOutline {
                id: record.id,
                tenant: record.event.tenant.clone(),
                event_type: record.event.event_type.clone(),
                endpoint: record.lane.endpoint,
                endpoint_status: Some(EndpointStatus::Active),
                state: record.state,
                ended_at: record.ended_at,
                resent_as: record.resent_as,
            });
            let expected: Vec<_> = expected.collect();
            let found = outlines(store, filter, direction).await;
            assert_eq!(found, expected, "{filter:?}");
        }
    }
    let found =
        async |filter: &DeliveryFilter| outlines(store, filter, Direction::OldestFirst).await.len();
    let counts = [8, 6, 2, 2, 1, 0];
    for (filter, count) in filters.iter().zip(counts) {
        assert_eq!(found(filter).await, count, "{filter:?}");
    }
}

pub(super) async fn outlines_know_whether_their_endpoint_gets_deliveries<S: Store>(store: &Arc<S>) {
    let subject = Subject(store);
    fill(&subject).await;
    let disabled = EndpointStatus::Disabled(DisabledReason::Gone);
    let disable = EndpointUpdate {
        endpoint: BLUE.0,
        spec: None,
        secrets: None,
        status: Some(disabled),
        health: None,
        due: None,
    };
    subject
        .commit(Change::ChangeEndpoint(Arc::new(disable)))
        .await;
    let delete = Change::DeleteEndpoint {
        endpoint: REDDER.0,
        keep: Vec::new(),
        at: Wall(40),
    };
    subject.commit(delete).await;
    let status = |endpoint: EndpointId| match endpoint {
        endpoint if endpoint == REDDER.0 => None,
        endpoint if endpoint == BLUE.0 => Some(disabled),
        _ => Some(EndpointStatus::Active),
    };
    let all = outlines(store, &DeliveryFilter::default(), Direction::OldestFirst).await;
    assert_eq!(all.len(), 8);
    for outline in all {
        let expected = status(outline.endpoint);
        assert_eq!(outline.endpoint_status, expected, "{outline:?}");
    }
}

pub(super) async fn a_letter_that_was_resent_since_is_found_beside_the_dead_ones<S: Store>(
    store: &Arc<S>,
) {
    let subject = Subject(store);
    subject.add_endpoint().await;
    let failed = DeliveryState::Failed(FailReason::Exhausted);
    for number in 1..=3 {
        let place = subject.publish(number).await;
        subject.end(number, place, failed, false).await;
    }
    // As ids are that say when they were made.
    for (number, at) in [(1, 40), (2, 50)] {
        let resend = Change::Resend {
            of: DeliveryId::from_u128(number),
            new: DeliveryId::first_at(Wall(at)),
            replay: None,
            at: Wall(at),
        };
        assert!(matches!(subject.commit(resend).await, Receipt::Resent(_)));
    }
    for (resent_since, expected) in [
        (None, vec![3]),
        (Some(Wall(51)), vec![3]),
        (Some(Wall(50)), vec![2, 3]),
        (Some(Wall(0)), vec![1, 2, 3]),
    ] {
        let filter = DeliveryFilter {
            dead: true,
            resent_since,
            ..DeliveryFilter::default()
        };
        let found = outlines(store, &filter, Direction::OldestFirst).await;
        let found: Vec<u128> = found.iter().map(|it| it.id.as_u128()).collect();
        assert_eq!(found, expected, "{resent_since:?}");
    }
}
