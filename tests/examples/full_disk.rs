//! What happens on a disk that is really full: run by the test `full_disk`, on a small file system
//! of its own, in two processes. The first fills the disk and is killed; the second goes on.
//!
//! `full_disk fill DISK NOTES`, then `full_disk go-on DISK NOTES`. In the directory `NOTES`, which
//! is on another disk, the publishers and the receiver write down what they were told and saw.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a part of a test"
)]

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use postrider::store::sqlite::OpenError;
use postrider::{
    Clock, EndpointId, EndpointSpec, EventId, EventState, Full, Ledger, NotReady, Postrider,
    PublishError, Record, RecordError, SqliteStore, Submission, SystemClock, TenantId, Wall,
};
use rustix::process::{Signal, getpid, kill_process};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

const ENDPOINTS: usize = 8;
/// Of each endpoint.
const LANES: usize = 4;
const PUBLISHERS: usize = 32;
const PAYLOAD_BYTES: usize = 12 << 10;

/// Takes room until somebody deletes it: more than the store asks for before it goes on.
const FILLER_BYTES: usize = 24 << 20;

/// Nothing takes so long.
const PATIENCE: Duration = Duration::from_secs(120);

/// A process at work, and where it keeps its notes.
struct Story {
    postrider: Postrider,
    endpoints: Vec<EndpointId>,
    disk: PathBuf,
    notes: PathBuf,
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [word, disk, notes] = &arguments[..] else {
        panic!("full_disk fill|go-on DISK NOTES");
    };
    let (disk, notes) = (Path::new(disk), Path::new(notes));
    match word.as_str() {
        "fill" => fill(disk, notes).await,
        "go-on" => go_on(disk, notes).await,
        other => panic!("`{other}` is neither fill nor go-on"),
    }
}

/// Publishes until the disk is full, delivers while it is, and is killed.
async fn fill(disk: &Path, notes: &Path) {
    fs::write(disk.join("filler"), vec![0x5a; FILLER_BYTES]).unwrap();
    let story = Story::begin(disk, notes).await;
    let url = receive(notes).await;
    let mut endpoints = Vec::new();
    for _ in 0..ENDPOINTS {
        let spec = EndpointSpec::new(&*url);
        let endpoint = story.postrider.register(spec, None).await.unwrap();
        story.postrider.pause_endpoint(&endpoint.id).await.unwrap();
        endpoints.push(endpoint.id);
    }
    let story = Story { endpoints, ..story };
    let records = story.postrider.records().unwrap();
    records.put(record("a")).await.unwrap();
    story.postrider.probe().await.unwrap();
    story.publish_until_refused().await;
    let accepted = story.acknowledged().len() as u64;
    story.say("refused at first", accepted);
    assert!(accepted > 1_000, "full after {accepted} events");
    story.check_what_is_beside_when_full().await;

    // It can be read, and says what was acknowledged: no more, no less.
    assert_eq!(story.account().await.accepted, accepted);
    story.check_all_known(EventState::Pending).await;

    // What was accepted is delivered, while publishing goes on being refused.
    let (first, second) = story.endpoints.split_at(ENDPOINTS / 2);
    story.resume(first).await;
    let expected = story.account_of(first).await.accepted;
    story.until_delivered(expected).await;
    story.publish_until_refused().await;
    story.say("delivered while full", expected);
    assert_eq!(
        story.account().await.accepted,
        story.acknowledged().len() as u64
    );

    // Killed in the middle of the rest, when somebody else has just taken all room that was left.
    story.resume(second).await;
    story.until_delivered(expected + 100).await;
    take_the_rest(&disk.join("rest"));
    tokio::time::sleep(Duration::from_millis(500)).await;
    let delivered = story.account().await.delivered;
    story.say("delivered when nothing was left", delivered);
    kill_process(getpid(), Signal::KILL).unwrap();
}

/// Starts on the full disk, delivers the rest, and publishes again as soon as there is room.
async fn go_on(disk: &Path, notes: &Path) {
    let story = Story::begin(disk, notes).await;
    let accepted = story.acknowledged().len() as u64;
    assert_eq!(story.account().await.accepted, accepted);
    story.say("started where nothing is left", accepted);
    // What the reserve had taken is there again; it is not enough to publish.
    fs::remove_file(disk.join("rest")).unwrap();
    let url = receive(notes).await;
    for endpoint in &story.endpoints {
        let spec = EndpointSpec::new(&*url);
        let updated = story.postrider.update_endpoint(endpoint, spec).await;
        updated.unwrap();
    }
    story.publish_until_refused().await;
    let accepted = story.acknowledged().len() as u64;
    story.until_delivered(accepted).await;
    story.say("delivered after a restart on a full disk", accepted);
    story.publish_until_refused().await;

    fs::remove_file(disk.join("filler")).unwrap();
    let freed = Instant::now();
    while !story.publish().await {
        assert!(
            freed.elapsed() < PATIENCE,
            "there is room, and it is not used"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    story.say("ms until publishing went on", freed.elapsed().as_millis());
    for _ in 0..100 {
        assert!(story.publish().await, "there is room for this one");
    }
    let accepted = story.acknowledged().len() as u64;
    story.until_delivered(accepted).await;
    story.check_all_known(EventState::Delivered).await;
    let account = story.account().await;
    assert_eq!((account.accepted, account.pending), (accepted, 0));
    let received = ids(&notes.join("received"));
    let lost = story.acknowledged().difference(&received).count();
    assert_eq!(lost, 0, "acknowledged, and never received");
    let drained = story.postrider.shutdown().await.unwrap();
    assert!(!drained.store_failed);
    story.say("events in all, each of them received", accepted);
    start_from_nothing(story).await;
}

/// A store that was closed has taken its smaller files away. Then somebody takes all room but the
/// reserve: that has to do for a start.
async fn start_from_nothing(story: Story) {
    let Story { disk, notes, .. } = story;
    drop(story.postrider);
    while let Err(OpenError::InUse(_)) = SqliteStore::open(disk.join("events.db")) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    take_the_rest(&disk.join("rest"));
    let story = Story::begin(&disk, &notes).await;
    let accepted = story.acknowledged().len() as u64;
    assert_eq!(story.account().await.accepted, accepted);
    story.check_all_known(EventState::Delivered).await;
    story.say("started where only the reserve was left", accepted);
    story.publish_until_refused().await;
}

impl Story {
    async fn begin(disk: &Path, notes: &Path) -> Self {
        let store = SqliteStore::open(disk.join("events.db")).unwrap();
        let builder = Postrider::builder().store(store);
        let builder = builder.egress("127.0.0.0/8".parse().unwrap());
        let postrider = builder.start().await.unwrap();
        let endpoints = postrider.endpoints().await.unwrap();
        Self {
            endpoints: endpoints.iter().map(|it| it.id).collect(),
            postrider,
            disk: disk.to_owned(),
            notes: notes.to_owned(),
        }
    }

    fn say(&self, what: &str, number: impl std::fmt::Display) {
        let room = rustix::fs::statvfs(&self.disk).unwrap();
        let free = room.f_bavail * room.f_frsize / 1_024;
        println!("{what}: {number} ({free} KiB free)");
    }

    /// Many publishers, each until it is refused. Every refusal is a clear one.
    async fn publish_until_refused(&self) {
        let mut publishers = JoinSet::new();
        for number in 0..PUBLISHERS {
            let (postrider, notes) = (self.postrider.clone(), self.notes.clone());
            let endpoint = self.endpoints[number % ENDPOINTS];
            publishers.spawn(async move {
                let lane = format!("lane-{}", number / ENDPOINTS % LANES);
                while publish(&postrider, endpoint, lane.clone(), &notes).await {}
            });
        }
        let done = tokio::time::timeout(PATIENCE, publishers.join_all()).await;
        done.unwrap();
    }

    /// One event; whether it was accepted.
    async fn publish(&self) -> bool {
        let endpoint = self.endpoints[0];
        publish(&self.postrider, endpoint, "lane-0".into(), &self.notes).await
    }

    /// The events that publishers were told are accepted.
    fn acknowledged(&self) -> BTreeSet<EventId> {
        ids(&self.notes.join("acknowledged"))
    }

    async fn check_all_known(&self, state: EventState) {
        for event in self.acknowledged() {
            let status = self.postrider.event_status(&event).await.unwrap();
            assert_eq!(status.state, state, "{event}");
        }
    }

    /// Nothing is added beside the events, either, and all says so; what goes can go.
    async fn check_what_is_beside_when_full(&self) {
        let records = || self.postrider.records().unwrap();
        assert_eq!(self.postrider.probe().await, Err(NotReady::Full));
        let due = Wall(SystemClock.wall().0 + 60_000);
        let later = Submission::new("disk.filled", vec![b'x'; PAYLOAD_BYTES]);
        let refused = self.postrider.schedule(later, due).await;
        assert_eq!(refused, Err(PublishError::Full(Full::Store).into()));
        assert_eq!(records().put(record("b")).await, Err(RecordError::Full));
        let Record {
            kind, tenant, id, ..
        } = record("a");
        assert_eq!(records().remove(kind, tenant, id).await, Ok(true));
    }

    async fn account(&self) -> Ledger {
        self.account_of(&self.endpoints).await
    }

    async fn account_of(&self, endpoints: &[EndpointId]) -> Ledger {
        let mut sum = Ledger::default();
        for endpoint in endpoints {
            let ledger = self.postrider.ledger(endpoint).await.unwrap();
            sum.accepted += ledger.accepted;
            sum.pending += ledger.pending;
            sum.delivered += ledger.delivered;
        }
        sum
    }

    async fn resume(&self, endpoints: &[EndpointId]) {
        for endpoint in endpoints {
            self.postrider.resume_endpoint(endpoint).await.unwrap();
        }
    }

    async fn until_delivered(&self, events: u64) {
        let start = Instant::now();
        loop {
            let account = self.account().await;
            if account.delivered >= events {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "of {events}: {account:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Publishes one event, and notes that it was accepted; false if the store is full.
async fn publish(postrider: &Postrider, to: EndpointId, lane: String, notes: &Path) -> bool {
    let submission = Submission::new("disk.filled", vec![b'x'; PAYLOAD_BYTES]);
    match postrider
        .publish(submission.to(&to).ordering_key(lane))
        .await
    {
        Ok(published) => {
            note(&mut noted(&notes.join("acknowledged")), published.event);
            true
        }
        Err(PublishError::Full(Full::Store)) => false,
        Err(other) => panic!("refused, but not as full: {other}"),
    }
}

fn record(id: &str) -> Record {
    Record {
        kind: "key",
        tenant: TenantId::default(),
        id: id.into(),
        value: vec![b'x'; PAYLOAD_BYTES].into(),
    }
}

/// A receiver that accepts everything and notes what it was; its URL.
async fn receive(notes: &Path) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let received = Arc::new(noted(&notes.join("received")));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let received = Arc::clone(&received);
            let service = service_fn(move |request| answer(request, Arc::clone(&received)));
            let http = hyper::server::conn::http1::Builder::new();
            tokio::spawn(http.serve_connection(TokioIo::new(stream), service));
        }
    });
    format!("http://{address}/")
}

async fn answer(
    request: Request<Incoming>,
    received: Arc<File>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    // Read to the end, so that the connection can be used again.
    let _ = body.collect().await;
    let event = head.headers["x-event-id"].to_str().unwrap();
    note(&mut &*received, event);
    Ok(Response::new(Empty::new()))
}

fn noted(path: &Path) -> File {
    let mut options = OpenOptions::new();
    options.create(true).append(true).open(path).unwrap()
}

/// Writes into this file until there is not a byte left.
fn take_the_rest(path: &Path) {
    let mut file = noted(path);
    for bytes in [1 << 20, 4_096, 1] {
        while file.write_all(&vec![0x5a; bytes]).is_ok() {}
    }
}

/// A line, in one piece: it is there even if the process is killed the next moment.
fn note(file: &mut impl Write, event: impl std::fmt::Display) {
    file.write_all(format!("{event}\n").as_bytes()).unwrap();
}

fn ids(path: &Path) -> BTreeSet<EventId> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| line.parse().unwrap()).collect()
}
