//! Deliveries without what is large of them.

use super::Subject;
use super::deliveries::{BLUE, RED, REDDER, fill};
use crate::history::{DeliveryFilter, DeliveryQuery, Direction, StateKind};
use crate::outline::DeliveryOutline;
use crate::store::Store;
use postrider_engine::{
    Change, DisabledReason, EndpointId, EndpointStatus, EndpointUpdate, FailReason, Wall,
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
