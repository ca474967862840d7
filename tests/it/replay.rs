//! Many deliveries made anew: in order, at a rate, once each, over a restart, until cancelled.

mod backfill;

use crate::receiver::{Receiver, Reply, SECRET, end_of, loopback, until};
use postrider::store::Store;
use postrider::{
    DeliveryFilter, DeliveryQuery, DeliveryState, Direction, EndpointId, MemoryStore, Postrider,
    Replay, ReplayAct, ReplayError, ReplayId, ReplayQuery, ReplayReport, ReplayRequest,
    ReplayState, SkipReason, SqliteStore, StateKind,
};
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A receiver that refuses until it is told to accept.
async fn moody() -> (Receiver, Arc<AtomicBool>) {
    let accepts = Arc::new(AtomicBool::new(false));
    let mood = Arc::clone(&accepts);
    let receiver = Receiver::start(move |_, _| {
        let status = if mood.load(Ordering::Relaxed) {
            200
        } else {
            400
        };
        Reply::Status(status)
    });
    (receiver.await, accepts)
}

async fn started(store: Arc<dyn Store>) -> Postrider {
    let builder = Postrider::builder().egress(loopback());
    builder.shared_store(store).start().await.unwrap()
}

fn file(directory: &Path) -> Arc<dyn Store> {
    Arc::new(SqliteStore::open(directory.join("events.db")).unwrap())
}

/// Publishes so many events, one after the other, and waits for their ends.
async fn publish(postrider: &Postrider, endpoint: EndpointId, count: u32) {
    let mut last = None;
    for number in 0..count {
        let body = number.to_string();
        let event = postrider
            .submit_event(&endpoint, "charge.made", &body)
            .await;
        last = Some(event.unwrap());
    }
    end_of(postrider, &last.unwrap()).await;
}

fn failed_of(endpoint: EndpointId) -> ReplayRequest {
    ReplayRequest {
        filter: DeliveryFilter {
            endpoint: Some(endpoint),
            states: vec![StateKind::Failed],
            ..DeliveryFilter::default()
        },
        ..ReplayRequest::default()
    }
}

/// Every dead letter.
fn letters(act: ReplayAct) -> ReplayRequest {
    ReplayRequest {
        act,
        filter: DeliveryFilter {
            dead: true,
            ..DeliveryFilter::default()
        },
        ..ReplayRequest::default()
    }
}

async fn ended(postrider: &Postrider, replay: &ReplayId) -> Replay {
    until("the replay is through", || async {
        let status = postrider.replay_status(replay).await.unwrap();
        status.state == ReplayState::Done
    })
    .await;
    postrider.replay_status(replay).await.unwrap()
}

async fn through(postrider: &Postrider, replay: &ReplayId) -> (u64, u64) {
    let status = ended(postrider, replay).await;
    (status.resent, status.skipped)
}

/// How many of each body came after the first `before` requests, in the order of their coming.
fn bodies_after(receiver: &Receiver, before: usize) -> Vec<u32> {
    let bodies = receiver.bodies().into_iter().skip(before);
    bodies.map(|body| body.parse().unwrap()).collect()
}

async fn replays_what_failed(store: Arc<dyn Store>) {
    let (receiver, accepts) = moody().await;
    let postrider = started(store).await;
    let endpoint = postrider.register_endpoint(&receiver.url(), SECRET).await;
    let endpoint = endpoint.unwrap();
    publish(&postrider, endpoint, 250).await;
    accepts.store(true, Ordering::Relaxed);
    publish(&postrider, endpoint, 3).await;
    let request = failed_of(endpoint);
    assert_eq!(postrider.count_replay(&request).await, Ok(250));
    let replay = postrider.start_replay(request.clone()).await.unwrap();
    assert_eq!(through(&postrider, &replay).await, (250, 0));
    until("all has come again", || async { receiver.count() == 503 }).await;
    assert_eq!(bodies_after(&receiver, 253), (0..250).collect::<Vec<_>>());
    assert_eq!(postrider.count_replay(&request).await, Ok(0));
    let query = DeliveryQuery {
        direction: Direction::NewestFirst,
        most: 1,
        ..DeliveryQuery::default()
    };
    let newest = postrider
        .deliveries(query)
        .await
        .unwrap()
        .deliveries
        .remove(0);
    assert_eq!(newest.replay, Some(replay));
    let original = postrider
        .delivery(&newest.resend_of.unwrap())
        .await
        .unwrap();
    assert_eq!(original.resent_as, Some(newest.id));
    assert!(matches!(original.state, DeliveryState::Failed(_)));
    until("the ledger adds up", || async {
        let ledger = postrider.ledger(&endpoint).await.unwrap();
        (ledger.accepted, ledger.delivered, ledger.failed) == (503, 253, 250)
    })
    .await;
}

#[tokio::test]
async fn a_replay_makes_anew_what_failed_in_order_and_leaves_the_rest() {
    replays_what_failed(Arc::new(MemoryStore::default())).await;
    let directory = tempfile::tempdir().unwrap();
    replays_what_failed(file(directory.path())).await;
}

#[tokio::test]
async fn a_replay_keeps_its_rate_and_stops_when_it_is_cancelled() {
    let (receiver, accepts) = moody().await;
    let directory = tempfile::tempdir().unwrap();
    let postrider = started(file(directory.path())).await;
    let endpoint = postrider.register_endpoint(&receiver.url(), SECRET).await;
    let endpoint = endpoint.unwrap();
    publish(&postrider, endpoint, 100).await;
    accepts.store(true, Ordering::Relaxed);
    let mut request = failed_of(endpoint);
    request.per_second = NonZeroU32::new(50);
    let start = Instant::now();
    let replay = postrider.start_replay(request).await.unwrap();
    until("some have come", || async { receiver.count() >= 120 }).await;
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(380), "{took:?} for 20");
    let status = postrider.cancel_replay(&replay).await.unwrap();
    assert_eq!(status.state, ReplayState::Cancelled);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let came = receiver.count();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(receiver.count(), came, "nothing comes any more");
    let unknown = ReplayId::from_u128(1);
    let error = postrider.cancel_replay(&unknown).await;
    assert_eq!(error, Err(ReplayError::NoSuchReplay(unknown)));
}

#[tokio::test]
async fn a_replay_goes_on_after_a_restart_and_makes_each_delivery_anew_once() {
    let (receiver, accepts) = moody().await;
    let directory = tempfile::tempdir().unwrap();
    // In a runtime of its own, which ends as a process does: in the middle of everything.
    let life = tokio::runtime::Runtime::new().unwrap();
    let path = directory.path().to_owned();
    let url = receiver.url();
    let first_life = life.spawn(async move {
        let postrider = started(file(&path)).await;
        let endpoint = postrider.register_endpoint(&url, SECRET).await.unwrap();
        publish(&postrider, endpoint, 230).await;
        accepts.store(true, Ordering::Relaxed);
        let mut request = failed_of(endpoint);
        request.per_second = NonZeroU32::new(400);
        (postrider.start_replay(request).await.unwrap(), postrider)
    });
    let (replay, postrider) = first_life.await.unwrap();
    // In the middle of a page: how far it has come is not on record.
    let count = || async { receiver.count() >= 230 + 130 };
    until("some have come", count).await;
    life.shutdown_background();
    drop(postrider);
    until("the file is free", || async {
        SqliteStore::open(directory.path().join("events.db")).is_ok()
    })
    .await;
    let postrider = started(file(directory.path())).await;
    assert_eq!(through(&postrider, &replay).await, (230, 0));
    let mut made = 0;
    let mut query = DeliveryQuery {
        most: 1_000,
        ..DeliveryQuery::default()
    };
    query.filter.endpoint = Some(postrider.endpoints().await.unwrap()[0].id);
    let page = postrider.deliveries(query).await.unwrap();
    for record in &page.deliveries {
        made += usize::from(record.replay == Some(replay));
    }
    assert_eq!((made, page.deliveries.len()), (230, 460));
    // What was under way when it ended may have come twice, in its place.
    let all_came = || async {
        let mut bodies = bodies_after(&receiver, 230);
        bodies.dedup();
        bodies == (0..230).collect::<Vec<_>>()
    };
    until("all has come again, in order", all_came).await;
}

#[tokio::test]
async fn what_has_shut_down_starts_no_replay() {
    let postrider = started(Arc::new(MemoryStore::default())).await;
    postrider.shutdown().await;
    let refused = postrider.start_replay(ReplayRequest::default()).await;
    assert!(
        matches!(refused, Err(ReplayError::Closed(_))),
        "{refused:?}"
    );
}

/// What a dry run has said is what was done.
fn was_done(report: &ReplayReport, replay: &Replay) {
    let acted_on = replay.resent + replay.discarded;
    assert_eq!(acted_on, report.acted_on, "{replay:?}");
    assert_eq!(replay.skipped_by, report.skipped, "{replay:?}");
    assert_eq!(replay.skipped, report.skipped.values().sum::<u64>());
    assert_eq!(replay.total, Some(report.matched));
    assert_eq!(replay.done(), report.matched);
    assert_eq!(report.by.values().sum::<u64>(), report.acted_on);
    assert!(replay.ended_at >= Some(replay.created_at));
}

/// Letters of an endpoint that is there, of one that is paused, one that is disabled and one that is
/// gone: 4 of each, of which the first was resent.
async fn letters_of_all_kinds(postrider: &Postrider, url: &str) -> Vec<EndpointId> {
    let mut endpoints = Vec::new();
    for _ in 0..4 {
        let endpoint = postrider.register_endpoint(url, SECRET).await.unwrap();
        publish(postrider, endpoint, 4).await;
        let first = postrider.dead_letters(&endpoint).await.unwrap()[0].id;
        let anew = postrider.resend(&first).await.unwrap();
        until("the first has failed again", || async {
            postrider.delivery(&anew).await.unwrap().state.is_end()
        })
        .await;
        endpoints.push(endpoint);
    }
    postrider.pause_endpoint(&endpoints[1]).await.unwrap();
    postrider.disable_endpoint(&endpoints[2]).await.unwrap();
    postrider.delete_endpoint(&endpoints[3]).await.unwrap();
    endpoints
}

async fn does_what_the_dry_run_says(store: Arc<dyn Store>) {
    let (receiver, accepts) = moody().await;
    let postrider = started(store).await;
    let endpoints = letters_of_all_kinds(&postrider, &receiver.url()).await;
    accepts.store(true, Ordering::Relaxed);
    let run = async |request: ReplayRequest| {
        let report = postrider.report_replay(&request).await.unwrap();
        let replay = postrider.start_replay(request).await.unwrap();
        let replay = ended(&postrider, &replay).await;
        was_done(&report, &replay);
        report
    };
    let resent = run(letters(ReplayAct::Resend)).await;
    assert_eq!((resent.matched, resent.acted_on), (16, 8));
    let skipped = [
        (SkipReason::EndpointGone, 4),
        (SkipReason::EndpointDisabled, 4),
    ];
    assert_eq!(resent.skipped, BTreeMap::from(skipped));
    let lines: Vec<_> = resent
        .by
        .iter()
        .map(|(line, count)| (line.0, *count))
        .collect();
    assert_eq!(lines, [(endpoints[0], 4), (endpoints[1], 4)]);

    // Of each endpoint the first was resent before, and of two of them the others just now.
    let mut failed = letters(ReplayAct::Resend);
    failed.filter.dead = false;
    failed.filter.states = vec![StateKind::Failed];
    let failed = run(failed).await;
    assert_eq!((failed.matched, failed.acted_on), (20, 0));
    assert_eq!(failed.skipped[&SkipReason::AlreadyResent], 12);

    let mut of_gone = letters(ReplayAct::Discard);
    of_gone.filter.endpoint = Some(endpoints[3]);
    assert_eq!(run(of_gone).await.acted_on, 4);
    let discarded = run(letters(ReplayAct::Discard)).await;
    assert_eq!((discarded.matched, discarded.acted_on), (4, 4));
    let again = run(letters(ReplayAct::Discard)).await;
    assert_eq!(again, ReplayReport::default());
    let two = ReplayQuery {
        most: 2,
        ..ReplayQuery::default()
    };
    assert_eq!(postrider.replays(two).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_replay_does_what_its_dry_run_says() {
    does_what_the_dry_run_says(Arc::new(MemoryStore::default())).await;
    let directory = tempfile::tempdir().unwrap();
    does_what_the_dry_run_says(file(directory.path())).await;
}

#[tokio::test]
async fn what_others_decide_meanwhile_is_passed_over() {
    let (receiver, _) = moody().await;
    let directory = tempfile::tempdir().unwrap();
    let postrider = started(file(directory.path())).await;
    let endpoint = postrider.register_endpoint(&receiver.url(), SECRET).await;
    let endpoint = endpoint.unwrap();
    publish(&postrider, endpoint, 8).await;
    let dead = postrider.dead_letters(&endpoint).await.unwrap();
    let mut request = letters(ReplayAct::Discard);
    request.per_second = NonZeroU32::new(1);
    let replay = postrider.start_replay(request).await.unwrap();
    until("they are counted", || async {
        postrider.replay_status(&replay).await.unwrap().total == Some(8)
    })
    .await;
    // The last two: it comes to them in seven seconds at the earliest.
    postrider.resend(&dead[7].id).await.unwrap();
    postrider.discard(&dead[6].id).await.unwrap();
    let ended = ended(&postrider, &replay).await;
    assert_eq!((ended.total, ended.discarded), (Some(8), 6));
    let skipped = [
        (SkipReason::AlreadyResent, 1),
        (SkipReason::AlreadyDiscarded, 1),
    ];
    assert_eq!(ended.skipped_by, BTreeMap::from(skipped));
}

async fn endpoint_of(postrider: &Postrider) -> EndpointId {
    postrider.endpoints().await.unwrap()[0].id
}

#[tokio::test]
async fn a_discard_goes_on_after_a_restart_and_knows_what_it_has_done() {
    let (receiver, _) = moody().await;
    let directory = tempfile::tempdir().unwrap();
    let life = tokio::runtime::Runtime::new().unwrap();
    let path = directory.path().to_owned();
    let url = receiver.url();
    let first_life = life.spawn(async move {
        let postrider = started(file(&path)).await;
        let endpoint = postrider.register_endpoint(&url, SECRET).await.unwrap();
        publish(&postrider, endpoint, 230).await;
        let mut request = letters(ReplayAct::Discard);
        request.per_second = NonZeroU32::new(400);
        let replay = postrider.start_replay(request).await.unwrap();
        // In the middle of a page: how far it has come is not on record.
        until("some are discarded", || async {
            postrider.ledger(&endpoint).await.unwrap().discarded >= 130
        })
        .await;
        (replay, postrider)
    });
    let (replay, postrider) = first_life.await.unwrap();
    life.shutdown_background();
    drop(postrider);
    until("the file is free", || async {
        SqliteStore::open(directory.path().join("events.db")).is_ok()
    })
    .await;
    let postrider = started(file(directory.path())).await;
    let ended = ended(&postrider, &replay).await;
    assert_eq!((ended.discarded, ended.skipped), (230, 0));
    let endpoint = endpoint_of(&postrider).await;
    assert_eq!(postrider.ledger(&endpoint).await.unwrap().discarded, 230);
}

/// How many deliveries of the endpoint the replay has made.
async fn made_by(postrider: &Postrider, endpoint: EndpointId, replay: ReplayId) -> u64 {
    let query = DeliveryQuery {
        filter: DeliveryFilter {
            endpoint: Some(endpoint),
            ..DeliveryFilter::default()
        },
        most: 1_000,
        ..DeliveryQuery::default()
    };
    let page = postrider.deliveries(query).await.unwrap();
    let made = page.deliveries.iter();
    made.filter(|it| it.replay == Some(replay)).count() as u64
}

#[tokio::test]
async fn a_cancelled_resend_counts_what_it_has_made_of_its_last_page() {
    let (receiver, _) = moody().await;
    let directory = tempfile::tempdir().unwrap();
    for store in [
        file(directory.path()),
        Arc::new(MemoryStore::default()) as Arc<dyn Store>,
    ] {
        let postrider = started(store).await;
        let endpoint = postrider.register_endpoint(&receiver.url(), SECRET).await;
        let endpoint = endpoint.unwrap();
        publish(&postrider, endpoint, 60).await;
        let mut request = letters(ReplayAct::Resend);
        request.per_second = NonZeroU32::new(20);
        let replay = postrider.start_replay(request).await.unwrap();
        until("some are made", || async {
            made_by(&postrider, endpoint, replay).await >= 5
        })
        .await;
        let cancelled = postrider.cancel_replay(&replay).await.unwrap();
        assert_eq!(cancelled.state, ReplayState::Cancelled);
        let made = made_by(&postrider, endpoint, replay).await;
        assert_eq!(cancelled.resent, made, "{cancelled:?}");
        let again = postrider.cancel_replay(&replay).await.unwrap();
        assert_eq!(again, cancelled);
    }
}

#[tokio::test]
async fn a_replay_whose_beginning_nobody_waits_for_is_done() {
    let directory = tempfile::tempdir().unwrap();
    let postrider = started(file(directory.path())).await;
    let begin = postrider.start_replay(letters(ReplayAct::Resend));
    // It is asked for, and whoever asks goes away.
    let _ = tokio::time::timeout(Duration::ZERO, begin).await;
    let done = ReplayQuery {
        state: Some(ReplayState::Done),
        most: 2,
        ..ReplayQuery::default()
    };
    until("it is through", || async {
        postrider.replays(done.clone()).await.unwrap().len() == 1
    })
    .await;
}

#[tokio::test]
async fn a_cancelled_discard_says_how_many_it_has_discarded() {
    let (receiver, _) = moody().await;
    let directory = tempfile::tempdir().unwrap();
    let postrider = started(file(directory.path())).await;
    let endpoint = postrider.register_endpoint(&receiver.url(), SECRET).await;
    let endpoint = endpoint.unwrap();
    publish(&postrider, endpoint, 60).await;
    let mut request = letters(ReplayAct::Discard);
    request.per_second = NonZeroU32::new(10);
    let replay = postrider.start_replay(request).await.unwrap();
    until("some are discarded", || async {
        postrider.ledger(&endpoint).await.unwrap().discarded >= 5
    })
    .await;
    let cancelled = postrider.cancel_replay(&replay).await.unwrap();
    assert_eq!(cancelled.state, ReplayState::Cancelled);
    let left = postrider.dead_letters(&endpoint).await.unwrap().len() as u64;
    // One more may have been on its way when it was cancelled.
    let discarded = cancelled.discarded + left;
    assert!((59..=60).contains(&discarded), "{cancelled:?}, {left} left");
}
