//! An endpoint gets what it has missed: in order, behind what waits, and never twice.

use super::{ended, file, started};
use crate::receiver::{Receiver, Reply, SECRET, hasty, until};
use postrider::store::Store;
use postrider::{
    DeliveryFilter, DeliveryQuery, DeliveryRecord, EndpointId, EventId, MemoryStore, Postrider,
    Replay, ReplayError, ReplayReport, ReplayRequest, ReplayState, Secret, SkipReason, SqliteStore,
    Submission, TenantId,
};
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::Arc;

async fn publish(postrider: &Postrider, event_type: &str, body: &str) -> EventId {
    let published = postrider.publish(Submission::new(event_type, body)).await;
    published.unwrap().event
}

/// Events whose bodies count up, one after the other.
async fn publish_some(postrider: &Postrider, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let event_type = match number % 3 {
            0 => "charge.lost",
            _ => "charge.made",
        };
        publish(postrider, event_type, &number.to_string()).await;
    }
}

fn missed_by(endpoint: EndpointId) -> ReplayRequest {
    ReplayRequest::backfill(TenantId::default(), endpoint)
}

/// What a dry run has said is what was done.
fn was_done(report: &ReplayReport, replay: &Replay) {
    assert_eq!(replay.made, report.acted_on, "{replay:?}");
    assert_eq!(replay.skipped_by, report.skipped, "{replay:?}");
    assert_eq!(replay.total, Some(report.matched), "{replay:?}");
    assert_eq!(replay.done(), report.matched, "{replay:?}");
}

async fn run(postrider: &Postrider, request: ReplayRequest) -> (ReplayReport, Replay) {
    let report = postrider.report_replay(&request).await.unwrap();
    let replay = postrider.start_replay(request).await.unwrap();
    let replay = ended(postrider, &replay).await;
    was_done(&report, &replay);
    (report, replay)
}

async fn deliveries(postrider: &Postrider, endpoint: EndpointId) -> Vec<DeliveryRecord> {
    let query = DeliveryQuery {
        filter: DeliveryFilter {
            endpoint: Some(endpoint),
            ..DeliveryFilter::default()
        },
        most: 1_000,
        ..DeliveryQuery::default()
    };
    postrider.deliveries(query).await.unwrap().deliveries
}

fn numbers(receiver: &Receiver) -> Vec<u32> {
    let bodies = receiver.bodies().into_iter();
    bodies.map(|body| body.parse().unwrap()).collect()
}

async fn gives_a_new_endpoint_all_that_it_has_missed(store: Arc<dyn Store>) {
    let receiver = Receiver::answering(200).await;
    let postrider = started(store).await;
    publish_some(&postrider, 0..120).await;
    let endpoint = postrider.register_endpoint(&receiver.url(), SECRET).await;
    let endpoint = endpoint.unwrap();
    postrider.pause_endpoint(&endpoint).await.unwrap();
    publish_some(&postrider, 120..122).await;
    let (report, replay) = run(&postrider, missed_by(endpoint)).await;
    assert_eq!((report.matched, replay.made), (122, 120));
    let reached = BTreeMap::from([(SkipReason::AlreadyReached, 2)]);
    assert_eq!(replay.skipped_by, reached);
    let lines = report.by.iter();
    let lines: Vec<_> = lines.map(|(of, count)| (of.1.as_str(), *count)).collect();
    assert_eq!(lines, [("charge.lost", 40), ("charge.made", 80)]);
    postrider.resume_endpoint(&endpoint).await.unwrap();
    until("all has come", || async { receiver.count() >= 122 }).await;
    let expected: Vec<u32> = (120..122).chain(0..120).collect();
    assert_eq!(numbers(&receiver), expected, "behind what waited");

    let (_, again) = run(&postrider, missed_by(endpoint)).await;
    assert_eq!((again.made, again.skipped), (0, 122));
    let made = deliveries(&postrider, endpoint).await;
    assert_eq!(made.len(), 122);
    let of_replay = made.iter().filter(|it| it.replay == Some(replay.id));
    assert!(of_replay.clone().all(|it| it.resend_of.is_none()));
    assert_eq!(of_replay.count(), 120);
    until("the ledger adds up", || async {
        let ledger = postrider.ledger(&endpoint).await.unwrap();
        (ledger.accepted, ledger.delivered) == (122, 122)
    })
    .await;
}

#[tokio::test]
async fn a_new_endpoint_gets_all_that_it_has_missed_in_order_and_once() {
    gives_a_new_endpoint_all_that_it_has_missed(Arc::new(MemoryStore::default())).await;
    let directory = tempfile::tempdir().unwrap();
    gives_a_new_endpoint_all_that_it_has_missed(file(directory.path())).await;
}

async fn says_what_it_passes_over_and_why(store: Arc<dyn Store>) {
    let receiver = Receiver::answering(200).await;
    let postrider = started(store).await;
    let mut spec = hasty(&receiver.url(), 0);
    spec.event_types = vec!["order.*".parse().unwrap()];
    let secret = || Some(Secret::parse(SECRET).unwrap());
    let endpoint = postrider.register(spec.clone(), secret()).await.unwrap().id;
    let mut elsewhere = spec.clone();
    elsewhere.event_types = vec!["nothing.ever".parse().unwrap()];
    let other = postrider.register(elsewhere, secret()).await.unwrap().id;
    publish(&postrider, "charge.made", r#"{"amount": 20}"#).await;
    publish(&postrider, "charge.made", r#"{"amount": 5}"#).await;
    publish(&postrider, "charge.made", "no JSON").await;
    publish(&postrider, "refund.made", r#"{"amount": 20}"#).await;
    publish(&postrider, "order.made", r#"{"amount": 20}"#).await;
    let addressed = Submission::new("charge.made", r#"{"amount": 20}"#).to(&other);
    postrider.publish(addressed).await.unwrap();

    // It subscribes to something else from now on.
    spec.event_types = vec!["charge.*".parse().unwrap(), "order.*".parse().unwrap()];
    spec.filter = Some(r#"{"amount": {"$gt": 10}}"#.parse().unwrap());
    postrider.update_endpoint(&endpoint, spec).await.unwrap();
    postrider.disable_endpoint(&endpoint).await.unwrap();
    let (_, disabled) = run(&postrider, missed_by(endpoint)).await;
    let disabled = disabled.skipped_by[&SkipReason::EndpointDisabled];
    assert_eq!(disabled, 1);
    postrider.enable_endpoint(&endpoint).await.unwrap();
    let mut of_type = missed_by(endpoint);
    of_type.filter.event_types = vec!["refund.*".parse().unwrap()];
    let (_, of_type) = run(&postrider, of_type).await;
    assert_eq!((of_type.made, of_type.total), (0, Some(1)));
    let mut larger = missed_by(endpoint);
    larger.payload = Some(r#"{"amount": {"$gt": 20}}"#.parse().unwrap());
    assert_eq!(run(&postrider, larger).await.1.made, 0);

    let (_, all) = run(&postrider, missed_by(endpoint)).await;
    let expected = [
        (SkipReason::AlreadyReached, 1),
        (SkipReason::Addressed, 1),
        (SkipReason::NotSubscribed, 1),
        (SkipReason::FilteredOut, 1),
        (SkipReason::FilterUndecided, 1),
    ];
    assert_eq!(all.skipped_by, BTreeMap::from(expected));
    assert_eq!((all.made, all.total), (1, Some(6)));
    postrider.delete_endpoint(&endpoint).await.unwrap();
    let (_, gone) = run(&postrider, missed_by(endpoint)).await;
    let expected = BTreeMap::from([(SkipReason::EndpointGone, 6)]);
    assert_eq!(gone.skipped_by, expected);
    let nobodys = ReplayRequest {
        act: postrider::ReplayAct::Backfill,
        ..ReplayRequest::default()
    };
    let refused = postrider.start_replay(nobodys).await;
    assert_eq!(refused, Err(ReplayError::NoEndpoint));
}

#[tokio::test]
async fn a_backfill_says_what_it_passes_over_and_why() {
    says_what_it_passes_over_and_why(Arc::new(MemoryStore::default())).await;
    let directory = tempfile::tempdir().unwrap();
    says_what_it_passes_over_and_why(file(directory.path())).await;
}

#[tokio::test]
async fn a_backfill_that_is_broken_off_goes_on_and_makes_none_twice() {
    let receiver = Receiver::start(|_, _| Reply::Status(200)).await;
    let directory = tempfile::tempdir().unwrap();
    // In a runtime of its own, which ends as a process does: in the middle of everything.
    let life = tokio::runtime::Runtime::new().unwrap();
    let path = directory.path().to_owned();
    let url = receiver.url();
    let first_life = life.spawn(async move {
        let postrider = started(file(&path)).await;
        publish_some(&postrider, 0..230).await;
        let endpoint = postrider.register_endpoint(&url, SECRET).await.unwrap();
        let mut request = missed_by(endpoint);
        request.per_second = NonZeroU32::new(400);
        let replay = postrider.start_replay(request).await.unwrap();
        (endpoint, replay, postrider)
    });
    let (endpoint, replay, postrider) = first_life.await.unwrap();
    // In the middle of a page: how far it has come is not on record.
    until("some have come", || async { receiver.count() >= 130 }).await;
    life.shutdown_background();
    drop(postrider);
    until("the file is free", || async {
        SqliteStore::open(directory.path().join("events.db")).is_ok()
    })
    .await;
    let postrider = started(file(directory.path())).await;
    // Somebody starts another one beside it.
    let beside = postrider.start_replay(missed_by(endpoint)).await.unwrap();
    let (first, second) = (
        ended(&postrider, &replay).await,
        ended(&postrider, &beside).await,
    );
    assert_eq!(first.made + second.made, 230, "{first:?} {second:?}");
    assert_eq!((first.done(), second.done()), (230, 230));
    let made = deliveries(&postrider, endpoint).await;
    let events: BTreeSet<EventId> = made.iter().map(|it| it.event.id).collect();
    assert_eq!((made.len(), events.len()), (230, 230), "none twice");
    // What was under way when it ended may have come twice, in its place.
    let all_came = || async {
        let came: BTreeSet<u32> = numbers(&receiver).into_iter().collect();
        came.len() == 230
    };
    until("all has come", all_came).await;
}

#[tokio::test]
async fn a_backfill_that_is_cancelled_keeps_what_it_has_made() {
    let receiver = Receiver::answering(200).await;
    let directory = tempfile::tempdir().unwrap();
    let postrider = started(file(directory.path())).await;
    publish_some(&postrider, 0..60).await;
    let endpoint = postrider.register_endpoint(&receiver.url(), SECRET).await;
    let endpoint = endpoint.unwrap();
    let mut request = missed_by(endpoint);
    request.per_second = NonZeroU32::new(20);
    let replay = postrider.start_replay(request).await.unwrap();
    until("some are made", || async {
        deliveries(&postrider, endpoint).await.len() >= 5
    })
    .await;
    let cancelled = postrider.cancel_replay(&replay).await.unwrap();
    assert_eq!(cancelled.state, ReplayState::Cancelled);
    let made = deliveries(&postrider, endpoint).await.len() as u64;
    assert_eq!(cancelled.made, made, "{cancelled:?}");
    // The rest is missed still.
    let (_, rest) = run(&postrider, missed_by(endpoint)).await;
    assert_eq!(rest.made, 60 - made);
}
