//! What is a tenant's is found among much that is others'.

use super::changes::{endpoint, lane, open, publish};
use postrider::store::Store;
use postrider::{DeliveryFilter, DeliveryQuery, EventFilter, EventQuery, TenantId};
use postrider_engine::{Change, EndpointId};
use std::sync::Arc;

const LARGE: EndpointId = EndpointId::from_u128(1);
const SMALL: EndpointId = EndpointId::from_u128(2);

/// Deliveries of the large tenant: more than a page looks at.
const MANY: u128 = 12_000;

/// Event and delivery `number` of this tenant.
fn of(tenant: &str, endpoint: EndpointId, number: u128) -> Change {
    let mut publish = publish(number, "{}", &[(number, lane(endpoint, ""))]);
    Arc::make_mut(&mut publish.event).tenant = tenant.parse().unwrap();
    Change::Publish(publish)
}

fn endpoint_of(tenant: &str, id: EndpointId) -> Change {
    let Change::AddEndpoint(mut added) = endpoint(id) else {
        unreachable!("it adds an endpoint")
    };
    Arc::make_mut(&mut added.spec).tenant = tenant.parse().unwrap();
    Change::AddEndpoint(added)
}

#[tokio::test]
async fn the_first_page_of_a_small_tenant_has_what_is_far_apart_among_others() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path().join("events.db"));
    let mut changes = vec![endpoint_of("large", LARGE), endpoint_of("small", SMALL)];
    changes.extend((1..=MANY).map(|number| match number {
        10 | 6_000 | 11_000 => of("small", SMALL, number),
        number => of("large", LARGE, number),
    }));
    let answers = Arc::clone(&store).commit(changes).await;
    assert!(answers.iter().all(Result::is_ok));
    let tenant: Option<TenantId> = Some("small".parse().unwrap());
    let query = DeliveryQuery {
        filter: DeliveryFilter {
            tenant: tenant.clone(),
            ..DeliveryFilter::default()
        },
        most: 9,
        ..DeliveryQuery::default()
    };
    let page = Arc::clone(&store).deliveries(query).await.unwrap();
    let found: Vec<_> = page.deliveries.iter().map(|it| it.id.as_u128()).collect();
    assert_eq!((&found[..], page.next), (&[11_000, 6_000, 10][..], None));
    let query = EventQuery {
        filter: EventFilter {
            tenant,
            ..EventFilter::default()
        },
        most: 9,
        ..EventQuery::default()
    };
    let page = Arc::clone(&store).events(query).await.unwrap();
    let found = page.events.iter().map(|it| it.event.id.as_u128());
    let found: Vec<_> = found.collect();
    assert_eq!((&found[..], page.next), (&[11_000, 6_000, 10][..], None));
}
