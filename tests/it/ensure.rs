//! Endpoints by name, of a whole Postrider: however often one is asked for, there is one.

use crate::receiver::SECRET;
use postrider::{
    EndpointError, EndpointSpec, EnsureError, Ensured, InvalidSpec, Postrider, Secret, SqliteStore,
    TenantId,
};
use std::path::Path;

const URL: &str = "https://merchant.example/hooks";

async fn started() -> Postrider {
    Postrider::builder().start().await.unwrap()
}

async fn on(path: &Path) -> Postrider {
    let store = SqliteStore::open(path).unwrap();
    Postrider::builder().store(store).start().await.unwrap()
}

fn spec(tenant: &str, url: &str) -> EndpointSpec {
    let mut spec = EndpointSpec::new(url);
    spec.tenant = tenant.parse().unwrap();
    spec
}

#[tokio::test]
async fn a_program_that_ensures_its_endpoint_at_each_start_has_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.db");
    let (mut seen, mut revisions) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let postrider = on(&path).await;
        for _ in 0..2 {
            let ensured = postrider.ensure_endpoint("merchant", URL, SECRET).await;
            seen.push(ensured.unwrap());
        }
        let endpoints = postrider.endpoints().await.unwrap();
        assert_eq!(endpoints.len(), 1, "they do not pile up");
        revisions.push(endpoints[0].revision);
        postrider.shutdown().await;
    }
    assert!(seen.iter().all(|id| *id == seen[0]), "{seen:?}");
    let unchanged = revisions.iter().all(|it| *it == revisions[0]);
    assert!(unchanged, "nothing was changed: {revisions:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_ensure_the_same_name_at_once_have_the_same_endpoint() {
    let postrider = started().await;
    let asking = (0..20).map(|_| {
        let postrider = postrider.clone();
        tokio::spawn(async move { postrider.ensure("one", spec("default", URL), None).await })
    });
    let mut made = 0;
    let mut ids = Vec::new();
    for asked in asking.collect::<Vec<_>>() {
        let (endpoint, ensured) = asked.await.unwrap().unwrap();
        made += usize::from(ensured == Ensured::Made);
        ids.push(endpoint.id);
    }
    assert_eq!(made, 1);
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(postrider.endpoints().await.unwrap().len(), 1);
}

#[tokio::test]
async fn whoever_gives_up_waiting_leaves_no_second_endpoint_behind() {
    let directory = tempfile::tempdir().unwrap();
    let postrider = on(&directory.path().join("events.db")).await;
    for _ in 0..5 {
        let asked = postrider.ensure_endpoint("merchant", URL, SECRET);
        // Polled once: it has begun, and nobody waits for it.
        let _ = tokio::time::timeout(std::time::Duration::ZERO, asked).await;
    }
    let asked = postrider.ensure_endpoint("merchant", URL, SECRET).await;
    asked.unwrap();
    assert_eq!(postrider.endpoints().await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_differs_is_changed_and_the_secret_only_if_another_one_is_given() {
    let postrider = started().await;
    let (made, ensured) = postrider
        .ensure("one", spec("default", URL), None)
        .await
        .unwrap();
    assert_eq!(ensured, Ensured::Made);
    assert_eq!(made.spec.name.as_ref().unwrap().as_str(), "one");
    postrider.pause_endpoint(&made.id).await.unwrap();
    let mut other = spec("default", "https://merchant.example/new");
    other.description = "the shop's".into();
    let changed = postrider.ensure("one", other.clone(), None).await.unwrap();
    assert_eq!((changed.0.id, changed.1), (made.id, Ensured::Changed));
    assert_eq!(&*changed.0.spec.url, "https://merchant.example/new");
    assert_eq!(changed.0.secrets, made.secrets, "the secret stays");
    assert_eq!(changed.0.status, postrider::EndpointStatus::Paused);
    let again = postrider.ensure("one", other.clone(), None).await.unwrap();
    assert_eq!(again.1, Ensured::Unchanged);
    let secret = || Some(Secret::parse(SECRET).unwrap());
    let rotated = postrider.ensure("one", other.clone(), secret()).await;
    let (rotated, ensured) = rotated.unwrap();
    assert_eq!((rotated.secrets.len(), ensured), (2, Ensured::Changed));
    let again = postrider.ensure("one", other, secret()).await.unwrap();
    assert_eq!(
        (again.0.secrets, again.1),
        (rotated.secrets, Ensured::Unchanged)
    );
    // By hand it is changed as any other, and keeps its name.
    let mut by_hand = (*again.0.spec).clone();
    by_hand.name = None;
    let by_hand = postrider.update_endpoint(&made.id, by_hand).await.unwrap();
    assert_eq!(by_hand.spec.name, made.spec.name);
}

#[tokio::test]
async fn a_name_is_a_tenants_own_and_free_once_its_endpoint_is_deleted() {
    let postrider = started().await;
    let ensure = async |tenant: &str| postrider.ensure("one", spec(tenant, URL), None).await;
    let (first, _) = ensure("default").await.unwrap();
    let (other, ensured) = ensure("other").await.unwrap();
    assert_eq!(ensured, Ensured::Made);
    assert_eq!(other.spec.tenant, "other".parse::<TenantId>().unwrap());
    postrider.delete_endpoint(&first.id).await.unwrap();
    let (next, ensured) = ensure("default").await.unwrap();
    assert!(next.id != first.id && ensured == Ensured::Made);
    assert_eq!(ensure("other").await.unwrap().0.id, other.id);
    let named = (*next.spec).clone();
    let beside = postrider.register(named, None).await;
    assert!(
        matches!(beside, Err(EndpointError::Invalid(InvalidSpec::Named))),
        "no second one beside it: {beside:?}"
    );
    let refused = postrider.ensure("a b", spec("default", URL), None).await;
    assert!(matches!(refused, Err(EnsureError::Name(_))), "{refused:?}");
}
