//! Faults of the host itself: a task that panics, a store that fails, a log that everybody reads.

use crate::receiver::{Receiver, SECRET, end_of, hasty, loopback, until};
use bytes::Bytes;
use postrider::engine::{
    Attempt, Change, CommitError, DeliveryId, Event, EventHeaders, EventId, LaneId, Load, Loaded,
    NewDelivery, Note, PayloadType, Publish, Receipt, Recovered, ReplayId, Wall,
};
use postrider::replay::{ReplayError, ReplayLog};
use postrider::store::{StoreError, StoreFuture};
use postrider::transport::{Transport, WireRequest};
use postrider::{
    Closed, DeadLetterGroup, DeliveryPage, DeliveryQuery, DeliveryRecord, Endpoint, EndpointCounts,
    EndpointId, EndpointPage, EndpointQuery, EventCursor, EventPage, EventQuery, EventRecord,
    EventState, Hour, LanePage, LaneQuery, LaneRecord, Ledger, MemoryStore, NotReady, OrderingKey,
    Outcome, OutlinePage, Overview, Postrider, PublishError, Replay, ReplayAct, ReplayQuery,
    ReplayRequest, ReplayState, Response, RetryError, Secret, Store, TenantCounts, TenantId,
};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;
use tracing_subscriber::fmt::MakeWriter;

/// Panics at the first request and answers 200 from then on.
#[derive(Default)]
struct Panicking(AtomicUsize);

impl Transport for Panicking {
    fn send(
        &self,
        _: WireRequest,
        _: Instant,
    ) -> Pin<Box<dyn Future<Output = Outcome> + Send + '_>> {
        let first = self.0.fetch_add(1, Ordering::Relaxed) == 0;
        Box::pin(async move {
            assert!(!first, "the panic of this test");
            Outcome::Response(Response {
                status: 200,
                headers: Vec::new(),
                body: Vec::new().into(),
                body_cut: false,
                head_ms: 0,
                repeated: None,
            })
        })
    }
}

#[tokio::test]
async fn a_task_that_panics_counts_as_a_failed_attempt_and_nothing_leaks() {
    let postrider = Postrider::builder()
        .transport(Panicking::default())
        .start()
        .await
        .unwrap();
    let spec = hasty("https://example.com/", 5);
    let endpoint = postrider.register(spec, None).await.unwrap().id;
    let event = postrider
        .submit_event(&endpoint, "a.b", "{}")
        .await
        .unwrap();
    let status = end_of(&postrider, &event).await;
    assert_eq!((status.state, status.attempts), (EventState::Delivered, 2));
    assert!(status.last_error.unwrap().starts_with("internal"));
    let footprint = postrider.footprint().await.unwrap();
    assert_eq!(
        (
            footprint.slots,
            footprint.attempts,
            footprint.pending_deliveries
        ),
        (0, 0, 0)
    );
}

/// A store whose commits fail once it is told to.
#[derive(Default)]
struct Failing {
    inner: Arc<MemoryStore>,
    fails: Arc<AtomicBool>,
    /// How long it takes to fail; at once, if that is nothing.
    takes: Duration,
    /// Commits that have failed.
    failed: Arc<AtomicUsize>,
    /// No delivery can be read.
    is_blind: Arc<AtomicBool>,
    /// Nothing that runs can be recorded.
    forgets_replays: Arc<AtomicBool>,
}

/// The replays of such a store.
struct FailingLog {
    inner: Arc<dyn ReplayLog>,
    fails: Arc<AtomicBool>,
}

impl ReplayLog for FailingLog {
    fn put(self: Arc<Self>, replay: Replay) -> StoreFuture<Result<(), StoreError>> {
        Arc::clone(&self.inner).put(replay)
    }
    fn put_if_running(
        self: Arc<Self>,
        replay: Replay,
        note: Option<Note>,
    ) -> StoreFuture<Result<bool, StoreError>> {
        if self.fails.load(Ordering::Relaxed) {
            return Box::pin(std::future::ready(Err(StoreError("EIO".to_owned()))));
        }
        Arc::clone(&self.inner).put_if_running(replay, note)
    }
    fn replay(self: Arc<Self>, id: ReplayId) -> StoreFuture<Result<Option<Replay>, StoreError>> {
        Arc::clone(&self.inner).replay(id)
    }
    fn replays(
        self: Arc<Self>,
        query: ReplayQuery,
    ) -> StoreFuture<Result<Vec<Replay>, StoreError>> {
        Arc::clone(&self.inner).replays(query)
    }
}

impl Store for Failing {
    fn recover(self: Arc<Self>) -> StoreFuture<Result<Recovered, StoreError>> {
        Arc::clone(&self.inner).recover()
    }
    fn commit(
        self: Arc<Self>,
        changes: Vec<Change>,
    ) -> StoreFuture<Vec<Result<Receipt, CommitError>>> {
        if self.fails.load(Ordering::Relaxed) {
            let failed = changes
                .iter()
                .map(|_| Err(CommitError::Failed("EIO".to_owned())));
            let failed: Vec<_> = failed.collect();
            self.failed.fetch_add(1, Ordering::Relaxed);
            if self.takes.is_zero() {
                return Box::pin(std::future::ready(failed));
            }
            return Box::pin(async move {
                tokio::time::sleep(self.takes).await;
                failed
            });
        }
        Arc::clone(&self.inner).commit(changes)
    }
    fn load(self: Arc<Self>, load: Load) -> StoreFuture<Result<Loaded, StoreError>> {
        Arc::clone(&self.inner).load(load)
    }
    fn endpoint(
        self: Arc<Self>,
        id: EndpointId,
    ) -> StoreFuture<Result<Option<Endpoint>, StoreError>> {
        Arc::clone(&self.inner).endpoint(id)
    }
    fn endpoints(self: Arc<Self>) -> StoreFuture<Result<Vec<Endpoint>, StoreError>> {
        Arc::clone(&self.inner).endpoints()
    }
    fn endpoints_of(
        self: Arc<Self>,
        tenant: TenantId,
        after: Option<EndpointId>,
        most: usize,
    ) -> StoreFuture<Result<Vec<Endpoint>, StoreError>> {
        Arc::clone(&self.inner).endpoints_of(tenant, after, most)
    }
    fn lanes(
        self: Arc<Self>,
        endpoint: EndpointId,
        after: Option<OrderingKey>,
        most: usize,
    ) -> StoreFuture<Result<Vec<LaneRecord>, StoreError>> {
        Arc::clone(&self.inner).lanes(endpoint, after, most)
    }
    fn waiting_lanes(
        self: Arc<Self>,
        query: LaneQuery,
    ) -> StoreFuture<Result<LanePage, StoreError>> {
        Arc::clone(&self.inner).waiting_lanes(query)
    }
    fn dead_letter_groups(
        self: Arc<Self>,
        tenant: Option<TenantId>,
    ) -> StoreFuture<Result<Vec<DeadLetterGroup>, StoreError>> {
        Arc::clone(&self.inner).dead_letter_groups(tenant)
    }
    fn overview(
        self: Arc<Self>,
        tenant: Option<TenantId>,
        from: Wall,
        until: Wall,
    ) -> StoreFuture<Result<Overview, StoreError>> {
        Arc::clone(&self.inner).overview(tenant, from, until)
    }
    fn tenant_counts(
        self: Arc<Self>,
        tenants: Vec<TenantId>,
    ) -> StoreFuture<Result<Vec<TenantCounts>, StoreError>> {
        Arc::clone(&self.inner).tenant_counts(tenants)
    }
    fn endpoint_counts(
        self: Arc<Self>,
        endpoints: Vec<EndpointId>,
        from: Wall,
        until: Wall,
    ) -> StoreFuture<Result<Vec<EndpointCounts>, StoreError>> {
        Arc::clone(&self.inner).endpoint_counts(endpoints, from, until)
    }
    fn find_endpoints(
        self: Arc<Self>,
        query: EndpointQuery,
    ) -> StoreFuture<Result<EndpointPage, StoreError>> {
        Arc::clone(&self.inner).find_endpoints(query)
    }
    fn deliveries_of(
        self: Arc<Self>,
        event: EventId,
    ) -> StoreFuture<Result<Option<Vec<DeliveryRecord>>, StoreError>> {
        Arc::clone(&self.inner).deliveries_of(event)
    }
    fn event(self: Arc<Self>, id: EventId) -> StoreFuture<Result<Option<EventRecord>, StoreError>> {
        Arc::clone(&self.inner).event(id)
    }
    fn events(self: Arc<Self>, query: EventQuery) -> StoreFuture<Result<EventPage, StoreError>> {
        Arc::clone(&self.inner).events(query)
    }
    fn newest_event(self: Arc<Self>) -> StoreFuture<Result<Option<EventCursor>, StoreError>> {
        Arc::clone(&self.inner).newest_event()
    }
    fn delivery(
        self: Arc<Self>,
        id: DeliveryId,
    ) -> StoreFuture<Result<Option<DeliveryRecord>, StoreError>> {
        if self.is_blind.load(Ordering::Relaxed) {
            return Box::pin(std::future::ready(Err(StoreError("EIO".to_owned()))));
        }
        Arc::clone(&self.inner).delivery(id)
    }
    fn attempts(
        self: Arc<Self>,
        delivery: DeliveryId,
        after: u32,
        most: usize,
    ) -> StoreFuture<Result<Vec<Attempt>, StoreError>> {
        Arc::clone(&self.inner).attempts(delivery, after, most)
    }
    fn request_body(
        self: Arc<Self>,
        delivery: DeliveryId,
        number: u32,
    ) -> StoreFuture<Result<Option<Bytes>, StoreError>> {
        Arc::clone(&self.inner).request_body(delivery, number)
    }
    fn dead_letters(
        self: Arc<Self>,
        endpoint: EndpointId,
        after: Option<DeliveryId>,
        most: usize,
    ) -> StoreFuture<Result<Vec<DeliveryRecord>, StoreError>> {
        Arc::clone(&self.inner).dead_letters(endpoint, after, most)
    }
    fn deliveries(
        self: Arc<Self>,
        query: DeliveryQuery,
    ) -> StoreFuture<Result<DeliveryPage, StoreError>> {
        Arc::clone(&self.inner).deliveries(query)
    }
    fn outlines(
        self: Arc<Self>,
        query: DeliveryQuery,
    ) -> StoreFuture<Result<OutlinePage, StoreError>> {
        Arc::clone(&self.inner).outlines(query)
    }
    fn hours(
        self: Arc<Self>,
        endpoint: EndpointId,
        from: Wall,
        until: Wall,
    ) -> StoreFuture<Result<Vec<Hour>, StoreError>> {
        Arc::clone(&self.inner).hours(endpoint, from, until)
    }
    fn oldest_pending(self: Arc<Self>) -> StoreFuture<Result<Option<Wall>, StoreError>> {
        Arc::clone(&self.inner).oldest_pending()
    }
    fn size_bytes(self: Arc<Self>) -> StoreFuture<Result<u64, StoreError>> {
        Arc::clone(&self.inner).size_bytes()
    }
    fn probe(self: Arc<Self>) -> StoreFuture<Result<(), NotReady>> {
        Arc::clone(&self.inner).probe()
    }
    fn ledger(self: Arc<Self>, endpoint: EndpointId) -> StoreFuture<Result<Ledger, StoreError>> {
        Arc::clone(&self.inner).ledger(endpoint)
    }
    fn replay_log(self: Arc<Self>) -> Option<Arc<dyn ReplayLog>> {
        Some(Arc::new(FailingLog {
            inner: Arc::clone(&self.inner).replay_log()?,
            fails: Arc::clone(&self.forgets_replays),
        }))
    }
}

#[tokio::test]
async fn after_a_failed_commit_nothing_is_acknowledged_and_nothing_is_sent() {
    let receiver = Receiver::answering(200).await;
    let store = Failing::default();
    let fails = Arc::clone(&store.fails);
    let builder = Postrider::builder().egress(loopback()).store(store);
    let postrider = builder.start().await.unwrap();
    let endpoint = postrider
        .register_endpoint(&receiver.url(), SECRET)
        .await
        .unwrap();
    fails.store(true, Ordering::Relaxed);
    assert_eq!(
        postrider.submit_event(&endpoint, "a.b", "x").await,
        Err(PublishError::Closed(Closed::StoreFailed))
    );
    // By itself: nobody has to call for that.
    let stopped = tokio::time::timeout(Duration::from_secs(10), postrider.stopped());
    stopped.await.expect("it stops");
    assert_eq!(postrider.footprint().await, None);
    assert!(postrider.submit_event(&endpoint, "a.b", "y").await.is_err());
    assert_eq!(receiver.count(), 0);
}

/// A log in memory.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn no_secret_payload_or_url_query_reaches_the_log() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    // The runtime of this test has one thread: what it spawns logs here, too.
    let _guard = tracing::subscriber::set_default(subscriber);
    let receiver = Receiver::answering(500).await;
    let postrider = Postrider::builder()
        .egress(loopback())
        .start()
        .await
        .unwrap();
    let mut spec = hasty(&format!("{}?token=query-secret", receiver.url()), 1);
    spec.headers = vec![
        ("Authorization".into(), "Bearer header-secret".into()),
        ("X-Team".into(), "header-secret".into()),
    ];
    let secret = Secret::parse("whsec_c2VjcmV0LXNpZ25pbmcta2V5LXRleHQ").unwrap();
    let endpoint = postrider.register(spec, Some(secret)).await.unwrap();
    let event = postrider
        .submit_event(&endpoint.id, "a.b", "payload-secret")
        .await
        .unwrap();
    end_of(&postrider, &event).await;
    postrider.shutdown().await;

    let text = log.text();
    assert!(text.contains("postrider.delivery.failed"), "{text}");
    assert!(text.contains("postrider.attempt.started"));
    for secret in [
        "whsec_",
        "c2VjcmV0",
        "header-secret",
        "query-secret",
        "payload-secret",
    ] {
        assert!(!text.contains(secret), "{secret} is in the log");
    }
    let written = format!("{endpoint:?}");
    assert!(!written.contains("c2VjcmV0"), "nor in a Debug");
    assert!(!written.contains("header-secret"), "{written}");
}

#[tokio::test]
async fn a_store_that_has_failed_is_asked_for_nothing_more() {
    let store = Failing {
        takes: Duration::from_millis(50),
        ..Failing::default()
    };
    let (fails, failed) = (Arc::clone(&store.fails), Arc::clone(&store.failed));
    let builder = Postrider::builder().egress(loopback()).store(store);
    let postrider = builder.start().await.unwrap();
    let endpoint = postrider
        .register_endpoint("https://merchant.example/", SECRET)
        .await
        .unwrap();
    fails.store(true, Ordering::Relaxed);
    // The second waits for the commit of the first.
    let (first, second) = tokio::join!(postrider.submit_event(&endpoint, "a.b", "x"), async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        postrider.submit_event(&endpoint, "a.b", "y").await
    });
    let refused = Err(PublishError::Closed(Closed::StoreFailed));
    assert_eq!((&first, &second), (&refused, &refused));
    postrider.stopped().await;
    assert_eq!(failed.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_retry_by_hand_does_not_take_an_unreadable_store_for_an_unknown_delivery() {
    let store = Failing::default();
    let is_blind = Arc::clone(&store.is_blind);
    let builder = Postrider::builder().egress(loopback()).store(store);
    let postrider = builder.start().await.unwrap();
    let unknown = DeliveryId::from_u128(7);
    let refused = Err(RetryError::NoSuchDelivery(unknown));
    assert_eq!(postrider.retry_now(&unknown).await, refused);
    is_blind.store(true, Ordering::Relaxed);
    let unread = Err(RetryError::Store("EIO".to_owned()));
    assert_eq!(postrider.retry_now(&unknown).await, unread);
    postrider.shutdown().await;
    let closed = postrider.retry_now(&unknown).await;
    assert!(matches!(closed, Err(RetryError::Closed(_))), "{closed:?}");
}

/// An event for which there was no room: its delivery is a dead letter.
fn passed_over(number: u128) -> Change {
    let lane = LaneId {
        endpoint: EndpointId::from_u128(7),
        key: OrderingKey::none(),
    };
    Change::Publish(Publish {
        event: Arc::new(Event {
            id: EventId::from_u128(number),
            tenant: TenantId::default(),
            event_type: "a.b".parse().unwrap(),
            payload: "{}".into(),
            payload_type: PayloadType::default(),
            headers: EventHeaders::default(),
            ordering_key: OrderingKey::none(),
            published_at: Wall(5),
        }),
        deliveries: [NewDelivery {
            queue_full: true,
            id: DeliveryId::from_u128(number),
            lane,
        }]
        .into(),
        idempotency: None,
        addressed: false,
        from_outbox: false,
    })
}

#[tokio::test]
async fn a_replay_of_which_it_cannot_be_recorded_that_it_was_cancelled_goes_on() {
    let store = Failing::default();
    let fails = Arc::clone(&store.forgets_replays);
    let letters = (1..=3).map(passed_over).collect();
    for receipt in Arc::clone(&store.inner).commit(letters).await {
        receipt.unwrap();
    }
    let builder = Postrider::builder().egress(loopback()).store(store);
    let postrider = builder.start().await.unwrap();
    let mut request = ReplayRequest {
        act: ReplayAct::Discard,
        per_second: std::num::NonZeroU32::new(1),
        ..ReplayRequest::default()
    };
    request.filter.dead = true;
    let replay = postrider.start_replay(request).await.unwrap();
    let status = async || postrider.replay_status(&replay).await.unwrap();
    until("they are counted", || async {
        status().await.total == Some(3)
    })
    .await;
    fails.store(true, Ordering::Relaxed);
    let failed = postrider.cancel_replay(&replay).await;
    assert!(matches!(failed, Err(ReplayError::Store(_))), "{failed:?}");
    assert_eq!(status().await.state, ReplayState::Running);
    fails.store(false, Ordering::Relaxed);
    until("it is through", || async {
        status().await.state == ReplayState::Done
    })
    .await;
    assert_eq!(status().await.discarded, 3);
}
