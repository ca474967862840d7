use super::*;
use crate::api::receipts::log::KEPT;
use crate::api::sources::SourceRecord;
use postrider::store::Store;
use postrider::{MemoryStore, Wall};
use serde_json::{Value, json};

fn source(number: u128) -> Source {
    let record: SourceRecord = serde_json::from_value(json!({
        "id": SourceId::from_u128(number).to_string(),
        "tenant": "acme",
        "name": "a.b",
        "provider": "github",
        "secrets": [{ "id": 1, "secret": "a-secret", "created_at": "2026-01-01T00:00:00Z" }],
        "secrets_given": 1,
        "tolerance_s": 300,
        "allowed_networks": [],
        "event_prefix": "github",
        "custom": null,
        "created_at": "2026-01-01T00:00:00Z",
    }))
    .unwrap();
    Source::prepare(Arc::new(record)).unwrap()
}

/// A receipt that is known by this number.
fn receipt(number: usize) -> Receipt {
    let mut receipt = Receipt::begin(Wall(0).into(), None);
    receipt.got_body(number);
    receipt
}

fn records() -> Arc<dyn Records> {
    Arc::new(MemoryStore::default()).records().unwrap()
}

fn receipts(records: &Arc<dyn Records>) -> Receipts {
    Receipts::new(Arc::clone(records)).0
}

/// The numbers on a page, and its next one.
fn shown(log: Log, before: Option<u64>, most: usize) -> (Vec<u64>, Option<String>) {
    let page = serde_json::to_value(log.page(before, most)).unwrap();
    let data = page["data"].as_array().unwrap().iter();
    let numbers = data.map(|it| it["bytes"].as_u64().unwrap()).collect();
    (numbers, page["next"].as_str().map(str::to_owned))
}

async fn write(receipts: &Receipts) {
    while receipts.write_some(|_| true).await.unwrap() {}
}

#[tokio::test]
async fn the_last_receipts_of_a_source_are_kept_newest_first_page_by_page() {
    let records = records();
    let (one, source) = (receipts(&records), source(1));
    for number in 0..KEPT + 30 {
        one.note(&source, receipt(number));
        if number % 90 == 0 {
            write(&one).await;
        }
    }
    write(&one).await;
    let again = receipts(&records);
    again.note(&source, receipt(1_000));
    let log = again.of(&source).await.unwrap();
    assert_eq!(log.len(), KEPT);
    let (first, next) = shown(log.clone(), None, 2);
    assert_eq!(first, [1_000, 229]);
    assert_eq!(next.as_deref(), Some("229"));
    let (second, _) = shown(log.clone(), Some(229), 2);
    assert_eq!(second, [228, 227]);
    // What is written between two pages moves nothing.
    write(&again).await;
    again.note(&source, receipt(1_001));
    let log = again.of(&source).await.unwrap();
    assert_eq!(shown(log.clone(), Some(229), 2).0, [228, 227]);
    assert_eq!(shown(log, None, KEPT).1, None);
}

#[tokio::test]
async fn what_waits_to_be_written_is_bounded_for_a_source_and_for_all() {
    let receipts = receipts(&records());
    for number in 0..KEPT * 3 {
        receipts.note(&source(1), receipt(number));
    }
    assert_eq!(receipts.pending().count, KEPT);
    for number in 2..=200 {
        let source = source(number);
        for number in 0..KEPT {
            receipts.note(&source, receipt(number));
        }
    }
    assert_eq!(receipts.pending().count, PENDING_MAX);
    write(&receipts).await;
    assert_eq!(receipts.pending().count, 0);
    let log = receipts.of(&source(1)).await.unwrap();
    let (newest, _) = shown(log, None, 1);
    assert_eq!(newest, [599]);
}

#[tokio::test]
async fn a_round_writes_so_many_sources_and_the_next_one_those_behind_them() {
    let receipts = receipts(&records());
    let note = |number| receipts.note(&source(number), receipt(0));
    (1..=20).for_each(note);
    assert!(
        receipts.write_some(|_| true).await.unwrap(),
        "four are left"
    );
    note(1);
    assert!(!receipts.write_some(|_| true).await.unwrap());
    for number in 1..=20 {
        let log = receipts.of(&source(number)).await.unwrap();
        assert_eq!(log.len(), 1 + usize::from(number == 1), "{number}");
    }
}

#[tokio::test]
async fn a_source_that_is_gone_leaves_nothing() {
    let records = records();
    let (receipts, source) = (receipts(&records), source(1));
    receipts.note(&source, receipt(1));
    write(&receipts).await;
    receipts.note(&source, receipt(2));
    drop(receipts.forget(source.tenant(), source.id()).await.unwrap());
    assert!(!receipts.write_some(|_| false).await.unwrap());
    let list = Arc::clone(&records).list(KIND, None, None, 9);
    assert!(list.await.unwrap().is_empty());
    assert_eq!(receipts.pending().count, 0);
}

#[tokio::test]
async fn receipts_of_the_longest_texts_are_fewer_and_within_the_bound() {
    let records = records();
    let (receipts, source) = (receipts(&records), source(1));
    let long = "\u{10348}\n".repeat(1_000);
    for number in 0..KEPT {
        let mut receipt = receipt(number);
        receipt.explain(&long);
        receipt.named(Some(&long));
        receipts.note(&source, receipt);
    }
    write(&receipts).await;
    let list = Arc::clone(&records).list(KIND, None, None, 9);
    let list = list.await.unwrap();
    let value = &list[0].value;
    assert!(value.len() <= 96 << 10, "{}", value.len());
    let kept: Value = serde_json::from_slice(value).unwrap();
    assert!(!kept.to_string().contains("\\n"));
    let log = receipts.of(&source).await.unwrap();
    assert!(log.len() > 50, "{}", log.len());
    assert_eq!(shown(log, None, 1).0, [199]);
}
