//! Replays on record.

use super::ENDPOINT;
use crate::events::EventCursor;
use crate::history::{Cursor, DeliveryFilter, Direction, StateKind};
use crate::replay::{
    Replay, ReplayAct, ReplayPage, ReplayQuery, ReplayRequest, ReplayState, SkipReason,
};
use crate::store::Store;
use postrider_engine::{
    DeliveryId, EventId, FailReason, FailureKind, OrderingKey, ReplayId, TenantId, Wall,
};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) async fn a_replay_is_kept_as_it_was_put<S: Store>(store: &Arc<S>) {
    let Some(log) = Arc::clone(store).replay_log() else {
        return;
    };
    let request = ReplayRequest {
        act: ReplayAct::Discard,
        filter: DeliveryFilter {
            beyond: Some(7),
            tenant: Some(TenantId::default()),
            event: Some(EventId::from_u128(3)),
            endpoint: Some(ENDPOINT),
            states: vec![StateKind::Failed, StateKind::Delivered],
            event_types: "a.*".parse().into_iter().collect(),
            from: Some(Wall(1)),
            until: Some(Wall(2)),
            ordering_key: Some(OrderingKey::none()),
            status: Some(404),
            status_class: Some(4),
            failure: Some(FailureKind::Dns),
            reasons: vec![FailReason::Exhausted],
            dead: true,
            resent_since: None,
        },
        payload: r#"{"amount": 3}"#.parse().ok(),
        per_second: std::num::NonZeroU32::new(3),
    };
    let id = ReplayId::from_u128(7);
    let known = async || Arc::clone(&log).replay(id).await.unwrap();
    assert_eq!(known().await, None);
    let mut replay = Replay::new(id, request, Wall(6));
    Arc::clone(&log).put(replay.clone()).await.unwrap();
    assert_eq!(known().await, Some(replay.clone()));
    replay = Replay {
        state: ReplayState::Cancelled,
        after: Some(Cursor(DeliveryId::from_u128(9))),
        after_event: Some(EventCursor(12)),
        page: Some(ReplayPage {
            until: Cursor(DeliveryId::from_u128(11)),
            due: 2,
        }),
        total: Some(20),
        resent: 4,
        discarded: 1,
        made: 2,
        skipped: 5,
        skipped_by: SkipReason::ALL.into_iter().zip(1..).collect(),
        ended_at: Some(Wall(8)),
        ..replay
    };
    Arc::clone(&log).put(replay.clone()).await.unwrap();
    assert_eq!(known().await, Some(replay.clone()));
    replay.page = None;
    replay.skipped_by = BTreeMap::new();
    Arc::clone(&log).put(replay.clone()).await.unwrap();
    assert_eq!(known().await, Some(replay));
}

pub(super) async fn a_replay_that_has_ended_stays_as_it_is<S: Store>(store: &Arc<S>) {
    let Some(log) = Arc::clone(store).replay_log() else {
        return;
    };
    let id = ReplayId::from_u128(7);
    let known = async || Arc::clone(&log).replay(id).await.unwrap();
    let put = async |replay: &Replay| {
        let put = Arc::clone(&log).put_if_running(replay.clone(), None);
        put.await.unwrap()
    };
    let running = Replay::new(id, ReplayRequest::default(), Wall(6));
    assert!(!put(&running).await, "it is not on record");
    assert_eq!(known().await, None);
    Arc::clone(&log).put(running.clone()).await.unwrap();
    let done = Replay {
        state: ReplayState::Done,
        total: Some(2),
        resent: 2,
        ended_at: Some(Wall(8)),
        ..running.clone()
    };
    assert!(put(&done).await, "it runs");
    let cancelled = Replay {
        state: ReplayState::Cancelled,
        ..running
    };
    assert!(!put(&cancelled).await, "it is done");
    assert_eq!(known().await, Some(done));
}

pub(super) async fn replays_have_pages_by_tenant_and_state<S: Store>(store: &Arc<S>) {
    let Some(log) = Arc::clone(store).replay_log() else {
        return;
    };
    let tenant = |name: &str| Some(name.parse::<TenantId>().unwrap());
    for (number, name) in (1..).zip(["red", "blue", "red", "red"]) {
        let mut request = ReplayRequest::default();
        request.filter.tenant = tenant(name);
        let mut replay = Replay::new(ReplayId::from_u128(number), request, Wall(1));
        if number == 3 {
            replay.state = ReplayState::Done;
        }
        Arc::clone(&log).put(replay).await.unwrap();
    }
    let found = async |query: ReplayQuery| {
        let found = Arc::clone(&log).replays(query).await.unwrap();
        let ids = found.iter().map(|it| it.id.as_u128());
        ids.collect::<Vec<_>>()
    };
    let newest = |name: Option<&str>| ReplayQuery {
        tenant: name.and_then(tenant),
        most: 9,
        ..ReplayQuery::default()
    };
    let oldest = |name| ReplayQuery {
        direction: Direction::OldestFirst,
        ..newest(name)
    };
    assert_eq!(found(newest(None)).await, [4, 3, 2, 1]);
    assert_eq!(found(oldest(None)).await, [1, 2, 3, 4]);
    assert_eq!(found(newest(Some("red"))).await, [4, 3, 1]);
    assert_eq!(found(oldest(Some("blue"))).await, [2]);
    assert_eq!(found(oldest(Some("green"))).await, [0; 0]);
    let after = Some(ReplayId::from_u128(3));
    let page = |query: ReplayQuery| ReplayQuery {
        after,
        most: 1,
        ..query
    };
    assert_eq!(found(page(newest(Some("red")))).await, [1]);
    assert_eq!(found(page(newest(None))).await, [2]);
    assert_eq!(found(page(oldest(None))).await, [4]);
    let running = |query: ReplayQuery| ReplayQuery {
        state: Some(ReplayState::Running),
        ..query
    };
    assert_eq!(found(running(oldest(None))).await, [1, 2, 4]);
    assert_eq!(found(running(newest(Some("red")))).await, [4, 1]);
}
