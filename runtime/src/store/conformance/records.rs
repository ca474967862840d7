//! Records of whoever embeds a store.

use crate::records::{Record, RecordError, Records};
use crate::store::Store;
use std::sync::Arc;

fn record(kind: &'static str, tenant: &str, id: &str, value: &'static str) -> Record {
    Record {
        kind,
        tenant: tenant.parse().unwrap(),
        id: id.into(),
        value: value.into(),
    }
}

/// Ids with their tenants.
async fn listed(
    records: &Arc<dyn Records>,
    kind: &'static str,
    tenant: Option<&str>,
    after: Option<(&str, &str)>,
    most: usize,
) -> Vec<(String, String)> {
    let tenant = tenant.map(|name| name.parse().unwrap());
    let after = after.map(|(tenant, id)| (tenant.parse().unwrap(), id.into()));
    let found = Arc::clone(records).list(kind, tenant, after, most).await;
    let found = found.unwrap().into_iter();
    found
        .map(|it| (it.tenant.to_string(), it.id.to_string()))
        .collect()
}

pub(super) async fn a_record_is_kept_until_it_is_put_anew_or_removed<S: Store>(store: &Arc<S>) {
    let Some(records) = Arc::clone(store).records() else {
        return;
    };
    let of = |it: &Record| (it.kind, it.tenant.clone(), Arc::clone(&it.id));
    let get = async |it: &Record| {
        let (kind, tenant, id) = of(it);
        Arc::clone(&records).get(kind, tenant, id).await.unwrap()
    };
    let first = record("key", "red", "a", "one");
    assert_eq!(get(&first).await, None);
    Arc::clone(&records).put(first.clone()).await.unwrap();
    for other in [
        record("source", "red", "a", ""),
        record("key", "blue", "a", ""),
        record("key", "red", "b", ""),
    ] {
        assert_eq!(get(&other).await, None, "it is nothing else's: {other:?}");
    }
    let second = record("key", "red", "a", "two");
    Arc::clone(&records).put(second.clone()).await.unwrap();
    assert_eq!(get(&first).await, Some(second));
    let remove = || {
        let (kind, tenant, id) = of(&first);
        Arc::clone(&records).remove(kind, tenant, id)
    };
    assert_eq!(remove().await, Ok(true));
    assert_eq!(remove().await, Ok(false));
    assert_eq!(get(&first).await, None);
}

pub(super) async fn of_two_new_records_of_one_id_one_is_kept<S: Store>(store: &Arc<S>) {
    let Some(records) = Arc::clone(store).records() else {
        return;
    };
    let [first, second] = ["one", "two"].map(|value| record("key", "red", "a", value));
    let put_new = |it: &Record| Arc::clone(&records).put_new(it.clone());
    let (here, there) = (put_new(&first), put_new(&second));
    assert_eq!((here.await, there.await), (Ok(true), Ok(false)));
    let (tenant, id) = (first.tenant.clone(), Arc::clone(&first.id));
    let kept = Arc::clone(&records).get("key", tenant, id).await;
    assert_eq!(kept, Ok(Some(first)));
}

pub(super) async fn records_are_listed_by_tenant_and_id<S: Store>(store: &Arc<S>) {
    let Some(records) = Arc::clone(store).records() else {
        return;
    };
    for (kind, tenant, id) in [
        ("key", "red", "b"),
        ("key", "blue", "c"),
        ("source", "red", "a"),
        ("key", "red", "a"),
        ("key", "blue", "d"),
    ] {
        let record = record(kind, tenant, id, "");
        Arc::clone(&records).put(record).await.unwrap();
    }
    let pair = |tenant: &str, id: &str| (tenant.to_owned(), id.to_owned());
    let all = [
        pair("blue", "c"),
        pair("blue", "d"),
        pair("red", "a"),
        pair("red", "b"),
    ];
    assert_eq!(listed(&records, "key", None, None, 9).await, all);
    assert_eq!(listed(&records, "key", None, None, 3).await, all[..3]);
    let after = Some(("blue", "d"));
    assert_eq!(listed(&records, "key", None, after, 9).await, all[2..]);
    let red = Some("red");
    assert_eq!(listed(&records, "key", red, None, 9).await, all[2..]);
    let after = Some(("red", "a"));
    assert_eq!(listed(&records, "key", red, after, 9).await, all[3..]);
    let (before, beyond) = (Some(("blue", "z")), Some(("sand", "a")));
    assert_eq!(listed(&records, "key", red, before, 9).await, all[2..]);
    assert_eq!(listed(&records, "key", red, beyond, 9).await, []);
    assert_eq!(
        listed(&records, "source", red, None, 9).await,
        [pair("red", "a")]
    );
}

pub(super) async fn records_beyond_the_bounds_are_refused<S: Store>(store: &Arc<S>) {
    let Some(records) = Arc::clone(store).records() else {
        return;
    };
    let put = async |it: Record| Arc::clone(&records).put(it).await;
    let most = Record::ID_BYTES_MAX;
    let refused = Err(RecordError::Id { most });
    assert_eq!(put(record("key", "red", "", "")).await, refused);
    let long = record("key", "red", &"x".repeat(most + 1), "");
    assert_eq!(put(long).await, refused);
    let most = Record::VALUE_BYTES_MAX;
    let mut large = record("key", "red", "a", "");
    large.value = vec![0; most].into();
    assert_eq!(put(large.clone()).await, Ok(()));
    large.value = vec![0; most + 1].into();
    let bytes = most + 1;
    assert_eq!(put(large).await, Err(RecordError::TooLarge { bytes, most }));
}
