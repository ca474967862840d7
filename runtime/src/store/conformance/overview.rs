//! What there is of tenants and endpoints, counted.

use super::Subject;
use super::deliveries::{BLUE, RED, REDDER, fill, tenant};
use crate::overview::{EndpointQuery, StatusKind, TenantCounts};
use crate::statistics::Hour;
use crate::store::Store;
use postrider_engine::{
    Change, DisabledReason, EndpointId, EndpointSpec, EndpointStatus, EndpointUpdate, Health, Wall,
};
use std::sync::Arc;

/// Long after everything that happens here.
const LATE: Wall = Wall(1 << 40);

fn counts(endpoints: u64, pending: u64, dead_letters: u64) -> TenantCounts {
    TenantCounts {
        endpoints,
        pending,
        dead_letters,
    }
}

pub(super) async fn tenants_are_counted_apart_and_together<S: Store>(store: &Arc<S>) {
    let subject = Subject(store);
    let overview = async |name: Option<&str>| {
        let of = name.map(tenant);
        let found = Arc::clone(store).overview(of, Wall(0), LATE).await.unwrap();
        (found.now, found.oldest_pending)
    };
    assert_eq!(overview(None).await, (counts(0, 0, 0), None));
    fill(&subject).await;
    // Their ids are small numbers: they say the year 1970.
    let first = Some(Wall(0));
    assert_eq!(overview(None).await, (counts(3, 3, 3), first));
    assert_eq!(overview(Some("red")).await, (counts(2, 2, 2), first));
    assert_eq!(overview(Some("blue")).await, (counts(1, 1, 1), first));
    assert_eq!(overview(Some("green")).await, (counts(0, 0, 0), None));
    let of_some = ["blue", "green", "red"].map(tenant).to_vec();
    let of_some = Arc::clone(store).tenant_counts(of_some).await.unwrap();
    assert_eq!(
        of_some,
        [counts(1, 1, 1), counts(0, 0, 0), counts(2, 2, 2)],
        "in the order in which they are named"
    );
    let delete = Change::DeleteEndpoint {
        endpoint: RED.0,
        keep: Vec::new(),
        at: Wall(40),
    };
    subject.commit(delete).await;
    assert_eq!(
        overview(Some("red")).await,
        (counts(1, 1, 2), first),
        "dead letters outlive their endpoint"
    );
}

fn sums(hours: &[Hour]) -> Vec<(Wall, [u64; 6])> {
    let sums = hours.iter().map(|hour| {
        let counts = [
            hour.accepted,
            hour.delivered,
            hour.failed,
            hour.discarded,
            hour.attempts,
            hour.attempts_failed,
        ];
        (hour.start, counts)
    });
    sums.collect()
}

pub(super) async fn the_hours_of_endpoints_add_up<S: Store>(store: &Arc<S>) {
    let subject = Subject(store);
    fill(&subject).await;
    let hours = async |name: Option<&str>, from, until| {
        let found = Arc::clone(store).overview(name.map(tenant), from, until);
        let found = found.await.unwrap();
        (found.since, sums(&found.hours))
    };
    let red: [u64; 6] = [6, 1, 3, 0, 7, 6];
    let blue: [u64; 6] = [2, 0, 1, 0, 1, 1];
    let both: [u64; 6] = std::array::from_fn(|at| red[at] + blue[at]);
    let start = Wall(0);
    assert_eq!(hours(None, start, LATE).await, (start, vec![(start, both)]));
    let of_red = hours(Some("red"), start, LATE).await;
    assert_eq!(of_red, (start, vec![(start, red)]));
    let of_blue = hours(Some("blue"), start, LATE).await;
    assert_eq!(of_blue, (start, vec![(start, blue)]));
    assert_eq!(hours(Some("green"), start, LATE).await, (start, vec![]));
    let second = Wall(3_600_000);
    let later = hours(None, Wall(second.0 + 7), LATE).await;
    assert_eq!(later, (second, vec![]), "an hour is told as a whole");
    let delete = Change::DeleteEndpoint {
        endpoint: BLUE.0,
        keep: Vec::new(),
        at: Wall(40),
    };
    subject.commit(delete).await;
    let mut discarded = blue;
    discarded[3] = 1;
    assert_eq!(
        hours(Some("blue"), start, LATE).await,
        (start, vec![(start, discarded)]),
        "what has happened is told when the endpoint is gone"
    );
}

pub(super) async fn endpoints_are_counted_in_the_order_in_which_they_are_named<S: Store>(
    store: &Arc<S>,
) {
    fill(&Subject(store)).await;
    let unknown = EndpointId::from_u128(99);
    let named = vec![BLUE.0, unknown, RED.0];
    let found = Arc::clone(store)
        .endpoint_counts(named.clone(), Wall(0), LATE)
        .await
        .unwrap();
    let told: Vec<_> = found
        .iter()
        .map(|it| (it.ledger.pending, it.dead_letters, it.total.attempts))
        .collect();
    assert_eq!(told, [(1, 1, 1), (0, 0, 0), (1, 1, 4)]);
    for (endpoint, counts) in named.into_iter().zip(found) {
        let ledger = Arc::clone(store).ledger(endpoint).await.unwrap();
        assert_eq!(counts.ledger, ledger);
    }
}

async fn change<S: Store>(
    subject: &Subject<'_, S>,
    endpoint: EndpointId,
    spec: Option<EndpointSpec>,
    (status, failures): (EndpointStatus, u32),
) {
    let update = EndpointUpdate {
        endpoint,
        spec: spec.map(Arc::new),
        secrets: None,
        status: Some(status),
        health: Some(Health {
            failures,
            ..Health::default()
        }),
        due: None,
    };
    subject
        .commit(Change::ChangeEndpoint(Arc::new(update)))
        .await;
}

/// Three endpoints: one as it was made, one that is disabled by itself, one that fails.
async fn fill_with_all_kinds<S: Store>(subject: &Subject<'_, S>) {
    fill(subject).await;
    let mut spec = EndpointSpec::new("https://merchant.example/Hooks");
    spec.tenant = tenant("red");
    spec.event_types = vec!["payment.*".parse().unwrap()];
    let gone = EndpointStatus::Disabled(DisabledReason::Gone);
    change(subject, REDDER.0, Some(spec), (gone, 0)).await;
    change(subject, BLUE.0, None, (EndpointStatus::Active, 2)).await;
}

pub(super) async fn endpoints_are_found_by_what_they_are<S: Store>(store: &Arc<S>) {
    fill_with_all_kinds(&Subject(store)).await;
    let any = EndpointQuery {
        most: 9,
        ..EndpointQuery::default()
    };
    let found = async |query: EndpointQuery| {
        let page = Arc::clone(store).find_endpoints(query).await.unwrap();
        let ids: Vec<_> = page.endpoints.iter().map(|it| it.id).collect();
        (ids, page.next)
    };
    let all = (vec![RED.0, REDDER.0, BLUE.0], None);
    assert_eq!(found(any.clone()).await, all);
    let red = Some(tenant("red"));
    for (query, expected) in [
        (
            EndpointQuery {
                tenant: red.clone(),
                ..any.clone()
            },
            vec![RED.0, REDDER.0],
        ),
        (
            EndpointQuery {
                statuses: vec![StatusKind::Disabled, StatusKind::Paused],
                ..any.clone()
            },
            vec![REDDER.0],
        ),
        (
            EndpointQuery {
                text: Some("example/hooks".to_owned()),
                ..any.clone()
            },
            vec![REDDER.0],
        ),
        (
            EndpointQuery {
                event_type: Some("order.paid".parse().unwrap()),
                ..any.clone()
            },
            vec![RED.0, BLUE.0],
        ),
        (
            EndpointQuery {
                failing: true,
                ..any.clone()
            },
            vec![REDDER.0, BLUE.0],
        ),
        (
            EndpointQuery {
                failing: true,
                tenant: red,
                ..any.clone()
            },
            vec![REDDER.0],
        ),
    ] {
        assert_eq!(found(query.clone()).await, (expected, None), "{query:?}");
    }
    let one = |after| EndpointQuery {
        most: 1,
        after,
        ..any.clone()
    };
    assert_eq!(found(one(None)).await, (vec![RED.0], Some(RED.0)));
    let last = found(one(Some(REDDER.0))).await;
    assert_eq!(last, (vec![BLUE.0], None));
}
