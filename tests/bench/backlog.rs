//! What a long backlog of a dead endpoint costs, and whom: the disk, the memory of the sender, its
//! restart, and the endpoints beside it.

use crate::median;
use crate::process::{measure, start};
use bytes::Bytes;
use postrider::store::Store;
use postrider::{
    BreakerPolicy, DeliveryId, EndpointId, EndpointSpec, EventHeaders, EventId, PayloadType,
};
use postrider::{Event, Limits, OrderingKey, Postrider, SqliteStore};
use postrider_engine::{Change, LaneId, NewDelivery, Publish, Wall};
use rustix::time::{ClockId, clock_gettime};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpSocket;
use tokio::task::JoinSet;

/// Without `--events`.
pub(crate) const EVENTS: usize = 200_000;

const HEALTHY: usize = 1_000;
const PAYLOAD_BYTES: usize = 1_024;

/// Events that are given to the store in one go.
const GROUP: usize = 256;

/// Pairs of senders, with and without the backlog.
const ROUNDS: usize = 3;

/// What one sender publishes to the healthy endpoints: an event every two milliseconds, which
/// leaves the machine idle most of the time: a wait is not the queue's own.
const MEASURED: usize = 5_000;
const PACE: Duration = Duration::from_millis(2);

/// Nanoseconds of the clock that all processes of this machine share.
pub(crate) fn clock() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let parts = [now.tv_sec, now.tv_nsec].map(|part| u64::try_from(part).unwrap());
    parts[0] * 1_000_000_000 + parts[1]
}

pub(crate) fn figures(events: usize) {
    println!(
        "backlog: {events} pending events of 1 KiB on one endpoint that refuses connections, \
         {HEALTHY} that answer"
    );
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (_receiver, address) = start(&["receiver"]);
    // Bound and not listening: nobody else can have the port, and it refuses.
    let refusing = {
        let _in_runtime = runtime.enter();
        TcpSocket::new_v4().unwrap()
    };
    refusing.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let dead = refusing.local_addr().unwrap().to_string();
    let directory = tempfile::tempdir().unwrap();
    let path = |name| directory.path().join(name).display().to_string();
    let (full, empty) = (path("full.db"), path("empty.db"));
    let count = events.to_string();
    let filled = measure(&["backlog-fill", &full, &count, &dead, &address]);
    measure(&["backlog-fill", &empty, "0", &dead, &address]);
    println!(
        "  disk        {:6.0} bytes per pending event (aim: under 1,638); filled at {:.0} events/s",
        filled[0], filled[1]
    );
    let pairs: Vec<_> = (0..ROUNDS)
        .map(|_| (Sender::run(&empty, &address), Sender::run(&full, &address)))
        .collect();
    let of = |figure: fn(&(Sender, Sender)) -> f64| median(pairs.iter().map(figure).collect());
    println!(
        "  memory      {:6.0} MiB resident with the backlog (aim: under 200), at most {:.0}; \
         {:.0} without",
        of(|pair| pair.1.resident_mib),
        of(|pair| pair.1.peak_mib),
        of(|pair| pair.0.resident_mib)
    );
    println!(
        "  restart     {:6.3} s from its start to the first request to a healthy endpoint (aim: \
         under 5); {:.3} s without",
        of(|pair| pair.1.restart_s),
        of(|pair| pair.0.restart_s)
    );
    println!(
        "  p99         {:6.2} ms from publish to arrival at healthy endpoints; {:.2} ms without",
        of(|pair| pair.1.p99_ms),
        of(|pair| pair.0.p99_ms)
    );
    println!(
        "  ratio of p99 {:.2} (aim: at most 2); medians of {ROUNDS} pairs, {MEASURED} events each\n",
        of(|pair| pair.1.p99_ms / pair.0.p99_ms)
    );
}

/// What one sender has shown.
struct Sender {
    resident_mib: f64,
    peak_mib: f64,
    restart_s: f64,
    p99_ms: f64,
}

impl Sender {
    fn run(path: &str, address: &str) -> Self {
        receiver_figures(address);
        let started = clock();
        let said = measure(&["backlog-sender", path]);
        let seen = receiver_figures(address);
        let [first, _, p99] = seen[..] else {
            panic!("the receiver said {seen:?}")
        };
        Self {
            resident_mib: said[0],
            peak_mib: said[1],
            restart_s: (first - started as f64) / 1e9,
            p99_ms: p99 / 1e6,
        }
    }
}

/// What the receiver has seen since it was asked last: when the first request came, how many were
/// timed, and the 99th percentile of how long these took. In nanoseconds.
fn receiver_figures(address: &str) -> Vec<f64> {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET /figures HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let words = answer.lines().last().unwrap_or_default().split(' ');
    words.map(|word| word.parse().unwrap()).collect()
}

/// The payload: when it was published, and what makes it 1 KiB.
fn payload(published: u64) -> Bytes {
    format!("{published:020}{}", "x".repeat(PAYLOAD_BYTES - 20)).into()
}

/// Makes a store with so many events pending for the dead endpoint, and one for each that answers.
/// Prints the bytes of the file for each event, and how many were written in a second.
pub(crate) fn fill(path: &str, events: usize, dead: &str, healthy: &str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let path = Path::new(path);
        let store = Arc::new(SqliteStore::open(path).unwrap());
        let (dead, healthy) = register(&store, dead, healthy).await;
        let mut store = reopened(store, path).await;
        let before = fs::metadata(path).unwrap().len();
        let started = clock();
        publish(&store, events, 1, |_| dead).await;
        let seconds = (clock() - started) as f64 / 1e9;
        store = reopened(store, path).await;
        let bytes = fs::metadata(path).unwrap().len() - before;
        leave_for_restart(&store, &healthy).await;
        let events = events as f64;
        println!("{} {}", bytes as f64 / events.max(1.0), events / seconds);
    });
}

/// The endpoints: the dead one first.
async fn register(
    store: &Arc<SqliteStore>,
    dead: &str,
    healthy: &str,
) -> (EndpointId, Vec<EndpointId>) {
    let builder = Postrider::builder().egress("127.0.0.0/8".parse().unwrap());
    let shared: Arc<dyn Store> = Arc::clone(store) as _;
    let postrider = builder.shared_store(shared).start().await.unwrap();
    let mut spec = EndpointSpec::new(format!("http://{dead}/"));
    spec.disable_after = None;
    spec.breaker = Some(BreakerPolicy {
        failures: 2,
        ..BreakerPolicy::default()
    });
    let dead = postrider.register(spec, None).await.unwrap().id;
    let mut registered = Vec::with_capacity(HEALTHY);
    for _ in 0..HEALTHY {
        let spec = EndpointSpec::new(format!("http://{healthy}/timed"));
        registered.push(postrider.register(spec, None).await.unwrap().id);
    }
    postrider.shutdown().await.unwrap();
    (dead, registered)
}

/// Closes the file, so that all of it is in its place, and opens it again.
async fn reopened(store: Arc<SqliteStore>, path: &Path) -> Arc<SqliteStore> {
    // A Postrider that was shut down lets go of it soon, and not at once.
    while Arc::strong_count(&store) > 1 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(store);
    Arc::new(SqliteStore::open(path).unwrap())
}

/// One event for each healthy endpoint, which the next sender finds when it starts.
async fn leave_for_restart(store: &Arc<SqliteStore>, healthy: &[EndpointId]) {
    publish(store, healthy.len(), clock(), |number| healthy[number]).await;
}

/// Gives the store so many events, group by group, each to the endpoint that is said. Their ids
/// ascend from this time on, as an engine's do.
async fn publish(
    store: &Arc<SqliteStore>,
    events: usize,
    time: u64,
    to: impl Fn(usize) -> EndpointId,
) {
    let payload = payload(0);
    for first in (0..events).step_by(GROUP) {
        let group = first..events.min(first + GROUP);
        let changes = group.map(|number| {
            let id = (u128::from(time) << 64) + number as u128;
            let lane = LaneId {
                endpoint: to(number),
                key: OrderingKey::none(),
            };
            let event = Event {
                id: EventId::from_u128(id),
                tenant: Default::default(),
                event_type: "payment.succeeded".parse().unwrap(),
                payload: payload.clone(),
                payload_type: PayloadType::default(),
                headers: EventHeaders::default(),
                ordering_key: OrderingKey::none(),
                published_at: Wall(1_760_000_000_000),
            };
            let id = DeliveryId::from_u128(id);
            Change::Publish(Publish {
                event: Arc::new(event),
                deliveries: [NewDelivery {
                    id,
                    lane,
                    queue_full: false,
                }]
                .into(),
                idempotency: None,
                addressed: false,
                from_outbox: false,
            })
        });
        for receipt in Arc::clone(store).commit(changes.collect()).await {
            receipt.unwrap();
        }
    }
}

/// Starts on such a store, publishes to the healthy endpoints, and prints its resident memory, now
/// and at most, in MiB.
pub(crate) fn send(path: &str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = Arc::new(SqliteStore::open(path).unwrap());
        let shared: Arc<dyn Store> = Arc::clone(&store) as _;
        let limits = Limits {
            pending_deliveries_max: u64::MAX,
            pending_bytes_max: u64::MAX,
            ..Limits::default()
        };
        let builder = Postrider::builder().egress("127.0.0.0/8".parse().unwrap());
        let builder = builder.limits(limits).shared_store(shared);
        let postrider = builder.start().await.unwrap();
        let endpoints = postrider.endpoints().await.unwrap();
        let healthy: Vec<EndpointId> = endpoints[1..].iter().map(|it| it.id).collect();
        let dead = endpoints[0].id;
        settle(&postrider, dead, &healthy).await;
        let mut publishing = JoinSet::new();
        let mut pace = tokio::time::interval(PACE);
        for number in 0..MEASURED {
            pace.tick().await;
            let (postrider, to) = (postrider.clone(), healthy[number % HEALTHY]);
            publishing.spawn(async move {
                let payload = payload(clock());
                let event = postrider.submit_event(&to, "payment.succeeded", payload);
                event.await.unwrap();
            });
        }
        publishing.join_all().await;
        delivered(&postrider, &healthy).await;
        let memory = [resident_mib("VmRSS:"), resident_mib("VmHWM:")];
        postrider.shutdown().await.unwrap();
        leave_for_restart(&store, &healthy).await;
        println!("{} {}", memory[0], memory[1]);
    });
}

/// Waits until what was left for the restart is delivered, and the breaker of the dead endpoint has
/// opened, if anything waits for it.
async fn settle(postrider: &Postrider, dead: EndpointId, healthy: &[EndpointId]) {
    delivered(postrider, healthy).await;
    if postrider.ledger(&dead).await.unwrap().pending == 0 {
        return;
    }
    let is_open = || async {
        let endpoint = postrider.endpoint(&dead).await.unwrap();
        endpoint.health.open_until.is_some()
    };
    while !is_open().await {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn delivered(postrider: &Postrider, endpoints: &[EndpointId]) {
    for endpoint in endpoints {
        while postrider.ledger(endpoint).await.unwrap().pending > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// A line of `/proc/self/status` (`proc(5)`), in MiB.
fn resident_mib(name: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    let kib = line.split_whitespace().nth(1).unwrap();
    kib.parse::<f64>().unwrap() / 1_024.0
}
